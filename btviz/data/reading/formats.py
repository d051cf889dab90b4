"""The form of a file, told once for data and for scores, and its rows one at a time.

A file holds JSON lines, one JSON array, CSV or Parquet. Iterators over rows yield (line, record) with a `Record` or,
where there is none, a `Finding`; rows before a fault are not lost to it.
"""

from __future__ import annotations

import itertools
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import polars as pl

from btviz.data.reading.csv_reader import cells_of_csv, records_of_csv, separator_of
from btviz.data.reading.files import Truncated, format_of, line_blocks, whole
from btviz.data.reading.json_lines import LineReader, items_of, of_line, reason_of
from btviz.data.reading.record import Batch, Finding, Item, Progress, Record, batch_of
from btviz.errors import DataError

A = TypeVar("A")
T = TypeVar("T")

_HEAD = 2**17  # bytes that tell the form

_BATCH_ROWS = 10_000

WORKERS = 1 + min(4, os.cpu_count() or 1)  # one more than cores: Polars waits for its own threads


@dataclass(frozen=True)
class Form:
    """How the rows of a file are written down."""

    kind: Literal["lines", "array", "csv", "parquet"]
    separator: str = ","


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
            return Form("csv", separator_of(_head(path)))
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


def records(path: Path, form: Form, *, progress: Progress | None = None) -> Iterator[tuple[int | None, Item]]:
    """Rows of a text file, one at a time."""
    match form.kind:
        case "lines":
            return _of_json_lines(path, progress=progress)
        case "array":
            return _of_json_array(path, progress=progress)
        case "csv":
            return records_of_csv(path, form.separator, progress=progress)
    raise AssertionError(f"{form} has no lines")


def _of_json_lines(path: Path, *, progress: Progress | None) -> Iterator[tuple[int | None, Item]]:
    try:
        for block in line_blocks(path, progress=progress):
            for number, line in enumerate(block.data.split(b"\n"), block.first_line):
                if line.strip():
                    yield number, of_line(line)
    except Truncated as error:
        yield None, Finding("truncated archive", str(error))


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
            yield line, Finding("malformed JSON", f"unreadable from here on: {reason_of(error)}", rejects=True)
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


def sample_of(path: Path, form: Form, *, rows: int = 1000) -> Batch:
    """The first rows of a file, to tell what it holds."""
    match form.kind:
        case "parquet":
            return _parquet_batch(path, rows=rows)
        case "csv":
            return batch_of(itertools.islice(cells_of_csv(path, form.separator, progress=None), rows))
        case "array":
            return batch_of(itertools.islice(_of_json_array(path, progress=None), rows))
    try:
        first = next(line_blocks(path, size=_HEAD, progress=None), None)
    except Truncated:
        first = None
    lines = [] if first is None else first.data.split(b"\n")[:rows]
    return batch_of(items_of(enumerate(lines, start=1)))


def batches(path: Path, form: Form, *, then: Callable[[Batch], T], progress: Progress | None = None) -> Iterator[T]:
    """What `then` makes of the rows of a file, some thousands at a time, read a few batches ahead in threads.

    Batches come in the order of the file, but two that were read of the same lines may interleave: sort by line.
    Rows in the file = rows of all batches + findings that reject.
    """
    match form.kind:
        case "lines":
            yield from _line_batches(path, then=then, progress=progress)
        case "parquet":
            yield then(_parquet_batch(path))
        case _:
            text = form.kind == "csv"
            rows = (
                cells_of_csv(path, form.separator, progress=progress)
                if text
                else _of_json_array(path, progress=progress)
            )
            while some := list(itertools.islice(rows, _BATCH_ROWS)):
                yield then(batch_of(some))


def _line_batches(path: Path, *, then: Callable[[Batch], T], progress: Progress | None) -> Iterator[T]:
    blocks = line_blocks(path, progress=progress)
    try:
        first = next(blocks, None)
        if first is None:
            return
        reader = LineReader.of(first)
        for results in _ahead(lambda block: [then(b) for b in reader.read(block)], itertools.chain([first], blocks)):
            yield from results
    except Truncated as error:
        yield then(batch_of([(None, Finding("truncated archive", str(error)))]))


def _ahead(work: Callable[[A], T], items: Iterable[A]) -> Iterator[T]:
    """Do the work in threads, a few items ahead, in order; what came before a fault is still yielded."""
    pending: deque[Future[T]] = deque()
    fault: Truncated | None = None
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) > WORKERS:
                    yield pending.popleft().result()
        except Truncated as error:
            fault = error
        while pending:
            yield pending.popleft().result()
    if fault is not None:
        raise fault


def _parquet_batch(path: Path, *, rows: int | None = None) -> Batch:
    frame = read_parquet(path)
    frame = frame if rows is None else frame.head(rows)
    lines = pl.int_range(1, frame.height + 1, dtype=pl.UInt64, eager=True).alias("line")
    return Batch(lines, {column.name: column for column in frame})


def read_parquet(path: Path) -> pl.DataFrame:
    """All columns of a Parquet file."""
    try:
        return pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise damaged_parquet(path, error) from error


def damaged_parquet(path: Path, error: Exception) -> DataError:
    """Say that a file is no Parquet file, without what the reader quotes of it."""
    return DataError(
        f"{path.name} was read as Parquet; it is damaged or no Parquet file ({reason_of(error)}). Fetch it again."
    )


def of_parquet(frame: pl.DataFrame) -> Iterator[tuple[int, Record]]:
    """Rows of a table as records; a line is the number of a row."""
    for line, row in enumerate(frame.iter_rows(named=True), start=1):
        members = ((key, Record(value.items()) if isinstance(value, dict) else value) for key, value in row.items())
        yield line, Record(members)
