"""Harm categories of each topic, and how much more often than elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import polars.selectors as cs

from btviz.data.dataset import Dataset
from btviz.errors import UsageError, choice
from btviz.stats.association import Floats, ratio
from btviz.stats.resampling import FEW_CLUSTERS, bootstrap, cluster_sums
from btviz.taxonomy.categories import Taxonomy
from btviz.texts.topics.naming import labelled_pairs

if TYPE_CHECKING:
    from btviz.texts.topics.result import Topics


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

    found = bootstrap(sums, shares_and_lifts, n_boot=n_boot, random_state=random_state)
    counts = sums.sum(axis=0).reshape(1 + m, 1 + k).astype(np.int64)
    prompts = (sums.reshape(len(sums), 1 + m, 1 + k)[:, 1:, 0] > 0).sum(axis=0)
    (share, lift), (share_low, lift_low), (share_high, lift_high) = (
        np.split(ends, 2) for ends in (found.estimate, found.low, found.high)
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
