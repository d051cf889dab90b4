"""Tags and notes on pairs, kept on disk.

A note belongs to a pair, not to a file: pair ids are hashes of the texts, so what was noted on
a pair of one release is there again when a larger release holds the same pair.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from btviz.data.dataset import Dataset
from btviz.data.tables import ID
from btviz.errors import NotFoundError, UsageError
from btviz.session.content import ContentPolicy
from btviz.session.exports import export_table
from btviz.session.selection import from_hex, hex_id
from btviz.store import read_document, update_document
from btviz.store.paths import data_dir

NOTES = pl.Schema({"pair_id": ID, "tag": pl.String(), "note": pl.String(), "time": pl.Datetime("us", time_zone="UTC")})
"""Columns of the table of notes: one row per pair and tag."""

LONGEST_TAG = 60


class Notes:
    """The user's tags and notes on the pairs of one data set.

    Parameters
    ----------
    ds : Dataset
        Notes on pairs that it does not hold are kept, but not shown.
    folder : Path, optional
        Where they are kept; ``notes/`` in the data folder by default.
    """

    def __init__(self, ds: Dataset, *, folder: Path | None = None) -> None:
        self._ds = ds
        self._path = (folder or data_dir() / "notes") / "notes.json"

    @property
    def table(self) -> pl.DataFrame:
        """`pair_id`, `tag`, `note`, `time` (UTC) of the pairs in the data set, by pair and tag."""
        rows = [
            (from_hex(pair), tag, kept["note"], datetime.fromisoformat(kept["time"]))
            for pair, tags in read_document(self._path).items()
            for tag, kept in tags.items()
        ]
        table = pl.DataFrame(rows, schema=NOTES, orient="row").sort("pair_id", "tag")
        return table.join(self._ds.pairs.select("pair_id"), on="pair_id", how="semi", maintain_order="left")

    @property
    def tags(self) -> list[str]:
        """Tags in use, in alphabetical order."""
        return self.table["tag"].unique().sort().to_list()

    def tagged(self, tag: str) -> list[int]:
        """Pairs that carry a tag."""
        return self.table.filter(pl.col("tag") == tag)["pair_id"].to_list()

    def add(self, pair_ids: int | Iterable[int], *, tag: str, note: str = "") -> None:
        """Tag pairs; a tag that a pair already has gets the new note and time.

        Parameters
        ----------
        pair_ids : int or iterable of int
            Pairs of the data set.
        tag : str
            One line of 1 to 60 characters.
        note : str
            Anything.

        Raises
        ------
        UsageError
            If the tag is empty, too long or has more than one line.
        NotFoundError
            If a pair is not in the data set; nothing is tagged then.
        """
        ids, word = self._known(pair_ids), _tag(tag)
        kept = {"note": note, "time": datetime.now(UTC).isoformat(timespec="microseconds")}

        def change(document: dict[str, Any]) -> dict[str, Any]:
            added = {hex_id(i): {**document.get(hex_id(i), {}), word: kept} for i in ids}
            return {**document, **added}

        update_document(self._path, change)

    def remove(self, pair_ids: int | Iterable[int], *, tag: str | None = None) -> None:
        """Take one tag (or, without `tag`, every tag) and its note off pairs.

        Raises
        ------
        NotFoundError
            If a pair is not in the data set; nothing is removed then.
        """
        keys = {hex_id(i) for i in self._known(pair_ids)}

        def change(document: dict[str, Any]) -> dict[str, Any]:
            rest = {
                pair: {word: kept for word, kept in tags.items() if tag is not None and word != tag}
                if pair in keys
                else tags
                for pair, tags in document.items()
            }
            return {pair: tags for pair, tags in rest.items() if tags}

        update_document(self._path, change)

    def export(self, path: str | Path, *, policy: ContentPolicy) -> Path:
        """Write the notes with the pairs they are on.

        Parameters
        ----------
        path : path-like
            Ends in ``.csv`` or ``.jsonl``.
        policy : ContentPolicy
            Decides which prompts and responses go along; the others are left empty.

        Returns
        -------
        Path
            The file, as `btviz.session.exports.export_table` writes it.
        """
        notes = self.table
        texts = policy.texts(self._ds, notes["pair_id"].unique()).select("pair_id", "prompt", "response")
        return export_table(path, notes.join(texts, on="pair_id", how="left", maintain_order="left"))

    def _known(self, pair_ids: int | Iterable[int]) -> list[int]:
        ids = [int(pair) for pair in (pair_ids if isinstance(pair_ids, Iterable) else [pair_ids])]
        known = set(self._ds.pairs.filter(pl.col("pair_id").is_in(ids))["pair_id"])
        missing = [hex_id(pair) for pair in ids if pair not in known]
        if missing:
            raise NotFoundError(
                f"Notes go on pairs of {self._ds.name!r}; it has no pair {missing[0]}"
                f"{f' (nor {len(missing) - 1} others)' if missing[1:] else ''}. "
                "Take ids from its table 'pairs'."
            )
        return ids


def _tag(tag: str) -> str:
    word = tag.strip()
    if not 0 < len(word) <= LONGEST_TAG or len(word.splitlines()) != 1:
        raise UsageError(
            f"A tag is one line of 1 to {LONGEST_TAG} characters; this one has {len(word)} "
            f"in {len(word.splitlines())} lines. Put longer words into the note."
        )
    return word
