"""One row per item of a population, and the rule by which it comes by its labels."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from btviz.data.dataset import Dataset
from btviz.data.tables import majority
from btviz.errors import UsageError
from btviz.taxonomy.categories import Taxonomy

POPULATIONS = ("annotations", "pairs", "prompts")


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
class Items:
    """Items of a population."""

    frame: pl.LazyFrame
    rule: str


def items_of(
    source: Dataset | pl.LazyFrame, *, population: str, where: str, by: str | None, taxonomy: Taxonomy
) -> Items:
    """Items of a data set, or of a lazy frame of annotations.

    Parameters
    ----------
    source : Dataset or LazyFrame
        A frame has the columns of `btviz.data.tables.ANNOTATIONS`, as far as they are needed.
    population : {"annotations", "pairs", "prompts"}
        What one item is. Pairs and prompts of a data set with annotations are the annotated ones.
    where : {"all", "unsafe"}
        Named in the rule; no item is left out here.
    by : {None, "split", "severity"}
        Grouping column. A pair or prompt found in two splits is an item of each.
    taxonomy : Taxonomy
        Gives the number of label bits.

    Raises
    ------
    UsageError
        If `source` is neither, lacks a column, or has no annotations where they are asked for.
    """
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
    if ds.annotations.is_empty() and not ds.prompts.is_empty():
        raise UsageError(
            f"Statistics of categories were asked for, but {ds.name!r} holds prompts without answers, and what is "
            "labelled is answers. Use data with answers."
        )
    if not ds.annotations.is_empty() or ds.preferences.is_empty():
        if population == "annotations" or by == "split":
            annotations = ds.annotations.lazy()
            return _of_annotations(annotations, population=population, by=by, taxonomy=taxonomy)
        return "pairs", ds.pairs.lazy().filter(pl.col("n_annotations") > 0)
    if population == "annotations" and not _names_no_category(ds):
        raise UsageError(
            f"Annotations of {ds.name!r} were asked for, but it holds comparisons of answers only, and an "
            'answer\'s labels repeat with every comparison. Use population="pairs".'
        )
    if by == "split":
        return "agreed", agreed(answers(ds.preferences), by=["split", "pair_id"]).lazy()
    return "agreed", ds.pairs.lazy()


def _names_no_category(ds: Dataset) -> bool:
    labels = ds.preferences.select("labels_0", "labels_1")
    return all(column.null_count() == labels.height for column in labels)


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
    """Both answers of every comparison, one below the other.

    Returns
    -------
    DataFrame
        `prompt_id`, `split`, `pair_id`, `is_safe`, `labels`, `severity`; two rows a comparison.
    """
    columns = ("pair_id", "is_safe", "labels", "severity")
    return pl.concat(
        preferences.select("prompt_id", "split", *(pl.col(f"{name}_{side}").alias(name) for name in columns))
        for side in (0, 1)
    )


def agreed(rows: pl.DataFrame, *, by: list[str]) -> pl.DataFrame:
    """Labels of answers as far as all rows of one answer agree; null where they do not."""
    columns = ("is_safe", "labels", "severity")
    one = {name: pl.col(name).n_unique() == 1 for name in columns}
    return rows.group_by(by).agg(
        pl.col("prompt_id").first(),
        *(pl.when(one[name]).then(pl.col(name).first()).alias(name) for name in columns),
    )


def _check_columns(frame: pl.LazyFrame, *, population: str, by: str | None) -> None:
    needed = ["labels", "is_safe"] + ["pair_id"] * (population != "annotations")
    needed += ["prompt_id"] * (population == "prompts") + ([by] if by else [])
    found = frame.collect_schema().names()
    missing = [name for name in needed if name not in found]
    if missing:
        raise UsageError(
            f"Statistics over {population} need the columns {needed}; {missing} are not among {found}. "
            "Use btviz.scan(path), or rename the columns."
        )


def _rule(levels: list[str], *, where: str, by: str | None) -> str:
    named = ["labels"] + ["unsafe"] * (where == "unsafe") + ["severity"] * (by == "severity")
    parts = [_RULES[level][part] for part in named for level in levels]
    return "; ".join(parts + [_SPLIT_RULE] * (by == "split"))
