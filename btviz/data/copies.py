"""Files whose rows are those of other files: counted once, and reported.

The same rows are not more evidence. A file that is there twice (compressed, in another format, under two splits), and a
smaller size of a release beside the larger one, would each double the annotations of a pair, and annotators would seem
to agree. Single rows are never dropped: several annotators may well have said the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from btviz.data.reading.files import SPLIT
from btviz.data.sources import PassedOver, Source, shown_path

FEWEST_ROWS = 5
"""Distinct rows from which files that are part of others are a smaller size of them; fewer may be so by chance."""

MANY = 0.9
"""Share of rows that are in other files, too, from which that is told: two annotators rarely agree so on everything."""

_SHARD = re.compile(r"-\d+-of-\d+$")

_UNIMPORTANT = ("line", "source", "prompt_source", "source_0", "source_1")
"""Columns that do not tell rows apart."""


@dataclass(frozen=True)
class FileRows:
    """Canonical rows of one file, and the table they are for."""

    source: Source
    kind: str
    rows: pl.DataFrame


@dataclass(frozen=True)
class Copies:
    """What is counted once, by the label of the file that is left out, and what is doubtful about the rest."""

    passed: dict[str, PassedOver]
    doubts: list[str]


def copies_of(files: Sequence[FileRows]) -> Copies:
    """Find the files that hold the rows of another file, and those that are part of others.

    Exact copies are found file by file. Parts are found by series: a size of a release is spread over its splits,
    which another size may have cut otherwise.
    """
    passed: dict[str, PassedOver] = {}
    doubts: list[str] = []
    for kind in dict.fromkeys(file.kind for file in files):
        alike = [file for file in files if file.kind == kind]
        if _may_share(alike):
            tally = pl.concat(_tally(file) for file in alike)
            passed |= _equal_files(tally)
            left = [file.source for file in alike if file.source.label not in passed]
            parts, shares = _parts(tally, _series(left))
            passed |= parts
            doubts += shares
    return Copies(passed, doubts)


def _may_share(files: Sequence[FileRows]) -> bool:
    """Whether some may be copies or parts of others; comparing rows takes time."""
    heights = {file.rows.height for file in files}
    return len(heights) < len(files) or len(set(_series([file.source for file in files]).values())) > 1


def _tally(file: FileRows) -> pl.DataFrame:
    """How often each row occurs in a file; a row is known by its 64-bit hash."""
    told = [column for column in file.rows if column.name not in _UNIMPORTANT and column.null_count() < len(column)]
    rows = pl.DataFrame(sorted(told, key=lambda column: column.name))
    keys = rows.hash_rows() if rows.width else pl.Series([], dtype=pl.UInt64)
    # columns without any value tell nothing, but which columns there are does
    shape = "|".join(rows.columns)
    counted = keys.alias("row").value_counts(name="n")
    return counted.select(pl.lit(file.source.label).alias("file"), pl.lit(shape).alias("shape"), "row", "n")


def _shared(tally: pl.DataFrame, *, by: str) -> pl.DataFrame:
    """Rows that each two files (or series) share: `one`, `other`, `shared`."""
    counts = tally.group_by(by, "shape", "row").agg(pl.col("n").sum())
    common = counts.filter(pl.len().over("shape", "row") > 1)
    both = common.join(common, on=["shape", "row"], suffix="_other").filter(pl.col(by) != pl.col(f"{by}_other"))
    shared = both.group_by(pl.col(by).alias("one"), pl.col(f"{by}_other").alias("other"))
    return shared.agg(pl.min_horizontal("n", "n_other").sum().alias("shared"))


def _equal_files(tally: pl.DataFrame) -> dict[str, PassedOver]:
    labels = tally["file"].unique(maintain_order=True).to_list()
    size = dict(tally.group_by("file").agg(pl.col("n").sum()).iter_rows())
    equal = {
        (one, other)
        for one, other, shared in _shared(tally, by="file").iter_rows()
        if shared == size[one] == size[other]
    }
    passed: dict[str, PassedOver] = {}
    for index, label in enumerate(labels):
        first = next((other for other in labels[:index] if other not in passed and (label, other) in equal), None)
        if first is not None:
            passed[label] = PassedOver(label, "copy of another file", f"its rows are those of {first}")
    return passed


def _series(sources: Sequence[Source]) -> dict[str, str]:
    """Series of each file by label: those of one folder whose names differ by split and number of the part only."""
    paths = {source.label: Path(source.path) for source in sources}
    stems = {label: _SHARD.sub("", re.split(r"\.(?=[a-z])", path.name, maxsplit=1)[0]) for label, path in paths.items()}
    return {label: shown_path(f"{paths[label].parent}/{SPLIT.sub('', stem)}") for label, stem in stems.items()}


def _parts(tally: pl.DataFrame, series: dict[str, str]) -> tuple[dict[str, PassedOver], list[str]]:
    """Files of series whose rows are all in another series, and how much others share."""
    if len(set(series.values())) < 2:
        return {}, []
    left = tally.filter(pl.col("file").is_in(list(series))).with_columns(
        pl.col("file").replace_strict(series).alias("series")
    )
    sizes = left.group_by("series").agg(pl.col("n").sum(), pl.col("row").n_unique().alias("distinct"))
    size = {name: (n, distinct) for name, n, distinct in sizes.iter_rows()}
    shared = sorted(_shared(left, by="series").iter_rows(), key=lambda row: (size[row[0]], row))
    passed: dict[str, PassedOver] = {}
    doubts: dict[str, str] = {}
    gone: set[str] = set()
    for one, other, n in shared:  # the smallest first
        rows, distinct = size[one]
        if {one, other} & gone or n < MANY * rows or (size[other][0], other) < (rows, one):
            continue
        files, others = (_named(name, series) for name in (one, other))
        if n == rows and distinct >= FEWEST_ROWS:
            gone.add(one)
            detail = f"its rows are among those of {others}"
            parts = [label for label, name in series.items() if name == one]
            passed |= {label: PassedOver(label, "part of another file", detail) for label in parts}
        else:
            doubts.setdefault(one, f"{n:,} of {rows:,} rows of {files} stand in {others}, too")
    return passed, [doubt for name, doubt in doubts.items() if name not in gone]


def _named(name: str, series: dict[str, str]) -> str:
    return " and ".join(label for label, of in series.items() if of == name)
