"""P(better = safer) of several data sets, as it would be with the same mix of strata or harms in each.

P(better = safer) of two data sets within each harm category, whatever their taxonomies.
"""

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
from btviz.preference.shares import FEWEST_PROMPTS, Floats, Resampling, Sums, sums_of
from btviz.preference.verdicts import name_of
from btviz.stats.association import ratio
from btviz.stats.resampling import bootstrap
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
    for one in (ds, other):
        expect_dataset(one)
    kin = counterparts(ds.taxonomy, other.taxonomy)
    sums = [_by_category(one, ds.taxonomy) for one in (ds, other)]
    drawn = [_replicates(one, Resampling(n_boot, random_state + place)) for place, one in enumerate(sums)]
    rows = []
    for place, category in enumerate(ds.taxonomy.keys):
        n, n_other = (int(one.n[:, place].sum()) for one in sums)
        p, p_other = (float(ratio(one.hits[:, place].sum(), one.n[:, place].sum())) for one in sums)
        reason = no_interval(sums, place) if kin[category] else f"{other.taxonomy.name} has no such category"
        row = {"category": category, "n": n, "n_other": n_other, "p": p, "p_other": p_other, "difference": p - p_other}
        rows.append(row | interval_of(drawn[0][:, place] - drawn[1][:, place], reason))
    return pl.DataFrame(rows, schema=CATEGORIES).with_columns(pl.col(pl.Float64).fill_nan(None))


def _by_category(ds: Dataset, taxonomy: Taxonomy) -> Sums:
    comparisons = comparisons_of(ds)
    member = has_category(comparisons, taxonomy)
    return sums_of(member, hit=comparisons.same, prompt=comparisons.prompt)


def _replicates(sums: Sums, resampling: Resampling) -> Floats:
    k = sums.n.shape[1]
    return bootstrap(
        np.hstack([sums.n, sums.hits]),
        lambda drawn: ratio(drawn[:, k:], drawn[:, :k]),
        n_boot=resampling.n_boot,
        random_state=resampling.random_state,
    ).replicates


def has_category(comparisons: Comparisons, taxonomy: Taxonomy) -> NDArray[np.bool_]:
    """Which comparisons have which category of `taxonomy` in either answer, shape (n, k)."""
    labels = comparisons.frame.select(carried_over(comparisons.taxonomy, taxonomy).fill_null(0)).to_series().to_numpy()
    return taxonomy.flags(labels)


def no_interval(data_sets: Sequence[Sums], group: int) -> str | None:
    """Why resampling the prompts of a group gives no interval in one of the data sets; None where it does."""
    if any(one.prompts[group] < FEWEST_PROMPTS for one in data_sets):
        return f"fewer than {FEWEST_PROMPTS} prompts in a group, too few for an interval"
    if any(one.hits[:, group].sum() in {0, one.n[:, group].sum()} for one in data_sets):
        return "all comparisons of a group are alike, so resampling them gives no interval"
    return None


def interval_of(replicates: Floats, undefined: str | None) -> dict[str, object]:
    """Ends of the 95 % interval by name, or why there is none."""
    if undefined is not None:
        return {"undefined": undefined}
    low, high = np.quantile(replicates, [0.025, 0.975]).tolist()
    return {"low": low, "high": high}
