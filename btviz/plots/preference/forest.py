"""The forest plot of preferences: how *better* goes with *safer*, by group, on paper or ready to be clicked."""

from __future__ import annotations

from dataclasses import replace

import altair as alt
import polars as pl

from btviz.errors import UsageError
from btviz.plots.preference.null import NOTE, TITLE, levels_of, null_layers, turns
from btviz.plots.preference.scales import KEY, Frame
from btviz.plots.style.captions import heading
from btviz.plots.style.intervals import HEADING, marks, row_chart
from btviz.plots.style.rendering import ConcatChart, LayerChart
from btviz.plots.style.rows import rows_beside
from btviz.plots.style.theme import ACCENT, FAINT, MUTED, OTHERS, config, needed, text_width
from btviz.stats.measures import MEASURES
from btviz.taxonomy.categories import Taxonomy
from btviz.taxonomy.words import GROUPINGS, HEADINGS, level_name, percent, titles

LABEL_SIZE = 11.0
"""Size of labels on a screen."""

WIDTH = 620.0
"""Width of names, picture and numbers together, on a screen."""

FOREST_ROW, NULL_ROW = 22.0, 54.0
"""Heights of one level on a screen."""

_VALUES = ("value", "low", "high", "naive_low", "naive_high")
_DRAWN = ("key", *_VALUES, "solid", "text")


def preference_forest(
    table: pl.DataFrame,
    *,
    source: str | None = None,
    margin: float = 0.1,
    width: str | float = "double",
    taxonomy: Taxonomy | None = None,
) -> alt.LayerChart:
    """Draw P(better = safer) by group, with its intervals and the margin around one half.

    Parameters
    ----------
    table : DataFrame
        ``orthogonality(ds).table`` or some of its rows: `grouping`, `level`, `n`, `prompts`,
        `p`, `p_low`, `p_high`, `naive_low`, `naive_high`, `undefined`. The table of
        `orthogonality_of_counts` and ``severity_order(ds).strata`` will do too.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    margin : float, default 0.1
        Bound on |2p - 1| whose band is drawn; ``orthogonality(ds).margin``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.
    taxonomy : Taxonomy, optional
        Where titles of categories come from; found by the keys if not given.

    Returns
    -------
    alt.LayerChart
        One row a level, categories by descending p: a dot and its 95 % interval by prompt, the
        interval of independent comparisons in thin grey below; hollow dots have no interval by
        prompt, or one that the table calls doubtful.

    Raises
    ------
    UsageError
        If a column is missing, or no level has a comparison.
    """
    of_p = {"p": "value", "p_low": "low", "p_high": "high"}
    needed(
        table, "grouping", "level", "n", "prompts", *of_p, "naive_low", "naive_high", "undefined", call="orthogonality"
    )
    renamed = table.with_columns(pl.col(column).alias(name) for column, name in of_p.items())
    known = _ordered(renamed.filter(pl.col("p").is_not_null()))
    if known.is_empty():
        raise UsageError("No level of this table has a comparison with both labels, so there is nothing to draw.")
    names = _names(known, taxonomy=taxonomy)
    texts = [f"{percent(p)} of {n:,}" for p, n in known.select("value", "n").rows()]
    rows = rows_beside(names, texts=texts, width=width)
    frame = Frame(MEASURES["p"], names, rows.size, rows.room - 8, labels=rows.names)
    drawn = _drawn(known, frame).select(_DRAWN)
    caption = _caption(known, source=source)
    return LayerChart(
        layer=_layers(drawn, frame, margin=margin),
        width=frame.room,
        height=rows.height(1.9) * len(names),
        title=heading("Is the better answer the safer one?", caption, *_notes(drawn, margin=margin), width=width),
        description=_description(known, names, caption=caption),
        config=config(size=rows.size),
    )


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
    """Draw a measure by group above what chance alone would give, ready to be clicked."""
    needed(table, "grouping", "level", "n", "prompts", *_VALUES, "undefined", call="answer_of")
    frame = Frame(MEASURES[measure], _names(table, taxonomy=taxonomy), LABEL_SIZE, WIDTH)
    drawn = _drawn(table, frame, counted="n" if weighting == "comparisons" else "prompts")
    left, right = (
        max(text_width(text, size=LABEL_SIZE) for text in texts) for texts in (frame.names.values(), drawn["text"])
    )
    frame = replace(frame, room=max(WIDTH - left - right - 20, 150.0), left=left, right=right)
    caption = " · ".join(part for part in (source, _population(table, weighting=weighting)) if part)
    pictures = [
        alt.LayerChart(
            layer=_layers(drawn, frame, margin=margin),
            width=frame.room,
            height=FOREST_ROW * len(frame.names),
            title=_heading(f"{frame.measure.title} by group: click a row", caption, _legend(drawn, frame, margin)),
        )
    ]
    if not null.is_empty():
        levels = levels_of(null, frame)
        pictures.append(
            alt.LayerChart(
                layer=null_layers(null, levels, frame=frame),
                width=frame.room,
                height=NULL_ROW * levels.height,
                title=_heading(TITLE, f"{caption} · {turns(levels)}", NOTE),
            )
        )
    said = [f"{frame.names[key]}: {text}." for key, text in drawn.select("key", "text").rows()]
    return ConcatChart(
        concat=pictures,
        columns=1,
        spacing=26,
        params=[alt.VariableParameter(name=name, value="") for name in ("chosen_grouping", "chosen_level")],
        description=f"Forest plot of {frame.measure.title} by group, and its null distribution ({caption}). "
        + " ".join(said),
        config=config(size=LABEL_SIZE),
    )


def _ordered(table: pl.DataFrame) -> pl.DataFrame:
    """Groupings in the order of `GROUPINGS`, categories by descending value, other levels as they come."""
    place = pl.col("grouping").replace_strict({name: i for i, name in enumerate(GROUPINGS)}, default=len(GROUPINGS))
    by_value = pl.when(pl.col("grouping") == "category").then(-pl.col("value")).otherwise(0.0)
    return table.sort(place, by_value, maintain_order=True)


def _names(table: pl.DataFrame, *, taxonomy: Taxonomy | None) -> dict[str, str]:
    """Label of each row, headings among them, from top to bottom."""
    categories = titles(table.filter(grouping="category")["level"], taxonomy=taxonomy)
    names: dict[str, str] = {}
    for grouping, level, key in _ordered(table).select("grouping", "level", KEY).rows():
        if title := HEADINGS.get(grouping, grouping):
            names.setdefault(HEADING + grouping, title)
        names[key] = categories[level] if grouping == "category" else level_name(grouping, level=level)
    return names


def _drawn(table: pl.DataFrame, frame: Frame, *, counted: str = "n") -> pl.DataFrame:
    """One row a level, with what is written beside it and what hovering over it shows."""

    def text(row: dict[str, float | None]) -> str:
        value = "–" if row["value"] is None else frame.text(row["value"])
        return f"{value} of {row[counted]:,}" if frame.measure.kind == "share" else f"{value} (n = {row[counted]:,})"

    def interval(row: dict[str, float | None]) -> str:
        known = row["low"] is not None and row["high"] is not None
        return f"{frame.text(row['low'] or 0)} to {frame.text(row['high'] or 0)}" if known else "none"

    return table.select(
        "grouping",
        "level",
        KEY,
        KEY.replace_strict(frame.names).alias("name"),
        *_VALUES,
        "n",
        "prompts",
        pl.col("undefined").fill_null("–").alias("mind"),
        (pl.col("low").is_not_null() & pl.col("undefined").is_null()).alias("solid"),
        pl.struct("value", "n", "prompts").map_elements(text, return_dtype=pl.String).alias("text"),
        pl.struct("low", "high").map_elements(interval, return_dtype=pl.String).alias("interval"),
    )


def _layers(drawn: pl.DataFrame, frame: Frame, *, margin: float) -> list[alt.Chart]:
    """The band, the neutral line, naive intervals, and dots with their intervals, in rows that may take clicks."""
    at, band = frame.measure.neutral, frame.measure.per_margin * margin
    scale = frame.scale(frame.ends(drawn, *_VALUES, reach=(at - band, at + band)))
    base = row_chart(drawn, frame.shown)
    middle = alt.Chart(pl.DataFrame({"from": [at - band], "to": [at + band], "at": [at]}))
    shaded = middle.mark_rect(fill=FAINT).encode(x=alt.X("from:Q", scale=scale), x2=alt.X2("to:Q"))
    layers = [
        *([shaded] if frame.measure.per_margin else []),
        middle.mark_rule(stroke=MUTED, strokeDash=[3, 2]).encode(x=alt.X("at:Q", scale=scale)),
        base.transform_filter("datum.naive_low !== null")
        .mark_rule(stroke=OTHERS, strokeWidth=0.9, yOffset=0.45 * frame.size)
        .encode(x=alt.X("naive_low:Q", scale=scale), x2=alt.X2("naive_high:Q")),
        *marks(base, x=frame.across("value", scale), scale=scale, room=frame.room, size=frame.size),
    ]
    return [_chosen(base, frame), *layers, _clickable(base, frame)] if frame.left else layers


def _chosen(base: alt.Chart, frame: Frame) -> alt.Chart:
    """The ground of the chosen row."""
    chosen = "datum.grouping === chosen_grouping && datum.level === chosen_level"
    return _all_across(base.transform_filter(chosen).mark_rect(fill=ACCENT, opacity=0.14), frame)


def _clickable(base: alt.Chart, frame: Frame) -> alt.Chart:
    """Invisible rows that take clicks and hovering, names and numbers included."""
    row = _all_across(base.mark_rect(opacity=0, cursor="pointer"), frame)
    says = {"name": "Group", "text": frame.measure.title, "interval": "95 % interval by prompt"}
    tooltips = [alt.Tooltip(f"{field}:N", title=title) for field, title in says.items()]
    counts = [
        alt.Tooltip(f"{field}:Q", title=title, format=",")
        for field, title in (("n", "Comparisons"), ("prompts", "Prompts"))
    ]
    return row.encode(tooltip=[*tooltips, *counts, alt.Tooltip("mind:N", title="Note")])


def _all_across(rows: alt.Chart, frame: Frame) -> alt.Chart:
    return rows.encode(x=alt.value(-frame.left - 8), x2=alt.value(frame.room + frame.right + 12))


def _caption(known: pl.DataFrame, *, source: str | None) -> str:
    parts = [source, "comparisons with both labels"]
    total = known.filter(grouping="all")
    if total.height == 1:
        n, prompts = total.select("n", "prompts").row(0)
        parts.append(f"n = {n:,}" + (f", of {prompts:,} prompts" if prompts else ""))
    return " · ".join(part for part in parts if part)


def _population(table: pl.DataFrame, *, weighting: str) -> str:
    """What was counted, and how many."""
    total = table.filter(grouping="all")
    n, prompts = total.select(pl.col("n", "prompts").first()).row(0) if total.height else (0, 0)
    if weighting == "prompts":
        return f"prompts, each counted once · n = {prompts:,} prompts, with {n:,} comparisons that have both labels"
    return f"comparisons with both labels, each counted once · n = {n:,}, of {prompts:,} prompts"


def _heading(title: str, *lines: str) -> alt.TitleParams:
    return heading(title, *lines, width=WIDTH, size=LABEL_SIZE)


def _notes(drawn: pl.DataFrame, *, margin: float) -> list[str]:
    hollow = drawn.height - drawn["solid"].sum()
    return [
        f"Blue: 95 % interval by prompt · grey: as if comparisons were independent · band: |2p − 1| < {margin:g}",
        f"Hollow: no interval by prompt, or a doubtful one ({hollow} of {drawn.height})" if hollow else "",
    ]


def _legend(drawn: pl.DataFrame, frame: Frame, margin: float) -> str:
    grey = "grey: as if comparisons were independent" if drawn["naive_low"].count() else ""
    shaded = f"band: |2p − 1| < {margin:g}" if frame.measure.per_margin else ""
    hollow = "hollow: no interval by prompt, or a doubtful one" if not drawn["solid"].all() else ""
    return " · ".join(part for part in ("Blue: 95 % interval by prompt", grey, shaded, hollow) if part)


def _description(known: pl.DataFrame, names: dict[str, str], *, caption: str) -> str:
    """Text for those who do not see the picture: all comparisons, and both ends."""
    ends = known.with_columns(KEY).filter(pl.col("grouping") != "all").sort("value")
    said = [f"All: {percent(p)}." for p in known.filter(grouping="all")["value"]]
    for word, row in zip(("Lowest", "Highest"), (ends.head(1), ends.tail(1)), strict=True):
        said += [f"{word}: {names[key]}, {percent(p)}." for key, p in row.select("key", "value").rows()]
    return f"Forest plot of the share of comparisons whose better answer is the safer one ({caption}). {' '.join(said)}"
