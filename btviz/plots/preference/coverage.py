"""Intervals of repeated samples against the truth that was planted: which of them hold it."""

from __future__ import annotations

from dataclasses import dataclass

import altair as alt
import polars as pl

from btviz.errors import UsageError
from btviz.plots.style.captions import heading
from btviz.plots.style.intervals import span, value_axis
from btviz.plots.style.rendering import HConcatChart
from btviz.plots.style.theme import ACCENT, FAINT, GROUPS, INK, MUTED, PADDING, PAPER, TEXT_SIZE, config, needed, points

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
    margin: float | None = None,
    ends: tuple[float, float] | None = None,
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
    margin : float, optional
        Bound on ``|2p - 1|`` below which labels count as practically orthogonal: a band is drawn, and the share of
        intervals that lie wholly inside it is said.
    ends : (float, float), optional
        Ends of the axis, which then stays where it is whatever is drawn; by default it ends where the intervals do.
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
    columns = ["low", "high", "naive_low", "naive_high"]
    frame = _Frame(
        ends or span(drawn, columns, within=(truth, truth if planted is None else planted)),
        None if margin is None else (0.5 - margin / 2, 0.5 + margin / 2),
        _lines(truth, planted),
        room,
        size,
    )
    panels = [_panel(drawn, name, head=_head(table, name, frame.band), frame=frame) for name in _PANELS]
    caption = f"simulated · {drawn.height} of {table.height:,} samples, the first on top"
    return HConcatChart(
        hconcat=panels,
        spacing=GAP * size,
        title=heading(
            "Which intervals hold the true value?",
            caption,
            *_notes(truth, planted),
            f"Band: the margin, |2p − 1| < {margin:g}" if margin is not None else "",
            width=width,
            size=size,
        ),
        description=_description(table, truth=truth, caption=caption),
        config=config(size=size),
    )


def _columns() -> list[str]:
    return ["sample", "estimate", *(name for columns in _PANELS.values() for name in columns)]


def _share(table: pl.DataFrame, panel: str) -> str:
    inside = table[_PANELS[panel][2]]
    return f"{100 * inside.sum() / len(inside):.1f} %"


def _head(table: pl.DataFrame, panel: str, band: tuple[float, float] | None) -> str:
    """What the panel's intervals do, of all samples."""
    held = f"{_share(table, panel)} hold it"
    if band is None:
        return held
    low, high, _ = _PANELS[panel]
    inside = table.select((pl.col(low) > band[0]) & (pl.col(high) < band[1])).to_series()
    return f"{held}, {100 * inside.sum() / len(inside):.1f} % lie inside the margin"


@dataclass(frozen=True)
class _Frame:
    """What the panels share: the ends of their axis, the margin, lines, room in points, size of labels."""

    ends: tuple[float, float]
    band: tuple[float, float] | None
    lines: pl.DataFrame
    room: float
    size: float


def _lines(truth: float, planted: float | None) -> pl.DataFrame:
    marks = [(truth, "solid")] + ([] if planted is None or planted == truth else [(planted, "dashed")])
    return pl.DataFrame(marks, schema=["at", "line"], orient="row")


def _panel(drawn: pl.DataFrame, name: str, *, head: str, frame: _Frame) -> alt.LayerChart:
    """One interval a row: red where it misses, heavier and with its estimate where it is the first."""
    size = frame.size
    low, high, covers = _PANELS[name]
    data = drawn.select("sample", "estimate", pl.col(low).alias("low"), pl.col(high).alias("high"), covers=covers)
    scale = alt.Scale(domain=list(frame.ends), nice=False)
    axis = value_axis(room=frame.room, percents=True)
    x = alt.X("low:Q", scale=scale, axis=axis, title="P(better = safer)")
    y = alt.Y("sample:O", axis=None)
    stroke = alt.when("datum.covers").then(alt.value(ACCENT)).otherwise(alt.value(MISSED))
    heavy = alt.when("datum.sample === 1").then(alt.value(2.4)).otherwise(alt.value(1.1))
    base = alt.Chart(data).encode(y=y)
    dot = base.transform_filter("datum.sample === 1").mark_point(
        size=0.34 * size**2, opacity=1, strokeWidth=1.2, fill=PAPER
    )
    at = alt.X("at:Q", scale=scale)
    title = alt.TitleParams(head, subtitle=name, fontSize=size * 1.1, subtitleColor=MUTED, anchor="start", offset=6)
    layers: list[alt.Chart] = []
    if frame.band is not None:
        band = alt.Chart(pl.DataFrame({"from": [frame.band[0]], "to": [frame.band[1]]}))
        layers = [band.mark_rect(fill=FAINT).encode(x=alt.X("from:Q", scale=scale), x2=alt.X2("to:Q"))]
    return alt.LayerChart(
        layer=[
            *layers,
            base.mark_rule().encode(x=x, x2=alt.X2("high:Q"), stroke=stroke, strokeWidth=heavy),
            _ruled(frame.lines, "solid", []).encode(x=at),
            _ruled(frame.lines, "dashed", [3, 2]).encode(x=at),
            dot.encode(x=alt.X("estimate:Q", scale=scale), stroke=stroke),
        ],
        width=frame.room,
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
