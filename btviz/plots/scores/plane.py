"""The plane of reward and cost: density in cells, marginal distributions, counts of the quadrants."""

from __future__ import annotations

from typing import Literal

import altair as alt
import polars as pl

from btviz.errors import UsageError
from btviz.plots.scores.distributions import KINDS
from btviz.plots.style.captions import folded, heading
from btviz.plots.style.rendering import ConcatChart
from btviz.plots.style.theme import INK, MUTED, OTHERS, PADDING, PAPER, SEQUENTIAL, config, needed, points
from btviz.taxonomy.words import percent

MARGINAL = 42.0
"""Height of a marginal distribution, in points."""

WIDEST = 330.0

BESIDE = 110.0
"""Room for axis, marginal and legend beside the plane."""

KEY = 40.0
"""What the legend takes of it, which is below a plane that would be short."""

SHORT = 150.0


def score_plane(
    table: pl.DataFrame,
    quadrants: pl.DataFrame,
    *,
    source: str | None = None,
    width: str | float = "double",
) -> alt.ConcatChart:
    """Draw reward against cost as a density, with both marginals and the quadrants' counts.

    Parameters
    ----------
    table : DataFrame
        From `btviz.scores.distributions.plane_bins`.
    quadrants : DataFrame
        From `btviz.scores.plane.score_quadrants`; its rows over all answers are shown.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper that may be filled, or points.

    Returns
    -------
    alt.ConcatChart
        Colour is the number of answers in a cell, on a logarithmic scale; dashed lines at the
        two origins; in each corner the answers of that quadrant. No line and no numbers where the origin of the
        cost is not known.

    Raises
    ------
    UsageError
        If a column is missing or the quadrants hold no row over all answers.
    """
    needed(table, "reward_low", "reward_high", "cost_low", "cost_high", "count", "n", call="plane_bins")
    needed(quadrants, "grouping", "quadrant", "n_quadrant", "share", "reward_origin_is", call="score_quadrants")
    corners = quadrants.filter(pl.col("grouping") == "all")
    if corners.is_empty():
        raise UsageError("The quadrants over all answers are to be shown; this table has none. Do not filter it.")
    side = min(WIDEST, points(width) - 2 * PADDING - BESIDE)
    is_short = side < SHORT
    side += KEY if is_short else 0.0
    n, prompts = table["n"][0], table["prompts"][0]
    caption = " · ".join(part for part in (source, "pairs", f"n = {n:,}, of {prompts:,} prompts") if part)
    top = _marginal(table, "reward", side=side)
    right = _marginal(table, "cost", side=side)
    empty = alt.Chart(pl.DataFrame({"x": [0]})).mark_point(opacity=0).properties(width=MARGINAL, height=MARGINAL)
    return ConcatChart(
        concat=[top, empty, _cells(table, corners, side=side, key_below=is_short), right],
        columns=2,
        spacing=4,
        bounds="flush",
        title=heading("Reward against cost", caption, note_of_origins(corners), width=width),
        description=_description(corners, caption),
        config=config(),
    )


def note_of_origins(quadrants: pl.DataFrame) -> str:
    """Say where the dashed lines are and why, in parts divided by dots."""
    known = quadrants.row(0, named=True)
    rule = " (median)" if known["reward_origin_is"] == "median" else ""
    if known["cost_origin"] is None:
        return f"Dashed: reward {known['reward_origin']:.2f}{rule} · where harm begins is not known of this cost"
    said = f"Dashed: reward {known['reward_origin']:.2f}{rule}, cost {known['cost_origin']:.2f}"
    said += " · corners: answers beyond both"
    return said if known["n_labelled"] else f"{said} · no label here shows that this cost parts safe from harmful"


def _domain(table: pl.DataFrame, kind: str) -> alt.Scale:
    ends = (float(table[f"{kind}_low"].min()), float(table[f"{kind}_high"].max()))  # type: ignore[arg-type]  # numbers
    return alt.Scale(domain=list(ends), nice=False, zero=False)


def _cells(table: pl.DataFrame, corners: pl.DataFrame, *, side: float, key_below: bool) -> alt.LayerChart:
    across, up = _domain(table, "reward"), _domain(table, "cost")
    shade = alt.Scale(type="log", range=list(SEQUENTIAL[1:]), domain=[1, max(2, int(table["count"].max()))])  # type: ignore[arg-type]  # integers
    orient: Literal["bottom", "right"] = "bottom" if key_below else "right"
    legend = alt.Legend(title="Answers", orient=orient, gradientLength=90, tickCount=3, format=",d")
    plain = alt.Axis(tickCount=5, labelFlush=False)
    cells = (
        alt.Chart(table.drop("n", "prompts"))
        .mark_rect()
        .encode(
            x=alt.X("reward_low:Q", scale=across, axis=plain, title=KINDS["reward"]),
            x2=alt.X2("reward_high:Q"),
            y=alt.Y("cost_low:Q", scale=up, axis=plain, title=KINDS["cost"]),
            y2=alt.Y2("cost_high:Q"),
            fill=alt.Fill("count:Q", scale=shade, legend=legend),
        )
    )
    first = corners.row(0, named=True)
    lines = alt.Chart(pl.DataFrame({"reward": [first["reward_origin"]], "cost": [first["cost_origin"]]}))
    dashed = lines.mark_rule(stroke=MUTED, strokeDash=[3, 2])
    low, high = table["reward_low"].min(), table["reward_high"].max()
    layers: list[alt.Chart] = [cells]
    if low <= first["reward_origin"] <= high:
        layers.append(dashed.encode(x=alt.X("reward:Q", scale=across)))
    at = first["cost_origin"]
    if at is not None and table["cost_low"].min() <= at <= table["cost_high"].max():
        layers.append(dashed.encode(y=alt.Y("cost:Q", scale=up)))
    return alt.LayerChart(layer=[*layers, *_corners(corners, side=side)], width=side, height=side)


def _corners(corners: pl.DataFrame, *, side: float) -> list[alt.Chart]:
    """Name and number of each quadrant, in its corner, on a halo that keeps them readable."""
    charts = []
    for row in corners.drop_nulls("n_quadrant").iter_rows(named=True):
        is_right, is_top = row["quadrant"].startswith("helpful"), row["quadrant"].endswith("harmful")
        name = folded(row["quadrant"].capitalize(), room=0.42 * side)
        heads = [name] if isinstance(name, str) else name
        first = 10 if is_top else side - 5 - 11 * len(heads)
        for line, text in enumerate([*heads, f"{row['n_quadrant']:,} ({percent(row['share'])})"]):
            base = alt.Chart(pl.DataFrame({"text": [text]})).encode(
                x=alt.value(side - 4 if is_right else 4),
                y=alt.value(first + 11 * line),
                text=alt.Text("text:N"),
            )
            align: Literal["left", "right"] = "right" if is_right else "left"
            weight: Literal["normal", "bold"] = "bold" if line < len(heads) else "normal"
            halo = base.mark_text(align=align, fontWeight=weight, stroke=PAPER, strokeWidth=3, strokeOpacity=0.85)
            charts += [halo, base.mark_text(align=align, fontWeight=weight, fill=INK)]
    return charts


def _marginal(table: pl.DataFrame, kind: str, *, side: float) -> alt.Chart:
    """Histogram of one score, above or beside the plane."""
    bars = table.group_by(f"{kind}_low", f"{kind}_high").agg(pl.col("count").sum()).sort(f"{kind}_low")
    drawn = alt.Chart(bars.rename({f"{kind}_low": "low", f"{kind}_high": "high"})).mark_rect(fill=OTHERS)
    along, height = _domain(table, kind), alt.datum(0)
    if kind == "reward":
        x, y = alt.X("low:Q", scale=along, axis=None), alt.Y("count:Q", axis=None)
        above: alt.Chart = drawn.encode(x=x, x2=alt.X2("high:Q"), y=y, y2=height).properties(
            width=side, height=MARGINAL
        )
        return above
    x, y = alt.X("count:Q", axis=None), alt.Y("low:Q", scale=along, axis=None)
    beside: alt.Chart = drawn.encode(x=x, x2=height, y=y, y2=alt.Y2("high:Q")).properties(width=MARGINAL, height=side)
    return beside


def _description(corners: pl.DataFrame, caption: str) -> str:
    counted = corners.drop_nulls("n_quadrant")
    said = [f"{row['quadrant'].capitalize()}: {row['n_quadrant']:,}." for row in counted.iter_rows(named=True)]
    return f"Density of answers over reward and cost ({caption}). {' '.join(said)}"
