"""Elo ratings of policies: a row each, by every score."""

from __future__ import annotations

from typing import Any

import altair as alt
import polars as pl

from btviz.errors import UsageError
from btviz.plots.style.intervals import RowPicture, heading_row
from btviz.plots.style.theme import MUTED, needed


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
        rows.append(heading_row(f"{model} {kind}", f"{model} ({kind})"))
        rows += [_row(row, f"{model} {kind}") for row in part.sort("elo", descending=True, nulls_last=True).to_dicts()]
    ends = [0.0, *(value for row in rows for value in (row["value"], row["low"], row["high"]) if value is not None)]
    pad = 0.05 * (max(ends) - min(ends)) or 1.0
    lines = (
        " \u00b7 ".join(part for part in (source, _counted(table)) if part),
        "Bradley-Terry over all meetings on the same prompts \u00b7 lines: 95 % intervals by prompt",
    )
    picture = RowPicture(
        "Ratings of policies", lines, "Elo over the reference", (min(ends) - pad, max(ends) + pad), percents=False
    )
    return picture.drawn(rows, _reference, width=width)


def _reference(_: alt.Chart, scale: alt.Scale) -> list[alt.Chart]:
    """A dashed line at 0."""
    zero = alt.Chart(pl.DataFrame({"at": [0.0]})).mark_rule(stroke=MUTED, strokeDash=[3, 2])
    return [zero.encode(x=alt.X("at:Q", scale=scale))]


def _row(row: dict[str, Any], under: str) -> dict[str, Any]:
    text = str(row["undefined"]) if row["elo"] is None else f"{row['elo']:+.0f}"
    ends = {"value": row["elo"], "low": row["low"], "high": row["high"]}
    return {"key": f"{under} {row['policy']}", "name": row["policy"], "text": text, "solid": True} | ends


def _counted(table: pl.DataFrame) -> str:
    fewest, most = int(table["n"].min()), int(table["n"].max())  # type: ignore[arg-type]  # integers
    return f"items, n = {most:,}" if fewest == most else f"items, n = {fewest:,} to {most:,}"
