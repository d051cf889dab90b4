"""How severe the answers of each harm category are: a bar of shares a category."""

from __future__ import annotations

import altair as alt
import polars as pl

from btviz.errors import UsageError
from btviz.plots.style.captions import heading
from btviz.plots.style.intervals import PERCENT
from btviz.plots.style.rendering import LayerChart
from btviz.plots.style.theme import (
    INK,
    MUTED,
    PADDING,
    PAPER,
    SEQUENTIAL,
    TINY_SIZE,
    config,
    needed,
    points,
    text_width,
)
from btviz.taxonomy.categories import Taxonomy
from btviz.taxonomy.words import known_categories, percent

ROW = 15.0

NARROWEST = 90.0
"""Width of the bars, in points, in which their parts can still be told apart."""

FEWEST_EFFECTIVE = 20
"""Effective prompts below which the table has no interval, and the name has a star."""

NOTES = {
    True: "* fewer than 20 effective prompts, too few for an interval",
    False: "Counts as published: nobody can say which answers share a prompt, so there are no intervals",
}
UNITS = {"annotation": "annotations", "answer of a comparison": "answers of comparisons"}


def severity_levels(
    table: pl.DataFrame, *, source: str | None = None, width: str | float = "double", taxonomy: Taxonomy | None = None
) -> alt.LayerChart:
    """Draw the shares of severity levels within each harm category.

    Parameters
    ----------
    table : DataFrame
        ``severity_order(ds).severity``, or from `btviz.severity_of_counts`.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.
    taxonomy : Taxonomy, optional
        Where titles of categories and levels come from; found by the keys if not given.

    Returns
    -------
    alt.LayerChart
        A bar for each category, the one with most answers of the highest level on top, with its number of answers.
        Names of categories with few effective prompts have a star.

    Raises
    ------
    UsageError
        If a column is missing, no answer of a category has a severity, or names leave no room.
    """
    needed(table, "category", "level", "unit", "n", "count", "share", "effective_prompts", call="severity_order")
    rows = table.filter(pl.col("category") != "all", pl.col("n") > 0)
    if rows.is_empty():
        raise UsageError("No answer of this table has a category and a severity, so there is nothing to draw.")
    highest = rows.filter(pl.col("level") == rows["level"].max())
    order = highest.sort(["share", "n"], descending=True, maintain_order=True)["category"].to_list()
    categories = known_categories(order, taxonomy=taxonomy)
    counts = dict(rows.select("category", "n").rows())
    few = set(rows.filter(pl.col("effective_prompts") < FEWEST_EFFECTIVE)["category"])
    names = {key: f"{categories[key].title} ({counts[key]:,}){' *' if key in few else ''}" for key in order}
    room = points(width) - 2 * PADDING - max(text_width(name) for name in names.values()) - 14
    if room < NARROWEST:
        raise UsageError(
            f"Bars beside these names were to fit in {points(width):.0f} points; {room:.0f} are left. "
            'Use width="double".'
        )
    drawn = _drawn(rows, names, levels=_level_names(table, taxonomy))
    total = table.filter(category="all")
    n = f"n = {total['n'][0]:,} {UNITS[total['unit'][0]]}, an answer in each of its categories" if total.height else ""
    caption = " · ".join(part for part in (source, n) if part)
    note = NOTES[True] if few else "" if rows["effective_prompts"].count() else NOTES[False]
    return LayerChart(
        layer=_layers(drawn, list(names.values())),
        width=room,
        height=ROW * len(names),
        title=heading("How severe is the harm of each category?", caption, note, width=width),
        description=_description(drawn, names, caption=caption),
        config=config(),
    )


def _level_names(table: pl.DataFrame, taxonomy: Taxonomy | None) -> dict[int, str]:
    known = taxonomy.severities if taxonomy is not None else ()
    return {
        level: known[level] if level < len(known) else f"level {level}" for level in sorted(table["level"].unique())
    }


def _drawn(rows: pl.DataFrame, names: dict[str, str], *, levels: dict[int, str]) -> pl.DataFrame:
    """A row a part of a bar, with its two ends; levels that nothing has are left out."""
    present = rows.filter(pl.col("count") > 0)["level"].unique().sort().to_list()
    end = pl.col("share").cum_sum().over("category", order_by="level")
    shades = list(SEQUENTIAL[1:])[-len(present) :] if len(present) > 1 else [SEQUENTIAL[3]]
    colours = dict(zip(present, shades, strict=False))
    return rows.filter(pl.col("level").is_in(present)).select(
        pl.col("category").replace_strict(names).alias("name"),
        pl.col("level").replace_strict(levels, return_dtype=pl.String).alias("severity"),
        (end - pl.col("share")).alias("from"),
        end.alias("to"),
        "share",
        pl.col("level").replace_strict(colours, return_dtype=pl.String).alias("colour"),
        pl.when(pl.col("share") >= 0.06)
        .then(pl.col("share").map_elements(percent, return_dtype=pl.String))
        .alias("text"),
        (pl.col("level") >= present[-2 if len(present) > 2 else -1]).alias("dark"),
    )


def _layers(drawn: pl.DataFrame, names: list[str]) -> list[alt.Chart]:
    y = alt.Y("name:N", scale=alt.Scale(domain=names, padding=0.15), title=None, axis=alt.Axis(labelLimit=0))
    axis = alt.Axis(values=[0, 0.25, 0.5, 0.75, 1], labelExpr=PERCENT, labelFlush=False)
    x = alt.X("from:Q", scale=alt.Scale(domain=[0, 1]), axis=axis, title="Share of the answers with the category")
    shades = drawn.select("severity", "colour").unique(maintain_order=True)
    scale = alt.Scale(domain=shades["severity"].to_list(), range=shades["colour"].to_list())
    legend = alt.Legend(title="Severity", orient="bottom", direction="horizontal", offset=4)
    base = alt.Chart(drawn.drop("colour")).encode(y=y)
    white = alt.when("datum.dark").then(alt.value(PAPER)).otherwise(alt.value(INK))
    return [
        base.mark_bar(stroke=MUTED, strokeWidth=0.4).encode(
            x=x, x2=alt.X2("to:Q"), fill=alt.Fill("severity:N", scale=scale, legend=legend)
        ),
        base.transform_filter("datum.text !== null")
        .transform_calculate(middle="(datum.from + datum.to) / 2")
        .mark_text(fontSize=TINY_SIZE)
        .encode(x=alt.X("middle:Q"), text=alt.Text("text:N"), color=white),
    ]


def _description(drawn: pl.DataFrame, names: dict[str, str], *, caption: str) -> str:
    """Text for those who do not see the picture: both ends."""
    said, shown = [], list(names.values())
    for word, name in (("Most severe", shown[0]), ("Least severe", shown[-1])):
        parts = drawn.filter(name=name)
        levels = ", ".join(f"{level} {percent(share)}" for level, share in parts.select("severity", "share").rows())
        said.append(f"{word}: {name}, {levels}.")
    return f"Shares of severity levels by harm category ({caption}). {' '.join(said)}"
