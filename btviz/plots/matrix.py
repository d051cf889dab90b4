"""The association matrix: every two harm categories, after BeaverTails Fig 3."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import polars as pl

from btviz.errors import choice
from btviz.plots.coefficients import COEFFICIENTS, Coefficient
from btviz.plots.naming import lookup, titles
from btviz.plots.rendering import LayerChart
from btviz.plots.theme import (
    BLACK,
    FAINT,
    MUTED,
    PADDING,
    PAPER,
    TEXT_SIZE,
    TINY_SIZE,
    config,
    heading,
    needed,
    points,
    population,
    text_width,
)
from btviz.taxonomy import Taxonomy

CROSS = "M-1,-1L1,1M-1,1L1,-1"
WIDEST = 44.0
"""Widest cell, in points: a few categories need not fill a page."""
LEGIBLE = 17.0
"""Narrowest cell, in points, in which a number can be read."""
ORDERS = ("similarity", "release")


def association_matrix(
    table: pl.DataFrame,
    coefficient: str = "phi",
    *,
    order: str = "similarity",
    source: str | None = None,
    width: str | float = "double",
    taxonomy: Taxonomy | None = None,
) -> alt.LayerChart:
    """Draw the association of every two harm categories as a coloured matrix.

    Parameters
    ----------
    table : DataFrame
        From `cooccurrence`: `row`, `col`, `row_order`, `col_order`, `n` and the coefficient.
    coefficient : str, default "phi"
        Column to draw, one of `COEFFICIENTS`.
    order : {"similarity", "release"}
        Similar categories side by side, or the order of the release.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points. Cells too narrow for a number show none.
    taxonomy : Taxonomy, optional
        Where titles come from; found by the keys if not given.

    Returns
    -------
    alt.LayerChart
        Colour and number in each cell; a cross where the coefficient is undefined; grey on the
        diagonal.

    Raises
    ------
    UsageError
        If a column is missing, the coefficient or order is unknown, or the table holds more
        than one population.
    """
    drawn = cells(table, coefficient)
    shown = COEFFICIENTS[coefficient]
    caption = population(table, source=source)
    names = titles(in_order(table, order=order), taxonomy=taxonomy)
    size, side = _sizes(names, width=width)
    return LayerChart(
        layer=layers(drawn, shown, names=names, side=side),
        width=side * len(names),
        height=side * len(names),
        view={"fill": FAINT},
        title=heading("Which harm categories occur together", caption, *notes(drawn), width=width),
        description=describe(drawn, shown, names=names, caption=caption),
        config=config(size=size),
    )


def _sizes(names: Mapping[str, str], *, width: str | float) -> tuple[float, float]:
    """Size of the labels, and side of a cell, that fill the width or are as wide as a few cells need."""
    room = points(width) - 2 * PADDING - 4
    size, side = TEXT_SIZE, (room - max(map(text_width, names.values()))) / len(names)
    if side < LEGIBLE:
        size = TINY_SIZE
        side = (room - max(text_width(f"{name} 00", size=size) for name in names.values())) / len(names)
    return size, min(side, WIDEST)


def in_order(table: pl.DataFrame, *, order: str) -> list[str]:
    """Category keys in the order of rows and columns."""
    choice(order, ORDERS, what="order")
    places = table.select("row", "row_order").unique("row", maintain_order=True)
    if order == "similarity":
        places = places.sort("row_order")
    return places["row"].to_list()


def cells(table: pl.DataFrame, coefficient: str) -> pl.DataFrame:
    """Cells off the diagonal: `row`, `col`, `value`, its `text`, whether it is `coloured` and `dark`."""
    shown = COEFFICIENTS[choice(coefficient, COEFFICIENTS, what="coefficient")]
    needed(table, "row", "col", "row_order", "n", coefficient, call="cooccurrence")
    number = pl.col(coefficient).cast(pl.Float64)
    value = pl.when(number.is_finite()).then(number)
    off_diagonal = table.filter(pl.col("row") != pl.col("col"))
    limits = shown.limits(off_diagonal[coefficient])
    return off_diagonal.select(
        "row",
        "col",
        shown.on_scale(off_diagonal[coefficient]).alias("coloured"),
        value.alias("value"),
        value.map_elements(shown.text, return_dtype=pl.String).fill_null("").alias("text"),
        shown.is_dark(value, limits=limits).fill_null(value=False).alias("dark"),
    )


def layers(drawn: pl.DataFrame, shown: Coefficient, *, names: Mapping[str, str], side: float) -> list[alt.Chart]:
    """Coloured cells, their numbers where they can be read, and crosses."""
    base = grid(drawn, names=names, numbered=side < LEGIBLE)
    limits = shown.limits(drawn["value"])
    legend = shown.legend(limits, length=min(180, side * len(names)))
    edge = min(1, side / 12)
    fill = alt.Color("value:Q").scale(shown.scale(limits)).legend(legend)
    unknown = base.transform_filter("datum.value === null")
    found = [
        base.mark_rect(stroke=PAPER, strokeWidth=edge, fill=PAPER),
        base.transform_filter("datum.coloured").mark_rect(stroke=PAPER, strokeWidth=edge).encode(color=fill),
        unknown.mark_point(shape=CROSS, opacity=1, size=side * side * 0.04, stroke=MUTED, strokeWidth=side / 30),
    ]
    if side >= LEGIBLE:
        ink = alt.when(alt.datum.dark).then(alt.value(PAPER)).otherwise(alt.value(BLACK))
        found.append(base.mark_text(fontSize=min(side * 0.34, 9)).encode(text="text:N", color=ink))
    return found


def grid(drawn: pl.DataFrame, *, names: Mapping[str, str], numbered: bool = False) -> alt.Chart:
    """Chart of `row` by `col`, in the order of `names` and labelled by them.

    Columns too narrow for a slanted label are `numbered`, and so are the rows then.
    """
    places = list(names)
    numbers = {key: str(place) for place, key in enumerate(names, start=1)}
    rows = {key: f"{name}  {numbers[key]}" for key, name in names.items()} if numbered else names
    across = alt.Axis(labelExpr=lookup(numbers), labelAngle=0) if numbered else None
    slanted = alt.Axis(labelExpr=lookup(names), labelAngle=-45)
    return alt.Chart(drawn).encode(
        x=alt.X("col:N", scale=alt.Scale(domain=places), title=None, axis=across or slanted),
        y=alt.Y("row:N", scale=alt.Scale(domain=places), title=None, axis=alt.Axis(labelExpr=lookup(rows))),
    )


def notes(drawn: pl.DataFrame) -> list[str]:
    """Lines that explain the cells without colour, where there are any."""
    missing = drawn["value"].null_count()
    zeros = drawn.filter(~pl.col("coloured"), pl.col("value") == 0).height
    return [
        f"× undefined: {missing} of {drawn.height} cells" if missing else "",
        "0 has no colour: it lies off the log scale" if zeros else "",
    ]


def describe(drawn: pl.DataFrame, shown: Coefficient, *, names: Mapping[str, str], caption: str) -> str:
    """Text for those who do not see the picture."""
    highest = drawn.drop_nulls("value").sort("value", descending=True)
    most = ""
    if highest.height:
        row = highest.row(0, named=True)
        most = f" Highest: {names[row['row']]} with {names[row['col']]}, {row['text']}."
    return f"Matrix of {shown.title} between {len(names)} harm categories ({caption}).{most}"
