"""`scan`: annotations as a LazyFrame, for files larger than memory."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from btviz.data.reading.columnar import parquet_table
from btviz.data.reading.files import split_of
from btviz.data.reading.formats import form_of
from btviz.data.reading.layouts import Layout
from btviz.data.reading.parse import Parsed, parse_blocks
from btviz.data.tables import ANNOTATIONS, annotations_of, with_ids
from btviz.errors import DataError, UsageError
from btviz.taxonomy.categories import Taxonomy


def scan(
    path: str | os.PathLike[str],
    /,
    *,
    columns: Mapping[str, str] | None = None,
    taxonomy: Taxonomy | None = None,
) -> pl.LazyFrame:
    """Annotations of one file, read when collected and never held whole.

    Parameters
    ----------
    path : path-like
        A released file of annotations in any format `load` reads, or a Parquet file that
        holds the table `annotations` already.
    columns : Mapping, optional
        Where columns come from, if the file calls them otherwise, as `load` takes it.
    taxonomy : Taxonomy, optional
        Harm categories of your own.

    Returns
    -------
    LazyFrame
        Columns of the table `annotations`, in the order of the file. Ids are only computed
        where they are used. Collect it with ``engine="streaming"``.

    Raises
    ------
    UsageError
        If `path` is no file, or `columns` name none of its columns.
    DataError
        If the file holds no annotations.

    Notes
    -----
    Values are checked as `load` does; rows that cannot be kept are counted in a warning when
    the frame is collected.
    """
    file = Path(path)
    if not file.is_file():
        raise UsageError(f"A file was to be scanned; {file} is none. Name one file; load() takes folders.")
    form = form_of(file)
    table = parquet_table(file) if form.kind == "parquet" and not form.packed else None
    if table is not None and set(ANNOTATIONS) <= set(table.collect_schema()):
        return table.select(list(ANNOTATIONS)).cast(ANNOTATIONS)  # the table already
    return _scan_blocks(file, columns=columns, taxonomy=taxonomy)


def _scan_blocks(file: Path, *, columns: Mapping[str, str] | None, taxonomy: Taxonomy | None) -> pl.LazyFrame:
    first = next(parse_blocks(file, columns=columns, taxonomy=taxonomy))
    _require_annotations(file, first.layout)

    def source(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        del batch_size  # blocks come in the size they are read in
        left, rejected = n_rows, 0
        for block in parse_blocks(file, columns=columns, taxonomy=taxonomy):
            rejected += block.rows_in - block.rows.height
            frame = _annotations(block, split_of(file), columns=with_columns or list(ANNOTATIONS))
            frame = frame.head(left) if left is not None else frame
            left = left - frame.height if left is not None else None
            frame = frame if predicate is None else frame.filter(predicate)
            yield frame.select(with_columns) if with_columns else frame
            if left == 0:
                break
        if rejected:
            warnings.warn(
                f"{file.name}: {rejected:,} rows could not be kept; btviz.load() names each by line.", stacklevel=2
            )

    return register_io_source(source, schema=ANNOTATIONS, validate_schema=True)


def _annotations(block: Parsed, split: str | None, *, columns: list[str]) -> pl.DataFrame:
    rows = block.rows if "split" in block.rows.columns else block.rows.with_columns(pl.lit(split).alias("split"))
    if {"pair_id", "prompt_id"} & set(columns):
        rows = with_ids(rows)
    return annotations_of(rows)


def _require_annotations(file: Path, layout: Layout) -> None:
    labelled = {"is_safe", "labels", "severity"} & set(layout.schema)
    if layout.produces != "annotations" or not labelled:
        held = layout.produces if labelled or layout.produces != "annotations" else "answers without labels"
        raise DataError(
            f"{file.name} was to be scanned for annotations; it holds {held}. Give a file of prompt, response, is_safe "
            "and categories."
        )
