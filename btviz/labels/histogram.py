"""Histogram of label sets: what every statistic over categories is computed from.

Rows are counted once, by Polars' streaming engine; a release of any size leaves a few hundred
distinct sets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import NDArray

from btviz.data.dataset import Dataset
from btviz.errors import UsageError, choice
from btviz.labels.population import POPULATIONS, items_of
from btviz.taxonomy.categories import BEAVERTAILS, Taxonomy

SUBSETS = ("all", "unsafe")


BLOCKS = ("split", "severity")


@dataclass(frozen=True)
class Group:
    """Items of one group by their label set."""

    value: Any
    labels: NDArray[np.int64]
    n: NDArray[np.int64]
    n_no_category: int
    n_excluded: int


@dataclass(frozen=True)
class LabelHistogram:
    """Counts of label sets over one population."""

    counts: pl.DataFrame
    taxonomy: Taxonomy
    population: str
    where: str
    by: str | None
    rule: str

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """Each group, in the order of its value; one where there is no grouping."""
        if self.by is None:
            return (self._group(None, self.counts),)
        values = self.counts[self.by].unique().sort(nulls_last=True).to_list() or [None]
        return tuple(self._group(value, self.counts.filter(pl.col(self.by).eq_missing(value))) for value in values)

    def _group(self, value: Any, counts: pl.DataFrame) -> Group:
        known = counts.drop_nulls(["labels", "is_safe"])
        unsafe = known.filter(~pl.col("is_safe"))
        counted = unsafe if self.where == "unsafe" else known
        sets = counted.group_by("labels").agg(pl.col("n").sum()).sort("labels")
        return Group(
            value,
            labels=sets["labels"].cast(pl.Int64).to_numpy(),
            n=sets["n"].to_numpy(),
            n_no_category=int(unsafe.filter(pl.col("labels") == 0)["n"].sum()),
            n_excluded=int(counts["n"].sum()) - int(known["n"].sum()),
        )

    def tabulate(self, make: Callable[[Group], pl.DataFrame]) -> pl.DataFrame:
        """One table of all groups."""
        tables = []
        for group in self.groups:
            key = [] if self.by is None else [pl.lit(group.value, self.counts.schema[self.by]).alias(self.by)]
            tables.append(make(group).select(*key, pl.all(), pl.lit(group.n_excluded, pl.Int64).alias("n_excluded")))
        stamp = {"population": self.population, "where": self.where, "rule": self.rule}
        return pl.concat(tables).with_columns(
            cs.float().fill_nan(None), *(pl.lit(text).alias(name) for name, text in stamp.items())
        )


def label_histogram(
    source: Dataset | pl.LazyFrame,
    *,
    population: str = "annotations",
    where: str = "all",
    by: str | None = None,
    taxonomy: Taxonomy | None = None,
) -> LabelHistogram:
    """Count the label sets of a population."""
    choice(population, POPULATIONS, what="population")
    choice(where, SUBSETS, what="subset")
    if by is not None:
        choice(by, BLOCKS, what="grouping")
    if taxonomy is None:
        taxonomy = source.taxonomy if isinstance(source, Dataset) else BEAVERTAILS
    items = items_of(source, population=population, where=where, by=by, taxonomy=taxonomy)
    columns = ["labels", "is_safe"] if by is None else [by, "labels", "is_safe"]
    counts = (
        items.frame.group_by(columns)
        .agg(pl.len().cast(pl.Int64).alias("n"))
        .sort(columns, nulls_last=True)
        .collect(engine="streaming")
    )
    _check(counts, by=by, taxonomy=taxonomy)
    return LabelHistogram(counts, taxonomy, population, where, by, items.rule)


def _check(counts: pl.DataFrame, *, by: str | None, taxonomy: Taxonomy) -> None:
    if counts.height and not counts["labels"].count():
        raise UsageError(
            "Statistics of categories were asked for, but these data say only whether an answer is safe; "
            "no row names a category. Use data that were labelled by category."
        )
    if by is not None and counts.height and not counts[by].count():
        raise UsageError(f"A table by {by} was asked for, but no row of these data has a {by}. Leave `by` out.")
    widest = max((mask.bit_length() for mask in counts["labels"].drop_nulls()), default=0)
    if widest > len(taxonomy):
        raise UsageError(
            f"Labels were to be read by the taxonomy {taxonomy.name!r} of {len(taxonomy)} categories, but "
            f"they have {widest} bits. Pass the taxonomy they were made with, for example "
            "taxonomy=btviz.taxonomy.PKU_SAFERLHF."
        )
