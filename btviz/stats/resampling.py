"""Resampling of clusters: bootstrap intervals for functions of sums.

Answers to one prompt are not independent, so prompts are resampled, not items. A statistic
that is a function of sums over items needs each cluster's sums only: a replicate weights the
clusters by how often each was drawn, and all replicates are one matrix product.

A result depends on the seed and on the clusters' sums alone: neither on their order nor on the
number of threads (see `btviz.stats.kinds`).

Bootstrap over clusters for statistics that are no function of sums: clusters are weighted instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from btviz.errors import UsageError, choice
from btviz.stats.association import Floats, Integers, ratio
from btviz.stats.kinds import check_repeats, drawn_totals, generator, kinds_of

Statistic = Callable[[Floats], Floats]
"""From sums, shape (R, k), to values, shape (R, m); NaN where a value is undefined."""


METHODS = ("percentile", "bca")


FEW_CLUSTERS = 50
"""Positive clusters below which a bootstrap interval may miss its nominal coverage."""


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
    check_repeats(n_boot)
    generator(random_state)
    if not 0 < confidence < 1:
        raise UsageError(f"A confidence of {confidence} was asked for; it lies between 0 and 1. Use 0.95.")
    kinds, counts = kinds_of(sums)
    n_clusters = int(counts.sum())
    totals = (counts.astype(np.float64) @ kinds)[None]
    estimate = _apply(statistic, totals)[0]
    if n_clusters < 2:
        nowhere = np.full(estimate.shape, np.nan)
        return Interval(estimate, nowhere, nowhere, np.full((n_boot, len(estimate)), np.nan), method, n_clusters)
    drawn = drawn_totals(kinds, counts, n_boot=n_boot, random_state=random_state, progress=progress)
    replicates = _apply(statistic, drawn)
    levels = np.repeat([[0.5 - confidence / 2], [0.5 + confidence / 2]], len(estimate), axis=1)
    if method == "bca":
        left_out = _apply(statistic, totals - kinds)
        levels = _bca_levels(levels, estimate=estimate, replicates=replicates, left_out=left_out, counts=counts)
    low, high = _quantiles(replicates, levels=levels)
    return Interval(estimate, low, high, replicates, method, n_clusters)


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


Weighted = Callable[[Floats], Floats]
"""From weights of clusters, shape (R, C), to values, shape (R, m); NaN where undefined."""


_CELLS = 2**18  # numbers held at a time: 2 MB, which stay in the cache


def reweighted(
    statistic: Weighted,
    *,
    n_clusters: int,
    width: int,
    n_boot: int = 2000,
    random_state: int = 0,
    confidence: float = 0.95,
) -> Interval:
    """Percentile interval of a statistic of weighted clusters, drawing clusters with replacement.

    Parameters
    ----------
    statistic : callable
        From weights, shape (R, n_clusters), to values, shape (R, m), row by row.
    n_clusters : int
        Clusters to draw from.
    width : int
        Numbers that the statistic holds for each replicate, such as items: decides how many
        replicates it is given at once, and nothing else.
    n_boot : int
        Replicates, 1 or more.
    random_state : int
        Seed.
    confidence : float
        Nominal coverage, 0 .. 1.

    Returns
    -------
    Interval
        Ends are NaN with fewer than two clusters. Replicates in which the value is undefined
        (a class was not drawn) are left out of the quantiles; where they are more than one in
        twenty there is no interval.

    Raises
    ------
    UsageError
        If there are no replicates to draw.
    """
    if n_boot < 1:
        raise UsageError(f"{n_boot} random repeats were asked for; at least 1 is needed. Use a few thousand.")
    estimate = statistic(np.ones((1, n_clusters)))[0]
    nowhere = np.full(estimate.shape, np.nan)
    if n_clusters < 2:
        return Interval(estimate, nowhere, nowhere, np.full((n_boot, len(estimate)), np.nan), "percentile", n_clusters)
    block = max(1, _CELLS // max(width, n_clusters))
    drawn = _drawn(n_clusters, block=block, n_boot=n_boot, random_state=random_state)
    replicates = np.concatenate([statistic(weights) for weights in drawn])
    known = np.isfinite(replicates).mean(axis=0) >= 0.95
    low, high = nowhere.copy(), nowhere.copy()
    levels = [0.5 - confidence / 2, 0.5 + confidence / 2]
    for column in np.flatnonzero(known & np.isfinite(estimate)):
        low[column], high[column] = np.nanquantile(replicates[:, column], levels)
    return Interval(estimate, low, high, replicates, "percentile", n_clusters)


def _drawn(n_clusters: int, *, block: int, n_boot: int, random_state: int) -> Iterator[Floats]:
    """How often each cluster was drawn, for blocks of replicates."""
    rng = np.random.default_rng(random_state)
    for first in range(0, n_boot, block):
        rows = min(block, n_boot - first)
        draws = rng.integers(n_clusters, size=(rows, n_clusters)) + n_clusters * np.arange(rows)[:, None]
        counts = np.bincount(draws.ravel(), minlength=rows * n_clusters).reshape(rows, n_clusters)
        yield counts.astype(np.float64)
