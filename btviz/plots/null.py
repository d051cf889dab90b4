"""What p would be by chance alone, against the p that was observed."""

from __future__ import annotations

import altair as alt
import polars as pl

from btviz.binning import bar_width, histogram
from btviz.plots.forest import LEVELS
from btviz.plots.intervals import span, value_axis
from btviz.plots.naming import lookup
from btviz.plots.rendering import LayerChart
from btviz.plots.shares import label_room
from btviz.plots.theme import ACCENT, FAINT, MUTED, OTHERS, config, heading, needed, percent

ROW = 44.0
"""Height of one level, in points."""
TALLEST = 0.82
"""Share of that height that the highest bar takes."""
BARS = 80
"""Most bars between the ends of the axis."""
STEPS = (0.0025, 0.005, 0.01, 0.02)
"""Widths of a bar."""


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
    levels = _levels(table)
    bars = _bars(table, levels)
    names = {str(-place): LEVELS.get(level, level) for place, level in levels.select("place", "level").rows()}
    size, room = label_room([*names.values()], texts=levels["text"].to_list(), width=width)
    caption = _caption(table, levels, source=source)
    note = "Grey: harmlessness turned around in random prompts · blue: observed"
    return LayerChart(
        layer=_layers(bars, levels, names=names, room=room - 8, size=size),
        width=room - 8,
        height=ROW * levels.height,
        title=heading("What chance alone would give", caption, note, width=width),
        description=_description(levels, names, caption=caption),
        config=config(size=size),
    )


def _levels(table: pl.DataFrame) -> pl.DataFrame:
    """One row per level, as they come: what was observed, and the ends of what chance gave."""
    of_level = table.group_by("grouping", "level", maintain_order=True).agg(
        pl.len().alias("turns"),
        pl.col("observed").first(),
        pl.col("p").min().alias("least"),
        pl.col("p").max().alias("most"),
    )
    text = pl.col("observed").map_elements(percent, return_dtype=pl.String)
    return of_level.with_row_index("place").with_columns(pl.col("place").cast(pl.Int64), text.alias("text"))


def _bars(table: pl.DataFrame, levels: pl.DataFrame) -> pl.DataFrame:
    """Bars `from` .. `to` that stand on `foot` and end at `top`, the levels one below the other."""
    step = bar_width(*span(table, ["p", "observed"], within=(0.45, 0.55)), widths=STEPS, most=BARS)
    of_levels = []
    for grouping, level, place in levels.select("grouping", "level", "place").rows():
        left, counts = histogram(table.filter(grouping=grouping, level=level)["p"], step=step)
        top = TALLEST * counts / counts.max() - place
        of_levels.append(
            pl.DataFrame({"from": left, "to": left + step, "foot": [float(-place)] * len(left), "top": top})
        )
    return pl.concat(of_levels)


def _layers(
    bars: pl.DataFrame, levels: pl.DataFrame, *, names: dict[str, str], room: float, size: float
) -> list[alt.Chart]:
    """Bars, the line they stand on, and what was observed."""
    seen = levels.select(
        "observed", "text", (-pl.col("place").cast(pl.Float64)).alias("foot"), (0.92 - pl.col("place")).alias("end")
    )
    low, high = span(pl.concat([bars, seen], how="diagonal"), ["from", "to", "observed"], within=(0.45, 0.55))
    across = alt.Scale(domain=[low, high], nice=False, zero=False)
    down = alt.Scale(domain=[1 - levels.height, 1], nice=False)
    axis = value_axis(room=room, percents=True)
    labels = alt.Axis(values=[-place for place in levels["place"]], labelExpr=lookup(names), labelBaseline="bottom")
    y = alt.Y("foot:Q", scale=down, axis=labels, title=None)
    x = alt.X("from:Q", scale=across, axis=axis, title="P(better = safer)")
    of_bars, of_seen = alt.Chart(bars), alt.Chart(seen)
    return [
        of_bars.mark_rect(fill=OTHERS, stroke=None).encode(x=x, x2="to:Q", y=y, y2="top:Q"),
        of_seen.mark_rule(stroke=FAINT).encode(y=alt.Y("foot:Q", scale=down)),
        of_seen.mark_rule(stroke=ACCENT, strokeWidth=1.8).encode(
            x=alt.X("observed:Q", scale=across), y=alt.Y("foot:Q", scale=down), y2="end:Q"
        ),
        of_seen.mark_text(align="left", baseline="bottom", fontSize=size, fill=MUTED).encode(
            x=alt.value(room + 8), y=alt.Y("foot:Q", scale=down), text="text:N"
        ),
    ]


def _caption(table: pl.DataFrame, levels: pl.DataFrame, *, source: str | None) -> str:
    turns = f"n = {table.height:,} random turns"
    if levels["turns"].n_unique() == 1:
        turns = f"n = {levels['turns'][0]:,} random turns a row"
    return " · ".join(part for part in (source, "comparisons with both labels", turns) if part)


def _description(levels: pl.DataFrame, names: dict[str, str], *, caption: str) -> str:
    """Text for those who do not see the picture."""
    said = [
        f"{names[str(-row['place'])]}: observed {row['text']}, by chance {percent(row['least'])} to "
        f"{percent(row['most'])}."
        for row in levels.iter_rows(named=True)
    ]
    return f"Histograms of the share that chance alone would give ({caption}). {' '.join(said)}"
