"""Distances of unit vectors, computed without rounding error.

Coordinates are rounded to multiples of 2^-21. Every product and every partial sum of a squared
distance is then a whole number below 2^53, which float64 holds exactly: the result depends
neither on the number of threads, nor on the size of a block, nor on the order of the sums, and
equal vectors have distance 0. What it costs is an error of the cosine of about 2e-7 (standard
deviation), which is that of single precision.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count

import numpy as np
import numpy.typing as npt

from btviz.errors import UsageError

SCALE = 2.0**21

LARGEST = 1 << 18
"""Points that can be ranked: a squared distance (45 bits) and an index (18) share 63 bits."""

_BLOCK = 256  # rows; larger blocks leave the cache

_CELLS = 1 << 22  # of a block of distances, 34 MB

_LENGTH_TOLERANCE = 0.01  # of half-precision storage, generously

Vectors = npt.NDArray[np.floating]

Nearest = tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Grid:
    """Points on the grid, laid out such that one matrix product gives squared distances."""

    columns: npt.NDArray[np.float64]

    @classmethod
    def of(cls, vectors: Vectors) -> Grid:
        """Put unit vectors, shape (n, d), on the grid."""
        points = _rounded(vectors)
        return cls(np.column_stack([points, _squared_lengths(points), np.ones(len(points))]).T.copy())

    def __len__(self) -> int:
        """Number of points."""
        return int(self.columns.shape[1])

    def squared(self, vectors: Vectors) -> npt.NDArray[np.float64]:
        """Squared Euclidean distances, shape (m, n), in units of 2^-42: whole numbers."""
        points = _rounded(vectors)
        rows = np.column_stack([-2.0 * points, np.ones(len(points)), _squared_lengths(points)])
        return np.asarray(rows @ self.columns)

    def nearest(self, vectors: Vectors, k: int, *, own: npt.NDArray[np.integer] | None = None) -> Nearest:
        """The k nearest points of each vector, nearest first; of equally near ones the first."""
        bits = max(len(self) - 1, 1).bit_length()
        keys = self.squared(vectors).astype(np.int64)
        keys <<= bits
        keys |= np.arange(len(self))
        if own is not None:
            keys[np.arange(len(keys)), own] = np.iinfo(np.int64).max
        keys.partition(k - 1, axis=1)
        first = np.sort(keys[:, :k], axis=1)
        return (first & ((1 << bits) - 1)).astype(np.int32), cosine(first >> bits)


def cosine(squared: npt.NDArray[np.integer | np.floating]) -> npt.NDArray[np.float32]:
    """Cosine distances (0 .. 2) from squared distances on the grid: 1 - cos = |x - y|^2 / 2."""
    return np.asarray(squared / (2 * SCALE**2), np.float32)


def squared_between(first: Vectors, second: Vectors) -> npt.NDArray[np.float64]:
    """Squared distances, shape (m,), row by row, in the units of `Grid.squared`."""
    gap = _rounded(first) - _rounded(second)
    return _squared_lengths(gap)


def blocks(n: int, *, against: int = 1) -> Iterator[slice]:
    """Slices that cover n rows, at most 256 at a time; fewer if each is compared `against` many."""
    size = max(min(_BLOCK, _CELLS // max(against, 1)), 1)
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def nearest_others(grid: Grid, vectors: Vectors, *, k: int) -> Iterator[Nearest]:
    """`Grid.nearest` of the points themselves, block by block, on all cores."""

    def of(part: slice) -> Nearest:
        return grid.nearest(vectors[part], k, own=np.arange(part.start, part.stop))

    with ThreadPoolExecutor(min(cpu_count() or 1, 8)) as pool:
        yield from pool.map(of, blocks(len(grid), against=len(grid)))


def _rounded(vectors: Vectors) -> npt.NDArray[np.float64]:
    points = np.rint(np.asarray(vectors, np.float64) * SCALE)
    lengths = np.sqrt(_squared_lengths(points)) / SCALE
    wrong = ~(np.abs(lengths - 1) <= _LENGTH_TOLERANCE)
    if wrong.any():
        raise UsageError(
            f"Distances were asked for {len(points):,} vectors; {wrong.sum():,} of them have not unit length "
            f"(the first: {lengths[wrong][0]:.3g}). Divide each vector by its length."
        )
    return points


def _squared_lengths(points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(np.einsum("ij,ij->i", points, points))
