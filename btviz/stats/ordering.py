"""How well a score orders two classes: ROC, area under it, Kolmogorov-Smirnov distance.

Items are weighted, for many sets of weights at once, so that a bootstrap over clusters of items
is exact: an item counts as often as its cluster was drawn.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from btviz.stats.association import Floats, ratio


def separation(score: ArrayLike, positive: ArrayLike, *, weights: ArrayLike | None = None) -> Floats:
    """Area under the ROC curve and Kolmogorov-Smirnov distance between two classes.

    Parameters
    ----------
    score : array of float, shape (n,)
        Finite scores.
    positive : array of bool, shape (n,)
        Class of each item.
    weights : array of float, shape (R, n), optional
        How often each item counts; by default once.

    Returns
    -------
    array of float, shape (R, 2)
        AUC, 0 .. 1: P(score of a positive > score of a negative), ties counting half (Mann &
        Whitney 1947); and the largest distance of the two distribution functions, 0 .. 1. NaN
        where a class has no weight.
    """
    values, label = np.asarray(score, np.float64), np.asarray(positive, bool)
    counted = np.ones((1, len(values))) if weights is None else np.asarray(weights)
    if not len(values):
        return np.full((len(counted), 2), np.nan)
    if (values[1:] < values[:-1]).any():
        order = np.argsort(values, kind="stable")
        values, label, counted = values[order], label[order], counted[:, order]
    miss = counted * ~label
    hits, misses = (np.cumsum(part, axis=1, dtype=np.float64) for part in (counted * label, miss))
    last = np.flatnonzero(np.r_[values[1:] > values[:-1], True])
    if len(last) < len(values):
        hits, misses = hits[:, last], misses[:, last]
        miss = np.diff(misses, axis=1, prepend=0.0)
    n_hits, n_misses = hits[:, -1], misses[:, -1]
    above = n_hits * n_misses - np.einsum("rk,rk->r", hits, miss)  # positives strictly above each negative
    level = np.einsum("rk,rk->r", np.diff(hits, axis=1, prepend=0.0), miss)
    gap = np.abs(hits * n_misses[:, None] - misses * n_hits[:, None]).max(axis=1)
    return np.column_stack([ratio(above + level / 2, n_hits * n_misses), ratio(gap, n_hits * n_misses)])


def roc_points(score: ArrayLike, positive: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Corners of the ROC curve, from the strictest threshold to the most lenient.

    Parameters
    ----------
    score : array of float, shape (n,)
        Finite scores.
    positive : array of bool, shape (n,)
        Class of each item.

    Returns
    -------
    threshold, false_positive_rate, true_positive_rate : array of float, shape (m + 1,)
        An item is called positive where its score is at least the threshold; the first is
        infinite. Rates are NaN where their class is empty.
    """
    values, label = np.asarray(score, np.float64), np.asarray(positive, bool)
    order = np.argsort(-values, kind="stable")
    ordered = values[order]
    last: NDArray[np.int64] = np.flatnonzero(np.r_[np.diff(ordered) < 0, np.ones(min(len(values), 1), bool)])
    hits = np.r_[0, np.cumsum(label[order])[last]]
    misses = np.r_[0, np.cumsum(~label[order])[last]]
    return np.r_[np.inf, ordered[last]], ratio(misses, hits.dtype.type((~label).sum())), ratio(hits, label.sum())
