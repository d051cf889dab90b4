"""The files of an export: their names, which split each holds, and the folder that `datasets.load_from_disk` reads."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from btviz.data.reading.files import split_of
from btviz.data.writing.encoding import Encoding
from btviz.store import table_bytes_as

SHARD, STATE, INFO, SPLITS = "data-00000-of-00001.arrow", "state.json", "dataset_info.json", "dataset_dict.json"
"""Files of a folder as `datasets` saves one: the rows, how they were shown, what they are, and the splits."""

_CATEGORIES = ("category", "harm_category")

_PLAIN = re.compile(r"[a-z0-9_][a-z0-9_-]*")

_OWN = re.compile(
    r"(annotations|preferences|prompts|pairs|dpo|kto|hh)(-[a-z0-9_-]+)?\.(jsonl|csv|parquet)(\.(gz|xz|zst))?"
)


@dataclass(frozen=True)
class File:
    """One file of rows: its path below the target, "" for the target itself."""

    name: str
    table: str
    split: str | None
    rows: pl.DataFrame
    chunks: Iterable[bytes]


def single_file(path: Path, table: str, *, rows: pl.DataFrame, encoding: Encoding) -> File:
    """All rows in one file; a column says their splits where its name does not."""
    told = _told(rows, path)
    return File("", table, _only_split(rows), told, encoding.encode(told))


def folder_files(folder: Path, tables: Mapping[str, pl.DataFrame], *, encoding: Encoding) -> list[File]:
    """A file for each table and split; where names of splits are no plain words, one for each table."""
    files = []
    parts = (
        (table, f"{table}{kind}{f'-{split}' if split else ''}", part)
        for table, rows in tables.items()
        for kind, alike in _by_categories(rows)
        for split, part in _by_split(alike)
    )
    for table, stem, part in parts:
        name = f"{stem}{encoding.ending}{encoding.compression}"
        told = _told(part, folder / name)
        files.append(File(name, table, _only_split(part), told, encoding.encode(told)))
    return files


def _by_categories(rows: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    """Rows with categories, and those without: in one file a row without is a fault."""
    named = [name for name in _CATEGORIES if name in rows.columns]
    known = rows.select(pl.all_horizontal(pl.lit(value=True), *(pl.col(name).is_not_null() for name in named)))
    if known.to_series().all():
        return [("", rows)]
    return [("", rows.filter(known.to_series())), ("-without-categories", rows.filter(~known.to_series()).drop(named))]


def unnamed_among_named(file: File) -> int:
    """Rows of a file that have no categories while others have."""
    named = (file.rows[name] for name in _CATEGORIES if name in file.rows.columns)
    return sum(column.null_count() for column in named)


def saved_dataset(folder: Path, table: str, *, rows: pl.DataFrame) -> tuple[list[File], dict[str, Iterable[bytes]]]:
    """The Arrow shards and the documents of a folder for `load_from_disk`: of one data set, or one for each split."""
    parts = _by_split(rows)
    shards: list[File] = []
    documents: dict[str, Iterable[bytes]] = {}
    for split, part in parts:
        prefix = f"{split}/" if len(parts) > 1 else ""
        told = _told(part, folder / f"{prefix}{SHARD}")
        content = table_bytes_as(told, "arrow")
        shards.append(File(f"{prefix}{SHARD}", table, _only_split(part), told, [content]))
        documents |= {f"{prefix}{STATE}": [_state(content, split)], f"{prefix}{INFO}": [_json(_NOTHING_KNOWN)]}
    if len(parts) > 1:
        documents[SPLITS] = [_json({"splits": [split for split, _ in parts]})]
    return shards, documents


def is_own(name: str) -> bool:
    """Whether a file of that path in a folder may be one that an export wrote."""
    last = name.rpartition("/")[2]
    return last in {SHARD, STATE, INFO, SPLITS} or ("/" not in name and _OWN.fullmatch(last) is not None)


def _by_split(rows: pl.DataFrame) -> list[tuple[str | None, pl.DataFrame]]:
    splits = rows["split"].unique().sort(nulls_last=True).to_list() if "split" in rows.columns else [None]
    named = [split for split in splits if split is not None]
    if len(splits) == 1 or not all(_PLAIN.fullmatch(split) for split in named) or len(named) < len(splits):
        only = splits[0] if len(splits) == 1 and splits[0] is not None and _PLAIN.fullmatch(splits[0]) else None
        return [(only, rows)]
    return [(split, rows.filter(pl.col("split") == split)) for split in named]


def _told(rows: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Rows without the column `split` where the name of their file says it."""
    if (
        "split" not in rows.columns
        or rows.select(pl.col("split").ne_missing(pl.lit(split_of(path), pl.String)).any()).item()
    ):
        return rows
    return rows.drop("split")


def _only_split(rows: pl.DataFrame) -> str | None:
    splits = rows["split"].unique().to_list() if "split" in rows.columns else []
    return splits[0] if len(splits) == 1 else None


_NOTHING_KNOWN = {"citation": "", "description": "", "homepage": "", "license": ""}
"""`datasets` takes the types of columns from the rows where nothing is said of them."""


def _state(content: bytes, split: str | None) -> bytes:
    return _json(
        {
            "_data_files": [{"filename": SHARD}],
            "_fingerprint": hashlib.blake2b(content, digest_size=8).hexdigest(),  # its caches go by this
            "_format_columns": None,
            "_format_kwargs": {},
            "_format_type": None,
            "_output_all_columns": False,
            "_split": split,
        }
    )


def _json(document: object) -> bytes:
    return json.dumps(document, indent=2).encode()
