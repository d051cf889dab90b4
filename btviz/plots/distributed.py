"""Distributions of scores by group: histogram, density, ECDF or violin, of bins and not of answers."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import altair as alt
import polars as pl

from btviz.errors import UsageError, choice
from btviz.plots.rendering import ConcatChart
from btviz.plots.theme import (
    FAINT,
    GROUPS,
    INK,
    MUTED,
    PADDING,
    TEXT_SIZE,
    config,
    heading,
    needed,
    points,
    text_width,
)

FORMS = ("density", "histogram", "ecdf", "violin")
HEIGHTS = {"density": 120.0, "histogram": 120.0, "ecdf": 120.0, "violin": 130.0}
SAFETY = {"safe": GROUPS[0], "unsafe": GROUPS[3]}
KINDS = {
    "reward": "Reward (high: more helpful)",
    "cost": "Cost (high: more harmful)",
    "moderation": "Highest probability of a category",
}
Y_TITLES = {"density": "Density", "histogram": "Density", "ecdf": "Share at or below"}
GAP = 34.0
LEFT = 40.0
STRATA = {"both_safe": "both safe", "mixed": "one safe, one not", "both_unsafe": "both unsafe"}

_COLUMNS = ("model", "kind", "panel", "group", "left", "right", "count", "n", "density", "smooth", "cumulative")


def score_distributions(
    table: pl.DataFrame,
    *,
    form: str = "density",
    title: str = "How scores are distributed",
    source: str | None = None,
    width: str | float = "double",
) -> alt.ConcatChart:
    """Draw the distributions of scores by group, a panel for each model and split.

    Parameters
    ----------
    table : DataFrame
        From `btviz.scoring.distributions.score_bins`, `policy_bins` or `margin_bins`: up to eight
        groups.
    form : {"density", "histogram", "ecdf", "violin"}
        How to draw them.
    title : str
        Heading.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.

    Returns
    -------
    alt.ConcatChart
        Safe blue, unsafe red; other groups in the theme's colours. Each panel names its model,
        population and numbers; a dashed line stands at a cost of 0.

    Raises
    ------
    UsageError
        If a column is missing, the form is unknown, or there are more groups than colours.
    """
    needed(table, *_COLUMNS, call="score_bins")
    choice(form, FORMS, what="form")
    colours = _colours(table["group"].unique().sort().to_list())
    panels = [part for _, part in table.group_by("panel", "model", "kind", maintain_order=True)]
    panels.sort(key=lambda part: (part["panel"][0] != "train", part["panel"][0], part["kind"][0] != "reward"))
    across = min(2, table.select("model", "kind").n_unique(), max(1, round(points(width) / 220)))
    names = max(text_width(group) for group in colours) + 6 if form == "violin" else 0.0
    room = (points(width) - 2 * PADDING - across * max(LEFT, names) - (across - 1) * GAP) / across
    drawn = [_panel(part, form=form, colours=colours, room=room) for part in panels]
    note = {
        "density": "Smooth density",
        "histogram": "Histogram",
        "ecdf": "Cumulative share",
        "violin": "Width: density, scaled to each group's highest",
    }[form]
    spread = f"{note}; drawn from {table.height:,} bins of {_total(table):,} scores"
    return ConcatChart(
        concat=drawn,
        columns=across,
        spacing=GAP,
        title=heading(title, *(part for part in (source, spread) if part), width=width),
        description=_description(table, form=form),
        config=config(),
    )


def margins(
    table: pl.DataFrame, *, form: str = "density", source: str | None = None, width: str | float = "double"
) -> alt.ConcatChart:
    """Draw how far chosen answers score above rejected ones, by the safety of the two.

    Parameters
    ----------
    table : DataFrame
        From `btviz.scoring.distributions.margin_bins`.
    form : {"density", "histogram", "ecdf", "violin"}
        How to draw it.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.

    Returns
    -------
    alt.ConcatChart
        A panel for each model, a colour for each stratum; a dashed line at 0, to the right of
        which a reward model is right, and to the left of which a cost model is.
    """
    needed(table, "label", call="margin_bins")
    told = " · ".join(part for part in (source, "comparisons") if part)
    table = table.with_columns(pl.col("group").replace(STRATA))
    title = "Margins of chosen over rejected answers"
    return score_distributions(table, form=form, title=title, source=told, width=width)


def _total(table: pl.DataFrame) -> int:
    return int(table.select("model", "kind", "panel", "group", "n").unique()["n"].sum())


def _colours(groups: Sequence[str]) -> dict[str, str]:
    if set(groups) <= set(SAFETY):
        return {group: SAFETY[group] for group in groups}
    rest = [colour for colour in GROUPS if colour not in SAFETY.values()]
    palette = [SAFETY["safe"], *rest, SAFETY["unsafe"]]
    if len(groups) > len(palette):
        raise UsageError(
            f"A picture tells at most {len(palette)} groups apart; this table has {len(groups)}. Filter it, or draw "
            "category_ridges."
        )
    return dict(zip(groups, palette, strict=False))


def _panel(part: pl.DataFrame, *, form: str, colours: dict[str, str], room: float) -> alt.LayerChart:
    first = part.row(0, named=True)
    sizes = part.select("group", "n").unique().sort("group").rows()
    lines = _lines([f"{group} n = {n:,}" for group, n in sizes], room=room)
    place = "" if first["panel"] == "all" else f" · {first['panel']}"
    layers = _violins(part, colours) if form == "violin" else _curves(part, form=form, colours=colours)
    has_zero = part.filter(pl.col("left") <= 0, pl.col("right") >= 0).height > 0
    if has_zero and (first["kind"] == "cost" or "label" in part.columns):
        zero = alt.Chart(pl.DataFrame({"at": [0.0]}))
        layers.append(zero.mark_rule(stroke=MUTED, strokeDash=[3, 2]).encode(x="at:Q"))
    heads = alt.TitleParams(
        text=f"{first['model']}{place}", subtitle=lines, fontSize=TEXT_SIZE, offset=4, frame="group", anchor="start"
    )
    return alt.LayerChart(layer=layers, width=room, height=HEIGHTS[form], title=heads)


def _lines(parts: Sequence[str], *, room: float) -> list[str]:
    lines: list[str] = []
    for part in parts:
        longer = f"{lines[-1]} · {part}" if lines else part
        if lines and text_width(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines


def _x(part: pl.DataFrame) -> tuple[alt.Scale, str]:
    low, high = float(part["left"].min()), float(part["right"].max())  # type: ignore[arg-type]  # numbers
    kind = part["kind"][0]
    title = KINDS.get(kind, kind)
    if "label" in part.columns:
        title = f"{kind.capitalize()} of the {part['label'][0]} answer less that of the other"
    return alt.Scale(domain=[low, high], nice=False, zero=False), title


def _curves(part: pl.DataFrame, *, form: str, colours: dict[str, str]) -> list[alt.Chart]:
    scale, title = _x(part)
    column = {"density": "smooth", "histogram": "density", "ecdf": "cumulative"}[form]
    at = pl.col("right") if form == "ecdf" else (pl.col("left") + pl.col("right")) / 2
    drawn = part.select("group", at.alias("at"), pl.col(column).alias("height"), "left", "right")
    if form == "ecdf":  # a curve begins at 0, also where its first bin holds most
        ends = drawn.group_by("group", maintain_order=True).first()
        drawn = pl.concat([ends.with_columns(pl.col("left").alias("at"), pl.lit(0.0).alias("height")), drawn])
    top = float(drawn["height"].max())  # type: ignore[arg-type]  # numbers
    colour = _scale(drawn, colours)
    y_axis = alt.Axis(grid=True, gridColor=FAINT, tickCount=3, format=".2~g")
    y = alt.Y("height:Q", scale=alt.Scale(domain=[0, top * 1.05 or 1], nice=False), axis=y_axis, title=Y_TITLES[form])
    axis = alt.Axis(tickCount=5, labelFlush=False)
    base = alt.Chart(drawn)
    if form == "histogram":
        bars = base.mark_rect(opacity=0.55).encode(
            x=alt.X("left:Q", scale=scale, axis=axis, title=title), x2="right:Q", y=y, y2=alt.datum(0), fill=colour
        )
        return [bars]
    x = alt.X("at:Q", scale=scale, axis=axis, title=title)
    layers = [base.mark_line(strokeWidth=1.4).encode(x=x, y=y, color=colour, order="at:Q")]
    if form == "density":
        layers.insert(0, base.mark_area(opacity=0.18).encode(x=x, y=alt.Y("height:Q", stack=None), fill=colour))
    return layers


def _scale(drawn: pl.DataFrame, colours: dict[str, str]) -> alt.Color:
    groups = [group for group in colours if group in set(drawn["group"])]
    legend = alt.Legend(
        title=None,
        orient="bottom",
        symbolType="square",
        symbolOpacity=1,  # that of the areas is too faint to tell colours apart
        direction="horizontal",
        columns=3,
        offset=4,
    )
    domain = alt.Scale(domain=groups, range=[colours[group] for group in groups])
    return alt.Color("group:N", scale=domain, legend=legend)


def _violins(part: pl.DataFrame, colours: dict[str, str]) -> list[alt.Chart]:
    """Groups one below the other, each as wide as its density, with its quartiles."""
    scale, title = _x(part)
    groups = [group for group in colours if group in set(part["group"])]
    place = pl.col("group").replace_strict({group: -float(i) for i, group in enumerate(groups)})
    half = 0.42 * pl.col("smooth") / pl.col("smooth").max().over("group")
    drawn = part.select(
        "group",
        ((pl.col("left") + pl.col("right")) / 2).alias("at"),
        (place - half).alias("low"),
        (place + half).alias("high"),
    )
    down = alt.Scale(domain=[0.5 - len(groups), 0.5], nice=False)
    names = {str(-i): group for i, group in enumerate(groups)}
    label = f"({json.dumps(names, ensure_ascii=False)})[datum.value]"
    axis = alt.Axis(values=[-i for i in range(len(groups))], labelExpr=label, grid=False)
    fill = alt.Color("group:N", scale=alt.Scale(domain=groups, range=[colours[g] for g in groups]), legend=None)
    x = alt.X("at:Q", scale=scale, axis=alt.Axis(tickCount=5, labelFlush=False), title=title)
    shape = (
        alt.Chart(drawn)
        .mark_area(opacity=0.55)
        .encode(
            x=x,
            y=alt.Y("low:Q", scale=down, axis=axis, title=None, stack=None),
            y2="high:Q",
            fill=fill,
            detail="group:N",
        )
    )
    marks = pl.DataFrame(
        [(g, -float(i), *_quartiles(part.filter(group=g))) for i, g in enumerate(groups)],
        schema=["group", "place", "q25", "q50", "q75"],
        orient="row",
    )
    y = alt.Y("place:Q", scale=down, title=None)
    box = alt.Chart(marks).mark_rule(stroke=INK, strokeWidth=1.6).encode(x=alt.X("q25:Q"), x2="q75:Q", y=y)
    dot = alt.Chart(marks).mark_point(filled=True, fill=INK, size=22, opacity=1).encode(x=alt.X("q50:Q"), y=y)
    return [shape, box, dot]


def _quartiles(group: pl.DataFrame) -> list[float]:
    """Quartiles by linear interpolation within the bins."""
    cumulative, left, right = (group[name].to_list() for name in ("cumulative", "left", "right"))
    found = []
    for share in (0.25, 0.5, 0.75):
        place = next(i for i, value in enumerate(cumulative) if value >= share - 1e-12)
        before = cumulative[place - 1] if place else 0.0
        inside = (share - before) / (cumulative[place] - before) if cumulative[place] > before else 0.5
        found.append(left[place] + inside * (right[place] - left[place]))
    return found


def _description(table: pl.DataFrame, *, form: str) -> str:
    """Text for those who do not see the picture: the median of every group."""
    said = []
    for (model, panel, group), part in table.group_by("model", "panel", "group", maintain_order=True):
        median = _quartiles(part)[1]
        place = "" if panel == "all" else f", {panel}"
        number = f"{median:.2f}" if math.isfinite(median) else "undefined"
        said.append(f"{model}{place}, {group}: median {number} of {part['n'][0]:,}.")
    return f"Distributions of scores ({form}). {' '.join(said)}"
