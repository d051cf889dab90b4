"""Number of flagged categories against the harmlessness label."""

from __future__ import annotations

import numpy as np
import polars as pl

from btviz.dataset import Dataset, expect_dataset
from btviz.preference.comparisons import STRATA, with_strata
from btviz.preference.shares import Resampling, share_table, sums_of

WIDEST = 3
"""Differences of this many categories, and more, count as one level."""


def flags_against_safer(ds: Dataset, *, n_boot: int = 2000, random_state: int = 0) -> pl.DataFrame:
    """How often the safer of two answers carries fewer harm categories.

    Where categories tell nothing of harmlessness the share is 1/2 at every difference; where
    they do, it rises with the difference.

    Parameters
    ----------
    ds : Dataset
        A data set with comparisons; those count whose answers have different numbers of
        categories, as released in their own row.
    n_boot, random_state : int
        Bootstrap replicates, drawn over prompts, and seed.

    Returns
    -------
    DataFrame
        `grouping` ("all", "stratum", "difference"), `level` (of the difference: "1", "2",
        "3 or more" categories), and the columns of `btviz.preference.shares.share_table`, where
        p is the share of comparisons whose safer answer carries fewer categories. In the mixed
        stratum the labels force it.
    """
    expect_dataset(ds)
    counts = (pl.col(f"labels_{side}").bitwise_count_ones().cast(pl.Int64) for side in (0, 1))
    rows = (
        with_strata(ds.preferences.drop_nulls(["safer", "labels_0", "labels_1"]))
        .with_columns(count.alias(f"count_{side}") for side, count in enumerate(counts))
        .with_columns((pl.col("count_0") - pl.col("count_1")).alias("difference"))
        .filter(pl.col("difference") != 0)
    )
    size = rows["difference"].abs().clip(upper_bound=WIDEST)
    levels = [("all", "all", np.ones(rows.height, bool))]
    levels += [("stratum", name, (rows["stratum"] == name).fill_null(value=False).to_numpy()) for name in STRATA[1:]]
    names = {n: f"{n} or more" if n == WIDEST else str(n) for n in range(1, WIDEST + 1)}
    levels += [("difference", name, (size == n).to_numpy()) for n, name in names.items()]
    fewer = ((rows["difference"] > 0) == (rows["safer"] == 1)).to_numpy()
    member = np.column_stack([inside for _, _, inside in levels])
    shares = share_table(sums_of(member, hit=fewer, prompt=rows["prompt"].to_numpy()), Resampling(n_boot, random_state))
    nothing = pl.when(pl.col("n") == 0).then(pl.lit("no such comparison")).otherwise("undefined")
    return shares.select(
        pl.Series("grouping", [grouping for grouping, _, _ in levels]),
        pl.Series("level", [name for _, name, _ in levels]),
        pl.all().exclude("undefined"),
        nothing.alias("undefined"),
    )
