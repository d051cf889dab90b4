"""Where answers of two policies to one item meet, and which of them wins.

Two policies on the items that both answered: means, differences, win rate and Elo.

Elo ratings of several policies, from all their meetings.
"""

from __future__ import annotations

from functools import partial
from itertools import combinations

import numpy as np
import polars as pl

from btviz.preference.shares import FEWEST_PROMPTS
from btviz.scores.intervals import ALIKE, FEW, interval_columns
from btviz.stats.association import Floats, ratio
from btviz.stats.ordering import elo_ratings
from btviz.stats.resampling import bootstrap, cluster_sums

BETTER = {"reward": 1.0, "cost": -1.0}
"""Direction in which a score is better."""


NO_SUMS = "this value has no interval: resamples without a win or a loss leave it infinite"


NO_ELO = "one of the two won every item, so the odds of a win are infinite"


_ITEM = ("item", "prompt_id")  # files may number other prompts alike


def meetings_of(part: pl.DataFrame, *, before: str, after: str) -> pl.DataFrame:
    """Let every answer of one policy meet every answer of another to the same item."""
    turned = part.with_columns(pl.col("score") * BETTER[part["kind"][0]])
    one, two = (turned.filter(policy=policy).select(*_ITEM, "score") for policy in (before, after))
    met = one.join(two.rename({"score": "score_after"}), on=_ITEM)
    return met.with_columns((1 / pl.len().over(_ITEM)).alias("weight"))


def wins_by_prompt(part: pl.DataFrame, policies: list[str]) -> Floats:
    """Count the wins of each policy over each other; a tie is half a win."""
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


STATISTICS = ("mean before", "mean after", "mean difference", "wins", "ties", "losses", "win rate", "Elo")


COST_STATISTICS = ("share below 0 before", "share below 0 after", "difference of shares below 0")


def paired_statistics(met: pl.DataFrame, *, is_cost: bool, n_boot: int, random_state: int) -> pl.DataFrame:
    """Measure how the second policy differs from the first."""
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


NO_MAXIMUM = "some policy never won, never lost or never met the others, so the likelihood has no maximum"


def elo_rows(
    part: pl.DataFrame, policies: list[str], *, reference: int, n_boot: int, random_state: int
) -> pl.DataFrame:
    """Rate policies by one score."""
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
