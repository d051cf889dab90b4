"""Distributions of scores by group: histogram, density, ECDF or violin, of bins and not of answers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import altair as alt
import polars as pl

from btviz.errors import UsageError, choice
from btviz.plots.style.captions import heading
from btviz.plots.style.rendering import ConcatChart
from btviz.plots.style.rows import columns_of
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
    "density": "Smooth density; groups of fewer than 100 as points",
    "histogram": "Histogram",
    "ecdf": "Cumulative share",
    "violin": "Width: density, scaled to each group's highest; fewer than 100: points · bar: middle half · dot: median",
}
"""What the caption says of each form."""

_COLUMNS = ("model", "kind", "panel", "group", "left", "right", "count", "n", "density", "smooth", "cumulative")


def score_distributions(
    table: pl.DataFrame,
    behind: pl.DataFrame | None = None,
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
    behind : DataFrame, optional
        From `btviz.scores.distributions.published_policy_bins`: what was published of the same models, drawn behind
        histograms as grey outlines.
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
        Safe blue, unsafe red; other groups in the theme's colours, each in dashes of its own. Each panel names its
        model, population and numbers; a dashed line stands at a cost of 0, where that parts safe from harmful.

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
    drawn = [_panel(part, _behind(part, behind, form=form), form=form, colours=colours, room=room) for part in panels]
    spread = f"{NOTES[form]}; drawn from {table.height:,} bins of {_total(table):,} scores"
    notes = (source, spread, note_of_boundaries(table), _note_of_published(behind, form=form))
    return ConcatChart(
        concat=drawn,
        columns=across,
        spacing=GAP,
        title=heading(title, *(part for part in notes if part), width=width),
        description=_description(table, form=form),
        config=config(),
    )


def _behind(part: pl.DataFrame, behind: pl.DataFrame | None, *, form: str) -> pl.DataFrame | None:
    """What was published of the model of a panel; None where nothing was, or the form has no room for it."""
    if behind is None or form != "histogram":
        return None
    found = behind.filter(model=part["model"][0], kind=part["kind"][0])
    return found if found.height else None


def _note_of_published(behind: pl.DataFrame | None, *, form: str) -> str:
    if behind is None or form != "histogram":
        return ""
    if behind.is_empty():
        return "Published histograms are of scores by beaver-7b-v1.0, which are not here"
    first, second = behind["group"].unique(maintain_order=True).to_list()[:2]
    n = behind["n"][0]
    return f"Grey: as published, BeaverTails Fig. 7, digitised, n = {n:,} each · solid {first}, dashed {second}"


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


def _panel(
    part: pl.DataFrame, behind: pl.DataFrame | None, *, form: str, colours: dict[str, str], room: float
) -> alt.LayerChart:
    first = part.row(0, named=True)
    sizes = part.select("group", "n").unique().sort("group").rows()
    lines = _lines([f"{group} n = {n:,}" for group, n in sizes], room=room)
    place = "" if first["panel"] == "all" else f" · {first['panel']}"
    layers = (
        violins(part, colours=colours)
        if form == "violin"
        else curves(part, behind, form=form, colours=colours, room=room)
    )
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


FEW = 100
"""Scores of a group below which a density would show shape where there is chance: its scores are drawn as points."""


def curves(
    part: pl.DataFrame, behind: pl.DataFrame | None = None, *, form: str, colours: Mapping[str, str], room: float
) -> list[alt.Chart]:
    """Layers of a panel of bars or curves, with what was published behind them."""
    if form == "density":
        return _densities(part, colours=colours, room=room)
    shown = part if behind is None else pl.concat([part, behind], how="diagonal_relaxed")
    drawn = _heights(part, form=form)
    y = _y([*drawn["height"], *([] if behind is None else behind["density"])], form=form)
    colour, dash = _with_legend(drawn, colours, room=room)
    order = alt.Order("at:Q")
    if form == "ecdf":
        line = alt.Chart(drawn).mark_line(strokeWidth=1.4)
        return [line.encode(x=_x("at:Q", part), y=y, color=colour, strokeDash=dash, order=order)]
    bars = [
        of_group.mark_rect(opacity=0.35, fill=fill).encode(
            x=_x("left:Q", shown), x2=alt.X2("right:Q"), y=y, y2=alt.datum(0)
        )
        for of_group, fill in _filled(drawn, colours)
    ]
    outline = alt.Chart(_steps(part)).mark_line(strokeWidth=1.2, interpolate="step-after")
    lines = outline.encode(x=_x("at:Q", shown), y=y, color=colour, strokeDash=dash, order=order)
    published = [] if behind is None else _published_lines(behind, x=_x("at:Q", shown), y=y)
    return [*published, *bars, lines]


def _densities(part: pl.DataFrame, *, colours: Mapping[str, str], room: float) -> list[alt.Chart]:
    """Areas and lines of groups of many scores; below them, scores of the others as points, a row each."""
    drawn = _heights(part.filter(pl.col("n") >= FEW), form="density")
    top = max(drawn["height"], default=1.0) or 1.0
    few = [group for group in _present(part, colours) if group not in set(drawn["group"])]
    step = 0.07 * top
    y = _y([top], form="density", floor=-step * (len(few) + 0.5) if few else 0.0)
    if drawn.is_empty():  # nothing is smooth, so that points have the panel
        y = alt.Y("height:Q", scale=alt.Scale(domain=[-step * (len(few) + 0.5), -0.5 * step], nice=False), axis=None)
    x, (colour, dash) = _x("at:Q", part), _with_legend(part, colours, room=room)
    line = alt.Chart(drawn).mark_line(strokeWidth=1.4)
    areas = [
        of_group.mark_area(opacity=0.18, fill=fill).encode(x=x, y=y, y2=alt.datum(0))
        for of_group, fill in _filled(drawn, colours)
    ]
    places = {group: -step * (row + 1) for row, group in enumerate(few)}
    points = [_points(part, places, colours).encode(x=x, y=y)] if few else []
    return [*areas, line.encode(x=x, y=y, color=colour, strokeDash=dash, order=alt.Order("at:Q")), *points]


def _points(part: pl.DataFrame, places: Mapping[str, float], colours: Mapping[str, str]) -> alt.Chart:
    """A faint point for each score of some groups, in the middle of its bin, at the height of its group."""
    some = part.filter(pl.col("group").is_in(list(places)), pl.col("count") > 0)
    each = some.select("group", MIDDLE.alias("at"), pl.int_ranges("count").alias("of_bin")).explode("of_bin")
    drawn = each.with_columns(
        pl.col("group").replace_strict(places, return_dtype=pl.Float64).alias("height"),
        pl.col("group").replace_strict(dict(colours)).alias("colour"),
    )
    chart: alt.Chart = alt.Chart(drawn.drop("of_bin")).mark_point(size=16, strokeWidth=1, opacity=0.45)
    return chart.encode(stroke=alt.Stroke("colour:N", scale=None))


def _filled(drawn: pl.DataFrame, colours: Mapping[str, str]) -> list[tuple[alt.Chart, str]]:
    """Each group alone, with its colour: one scale for fills and lines would lose the legend of the lines."""
    base = alt.Chart(drawn)
    return [(base.transform_filter(alt.datum.group == group), colours[group]) for group in _present(drawn, colours)]


def _y(heights: Iterable[float], *, form: str, floor: float = 0.0) -> alt.Y:
    axis = alt.Axis(grid=True, gridColor=FAINT, tickCount=3, format=".2~g")
    top = max(heights, default=0.0) * 1.05 or 1.0
    return alt.Y("height:Q", scale=alt.Scale(domain=[floor, top], nice=False), axis=axis, title=Y_TITLES[form])


def _steps(part: pl.DataFrame) -> pl.DataFrame:
    """Corners of the outline of each group's bars, which ends at 0."""
    corners = part.select("group", pl.col("left").alias("at"), pl.col("density").alias("height"))
    ends = part.group_by("group", maintain_order=True).agg(pl.col("right").max().alias("at"))
    return pl.concat([corners, ends.with_columns(pl.lit(0.0).alias("height"))])


def _published_lines(behind: pl.DataFrame, *, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """Outlines of published histograms in grey, the first solid and the second dashed."""
    return [
        alt.Chart(_steps(behind.filter(group=group)))
        .mark_line(strokeWidth=1, stroke=MUTED, strokeDash=list(dash), interpolate="step-after")
        .encode(x=x, y=y, order=alt.Order("at:Q"))
        for group, dash in zip(behind["group"].unique(maintain_order=True), DASHES, strict=False)
    ]


def violins(part: pl.DataFrame, *, colours: Mapping[str, str]) -> list[alt.Chart]:
    """Layers of a panel of violins, one below the other, each as wide as its density, with its quartiles."""
    groups = _present(part, colours)
    down = alt.Scale(domain=[0.5 - len(groups), 0.5], nice=False)
    names = lookup({str(-i): group for i, group in enumerate(groups)})
    axis = alt.Axis(values=[-i for i in range(len(groups))], labelExpr=names, grid=False)
    fill = alt.Color("group:N", scale=_palette(groups, colours), legend=None)
    few = set(part.filter(pl.col("n") < FEW)["group"])
    body = alt.Chart(_outlines(part.filter(~pl.col("group").is_in(list(few))), groups)).mark_area(opacity=0.55)
    across = alt.Y("low:Q", scale=down, axis=axis, title=None, stack=None)
    shape = body.encode(x=_x("at:Q", part), y=across, y2=alt.Y2("high:Q"), fill=fill, detail=alt.Detail("group:N"))
    places = {group: -float(i) for i, group in enumerate(groups) if group in few}
    points = _points(part, places, colours).encode(x=_x("at:Q", part), y=alt.Y("height:Q", scale=down, title=None))
    return [shape, *([points] if few else []), *_quartile_marks(part, groups, down)]


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


DASHES = ((1, 0), (4, 2), (1, 1.5), (6, 2, 1, 2), (8, 3), (2, 3), (10, 2, 2, 2), (3, 1))
"""Of lines, in the order of their groups, so that a picture can be read without colours."""


def _with_legend(drawn: pl.DataFrame, colours: Mapping[str, str], *, room: float) -> tuple[alt.Color, alt.StrokeDash]:
    """Colour and dashes of lines by group, which share one legend."""
    legend = alt.Legend(
        title=None,
        orient="bottom",
        symbolType="stroke",
        symbolSize=200,
        symbolStrokeWidth=1.6,
        symbolOpacity=1,  # that of the areas is too faint to tell colours apart
        direction="horizontal",
        columns=columns_of(list(colours), room=room, most=3),
        offset=4,
    )
    groups = _present(drawn, colours)
    places = list(colours)
    dashes = alt.Scale(domain=groups, range=[list(DASHES[places.index(group) % len(DASHES)]) for group in groups])
    colour = alt.Color("group:N", scale=_palette(groups, colours), legend=legend)
    return colour, alt.StrokeDash("group:N", scale=dashes, legend=legend)


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
        return f"{kind.capitalize()} of the {part['label'][0]} answer − that of the other"
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
