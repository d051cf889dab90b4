"""Association of every two harm categories: coefficients from one histogram of label sets, intervals and tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import NDArray

from btviz.data.dataset import Dataset, expect_dataset
from btviz.labels.population import Group, LabelHistogram, items_of, label_histogram
from btviz.stats.association import (
    COEFFICIENTS,
    Floats,
    Integers,
    TwoByTwo,
    chi_squared_p,
    joint_counts,
    min_expected,
    phi,
    phi_given_any,
)
from btviz.stats.binning import seriation
from btviz.stats.permutation import benjamini_hochberg, holm, permute_clusters
from btviz.stats.resampling import FEW_CLUSTERS, Interval, bootstrap, cluster_sums, generator
from btviz.taxonomy.categories import Taxonomy

_FEW = 5  # a smaller expected count makes the chi-square approximation doubtful

_NO_INTERVAL = "a category is so rare that some resample has no item with it: no interval"

_NO_TEST = f"fewer than {FEW_CLUSTERS} prompts have both categories: no test against the phi expected of them"

_FROM_COOCCURRENCE = (
    *("row", "col", "n", "n_row", "n_col", "n_both", "phi", "phi_expected", "chi2_p_naive", "min_expected"),
    *("low_expected", "n_excluded", "population", "where", "rule"),
)


def places(histogram: LabelHistogram) -> dict[str, int]:
    """Place of each category, 0 .. k - 1, when similar ones (by phi) stand side by side.

    Keys are in the order of their bits. All groups count together, so that their matrices can
    be laid side by side.
    """
    keys = histogram.taxonomy.keys
    joint = np.zeros((len(keys), len(keys)), np.int64)
    n = 0
    for group in histogram.groups:
        joint += joint_counts(group.labels, weights=group.n, size=len(keys))
        n += int(group.n.sum())
    margins = joint.diagonal()
    similarity = phi(TwoByTwo(np.asarray(n), margins[:, None], margins[None, :], joint))
    order = seriation(similarity, keys=keys)
    return {key: order.index(key) for key in keys}


def coefficients(group: Group, place: Mapping[str, int], *, conditioned: bool) -> pl.DataFrame:
    """Coefficients of one group; see `btviz.cooccurrence` for the columns."""
    keys, order = list(place), list(place.values())
    n = int(group.n.sum())
    joint = joint_counts(group.labels, weights=group.n, size=len(keys))
    margins = joint.diagonal()
    row, col = np.nonzero(~np.eye(len(keys), dtype=bool))
    table = TwoByTwo(np.asarray(n), margins[row], margins[col], joint[row, col])
    values = {coefficient.key: coefficient.value(table) for coefficient in COEFFICIENTS if coefficient.value}
    expected = phi_given_any(margins, n=n, n_labelled=n - group.n_no_category)[row, col]
    values["phi_expected"] = expected if conditioned else np.full(len(row), np.nan)
    return pl.DataFrame(
        {
            "row": [keys[bit] for bit in row],
            "col": [keys[bit] for bit in col],
            "row_order": [order[bit] for bit in row],
            "col_order": [order[bit] for bit in col],
            "n": table.n,
            "n_row": table.row,
            "n_col": table.col,
            "n_both": table.both,
            **{coefficient.key: values[coefficient.key] for coefficient in COEFFICIENTS if coefficient.key in values},
            "chi2_p_naive": chi_squared_p(table),
            "min_expected": min_expected(table),
        }
    ).with_columns(
        pl.when(pl.col("n") > 0).then(pl.col("min_expected") < _FEW).alias("low_expected"),
        _reason().alias("undefined"),
        pl.lit(group.n_no_category, pl.Int64).alias("n_no_category"),
    )


def _reason() -> pl.Expr:
    n, row, col, both = (pl.col(name) for name in ("n", "n_row", "n_col", "n_both"))
    nested = (both == row) | (both == col)
    empty = nested | (both == 0) | (row + col - both == n)
    margins = pl.concat_str(
        [
            pl.when(row == 0).then(pl.lit("no item has the row category")),
            pl.when(row == n).then(pl.lit("every item has the row category")),
            pl.when(col == 0).then(pl.lit("no item has the column category")),
            pl.when(col == n).then(pl.lit("every item has the column category")),
        ],
        separator="; ",
        ignore_nulls=True,
    )
    return (
        pl.when(n == 0)
        .then(pl.lit("no item is counted"))
        .when(margins != "")
        .then(margins)
        .when(nested)
        .then(pl.lit("one category never occurs without the other: odds ratio infinite, no tetrachoric"))
        .when(empty)
        .then(pl.lit("a cell of the 2x2 table is 0: no tetrachoric"))
    )


def cooccurrence(
    ds: Dataset | pl.LazyFrame,
    *,
    population: str | None = None,
    where: str = "all",
    by: str | None = None,
    taxonomy: Taxonomy | None = None,
) -> pl.DataFrame:
    """Association of every two harm categories.

    Parameters
    ----------
    ds : Dataset or LazyFrame of annotations
        A lazy frame is streamed; `label_histogram` names the columns it needs.
    population : {"annotations", "pairs", "prompts"}, optional
        What is counted; `rule` says how an item comes by its labels. By default annotations; pairs of data without
        any, such as comparisons.
    where : {"all", "unsafe"}
        Count all items, or the unsafe ones only.
    by : {None, "split", "severity"}
        One block of rows for each value, named in the first column.
    taxonomy : Taxonomy, optional
        Default: the data set's own; BeaverTails for a lazy frame.

    Returns
    -------
    DataFrame
        One row per ordered pair of different categories, k (k - 1) in all:

        - `row`, `col`: released keys; `row_order`, `col_order`: their places, 0 .. k - 1, when
          similar categories (by phi, over all groups together) stand side by side;
        - `n`, `n_row`, `n_col`, `n_both`: items counted, with either, with both;
        - the coefficients, whose formulas stand in `btviz.stats.association.COEFFICIENTS`: `phi`
          (-1 .. 1), `phi_over_extreme` (-1 .. 1, share of the attainable phi), `phi_min`
          (-1 .. 0) and `phi_max` (0 .. 1, what the margins allow), `phi_expected` (-1 .. 1, phi
          of independent categories among items kept for carrying at least one, see
          `phi_given_any`; null unless `where` is "unsafe"), `tetrachoric` (-1 .. 1), `yules_q`
          (-1 .. 1), `jaccard` (0 .. 1), `p_col_given_row` (0 .. 1), `lift` (0 ..), `odds_ratio`
          (0 ..), `odds_ratio_haldane` (0 .., 0.5 added to each cell), `mutual_information`
          (0 .. 1 bit) and `mutual_information_corrected` (about 0 .. 1 bit, its bias taken off);
        - `chi2_p_naive`: takes items for independent; `min_expected`, and `low_expected` where
          that is below 5;
        - `undefined`: why a value of this row is null;
        - `n_no_category`: unsafe items for which no category holds; `n_excluded`: items with
          unknown or contradictory labels; `population`, `where`, `rule`.

    Raises
    ------
    UsageError
        If an option is unknown, or the data have not what it needs.
    """
    histogram = label_histogram(ds, population=population, where=where, by=by, taxonomy=taxonomy)
    place = places(histogram)
    return histogram.tabulate(lambda group: coefficients(group, place, conditioned=where == "unsafe"))


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

    intervals = bootstrap(sums, coefficients, n_boot=n_boot, random_state=random_state)
    row, col = np.triu_indices(k)
    n_prompts_both = (sums[:, 2:][:, row != col] > 0).sum(axis=0)
    if conditioned:
        p_value = np.where(n_prompts_both < FEW_CLUSTERS, np.nan, _wald(intervals, first=len(n_prompts_both)))
    else:
        shuffled = permute_clusters(
            items.flags, clusters=items.prompts, n_permutations=n_permutations, random_state=random_state
        )
        p_value = shuffled.p_value[np.triu_indices(k, 1)]
    return _with_tests(
        table, intervals=intervals, p_value=p_value, n_prompts_both=n_prompts_both, conditioned=conditioned
    )


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


def _wald(intervals: Interval, *, first: int) -> Floats:
    """Two-sided normal p-value of each value from column `first` on: distance from 0 in standard errors."""
    normal = NormalDist()
    error = intervals.replicates[:, first:].std(axis=0, ddof=1)
    return np.array(
        [
            2 * normal.cdf(-abs(value) / se) if se > 0 else np.nan
            for value, se in zip(intervals.estimate[first:], error, strict=True)
        ]
    )


def _with_tests(
    table: pl.DataFrame, *, intervals: Interval, p_value: Floats, n_prompts_both: Integers, conditioned: bool
) -> pl.DataFrame:
    m = table.height
    columns = {
        "phi_low": intervals.low[:m],
        "phi_high": intervals.high[:m],
        "n_prompts_both": n_prompts_both,
        "few_prompts": n_prompts_both < FEW_CLUSTERS,
        "p_value": p_value,
        "p_holm": holm(p_value),
        "p_benjamini_hochberg": benjamini_hochberg(p_value),
    }
    reasons = pl.concat_str(
        pl.when(pl.col("phi").is_null()).then("reason"),
        pl.when(pl.col("phi").is_not_null() & pl.col("phi_low").is_null()).then(pl.lit(_NO_INTERVAL)),
        pl.when(pl.col("phi").is_not_null() & pl.col("p_value").is_null()).then(pl.lit(_NO_TEST)),
        separator="; ",
        ignore_nulls=True,
    )
    return (
        table.with_columns(pl.Series(name, values) for name, values in columns.items())
        .with_columns(cs.float().fill_nan(None), pl.lit("bootstrap" if conditioned else "permutation").alias("test"))
        .with_columns(pl.when(reasons != "").then(reasons).alias("undefined"))
        .drop("reason")
    )
