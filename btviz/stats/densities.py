"""Histograms and smooth densities of scores on a common grid, so that pictures hold bins and not items."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from btviz.stats.association import Floats

FINE = 8
"""Cells in which a density is smoothed, per bin."""
_WIDEST = 4.0
"""Bandwidths beyond which a kernel is cut off."""
_NARROWEST = 1e-300  # densities over less overflow


def grid_of(values: ArrayLike, *, bins: int) -> Floats:
    """Edges of equal bins that hold all values.

    One value, or values too close to divide, get a width of 1, or more where numbers are so large
    that 1 cannot be divided.

    Returns
    -------
    array of float, shape (bins + 1,)
        Ascending.
    """
    given = np.asarray(values, np.float64)
    low, high = (float(given.min()), float(given.max())) if len(given) else (0.0, 1.0)
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
    given = np.asarray(values, np.float64)
    if len(given) < 2:
        return 0.0
    quartiles = np.subtract(*np.percentile(given, [75, 25])) / 1.34
    spread = float(given.std(ddof=1))
    return float(0.9 * (min(spread, float(quartiles)) or spread) * len(given) ** -0.2)


def density_at(values: ArrayLike, *, edges: Floats) -> Floats:
    """Gaussian kernel density at the middle of each bin, of values first counted in finer cells.

    Parameters
    ----------
    values : array of float, shape (n,)
        Within the edges.
    edges : array of float, shape (bins + 1,)
        Equal bins.

    Returns
    -------
    array of float, shape (bins,)
        Per unit of the score. Bandwidth by `bandwidth`, at least one fine cell; what a kernel
        puts beyond the ends is folded back, so the density integrates to 1 over the grid.
    """
    given = np.asarray(values, np.float64)
    bins = len(edges) - 1
    cells = np.linspace(edges[0], edges[-1], bins * FINE + 1)
    step = cells[1] - cells[0]
    if not len(given):
        return np.zeros(bins)
    shares = counts_in(given, edges=cells) / len(given)
    reach = max(bandwidth(given), step)
    half = min(int(np.ceil(_WIDEST * reach / step)), len(shares) - 1)
    kernel = np.exp(-0.5 * (np.arange(-half, half + 1) * step / reach) ** 2)
    padded = np.pad(shares, half, mode="symmetric")
    smooth = np.convolve(padded, kernel / kernel.sum(), mode="valid") / step
    return np.asarray(smooth.reshape(bins, FINE)[:, FINE // 2 - 1 : FINE // 2 + 1].mean(axis=1))
