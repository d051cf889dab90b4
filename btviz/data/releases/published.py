"""Numbers that were printed about the released data, to be held against recomputed ones.

They stand in ``published.toml``; its head explains the fields and the grades of evidence.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

import polars as pl

NUMBERS = pl.Schema(
    {
        "id": pl.String(),
        "release": pl.String(),
        "split": pl.String(),
        "quantity": pl.String(),
        "category": pl.String(),
        "other": pl.String(),
        "level": pl.String(),
        "population": pl.String(),
        "where": pl.String(),
        "value": pl.Float64(),
        "unit": pl.String(),
        "source": pl.String(),
        "grade": pl.String(),
        "tolerance": pl.Float64(),
        "note": pl.String(),
    }
)
"""Columns of every table of printed numbers."""


def published_numbers(release: str, *, split: str | None = None) -> pl.DataFrame:
    """Every number printed about a release.

    Parameters
    ----------
    release : str
        Name in the registry of released data sets.
    split : str, optional
        Only numbers about this split. By default all, those about the whole release first.

    Returns
    -------
    DataFrame
        The columns of `NUMBERS`, in the order of the file: `split` is null where a number is
        about the whole release, `population` and `where` where the source does not say, `category`, `other` (a
        second category) and `level` where the quantity has none. `tolerance` is in the unit of
        `value`. No rows for a release about which nothing was printed.
    """
    frame = _numbers().filter(pl.col("release") == release)
    if split is not None:
        frame = frame.filter(pl.col("split") == split)
    return frame.sort(pl.col("split").is_not_null(), maintain_order=True)


def find(release: str, quantity: str, *, split: str | None = None, category: str | None = None) -> pl.DataFrame:
    """Printed values of one quantity."""
    frame = published_numbers(release, split=split).filter(pl.col("quantity") == quantity)
    return frame if category is None else frame.filter(pl.col("category") == category)


@cache
def published_rows(release: str) -> int | None:
    """Rows of the whole release, of all its splits together if those were published; None if only rounded."""
    printed = find(release, "rows").filter(pl.col("tolerance") < 1)
    by_split = printed.drop_nulls("split")["value"]
    whole = printed.filter(pl.col("split").is_null())["value"]
    known = by_split if by_split.len() else whole.head(1)
    return int(known.sum()) if known.len() else None


@cache
def _numbers() -> pl.DataFrame:
    document = tomllib.loads((resources.files("btviz") / "resources" / "published.toml").read_text("utf-8"))
    rows = document["number"] + [row for table in document["table"] for row in _rows(table)]
    return pl.DataFrame(rows, schema=NUMBERS, orient="row")


def _rows(table: dict[str, Any]) -> Iterator[dict[str, Any]]:
    by, values, at = table["by"], table.get("values"), table.get("values_at")
    shared = {name: entry for name, entry in table.items() if name in NUMBERS}
    for key, value in _flat(values if at is None else _look_up(at)):
        if key[0] in table.get("left_out", ()):
            continue
        named = dict(zip(by, key, strict=True))
        yield {**shared, **named, "id": "/".join((table["id"], *key)), "value": value}


@cache
def label_statistics() -> Any:
    """Return the packaged file of published label statistics: label sets, margins and joint counts."""
    file = resources.files("btviz") / "resources" / "label_statistics.json"
    return json.loads(file.read_text("utf-8"))


def _look_up(place: str) -> Any:
    value = label_statistics()
    for step in place.split("."):
        value = value[step]
    return value


def _flat(values: Any) -> Iterator[tuple[tuple[str, ...], float]]:
    """Keys and value of each cell of nested objects, or of lists whose last member is the value."""
    if isinstance(values, list):
        for entry in values:
            *key, value = entry.values() if isinstance(entry, dict) else entry
            yield tuple(" | ".join(part) if isinstance(part, list) else part for part in key), value
        return
    for key, inner in values.items():
        if isinstance(inner, dict):
            yield from (((key, *rest), value) for rest, value in _flat(inner))
        else:
            yield (key,), inner
