"""Bootstrap over clusters for statistics that are no function of sums: clusters are weighted instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from btviz.errors import UsageError
from btviz.stats.association import Floats
from btviz.stats.resampling import Interval

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
