"""The form of a file, told once for data and for scores, and its rows one at a time.

A file holds JSON lines, one JSON array, CSV or Parquet. Iterators over rows yield (line, record) with a `Record` or,
where there is none, a `Finding`; rows before a fault are not lost to it.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl

from btviz.data.reading.files import Truncated, format_of, line_blocks, whole
from btviz.errors import DataError

SEPARATORS = (",", ";", "\t")
"""What divides the columns of a CSV; spreadsheets of some countries write semicolons."""

CSV_OBJECTS = ("category", "harm_category", "response_0_harm_category", "response_1_harm_category")

CSV_TEXTS = frozenset(
    {"prompt", "response", "response_0", "response_1"}
    | {"prompt_source", "response_source", "response_0_source", "response_1_source"}
)

_HEAD = 2**17  # bytes that tell the form

_QUOTED = re.compile(rb'"[^"]*"')

_ESCAPED_BYTES = {chr(code) for code in range(0xDC80, 0xDD00)}


@dataclass(frozen=True)
class Form:
    """How the rows of a file are written down."""

    kind: Literal["lines", "array", "csv", "parquet"]
    separator: str = ","


@dataclass(frozen=True)
class Finding:
    """Something odd about one row: what kind, a detail without any text, whether it rejects."""

    kind: str
    detail: str
    rejects: bool = False


class Record(dict[str, Any]):
    """A row that remembers which keys it was given twice, and whether the values differed."""

    def __init__(self, members: Iterable[tuple[str, Any]] = ()) -> None:
        super().__init__()
        self.repeated: list[tuple[str, bool]] = []
        for key, value in members:
            if key in self:
                self.repeated.append((key, self[key] != value))
            self[key] = value

    def findings(self) -> list[Finding]:
        """One finding per repeated key; a repeat that differs leaves no honest value."""
        nested = (value.repeated for value in self.values() if isinstance(value, Record))
        return [
            Finding("repeated key", f"{key!s:.60}, {'differing' if differs else 'equal'} values", rejects=differs)
            for key, differs in itertools.chain(self.repeated, *nested)
        ]


Item = Record | Finding

Progress = Callable[[int], None]


def form_of(path: Path) -> Form:
    """Tell the form of a file from the ending of its name and its first bytes."""
    match format_of(path):
        case ".parquet":
            return Form("parquet")
        case ".jsonl":
            return Form("lines")
        case ".json":
            return Form("array" if _head(path).lstrip()[:1] == b"[" else "lines")
        case ".csv":
            return Form("csv", _separator(_head(path)))
    raise DataError(
        f"{path.name} was to be read; its name ends in none of .jsonl, .json, .csv, .parquet (the first three also "
        "with .gz, .xz or .zst). Rename it by what it holds, or convert it to one of them."
    )


def _head(path: Path) -> bytes:
    try:
        first = next(line_blocks(path, size=_HEAD), None)
    except Truncated:
        return b""
    return b"" if first is None else first.data[:_HEAD]


def _separator(head: bytes) -> str:
    """What the first line has most of; a mark in quotes divides nothing."""
    first = re.split(rb"[\r\n]", _QUOTED.sub(b"", head), maxsplit=1)[0]
    return max(SEPARATORS, key=lambda mark: first.count(mark.encode()))


def records(path: Path, form: Form, *, progress: Progress | None = None) -> Iterator[tuple[int | None, Item]]:
    """Rows of a text file, one at a time."""
    match form.kind:
        case "lines":
            return _of_json_lines(path, progress=progress)
        case "array":
            return _of_json_array(path, progress=progress)
        case "csv":
            return _of_csv(path, form, progress=progress)
    raise AssertionError(f"{form} has no lines")


def _of_json_lines(path: Path, *, progress: Progress | None) -> Iterator[tuple[int | None, Item]]:
    try:
        for block in line_blocks(path, progress=progress):
            for number, line in enumerate(block.data.split(b"\n"), block.first_line):
                if line.strip():
                    yield number, of_line(line)
    except Truncated as error:
        yield None, Finding("truncated archive", str(error))


def of_line(line: bytes) -> Item:
    """The JSON object that a line holds, or why it holds none."""
    try:
        record = json.loads(line.decode(), object_pairs_hook=Record)
    except UnicodeDecodeError as error:
        return Finding("invalid UTF-8", f"at byte {error.start:,} of the line", rejects=True)
    except (ValueError, RecursionError) as error:
        return Finding("malformed JSON", _reason(error), rejects=True)
    return record if isinstance(record, Record) else Finding("not an object", "", rejects=True)


def _reason(error: BaseException) -> str:
    """Why a parser gave up, without the text it was given."""
    return f"{error.msg} at column {error.colno:,}" if isinstance(error, json.JSONDecodeError) else type(error).__name__


def _of_json_array(path: Path, *, progress: Progress | None) -> Iterator[tuple[int | None, Item]]:
    data, damage = whole(path, progress=progress)
    text = _utf8(path, data)
    decoder = json.JSONDecoder(object_pairs_hook=Record)
    line, at = 1, text.index("[") + 1
    while True:
        start = at
        while start < len(text) and text[start] in " \t\r\n,":
            start += 1
        line += text.count("\n", at, start)
        if start == len(text) or text[start] == "]":
            break
        try:
            item, at = decoder.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            yield line, Finding("malformed JSON", f"unreadable from here on: {_reason(error)}", rejects=True)
            break
        yield line, item if isinstance(item, Record) else Finding("not an object", "", rejects=True)
        line += text.count("\n", start, at)
    if damage or start == len(text):
        yield line, Finding("truncated archive", damage or "the array does not end")


def _utf8(path: Path, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path.name} was read as a JSON array; its byte {error.start:,} is not UTF-8. "
            "Save it as UTF-8, or as JSON lines, where one bad line does not cost the others."
        ) from error


def csv_rows(path: Path, form: Form, *, progress: Progress | None = None) -> Iterator[tuple[int, list[str] | Finding]]:
    """Fields of each row of a CSV, all text, its header first; the line is the one on which the row begins.

    Blank lines are no rows. A row has as many fields as the header, or is a finding.
    """
    damage: list[Finding] = []

    def lines() -> Iterator[str]:
        try:
            for block in line_blocks(path, progress=progress):
                yield from io.StringIO(block.data.decode(errors="surrogateescape"), newline="")
        except Truncated as error:
            damage.append(Finding("truncated archive", str(error)))

    limit = csv.field_size_limit(sys.maxsize)  # a field may hold a text of any length
    line, width = 1, 0
    try:
        reader = csv.reader(lines(), delimiter=form.separator, strict=True)
        for fields in reader:
            if width and fields:
                yield line, _field_fault(fields, width) or fields
            elif fields:
                width = len(fields)
                yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        yield line, Finding("malformed CSV", f"unreadable from here on: {error}", rejects=True)
    finally:
        csv.field_size_limit(limit)
    for finding in damage:
        yield line, finding


def _field_fault(fields: list[str], width: int) -> Finding | None:
    if len(fields) != width:
        return Finding("malformed CSV", f"{len(fields)} fields where the header has {width}", rejects=True)
    if any(_ESCAPED_BYTES & set(field) for field in fields):
        return Finding("invalid UTF-8", "", rejects=True)
    return None


def _of_csv(path: Path, form: Form, *, progress: Progress | None) -> Iterator[tuple[int | None, Item]]:
    """Rows with values in place of text: categories as JSON in one column, or a column ``category.<key>`` each."""
    header: list[str] | None = None
    for line, fields in csv_rows(path, form, progress=progress):
        if isinstance(fields, Finding):
            yield line, fields
        elif header is None:
            header = fields
        else:
            yield line, _csv_record(header, fields)


def _csv_record(header: list[str], fields: list[str]) -> Record:
    members: list[tuple[str, Any]] = []
    objects: dict[str, list[tuple[str, Any]]] = {}
    for key, text in zip(header, fields, strict=True):
        group, dot, category = key.partition(".")
        if dot and group in CSV_OBJECTS:
            objects.setdefault(group, []).append((category, _csv_value(text)))
        else:
            members.append((key, text if key in CSV_TEXTS else _csv_value(text)))
    return Record(itertools.chain(members, ((group, Record(flags)) for group, flags in objects.items())))


def _csv_value(text: str) -> Any:
    """A CSV field that is not text: a boolean, a number or an object; else the text itself."""
    if text.strip().lower() in ("true", "false"):
        return text.strip().lower() == "true"
    try:
        return json.loads(text, object_pairs_hook=Record)
    except (ValueError, RecursionError):
        return text


def read_parquet(path: Path) -> pl.DataFrame:
    """All columns of a Parquet file."""
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise damaged_parquet(path, error) from error


def damaged_parquet(path: Path, error: Exception) -> DataError:
    """Say that a file is no Parquet file, without what the reader quotes of it."""
    return DataError(
        f"{path.name} was read as Parquet; it is damaged or no Parquet file ({_reason(error)}). Fetch it again."
    )


def of_parquet(frame: pl.DataFrame) -> Iterator[tuple[int, Record]]:
    """Rows of a table as records; a line is the number of a row."""
    for line, row in enumerate(frame.iter_rows(named=True), start=1):
        members = ((key, Record(value.items()) if isinstance(value, dict) else value) for key, value in row.items())
        yield line, Record(members)
