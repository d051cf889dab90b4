"""What a question needs: prompts against the size of the effect, with the plan at hand."""

from __future__ import annotations

import math
from typing import Any

import altair as alt
import polars as pl

from btviz.plots.style.captions import heading
from btviz.plots.style.rendering import LayerChart
from btviz.plots.style.theme import ACCENT, FAINT, MUTED, PADDING, TEXT_SIZE, config, needed, points

HEIGHT = 170.0


def power_curve(
    table: pl.DataFrame,
    *,
    chosen: float | None = None,
    source: str | None = None,
    width: str | float = "double",
    size: float = TEXT_SIZE,
) -> alt.LayerChart:
    """Draw how many prompts an effect needs.

    Parameters
    ----------
    table : DataFrame
        From `btviz.power_plan`: one row an effect.
    chosen : float, optional
        Effect of the table to mark.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.
    size : float
        Of labels, in points.

    Returns
    -------
    alt.LayerChart
        Prompts needed, on a logarithmic axis, against |2p - 1|; a dot at the chosen effect, and a line at the prompts
        of the data where the plan was made from some.

    Raises
    ------
    UsageError
        If a column is missing, or there is no row.
    """
    needed(table, "effect", "prompts", "prompts_here", "power", "level", "per_prompt", call="power_plan")
    room = points(width) - 2 * PADDING - 60
    caption = _caption(table.row(0, named=True), source=source)
    ordered = table.sort("effect").select("effect", "prompts")
    low, high = ordered.row(0), ordered.row(-1)
    return LayerChart(
        layer=_layers(table, chosen, room=room, size=size),
        width=room,
        height=HEIGHT,
        title=heading("How many prompts does it take?", caption, width=width, size=size),
        description=f"Prompts needed by effect ({caption}): {low[1]:,} for {low[0]:g}, {high[1]:,} for {high[0]:g}.",
        config=config(size=size),
    )


def _layers(table: pl.DataFrame, chosen: float | None, *, room: float, size: float) -> list[alt.Chart]:
    """The curve, the prompts at hand, and the plan."""
    here = table["prompts_here"][0]
    counts = [*table["prompts"].to_list(), *([here] if here else [])]
    ends = [10.0 ** math.floor(math.log10(min(counts))), 10.0 ** math.ceil(math.log10(max(counts)))]
    scale = alt.Scale(type="log", domain=ends, nice=False)
    decades = [10.0**power for power in range(round(math.log10(ends[0])), round(math.log10(ends[1])) + 1)]
    axis = alt.Axis(grid=True, gridColor=FAINT, format=",", values=decades)
    base = alt.Chart(table.select("effect", "prompts")).encode(
        x=alt.X("effect:Q", title="|2p − 1|", axis=alt.Axis(grid=True, gridColor=FAINT)),
        y=alt.Y("prompts:Q", scale=scale, axis=axis, title="Prompts needed"),
    )
    layers = [base.mark_line(stroke=ACCENT, strokeWidth=1.6)]
    if here:
        line = alt.Chart(pl.DataFrame({"prompts": [here], "text": [f"{here:,} prompts here"]}))
        layers += [
            line.mark_rule(stroke=MUTED, strokeDash=[4, 2]).encode(y=alt.Y("prompts:Q")),
            line.mark_text(align="right", baseline="bottom", dy=-2, fill=MUTED, fontSize=size).encode(
                x=alt.value(room), y=alt.Y("prompts:Q"), text=alt.Text("text:N")
            ),
        ]
    if chosen is not None:
        marked = table.filter((pl.col("effect") - chosen).abs() < 1e-9).select("effect", "prompts")
        layers.append(
            alt.Chart(marked)
            .mark_point(filled=True, size=60, fill=ACCENT, opacity=1)
            .encode(x=alt.X("effect:Q"), y=alt.Y("prompts:Q"))
        )
    return layers


def _caption(row: dict[str, Any], *, source: str | None) -> str:
    parts = (
        source,
        f"power {100 * row['power']:.0f} %, level {100 * row['level']:g} %",
        f"{row['per_prompt']:.3g} comparisons a prompt",
        f"design effect {row['design_effect']:.3g}",
    )
    return " · ".join(part for part in parts if part)
