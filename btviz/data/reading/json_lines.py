"""JSON lines as columns: what recurs is read once, the rest by Polars where that loses nothing, else by Python."""

from __future__ import annotations

import functools
import io
import itertools
import json
import operator
import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from btviz.data.reading.files import LONGEST_ROW, Block, count_bytes
from btviz.data.reading.json_text import items_of_line
from btviz.data.reading.record import Batch, Finding, Item, Recurring, batch_of, batched
from btviz.data.tables import Texts

SAMPLE_LINES = 100

_FEW = 64
"""Lines for which no grammar is worth its making."""

_GRAMMARS = 4
"""Shapes of rows that one block is tried for."""

_SPACE = r"[ \t\r]*"

_TEXT = (
    r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]'
    r"|\\u(?:[0-9a-ce-fA-CE-F][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2})"
    r'|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})*"'
)

_LEAVES: dict[type, tuple[pl.DataType, str]] = {
    str: (pl.String(), _TEXT),
    bool: (pl.Boolean(), "(?:true|false)"),
    int: (pl.Int64(), "-?(?:0|[1-9][0-9]{0,17})"),
    float: (pl.Float64(), r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,40})?(?:[eE][-+]?[0-9]{1,2})?"),
}

_PYTHON = threading.Lock()  # one thread parses at a time in any case; so the others hold no rows meanwhile


@dataclass(frozen=True)
class Grammar:
    """The lines that Polars reads without loss.

    Its reader silently drops what its schema does not name. So it is given a line only if the whole line matches an
    expression of the schema: its keys in one order, none missing, extra or repeated, every value null or of its type,
    no half of a character that takes two, and no number that a float or a 64-bit integer does not hold.
    """

    schema: pl.Schema
    pattern: str

    @classmethod
    def of(cls, lines: Iterable[bytes]) -> Grammar | None:
        """The grammar of most of these lines, if their values have one type each."""
        return cls.of_rows(_rows_in(lines))

    @classmethod
    def of_rows(cls, rows: Sequence[dict[str, Any]]) -> Grammar | None:
        """The grammar of most of these rows."""
        found = _object(rows)
        return None if found is None else cls(found[0], rf"^{_SPACE}{found[1]}{_SPACE}$")

    def read(self, lines: bytes, *, height: int) -> pl.DataFrame:
        """Read lines of which each matches."""
        rows = pl.read_ndjson(lines, schema=self.schema)
        if rows.height != height:
            raise AssertionError(f"{rows.height} rows of {height} lines")
        return rows


def _rows_in(lines: Iterable[bytes]) -> list[dict[str, Any]]:
    return [item for line in lines for item in items_of_line(line) if isinstance(item, dict)]


def _object(rows: Sequence[dict[str, Any]]) -> tuple[pl.Schema, str] | None:
    """Schema and pattern of objects that have the most common keys; None where a value has no single type."""
    if not rows:
        return None
    keys = Counter(tuple(row) for row in rows).most_common(1)[0][0]
    members = {key: _value([row[key] for row in rows if tuple(row) == keys]) for key in keys}
    known = {key: member for key, member in members.items() if member is not None}
    if len(known) < len(keys) or not keys:
        return None
    pairs = [f"{_quoted(key)}{_SPACE}:{_SPACE}{pattern}" for key, (_, pattern) in known.items()]
    body = f"{_SPACE},{_SPACE}".join(pairs)
    return pl.Schema({key: dtype for key, (dtype, _) in known.items()}), rf"\{{{_SPACE}{body}{_SPACE}\}}"


def _value(values: Sequence[Any]) -> tuple[pl.DataType, str] | None:
    kinds = set(map(type, values)) - {type(None)}
    if kinds == {int, float}:
        kinds = {float}
    if len(kinds) != 1:
        return (pl.Null(), "null") if not kinds else None
    kind, present = kinds.pop(), [value for value in values if value is not None]
    if kind is dict:
        found = _object(present)
        return None if found is None else (pl.Struct(found[0]), f"(?:{found[1]}|null)")
    if kind is list:
        inner = _value([item for value in present for item in value])
        if inner is None or inner[0] == pl.Null():
            return None
        items = f"{inner[1]}(?:{_SPACE},{_SPACE}{inner[1]})*"
        return pl.List(inner[0]), rf"(?:\[{_SPACE}(?:{items})?{_SPACE}\]|null)"
    dtype, pattern = _LEAVES[kind]
    return dtype, f"(?:{pattern}|null)"


def _quoted(key: str) -> str:
    return re.escape(json.dumps(key, ensure_ascii=False)).replace(r"\ ", " ")


@dataclass(frozen=True)
class Tailed:
    """Lines of texts and a tail that many lines share, as annotations are: each distinct tail is read once.

    A line is cut at marks. Wherever these stand, it is a row of the grammar if what is between them is, piece by piece:
    for each text what JSON writes between quotes, and a row of its own for the tail.

    Attributes
    ----------
    keys : tuple of str
        Of the texts.
    marks : tuple of str
        What is before each text, and before the tail: keys as the file writes them, with the quotes around texts.
    tail : Grammar
        Of tails, as rows.
    """

    keys: tuple[str, ...]
    marks: tuple[str, ...]
    tail: Grammar

    @classmethod
    def of(cls, lines: Sequence[bytes], schema: pl.Schema) -> Tailed | None:
        """How lines of a schema are cut; None where they do not begin with texts, or most have a tail of their own."""
        keys = tuple(itertools.takewhile(lambda key: schema[key] == pl.String, schema))
        rows = [row for row in _rows_in(lines) if tuple(row) == tuple(schema)]
        tails = [{key: row[key] for key in schema if key not in keys} for row in rows]
        tail = Grammar.of_rows(tails)
        if not keys or tail is None or len(set(map(json.dumps, tails))) * 2 > len(tails):
            return None
        writings = [_marks([*keys, next(iter(tail.schema))], *signs) for signs in ((",", ":"), (", ", ": "))]
        marks = max(writings, key=lambda marks: sum(line.startswith(marks[0].encode()) for line in lines))
        return cls(keys, marks, tail)

    def read(self, lines: pl.Series, *, numbers: pl.Series, has_controls: bool) -> tuple[pl.Series, Batch]:
        """Which lines are such rows, and these; `numbers` of all lines, `has_controls` where texts may have some."""
        rows, *texts, tails = self._pieces(lines)
        place, members = self._members(tails)
        values = [_text(text, has_controls=has_controls) for text in texts]
        fits = functools.reduce(operator.and_, (series.is_not_null() for series in (place, *values)))
        flags = np.zeros(len(lines), np.bool_)
        flags[rows.filter(fits).to_numpy()] = True
        cut = pl.Series(flags)
        recurring = Recurring(place.filter(fits), members.to_dict())
        found = {key: value.filter(fits) for key, value in zip(self.keys, values, strict=True)}
        return cut, Batch(numbers.filter(cut), {**found}, recurring=recurring)

    def _pieces(self, lines: pl.Series) -> list[pl.Series]:
        """Number of each line that has all marks in their order, its texts as they are between quotes, and its tail."""
        first, *others = self.marks
        at = (pl.col("line").str.find(mark, literal=True).cast(pl.Int64) for mark in others)
        found = (
            lines.to_frame("line")
            .with_row_index("row")
            .filter(pl.col("line").str.starts_with(first))
            .with_columns(pl.col("line").cast(pl.Binary), *(place.alias(str(i)) for i, place in enumerate(at, 1)))
        )
        ends = [pl.col(str(i + 1)) for i in range(len(others))]
        starts = [
            pl.lit(len(first.encode())),
            *(end + len(mark.encode()) for end, mark in zip(ends, others, strict=True)),
        ]
        spans = list(zip(starts, ends, strict=False))  # what begins at the last mark is the tail
        cut = found.filter(start <= end for start, end in spans)
        line = pl.col("line").bin  # which is cut by bytes, as places are counted
        texts = [line.slice(start, end - start) for start, end in spans]
        tail = line.slice(spans[-1][1] + len('",'))
        pieces = [piece.cast(pl.String).alias(str(i)) for i, piece in enumerate([*texts, tail])]
        return cut.select("row", *pieces).get_columns()

    def _members(self, tails: pl.Series) -> tuple[pl.Series, pl.DataFrame]:
        """Rows of the distinct tails, and which of them each tail is; null where it is none."""
        texts = Texts.of(tails)
        rows = "{" + texts.distinct
        fits = rows.str.contains(self.tail.pattern)
        place = (fits.cast(pl.UInt32).cum_sum() - 1).set(~fits, None)
        return place.gather(texts.places), self.tail.read(_joined(rows.filter(fits)), height=int(fits.sum()))


def _marks(keys: Sequence[str], comma: str, colon: str) -> tuple[str, ...]:
    """What is before the texts of all keys but the last, and before the value of that one."""
    first, *others = (json.dumps(key, ensure_ascii=False) + colon for key in keys)
    *texts, tail = (f'"{comma}{key}' for key in others)
    return (f'{{{first}"', *(f'{text}"' for text in texts), tail)


def _text(raw: pl.Series, *, has_controls: bool) -> pl.Series:
    """Texts that JSON writes so between quotes, null where it would not; what needs no escape is as it is."""
    escaped = raw.str.contains(r'[\\"]')
    if has_controls:
        escaped |= raw.str.contains(r"[\x00-\x1f]")
    if not escaped.any():
        return raw
    quoted = '"' + raw.filter(escaped) + '"'
    sound = quoted.str.contains(f"^{_TEXT}$")
    return raw.scatter(escaped.arg_true(), quoted.set(~sound, None).str.json_decode(pl.String))


@dataclass(frozen=True)
class LineReader:
    """Reads the lines of one file, by the grammar of its first lines and those of what a block holds besides."""

    grammar: Grammar | None
    is_dense: bool
    """Whether lines are written without spaces and escapes that JSON does not need."""
    tailed: Tailed | None

    @classmethod
    def of(cls, block: Block) -> LineReader:
        """A reader that expects what most of the first lines hold."""
        lines = [line.strip() for line in itertools.islice(io.BytesIO(block.data), SAMPLE_LINES)]
        grammar = Grammar.of(lines)
        dense = sum(map(_is_dense, lines)) * 2 > len(lines)
        tailed = None if grammar is None else Tailed.of(lines, grammar.schema)
        return cls(grammar, is_dense=dense and grammar is not None, tailed=tailed)

    def _attempt(self, data: bytes) -> pl.DataFrame | None:
        try:
            return None if self.grammar is None else pl.read_ndjson(data, schema=self.grammar.schema)
        except pl.exceptions.PolarsError:  # a line is no JSON, or a value not of its type
            return None

    def read(self, block: Block) -> Iterator[Batch]:
        """Rows of a block: those that Polars reads, then the others."""
        if block.skipped:
            yield too_long(block.first_line, block.skipped)
            return
        numbers, lines, broken = _lines(block)
        count = len(lines) if not broken else -1
        grammar = self.grammar
        if self.tailed is not None and len(lines):
            cut, batch = self.tailed.read(lines, numbers=numbers, has_controls=_has_controls(block))
            if cut.any():
                yield batch
                numbers, lines = numbers.filter(~cut), lines.filter(~cut)
        rows = self._attempt(block.data) if self.is_dense and len(lines) == count else None
        if rows is not None and rows.height == len(lines):
            # the row of a line counts where, written as compact JSON, it is the line: quicker than its grammar
            same = rows.select(pl.struct(pl.all()).struct.json_encode())[:, 0].eq_missing(lines)
            kept = rows if same.all() else rows.filter(same)
            yield Batch(numbers.filter(same), {column.name: column for column in kept})
            numbers, lines = numbers.filter(~same), lines.filter(~same)
        for _ in range(_GRAMMARS):
            fits = None if grammar is None else lines.str.contains(grammar.pattern)
            if grammar is not None and fits is not None and fits.any():
                whole = fits.all() and len(lines) == count
                rows = grammar.read(block.data if whole else _joined(lines.filter(fits)), height=int(fits.sum()))
                yield Batch(numbers.filter(fits), {column.name: column for column in rows})
                numbers, lines = numbers.filter(~fits), lines.filter(~fits)
            if len(lines) < _FEW:
                break
            grammar = Grammar.of(line.encode() for line in lines.gather_every(max(1, len(lines) // SAMPLE_LINES)))
        left = ((number, line.encode()) for number, line in zip(numbers, lines, strict=True))
        yield from slowly(itertools.chain(left, broken))


def _is_dense(line: bytes) -> bool:
    try:
        return json.dumps(json.loads(line), separators=(",", ":"), ensure_ascii=False).encode() == line
    except (ValueError, RecursionError):  # also of a lone half of a character
        return False


def too_long(line: int, size: int) -> Batch:
    """What is said of a row that is too long to be read."""
    detail = f"{size:,} bytes; at most {LONGEST_ROW:,} are read"
    return batch_of([(line, Finding("row too long", detail, rejects=True))])


def _joined(lines: pl.Series) -> bytes:
    return "\n".join(lines).encode()


def slowly(lines: Iterable[tuple[int, bytes]]) -> Iterator[Batch]:
    """Rows that Python reads, a few at a time."""
    read = 0

    def items() -> Iterator[tuple[int, Item]]:
        nonlocal read
        for number, line in lines:
            read += len(line)
            yield from ((number, item) for item in items_of_line(line))

    found = batched(items(), letters=lambda: read)
    while True:
        with _PYTHON:
            batch = next(found, None)
        if batch is None:
            return
        if batch.lines.len() or batch.findings:
            yield batch


def _has_controls(block: Block) -> bool:
    """Whether there are characters of control other than line ends."""
    return count_bytes(block.data, lambda codes: codes < ord(" ")) > block.line_ends


def _lines(block: Block) -> tuple[pl.Series, pl.Series, list[tuple[int, bytes]]]:
    """Lines of a block that are not blank, with their numbers; and apart from them those that are no UTF-8."""
    broken: list[tuple[int, bytes]] = []
    try:
        lines = pl.read_lines(block.data, name="line")["line"]
    except pl.exceptions.ComputeError:  # some byte is not UTF-8
        texts: list[str | None] = []
        for number, line in enumerate(block.data.split(b"\n"), block.first_line):
            try:
                texts.append(line.decode())
            except UnicodeDecodeError:
                texts.append(None)
                broken.append((number, line))
        lines = pl.Series("line", texts, pl.String)
    numbers = pl.int_range(len(lines), dtype=pl.UInt64, eager=True).alias("line") + block.first_line
    filled = (lines.str.len_bytes() > 0).fill_null(value=False)
    return (numbers, lines, broken) if filled.all() else (numbers.filter(filled), lines.filter(filled), broken)
