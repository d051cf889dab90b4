"""P(better = safer) by level: estimates, intervals by prompt, sign-flip p-values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.preference.comparisons import STRATA, Comparisons
from btviz.stats.association import ratio, wilson
from btviz.stats.clustered import FEW_RARER, FEWEST_EFFECTIVE, ClusterInterval, independent_worth, share_interval
from btviz.stats.measures import CELLS
from btviz.stats.permutation import SignFlip, holm, sign_flip, studentised_p
from btviz.stats.power import smallest_share_effect
from btviz.stats.quantiles import two_sided_p
from btviz.stats.resampling import Level, Resampling, cluster_sums, members

FLIPS = 9_999
"""Random turns of a sign-flip test."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sums:
    """Comparisons and hits by prompt and level."""

    n: Floats
    hits: Floats

    @property
    def prompts(self) -> NDArray[np.int64]:
        """Prompts with a comparison, shape (levels,)."""
        present: NDArray[np.int64] = np.count_nonzero(self.n, axis=0)
        return present

    def signed(self, level: int) -> Floats:
        """Hits less misses of each prompt of one level."""
        inside = self.n[:, level] > 0
        balance: Floats = 2 * self.hits[inside, level] - self.n[inside, level]
        return balance


def sums_of(member: NDArray[np.bool_], *, hit: NDArray[np.bool_], prompt: NDArray[np.int64]) -> Sums:
    """Sums by prompt."""
    hits = member & (hit if hit.ndim == 2 else hit[:, None])
    both = cluster_sums(np.hstack([member, hits]).astype(np.float64), clusters=prompt)
    return Sums(*np.hsplit(both, 2))


def share_table(sums: Sums, resampling: Resampling) -> pl.DataFrame:
    """Shares of hits, one row per level.

    Columns: `n`, `prompts`, `p`, `p_low` and `p_high` (95 % by prompt, `btviz.stats.clustered`), `p_value` (sign flips
    of p = 1/2), `p_holm` (adjusted for all rows of the table that have one), `p_studentised` (of p = 1/2 without the
    symmetry that sign flips need, `stats.permutation.studentised_p`), `p_prompt_weighted`, `naive_low`, `naive_high`,
    `naive_p_value`, `effective_prompts` (effective number of prompts), `smallest_detectable` (least
    |2p - 1| that a test of p = 1/2 with these prompts finds in 80 % of samples, at a level of 5 %, two-sided; null
    where none is large enough), `undefined`.
    """
    n, hits, prompts, levels = sums.n.sum(axis=0), sums.hits.sum(axis=0), sums.prompts, range(sums.n.shape[1])
    interval = share_interval(sums.hits, sums.n)
    naive_low, naive_high = wilson(hits, n=n)
    p_values = []
    for level in levels:
        p_values.append(flips(sums, level, resampling=resampling).p_value if prompts[level] else np.nan)
        resampling.report((level + 1) / len(n))
    table = {
        "n": n.astype(np.int64),
        "prompts": prompts,
        "p": ratio(hits, n),
        "p_low": interval.low,
        "p_high": interval.high,
        "p_value": p_values,
        "p_holm": holm(np.array(p_values, np.float64)),
        "p_studentised": [studentised_p(sums.signed(level), random_state=resampling.random_state) for level in levels],
        "p_prompt_weighted": _prompt_weighted(sums),
        "naive_low": naive_low,
        "naive_high": naive_high,
        "naive_p_value": [_binomial_p(*counts) for counts in zip(hits, n, strict=True)],
        "effective_prompts": interval.effective,
        "smallest_detectable": smallest_share_effect(
            independent_worth(sums.hits, sums.n), freedom=interval.effective - 1
        ),
        "undefined": pl.Series(reasons_of(interval, nothing="no comparison has both labels"), dtype=pl.String),
    }
    return pl.DataFrame(table).with_columns(pl.col(pl.Float64).fill_nan(None))


def flips(sums: Sums, level: int, *, resampling: Resampling) -> SignFlip:
    """Sign-flip test of p = 1/2 in one level, reversing whole prompts."""
    return sign_flip(sums.signed(level), n_flips=FLIPS, random_state=resampling.random_state)


def level_sums(comparisons: Comparisons, levels: Sequence[Level]) -> Sums:
    """Sums of "better is safer" by prompt and level."""
    return sums_of(members(levels), hit=comparisons.same, prompt=comparisons.prompt)


def cells_by_prompt(
    comparisons: Comparisons, level: Level, *, weighting: str = "comparisons", prompts: NDArray[np.int64] | None = None
) -> Floats:
    """Comparisons of a level by stratum and cell, one row per prompt: what `btviz.stats.measures` measures.

    The last stratum is that of unknown safety. A prompt weighs 1 in all, or as many as it has
    comparisons; rows are those of the level's prompts, or of `prompts`, ascending.
    """
    frame = comparisons.frame.filter(level.member)
    cell = 2 * frame["better"].cast(pl.Int64) + frame["safer"].cast(pl.Int64)
    stratum = frame["stratum"].replace_strict({name: i for i, name in enumerate(STRATA)}, default=len(STRATA))
    place = CELLS * stratum.cast(pl.Int64).to_numpy() + cell.to_numpy()
    one_hot = place[:, None] == np.arange(CELLS * (len(STRATA) + 1))
    prompt = frame["prompt"].to_numpy()
    sums = cluster_sums(one_hot.astype(np.float64), clusters=prompt)
    if weighting == "prompts":
        sums = ratio(sums, sums.sum(axis=1, keepdims=True))
    if prompts is None:
        return sums
    everyone = np.zeros((len(prompts), sums.shape[1]))
    everyone[np.searchsorted(prompts, np.unique(prompt))] = sums
    return everyone


def _prompt_weighted(sums: Sums) -> Floats:
    of_prompt = ratio(sums.hits, sums.n)
    return ratio(np.nansum(of_prompt, axis=0), sums.prompts)


def _binomial_p(hits: float, n: float) -> float:
    """Score test of p = 1/2 for independent comparisons."""
    return float(two_sided_p((2 * hits - n) / math.sqrt(n))) if n else math.nan


def reasons_of(interval: ClusterInterval, *, nothing: str) -> list[str | None]:
    """Why a value has no interval, or what to mind of it: one entry a level."""
    columns = (interval.estimate, interval.low, interval.effective, interval.rarer, interval.is_bounded)
    return [_reason(*entry, nothing=nothing) for entry in zip(*columns, strict=True)]


def _reason(value: float, low: float, effective: float, rarer: float, is_bounded: bool, *, nothing: str) -> str | None:
    if not math.isfinite(value):
        return nothing
    if effective < FEWEST_EFFECTIVE:
        return f"the effective number of its prompts is {int(effective)}, and an interval needs {FEWEST_EFFECTIVE}"
    if not (is_bounded or math.isnan(low)):
        return None
    if value in {0.0, 1.0} and math.isfinite(low):
        return f"all are alike: the interval is that of {int(effective)} effective prompts"
    if rarer >= FEW_RARER or math.isnan(low):
        return FEW_DECIDE if math.isnan(low) else "few prompts decide this value, so its interval is a wide one"
    why = f"the rarer outcome has {rarer:.0f} effective prompts"
    return f"{why}: the interval takes the answers to one prompt for copies of each other, and is a wide one"


FEW_DECIDE = "so few prompts decide this value that how it varies cannot be estimated, so it has no interval"
"""Why a value that no prompt moves, or that does not exist without one, has no interval."""
