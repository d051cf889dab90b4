"""Facets: what pairs have by column, counted by integer codes, and the clause that a click on a value stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.session import Clause, Condition, Tables, clause
from btviz.widgets.inspector.index import PairIndex

Mask = NDArray[np.bool_]

Counts = NDArray[np.int64]

Chosen = tuple[str, str, Sequence[Condition]]
"""Words, table and conditions of a clause."""

MOST_TOPICS = 300

MOST_VALUES = 40
"""Values of a column that are listed; those of fewer pairs are not."""

BINS = 24

WORD_EDGES = (0, 10, 20, 40, 60, 80, 100, 150, 200, 300)


@dataclass(frozen=True, eq=False)
class Facet:
    """A column of values, and which pairs have each.

    Attributes
    ----------
    name, title : str
        Its key, and what is shown.
    labels : sequence of str
        Of its values, in an order that does not depend on the selection.
    count : callable
        Takes which rows of `ds.items` are chosen (None for all), returns pairs by value.
    choose : callable
        Takes the first and the last value chosen; returns what a clause says of them.
    edges : sequence of float, optional
        Ends of the bins where the values are numbers: one more than there are labels.
    keys : sequence of str, optional
        By which other views name the values.
    """

    name: str
    title: str
    labels: Sequence[str]
    count: Callable[[Mask | None], Counts]
    choose: Callable[[int, int], Chosen]
    edges: Sequence[float] | None = None
    keys: Sequence[str] = ()

    def clause(self, tables: Tables, *, low: int, high: int) -> Clause:
        """The clause that the values from `low` to `high` stand for."""
        words, table, conditions = self.choose(low, high)
        return clause(tables, self.name, words=words, table=table, tests=conditions)

    def describe(self, mask: Mask | None) -> dict[str, Any]:
        """Counts of all pairs and of those chosen, for the front end."""
        totals = self.count(None)
        return {
            "name": self.name,
            "title": self.title,
            "labels": list(self.labels),
            "edges": None if self.edges is None else list(self.edges),
            "totals": totals.tolist(),
            "counts": (totals if mask is None else self.count(mask)).tolist(),
        }


def coded(codes: NDArray[np.integer[Any]], n: int) -> Callable[[Mask | None], Counts]:
    """Count pairs by code, 0 .. n - 1; negative codes are of no value."""
    shifted = (codes.astype(np.int64) + 1).clip(0)
    totals = np.bincount(shifted, minlength=n + 1)[1:]

    def count(mask: Mask | None) -> Counts:
        if mask is None:
            return totals
        return np.bincount(shifted[mask], minlength=n + 1)[1:]

    return count


def flagged(masks: NDArray[np.unsignedinteger[Any]], bits: Sequence[int]) -> Callable[[Mask | None], Counts]:
    """Count pairs by bits that are set in their masks."""

    def counted(chosen: NDArray[np.unsignedinteger[Any]]) -> Counts:
        return np.array([np.count_nonzero(chosen & masks.dtype.type(1 << bit)) for bit in bits], np.int64)

    totals = counted(masks)
    return lambda mask: totals if mask is None else counted(masks[mask])


def facets_of(tables: Tables, index: PairIndex) -> list[Facet]:
    """Facets that these tables have values for."""
    made = [
        _safety(tables),
        _categories(tables),
        _dispute(tables, index),
        _votes(tables),
        _severity(tables),
        _topics(tables, index),
        *_scores(tables, index),
        _values(tables, "source", title="Answering model"),
        _splits(tables, index),
        _words(tables),
        _tags(tables, index),
    ]
    return [facet for facet in made if facet is not None and (len(facet.labels) > 1 or facet.name == "tags")]


def _safety(tables: Tables) -> Facet | None:
    safe = tables.ds.items["is_safe"]
    codes = safe.cast(pl.Int8).fill_null(2).to_numpy()
    values: list[tuple[str, bool | None]] = [("unsafe", False), ("safe", True), ("no majority, or no label", None)]
    values = values[: 3 if safe.null_count() else 2]

    def choose(low: int, _: int) -> Chosen:
        return values[low][0], "items", [Condition("is_safe", "is", values[low][1])]

    return Facet("safety", "Safety", [words for words, _ in values], coded(codes, len(values)), choose)


def _categories(tables: Tables) -> Facet | None:
    masks = tables.ds.items["labels"].fill_null(0).to_numpy()
    found = [c for c in tables.ds.taxonomy.categories if np.any(masks & np.uint32(1 << c.bit))]

    def choose(low: int, _: int) -> Chosen:
        return found[low].title, "items", [Condition("labels", "has", found[low].slug)]

    count = flagged(masks, [c.bit for c in found])
    return Facet("categories", "Categories", [c.title for c in found], count, choose, keys=[c.key for c in found])


def _dispute(tables: Tables, index: PairIndex) -> Facet | None:
    items = tables.ds.items
    several = (items["n_annotations"].fill_null(0) > 1).to_numpy()
    unsafe, n = items["n_unsafe"].fill_null(0).to_numpy(), items["n_annotations"].fill_null(0).to_numpy()
    is_split = (unsafe > 0) & (unsafe < n)
    if not index.dispute_measurable:
        return None
    codes = np.where(is_split, 0, np.where(several, 1, -1))

    def choose(low: int, _: int) -> Chosen:
        return [
            ("disputed", "items", [Condition("n_unsafe", "split")]),
            ("unanimous", "items", [Condition("n_unsafe", "unanimous")]),
        ][low]

    return Facet("dispute", "Dispute on safety", ["disputed", "unanimous"], coded(codes, 2), choose)


def _votes(tables: Tables) -> Facet | None:
    n = tables.ds.items["n_annotations"].fill_null(0)
    values = n.unique().sort().to_list()[:MOST_VALUES]
    codes = n.replace_strict(values, list(range(len(values))), default=-1, return_dtype=pl.Int64).to_numpy()

    def choose(low: int, high: int) -> Chosen:
        words = f"{values[low]} annotation{'s' * (values[low] != 1)}"
        ends = (values[low], values[high] + 1)
        return words, "items", [Condition("n_annotations", "between", ends)]

    return Facet("votes", "Annotations", [str(value) for value in values], coded(codes, len(values)), choose)


def _severity(tables: Tables) -> Facet | None:
    levels = tables.ds.taxonomy.severities
    codes = tables.ds.items["severity"].cast(pl.Int64).fill_null(-1).to_numpy()

    def choose(low: int, _: int) -> Chosen:
        return f"severity {levels[low]}", "items", [Condition("severity", "is", low)]

    return Facet("severity", "Severity", list(levels), coded(codes, len(levels)), choose) if levels else None


def _topics(tables: Tables, index: PairIndex) -> Facet | None:
    if "topics" not in tables.others:
        return None
    named = tables["topics"].select("topic", "name").sort("topic").head(MOST_TOPICS).rows()
    codes = _codes(index, tables["assignments"], tables["assignments"]["topic"].to_numpy())
    codes[codes >= len(named)] = -1

    def choose(low: int, _: int) -> Chosen:
        return named[low][1], "assignments", [Condition("topic", "is", named[low][0])]

    return Facet("topics", "Topics", [name for _, name in named], coded(codes, len(named)), choose)


def _scores(tables: Tables, index: PairIndex) -> Iterator[Facet]:
    if "scores" not in tables.others:
        return
    known = tables["scores"].filter(pl.col("target").is_null(), pl.col("score").is_finite())
    for (model, kind), part in sorted(known.group_by("model", "kind")):
        yield _score(index, part, model=str(model), kind=str(kind))


def _score(index: PairIndex, part: pl.DataFrame, *, model: str, kind: str) -> Facet:
    values = part["score"].to_numpy()
    edges = np.unique(np.round(np.linspace(values.min(), values.max(), BINS + 1), 4))
    n = max(len(edges) - 1, 1)
    bins = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, n - 1)
    codes = _codes(index, part, bins)

    def choose(low: int, high: int) -> Chosen:
        ends = (float(edges[low]) if low else None, float(edges[high + 1]) if high < n - 1 else None)
        same = [Condition("model", "is", model), Condition("kind", "is", kind), Condition("target", "is")]
        return _range(f"{kind} by {model}", ends), "scores", [*same, Condition("score", "between", ends)]

    title = f"{kind.capitalize()} by {model}"
    ends = [float(edge) for edge in edges]
    return Facet(f"{kind}:{model}", title, [f"{edge:.2f}" for edge in ends[:n]], coded(codes, n), choose, edges=ends)


def _values(tables: Tables, column: str, *, title: str) -> Facet | None:
    series = tables.ds.items[column] if column in tables.ds.items.columns else pl.Series(dtype=pl.String)
    values = series.drop_nulls().value_counts(sort=True).sort("count", column, descending=[True, False])[column]
    listed = values.head(MOST_VALUES).to_list()
    codes = series.replace_strict(listed, list(range(len(listed))), default=-1, return_dtype=pl.Int64)

    def choose(low: int, _: int) -> Chosen:
        return f"{title.lower()} {listed[low]}", "items", [Condition(column, "is", listed[low])]

    return Facet(column, title, listed, coded(codes.fill_null(-1).to_numpy(), len(listed)), choose)


def _splits(tables: Tables, index: PairIndex) -> Facet | None:
    rows = tables.ds.annotations.select("pair_id", "split").drop_nulls()
    splits = rows["split"].unique().sort().to_list()[:31]
    masks = np.zeros(len(index), np.uint32)
    for bit, split in enumerate(splits):
        ids = rows.filter(pl.col("split") == split)["pair_id"]
        masks[index.rows_of(ids)] |= np.uint32(1 << bit)

    def choose(low: int, _: int) -> Chosen:
        return f"{splits[low]} split", "annotations", [Condition("split", "is", splits[low])]

    return Facet("split", "Split", splits, flagged(masks, range(len(splits))), choose)


def _words(tables: Tables) -> Facet | None:
    words = tables.ds.items["response_words"]
    edges = WORD_EDGES
    codes = np.searchsorted(edges, words.fill_null(0).to_numpy(), side="right") - 1
    codes[words.is_null().to_numpy()] = -1
    n = len(edges)

    def choose(low: int, high: int) -> Chosen:
        ends = (edges[low] if low else None, edges[high + 1] if high < n - 1 else None)
        return _range("words of the answer", ends), "items", [Condition("response_words", "between", ends)]

    labels = [f"{edge}+" for edge in edges]
    return Facet("words", "Words of the answer", labels, coded(codes, n), choose, edges=[float(edge) for edge in edges])


def _tags(tables: Tables, index: PairIndex) -> Facet | None:
    if "notes" not in tables.others:
        return None
    notes = tables["notes"]
    tags = notes["tag"].unique().sort().to_list()[:31]
    masks = np.zeros(len(index), np.uint32)
    for bit, tag in enumerate(tags):
        masks[index.rows_of(notes.filter(pl.col("tag") == tag)["pair_id"])] |= np.uint32(1 << bit)

    def choose(low: int, _: int) -> Chosen:
        return f"tag {tags[low]}", "notes", [Condition("tag", "is", tags[low])]

    return Facet("tags", "Tags", tags, flagged(masks, range(len(tags))), choose)


def _codes(index: PairIndex, table: pl.DataFrame, values: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Values of a table by row of the items; -1 where it has none."""
    codes = np.full(len(index), -1, np.int64)
    ids = table["pair_id"].to_numpy()
    rows = np.searchsorted(index.pair_ids, ids).clip(max=len(index) - 1)
    known = index.pair_ids[rows] == ids
    codes[rows[known]] = values[known]
    return codes


def _range(what: str, ends: tuple[float | None, float | None]) -> str:
    low, high = ends
    if low is None:
        return what if high is None else f"{what} < {high:g}"
    return f"{what} ≥ {low:g}" if high is None else f"{what} {low:g} to {high:g}"
