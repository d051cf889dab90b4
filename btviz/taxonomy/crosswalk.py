"""Which harm categories of two taxonomies speak of the same harms.

Between BeaverTails and PKU-SafeRLHF the correspondence is our reading of their released keys and
of the few categories that BeaverTails' card describes; nobody has published one. It is many to many and
goes both ways, so two categories are matched only if a typical case of either would usually be
flagged with the other; a harm that merely may occur under another heading is not enough. What
a user's own taxonomy has in common with the released ones is said in its file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from btviz.errors import UsageError
from btviz.taxonomy.categories import BEAVERTAILS, PKU_SAFERLHF, TAXONOMIES, Category, Taxonomy


@dataclass(frozen=True, slots=True)
class Correspondence:
    """Two categories that are taken for the same harm, by slug, and why."""

    beavertails: str
    saferlhf: str
    reason: str


REVIEWED = (
    Correspondence("animal-abuse", "animal-abuse", "the same name"),
    Correspondence("discrimination", "discrimination", "both: unfair treatment of people by the group they belong to"),
    Correspondence("drugs-weapons", "drugs", "the 19 have drugs on their own; weapons have no heading among them"),
    Correspondence("financial-crime", "economic-crime", "theft and fraud are property and financial crimes"),
    Correspondence("financial-crime", "white-collar-crime", "a financial crime, committed in a profession"),
    Correspondence("hate-speech", "insult", "both: degrading and offensive wording"),
    Correspondence("privacy", "privacy", "the same name"),
    Correspondence("self-harm", "physical-harm", "injury to one's own body; the 19 do not tell whose body"),
    Correspondence("sexual", "sexual", "both: sexual material"),
    Correspondence("terrorism", "national-security", "an attack on a state is what terrorism is named for"),
    Correspondence("terrorism", "trafficking", "a trade of organised crime, which the 14 name with terrorism"),
    Correspondence("unethical", "manipulation", "deceiving and pressing people: wrong, and not violent"),
    Correspondence("violence", "physical-harm", "injury to another's body is violence"),
    Correspondence("violence", "public-order", "riots and the incitement to them; the 14 name incitement here"),
    Correspondence("violence", "violence", "the same name"),
)
"""Every two categories that correspond, in the order of BeaverTails."""

UNMATCHED: Mapping[str, Mapping[str, str]] = {
    BEAVERTAILS.name: {
        "child-abuse": "spread over sexual content, harm and trafficking, none of which is about children",
        "controversial-politics": "the 19 know acts against state and order, and no heading for divisive opinions",
        "misinformation": "false claims are under the harm that they do, mostly to health; none is about claims",
    },
    PKU_SAFERLHF.name: {
        "public-health": "reckless advice on health is spread over misinformation, drugs and unethical conduct",
        "copyright": "among the 14 copying is neither theft nor unethical for certain",
        "cybercrime": "by its aim a financial crime, a breach of privacy or merely unethical",
        "environment": "no heading among the 14 is about nature but that of animals",
        "psychological-harm": "an effect, which insults, abuse, manipulation and self-harm may all have",
    },
}
"""Categories (slugs) that correspond to none of the other list, and why, by taxonomy."""


def counterparts(source: Taxonomy, target: Taxonomy) -> dict[str, tuple[str, ...]]:
    """Categories of `target` that each category of `source` corresponds to.

    Parameters
    ----------
    source, target : Taxonomy
        BeaverTails and PKU-SafeRLHF in either order; a taxonomy of one's own and a released one
        that its file names, in either order; or twice the same.

    Returns
    -------
    dict
        Released keys of `target` by released key of `source`, in the order of both; empty
        where there is no counterpart.

    Raises
    ------
    UsageError
        If there is no correspondence between the two.
    """
    if _same(source, target):
        return {key: (key,) for key in source.keys}
    couples = _couples(source, target) or {(a, b) for b, a in _couples(target, source)}
    if not couples:
        raise _unrelated(source, target)
    return {key: tuple(kin for kin in target.keys if (key, kin) in couples) for key in source.keys}


def _same(first: Taxonomy, other: Taxonomy) -> bool:
    return (first.name, first.keys) == (other.name, other.keys)


def _couples(source: Taxonomy, target: Taxonomy) -> set[tuple[str, str]]:
    """What is known of the two in this order; nothing if it is known in the other."""
    if (source, target) == (BEAVERTAILS, PKU_SAFERLHF):
        return {(BEAVERTAILS[pair.beavertails].key, PKU_SAFERLHF[pair.saferlhf].key) for pair in REVIEWED}
    if target not in TAXONOMIES.values():
        return set()
    return {(link.key, link.other) for link in source.links if link.taxonomy == target.name}


def _unrelated(source: Taxonomy, target: Taxonomy) -> UsageError:
    released = [taxonomy.name for taxonomy in (source, target) if taxonomy in TAXONOMIES.values()]
    custom = [taxonomy.name for taxonomy in (source, target) if taxonomy not in TAXONOMIES.values()]
    asked = f"Categories of {source.name!r} were to be matched with those of {target.name!r}"
    if not released:
        return UsageError(f"{asked}; neither is a released taxonomy. Compare each with {list(TAXONOMIES)}.")
    return UsageError(
        f"{asked}; the file of {custom[0]!r} links no category to {released[0]!r}. Add lines such as "
        f'{released[0]} = ["privacy"] to its categories.'
    )


def unmatched(source: Taxonomy, target: Taxonomy) -> tuple[Category, ...]:
    """Categories of `source` without a counterpart in `target`.

    Parameters
    ----------
    source, target : Taxonomy
        As for `counterparts`.

    Returns
    -------
    tuple of Category
        In the order of `source`.

    Raises
    ------
    UsageError
        If there is no correspondence between the two.
    """
    matches = counterparts(source, target)
    return tuple(category for category in source.categories if not matches[category.key])


def carried_over(source: Taxonomy, target: Taxonomy, *, labels: str = "labels") -> pl.Expr:
    """Label sets of `source` as sets of their counterparts in `target`.

    Parameters
    ----------
    source, target : Taxonomy
        As for `counterparts`.
    labels : str
        Column of masks.

    Returns
    -------
    Expr
        Mask of the counterparts of every category in the set; null where the set is.

    Raises
    ------
    UsageError
        If there is no correspondence between the two.
    """
    matches = counterparts(source, target)
    masks = [
        source.has(key, labels=labels).cast(pl.UInt32) * pl.lit(target.mask(kin), pl.UInt32)
        for key, kin in matches.items()
    ]
    return pl.reduce(lambda one, other: one | other, masks)
