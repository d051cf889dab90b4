"""Which harm categories of BeaverTails and of PKU-SafeRLHF speak of the same harms.

The correspondence is our reading of the two lists of definitions, many to many: a category
may cover several of the other list, and some cover none.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from btviz.errors import UsageError
from btviz.taxonomy import BEAVERTAILS, PKU_SAFERLHF, Category, Taxonomy

BEAVERTAILS_TO_SAFERLHF: Mapping[str, tuple[str, ...]] = {
    "animal-abuse": ("animal-abuse",),
    "child-abuse": (),
    "controversial-politics": (),
    "discrimination": ("discrimination",),
    "drugs-weapons": ("drugs",),
    "financial-crime": ("economic-crime", "white-collar-crime"),
    "hate-speech": ("insult",),
    "misinformation": (),
    "unethical": (),
    "privacy": ("privacy",),
    "self-harm": ("physical-harm",),
    "sexual": ("sexual",),
    "terrorism": ("national-security", "public-order", "trafficking"),
    "violence": ("violence", "physical-harm"),
}
"""By slug. Empty where no category is near enough: child abuse and misinformation are spread
over several of the 19, and controversial topics and unethical conduct are in none."""


def counterparts(source: Taxonomy, target: Taxonomy) -> dict[str, tuple[str, ...]]:
    """Categories of `target` that each category of `source` corresponds to.

    Parameters
    ----------
    source, target : Taxonomy
        BeaverTails and PKU-SafeRLHF in either order, or twice the same.

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
    if source == target:
        return {key: (key,) for key in source.keys}
    couples = [(BEAVERTAILS[a], PKU_SAFERLHF[b]) for a, found in BEAVERTAILS_TO_SAFERLHF.items() for b in found]
    if (source, target) == (PKU_SAFERLHF, BEAVERTAILS):
        couples = [(b, a) for a, b in couples]
    elif (source, target) != (BEAVERTAILS, PKU_SAFERLHF):
        raise UsageError(
            f"Categories of {source.name!r} were to be matched with those of {target.name!r}; a correspondence exists "
            f"between {BEAVERTAILS.name!r} and {PKU_SAFERLHF.name!r} only. Use data with these categories."
        )
    return {
        key: tuple(c.key for c in sorted({b for a, b in couples if a.key == key}, key=lambda c: c.bit))
        for key in source.keys
    }


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
    found = counterparts(source, target)
    return tuple(category for category in source.categories if not found[category.key])


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
    found = counterparts(source, target)
    masks = [
        source.has(key, labels=labels).cast(pl.UInt32) * pl.lit(target.mask(kin), pl.UInt32)
        for key, kin in found.items()
    ]
    return pl.reduce(lambda one, other: one | other, masks)
