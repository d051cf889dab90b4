"""The pair inspector: page through QA pairs, filter them, and read a text when asked to; and views that have one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import polars as pl
import traitlets

from btviz.data.dataset import Dataset
from btviz.data.tables import ID
from btviz.session import ContentPolicy, Notes, Selection, export_table, from_hex, hex_id, possible_ids
from btviz.widgets import front
from btviz.widgets.inspector.index import PairIndex, Rows, index_pairs
from btviz.widgets.inspector.inspector import Inspector, Message
from btviz.widgets.inspector.listing import Filter, Listing
from btviz.widgets.parts.picture import picture_of
from btviz.widgets.parts.view import View


class PairInspector(Inspector):
    """List the selected pairs of a data set, without their texts until those are asked for.

    Parameters
    ----------
    ds : Dataset
        The pairs.
    selection : Selection, optional
        Shared with other views; a new one, with every pair in it, by default.
    policy : ContentPolicy, optional
        Decides which texts may be read; the one of this session by default.
    index : PairIndex, optional
        Where another view of `ds` has built it already.

    Notes
    -----
    Traits that the browser shares (and a saved notebook keeps) hold counts, labels, votes and
    hexadecimal ids. A text crosses only as a message that answers "reveal".

    Examples
    --------
    >>> inspector = PairInspector(ds)
    >>> inspector.filter(any_of=("hate-speech",), dispute="disputed")
    >>> inspector.selected["pair_id"]
    """

    _esm = front.script("pairs")
    _css = front.style("pairs")

    view = traitlets.Dict(read_only=True).tag(sync=True)
    cards = traitlets.List[Any](read_only=True).tag(sync=True)

    def __init__(
        self,
        ds: Dataset,
        *,
        selection: Selection | None = None,
        policy: ContentPolicy | None = None,
        index: PairIndex | None = None,
    ) -> None:
        super().__init__(ds, policy=policy)
        self.selection = selection or Selection()
        self.notes = Notes(ds)
        self._index = index or index_pairs(ds)
        self._listing = Listing(ds, index=self._index, selection=self.selection, notes=self.notes)
        self._until_closed(self.selection.observe(self._selection_changed))
        self._show()

    @property
    def selected(self) -> pl.DataFrame:
        """Rows of `ds.items` that are listed: the selection, narrowed by the filter.

        Texts are left out, so that showing the frame in a notebook shows none; read them from
        ``ds.items`` by `pair_id`.
        """
        return self._listing.selected

    def filter(
        self,
        *,
        any_of: Iterable[str] = (),
        all_of: Iterable[str] = (),
        none_of: Iterable[str] = (),
        votes: str = "one",
        safety: str = "all",
        dispute: str = "all",
        search: str = "",
        tag: str = "",
    ) -> None:
        """Narrow the list; see `btviz.widgets.inspector.listing.Filter`. Without arguments, widen it again.

        Raises
        ------
        UsageError
            If a category or an option is unknown.
        """
        self._listing.set_filters(
            Filter(
                any_of=self._slugs(any_of),
                all_of=self._slugs(all_of),
                none_of=self._slugs(none_of),
                votes=votes,
                safety=safety,
                dispute=dispute,
                search=search,
                tag=tag,
            )
        )
        self._show()

    def open_pair(self, pair_id: int | str) -> None:
        """Turn to a pair by its id: a number, its digits, or the 16 hexadecimal digits that views show."""
        ids = possible_ids(pair_id) if isinstance(pair_id, str) else [pair_id]
        rows = self._index.rows_of(pl.Series(ids, dtype=ID))
        self._listing.open_pair(int(self._index.pair_ids[rows[0]]) if len(rows) else ids[0])
        self._show()

    def export(self, path: str | Path) -> Path:
        """Write the listed pairs to a ``.csv`` or ``.jsonl`` file, with the texts the policy allows."""
        return export_table(path, self.exported())

    def exported(self) -> pl.DataFrame:
        """Listed pairs with tags, what ranks them, and texts as far as the policy allows them without asking."""
        texts = self.policy.texts(self.ds, self.selected["pair_id"]).select("pair_id", "prompt", "response")
        tags = self.notes.table.group_by("pair_id").agg(pl.col("tag").alias("tags"))
        rows = self.ds.named(self.selected).join(texts, on="pair_id", how="left", maintain_order="left")
        rows = rows.join(tags, on="pair_id", how="left", maintain_order="left")
        values = self.selection.values
        return rows if values is None else rows.join(values, on="pair_id", how="left", maintain_order="left")

    def _slugs(self, names: Iterable[str]) -> tuple[str, ...]:
        return tuple(self.ds.taxonomy[name].slug for name in names)

    def _show(self) -> None:
        with self.hold_sync():
            self.set_trait("view", self._listing.describe())
            cards = cards_of(self._listing.shown, ds=self.ds, index=self._index)
            values = zip(cards, self._listing.shown_values, strict=True)
            self.set_trait("cards", [card | {"value": value} for card, value in values])
        self._send_words()

    def _send_words(self) -> None:
        """Send what the user wrote (filter, tags, notes): messages, so that no saved file keeps it."""
        notes = self.notes.table
        shown = pl.Series(self._index.pair_ids[self._listing.shown])
        mine = notes.filter(pl.col("pair_id").is_in(shown.implode())).with_columns(
            pl.col("time").dt.to_string("%Y-%m-%d %H:%M UTC")
        )
        self.send(
            {
                "kind": "words",
                "filters": asdict(self._listing.filters),
                "tags": self.notes.tags,
                "notes": [{**note, "pair": hex_id(note.pop("pair_id"))} for note in mine.to_dicts()],
            }
        )

    def _selection_changed(self) -> None:
        self._listing.refresh()
        self._show()

    def _answers(self) -> dict[str, Callable[[Message], None]]:
        return super()._answers() | {
            "ready": lambda _: self._send_words(),
            "turn": self._turn,
            "filter": lambda message: self.filter(**message["filters"]),
            "open": lambda message: self.open_pair(message["pair"]),
            "prompt": self._look_at_prompt,
            "clear": lambda _: self.selection.clear(),
            "tag": self._tag,
            "untag": self._untag,
            "tag_all": self._tag_all,
            "undo_tags": lambda _: self._undo_tags(),
        }

    def _turn(self, message: Message) -> None:
        self._listing.turn_to(message["offset"], size=message["size"])
        self._show()

    def _look_at_prompt(self, message: Message) -> None:
        self._listing.look_at_prompt(from_hex(message["pair"]) if message["pair"] else None)
        self._show()

    def _tag(self, message: Message) -> None:
        self.notes.add(from_hex(message["pair"]), tag=message["tag"], note=message["note"])
        self._send_words()

    def _untag(self, message: Message) -> None:
        self.notes.remove(from_hex(message["pair"]), tag=message["tag"])
        self._send_words()

    def tag_all(self, tag: str, *, note: str = "") -> int:
        """Tag every listed pair in one step, which ``notes.undo()`` takes back; how many there are."""
        pairs = self.selected["pair_id"]
        self.notes.add(pairs, tag=tag, note=note)
        self._send_words()
        return len(pairs)

    def _tag_all(self, message: Message) -> None:
        n = self.tag_all(message["tag"], note=message["note"])
        self.send({"kind": "say", "text": f"Tagged {n:,} {self.ds.item}s. “Undo tags” takes that back."})

    def _undo_tags(self) -> None:
        n = self.notes.undo()
        self._send_words()
        self.send({"kind": "say", "text": f"{n:,} tags are as they were." if n else "No change of tags is left."})


class InspectedView(View, ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Base of the explorers: what is chosen on a picture is listed by an inspector.

    A subclass sets `ds` and `inspector` before it draws.
    """

    ds: Dataset
    inspector: PairInspector

    @property
    def selection(self) -> Selection:
        """Pair ids that were chosen, here or from Python; shared with other views."""
        return self.inspector.selection

    @property
    def policy(self) -> ContentPolicy:
        """Decides which texts may be read."""
        return self.inspector.policy

    @property
    def notes(self) -> Notes:
        """Tags and notes on the pairs."""
        return self.inspector.notes

    @property
    def selected(self) -> pl.DataFrame:
        """Rows of `ds.items`, without texts, that the inspector lists: selection and filter."""
        return self.inspector.selected

    def _still(self) -> str:
        """Counts of what is listed; no text is among them."""
        index, taxonomy = self.inspector._index, self.ds.taxonomy
        listed = index.rows_of(self.selected["pair_id"])
        flags = taxonomy.flags(index.labels)
        safety = np.column_stack([index.is_unsafe, index.is_safe])
        bars = [
            (title, labels, {"totals": of.sum(axis=0).tolist(), "counts": of[listed].sum(axis=0).tolist()})
            for title, labels, of in (
                ("Safety", ["unsafe", "safe"], safety),
                ("Categories", [category.title for category in taxonomy.categories], flags),
            )
        ]
        heading = f"{len(listed):,} of {len(index):,} {self.ds.item}s"
        return picture_of(self.ds.population, bars, heading=heading)


_FACTS = ("split", "source", "severity", "prompt_words", "response_words")


def cards_of(rows: Rows, *, ds: Dataset, index: PairIndex) -> list[dict[str, Any]]:
    """Describe pairs for the front end."""
    columns = [name for name in _FACTS if name in ds.items.columns]
    facts = ds.items.select(columns)[rows].to_dicts()
    compared_rows = _told_by_comparisons(ds, index, rows)
    return [
        _card(ds, index, int(row), fact | {"told": row in compared_rows or _is_judged(ds, index, row)})
        for row, fact in zip(rows, facts, strict=True)
    ]


def _is_judged(ds: Dataset, index: PairIndex, row: int) -> bool:
    """Whether somebody says of a prompt without answers whether it is safe."""
    return ds.item == "prompt" and bool(index.is_safe[row] or index.is_unsafe[row])


def _told_by_comparisons(ds: Dataset, index: PairIndex, rows: Rows) -> set[int]:
    """Rows without annotations of their own whose safety some comparison tells."""
    open_rows = rows[index.n_annotations[rows] == 0]
    ids = pl.Series(index.pair_ids[open_rows], dtype=pl.UInt64).implode()
    pair_ids = [
        ds.preferences.filter(pl.col(f"pair_id_{side}").is_in(ids), pl.col(f"is_safe_{side}").is_not_null())[
            f"pair_id_{side}"
        ]
        for side in (0, 1)
    ]
    return set(index.rows_of(pl.concat(pair_ids)).tolist())


def _card(ds: Dataset, index: PairIndex, row: int, facts: Mapping[str, Any]) -> dict[str, Any]:
    n = int(index.n_annotations[row])
    severity = facts.get("severity")
    levels: Sequence[str] = ds.taxonomy.severities
    return {
        "row": row,
        "pair": hex_id(int(index.pair_ids[row])),
        "safe": bool(index.is_safe[row]) if index.is_safe[row] or index.is_unsafe[row] else None,
        "labelled": n > 0 or facts["told"],
        "alone": ds.item == "prompt",
        "unsafe": int(index.n_unsafe[row]),
        "annotations": n,
        "disputed": bool(index.disputed[row]) if n > 1 else None,
        "votes": index.votes(row) or _released(index, row),
        "answers": int(np.count_nonzero(index.prompt_ids == index.prompt_ids[row])),
        "source": facts.get("source"),
        "severity": levels[severity] if severity is not None and severity < len(levels) else None,
        "words": [facts.get("prompt_words"), facts.get("response_words")],
    }


def _released(index: PairIndex, row: int) -> list[tuple[int, int]]:
    """Labels of a pair that has no annotations of its own: all that its comparisons give it."""
    return [(category.bit, 0) for category in index.taxonomy.members(int(index.any_labels[row]))]
