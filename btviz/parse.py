"""From a released file to canonical rows, with every problem named by file and line.

Counts in = counts out + counts reported: a row is kept as it is, kept and reported, or
rejected and reported; none is altered.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from btviz.errors import DataError
from btviz.files import Truncated, format_of, line_blocks
from btviz.layouts import recognise
from btviz.lines import SAMPLE_LINES, json_lines
from btviz.records import Item, Record, of_csv, of_json_array, reason, typical
from btviz.rows import Parsed, checked, finished, joined, unrecognised
from btviz.taxonomy import Taxonomy


def parse(path: Path, *, progress: Callable[[int], None] | None = None, taxonomy: Taxonomy | None = None) -> Parsed:
    """Read one released file of any supported format.

    Parameters
    ----------
    path : Path
        ``.jsonl``, ``.json``, ``.csv`` (each also with .gz, .xz or .zst) or ``.parquet``.
    progress : callable, optional
        Called with the bytes of the file read so far.
    taxonomy : Taxonomy, optional
        Of its categories; by default that of the release it looks like.

    Raises
    ------
    DataError
        If no row tells which layout the file has, or the format is unknown.
    """
    return joined(list(parse_blocks(path, progress=progress, taxonomy=taxonomy)))


def parse_blocks(
    path: Path, *, progress: Callable[[int], None] | None = None, taxonomy: Taxonomy | None = None
) -> Iterator[Parsed]:
    """Read one released file block by block, for files larger than memory; at least one block."""
    match format_of(path):
        case ".jsonl":
            yield from json_lines(path, progress=progress, taxonomy=taxonomy)
        case ".json" if _starts_with(path, b"{"):
            yield from json_lines(path, progress=progress, taxonomy=taxonomy)
        case ".json" if _starts_with(path, b"["):
            yield from _one_by_one(path, of_json_array(path), taxonomy=taxonomy)
        case ".csv":
            yield from _one_by_one(path, of_csv(path), taxonomy=taxonomy)
        case ".parquet":
            yield _parquet(path, taxonomy=taxonomy)
        case ".json":
            raise unrecognised(path, None)
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


def _parquet(path: Path, *, taxonomy: Taxonomy | None) -> Parsed:
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise damaged_parquet(path, error) from error
    record = next(frame.head(1).iter_rows(named=True), None)
    layout = recognise(record, taxonomy=taxonomy) if record else None
    if layout is None:
        raise unrecognised(path, record)
    line = pl.int_range(1, frame.height + 1, dtype=pl.UInt64, eager=True).alias("line")
    if layout.holds_losslessly(frame):
        rows = frame.select(layout.canonical()).with_columns(line)
        return finished(layout, rows, file=path.name, rows_in=rows.height)
    return checked(layout, zip(line, map(_record, frame.iter_rows(named=True)), strict=True), file=path.name)


def damaged_parquet(path: Path, error: Exception) -> DataError:
    """Say that a file is no Parquet file, without what the reader quotes of it."""
    return DataError(
        f"{path.name} was read as Parquet; it is damaged or no Parquet file ({reason(error)}). Fetch it again."
    )


def _record(row: dict[str, Any]) -> Record:
    return Record((key, Record(value.items()) if isinstance(value, dict) else value) for key, value in row.items())


def _one_by_one(path: Path, items: Iterator[tuple[int, Item]], *, taxonomy: Taxonomy | None) -> Iterator[Parsed]:
    sample = list(itertools.islice(items, SAMPLE_LINES))
    record = typical(item for _, item in sample)
    layout = recognise(record, taxonomy=taxonomy) if record else None
    if layout is None:
        raise unrecognised(path, record)
    yield checked(layout, itertools.chain(sample, items), file=path.name)
