"""Distances of unit vectors, computed without rounding error.

Coordinates are rounded to multiples of 2^-21. Every product and every partial sum of a squared
distance is then a whole number below 2^53, which float64 holds exactly: the result depends
neither on the number of threads, nor on the size of a block, nor on the order of the sums, and
equal vectors have distance 0. What it costs is an error of the cosine of about 2e-7 (standard
deviation), which is that of single precision.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from btviz.errors import UsageError

SCALE = 2.0**21

_BITS = 18  # of an index: with a squared distance (45 bits) it shares 63

_BLOCK = 256  # rows; larger blocks leave the cache

_CELLS = 1 << 22  # of a block of distances, 34 MB

_LENGTH_TOLERANCE = 0.01  # of half-precision storage, generously

Vectors = npt.NDArray[np.floating]

Points = npt.NDArray[np.float64]

Nearest = tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Grid:
    """Points on the grid, laid out such that one matrix product gives squared distances."""

    columns: npt.NDArray[np.float64]

    @classmethod
    def of(cls, vectors: Vectors) -> Grid:
        """Put unit vectors, shape (n, d), on the grid."""
        return cls.of_points(rounded(vectors))

    @classmethod
    def of_points(cls, points: Points) -> Grid:
        """Lay out points that are on the grid."""
        return cls(np.column_stack([points, squared_lengths(points), np.ones(len(points))]).T.copy())

    def __len__(self) -> int:
        """Number of points."""
        return int(self.columns.shape[1])

    def squared(self, vectors: Vectors) -> npt.NDArray[np.float64]:
        """Squared Euclidean distances, shape (m, n), in units of 2^-42: whole numbers."""
        return self.squared_to(rounded(vectors))

    def squared_to(self, points: Points, part: slice = slice(None)) -> Points:
        """The same from points on the grid, to some of those here."""
        rows = np.column_stack([-2.0 * points, np.ones(len(points)), squared_lengths(points)])
        return np.asarray(rows @ self.columns[:, part])

    def nearest(self, vectors: Vectors, k: int) -> Nearest:
        """The k nearest points of each vector, nearest first; of equally near ones the first."""
        near, squared = self.ranked(rounded(vectors), k)
        return near, cosine(squared)

    def ranked(
        self, points: Points, k: int, *, own: npt.NDArray[np.integer] | None = None
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """The same of points on the grid, each without its `own` place, with squared distances."""
        found = []
        for part in blocks(len(self), most=1 << _BITS):
            keys = self.squared_to(points, part).astype(np.int64) << _BITS
            keys |= np.arange(keys.shape[1])
            if own is not None:
                here = np.flatnonzero((own >= part.start) & (own < part.stop))
                keys[here, own[here] - part.start] = np.iinfo(np.int64).max
            if k < keys.shape[1]:
                keys = np.partition(keys, k - 1, axis=1)[:, :k]
            keys.sort(axis=1)
            found.append((part.start + (keys & ((1 << _BITS) - 1)), keys >> _BITS))
        places, squared = (np.hstack(parts) for parts in zip(*found, strict=True))
        first = np.argsort(squared, axis=1, kind="stable")[:, :k]  # parts ascend, so that equals stay in order
        near = np.take_along_axis(places, first, axis=1).astype(np.int32)
        return near, np.take_along_axis(squared, first, axis=1)


def cosine(squared: npt.NDArray[np.integer | np.floating]) -> npt.NDArray[np.float32]:
    """Cosine distances (0 .. 2) from squared distances on the grid: 1 - cos = |x - y|^2 / 2."""
    return np.asarray(squared / (2 * SCALE**2), np.float32)


def squared_between(first: Vectors, second: Vectors) -> npt.NDArray[np.float64]:
    """Squared distances, shape (m,), row by row, in the units of `Grid.squared`."""
    gap = rounded(first) - rounded(second)
    return squared_lengths(gap)


def blocks(n: int, *, against: int = 1, most: int = _BLOCK) -> Iterator[slice]:
    """Slices that cover n rows, at most 256 (or `most`) at a time; fewer if each is compared `against` many."""
    size = max(min(most, _CELLS // max(against, 1)), 1)
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def rounded(vectors: Vectors) -> Points:
    """Unit vectors, shape (n, d), on the grid: whole numbers, times 2^21.

    Raises
    ------
    UsageError
        As from `expect_unit`.
    """
    expect_unit(vectors)
    return np.rint(np.asarray(vectors, np.float64) * SCALE)


def expect_unit(vectors: Vectors) -> None:
    """Check that vectors, shape (n, d), have unit length.

    Raises
    ------
    UsageError
        If one has another length, or a coordinate that is no number.
    """
    lengths = np.empty(len(vectors))
    for part in blocks(len(vectors)):
        lengths[part] = np.sqrt(squared_lengths(np.asarray(vectors[part], np.float64)))
    wrong = ~(np.abs(lengths - 1) <= _LENGTH_TOLERANCE)
    if not wrong.any():
        return
    asked = f"Distances were asked for {len(vectors):,} vectors; {wrong.sum():,} of them have not unit length"
    unfinished = int((~np.isfinite(lengths)).sum())
    if unfinished:
        raise UsageError(f"{asked}, and {unfinished:,} hold numbers that are not finite. Encode these texts again.")
    raise UsageError(f"{asked} (the first: {lengths[wrong][0]:.3g}). Divide each vector by its length.")


def squared_lengths(points: Points) -> Points:
    """Of points on the grid, without rounding error."""
    return np.asarray(np.einsum("ij,ij->i", points, points))
