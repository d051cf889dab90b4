"""Association of every two harm categories: coefficients from one histogram of label sets, intervals and tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import NDArray

from btviz.data.dataset import Dataset, expect_dataset
from btviz.errors import UsageError, choice
from btviz.labels.detectable import detectable_phi, detectable_ratios, why_undetectable
from btviz.labels.population import Group, LabelHistogram, LabelledItems, label_histogram, labelled_items
from btviz.stats.association import (
    COEFFICIENTS,
    Floats,
    Integers,
    TwoByTwo,
    chi_squared_p,
    joint_counts,
    min_expected,
    odds_ratio_of_phi,
    phi,
    phi_given_any,
    ratio,
)
from btviz.stats.binning import seriation
from btviz.stats.clustered import FEW_RARER, FEWEST_EFFECTIVE, PHI_INTERVALS, ClusterInterval, effective_number
from btviz.stats.permutation import benjamini_hochberg, holm, permute_clusters
from btviz.stats.quantiles import two_sided_t_p
from btviz.stats.resampling import cluster_sums
from btviz.stats.stratified import common_odds_ratio
from btviz.taxonomy.categories import Taxonomy

_FEW = 5  # a smaller expected count makes the chi-square approximation doubtful

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
    intervals: bool = False,
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
    intervals : bool
        Add intervals by prompt, a second's work; for a data set as a whole only.

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
          unknown or contradictory labels; `population`, `where`, `rule`;
        - with `intervals`, as in `cooccurrence_tests`: `phi_low_joint`, `phi_high_joint`, `family`; and `holds_zero`,
          whether that interval holds 0, so that the pair may be independent (null without one); of all items what
          could have been shown, `smallest_detectable` and `smallest_detectable_negative`.

    Raises
    ------
    UsageError
        If an option is unknown, or the data have not what it needs.
    DataError
        If they are prompts without answers.
    """
    histogram = label_histogram(ds, population=population, where=where, by=by, taxonomy=taxonomy)
    place = places(histogram)
    table = histogram.tabulate(lambda group: coefficients(group, place, conditioned=where == "unsafe"))
    if not intervals:
        return table
    if not isinstance(ds, Dataset) or by is not None:
        what = "a lazy frame" if by is None else f"a table by {by}"
        raise UsageError(
            f"Intervals of associations were asked for with {what}; they need the prompts of a whole data set. Give a "
            "Dataset, without `by`."
        )
    return _with_intervals(table, ds, population=histogram.population, where=where)


NULLS = {
    "all": "whether an item has one category tells nothing of whether it has the other, whatever its prompt asks for",
    "unsafe": "among unsafe items with the same other categories, at least one, the two are independent",
}
"""What `cooccurrence_tests` tests, by subset."""


def cooccurrence_tests(
    ds: Dataset,
    *,
    population: str = "pairs",
    where: str = "all",
    interval: str = "confidence",
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
        Test all items, or the unsafe ones only: two questions with two answers. An unsafe item was kept for having
        a category, which makes categories look opposed (Berkson's bias); so unsafe items are compared within sets of
        their other categories. One that has no other tells nothing: among those "neither of the two" cannot occur.
    interval : {"confidence", "jeffreys"}
        Of phi: `btviz.stats.clustered.phi_interval`, or `jeffreys_phi`, a Bayesian one for rare cells.
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
          `cooccurrence`; `phi_expected` holds if all categories are independent of each other;
        - `phi_expected_pair`: phi among unsafe items if these two are independent over all items, by the observed
          share of unsafe items: that at ``n_row n_col / (all items)`` joint items; null for all items;
        - `phi_low`, `phi_high`: 95 % interval by prompt (`btviz.stats.clustered.phi_interval`), and
          `odds_ratio_low`, `odds_ratio_high`: the odds ratios of these ends at the observed margins (null where
          infinite); `phi_low_joint`, `phi_high_joint`: the same for all pairs at once, each at
          ``1 - 0.05 / family`` (Bonferroni); `family`: intervals among which 95 % hold together;
        - `smallest_detectable`, `smallest_detectable_negative`: the phi above and below 0, and nearest to it, that a
          test of independence over these prompts finds in 80 % of samples, at a level of 5 %, two-sided
          (`btviz.stats.power.smallest_phi`, `smallest_negative_phi`); null for unsafe items, whose test is of an odds
          ratio. `odds_ratio_detectable_above`, `odds_ratio_detectable_below`: the same as odds ratios; for unsafe items
          those given the other categories (`btviz.stats.stratified.detectable_odds_ratios`);
          `detectable_undefined`: why one of them is null;
        - `n_prompts_both`, the prompts with an item of both, and `few_prompts` where one of the four cells occurs
          in fewer than 8 effective prompts, so that the interval is a wide one;
        - `p_value`, and `test`, which says whence: "permutation" shuffles the prompts' patterns
          of one category among prompts with as many items; "conditional" is that of Cochran, Mantel and Haenszel
          within sets of other categories, its variance taken over prompts. `null`: what is tested, in words;
        - `n_informative`, `n_both_informative`, `n_both_expected`: items that tell something of the pair, those of
          them with both, and how many these would be under the null; `odds_ratio_conditional`: common odds ratio of
          Mantel and Haenszel; all null for all items but the first and the third. A pair of unsafe items is tested
          if 5 or more are expected, whatever is observed;
        - `p_holm`, `p_benjamini_hochberg`: adjusted for all rows that have a p-value;
        - `undefined`: why a value of this row is null.

    Raises
    ------
    UsageError
        If an option is unknown, or the data have not what it needs.
    DataError
        If they are prompts without answers.
    """
    of_phi = PHI_INTERVALS[choice(interval, PHI_INTERVALS, what="interval")]
    expect_dataset(ds)
    table = _distinct(cooccurrence(ds, population=population, where=where), ds.taxonomy)
    items = labelled_items(ds, population=population, where=where, random_state=random_state)
    row, col = np.triu_indices(len(ds.taxonomy), 1)
    tests: dict[str, Floats | Integers]
    if where == "unsafe":
        tests = _conditional(items, row, col=col) | {"phi_expected_pair": _apart(ds, table, population=population)}
        tests |= detectable_ratios(items, row, col=col, tested=np.isfinite(tests["p_value"]))
    else:
        shuffled = permute_clusters(
            items.flags, clusters=items.prompts, n_permutations=n_permutations, random_state=random_state
        )
        tests = {
            "p_value": shuffled.p_value[row, col],
            "n_informative": table["n"].to_numpy(),
            "n_both_expected": (table["n_row"] * table["n_col"] / table["n"]).to_numpy(),
            **detectable_phi(items, row, col=col),
        }
    return _with_tests(table, _intervals(items, row, col=col, of_phi=of_phi), tests=tests, where=where)


def _with_intervals(table: pl.DataFrame, ds: Dataset, *, population: str, where: str) -> pl.DataFrame:
    """Add to both orders of each pair the ends of its interval for all pairs at once."""
    keys = ds.taxonomy.keys
    row, col = np.triu_indices(len(keys), 1)
    items = labelled_items(ds, population=population, where=where, random_state=0)
    found = _intervals(items, row, col=col, of_phi=PHI_INTERVALS["confidence"])
    columns = {name: found[name] for name in ("phi_low_joint", "phi_high_joint", "family")}
    if where == "all":
        could = detectable_phi(items, row, col=col)
        columns |= {name: could[name] for name in ("smallest_detectable", "smallest_detectable_negative")}
    ends = {name: np.r_[values, values] for name, values in columns.items()}
    both = pl.DataFrame(
        {"row": [keys[bit] for bit in (*row, *col)], "col": [keys[bit] for bit in (*col, *row)], **ends}
    ).with_columns(cs.float().fill_nan(None), pl.col("family").cast(pl.Int64))
    holds = (pl.col("phi_low_joint") <= 0) & (pl.col("phi_high_joint") >= 0)
    return table.join(
        both.with_columns(holds.alias("holds_zero")), on=["row", "col"], how="left", maintain_order="left"
    )


def _distinct(table: pl.DataFrame, taxonomy: Taxonomy) -> pl.DataFrame:
    place = {key: bit for bit, key in enumerate(taxonomy.keys)}
    row, col = (pl.col(name).replace_strict(place, return_dtype=pl.Int64) for name in ("row", "col"))
    return table.filter(row < col).sort(row, col).select(*_FROM_COOCCURRENCE, pl.col("undefined").alias("reason"))


def _intervals(
    items: LabelledItems, row: Integers, *, col: Integers, of_phi: Callable[..., ClusterInterval]
) -> dict[str, Any]:
    """Intervals of phi by pair, one by one and all at once."""
    flags = np.column_stack([np.ones(len(items.flags), np.bool_), items.flags])
    sums = cluster_sums(flags.astype(np.float64), clusters=items.prompts)
    both = cluster_sums((items.flags[:, row] & items.flags[:, col]).astype(np.float64), clusters=items.prompts)
    n, of_row, of_col = sums[:, :1], sums[:, 1 + row], sums[:, 1 + col]
    one = of_phi(of_row, of_col, both=both, n=n)
    family = int(np.isfinite(one.low).sum())
    joint = of_phi(of_row, of_col, both=both, n=n, confidence=1 - 0.05 / max(family, 1))
    totals = TwoByTwo(*(np.rint(of.sum(axis=0)).astype(np.int64) for of in (n, of_row, of_col, both)))
    return {
        "phi_low": one.low,
        "phi_high": one.high,
        "odds_ratio_low": odds_ratio_of_phi(one.low, totals),
        "odds_ratio_high": odds_ratio_of_phi(one.high, totals),
        "phi_low_joint": joint.low,
        "phi_high_joint": joint.high,
        "family": np.where(np.isfinite(one.low), family, 0),
        "n_prompts_both": (both > 0).sum(axis=0),
        "few_prompts": one.rarer < FEW_RARER,
        "effective_prompts": one.effective,
    }


def _conditional(items: LabelledItems, row: Integers, *, col: Integers) -> dict[str, Any]:
    """Cochran-Mantel-Haenszel test of each pair within sets of other categories, prompts as the unit of chance.

    The departure of the joint count is a sum over items of ``(x - mean)(y - mean)``, means taken within the set; its
    variance is the sum of squares over prompts, each item's part scaled by ``sqrt(n / (n - 1))`` as in the
    hypergeometric variance, and its freedom is that by which these squares vary.
    """
    masks, place, weights = np.unique(items.flags, axis=0, return_inverse=True, return_counts=True)
    prompts = np.unique(items.prompts, return_inverse=True)[1]
    found = [
        _given_others(masks, weights, pair=(int(i), int(j)), place=place.ravel(), prompts=prompts)
        for i, j in zip(row, col, strict=True)
    ]
    names = ("p_value", "n_informative", "n_both_informative", "n_both_expected", "odds_ratio_conditional")
    return dict(zip(names, np.array(found, np.float64).reshape(-1, len(names)).T, strict=True))


def _given_others(
    masks: NDArray[np.bool_], weights: Integers, *, pair: tuple[int, int], place: Integers, prompts: Integers
) -> tuple[float, ...]:
    others = masks.copy()
    others[:, list(pair)] = False
    tells = others.any(axis=1)
    stratum = np.unique(others, axis=0, return_inverse=True)[1].ravel()
    x, y = (masks[:, label].astype(np.float64) for label in pair)

    def within(values: Floats) -> Floats:
        return np.bincount(stratum, weights * values * tells).astype(np.float64)

    n = within(np.ones(len(masks)))
    strata = TwoByTwo(*(np.rint(within(v)).astype(np.int64) for v in (np.ones(len(masks)), x, y, x * y)))
    means = [ratio(within(label), n)[stratum] for label in (x, y)]
    part = np.where(tells, (x - means[0]) * (y - means[1]) * np.sqrt(ratio(n, n - 1))[stratum], 0.0)
    by_prompt = np.bincount(prompts, np.nan_to_num(part)[place])
    squares = by_prompt[by_prompt != 0] ** 2
    expected = float(np.nansum(ratio(within(x) * within(y), n)))
    observed = float(within(x * y).sum())
    freedom = effective_number(squares) - 1
    test = two_sided_t_p(ratio(observed - expected, np.sqrt(squares.sum())), df=freedom)
    p_value = float(test) if expected >= _FEW else np.nan
    return p_value, float(n.sum()), observed, expected, float(common_odds_ratio(strata))


def _apart(ds: Dataset, table: pl.DataFrame, *, population: str) -> Floats:
    """Phi among unsafe items of two categories that are independent over all items."""
    everything = cooccurrence(ds, population=population)["n"][0]
    n, row, col = (table[name].to_numpy().astype(np.float64) for name in ("n", "n_row", "n_col"))
    joint = ratio(row * col, everything)
    return ratio(n * joint - row * col, np.sqrt(row * (n - row)) * np.sqrt(col * (n - col)))


def _with_tests(
    table: pl.DataFrame, intervals: dict[str, Any], *, tests: Mapping[str, Any], where: str
) -> pl.DataFrame:
    effective = pl.Series(intervals.pop("effective_prompts"))
    adjusted = {"p_holm": holm(tests["p_value"]), "p_benjamini_hochberg": benjamini_hochberg(tests["p_value"])}
    missing = dict.fromkeys(
        (
            *("phi_expected_pair", "n_both_informative", "odds_ratio_conditional"),
            *("smallest_detectable", "smallest_detectable_negative"),
        ),
        [None] * table.height,
    )
    columns = {**intervals, **missing, **tests, **adjusted}
    counts = ("n_informative", "n_both_informative", "n_prompts_both", "family")
    known = table.with_columns(pl.Series(name, values, strict=False) for name, values in columns.items()).with_columns(
        pl.col(counts).cast(pl.Int64),
        pl.col("odds_ratio_conditional", "phi_expected_pair").cast(pl.Float64),
        pl.col("smallest_detectable", "smallest_detectable_negative").cast(pl.Float64),
    )
    varies = pl.col("phi").is_not_null()
    reasons = pl.concat_str(
        pl.when(~varies).then("reason"),
        pl.when(varies & pl.col("phi_low").is_null()).then(pl.lit(_too_few(effective))),
        pl.when(varies & pl.col("p_value").is_null()).then(_no_test()),
        separator="; ",
        ignore_nulls=True,
    )
    test = "conditional" if where == "unsafe" else "permutation"
    return (
        known.with_columns(cs.float().fill_nan(None), pl.lit(test).alias("test"), pl.lit(NULLS[where]).alias("null"))
        .with_columns(
            pl.when(reasons != "").then(reasons).alias("undefined"),
            why_undetectable(where).alias("detectable_undefined"),
        )
        .drop("reason")
    )


def _too_few(effective: pl.Series) -> str:
    worth = effective.cast(pl.Float64).sum() / max(effective.len(), 1)
    return f"the effective number of prompts is {int(worth)}, and an interval needs {FEWEST_EFFECTIVE}"


def _no_test() -> pl.Expr:
    return pl.format(
        "{} items with both are expected among those with another category, and the test needs " + str(_FEW),
        (pl.col("n_both_expected") * 10).floor() / 10,  # rounded up, 4.97 would be as many as are needed
    )
