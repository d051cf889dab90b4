"""Every coefficient of every two categories, from one histogram of label sets."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset
from btviz.labels.histogram import Group, LabelHistogram, label_histogram
from btviz.stats.association import (
    TwoByTwo,
    chi_squared_p,
    jaccard,
    joint_counts,
    lift,
    min_expected,
    odds_ratio,
    phi,
    phi_given_any,
    phi_over_extreme,
    ratio,
)
from btviz.stats.binning import seriation
from btviz.stats.tetrachoric import tetrachoric
from btviz.taxonomy.categories import Taxonomy

_FEW = 5  # a smaller expected count makes the chi-square approximation doubtful


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
    expected = phi_given_any(margins, n=n, n_labelled=n - group.n_no_category)[row, col]
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
            "p_col_given_row": ratio(table.both, table.row),
            "jaccard": jaccard(table),
            "lift": lift(table),
            "phi": phi(table),
            "phi_over_extreme": phi_over_extreme(table),
            "odds_ratio": odds_ratio(table),
            "odds_ratio_haldane": odds_ratio(table, added=0.5),
            "tetrachoric": tetrachoric(table),
            "phi_expected": expected if conditioned else np.full(len(row), np.nan),
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
    population: str = "annotations",
    where: str = "all",
    by: str | None = None,
    taxonomy: Taxonomy | None = None,
) -> pl.DataFrame:
    """Association of every two harm categories.

    Parameters
    ----------
    ds : Dataset or LazyFrame of annotations
        A lazy frame is streamed; `label_histogram` names the columns it needs.
    population : {"annotations", "pairs", "prompts"}
        What is counted; `rule` says how an item comes by its labels.
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
        - `p_col_given_row` (0 .. 1), `jaccard` (0 .. 1), `lift` (0 ..), `phi` (-1 .. 1),
          `phi_over_extreme` (-1 .. 1, share of the attainable phi), `odds_ratio` (0 ..),
          `odds_ratio_haldane` (0.5 added to each cell), `tetrachoric` (-1 .. 1);
        - `phi_expected`: phi of independent categories among items kept for carrying at least
          one (see `phi_given_any`); null unless `where` is "unsafe";
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
