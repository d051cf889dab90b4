"""Resampling of clusters: bootstrap intervals and a sign-flip test for functions of sums.

Answers to one prompt are not independent, so prompts are resampled, not items. A statistic
that is a function of sums over items needs each cluster's sums only: a replicate weights the
clusters by how often each was drawn, and all replicates are one matrix product.

Clusters with equal sums are drawn as one kind, and sums are rounded to a grid on which no
product or partial sum of the matrix product is rounded again. A result therefore depends on
the seed and on the clusters' sums alone: neither on their order nor on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from btviz.errors import UsageError, choice
from btviz.stats.association import Floats, Integers, ratio

Statistic = Callable[[Floats], Floats]
"""From sums, shape (R, k), to values, shape (R, m); NaN where a value is undefined."""

METHODS = ("percentile", "bca")
FEW_CLUSTERS = 50
"""Positive clusters below which a bootstrap interval may miss its nominal coverage."""

_CELLS = 2**21  # drawn at a time: 16 MB
_EXACT_BITS = 52
_EXACT_IN_FLOAT32 = 2**24
_NORMAL = NormalDist()


@dataclass(frozen=True, eq=False)
class Interval:
    """Bootstrap interval of each value of a statistic.

    Attributes
    ----------
    estimate : array of float, shape (m,)
        Statistic of the data; NaN where undefined.
    low, high : array of float, shape (m,)
        Ends of the interval; NaN where a replicate is undefined or infinite, where there are
        fewer than two clusters, and for BCa where its two corrections have no value.
    replicates : array of float, shape (R, m)
        Statistic of each resample; NaN where undefined or infinite.
    method : {"percentile", "bca"}
        How the ends were taken from the replicates.
    n_clusters : int
        Clusters resampled.
    """

    estimate: Floats
    low: Floats
    high: Floats
    replicates: Floats
    method: str
    n_clusters: int


@dataclass(frozen=True, eq=False)
class SignFlip:
    """Sign-flip test of a sum over clusters.

    Attributes
    ----------
    statistic : float, or array of shape (k,)
        Studentised sum ``S / sqrt(sum of s**2)``, -sqrt(C) .. sqrt(C); NaN where every s is 0.
    p_value : float, or array of shape (k,)
        Two-sided, ``(1 + #{|t*| >= |t|}) / (R + 1)``; NaN where the statistic is.
    null : array of float, shape (R,) or (R, k)
        The statistic with signs drawn at random.
    """

    statistic: Floats
    p_value: Floats
    null: Floats


def cluster_sums(values: ArrayLike, *, clusters: ArrayLike) -> Floats:
    """Sums over the items of each cluster.

    Parameters
    ----------
    values : array of float, shape (n, k)
        One row per item; (n,) gives (C,).
    clusters : array, shape (n,)
        Cluster of each item, of any sortable type.

    Returns
    -------
    array of float, shape (C, k)
        One row per cluster, in ascending order of `clusters`.

    Raises
    ------
    UsageError
        If the two lengths differ.
    """
    rows, keys = np.asarray(values, np.float64), np.asarray(clusters)
    if len(rows) != len(keys):
        raise UsageError(
            f"Sums by cluster were asked for, but there are {len(rows)} rows and {len(keys)} cluster ids. "
            "Pass one id per row."
        )
    if not len(keys):
        return np.zeros((0, *rows.shape[1:]))
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    sums: Floats = np.add.reduceat(rows[order], starts, axis=0)
    return sums


def bootstrap(
    sums: ArrayLike,
    statistic: Statistic,
    *,
    n_boot: int = 2000,
    random_state: int = 0,
    confidence: float = 0.95,
    method: str = "percentile",
    progress: Callable[[int], None] | None = None,
) -> Interval:
    """Interval of a function of sums, by drawing clusters with replacement.

    Parameters
    ----------
    sums : array of float, shape (C, k)
        Sums over the items of each cluster.
    statistic : callable
        From sums over all clusters, shape (R, k), to values, shape (R, m), row by row.
    n_boot : int
        Replicates, 1 or more.
    random_state : int
        Seed.
    confidence : float
        Nominal coverage, 0 .. 1.
    method : {"percentile", "bca"}
        Percentile interval, or bias-corrected and accelerated (Efron 1987): the bias from the
        share of replicates below the estimate (ties count half), the acceleration from the
        jackknife over clusters.
    progress : callable, optional
        Called with the replicates drawn so far, after every few of them; what it raises ends
        the drawing.

    Returns
    -------
    Interval
        Coverage is near its nominal value only where enough clusters contribute: flag
        statistics with fewer than `FEW_CLUSTERS` clusters that have any.

    Raises
    ------
    UsageError
        If an option is out of its range, a sum is not finite, or the statistic has not one
        row for each row of sums.
    """
    choice(method, METHODS, what="method")
    _check_range(n_boot, confidence=confidence)
    kinds, counts = _kinds(_table(sums))
    n_clusters = int(counts.sum())
    totals = (counts.astype(np.float64) @ kinds)[None]
    estimate = _apply(statistic, totals)[0]
    if n_clusters < 2:
        nowhere = np.full(estimate.shape, np.nan)
        return Interval(estimate, nowhere, nowhere, np.full((n_boot, len(estimate)), np.nan), method, n_clusters)
    rng = np.random.default_rng(random_state)
    factor = kinds.astype(_narrowest(kinds, n_clusters=n_clusters))
    resampled, done = [], 0
    for hits in _drawn(counts, n_boot=n_boot, rng=rng):
        resampled.append(hits.astype(factor.dtype) @ factor)
        done += len(hits)
        if progress is not None:
            progress(done)
    replicates = _apply(statistic, np.concatenate(resampled).astype(np.float64))
    levels = np.repeat([[0.5 - confidence / 2], [0.5 + confidence / 2]], len(estimate), axis=1)
    if method == "bca":
        left_out = _apply(statistic, totals - kinds)
        levels = _bca_levels(levels, estimate=estimate, replicates=replicates, left_out=left_out, counts=counts)
    low, high = _quantiles(replicates, levels=levels)
    return Interval(estimate, low, high, replicates, method, n_clusters)


def sign_flip(sums: ArrayLike, *, n_flips: int = 9999, random_state: int = 0) -> SignFlip:
    """Test that a sum over clusters is 0, by turning the signs of whole clusters.

    Exact where each cluster's sum is as likely as its opposite. The sum of squares is the same
    under every turn of signs, so the studentised sum and the plain one have the same p-value.

    Parameters
    ----------
    sums : array of float, shape (C,) or (C, k)
        Sum of each cluster; each of k columns is a test of its own.
    n_flips : int
        Random turns of signs, 1 or more.
    random_state : int
        Seed.

    Returns
    -------
    SignFlip
        Of floats for (C,), of arrays for (C, k).

    Raises
    ------
    UsageError
        If `n_flips` is below 1 or a sum is not finite.
    """
    _check_range(n_flips)
    given = np.asarray(sums, np.float64)
    kinds, counts = _kinds(_table(given[:, None] if given.ndim == 1 else given))
    rng = np.random.default_rng(random_state)
    block = max(1, _CELLS // max(1, len(counts)))
    turned = [
        (2.0 * rng.binomial(counts, 0.5, size=(min(block, n_flips - first), len(counts))) - counts) @ kinds
        for first in range(0, n_flips, block)
    ]
    null = np.concatenate(turned)
    observed = counts.astype(np.float64) @ kinds
    exceeding = (np.abs(null) >= np.abs(observed)).sum(axis=0)
    scale = np.sqrt((counts[:, None] * kinds**2).sum(axis=0))
    p_value = np.where(scale > 0, (1 + exceeding) / (n_flips + 1), np.nan)
    shape = given.shape[1:]
    return SignFlip(
        ratio(observed, scale).reshape(shape)[()],
        p_value.reshape(shape)[()],
        ratio(null, scale).reshape(n_flips, *shape),
    )


def _check_range(repeats: int, *, confidence: float = 0.5) -> None:
    if repeats < 1:
        raise UsageError(f"{repeats} random repeats were asked for; at least 1 is needed. Use a few thousand.")
    if not 0 < confidence < 1:
        raise UsageError(f"A confidence of {confidence} was asked for; it lies between 0 and 1. Use 0.95.")


def _table(sums: ArrayLike) -> Floats:
    """Sums on the finest grid (by column) on which every total of C draws is an exact float."""
    table = np.asarray(sums, np.float64)
    if table.ndim != 2 or not np.isfinite(table).all():
        raise UsageError(
            f"Clusters were to be resampled, but their sums have the shape {table.shape}, or some are not finite. "
            "Pass one row of finite sums per cluster."
        )
    _, exponent = np.frexp(np.abs(table).max(axis=0, initial=0.0) * len(table))
    step = np.ldexp(1.0, np.maximum(exponent - _EXACT_BITS, -1000))
    on_grid: Floats = np.rint(table / step) * step
    return on_grid + 0.0  # -0 and 0 are one kind


def _kinds(table: Floats) -> tuple[Floats, Integers]:
    kinds, counts = np.unique(table, axis=0, return_counts=True)
    return kinds, counts.astype(np.int64)


def _drawn(counts: Integers, *, n_boot: int, rng: np.random.Generator) -> Iterator[Integers]:
    """How often each kind is drawn, for blocks of replicates."""
    n, n_kinds = int(counts.sum()), len(counts)
    kind = np.repeat(np.arange(n_kinds), counts)
    block = max(1, _CELLS // n)
    for first in range(0, n_boot, block):
        rows = min(block, n_boot - first)
        drawn = kind.take(rng.integers(n, size=(rows, n))) + n_kinds * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * n_kinds).reshape(rows, n_kinds)


def _narrowest(kinds: Floats, *, n_clusters: int) -> type[np.floating]:
    """Type in which every total of `n_clusters` draws is exact: half as wide is twice as fast."""
    largest = np.abs(kinds).max(initial=0.0) * n_clusters
    return np.float32 if largest < _EXACT_IN_FLOAT32 and (kinds == np.rint(kinds)).all() else np.float64


def _apply(statistic: Statistic, sums: Floats) -> Floats:
    values = np.asarray(statistic(sums), np.float64)
    if values.ndim != 2 or len(values) != len(sums):
        raise UsageError(
            f"A statistic of {len(sums)} rows of sums gave values of the shape {values.shape}. "
            "Return one row of values for each row of sums."
        )
    return np.where(np.isfinite(values), values, np.nan)


def _bca_levels(levels: Floats, *, estimate: Floats, replicates: Floats, left_out: Floats, counts: Integers) -> Floats:
    below = (np.sum(replicates < estimate, axis=0) + np.sum(replicates <= estimate, axis=0)) / (2 * len(replicates))
    bias = np.array([_NORMAL.inv_cdf(share) if 0 < share < 1 else np.nan for share in below])
    gap = np.average(left_out, weights=counts, axis=0) - left_out
    squares, cubes = ((counts[:, None] * gap**power).sum(axis=0) for power in (2, 3))
    acceleration = ratio(cubes, 6 * squares**1.5)
    shifted = bias + np.array([_NORMAL.inv_cdf(level) for level in levels[:, 0]])[:, None]
    corrected = bias + ratio(shifted, 1 - acceleration * shifted)
    return np.array([[_NORMAL.cdf(z) for z in row] for row in corrected])


def _quantiles(replicates: Floats, *, levels: Floats) -> Floats:
    """Quantiles of each column at its own levels, shape (2, m); NaN where anything is undefined."""
    ends = np.full(levels.shape, np.nan)
    known = np.isfinite(levels).all(axis=0) & np.isfinite(replicates).all(axis=0)
    for column in np.flatnonzero(known):
        ends[:, column] = np.quantile(replicates[:, column], levels[:, column])
    return ends
