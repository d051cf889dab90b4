"""Intervals and p-values of the association of every two harm categories."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import NDArray

from btviz.data.dataset import Dataset, expect_dataset
from btviz.labels.associations import cooccurrence
from btviz.labels.population import items_of
from btviz.stats.association import Floats, Integers, TwoByTwo, phi, phi_given_any
from btviz.stats.kinds import generator
from btviz.stats.permutation import benjamini_hochberg, holm, permute_clusters
from btviz.stats.resampling import FEW_CLUSTERS, Interval, bootstrap, cluster_sums
from btviz.taxonomy.categories import Taxonomy

_NO_INTERVAL = "a category is so rare that some resample has no item with it: no interval"


_NO_TEST = f"fewer than {FEW_CLUSTERS} prompts have both categories: no test against the phi expected of them"


_FROM_COOCCURRENCE = (
    *("row", "col", "n", "n_row", "n_col", "n_both", "phi", "phi_expected", "chi2_p_naive", "min_expected"),
    *("low_expected", "n_excluded", "population", "where", "rule"),
)


@dataclass(frozen=True, eq=False)
class _Items:
    """Items of a population with their prompt; the order within a prompt tells nothing of the labels."""

    flags: NDArray[np.bool_]
    prompts: NDArray[np.uint64]


def cooccurrence_tests(
    ds: Dataset,
    *,
    population: str = "pairs",
    where: str = "all",
    n_boot: int = 2000,
    n_permutations: int = 9999,
    random_state: int = 0,
) -> pl.DataFrame:
    """Test the association of every two harm categories, with prompts as the unit of chance.

    Parameters
    ----------
    ds : Dataset
        Data set with labels by category.
    population : {"annotations", "pairs", "prompts"}
        What is counted; `rule` says how an item comes by its labels.
    where : {"all", "unsafe"}
        Test all items, or the unsafe ones only. Among unsafe items independent categories look
        opposed, because each was kept for having one; they are tested against that phi.
    n_boot : int
        Replicates of the bootstrap over prompts.
    n_permutations : int
        Shuffles of prompts, for all items. The smallest p-value is ``2 / (n_permutations + 1)``:
        fewer than 3,639 shuffles cannot pass Holm's bound on 91 tests at 0.05.
    random_state : int
        Seed.

    Returns
    -------
    DataFrame
        One row per pair of categories, k (k - 1) / 2 in all, in the taxonomy's order:

        - `row`, `col`, `n`, `n_row`, `n_col`, `n_both`, `phi`, `phi_expected`, `chi2_p_naive`,
          `min_expected`, `low_expected`, `n_excluded`, `population`, `where`, `rule`: as from
          `cooccurrence`;
        - `phi_low`, `phi_high`: 95 % percentile interval by prompt; `n_prompts_both`, the
          prompts with an item of both, and `few_prompts` where they are fewer than 50: the
          interval may then miss its coverage;
        - `p_value`, and `test`, which says whence: "permutation" shuffles the prompts' patterns
          of one category among prompts with as many items; "bootstrap" divides the distance
          from `phi_expected` by its standard error over resampled prompts;
        - `p_holm`, `p_benjamini_hochberg`: adjusted for all rows that have a p-value;
        - `undefined`: why a value of this row is null.

    Raises
    ------
    UsageError
        If an option is unknown, or the data have not what it needs.
    """
    expect_dataset(ds)
    table = _distinct(cooccurrence(ds, population=population, where=where), ds.taxonomy)
    items = _items(ds, population=population, where=where, random_state=random_state)
    k = len(ds.taxonomy)
    sums = _prompt_sums(items)
    conditioned = where == "unsafe"

    def coefficients(totals: Floats) -> Floats:
        return _phis(totals, k=k, conditioned=conditioned)

    found = bootstrap(sums, coefficients, n_boot=n_boot, random_state=random_state)
    row, col = np.triu_indices(k)
    n_prompts_both = (sums[:, 2:][:, row != col] > 0).sum(axis=0)
    if conditioned:
        p_value = np.where(n_prompts_both < FEW_CLUSTERS, np.nan, _wald(found, first=len(n_prompts_both)))
    else:
        shuffled = permute_clusters(
            items.flags, clusters=items.prompts, n_permutations=n_permutations, random_state=random_state
        )
        p_value = shuffled.p_value[np.triu_indices(k, 1)]
    return _with_tests(table, found=found, p_value=p_value, n_prompts_both=n_prompts_both, conditioned=conditioned)


def _distinct(table: pl.DataFrame, taxonomy: Taxonomy) -> pl.DataFrame:
    place = {key: bit for bit, key in enumerate(taxonomy.keys)}
    row, col = (pl.col(name).replace_strict(place, return_dtype=pl.Int64) for name in ("row", "col"))
    return table.filter(row < col).sort(row, col).select(*_FROM_COOCCURRENCE, pl.col("undefined").alias("reason"))


def _items(ds: Dataset, *, population: str, where: str, random_state: int) -> _Items:
    frame = items_of(ds, population=population, where=where, by=None, taxonomy=ds.taxonomy).frame
    ids = [name for name in ("prompt_id", "pair_id") if name in frame.collect_schema()]
    known = frame.select(*ids, "labels", "is_safe").drop_nulls(["labels", "is_safe"])
    items = (known.filter(~pl.col("is_safe")) if where == "unsafe" else known).sort(*ids, "labels").collect()
    # annotations of one pair are stored by their labels, an order that a shuffle must not see
    chance = pl.Series("chance", generator(random_state).random(items.height))
    items = items.with_columns(chance).sort(*ids, "chance")
    return _Items(ds.taxonomy.flags(items["labels"]), items["prompt_id"].to_numpy())


def _prompt_sums(items: _Items) -> Floats:
    """Items, items with a label, and items with every two labels, of each prompt."""
    row, col = np.triu_indices(items.flags.shape[1])
    both = items.flags[:, row] & items.flags[:, col]
    columns = np.column_stack([np.ones(len(both), np.bool_), items.flags.any(axis=1), both])
    return cluster_sums(columns, clusters=items.prompts)


def _phis(totals: Floats, *, k: int, conditioned: bool) -> Floats:
    """Phi of every two labels and, where items were kept for having one, its excess over the expected."""
    counts: Integers = np.rint(totals).astype(np.int64)
    row, col = np.triu_indices(k)
    margins, joint = counts[:, 2:][:, row == col], counts[:, 2:][:, row != col]
    row, col = np.triu_indices(k, 1)
    values = phi(TwoByTwo(counts[:, :1], margins[:, row], margins[:, col], joint))
    if not conditioned:
        return values
    expected = [
        phi_given_any(margin, n=int(n), n_labelled=int(labelled))[row, col]
        for margin, n, labelled in zip(margins, counts[:, 0], counts[:, 1], strict=True)
    ]
    return np.concatenate([values, values - np.array(expected)], axis=1)


def _wald(found: Interval, *, first: int) -> Floats:
    """Two-sided normal p-value of each value from column `first` on: distance from 0 in standard errors."""
    normal = NormalDist()
    error = found.replicates[:, first:].std(axis=0, ddof=1)
    return np.array(
        [
            2 * normal.cdf(-abs(value) / se) if se > 0 else np.nan
            for value, se in zip(found.estimate[first:], error, strict=True)
        ]
    )


def _with_tests(
    table: pl.DataFrame, *, found: Interval, p_value: Floats, n_prompts_both: Integers, conditioned: bool
) -> pl.DataFrame:
    m = table.height
    columns = {
        "phi_low": found.low[:m],
        "phi_high": found.high[:m],
        "n_prompts_both": n_prompts_both,
        "few_prompts": n_prompts_both < FEW_CLUSTERS,
        "p_value": p_value,
        "p_holm": holm(p_value),
        "p_benjamini_hochberg": benjamini_hochberg(p_value),
    }
    told = pl.concat_str(
        pl.when(pl.col("phi").is_null()).then("reason"),
        pl.when(pl.col("phi").is_not_null() & pl.col("phi_low").is_null()).then(pl.lit(_NO_INTERVAL)),
        pl.when(pl.col("phi").is_not_null() & pl.col("p_value").is_null()).then(pl.lit(_NO_TEST)),
        separator="; ",
        ignore_nulls=True,
    )
    return (
        table.with_columns(pl.Series(name, values) for name, values in columns.items())
        .with_columns(cs.float().fill_nan(None), pl.lit("bootstrap" if conditioned else "permutation").alias("test"))
        .with_columns(pl.when(told != "").then(told).alias("undefined"))
        .drop("reason")
    )
