"""Grids of coloured cells: better and worse answers by safety, and what labels without errors would show."""

from __future__ import annotations

import altair as alt
import polars as pl

from btviz.errors import UsageError
from btviz.plots.labels.matrix import CROSS
from btviz.plots.style.captions import heading, population
from btviz.plots.style.rendering import LayerChart
from btviz.plots.style.theme import (
    BLACK,
    DIVERGING,
    FAINT,
    MUTED,
    PADDING,
    PAPER,
    SEQUENTIAL,
    TEXT_SIZE,
    config,
    needed,
    points,
)
from btviz.taxonomy.words import percent

CELL_HEIGHT = 54.0

WIDEST = 150.0
"""Widest cell, in points."""

COLOURS = SEQUENTIAL[:4]
"""Light enough for black numbers on all of them."""

SAFETY = {True: "Safe", False: "Unsafe"}


def quadrants(table: pl.DataFrame, *, source: str | None = None, width: str | float = "double") -> alt.LayerChart:
    """Draw how many of the better and of the worse answers are safe.

    Parameters
    ----------
    table : DataFrame
        From `quadrants`: `rank`, `safe`, `n_answers`, `share`, `n`.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper that may be filled, or points.

    Returns
    -------
    alt.LayerChart
        Two by two cells: the count, and its share of the answers of that rank as number and
        colour.

    Raises
    ------
    UsageError
        If a column is missing, or no comparison was counted.
    """
    needed(table, "rank", "safe", "n_answers", "share", "n", call="quadrants")
    counted = table.filter(pl.col("n") > 0)
    if counted.is_empty():
        raise UsageError("No comparison tells the better answer and both safety labels, so there is nothing to draw.")
    of = " · ".join(part for part in (source, "comparisons with better and both safety labels") if part)
    caption = population(counted, source=of)
    drawn = _counts(counted)
    side = min(WIDEST, (points(width) - 2 * PADDING - 40) / 2)
    note = "Each comparison has one better and one worse answer"
    return LayerChart(
        layer=_count_layers(drawn),
        width=2 * side,
        height=2 * CELL_HEIGHT,
        title=heading("Are better answers safe?", caption, note, width=width),
        description=_in_words(drawn, caption=caption),
        config=config(),
    )


def _counts(counted: pl.DataFrame) -> pl.DataFrame:
    return counted.select(
        pl.col("rank").str.to_titlecase().alias("row"),
        pl.col("safe").replace_strict(SAFETY, return_dtype=pl.String).alias("col"),
        "share",
        pl.col("n_answers").map_elements("{:,}".format, return_dtype=pl.String).alias("count"),
        (pl.col("share").map_elements(percent, return_dtype=pl.String) + " of " + pl.col("rank")).alias("text"),
    )


def _count_layers(drawn: pl.DataFrame) -> list[alt.Chart]:
    """Coloured cells, their counts, and below them the shares."""
    base = alt.Chart(drawn).encode(
        x=alt.X("col:N").scale(domain=list(SAFETY.values())).title(None).axis(orient="top", labelAngle=0),
        y=alt.Y("row:N").scale(domain=drawn["row"].unique(maintain_order=True).to_list()).title(None),
    )
    stops = [place / (len(COLOURS) - 1) for place in range(len(COLOURS))]
    fill = alt.Color("share:Q").scale(domain=stops, range=list(COLOURS)).legend(None)
    return [
        base.mark_rect(stroke=PAPER, strokeWidth=2).encode(color=fill),
        base.mark_text(fontSize=1.6 * TEXT_SIZE, dy=-5, fill=BLACK).encode(text=alt.Text("count:N")),
        base.mark_text(fontSize=TEXT_SIZE, dy=10, fill=BLACK).encode(text=alt.Text("text:N")),
    ]


def _in_words(drawn: pl.DataFrame, *, caption: str) -> str:
    """Text for those who do not see the picture: all four cells."""
    sentences = [f"{row['row']} and {row['col'].lower()}: {row['count']}, {row['text']}." for row in drawn.to_dicts()]
    return f"Four cells of answers ({caption}). {' '.join(sentences)}"


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
    elsewhere = f" Elsewhere 2p - 1 lies from {left[0]:.2f} to {left[-1]:.2f}." if left else ""
    return (
        f"Heat map of the corrected 2p - 1 by accuracy of the labels and correlation of their errors ({caption}). "
        f"Refuted: {drawn['refuted'].sum()} of {drawn.height} pairs of assumptions.{elsewhere}"
    )
