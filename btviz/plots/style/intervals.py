"""Dots with their intervals, one row each: the marks that forest plots share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import polars as pl

from btviz.plots.style.captions import heading
from btviz.plots.style.rendering import LayerChart
from btviz.plots.style.rows import label_axis, rows_beside
from btviz.plots.style.theme import ACCENT, FAINT, MUTED, PAPER, TEXT_SIZE, config

DOT = 28.0
"""Area of a dot beside labels of the usual size, in square points."""

PERCENT = "format(100 * datum.value, '.0f') + ' %'"
"""Vega expression of a share on an axis."""

PLAIN = "datum.label"
"""Vega expression of any number on an axis."""

HEADING = "§"
"""First character of the keys of rows that only carry a heading."""


def row_chart(drawn: pl.DataFrame, names: Mapping[str, str | list[str]]) -> alt.Chart:
    """Chart of one row per `key`, in the order of `names` and labelled by them, headings in bold."""
    heads = f"datum.value[0] === '{HEADING}'"
    bold: Any = {"condition": {"test": heads, "value": "bold"}, "value": "normal"}
    axis = label_axis(names)
    axis.labelFontWeight = bold
    return alt.Chart(drawn).encode(y=alt.Y("key:N", scale=alt.Scale(domain=list(names)), title=None, axis=axis))


def value_axis(*, room: float, percents: bool) -> alt.Axis:
    """Axis with a faint grid, `room` points long, in percent or as it is."""
    ticks = max(2, round(room / 45))
    return alt.Axis(
        grid=True, gridColor=FAINT, labelFlush=False, tickCount=ticks, labelExpr=PERCENT if percents else PLAIN
    )


def marks(base: alt.Chart, *, x: alt.X, scale: alt.Scale, room: float, size: float) -> list[alt.Chart]:
    """Interval from `low` to `high`, a dot at `value`, hollow unless `solid`, and `text` to the right."""
    fill = alt.when("datum.solid").then(alt.value(ACCENT)).otherwise(alt.value(PAPER))
    known = base.transform_filter("datum.value !== null")
    return [
        known.transform_filter("datum.low !== null")
        .mark_rule(strokeWidth=1.8, stroke=ACCENT)
        .encode(x=alt.X("low:Q", scale=scale), x2=alt.X2("high:Q")),
        known.mark_point(size=DOT * (size / TEXT_SIZE) ** 2, opacity=1, stroke=ACCENT, strokeWidth=1.2).encode(
            x=x, fill=fill
        ),
        base.mark_text(align="left", fontSize=size, fill=MUTED).encode(x=alt.value(room + 8), text=alt.Text("text:N")),
    ]


@dataclass(frozen=True)
class RowPicture:
    """A picture of rows under headings, each with a value, its interval and what stands to the right.

    Attributes
    ----------
    title : str
    lines : tuple of str
        Caption.
    axis : str
        Title of the axis.
    ends : (float, float)
        Of the axis.
    percents : bool
        Whether values are shares.
    """

    title: str
    lines: tuple[str, ...]
    axis: str
    ends: tuple[float, float]
    percents: bool = True

    def drawn(
        self,
        rows: Sequence[Mapping[str, Any]],
        behind: Callable[[alt.Chart, alt.Scale], list[alt.Chart]] | None = None,
        *,
        width: str | float,
    ) -> LayerChart:
        """Draw rows from `heading_row` and of `key`, `name`, `value`, `low`, `high`, `text` and `solid`.

        `behind` gives what is drawn below the marks, from the chart of the rows and its scale.
        """
        names = {row["key"]: row["name"] for row in rows}
        beside = rows_beside(names, texts=[row["text"] for row in rows], width=width)
        numbers = {name for row in rows for name in row} - {"key", "name", "text", "solid"}
        drawn = pl.DataFrame(rows, schema_overrides=dict.fromkeys(numbers, pl.Float64())).drop("name")
        scale = alt.Scale(domain=list(self.ends), nice=False)
        base = row_chart(drawn, beside.names)
        x = alt.X("value:Q", scale=scale, axis=value_axis(room=beside.room, percents=self.percents), title=self.axis)
        below = [] if behind is None else behind(base, scale)
        said = " ".join(f"{row['name']}: {row['text']}." for row in rows if row["text"])
        return LayerChart(
            layer=[*below, *marks(base, x=x, scale=scale, room=beside.room, size=beside.size)],
            width=beside.room,
            height=beside.height(_ROW) * len(rows),
            title=heading(self.title, *self.lines, width=width),
            description=f"{self.title} ({' '.join(line for line in self.lines if line)}). {said}",
            config=config(size=beside.size),
        )


_ROW = 1.75
"""Height of a row, in sizes of its text."""


def heading_row(key: str, name: str) -> dict[str, Any]:
    """A row that only carries a heading."""
    nothing: dict[str, Any] = dict.fromkeys(("value", "low", "high"))
    return {"key": f"{HEADING}{key}", "name": name, "text": "", "solid": False, **nothing}


def span(table: pl.DataFrame, columns: Sequence[str], *, within: tuple[float, float]) -> tuple[float, float]:
    """Ends of an axis that hold all values of `columns` and `within`, rounded outwards to 0.05."""
    extremes = [value for name in columns for value in (table[name].min(), table[name].max())]
    known = [*within, *(float(value) for value in extremes if isinstance(value, int | float))]
    return math.floor(20 * min(known) + 1e-9) / 20, math.ceil(20 * max(known) - 1e-9) / 20
