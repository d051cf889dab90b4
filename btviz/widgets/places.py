"""Places on a map: pairs that share a text share one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from btviz.datamap.points import expect_points
from btviz.errors import UsageError
from btviz.widgets.pairindex import PairIndex, Rows

Floats = NDArray[np.float64]

MARGIN = 1.04
"""Room around the outermost places."""


@dataclass(frozen=True, eq=False)
class Places:
    """Distinct places of a map, and which pairs lie there.

    Attributes
    ----------
    xy : array of float32, shape (n, 2)
        Coordinates, the longer side of the map scaled to -1 .. 1, both axes alike.
    of_row : array of intp, one value per pair of the data set
        Place of the pair; -1 where the map has none.
    """

    xy: NDArray[np.float32]
    of_row: Rows

    def __len__(self) -> int:
        return len(self.xy)

    @cached_property
    def n_pairs(self) -> NDArray[np.intp]:
        """Pairs at each place."""
        return np.bincount(self.of_row[self.of_row >= 0], minlength=len(self))

    def at_rows(self, rows: Rows) -> Rows:
        """Places of some pairs, ascending."""
        chosen = np.zeros(len(self) + 1, np.bool_)  # the last one stands for "no place"
        chosen[self.of_row[rows]] = True
        return np.flatnonzero(chosen[:-1])

    def rows_at(self, places: ArrayLike) -> Rows:
        """Rows of all pairs that lie at some places, ascending.

        Raises
        ------
        UsageError
            If there is no such place.
        """
        asked = np.asarray(places)
        whole = np.issubdtype(asked.dtype, np.integer)
        known = (asked >= 0) & (asked < len(self)) if whole else np.zeros(asked.shape, np.bool_)
        if not known.all():
            raise UsageError(
                f"Points of the map were asked for by {asked.size:,} numbers; {(~known).sum():,} of them are none of "
                f"0 to {len(self) - 1}. Give numbers of its points."
            )
        chosen = np.zeros(len(self) + 1, np.bool_)
        chosen[asked.astype(np.intp)] = True
        chosen[-1] = False
        return np.flatnonzero(chosen[self.of_row])

    def inside(self, polygon: ArrayLike) -> Rows:
        """Places inside a closed polygon, by the even-odd rule.

        Parameters
        ----------
        polygon : array-like, shape (m, 2)
            Corners in the coordinates of `xy`.
        """
        corners = np.asarray(polygon, np.float64).reshape(-1, 2)
        x, y = self.xy.T.astype(np.float64)
        inside = np.zeros(len(self), np.bool_)
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            crosses = (y0 > y) != (y1 > y)
            if y0 != y1:
                inside ^= crosses & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
        return np.flatnonzero(inside)

    def mean(self, values: ArrayLike, *, known: NDArray[np.bool_] | None = None) -> Floats:
        """Mean over the pairs at each place; NaN where none is known.

        Parameters
        ----------
        values : array-like, one value per pair of the data set
        known : array of bool, optional
            Which of them count.
        """
        counts = self.of_row >= 0 if known is None else known & (self.of_row >= 0)
        weights = np.asarray(values, np.float64)[counts]
        n = np.bincount(self.of_row[counts], minlength=len(self))
        sums = np.bincount(self.of_row[counts], weights=weights, minlength=len(self))
        means: Floats = np.divide(sums, n, out=np.full(len(self), np.nan), where=n > 0)
        return means

    def first(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Value of the first pair at each place, of one value per pair of the data set."""
        found = np.empty(len(self), np.int64)
        rows = np.flatnonzero(self.of_row >= 0)[::-1]
        found[self.of_row[rows]] = values[rows]
        return found


def places_of(points: pl.DataFrame, index: PairIndex) -> Places:
    """Find the distinct places of a data map.

    Parameters
    ----------
    points : DataFrame
        `pair_id`, `x`, `y`, from `btviz.fit_data_map`; rows in any order.
    index : PairIndex
        Of the data set that was laid out.

    Raises
    ------
    UsageError
        If it is no table of points, or the map places no pair of the data set.
    """
    expect_points(points)
    pairs = pl.DataFrame({"pair_id": index.pair_ids})
    placed = points.select("pair_id", pl.col("x", "y").cast(pl.Float32)).unique("pair_id", keep="first")
    xy = pairs.join(placed, on="pair_id", how="left", maintain_order="left").select("x", "y").to_numpy()
    has_place = np.isfinite(xy).all(axis=1)
    if not has_place.any():
        raise UsageError(
            f"A map was asked for, but its points place none of the {len(index):,} pairs of this data set. "
            "Give the map of this data set."
        )
    spots = np.ascontiguousarray(xy[has_place] + np.float32(0))  # -0.0 is where 0.0 is
    _, first, codes = np.unique(spots.view(np.uint64).ravel(), return_index=True, return_inverse=True)
    of_row = np.full(len(index), -1, np.intp)
    of_row[has_place] = codes
    return Places(_scaled(spots[first]), of_row)


def _scaled(xy: NDArray[np.float32]) -> NDArray[np.float32]:
    low, high = xy.min(axis=0).astype(np.float64), xy.max(axis=0).astype(np.float64)
    half = float((high - low).max()) / 2 * MARGIN or 1.0
    scaled: NDArray[np.float32] = ((xy - (low + high) / 2) / half).astype(np.float32)
    return scaled
