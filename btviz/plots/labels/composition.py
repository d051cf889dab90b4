"""What a data set is made of, and what its splits share: a row a level, beside the published shares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import polars as pl

from btviz.plots.style.intervals import RowPicture, heading_row
from btviz.plots.style.theme import INK, PAPER, needed
from btviz.taxonomy.categories import Taxonomy
from btviz.taxonomy.words import percent

GROUPS = {
    "safety": "Safe or unsafe",
    "severity": "Severity",
    "categories": "Categories of an unsafe row",
    "source": "Answering model",
}
"""Headings of the groups of a composition, in their order."""


def composition(
    table: pl.DataFrame, *, source: str | None = None, width: str | float = "double", taxonomy: Taxonomy | None = None
) -> alt.LayerChart:
    """Draw what a data set is made of, with published shares as diamonds.

    Parameters
    ----------
    table : DataFrame
        From `btviz.composition`.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.
    taxonomy : Taxonomy, optional
        Where names of severity levels come from; numbers if not given.

    Returns
    -------
    alt.LayerChart
        A row for each level, with its 95 % interval, share and count; a hollow diamond where a share was published.

    Raises
    ------
    UsageError
        If a column is missing, or the table has no row.
    """
    columns = ("group", "level", "unit", "n", "count", "share", "low", "high", "published_share", "published_of")
    needed(table, *columns, call="composition")
    named = dict(enumerate(taxonomy.severities)) if taxonomy is not None else {}
    rows: list[dict[str, Any]] = []
    for group, title in GROUPS.items():
        part = table.filter(group=group)
        if part.height:
            rows.append(heading_row(group, f"{title}, n = {part['n'][0]:,}"))
        for row in part.to_dicts():
            known = group == "severity" and row["level"].isdigit() and int(row["level"]) in named
            name = named[int(row["level"])] if known else row["level"]
            rows.append(_row(row, f"{group} {row['level']}", name))
    beside = table["published_of"].drop_nulls().unique(maintain_order=True).to_list()
    notes = ["Lines: 95 % intervals by prompt", *(f"diamonds: as published of {name}" for name in beside)]
    first = " · ".join(part for part in (source, table["unit"][0]) if part)
    lines = (first, " · ".join(notes))
    return RowPicture("What the data are made of", lines, "Share of rows", (0, 1)).drawn(rows, _published, width=width)


def split_overlap(table: pl.DataFrame, *, source: str | None = None, width: str | float = "double") -> alt.LayerChart:
    """Draw which share of the rows of one split has a prompt, or a pair, that another split holds too.

    Parameters
    ----------
    table : DataFrame
        From `btviz.prompt_overlap`.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.

    Returns
    -------
    alt.LayerChart
        A row for each unit and ordered pair of splits. Every row is counted, so there are no intervals.

    Raises
    ------
    UsageError
        If a column is missing, or there are fewer than two splits.
    """
    needed(table, "unit", "split_a", "split_b", "rows_b", "rows_b_shared", "share_b", "rule", call="prompt_overlap")
    rows: list[dict[str, Any]] = []
    for unit in ("prompt", "pair"):
        part = table.filter(unit=unit)
        if part.height:
            rows.append(heading_row(unit, f"Rows whose {unit} another split holds"))
        for row in part.to_dicts():
            counted = {"share": row["share_b"], "low": None, "high": None, "count": row["rows_b_shared"]}
            name = f"{row['split_b']}, also in {row['split_a']} (n = {row['rows_b']:,})"
            rows.append(_row(counted, f"{unit} {row['split_a']} {row['split_b']}", name))
    lines = (source or "", str(table["rule"][0]))
    return RowPicture("What the splits share", lines, "Share of rows", (0, 1)).drawn(rows, width=width)


def _row(row: Mapping[str, Any], key: str, name: str) -> dict[str, Any]:
    return {
        "key": key,
        "name": name,
        "value": row["share"],
        "low": row["low"],
        "high": row["high"],
        "published": row.get("published_share"),
        "solid": True,
        "text": f"{percent(row['share'])} ({row['count']:,})",
    }


def _published(base: alt.Chart, scale: alt.Scale) -> list[alt.Chart]:
    """A hollow diamond at each published share."""
    known = base.transform_filter("isValid(datum.published)")
    mark = known.mark_point(shape="diamond", size=70, stroke=INK, fill=PAPER, strokeWidth=1, opacity=1)
    return [mark.encode(x=alt.X("published:Q", scale=scale))]
