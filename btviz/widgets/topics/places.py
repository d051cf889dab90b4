"""Places on a map, one for all pairs that share a text, and topics laid on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from btviz.errors import UsageError
from btviz.plots.style.theme import GROUPS
from btviz.texts.datamap.fit import expect_points
from btviz.texts.topics.result import Topics
from btviz.texts.topics.stability import STABLE
from btviz.widgets.inspector.index import PairIndex, Rows

Floats = NDArray[np.float64]

MARGIN = 1.04
"""Room around the outermost places."""

CELLS = 128
"""To a side of the map, where only some of its places are drawn."""


@dataclass(frozen=True, eq=False)
class Places:
    """Distinct places of a map, and which pairs lie there."""

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
        """Rows of all pairs that lie at some places, ascending."""
        numbers = np.asarray(places)
        whole = np.issubdtype(numbers.dtype, np.integer)
        known = (numbers >= 0) & (numbers < len(self)) if whole else np.zeros(numbers.shape, np.bool_)
        if not known.all():
            raise UsageError(
                f"Points of the map were asked for by {numbers.size:,} numbers; {(~known).sum():,} of them are none of "
                f"0 to {len(self) - 1}. Give numbers of its points."
            )
        chosen = np.zeros(len(self) + 1, np.bool_)
        chosen[numbers.astype(np.intp)] = True
        chosen[-1] = False
        return np.flatnonzero(chosen[self.of_row])

    def inside(self, polygon: ArrayLike) -> Rows:
        """Places inside a closed polygon, by the even-odd rule; each side meets only the places at its own height."""
        corners = np.asarray(polygon, np.float64).reshape(-1, 2)
        order, x, y = self._by_height
        is_inside = np.zeros(len(self), np.bool_)
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            if y0 == y1:
                continue
            beside = slice(*np.searchsorted(y, sorted((y0, y1))))
            is_inside[beside] ^= x[beside] < x0 + (y[beside] - y0) * (x1 - x0) / (y1 - y0)
        return np.sort(order[is_inside])

    @cached_property
    def _by_height(self) -> tuple[Rows, Floats, Floats]:
        """Places from the lowest to the highest, and where they are."""
        order = np.argsort(self.xy[:, 1], kind="stable")
        x, y = self.xy[order].T.astype(np.float64)
        return order, x, y

    def shown(self, most: int, *, box: tuple[float, float, float, float] | None = None) -> Rows:
        """The places to draw where not all can be, ascending: in a box all that fit, then those of the overview.

        Parameters
        ----------
        most : int
            How many are drawn, if there are so many.
        box : tuple of float, optional
            What is in sight: left, right, bottom and top.
        """
        order = self._by_rarity
        if box is not None:
            left, right, bottom, top = box
            x, y = self.xy[order].T
            is_near = (x >= left) & (x <= right) & (y >= bottom) & (y <= top)
            order = np.concatenate([order[is_near], order[~is_near]])
        return np.sort(order[:most])

    @cached_property
    def _by_rarity(self) -> Rows:
        """Places as an overview takes them: of each cell about as many as the square root of what it holds.

        So every lone place is drawn, and what is dense looks dense still.
        """
        cell = np.clip(((self.xy + 1) / 2 * CELLS).astype(np.intp), 0, CELLS - 1) @ np.array([CELLS, 1])
        shuffled = np.random.default_rng(0).permutation(len(self))
        order = shuffled[np.argsort(cell[shuffled], kind="stable")]
        held = np.bincount(cell, minlength=CELLS**2)
        rank = np.arange(len(self)) - (np.cumsum(held) - held)[cell[order]]
        return order[np.argsort(rank / np.sqrt(held[cell[order]]), kind="stable")]

    def mean(self, values: ArrayLike, *, known: NDArray[np.bool_] | None = None) -> Floats:
        """Mean over the pairs at each place; NaN where none is known."""
        counts = self.of_row >= 0 if known is None else known & (self.of_row >= 0)
        weights = np.asarray(values, np.float64)[counts]
        n = np.bincount(self.of_row[counts], minlength=len(self))
        sums = np.bincount(self.of_row[counts], weights=weights, minlength=len(self))
        means: Floats = np.divide(sums, n, out=np.full(len(self), np.nan), where=n > 0)
        return means

    def first(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Value of the first pair at each place, of one value per pair of the data set."""
        firsts = np.empty(len(self), np.int64)
        rows = np.flatnonzero(self.of_row >= 0)[::-1]
        firsts[self.of_row[rows]] = values[rows]
        return firsts


def places_of(points: pl.DataFrame, index: PairIndex) -> Places:
    """Find the distinct places of a data map."""
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


KEYWORDS = 8
"""Keywords that hovering over a label shows."""


@dataclass(frozen=True, eq=False)
class TopicLayer:
    """One scale of topics on a map."""

    topics: Topics
    of_place: NDArray[np.int64]
    centres: NDArray[np.float32]
    stability: Mapping[int, float]

    @property
    def coloured(self) -> tuple[int, ...]:
        """Topics that have a colour of their own: the largest ones, eight at most."""
        return tuple(self.topics.topics["topic"][: len(GROUPS)])

    def labels(self, words: Mapping[int, list[str]]) -> list[dict[str, Any]]:
        """Names of the topics, and those words that may be shown, with where they stand: for a message, not a trait."""
        table = self.topics.topics.select("topic", "name", "n_pairs", "n_texts", "share_unsafe")
        return [
            {
                **row,
                "keywords": words.get(row["topic"], [])[:KEYWORDS],
                "x": float(x),
                "y": float(y),
                "stability": (again := self.stability.get(row["topic"])),
                "unstable": again is not None and again < STABLE,
            }
            for row, (x, y) in zip(table.to_dicts(), self.centres, strict=True)
            if np.isfinite(x)
        ]

    def pair_ids(self, topic: int) -> pl.Series:
        """Pairs of a topic."""
        return self.topics.assignments.filter(pl.col("topic") == topic)["pair_id"]

    def expression(self, topic: int) -> str:
        """Polars expression over `pairs` that finds the pairs of a topic."""
        rows = f'topics.at({self.topics.scale}).assignments.filter(pl.col("topic") == {topic})'
        return f'pl.col("pair_id").is_in({rows}["pair_id"].implode())'


def lay(
    topics: Topics, places: Places, *, index: PairIndex, stability: Mapping[int, float] = MappingProxyType({})
) -> TopicLayer:
    """Lay the topics of one scale on a map."""
    pairs = pl.DataFrame({"pair_id": index.pair_ids})
    assigned = pairs.join(
        topics.assignments.select("pair_id", "topic"), on="pair_id", how="left", maintain_order="left"
    )
    of_place = places.first(assigned["topic"].fill_null(-1).cast(pl.Int64).to_numpy())
    centres = np.full((topics.topics.height, 2), np.nan, np.float32)
    for number in range(len(centres)):
        spots = places.xy[of_place == number]
        if len(spots):
            centres[number] = spots[np.argmin(((spots - np.median(spots, axis=0)) ** 2).sum(axis=1))]
    return TopicLayer(topics, of_place, centres, stability)
