"""Arrangements of numbers for pictures, which hold bins and not items: orders, histograms, smooth densities."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from btviz.stats.association import Floats

EDGE = 1e-9
"""Share of a bar by which rounding may leave a value below its edge."""


def seriation(similarity: ArrayLike, *, keys: Sequence[str]) -> list[str]:
    """Order in which similar things stand side by side: `keys`, rearranged.

    Average-linkage clustering; where two clusters merge, each is turned so that the most similar
    ends touch (Gruvaeus & Wainer 1972). Ties go to what comes first in `keys`, which also orients
    the whole, so the order depends on the input alone. `similarity`, shape (k, k), is symmetric
    and high where alike; NaN counts as 0 and the diagonal is not read.
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
    turns = [(first, second) for first in (left, left[::-1]) for second in (right, right[::-1])]
    first, second = max(turns, key=lambda ends: alike[ends[0][-1], ends[1][0]])
    return first + second


def histogram(values: ArrayLike, *, step: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Lower edge and count of each bar that holds a value, in bars of width `step` whose edges are multiples of it.

    A value on an edge counts to the bar above it, also where rounding has left it a hair below.
    """
    place = np.floor(np.asarray(values, np.float64) / step + EDGE)
    bars, counts = np.unique(place, return_counts=True)
    return bars * step, counts.astype(np.int64)


def bar_width(low: float, high: float, *, widths: Sequence[float], most: int) -> float:
    """Narrowest of `widths` (ascending) at which `most` bars reach from low to high, else the widest."""
    return next((width for width in widths if (high - low) / width <= most), widths[-1])


FINE = 8
"""Cells in which a density is smoothed, per bin."""

_WIDEST = 4.0
"""Bandwidths beyond which a kernel is cut off."""

_NARROWEST = 1e-300  # densities over less overflow


def grid_of(values: ArrayLike, *, bins: int) -> Floats:
    """Edges of equal bins that hold all values.

    One value, or values too close to divide, get a width of 1, or more where numbers are so large
    that 1 cannot be divided.
    """
    numbers = np.asarray(values, np.float64)
    low, high = (float(numbers.min()), float(numbers.max())) if len(numbers) else (0.0, 1.0)
    distinct = 2 * bins * FINE * float(np.spacing(max(abs(low), abs(high))))  # so that no two edges round to one
    if high - low <= max(distinct, _NARROWEST):
        beyond = max(0.5, distinct)
        low, high = low - beyond, high + beyond
    return np.linspace(low, high, bins + 1)


def counts_in(values: ArrayLike, *, edges: Floats) -> NDArray[np.int64]:
    """Values in each bin, left edge included, and the right edge of the last; all must lie on the grid."""
    return np.histogram(np.asarray(values, np.float64), bins=edges)[0].astype(np.int64)


def bandwidth(values: ArrayLike) -> float:
    """Rule of Silverman (1986): ``0.9 min(sd, IQR / 1.34) n ** (-1/5)``; 0 where nothing varies."""
    numbers = np.asarray(values, np.float64)
    if len(numbers) < 2:
        return 0.0
    quartiles = np.subtract(*np.percentile(numbers, [75, 25])) / 1.34
    spread = float(numbers.std(ddof=1))
    return float(0.9 * (min(spread, float(quartiles)) or spread) * len(numbers) ** -0.2)


def density_at(values: ArrayLike, *, edges: Floats) -> Floats:
    """Gaussian kernel density at the middle of each bin, of values first counted in finer cells."""
    numbers = np.asarray(values, np.float64)
    bins = len(edges) - 1
    cells = np.linspace(edges[0], edges[-1], bins * FINE + 1)
    step = cells[1] - cells[0]
    if not len(numbers):
        return np.zeros(bins)
    shares = counts_in(numbers, edges=cells) / len(numbers)
    reach = max(bandwidth(numbers), step)
    half = min(int(np.ceil(_WIDEST * reach / step)), len(shares) - 1)
    kernel = np.exp(-0.5 * (np.arange(-half, half + 1) * step / reach) ** 2)
    padded = np.pad(shares, half, mode="symmetric")
    smooth = np.convolve(padded, kernel / kernel.sum(), mode="valid") / step
    return np.asarray(smooth.reshape(bins, FINE)[:, FINE // 2 - 1 : FINE // 2 + 1].mean(axis=1))
