"""From a released file to canonical rows, with every problem named by file and line.

Counts in = counts kept + counts rejected: a row is kept as it is, kept and reported, or rejected and reported; none
is altered. JSON lines and Parquet are read as columns where that is shown to lose nothing, everything else row by row.
"""

from __future__ import annotations

import io
import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from btviz.data.reading.files import Block, Truncated, damage_of, line_blocks
from btviz.data.reading.formats import WORKERS, Form, form_of, of_parquet, read_parquet, records
from btviz.data.reading.json_lines import of_line
from btviz.data.reading.layouts import Layout, recognise
from btviz.data.reading.record import Finding, Item, Progress, Record
from btviz.data.tables import PROBLEMS
from btviz.errors import DataError
from btviz.taxonomy.categories import Taxonomy

LONG_TEXT = 1 << 20
"""Bytes from which a text is reported as very long."""

SAMPLE_ROWS = 100
"""First rows that tell the layout of a file."""

Problem = tuple[str, int | None, str, str, str]


@dataclass(frozen=True)
class Parsed:
    """Canonical rows of one file, or of one block of it."""

    layout: Layout
    rows: pl.DataFrame
    problems: pl.DataFrame
    rows_in: int


def parse(path: Path, *, progress: Progress | None = None, taxonomy: Taxonomy | None = None) -> Parsed:
    """Read one released file of any supported format."""
    return _joined(list(parse_blocks(path, progress=progress, taxonomy=taxonomy)))


def parse_blocks(path: Path, *, progress: Progress | None = None, taxonomy: Taxonomy | None = None) -> Iterator[Parsed]:
    """Read one released file block by block, for files larger than memory; at least one block."""
    form = form_of(path)
    match form.kind:
        case "lines":
            yield from _json_lines(path, progress=progress, taxonomy=taxonomy)
        case "parquet":
            yield _parquet(path, taxonomy=taxonomy)
        case _:
            yield _row_by_row(path, form, progress=progress, taxonomy=taxonomy)


def _row_by_row(path: Path, form: Form, *, progress: Progress | None, taxonomy: Taxonomy | None) -> Parsed:
    items = records(path, form, progress=progress)
    sample = list(itertools.islice(items, SAMPLE_ROWS))
    record = _typical(item for _, item in sample)
    layout = recognise(record, taxonomy=taxonomy) if record else None
    if layout is None:
        raise _unrecognised(path, record)
    return _checked(layout, itertools.chain(sample, items), file=path.name)


def _parquet(path: Path, *, taxonomy: Taxonomy | None) -> Parsed:
    frame = read_parquet(path)
    record = next(frame.head(1).iter_rows(named=True), None)
    layout = recognise(record, taxonomy=taxonomy) if record else None
    if layout is None:
        raise _unrecognised(path, record)
    if not layout.holds_losslessly(frame):
        return _checked(layout, of_parquet(frame), file=path.name)
    line = pl.int_range(1, frame.height + 1, dtype=pl.UInt64, eager=True).alias("line")
    rows = frame.select(layout.canonical()).with_columns(line)
    return _finished(layout, rows, file=path.name, rows_in=rows.height)


def _json_lines(path: Path, *, progress: Progress | None, taxonomy: Taxonomy | None) -> Iterator[Parsed]:
    blocks = line_blocks(path, progress=progress)
    try:
        first = next(blocks)
    except (StopIteration, Truncated) as error:
        raise _unrecognised(path, None) from error
    reader = _LineReader.of(path, first, taxonomy=taxonomy)
    try:
        yield from _ahead(reader.read, itertools.chain([first], blocks))
    except Truncated as error:
        yield _checked(reader.layout, [(None, Finding("truncated archive", str(error)))], file=path.name)


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
        record = _typical(of_line(line) for line in itertools.islice(io.BytesIO(block.data), SAMPLE_ROWS))
        layout = recognise(record, taxonomy=taxonomy) if record else None
        if record is None or layout is None:
            raise _unrecognised(path, record)
        order = tuple(record)
        return cls(path, layout, order, layout.grammar(order, record))

    def read(self, block: Block) -> Parsed:
        lines = _lines(block.data)
        if lines is None or self.grammar is None:
            return self._slow(enumerate(block.data.split(b"\n"), block.first_line))
        number = pl.int_range(len(lines), dtype=pl.UInt64, eager=True) + block.first_line
        whole = self._attempt(block.data)
        if whole is None or whole.height != len(lines):  # a blank line, or two objects in one
            return _joined(self._otherwise(lines, number))
        # the row of a line counts where, written as compact JSON, it is the line
        same = whole.select(pl.struct(pl.all()).struct.json_encode())[:, 0].eq_missing(lines)
        parts = [self._rows(whole.filter(same), number.filter(same))]
        if not same.all():
            parts += self._otherwise(lines.filter(~same), number.filter(~same))
        return _joined(parts)

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
        return _finished(self.layout, rows, file=self.path.name, rows_in=rows.height)

    def _slow(self, lines: Iterable[tuple[int, bytes]]) -> Parsed:
        items = ((number, of_line(line)) for number, line in lines if line.strip())
        return _checked(self.layout, items, file=self.path.name)


def _lines(data: bytes) -> pl.Series | None:
    try:
        return pl.read_lines(io.BytesIO(data), name="line")["line"]
    except pl.exceptions.ComputeError:  # some byte is not UTF-8
        return None


def _checked(layout: Layout, items: Iterable[tuple[int | None, Item]], *, file: str) -> Parsed:
    """Check rows one by one; what cannot be kept is reported and left out."""
    rows: list[list[Any]] = []
    problems: list[Problem] = []
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
    return _finished(layout, frame, file=file, rows_in=rows_in, problems=problems)


def _finished(
    layout: Layout, rows: pl.DataFrame, *, file: str, rows_in: int, problems: Sequence[Problem] = ()
) -> Parsed:
    """Add what whole columns show to the problems found row by row."""
    by_row = pl.DataFrame(problems, schema=PROBLEMS, orient="row")
    by_column = [
        rows.filter(flag).select(
            pl.lit(file).alias("file"),
            "line",
            pl.lit(kind).alias("kind"),
            pl.lit("kept").alias("action"),
            pl.lit(detail).alias("detail"),
        )
        for flag, kind, detail in (*_odd_texts(rows), *_contradictions(rows))
    ]
    all_problems = pl.concat([by_row, *by_column]).sort("line", nulls_last=True, maintain_order=True)
    return Parsed(layout, rows, all_problems, rows_in)


def _odd_texts(rows: pl.DataFrame) -> Iterator[tuple[pl.Expr, str, str]]:
    for name in ("prompt", "response", "response_0", "response_1"):
        if name in rows.columns:
            text = pl.col(name)
            yield text.str.strip_chars() == "", f"empty {name.partition('_')[0]}", name
            yield text.str.contains("\0", literal=True), "null byte", name
            yield text.str.len_bytes() > LONG_TEXT, "very long text", name
    if "response_0" in rows.columns:
        yield pl.col("response_0") == pl.col("response_1"), "identical answers", "response_0, response_1"


def _contradictions(rows: pl.DataFrame) -> Iterator[tuple[pl.Expr, str, str]]:
    columns = set(rows.columns)
    for suffix in ("", "_0", "_1"):
        safe, labels, severity = f"is_safe{suffix}", f"labels{suffix}", f"severity{suffix}"
        if {safe, labels} <= columns:
            kind = "is_safe contradicts the categories"
            yield pl.col(safe) & (pl.col(labels) != 0), kind, f"{safe} is true, a category is flagged"
            yield ~pl.col(safe) & (pl.col(labels) == 0), kind, f"{safe} is false, no category is flagged"
        if {safe, severity} <= columns:
            yield pl.col(safe) != (pl.col(severity) == 0), "is_safe contradicts the severity", severity
    if {"safer", "is_safe_0", "is_safe_1"} <= columns:
        safer_is_safe = pl.when(pl.col("safer") == 0).then("is_safe_0").otherwise("is_safe_1")
        mixed = pl.col("is_safe_0") != pl.col("is_safe_1")
        yield mixed & ~safer_is_safe, "the safer answer is the unsafe one", "safer_response_id"


def _joined(parts: list[Parsed]) -> Parsed:
    """Join what parts of one file gave, in the order of its lines."""
    if len(parts) == 1:
        return parts[0]
    rows = pl.concat([part.rows for part in parts])
    problems = pl.concat([part.problems for part in parts])
    return Parsed(
        parts[0].layout,
        rows if rows["line"].is_sorted() else rows.sort("line"),
        problems.sort("line", nulls_last=True, maintain_order=True),
        sum(part.rows_in for part in parts),
    )


def _typical(items: Iterable[Item]) -> Record | None:
    """The record with the most common keys: one odd first line must not decide for the file."""
    sample = [item for item in items if isinstance(item, Record)]
    if not sample:
        return None
    common = Counter(tuple(record) for record in sample).most_common(1)[0][0]
    return next(record for record in sample if tuple(record) == common)


def _unrecognised(path: Path, record: Mapping[str, Any] | None) -> DataError:
    """Say which keys a file has, where no layout fits them, or why it has none."""
    damage = None if record else damage_of(path)
    if damage:
        return DataError(
            f"{path.name} was to be read as a released file; its archive is damaged before the first whole row "
            f"({damage}). Fetch or copy it again."
        )
    rows = "no row of it can be read"
    if record:
        keys = sorted(str(key)[:40] for key in record)[:12]
        rows = f"its rows have the keys {keys}, which fit no layout btviz knows"
    return DataError(
        f"{path.name} was to be read as a released file; {rows}. "
        "Rows of annotations need prompt, response, is_safe and category (or harm_category); "
        "comparisons need prompt, response_0, response_1 and safer_response_id or better_response_id."
    )
