"""Intervals of smooth measures of sums by cluster: any function, by the jackknife on a scale where it is near normal.

A percentile bootstrap covers too little where few clusters carry the rarer outcome, and where some weigh much more
than others. Here clusters are left out one at a time (Tukey 1958), which gives a variance and, from how unequal the
clusters' squared deviations are, its degrees of freedom; the quantile is that of Student's t. Where few clusters decide
there are two ways on: a measure of shares has the interval that follows from those of the shares (`moved`), and any
other a wide one, as its degrees of freedom are few. None is left out for that: an interval that is shown for lucky
draws alone covers too little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike

from btviz.stats.association import Floats, ratio
from btviz.stats.clustered import (
    FEW_FREEDOM,
    FEW_RARER,
    ClusterInterval,
    effective_number,
    moved,
    ratio_of,
    share_of_sums,
    shown,
)
from btviz.stats.quantiles import t_quantile
from btviz.stats.resampling import CELLS, Statistic, kinds_of

_ROUNDING = 1e-9  # an error so small is one of rounding: no cluster moves the value

Scale = tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]


def _identity(values: Floats) -> Floats:
    return values


SCALES: Mapping[str, Scale] = MappingProxyType(
    {
        "plain": (_identity, _identity),
        "log": (np.log, np.exp),
        "correlation": (np.arctanh, np.tanh),
        "share": (lambda p: np.log(p) - np.log1p(-p), lambda x: 1 / (1 + np.exp(-x))),
        "agreement": (lambda k: -np.log1p(-k), lambda x: -np.expm1(-x)),
    }
)
"""Scales by what is measured: differences and means; odds; -1 .. 1; 0 .. 1; at most 1 (that of one minus it)."""


def smooth_interval(
    sums: ArrayLike,
    statistic: Statistic,
    *,
    scale: str = "plain",
    informative: ArrayLike | None = None,
    confidence: float = 0.95,
) -> ClusterInterval:
    """Interval of each value of a smooth function of sums.

    Parameters
    ----------
    sums : array of float, shape (C, k)
        Sums of each cluster.
    statistic : callable
        From totals, shape (R, k), to values, shape (R, m); NaN where undefined.
    scale : str
        One of `SCALES`.
    informative : array of float, shape (C,) or (C, j), optional
        Weights of clusters, such as items of either class: the fewest effective clusters of any column count. By
        default the first column of `sums`.
    confidence : float
        Level, 0 .. 1.

    Returns
    -------
    ClusterInterval
        Shape (m,). Ends are NaN where fewer than `FEWEST_EFFECTIVE` effective clusters inform, where no cluster moves
        the value, and where it does not exist without some cluster. `is_bounded` says that few decide: less than
        `FEW_FREEDOM` degrees of freedom are left.
    """
    table = np.asarray(sums, np.float64)
    weights = table[:, 0] if informative is None else np.asarray(informative, np.float64)
    effective = float(np.min(effective_number(weights), initial=np.inf))
    there, back = SCALES[scale]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        estimate, error, freedom = leaving_out(table, lambda totals: there(statistic(totals)))
        reach = t_quantile(confidence, df=freedom) * error
        ends = back(estimate - reach), back(estimate + reach)
        value = statistic(table.sum(axis=0, keepdims=True))[0]
    unmoved = ~(error > _ROUNDING)
    few = unmoved | ~(freedom >= FEW_FREEDOM)
    low, high = (np.where(unmoved, np.nan, end) for end in ends)
    number = np.full(len(value), effective)
    value = np.where(np.isfinite(value), value, np.nan)
    return shown(ClusterInterval(value, low, high, number, number, few))


def leaving_out(sums: Floats, statistic: Statistic) -> tuple[Floats, Floats, Floats]:
    """Values, their standard errors and degrees of freedom, by leaving out clusters one at a time; see `jackknife`.

    Clusters of equal sums are left out as one kind.
    """
    kinds, counts = kinds_of(sums)
    count = int(counts.sum())
    total = (counts.astype(np.float64) @ kinds)[None]
    estimate = np.asarray(statistic(total)[0], np.float64)
    if count < 2:
        return estimate, np.full(len(estimate), np.nan), np.full(len(estimate), np.nan)
    block = max(1, CELLS // max(kinds.shape[1], 1))
    without = np.concatenate([statistic(total - kinds[first : first + block]) for first in range(0, len(kinds), block)])
    finite = np.isfinite(without).all(axis=0) & np.isfinite(estimate)
    without = np.where(finite, without, 0.0)
    deviation = without - counts @ without / count
    squares = deviation**2
    error = np.sqrt(counts @ squares * (count - 1) / count)
    mean = counts @ squares / count
    freedom = ratio(2 * (counts @ squares) ** 2, counts @ (squares - mean) ** 2)
    freedom = np.minimum(np.nan_to_num(freedom, nan=np.inf), count - 1)
    return estimate, np.where(finite, error, np.nan), np.where(finite, freedom, np.nan)


def agreement_beyond_chance(
    sums: ArrayLike,
    statistic: Statistic,
    *,
    disagreement: tuple[ArrayLike, ArrayLike],
    chance: Callable[..., Floats],
    of: Sequence[tuple[ArrayLike, ArrayLike]],
    confidence: float = 0.95,
) -> ClusterInterval:
    """Interval of one coefficient ``1 - D / E``: of disagreement D, over that expected by chance E.

    Parameters
    ----------
    sums : array of float, shape (C, k)
        Sums of each cluster.
    statistic : callable
        The coefficient, from totals, shape (R, k), to values, shape (R, 1).
    disagreement : tuple of two arrays, shape (C,)
        What D is the share of: hits, and of what.
    chance : callable
        E of shares.
    of : sequence of tuples of two arrays, shape (C,)
        What these are shares of.
    confidence : float
        Level, 0 .. 1.

    Returns
    -------
    ClusterInterval
        Shape (1,), by the jackknife where many clusters hold either outcome of all shares. Elsewhere (`is_bounded`)
        the interval is put together of those of D and E by MOVER (Zou & Donner 2008, Donner & Zou 2012), which takes
        them for independent; they rise and fall together, so it is a wide one.
    """
    pairs = [[np.asarray(side, np.float64)[:, None] for side in pair] for pair in (disagreement, *of)]
    differing, *margins = (share_of_sums(part, whole, confidence=confidence) for part, whole in pairs)
    smooth = smooth_interval(sums, statistic, scale="agreement", informative=pairs[0][1], confidence=confidence)
    rarer = np.min([share.rarer for share in (differing, *margins)], axis=0)
    expected = chance(*(share.estimate for share in margins))
    low, high = moved(chance, *margins)
    least, most = ratio_of(differing, replace(differing, estimate=expected, low=np.maximum(low, 0), high=high))
    correction = ratio(1 - smooth.estimate, ratio(differing.estimate, expected))
    correction = np.where(np.isfinite(correction), correction, 1.0)  # alpha has (N - 1) / N
    flat = (np.maximum(1 - correction * np.nan_to_num(most, nan=2), -1), np.minimum(1 - correction * least, 1))
    flat = (np.minimum(flat[0], smooth.estimate), np.maximum(flat[1], smooth.estimate))  # rounding at 1
    bounded = smooth.is_bounded | (rarer < FEW_RARER)
    known = np.isfinite(smooth.estimate)
    sides = zip(flat, (smooth.low, smooth.high), strict=True)
    low, high = (np.where(known, np.where(bounded, *side), np.nan) for side in sides)
    return shown(ClusterInterval(smooth.estimate, low, high, differing.effective, rarer, bounded))
