"""Votes of the annotators of each pair: how many rated it, and how many said yes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.dataset import Dataset, expect_dataset
from btviz.sources import RELEASES

SAFETY = "is_safe"
_REPEATED = 0.05  # of the pairs; fewer are slips of a release that has one annotation per pair


@dataclass(frozen=True, eq=False)
class PairVotes:
    """Votes on every pair of a data set, annotated or not.

    Attributes
    ----------
    pair_id, prompt_id : array of uint64, shape (n,)
        Sorted by prompt, then by pair.
    targets : tuple of str
        Released key of each category, then "is_safe".
    n_raters : array of int64, shape (n, k + 1)
        Annotations that say anything about each target.
    n_positive : array of int64, shape (n, k + 1)
        Of these, the ones that flag the category; for "is_safe" those that say *unsafe*.
    undefined : str or None
        Why agreement cannot be measured on these data, if it cannot.
    """

    pair_id: NDArray[np.uint64]
    prompt_id: NDArray[np.uint64]
    targets: tuple[str, ...]
    n_raters: NDArray[np.int64]
    n_positive: NDArray[np.int64]
    undefined: str | None


def pair_votes(ds: Dataset) -> PairVotes:
    """Count the votes on each pair; a pair found in two splits has the annotations of both."""
    expect_dataset(ds)
    bits = range(len(ds.taxonomy))
    flag = {str(bit): (pl.col("labels") & pl.lit(1 << bit, pl.UInt32)) != 0 for bit in bits}
    counted = ds.annotations.group_by("pair_id").agg(
        pl.col("labels").count().alias("labelled"),
        pl.col(SAFETY).count().alias("judged"),
        *(flagged.sum().alias(name) for name, flagged in flag.items()),
        (~pl.col(SAFETY)).sum().alias(SAFETY),
    )
    pairs = ds.pairs.select("pair_id", "prompt_id").sort("prompt_id", "pair_id")
    frame = pairs.join(counted, on="pair_id", how="left", maintain_order="left").fill_null(0)
    raters = frame.select(*(pl.col("labelled").alias(name) for name in flag), "judged")
    return PairVotes(
        frame["pair_id"].to_numpy(),
        frame["prompt_id"].to_numpy(),
        (*ds.taxonomy.keys, SAFETY),
        n_raters=raters.to_numpy().astype(np.int64),
        n_positive=frame.select(*flag, SAFETY).to_numpy().astype(np.int64),
        undefined=_why_not(ds, judged=frame["judged"]),
    )


def _why_not(ds: Dataset, *, judged: pl.Series) -> str | None:
    if ds.annotations.is_empty():
        if ds.preferences.is_empty():
            held = "prompts alone" if ds.pairs.is_empty() else "answers without labels"
            return f"no annotations: these data hold {held}"
        return "no annotations of single answers: comparisons are released without the votes of several people"
    n_pairs, n_repeated = int((judged > 0).sum()), int((judged > 1).sum())
    stated = ds.release is not None and RELEASES[ds.release].one_annotation_per_pair is True
    if stated or n_repeated < _REPEATED * n_pairs:
        repeats = f": only {n_repeated:,} of {n_pairs:,} pairs have two or more" if n_repeated else ""
        return f"one annotation per pair{repeats}"
    return None
