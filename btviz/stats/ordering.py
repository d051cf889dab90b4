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
    counted = np.ones((1, len(values))) if weights is None else np.asarray(weights, np.float64)
    if not len(values):
        return np.full((len(counted), 2), np.nan)
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(values[order]) > 0])
    ordered, flags = counted[:, order], label[order]
    hit = np.add.reduceat(ordered * flags, starts, axis=1)
    miss = np.add.reduceat(ordered * ~flags, starts, axis=1)
    hits, misses = np.cumsum(hit, axis=1), np.cumsum(miss, axis=1)
    n_hits, n_misses = hits[:, -1:], misses[:, -1:]
    below = (hit * (misses - miss / 2)).sum(axis=1, keepdims=True)
    auc = ratio(below, n_hits * n_misses)
    gap = np.abs(ratio(hits, n_hits) - ratio(misses, n_misses)).max(axis=1, keepdims=True)
    return np.hstack([auc, gap])


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
