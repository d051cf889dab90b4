"""Tables of any columns, such as files of scores: every row counts, so the first faulty one stops the reading."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from btviz.data.reading.apostrophes import unguarded
from btviz.data.reading.files import FORMATS
from btviz.data.reading.formats import batches, form_of
from btviz.data.reading.record import ABSENT, Batch
from btviz.errors import DataError, NotFoundError


def read_frame(path: Path) -> pl.DataFrame:
    """Read a table of any format; the first faulty row stops the reading, with its line.

    Parameters
    ----------
    path : Path
        A file.

    Returns
    -------
    DataFrame
        Columns in the order in which they first occur; a key that a row lacks is null. All columns of a CSV are text.

    Raises
    ------
    NotFoundError
        If there is no such file.
    DataError
        If it is a folder, or a row is at fault.
    """
    if path.is_dir():
        raise DataError(f"The file {path} was to be read; it is a folder. Name the files in it.")
    if not path.is_file():
        raise NotFoundError(f"The file {path} was to be read; it is not there. Check the spelling and the folder.")
    found = list(batches(path, form_of(path), then=lambda batch: unguarded(batch.spread())))
    _refuse_faults(path, found)
    rows = pl.concat([pl.Series("line", [], pl.UInt64), *(batch.lines for batch in found)])
    names = list(dict.fromkeys(key for batch in found for key in batch.columns))
    if not rows.len() and not names:
        raise DataError(f"{path.name} was to be read as a table; it is empty. Write it again.")
    columns = [_column(path, name, found) for name in names]
    order = rows.arg_sort(nulls_last=True) if not rows.is_sorted() else None
    return pl.DataFrame(columns if order is None else [column.gather(order) for column in columns])


def _refuse_faults(path: Path, found: Sequence[Batch]) -> None:
    faults = [pair for batch in found for pair in batch.findings]
    for _, fault in faults:
        if fault.kind == "truncated archive":  # then no line is to blame
            raise DataError(f"{path.name} was to be read; it is cut short or damaged: {fault.detail}. Fetch it again.")
    lines = [(line or 0, fault) for line, fault in faults if fault.rejects]
    for line, fault in sorted(lines, key=lambda pair: pair[0]):
        raise DataError(
            f"{path.name} was to be read as a table; line {line:,} is at fault: {fault.kind} ({fault.detail}). "
            "Mend the line, or take it out."
        )


def _column(path: Path, name: str, found: Sequence[Batch]) -> pl.Series:
    """One column of all batches; a row that lacks the key has a null."""
    parts = [batch.columns.get(name, pl.Series([None] * len(batch.lines), dtype=pl.Null)) for batch in found]
    dtypes = {part.dtype for part in parts if isinstance(part, pl.Series)} - {pl.Null()}
    if len(dtypes) < 2 and all(isinstance(part, pl.Series) for part in parts):
        dtype = next(iter(dtypes), pl.Null())
        return pl.concat([part.cast(dtype) for part in parts if isinstance(part, pl.Series)]).alias(name)
    values = [None if value is ABSENT else value for part in parts for value in part]
    kinds = {type(value) for value in values if value is not None}
    if kinds != {int, float} and len(kinds) > 1:
        raise DataError(
            f"{path.name} was to be read as a table; its column {name!r} mixes {sorted(k.__name__ for k in kinds)}. "
            "Write each column with one kind of value."
        )
    try:
        if kinds == {int, float}:
            values = [None if value is None else float(value) for value in values]
        return pl.Series(name, values)
    except (OverflowError, UnicodeEncodeError, TypeError, pl.exceptions.PolarsError) as error:
        raise DataError(
            f"{path.name} was to be read as a table; its column {name!r} holds a number beyond all bounds, half of a "
            "character that takes two, or objects that differ. Mend these values, or leave the column out."
        ) from error


@dataclass(frozen=True, eq=False)
class FileTable:
    """A file that was read."""

    path: Path
    frame: pl.DataFrame
    name: str

    def first_of(self, names: Sequence[str]) -> str | None:
        """The first of these columns that the file has, None if it has none."""
        return next((name for name in names if name in self.frame.columns), None)

    def check_flat(self, columns: Sequence[str]) -> None:
        """Raise a DataError if one of these columns holds lists or objects."""
        nested = [name for name, dtype in self.frame.schema.items() if name in columns and dtype.is_nested()]
        if nested:
            raise DataError(
                f"{self.path.name} was to be read for texts, names and numbers; its columns {nested} hold lists or "
                "objects. Write one value in each, or name other columns."
            )


def open_tables(paths: Sequence[Path]) -> list[FileTable]:
    """Read files, and tell them apart by name."""
    ending = re.compile("|".join(rf"\{suffix}\b.*" for suffix in FORMATS), re.IGNORECASE)
    stems = [ending.sub("", path.name) for path in paths]
    names = [
        stem if stems.count(stem) == 1 else f"{path.resolve().parent.name}/{stem}"
        for path, stem in zip(paths, stems, strict=True)
    ]
    return [FileTable(path, read_frame(path), name) for path, name in zip(paths, names, strict=True)]
