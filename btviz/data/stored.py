"""Data sets in the store: written, read back whatever version wrote them, and what is said of one that is loaded."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import polars as pl

from btviz.data import synthetic
from btviz.data.assemble import assemble
from btviz.data.dataset import Dataset
from btviz.data.fingerprint import fingerprint_of, identifying
from btviz.data.keys import keys_of
from btviz.data.sources import PassedOver, Source, problems_of, summary_of
from btviz.data.tables import PLACES, PROBLEMS, SCHEMAS, conform
from btviz.errors import DataError
from btviz.store import Draft, Entry, Key, Store
from btviz.taxonomy import TAXONOMIES
from btviz.taxonomy.taxonomy_file import taxonomy_of

VERSION = 17
"""Raised when reading or assembling changes what is stored."""


def write_dataset(draft: Draft, *, tables: dict[str, pl.DataFrame], facts: dict[str, Any]) -> None:
    """Write the tables of a data set, and its facts with the fingerprint of its rows."""
    with ThreadPoolExecutor() as pool:  # one table takes as long as all others
        written = [pool.submit(draft.table, name, table) for name, table in tables.items()]
        draft.document("facts", facts | {"fingerprint": fingerprint_of(identifying(tables))})
    for writing in written:
        writing.result()


def synthetic_entry(name: str) -> Entry:
    """Entry of an embedded sample, made at its first use."""

    def fill(draft: Any) -> None:
        made = synthetic.generate(name)
        tables = assemble(made.taxonomy, annotations=made.rows, comparisons=made.comparisons)
        write_dataset(
            draft,
            tables=tables | {"problems": PROBLEMS.to_frame(), "targets": made.targets},
            facts={
                "taxonomy": made.taxonomy.name,
                "release": None,
                "is_synthetic": True,
                "files": [],
                "assumptions": dict(made.assumptions),
            },
        )

    params = {"seed": 0, "assembled": VERSION}
    return Store().build(Key("datasets", ("synthetic", name), params, synthetic.VERSION), fill)


def dataset_of(
    entry: Entry, *, name: str, sources: Iterable[Source] = (), passed: Sequence[PassedOver] = ()
) -> Dataset:
    """Data set of an entry; where its files lie, and what lies beside them, is no part of the entry."""
    facts = entry.document("facts")
    custom = facts.get("own_taxonomy")
    places = {source.sha256: source.path for source in sources}
    files = [file | {"path": places.get(file["sha256"], file["path"])} for file in facts["files"]]

    def read(table: str) -> pl.DataFrame:
        stored = _stored_table(entry, table)
        return pl.concat([stored, problems_of(passed)]) if table == "problems" else stored

    return Dataset(
        name=name,
        taxonomy=TAXONOMIES[facts["taxonomy"]]
        if custom is None
        else taxonomy_of(custom, file=f"the store, for {name}"),
        fingerprint=facts["fingerprint"],
        is_synthetic=facts["is_synthetic"],
        release=facts["release"],
        facts=facts | {"files": files, "passed_over": [*facts.get("passed_over", ()), *map(asdict, passed)]},
        _read=read,
    )


def _stored_table(entry: Entry, name: str) -> pl.DataFrame:
    """A table of the store; empty or null where the entry is older than the table or a column of it."""
    if name == "keys" and "origins.parquet" in entry.names:
        return keys_of(entry.table("origins"))
    if name == "places" and "places.parquet" not in entry.names:
        return PLACES.to_frame()
    if name not in SCHEMAS:
        return entry.table(name)
    schema = SCHEMAS[name]
    return conform(entry.table(name), schema) if f"{name}.parquet" in entry.names else schema.to_frame()


def report_problems(ds: Dataset, *, strict: bool) -> None:
    """Say once per load that rows were rejected; with `strict`, refuse anything odd."""
    if ds.labels_not_kept:
        _say(f"{ds.name}: {unkept_labels(ds)}")
    rejected = sum(file["rows_rejected"] for file in ds.facts["files"])
    if strict and ds.problems.height:
        first = ds.problems.row(0, named=True)
        raise DataError(
            f"{ds.name} was to be read with strict=True; {ds.problems.height:,} oddities were found, the first in "
            f"{first['file']}, line {first['line']}: {first['kind']} ({first['detail']}). "
            "Mend the file, or load it without strict and look at ds.problems."
        )
    if rejected:
        read = sum(file["rows_in"] for file in ds.facts["files"])
        _say(f"{ds.name}: {rejected:,} of {read:,} rows could not be kept; ds.problems names each by file and line.")
    was_there = ~pl.col("detail").str.contains(" is (?:null|empty)$")  # else nothing is lost
    is_lost = pl.col("kind").is_in(_MEANS_NOTHING) & was_there
    nulls = ds.problems.filter(is_lost, action="kept").unique(["file", "line", "kind"])
    if nulls.height:
        counts = nulls.group_by("kind").len().sort("kind").iter_rows()
        said = ", ".join(f"{kind} in {n:,}" for kind, n in counts)
        _say(f"{ds.name}: some values could not be kept and are null ({said}); ds.problems names each by line.")
    if ds.facts["passed_over"]:
        passed = [PassedOver(**item) for item in ds.facts["passed_over"]]
        _say(f"{ds.name}: passed over {summary_of(passed)}; ds.problems says why.")
    for doubt in ds.facts.get("doubts", ()):
        _say(f"{ds.name}: {doubt}.")


_MEANS_NOTHING = ("unknown category", "wrong type", "out of range")


def _say(message: str) -> None:
    warnings.warn(message, stacklevel=4)


def unkept_labels(ds: Dataset) -> str:
    """Say that keys are not kept whose names are those of labels, and how they would be.

    Parameters
    ----------
    ds : Dataset
        Data with such keys.

    Returns
    -------
    str
        A sentence or two.
    """
    keys = ", ".join(repr(key[:40]) for key in ds.labels_not_kept)
    return f"not kept, though named like labels: {keys}. If they are, map them with columns=, --columns."
