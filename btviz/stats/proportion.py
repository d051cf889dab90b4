"""Interval of a share."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from btviz.stats.association import Floats, ratio


def wilson(count: ArrayLike, *, n: ArrayLike, level: float = 0.95) -> tuple[Floats, Floats]:
    """Score interval of a binomial share (Wilson 1927), for independent items.

    Parameters
    ----------
    count, n : array of int
        Items with the property, and all items.
    level : float
        Coverage, 0 .. 1.

    Returns
    -------
    low, high : array of float
        0 .. 1; NaN where `n` is 0.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    hits, items = np.asarray(count, np.float64), np.asarray(n, np.float64)
    misses = items - hits
    centre = ratio(hits + z * z / 2, items + z * z)
    half = ratio(z * np.sqrt(ratio(hits * misses, items) + z * z / 4), items + z * z)
    low, high = np.where(hits == 0, 0.0, centre - half), np.where(misses == 0, 1.0, centre + half)
    return np.where(items == 0, np.nan, low), np.where(items == 0, np.nan, high)
