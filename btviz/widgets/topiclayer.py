"""Topics at one scale, laid on the places of a map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.plots.theme import GROUPS
from btviz.topics.result import Topics
from btviz.topics.stability import STABLE
from btviz.widgets.pairindex import PairIndex
from btviz.widgets.places import Places

KEYWORDS = 8
"""Keywords that hovering over a label shows."""


@dataclass(frozen=True, eq=False)
class TopicLayer:
    """One scale of topics on a map.

    Attributes
    ----------
    topics : Topics
        At that scale.
    of_place : array of int64, one value per place
        Topic, -1 for outliers and for places without a pair that has one.
    centres : array of float32, shape (number of topics, 2)
        For each topic, that of its places which lies nearest to the median of all; NaN where it
        has no place on this map.
    stability : dict of int to float
        How much of a topic other fits find again, 0 .. 1; empty where that is not known.
    """

    topics: Topics
    of_place: NDArray[np.int64]
    centres: NDArray[np.float32]
    stability: Mapping[int, float]

    @property
    def coloured(self) -> tuple[int, ...]:
        """Topics that have a colour of their own: the largest ones, eight at most."""
        return tuple(self.topics.topics["topic"][: len(GROUPS)])

    def labels(self) -> list[dict[str, Any]]:
        """Names and words of the topics, with where to write them: for a message, never for a trait."""
        table = self.topics.topics.select("topic", "name", "keywords", "n_pairs", "n_texts", "share_unsafe")
        return [
            {
                **row,
                "keywords": row["keywords"][:KEYWORDS],
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
