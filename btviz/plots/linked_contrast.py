"""Categories of a selection against the rest, beside how they occur together in it; answers clicks."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import polars as pl

from btviz.plots.coefficients import COEFFICIENTS
from btviz.plots.linked import LABEL_SIZE, answers, clickable_cells
from btviz.plots.matrix import cells, in_order, layers
from btviz.plots.matrix import notes as cell_notes
from btviz.plots.naming import known
from btviz.plots.rendering import HConcatChart
from btviz.plots.shares import longest
from btviz.plots.theme import ACCENT, FAINT, OTHERS, config, heading, needed, percent, text_width
from btviz.taxonomy import Category, Taxonomy

SIDE = 400.0
"""Width and height of the matrix on a screen."""
BARS = 250.0


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
    shown = COEFFICIENTS[coefficient]
    categories = known(in_order(table, order="release"), taxonomy=taxonomy)
    names = {key: category.title for key, category in categories.items()}
    clickable = clickable_cells(table, coefficient, categories=categories)
    matrix = alt.layer(
        *layers(drawn, shown, names=names, side=SIDE / len(names)), *answers(clickable, shown, names=names)
    ).properties(width=SIDE, height=SIDE, view={"fill": FAINT})
    n, n_rest = contrast.select("n", "n_rest").row(0)
    counted = f"n = {n:,} selected, {n_rest:,} others" if n_rest and n else f"n = {n or n_rest:,}"
    caption = " · ".join(part for part in (source, "pairs", counted) if part)
    lines = [caption, *_legend(n, n_rest), *cell_notes(drawn)]
    return HConcatChart(
        hconcat=[matrix, _bars(contrast, categories=categories)],
        params=[alt.VariableParameter(name=name, value="") for name in ("chosen_row", "chosen_col")],
        spacing=12,
        title=heading("Harm categories of the selection", *lines, width=SIDE + BARS),
        description=_description(contrast, names=names, caption=caption),
        config=config(size=LABEL_SIZE),
    )


def _legend(n: int, n_rest: int) -> list[str]:
    if not n or not n_rest:
        return ["bars: share of pairs that carry the category"]
    return ["blue bars: selected · grey bars: all others · lift: share of the selected over the share of all pairs"]


def _bars(contrast: pl.DataFrame, *, categories: Mapping[str, Category]) -> alt.LayerChart:
    """Shares in the order of the matrix's rows; a click anywhere in its row chooses a bar."""
    text = pl.struct("share", "lift").map_elements(
        lambda row: percent(row["share"]) + ("" if row["lift"] is None else f", lift {row['lift']:.2g}"),
        return_dtype=pl.String,
    )
    has_rest = bool(contrast["n"][0] and contrast["n_rest"][0])
    drawn = contrast.with_columns(
        (text if has_rest else pl.col("share").map_elements(percent, return_dtype=pl.String)).alias("text"),
        pl.col("share_rest").map_elements(percent, return_dtype=pl.String).alias("others"),
        pl.col("category")
        .replace_strict({key: f"{c.title}: {c.definition}" for key, c in categories.items()})
        .alias("is"),
    ).select("category", "share", "share_rest", "text", "others", "is")
    drawn = drawn.with_columns(pl.col("text", "others").fill_null("–"))
    room = 1 - (max(text_width(words, size=LABEL_SIZE) for words in drawn["text"]) + 6) / BARS
    top = max(longest(drawn["share"]), longest(drawn["share_rest"])) if has_rest else longest(drawn["share"])
    base = alt.Chart(drawn).encode(y=alt.Y("category:N").scale(domain=list(categories)).axis(None))
    scale = alt.Scale(domain=[0, top / room], nice=False)
    own = alt.X("share:Q", scale=scale, axis=None)
    rest = alt.X("share_rest:Q", scale=scale, axis=None)
    bar = alt.selection_point(name="bar", fields=["category"], toggle=False)
    says = [
        alt.Tooltip("is:N", title="Category"),
        alt.Tooltip("text:N", title="Selected"),
        alt.Tooltip("others:N", title="Others"),
    ]
    height = 0.4 if has_rest else 0.66
    selected = [
        base.mark_bar(height={"band": height}, yOffset=-5 if has_rest else 0, fill=ACCENT).encode(x=own),
        base.mark_text(align="left", dx=4, dy=-5 if has_rest else 0).encode(x=own, text="text:N"),
    ]
    others = [base.mark_bar(height={"band": 0.22}, yOffset=6, fill=OTHERS).encode(x=rest)] if has_rest else []
    clickable = base.mark_rect(opacity=0, cursor="pointer").encode(tooltip=says).add_params(bar)
    return alt.LayerChart(layer=[*others, *selected, clickable], width=BARS, height=SIDE)


def _description(contrast: pl.DataFrame, *, names: Mapping[str, str], caption: str) -> str:
    highest = contrast.drop_nulls("lift").sort("lift", descending=True)
    most = ""
    if highest.height:
        row = highest.row(0, named=True)
        most = f" Highest lift: {names[row['category']]}, {row['lift']:.2g}."
    what = f"Shares of {len(names)} harm categories in a selection and in the rest, and their associations"
    return f"{what} ({caption}).{most}"
