"""What a data set is made of: safe and unsafe rows, severity, categories a row, and who answered."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset
from btviz.data.releases import RELEASES, published
from btviz.labels.population import answers, expect_labelled
from btviz.stats.clustered import share_interval
from btviz.stats.resampling import cluster_sums

COMPOSITION = pl.Schema(
    {
        "group": pl.String(),
        "level": pl.String(),
        "unit": pl.String(),
        "n": pl.Int64(),
        "count": pl.Int64(),
        "share": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "prompts": pl.Int64(),
        "published_share": pl.Float64(),
        "published_of": pl.String(),
    }
)
"""Columns of `composition`."""

MANY = 4
"""So many categories of one row, and more, are one level."""

_OF_TAXONOMY = {"beavertails": "beavertails-30k", "pku-saferlhf": "pku-saferlhf"}
"""Release whose published shares stand beside data that are of no known release."""


def composition(ds: Dataset) -> pl.DataFrame:
    """Count what rows are made of, beside the shares that were published.

    Parameters
    ----------
    ds : Dataset
        Its rows are its annotations or, where it has none, both answers of each comparison.

    Returns
    -------
    DataFrame
        A row for each level of each `group` that the data know: "safety" ("safe", "unsafe"), "severity" ("0", "1",
        ...), "categories" of an unsafe row ("0" to "4 or more") and "source" (who answered). `unit` ("annotations" or
        "answers of comparisons"), `n` (rows of known value; those of "categories" are unsafe), `count`, `share`
        (0 .. 1), `low`, `high` (95 % by prompt, `btviz.stats.clustered.share_interval`; null where too few prompts
        decide), `prompts`, `published_share` and `published_of`, null where none was published.

    Raises
    ------
    DataError
        If no row is labelled.
    """
    expect_labelled(ds, what="Shares of what the data are made of")
    has_rows = ds.annotations.height > 0
    rows = ds.annotations if has_rows else answers(ds.preferences)
    unit = "annotations" if has_rows else "answers of comparisons"
    known = rows.join(ds.pairs.select("pair_id", "source"), on="pair_id", how="left", maintain_order="left")
    number = pl.col("labels").bitwise_count_ones()
    unsafe = pl.col("is_safe").not_()
    levels = {
        "safety": pl.when("is_safe").then(pl.lit("safe")).when(unsafe).then(pl.lit("unsafe")),
        "severity": pl.col("severity").cast(pl.String),
        "categories": pl.when(unsafe & (number >= MANY))
        .then(pl.lit(f"{MANY} or more"))
        .when(unsafe)
        .then(number.cast(pl.String)),
        "source": pl.col("source").cast(pl.String),
    }
    printed = _published(ds)
    tables = [
        _shares(known.select("prompt_id", level.alias("level")).drop_nulls("level"), group, printed)
        for group, level in levels.items()
    ]
    said = RELEASES[_beside(ds)].title if printed else None
    where_printed = pl.when(pl.col("published_share").is_not_null()).then(pl.lit(said, pl.String))
    return pl.concat(tables).with_columns(
        pl.lit(unit).alias("unit"), where_printed.alias("published_of"), pl.col(pl.Float64).fill_nan(None)
    )


def _shares(rows: pl.DataFrame, group: str, printed: Mapping[tuple[str, str], float]) -> pl.DataFrame:
    levels = rows["level"].unique().sort().to_list()
    flags = rows.select((pl.col("level") == level).alias(str(place)) for place, level in enumerate(levels)).to_numpy()
    sums = cluster_sums(np.column_stack([np.ones(len(flags)), flags]), clusters=rows["prompt_id"].to_numpy())
    found = share_interval(sums[:, 1:], sums[:, :1])
    table = {
        "group": [group] * len(levels),
        "level": levels,
        "unit": [None] * len(levels),
        "n": [rows.height] * len(levels),
        "count": flags.sum(axis=0).astype(np.int64),
        "share": found.estimate,
        "low": found.low,
        "high": found.high,
        "prompts": [len(sums)] * len(levels),
        "published_share": [printed.get((group, level)) for level in levels],
        "published_of": [None] * len(levels),
    }
    return pl.DataFrame(table, schema=COMPOSITION)


def _beside(ds: Dataset) -> str:
    """Release whose published shares stand beside these data."""
    return ds.release if ds.release in RELEASES else _OF_TAXONOMY.get(ds.taxonomy.name, "")


def _published(ds: Dataset) -> dict[tuple[str, str], float]:
    """Published shares by group and level; none where nothing was published."""
    name = _beside(ds)
    shares: dict[tuple[str, str], float] = {}
    for level, quantity in (("safe", "share_safe"), ("unsafe", "share_unsafe")):
        found = published.find(name, quantity)["value"]
        if len(found):
            shares["safety", level] = float(found[0]) / 100
    counted = published.find(name, "severity_count")
    total = float(counted["value"].sum())
    by_level = {str(level): float(value) / total for level, value in counted.select("level", "value").rows()}
    shares |= {("severity", level): share for level, share in by_level.items()}
    if "0" in by_level:  # level 0 is what is safe
        shares |= {("safety", "safe"): by_level["0"], ("safety", "unsafe"): 1 - by_level["0"]}
    return shares
