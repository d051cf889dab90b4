"""Harm categories of topics: how often each holds there, and how well topics and categories coincide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import ArrayLike

from btviz.data.dataset import Dataset
from btviz.errors import UsageError, choice, require
from btviz.stats.association import Floats, ratio
from btviz.stats.resampling import FEW_CLUSTERS, bootstrap, cluster_sums
from btviz.taxonomy.categories import Taxonomy
from btviz.texts.topics.result import Topics
from btviz.texts.topics.tables import labelled_pairs

RULE = "a category holds for a pair if at least half of its annotations flag it (a tie counts)"

_COLUMNS = 300  # sums at a time


def topic_categories(
    ds: Dataset, topics: Topics, *, where: str = "all", n_boot: int = 2000, random_state: int = 0
) -> pl.DataFrame:
    """Category profile of every topic, with lift and intervals.

    Parameters
    ----------
    ds : Dataset
        The data set the topics were fitted on.
    topics : Topics
        From `fit_topics`.
    where : {"all", "unsafe"}
        Count all pairs, or the unsafe ones only.
    n_boot, random_state : int
        Bootstrap replicates, drawn over prompts, and seed.

    Returns
    -------
    DataFrame
        One row per topic and category, outliers as topic -1:

        - `topic`, `name`, `category` (released key);
        - `n` (pairs of the topic whose labels are known), `n_category` (those with the category),
          `prompts` (their prompts);
        - `share` = `n_category` / `n` (0 .. 1), `share_low`, `share_high`; `share_all`: the same
          over all pairs counted; `lift` = `share` / `share_all` (0 ..), `lift_low`, `lift_high`:
          95 % percentile intervals, prompts resampled;
        - `few_prompts`: fewer than 50 prompts, so that intervals may miss their coverage;
        - `undefined`: why a value is null;
        - `n_all` (pairs counted), `population` ("pairs"), `where`, `rule`.

    Raises
    ------
    UsageError
        If an option is unknown, or no pair of a topic is labelled by category.
    """
    choice(where, ("all", "unsafe"), what="subset")
    rows = labelled_pairs(ds, topics.assignments)
    if where == "unsafe":
        rows = rows.filter(~pl.col("is_safe"))
    if rows.is_empty():
        raise UsageError(
            f"Categories by topic were asked for, but no {'unsafe ' * (where == 'unsafe')}pair of {ds.name!r} that "
            "has a topic is labelled by category. Use data with labels."
        )
    names = {-1: "outliers", **dict(topics.topics.select("topic", "name").iter_rows())}
    numbers = sorted(set(topics.assignments["topic"]))
    width = max(1, _COLUMNS // (1 + len(ds.taxonomy)))
    parts = [
        _of_topics(rows, numbers[first : first + width], ds.taxonomy, n_boot=n_boot, random_state=random_state)
        for first in range(0, len(numbers), width)
    ]
    stamp = {"n_all": pl.lit(rows.height, pl.Int64), "population": pl.lit("pairs"), "where": pl.lit(where)}
    return (
        pl.concat(parts)
        .with_columns(cs.float().fill_nan(None))
        .with_columns(_undefined().alias("undefined"), **stamp, rule=pl.lit(RULE))
        .insert_column(1, pl.Series("name", [names[t] for part in parts for t in part["topic"]], pl.String))
    )


def _of_topics(
    rows: pl.DataFrame, numbers: list[int], taxonomy: Taxonomy, *, n_boot: int, random_state: int
) -> pl.DataFrame:
    """Shares and lifts of some topics: sums by prompt of all pairs, then of each topic."""
    k, m = len(taxonomy), len(numbers)
    held = np.column_stack([np.ones(rows.height, np.bool_), taxonomy.flags(rows["labels"])])
    inside = rows["topic"].to_numpy()[:, None] == np.array(numbers)
    columns = np.concatenate([held, (inside[:, :, None] & held[:, None]).reshape(rows.height, -1)], axis=1)
    sums = cluster_sums(columns, clusters=rows["prompt_id"].to_numpy())

    def shares_and_lifts(totals: Floats) -> Floats:
        by_topic = totals.reshape(len(totals), 1 + m, 1 + k)
        shares = ratio(by_topic[:, :, 1:], by_topic[:, :, :1])
        lifts = ratio(shares[:, 1:], shares[:, :1])
        return np.concatenate([shares[:, 1:].reshape(len(totals), -1), lifts.reshape(len(totals), -1)], axis=1)

    resampled = bootstrap(sums, shares_and_lifts, n_boot=n_boot, random_state=random_state)
    counts = sums.sum(axis=0).reshape(1 + m, 1 + k).astype(np.int64)
    prompts = (sums.reshape(len(sums), 1 + m, 1 + k)[:, 1:, 0] > 0).sum(axis=0)
    (share, lift), (share_low, lift_low), (share_high, lift_high) = (
        np.split(ends, 2) for ends in (resampled.estimate, resampled.low, resampled.high)
    )
    return pl.DataFrame(
        {
            "topic": pl.Series(np.repeat(numbers, k), dtype=pl.Int64),
            "category": list(taxonomy.keys) * m,
            "n": np.repeat(counts[1:, 0], k),
            "n_category": counts[1:, 1:].ravel(),
            "prompts": np.repeat(prompts, k).astype(np.int64),
            "share": share,
            "share_low": share_low,
            "share_high": share_high,
            "share_all": np.tile(ratio(counts[0, 1:], counts[0, 0]), m),
            "lift": lift,
            "lift_low": lift_low,
            "lift_high": lift_high,
            "few_prompts": np.repeat(prompts < FEW_CLUSTERS, k),
        }
    )


def _undefined() -> pl.Expr:
    return (
        pl.when(pl.col("n") == 0)
        .then(pl.lit("no pair of this topic is counted"))
        .when(pl.col("lift").is_null())
        .then(pl.lit("no pair has this category"))
        .when(pl.col("lift_low").is_null())
        .then(pl.lit("in some resample no pair is left, so there is no interval"))
    )


DESCRIBING_SHARE = 0.5
"""Share of a topic's unsafe pairs that a category needs in order to describe the topic."""


@dataclass(frozen=True, eq=False)
class TopicAgreement:
    """Agreement of topics with harm categories, over unsafe pairs.

    Attributes
    ----------
    ami : float or None
        Adjusted mutual information of topic and exact label set, about 0 for chance and 1 for
        the same partition; outliers are one group. None where `undefined` says why.
    ami_inside : float or None
        The same without outliers.
    ami_first : float or None
        The same with the first category of each label set, as a single-label user would have it.
    n, n_label_sets, n_topics : int
        Unsafe pairs counted, label sets among them, topics among them.
    outlier_share : float or None
        Share of these pairs with topic -1.
    undefined : str or None
        Why a value is None.
    categories : DataFrame
        `btviz.topic_categories` over unsafe pairs, plus `describes`: the category holds for at
        least half of the topic's unsafe pairs, and the lift's interval lies above 1.
    undescribed : DataFrame
        Topics that no category describes, outliers left out: `topic`, `name`, `n` (unsafe
        pairs), `category` (the most frequent one), `share`, `lift`, `why`.
    """

    ami: float | None
    ami_inside: float | None
    ami_first: float | None
    n: int
    n_label_sets: int
    n_topics: int
    outlier_share: float | None
    undefined: str | None
    categories: pl.DataFrame
    undescribed: pl.DataFrame


def topic_agreement(ds: Dataset, topics: Topics, *, n_boot: int = 2000, random_state: int = 0) -> TopicAgreement:
    """Compare topics with the label sets of unsafe pairs.

    Parameters
    ----------
    ds : Dataset
        The data set the topics were fitted on.
    topics : Topics
        From `fit_topics`.
    n_boot, random_state : int
        Bootstrap replicates of the lifts, drawn over prompts, and seed.

    Returns
    -------
    TopicAgreement
        Adjusted mutual information is that of Vinh, Epps and Bailey (2010), arithmetic mean.

    Raises
    ------
    UsageError
        If no unsafe pair with a topic is labelled by category.
    """
    rows = labelled_pairs(ds, topics.assignments).filter(~pl.col("is_safe"))
    categories = topic_categories(ds, topics, where="unsafe", n_boot=n_boot, random_state=random_state)
    describes = (pl.col("share") >= DESCRIBING_SHARE) & (pl.col("lift_low") > 1)
    categories = categories.with_columns(describes.fill_null(value=False).alias("describes"))
    inside = rows.filter(pl.col("topic") >= 0)
    lowest = pl.col("labels").cast(pl.Int64) & -pl.col("labels").cast(pl.Int64)
    ami, undefined = _ami(rows["labels"], rows["topic"])
    return TopicAgreement(
        ami=ami,
        ami_inside=_ami(inside["labels"], inside["topic"])[0],
        ami_first=_ami(rows.select(lowest).to_series(), rows["topic"])[0],
        n=rows.height,
        n_label_sets=rows["labels"].n_unique(),
        n_topics=inside["topic"].n_unique(),
        outlier_share=1 - inside.height / rows.height if rows.height else None,
        undefined=undefined,
        categories=categories,
        undescribed=_undescribed(categories),
    )


def _ami(first: ArrayLike, second: ArrayLike) -> tuple[float | None, str | None]:
    first_codes, second_codes = np.asarray(first), np.asarray(second)
    if min(len(np.unique(first_codes)), len(np.unique(second_codes))) < 2:
        return None, "all these pairs have one topic, or one label set: there is nothing to agree on"
    metrics = require("sklearn.metrics", extra="topics")
    return float(metrics.adjusted_mutual_info_score(first_codes, second_codes)), None


def _undescribed(categories: pl.DataFrame) -> pl.DataFrame:
    described = categories.filter("describes")["topic"].unique()
    best = (
        categories.filter((pl.col("topic") >= 0) & ~pl.col("topic").is_in(described.implode()))
        .sort("topic", "share", descending=[False, True], nulls_last=True, maintain_order=True)
        .group_by("topic", maintain_order=True)
        .first()
    )
    why = (
        pl.when(pl.col("n") == 0)
        .then(pl.lit("no unsafe pair"))
        .when(pl.col("share") < DESCRIBING_SHARE)
        .then(pl.lit("no category holds for half of its unsafe pairs"))
        .otherwise(pl.lit("the most frequent category is not shown to be more frequent here than elsewhere"))
    )
    return best.select("topic", "name", "n", "category", "share", "lift", why.alias("why"))
