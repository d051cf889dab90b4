"""The association matrix: every two harm categories, after BeaverTails Fig 3."""

from __future__ import annotations

import json
from collections.abc import Mapping

import altair as alt
import polars as pl

from btviz.errors import choice
from btviz.plots.coefficients import COEFFICIENTS, Coefficient
from btviz.plots.naming import titles
from btviz.plots.rendering import LayerChart
from btviz.plots.theme import FAINT, INK, MUTED, PAPER, config, heading, needed, points, population, text_width
from btviz.taxonomy import Taxonomy

CROSS = "M-1,-1L1,1M-1,1L1,-1"
LEGIBLE = 17.0
"""Narrowest cell, in points, in which a number can be read."""
DARK = 0.55
ORDERS = ("similarity", "release")


def association_matrix(  # noqa: PLR0913 (all but the first two are keyword-only)
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
    side = (points(width) - max(map(text_width, names.values())) - 16) / len(names)
    return LayerChart(
        layer=layers(drawn, shown, names=names, side=side),
        width=side * len(names),
        height=side * len(names),
        view={"fill": FAINT},
        title=heading("Which harm categories occur together", caption, undefined(drawn)),
        description=describe(drawn, shown, names=names, caption=caption),
        config=config(),
    )


def in_order(table: pl.DataFrame, *, order: str) -> list[str]:
    """Category keys in the order of rows and columns."""
    choice(order, ORDERS, what="order")
    places = table.select("row", "row_order").unique("row", maintain_order=True)
    if order == "similarity":
        places = places.sort("row_order")
    return places["row"].to_list()


def cells(table: pl.DataFrame, coefficient: str) -> pl.DataFrame:
    """Cells off the diagonal: `row`, `col`, `value`, its `text`, and whether the cell is `dark`."""
    shown = COEFFICIENTS[choice(coefficient, COEFFICIENTS, what="coefficient")]
    needed(table, "row", "col", "row_order", "n", coefficient, call="cooccurrence")
    number = pl.col(coefficient).cast(pl.Float64)
    value = pl.when(number.is_finite()).then(number)
    limits = shown.limits(table[coefficient])
    return table.filter(pl.col("row") != pl.col("col")).select(
        "row",
        "col",
        value.alias("value"),
        value.map_elements(shown.text, return_dtype=pl.String).fill_null("").alias("text"),
        (shown.strength(value, limits=limits) > DARK).fill_null(value=False).alias("dark"),
    )


def layers(drawn: pl.DataFrame, shown: Coefficient, *, names: Mapping[str, str], side: float) -> list[alt.Chart]:
    """Coloured cells, their numbers where they can be read, and crosses."""
    base = grid(drawn, names=names)
    limits = shown.limits(drawn["value"])
    legend = alt.Legend(
        title=shown.title,
        orient="top",
        direction="horizontal",
        gradientLength=180,
        values=shown.ticks(limits),
        format="~g" if shown.kind == "ratio" else "~",
    )
    fill = alt.Color("value:Q").scale(shown.scale(limits)).legend(legend)
    known, unknown = "datum.value !== null", "datum.value === null"
    found = [
        base.transform_filter(known).mark_rect(stroke=PAPER, strokeWidth=1).encode(color=fill),
        base.transform_filter(unknown).mark_rect(stroke=PAPER, strokeWidth=1, fill=PAPER),
        base.transform_filter(unknown).mark_point(shape=CROSS, size=side * side * 0.04, stroke=MUTED, strokeWidth=0.8),
    ]
    if side >= LEGIBLE:
        ink = alt.when(alt.datum.dark).then(alt.value(PAPER)).otherwise(alt.value(INK))
        found.append(base.mark_text(fontSize=min(side * 0.34, 9)).encode(text="text:N", color=ink))
    return found


def grid(drawn: pl.DataFrame, *, names: Mapping[str, str]) -> alt.Chart:
    """Chart of `row` by `col`, in the order of `names` and labelled by them."""
    places = list(names)
    label = f"({json.dumps(dict(names), ensure_ascii=False)})[datum.value]"
    return alt.Chart(drawn).encode(
        x=alt.X("col:N").scale(domain=places).title(None).axis(labelAngle=-45, labelExpr=label),
        y=alt.Y("row:N").scale(domain=places).title(None).axis(labelExpr=label),
    )


def undefined(drawn: pl.DataFrame) -> str:
    """Line that explains the crosses, where there are any."""
    missing = drawn["value"].null_count()
    return f"× undefined: {missing} of {drawn.height} cells" if missing else ""


def describe(drawn: pl.DataFrame, shown: Coefficient, *, names: Mapping[str, str], caption: str) -> str:
    """Text for those who do not see the picture."""
    highest = drawn.drop_nulls("value").sort("value", descending=True)
    most = ""
    if highest.height:
        row = highest.row(0, named=True)
        most = f" Highest: {names[row['row']]} with {names[row['col']]}, {row['text']}."
    return f"Matrix of {shown.title} between {len(names)} harm categories ({caption}).{most}"
