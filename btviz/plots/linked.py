"""Matrix and bars in one chart that answers clicks, for `alt.JupyterChart`."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import polars as pl

from btviz.plots.coefficients import COEFFICIENTS, Coefficient
from btviz.plots.matrix import cells, describe, grid, in_order, layers, notes
from btviz.plots.naming import known
from btviz.plots.rendering import HConcatChart
from btviz.plots.shares import counted, longest
from btviz.plots.theme import ACCENT, FAINT, INK, OTHERS, config, heading, needed, population, text_width
from btviz.taxonomy import Category, Taxonomy

LABEL_SIZE = 11.0
SIDE = 480.0
"""Width and height of the matrix on a screen."""
BARS = 150.0


def explorer(
    table: pl.DataFrame,
    counts: pl.DataFrame,
    *,
    coefficient: str = "phi",
    order: str = "similarity",
    source: str | None = None,
    taxonomy: Taxonomy | None = None,
) -> alt.HConcatChart:
    """Draw the association matrix with the category shares beside it, ready to be clicked.

    Parameters
    ----------
    table : DataFrame
        From `cooccurrence`.
    counts : DataFrame
        From `category_counts`, over the same population.
    coefficient : str, default "phi"
        Column of `table` to draw, one of `COEFFICIENTS`.
    order : {"similarity", "release"}
        Similar categories side by side, or the order of the release.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    taxonomy : Taxonomy, optional
        Where titles and definitions come from; found by the keys if not given.

    Returns
    -------
    alt.HConcatChart
        Point selection `cell` (fields `row`, `col`) on the matrix and `bar` (field `category`) on
        the bars, all released keys. Parameters `chosen_row` and `chosen_col`, texts that are
        empty at first, outline a cell; `chosen_row` alone marks a bar.

    Raises
    ------
    UsageError
        If a column is missing, an option is unknown, or a table holds more than one population.
    """
    drawn = cells(table, coefficient)
    needed(counts, "category", "n_category", "n", "share", call="category_counts")
    caption = population(table, source=source)
    shown = COEFFICIENTS[coefficient]
    categories = known(in_order(table, order=order), taxonomy=taxonomy)
    names = {key: category.title for key, category in categories.items()}
    clickable = clickable_cells(table, coefficient, categories=categories)
    matrix = alt.layer(
        *layers(drawn, shown, names=names, side=SIDE / len(names)),
        *answers(clickable, shown, names=names),
    ).properties(width=SIDE, height=SIDE, view={"fill": FAINT})
    return HConcatChart(
        hconcat=[matrix, _bars(counts, categories=categories)],
        params=[alt.VariableParameter(name=name, value="") for name in ("chosen_row", "chosen_col")],
        spacing=12,
        title=heading(
            "Which harm categories occur together, and how often each occurs",
            caption,
            *notes(drawn),
            width=SIDE + BARS,
        ),
        description=describe(drawn, shown, names=names, caption=caption),
        config=config(size=LABEL_SIZE),
    )


def clickable_cells(table: pl.DataFrame, coefficient: str, *, categories: Mapping[str, Category]) -> pl.DataFrame:
    """What a cell says when pointed at."""
    needed(table, "n_row", "n_col", "n_both", "undefined", call="cooccurrence")
    shown = COEFFICIENTS[coefficient]
    value = pl.col(coefficient).cast(pl.Float64)
    told = value.map_elements(shown.text, return_dtype=pl.String)
    why = pl.format("undefined: {}", pl.col("undefined").fill_null("not finite"))
    says = {key: f"{one.title}: {one.definition}" for key, one in categories.items()}
    return table.filter(pl.col("row") != pl.col("col")).select(
        "row",
        "col",
        "n_row",
        "n_col",
        "n_both",
        pl.when(value.is_finite()).then(told).otherwise(why).alias("told"),
        pl.col("row").replace_strict(says).alias("row_is"),
        pl.col("col").replace_strict(says).alias("col_is"),
    )


def answers(clickable: pl.DataFrame, shown: Coefficient, *, names: Mapping[str, str]) -> list[alt.Chart]:
    """The outline of the chosen cell, and the invisible cells that take clicks and hovering."""
    base = grid(clickable, names=names)
    chosen = "datum.row === chosen_row && datum.col === chosen_col"
    cell = alt.selection_point(name="cell", fields=["row", "col"], toggle=False)
    says = [
        alt.Tooltip("row_is:N", title="Row"),
        alt.Tooltip("col_is:N", title="Column"),
        alt.Tooltip("told:N", title=shown.title),
        alt.Tooltip("n_both:Q", title="Items with both", format=","),
        alt.Tooltip("n_row:Q", title="Items with the row's", format=","),
        alt.Tooltip("n_col:Q", title="Items with the column's", format=","),
    ]
    return [
        base.transform_filter(chosen).mark_rect(fill=None, stroke=INK, strokeWidth=2.5),
        base.mark_rect(opacity=0, cursor="pointer").encode(tooltip=says).add_params(cell),
    ]


def _bars(counts: pl.DataFrame, *, categories: Mapping[str, Category]) -> alt.LayerChart:
    """Shares in the order of the matrix's rows; a click anywhere in its row chooses a bar."""
    drawn = counted(counts).with_columns(
        pl.col("category")
        .replace_strict({key: f"{one.title}: {one.definition}" for key, one in categories.items()})
        .alias("is")
    )
    room = 1 - (max(text_width(text, size=LABEL_SIZE) for text in drawn["text"]) + 6) / BARS
    base = alt.Chart(drawn).encode(y=alt.Y("category:N").scale(domain=list(categories)).axis(None))
    x = alt.X("share:Q").scale(domain=[0, longest(drawn["share"]) / room], nice=False).axis(None)
    marked = "chosen_row === '' || datum.category === chosen_row || datum.category === chosen_col"
    fill = alt.when(marked).then(alt.value(ACCENT)).otherwise(alt.value(OTHERS))
    bar = alt.selection_point(name="bar", fields=["category"], toggle=False)
    says = [alt.Tooltip("is:N", title="Category"), alt.Tooltip("text:N", title="Items")]
    return alt.LayerChart(
        layer=[
            base.mark_bar(height={"band": 0.72}).encode(x=x, fill=fill),
            base.mark_text(align="left", dx=4).encode(x=x, text="text:N"),
            base.mark_rect(opacity=0, cursor="pointer").encode(tooltip=says).add_params(bar),
        ],
        width=BARS,
        height=SIDE,
    )
