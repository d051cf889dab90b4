"""Elo ratings of several policies, from all their meetings."""

from __future__ import annotations

import numpy as np
import polars as pl

from btviz.preference.shares import FEWEST_PROMPTS
from btviz.scoring.intervals import ALIKE, FEW, interval_columns
from btviz.scoring.meetings import NO_SUMS, met_by_each, wins_by_prompt
from btviz.stats.association import Floats, ratio
from btviz.stats.bradley_terry import elo_ratings
from btviz.stats.resampling import bootstrap

NO_MAXIMUM = "some policy never won, never lost or never met the others, so the likelihood has no maximum"


def elo_rows(
    part: pl.DataFrame, policies: list[str], *, reference: int, n_boot: int, random_state: int
) -> pl.DataFrame:
    """Rate policies by one score.

    Parameters
    ----------
    part : DataFrame
        From `btviz.scoring.policies.policy_scores`, of one model.
    policies : list of str
        Two or more, one for each row of the result.
    reference : int
        Place of the policy whose rating is 0.
    n_boot, random_state : int
        Bootstrap replicates, drawn over prompts, and seed.

    Returns
    -------
    DataFrame
        `policy`, `n`, `prompts`, `win_rate`, `elo`, `low`, `high`, `undefined`, as in
        `btviz.scoring.policies.policy_ratings`.
    """
    k = len(policies)
    wins = wins_by_prompt(part, policies)
    wins = wins[wins.any(axis=(1, 2))]  # prompts that one policy alone answered say nothing

    def rated(drawn: Floats) -> Floats:
        return elo_ratings(drawn.reshape(-1, k, k), reference=reference)

    found = bootstrap(wins.reshape(-1, k * k), rated, n_boot=n_boot, random_state=random_state)
    few = len(wins) < FEWEST_PROMPTS
    alike = (found.low == found.high) & (np.arange(k) != reference)  # that of the reference is 0 by definition
    reasons = [
        NO_MAXIMUM if not exists else FEW if few else ALIKE if same else None if known else NO_SUMS
        for exists, same, known in zip(np.isfinite(found.estimate), alike, np.isfinite(found.low), strict=True)
    ]
    won = wins.sum(axis=0)
    items, prompts = met_by_each(part, policies)
    return pl.DataFrame(
        {
            "policy": policies,
            "n": items,
            "prompts": prompts,
            "win_rate": pl.Series(ratio(won.sum(axis=1), (won + won.T).sum(axis=1))).fill_nan(None),
            **interval_columns(found, hidden=few | alike, undefined=reasons),
        }
    ).rename({"estimate": "elo"})
