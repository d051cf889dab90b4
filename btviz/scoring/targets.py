"""What a target of a moderation model is measured against: its category, or the counterparts in other data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from btviz.crosswalk import counterparts
from btviz.errors import UsageError
from btviz.taxonomy import TAXONOMIES, Taxonomy


def truths_of(targets: Iterable[str], taxonomy: Taxonomy) -> Mapping[str, tuple[str, ...]]:
    """Categories of a data set that each target of one model speaks of.

    A model whose targets are all categories of another released taxonomy, as a probe fitted on
    BeaverTails is for PKU-SafeRLHF, is read by `btviz.crosswalk.counterparts`: an answer has a target
    where it has any of its counterparts.

    Parameters
    ----------
    targets : iterable of str
        Slugs of one model, without "severity".
    taxonomy : Taxonomy
        Of the data set.

    Returns
    -------
    Mapping
        Released keys of `taxonomy` by target; none where no category corresponds; targets that no taxonomy
        knows are left out.
    """
    named = list(targets)
    own = {category.slug: (category.key,) for category in taxonomy.categories}
    if not all(target in own for target in named):
        for other in TAXONOMIES.values():
            keys = {category.slug: category.key for category in other.categories}
            if named and all(target in keys for target in named):
                try:
                    kin = counterparts(other, taxonomy)
                except UsageError:  # a taxonomy of the user's own, which names no counterparts
                    break
                return {target: kin[keys[target]] for target in named}
    return {target: own[target] for target in named if target in own}
