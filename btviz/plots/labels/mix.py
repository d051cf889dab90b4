"""How often each harm category occurs in several data sets: dots with intervals, side by side."""

from __future__ import annotations

import altair as alt
import polars as pl

from btviz.errors import UsageError
from btviz.plots.style.captions import heading
from btviz.plots.style.rendering import LayerChart
from btviz.plots.style.rows import Rows, folding, label_axis, rows_beside
from btviz.plots.style.theme import FAINT, GROUPS, config, needed
from btviz.taxonomy.categories import Taxonomy
from btviz.taxonomy.words import percent, titles

MOST = 5
"""Data sets that one picture can hold."""

SHAPES = ("circle", "square", "diamond", "triangle-up", "cross")
"""Beside colours, so that the picture can be printed in one."""

TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)

_PERCENT = "format(100 * datum.value, '~g') + ' %'"


def category_mix(
    table: pl.DataFrame,
    *,
    source: str | None = None,
    width: str | float = "double",
    taxonomy: Taxonomy | None = None,
) -> alt.LayerChart:
    """Draw how often each harm category occurs in each of several data sets.

    Parameters
    ----------
    table : DataFrame
        From `btviz.category_mix`; rows of differences are not drawn, but say which categories are marked.
    source : str, optional
        What else to say in the caption.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.
    taxonomy : Taxonomy, optional
        Where titles of categories come from; found by the keys if not given.

    Returns
    -------
    alt.LayerChart
        One row a category, by falling share in the first data set, and a mark with its 95 % interval for each data
        set, on a logarithmic axis. An asterisk stands by categories that differ between two data sets by the intervals
        of all differences together.

    Raises
    ------
    UsageError
        If a column is missing, no share is known, or there are more than five data sets.
    """
    columns = ("category", "name", "against", "where", "n", "share", "low", "high", "low_joint", "high_joint")
    needed(table, *columns, call="category_mix")
    shares = table.filter(pl.col("against").is_null(), pl.col("share") > 0)
    names = shares["name"].unique(maintain_order=True).to_list()
    if not names or len(names) > MOST:
        raise UsageError(f"A picture of {len(names)} data sets was asked for; it holds 1 to {MOST}. Choose some.")
    apart = (pl.col("low_joint") > 0) | (pl.col("high_joint") < 0)
    differing = set(table.filter(apart, pl.col("against").is_not_null())["category"])
    order = shares.filter(name=names[0]).sort("share", descending=True)["category"].to_list()
    order += [key for key in shares["category"].unique(maintain_order=True) if key not in order]
    said = titles(order, taxonomy=taxonomy)
    rows = rows_beside({k: f"{said[k]} *" if k in differing else said[k] for k in order}, texts=[""], width=width)
    drawn = shares.select(
        *("category", "name", "share", "low", "high"),
        pl.col("name").replace_strict({name: place for place, name in enumerate(names)}).alias("place"),
    )
    caption = _caption(shares, names, source=source)
    return LayerChart(
        layer=_layers(drawn, rows, names=names),
        width=rows.room,
        height=rows.height(1.2 + 0.75 * len(names)) * len(order),
        title=heading("Which harms occur how often?", *caption, width=width),
        description=_description(drawn, names, said, caption=" ".join(caption)),
        config=config(size=rows.size),
    )


def _layers(drawn: pl.DataFrame, rows: Rows, *, names: list[str]) -> list[alt.Chart]:
    """Intervals and marks; data sets of a category one below the other."""
    scale = alt.Scale(type="log", domain=_ends(drawn), nice=False)
    axis = alt.Axis(grid=True, gridColor=FAINT, values=TICKS, labelExpr=_PERCENT, labelOverlap=True, labelSeparation=4)
    labels = label_axis(rows.names)
    key = alt.Legend(title=None, orient="bottom", columns=1, symbolSize=40, labelExpr=folding(names, room=rows.room))
    colours = alt.Scale(domain=names, range=list(GROUPS[: len(names)]))
    shapes = alt.Scale(domain=names, range=list(SHAPES[: len(names)]))
    layers = []
    for place in range(len(names)):
        offset = (place - (len(names) - 1) / 2) * 0.85 * rows.size
        base = alt.Chart(drawn.filter(pl.col("place") == place).drop("place")).encode(
            y=alt.Y("category:N", scale=alt.Scale(domain=list(rows.names)), title=None, axis=labels)
        )
        layers += [
            base.transform_filter("datum.low !== null && datum.low > 0")
            .mark_rule(strokeWidth=1.4, yOffset=offset)
            .encode(
                x=alt.X("low:Q", scale=scale), x2=alt.X2("high:Q"), color=alt.Color("name:N", scale=colours, legend=key)
            ),
            base.mark_point(filled=True, size=26, opacity=1, yOffset=offset).encode(
                x=alt.X("share:Q", scale=scale, axis=axis, title="Share of rows"),
                color=alt.Color("name:N", scale=colours, legend=key),
                shape=alt.Shape("name:N", scale=shapes, legend=key),
            ),
        ]
    return layers


def _ends(drawn: pl.DataFrame) -> list[float]:
    """Ends of the axis: an interval that begins at 0 goes on to the left of it."""
    least = min(value for name in ("share", "low") for value in drawn[name].drop_nulls() if value > 0)
    most = max(value for name in ("share", "high") for value in drawn[name].drop_nulls())
    return [0.8 * least, min(1.0, 1.2 * most)]


def _caption(shares: pl.DataFrame, names: list[str], *, source: str | None) -> list[str]:
    where = shares["where"][0]
    counts = [f"{name}: n = {shares.filter(name=name)['n'][0]:,}" for name in names]
    first = " · ".join([*([source] if source and source not in names else []), f"{where} rows", *counts])
    return [first, "Intervals: 95 % by prompt · * differs between two of them, all differences taken together"]


def _description(drawn: pl.DataFrame, names: list[str], said: dict[str, str], *, caption: str) -> str:
    """Text for those who do not see the picture: the commonest category of each."""
    first = [drawn.filter(name=name).sort("share", descending=True).row(0, named=True) for name in names]
    commonest = [f"{row['name']}: {said[row['category']]} {percent(row['share'])}." for row in first]
    return f"Shares of harm categories ({caption}). Commonest: {' '.join(commonest)}"
