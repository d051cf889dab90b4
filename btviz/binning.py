"""Arrangements of numbers for pictures: orders, and bars of histograms."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

EDGE = 1e-9
"""Share of a bar by which rounding may leave a value below its edge."""


def seriation(similarity: ArrayLike, *, keys: Sequence[str]) -> list[str]:
    """Order in which similar things stand side by side.

    Average-linkage clustering; where two clusters merge, each is turned so that the most
    similar ends touch (Gruvaeus & Wainer 1972). Ties go to what comes first in `keys`, so the
    order depends on the input alone.

    Parameters
    ----------
    similarity : array, shape (k, k)
        Symmetric, high where alike; NaN counts as 0 and the diagonal is not read.
    keys : sequence of str
        Names of the k things.

    Returns
    -------
    list of str
        `keys`, rearranged. Its two ends are oriented so that the earlier key comes first.
    """
    alike = np.nan_to_num(np.asarray(similarity, np.float64), nan=0.0)
    clusters = [[index] for index in range(len(keys))]
    while len(clusters) > 1:
        first, second = max(
            combinations(range(len(clusters)), 2),
            key=lambda two: (alike[np.ix_(clusters[two[0]], clusters[two[1]])].mean(), -two[0], -two[1]),
        )
        joined = _joined(clusters[first], clusters.pop(second), alike=alike)
        clusters[first] = joined
    order = clusters[0] if clusters else []
    if order and order[0] > order[-1]:
        order = order[::-1]
    return [keys[index] for index in order]


def _joined(left: list[int], right: list[int], *, alike: np.ndarray) -> list[int]:
    turns = [(one, two) for one in (left, left[::-1]) for two in (right, right[::-1])]
    one, two = max(turns, key=lambda ends: alike[ends[0][-1], ends[1][0]])
    return one + two


def histogram(values: ArrayLike, *, step: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Count values in bars of equal width whose edges are multiples of it.

    Parameters
    ----------
    values : array, shape (n,)
        Finite numbers.
    step : float
        Width of a bar, above 0.

    Returns
    -------
    from, count : arrays, shape (m,)
        Lower edge of each bar that holds a value, ascending, and how many it holds. A value on
        an edge counts to the bar above it, also where rounding has left it a hair below.
    """
    place = np.floor(np.asarray(values, np.float64) / step + EDGE)
    bars, counts = np.unique(place, return_counts=True)
    return bars * step, counts.astype(np.int64)


def bar_width(low: float, high: float, *, widths: Sequence[float], most: int) -> float:
    """Narrowest of `widths` (ascending) at which `most` bars reach from low to high, else the widest."""
    return next((width for width in widths if (high - low) / width <= most), widths[-1])
