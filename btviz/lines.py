"""JSON lines: read fast where that is shown to lose nothing, one by one elsewhere."""

from __future__ import annotations

import io
import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from btviz.files import Block, Truncated, line_blocks
from btviz.layouts import Finding, Layout, recognise
from btviz.records import of_line, typical
from btviz.rows import Parsed, checked, finished, joined, unrecognised
from btviz.taxonomy import Taxonomy

SAMPLE_LINES = 100
WORKERS = 1 + min(4, os.cpu_count() or 1)  # one more than cores: Polars waits for its own threads


def json_lines(
    path: Path, *, progress: Callable[[int], None] | None = None, taxonomy: Taxonomy | None = None
) -> Iterator[Parsed]:
    """Read a file of JSON lines block by block; at least one block.

    Raises
    ------
    DataError
        If no line tells which layout the file has.
    """
    blocks = line_blocks(path, progress=progress)
    try:
        first = next(blocks)
    except (StopIteration, Truncated) as error:
        raise unrecognised(path, None) from error
    reader = _LineReader.of(path, first, taxonomy=taxonomy)
    try:
        yield from _ahead(reader.read, itertools.chain([first], blocks))
    except Truncated as error:
        yield checked(reader.layout, [(None, Finding("truncated archive", str(error)))], file=path.name)


def _ahead(read: Callable[[Block], Parsed], blocks: Iterable[Block]) -> Iterator[Parsed]:
    """Read blocks in threads, a few ahead, in order; what came before a fault is still yielded."""
    pending: deque[Future[Parsed]] = deque()
    fault: Truncated | None = None
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            for block in blocks:
                pending.append(pool.submit(read, block))
                if len(pending) > WORKERS:
                    yield pending.popleft().result()
        except Truncated as error:
            fault = error
        while pending:
            yield pending.popleft().result()
    if fault is not None:
        raise fault


@dataclass(frozen=True)
class _LineReader:
    """Reads lines of one file.

    The fast Polars reader silently drops what its schema does not name, so its row of a line
    counts only if the row, written again, is the line byte for byte; or if the line matches
    the grammar of the file as a whole (escapes and spaces may be written in several ways).
    """

    path: Path
    layout: Layout
    order: tuple[str, ...]
    grammar: str | None

    @classmethod
    def of(cls, path: Path, block: Block, *, taxonomy: Taxonomy | None) -> _LineReader:
        record = typical(of_line(line) for line in itertools.islice(io.BytesIO(block.data), SAMPLE_LINES))
        layout = recognise(record, taxonomy=taxonomy) if record else None
        if record is None or layout is None:
            raise unrecognised(path, record)
        order = tuple(record)
        return cls(path, layout, order, layout.grammar(order, record))

    def read(self, block: Block) -> Parsed:
        lines = _lines(block.data)
        if lines is None or self.grammar is None:
            return self._slow(enumerate(block.data.split(b"\n"), block.first_line))
        number = pl.int_range(len(lines), dtype=pl.UInt64, eager=True) + block.first_line
        whole = self._attempt(block.data)
        if whole is None or whole.height != len(lines):  # a blank line, or two objects in one
            return joined(self._otherwise(lines, number))
        # the row of a line counts where, written as compact JSON, it is the line
        same = whole.select(pl.struct(pl.all()).struct.json_encode())[:, 0].eq_missing(lines)
        parts = [self._rows(whole.filter(same), number.filter(same))]
        if not same.all():
            parts += self._otherwise(lines.filter(~same), number.filter(~same))
        return joined(parts)

    def _otherwise(self, lines: pl.Series, number: pl.Series) -> list[Parsed]:
        fits = lines.str.contains(self.grammar or "")
        matched = self._fast("\n".join(lines.filter(fits)).encode())
        rest = zip(number.filter(~fits), (line.encode() for line in lines.filter(~fits)), strict=True)
        return [self._rows(matched, number.filter(fits)), self._slow(rest)]

    def _fast(self, data: bytes) -> pl.DataFrame:
        schema = self.layout.released_schema(self.order)
        return pl.read_ndjson(data, schema=schema) if data else pl.DataFrame(schema=schema)

    def _attempt(self, data: bytes) -> pl.DataFrame | None:
        try:
            return self._fast(data)
        except pl.exceptions.PolarsError:  # a line is no JSON, or a value not of its type
            return None

    def _rows(self, released: pl.DataFrame, number: pl.Series) -> Parsed:
        rows = released.select(self.layout.canonical()).with_columns(number.alias("line"))
        return finished(self.layout, rows, file=self.path.name, rows_in=rows.height)

    def _slow(self, lines: Iterable[tuple[int, bytes]]) -> Parsed:
        items = ((number, of_line(line)) for number, line in lines if line.strip())
        return checked(self.layout, items, file=self.path.name)


def _lines(data: bytes) -> pl.Series | None:
    try:
        return pl.read_lines(io.BytesIO(data), name="line")["line"]
    except pl.exceptions.ComputeError:  # some byte is not UTF-8
        return None
