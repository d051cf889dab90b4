"""Tables of any columns from JSON lines, JSON, Parquet or CSV.

Score files as tables, each under a name that tells it from the others.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from btviz.data.reading.files import format_of, whole
from btviz.data.reading.layouts import Finding
from btviz.data.reading.records import Item, Record, of_json_array, of_line
from btviz.errors import DataError, NotFoundError

_HEADER = 2**17  # bytes; as long as a cell may be for the csv module


_QUOTED = re.compile(rb'"[^"]*"')


_LONGEST, _MOST = 40, 12
"""Letters of a name of a column, and names, that a message shows."""


def read_frame(path: Path) -> pl.DataFrame:
    """Read a table; the first faulty row stops the reading, with its line.

    Parameters
    ----------
    path : Path
        ``.jsonl``, ``.json`` (an array), ``.csv``, each also .gz, .xz, .zst, or ``.parquet``.

    Returns
    -------
    DataFrame
        Columns as the file names them, in the order in which they first occur; a key that a
        row lacks is null. All columns of a CSV file are text, divided by what its first line has most of: commas,
        semicolons or tabs.

    Raises
    ------
    NotFoundError
        If there is no such file.
    DataError
        If it is of another format, or a row cannot be read.
    """
    if path.is_dir():
        raise DataError(f"The file {path} was to be read; it is a folder. Name the files in it.")
    if not path.is_file():
        raise NotFoundError(f"The file {path} was to be read; it is not there. Check the spelling and the folder.")
    kind = format_of(path)
    if kind == ".parquet":
        try:
            return pl.read_parquet(path)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(f"{path.name} was to be read as Parquet; it is none. Write it again.") from error
    if kind == ".csv":
        return _of_csv(path)
    readers = {".jsonl": _of_lines, ".json": of_json_array}
    if kind is None or kind not in readers:
        raise DataError(
            f"{path.name} was to be read; it is no .jsonl, .json, .csv or .parquet file. Convert it to one."
        )
    rows = [_row(path, line, item) for line, item in readers[kind](path)]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return pl.DataFrame([_column(path, name, [row.get(name) for row in rows]) for name in columns])


def shown_columns(names: Sequence[str]) -> str:
    """Names of columns as messages show them: without what may be a text.

    The first line of a file without a header, or all of a file with line ends of its own, is taken for names, and then
    a question or an answer is among them. Texts show only where somebody asks for them.

    Parameters
    ----------
    names : sequence of str
        As the file has them.

    Returns
    -------
    str
        At most a dozen of them, how many more there are, and whether some are too long to be names or have
        several lines; then those with a space are left out, too.
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


def _of_csv(path: Path) -> pl.DataFrame:
    data, damage = whole(path)
    try:
        _check_whole(path, damage)
        if not data.strip():
            raise DataError(f"{path.name} was to be read as CSV; it is empty. Write it again.")
        frame = pl.read_csv(data, infer_schema=False, empty_string_is_null=False, separator=_separator(data))
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path.name} was to be read as CSV; a row of it is malformed. Write it again.") from error
    _check_header(path, data)
    return frame


def _check_header(path: Path, data: bytes) -> None:
    """Refuse a column that is there twice: which of the two is meant cannot be known."""
    start = data[:_HEADER].decode("utf-8-sig", errors="ignore")
    header = next(csv.reader(io.StringIO(start, newline=""), delimiter=_separator(data)), [])
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise DataError(
            f"{path.name} was to be read as CSV; its columns {shown_columns(twice)} are there more than once. "
            "Name each column once."
        )


def _separator(data: bytes) -> str:
    """What divides the columns: spreadsheets of some countries write semicolons."""
    first = _QUOTED.sub(b"", data[:_HEADER]).partition(b"\n")[0]  # a mark in quotes divides nothing
    return max((",", ";", "\t"), key=lambda mark: first.count(mark.encode()))


def _of_lines(path: Path) -> Iterator[tuple[int, Item]]:
    data, damage = whole(path)
    _check_whole(path, damage)
    for number, line in enumerate(io.BytesIO(data), start=1):
        if line.strip():
            yield number, of_line(line)


def _check_whole(path: Path, damage: str | None) -> None:
    if damage:
        raise DataError(f"{path.name} was to be read; the archive is cut short: {damage}. Fetch it again.")


def _row(path: Path, line: int, item: Item) -> Record:
    faults = [item] if isinstance(item, Finding) else [fault for fault in item.findings() if fault.rejects]
    if faults or isinstance(item, Finding):
        raise DataError(
            f"{path.name} was to be read as a table; line {line:,} is at fault: {faults[0].kind} ({faults[0].detail}). "
            "Mend the line, or take it out."
        )
    return item


@dataclass(frozen=True, eq=False)
class FileTable:
    """A file that was read.

    Attributes
    ----------
    path : Path
        Where it is.
    frame : DataFrame
        Its rows, with the columns that it names.
    name : str
        The file's without its endings; also that of its folder, where two files share one name.
    """

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
