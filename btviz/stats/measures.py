"""Measures of how *better* goes with *safer*, each in one record: its words, its axis and its formula.

A measure is a function of cells: of how many comparisons call response_1 better and safer, in
the order neither, safer only, better only, both. Cells have the shape (R, strata x 4), one row
per prompt or replicate; the last stratum is that of comparisons whose stratum is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from btviz.stats.agreement import cohens_kappa_interval
from btviz.stats.association import Floats, TwoByTwo, ratio
from btviz.stats.clustered import (
    FEW_RARER,
    ClusterInterval,
    effective_number,
    phi_interval,
    share_interval,
    share_of_sums,
    shown,
)
from btviz.stats.smooth import smooth_interval
from btviz.stats.stratified import common_odds_ratio

CELLS = 4

_OTHER_SAFER = [1, 0, 3, 2]  # the cell of each once harmlessness is turned around


@dataclass(frozen=True)
class Measure:
    """One way to put a number on how *better* goes with *safer*."""

    title: str
    meaning: str
    formula: Callable[[Floats], Floats] = field(repr=False)
    kind: str = "coefficient"
    neutral: float = 0.0
    of_p: tuple[int, int] | None = None
    is_ordered: bool = False
    is_stratified: bool = False

    @property
    def per_margin(self) -> float:
        """How far it lies from neutral at a margin of 1 on |2p - 1|; 0 where the margin says nothing of it."""
        return 0.0 if self.of_p is None else self.of_p[0] / 2

    def values(self, cells: Floats) -> Floats:
        """Values of cells, shape (R,); NaN where undefined."""
        tables = _by_stratum(cells)
        return self.formula(tables[:, :-1] if self.is_stratified else tables)

    def interval(self, cells: Floats) -> ClusterInterval:
        """95 % interval of cells with one row per prompt; all arrays have shape (1,)."""
        tables = _by_stratum(cells)
        n, better, safer, both, none = _counts(tables)
        if self.of_p:
            factor, shift = self.of_p
            share = share_interval((both + none)[:, None], n[:, None])
            estimate, low, high = (factor * end + shift for end in (share.estimate, share.low, share.high))
            return replace(share, estimate=estimate, low=low, high=high)
        if self.formula is _phi:
            return phi_interval(*(part[:, None] for part in (better, safer)), both=both[:, None], n=n[:, None])
        if self.formula is _kappa:
            return cohens_kappa_interval(better, safer, both=both, n=n)
        known = tables[:, :-1]
        smooth = smooth_interval(
            self.distinct(cells),
            lambda drawn: self.values(drawn)[:, None],
            scale="log",
            informative=known.sum(axis=(1, 2)),
        )
        sides = known[..., [0, 3]].sum(axis=(1, 2)), known[..., [1, 2]].sum(axis=(1, 2))
        rarer = np.minimum(*(effective_number(side) for side in sides)).reshape(1)
        bounded = smooth.is_bounded | (rarer < FEW_RARER)
        flat = _odds_ratio_of_shares(known, is_ordered=self.is_ordered)
        exists = np.isfinite(smooth.estimate)
        low, high = (
            np.where(exists, np.where(bounded, *ends), np.nan)
            for ends in zip(flat, (smooth.low, smooth.high), strict=True)
        )
        return shown(replace(smooth, low=low, high=high, rarer=rarer, is_bounded=bounded))

    def distinct(self, cells: Floats) -> Floats:
        """Cells with what the measure does not tell apart put together: fewer kinds of prompt."""
        kept = cells if self.is_stratified else over_strata(cells)
        return kept if self.is_ordered else without_order(kept)


def _odds_ratio_of_shares(tables: Floats, *, is_ordered: bool) -> tuple[Floats, Floats]:
    """Mantel-Haenszel odds ratio with all shares of agreement at their low ends, and at their high ends.

    With u and w the shares of agreement where response_1 is better and where it is not, a stratum's odds ratio is
    ``u w / ((1 - u) (1 - w))``. Prompts agree more or less often in all strata at once, so all shares move together.
    The high end is NaN where it is infinite.
    """
    none, safer_only, better_only, both = np.moveaxis(tables, -1, 0)
    better, worse = both + better_only, none + safer_only
    if not is_ordered:
        none = both = (none + both) / 2
        better = worse = (better + worse) / 2
    n = tables.sum(axis=(0, 2))
    weight = np.nan_to_num(ratio(better.sum(axis=0) * worse.sum(axis=0), n))
    shares = [share_of_sums(*pair, confidence=0.95) for pair in ((both, better), (none, worse))]
    used = weight > 0
    ends = []
    for side in ("low", "high"):
        u, w = (getattr(share, side)[used] for share in shares)
        ends.append(ratio((weight[used] * u * w).sum(), (weight[used] * (1 - u) * (1 - w)).sum()).reshape(1))
    return ends[0], ends[1]


def _by_stratum(cells: Floats) -> Floats:
    return cells.reshape(len(cells), cells.shape[1] // CELLS, CELLS)


def over_strata(cells: Floats) -> Floats:
    """Cells summed over the strata, shape (R, 4)."""
    totals: Floats = _by_stratum(cells).sum(axis=1)
    return totals


def without_order(cells: Floats) -> Floats:
    """Cells with both orders of the answers counted as one, shape unchanged."""
    tables = _by_stratum(cells)
    folded = np.zeros_like(tables)
    folded[..., 2:] = tables[..., 2:] + tables[..., 1::-1]
    return folded.reshape(cells.shape)


def turned_around(cells: Floats) -> Floats:
    """Cells as they would be with the other answer the safer one."""
    return _by_stratum(cells)[..., _OTHER_SAFER].reshape(cells.shape)


def by_position(tables: Floats) -> TwoByTwo:
    """Tables of response_1 better and response_1 safer, from cells of shape (..., 4)."""
    _, safer_only, better_only, both = np.moveaxis(tables, -1, 0).astype(np.int64)
    return TwoByTwo(tables.sum(axis=-1).astype(np.int64), better_only + both, safer_only + both, both)


def in_both_orders(tables: Floats) -> TwoByTwo:
    """The same with every comparison counted twice, once in each order."""
    n, same = tables.sum(axis=-1).astype(np.int64), (tables[..., 0] + tables[..., 3]).astype(np.int64)
    return TwoByTwo(2 * n, n, n, same)


def _counts(tables: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Over all strata: comparisons, response_1 better, safer, both and neither."""
    cells = tables.sum(axis=1)
    none, safer_only, better_only, both = cells.T
    return cells.sum(axis=1), better_only + both, safer_only + both, both, none


def _two_p_minus_1(tables: Floats) -> Floats:
    n, _, _, both, none = _counts(tables)
    return ratio(2 * (both + none) - n, n)


def _phi(tables: Floats) -> Floats:
    n, better, safer, both, _ = _counts(tables)
    return ratio(n * both - better * safer, np.sqrt(better * (n - better)) * np.sqrt(safer * (n - safer)))


def _kappa(tables: Floats) -> Floats:
    n, better, safer, both, none = _counts(tables)
    chance = better * safer + (n - better) * (n - safer)
    return ratio(n * (both + none) - chance, n * n - chance)


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "p": Measure(
            "P(better = safer)",
            "share of the comparisons whose better answer is the safer one",
            lambda tables: (1 + _two_p_minus_1(tables)) / 2,
            kind="share",
            neutral=0.5,
            of_p=(1, 0),
        ),
        "two_p_minus_1": Measure(
            "2p − 1",
            "2p - 1, which is phi and kappa once every comparison is counted in both orders",
            _two_p_minus_1,
            of_p=(2, -1),
        ),
        "phi_by_position": Measure(
            "Phi by position",
            "phi of response_1 better and response_1 safer: depends on the order of the answers",
            _phi,
            is_ordered=True,
        ),
        "kappa_by_position": Measure(
            "Cohen’s kappa by position",
            "Cohen's kappa of the same: depends on the order of the answers",
            _kappa,
            is_ordered=True,
        ),
        "odds_ratio_mh": Measure(
            "Mantel-Haenszel odds ratio",
            "Mantel-Haenszel odds ratio over strata, every comparison counted in both orders",
            lambda tables: common_odds_ratio(in_both_orders(tables)),
            kind="odds",
            neutral=1.0,
            is_stratified=True,
        ),
        "odds_ratio_mh_by_position": Measure(
            "Mantel-Haenszel odds ratio by position",
            "Mantel-Haenszel odds ratio over strata by position: depends on the order",
            lambda tables: common_odds_ratio(by_position(tables)),
            kind="odds",
            neutral=1.0,
            is_ordered=True,
            is_stratified=True,
        ),
    }
)
"""What can be measured, by name."""
