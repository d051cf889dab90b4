"""Tables of any columns, such as files of scores: every row counts, so the first faulty one stops the reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from btviz.data.reading.csv_reader import csv_rows
from btviz.data.reading.formats import Form, form_of, read_parquet, records
from btviz.data.reading.record import Finding, Record
from btviz.errors import DataError, NotFoundError

_LONGEST, _MOST = 40, 12
"""Letters of a name of a column, and names, that a message shows."""


def read_frame(path: Path) -> pl.DataFrame:
    """Read a table of any format; the first faulty row stops the reading, with its line.

    Parameters
    ----------
    path : Path
        A file.

    Returns
    -------
    DataFrame
        Columns in the order in which they first occur; a key that a row lacks is null. All columns of a CSV are text.

    Raises
    ------
    NotFoundError
        If there is no such file.
    DataError
        If it is a folder, or a row is at fault.
    """
    if path.is_dir():
        raise DataError(f"The file {path} was to be read; it is a folder. Name the files in it.")
    if not path.is_file():
        raise NotFoundError(f"The file {path} was to be read; it is not there. Check the spelling and the folder.")
    form = form_of(path)
    match form.kind:
        case "parquet":
            return read_parquet(path)
        case "csv":
            return _of_csv(path, form)
    rows = _sound(path, list(records(path, form)))
    names = list(dict.fromkeys(key for row in rows for key in row))
    return pl.DataFrame([_column(path, name, [row.get(name) for row in rows]) for name in names])


def _of_csv(path: Path, form: Form) -> pl.DataFrame:
    rows = _sound(path, list(csv_rows(path, form.separator)))
    if not rows:
        raise DataError(f"{path.name} was to be read as CSV; it is empty. Write it again.")
    header, *cells = rows
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:  # which of the two is meant cannot be known
        raise DataError(
            f"{path.name} was to be read as CSV; its columns {shown_columns(twice)} are there more than once. "
            "Name each column once."
        )
    columns = zip(*cells, strict=True) if cells else [()] * len(header)
    by_name = dict(reversed(list(zip(header, columns, strict=True))))  # of unnamed columns the first
    try:
        return pl.DataFrame({name: by_name[name] for name in header}, schema=dict.fromkeys(header, pl.String))
    except UnicodeEncodeError as error:
        raise DataError(f"{path.name} was to be read as CSV; its first line is not UTF-8. Save it as UTF-8.") from error


def _sound(path: Path, items: list[tuple[Any, Any]]) -> list[Any]:
    """Rows without their lines, if nothing is wrong with any of them."""
    faults = [(line, fault) for line, item in items if (fault := _fault(item)) is not None]
    for _, fault in faults:
        if fault.kind == "truncated archive":  # then no line is to blame
            raise DataError(f"{path.name} was to be read; the archive is cut short: {fault.detail}. Fetch it again.")
    for line, fault in faults:
        raise DataError(
            f"{path.name} was to be read as a table; line {line:,} is at fault: {fault.kind} ({fault.detail}). "
            "Mend the line, or take it out."
        )
    return [item for _, item in items]


def _fault(item: Finding | Record | list[str]) -> Finding | None:
    if isinstance(item, Finding):
        return item
    return next((finding for finding in item.findings() if finding.rejects), None) if isinstance(item, Record) else None


def shown_columns(names: Sequence[str]) -> str:
    """A dozen names of columns, as messages show them: without what may be a text.

    The first line of a file without a header is taken for names, and then a question or an answer is among them. Texts
    show only where somebody asks for them, so names that are long or of several lines are left out, and beside such
    ones all with a space.
    """
    short = [name for name in names if len(name) <= _LONGEST and len(name.splitlines()) < 2]
    texts = len(short) < len(names)
    shown = [name for name in short if not (texts and " " in name)][:_MOST]
    more = f" and {len(names) - len(shown):,} more" if len(shown) < len(names) else ""
    doubt = " (some are long or of several lines: of a CSV, the first line seems to be no header)" if texts else ""
    return f"{shown}{more}{doubt}"


def _column(path: Path, name: str, values: list[Any]) -> pl.Series:
    kinds = {type(value) for value in values if value is not None}
    if kinds != {int, float} and len(kinds) > 1:
        raise DataError(
            f"{path.name} was to be read as a table; its column {name!r} mixes {sorted(k.__name__ for k in kinds)}. "
            "Write each column with one kind of value."
        )
    try:
        if kinds == {int, float}:
            values = [None if value is None else float(value) for value in values]
        return pl.Series(name, values)
    except (OverflowError, UnicodeEncodeError) as error:
        raise DataError(
            f"{path.name} was to be read as a table; its column {name!r} holds a number beyond all bounds, or half of "
            "a character that takes two. Mend these values, or leave the column out."
        ) from error


@dataclass(frozen=True, eq=False)
class FileTable:
    """A file that was read."""

    path: Path
    frame: pl.DataFrame
    name: str

    def first_of(self, names: Sequence[str]) -> str | None:
        """The first of these columns that the file has, None if it has none."""
        return next((name for name in names if name in self.frame.columns), None)

    def check_flat(self, columns: Sequence[str]) -> None:
        """Raise a DataError if one of these columns holds lists or objects."""
        nested = [name for name, dtype in self.frame.schema.items() if name in columns and dtype.is_nested()]
        if nested:
            raise DataError(
                f"{self.path.name} was to be read for texts, names and numbers; its columns {nested} hold lists or "
                "objects. Write one value in each, or name other columns."
            )


def open_tables(paths: Sequence[Path]) -> list[FileTable]:
    """Read files, and tell them apart by name."""
    stems = [path.name.split(".json")[0].split(".csv")[0].split(".parquet")[0] for path in paths]
    names = [
        stem if stems.count(stem) == 1 else f"{path.resolve().parent.name}/{stem}"
        for path, stem in zip(paths, stems, strict=True)
    ]
    return [FileTable(path, read_frame(path), name) for path, name in zip(paths, names, strict=True)]
