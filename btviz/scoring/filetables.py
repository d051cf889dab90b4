"""Score files as tables, each under a name that tells it from the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from btviz.errors import DataError
from btviz.scoring.formats import read_frame


@dataclass(frozen=True, eq=False)
class FileTable:
    """A file that was read.

    Attributes
    ----------
    path : Path
        Where it is.
    frame : DataFrame
        Its rows, with the columns that it names.
    name : str
        The file's without its endings; also that of its folder, where two files share one name.
    """

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
    stems = [path.name.split(".json")[0].split(".csv")[0].split(".parquet")[0] for path in paths]
    names = [
        stem if stems.count(stem) == 1 else f"{path.resolve().parent.name}/{stem}"
        for path, stem in zip(paths, stems, strict=True)
    ]
    return [FileTable(path, read_frame(path), name) for path, name in zip(paths, names, strict=True)]
