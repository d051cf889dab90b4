"""Bars: how often each harm category occurs, and how many of them an item carries."""

from __future__ import annotations

import altair as alt
import polars as pl

from btviz.plots.style.captions import heading, population
from btviz.plots.style.rendering import LayerChart
from btviz.plots.style.rows import label_axis, rows_beside
from btviz.plots.style.theme import (
    ACCENT,
    OTHERS,
    TEXT_SIZE,
    config,
    needed,
    points,
)
from btviz.taxonomy.categories import Taxonomy
from btviz.taxonomy.words import percent, titles


def category_shares(
    table: pl.DataFrame,
    *,
    source: str | None = None,
    width: str | float = "double",
    taxonomy: Taxonomy | None = None,
) -> alt.LayerChart:
    """Draw the share of items that carry each harm category, most frequent first.

    Parameters
    ----------
    table : DataFrame
        From `category_counts`: `category`, `n_category`, `n`, `share`.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.
    taxonomy : Taxonomy, optional
        Where titles come from; found by the keys if not given.

    Returns
    -------
    alt.LayerChart
        One bar a category, its share and count beside it.

    Raises
    ------
    UsageError
        If a column is missing, or the table holds more than one population.
    """
    needed(table, "category", "n_category", "n", "share", call="category_counts")
    caption = population(table, source=source)
    drawn = counted(table)
    names = titles(drawn["category"], taxonomy=taxonomy)
    rows = rows_beside(names, texts=drawn["text"].to_list(), width=width)
    base = alt.Chart(drawn).encode(
        y=alt.Y("category:N").scale(domain=list(names)).title(None).axis(label_axis(rows.names)),
        x=alt.X("share:Q").scale(domain=[0, longest(drawn["share"])], nice=False).axis(None),
    )
    first = drawn.row(0, named=True)
    return LayerChart(
        layer=[
            base.mark_bar(height={"band": 0.72}),
            base.mark_text(align="left", dx=4, fontSize=rows.size).encode(text=alt.Text("text:N")),
        ],
        width=rows.room,
        height=rows.height(2.1) * drawn.height,
        title=heading("How often each harm category occurs", caption, width=width),
        description=(
            f"Bar chart of the share of each of {drawn.height} harm categories ({caption}). "
            f"Most frequent: {names[first['category']]}, {first['text']}."
        ),
        config=config(size=rows.size),
    )


def counted(table: pl.DataFrame) -> pl.DataFrame:
    """`category`, `share` and a `text` such as ``9.2 % (278)``, most frequent first."""
    text = pl.struct("share", "n_category").map_elements(
        lambda row: f"{percent(row['share'])} ({row['n_category']:,})", return_dtype=pl.String
    )
    return table.sort("n_category", descending=True, maintain_order=True).select(
        "category", "share", text.alias("text")
    )


def longest(shares: pl.Series) -> float:
    """End of an axis of shares: the longest bar, or 1 where all are empty."""
    highest = shares.max()
    return float(highest) if isinstance(highest, int | float) and highest > 0 else 1.0


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
            base.mark_text(baseline="bottom", dy=-TEXT_SIZE - 4, fontSize=TEXT_SIZE).encode(text=alt.Text("text:N")),
            base.mark_text(baseline="bottom", dy=-2).encode(text=alt.Text("count:N")),
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
