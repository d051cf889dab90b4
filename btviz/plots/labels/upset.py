"""Exact combinations of harm categories: an UpSet plot."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import polars as pl

from btviz.errors import UsageError
from btviz.plots.style.captions import heading, population
from btviz.plots.style.rendering import ConcatChart
from btviz.plots.style.rows import Rows, label_axis, rows_beside
from btviz.plots.style.theme import (
    ACCENT,
    FAINT,
    MUTED,
    OTHERS,
    PADDING,
    TEXT_SIZE,
    config,
    needed,
    points,
    text_width,
)
from btviz.taxonomy.categories import Taxonomy
from btviz.taxonomy.words import percent, titles

GAP = 10.0

NARROW = 9.0
"""Least distance of two columns, in points, that labels of the usual size may leave."""

NARROWEST = 7.5
"""Least distance of two columns, in points, at which their numbers do not touch."""

STRIPE = "#f4f4f4"


def label_sets(
    table: pl.DataFrame,
    *,
    top: int = 20,
    source: str | None = None,
    width: str | float = "double",
    taxonomy: Taxonomy | None = None,
) -> alt.ConcatChart:
    """Draw the most frequent exact combinations of harm categories (UpSet).

    Parameters
    ----------
    table : DataFrame
        From `label_sets`: `categories` (list of keys), `n`, `n_items`.
    top : int, default 20
        Combinations to draw, fewer where the width has no room for them; the caption says how
        many there are, and what those drawn cover.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.
    taxonomy : Taxonomy, optional
        Where titles come from; found by the keys if not given.

    Returns
    -------
    alt.ConcatChart
        Left, items with each category in any combination; above, items with exactly the
        categories that are dotted below. Items without a label are named in the caption only.

    Raises
    ------
    UsageError
        If a column is missing, no combination can be drawn, or the table holds more than one
        population.
    """
    needed(table, "categories", "n", "n_items", call="label_sets")
    caption = population(table, source=source, n="n_items")
    sets = table.filter(pl.col("categories").list.len() > 0).sort("n", descending=True, maintain_order=True)
    if top < 1 or sets.is_empty():
        raise UsageError(
            f"{top} combinations were asked for and the table has {sets.height}, so there is nothing to draw. "
            "Ask for 1 or more, of items that have labels."
        )
    totals = _totals(sets)
    names = titles(totals["category"], taxonomy=taxonomy)
    rows, step, columns = _sizes(names, columns=min(top, sets.height), width=width)
    size = rows.size
    drawn = sets.head(columns).with_row_index("place", offset=1).select("place", "categories", "n")
    return ConcatChart(
        concat=[
            _legend(size=size),
            _counts(drawn, size=size, step=step),
            _bars(totals, rows=rows),
            _dots(drawn, rows=rows, step=step),
        ],
        columns=2,
        bounds="flush",
        align="each",
        spacing={"row": 4, "column": _labels(rows)},
        title=heading("Which harm categories make up one label set", caption, _coverage(table, drawn), width=width),
        description=_describe(drawn, names=names, caption=caption),
        config=config(size=size),
    )


def _totals(sets: pl.DataFrame) -> pl.DataFrame:
    """Items with each category, whatever else they carry: `category`, `n`, most frequent first."""
    categories = sets.select(pl.col("categories").alias("category"), "n").explode("category")
    return categories.group_by("category").agg(pl.col("n").sum()).sort("n", "category", descending=[True, False])


def _labels(rows: Rows) -> float:
    lines = [line for name in rows.names.values() for line in ([name] if isinstance(name, str) else name)]
    return max(text_width(line, size=rows.size) for line in lines) + GAP


def _sizes(names: Mapping[str, str], *, columns: int, width: str | float) -> tuple[Rows, float, int]:
    """Labels of the rows, distance of the columns, and how many of them fit the width."""
    beside = points(width) - _totals_width(TEXT_SIZE)
    rows = rows_beside(names, texts=[""], width=beside, least=NARROW * columns)
    room = points(width) - 2 * PADDING - _totals_width(rows.size) - _labels(rows)
    columns = max(1, min(columns, int(room / NARROWEST)))
    return rows, min(room / columns, 3 * rows.size), columns


def _totals_width(size: float) -> float:
    return 8 * size


def _height(size: float) -> float:
    return 13 * size


def _coverage(table: pl.DataFrame, drawn: pl.DataFrame) -> str:
    """How much of the items with labels is drawn, and how many have none."""
    labelled = table.filter(pl.col("categories").list.len() > 0)
    without, covered = int(table["n"].sum()) - int(labelled["n"].sum()), int(drawn["n"].sum())
    share = percent(covered / int(labelled["n"].sum()))
    shown = f"{drawn.height} of {labelled.height} combinations, {share} of the items with a label"
    return f"{shown} · no label: {without:,}, not drawn" if without else shown


def _legend(*, size: float) -> alt.LayerChart:
    """Names of the two sets of bars, in the corner that they leave free."""
    right, bottom = _totals_width(size), _height(size)
    base = alt.Chart(pl.DataFrame({"text": [["Items with", "the category"]]}))
    left = base.mark_text(
        align="right", baseline="bottom", lineHeight=1.2 * size, x=right, y=bottom - 1.2 * size, color=MUTED
    )
    return alt.LayerChart(layer=[left.encode(text=alt.Text("text:N"))], width=right, height=bottom)


def _counts(drawn: pl.DataFrame, *, size: float, step: float) -> alt.LayerChart:
    """Bars above the dots: items with exactly these categories."""
    counted = drawn.select("place", "n", pl.col("n").map_elements("{:,}".format, return_dtype=pl.String).alias("text"))
    upright = max(text_width(text, size=0.9 * size) for text in counted["text"]) > step - 1
    base = alt.Chart(counted).encode(
        x=alt.X("place:O").axis(None),
        y=alt.Y("n:Q").scale(domainMin=0, nice=False).title("Items with exactly these").axis(values=[]),
    )
    number = (
        base.mark_text(angle=270, align="left", baseline="middle", dx=3)
        if upright
        else base.mark_text(baseline="bottom", dy=-2)
    )
    layer = [base.mark_bar(width={"band": 0.7}), number.encode(text=alt.Text("text:N"))]
    return alt.LayerChart(layer=layer, width=step * drawn.height, height=_height(size))


def _bars(totals: pl.DataFrame, *, rows: Rows) -> alt.LayerChart:
    """Bars left of the names: items with the category, in any combination."""
    names, size = rows.names, rows.size
    counted = totals.with_columns(pl.col("n").map_elements("{:,}".format, return_dtype=pl.String).alias("text"))
    room = max(text_width(text, size=0.9 * size) for text in counted["text"]) + 5
    longest = float(counted["n"][0]) / (1 - room / _totals_width(size))
    base = alt.Chart(counted).encode(
        y=alt.Y("category:N").scale(domain=list(names)).axis(None),
        x=alt.X("n:Q").scale(domain=[0, longest], nice=False, reverse=True).axis(None),
    )
    layer = [
        base.mark_bar(height={"band": 0.66}, fill=OTHERS),
        base.mark_text(align="right", dx=-3).encode(text=alt.Text("text:N")),
    ]
    return alt.LayerChart(layer=layer, width=_totals_width(size), height=rows.height(1.9) * len(names))


def _dots(drawn: pl.DataFrame, *, rows: Rows, step: float) -> alt.LayerChart:
    """One column a combination: a dot for each of its categories, joined by a line."""
    names, size = rows.names, rows.size
    members = drawn.select("place", pl.col("categories").alias("category")).explode("category")
    empty = members.select("place").unique().join(pl.DataFrame({"category": list(names)}), how="cross").sort("place")
    y = alt.Y("category:N", scale=alt.Scale(domain=list(names)), title=None, axis=label_axis(names))
    x = alt.X("place:O").axis(None)
    area = min(step * 0.62, size) ** 2 * 0.8
    stripes = alt.Chart(pl.DataFrame({"category": list(names)[::2]})).mark_rect(fill=STRIPE)
    dots = alt.Chart(members).encode(x=x, y=y)
    layer = [
        stripes.encode(y=y),
        alt.Chart(empty).mark_circle(size=area, color=FAINT, opacity=1).encode(x=x, y=y),
        dots.mark_line(color=ACCENT, strokeWidth=size / 5).encode(detail=alt.Detail("place:O")),
        dots.mark_circle(size=area, color=ACCENT, opacity=1),
    ]
    return alt.LayerChart(layer=layer, width=step * drawn.height, height=rows.height(1.9) * len(names))


def _describe(drawn: pl.DataFrame, *, names: Mapping[str, str], caption: str) -> str:
    first = drawn.row(0, named=True)
    most = " with ".join(names[key] for key in first["categories"])
    return (
        f"UpSet plot of the {drawn.height} most frequent combinations of {len(names)} harm categories ({caption}). "
        f"Most frequent: {most}, {first['n']:,} items."
    )
