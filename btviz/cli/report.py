"""What commands print: one JSON document, or tables that fit a terminal."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from btviz.taxonomy import STEERING, folded

if TYPE_CHECKING:
    import polars as pl

ABSENT = "–"
_NUMBER = re.compile(r"-?[\d,]+(\.\d+)?( (%|B|kB|MB|GB))?")
_FIRST_NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?![\w.%]| %)")
_HOLE = "\0"
_GAP = 2
"""Blanks between two columns of a table."""
_WORDS = 14
"""Least width of a column of words, or of intervals; a terminal too narrow for that folds rows itself."""
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def print_json(document: object) -> None:
    """Print one JSON document on standard output; NaN and infinities are an error."""
    text = json.dumps(document, allow_nan=False, default=str, ensure_ascii=False, indent=2)
    click.echo(re.sub(_UNSAFE, lambda found: json.dumps(found.group())[1:-1], text))


def print_table(rows: Iterable[Sequence[object]], columns: Sequence[str], *, title: str = "") -> None:
    """Print a table on standard output; numbers to the right, absent values as a dash.

    Where it is wider than the terminal, headings of numbers are folded between words, and words, not numbers, give way.
    """
    # a file or a pipe has no width: there a row is a line, for grep and for paths
    width = Console().width if sys.stdout.isatty() or "COLUMNS" in os.environ else 10_000
    body = [[format_cell(cell) for cell in row] for row in rows]
    cells = [[name, *(row[index] for row in body)] for index, name in enumerate(columns)]
    lengths = [max(map(cell_len, column)) for column in cells]
    gaps = _GAP * (len(columns) - 1)
    crowded = sum(lengths) + gaps > width
    table = Table(box=None, pad_edge=False)
    for index, (name, *column) in enumerate(cells):
        numeric = any(map(_NUMBER.fullmatch, column))
        folds = any(" [" in cell or any(map(str.isalpha, cell)) for cell in column)  # words, or a number and its ends
        keeps = crowded and (numeric or not folds)
        lengths[index] = max(map(cell_len, [*name.split(), *column])) if keeps else min(lengths[index], _WORDS)
        justify: JustifyMethod = "right" if numeric else "left"
        fixed = lengths[index] if keeps else None
        table.add_column(Text(name), justify=justify, overflow="fold", width=fixed)
    for row in body:
        table.add_row(*map(Text, row))
    if title:
        tell(title)
    Console(width=max(width, sum(lengths) + gaps)).print(table)


def table_rows(table: pl.DataFrame, columns: Sequence[str]) -> list[list[Any]]:
    """Cells of some columns as they are, but for p-values too small for three digits."""
    return [
        [
            "< 0.001" if name.endswith(("p_value", "_p", "_holm")) and value is not None and value < 0.0005 else value
            for name, value in zip(columns, row, strict=True)
        ]
        for row in table.select(columns).rows()
    ]


def print_reasons(table: pl.DataFrame) -> None:
    """Say below a table why there are dashes in it: each reason in its columns `undefined` once.

    Reasons that differ in their first number alone are one, with the least and the greatest.
    """
    for name in table.columns:
        if name.startswith("undefined"):
            alike: dict[str, list[int]] = {}
            for reason in table[name].drop_nulls().unique().sort().to_list():
                number = _FIRST_NUMBER.search(reason)
                numbers = alike.setdefault(_FIRST_NUMBER.sub(_HOLE, reason, count=1), [])
                numbers += [int(number.group().replace(",", ""))] if number else []
            for reason, numbers in alike.items():
                span = " to ".join(f"{number:,}" for number in sorted({min(numbers), max(numbers)})) if numbers else ""
                tell(folded(f"{ABSENT}: {reason.replace(_HOLE, span)}."))


def tell(text: str) -> None:
    """Print lines of a result on standard output."""
    click.echo(plain(text))


def say(message: str) -> None:
    """Print a line of progress or advice on standard error."""
    click.echo(plain(message), err=True)


def plain(text: str) -> str:
    """Show characters that steer a terminal, turn the direction of reading, or are not seen, as escapes instead."""
    return re.sub(_UNSAFE, lambda found: found.group().encode("unicode_escape").decode(), text)


_UNSAFE = rf"{STEERING}|[\u00ad\u180e\u200b\u2060-\u2064\ufeff]"
"""What `plain` escapes: also what is not seen, so that two names that look the same are told apart."""


def format_cell(value: Any) -> str:
    """Write a cell as people read it: 333,963 and 0.487; a dash for what does not exist."""
    match value:
        case None:
            return ABSENT
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.3f}"
        case list() | tuple():
            return _line(", ".join(str(item) for item in value)) or ABSENT
        case _:
            return _line(str(value))


def _line(text: str) -> str:
    return plain(text).replace("\n", "\\n")


def format_bytes(size: int | None) -> str:
    """Write a file size in decimal units: 1.3 MB."""
    if size is None:
        return ABSENT
    amount = float(size)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"
