"""Data sets beside each other: with the same mix of strata or harms, by harm category, joined on their answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.data.dataset import Dataset, expect_dataset
from btviz.errors import UsageError, choice
from btviz.preference.comparisons import STRATA, Comparisons, comparisons_of
from btviz.preference.shares import (
    FEWEST_PROMPTS,
    Floats,
    Sums,
    resampled_shares,
    share_table,
    sums_of,
)
from btviz.preference.verdicts import name_of
from btviz.stats.association import ratio
from btviz.stats.resampling import Resampling
from btviz.taxonomy.categories import Taxonomy
from btviz.taxonomy.crosswalk import carried_over, counterparts

OVER = ("strata", "categories")
"""What data sets are standardised over."""

SCHEMA = pl.Schema(
    {
        "name": pl.String(),
        "against": pl.String(),
        "n": pl.Int64(),
        "prompts": pl.Int64(),
        "crude": pl.Float64(),
        "standardised": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "left_out": pl.List(pl.String()),
        "undefined": pl.String(),
    }
)


@dataclass(frozen=True, eq=False)
class _Estimate:
    """Crude and standardised p of one data set; the latter also in every replicate."""

    name: str
    n: int
    prompts: int
    crude: float
    standardised: float
    replicates: Floats
    undefined: str | None


def compare_releases(
    datasets: Sequence[Dataset],
    *,
    over: str = "strata",
    strata: Sequence[str] = STRATA,
    n_boot: int = 2000,
    random_state: int = 0,
) -> pl.DataFrame:
    """Compare P(better = safer) between data sets, crude and standardised over strata or categories.

    The standard mix is the mean of the data sets' own shares of the groups, so that a
    difference does not come from one of them holding more forced comparisons, or more of one
    harm. Only groups that every data set has enter.

    Parameters
    ----------
    datasets : sequence of Dataset
        Two or more, of which at least one comparison has both labels and both safety labels.
    over : {"strata", "categories"}
        Groups: by the safety of the two answers, or the harm categories of the first data set.
        Label sets of the others are carried over to these (see `btviz.taxonomy.crosswalk`); a comparison
        belongs to each category that either answer has, and counts in each.
    strata : sequence of {"both_safe", "mixed", "both_unsafe"}
        Strata whose comparisons enter: without "mixed", the labels are compared where neither
        is forced.
    n_boot, random_state : int
        Bootstrap replicates, drawn over the prompts of each data set, and seed.

    Returns
    -------
    DataFrame
        One row per data set, with `against` null, then one per pair of data sets, with the
        differences: `name`, `against`, `n` (comparisons in these groups), `prompts`, `crude`,
        `standardised`, `low`, `high` (95 % interval of `standardised`), `left_out` (list of the
        groups that are not in every data set, categories without a counterpart among them),
        `undefined`.

    Raises
    ------
    UsageError
        If an option is unknown or out of its range, there are fewer than two data sets, no group
        is in all of them, or there is no correspondence between two taxonomies.
    """
    choice(over, OVER, what="grouping")
    for name in strata:
        choice(name, STRATA, what="stratum")
    for ds in datasets:
        expect_dataset(ds)
    if len(datasets) < 2:
        raise UsageError(f"{len(datasets)} data sets were to be compared; two are needed. Load another one.")
    names = list(strata) if over == "strata" else list(datasets[0].taxonomy.keys)
    members = [_members(ds, over=over, strata=strata, taxonomy=datasets[0].taxonomy) for ds in datasets]
    shares = np.array([ratio(member.sum(axis=0), member.sum()) for member, _ in members])
    shared = (np.nan_to_num(shares) > 0).all(axis=0)
    if not shared.any():
        raise UsageError(
            f"{[ds.name for ds in datasets]} were to be compared over {over} ({', '.join(names)}); none is in "
            "all of them. Use data sets with both labels and the labels of both answers."
        )
    mix = shares[:, shared].mean(axis=0)
    estimates = []
    for place, (ds, (member, comparisons)) in enumerate(zip(datasets, members, strict=True)):
        inside = np.column_stack([member[:, shared], member[:, shared].any(axis=1)])
        sums = sums_of(inside, hit=comparisons.same, prompt=comparisons.prompt)
        estimates.append(_estimate(ds, sums, mix=mix, resampling=Resampling(n_boot, random_state + place)))
    rows = [_row(estimate) for estimate in estimates] + [_difference(*two) for two in combinations(estimates, 2)]
    left_out = [name for name, is_shared in zip(names, shared, strict=True) if not is_shared]
    in_each_row = pl.lit(pl.Series([left_out], dtype=pl.List(pl.String))).first().alias("left_out")
    return pl.DataFrame(rows, schema=SCHEMA).with_columns(pl.col(pl.Float64).fill_nan(None), in_each_row)


def _members(
    ds: Dataset, *, over: str, strata: Sequence[str], taxonomy: Taxonomy
) -> tuple[NDArray[np.bool_], Comparisons]:
    """Which comparisons belong to which group, shape (n, groups), and the comparisons."""
    comparisons = comparisons_of(ds)
    stratum = comparisons.frame["stratum"]
    inside = np.column_stack([(stratum == name).fill_null(value=False).to_numpy() for name in strata])
    if over == "strata":
        return inside, comparisons
    entering = inside.any(axis=1, keepdims=True)
    return has_category(comparisons, taxonomy) & entering, comparisons


def _estimate(ds: Dataset, sums: Sums, *, mix: Floats, resampling: Resampling) -> _Estimate:
    """Estimates from the sums of each group and, last, of all comparisons in any group."""
    k = len(mix)
    weights = mix / mix.sum()
    shares = resampled_shares(Sums(sums.n[:, :k], sums.hits[:, :k]), resampling)
    reasons = (no_interval([sums], group) for group in range(k))
    return _Estimate(
        name_of(ds),
        n=int(sums.n[:, k].sum()),
        prompts=int(sums.prompts[k]),
        crude=float(ratio(sums.hits[:, k].sum(), sums.n[:, k].sum())),
        standardised=float((shares.estimate[None] @ weights)[0]),
        replicates=shares.replicates @ weights,
        undefined=next((reason for reason in reasons if reason is not None), None),
    )


def _row(estimate: _Estimate) -> dict[str, object]:
    return {
        "name": estimate.name,
        "n": estimate.n,
        "prompts": estimate.prompts,
        "crude": estimate.crude,
        "standardised": estimate.standardised,
        **interval_of(estimate.replicates, estimate.undefined),
    }


def _difference(first: _Estimate, second: _Estimate) -> dict[str, object]:
    """First less second; replicates of different data sets are independent of each other."""
    return {
        "name": first.name,
        "against": second.name,
        "crude": first.crude - second.crude,
        "standardised": first.standardised - second.standardised,
        **interval_of(first.replicates - second.replicates, first.undefined or second.undefined),
    }


CATEGORIES = pl.Schema(
    {
        "category": pl.String(),
        "n": pl.Int64(),
        "n_other": pl.Int64(),
        "p": pl.Float64(),
        "p_other": pl.Float64(),
        "difference": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "undefined": pl.String(),
    }
)


def compare_categories(ds: Dataset, *, other: Dataset, n_boot: int = 2000, random_state: int = 0) -> pl.DataFrame:
    """Compare P(better = safer) of two data sets within each harm category.

    Parameters
    ----------
    ds, other : Dataset
        Data sets with comparisons. Label sets of `other` are carried over to the categories
        of `ds`, where theirs differ; see `btviz.taxonomy.crosswalk`.
    n_boot, random_state : int
        Bootstrap replicates, drawn over the prompts of each data set, and seed.

    Returns
    -------
    DataFrame
        One row per category of `ds`: `category` (released key), `n` and `n_other` (comparisons
        in which either answer has it), `p`, `p_other`, `difference` (first less second), `low`,
        `high` (95 %), `undefined` (no counterpart, no comparison, too few prompts, or all
        comparisons alike).

    Raises
    ------
    UsageError
        If there is no correspondence between the two taxonomies, there are fewer than 39
        replicates or the seed is negative.
    """
    for data_set in (ds, other):
        expect_dataset(data_set)
    kin = counterparts(ds.taxonomy, other.taxonomy)
    sums = [_by_category(data_set, ds.taxonomy) for data_set in (ds, other)]
    drawn = [
        resampled_shares(of_data, Resampling(n_boot, random_state + place)).replicates
        for place, of_data in enumerate(sums)
    ]
    rows = []
    for place, category in enumerate(ds.taxonomy.keys):
        n, n_other = (int(of_data.n[:, place].sum()) for of_data in sums)
        p, p_other = (float(ratio(of_data.hits[:, place].sum(), of_data.n[:, place].sum())) for of_data in sums)
        reason = no_interval(sums, place) if kin[category] else f"{other.taxonomy.name} has no such category"
        row = {"category": category, "n": n, "n_other": n_other, "p": p, "p_other": p_other, "difference": p - p_other}
        rows.append(row | interval_of(drawn[0][:, place] - drawn[1][:, place], reason))
    return pl.DataFrame(rows, schema=CATEGORIES).with_columns(pl.col(pl.Float64).fill_nan(None))


def _by_category(ds: Dataset, taxonomy: Taxonomy) -> Sums:
    comparisons = comparisons_of(ds)
    member = has_category(comparisons, taxonomy)
    return sums_of(member, hit=comparisons.same, prompt=comparisons.prompt)


def has_category(comparisons: Comparisons, taxonomy: Taxonomy) -> NDArray[np.bool_]:
    """Which comparisons have which category of `taxonomy` in either answer, shape (n, k)."""
    carried = comparisons.frame.select(carried_over(comparisons.taxonomy, taxonomy).fill_null(0).alias("labels"))
    member: NDArray[np.bool_] = carried.select(taxonomy.has(key).alias(key) for key in taxonomy.keys).to_numpy()
    return member


def no_interval(data_sets: Sequence[Sums], group: int) -> str | None:
    """Why resampling the prompts of a group gives no interval in one of the data sets; None where it does."""
    if any(sums.prompts[group] < FEWEST_PROMPTS for sums in data_sets):
        return f"fewer than {FEWEST_PROMPTS} prompts in a group, too few for an interval"
    if any(sums.hits[:, group].sum() in {0, sums.n[:, group].sum()} for sums in data_sets):
        return "all comparisons of a group are alike, so resampling them gives no interval"
    return None


def interval_of(replicates: Floats, undefined: str | None) -> dict[str, object]:
    """Ends of the 95 % interval by name, or why there is none."""
    if undefined is not None:
        return {"undefined": undefined}
    low, high = np.quantile(replicates, [0.025, 0.975]).tolist()
    return {"low": low, "high": high}


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
        Comparisons with one overall label, in `overall` or else in `better`; ties are left out.
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
    for ds in (dual, single):
        expect_dataset(ds)
    chosen = single.preferences.with_columns(pl.coalesce("overall", "better").alias("overall"))
    overall = _turned(chosen.drop_nulls("overall"), ["overall"])
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
