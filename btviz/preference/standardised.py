"""P(better = safer) of several data sets, as it would be with the same mix of strata or harms in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.dataset import Dataset, expect_dataset
from btviz.errors import UsageError, choice
from btviz.preference.categories import has_category, interval_of, no_interval
from btviz.preference.comparisons import STRATA, Comparisons, comparisons_of
from btviz.preference.shares import Floats, Resampling, Sums, sums_of
from btviz.preference.verdicts import name_of
from btviz.stats.association import ratio
from btviz.stats.resampling import bootstrap
from btviz.taxonomy import Taxonomy

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
        Label sets of the others are carried over to these (see `btviz.crosswalk`); a comparison
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
    for one in datasets:
        expect_dataset(one)
    if len(datasets) < 2:
        raise UsageError(f"{len(datasets)} data sets were to be compared; two are needed. Load another one.")
    names = list(strata) if over == "strata" else list(datasets[0].taxonomy.keys)
    found = [_members(ds, over=over, strata=strata, taxonomy=datasets[0].taxonomy) for ds in datasets]
    shares = np.array([ratio(member.sum(axis=0), member.sum()) for member, _ in found])
    shared = (np.nan_to_num(shares) > 0).all(axis=0)
    if not shared.any():
        raise UsageError(
            f"{[ds.name for ds in datasets]} were to be compared over {over} ({', '.join(names)}); none is in "
            "all of them. Use data sets with both labels and the labels of both answers."
        )
    mix = shares[:, shared].mean(axis=0)
    estimates = []
    for place, (ds, (member, comparisons)) in enumerate(zip(datasets, found, strict=True)):
        inside = np.column_stack([member[:, shared], member[:, shared].any(axis=1)])
        sums = sums_of(inside, hit=comparisons.same, prompt=comparisons.prompt)
        estimates.append(_estimate(ds, sums, mix=mix, resampling=Resampling(n_boot, random_state + place)))
    rows = [_row(one) for one in estimates] + [_difference(*two) for two in combinations(estimates, 2)]
    left_out = [name for name, is_shared in zip(names, shared, strict=True) if not is_shared]
    told = pl.lit(pl.Series([left_out], dtype=pl.List(pl.String))).first().alias("left_out")
    return pl.DataFrame(rows, schema=SCHEMA).with_columns(pl.col(pl.Float64).fill_nan(None), told)


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
    found = bootstrap(
        np.hstack([sums.n[:, :k], sums.hits[:, :k]]),
        lambda drawn: (ratio(drawn[:, k:], drawn[:, :k]) @ weights)[:, None],
        n_boot=resampling.n_boot,
        random_state=resampling.random_state,
    )
    reasons = (no_interval([sums], group) for group in range(k))
    return _Estimate(
        name_of(ds),
        n=int(sums.n[:, k].sum()),
        prompts=int(sums.prompts[k]),
        crude=float(ratio(sums.hits[:, k].sum(), sums.n[:, k].sum())),
        standardised=float(found.estimate[0]),
        replicates=found.replicates[:, 0],
        undefined=next((reason for reason in reasons if reason is not None), None),
    )


def _row(one: _Estimate) -> dict[str, object]:
    return {
        "name": one.name,
        "n": one.n,
        "prompts": one.prompts,
        "crude": one.crude,
        "standardised": one.standardised,
        **interval_of(one.replicates, one.undefined),
    }


def _difference(one: _Estimate, other: _Estimate) -> dict[str, object]:
    """First less second; replicates of different data sets are independent of each other."""
    return {
        "name": one.name,
        "against": other.name,
        "crude": one.crude - other.crude,
        "standardised": one.standardised - other.standardised,
        **interval_of(one.replicates - other.replicates, one.undefined or other.undefined),
    }
