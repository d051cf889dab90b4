"""Intervals of repeated samples against the truth that was planted: which of them hold it."""

from __future__ import annotations

import altair as alt
import polars as pl

from btviz.errors import UsageError
from btviz.plots.style.captions import heading
from btviz.plots.style.intervals import span, value_axis
from btviz.plots.style.rendering import HConcatChart
from btviz.plots.style.theme import ACCENT, GROUPS, INK, MUTED, PADDING, PAPER, TEXT_SIZE, config, needed, points

SHOWN = 50
"""Samples drawn; the shares are of all."""

MISSED = GROUPS[3]

ROW = 0.55
"""Height of one sample, relative to a label."""

GAP = 4.0
"""Between the panels, relative to a label."""

_PANELS = {
    "By prompt": ("low", "high", "covers"),
    "As if comparisons were independent": ("naive_low", "naive_high", "naive_covers"),
}


def simulated_intervals(
    table: pl.DataFrame,
    *,
    truth: float,
    planted: float | None = None,
    width: str | float = "double",
    size: float = TEXT_SIZE,
) -> alt.HConcatChart:
    """Draw the intervals of simulated samples, by prompt and naive, around what they should hold.

    Parameters
    ----------
    table : DataFrame
        ``simulate_preferences(...).samples``: `sample`, `estimate`, `low`, `high`, `covers`,
        `naive_low`, `naive_high`, `naive_covers`.
    truth : float
        What the labels tend to: ``simulate_preferences(...).planted.observable_p``.
    planted : float, optional
        P(better = safer) of labels without errors, drawn dashed where it is another value.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.
    size : float
        Size of labels, in points; rows and marks grow with it.

    Returns
    -------
    alt.HConcatChart
        Two panels of the same first samples, the first on top and with its estimate; intervals
        that miss are red. Over each panel the share, of all samples, that holds the truth.

    Raises
    ------
    UsageError
        If a column is missing, or no sample has an interval.
    """
    needed(table, *_columns(), call="preference.simulate_preferences")
    if table.select(pl.any_horizontal(pl.col("low", "naive_low").is_null()).any()).item():
        raise UsageError("A sample of this table has no interval. Build it with preference.simulate_preferences().")
    drawn = table.head(SHOWN)
    room = (points(width) - 2 * PADDING - GAP * size) / 2
    ends = span(
        drawn, ["low", "high", "naive_low", "naive_high"], within=(truth, truth if planted is None else planted)
    )
    lines = _lines(truth, planted)
    panels = [
        _panel(drawn, name, share=_share(table, name), ends=ends, room=room, lines=lines, size=size) for name in _PANELS
    ]
    caption = f"simulated · {drawn.height} of {table.height:,} samples, the first on top"
    return HConcatChart(
        hconcat=panels,
        spacing=GAP * size,
        title=heading("Which intervals hold the true value?", caption, *_notes(truth, planted), width=width, size=size),
        description=_description(table, truth=truth, caption=caption),
        config=config(size=size),
    )


def _columns() -> list[str]:
    return ["sample", "estimate", *(name for columns in _PANELS.values() for name in columns)]


def _share(table: pl.DataFrame, panel: str) -> str:
    inside = table[_PANELS[panel][2]]
    return f"{100 * inside.sum() / len(inside):.1f} %"


def _lines(truth: float, planted: float | None) -> pl.DataFrame:
    marks = [(truth, "solid")] + ([] if planted is None or planted == truth else [(planted, "dashed")])
    return pl.DataFrame(marks, schema=["at", "line"], orient="row")


def _panel(
    drawn: pl.DataFrame,
    name: str,
    *,
    share: str,
    ends: tuple[float, float],
    room: float,
    lines: pl.DataFrame,
    size: float,
) -> alt.LayerChart:
    """One interval a row: red where it misses, heavier and with its estimate where it is the first."""
    low, high, covers = _PANELS[name]
    data = drawn.select("sample", "estimate", pl.col(low).alias("low"), pl.col(high).alias("high"), covers=covers)
    scale = alt.Scale(domain=list(ends), nice=False)
    x = alt.X("low:Q", scale=scale, axis=value_axis(room=room, percents=True), title="P(better = safer)")
    y = alt.Y("sample:O", axis=None)
    stroke = alt.when("datum.covers").then(alt.value(ACCENT)).otherwise(alt.value(MISSED))
    heavy = alt.when("datum.sample === 1").then(alt.value(2.4)).otherwise(alt.value(1.1))
    base = alt.Chart(data).encode(y=y)
    dot = base.transform_filter("datum.sample === 1").mark_point(
        size=0.34 * size**2, opacity=1, strokeWidth=1.2, fill=PAPER
    )
    at = alt.X("at:Q", scale=scale)
    title = alt.TitleParams(
        f"{share} hold it", subtitle=name, fontSize=size * 1.1, subtitleColor=MUTED, anchor="start", offset=6
    )
    return alt.LayerChart(
        layer=[
            base.mark_rule().encode(x=x, x2=alt.X2("high:Q"), stroke=stroke, strokeWidth=heavy),
            _ruled(lines, "solid", []).encode(x=at),
            _ruled(lines, "dashed", [3, 2]).encode(x=at),
            dot.encode(x=alt.X("estimate:Q", scale=scale), stroke=stroke),
        ],
        width=room,
        height=ROW * size * drawn.height,
        title=title,
    )


def _ruled(lines: pl.DataFrame, line: str, dash: list[int]) -> alt.Chart:
    chart: alt.Chart = alt.Chart(lines.filter(line=line).select("at")).mark_rule(
        stroke=INK, strokeWidth=1, strokeDash=dash
    )
    return chart


def _notes(truth: float, planted: float | None) -> list[str]:
    line = f"Line: {100 * truth:.1f} %, what these labels tend to"
    other = f"dashed: {100 * planted:.1f} %, true value" if planted is not None and planted != truth else ""
    return [" · ".join(part for part in (line, other, "red: does not hold the line") if part)]


def _description(table: pl.DataFrame, *, truth: float, caption: str) -> str:
    """Text for those who do not see the picture."""
    said = " ".join(f"{name}: {_share(table, name)} hold {100 * truth:.1f} %." for name in _PANELS)
    return f"Intervals of simulated samples ({caption}). {said}"
