"""Rows of a file one at a time, for whatever the fast reader must not have.

Every iterator yields (line, record) with a `Record` or, where there is none, a `Finding`.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from btviz.data.reading.files import whole
from btviz.data.reading.layouts import Finding
from btviz.errors import DataError

ESCAPED_BYTES = {chr(code) for code in range(0xDC80, 0xDD00)}


CSV_OBJECTS = ("category", "harm_category", "response_0_harm_category", "response_1_harm_category")


CSV_TEXTS = frozenset(
    {"prompt", "response", "response_0", "response_1"}
    | {"prompt_source", "response_source", "response_0_source", "response_1_source"}
)


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


def of_line(line: bytes) -> Item:
    """The JSON object that a line holds, or why it holds none."""
    try:
        record = json.loads(line.decode(), object_pairs_hook=Record)
    except UnicodeDecodeError as error:
        return Finding("invalid UTF-8", f"at byte {error.start:,} of the line", rejects=True)
    except (ValueError, RecursionError) as error:
        return Finding("malformed JSON", reason(error), rejects=True)
    return record if isinstance(record, Record) else Finding("not an object", "", rejects=True)


def reason(error: BaseException) -> str:
    """Why a parser gave up, without the text it was given."""
    return f"{error.msg} at column {error.colno:,}" if isinstance(error, json.JSONDecodeError) else type(error).__name__


def of_json_array(path: Path) -> Iterator[tuple[int, Item]]:
    """Rows of a file that is one JSON array; those before a fault are not lost to it."""
    data, damage = whole(path)
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
            yield line, Finding("malformed JSON", f"unreadable from here on: {reason(error)}", rejects=True)
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


def of_csv(path: Path) -> Iterator[tuple[int, Item]]:
    """Rows of a CSV file: categories as JSON in one column, or a column ``category.<key>`` each."""
    data, damage = whole(path)
    text = io.StringIO(data.decode("utf-8-sig", errors="surrogateescape"), newline="")
    limit = csv.field_size_limit(sys.maxsize)  # a field may hold a text of any length
    line = 1
    try:
        rows = csv.reader(text, strict=True)
        header = next(rows, [])
        line = rows.line_num + 1
        for values in rows:
            yield line, _csv_row(header, values)
            line = rows.line_num + 1
    except csv.Error as error:
        yield line, Finding("malformed CSV", f"unreadable from here on: {error}", rejects=True)
    finally:
        csv.field_size_limit(limit)
    if damage:
        yield line, Finding("truncated archive", damage)


def _csv_row(header: list[str], values: list[str]) -> Item:
    if len(values) != len(header):
        return Finding("malformed CSV", f"{len(values)} fields where the header has {len(header)}", rejects=True)
    if any(ESCAPED_BYTES & set(value) for value in values):
        return Finding("invalid UTF-8", "", rejects=True)
    members: list[tuple[str, Any]] = []
    objects: dict[str, list[tuple[str, Any]]] = {}
    for key, value in zip(header, values, strict=True):
        group, dot, category = key.partition(".")
        if dot and group in CSV_OBJECTS:
            objects.setdefault(group, []).append((category, _csv_value(value)))
        else:
            members.append((key, value if key in CSV_TEXTS else _csv_value(value)))
    return Record(itertools.chain(members, ((group, Record(flags)) for group, flags in objects.items())))


def _csv_value(value: str) -> Any:
    """A CSV field that is not text: a boolean, a number or an object; else the text itself."""
    if value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    try:
        return json.loads(value, object_pairs_hook=Record)
    except (ValueError, RecursionError):
        return value


def typical(items: Iterable[Item]) -> Record | None:
    """The record with the most common keys: one odd first line must not decide for the file."""
    found = [item for item in items if isinstance(item, Record)]
    if not found:
        return None
    common = Counter(tuple(record) for record in found).most_common(1)[0][0]
    return next(record for record in found if tuple(record) == common)


def describe(found: Mapping[str, Any] | None) -> str:
    """Keys of a record that fits no layout, for a message."""
    if not found:
        return "no row of it can be read"
    return f"its rows have the keys {sorted(str(key)[:40] for key in found)[:12]}, which fit no layout btviz knows"
