"""Answers by their rank in a comparison and by their own safety label."""

from __future__ import annotations

import polars as pl

from btviz.dataset import Dataset, expect_dataset

RANKS = ("better", "worse")


def quadrants(ds: Dataset) -> pl.DataFrame:
    """Count answers that are better or worse, and safe or unsafe.

    Each comparison counts twice, once with either answer; an answer that is compared several
    times counts as often.

    Parameters
    ----------
    ds : Dataset
        Any data set; those comparisons count that tell the better answer and whether both are
        safe, as released in their own row.

    Returns
    -------
    DataFrame
        Four rows, better before worse and safe before unsafe: `rank` ("better", "worse"),
        `safe` (the answer's own label), `n_answers`, `share` (of the answers of that rank,
        0 .. 1; null without comparisons), `n` (comparisons).
    """
    expect_dataset(ds)
    known = ds.preferences.drop_nulls(["better", "is_safe_0", "is_safe_1"])
    first, second = pl.col("is_safe_0"), pl.col("is_safe_1")
    by_rank = known.select(
        pl.when(pl.col("better") == 1).then(second).otherwise(first).alias(RANKS[0]),
        pl.when(pl.col("better") == 1).then(first).otherwise(second).alias(RANKS[1]),
    )
    rows = [(rank, safe, int((by_rank[rank] == safe).sum())) for rank in RANKS for safe in (True, False)]
    counts = pl.DataFrame(rows, schema={"rank": pl.String, "safe": pl.Boolean, "n_answers": pl.Int64}, orient="row")
    counted = counts.with_columns(pl.lit(known.height, pl.Int64).alias("n"))
    share = pl.when(pl.col("n") > 0).then(pl.col("n_answers") / pl.col("n"))
    return counted.select("rank", "safe", "n_answers", share.alias("share"), "n")
