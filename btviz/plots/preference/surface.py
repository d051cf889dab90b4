"""What the association would be without errors in the labels, over what is assumed of the errors."""

from __future__ import annotations

import altair as alt
import polars as pl

from btviz.errors import UsageError
from btviz.plots.labels.matrix import CROSS
from btviz.plots.style.rendering import LayerChart
from btviz.plots.style.theme import DIVERGING, FAINT, MUTED, PADDING, config, heading, needed, points

BESIDE = 84.0
"""Room that the axis and the legend take, in points."""

TALLEST = 260.0

TICKS = 40.0
"""Least distance of two labels on an axis, in points."""


def reliability_surface(
    table: pl.DataFrame, *, source: str | None = None, width: str | float = "double"
) -> alt.LayerChart:
    """Draw the corrected 2p - 1 over the accuracy of both labels and the correlation of their errors.

    Parameters
    ----------
    table : DataFrame
        From `reliability_surface`, with one accuracy for both labels: `accuracy_better`,
        `accuracy_safer`, `correlation`, `corrected`, `refuted`.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.

    Returns
    -------
    alt.LayerChart
        Colour of the corrected value; a cross on grey where the assumptions are refuted, white
        where the error rates do not allow that correlation.

    Raises
    ------
    UsageError
        If a column is missing, or the two labels have different accuracies: a picture has room
        for two assumptions.
    """
    needed(
        table, "accuracy_better", "accuracy_safer", "correlation", "corrected", "refuted", call="reliability_surface"
    )
    if (table["accuracy_better"] != table["accuracy_safer"]).any():
        raise UsageError(
            "This table assumes different accuracies of the two labels, and a picture has room for two assumptions. "
            "Build it with reliability_surface(p), or filter it to rows of equal accuracy."
        )
    drawn = _drawn(table)
    across, up = drawn["accuracy"].n_unique(), drawn["correlation"].n_unique()
    room = points(width) - 2 * PADDING - BESIDE
    caption = " · ".join(part for part in (source, f"n = {drawn.height} pairs of assumptions") if part)
    tall = min(TALLEST, room * up / across)
    return LayerChart(
        layer=_layers(drawn, room=room, tall=tall),
        width=room,
        height=tall,
        title=heading("What labels without errors would show", caption, *_notes(drawn), width=width),
        description=_description(drawn, caption=caption),
        config=config(),
    )


def _drawn(table: pl.DataFrame) -> pl.DataFrame:
    return table.select(
        pl.col("accuracy_better").alias("accuracy"),
        "correlation",
        pl.when(~pl.col("refuted")).then("corrected").alias("value"),
        "refuted",
    )


def _axis(values: pl.Series, *, room: float, title: str) -> alt.Axis:
    """Labels of every so many values, as many as there is room for."""
    known = values.unique().sort().to_list()
    every = max(1, round(TICKS * len(known) / room))
    return alt.Axis(values=known[::every], labelAngle=0, format=".2~f", title=title)


def _layers(drawn: pl.DataFrame, *, room: float, tall: float) -> list[alt.Chart]:
    """Coloured cells, grey ones with a cross, white ones."""
    accuracy, correlation = drawn["accuracy"], drawn["correlation"]
    base = alt.Chart(drawn).encode(
        x=alt.X("accuracy:O", axis=_axis(accuracy, room=room, title="Accuracy of each label")),
        y=alt.Y(
            "correlation:O",
            axis=_axis(correlation, room=2 * tall, title="Correlation of their errors"),
            sort="descending",
        ),
    )
    stops = [2 * place / (len(DIVERGING) - 1) - 1 for place in range(len(DIVERGING))]
    legend = alt.Legend(title="2p − 1", format=".1~f", values=[-1, -0.5, 0, 0.5, 1], gradientLength=min(120, tall))
    fill = alt.Color("value:Q", scale=alt.Scale(domain=stops, range=list(DIVERGING)), legend=legend)
    side = min(room / accuracy.n_unique(), tall / correlation.n_unique())
    refuted = base.transform_filter("datum.refuted")
    return [
        base.transform_filter("datum.value !== null").mark_rect().encode(color=fill),
        refuted.mark_rect(fill=FAINT),
        refuted.mark_point(shape=CROSS, opacity=1, size=side * side * 0.1, stroke=MUTED, strokeWidth=0.7),
    ]


def _notes(drawn: pl.DataFrame) -> list[str]:
    impossible = drawn.filter(~pl.col("refuted"), pl.col("value").is_null()).height
    return [
        f"× refuted, |2p − 1| would exceed 1: {drawn['refuted'].sum()} of {drawn.height}",
        f"White: no value under these assumptions: {impossible}" if impossible else "",
    ]


def _description(drawn: pl.DataFrame, *, caption: str) -> str:
    """Text for those who do not see the picture: how much is refuted, and what is left."""
    left = drawn["value"].drop_nulls().sort().to_list()
    found = f" Elsewhere 2p - 1 lies from {left[0]:.2f} to {left[-1]:.2f}." if left else ""
    return (
        f"Heat map of the corrected 2p - 1 by accuracy of the labels and correlation of their errors ({caption}). "
        f"Refuted: {drawn['refuted'].sum()} of {drawn.height} pairs of assumptions.{found}"
    )
