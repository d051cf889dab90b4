"""How scores order: two classes (ROC, Kolmogorov-Smirnov), another score (Spearman), players by their wins (Elo).

Items or their clusters are weighted, for many sets of weights at once, so that a bootstrap over
clusters is exact: an item counts as often as its cluster was drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from btviz.stats.association import Floats, ratio


@dataclass(frozen=True, eq=False)
class Contrast:
    """Two classes of scored items, sorted once, so that any weights are measured in one pass.

    Of items in ascending order only the weight of each run of one class matters. A negative run and
    the positive one above it make a step; negatives and positives of equal score make one of their own.
    """

    cluster: NDArray[np.int64]
    starts: NDArray[np.int64]
    is_tied: NDArray[np.bool_]

    @classmethod
    def of(cls, score: ArrayLike, positive: ArrayLike, *, clusters: NDArray[np.int64], n_clusters: int) -> Self:
        """Arrange items."""
        values, label = np.asarray(score, np.float64), np.asarray(positive, bool)
        tie = np.unique(values, return_inverse=True)[1]
        n_ties = tie.max(initial=-1) + 1
        has = [np.bincount(tie[label == kind], minlength=n_ties) > 0 for kind in (False, True)]
        both = has[0] & has[1]
        begins = both.copy()
        begins[1:] |= both[:-1] | (has[0][1:] & has[1][:-1])
        begins[:1] = True
        step = np.cumsum(begins) - 1
        run = 2 * step[tie] + label
        n_runs = 2 * int(begins.sum())
        empty = np.flatnonzero(np.bincount(run, minlength=n_runs) == 0)
        order = np.argsort(np.r_[run, empty], kind="stable")
        sizes = np.bincount(np.r_[run, empty], minlength=n_runs)
        code = np.r_[np.asarray(clusters, np.int64), np.full(len(empty), n_clusters)]
        return cls(code[order], np.cumsum(sizes) - sizes, both[begins])

    def _runs(self, drawn: Floats) -> tuple[Floats, Floats]:
        padded = np.column_stack([drawn, np.zeros(len(drawn))])
        runs = np.add.reduceat(np.take(padded, self.cluster, axis=1), self.starts, axis=1)
        return runs[:, ::2], runs[:, 1::2]

    def gaps(self, weights: ArrayLike) -> Floats:
        """Difference of the two distribution functions wherever its size may be largest, shape (R, 2 steps)."""
        drawn = np.asarray(weights, np.float64)
        if not len(self.starts):
            return np.full((len(drawn), 1), np.nan)
        miss, hit = self._runs(drawn)
        of_misses, of_hits = (ratio(np.cumsum(part, axis=1), part.sum(axis=1, keepdims=True)) for part in (miss, hit))
        between = np.where(self.is_tied, 0.0, of_hits - of_misses - ratio(hit, hit.sum(axis=1, keepdims=True)))
        return np.concatenate([of_hits - of_misses, between], axis=1)

    def separation(self, weights: ArrayLike) -> Floats:
        """Area under the ROC curve and Kolmogorov-Smirnov distance."""
        drawn = np.asarray(weights, np.float64)
        if not len(self.starts):
            return np.full((len(drawn), 2), np.nan)
        miss, hit = self._runs(drawn)
        misses, hits = np.cumsum(miss, axis=1), np.cumsum(hit, axis=1)
        n_misses, n_hits = misses[:, -1:], hits[:, -1:]
        below = np.einsum("rk,rk->r", hits - hit, miss)
        level = np.einsum("rk,rk->r", hit[:, self.is_tied], miss[:, self.is_tied])
        ends = hits * n_misses - misses * n_hits  # of the two distribution functions, times both totals
        between = (ends - hit * n_misses)[:, ~self.is_tied]
        gap = np.maximum(np.abs(ends).max(axis=1), np.abs(between).max(axis=1, initial=0.0))
        total = (n_hits * n_misses)[:, 0]
        return np.column_stack([ratio(total - below - level / 2, total), ratio(gap, total)])


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
    n = np.size(score)
    contrast = Contrast.of(score, positive, clusters=np.arange(n), n_clusters=n)
    return contrast.separation(np.ones((1, n)) if weights is None else weights)


def roc_points(score: ArrayLike, positive: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Corners of the ROC curve, from the strictest threshold to the most lenient."""
    values, label = np.asarray(score, np.float64), np.asarray(positive, bool)
    order = np.argsort(-values, kind="stable")
    ordered = values[order]
    last: NDArray[np.int64] = np.flatnonzero(np.r_[np.diff(ordered) < 0, np.ones(min(len(values), 1), bool)])
    hits = np.r_[0, np.cumsum(label[order])[last]]
    misses = np.r_[0, np.cumsum(~label[order])[last]]
    return np.r_[np.inf, ordered[last]], ratio(misses, hits.dtype.type((~label).sum())), ratio(hits, label.sum())


def spearman(first: Floats, second: Floats, *, weights: Floats) -> Floats:
    """Spearman's rho of weighted items, for many sets of weights."""
    first_ranks, second_ranks = (_mid_ranks(values, weights) for values in (first, second))
    total = weights.sum(axis=1, keepdims=True)
    first_ranks, second_ranks = (
        ranks - ratio((weights * ranks).sum(axis=1, keepdims=True), total) for ranks in (first_ranks, second_ranks)
    )
    spread = (weights * first_ranks**2).sum(axis=1) * (weights * second_ranks**2).sum(axis=1)
    return ratio((weights * first_ranks * second_ranks).sum(axis=1), np.sqrt(spread))


def _mid_ranks(values: Floats, weights: Floats) -> Floats:
    kinds, place = np.unique(values, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(len(kinds)))
    by_kind = np.add.reduceat(weights[:, order], starts, axis=1)
    ranks: Floats = (np.cumsum(by_kind, axis=1) - by_kind / 2)[:, place]
    return ranks


ELO = 400 / math.log(10)
"""Elo points of one unit of log odds: 400 points are odds of 10 to 1."""

_STEPS = 100

_PRECISION = 1e-10

_WIDEST = 40.0


def elo_ratings(wins: ArrayLike, *, reference: int = 0) -> Floats:
    """Elo ratings that make the observed wins most likely.

    Parameters
    ----------
    wins : array of float, shape (..., k, k)
        ``wins[i, j]``: how often i beat j, a tie counting half on either side. The diagonal is
        not read.
    reference : int
        Player whose rating is 0.

    Returns
    -------
    array of float, shape (..., k)
        Ratings: P(i beats j) = 1 / (1 + 10 ** ((r_j - r_i) / 400)). NaN for all players where
        no maximum exists: some player never lost, or never won, against the others (Ford 1957).
    """
    games = np.asarray(wins, np.float64)
    k = games.shape[-1]
    tables = games.reshape(-1, k, k) * (1 - np.eye(k))
    strengths = np.array([_strengths(table, reference=reference) for table in tables]) if len(tables) else tables[:, 0]
    return (ELO * strengths).reshape(games.shape[:-1])


def _strengths(wins: Floats, *, reference: int) -> Floats:
    k = len(wins)
    if not _connected(wins):
        return np.full(k, np.nan)
    played, won = wins + wins.T, wins.sum(axis=1)
    free = [player for player in range(k) if player != reference]
    strength = np.zeros(k)
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(np.clip(strength[None] - strength[:, None], -_WIDEST, _WIDEST)))
        gradient = won - (played * p).sum(axis=1)
        weight = played * p * (1 - p)
        hessian = np.diag(weight.sum(axis=1)) - weight
        step = np.linalg.solve(hessian[np.ix_(free, free)], gradient[free])
        strength[free] += np.clip(step, -2, 2)
        if np.abs(step).max(initial=0.0) < _PRECISION:
            break
    return strength


def _connected(wins: Floats) -> bool:
    """Whether every player reaches every other along wins, so that a maximum exists."""
    reach = (wins > 0) | np.eye(len(wins), dtype=bool)
    for _ in range(len(wins)):
        reach = reach @ reach
    return bool(reach.all())
