"""Four cells with counts: better or worse answers, safe or unsafe."""

from __future__ import annotations

import altair as alt
import polars as pl

from btviz.errors import UsageError
from btviz.plots.style.rendering import LayerChart
from btviz.plots.style.theme import (
    BLACK,
    PADDING,
    PAPER,
    SEQUENTIAL,
    TEXT_SIZE,
    config,
    heading,
    needed,
    points,
    population,
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
    told = " · ".join(part for part in (source, "comparisons with better and both safety labels") if part)
    caption = population(counted, source=told)
    drawn = _drawn(counted)
    side = min(WIDEST, (points(width) - 2 * PADDING - 40) / 2)
    note = "Each comparison has one better and one worse answer"
    return LayerChart(
        layer=_layers(drawn),
        width=2 * side,
        height=2 * CELL_HEIGHT,
        title=heading("Are better answers safe?", caption, note, width=width),
        description=_description(drawn, caption=caption),
        config=config(),
    )


def _drawn(counted: pl.DataFrame) -> pl.DataFrame:
    return counted.select(
        pl.col("rank").str.to_titlecase().alias("row"),
        pl.col("safe").replace_strict(SAFETY, return_dtype=pl.String).alias("col"),
        "share",
        pl.col("n_answers").map_elements("{:,}".format, return_dtype=pl.String).alias("count"),
        (pl.col("share").map_elements(percent, return_dtype=pl.String) + " of " + pl.col("rank")).alias("text"),
    )


def _layers(drawn: pl.DataFrame) -> list[alt.Chart]:
    """Coloured cells, their counts, and below them the shares."""
    base = alt.Chart(drawn).encode(
        x=alt.X("col:N").scale(domain=list(SAFETY.values())).title(None).axis(orient="top", labelAngle=0),
        y=alt.Y("row:N").scale(domain=drawn["row"].unique(maintain_order=True).to_list()).title(None),
    )
    stops = [place / (len(COLOURS) - 1) for place in range(len(COLOURS))]
    fill = alt.Color("share:Q").scale(domain=stops, range=list(COLOURS)).legend(None)
    return [
        base.mark_rect(stroke=PAPER, strokeWidth=2).encode(color=fill),
        base.mark_text(fontSize=1.6 * TEXT_SIZE, dy=-5, fill=BLACK).encode(text="count:N"),
        base.mark_text(fontSize=TEXT_SIZE, dy=10, fill=BLACK).encode(text="text:N"),
    ]


def _description(drawn: pl.DataFrame, *, caption: str) -> str:
    """Text for those who do not see the picture: all four cells."""
    said = [f"{row['row']} and {row['col'].lower()}: {row['count']}, {row['text']}." for row in drawn.to_dicts()]
    return f"Four cells of answers ({caption}). {' '.join(said)}"
