"""The files of an export: their names, which split each holds, and the folder that `datasets.load_from_disk` reads."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from btviz.data.corrections import CARD
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
    ending = f"{encoding.ending}{encoding.compression}"
    files = []
    for table, rows in tables.items():
        for kind, alike in _by_categories(rows):
            parts = {f"{table}{kind}{f'-{split}' if split else ''}{ending}": part for split, part in _by_split(alike)}
            for name, told in _told_apart(parts, folder).items():
                files.append(File(name, table, _only_split(parts[name]), told, encoding.encode(told)))
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
    splits = _by_split(rows)
    places = {(f"{split}/" if len(splits) > 1 else ""): split for split, _ in splits}
    parts = {f"{place}{SHARD}": part for place, (_, part) in zip(places, splits, strict=True)}
    shards: list[File] = []
    documents: dict[str, Iterable[bytes]] = {}
    for (name, told), (place, split) in zip(_told_apart(parts, folder).items(), places.items(), strict=True):
        content = table_bytes_as(told, "arrow")
        shards.append(File(name, table, _only_split(parts[name]), told, [content]))
        documents |= {f"{place}{STATE}": [_state(content, split)], f"{place}{INFO}": [_json(_NOTHING_KNOWN)]}
    if len(splits) > 1:
        documents[SPLITS] = [_json({"splits": list(places.values())})]
    return shards, documents


def is_own(name: str) -> bool:
    """Whether a file of that path in a folder may be one that an export wrote."""
    last = name.rpartition("/")[2]
    return last in {SHARD, STATE, INFO, SPLITS, CARD} or ("/" not in name and _OWN.fullmatch(last) is not None)


def _by_split(rows: pl.DataFrame) -> list[tuple[str | None, pl.DataFrame]]:
    splits = rows["split"].unique().sort(nulls_last=True).to_list() if "split" in rows.columns else [None]
    named = [split for split in splits if split is not None]
    if len(splits) == 1 or not all(_PLAIN.fullmatch(split) for split in named) or len(named) < len(splits):
        only = splits[0] if len(splits) == 1 and splits[0] is not None and _PLAIN.fullmatch(splits[0]) else None
        return [(only, rows)]
    return [(split, rows.filter(pl.col("split") == split)) for split in named]


def _told_apart(parts: Mapping[str, pl.DataFrame], folder: Path) -> dict[str, pl.DataFrame]:
    """Rows of each file, without their split where names say it; unless two files would be taken for one."""
    told = {name: _told(part, folder / name) for name, part in parts.items()}
    twins = any(one.equals(other) for one, other in itertools.combinations(told.values(), 2))
    return dict(parts) if twins else told


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
