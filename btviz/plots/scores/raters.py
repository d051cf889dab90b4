"""Moderators and people on the safety of answers: shares called safe, and how often two agree."""

from __future__ import annotations

import altair as alt
import polars as pl

from btviz.errors import UsageError
from btviz.plots.style.captions import heading
from btviz.plots.style.intervals import PERCENT
from btviz.plots.style.rendering import ConcatChart
from btviz.plots.style.rows import Rows, columns_of, label_axis, rows_beside
from btviz.plots.style.theme import (
    ACCENT,
    FAINT,
    GROUPS,
    INK,
    PAPER,
    config,
    needed,
    text_width,
)

HEIGHT = 120.0
PAIR_ROW = 13.0
EVERYTHING = "all answers"


def moderators(table: pl.DataFrame, *, source: str | None = None, width: str | float = "double") -> alt.ConcatChart:
    """Draw what Figure 5 of the BeaverTails paper shows: safe shares, and pairwise agreement.

    Parameters
    ----------
    table : DataFrame
        From `btviz.scores.raters.moderator_agreement`.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.

    Returns
    -------
    alt.ConcatChart
        Bars: share that each rater calls safe, by answering model. Below, for every two raters:
        agreement as a dot with its 95 % interval by prompt, Cohen's kappa as an open diamond and
        Gwet's AC1 as a cross, so that a kappa near 0 at an agreement near 1 is seen for what it is.

    Raises
    ------
    UsageError
        If a column is missing, or there are more raters than colours.
    """
    columns = ("group", "first", "second", "n", "safe_first", "safe_second", "agreement", "kappa", "ac1", "low", "high")
    needed(table, *columns, call="moderator_agreement")
    known = table.with_columns(pl.col("group").fill_null(EVERYTHING)).drop_nulls("agreement")
    shares = _shares(known)
    raters = shares["rater"].unique(maintain_order=True).to_list()
    if len(raters) > len(GROUPS):
        raise UsageError(
            f"A picture tells at most {len(GROUPS)} raters apart; this table has {len(raters)}. "
            "Choose some by `raters`."
        )
    names = [f"{first} – {second}, {group}" for first, second, group in known.select("first", "second", "group").rows()]
    rows = rows_beside({name: name for name in names}, texts=[""], width=width)
    fewest, most = int(known["n"].min()), int(known["n"].max())  # type: ignore[arg-type]  # integers
    n = f"n = {most:,}" if fewest == most else f"n = {fewest:,} to {most:,}"
    caption = " · ".join(part for part in (source, "pairs that both raters judged", n) if part)
    notes = "Dot: agreement, with its 95 % interval by prompt · diamond: Cohen's kappa · cross: Gwet's AC1"
    paradox = known["note"].drop_nulls().len() if "note" in known.columns else 0
    warning = f"Prevalence paradox in {paradox} of {known.height} rows: kappa says little there" if paradox else ""
    return ConcatChart(
        concat=[_bars(shares, raters, room=rows.room), _agreement(known, names, rows)],
        columns=1,
        spacing=18,
        title=heading(
            "Do moderators and people agree?", caption, notes, _limits(known), _together(known), warning, width=width
        ),
        description=_description(known, caption),
        config=config(),
    )


def _together(known: pl.DataFrame) -> str:
    """Agreement of all raters as one figure, over all answers, where the table has it."""
    if "joint_alpha" not in known.columns:
        return ""
    rows = known.filter(pl.col("group") == EVERYTHING).drop_nulls("joint_alpha").head(1).to_dicts()
    return "".join(
        f"{'Both' if row['joint_raters'] == 2 else 'All ' + str(row['joint_raters'])} raters: "
        f"Krippendorff's alpha {row['joint_alpha']:.2f}"
        + (f" ({row['joint_low']:.2f} to {row['joint_high']:.2f})" if row["joint_low"] is not None else "")
        + f", n = {row['joint_n']:,}"
        for row in rows
    )


def _limits(known: pl.DataFrame) -> str:
    """Score above which each model calls an answer unsafe, where the table says it."""
    if not {"threshold_first", "threshold_second"} <= set(known.columns):
        return ""
    sides = [known.select(pl.col(side), limit=f"threshold_{side}").rows() for side in ("first", "second")]
    limits = {rater: limit for side in sides for rater, limit in side if limit is not None}
    return f"Unsafe above: {', '.join(f'{rater} {limit:g}' for rater, limit in limits.items())}" if limits else ""


def _shares(known: pl.DataFrame) -> pl.DataFrame:
    """Share that each rater calls safe in each group; of several pairings the largest."""
    sides = [
        known.select("group", pl.col(side).alias("rater"), pl.col(f"safe_{side}").alias("safe"), "n")
        for side in ("first", "second")
    ]
    groups, raters = (list(dict.fromkeys(pl.concat(sides)[name])) for name in ("group", "rater"))
    largest = pl.concat(sides).sort("n", descending=True, maintain_order=True)
    return largest.unique(["group", "rater"], keep="first", maintain_order=True).sort(
        pl.col("group").replace_strict({name: place for place, name in enumerate(groups)}),
        pl.col("rater").replace_strict({name: place for place, name in enumerate(raters)}),
    )


def _bars(shares: pl.DataFrame, raters: list[str], *, room: float) -> alt.Chart:
    groups = shares["group"].unique(maintain_order=True).to_list()
    angle = 0 if max(map(text_width, groups)) + 4 <= room / len(groups) else -45
    axis = alt.Axis(values=[0, 0.25, 0.5, 0.75, 1], labelExpr=PERCENT, grid=True, gridColor=FAINT)
    colours = alt.Scale(domain=raters, range=list(GROUPS[: len(raters)]))
    legend = alt.Legend(title=None, orient="top", symbolType="square", columns=columns_of(raters, room=room), offset=2)
    chart: alt.Chart = (
        alt.Chart(shares.select("group", "rater", "safe"))
        .mark_bar()
        .encode(
            x=alt.X("group:N", scale=alt.Scale(domain=groups), title=None, axis=alt.Axis(labelAngle=angle)),
            xOffset=alt.XOffset("rater:N", scale=alt.Scale(domain=raters)),
            y=alt.Y("safe:Q", scale=alt.Scale(domain=[0, 1]), axis=axis, title="Share called safe"),
            fill=alt.Fill("rater:N", scale=colours, legend=legend),
        )
        .properties(width=room, height=HEIGHT)
    )
    return chart


def _agreement(known: pl.DataFrame, names: list[str], rows: Rows) -> alt.LayerChart:
    drawn = known.select(pl.Series("name", names), "agreement", "kappa", "ac1", "low", "high")
    ends = [float(value) for column in ("kappa", "low") for value in drawn[column].drop_nulls()]
    floor = min(0.0, *ends) if ends else 0.0
    scale = alt.Scale(domain=[floor - 0.02, 1.02], nice=False)
    labels = label_axis(rows.names)
    base = alt.Chart(drawn).encode(y=alt.Y("name:N", scale=alt.Scale(domain=names), title=None, axis=labels))
    axis = alt.Axis(grid=True, gridColor=FAINT, tickCount=6 if rows.room > 150 else 3, labelFlush=False)
    x = alt.X("agreement:Q", scale=scale, axis=axis, title="Agreement, kappa, AC1")
    marks = {"kappa": ("diamond", PAPER, 54), "ac1": ("cross", INK, 14)}
    points_of = [
        base.transform_filter(f"datum.{column} !== null")
        .mark_point(shape=shape, size=size, stroke=INK, fill=fill, strokeWidth=1, opacity=1)
        .encode(x=alt.X(f"{column}:Q", scale=scale))
        for column, (shape, fill, size) in marks.items()
    ]
    interval = base.transform_filter("datum.low !== null").mark_rule(stroke=ACCENT, strokeWidth=1.8)
    return alt.LayerChart(
        layer=[
            interval.encode(x=alt.X("low:Q", scale=scale), x2=alt.X2("high:Q")),
            base.mark_point(size=28, fill=ACCENT, stroke=ACCENT, opacity=1).encode(x=x),
            *points_of,
        ],
        width=rows.room,
        height=max(PAIR_ROW, rows.height(1.0)) * len(names),
    )


def _description(known: pl.DataFrame, caption: str) -> str:
    """Text for those who do not see the picture: agreement over all answers, else that of each group."""
    overall = known.filter(pl.col("group") == EVERYTHING)
    rows = (overall if overall.height else known).select("first", "second", "agreement", "kappa").rows()
    said = [
        f"{first} and {second} agree on {100 * share:.1f} %, kappa {'undefined' if kappa is None else f'{kappa:.2f}'}."
        for first, second, share, kappa in rows
    ]
    together = _together(known)
    return " ".join(
        [
            f"Safe shares by rater and agreement of every two raters ({caption}).",
            *said,
            *([together] if together else []),
        ]
    )
