"""The list an inspector pages through: a selection, narrowed by a filter, one page of it. No widget in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.data.dataset import Dataset
from btviz.errors import NotFoundError, choice
from btviz.session import Notes, Selection, hex_id
from btviz.taxonomy.categories import Taxonomy
from btviz.widgets.inspector.index import PairIndex, Rows

VOTES = ("one", "majority", "every")

SAFETY = ("all", "safe", "unsafe")

DISPUTE = ("all", "disputed", "unanimous")


@dataclass(frozen=True)
class Filter:
    """What an analyst narrowed the list to; the parts are joined by *and*."""

    any_of: tuple[str, ...] = ()
    all_of: tuple[str, ...] = ()
    none_of: tuple[str, ...] = ()
    votes: str = "one"
    safety: str = "all"
    dispute: str = "all"
    search: str = ""
    tag: str = ""

    def __post_init__(self) -> None:
        choice(self.votes, VOTES, what="number of votes")
        choice(self.safety, SAFETY, what="safety")
        choice(self.dispute, DISPUTE, what="dispute")


def narrow(rows: Rows, *, ds: Dataset, index: PairIndex, by: Filter, tagged: Iterable[int] = ()) -> Rows:
    """Rows that pass a filter, in the order given."""
    kept = rows[_has_categories(index, ds.taxonomy, by)[rows] & _has_verdict(index, by)[rows]]
    if by.tag:
        kept = kept[np.isin(index.pair_ids[kept], np.fromiter(tagged, np.uint64))]
    return containing(ds, kept, words=by.search) if by.search else kept


def _has_categories(index: PairIndex, taxonomy: Taxonomy, by: Filter) -> NDArray[np.bool_]:
    masks = {"one": index.any_labels, "majority": index.labels, "every": index.every_label}[by.votes]
    some, every, none = (np.uint32(taxonomy.mask(names)) for names in (by.any_of, by.all_of, by.none_of))
    passes: NDArray[np.bool_] = ((masks & every) == every) & ((masks & none) == 0)
    if some:
        passes &= (masks & some) != 0
    return passes


def _has_verdict(index: PairIndex, by: Filter) -> NDArray[np.bool_]:
    passes = np.ones(len(index), dtype=np.bool_)
    if by.safety != "all":
        passes &= index.is_safe if by.safety == "safe" else index.is_unsafe
    if by.dispute == "disputed":
        passes &= index.disputed
    elif by.dispute == "unanimous":
        passes &= ~index.disputed & (index.n_annotations > 1)
    return passes


def containing(ds: Dataset, rows: Rows, *, words: str) -> Rows:
    """Rows whose prompt or response contains words, taken literally, upper or lower case."""
    pattern = "(?i)" + pl.escape_regex(words)
    texts = ds.items.select("prompt", "response")[rows]
    hits = texts.select(pl.any_horizontal(pl.all().str.contains(pattern)).fill_null(value=False))
    kept: Rows = rows[hits.to_series().to_numpy()]
    return kept


@dataclass
class Place:
    """Where in the list the reader is: first row of the page, page size, prompt looked at."""

    offset: int = 0
    size: int = 5
    prompt_of: int | None = None
    focus: int | None = None

    def turned(self, offset: int, *, size: int | None, n: int) -> Place:
        """The page that holds the row at `offset` of `n`."""
        step = size or self.size
        return Place(offset=min(max(offset, 0), max(n - 1, 0)) // step * step, size=step)


class Listing:
    """Pairs of a selection that pass a filter, and the page of them that is shown."""

    def __init__(self, ds: Dataset, *, index: PairIndex, selection: Selection, notes: Notes) -> None:
        self._ds, self._index, self._selection, self._notes = ds, index, selection, notes
        self.filters = Filter()
        self.place = Place()
        self.refresh()

    def refresh(self) -> None:
        """Find the rows anew, from the first page on."""
        chosen = self._selection.pair_ids
        everything, ranked = np.arange(len(self._index)), self._selection.ranked
        self._chosen = everything if chosen is None else self._index.rows_of(chosen)
        if ranked is not None:
            self._chosen = self._index.rows_in_order(ranked)
        self.rows = self._narrowed()
        self.place = Place(size=self.place.size)

    def set_filters(self, filters: Filter) -> None:
        """Narrow the selection by another filter; a filter that is refused changes nothing."""
        before, self.filters = self.filters, filters
        try:
            self.rows = self._narrowed()
        except Exception:
            self.filters = before
            raise
        self.place = Place(size=self.place.size)

    def turn_to(self, offset: int, *, size: int | None = None) -> None:
        """Show the page that holds the row at `offset` of the list."""
        self.place = self.place.turned(offset, size=size, n=len(self.rows))

    def open_pair(self, pair_id: int) -> None:
        """Turn to a pair, choosing it alone where the list does not hold it."""
        row = self.row_of(pair_id)
        if row not in self.rows:
            self.filters = Filter()
            self._selection.set([pair_id], origin=f"Opened by id {hex_id(pair_id)}")
            self.refresh()
        self.turn_to(int(np.flatnonzero(self.rows == row)[0]))
        self.place.focus = row

    def look_at_prompt(self, pair_id: int | None) -> None:
        """Show every answer to the prompt of a pair, or (None) the list again."""
        self.place.prompt_of = None if pair_id is None else self.row_of(pair_id)

    def row_of(self, pair_id: int) -> int:
        """Row of a pair in `ds.items`."""
        rows = self._index.rows_of(pl.Series([pair_id], dtype=pl.UInt64))
        if not len(rows):
            raise NotFoundError(
                f"Pair {hex_id(pair_id)} was asked for; {self._ds.name!r} does not hold it. "
                "Copy an id from the head of a pair, or load the data set it comes from."
            )
        return int(rows[0])

    @property
    def shown(self) -> Rows:
        """Rows on view: one page of the list, or all answers to one prompt."""
        if self.place.prompt_of is not None:
            return self._index.same_prompt(self.place.prompt_of)
        return self.rows[self.place.offset : self.place.offset + self.place.size]

    @property
    def selected(self) -> pl.DataFrame:
        """The listed rows of `ds.items`, without their texts."""
        return self._ds.items.drop("prompt", "response")[self.rows]

    def describe(self) -> dict[str, Any]:
        """Counts and words for the head of the list; no text of the data among them."""
        prompt, focus = (
            None if row is None else hex_id(int(self._index.pair_ids[row]))
            for row in (self.place.prompt_of, self.place.focus)
        )
        return {
            "name": self._ds.population,
            "item": self._ds.item,
            "origin": self._selection.origin,
            "expression": self._selection.expression,
            "all": len(self._index),
            "chosen": len(self._chosen),
            "elsewhere": self._elsewhere(),
            "listed": len(self.rows),
            "offset": self.place.offset,
            "size": self.place.size,
            "prompt": prompt,
            "focus": focus,
            "dispute_measurable": self._index.dispute_measurable,
            "ranked_by": None if self._selection.values is None else self._selection.values.columns[1],
        }

    @property
    def shown_values(self) -> list[float | None]:
        """What the rows on view are ranked by; None for rows, or lists, without it."""
        values = self._selection.values
        shown = self._index.pair_ids[self.shown]
        if values is None:
            return [None] * len(shown)
        known = values.filter(pl.col("pair_id").is_in(pl.Series(shown).implode()))
        value_of = dict(known.rows())
        return [value_of.get(int(pair_id)) for pair_id in shown]

    def _elsewhere(self) -> int:
        chosen = self._selection.pair_ids
        return 0 if chosen is None else len(chosen) - len(self._chosen)

    def _narrowed(self) -> Rows:
        tagged = self._notes.tagged(self.filters.tag) if self.filters.tag else ()
        return narrow(self._chosen, ds=self._ds, index=self._index, by=self.filters, tagged=tagged)
