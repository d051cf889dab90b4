"""Two policies on the items that both answered: means, differences, win rate and Elo."""

from __future__ import annotations

from functools import partial

import numpy as np
import polars as pl

from btviz.preference.shares import FEWEST_PROMPTS
from btviz.scoring.intervals import ALIKE, FEW, interval_columns
from btviz.scoring.meetings import NO_ELO, NO_SUMS
from btviz.stats.association import Floats, ratio
from btviz.stats.resampling import bootstrap, cluster_sums

STATISTICS = ("mean before", "mean after", "mean difference", "wins", "ties", "losses", "win rate", "Elo")
COST_STATISTICS = ("share below 0 before", "share below 0 after", "difference of shares below 0")


def paired_statistics(met: pl.DataFrame, *, is_cost: bool, n_boot: int, random_state: int) -> pl.DataFrame:
    """Measure how the second policy differs from the first.

    Parameters
    ----------
    met : DataFrame
        From `btviz.scoring.meetings.meetings_of`, one row or more.
    is_cost : bool
        Whether the scores are costs: they are turned back, and shares below 0 are added.
    n_boot, random_state : int
        Bootstrap replicates, drawn over prompts, and seed.

    Returns
    -------
    DataFrame
        `statistic` (`STATISTICS`, and `COST_STATISTICS` of a cost), `n` (items), `prompts`,
        `estimate`, `low`, `high` (95 %, by prompt), `undefined`.
    """
    values = _values(met, sign=-1.0 if is_cost else 1.0)
    sums = cluster_sums(values * met["weight"].to_numpy()[:, None], clusters=met["prompt_id"].to_numpy())
    found = bootstrap(sums, partial(_measured, is_cost=is_cost), n_boot=n_boot, random_state=random_state)
    few, alike = len(sums) < FEWEST_PROMPTS, found.low == found.high
    reasons = [
        NO_ELO if not exists else FEW if few else ALIKE if same else None if known else NO_SUMS
        for exists, same, known in zip(np.isfinite(found.estimate), alike, np.isfinite(found.low), strict=True)
    ]
    names = [*STATISTICS, *(COST_STATISTICS if is_cost else ())]
    return pl.DataFrame(
        {
            "statistic": names,
            "n": [met.select("item", "prompt_id").n_unique()] * len(names),
            "prompts": [len(sums)] * len(names),
            **interval_columns(found, hidden=alike | few, undefined=reasons),
        }
    )


def _values(met: pl.DataFrame, *, sign: float) -> Floats:
    """What is summed of each meeting; `_measured` divides all columns by the first."""
    first, second = met["score"].to_numpy(), met["score_after"].to_numpy()
    means = [sign * first, sign * second, sign * (second - first)]
    outcomes = [second > first, second == first, second < first]
    below = [first > 0, second > 0]  # costs are turned here, so above 0 is a cost below 0
    return np.column_stack([np.ones(len(first)), *means, *outcomes, *below])


def _measured(sums: Floats, *, is_cost: bool) -> Floats:
    shares = ratio(sums[:, 1:], sums[:, :1])
    *_, wins, ties, _losses, below_before, below_after = shares.T
    rate = wins + ties / 2
    elo = 400 * np.log10(ratio(rate, 1 - rate), where=rate > 0, out=np.full(len(rate), np.nan))
    below = [below_before, below_after, below_after - below_before] if is_cost else []
    return np.column_stack([shares[:, :6], rate, elo, *below])
