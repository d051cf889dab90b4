"""Distributions of scores, and their plane, with a brush on each: for a view that listens to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import polars as pl

from btviz.plots.scores.distributions import KINDS, score_distributions, score_scale, score_title, span_of
from btviz.plots.scores.plane import note_of_origins, score_plane
from btviz.plots.scores.ridges import category_ridges
from btviz.plots.style.captions import heading
from btviz.plots.style.rendering import ConcatChart
from btviz.plots.style.theme import ACCENT, INK, config, needed
from btviz.taxonomy.categories import Taxonomy
from btviz.taxonomy.words import STRATA

SIZE = 11.0
"""Of letters on a screen."""

ACROSS, ALONE = 350.0, 620.0
"""Width of a panel beside another, so that two fit a narrow window, and of the only one."""

NAMES_BESIDE, NAMES_ALONE = 70.0, 90.0
"""What ridges get above that for the names of their groups: two beside each other fit a laptop's screen."""

GAP = 40.0

HEIGHT = 180.0

PLANE = "brush_plane"

Panel = tuple[str, str, str]
"""Model, kind and panel."""

Range = tuple[float, float]


def panels_of(table: pl.DataFrame) -> list[Panel]:
    """Model, kind and panel of each picture of `brushed_distributions`, in their order: splits of a model together."""
    panels = table.select("model", "kind", "panel").unique().rows()
    panels.sort(key=lambda one: (one[1] != "reward", one[1], one[0], one[2] != "train", one[2]))
    return [(model, kind, panel) for model, kind, panel in panels]


def brush_of(place: int) -> str:
    """Name of the brush on the panel at a place of `panels_of`."""
    return f"brush_{place}"


def brushed_distributions(
    table: pl.DataFrame,
    *,
    form: str = "density",
    lines: Sequence[str] = (),
    chosen: Mapping[Panel, Range] | None = None,
    taxonomy: Taxonomy | None = None,
) -> alt.ConcatChart:
    """Draw distributions of scores, each with a brush along its score."""
    needed(table, "model", "kind", "panel", "group", "left", "right", "n", call="score_bins")
    panels = panels_of(table)
    width = ALONE if len(panels) == 1 else ACROSS
    drawn = []
    for place, (model, kind, panel) in enumerate(panels):
        part = table.filter(model=model, kind=kind, panel=panel)
        picture = _ridged(part, width, taxonomy) if form == "ridges" else _curved(part, form, width)
        if form != "ridges":
            picture.height = HEIGHT
        picture.title = _head(part, width, with_sizes=form != "ridges")
        drawn.append(_with_brush(picture, part, brush_of(place), (chosen or {}).get((model, kind, panel))))
    across = min(2, len(panels))
    return ConcatChart(
        concat=drawn,
        columns=across,
        spacing=GAP,
        title=heading("How scores are distributed", *lines, width=across * (width + GAP), size=SIZE),
        description=f"Distributions of scores ({form}); {'; '.join(lines)}",
        config=config(size=SIZE),
    )


def brushed_plane(
    table: pl.DataFrame,
    quadrants: pl.DataFrame,
    *,
    lines: Sequence[str] = (),
    chosen: tuple[Range, Range] | None = None,
) -> alt.ConcatChart:
    """Draw reward against cost, with a brush over both."""
    plane = score_plane(table, quadrants, width="double")
    ends = {kind: (table[f"{kind}_low"].min(), table[f"{kind}_high"].max()) for kind in ("reward", "cost")}
    corners = pl.DataFrame({kind: list(map(float, both)) for kind, both in ends.items()})  # type: ignore[arg-type]  # numbers
    scales = {kind: alt.Scale(domain=corners[kind].to_list(), nice=False, zero=False) for kind in ends}
    value = None if chosen is None else {"x": list(chosen[0]), "y": list(chosen[1])}
    brush = _brush(PLANE, ["x", "y"], value, stroke=INK)
    catcher = (
        alt.Chart(corners)
        .mark_point(opacity=0)
        .encode(
            x=alt.X("reward:Q", scale=scales["reward"], title=KINDS["reward"]),
            y=alt.Y("cost:Q", scale=scales["cost"], title=KINDS["cost"]),
        )
        .add_params(brush)
    )
    parts = list(plane.concat)
    cells = parts[2]
    parts[2] = alt.LayerChart(layer=[*cells.layer, catcher], width=cells.width, height=cells.height)
    return ConcatChart(
        concat=parts,
        columns=2,
        spacing=4,
        bounds="flush",
        title=heading("Reward against cost", *lines, note_of_origins(quadrants), width=560.0, size=SIZE),
        description=plane.description,
        config=config(size=SIZE),
    )


def _curved(part: pl.DataFrame, form: str, width: float) -> alt.LayerChart:
    named = part.with_columns(pl.col("group").replace(STRATA))
    chart = score_distributions(named, form=form, width=width)
    return _only(chart)


def _ridged(part: pl.DataFrame, width: float, taxonomy: Taxonomy | None) -> alt.LayerChart:
    named = part.with_columns(pl.col("group").replace(STRATA))
    names = NAMES_ALONE if width == ALONE else NAMES_BESIDE
    return _only(category_ridges(named, width=width + names, taxonomy=taxonomy))


def _only(chart: alt.ConcatChart) -> alt.LayerChart:
    """The one panel of a chart, with its data."""
    panel: alt.LayerChart = chart.concat[0]  # type: ignore[assignment]  # as both functions make it
    if chart.data is not alt.Undefined:
        panel.data = chart.data
    return panel


def _head(part: pl.DataFrame, width: float, *, with_sizes: bool) -> alt.TitleParams:
    first = part.row(0, named=True)
    place = "" if first["panel"] == "all" else f" · {first['panel']}"
    sizes = part.select(pl.col("group").replace(STRATA), "n").unique().sort("group").rows()
    size_text = " · ".join(f"{group} n = {n:,}" for group, n in sizes) if with_sizes else ""
    head = heading(f"{first['model']}{place}", size_text, width=width, size=SIZE)
    head.fontSize, head.frame, head.anchor, head.offset = SIZE, "group", "start", 6
    return head


def _with_brush(picture: alt.LayerChart, part: pl.DataFrame, name: str, chosen: Range | None) -> alt.LayerChart:
    value = None if chosen is None else {"x": list(chosen)}
    x = alt.X("at:Q", scale=score_scale(part), title=score_title(part))
    catcher = (
        alt.Chart(pl.DataFrame({"at": span_of(part)}))
        .mark_point(opacity=0)
        .encode(x=x)
        .add_params(_brush(name, ["x"], value))
    )
    made = alt.LayerChart(layer=[*picture.layer, catcher], width=picture.width, height=picture.height)
    made.title = picture.title
    if picture.data is not alt.Undefined:
        made.data = picture.data
    return made


def _brush(name: str, encodings: list[Any], value: Mapping[str, Any] | None, *, stroke: str = ACCENT) -> alt.Parameter:
    mark = alt.BrushConfig(fill=ACCENT, fillOpacity=0.14, stroke=stroke, strokeWidth=1.2)
    initial_value: Any = alt.Undefined if value is None else value
    return alt.selection_interval(name=name, encodings=encodings, mark=mark, value=initial_value)
