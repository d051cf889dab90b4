"""How many labels an item carries."""

from __future__ import annotations

import altair as alt
import polars as pl

from btviz.plots.rendering import LayerChart
from btviz.plots.shares import longest
from btviz.plots.theme import ACCENT, OTHERS, TEXT_SIZE, config, heading, needed, percent, points, population

HEIGHT = 130.0
WIDEST = 44.0
"""Widest bar, in points: a few bars need not fill a page."""


def labels_per_item(table: pl.DataFrame, *, source: str | None = None, width: str | float = "double") -> alt.LayerChart:
    """Draw how many items carry 0, 1, 2, ... harm categories.

    Parameters
    ----------
    table : DataFrame
        From `labels_per_item`: `size`, `n`, `share`, `n_items`.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper that may be filled, or points.

    Returns
    -------
    alt.LayerChart
        One bar a number of labels, its share and count above; items without any in grey.

    Raises
    ------
    UsageError
        If a column is missing, or the table holds more than one population.
    """
    needed(table, "size", "n", "share", "n_items", call="labels_per_item")
    caption = population(table, source=source, n="n_items")
    share = pl.col("share").map_elements(percent, return_dtype=pl.String, skip_nulls=False)
    drawn = table.sort("size").select(
        "size",
        "share",
        share.alias("text"),
        pl.col("n").map_elements("{:,}".format, return_dtype=pl.String).alias("count"),
    )
    step = min((points(width) - 40) / drawn.height, WIDEST)
    base = alt.Chart(drawn).encode(
        x=alt.X("size:O").title("Harm categories on one item").axis(labelAngle=0),
        y=alt.Y("share:Q").scale(domain=[0, longest(drawn["share"])], nice=False).axis(None),
    )
    fill = alt.when("datum.size > 0").then(alt.value(ACCENT)).otherwise(alt.value(OTHERS))
    most = drawn.sort("share", descending=True).row(0, named=True)
    return LayerChart(
        layer=[
            base.mark_bar(width={"band": 0.72}).encode(fill=fill),
            base.mark_text(baseline="bottom", dy=-TEXT_SIZE - 4, fontSize=TEXT_SIZE).encode(text="text:N"),
            base.mark_text(baseline="bottom", dy=-2).encode(text="count:N"),
        ],
        width=alt.Step(step),
        height=HEIGHT,
        title=heading("How many harm categories an item carries", caption, width=width),
        description=(
            f"Bar chart of items by their number of harm categories, {drawn['size'][0]} to {drawn['size'][-1]} "
            f"({caption}). Most frequent: {most['size']}, {most['text']} of items."
        ),
        config=config(),
    )
