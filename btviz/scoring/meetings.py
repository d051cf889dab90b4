"""Where answers of two policies to one item meet, and which of them wins."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import polars as pl

from btviz.stats.association import Floats

BETTER = {"reward": 1.0, "cost": -1.0}
"""Direction in which a score is better."""

NO_SUMS = "this value has no interval: resamples without a win or a loss leave it infinite"

NO_ELO = "one of the two won every item, so the odds of a win are infinite"

_ITEM = ("item", "prompt_id")  # files may number other prompts alike


def meetings_of(part: pl.DataFrame, *, before: str, after: str) -> pl.DataFrame:
    """Let every answer of one policy meet every answer of another to the same item.

    Parameters
    ----------
    part : DataFrame
        From `btviz.scoring.policies.policy_scores`, of one model.
    before, after : str
        The two policies.

    Returns
    -------
    DataFrame
        `item`, `prompt_id`, `score` and `score_after` (turned where low is better, so the higher
        wins), `weight` (the meetings of an item sum to 1).
    """
    turned = part.with_columns(pl.col("score") * BETTER[part["kind"][0]])
    one, two = (turned.filter(policy=policy).select(*_ITEM, "score") for policy in (before, after))
    met = one.join(two.rename({"score": "score_after"}), on=_ITEM)
    return met.with_columns((1 / pl.len().over(_ITEM)).alias("weight"))


def wins_by_prompt(part: pl.DataFrame, policies: list[str]) -> Floats:
    """Count the wins of each policy over each other; a tie is half a win.

    Parameters
    ----------
    part : DataFrame
        As in `meetings_of`.
    policies : list of str
        Their order in the result.

    Returns
    -------
    array of float, shape (prompts, k, k)
        ``[p, i, j]``: items of prompt p on which policy i beat j.
    """
    prompts = part["prompt_id"].unique().sort()
    place = pl.int_range(len(prompts), eager=True)
    wins = np.zeros((len(prompts), len(policies), len(policies)))
    for (i, first), (j, second) in combinations(enumerate(policies), 2):
        met = meetings_of(part, before=first, after=second)
        row = met["prompt_id"].replace_strict(prompts, place, return_dtype=pl.Int64).to_numpy()
        lead = np.sign((met["score"] - met["score_after"]).to_numpy())
        weight = met["weight"].to_numpy()
        np.add.at(wins[:, i, j], row, weight * (1 + lead) / 2)
        np.add.at(wins[:, j, i], row, weight * (1 - lead) / 2)
    return wins


def met_by_each(part: pl.DataFrame, policies: list[str]) -> tuple[list[int], list[int]]:
    """Count the items on which each policy met another, and the prompts of these items."""
    shared = part.filter(pl.col("policy").n_unique().over(_ITEM) > 1)
    own = [shared.filter(policy=policy).select(_ITEM) for policy in policies]
    return [rows.n_unique() for rows in own], [rows["prompt_id"].n_unique() for rows in own]
