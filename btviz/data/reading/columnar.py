"""Parquet, some rows at a time, and what it shares with Arrow."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from btviz.data.reading.archives import FREE_BYTES
from btviz.data.reading.class_labels import METADATA, Features, features_of, named
from btviz.data.reading.files import BLOCK_BYTES, Digest, opened, pieces_of
from btviz.data.reading.pages import PagesError, heights_of
from btviz.data.reading.record import Batch
from btviz.errors import DataError

ROWS_AT_ONCE = 100_000

_FREE_ROWS = 10_000_000

_ROWS_PER_BYTE = 100
"""Rows beyond `_FREE_ROWS` for each byte of a file; a row of data takes at least some bytes."""


@contextmanager
def sound(path: Path, form: str) -> Iterator[None]:
    """Say that a file is damaged, without what the reader quotes of it. A panic of Polars is no `Exception`."""
    try:
        yield
    except PagesError as error:
        raise _damaged(path, form, str(error)) from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise _damaged(path, form, type(error).__name__) from error


def _damaged(path: Path, form: str, reason: str) -> DataError:
    return DataError(
        f"{path.name} was to be read as {form}; it is damaged or no {form} file ({reason}). Fetch it again."
    )


def parquet_batches(
    path: Path, *, packed: bool, rows: int | None = None, digest: Digest | None = None
) -> Iterator[Batch]:
    """Rows of a Parquet file, or the first of them; a line is the number of a row."""
    with unchanged(path, digest=digest):
        source = whole_of(path, "Parquet") if packed else path
        size = len(source) if isinstance(source, bytes) else path.stat().st_size
        heights = _heights(path, source)
        height = sum(heights)
        check_height(path, height, size=size)
        table, features = _parquet_table(path, source), _features(path, source)
        at_once = max(1, min(ROWS_AT_ONCE, height * 2 * BLOCK_BYTES // max(size, 1)))
        for start, stop in _parts(heights or [0], at_once):
            if rows is not None and 0 < rows <= start:
                return
            with sound(path, "Parquet"):
                part = table.slice(start, (stop if rows is None else min(stop, rows)) - start).collect()
            yield batch_of_table(named(part, features), start)


def check_height(path: Path, height: int, *, size: int) -> None:
    """Raise if a file of so many bytes says that it holds more rows than any data have."""
    if height > _FREE_ROWS and height > _ROWS_PER_BYTE * size:
        raise DataError(
            f"{path.name} was to be read; it says that it holds {height:,} rows in {size:,} bytes, as no table does. "
            "It is damaged; or if it is meant so, write it again as several files with a part of the rows each."
        )


def _parts(heights: list[int], at_once: int) -> Iterator[tuple[int, int]]:
    """First row and end of each part of a file; none crosses the border of two row groups: both would be read twice."""
    first = 0
    for height in heights:
        for start in range(first, max(first + height, first + 1), at_once):
            yield start, min(start + at_once, first + height)
        first += height


def _heights(path: Path, source: Path | bytes) -> list[int]:
    with sound(path, "Parquet"), io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        return heights_of(file, file.seek(0, io.SEEK_END))


def _features(path: Path, source: Path | bytes) -> Features:
    """What `datasets` says of the columns."""
    with sound(path, "Parquet"):
        metadata = pl.read_parquet_metadata(io.BytesIO(source) if isinstance(source, bytes) else source)
    return features_of(metadata.get(METADATA))


def parquet_table(path: Path) -> pl.LazyFrame:
    """A Parquet file that was looked through, to be read lazily."""
    _heights(path, path)
    return _parquet_table(path, path)


def _parquet_table(path: Path, source: Path | bytes) -> pl.LazyFrame:
    with sound(path, "Parquet"):
        # a name is a name, never a pattern, nor does a folder's name make a column
        table = pl.scan_parquet(source, glob=False, hive_partitioning=False)
        table.collect_schema()
    return table


@contextmanager
def unchanged(path: Path, *, digest: Digest | None) -> Iterator[None]:
    """Hash a file that is read here and there, and see that it stays the same meanwhile."""
    before = path.stat()
    with ThreadPoolExecutor(1) as pool:
        hashed = pool.submit(_hash, path, digest)
        yield
        hashed.result()
    after = path.stat()
    if (before.st_size, before.st_mtime_ns, before.st_ino) != (after.st_size, after.st_mtime_ns, after.st_ino):
        raise DataError(f"{path.name} was to be read; it was changed meanwhile. Read it again once it is finished.")


def whole_of(path: Path, form: str) -> bytes:
    """What an archive holds, for forms that are read here and there."""
    parts = []
    size = 0
    for piece in pieces_of(path, as_text=False):
        size += len(piece)
        if size > FREE_BYTES:
            raise DataError(
                f"{path.name} was to be read; it is {form} in an archive, and more than {FREE_BYTES >> 20} MiB of it. "
                "Unpack it, and read what comes out."
            )
        parts.append(piece)
    return b"".join(parts)


def _hash(path: Path, digest: Digest | None) -> None:
    if digest is not None:
        with opened(path, digest=digest) as file:
            file.finish()


def batch_of_table(frame: pl.DataFrame, start: int) -> Batch:
    """Rows of a table that follow on the first `start`."""
    lines = pl.int_range(start + 1, start + frame.height + 1, dtype=pl.UInt64, eager=True).alias("line")
    return Batch(lines, {column.name: column for column in frame})
