"""Scored answers as a picture counts them: once each, once an annotation or once a prompt, in groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from btviz.dataset import Dataset
from btviz.errors import choice
from btviz.preference.comparisons import with_strata
from btviz.scoring.judged import ModelScores, splits_of
from btviz.taxonomy import Taxonomy

POPULATIONS = ("pairs", "annotations", "prompts")
"""Each answer once; once for each of its annotations, with that one's labels; each prompt once in a group."""

GROUPINGS = ("is_safe", "split", "category", "severity", "stratum", "source", "topic", "all")

SAFETY = {True: "safe", False: "unsafe"}
SAFE = "safe"

_ITEM = ("item", "pair_id", "prompt_id", "split", "group", "score")


def counted_items(
    part: ModelScores,
    ds: Dataset,
    *,
    by: str = "is_safe",
    population: str = "pairs",
    topics: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Arrange the scores of one model in groups.

    Parameters
    ----------
    part : ModelScores
        Scores of one model.
    ds : Dataset
        The data set that was scored.
    by : str
        One of `GROUPINGS`. An answer is in each of its categories, with safe answers beside
        them, and in each stratum that it was compared in.
    population : {"pairs", "annotations", "prompts"}
        What counts once. Annotations bring their own labels and split; a prompt counts with the
        mean score of its answers in the group.
    topics : DataFrame, optional
        `pair_id`, `topic`; needed to group by topic.

    Returns
    -------
    DataFrame
        `item` (the same on rows of one answer or annotation that is in several groups), `pair_id`,
        `prompt_id`, `split`, `group`, `score` (of the answer), `value` (what is counted: of prompts
        a mean), `counts` (false on rows that only name a further answer of a prompt that is counted
        already).
    """
    choice(by, GROUPINGS, what="grouping")
    choice(population, POPULATIONS, what="population")
    labelled = _labelled(ds, annotations=population == "annotations")
    scored = labelled.join(part.scores, on="pair_id", how="inner").with_row_index("item")
    items = _GROUPED[by](scored, ds, topics).drop_nulls("group").select(_ITEM)
    if population != "prompts":
        return items.with_columns(pl.col("score").alias("value"), pl.lit(value=True).alias("counts"))
    own = ("prompt_id", "group")
    return items.with_columns(
        pl.col("score").mean().over(own).alias("value"), pl.struct(own).is_first_distinct().alias("counts")
    )


def populations_of(ds: Dataset) -> list[str]:
    """What can be counted: a release of comparisons has no annotations of its own."""
    return [name for name in POPULATIONS if name != "annotations" or not ds.annotations.is_empty()]


def groupings_of(ds: Dataset, *, topics: pl.DataFrame | None = None) -> list[str]:
    """Groupings that the data tell something about."""
    pairs = ds.pairs.select("is_safe", "labels", "severity", "source")
    told = {
        "is_safe": pairs["is_safe"].count() > 0,
        "split": splits_of(ds)["split"].count() > 0,
        "category": pairs["labels"].count() > 0,
        "severity": len(ds.taxonomy.severities) > 0 and pairs["severity"].count() > 0,
        "stratum": with_strata(ds.preferences)["stratum"].count() > 0,
        "source": pairs["source"].count() > 0,
        "topic": topics is not None,
        "all": True,
    }
    return [name for name in GROUPINGS if told[name]]


def _labelled(ds: Dataset, *, annotations: bool) -> pl.DataFrame:
    of_pairs = ds.pairs.select("pair_id", "prompt_id", "is_safe", "labels", "severity", "source")
    if not annotations:
        return of_pairs.join(splits_of(ds), on="pair_id", how="left")
    own = ds.annotations.select("pair_id", "prompt_id", "is_safe", "labels", "severity", "split")
    return own.join(of_pairs.select("pair_id", "source"), on="pair_id", how="left")


_Topics = pl.DataFrame | None


def _by_safety(scored: pl.DataFrame, _: Dataset, __: _Topics) -> pl.DataFrame:
    return scored.with_columns(
        pl.col("is_safe").replace_strict(SAFETY, default=None, return_dtype=pl.String).alias("group")
    )


def _by_category(scored: pl.DataFrame, ds: Dataset, _: _Topics) -> pl.DataFrame:
    taxonomy: Taxonomy = ds.taxonomy
    parts = [scored.filter("is_safe").with_columns(pl.lit(SAFE).alias("group"))]
    parts += [
        scored.filter(~pl.col("is_safe"), taxonomy.has(key)).with_columns(pl.lit(key).alias("group"))
        for key in taxonomy.keys
    ]
    return pl.concat(parts)


def _by_severity(scored: pl.DataFrame, ds: Dataset, _: _Topics) -> pl.DataFrame:
    names = dict(enumerate(ds.taxonomy.severities)) or {0: SAFE}
    return scored.with_columns(
        pl.col("severity").replace_strict(names, default=None, return_dtype=pl.String).alias("group")
    )


def _by_stratum(scored: pl.DataFrame, ds: Dataset, _: _Topics) -> pl.DataFrame:
    compared = with_strata(ds.preferences)
    sides = [compared.select(pl.col(f"pair_id_{side}").alias("pair_id"), "stratum") for side in (0, 1)]
    strata = pl.concat(sides).drop_nulls().unique().rename({"stratum": "group"})
    return scored.join(strata, on="pair_id", how="inner")


def _by_topic(scored: pl.DataFrame, _: Dataset, topics: _Topics) -> pl.DataFrame:
    if topics is None:
        return scored.with_columns(pl.lit(None, pl.String).alias("group"))
    named = topics.select("pair_id", pl.format("topic {}", "topic").alias("group"))
    return scored.join(named, on="pair_id", how="left")


def _by_column(column: str) -> Callable[[pl.DataFrame, Dataset, _Topics], pl.DataFrame]:
    return lambda scored, _, __: scored.with_columns(pl.col(column).alias("group"))


def _all(scored: pl.DataFrame, _: Dataset, __: _Topics) -> pl.DataFrame:
    return scored.with_columns(pl.lit("all").alias("group"))


_GROUPED: Mapping[str, Callable[[pl.DataFrame, Dataset, _Topics], pl.DataFrame]] = {
    "is_safe": _by_safety,
    "split": _by_column("split"),
    "category": _by_category,
    "severity": _by_severity,
    "stratum": _by_stratum,
    "source": _by_column("source"),
    "topic": _by_topic,
    "all": _all,
}
