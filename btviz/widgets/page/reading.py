"""The list of the page: pairs of the selection, sorted, or comparisons that they take part in, as compact rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.data.dataset import Dataset
from btviz.errors import choice
from btviz.session import Notes, Selection, Tables, from_hex, hex_id
from btviz.widgets.inspector.comparisons import Comparing
from btviz.widgets.inspector.index import PairIndex
from btviz.widgets.inspector.listing import Listing, Place
from btviz.widgets.inspector.pairs import cards_of

PAGE = 25

Floats = NDArray[np.float64]

PLAIN = {
    "data": "order of the data",
    "dispute": "most disputed first",
    "longest": "longest answer first",
    "shortest": "shortest answer first",
    "random": "at random",
}


ORDERS = {
    "all": "all comparisons",
    "same": "better is the safer one",
    "other": "better is not the safer one",
    "unknown": "a label is missing",
}
"""Of comparisons: by whether the better answer is the safer one."""


class Reading(Listing):
    """Pairs of a selection in an order that a reader chose, a page of them at a time."""

    def __init__(self, ds: Dataset, *, index: PairIndex, selection: Selection, notes: Notes) -> None:
        self._sort, self._seed = "data", 0
        self._scores: dict[str, Floats] = {}
        self._tables: Tables | None = None
        self.scores: dict[str, pl.DataFrame] = {}
        super().__init__(ds, index=index, selection=selection, notes=notes)
        self.place = Place(size=PAGE)

    def read_from(self, tables: Tables) -> None:
        """Take the scores that rows show and are sorted by, and the topics that they name."""
        self._tables = tables
        if "scores" not in tables.others:
            return
        known = tables["scores"].filter(pl.col("target").is_null())
        for (model, kind), part in sorted(known.group_by("model", "kind")):
            values = part.select("pair_id", "score").unique("pair_id", keep="first").sort("pair_id")
            ids = values["pair_id"].to_numpy()
            rows = np.searchsorted(self._index.pair_ids, ids).clip(max=len(self._index) - 1)
            is_known = self._index.pair_ids[rows] == ids
            column = np.full(len(self._index), np.nan)
            column[rows[is_known]] = values["score"].to_numpy()[is_known]
            self._scores[f"{kind} by {model}"] = column
            self.scores[f"{kind} by {model}"] = values

    @property
    def orders(self) -> dict[str, str]:
        """Ways to sort, and their words."""
        values = self._selection.values
        ranked = {} if values is None else {"rank": f"{values.columns[1]}, highest first"}
        scored: dict[str, str] = {}
        for name in self._scores:
            scored |= {f"+{name}": f"{name}, highest first", f"-{name}": f"{name}, lowest first"}
        return ranked | PLAIN | scored

    def sort_by(self, name: str) -> None:
        """Sort in another way; at random again is another order, by the next seed."""
        choice(name, self.orders, what="order")
        self._seed += name == self._sort == "random"
        self._sort = name
        self.refresh()

    def refresh(self) -> None:
        """Find the rows anew, from the first page on."""
        super().refresh()
        self._by_rank = self._selection.values is not None and self._sort in ("data", "rank")
        if not self._by_rank:
            if self._sort not in self.orders:
                self._sort = "data"
            self.rows = np.sort(self.rows)
            key = self._key()
            if key is not None:
                self.rows = self.rows[np.argsort(key[self.rows], kind="stable")]

    def _key(self) -> Floats | None:
        index = self._index
        if self._sort == "random":
            return np.random.default_rng(self._seed).random(len(index))
        if self._sort == "dispute":
            share = index.n_unsafe / np.maximum(index.n_annotations, 1)
            return np.where(index.disputed, np.abs(share - 0.5) - index.n_annotations * 1e-6, 1.0)
        if self._sort in ("longest", "shortest"):
            words = self._ds.items["response_words"].cast(pl.Float64).to_numpy()
            return -words if self._sort == "longest" else words
        if self._sort[0] in "+-" and self._sort[1:] in self._scores:
            values = self._scores[self._sort[1:]]
            return -values if self._sort[0] == "+" else values
        return None

    @property
    def _valued_by(self) -> str | None:
        """Which score stands on each row, where nothing ranks it."""
        if self._sort[1:] in self._scores:
            return self._sort[1:]
        return next(iter(self._scores), None)

    def describe(self) -> dict[str, Any]:
        """Counts and words for the head of the list."""
        known = super().describe()
        return {key: known[key] for key in ("listed", "offset", "size", "focus", "item")} | {
            "sort": "rank" if self._by_rank else self._sort,
            "orders": [[key, words] for key, words in self.orders.items()],
            "value_of": known["ranked_by"] if self._by_rank else self._valued_by,
            "seed": self._seed,
        }

    def cards(self) -> list[dict[str, Any]]:
        """The pairs on view, each with the number that it is listed by, its scores and its topic."""
        rows = self.shown
        cards = cards_of(rows, ds=self._ds, index=self._index)
        name = self._valued_by
        if self._by_rank:
            values: list[float | None] = self.shown_values
        elif name is None:
            values = [None] * len(rows)
        else:
            values = [_known(self._scores[name][row]) for row in rows]
        topics = self._topics([from_hex(card["pair"]) for card in cards])
        return [
            card
            | {"value": value, "scores": [[name, _known(column[row])] for name, column in self._scores.items()]}
            | {"topic": topic}
            for card, value, topic, row in zip(cards, values, topics, rows, strict=True)
        ]

    def _topics(self, ids: list[int]) -> list[str | None]:
        """Names of the topics of pairs, as far as they are known."""
        if self._tables is None or "assignments" not in self._tables.others:
            return [None] * len(ids)
        names = dict(self._tables["topics"].select("topic", "name").rows())
        known = self._tables["assignments"].filter(pl.col("pair_id").is_in(ids)).select("pair_id", "topic")
        of_pair = dict(known.rows())
        return [names.get(of_pair.get(pair)) for pair in ids]

    def exported(self) -> pl.DataFrame:
        """The listed pairs with their labels, tags, topic and scores; no text is among them."""
        rows = self._ds.named(self.selected)
        tags = self._notes.table.group_by("pair_id").agg(pl.col("tag").alias("tags"))
        rows = rows.join(tags, on="pair_id", how="left", maintain_order="left")
        if self._tables is not None and "assignments" in self._tables.others:
            topics = self._tables["assignments"].select("pair_id", "topic")
            rows = rows.join(topics, on="pair_id", how="left", maintain_order="left")
        for name, values in self.scores.items():
            rows = rows.join(values.rename({"score": name}), on="pair_id", how="left", maintain_order="left")
        return rows

    def noted(self) -> list[dict[str, Any]]:
        """Tags and notes of the pairs on view."""
        ids = self._index.pair_ids[self.shown].tolist()
        mine = self._notes.table.filter(pl.col("pair_id").is_in(ids)).with_columns(
            pl.col("time").dt.to_string("%Y-%m-%d %H:%M UTC")
        )
        return [{**note, "pair": hex_id(note.pop("pair_id"))} for note in mine.to_dicts()]


class Compared(Comparing):
    """Comparisons in which a selected pair takes part, a page of them at a time; sorting is narrowing by agreement."""

    def follow(self, selection: Selection) -> None:
        """List what the selection takes part in, from the first page on."""
        self.place = Place(size=PAGE)
        if selection.pair_ids is None:
            self.list_all()
        else:
            self.list_rows(self.rows_with(selection.pair_ids), origin=selection.origin)

    def sort_by(self, name: str) -> None:
        """Narrow the list by whether the better answer is the safer one."""
        self.set_agreement(name)

    def describe(self) -> dict[str, Any]:
        """Counts and words for the head of the list."""
        known = super().describe()
        return {key: known[key] for key in ("listed", "offset", "size")} | {
            "item": "comparison",
            "sort": self.agreement,
            "orders": [[key, words] for key, words in ORDERS.items()],
        }


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
