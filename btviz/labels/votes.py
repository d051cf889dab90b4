"""Votes of the annotators of each pair: how many rated it, and how many said yes.

How the annotators of a pair split over each category, and over safety.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.data.dataset import Dataset, expect_dataset
from btviz.data.releases import RELEASES
from btviz.stats.agreement import vote_entropy

SAFETY = "is_safe"


_REPEATED = 0.05  # of the pairs; fewer are slips of a release that has one annotation per pair


@dataclass(frozen=True, eq=False)
class PairVotes:
    """Votes on every pair of a data set, annotated or not."""

    pair_id: NDArray[np.uint64]
    prompt_id: NDArray[np.uint64]
    targets: tuple[str, ...]
    n_raters: NDArray[np.int64]
    n_positive: NDArray[np.int64]
    undefined: str | None


def pair_votes(ds: Dataset) -> PairVotes:
    """Count the votes on each pair; a pair found in two splits has the annotations of both."""
    expect_dataset(ds)
    flag = {str(category.bit): ds.taxonomy.has(category.key) for category in ds.taxonomy.categories}
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


SPLITS = {
    "unanimous": "all annotations flag it",
    "majority": "more than half do",
    "tie": "half do",
    "minority": "fewer than half do",
}
"""Ways in which the votes on one pair may fall, of which at least one is for the category."""


VOTE_SPLITS = pl.Schema(
    {
        "category": pl.String(),
        "votes": pl.String(),
        "n": pl.Int64(),
        "share": pl.Float64(),
        "n_flagged": pl.Int64(),
        "n_pairs": pl.Int64(),
        "mean_entropy": pl.Float64(),
        "undefined": pl.String(),
    }
)


def vote_splits(ds: Dataset) -> pl.DataFrame:
    """Count how the votes fall on the pairs that anybody flags, per category and for safety.

    Pairs that nobody flags are left out: for a rare category they are nearly all there are, and
    would hide how often those who see it stand alone.

    Parameters
    ----------
    ds : Dataset
        Data set with several annotations per pair; values are null for others.

    Returns
    -------
    DataFrame
        Four rows (`SPLITS`) per category in the taxonomy's order, then for "is_safe", of which
        *unsafe* is the vote: `category`, `votes` ("unanimous", "majority", "tie", "minority"),
        `n` (pairs), `share` (of `n_flagged`, 0 .. 1; null where that is 0), `n_flagged` (pairs
        annotated twice or more with at least one vote), `n_pairs` (annotated twice or more),
        `mean_entropy` (of the votes on a flagged pair, 0 .. 1 bit), `undefined` (why values
        are null).
    """
    votes = pair_votes(ds)
    positive, raters = votes.n_positive, votes.n_raters
    compared = raters >= 2
    flagged = compared & (positive > 0)
    falls = {
        "unanimous": positive == raters,
        "majority": (2 * positive > raters) & (positive < raters),
        "tie": 2 * positive == raters,
        "minority": 2 * positive < raters,
    }
    entropy = np.where(flagged, vote_entropy(raters, positive), 0.0).sum(axis=0)
    rows = []
    for place, (target, total) in enumerate(zip(votes.targets, flagged.sum(axis=0).tolist(), strict=True)):
        known: dict[str, Any] = {"category": target, "undefined": votes.undefined}
        if votes.undefined is None:
            known |= {"n_flagged": total, "n_pairs": int(compared[:, place].sum())}
            known |= {"mean_entropy": entropy[place] / total} if total else {"undefined": "no pair is flagged"}
        for name in SPLITS:
            n = int((falls[name] & flagged)[:, place].sum())
            counted = {"n": n, "share": n / total if total else None} if votes.undefined is None else {}
            rows.append({**known, "votes": name, **counted})
    return pl.DataFrame(rows, schema=VOTE_SPLITS)
