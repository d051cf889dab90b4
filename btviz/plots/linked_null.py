"""Null distributions of any measure, as the lower part of a chart that answers clicks."""

from __future__ import annotations

import math

import altair as alt
import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.binning import histogram
from btviz.plots.naming import lookup
from btviz.plots.scales import KEY, LABEL_SIZE, WIDTH, Frame, Scale, value_channel
from btviz.plots.theme import ACCENT, FAINT, MUTED, OTHERS, heading

ROW = 54.0
"""Height of one level."""
BARS = 60
"""Bars between the ends of the axis."""


def null_rows(null: pl.DataFrame, frame: Frame, *, caption: str) -> alt.LayerChart:
    """Histograms of what chance alone would give, one below the other, and what was observed."""
    scale, room = frame.scale, frame.room
    levels = null.group_by("grouping", "level", maintain_order=True).agg(
        pl.len().alias("turns"), pl.col("observed").first()
    )
    levels = levels.with_columns(
        KEY,
        (-pl.int_range(pl.len()).cast(pl.Float64)).alias("foot"),
        pl.col("observed").map_elements(scale.text, return_dtype=pl.String).alias("text"),
    ).with_columns((pl.col("foot") + 0.9).alias("end"))
    ends = scale.ends(null, "value", "observed")
    across, down = scale.axis(ends), alt.Scale(domain=[1 - levels.height, 1], nice=False)
    names = {str(int(foot)): frame.names.get(key, key) for foot, key in levels.select("foot", "key").rows()}
    labels = alt.Axis(
        values=levels["foot"].to_list(), labelExpr=lookup(names), labelBaseline="bottom", minExtent=frame.left + 8
    )
    y = alt.Y("foot:Q", scale=down, axis=labels, title=None)
    bars, seen = alt.Chart(_bars(null, levels, scale=scale)), alt.Chart(levels)
    turns = " and ".join(f"{n:,}" for n in levels["turns"].unique().sort()) + " random turns a row"
    note = "Grey: harmlessness turned around in random prompts · blue: observed"
    layers = [
        bars.mark_rect(fill=OTHERS, stroke=None).encode(
            x=value_channel("from", frame, across=across), x2="to:Q", y=y, y2="top:Q"
        ),
        seen.mark_rule(stroke=FAINT).encode(y=alt.Y("foot:Q", scale=down)),
        seen.mark_rule(stroke=ACCENT, strokeWidth=2).encode(
            x=alt.X("observed:Q", scale=across), y=alt.Y("foot:Q", scale=down), y2="end:Q"
        ),
        seen.mark_text(align="left", baseline="bottom", fontSize=LABEL_SIZE, fill=MUTED).encode(
            x=alt.value(room + 8), y=alt.Y("foot:Q", scale=down), text="text:N"
        ),
    ]
    title = heading("What chance alone would give", f"{caption} · {turns}", note, width=WIDTH, size=LABEL_SIZE)
    return alt.LayerChart(layer=layers, width=room, height=ROW * levels.height, title=title)


def _even(step: float, values: NDArray[np.float64]) -> float:
    """Width of about `step` of which every bar holds as many of the values that are possible."""
    gaps = np.diff(np.unique(values.round(9)))
    apart = gaps.min(initial=step)
    return float(math.ceil(step / apart) * apart)


def _bars(null: pl.DataFrame, levels: pl.DataFrame, *, scale: Scale) -> pl.DataFrame:
    """Bars `from` .. `to` that stand on `foot` and end at `top`, scaled to the highest of a row."""
    low, high = scale.ends(null, "value", "observed")
    if scale.kind == "odds":
        low, high = math.log(low), math.log(high)
    step = (high - low) / BARS
    rows = []
    for grouping, level, foot in levels.select("grouping", "level", "foot").rows():
        values = null.filter(grouping=grouping, level=level)["value"].to_numpy()
        width = step if scale.kind == "odds" else _even(step, values)
        left, counts = histogram(np.log(values) if scale.kind == "odds" else values, step=width)
        edges = np.stack([left, left + width])
        start, end = np.exp(edges) if scale.kind == "odds" else edges
        rows.append(pl.DataFrame({"from": start, "to": end, "top": foot + 0.8 * counts / counts.max()}))
        rows[-1] = rows[-1].with_columns(pl.lit(foot).alias("foot"))
    return pl.concat(rows)
