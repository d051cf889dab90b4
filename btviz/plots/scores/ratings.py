"""Elo ratings of policies: a row each, by every score."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from btviz.errors import UsageError
from btviz.plots.style.captions import heading
from btviz.plots.style.intervals import HEADING, marks, row_chart, value_axis
from btviz.plots.style.rendering import LayerChart
from btviz.plots.style.rows import rows_beside
from btviz.plots.style.theme import MUTED, config, needed

ROW = 1.75
"""Height of a row, in sizes of its text."""


def policy_ratings(table: pl.DataFrame, *, source: str | None = None, width: str | float = "double") -> alt.LayerChart:
    """Draw the ratings of policies by each reward and cost model, the reference at 0.

    Parameters
    ----------
    table : DataFrame
        From `btviz.policy_ratings`.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.

    Returns
    -------
    alt.LayerChart
        A row for each policy below each model, best first, with its 95 % interval by prompt; a dashed line at the
        reference. A policy without a finite rating has no dot, and its row says why.

    Raises
    ------
    UsageError
        If a column is missing or no policy has a rating.
    """
    needed(table, "model", "kind", "policy", "n", "win_rate", "elo", "low", "high", "undefined", call="policy_ratings")
    if not table["elo"].count():
        raise UsageError("A picture of ratings was asked for; no policy has a finite one. Add meetings of policies.")
    rows: list[dict[str, Any]] = []
    for (model, kind), part in table.group_by("model", "kind", maintain_order=True):
        empty: dict[str, Any] = dict.fromkeys(("value", "low", "high"))
        rows.append(
            {"key": f"{HEADING}{model} {kind}", "name": f"{model} ({kind})", "text": "", "solid": False} | empty
        )
        rows += [_row(row, f"{model} {kind}") for row in part.sort("elo", descending=True, nulls_last=True).to_dicts()]
    names = {row["key"]: row["name"] for row in rows}
    beside = rows_beside(names, texts=[row["text"] for row in rows], width=width)
    size, room = beside.size, beside.room
    ends = [value for row in rows for value in (row["value"], row["low"], row["high"]) if value is not None]
    pad = 0.05 * (max(0.0, *ends) - min(0.0, *ends)) or 1.0
    scale = alt.Scale(domain=[min(0.0, *ends) - pad, max(0.0, *ends) + pad], nice=False)
    drawn = pl.DataFrame(rows, schema_overrides=dict.fromkeys(("value", "low", "high"), pl.Float64())).drop("name")
    base = row_chart(drawn, beside.names)
    x = alt.X("value:Q", scale=scale, axis=value_axis(room=room, percents=False), title="Elo over the reference")
    zero = alt.Chart(pl.DataFrame({"at": [0.0]})).mark_rule(stroke=MUTED, strokeDash=[3, 2])
    caption = " \u00b7 ".join(part for part in (source, _counted(table)) if part)
    notes = "Bradley-Terry over all meetings on the same prompts \u00b7 lines: 95 % intervals by prompt"
    said = " ".join(f"{row['name']}: {row['text']}." for row in rows if row["text"])
    return LayerChart(
        layer=[
            zero.encode(x=alt.X("at:Q", scale=scale)),
            *marks(base, x=x, scale=scale, room=room, size=size),
        ],
        width=room,
        height=beside.height(ROW) * len(rows),
        title=heading("Ratings of policies", caption, notes, width=width),
        description=f"Elo ratings of policies ({caption}). {said}",
        config=config(size=size),
    )


def _row(row: dict[str, Any], under: str) -> dict[str, Any]:
    text = str(row["undefined"]) if row["elo"] is None else f"{row['elo']:+.0f}"
    ends = {"value": row["elo"], "low": row["low"], "high": row["high"]}
    return {"key": f"{under} {row['policy']}", "name": row["policy"], "text": text, "solid": True} | ends


def _counted(table: pl.DataFrame) -> str:
    fewest, most = int(table["n"].min()), int(table["n"].max())  # type: ignore[arg-type]  # integers
    return f"items, n = {most:,}" if fewest == most else f"items, n = {fewest:,} to {most:,}"
