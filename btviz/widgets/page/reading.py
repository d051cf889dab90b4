"""The list of the page: pairs of the selection, sorted, as compact rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.data.dataset import Dataset
from btviz.errors import choice
from btviz.session import Notes, Selection, Tables
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


class Reading(Listing):
    """Pairs of a selection in an order that a reader chose, a page of them at a time."""

    def __init__(self, ds: Dataset, *, index: PairIndex, selection: Selection, notes: Notes) -> None:
        self._sort, self._seed = "data", 0
        self._scores: dict[str, Floats] = {}
        self.scores: dict[str, pl.DataFrame] = {}
        super().__init__(ds, index=index, selection=selection, notes=notes)
        self.place = Place(size=PAGE)

    def scores_from(self, tables: Tables) -> None:
        """Take the scores that rows show and are sorted by."""
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
        """The pairs on view, each with the number that it is listed by, and its scores."""
        rows = self.shown
        cards = cards_of(rows, ds=self._ds, index=self._index)
        name = self._valued_by
        if self._by_rank:
            values: list[float | None] = self.shown_values
        elif name is None:
            values = [None] * len(rows)
        else:
            values = [_known(self._scores[name][row]) for row in rows]
        return [
            card | {"value": value, "scores": [[name, _known(column[row])] for name, column in self._scores.items()]}
            for card, value, row in zip(cards, values, rows, strict=True)
        ]


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
