"""From a released file to canonical rows, with every problem named by file and line.

Counts in = counts out + counts reported: a row is kept as it is, kept and reported, or
rejected and reported; none is altered. The fast Polars reader drops what a schema does not
name and never says where, so it gets only lines that match the file's grammar as a whole;
all others are parsed one by one.
"""

from __future__ import annotations

import io
import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from btviz.errors import DataError
from btviz.files import Block, Truncated, format_of, line_blocks
from btviz.flags import flagged
from btviz.layouts import Finding, Layout, recognise
from btviz.records import Item, Record, describe, of_csv, of_json_array, of_line, reason, typical

PROBLEMS = pl.Schema(
    {
        "file": pl.String(),
        "line": pl.UInt64(),
        "kind": pl.String(),
        "action": pl.String(),
        "detail": pl.String(),
    }
)
SAMPLE_LINES = 100
WORKERS = min(4, os.cpu_count() or 1)


@dataclass(frozen=True)
class Parsed:
    """Canonical rows of one file, or of one block of it.

    Attributes
    ----------
    layout : Layout
        Shape of the file.
    rows : DataFrame
        One row per row kept: the layout's columns and `line` (from 1).
    problems : DataFrame
        `file`, `line`, `kind`, `action` (rejected or kept), `detail`.
    rows_in : int
        Rows found in the file: those kept and those rejected.
    """

    layout: Layout
    rows: pl.DataFrame
    problems: pl.DataFrame
    rows_in: int


def parse(path: Path, *, progress: Callable[[int], None] | None = None) -> Parsed:
    """Read one released file of any supported format.

    Parameters
    ----------
    path : Path
        ``.jsonl``, ``.json``, ``.csv`` (each also with .gz, .xz or .zst) or ``.parquet``.
    progress : callable, optional
        Called with the bytes of the file read so far.

    Raises
    ------
    DataError
        If no row tells which layout the file has, or the format is unknown.
    """
    blocks = list(parse_blocks(path, progress=progress))
    return Parsed(
        blocks[0].layout,
        pl.concat([block.rows for block in blocks]),
        pl.concat([block.problems for block in blocks]),
        sum(block.rows_in for block in blocks),
    )


def parse_blocks(path: Path, *, progress: Callable[[int], None] | None = None) -> Iterator[Parsed]:
    """Read one released file block by block, for files larger than memory; at least one block."""
    match format_of(path):
        case ".jsonl":
            yield from _json_lines(path, progress)
        case ".json" if _starts_with(path, b"{"):
            yield from _json_lines(path, progress)
        case ".json" if _starts_with(path, b"["):
            yield from _one_by_one(path, of_json_array(path))
        case ".csv":
            yield from _one_by_one(path, of_csv(path))
        case ".parquet":
            yield _parquet(path)
        case ".json":
            raise _unrecognised(path, None)
        case _:
            raise DataError(
                f"{path.name} was to be read as data; its name ends in none of .jsonl, .json, .csv, .parquet "
                "(the first three also with .gz, .xz or .zst). Rename it by what it holds."
            )


def _starts_with(path: Path, character: bytes) -> bool:
    try:
        first = next(line_blocks(path, size=1 << 16), None)
    except Truncated:
        return False
    return first is not None and first.data.lstrip()[:1] == character


# JSON lines: fast where the grammar fits, one by one elsewhere ---------------------------------


def _json_lines(path: Path, progress: Callable[[int], None] | None) -> Iterator[Parsed]:
    blocks = line_blocks(path, progress=progress)
    try:
        first = next(blocks)
    except (StopIteration, Truncated) as error:
        raise _unrecognised(path, None) from error
    reader = _LineReader.of(path, first)
    try:
        yield from _ahead(reader.read, itertools.chain([first], blocks))
    except Truncated as error:
        yield reader.report(Finding("truncated archive", str(error)))


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
    path: Path
    layout: Layout
    order: tuple[str, ...]
    grammar: str | None

    @classmethod
    def of(cls, path: Path, block: Block) -> _LineReader:
        record = typical(of_line(line) for line in itertools.islice(io.BytesIO(block.data), SAMPLE_LINES))
        layout = recognise(record) if record else None
        if record is None or layout is None:
            raise _unrecognised(path, record)
        order = tuple(record)
        return cls(path, layout, order, layout.grammar(order, record))

    def read(self, block: Block) -> Parsed:
        lines = self._lines(block)
        if lines is None or self.grammar is None:
            return self._slow(enumerate(block.data.split(b"\n"), block.first_line))
        fits = lines.str.contains(self.grammar) & ~lines.str.contains(r"\u0000", literal=True)
        number = pl.int_range(len(lines), dtype=pl.UInt64, eager=True) + block.first_line
        fast = self._fast(block.data if fits.all() else "\n".join(lines.filter(fits)).encode())
        fast = fast.with_columns(number.filter(fits).alias("line"))
        if fits.all():
            return _finished(self.layout, fast, [], self.path.name, rows_in=fast.height)
        slow = self._slow(zip(number.filter(~fits), (line.encode() for line in lines.filter(~fits)), strict=True))
        return Parsed(
            self.layout,
            pl.concat([fast, slow.rows]).sort("line"),
            pl.concat([slow.problems, _reported(fast, self.path.name)]).sort("line"),
            fast.height + slow.rows_in,
        )

    def report(self, finding: Finding) -> Parsed:
        return _checked(self.layout, [(None, finding)], self.path.name)

    def _lines(self, block: Block) -> pl.Series | None:
        try:
            return pl.read_lines(io.BytesIO(block.data), name="line")["line"]
        except pl.exceptions.ComputeError:  # some byte is not UTF-8
            return None

    def _fast(self, data: bytes) -> pl.DataFrame:
        return pl.read_ndjson(data, schema=self.layout.released_schema(self.order)).select(self.layout.canonical())

    def _slow(self, lines: Iterable[tuple[int, bytes]]) -> Parsed:
        return _checked(
            self.layout, ((number, of_line(line)) for number, line in lines if line.strip()), self.path.name
        )


# Parquet ----------------------------------------------------------------------------------------


def _parquet(path: Path) -> Parsed:
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(
            f"{path.name} was read as Parquet; it is damaged or no Parquet file ({reason(error)}). Fetch it again."
        ) from error
    record = next(frame.head(1).iter_rows(named=True), None)
    layout = recognise(record) if record else None
    if layout is None:
        raise _unrecognised(path, record)
    line = pl.int_range(1, frame.height + 1, dtype=pl.UInt64, eager=True).alias("line")
    if layout.holds_losslessly(frame):
        rows = frame.select(layout.canonical()).with_columns(line)
        return _finished(layout, rows, [], path.name, rows_in=rows.height)
    return _checked(layout, zip(line, map(_record, frame.iter_rows(named=True)), strict=True), path.name)


def _record(row: dict[str, Any]) -> Record:
    return Record((key, Record(value.items()) if isinstance(value, dict) else value) for key, value in row.items())


# One row at a time ------------------------------------------------------------------------------


def _one_by_one(path: Path, items: Iterator[tuple[int, Item]]) -> Iterator[Parsed]:
    sample = list(itertools.islice(items, SAMPLE_LINES))
    record = typical(item for _, item in sample)
    layout = recognise(record) if record else None
    if layout is None:
        raise _unrecognised(path, record)
    yield _checked(layout, itertools.chain(sample, items), path.name)


def _checked(layout: Layout, items: Iterable[tuple[int | None, Item]], file: str) -> Parsed:
    rows: list[list[Any]] = []
    problems: list[tuple[Any, ...]] = []
    rows_in = 0
    for line, item in items:
        values, findings = (None, [item]) if isinstance(item, Finding) else layout.check(item)
        if isinstance(item, Record):
            findings += item.findings()
        rejected = any(finding.rejects for finding in findings)
        rows_in += rejected or values is not None
        problems += [(file, line, f.kind, "rejected" if rejected else "kept", f.detail) for f in findings]
        if values is not None and not rejected:
            rows.append([*values, line])
    frame = pl.DataFrame(rows, schema={**layout.schema, "line": pl.UInt64()}, orient="row")
    return _finished(layout, frame, problems, file, rows_in=rows_in)


def _finished(
    layout: Layout, rows: pl.DataFrame, problems: list[tuple[Any, ...]], file: str, *, rows_in: int
) -> Parsed:
    found = pl.DataFrame(problems, schema=PROBLEMS, orient="row")
    found = pl.concat([found, _reported(rows, file)]).sort("line", nulls_last=True, maintain_order=True)
    return Parsed(layout, rows, found, rows_in)


def _reported(rows: pl.DataFrame, file: str) -> pl.DataFrame:
    return flagged(rows).select(pl.lit(file).alias("file"), "line", "kind", pl.lit("kept").alias("action"), "detail")


def _unrecognised(path: Path, found: Record | dict[str, Any] | None) -> DataError:
    return DataError(
        f"{path.name} was to be read as a released file; {describe(found)}, which fits no layout btviz knows. "
        "Rows of annotations need prompt, response, is_safe and category (or harm_category); "
        "comparisons need prompt, response_0, response_1 and safer_response_id or better_response_id."
    )
