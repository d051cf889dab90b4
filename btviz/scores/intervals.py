"""Rows of the table of metrics: an estimate for each level with its interval by prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from btviz.preference.shares import reasons_of
from btviz.stats.association import Floats
from btviz.stats.clustered import ClusterInterval, share_interval
from btviz.stats.resampling import Level, cluster_sums, members

METRICS = pl.Schema(
    {
        "model": pl.String(),
        "kind": pl.String(),
        "target": pl.String(),
        "metric": pl.String(),
        "unit": pl.String(),
        "grouping": pl.String(),
        "level": pl.String(),
        "threshold": pl.Float64(),
        "n": pl.Int64(),
        "support": pl.Int64(),
        "prompts": pl.Int64(),
        "estimate": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "p_value": pl.Float64(),
        "undefined": pl.String(),
        "threshold_origin": pl.String(),
        "against": pl.String(),
        "low_joint": pl.Float64(),
        "high_joint": pl.Float64(),
        "family": pl.Int64(),
        "n_contradictory": pl.Int64(),
    }
)
"""Columns of the table of metrics."""

Bools = NDArray[np.bool_]
NOTHING = "no item counts here"


def ratio_rows(hits: ArrayLike, *, of: ArrayLike, levels: Sequence[Level], prompt: ArrayLike) -> pl.DataFrame:
    """Ratios of two sums over items, one for each level; an item's hits are at most what they are of.

    Columns: `grouping`, `level`, `n`, `prompts`, `estimate`, `low`, `high` (`share_interval`), `undefined`, and
    `low_joint`, `high_joint`, `family`: ends that hold for all `family` levels of the grouping at once (Bonferroni).
    """
    member = members(levels)
    whole, part = (_by_level(values) * member for values in (of, hits))
    sums = cluster_sums(np.hstack([whole, part]), clusters=prompt)
    whole_sums, part_sums = np.hsplit(sums, 2)
    interval = share_interval(part_sums, whole_sums)
    groupings = np.array([level.grouping for level in levels], dtype=object)
    low, high, family = np.full(len(levels), np.nan), np.full(len(levels), np.nan), np.zeros(len(levels), np.int64)
    for grouping in dict.fromkeys(groupings):
        inside = groupings == grouping
        family[inside] = max(int(np.isfinite(interval.low[inside]).sum()), 1)
        joint = share_interval(
            part_sums[:, inside], whole_sums[:, inside], confidence=1 - 0.05 / int(family[inside][0])
        )
        low[inside], high[inside] = joint.low, joint.high
    rows = {
        "grouping": [level.grouping for level in levels],
        "level": [level.name for level in levels],
        "n": np.count_nonzero(whole, axis=0),
        "prompts": np.count_nonzero(whole_sums, axis=0),
        "estimate": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "undefined": pl.Series(reasons_of(interval, nothing=NOTHING), dtype=pl.String),
        "low_joint": low,
        "high_joint": high,
        "family": family,
    }
    return pl.DataFrame(rows).with_columns(
        pl.col(pl.Float64).fill_nan(None), pl.col("n", "prompts", "family").cast(pl.Int64)
    )


def with_contradictory(rows: pl.DataFrame, left_out: pl.DataFrame, *, levels: Sequence[Level]) -> pl.DataFrame:
    """Add `n_contradictory`: what is left out at each level because its rows contradict each other.

    `left_out` are these items, `levels` theirs; all of them are left out at every threshold.
    """
    counts = pl.DataFrame(
        [(level.grouping, level.name, int(level.member.sum())) for level in levels],
        schema={"grouping": pl.String(), "level": pl.String(), "n_contradictory": METRICS["n_contradictory"]},
        orient="row",
    )
    of_level = pl.when(pl.col("grouping") == "threshold").then(left_out.height).otherwise("n_contradictory")
    joined = rows.join(counts, on=["grouping", "level"], how="left", maintain_order="left")
    return joined.with_columns(of_level.fill_null(0).cast(pl.Int64).alias("n_contradictory"))


def without_values(rows: pl.DataFrame, *, reason: str) -> pl.DataFrame:
    """Rows whose estimate has no meaning for these scores: they keep their counts, and say why."""
    values = [
        name for name in ("estimate", "low", "high", "low_joint", "high_joint", "p_value") if name in rows.columns
    ]
    return rows.with_columns(*(pl.lit(None, pl.Float64).alias(name) for name in values), undefined=pl.lit(reason))


def _by_level(values: ArrayLike) -> Floats:
    array = np.asarray(values, np.float64)
    return array[:, None] if array.ndim == 1 else array


def interval_columns(interval: ClusterInterval, *, nothing: str) -> dict[str, pl.Series]:
    """Columns of values with their intervals, null where there is none, and why."""
    numbers = {"estimate": interval.estimate, "low": interval.low, "high": interval.high}
    columns = {name: pl.Series(name, values, pl.Float64).fill_nan(None) for name, values in numbers.items()}
    return columns | {"undefined": pl.Series("undefined", reasons_of(interval, nothing=nothing), dtype=pl.String)}


def stamped(rows: pl.DataFrame, names: Mapping[str, str | None]) -> pl.DataFrame:
    """Put columns that are the same in all rows, such as the name of a model, before the others.

    Parameters
    ----------
    rows : DataFrame
        Any table.
    names : Mapping
        Column to its value.

    Returns
    -------
    DataFrame
    """
    return rows.select(*(pl.lit(value, pl.String).alias(column) for column, value in names.items()), pl.all())
