"""What is really here under each name: rows, splits, and files that are still where they were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from btviz.data.catalog import catalogue
from btviz.data.dataset import extent_of
from btviz.data.ingest import Recipe
from btviz.store import Key, Store


@dataclass(frozen=True)
class Held:
    """What is here under a name.

    Attributes
    ----------
    name : str
        As it was given to `add`.
    release : str or None
        Registry name of the release it is a copy of.
    rows : int or None
        Rows that are kept; None where the stored tables are gone.
    extent : str
        Which split, and how much of the release, where that is not all.
    splits : tuple of str
        Splits that files name.
    present, missing : tuple of str
        Paths of its files that are there, and that are not: tables read from them are here all the same.
    """

    name: str
    release: str | None
    rows: int | None
    extent: str
    splits: tuple[str, ...]
    present: tuple[str, ...]
    missing: tuple[str, ...]


def inventory() -> list[Held]:
    """Say what is here under each name that was given to `add`.

    Returns
    -------
    list of Held
        Sorted by name. Nothing is read anew, and no file is hashed.
    """
    return [_held(name, record) for name, record in sorted(catalogue().items())]


def _held(name: str, record: Mapping[str, Any]) -> Held:
    recipe = None if "entry" in record else Recipe.of_document(record)
    entry = Store().get(Key.of_document(record["entry"]) if recipe is None else recipe.key)
    facts: Mapping[str, Any] = {} if entry is None else entry.document("facts")
    sources = [] if recipe is None else recipe.counted
    files = facts.get("files", [])
    release = facts.get("release", record.get("release"))
    return Held(
        name,
        release,
        sum(file["rows_kept"] for file in files) if files else None,
        extent_of(facts, name=name, release=release) if files else "",
        tuple(sorted({split for file in files for split in file.get("splits", [file["split"]]) if split})),
        tuple(source.path for source in sources if source.content.is_file()),
        tuple(source.path for source in sources if not source.content.is_file()),
    )
