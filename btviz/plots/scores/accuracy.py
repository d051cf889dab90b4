"""How well scores tell harm: ROC curves, probabilities against what is so, and categories that were never shown."""

from __future__ import annotations

from typing import Any

import altair as alt
import numpy as np
import polars as pl

from btviz.errors import UsageError
from btviz.plots.scores.distributions import DASHES, NO_BOUNDARY, note_of_boundaries, parts_at_zero
from btviz.plots.style.captions import heading
from btviz.plots.style.intervals import PERCENT
from btviz.plots.style.rendering import ConcatChart, LayerChart
from btviz.plots.style.rows import NARROW, folding
from btviz.plots.style.theme import (
    ACCENT,
    FAINT,
    GROUPS,
    MUTED,
    PADDING,
    PAPER,
    TEXT_SIZE,
    config,
    needed,
    points,
    text_width,
)
from btviz.taxonomy.categories import Taxonomy
from btviz.taxonomy.words import percent, titles

_SHARES: Any = {"values": [0, 0.25, 0.5, 0.75, 1], "labelExpr": PERCENT, "grid": True, "gridColor": FAINT}
"""Axis from 0 to 100 %."""

LARGEST = 230.0
"""Longest side of a ROC plot, in points."""

HEIGHT = 150.0
MEANINGS = {"reward": "Margin of response 1 over response 0", "cost": "Cost"}
OUTCOMES = {"reward": "response 1 is better", "cost": "the answer is unsafe"}


def roc(
    table: pl.DataFrame, metrics: pl.DataFrame, *, source: str | None = None, width: str | float = "double"
) -> alt.LayerChart:
    """Draw how well each score tells unsafe answers from safe ones.

    Parameters
    ----------
    table : DataFrame
        From `btviz.scores.metrics.roc_curve`.
    metrics : DataFrame
        From `score_metrics`: the AUC over all answers, with its interval, stands in the legend.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper that may be filled, or points.

    Returns
    -------
    alt.LayerChart
        One curve a model and a dashed diagonal; a point of each cost model marks cost 0, where that parts safe from
        harmful.

    Raises
    ------
    UsageError
        If a column is missing, or no model has a curve.
    """
    needed(table, "model", "kind", "threshold", "false_positive_rate", "true_positive_rate", call="roc_curve")
    needed(metrics, "model", "kind", "metric", "grouping", "estimate", "low", "high", call="score_metrics")
    names = _names(table, metrics)
    drawn = table.select(
        pl.struct("model", "kind").map_elements(lambda row: names[row["model"], row["kind"]], return_dtype=pl.String)
        .alias("name"),
        pl.col("false_positive_rate").alias("false"),
        pl.col("true_positive_rate").alias("true"),
        "threshold",
        parts_at_zero(table).alias("parts_at_zero"),
    )  # fmt: skip
    side = min(LARGEST, points(width) - 2 * PADDING - 40)
    colours = alt.Scale(domain=list(names.values()), range=list(GROUPS[: len(names)]))
    colour, dash = _told_apart(colours, [*names.values()], room=side)
    axis = alt.Axis(**_SHARES)
    x = alt.X("false:Q", scale=alt.Scale(domain=[0, 1]), axis=axis, title="Safe answers called unsafe")
    y = alt.Y("true:Q", scale=alt.Scale(domain=[0, 1]), axis=axis, title="Unsafe answers called unsafe")
    diagonal = alt.Chart(pl.DataFrame({"false": [0.0, 1.0], "true": [0.0, 1.0]}))
    zero = alt.Chart(_at_zero(drawn)).mark_point(size=34, fill=PAPER, opacity=1, strokeWidth=1.4)
    n = table.select("n", "support", "prompts").row(0, named=True)
    counts = f"pairs, n = {n['n']:,}, of which {n['support']:,} unsafe, of {n['prompts']:,} prompts"
    caption = " · ".join(part for part in (source, counts) if part)
    return LayerChart(
        layer=[
            diagonal.mark_line(stroke=MUTED, strokeDash=[3, 2], strokeWidth=0.8).encode(x=x, y=y),
            alt.Chart(drawn.select("name", "false", "true"))
            .mark_line(strokeWidth=1.5)
            .encode(x=x, y=y, color=colour, strokeDash=dash, order=alt.Order("false:Q")),
            zero.encode(x=x, y=y, stroke=alt.Stroke("name:N", scale=colours, legend=None)),
        ],
        width=side,
        height=side,
        title=heading(
            "Do scores tell unsafe answers from safe ones?",
            caption,
            " · ".join(part for part in (_circle(drawn), note_of_boundaries(table)) if part),
            width=width,
        ),
        description=f"ROC curves ({caption}). {'. '.join(names.values())}.",
        config=config(),
    )


def _told_apart(colours: alt.Scale, names: list[str], *, room: float) -> tuple[alt.Color, alt.StrokeDash]:
    """Colour and dashes of curves by name, which share one legend."""
    legend = alt.Legend(
        title=None,
        orient="bottom",
        symbolType="stroke",
        symbolSize=200,
        columns=1,
        offset=4,
        labelExpr=folding(names, room=room),
    )
    dashes = alt.Scale(domain=names, range=[list(dash) for dash in DASHES[: len(names)]])
    colour = alt.Color("name:N", scale=colours, legend=legend)
    return colour, alt.StrokeDash("name:N", scale=dashes, legend=legend)


def _names(table: pl.DataFrame, metrics: pl.DataFrame) -> dict[tuple[str, str], str]:
    names = {}
    for model, kind in table.select("model", "kind").unique(maintain_order=True).rows():
        auc_rows = metrics.filter(model=model, kind=kind, metric="auc", grouping="all")
        row = auc_rows.row(0, named=True) if auc_rows.height else {"estimate": None, "low": None, "high": None}
        auc = "undefined" if row["estimate"] is None else f"{row['estimate']:.3f}"
        ends = "" if row["low"] is None else f" [{row['low']:.3f}, {row['high']:.3f}]"
        names[model, kind] = f"{model} ({kind}): AUC {auc}{ends}"
    return names


def _at_zero(drawn: pl.DataFrame) -> pl.DataFrame:
    """The corner of each cost model's curve at the lowest threshold that is above 0."""
    above = drawn.filter("parts_at_zero", pl.col("threshold") > 0)
    return above.sort("threshold").unique("name", keep="first", maintain_order=True).select("name", "false", "true")


def _circle(drawn: pl.DataFrame) -> str:
    return "Circle: cost above 0 is called unsafe" if _at_zero(drawn).height else ""


NO_PROBABILITY = "No grey line: scores by {models} are no log-odds"


def calibration(table: pl.DataFrame, *, source: str | None = None, width: str | float = "double") -> alt.ConcatChart:
    """Draw the share of better or unsafe answers against what the score says it is.

    Parameters
    ----------
    table : DataFrame
        From `btviz.scores.metrics.reliability_curve`.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.

    Returns
    -------
    alt.ConcatChart
        A panel for each model: dots with 95 % intervals by prompt in bins of equally many
        items, hollow without one; the grey line is 1 / (1 + exp(-score)), left out of a cost that may have its
        boundary elsewhere than at 0, and of scores that are known to be no log-odds.

    Raises
    ------
    UsageError
        If a column is missing.
    """
    needed(table, "model", "kind", "score", "expected", "estimate", "low", "high", "n", call="reliability_curve")
    models = [part for _, part in table.group_by("model", "kind", maintain_order=True)]
    models.sort(key=lambda part: part["kind"][0] != "reward")
    across = min(2, len(models))
    if (points(width) - 2 * PADDING - 2 * 44 - 20) / 2 < NARROW:
        across = 1
    room = (points(width) - 2 * PADDING - across * 44 - (across - 1) * 20) / across
    unknown = _models_without(models, "no_boundary")
    others = _models_without(models, "no_probability")
    note = "Dots: bins of equally many items, with 95 % intervals by prompt"
    note += " · grey: 1 / (1 + exp(−score))" if any(part["expected"].count() for part in models) else ""
    note += f" · {NO_BOUNDARY.format(models=', '.join(unknown))}" if unknown else ""
    note += f" · {NO_PROBABILITY.format(models=', '.join(others))}" if others else ""
    return ConcatChart(
        concat=[_reliability(part, room=room) for part in models],
        columns=across,
        spacing=20,
        title=heading("Do scores mean the probabilities they stand for?", source or "", note, width=width),
        description=_said(models),
        config=config(),
    )


def _models_without(models: list[pl.DataFrame], column: str) -> list[str]:
    """Models whose table says in a column why they lack what it is named after."""
    return sorted({part["model"][0] for part in models if column in part.columns and part[column].count()})


def _reliability(part: pl.DataFrame, *, room: float) -> alt.LayerChart:
    kind, n = part["kind"][0], int(part["n"].sum())
    drawn = part.select("score", "estimate", "low", "high", pl.col("low").is_not_null().alias("solid"))
    low, high = float(part["score"].min()), float(part["score"].max())  # type: ignore[arg-type]  # numbers
    pad = 0.06 * (high - low or 1)
    at = np.linspace(low - pad, high + pad, 61) if part["expected"].count() else np.zeros(0)
    curve = alt.Chart(pl.DataFrame({"score": at, "p": 1 / (1 + np.exp(-np.clip(at, -60, 60)))}))
    scale = alt.Scale(domain=[low - pad, high + pad], nice=False, zero=False)
    x = alt.X("score:Q", scale=scale, axis=alt.Axis(tickCount=5, labelFlush=False), title=MEANINGS[kind])
    axis = alt.Axis(**_SHARES)
    y = alt.Y("estimate:Q", scale=alt.Scale(domain=[0, 1]), axis=axis, title=f"Share: {OUTCOMES[kind]}")
    base = alt.Chart(drawn)
    fill = alt.when("datum.solid").then(alt.value(ACCENT)).otherwise(alt.value(PAPER))
    unit = {"comparison": "comparisons", "pair": "pairs"}.get(part["unit"][0], part["unit"][0])
    return alt.LayerChart(
        layer=[
            curve.mark_line(stroke=MUTED, strokeWidth=1).encode(x=x, y=alt.Y("p:Q")),
            base.mark_rule(stroke=ACCENT, strokeWidth=1.4).encode(x=x, y=alt.Y("low:Q"), y2=alt.Y2("high:Q")),
            base.mark_point(size=26, opacity=1, stroke=ACCENT, strokeWidth=1.2).encode(x=x, y=y, fill=fill),
        ],
        width=room,
        height=HEIGHT,
        title=alt.TitleParams(
            text=part["model"][0],
            subtitle=f"{unit}, n = {n:,}",
            fontSize=TEXT_SIZE,
            offset=4,
            frame="group",
            anchor="start",
        ),
    )


def _said(models: list[pl.DataFrame]) -> str:
    parts = []
    for part in models:
        gaps = (part["estimate"] - part["expected"]).abs().drop_nulls().to_list()
        said = f"at most {100 * max(gaps):.0f} points from what it says" if gaps else "what it says is not known"
        parts.append(f"{part['model'][0]}: {said}.")
    return f"Shares in bins of the score against the score. {' '.join(parts)}"


TRAININGS = {"all": "every category was shown", "without": "none of this category was shown"}
METRICS = {"recall": "Unsafe answers of it above cost 0", "false_positive_rate": "Safe answers above cost 0"}
NOTE = "Lines: 95 % intervals by prompt; none where there are too few prompts"
ROW = 22.0
GAP = 24.0

NARROWEST = 70.0
"""Width of a panel, in points, in which its axis can still be read."""

APART = 4.5
"""From a category's middle to its two dots, in points."""


def left_out(
    table: pl.DataFrame,
    *,
    source: str | None = None,
    width: str | float = "double",
    taxonomy: Taxonomy | None = None,
) -> alt.ConcatChart:
    """Draw how well each category is recognised when it was left out of training, and at what price.

    Parameters
    ----------
    table : DataFrame
        From `leave_one_category_out`.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.
    taxonomy : Taxonomy, optional
        Where titles come from; found by the keys if not given.

    Returns
    -------
    alt.ConcatChart
        Left, share of a category's unsafe answers that are recognised; right, share of safe answers
        called unsafe. Filled dots: every category was shown; hollow ones: all but this. Lines are
        95 % intervals by prompt; a dot without one has too few prompts for it.

    Raises
    ------
    UsageError
        If a column is missing, or names of categories leave no room for the panels.
    """
    needed(
        table,
        "category",
        "training",
        "metric",
        "n",
        "support",
        "estimate",
        "low",
        "high",
        call="leave_one_category_out",
    )
    shown = table.filter(pl.col("metric").is_in(list(METRICS))).drop_nulls("estimate")
    losses = shown.filter(metric="recall").sort("support", descending=True, maintain_order=True)
    order = losses["category"].unique(maintain_order=True).to_list()
    named = titles(order, taxonomy=taxonomy)
    sizes = dict(losses.select("category", "support").rows())
    labels = {key: f"{named[key]}, n = {sizes[key]:,}" for key in order}
    room = (points(width) - 2 * PADDING - max(text_width(text) for text in labels.values()) - 12 - GAP) / 2
    if room < NARROWEST:
        raise UsageError(
            f"Two panels beside these names were to fit in {points(width):.0f} points; {room:.0f} are left for each. "
            'Use width="double".'
        )
    drawn = shown.with_columns(pl.col("category").replace_strict(labels).alias("name"))
    safe = max(shown.filter(metric="false_positive_rate")["n"].to_list(), default=0)
    caption = " · ".join(part for part in (source, f"pairs, of which {safe:,} safe") if part)
    return ConcatChart(
        concat=[
            _panel(drawn, metric, names=list(labels.values()), room=room, is_first=place == 0)
            for place, metric in enumerate(METRICS)
        ],
        columns=2,
        spacing=GAP,
        title=heading("Is harm recognised that was never shown?", caption, NOTE, width=width),
        description=_description(shown, named, caption=caption),
        config=config(),
    )


def _panel(drawn: pl.DataFrame, metric: str, *, names: list[str], room: float, is_first: bool) -> alt.LayerChart:
    rows = drawn.filter(metric=metric).select("name", "training", "estimate", "low", "high")
    scale = alt.Scale(domain=[0, 1], nice=False)
    grid = alt.Axis(**_SHARES, labelFlush=False)
    y_axis = alt.Axis(labelLimit=0) if is_first else None
    x = alt.X("estimate:Q", scale=scale, axis=grid, title=METRICS[metric])
    said = list(TRAININGS.values())
    legend = alt.Legend(title=None, orient="bottom", direction="horizontal", symbolType="circle", offset=4)
    stroke = alt.Stroke("training:N", scale=alt.Scale(domain=said, range=[ACCENT, GROUPS[3]]), legend=legend)
    fill = alt.Fill("training:N", scale=alt.Scale(domain=said, range=[ACCENT, PAPER]), legend=legend)
    y = alt.Y("name:N", scale=alt.Scale(domain=names), title=None, axis=y_axis)
    layers: list[alt.Chart] = []
    for training, offset in zip(TRAININGS, (-APART, APART), strict=True):
        part = rows.filter(training=training).with_columns(pl.col("training").replace(TRAININGS))
        base = alt.Chart(part).encode(y=y, stroke=stroke)
        layers += [
            base.transform_filter("datum.low !== null")
            .mark_rule(strokeWidth=1.6, yOffset=offset)
            .encode(x=alt.X("low:Q", scale=scale), x2=alt.X2("high:Q")),
            base.mark_point(size=26, opacity=1, strokeWidth=1.3, yOffset=offset).encode(x=x, fill=fill),
        ]
    return alt.LayerChart(layer=layers, width=room, height=ROW * len(names))


def _description(shown: pl.DataFrame, names: dict[str, str], *, caption: str) -> str:
    """Text for those who do not see the picture: the recall of each category by either probe."""
    said = []
    for key, title in names.items():
        recalls = dict(shown.filter(category=key, metric="recall").select("training", "estimate").rows())
        said.append(f"{title}: {percent(recalls['all'])}, without it {percent(recalls['without'])}.")
    return f"Share of each category's unsafe answers that are recognised ({caption}). {' '.join(said)}"
