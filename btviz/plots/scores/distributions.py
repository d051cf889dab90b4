"""Distributions of scores by group: histogram, density, ECDF or violin, of bins and not of answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import altair as alt
import polars as pl

from btviz.errors import UsageError, choice
from btviz.plots.style.captions import heading
from btviz.plots.style.rendering import ConcatChart
from btviz.plots.style.theme import (
    FAINT,
    GROUPS,
    INK,
    MUTED,
    PADDING,
    TEXT_SIZE,
    config,
    lookup,
    needed,
    points,
    text_width,
)
from btviz.taxonomy.words import STRATA

FORMS = ("density", "histogram", "ecdf", "violin")
HEIGHTS = {"density": 120.0, "histogram": 120.0, "ecdf": 120.0, "violin": 130.0}
SAFETY = {"safe": GROUPS[0], "unsafe": GROUPS[3]}
GAP = 34.0

LEFT = 40.0
"""Room for the axis beside a panel, in points."""

NOTES = {
    "density": "Smooth density",
    "histogram": "Histogram",
    "ecdf": "Cumulative share",
    "violin": "Width: density, scaled to each group's highest · bar: middle half · dot: median",
}
"""What the caption says of each form."""

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
        From `btviz.scores.distributions.score_bins`, `policy_bins` or `margin_bins`: up to eight
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
        population and numbers; a dashed line stands at a cost of 0, where that parts safe from harmful.

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
    spread = f"{NOTES[form]}; drawn from {table.height:,} bins of {_total(table):,} scores"
    return ConcatChart(
        concat=drawn,
        columns=across,
        spacing=GAP,
        title=heading(title, *(part for part in (source, spread, note_of_boundaries(table)) if part), width=width),
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
        From `btviz.scores.distributions.margin_bins`.
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
    caption = " · ".join(part for part in (source, "comparisons") if part)
    table = table.with_columns(pl.col("group").replace(STRATA))
    title = "Margins of chosen over rejected answers"
    return score_distributions(table, form=form, title=title, source=caption, width=width)


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
    layers = violins(part, colours=colours) if form == "violin" else curves(part, form=form, colours=colours)
    has_zero = part.filter(pl.col("left") <= 0, pl.col("right") >= 0).height > 0
    if has_zero and (parts_at_zero(part).all() or "label" in part.columns):
        zero = alt.Chart(pl.DataFrame({"at": [0.0]}))
        layers.append(zero.mark_rule(stroke=MUTED, strokeDash=[3, 2]).encode(x=alt.X("at:Q")))
    heads = alt.TitleParams(
        text=f"{first['model']}{place}", subtitle=lines, fontSize=TEXT_SIZE, offset=4, frame="group", anchor="start"
    )
    return alt.LayerChart(layer=layers, width=room, height=HEIGHTS[form], title=heads)


def _lines(parts: Sequence[str], *, room: float) -> list[str]:
    """Parts one behind the other, on as few lines as fit the room."""
    lines: list[str] = []
    for part in parts:
        longer = f"{lines[-1]} · {part}" if lines else part
        if lines and text_width(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines


def _description(table: pl.DataFrame, *, form: str) -> str:
    """Text for those who do not see the picture: the median of every group."""
    said = []
    for (model, panel, group), part in table.group_by("model", "panel", "group", maintain_order=True):
        median = quartiles(part)[1]
        place = "" if panel == "all" else f", {panel}"
        number = f"{median:.2f}" if math.isfinite(median) else "undefined"
        said.append(f"{model}{place}, {group}: median {number} of {part['n'][0]:,}.")
    return f"Distributions of scores ({form}). {' '.join(said)}"


Y_TITLES = {"density": "Density", "histogram": "Density", "ecdf": "Share at or below"}
_COLUMN = {"density": "smooth", "histogram": "density", "ecdf": "cumulative"}  # column by form
_HALF = 0.42  # of a violin at its widest, in rows


def curves(part: pl.DataFrame, *, form: str, colours: Mapping[str, str]) -> list[alt.Chart]:
    """Layers of a panel of bars or curves."""
    drawn = _heights(part, form=form)
    top = float(drawn["height"].max())  # type: ignore[arg-type]  # numbers
    colour = _with_legend(drawn, colours, symbol="stroke" if form == "ecdf" else "square")
    y_axis = alt.Axis(grid=True, gridColor=FAINT, tickCount=3, format=".2~g")
    y = alt.Y("height:Q", scale=alt.Scale(domain=[0, top * 1.05 or 1], nice=False), axis=y_axis, title=Y_TITLES[form])
    base = alt.Chart(drawn)
    if form == "histogram":
        bars = base.mark_rect(opacity=0.55)
        return [bars.encode(x=_x("left:Q", part), x2=alt.X2("right:Q"), y=y, y2=alt.datum(0), fill=colour)]
    x = _x("at:Q", part)
    line = base.mark_line(strokeWidth=1.4).encode(x=x, y=y, color=colour, order=alt.Order("at:Q"))
    if form == "ecdf":
        return [line]
    area = base.mark_area(opacity=0.18).encode(x=x, y=alt.Y("height:Q", stack=None), fill=colour)
    return [area, line]


def violins(part: pl.DataFrame, *, colours: Mapping[str, str]) -> list[alt.Chart]:
    """Layers of a panel of violins, one below the other, each as wide as its density, with its quartiles."""
    groups = _present(part, colours)
    down = alt.Scale(domain=[0.5 - len(groups), 0.5], nice=False)
    names = lookup({str(-i): group for i, group in enumerate(groups)})
    axis = alt.Axis(values=[-i for i in range(len(groups))], labelExpr=names, grid=False)
    fill = alt.Color("group:N", scale=_palette(groups, colours), legend=None)
    body = alt.Chart(_outlines(part, groups)).mark_area(opacity=0.55)
    across = alt.Y("low:Q", scale=down, axis=axis, title=None, stack=None)
    shape = body.encode(x=_x("at:Q", part), y=across, y2=alt.Y2("high:Q"), fill=fill, detail=alt.Detail("group:N"))
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
    box = alt.Chart(marks).mark_rule(stroke=INK, strokeWidth=1.6).encode(x=alt.X("q25:Q"), x2=alt.X2("q75:Q"), y=y)
    dot = alt.Chart(marks).mark_point(filled=True, fill=INK, size=22, opacity=1).encode(x=alt.X("q50:Q"), y=y)
    return [box, dot]


def _x(field: str, part: pl.DataFrame) -> alt.X:
    axis = alt.Axis(tickCount=5, labelFlush=False)
    return alt.X(field, scale=score_scale(part), axis=axis, title=score_title(part))


def _present(part: pl.DataFrame, colours: Mapping[str, str]) -> list[str]:
    groups = set(part["group"])
    return [group for group in colours if group in groups]


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


KINDS = {
    "reward": "Reward (high: more helpful)",
    "cost": "Cost (high: more harmful)",
    "moderation": "Highest probability of a category",
}
"""What an axis of scores says."""

MIDDLE = (pl.col("left") + pl.col("right")) / 2
"""Middle of a bin."""


NO_BOUNDARY = "No line at 0: where harm begins is not known of {models}"


def parts_at_zero(table: pl.DataFrame) -> pl.Series:
    """Which rows are of a score that parts safe from harmful at 0: of costs, unless the table says why they may not."""
    is_cost = table["kind"] == "cost"
    return is_cost & table["no_boundary"].is_null() if "no_boundary" in table.columns else is_cost


def note_of_boundaries(table: pl.DataFrame) -> str:
    """Say of which models no line can be drawn at 0; empty where there is none, and of margins, whose 0 is a tie."""
    if "label" in table.columns:
        return ""
    models = table.filter(~parts_at_zero(table), kind="cost")["model"].unique().sort()
    return NO_BOUNDARY.format(models=", ".join(models)) if len(models) else ""


def span_of(part: pl.DataFrame) -> tuple[float, float]:
    """Ends of the lowest and of the highest bin."""
    return float(part["left"].min()), float(part["right"].max())  # type: ignore[arg-type]  # numbers


def score_scale(part: pl.DataFrame) -> alt.Scale:
    """Scale of the axis of scores, which ends where the scores do."""
    return alt.Scale(domain=list(span_of(part)), nice=False, zero=False)


def score_title(part: pl.DataFrame) -> str:
    """Title of the axis: what the score is, or for margins (with a column `label`) what is subtracted."""
    kind = part["kind"][0]
    if "label" in part.columns:
        return f"{kind.capitalize()} of the {part['label'][0]} answer less that of the other"
    return KINDS.get(kind, str(kind))


def quartiles(group: pl.DataFrame) -> list[float]:
    """Quartiles of one group by linear interpolation within its bins."""
    cumulative, left, right = (group[name].to_list() for name in ("cumulative", "left", "right"))
    scores = []
    for share in (0.25, 0.5, 0.75):
        place = next(i for i, value in enumerate(cumulative) if value >= share - 1e-12)
        before = cumulative[place - 1] if place else 0.0
        inside = (share - before) / (cumulative[place] - before) if cumulative[place] > before else 0.5
        scores.append(left[place] + inside * (right[place] - left[place]))
    return scores
