"""CSV: what divides its columns, its fields as text, and its rows as records."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from btviz.data.reading.files import Truncated, line_blocks
from btviz.data.reading.record import Finding, Item, Progress, Record

SEPARATORS = (",", ";", "\t")
"""What divides the columns of a CSV; spreadsheets of some countries write semicolons."""

CSV_OBJECTS = ("category", "harm_category", "response_0_harm_category", "response_1_harm_category")

CSV_TEXTS = frozenset(
    {"prompt", "response", "response_0", "response_1"}
    | {"prompt_source", "response_source", "response_0_source", "response_1_source"}
)

_QUOTED = re.compile(rb'"[^"]*"')

_ESCAPED_BYTES = {chr(code) for code in range(0xDC80, 0xDD00)}


def separator_of(head: bytes) -> str:
    """What the first line has most of; a mark in quotes divides nothing."""
    first = re.split(rb"[\r\n]", _QUOTED.sub(b"", head), maxsplit=1)[0]
    return max(SEPARATORS, key=lambda mark: first.count(mark.encode()))


def csv_rows(
    path: Path, separator: str, *, progress: Progress | None = None
) -> Iterator[tuple[int, list[str] | Finding]]:
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
        reader = csv.reader(lines(), delimiter=separator, strict=True)
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


def records_of_csv(path: Path, separator: str, *, progress: Progress | None) -> Iterator[tuple[int | None, Item]]:
    """Rows with values in place of text: categories as JSON in one column, or a column ``category.<key>`` each."""
    header: list[str] | None = None
    for line, fields in csv_rows(path, separator, progress=progress):
        if isinstance(fields, Finding):
            yield line, fields
        elif header is None:
            header = fields
        else:
            yield line, _csv_record(header, fields)


def cells_of_csv(path: Path, separator: str, *, progress: Progress | None) -> Iterator[tuple[int | None, Item]]:
    """Rows as they are written: all values are text."""
    header: list[str] | None = None
    for line, fields in csv_rows(path, separator, progress=progress):
        if isinstance(fields, Finding):
            yield line, fields
        elif header is None:
            header = fields
        else:
            yield line, Record(zip(header, fields, strict=True))


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
