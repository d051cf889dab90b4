"""How the annotators of a pair split over each category, and over safety."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from btviz.dataset import Dataset
from btviz.stats.agreement import vote_entropy
from btviz.votes import pair_votes

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
