"""Oddities that whole columns show: such rows are kept as they are, and reported."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

LONG_TEXT = 1 << 20
"""Bytes from which a text is reported as very long."""

_TEXTS = ("prompt", "response", "response_0", "response_1")


def flagged(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows to report.

    Parameters
    ----------
    rows : DataFrame
        Canonical columns of any layout, and `line`.

    Returns
    -------
    DataFrame
        `line`, `kind`, `detail`: one row per oddity.
    """
    found = [
        rows.filter(flag).select("line", pl.lit(kind).alias("kind"), pl.lit(detail).alias("detail"))
        for flag, kind, detail in (*_texts(rows), *_contradictions(rows))
    ]
    return pl.concat(found)


def _texts(rows: pl.DataFrame) -> Iterator[tuple[pl.Expr, str, str]]:
    for name in (name for name in _TEXTS if name in rows.columns):
        text = pl.col(name)
        yield text.str.strip_chars() == "", f"empty {name.partition('_')[0]}", name
        yield text.str.contains("\0", literal=True), "null byte", name
        yield text.str.len_bytes() > LONG_TEXT, "very long text", name
    if "response_0" in rows.columns:
        yield pl.col("response_0") == pl.col("response_1"), "identical answers", "response_0, response_1"


def _contradictions(rows: pl.DataFrame) -> Iterator[tuple[pl.Expr, str, str]]:
    columns = set(rows.columns)
    for suffix in ("", "_0", "_1"):
        safe, labels, severity = f"is_safe{suffix}", f"labels{suffix}", f"severity{suffix}"
        if {safe, labels} <= columns:
            kind = "is_safe contradicts the categories"
            yield pl.col(safe) & (pl.col(labels) != 0), kind, f"{safe} is true, a category is flagged"
            yield ~pl.col(safe) & (pl.col(labels) == 0), kind, f"{safe} is false, no category is flagged"
        if {safe, severity} <= columns:
            yield pl.col(safe) != (pl.col(severity) == 0), "is_safe contradicts the severity", severity
    if {"safer", "is_safe_0", "is_safe_1"} <= columns:
        safer_is_safe = pl.when(pl.col("safer") == 0).then("is_safe_0").otherwise("is_safe_1")
        mixed = pl.col("is_safe_0") != pl.col("is_safe_1")
        yield mixed & ~safer_is_safe, "the safer answer is the unsafe one", "safer_response_id"
