"""The pair inspector: page through QA pairs, filter them, and read a text when asked to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl
import traitlets

from btviz.data.dataset import Dataset
from btviz.data.tables import ID
from btviz.session.content import ContentPolicy
from btviz.session.exports import export_table
from btviz.session.notes import Notes
from btviz.session.selection import Selection, from_hex, hex_id, possible_ids
from btviz.widgets import front
from btviz.widgets.inspector.filtering import Filter
from btviz.widgets.inspector.index import PairIndex, index_pairs
from btviz.widgets.inspector.listing import Listing
from btviz.widgets.inspector.pages import cards_of
from btviz.widgets.inspector.revealing import Message, Revealing


class PairInspector(Revealing):
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
        self.selection.observe(self._selection_changed)
        self._show()

    @property
    def selected(self) -> pl.DataFrame:
        """Rows of `ds.pairs` that are listed: the selection, narrowed by the filter.

        Texts are left out, so that showing the frame in a notebook shows none; read them from
        ``ds.pairs`` by `pair_id`.
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
        """Narrow the list; see `btviz.widgets.inspector.filtering.Filter`. Without arguments, widen it again.

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
        """Listed pairs with tags, and with texts as far as the policy allows them without asking."""
        texts = self.policy.texts(self.ds, self.selected["pair_id"]).select("pair_id", "prompt", "response")
        tags = self.notes.table.group_by("pair_id").agg(pl.col("tag").alias("tags"))
        rows = self.ds.named(self.selected).join(texts, on="pair_id", how="left", maintain_order="left")
        return rows.join(tags, on="pair_id", how="left", maintain_order="left")

    def _slugs(self, names: Iterable[str]) -> tuple[str, ...]:
        return tuple(self.ds.taxonomy[name].slug for name in names)

    def _show(self) -> None:
        with self.hold_sync():
            self.set_trait("view", self._listing.describe())
            self.set_trait("cards", cards_of(self._listing.shown, ds=self.ds, index=self._index))
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
            "filter": lambda asked: self.filter(**asked["filters"]),
            "open": lambda asked: self.open_pair(asked["pair"]),
            "prompt": self._look_at_prompt,
            "clear": lambda _: self.selection.clear(),
            "tag": self._tag,
            "untag": self._untag,
        }

    def _turn(self, asked: Message) -> None:
        self._listing.turn_to(asked["offset"], size=asked["size"])
        self._show()

    def _look_at_prompt(self, asked: Message) -> None:
        self._listing.look_at_prompt(from_hex(asked["pair"]) if asked["pair"] else None)
        self._show()

    def _tag(self, asked: Message) -> None:
        self.notes.add(from_hex(asked["pair"]), tag=asked["tag"], note=asked["note"])
        self._send_words()

    def _untag(self, asked: Message) -> None:
        self.notes.remove(from_hex(asked["pair"]), tag=asked["tag"])
        self._send_words()
