"""Distributions of scores by group: histogram, density, ECDF or violin, of bins and not of answers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import altair as alt
import polars as pl

from btviz.errors import UsageError, choice
from btviz.plots.binned import quartiles
from btviz.plots.distribution_marks import curves, violins
from btviz.plots.rendering import ConcatChart
from btviz.plots.theme import (
    GROUPS,
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
    spread = f"{NOTES[form]}; drawn from {table.height:,} bins of {_total(table):,} scores"
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
    layers = violins(part, colours=colours) if form == "violin" else curves(part, form=form, colours=colours)
    has_zero = part.filter(pl.col("left") <= 0, pl.col("right") >= 0).height > 0
    if has_zero and (first["kind"] == "cost" or "label" in part.columns):
        zero = alt.Chart(pl.DataFrame({"at": [0.0]}))
        layers.append(zero.mark_rule(stroke=MUTED, strokeDash=[3, 2]).encode(x="at:Q"))
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
