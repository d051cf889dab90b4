"""Rows of the table of metrics: an estimate for each level with its interval by prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from btviz.preference.shares import FEWEST_PROMPTS, reasons_of
from btviz.stats.association import Floats, ratio
from btviz.stats.clustered import share_interval
from btviz.stats.resampling import Interval, Level, Resampling, Weighted, bootstrap, cluster_sums, members, reweighted

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
    }
)
"""Columns of the table of metrics."""

Bools = NDArray[np.bool_]
FEW = f"fewer than {FEWEST_PROMPTS} prompts, too few for an interval"
NOTHING = "no item counts here"
ALIKE = "all items are alike, so resampling them gives no interval"


def ratio_rows(
    hits: ArrayLike, *, of: ArrayLike, levels: Sequence[Level], prompt: ArrayLike, resampling: Resampling
) -> pl.DataFrame:
    """Ratios of two sums over items, one for each level; an item's hits are at most what they are of.

    Prompts are resampled; where few of them vary no resample shows it, and the interval is `share_interval`'s.
    """
    member = members(levels)
    whole, part = (_by_level(values) * member for values in (of, hits))
    sums = cluster_sums(np.hstack([whole, part]), clusters=prompt)
    k = len(levels)
    interval = share_interval(sums[:, k:], sums[:, :k])
    low, high = interval.low, interval.high
    if len(sums):
        drawn = bootstrap(
            sums,
            lambda totals: ratio(totals[:, k:], totals[:, :k]),
            n_boot=resampling.n_boot,
            random_state=resampling.random_state,
        )
        known = np.isfinite(low) & np.isfinite(drawn.low) & ~interval.is_bounded
        low, high = np.where(known, drawn.low, low), np.where(known, drawn.high, high)
    rows = {
        "grouping": [level.grouping for level in levels],
        "level": [level.name for level in levels],
        "n": np.count_nonzero(whole, axis=0),
        "prompts": np.count_nonzero(sums[:, :k], axis=0),
        "estimate": interval.estimate,
        "low": low,
        "high": high,
        "undefined": pl.Series(reasons_of(interval, nothing=NOTHING), dtype=pl.String),
    }
    return pl.DataFrame(rows).with_columns(pl.col(pl.Float64).fill_nan(None), pl.col("n", "prompts").cast(pl.Int64))


def _by_level(values: ArrayLike) -> Floats:
    array = np.asarray(values, np.float64)
    return array[:, None] if array.ndim == 1 else array


def reweighted_row(
    statistic: Callable[[NDArray[np.int64], int], Weighted],
    *,
    level: Level,
    prompt: NDArray[np.generic],
    resampling: Resampling,
    missing: str,
) -> pl.DataFrame:
    """Values of one level of a statistic that needs every item."""
    kinds, number = np.unique(prompt[level.member], return_inverse=True)
    prompts = len(kinds)
    few = prompts < FEWEST_PROMPTS
    intervals = reweighted(
        statistic(number, prompts),
        n_clusters=prompts,
        width=len(number),
        n_boot=1 if few else resampling.n_boot,
        random_state=resampling.random_state,
    )
    rows = [
        {
            "grouping": level.grouping,
            "level": level.name,
            "n": len(number),
            "prompts": prompts,
            "estimate": value if np.isfinite(value) else None,
            "low": low if np.isfinite(low) and not few else None,
            "high": high if np.isfinite(high) and not few else None,
            "undefined": _reason(value, low, few=few, missing=missing),
        }
        for value, low, high in zip(intervals.estimate, intervals.low, intervals.high, strict=True)
    ]
    return pl.DataFrame(rows, schema={name: METRICS[name] for name in rows[0]})


def _reason(value: float, low: float, *, few: bool, missing: str) -> str | None:
    if not np.isfinite(value):
        return missing
    if few:
        return FEW
    return None if np.isfinite(low) else "too many resamples lack a class for an interval"


def interval_columns(interval: Interval, *, hidden: ArrayLike, undefined: Sequence[str | None]) -> dict[str, pl.Series]:
    """Columns of values with their intervals, null where there is none."""
    ends = (np.where(hidden, np.nan, end) for end in (interval.low, interval.high))
    numbers = zip(("estimate", "low", "high"), (interval.estimate, *ends), strict=True)
    columns = {name: pl.Series(name, values).fill_nan(None) for name, values in numbers}
    return columns | {"undefined": pl.Series("undefined", undefined, dtype=pl.String)}


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
