"""Tables for other programs: CSV and JSON lines, written so that a spreadsheet runs nothing."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from btviz.errors import choice
from btviz.session.selection import hex_id
from btviz.store import write_file

FORMATS = (".csv", ".jsonl")


def export_table(path: str | Path, table: pl.DataFrame) -> Path:
    """Write a table of text, numbers and ids to a file.

    Parameters
    ----------
    path : path-like
        Ends in ``.csv`` or ``.jsonl``.
    table : DataFrame
        Texts in it must have passed the content policy.

    Returns
    -------
    Path
        The file. Ids become ``0x`` and 16 hexadecimal digits, because spreadsheets round long
        numbers; times become ISO 8601; lists are joined by ``" | "`` in a CSV. In a CSV a cell that a
        spreadsheet would take for a formula gets an apostrophe in front.

    Raises
    ------
    UsageError
        If the name ends in anything else.
    """
    target = Path(path)
    return write_file(target, table_bytes(table, suffix=target.suffix))


def table_bytes(table: pl.DataFrame, *, suffix: str) -> bytes:
    """What `export_table` writes to a file whose name ends in `suffix`.

    Parameters
    ----------
    table : DataFrame
        Texts in it must have passed the content policy.
    suffix : {".csv", ".jsonl"}
        Ending of the name.

    Returns
    -------
    bytes
        The whole content, in UTF-8.

    Raises
    ------
    UsageError
        If that is none of `FORMATS`.
    """
    choice(suffix, FORMATS, what="format for exports")
    ids = pl.selectors.by_name("pair_id", "prompt_id", require_all=False)
    rows = table.with_columns(
        ids.map_elements(lambda number: f"0x{hex_id(number)}", return_dtype=pl.String),
        pl.selectors.datetime().dt.to_string("iso:strict"),
    )
    if suffix == ".jsonl":
        return rows.write_ndjson().encode()
    flat = rows.with_columns(pl.selectors.list().list.join(" | "))
    return flat.with_columns(_no_formula()).write_csv().encode()


def _no_formula() -> pl.Expr:
    column = pl.selectors.string()
    risky = column.str.contains(r"^\s*[=+\-@]|^[\t\r\n]")
    return pl.when(risky).then(pl.lit("'") + column).otherwise(column).name.keep()
