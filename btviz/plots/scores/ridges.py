"""Ridgelines: the distribution of a score in every category, one above the other."""

from __future__ import annotations

import altair as alt
import polars as pl

from btviz.plots.scores.distributions import KINDS, MIDDLE, note_of_boundaries, parts_at_zero, score_scale, span_of
from btviz.plots.style.captions import folded, heading
from btviz.plots.style.rendering import ConcatChart
from btviz.plots.style.rows import Rows, rows_beside
from btviz.plots.style.theme import (
    ACCENT,
    FAINT,
    GROUPS,
    MUTED,
    PAPER,
    TEXT_SIZE,
    config,
    lookup,
    needed,
)
from btviz.taxonomy.categories import Taxonomy
from btviz.taxonomy.words import titles

ROW = 22.0
"""Distance of two ridges, in points."""

TALLEST = 1.7
"""Height of the highest ridge, in rows: ridges overlap a little."""

GAP = 16.0

LEAST = 70.0
"""Room in points of a panel that labels on one line have to leave."""


def category_ridges(
    table: pl.DataFrame,
    *,
    source: str | None = None,
    width: str | float = "double",
    taxonomy: Taxonomy | None = None,
) -> alt.ConcatChart:
    """Draw the distribution of scores in each category, highest mean on top.

    Parameters
    ----------
    table : DataFrame
        From `btviz.scores.distributions.score_bins` with ``by="category"`` (any groups will
        do) and ``split=False``.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.
    taxonomy : Taxonomy, optional
        Where titles come from; found by the keys if not given.

    Returns
    -------
    alt.ConcatChart
        A column for each model; safe answers in blue at the foot, all ridges of a column on one
        scale. A dashed line stands at a cost of 0, where that parts safe from harmful.

    Raises
    ------
    UsageError
        If a column is missing.
    """
    needed(table, "model", "kind", "group", "left", "right", "count", "n", "smooth", call="score_bins")
    order = _order(table)
    names = {"safe": "Safe answers"} | titles([group for group in order if group != "safe"], taxonomy=taxonomy)
    sizes = dict(table.group_by("group").agg(pl.col("n").max()).rows())
    labels = {group: f"{names[group]}, n = {sizes[group]:,}" for group in order}
    models = [part for _, part in table.group_by("model", "kind", maintain_order=True)]
    models.sort(key=lambda part: part["kind"][0] != "reward")
    rows = _rows(labels, panels=len(models), width=width)
    panels = [_ridges(part, order, rows, is_first=place == 0) for place, part in enumerate(models)]
    parts = (source, "pairs; an answer is in each of its categories", note_of_boundaries(table))
    caption = " · ".join(part for part in parts if part)
    return ConcatChart(
        concat=panels,
        columns=len(models),
        spacing=GAP,
        title=heading("Scores by harm category", caption, width=width),
        description=_description(table, order, names),
        config=config(),
    )


def _rows(labels: dict[str, str], *, panels: int, width: str | float) -> Rows:
    """Rows with the room of one of some panels side by side."""
    gaps = GAP * (panels - 1) - 4
    rows = rows_beside(labels, texts=[""], width=width, least=panels * LEAST + gaps)
    return rows._replace(room=(rows.room - gaps) / panels)


def _mean() -> pl.Expr:
    return (MIDDLE * pl.col("count")).sum() / pl.col("count").sum()


def _order(table: pl.DataFrame) -> list[str]:
    """Groups from top to foot: by the mean of the cost if there is one, safe answers last."""
    rows = table.filter(pl.col("kind") == "cost") if (table["kind"] == "cost").any() else table
    means = rows.group_by("group").agg(_mean().alias("mean"))
    groups = means.sort(pl.col("group") == "safe", -pl.col("mean"), "group")["group"].to_list()
    return groups + sorted(set(table["group"]) - set(groups))


def _ridges(part: pl.DataFrame, order: list[str], rows: Rows, *, is_first: bool) -> alt.LayerChart:
    place = pl.col("group").replace_strict({group: -float(i) for i, group in enumerate(order)})
    top = pl.col("smooth").max()
    drawn = part.select(
        "group",
        MIDDLE.alias("at"),
        place.alias("foot"),
        (place + TALLEST * pl.col("smooth") / top).alias("top"),
    ).sort(pl.col("foot"), "at", descending=[True, False])
    x_scale = score_scale(part)
    down = alt.Scale(domain=[1 - len(order) - 0.1, TALLEST + 0.1], nice=False)
    axis = alt.Axis(
        values=[-i for i in range(len(order))],
        labelExpr=lookup({str(-i): rows.names[group] for i, group in enumerate(order)}),
        labelBaseline="bottom",
        labelOverlap=False,
    )
    kind = part["kind"][0]
    x = alt.X(
        "at:Q",
        scale=x_scale,
        axis=alt.Axis(tickCount=4 if rows.room > LEAST else 2, labelFlush=False),
        title=folded(KINDS.get(kind, kind), room=rows.room + GAP),
    )
    shown = axis if is_first else None  # the same in every layer, or they are merged with the default one
    y = alt.Y("foot:Q", scale=down, axis=shown, title=None, stack=None)
    layers = [alt.Chart(drawn).mark_rule(stroke=FAINT).encode(y=y)]
    for group in order:  # one layer each, so that a lower ridge covers the foot of the one above
        fill = ACCENT if group == "safe" else GROUPS[3]
        of_group = drawn.filter(group=group)
        if of_group.height:
            ridge = alt.Chart(of_group).mark_area(fill=fill, fillOpacity=1, line={"stroke": PAPER, "strokeWidth": 0.9})
            layers.append(
                ridge.encode(x=x, y=alt.Y("top:Q", scale=down, axis=shown, title=None, stack=None), y2=alt.Y2("foot:Q"))
            )
    low, high = span_of(part)
    if parts_at_zero(part).all() and low <= 0 <= high:
        zero = alt.Chart(pl.DataFrame({"zero": [0.0]}))
        layers.append(zero.mark_rule(stroke=MUTED, strokeDash=[3, 2]).encode(x=alt.X("zero:Q", scale=x_scale)))
    heads = alt.TitleParams(text=part["model"][0], fontSize=TEXT_SIZE, offset=4, frame="group", anchor="start")
    return alt.LayerChart(
        layer=layers, width=rows.room, height=max(ROW, rows.height(1.0)) * (len(order) + TALLEST), title=heads
    )


def _description(table: pl.DataFrame, order: list[str], names: dict[str, str]) -> str:
    """Text for those who do not see the picture: both ends by mean."""
    rows = table.group_by("model", "group").agg(_mean().alias("mean")).rows()
    means = {(model, group): mean for model, group, mean in rows}
    models = table["model"].unique(maintain_order=True).to_list()
    said = [
        f"{model}: mean {means[model, group]:.2f} in {names[group]}."
        for model in models
        for group in (order[0], order[-1])
        if (model, group) in means
    ]
    return f"Ridgelines of scores in {len(order)} groups. {' '.join(said)}"
