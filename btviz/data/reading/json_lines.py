"""JSON lines as columns: by Polars where that is shown to lose nothing, else each line by Python."""

from __future__ import annotations

import io
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from btviz.data.reading.files import Block
from btviz.data.reading.record import Batch, Finding, Item, Record, batch_of

_SAMPLE_ROWS = 100

_LEAVES: dict[type, pl.DataType] = {str: pl.String(), bool: pl.Boolean(), int: pl.Int64(), float: pl.Float64()}


@dataclass(frozen=True)
class LineReader:
    """Reads the lines of one file.

    The Polars reader silently drops what its schema does not name, so its row of a line counts only if the row,
    written again, is the line byte for byte.
    """

    schema: pl.Schema | None

    @classmethod
    def of(cls, block: Block) -> LineReader:
        """A reader that expects what most of the first lines hold."""
        sample = [of_line(line) for line in itertools.islice(io.BytesIO(block.data), _SAMPLE_ROWS)]
        return cls(_schema_of([item for item in sample if isinstance(item, Record)]))

    def read(self, block: Block) -> Iterator[Batch]:
        """Rows of a block: those that Polars read, then the others."""
        lines = None if self.schema is None else _lines(block.data)
        rows = None if lines is None else self._rows(block.data)
        if lines is None or rows is None or rows.height != len(lines):
            yield batch_of(items_of(enumerate(block.data.split(b"\n"), block.first_line)))
            return
        numbers = pl.int_range(len(lines), dtype=pl.UInt64, eager=True).alias("line") + block.first_line
        same = rows.select(pl.struct(pl.all()).struct.json_encode())[:, 0].eq_missing(lines)
        yield Batch(numbers.filter(same), {column.name: column for column in rows.filter(same)})
        if not same.all():
            others = (line.encode() for line in lines.filter(~same))
            yield batch_of(items_of(zip(numbers.filter(~same), others, strict=True)))

    def _rows(self, data: bytes) -> pl.DataFrame | None:
        try:
            return pl.read_ndjson(data, schema=self.schema)
        except pl.exceptions.PolarsError:  # a line is no JSON, or a value not of its type
            return None


def items_of(lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, Item]]:
    """Rows of lines that are not blank."""
    return ((number, of_line(line)) for number, line in lines if line.strip())


def of_line(line: bytes) -> Item:
    """The JSON object that a line holds, or why it holds none."""
    try:
        record = json.loads(line.decode(), object_pairs_hook=Record)
    except UnicodeDecodeError as error:
        return Finding("invalid UTF-8", f"at byte {error.start:,} of the line", rejects=True)
    except (ValueError, RecursionError) as error:
        return Finding("malformed JSON", reason_of(error), rejects=True)
    return record if isinstance(record, Record) else Finding("not an object", "", rejects=True)


def reason_of(error: BaseException) -> str:
    """Why a parser gave up, without the text it was given."""
    return f"{error.msg} at column {error.colno:,}" if isinstance(error, json.JSONDecodeError) else type(error).__name__


def _lines(data: bytes) -> pl.Series | None:
    try:
        return pl.read_lines(io.BytesIO(data), name="line")["line"]
    except pl.exceptions.ComputeError:  # some byte is not UTF-8
        return None


def _schema_of(sample: list[Record]) -> pl.Schema | None:
    """Types of the keys that most rows have, in their order; None where a value has no single type."""
    if not sample:
        return None
    keys = Counter(tuple(record) for record in sample).most_common(1)[0][0]
    rows = [record for record in sample if tuple(record) == keys]
    dtypes = {key: _dtype_of([row[key] for row in rows]) for key in keys}
    known = {key: dtype for key, dtype in dtypes.items() if dtype is not None}
    return pl.Schema(known) if len(known) == len(keys) else None


def _dtype_of(values: list[Any]) -> pl.DataType | None:
    kinds = set(map(type, values)) - {type(None)}
    if kinds == {Record}:
        schema = _schema_of([value for value in values if value is not None])
        return None if schema is None else pl.Struct(schema)
    if kinds == {list}:
        inner = _dtype_of([item for value in values if value is not None for item in value])
        return None if inner is None else pl.List(inner)
    return _LEAVES.get(kinds.pop()) if len(kinds) == 1 else None
