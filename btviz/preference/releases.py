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
from btviz.preference.mix import category_mix
from btviz.preference.shares import (
    FEW_DECIDE,
    Floats,
    Sums,
    reasons_of,
    share_table,
    sums_of,
)
from btviz.preference.verdicts import name_of
from btviz.stats.association import ratio
from btviz.stats.clustered import FEW_RARER, FEWEST_EFFECTIVE, moved, share_interval
from btviz.stats.quantiles import t_quantile
from btviz.stats.resampling import Resampling, check_draws
from btviz.stats.smooth import leaving_out
from btviz.taxonomy.categories import Taxonomy
from btviz.taxonomy.crosswalk import carried_over, counterparts

COMPARED = ("p", "categories")
"""What `compare_releases` compares."""

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
    """Crude and standardised p of one data set; the latter with its error and degrees of freedom."""

    name: str
    n: int
    prompts: int
    crude: float
    standardised: float
    error: float
    freedom: float
    undefined: str | None


def compare_releases(
    datasets: Sequence[Dataset | str],
    *,
    of: str = "p",
    over: str = "strata",
    strata: Sequence[str] = STRATA,
    n_boot: int = 2000,
    random_state: int = 0,
) -> pl.DataFrame:
    """Compare data sets: P(better = safer), crude and standardised over strata or categories, or the mix of harms.

    The standard mix is the mean of the data sets' own shares of the groups, so that a
    difference does not come from one of them holding more forced comparisons, or more of one
    harm. Only groups that every data set has enter.

    Parameters
    ----------
    datasets : sequence of Dataset, or for the mix also names of releases
        Two or more; for p, of which at least one comparison has both labels and both safety labels.
    of : {"p", "categories"}
        What is compared: P(better = safer), or how often each harm category occurs. The latter is
        `btviz.category_mix`, which knows published counts too; the other options then play no part.
    over : {"strata", "categories"}
        Groups: by the safety of the two answers, or the harm categories of the first data set.
        Label sets of the others are carried over to these (see `btviz.taxonomy.crosswalk`); a comparison
        belongs to each category that either answer has, and counts in each.
    strata : sequence of {"both_safe", "mixed", "both_unsafe"}
        Strata whose comparisons enter: without "mixed", the labels are compared where neither
        is forced.
    n_boot, random_state : int
        Checked; intervals are in closed form.

    Returns
    -------
    DataFrame
        One row per data set, with `against` null, then one per pair of data sets, with the
        differences: `name`, `against`, `n` (comparisons in these groups), `prompts`, `crude`,
        `standardised`, `low`, `high` (95 % interval of `standardised`), `left_out` (list of the
        groups that are not in every data set, categories without a counterpart among them),
        `undefined`. Of categories: the table of `btviz.category_mix`.

    Raises
    ------
    UsageError
        If an option is unknown or out of its range, there are fewer than two data sets, no group
        is in all of them, or there is no correspondence between two taxonomies.
    """
    check_draws(n_boot, random_state)  # refuses what makes no sense
    choice(over, OVER, what="grouping")
    for name in strata:
        choice(name, STRATA, what="stratum")
    if choice(of, COMPARED, what="what is compared") == "categories":
        return category_mix(datasets)
    return _standardised(_expected(datasets), over=over, strata=strata)


def _expected(datasets: Sequence[Dataset | str]) -> list[Dataset]:
    for ds in datasets:
        expect_dataset(ds)
    if len(datasets) < 2:
        raise UsageError(f"{len(datasets)} data sets were to be compared; two are needed. Load another one.")
    return [ds for ds in datasets if isinstance(ds, Dataset)]


def _standardised(datasets: Sequence[Dataset], *, over: str, strata: Sequence[str]) -> pl.DataFrame:
    """The table of p."""
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
    for ds, (member, comparisons) in zip(datasets, members, strict=True):
        inside = np.column_stack([member[:, shared], member[:, shared].any(axis=1)])
        sums = sums_of(inside, hit=comparisons.same, prompt=comparisons.prompt)
        estimates.append(_estimate(ds, sums, mix=mix))
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


def _estimate(ds: Dataset, sums: Sums, *, mix: Floats) -> _Estimate:
    """Estimates from the sums of each group and, last, of all comparisons in any group."""
    k = len(mix)
    weights = mix / mix.sum()

    def standardised(totals: Floats) -> Floats:
        return np.asarray(ratio(totals[:, k:], totals[:, :k]) @ weights)[:, None]

    value, error, freedom = leaving_out(np.hstack([sums.n[:, :k], sums.hits[:, :k]]), standardised)
    return _Estimate(
        name_of(ds),
        n=int(sums.n[:, k].sum()),
        prompts=int(sums.prompts[k]),
        crude=float(ratio(sums.hits[:, k].sum(), sums.n[:, k].sum())),
        standardised=float(value[0]),
        error=float(error[0]),
        freedom=float(freedom[0]),
        undefined=_no_interval(sums, k) or (None if error[0] > 0 else FEW_DECIDE),
    )


def _no_interval(sums: Sums, groups: int) -> str | None:
    """Why prompts are too few in one of the groups; None where they are not."""
    share = share_interval(sums.hits[:, :groups], sums.n[:, :groups])
    reasons = reasons_of(share, nothing="a group has no comparison")
    known = zip(share.effective, share.rarer, reasons, strict=True)
    few = [reason for effective, rarer, reason in known if effective < FEWEST_EFFECTIVE or rarer < FEW_RARER]
    return f"in one group {few[0]}" if few else None


def _ends(value: float, *, error: float, freedom: float, undefined: str | None) -> dict[str, object]:
    """Ends of the 95 % interval by name, or why there is none."""
    if undefined is not None:
        return {"undefined": undefined}
    reach = float(t_quantile(0.95, df=freedom)) * error
    return {"low": value - reach, "high": value + reach}


def _row(estimate: _Estimate) -> dict[str, object]:
    return {
        "name": estimate.name,
        "n": estimate.n,
        "prompts": estimate.prompts,
        "crude": estimate.crude,
        "standardised": estimate.standardised,
        **_ends(estimate.standardised, error=estimate.error, freedom=estimate.freedom, undefined=estimate.undefined),
    }


def _difference(first: _Estimate, second: _Estimate) -> dict[str, object]:
    """First less second: data sets are independent of each other, with the degrees of freedom of Welch (1947)."""
    squares = np.array([first.error, second.error]) ** 2
    freedom = ratio(squares.sum() ** 2, (squares**2 / np.array([first.freedom, second.freedom])).sum())
    gap = first.standardised - second.standardised
    why = first.undefined or second.undefined
    return {
        "name": first.name,
        "against": second.name,
        "crude": first.crude - second.crude,
        "standardised": gap,
        **_ends(gap, error=float(np.sqrt(squares.sum())), freedom=float(freedom), undefined=why),
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
        Checked; intervals are in closed form.

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
    check_draws(n_boot, random_state)  # refuses what makes no sense
    for data_set in (ds, other):
        expect_dataset(data_set)
    kin = counterparts(ds.taxonomy, other.taxonomy)
    sums = [_by_category(data_set, ds.taxonomy) for data_set in (ds, other)]
    here, there = (share_interval(of_data.hits, of_data.n) for of_data in sums)
    gap = here.estimate - there.estimate
    low, high = moved(np.subtract, here, there)
    found = [reasons_of(one, nothing="no comparison has this category") for one in (here, there)]
    rows = []
    for place, category in enumerate(ds.taxonomy.keys):
        related = bool(kin[category])
        why = None if related else f"{other.taxonomy.name} has no such category"
        row = {
            "category": category,
            "n": int(sums[0].n[:, place].sum()),
            "n_other": int(sums[1].n[:, place].sum()),
            "p": here.estimate[place],
            "p_other": there.estimate[place],
            "difference": gap[place],
            "low": low[place] if related else None,
            "high": high[place] if related else None,
            "undefined": why or found[0][place] or found[1][place],
        }
        rows.append(row)
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
        Checked, and seed of the sign flips.

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
