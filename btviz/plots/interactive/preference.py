"""Forest plot and null distribution in one chart that answers clicks, for any measure.

Null distributions of any measure, as the lower part of a chart that answers clicks.
"""

from __future__ import annotations

import math

import altair as alt
import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.plots.preference.forest import GROUPING_TITLES, level_name
from btviz.plots.preference.scales import KEY, LABEL_SIZE, SCALES, WIDTH, Frame, Scale, value_channel
from btviz.plots.style.intervals import HEADING, marks, row_chart
from btviz.plots.style.rendering import ConcatChart
from btviz.plots.style.theme import ACCENT, FAINT, MUTED, OTHERS, config, heading, lookup, needed, text_width, titles
from btviz.stats.binning import histogram
from btviz.taxonomy.categories import Taxonomy

FOREST_ROW = 22.0
"""Height of one level."""


_COLUMNS = ("grouping", "level", "n", "prompts", "value", "low", "high", "naive_low", "naive_high", "undefined")


def forest_lab(
    table: pl.DataFrame,
    null: pl.DataFrame,
    *,
    measure: str = "p",
    weighting: str = "comparisons",
    source: str | None = None,
    margin: float = 0.1,
    taxonomy: Taxonomy | None = None,
) -> alt.ConcatChart:
    """Draw a measure by group above what chance alone would give, ready to be clicked.

    Parameters
    ----------
    table : DataFrame
        Rows of the table of `btviz.preference.questions.Answer`.
    null : DataFrame
        From its `null`; may be empty.
    measure : str
        One of `SCALES`.
    weighting : {"comparisons", "prompts"}
        What counts once, for the captions.
    source : str, optional
        Name of the data and stratum for the captions.
    margin : float, default 0.1
        Bound on |2p - 1|, drawn as a band for p and 2p - 1.
    taxonomy : Taxonomy, optional
        Where titles of categories come from; found by the keys if not given.

    Returns
    -------
    alt.ConcatChart
        Rows of the forest plot carry `grouping` and `level`. Parameters `chosen_grouping` and
        `chosen_level`, texts that are empty at first, mark a row.

    Raises
    ------
    UsageError
        If a column is missing, or the table has no rows.
    """
    needed(table, *_COLUMNS, call="measured")
    scale, names = SCALES[measure], _names(table, taxonomy=taxonomy)
    drawn = _drawn(table, names, scale=scale, weighting=weighting)
    left, right = (
        max(text_width(text, size=LABEL_SIZE) for text in texts) for texts in (names.values(), drawn["text"])
    )
    frame = Frame(names, scale, left, max(WIDTH - left - right - 20, 150.0), right)
    caption = " · ".join(part for part in (source, _population(table, weighting=weighting)) if part)
    pictures = [_forest(drawn, frame, caption=caption, margin=margin)]
    if not null.is_empty():
        pictures.append(null_rows(null, frame, caption=caption))
    return ConcatChart(
        concat=pictures,
        columns=1,
        spacing=26,
        params=[alt.VariableParameter(name=name, value="") for name in ("chosen_grouping", "chosen_level")],
        description=_description(drawn, frame, caption=caption),
        config=config(size=LABEL_SIZE),
    )


def _names(table: pl.DataFrame, *, taxonomy: Taxonomy | None) -> dict[str, str]:
    """Label of each row, headings among them, from top to bottom."""
    categories = titles(table.filter(grouping="category")["level"], taxonomy=taxonomy)
    place = pl.col("grouping").replace_strict(
        {name: i for i, name in enumerate(GROUPING_TITLES)}, default=len(GROUPING_TITLES)
    )
    by_value = pl.when(pl.col("grouping") == "category").then(-pl.col("value")).otherwise(0.0)
    names: dict[str, str] = {}
    for grouping, level, key in (
        table.sort(place, by_value, maintain_order=True).select("grouping", "level", KEY).rows()
    ):
        if title := GROUPING_TITLES.get(grouping, grouping):
            names.setdefault(HEADING + grouping, title)
        names[key] = categories[level] if grouping == "category" else level_name(grouping, level=level)
    return names


def _drawn(table: pl.DataFrame, names: dict[str, str], *, scale: Scale, weighting: str) -> pl.DataFrame:
    """One row a level, with what is written beside it and what hovering over it shows."""
    counted = "n" if weighting == "comparisons" else "prompts"

    def text(row: dict[str, float | None]) -> str:
        value = "–" if row["value"] is None else scale.text(row["value"])
        return f"{value} of {row[counted]:,}" if scale.kind == "share" else f"{value} (n = {row[counted]:,})"

    def interval(row: dict[str, float | None]) -> str:
        known = row["low"] is not None and row["high"] is not None
        return f"{scale.text(row['low'] or 0)} to {scale.text(row['high'] or 0)}" if known else "none"

    both = pl.struct("value", "n", "prompts"), pl.struct("low", "high")
    return table.select(
        "grouping",
        "level",
        KEY,
        KEY.replace_strict(names).alias("name"),
        "value",
        "low",
        "high",
        "naive_low",
        "naive_high",
        "n",
        "prompts",
        pl.col("undefined").fill_null("–").alias("mind"),
        (pl.col("low").is_not_null() & pl.col("undefined").is_null()).alias("solid"),
        both[0].map_elements(text, return_dtype=pl.String).alias("text"),
        both[1].map_elements(interval, return_dtype=pl.String).alias("interval"),
    )


def _forest(drawn: pl.DataFrame, frame: Frame, *, caption: str, margin: float) -> alt.LayerChart:
    scale, room = frame.scale, frame.room
    band = scale.per_margin * margin
    reach = pl.DataFrame({"edge": [scale.neutral - band, scale.neutral + band]})
    columns = ["value", "low", "high", "naive_low", "naive_high"]
    ends = scale.ends(pl.concat([drawn, reach], how="diagonal"), *columns, "edge")
    across = scale.axis(ends)
    base = row_chart(drawn, frame.names)
    naive = base.transform_filter("datum.naive_low !== null").mark_rule(stroke=OTHERS, yOffset=0.45 * LABEL_SIZE)
    layers = [
        *_answering(base, frame),
        *_neutral(frame, across, band=band),
        naive.encode(x=alt.X("naive_low:Q", scale=across), x2="naive_high:Q"),
        *marks(base, x=value_channel("value", frame, across=across), scale=across, room=room, size=LABEL_SIZE),
        _clickable(base, frame),
    ]
    grey = "grey: as if comparisons were independent" if drawn["naive_low"].count() else ""
    shaded = f"band: |2p − 1| < {margin:g}" if band else ""
    hollow = "hollow: no interval by prompt, or a doubtful one" if not drawn["solid"].all() else ""
    legend = " · ".join(part for part in ("Blue: 95 % interval by prompt", grey, shaded, hollow) if part)
    title = heading(f"{scale.title} by group: click a row", caption, legend, width=WIDTH, size=LABEL_SIZE)
    return alt.LayerChart(layer=layers, width=room, height=FOREST_ROW * len(frame.names), title=title)


def _neutral(frame: Frame, across: alt.Scale, *, band: float) -> list[alt.Chart]:
    """The margin, if there is one, and the line at the neutral value."""
    at = frame.scale.neutral
    chart = alt.Chart(pl.DataFrame({"from": [at - band], "to": [at + band], "at": [at]}))
    shaded = chart.mark_rect(fill=FAINT).encode(x=alt.X("from:Q", scale=across), x2="to:Q")
    line = chart.mark_rule(stroke=MUTED, strokeDash=[3, 2]).encode(x=alt.X("at:Q", scale=across))
    return [shaded, line] if band else [line]


def _answering(base: alt.Chart, frame: Frame) -> list[alt.Chart]:
    """The ground of the chosen row."""
    chosen = "datum.grouping === chosen_grouping && datum.level === chosen_level"
    return [_across(base.transform_filter(chosen).mark_rect(fill=ACCENT, opacity=0.14), frame)]


def _clickable(base: alt.Chart, frame: Frame) -> alt.Chart:
    """Invisible rows that take clicks and hovering, names and numbers included."""
    row = _across(base.mark_rect(opacity=0, cursor="pointer"), frame)
    says = {"name": "Group", "text": frame.scale.title, "interval": "95 % interval by prompt"}
    tooltips = [alt.Tooltip(f"{field}:N", title=title) for field, title in says.items()]
    counts = [
        alt.Tooltip(f"{field}:Q", title=title, format=",")
        for field, title in (("n", "Comparisons"), ("prompts", "Prompts"))
    ]
    return row.encode(tooltip=[*tooltips, *counts, alt.Tooltip("mind:N", title="Mind")])


def _across(rows: alt.Chart, frame: Frame) -> alt.Chart:
    return rows.encode(x=alt.value(-frame.left - 8), x2=alt.value(frame.room + frame.right + 12))


def _population(table: pl.DataFrame, *, weighting: str) -> str:
    """What was counted, and how many."""
    total = table.filter(grouping="all")
    n, prompts = total.select(pl.col("n", "prompts").first()).row(0) if total.height else (0, 0)
    if weighting == "prompts":
        return f"prompts, each counted once · n = {prompts:,} prompts, with {n:,} comparisons that have both labels"
    return f"comparisons with both labels, each counted once · n = {n:,}, of {prompts:,} prompts"


def _description(drawn: pl.DataFrame, frame: Frame, *, caption: str) -> str:
    """Text for those who do not see the picture."""
    said = [f"{frame.names[key]}: {text}." for key, text in drawn.select("key", "text").rows()]
    return f"Forest plot of {frame.scale.title} by group, and its null distribution ({caption}). {' '.join(said)}"


NULL_ROW = 54.0
"""Height of one level."""


NULL_BARS = 60
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
    return alt.LayerChart(layer=layers, width=room, height=NULL_ROW * levels.height, title=title)


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
    step = (high - low) / NULL_BARS
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
