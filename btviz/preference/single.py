"""One overall preference against its two dimensions: the trade-off that it implies."""

from __future__ import annotations

import numpy as np
import polars as pl

from btviz.dataset import Dataset, expect_dataset
from btviz.preference.shares import Resampling, share_table, sums_of

STATISTICS = {
    "better": "the overall choice is the better answer",
    "safer": "the overall choice is the safer answer",
    "better where they differ": "the overall choice is the better answer, where that is not the safer one",
}
"""Rows of the table, and what their p is the share of."""


def implied_trade_off(dual: Dataset, *, single: Dataset, n_boot: int = 2000, random_state: int = 0) -> pl.DataFrame:
    """Compare an overall preference with *better* and *safer* on the same two answers.

    Parameters
    ----------
    dual : Dataset
        Comparisons labelled better and safer.
    single : Dataset
        Comparisons with one overall label, which stands in `better`; ties are left out.
    n_boot, random_state : int
        Bootstrap replicates, drawn over prompts, and seed.

    Returns
    -------
    DataFrame
        One row for each of `STATISTICS`: `statistic`, the columns of
        `btviz.preference.shares.share_table`, `n_single` (overall comparisons that are no tie),
        `n_joined` (those whose prompt and two answers, in either order, are also in `dual`),
        `join_rate` (0 .. 1), `meaning`. The third is the weight that the overall choice gives
        to helpfulness where it must choose.
    """
    for one in (dual, single):
        expect_dataset(one)
    overall = _turned(single.preferences.drop_nulls("better"), ["better"]).rename({"better": "overall"})
    both = _turned(dual.preferences.drop_nulls(["better", "safer"]), ["better", "safer"])
    keys = ["prompt_id", "pair_id_0", "pair_id_1"]
    n_joined = overall.join(both, on=keys, how="semi").height
    rows = overall.join(both, on=keys)
    choice, better, safer = (rows[name].to_numpy() for name in ("overall", "better", "safer"))
    member = np.column_stack([np.ones(rows.height, bool), np.ones(rows.height, bool), better != safer])
    hit = np.column_stack([choice == better, choice == safer, choice == better])
    shares = share_table(
        sums_of(member, hit=hit, prompt=rows["prompt_id"].to_numpy()), Resampling(n_boot, random_state)
    )
    nothing = pl.when(pl.col("n") == 0).then(pl.lit("no comparison is in both data sets")).otherwise("undefined")
    return shares.select(
        pl.Series("statistic", list(STATISTICS)),
        pl.all().exclude("undefined"),
        pl.lit(overall.height).alias("n_single"),
        pl.lit(n_joined).alias("n_joined"),
        pl.lit(n_joined / overall.height if overall.height else None, pl.Float64).alias("join_rate"),
        pl.Series("meaning", list(STATISTICS.values())),
        nothing.alias("undefined"),
    )


def _turned(preferences: pl.DataFrame, labels: list[str]) -> pl.DataFrame:
    """Comparisons with their answers in the order of their ids, and labels turned along."""
    swap = pl.col("pair_id_0") > pl.col("pair_id_1")
    first, second = (
        pl.when(swap).then(f"pair_id_{1 - side}").otherwise(f"pair_id_{side}").alias(f"pair_id_{side}")
        for side in (0, 1)
    )
    turned = (pl.when(swap).then(1 - pl.col(name)).otherwise(name).alias(name) for name in labels)
    return preferences.select("prompt_id", first, second, *turned)
