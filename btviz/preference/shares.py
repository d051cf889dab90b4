"""P(better = safer) by level: estimates, intervals by prompt, sign-flip p-values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.errors import UsageError
from btviz.preference.comparisons import Comparisons, Level
from btviz.stats.association import ratio, wilson
from btviz.stats.kinds import generator
from btviz.stats.permutation import SignFlip, sign_flip
from btviz.stats.resampling import FEW_CLUSTERS, bootstrap, cluster_sums

FEWEST_PROMPTS = FEW_CLUSTERS
"""Prompts that a level needs for an interval: with fewer, bootstrap intervals cover too little."""

FEWEST_REPLICATES = 39
"""Replicates that an interval needs: with fewer, neither tail of 2.5 % holds a replicate."""

FLIPS = 9_999
"""Random turns of a sign-flip test."""

_FLIP_COST = 1 / 6  # of all levels, in replicates: what the two take of the time
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Resampling:
    """How intervals and p-values are drawn.

    Attributes
    ----------
    n_boot : int
        Bootstrap replicates, `FEWEST_REPLICATES` or more.
    random_state : int
        Seed of both bootstrap and sign flips.
    progress : callable, optional
        Called with the share of the work that is done, 0 .. 1.

    Raises
    ------
    UsageError
        If there are fewer replicates, or the seed is negative.
    """

    n_boot: int
    random_state: int
    progress: Callable[[float], None] | None = None

    def __post_init__(self) -> None:
        generator(self.random_state)
        if self.n_boot < FEWEST_REPLICATES:
            raise UsageError(
                f"{self.n_boot} bootstrap replicates were asked for; a 95 % interval needs {FEWEST_REPLICATES} or "
                "more. Use a few thousand."
            )

    def report(self, done: float) -> None:
        """Tell the share that is done, to whom it may concern."""
        if self.progress is not None:
            self.progress(done)


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
    """Shares of hits, one row per level."""
    n, hits, prompts = sums.n.sum(axis=0), sums.hits.sum(axis=0), sums.prompts
    drawing = resampling.n_boot / (resampling.n_boot + _FLIP_COST * FLIPS)
    low, high = _interval(sums, resampling, share=drawing)
    one_sided = (hits == 0) | (hits == n)
    few = prompts < FEWEST_PROMPTS
    for bound in (low, high):
        bound[few | one_sided] = np.nan
    naive_low, naive_high = wilson(hits, n=n)
    contrary = np.minimum(((sums.n > sums.hits).sum(axis=0)), (sums.hits > 0).sum(axis=0))
    reasons = [_reason(*entry) for entry in zip(n, prompts, one_sided, contrary, strict=True)]
    p_values = []
    for level in range(len(n)):
        p_values.append(flips(sums, level, resampling=resampling).p_value if prompts[level] else np.nan)
        resampling.report(drawing + (1 - drawing) * (level + 1) / len(n))
    table = {
        "n": n.astype(np.int64),
        "prompts": prompts,
        "p": ratio(hits, n),
        "p_low": low,
        "p_high": high,
        "p_value": p_values,
        "p_prompt_weighted": _prompt_weighted(sums),
        "naive_low": naive_low,
        "naive_high": naive_high,
        "naive_p_value": [_binomial_p(*counts) for counts in zip(hits, n, strict=True)],
        "undefined": pl.Series(reasons, dtype=pl.String),
    }
    return pl.DataFrame(table).with_columns(pl.col(pl.Float64).fill_nan(None))


def flips(sums: Sums, level: int, *, resampling: Resampling) -> SignFlip:
    """Sign-flip test of p = 1/2 in one level, reversing whole prompts."""
    return sign_flip(sums.signed(level), n_flips=FLIPS, random_state=resampling.random_state)


def members(levels: Sequence[Level]) -> NDArray[np.bool_]:
    """Membership of all levels, shape (n, levels)."""
    return np.column_stack([level.member for level in levels])


def level_sums(comparisons: Comparisons, levels: Sequence[Level]) -> Sums:
    """Sums of "better is safer" by prompt and level."""
    return sums_of(members(levels), hit=comparisons.same, prompt=comparisons.prompt)


def _interval(sums: Sums, resampling: Resampling, *, share: float) -> tuple[Floats, Floats]:
    levels = sums.n.shape[1]
    if not sums.n.shape[0]:
        return np.full(levels, np.nan), np.full(levels, np.nan)
    found = bootstrap(
        np.hstack([sums.n, sums.hits]),
        lambda drawn: ratio(drawn[:, levels:], drawn[:, :levels]),
        n_boot=resampling.n_boot,
        random_state=resampling.random_state,
        progress=lambda done: resampling.report(share * done / resampling.n_boot),
    )
    return found.low.copy(), found.high.copy()


def _prompt_weighted(sums: Sums) -> Floats:
    own = ratio(sums.hits, sums.n)
    return ratio(np.nansum(own, axis=0), sums.prompts)


def _binomial_p(hits: float, n: float) -> float:
    """Score test of p = 1/2 for independent comparisons."""
    return math.erfc(abs(2 * hits - n) / math.sqrt(2 * n)) if n else math.nan


def _reason(n: float, prompts: int, one_sided: bool, contrary: int) -> str | None:  # a row of columns
    if not n:
        return "no comparison has both labels"
    if one_sided:
        return "all comparisons are alike, so resampling them gives no interval"
    if prompts < FEWEST_PROMPTS:
        return f"fewer than {FEWEST_PROMPTS} prompts, too few for an interval"
    if contrary < FEWEST_PROMPTS:
        return f"the rarer outcome occurs in {contrary} prompts: below {FEWEST_PROMPTS} the interval is doubtful"
    return None
