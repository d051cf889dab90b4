"""What a measure would be by chance alone, against what was observed: histograms one below the other."""

from __future__ import annotations

import math

import altair as alt
import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.plots.preference.scales import KEY, Frame
from btviz.plots.style.captions import heading
from btviz.plots.style.intervals import span
from btviz.plots.style.rendering import LayerChart
from btviz.plots.style.rows import rows_beside
from btviz.plots.style.theme import ACCENT, FAINT, MUTED, OTHERS, config, lookup, needed
from btviz.stats.binning import bar_width, histogram
from btviz.stats.measures import MEASURES
from btviz.taxonomy.words import level_name, percent

TITLE = "What chance alone would give"
NOTE = "Grey: harmlessness turned around in random prompts · blue: observed"

ROW = 44.0
"""Height of one level, in points."""

TALLEST, OBSERVED = 0.82, 0.92
"""Shares of that height that the highest bar and the line of what was observed take."""

BARS = 80
"""Most bars between the ends of the axis."""

STEPS = (0.0025, 0.005, 0.01, 0.02)
"""Widths of a bar."""

EVEN_BARS = 60
"""About so many bars where their width is free."""


def null_distribution(
    table: pl.DataFrame, *, source: str | None = None, width: str | float = "double"
) -> alt.LayerChart:
    """Draw where P(better = safer) falls by chance alone, and where it was observed.

    Parameters
    ----------
    table : DataFrame
        ``orthogonality(ds).null`` or some of its levels: `grouping`, `level`, `p` (one row per
        random turn of the prompts) and `observed`.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.

    Returns
    -------
    alt.LayerChart
        One row a level: a histogram of `p` in grey, scaled to its highest bar, and a blue line
        where it was observed.

    Raises
    ------
    UsageError
        If a column is missing, or there are no rows.
    """
    needed(table, "grouping", "level", "p", "observed", call="orthogonality")
    null = table.rename({"p": "value"})
    of_level = null.select("grouping", "level", KEY).unique(maintain_order=True)
    names = {key: level_name(grouping, level=level) for grouping, level, key in of_level.rows()}
    observed = null.group_by(KEY, maintain_order=True).agg(pl.col("observed").first())["observed"]
    rows = rows_beside(names, texts=[percent(p) for p in observed], width=width)
    frame = Frame(MEASURES["p"], names, rows.size, rows.room - 8, labels=rows.names)
    levels = levels_of(null, frame)
    step = bar_width(*span(null, ["value", "observed"], within=(0.45, 0.55)), widths=STEPS, most=BARS)
    caption = " · ".join(part for part in (source, "comparisons with both labels", f"n = {turns(levels)}") if part)
    return LayerChart(
        layer=null_layers(null, levels, frame=frame, step=step),
        width=frame.room,
        height=ROW * levels.height,
        title=heading(TITLE, caption, NOTE, width=width),
        description=_description(levels, caption=caption),
        config=config(size=rows.size),
    )


def levels_of(null: pl.DataFrame, frame: Frame) -> pl.DataFrame:
    """One row per level, as they come: what was observed, and the ends of what chance gave."""
    of_level = null.group_by("grouping", "level", maintain_order=True).agg(
        pl.len().alias("turns"),
        pl.col("observed").first(),
        pl.col("value").min().alias("least"),
        pl.col("value").max().alias("most"),
    )
    return of_level.with_columns(
        KEY.replace_strict(frame.names, default=KEY).alias("name"),
        (-pl.int_range(pl.len()).cast(pl.Float64)).alias("foot"),
        pl.col("observed").map_elements(frame.text, return_dtype=pl.String).alias("text"),
    ).with_columns((OBSERVED + pl.col("foot")).alias("end"))


def turns(levels: pl.DataFrame) -> str:
    """How many permutations the rows show."""
    return " and ".join(f"{n:,}" for n in levels["turns"].unique().sort()) + " permutations a row"


def null_layers(
    null: pl.DataFrame, levels: pl.DataFrame, *, frame: Frame, step: float | None = None
) -> list[alt.Chart]:
    """Bars `step` wide, the line they stand on, and what was observed."""
    bars = _bars(null, levels, frame, step=step)
    clicked = ("grouping", "level") if frame.left else ()  # a click on what was observed chooses its level
    seen = levels.select(*clicked, "observed", "text", "foot", "end")
    scale = frame.scale(frame.ends(pl.concat([bars, seen], how="diagonal"), "from", "to", "observed"))
    down = alt.Scale(domain=[1 - levels.height, 1], nice=False)
    feet = [-place for place in range(levels.height)]
    shown = {name: frame.shown[key] for key, name in frame.names.items()}
    labels = alt.Axis(
        values=feet,
        labelExpr=lookup({str(at): shown.get(name, name) for at, name in zip(feet, levels["name"], strict=True)}),
        labelBaseline="bottom",
        minExtent=frame.left + 8 if frame.left else alt.Undefined,
    )
    foot = alt.Y("foot:Q", scale=down)
    of_bars, of_seen = alt.Chart(bars), alt.Chart(seen)
    return [
        of_bars.mark_rect(fill=OTHERS, stroke=None).encode(
            x=frame.across("from", scale),
            x2=alt.X2("to:Q"),
            y=alt.Y("foot:Q", scale=down, axis=labels, title=None),
            y2=alt.Y2("top:Q"),
        ),
        of_seen.mark_rule(stroke=FAINT).encode(y=foot),
        of_seen.mark_rule(stroke=ACCENT, strokeWidth=1.8).encode(
            x=alt.X("observed:Q", scale=scale), y=foot, y2=alt.Y2("end:Q")
        ),
        of_seen.mark_text(align="left", baseline="bottom", fontSize=frame.size, fill=MUTED).encode(
            x=alt.value(frame.room + 8), y=foot, text=alt.Text("text:N")
        ),
    ]


def _bars(null: pl.DataFrame, levels: pl.DataFrame, frame: Frame, *, step: float | None) -> pl.DataFrame:
    """Bars `from` .. `to` that stand on `foot` and end at `top`, scaled to the highest of a row."""
    is_log = frame.measure.kind == "odds"
    low, high = frame.ends(null, "value", "observed")
    usual = (math.log(high / low) if is_log else high - low) / EVEN_BARS
    rows = []
    for grouping, level, foot in levels.select("grouping", "level", "foot").rows():
        values = null.filter(grouping=grouping, level=level)["value"].to_numpy()
        width = step or (usual if is_log else _even(usual, values))
        left, counts = histogram(np.log(values) if is_log else values, step=width)
        edges = np.stack([left, left + width])
        start, end = np.exp(edges) if is_log else edges
        top = foot + TALLEST * counts / counts.max()
        rows.append(pl.DataFrame({"from": start, "to": end, "foot": [foot] * len(left), "top": top}))
    return pl.concat(rows)


def _even(step: float, values: NDArray[np.float64]) -> float:
    """Width of about `step` of which every bar holds as many of the values that are possible."""
    gaps = np.diff(np.unique(values.round(9)))
    apart = gaps.min(initial=step)
    return float(math.ceil(step / apart) * apart)


def _description(levels: pl.DataFrame, *, caption: str) -> str:
    """Text for those who do not see the picture."""
    said = [
        f"{row['name']}: observed {row['text']}, by chance {percent(row['least'])} to {percent(row['most'])}."
        for row in levels.iter_rows(named=True)
    ]
    return f"Histograms of the share that chance alone would give ({caption}). {' '.join(said)}"
