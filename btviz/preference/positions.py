"""Position bias: whether the labels favour the second of the two answers."""

from __future__ import annotations

import polars as pl

from btviz.preference.shares import Resampling, share_table, sums_of

LABELS = ("better", "safer", "is_safe")
"""Labels whose bias is reported; for `is_safe` among comparisons with exactly one safe answer."""


def bias_table(preferences: pl.DataFrame, resampling: Resampling) -> pl.DataFrame:
    """How often each label names response_1.

    Parameters
    ----------
    preferences : DataFrame
        The columns of `btviz.tables.PREFERENCES`; each label is counted where it is known.
    resampling : Resampling
        Replicates and seed.

    Returns
    -------
    DataFrame
        One row for each of `LABELS`: `label`, then the columns of
        `btviz.preference.shares.share_table`, where p is the share of response_1: 1/2 where the
        order of the answers carries no meaning.
    """
    one_safe = pl.col("is_safe_0") != pl.col("is_safe_1")
    second = {
        "better": pl.col("better").cast(pl.Boolean),
        "safer": pl.col("safer").cast(pl.Boolean),
        "is_safe": pl.when(one_safe).then(pl.col("is_safe_1")),
    }
    found = preferences.select("prompt_id", **second).filter(pl.any_horizontal(pl.col(LABELS).is_not_null()))
    table = share_table(
        sums_of(
            found.select(pl.col(LABELS).is_not_null()).to_numpy(),
            hit=found.select(pl.col(LABELS).fill_null(value=False)).to_numpy(),
            prompt=found["prompt_id"].to_numpy(),
        ),
        resampling,
    )
    nothing = pl.when(pl.col("n") == 0).then(pl.lit("no comparison has this label")).otherwise("undefined")
    return table.select(pl.Series("label", LABELS), pl.all().exclude("undefined"), nothing.alias("undefined"))
