"""CSV: what divides its columns and quotes its fields, and its rows as columns of text."""

from __future__ import annotations

import csv
import io
import itertools
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from btviz.data.reading.archives import Truncated
from btviz.data.reading.files import LONGEST_ROW, Block
from btviz.data.reading.record import Batch, Cells, Finding, shown_columns
from btviz.errors import DataError

_ROWS_AT_ONCE = 5_000

_LETTERS_AT_ONCE = 8 << 20

_READ_AGAIN = 256 << 20
"""Letters that are read again, all in all, behind quotes that are not closed."""

_USUAL = (",", ";", "\t", "|")

_NEVER = frozenset("\"'._-?\r\n ")
"""What stands in names of columns, and divides none."""

_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\r?\n')

_ESCAPED_BYTES = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True)
class Dialect:
    """How a CSV is written."""

    separator: str = ","
    escape: str | None = None
    quote: str | None = '"'
    spaced: bool = False
    """Whether a space follows each separator."""
    skip: int = 0
    """Lines before the header."""
    names: tuple[str, ...] = ()
    """Of the columns, where no header names them."""
    comments: int = 0
    """Lines that begin with #, among those before the header."""

    def reader(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """Fields of each row; a row that is none raises `csv.Error`."""
        return csv.reader(
            lines,
            delimiter=self.separator,
            doublequote=self.escape is None,
            escapechar=self.escape,
            quotechar=self.quote,
            quoting=csv.QUOTE_NONE if self.quote is None else csv.QUOTE_MINIMAL,
            skipinitialspace=self.spaced,
            strict=True,
        )


def dialect_of(start: str, *, whole: bool) -> tuple[Dialect, float]:
    """The dialect in which most rows at the start of a file are as wide as the header, and how many are.

    The share is 0 where no separator divides the header.
    """
    named = _SEPARATOR_LINE.match(start)
    if named:
        return Dialect(named[1], skip=1), 1.0
    lines = list(io.StringIO(start, newline=""))[: None if whole else -1] or [start]  # other marks end no line
    best, share = _best_dialect(start, lines)
    above = len(list(itertools.takewhile(lambda line: line[:1] == "#" or not line.strip(), lines)))
    if not 0 < above < len(lines) or (share >= _EVEN and len(lines) > 2):
        return best, share
    below, share_below = _best_dialect(start, lines[above:])
    if share_below < _EVEN or share_below <= share:
        return best, share
    return replace(below, skip=above, comments=sum(line[:1] == "#" for line in lines[:above])), share_below


_EVEN = 0.9
"""Share of rows as wide as their header that leaves no doubt that what stands above it are comments."""


def _best_dialect(start: str, lines: list[str]) -> tuple[Dialect, float]:
    header = re.sub(r'"[^"]*"', "", lines[0])
    others = {mark for mark in header if unicodedata.category(mark)[0] in "PSC"} - _NEVER - set(_USUAL)
    scores = [
        (round(share - cost, 2), width, share, dialect)
        for mark in (*_USUAL, *sorted(others))
        if mark in header
        for dialect, cost in _dialects(mark, spaced=header.count(mark) == header.count(f"{mark} "), text=start)
        for share, width in [_share_of_sound(dialect, lines)]
    ]
    best = max(scores, key=lambda score: score[:2], default=None)
    return (Dialect(), 0.0) if best is None else (best[3], best[2])


def _dialects(mark: str, *, spaced: bool, text: str) -> Iterator[tuple[Dialect, float]]:
    """Ways to quote fields, and how much better than the usual one each must be to be taken for it."""
    yield Dialect(mark, spaced=spaced), 0.0
    if '\\"' in text:
        yield Dialect(mark, spaced=spaced, escape="\\"), 0.01
    yield Dialect(mark, quote=None), 0.2


def _share_of_sound(dialect: Dialect, lines: list[str]) -> tuple[float, int]:
    """Share of lines that belong to rows as wide as the header, and that width."""
    reader = dialect.reader(lines)
    widths: list[int] = []
    while True:
        try:
            fields = next(reader, None)
        except csv.Error:
            widths.append(0)
            continue
        if fields is None:
            break
        if fields:
            widths.append(len(fields))
    width = widths[0] if widths else 0
    if width < 2:
        return 0.0, 0
    sound = sum(w == width for w in widths) - 1
    return (sound / (len(widths) - 1) if len(widths) > 1 else 1.0), width


class _Lines:
    """Lines of a file, which can be given again: a quote that is not closed takes in those that follow it."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        self.damage: str | None = None
        self.number = 0
        self._blocks = iter(blocks)
        self._ready: Iterator[str] = iter(())
        self._since: list[str] = []
        self._held = 0
        self._again = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._next()
        self.number += 1
        self._since.append(line)
        self._held += len(line)
        if self._held > LONGEST_ROW:
            raise csv.Error(f"more than {LONGEST_ROW:,} letters without an end")
        return line

    def _next(self) -> str:
        while (line := next(self._ready, None)) is None:
            try:
                block = next(self._blocks)
            except Truncated as error:
                self.damage = str(error)
                raise StopIteration from error
            if block.skipped:
                self.number += 1
                raise csv.Error(f"a line of {block.skipped:,} bytes; at most {LONGEST_ROW:,} are read")
            text = block.data.decode(errors="surrogateescape")
            self._ready = iter(io.StringIO(text, newline=""))
        return line

    def begin(self) -> None:
        """Take what was read for a row."""
        self._since, self._held = [], 0

    def begin_again(self) -> str:
        """Give all but the first line of what was read again; what becomes of them."""
        after = self._since[1:]
        self._again += self._held
        if after and self._again > _READ_AGAIN:
            self.begin()
            return f"; nor are the {len(after):,} lines after it read"
        self.number -= len(after)
        self._ready = itertools.chain(after, self._ready)
        self.begin()
        return "; the lines after it are read again" if after else ""


def rows_of(blocks: Iterable[Block], dialect: Dialect) -> Iterator[tuple[int | None, list[str] | Finding]]:
    """Fields of each row of a CSV, all text, its header first; the line is the one on which the row begins.

    Blank lines are no rows. A row has as many fields as the header, or is a finding.
    """
    limit = csv.field_size_limit(sys.maxsize)  # a field may hold a text of any length
    try:
        lines = _Lines(blocks)
        for _ in range(dialect.skip):
            next(lines, None)
        yield from _rows(lines, dialect)
    finally:
        csv.field_size_limit(limit)


def _rows(lines: _Lines, dialect: Dialect) -> Iterator[tuple[int | None, list[str] | Finding]]:
    width = 0
    reader = dialect.reader(lines)
    while True:
        line = lines.number + 1
        lines.begin()
        try:
            fields = next(reader, None)
        except csv.Error as error:
            yield line, Finding("malformed CSV", f"{error}{lines.begin_again()}", rejects=True)
            reader = dialect.reader(lines)
            continue
        if fields is None:
            break
        if fields:
            fault = _fault(fields, width)
            width = width or len(fields)
            if fault is not None and lines.number > line:  # a quote may have taken in what does not belong to it
                fault = replace(fault, detail=fault.detail + lines.begin_again())
                reader = dialect.reader(lines)
            yield line, fault or fields
    if lines.damage:
        yield None, Finding("truncated archive", lines.damage)


def _fault(fields: list[str], width: int) -> Finding | None:
    if width and len(fields) != width:
        return Finding("malformed CSV", f"{len(fields)} fields where the header has {width}", rejects=True)
    if any(not field.isascii() and _ESCAPED_BYTES.search(field) for field in fields):
        return Finding("invalid UTF-8", "save the file as UTF-8", rejects=True)
    return None


def batches_of(blocks: Iterable[Block], dialect: Dialect, *, name: str) -> Iterator[Batch]:
    """Rows of a CSV as columns of text."""
    rows = rows_of(blocks, dialect)
    header = list(dialect.names) or _header(rows, name)
    if header is None:
        return
    first = True
    while True:
        lines: list[int | None] = []
        sound: list[list[str]] = []
        findings: list[tuple[int | None, Finding]] = []
        letters = 0
        for line, fields in rows:
            if isinstance(fields, Finding):
                findings.append((line, fields))
            else:
                lines.append(line)
                sound.append(fields)
                letters += sum(map(len, fields))
            if len(lines) + len(findings) >= _ROWS_AT_ONCE or letters > _LETTERS_AT_ONCE:
                break
        if not lines and not findings and not first:
            return
        first = False
        cells: Iterable[Any] = zip(*sound, strict=True) if sound else [()] * len(header)
        columns: dict[str, Cells] = {
            key: pl.Series(key, values, pl.String) for key, values in zip(header, cells, strict=True)
        }
        yield Batch(pl.Series("line", lines, pl.UInt64), columns, findings)


def _header(rows: Iterator[tuple[int | None, list[str] | Finding]], name: str) -> list[str] | None:
    """Names of the columns. Which of two of one name is meant cannot be known; unnamed ones are numbered."""
    _, fields = next(rows, (0, None))
    if fields is None:
        return None
    if isinstance(fields, Finding):
        raise DataError(
            f"{name} was to be read as CSV; its first line is no header: {fields.kind} {fields.detail}. Save it as "
            "UTF-8 with a header, and close its quotes."
        )
    names = [field.strip() or (f"column {i}" if i > 1 else "") for i, field in enumerate(fields, 1)]
    twice = sorted({key for key in names if names.count(key) > 1})
    if twice:
        raise DataError(
            f"{name} was to be read as CSV; its columns {shown_columns(twice)} are there more than once. "
            "Name each column once."
        )
    return names
