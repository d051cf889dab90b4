"""Texts of a CSV that got an apostrophe in front, so that a spreadsheet takes them for no formula; and lose it again.

A foreign file may hold a text that begins so. Hence apostrophes are taken off only where a column of the file itself
says that the cell got one.
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import polars.selectors as cs

from btviz.data.reading.record import Batch

ADDED = "apostrophe_added"
"""Names, row by row, the columns whose text got an apostrophe; the column is absent where none did."""

_BETWEEN = ";"

_FORMULA = r"^[\s\p{Cc}\p{Cf}\u034f\u115f\u1160\u3164\uffa0\ufe00-\ufe0f]*[=+\-@＝＋－＠]|^[\t\r\n]"  # noqa: RUF001 - programs that read wide forms take these, too


def guarded(cells: pl.DataFrame) -> pl.DataFrame:
    """Put an apostrophe before what a spreadsheet would run, and say where."""
    names = cells.select(cs.string()).columns
    risky = cells.select(pl.col(name).str.contains(_FORMULA).fill_null(value=False) for name in names)
    if not any(flags.any() for flags in risky):
        return cells
    where = [pl.when(flags).then(pl.lit(flags.name)) for flags in risky]
    added = pl.concat_str(where, separator=_BETWEEN, ignore_nulls=True).replace("", None).alias(ADDED)
    marked = (pl.when(flags).then("'" + pl.col(flags.name)).otherwise(flags.name).alias(flags.name) for flags in risky)
    return cells.with_columns(added, *marked)


def unguarded(batch: Batch) -> Batch:
    """Take the apostrophes off again, and the column that tells where they are."""
    if batch.recurring is not None and ADDED in batch.recurring.columns:
        batch = batch.spread()
    added = batch.columns.get(ADDED)
    if not isinstance(added, pl.Series) or added.dtype != pl.String:
        return batch
    columns = {name: cells for name, cells in batch.columns.items() if name != ADDED}
    marked = added.fill_null("").str.split(_BETWEEN)
    for name in marked.explode().unique().drop_nulls():
        cells = columns.get(name)
        if isinstance(cells, pl.Series) and cells.dtype == pl.String:
            has_one = (marked.list.contains(name) & cells.str.starts_with("'")).fill_null(value=False)
            columns[name] = cells.str.slice(1).zip_with(has_one, cells)
    return replace(batch, columns=columns)
