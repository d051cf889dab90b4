"""Bars: how often each harm category occurs, and how many of them an item carries."""

from __future__ import annotations

import json

import altair as alt
import polars as pl

from btviz.plots.naming import titles
from btviz.plots.rendering import LayerChart
from btviz.plots.theme import TEXT_SIZE, config, heading, needed, points, population, text_width
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
    drawn = counted(table)
    names = titles(drawn["category"], taxonomy=taxonomy)
    labels = max(map(text_width, names.values())) + max(map(text_width, drawn["text"]))
    label = f"({json.dumps(names, ensure_ascii=False)})[datum.value]"
    base = alt.Chart(drawn).encode(
        y=alt.Y("category:N").scale(domain=list(names)).title(None).axis(labelExpr=label),
        x=alt.X("share:Q").scale(domain=[0, longest(drawn["share"])], nice=False).axis(None),
    )
    first = drawn.row(0, named=True)
    return LayerChart(
        layer=[
            base.mark_bar(height={"band": 0.72}),
            base.mark_text(align="left", dx=4, fontSize=TEXT_SIZE).encode(text="text:N"),
        ],
        width=points(width) - labels - 24,
        height=ROW_HEIGHT * drawn.height,
        title=heading("How often each harm category occurs", caption),
        description=(
            f"Bar chart of the share of each of {drawn.height} harm categories ({caption}). "
            f"Most frequent: {names[first['category']]}, {first['text']}."
        ),
        config=config(),
    )


def counted(table: pl.DataFrame) -> pl.DataFrame:
    """`category`, `share` and a `text` such as ``9.2 % (278)``, most frequent first."""
    text = pl.struct("share", "n_category").map_elements(_text, return_dtype=pl.String)
    return table.sort("n_category", descending=True, maintain_order=True).select(
        "category", "share", text.alias("text")
    )


def _text(row: dict[str, float | None]) -> str:
    if row["share"] is None:
        return "–"
    return f"{100 * row['share']:.1f} % ({row['n_category']:,})"


def longest(shares: pl.Series) -> float:
    """End of an axis of shares: the longest bar, or 1 where all are empty."""
    highest = shares.max()
    return float(highest) if isinstance(highest, int | float) and highest > 0 else 1.0
