"""Marks that show binned scores by group: histogram, density, ECDF, violin."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import polars as pl

from btviz.plots.binned import MIDDLE, quartiles, score_scale, score_title
from btviz.plots.naming import lookup
from btviz.plots.theme import FAINT, INK

Y_TITLES = {"density": "Density", "histogram": "Density", "ecdf": "Share at or below"}

_COLUMN = {"density": "smooth", "histogram": "density", "ecdf": "cumulative"}  # column by form
_HALF = 0.42  # of a violin at its widest, in rows


def curves(part: pl.DataFrame, *, form: str, colours: Mapping[str, str]) -> list[alt.Chart]:
    """Layers of a panel of bars or curves.

    Parameters
    ----------
    part : DataFrame
        Bins of one panel.
    form : {"density", "histogram", "ecdf"}
        How to draw them.
    colours : Mapping
        Colour of each group, in the order of the legend.
    """
    drawn = _heights(part, form=form)
    top = float(drawn["height"].max())  # type: ignore[arg-type]  # numbers
    colour = _with_legend(drawn, colours, symbol="stroke" if form == "ecdf" else "square")
    y_axis = alt.Axis(grid=True, gridColor=FAINT, tickCount=3, format=".2~g")
    y = alt.Y("height:Q", scale=alt.Scale(domain=[0, top * 1.05 or 1], nice=False), axis=y_axis, title=Y_TITLES[form])
    base = alt.Chart(drawn)
    if form == "histogram":
        bars = base.mark_rect(opacity=0.55)
        return [bars.encode(x=_x("left:Q", part), x2="right:Q", y=y, y2=alt.datum(0), fill=colour)]
    x = _x("at:Q", part)
    line = base.mark_line(strokeWidth=1.4).encode(x=x, y=y, color=colour, order="at:Q")
    if form == "ecdf":
        return [line]
    area = base.mark_area(opacity=0.18).encode(x=x, y=alt.Y("height:Q", stack=None), fill=colour)
    return [area, line]


def violins(part: pl.DataFrame, *, colours: Mapping[str, str]) -> list[alt.Chart]:
    """Layers of a panel of violins, one below the other, each as wide as its density, with its quartiles.

    Parameters
    ----------
    part : DataFrame
        Bins of one panel.
    colours : Mapping
        Colour of each group, in the order of the rows.
    """
    groups = _present(part, colours)
    down = alt.Scale(domain=[0.5 - len(groups), 0.5], nice=False)
    names = lookup({str(-i): group for i, group in enumerate(groups)})
    axis = alt.Axis(values=[-i for i in range(len(groups))], labelExpr=names, grid=False)
    fill = alt.Color("group:N", scale=_palette(groups, colours), legend=None)
    body = alt.Chart(_outlines(part, groups)).mark_area(opacity=0.55)
    across = alt.Y("low:Q", scale=down, axis=axis, title=None, stack=None)
    shape = body.encode(x=_x("at:Q", part), y=across, y2="high:Q", fill=fill, detail="group:N")
    return [shape, *_quartile_marks(part, groups, down)]


def _heights(part: pl.DataFrame, *, form: str) -> pl.DataFrame:
    at = pl.col("right") if form == "ecdf" else MIDDLE
    drawn = part.select("group", at.alias("at"), pl.col(_COLUMN[form]).alias("height"), "left", "right")
    if form != "ecdf":
        return drawn
    starts = drawn.group_by("group", maintain_order=True).first()  # from 0, also where the first bin holds most
    return pl.concat([starts.with_columns(pl.col("left").alias("at"), pl.lit(0.0).alias("height")), drawn])


def _outlines(part: pl.DataFrame, groups: list[str]) -> pl.DataFrame:
    place = pl.col("group").replace_strict({group: -float(i) for i, group in enumerate(groups)})
    half = _HALF * pl.col("smooth") / pl.col("smooth").max().over("group")
    return part.select("group", MIDDLE.alias("at"), (place - half).alias("low"), (place + half).alias("high"))


def _quartile_marks(part: pl.DataFrame, groups: list[str], down: alt.Scale) -> list[alt.Chart]:
    """A line from the lower to the upper quartile of each violin, and a point at its median."""
    marks = pl.DataFrame(
        [(group, -float(i), *quartiles(part.filter(group=group))) for i, group in enumerate(groups)],
        schema=["group", "place", "q25", "q50", "q75"],
        orient="row",
    )
    y = alt.Y("place:Q", scale=down, title=None)
    box = alt.Chart(marks).mark_rule(stroke=INK, strokeWidth=1.6).encode(x=alt.X("q25:Q"), x2="q75:Q", y=y)
    dot = alt.Chart(marks).mark_point(filled=True, fill=INK, size=22, opacity=1).encode(x=alt.X("q50:Q"), y=y)
    return [box, dot]


def _x(field: str, part: pl.DataFrame) -> alt.X:
    axis = alt.Axis(tickCount=5, labelFlush=False)
    return alt.X(field, scale=score_scale(part), axis=axis, title=score_title(part))


def _present(part: pl.DataFrame, colours: Mapping[str, str]) -> list[str]:
    found = set(part["group"])
    return [group for group in colours if group in found]


def _palette(groups: list[str], colours: Mapping[str, str]) -> alt.Scale:
    return alt.Scale(domain=groups, range=[colours[group] for group in groups])


def _with_legend(drawn: pl.DataFrame, colours: Mapping[str, str], *, symbol: str) -> alt.Color:
    legend = alt.Legend(
        title=None,
        orient="bottom",
        symbolType=symbol,
        symbolOpacity=1,  # that of the areas is too faint to tell colours apart
        direction="horizontal",
        columns=3,
        offset=4,
    )
    return alt.Color("group:N", scale=_palette(_present(drawn, colours), colours), legend=legend)
