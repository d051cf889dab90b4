"""How well topics and harm categories coincide, and which topics no category describes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from btviz.data.dataset import Dataset
from btviz.errors import require
from btviz.texts.topics.naming import labelled_pairs
from btviz.texts.topics.profile import topic_categories
from btviz.texts.topics.result import Topics

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
    one, other = np.asarray(first), np.asarray(second)
    if min(len(np.unique(one)), len(np.unique(other))) < 2:
        return None, "all these pairs have one topic, or one label set: there is nothing to agree on"
    metrics = require("sklearn.metrics", extra="topics")
    return float(metrics.adjusted_mutual_info_score(one, other)), None


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
