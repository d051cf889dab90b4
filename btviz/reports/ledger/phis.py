"""Phi of every two categories in every population: which of them holds a printed coefficient."""

from __future__ import annotations

from itertools import product

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset
from btviz.data.releases import RELEASES, published
from btviz.labels.population import POPULATIONS, items_of
from btviz.preference.shares import reasons_of
from btviz.reports.ledger.quantities import couples_of, phis_of
from btviz.stats.association import phi_given_any
from btviz.stats.resampling import check_draws

PHIS = pl.Schema(
    {
        "population": pl.String(),
        "where": pl.String(),
        "row": pl.String(),
        "col": pl.String(),
        "n": pl.Int64(),
        "prompts": pl.Int64(),
        "n_both": pl.Int64(),
        "phi": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "phi_expected": pl.Float64(),
        "published": pl.Float64(),
        "tolerance": pl.Float64(),
        "holds_published": pl.Boolean(),
        "undefined": pl.String(),
    }
)


_CONSTANT = "a category occurs in no item, or in all"


def phi_by_population(ds: Dataset, *, n_boot: int = 2000, random_state: int = 0) -> pl.DataFrame:
    """Phi of every two categories over annotations, pairs and prompts, all and unsafe.

    Parameters
    ----------
    ds : Dataset
        A data set with annotations; for others the table is empty.
    n_boot, random_state : int
        Checked; intervals are in closed form.

    Returns
    -------
    DataFrame
        One row per population, subset and unordered pair of categories: `population`, `where`,
        `row`, `col`, `n`, `prompts`, `n_both` (items with both), `phi` (-1 .. 1), `low`, `high`
        (95 %, by prompt), `phi_expected` (of independent categories among items kept
        for having one; null unless `where` is "unsafe"), `published` (the printed coefficient
        of this pair in any release with these categories; null if there is none), `tolerance`,
        `holds_published` (whether the interval meets what is printed), `undefined` (why a value
        is null, or what to mind).
    """
    check_draws(n_boot, random_state)  # refuses what makes no sense
    if ds.annotations.is_empty() or not ds.annotations["labels"].count():
        return PHIS.to_frame()
    tables = [
        _phis(ds, population=population, where=where) for population, where in product(POPULATIONS, ("all", "unsafe"))
    ]
    printed = _printed(ds)
    meets = (pl.col("low") <= pl.col("published") + pl.col("tolerance")) & (
        pl.col("high") >= pl.col("published") - pl.col("tolerance")
    )
    held = pl.concat(tables).join(printed, on=["row", "col"], how="left", maintain_order="left")
    return held.with_columns(meets.alias("holds_published")).select(list(PHIS)).cast(PHIS)


def _printed(ds: Dataset) -> pl.DataFrame:
    """Coefficients printed about any release with these categories: few say over which rows."""
    about = [name for name, release in RELEASES.items() if release.taxonomy == ds.taxonomy.name and ds.release]
    return (
        pl.concat([published.NUMBERS.to_frame(), *(published.find(name, "phi") for name in about)])
        .rename({"category": "row", "other": "col", "value": "published"})
        .select("row", "col", "published", "tolerance")
    )


def _phis(ds: Dataset, *, population: str, where: str) -> pl.DataFrame:
    items = items_of(ds, population=population, where=where, by=None, taxonomy=ds.taxonomy).frame
    rows = items.select("prompt_id", "labels", "is_safe").drop_nulls().collect()
    rows = rows.filter(~pl.col("is_safe")) if where == "unsafe" else rows
    couples = np.array(couples_of(ds.taxonomy))
    sample = phis_of(rows, taxonomy=ds.taxonomy)
    intervals = sample.intervals()
    both, margins, _ = np.split(sample.values.sum(axis=0).astype(np.int64), [len(couples), -1])
    labelled = int((rows["labels"] > 0).sum())
    expected = phi_given_any(margins, n=rows.height, n_labelled=labelled)[couples[:, 0], couples[:, 1]]
    keys = np.array(ds.taxonomy.keys)
    return pl.DataFrame(
        {
            "row": keys[couples[:, 0]],
            "col": keys[couples[:, 1]],
            "n_both": both,
            "phi": intervals.estimate,
            "low": intervals.low,
            "high": intervals.high,
            "phi_expected": expected if where == "unsafe" else np.full(len(couples), np.nan),
            "undefined": pl.Series(reasons_of(intervals, nothing=_CONSTANT), dtype=pl.String),
        }
    ).with_columns(
        pl.col(pl.Float64).fill_nan(None),
        pl.lit(population).alias("population"),
        pl.lit(where).alias("where"),
        pl.lit(rows.height).alias("n"),
        pl.lit(len(sample.sums)).alias("prompts"),
    )
