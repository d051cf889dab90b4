"""Tags and notes on pairs, kept on disk.

A note belongs to a pair, not to a file: pair ids are hashes of the texts, so what was noted on
a pair of one release is there again when a larger release holds the same pair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from btviz.data.dataset import Dataset
from btviz.data.keys import matched_pairs, with_keys
from btviz.data.reading.flat_tables import read_frame
from btviz.data.reading.record import shown_columns
from btviz.data.tables import ID
from btviz.errors import DataError, NotFoundError, UsageError
from btviz.session.content import ContentPolicy
from btviz.session.exports import export_table
from btviz.session.ids import from_hex, hex_id
from btviz.store import Shape, read_document, update_document
from btviz.store.paths import data_dir

NOTES = pl.Schema({"pair_id": ID, "tag": pl.String(), "note": pl.String(), "time": pl.Datetime("us", time_zone="UTC")})
"""Columns of the table of notes: one row per pair and tag."""

LONGEST_TAG = 60

_Document = dict[str, dict[str, Any]]


def _is_note(names: tuple[str, ...], kept: Any) -> bool:
    "".join((*names, kept["note"])).encode()  # a lone surrogate is no text, and would block all notes
    return (
        from_hex(names[0]) >= 0
        and _tag(names[1]) == names[1]
        and isinstance(kept["note"], str)
        and datetime.fromisoformat(kept["time"]).tzinfo is not None
    )


_SHAPE = Shape(_is_note, depth=2)

_Step = dict[tuple[str, str], tuple[Any, Any]]
"""What a change made of each tag of each pair: before and after, None where there is none."""


@dataclass(frozen=True)
class NotesRead:
    """What was read from a file of tags.

    Attributes
    ----------
    by : str
        What its rows were matched by.
    rows, matched : int
        Rows of the file, and those of them that are of a pair in the data set.
    ambiguous : int
        Rows whose id several pairs have; they are not matched.
    """

    by: str
    rows: int
    matched: int
    ambiguous: int


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
        self._steps: list[_Step] = []

    @property
    def table(self) -> pl.DataFrame:
        """`pair_id`, `tag`, `note`, `time` (UTC) of the pairs in the data set, by pair and tag."""
        rows = [
            (from_hex(pair), tag, kept["note"], datetime.fromisoformat(kept["time"]))
            for pair, tags in read_document(self._path, shape=_SHAPE).items()
            for tag, kept in tags.items()
        ]
        table = pl.DataFrame(rows, schema=NOTES, orient="row").sort("pair_id", "tag")
        return table.join(self._ds.items.select("pair_id"), on="pair_id", how="semi", maintain_order="left")

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
        self._put([(pair, _tag(tag), note) for pair in self._known(pair_ids)])

    def read(self, path: str | Path, *, by: str | None = None) -> NotesRead:
        """Tag pairs as a file says, such as one that `export` wrote, or a list of ids that others made.

        Parameters
        ----------
        path : path-like
            JSON lines, JSON, Parquet or CSV with the columns `tag` and an id of the pair, and perhaps `note`.
        by : str, optional
            Which column has the id, and of what kind it is, as ``COLUMN`` or ``COLUMN=KEY``: ``pair_id``, a hash of
            the answer, ``line``, or a key in ``ds.keys``; see `btviz.data.keys.matched_pairs`, also for the default.

        Returns
        -------
        NotesRead
            How many rows were matched. Those that were not are left out.

        Raises
        ------
        UsageError
            If there is no column `tag` or no id, or a tag is empty, too long or has more than one line.
        DataError
            If no row is of a pair in the data set; nothing is tagged then.
        """
        frame = read_frame(Path(path))
        if "tag" not in frame.columns:
            raise UsageError(
                f"Tags were to be read from {Path(path).name}; it has {shown_columns(frame.columns)}, and 'tag' is not "
                "among them. Name the column so."
            )
        matches = matched_pairs(frame, self._ds, by=by)
        notes = frame["note"] if "note" in frame.columns else pl.Series([""] * frame.height)
        rows = pl.DataFrame({"pair": matches.pair_ids, "tag": frame["tag"].cast(pl.String), "note": notes})
        known = rows.filter(pl.col("pair").is_in(self._ds.items["pair_id"].implode()))
        if known.is_empty():
            raise DataError(
                f"Tags were to be read from {Path(path).name}; by {matches.by} none of its {frame.height:,} rows is of "
                f"one pair of {self._ds.name!r}. Name the id that both have: by=COLUMN=KEY."
            )
        self._put([(pair, _tag(tag or ""), note or "") for pair, tag, note in known.rows()])
        return NotesRead(matches.by, frame.height, known.height, matches.n_ambiguous)

    def _put(self, rows: Iterable[tuple[int, str, str]]) -> None:
        time = datetime.now(UTC).isoformat(timespec="microseconds")
        added: dict[str, dict[str, Any]] = {}
        for pair, tag, note in rows:
            text = note.encode(errors="replace").decode()  # half of a pair of surrogates is no text
            added.setdefault(hex_id(pair), {})[tag] = {"note": text, "time": time}

        def change(document: dict[str, Any]) -> dict[str, Any]:
            return {**document, **{pair: {**document.get(pair, {}), **tags} for pair, tags in added.items()}}

        self._change(change, {(pair, tag) for pair, tags in added.items() for tag in tags})

    def _change(self, change: Callable[[_Document], _Document], touched: set[tuple[str, str]]) -> None:
        """Change what is kept in one step, and remember how to take it back."""
        before: _Document = {}

        def changed(document: _Document) -> _Document:
            before.update(document)
            return change(document)

        after = update_document(self._path, changed, shape=_SHAPE)
        step = {(pair, tag): (before.get(pair, {}).get(tag), after.get(pair, {}).get(tag)) for pair, tag in touched}
        if any(old != new for old, new in step.values()):
            self._steps.append(step)

    def undo(self) -> int:
        """Take back the latest change made here, as a whole: a tag on 120 pairs as one on a single pair.

        Returns
        -------
        int
            Tags that were put back, or taken off; one that another kernel has changed since stays. 0 if there is no
            change left.
        """
        if not self._steps:
            return 0
        step, n = self._steps.pop(), 0

        def back(document: _Document) -> _Document:
            nonlocal n
            changed = {pair: dict(tags) for pair, tags in document.items()}
            for (pair, tag), (old, new) in step.items():
                if changed.get(pair, {}).get(tag) != new:
                    continue
                n += 1
                if old is None:
                    changed[pair].pop(tag)
                else:
                    changed.setdefault(pair, {})[tag] = old
            return {pair: tags for pair, tags in changed.items() if tags}

        update_document(self._path, back, shape=_SHAPE)
        return n

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

        words = {tag} if tag is not None else {*self.tags}
        self._change(change, {(pair, word) for pair in keys for word in words})

    def export(self, path: str | Path, *, policy: ContentPolicy, keys: Iterable[str] = ()) -> Path:
        """Write the notes with the pairs they are on.

        Parameters
        ----------
        path : path-like
            Ends in ``.csv`` or ``.jsonl``.
        policy : ContentPolicy
            Decides which prompts and responses go along; the others are left empty.
        keys : iterable of str
            Keys in ``ds.keys`` that go along, so that others find the pairs without texts: ``line``, a hash, an id.

        Returns
        -------
        Path
            The file, as `btviz.session.exports.export_table` writes it.
        """
        notes = self.table
        texts = policy.texts(self._ds, notes["pair_id"].unique()).select("pair_id", "prompt", "response")
        whole = notes.join(texts, on="pair_id", how="left", maintain_order="left")
        return export_table(path, with_keys(whole, self._ds, keys=keys))

    def _known(self, pair_ids: int | Iterable[int]) -> list[int]:
        ids = [int(pair) for pair in (pair_ids if isinstance(pair_ids, Iterable) else [pair_ids])]
        known = set(self._ds.items.filter(pl.col("pair_id").is_in(ids))["pair_id"])
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
