"""Matrix and bars in one chart that answers clicks, of all data or of a selection against the rest."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import polars as pl

from btviz.plots.labels.bars import counted, longest
from btviz.plots.labels.matrix import COEFFICIENTS, ColourScale, cells, describe, grid, in_order, layers, notes
from btviz.plots.style.captions import heading, population
from btviz.plots.style.rendering import HConcatChart
from btviz.plots.style.theme import ACCENT, FAINT, INK, OTHERS, config, needed, text_width
from btviz.taxonomy.categories import Category, Taxonomy
from btviz.taxonomy.words import known_categories, percent

LABEL_SIZE = 11.0

EXPLORER_SIDE = 480.0
"""Width and height of the matrix on a screen."""

EXPLORER_BARS = 150.0


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
    categories = known_categories(in_order(table, order=order), taxonomy=taxonomy)
    return _beside(
        _matrix(table, coefficient, categories=categories, side=EXPLORER_SIDE),
        _explorer_bars(counts, categories=categories),
        title=heading(
            "Which harm categories occur together, and how often each occurs",
            caption,
            *notes(drawn),
            width=EXPLORER_SIDE + EXPLORER_BARS,
        ),
        description=describe(table, coefficient, names=_titles(categories), caption=caption),
    )


def _matrix(
    table: pl.DataFrame, coefficient: str, *, categories: Mapping[str, Category], side: float
) -> alt.LayerChart:
    """The association matrix, with an outline for the chosen cell, and invisible cells that take clicks."""
    shown, names = COEFFICIENTS[coefficient], _titles(categories)
    drawn = layers(cells(table, coefficient), shown, names=names, side=side / len(names))
    clickable = answers(clickable_cells(table, coefficient, categories=categories), shown, names=names)
    return alt.LayerChart(layer=[*drawn, *clickable], width=side, height=side, view={"fill": FAINT})


def _beside(matrix: alt.LayerChart, bars: alt.LayerChart, *, title: alt.TitleParams, description: str) -> HConcatChart:
    return HConcatChart(
        hconcat=[matrix, bars],
        params=[alt.VariableParameter(name=name, value="") for name in ("chosen_row", "chosen_col")],
        spacing=12,
        title=title,
        description=description,
        config=config(size=LABEL_SIZE),
    )


def _titles(categories: Mapping[str, Category]) -> dict[str, str]:
    return {key: category.title for key, category in categories.items()}


def _meanings(categories: Mapping[str, Category]) -> dict[str, str]:
    """What hovering over a category says."""
    return {key: f"{category.title}: {category.definition}" for key, category in categories.items()}


def clickable_cells(table: pl.DataFrame, coefficient: str, *, categories: Mapping[str, Category]) -> pl.DataFrame:
    """What a cell says when pointed at."""
    needed(table, "n_row", "n_col", "n_both", "undefined", call="cooccurrence")
    shown = COEFFICIENTS[coefficient]
    value = pl.col(coefficient).cast(pl.Float64)
    value_text = value.map_elements(shown.text, return_dtype=pl.String)
    why = pl.format("undefined: {}", pl.col("undefined").fill_null("not finite"))
    says = _meanings(categories)
    return table.filter(pl.col("row") != pl.col("col")).select(
        "row",
        "col",
        "n_row",
        "n_col",
        "n_both",
        pl.when(value.is_finite()).then(value_text).otherwise(why).alias("told"),
        pl.col("row").replace_strict(says).alias("row_is"),
        pl.col("col").replace_strict(says).alias("col_is"),
    )


def answers(clickable: pl.DataFrame, shown: ColourScale, *, names: Mapping[str, str]) -> list[alt.Chart]:
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


def _explorer_bars(counts: pl.DataFrame, *, categories: Mapping[str, Category]) -> alt.LayerChart:
    """Shares in the order of the matrix's rows; a click anywhere in its row chooses a bar."""
    drawn = counted(counts).with_columns(pl.col("category").replace_strict(_meanings(categories)).alias("is"))
    room = 1 - (max(text_width(text, size=LABEL_SIZE) for text in drawn["text"]) + 6) / EXPLORER_BARS
    base = alt.Chart(drawn).encode(y=alt.Y("category:N").scale(domain=list(categories)).axis(None))
    x = alt.X("share:Q").scale(domain=[0, longest(drawn["share"]) / room], nice=False).axis(None)
    marked = "chosen_row === '' || datum.category === chosen_row || datum.category === chosen_col"
    fill = alt.when(marked).then(alt.value(ACCENT)).otherwise(alt.value(OTHERS))
    bar = alt.selection_point(name="bar", fields=["category"], toggle=False)
    says = [alt.Tooltip("is:N", title="Category"), alt.Tooltip("text:N", title="Items")]
    return alt.LayerChart(
        layer=[
            base.mark_bar(height={"band": 0.72}).encode(x=x, fill=fill),
            base.mark_text(align="left", dx=4).encode(x=x, text=alt.Text("text:N")),
            base.mark_rect(opacity=0, cursor="pointer").encode(tooltip=says).add_params(bar),
        ],
        width=EXPLORER_BARS,
        height=EXPLORER_SIDE,
    )


CONTRAST_SIDE = 400.0
"""Width and height of the matrix on a screen."""

CONTRAST_BARS = 250.0


def selection_contrast(
    contrast: pl.DataFrame,
    table: pl.DataFrame,
    *,
    coefficient: str = "phi",
    source: str | None = None,
    taxonomy: Taxonomy | None = None,
) -> alt.HConcatChart:
    """Draw what a selection holds: shares against the rest, and categories together.

    Parameters
    ----------
    contrast : DataFrame
        From `category_contrast`.
    table : DataFrame
        From `cooccurrence`, over the pairs selected.
    coefficient : str, default "phi"
        Column of `table` to draw, one of `COEFFICIENTS`.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    taxonomy : Taxonomy, optional
        Where titles and definitions come from; found by the keys if not given.

    Returns
    -------
    alt.HConcatChart
        Bars of the selection in colour above bars of the rest in grey, with the lift, in the
        order of the matrix's rows. Point selections `cell` (fields `row`, `col`) and `bar`
        (field `category`), all released keys. Where everything or nothing is selected, no rest
        is drawn.

    Raises
    ------
    UsageError
        If a column is missing or the coefficient is unknown.
    """
    needed(contrast, "category", "n", "share", "n_rest", "share_rest", "lift", call="category_contrast")
    drawn = cells(table, coefficient)
    categories = known_categories(in_order(table, order="release"), taxonomy=taxonomy)
    n, n_rest = contrast.select("n", "n_rest").row(0)
    counted = f"n = {n:,} selected, {n_rest:,} others" if n_rest and n else f"n = {n or n_rest:,}"
    caption = " · ".join(part for part in (source, "pairs", counted) if part)
    lines = [caption, *_legend(n, n_rest), *notes(drawn)]
    return _beside(
        _matrix(table, coefficient, categories=categories, side=CONTRAST_SIDE),
        _contrast_bars(contrast, categories=categories),
        title=heading("Harm categories of the selection", *lines, width=CONTRAST_SIDE + CONTRAST_BARS),
        description=_description(names=_titles(categories), caption=caption),
    )


def _legend(n: int, n_rest: int) -> list[str]:
    if not n or not n_rest:
        return ["bars: share of pairs that carry the category"]
    return ["blue bars: selected · grey bars: all others · lift: share of the selected over the share of all pairs"]


def _contrast_bars(contrast: pl.DataFrame, *, categories: Mapping[str, Category]) -> alt.LayerChart:
    """Shares in the order of the matrix's rows; a click anywhere in its row chooses a bar."""
    text = pl.struct("share", "lift").map_elements(
        lambda row: percent(row["share"]) + ("" if row["lift"] is None else f", lift {row['lift']:.2g}"),
        return_dtype=pl.String,
    )
    has_rest = bool(contrast["n"][0] and contrast["n_rest"][0])
    drawn = contrast.with_columns(
        (text if has_rest else pl.col("share").map_elements(percent, return_dtype=pl.String)).alias("text"),
        pl.col("share_rest").map_elements(percent, return_dtype=pl.String).alias("others"),
        pl.col("category").replace_strict(_meanings(categories)).alias("is"),
    ).select("category", "share", "share_rest", "text", "others", "is")
    drawn = drawn.with_columns(pl.col("text", "others").fill_null("–"))
    room = 1 - (max(text_width(words, size=LABEL_SIZE) for words in drawn["text"]) + 6) / CONTRAST_BARS
    top = max(longest(drawn["share"]), longest(drawn["share_rest"])) if has_rest else longest(drawn["share"])
    base = alt.Chart(drawn).encode(y=alt.Y("category:N").scale(domain=list(categories)).axis(None))
    scale = alt.Scale(domain=[0, top / room], nice=False)
    selected_x = alt.X("share:Q", scale=scale, axis=None)
    rest_x = alt.X("share_rest:Q", scale=scale, axis=None)
    bar = alt.selection_point(name="bar", fields=["category"], toggle=False)
    says = [
        alt.Tooltip("is:N", title="Category"),
        alt.Tooltip("text:N", title="Selected"),
        alt.Tooltip("others:N", title="Others"),
    ]
    height = 0.4 if has_rest else 0.66
    selected = [
        base.mark_bar(height={"band": height}, yOffset=-5 if has_rest else 0, fill=ACCENT).encode(x=selected_x),
        base.mark_text(align="left", dx=4, dy=-5 if has_rest else 0).encode(x=selected_x, text=alt.Text("text:N")),
    ]
    others = [base.mark_bar(height={"band": 0.22}, yOffset=6, fill=OTHERS).encode(x=rest_x)] if has_rest else []
    clickable = base.mark_rect(opacity=0, cursor="pointer").encode(tooltip=says).add_params(bar)
    return alt.LayerChart(layer=[*others, *selected, clickable], width=CONTRAST_BARS, height=CONTRAST_SIDE)


def _description(*, names: Mapping[str, str], caption: str) -> str:
    what = f"Shares of {len(names)} harm categories in a selection and in the rest, and their associations"
    return f"{what} ({caption})."
