"""One overall preference against its two dimensions: the trade-off that it implies.

Number of flagged categories against the harmlessness label.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset, expect_dataset
from btviz.preference.comparisons import STRATA, with_strata
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
