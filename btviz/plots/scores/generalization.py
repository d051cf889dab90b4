"""What a probe makes of harm it was never shown: recall and false alarms, with and without a category."""

from __future__ import annotations

import altair as alt
import polars as pl

from btviz.errors import UsageError
from btviz.plots.style.intervals import PERCENT
from btviz.plots.style.rendering import ConcatChart
from btviz.plots.style.theme import (
    ACCENT,
    FAINT,
    GROUPS,
    PADDING,
    PAPER,
    config,
    heading,
    needed,
    percent,
    points,
    text_width,
    titles,
)
from btviz.taxonomy.categories import Taxonomy

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
    own = drawn.filter(metric=metric).select("name", "training", "estimate", "low", "high")
    scale = alt.Scale(domain=[0, 1], nice=False)
    grid = alt.Axis(values=[0, 0.25, 0.5, 0.75, 1], labelExpr=PERCENT, grid=True, gridColor=FAINT, labelFlush=False)
    y_axis = alt.Axis(labelLimit=0) if is_first else None
    x = alt.X("estimate:Q", scale=scale, axis=grid, title=METRICS[metric])
    said = list(TRAININGS.values())
    legend = alt.Legend(title=None, orient="bottom", direction="horizontal", symbolType="circle", offset=4)
    stroke = alt.Stroke("training:N", scale=alt.Scale(domain=said, range=[ACCENT, GROUPS[3]]), legend=legend)
    fill = alt.Fill("training:N", scale=alt.Scale(domain=said, range=[ACCENT, PAPER]), legend=legend)
    y = alt.Y("name:N", scale=alt.Scale(domain=names), title=None, axis=y_axis)
    layers: list[alt.Chart] = []
    for training, offset in zip(TRAININGS, (-APART, APART), strict=True):
        part = own.filter(training=training).with_columns(pl.col("training").replace(TRAININGS))
        base = alt.Chart(part).encode(y=y, stroke=stroke)
        layers += [
            base.transform_filter("datum.low !== null")
            .mark_rule(strokeWidth=1.6, yOffset=offset)
            .encode(x=alt.X("low:Q", scale=scale), x2="high:Q"),
            base.mark_point(size=26, opacity=1, strokeWidth=1.3, yOffset=offset).encode(x=x, fill=fill),
        ]
    return alt.LayerChart(layer=layers, width=room, height=ROW * len(names))


def _description(shown: pl.DataFrame, named: dict[str, str], *, caption: str) -> str:
    """Text for those who do not see the picture: the recall of each category by either probe."""
    said = []
    for key, title in named.items():
        own = dict(shown.filter(category=key, metric="recall").select("training", "estimate").rows())
        said.append(f"{title}: {percent(own['all'])}, without it {percent(own['without'])}.")
    return f"Share of each category's unsafe answers that are recognised ({caption}). {' '.join(said)}"
