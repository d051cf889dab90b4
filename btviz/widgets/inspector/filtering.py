"""Which pairs an inspector lists: pure functions from rows and a `Filter` to rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.data.dataset import Dataset
from btviz.errors import choice
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
    texts = ds.pairs.select("prompt", "response")[rows]
    found = texts.select(pl.any_horizontal(pl.all().str.contains(pattern)).fill_null(value=False))
    kept: Rows = rows[found.to_series().to_numpy()]
    return kept
