"""Arrays over the pairs of a data set, so that a click does not have to read tables.

Rows of the index are rows of `ds.items`, which is sorted by `pair_id`; views pass row numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.data.dataset import Dataset
from btviz.session import labellings
from btviz.taxonomy.categories import Taxonomy

Rows = NDArray[np.intp]

Masks = NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class PairIndex:
    """What filters and clicks need to know of every pair and annotation."""

    taxonomy: Taxonomy
    pair_ids: NDArray[np.uint64]
    prompt_ids: NDArray[np.uint64]
    any_labels: Masks
    labels: Masks
    every_label: Masks
    is_safe: NDArray[np.bool_]
    is_unsafe: NDArray[np.bool_]
    has_categories: bool
    categorised: NDArray[np.bool_]
    n_annotations: Masks
    n_unsafe: Masks
    annotation_row: Rows
    annotation_labels: Masks
    annotation_is_safe: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.pair_ids)

    @cached_property
    def prompt_code(self) -> Rows:
        """Number of its prompt for each pair, 0 .. prompts - 1."""
        return np.unique(self.prompt_ids, return_inverse=True)[1]

    @cached_property
    def prompt_labels(self) -> Masks:
        """Categories that any pair of a prompt carries, one mask per prompt."""
        masks = np.zeros(self.prompt_code.max(initial=-1) + 1, dtype=np.uint32)
        np.bitwise_or.at(masks, self.prompt_code, self.labels)
        return masks

    @cached_property
    def prompt_is_unsafe(self) -> NDArray[np.bool_]:
        """Whether any pair of a prompt is unsafe, one value per prompt."""
        return np.bincount(self.prompt_code, weights=self.is_unsafe, minlength=len(self.prompt_labels)) > 0

    @cached_property
    def disputed(self) -> NDArray[np.bool_]:
        """Pairs whose annotations do not agree on safe or unsafe."""
        return (self.n_unsafe > 0) & (self.n_unsafe < self.n_annotations)

    @cached_property
    def dispute_measurable(self) -> bool:
        """Whether at least half of the pairs were annotated more than once.

        A few accidental repeats in a release with one annotation per pair say nothing about
        agreement, so there "disputed" is not measurable rather than rare.
        """
        return len(self) > 0 and 2 * int((self.n_annotations > 1).sum()) >= len(self)

    def rows_of(self, pair_ids: pl.Series) -> Rows:
        """Rows of the ids that the data set holds, ascending."""
        wanted = pair_ids.unique().sort().to_numpy()
        rows = np.searchsorted(self.pair_ids, wanted)
        inside = rows < len(self)
        rows, wanted = rows[inside], wanted[inside]
        known: Rows = rows[self.pair_ids[rows] == wanted]
        return known

    def rows_in_order(self, pair_ids: pl.Series) -> Rows:
        """Rows of the ids that the data set holds, in the order of the ids."""
        rows, ids = self.rows_of(pair_ids), pair_ids.to_numpy()
        sorter = np.argsort(ids)
        place = sorter[np.searchsorted(ids[sorter], self.pair_ids[rows])]
        ordered: Rows = rows[np.argsort(place)]
        return ordered

    def same_prompt(self, row: int) -> Rows:
        """Rows of all pairs with the prompt of one of them, itself included."""
        return np.flatnonzero(self.prompt_ids == self.prompt_ids[row])

    def votes(self, row: int) -> list[tuple[int, int]]:
        """Bits flagged at least once for a pair, each with its number of votes."""
        low, high = np.searchsorted(self.annotation_row, [row, row + 1])
        counts = self.taxonomy.flags(self.annotation_labels[low:high]).sum(axis=0)
        return [(bit, count) for bit, count in enumerate(counts.tolist()) if count]


def index_pairs(ds: Dataset) -> PairIndex:
    """Build the index of a data set: one pass over `annotations`."""
    labels = pl.col("labels")
    has_categories = ds.items["labels"].count() > 0
    # comparisons may tell the safety of answers and name no category anywhere: nothing contradicts itself there
    known = pl.col("is_safe").is_not_null() & (labels.is_not_null() if has_categories else True)
    # a prompt alone may be labelled by what it asks for, and nobody says whether that is safe
    categorised = labels.is_not_null() if ds.item == "prompt" else known & has_categories
    voted = ds.annotations.group_by("pair_id").agg(
        labels.bitwise_or().alias("voted"), labels.bitwise_and().alias("every_label")
    )
    of_comparisons = labellings(ds).group_by("pair_id").agg(labels.fill_null(0).bitwise_or().alias("given")).collect()
    pairs = (
        ds.items.select("pair_id", "prompt_id", "labels", "is_safe", "n_annotations", "n_unsafe")
        .join(voted, on="pair_id", how="left", maintain_order="left")
        .join(of_comparisons, on="pair_id", how="left", maintain_order="left")
        .select(
            "pair_id",
            "prompt_id",
            pl.col("n_annotations", "n_unsafe").fill_null(0),
            pl.coalesce("voted", "given").alias("any_labels"),
            pl.coalesce("every_label", labels, pl.lit(0, pl.UInt32)).alias("every_label"),
            categorised.alias("categorised"),
            pl.when(known | categorised).then(labels).fill_null(0).cast(pl.UInt32).alias("labels"),
            (known & pl.col("is_safe")).fill_null(value=False).alias("is_safe"),
            (known & ~pl.col("is_safe")).fill_null(value=False).alias("is_unsafe"),
        )
    )
    columns = {name: pairs[name].to_numpy() for name in pairs.columns}
    ids = columns["pair_id"]
    return PairIndex(
        taxonomy=ds.taxonomy,
        pair_ids=ids,
        prompt_ids=columns["prompt_id"],
        any_labels=columns["any_labels"],
        labels=columns["labels"],
        every_label=columns["every_label"],
        is_safe=columns["is_safe"],
        is_unsafe=columns["is_unsafe"],
        has_categories=has_categories,
        categorised=columns["categorised"],
        n_annotations=columns["n_annotations"],
        n_unsafe=columns["n_unsafe"],
        annotation_row=np.searchsorted(ids, ds.annotations["pair_id"].to_numpy()),
        annotation_labels=ds.annotations["labels"].to_numpy(),
        annotation_is_safe=ds.annotations["is_safe"].to_numpy(),
    )
