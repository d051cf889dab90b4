"""What the annotations of each pair say together: votes by category, and the majority.

A category holds if at least half of the annotations flag it (a tie counts); `is_safe` is a majority of its own (a tie
is unsafe); severity is the highest level that at least half of the annotations reach. Each counts among the
annotations that speak of it, and is null where none does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.data.tables import ID, VOTES
from btviz.taxonomy.categories import Taxonomy

Counts = NDArray[np.uint32]


def majority(taxonomy: Taxonomy) -> list[pl.Expr]:
    """Aggregations that turn the annotations of one pair into its labels, for frames that are streamed or grouped."""
    flags = [taxonomy.has(key).sum() * 2 >= pl.col("labels").count() for key in taxonomy.keys]
    unsafe = (~pl.col("is_safe")).sum()
    return [
        pl.len().cast(pl.UInt32).alias("n_annotations"),
        unsafe.cast(pl.UInt32).alias("n_unsafe"),
        pl.when(pl.col("is_safe").count() > 0).then(unsafe * 2 < pl.col("is_safe").count()).alias("is_safe"),
        pl.when(pl.col("labels").count() > 0)
        .then(pl.sum_horizontal(flag.cast(pl.UInt32) * (1 << bit) for bit, flag in enumerate(flags)))
        .cast(pl.UInt32)
        .alias("labels"),
        _severity().alias("severity"),
    ]


def _severity() -> pl.Expr:
    levels = pl.col("severity").drop_nulls().sort()
    return levels.get(levels.len() // 2, null_on_oob=True)


@dataclass(frozen=True, eq=False)
class Tally:
    """Votes on each pair of annotations in memory, counted in one pass: the same majority, in an eighth of the time.

    Attributes
    ----------
    pair_id : Series
        Pairs, ascending; every other attribute has an entry for each.
    n_annotations, n_labelled, n_judged, n_unsafe : ndarray
        Annotations, and those of them that name categories, that judge safety, and that call the pair unsafe.
    flagged : ndarray
        Votes by category, in the order of the taxonomy, shape (k, n).
    severity : Series
        Null where no annotation states one.
    taxonomy : Taxonomy
    """

    pair_id: pl.Series
    n_annotations: Counts
    n_labelled: Counts
    n_judged: Counts
    n_unsafe: Counts
    flagged: Counts
    severity: pl.Series
    taxonomy: Taxonomy

    @classmethod
    def of(cls, annotations: pl.DataFrame, taxonomy: Taxonomy) -> Tally:
        """Count annotations, in any order."""
        rows = annotations if annotations["pair_id"].is_sorted() else annotations.sort("pair_id")
        pairs = rows["pair_id"].to_numpy()
        starts = np.flatnonzero(np.r_[True, pairs[1:] != pairs[:-1]][: len(pairs)])

        def counted(flags: NDArray[Any]) -> Counts:
            none: Counts = np.zeros(0, np.uint32)
            return np.add.reduceat(flags, starts, dtype=np.uint32) if len(starts) else none

        masks = rows["labels"].fill_null(0).to_numpy()
        bits = range(len(taxonomy))
        return cls(
            pl.Series("pair_id", pairs[starts], ID),
            np.diff(starts, append=len(pairs)).astype(np.uint32),
            counted(rows["labels"].is_not_null().to_numpy()),
            counted(rows["is_safe"].is_not_null().to_numpy()),
            counted((~rows["is_safe"]).fill_null(value=False).to_numpy()),
            np.stack([counted((masks >> bit) & 1) for bit in bits]),
            _severities(rows, n_pairs=len(starts)),
            taxonomy,
        )

    def majority(self) -> pl.DataFrame:
        """Labels of each pair: `pair_id`, `n_annotations`, `n_unsafe`, `is_safe`, `labels`, `severity`."""
        holds = self.flagged * 2 >= self.n_labelled
        values = np.uint32(1) << np.arange(len(holds), dtype=np.uint32)
        labels = (holds * values[:, None]).sum(axis=0, dtype=np.uint32)
        return pl.DataFrame(
            {
                "pair_id": self.pair_id,
                "n_annotations": self.n_annotations,
                "n_unsafe": self.n_unsafe,
                "is_safe": pl.Series(self.n_unsafe * 2 < self.n_judged).set(pl.Series(self.n_judged == 0), None),
                "labels": pl.Series(labels).set(pl.Series(self.n_labelled == 0), None),
                "severity": self.severity,
            }
        )

    def votes(self) -> pl.DataFrame:
        """Votes per pair and category: one row per category flagged at least once."""
        pair, bit = np.nonzero(self.flagged.T)
        keys = pl.Series("category", self.taxonomy.keys, pl.String)
        return pl.DataFrame(
            {
                "pair_id": self.pair_id.gather(pair),
                "category": keys.gather(bit),
                "votes": self.flagged[bit, pair],
                "n_annotations": self.n_annotations[pair],
            },
            schema=VOTES,
        )


def _severities(rows: pl.DataFrame, *, n_pairs: int) -> pl.Series:
    """Severity of each pair of sorted rows."""
    if not rows["severity"].count():
        return pl.Series("severity", [None] * n_pairs, pl.UInt8)
    return rows.group_by("pair_id", maintain_order=True).agg(_severity().alias("severity"))["severity"]


def compared_labels(preferences: pl.DataFrame) -> pl.DataFrame:
    """Labels of answers that were only compared: those on which every row agrees, else null."""
    names = ("is_safe", "labels", "severity")
    sides = [
        preferences.select(pl.col(f"pair_id_{i}").alias("pair_id"), *(pl.col(f"{n}_{i}").alias(n) for n in names))
        for i in "01"
    ]
    agreed = (pl.when(pl.col(n).n_unique() == 1).then(pl.col(n).first()).alias(n) for n in names)
    zero = (pl.lit(0, pl.UInt32).alias(n) for n in ("n_annotations", "n_unsafe"))
    return pl.concat(sides).drop_nulls("pair_id").group_by("pair_id").agg(agreed).with_columns(zero)
