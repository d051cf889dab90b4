"""How each measure of preferences is drawn: its axis, its numbers as text, and what its pictures share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import altair as alt
import polars as pl

from btviz.plots.style.intervals import span, value_axis
from btviz.plots.style.theme import TEXT_SIZE
from btviz.stats.measures import Measure
from btviz.taxonomy.words import percent

KEY = pl.concat_str("grouping", "level", separator="/").alias("key")
"""Key of a level among those of all groupings."""

_WITHIN = {"share": (0.45, 0.55), "coefficient": (-0.1, 0.1), "odds": (0.5, 2.0)}  # what an axis holds at least


@dataclass(frozen=True)
class Frame:
    """What the pictures of one chart share."""

    measure: Measure
    names: Mapping[str, str]
    size: float
    room: float
    left: float = 0.0
    right: float = 0.0
    labels: Mapping[str, str | list[str]] | None = None

    @property
    def shown(self) -> Mapping[str, str | list[str]]:
        """Names as rows carry them, folded where there is little room."""
        return self.labels or self.names

    def text(self, value: float) -> str:
        """A value as text."""
        if self.measure.kind == "share":
            return percent(value)
        return f"{value:.2f}".replace("-", "−") if self.measure.kind == "coefficient" else f"{value:.3g}"

    def ends(self, table: pl.DataFrame, *columns: str, reach: tuple[float, ...] = ()) -> tuple[float, float]:
        """Ends of an axis that holds all values of some columns, and what else it must reach."""
        least = (*_WITHIN[self.measure.kind], *reach)
        if self.measure.kind != "odds":
            return span(table, columns, within=(min(least), max(least)))
        logs = table.select(pl.col(columns).log(2))
        low, high = span(logs, columns, within=(math.log2(min(least)), math.log2(max(least))))
        return 2 ** math.floor(low), 2 ** math.ceil(high)

    def scale(self, ends: tuple[float, float]) -> alt.Scale:
        """Scale between two ends."""
        return alt.Scale(
            type="log" if self.measure.kind == "odds" else "linear", domain=list(ends), nice=False, zero=False
        )

    def across(self, column: str, scale: alt.Scale) -> alt.X:
        """The horizontal channel of a column of values, with its axis."""
        room = self.room * min(1.0, TEXT_SIZE / self.size)  # large labels need more of it
        axis = value_axis(room=room, percents=self.measure.kind == "share")
        if self.measure.kind == "odds":  # ticks of a logarithmic axis crowd
            axis.labelOverlap = True
        return alt.X(f"{column}:Q", scale=scale, axis=axis, title=self.measure.title)
