"""Bars: how often each harm category occurs, and how many of them an item carries."""

from __future__ import annotations

import altair as alt
import polars as pl

from btviz.plots.naming import titles
from btviz.plots.rendering import LayerChart
from btviz.plots.theme import config, heading, needed, points, population, text_width
from btviz.taxonomy import Taxonomy

ROW_HEIGHT = 17


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
    names = titles(table["category"], taxonomy=taxonomy)
    label = _percent("share", "n_category")
    drawn = table.sort("n_category", descending=True, maintain_order=True).select(
        pl.col("category").replace_strict(names).alias("category"), "share", label.alias("text")
    )
    room = points(width) - max(map(text_width, names.values())) - max(map(text_width, drawn["text"])) - 24
    top = _top(drawn["share"])
    base = alt.Chart(drawn).encode(
        y=alt.Y("category:N").sort(None).title(None),
        x=alt.X("share:Q").scale(domain=[0, top], nice=False).axis(None),
    )
    most = drawn.row(0, named=True)
    return LayerChart(
        layer=[
            base.mark_bar(height={"band": 0.72}),
            base.mark_text(align="left", dx=4).encode(text="text:N"),
        ],
        width=room,
        height=ROW_HEIGHT * drawn.height,
        title=heading("How often each harm category occurs", caption),
        description=(
            f"Bar chart of the share of each of {drawn.height} harm categories ({caption}). "
            f"Most frequent: {most['category']}, {most['text']}."
        ),
        config=config(),
    )


def _percent(share: str, n: str) -> pl.Expr:
    """Text such as ``9.2 % (278)``."""
    return pl.struct(share, n).map_elements(
        lambda row: f"{row[share]:.1%} ({row[n]:,})".replace("%", " %") if row[share] is not None else "–",
        return_dtype=pl.String,
    )


def _top(shares: pl.Series) -> float:
    """End of the axis: the longest bar, or 1 where there is none."""
    highest = shares.max()
    return float(highest) if isinstance(highest, int | float) and highest > 0 else 1.0
