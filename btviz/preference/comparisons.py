"""Comparisons that carry both labels, and the levels they are grouped by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.data.dataset import Dataset, expect_dataset
from btviz.stats.resampling import Level
from btviz.taxonomy import words
from btviz.taxonomy.categories import Taxonomy

STRATA = tuple(words.STRATA)
"""By the safety labels in the comparison's own row; in `mixed` they force the safer label."""

JOINED = " | "
"""Between the two answering models of a level of `source`."""


@dataclass(frozen=True, eq=False)
class Comparisons:
    """Comparisons with both labels, one row each."""

    frame: pl.DataFrame
    taxonomy: Taxonomy

    @cached_property
    def same(self) -> NDArray[np.bool_]:
        """Whether the better answer is the safer one, shape (n,)."""
        return self.frame["same"].to_numpy()

    @cached_property
    def prompt(self) -> NDArray[np.int64]:
        """Number of the prompt, shape (n,)."""
        return self.frame["prompt"].to_numpy()


def comparisons_of(ds: Dataset, *, within: str = "all") -> Comparisons:
    """Comparisons of a data set, or of one stratum in it, in which both labels are known."""
    expect_dataset(ds)
    numbered = ds.preferences.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    frame = with_strata(numbered.drop_nulls(["better", "safer"]))
    return Comparisons(frame if within == "all" else frame.filter(stratum=within), ds.taxonomy)


def lacking(ds: Dataset) -> str | None:
    """Say why P(better = safer) of a data set has no value.

    Parameters
    ----------
    ds : Dataset
        Any data set.

    Returns
    -------
    str or None
        What was asked for, what the comparisons tell, and what to do; None where it has a value.
    """
    preferences = ds.preferences
    if preferences.drop_nulls(["better", "safer"]).height:
        return None
    asked = f"P(better = safer) of {ds.name} was asked for"
    if preferences.is_empty():
        return (
            f"{asked}; these data hold no comparisons, so no comparison has both labels. Use comparisons, "
            "such as pku-saferlhf."
        )
    known = {name: preferences[name].count() for name in ("better", "safer", "overall")}
    way = (
        "If what was chosen means one of the two, say so when you load or add the file: --columns chosen=better, or "
        "chosen=safer. Compare with comparisons that have both, as implied_trade_off does."
        if known["overall"]
        else "Use comparisons that have both, such as pku-saferlhf."
    )
    return (
        f"{asked}; it needs comparisons that tell both, and no comparison has both labels: of {preferences.height:,} "
        f"comparisons {known['better']:,} tell the better answer, {known['safer']:,} the safer one, and "
        f"{known['overall']:,} only which was chosen (overall). {way}"
    )


def with_strata(preferences: pl.DataFrame) -> pl.DataFrame:
    """Add what is derived from the comparison's own row; see `Comparisons.frame`."""
    n_unsafe = 2 - pl.col("is_safe_0").cast(pl.Int8) - pl.col("is_safe_1").cast(pl.Int8)
    first, second = pl.min_horizontal("source_0", "source_1"), pl.max_horizontal("source_0", "source_1")
    known = {name: pl.col(f"{name}_0").is_not_null() & pl.col(f"{name}_1").is_not_null() for name in _SIDED}
    return preferences.with_columns(
        (pl.col("prompt_id").rank("dense") - 1).cast(pl.Int64).alias("prompt"),
        (pl.col("better") == pl.col("safer")).alias("same"),
        n_unsafe.replace_strict(dict(enumerate(STRATA)), default=None, return_dtype=pl.String).alias("stratum"),
        ((n_unsafe == 1) & (pl.col("safer") != pl.col("is_safe_1").cast(pl.UInt8))).alias("broken"),
        (pl.col("labels_0") | pl.col("labels_1")).alias("labels"),
        pl.when(known["severity"]).then(pl.max_horizontal("severity_0", "severity_1")).alias("severity"),
        pl.when(known["source"])
        .then(pl.when(first == second).then(first).otherwise(pl.concat_str(first, second, separator=JOINED)))
        .alias("source"),
    )


_SIDED = ("severity", "source")


def levels_of(comparisons: Comparisons) -> Iterator[Level]:
    """Every level that has a comparison, in the order of `btviz.taxonomy.words.GROUPINGS`.

    Levels of `category` overlap: a comparison belongs to each category that either answer has.
    """
    frame, taxonomy = comparisons.frame, comparisons.taxonomy
    yield Level("all", "all", np.ones(frame.height, bool))
    present = frame["stratum"].unique().to_list()
    yield from (_equal(frame, "stratum", value, name=value) for value in STRATA if value in present)
    for category in taxonomy.categories:
        member = frame.select(taxonomy.has(category.key).fill_null(value=False)).to_series().to_numpy()
        if member.any():
            yield Level("category", category.key, member)
    for severity in frame["severity"].unique().drop_nulls().sort().to_list():
        names = taxonomy.severities
        yield _equal(frame, "severity", severity, name=names[severity] if severity < len(names) else str(severity))
    for column in ("source", "prompt_source"):
        for value in frame[column].unique().drop_nulls().sort().to_list():
            yield _equal(frame, column, value, name=value)


def _equal(frame: pl.DataFrame, column: str, value: object, *, name: str) -> Level:
    return Level(column, name, frame[column].is_in([value]).fill_null(value=False).to_numpy())
