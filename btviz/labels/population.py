"""Items of a population, the rule by which they come by their labels, and the histogram of their label sets.

Every statistic over categories is computed from that histogram: rows are counted once, by Polars'
streaming engine, and a release of any size leaves a few hundred distinct sets.
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
from btviz.data.votes import majority
from btviz.errors import DataError, UsageError, choice
from btviz.stats.resampling import generator
from btviz.taxonomy.categories import BEAVERTAILS, Taxonomy

POPULATIONS = ("annotations", "pairs", "prompts")
SUBSETS = ("all", "unsafe")
BLOCKS = ("split", "severity")

_RULES = {
    "annotations": {
        "labels": "each released row counts once, with its own labels",
        "unsafe": "unsafe if the row's is_safe is false",
        "severity": "severity of the row",
    },
    "pairs": {
        "labels": "a category holds for a pair if at least half of its annotations flag it (a tie counts)",
        "unsafe": "a pair is unsafe if at least half of its annotations say so (a tie is unsafe)",
        "severity": "severity of a pair is the highest level that at least half of its annotations reach",
    },
    "agreed": {
        "labels": "a pair has the labels that all its rows agree on; pairs with contradictory rows are excluded",
        "unsafe": "a pair is unsafe if all its rows say so",
        "severity": "severity of a pair is the level that all its rows agree on",
    },
    "prompts": {
        "labels": "a prompt has a category if any of its pairs has it",
        "unsafe": "a prompt is unsafe if any of its pairs is",
        "severity": "severity of a prompt is the highest of its pairs",
    },
}

_SPLIT_RULE = "each split counts on its own rows alone"


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
    population: str | None = None,
    where: str = "all",
    by: str | None = None,
    taxonomy: Taxonomy | None = None,
) -> LabelHistogram:
    """Count the label sets of a population, by default of `usual_population`."""
    population = usual_population(source) if population is None else choice(population, POPULATIONS, what="population")
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
    _check(counts, source, by=by, taxonomy=taxonomy)
    return LabelHistogram(counts, taxonomy, population, where, by, items.rule)


def usual_population(source: Dataset | pl.LazyFrame) -> str:
    """What a data set has to count: its annotations; pairs where it has none of its own, as releases of comparisons."""
    return "pairs" if isinstance(source, Dataset) and source.annotations.is_empty() else "annotations"


def why_unlabelled(ds: Dataset) -> str | None:
    """What a data set holds instead of answers with labels, in words; None where one has them, or nothing is there."""
    if not ds.annotations.is_empty():
        return None
    if not ds.preferences.is_empty():
        sides = ds.preferences.select(pl.col("^(is_safe|labels|severity)_[01]$"))
        known = any(column.count() for column in sides)
        n = ds.preferences.height
        what = f"{n:,} comparison{'s' * (n != 1)}"
        return None if known else f"it holds {what}, and no row names a category or says what is safe"
    if not ds.pairs.is_empty():
        return f"these data have no labels: none of {ds.pairs.height:,} answers has one"
    return f"it holds prompts without answers, {ds.prompts.height:,} of them" if ds.prompts.height else None


def expect_labelled(ds: Dataset, *, what: str) -> None:
    """Check that some answer has a label, which every statistic of labels needs.

    Parameters
    ----------
    ds : Dataset
        What is to be counted.
    what : str
        What was asked for, in the plural: "Statistics of categories".

    Raises
    ------
    DataError
        If it holds prompts alone, or answers of which nobody says anything.
    """
    if (lack := why_unlabelled(ds)) is not None:
        raise DataError(
            f"{what} were asked for of {ds.name!r}; {lack}, and what is counted is labelled answers.{_of_prompts(ds)} "
            "Use data whose answers are labelled, or name the columns that hold the labels (--columns)."
        )


def _of_prompts(source: Dataset | pl.LazyFrame) -> str:
    """Where categories of prompts are counted, if there are any: they are not those of answers."""
    named = isinstance(source, Dataset) and source.prompts["labels"].count()
    return " Its prompts have categories of their own, which `btviz data show` counts." if named else ""


def _check(counts: pl.DataFrame, source: Dataset | pl.LazyFrame, *, by: str | None, taxonomy: Taxonomy) -> None:
    if counts.height and not counts["labels"].count():
        raise DataError(
            "Statistics of categories were asked for, but these data say only whether an answer is safe; "
            f"no row names a category.{_of_prompts(source)} Use data that were labelled by category."
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


@dataclass(frozen=True)
class Items:
    """Items of a population."""

    frame: pl.LazyFrame
    rule: str


def items_of(
    source: Dataset | pl.LazyFrame, *, population: str, where: str, by: str | None, taxonomy: Taxonomy
) -> Items:
    """Items of a data set, or of a lazy frame of annotations."""
    if isinstance(source, Dataset):
        level, frame = _of_dataset(source, population=population, by=by, taxonomy=taxonomy)
    elif isinstance(source, pl.LazyFrame):
        _check_columns(source, population=population, by=by)
        level, frame = _of_annotations(source, population=population, by=by, taxonomy=taxonomy)
    else:
        raise UsageError(
            "Label statistics take a Dataset or a LazyFrame of annotations; this is a "
            f"{type(source).__name__}. Use btviz.load(...), or .lazy() on a DataFrame of annotations."
        )
    levels = [level]
    if population == "prompts":
        levels, frame = [level, "prompts"], _prompts(frame, by=by)
    return Items(frame, _rule(levels, where=where, by=by))


def _of_dataset(ds: Dataset, *, population: str, by: str | None, taxonomy: Taxonomy) -> tuple[str, pl.LazyFrame]:
    expect_labelled(ds, what="Statistics of categories")
    if not ds.annotations.is_empty() or ds.preferences.is_empty():
        if population == "annotations" or by == "split":
            annotations = ds.annotations.lazy()
            return _of_annotations(annotations, population=population, by=by, taxonomy=taxonomy)
        return "pairs", ds.pairs.lazy().filter(pl.col("n_annotations") > 0)
    if population == "annotations":
        raise UsageError(
            f"Annotations of {ds.name!r} were asked for, but it holds comparisons of answers only, and an "
            'answer\'s labels repeat with every comparison. Use population="pairs".'
        )
    if by == "split":
        return "agreed", agreed(answers(ds.preferences), by=["split", "pair_id"]).lazy()
    return "agreed", ds.pairs.lazy()


def _of_annotations(
    annotations: pl.LazyFrame, *, population: str, by: str | None, taxonomy: Taxonomy
) -> tuple[str, pl.LazyFrame]:
    if population == "annotations":
        return "annotations", annotations
    if "severity" not in annotations.collect_schema():
        annotations = annotations.with_columns(pl.lit(None, pl.UInt8).alias("severity"))
    keys = ["split", "pair_id"] if by == "split" else ["pair_id"]
    prompt = [pl.col("prompt_id").first()] if population == "prompts" else []
    stray = pl.col("labels").bitwise_or() & pl.lit(2**32 - 2 ** len(taxonomy), pl.UInt32)
    pairs = annotations.group_by(keys).agg(*prompt, *majority(taxonomy), stray.alias("stray"))
    # bits that the taxonomy has not are kept for `label_histogram` to refuse, not voted away
    return "pairs", pairs.with_columns(pl.col("labels") | pl.col("stray"))


def _prompts(pairs: pl.LazyFrame, *, by: str | None) -> pl.LazyFrame:
    known = pl.col("labels").is_not_null() & pl.col("is_safe").is_not_null()
    return pairs.group_by(["split", "prompt_id"] if by == "split" else ["prompt_id"]).agg(
        pl.col("labels").filter(known).bitwise_or(),
        pl.when(known.any()).then(pl.col("is_safe").filter(known).all()).alias("is_safe"),
        pl.col("severity").max(),
    )


def answers(preferences: pl.DataFrame) -> pl.DataFrame:
    """Both answers of every comparison, one below the other."""
    columns = ("pair_id", "is_safe", "labels", "severity")
    return pl.concat(
        preferences.select("prompt_id", "split", *(pl.col(f"{name}_{side}").alias(name) for name in columns))
        for side in (0, 1)
    )


def agreed(rows: pl.DataFrame, *, by: list[str]) -> pl.DataFrame:
    """Labels of answers as far as all rows of one answer agree; null where they do not."""
    columns = ("is_safe", "labels", "severity")
    unanimous = {name: pl.col(name).n_unique() == 1 for name in columns}
    return rows.group_by(by).agg(
        pl.col("prompt_id").first(),
        *(pl.when(unanimous[name]).then(pl.col(name).first()).alias(name) for name in columns),
    )


def _check_columns(frame: pl.LazyFrame, *, population: str, by: str | None) -> None:
    needed = ["labels", "is_safe"] + ["pair_id"] * (population != "annotations")
    needed += ["prompt_id"] * (population == "prompts") + ([by] if by else [])
    columns = frame.collect_schema().names()
    missing = [name for name in needed if name not in columns]
    if missing:
        raise UsageError(
            f"Statistics over {population} need the columns {needed}; {missing} are not among {columns}. "
            "Use btviz.scan(path), or rename the columns."
        )


def _rule(levels: list[str], *, where: str, by: str | None) -> str:
    named = ["labels"] + ["unsafe"] * (where == "unsafe") + ["severity"] * (by == "severity")
    parts = [_RULES[level][part] for part in named for level in levels]
    return "; ".join(parts + [_SPLIT_RULE] * (by == "split"))


@dataclass(frozen=True, eq=False)
class LabelledItems:
    """Items of a population with their prompt; the order within a prompt tells nothing of the labels."""

    flags: NDArray[np.bool_]
    prompts: NDArray[np.uint64]


def labelled_items(ds: Dataset, *, population: str, where: str, random_state: int) -> LabelledItems:
    """Items with known labels, and their prompts; `random_state` orders the items of a prompt."""
    frame = items_of(ds, population=population, where=where, by=None, taxonomy=ds.taxonomy).frame
    ids = [name for name in ("prompt_id", "pair_id") if name in frame.collect_schema()]
    known = frame.select(*ids, "labels", "is_safe").drop_nulls(["labels", "is_safe"])
    items = (known.filter(~pl.col("is_safe")) if where == "unsafe" else known).sort(*ids, "labels").collect()
    # annotations of one pair are stored by their labels, an order that a shuffle must not see
    chance = pl.Series("chance", generator(random_state).random(items.height))
    items = items.with_columns(chance).sort(*ids, "chance")
    return LabelledItems(ds.taxonomy.flags(items["labels"]), items["prompt_id"].to_numpy())
