"""P(better = safer) of two data sets within each harm category, whatever their taxonomies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.crosswalk import carried_over, counterparts
from btviz.dataset import Dataset, expect_dataset
from btviz.preference.comparisons import Comparisons, comparisons_of
from btviz.preference.shares import FEWEST_PROMPTS, Floats, Resampling, Sums, sums_of
from btviz.stats.association import ratio
from btviz.stats.resampling import bootstrap
from btviz.taxonomy import Taxonomy

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
        of `ds`, where theirs differ; see `btviz.crosswalk`.
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
    member: NDArray[np.bool_] = (labels[:, None] >> np.arange(len(taxonomy)) & 1).astype(bool)
    return member


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
