"""Policies in `btviz stats scores`: ratings of all, and each against each."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from btviz.errors import choice

if TYPE_CHECKING:
    import polars as pl


def compared(policies: pl.DataFrame, *, before: str | None, n_boot: int, seed: int) -> dict[str, pl.DataFrame]:
    """Ratings of policies, and paired differences of those that answered the same prompts.

    Parameters
    ----------
    policies : DataFrame
        From `btviz.scoring.policies.policy_scores`.
    before : str or None
        Policy whose rating is 0, and that is "before" in each comparison it is in; by default the first
        by name.
    n_boot, seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        "ratings" and "policies", where there are two policies, and two that met.
    """
    import polars as pl

    from btviz.scoring.policies import compare_policies, policy_ratings

    names = policies["policy"].unique().sort().to_list()
    if before is not None:
        names.insert(0, names.pop(names.index(choice(before, names, what="policy"))))
    if not policies.select((pl.col("policy").n_unique().over("model", "kind") > 1).any()).item():
        return {}
    found = {"ratings": policy_ratings(policies, reference=before, n_boot=n_boot, random_state=seed)}
    paired = [
        compare_policies(part, before=one, after=two, n_boot=n_boot, random_state=seed)
        for one, two in combinations(names, 2)
        for part in _meeting(policies, one, two)
    ]
    return found | ({"policies": pl.concat(paired)} if paired else {})


def _meeting(policies: pl.DataFrame, one: str, two: str) -> list[pl.DataFrame]:
    """Scores of two policies by each model that scored answers of both to the same prompts."""
    import polars as pl

    own = policies.filter(pl.col("policy").is_in([one, two]))
    same = pl.col("policy").n_unique().over("model", "kind", "item", "prompt_id") == 2
    return own.filter(same).partition_by("model", "kind", maintain_order=True)
