"""How far a score tells two classes apart, or orders as another does: AUC, its gains, rank correlation, and KS tested.

The area under the ROC curve is a mean over pairs of a positive and a negative item, so each cluster's influence on it
is known in closed form (Obuchowski 1997). The Kolmogorov-Smirnov distance is a maximum, which lies above 0 even where
two classes are alike: a bootstrap of it covers next to nothing. It is tested by permutation; its interval is the
estimate and the quantile of how far the whole difference of the two distribution functions moves in resamples.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from btviz.stats.association import Floats, Integers, ratio
from btviz.stats.clustered import (
    FEW_FREEDOM,
    FEW_RARER,
    FEWEST_EFFECTIVE,
    ClusterInterval,
    as_of_copies,
    by_log_odds,
    effective_number,
    freedom_of,
)
from btviz.stats.ordering import Contrast
from btviz.stats.quantiles import t_quantile
from btviz.stats.resampling import CELLS, check_repeats, generator, reweighted

Bools = NDArray[np.bool_]
_ROUNDING = 1e-9  # an error so small is one of rounding: no cluster moves the value

CROSS_FITTED = 2.0
"""Variance of an area of cross-fitted scores over that of the same scores were they fixed, where nothing is told.

Let A_f sum over fold f how each feature goes with the class. Scores of f follow the sum of the other folds, so the area
moves with ``sum over f != g of A_f A_g``, in which each pair of folds stands twice: were the scores fixed, its variance
would be half as large. Where the features tell much, the direction hardly varies, and 2 is more than is needed.
"""


def auc_interval(
    score: ArrayLike,
    positive: ArrayLike,
    *,
    clusters: ArrayLike,
    confidence: float = 0.95,
    is_cross_fitted: bool = False,
) -> ClusterInterval:
    """Area under the ROC curve with its interval by cluster.

    Parameters
    ----------
    score : array of float, shape (n,)
        Finite scores; ties count half.
    positive : array of bool, shape (n,)
        Class of each item.
    clusters : array, shape (n,)
        Cluster of each item.
    confidence : float
        Level, 0 .. 1.
    is_cross_fitted : bool
        Whether the scores come from fits to the other folds of the same items: the variance is then doubled, see
        `CROSS_FITTED`.

    Returns
    -------
    ClusterInterval
        Of shape (1,): on the scale of the logit, with the variance of the clusters' influences, each over
        ``1 - w`` for its largest share w of either class. `effective` is that of the class with fewer effective
        clusters, below `FEWEST_EFFECTIVE` of which there is no interval. Where few clusters decide it is that of a
        share of as many items, whose variance an AUC does not exceed.
    """
    values, label = np.asarray(score, np.float64), np.asarray(positive, bool)
    number = np.unique(np.asarray(clusters), return_inverse=True)[1]
    sides = np.stack([np.bincount(number, label == side, minlength=1) for side in (False, True)], axis=1)
    effective = effective_number(sides).min(keepdims=True)
    if not (label.any() and (~label).any()):
        nothing = np.full(1, np.nan)
        return ClusterInterval(nothing, nothing, nothing, effective, np.zeros(1), np.ones(1, bool))
    right = _placements(values, label)
    area = right.mean(where=label, keepdims=True)
    factor = CROSS_FITTED if is_cross_fitted else 1.0
    squares = factor * _influences(right, label, number=number)[:, None] ** 2
    freedom = freedom_of(squares, at_most=np.maximum(effective - 1, 0.0))
    rarer = effective_number(np.stack([np.bincount(number, part) for part in (right, 1 - right)], axis=1))
    rarer = rarer.min(keepdims=True)
    bounded = (rarer < FEW_RARER) | (freedom < FEW_FREEDOM)
    flat = as_of_copies(area * effective / factor, effective / factor, is_rare=rarer < FEW_RARER, confidence=confidence)
    sloped = by_log_odds(area, t_quantile(confidence, df=freedom) * np.sqrt(squares.sum()))
    shown = effective >= FEWEST_EFFECTIVE
    low, high = (np.where(shown, np.where(bounded, *ends), np.nan) for ends in zip(flat, sloped, strict=True))
    return ClusterInterval(area, low, high, effective, rarer, bounded)


def auc_difference(
    score: ArrayLike,
    other: ArrayLike,
    *,
    positive: ArrayLike,
    clusters: ArrayLike,
    confidence: float = 0.95,
    is_cross_fitted: bool = False,
) -> tuple[float, float, float]:
    """Area under the ROC curve of one score less that of another, over the same items, with its interval by cluster.

    The influences of a cluster on the two areas are subtracted (DeLong, DeLong & Clarke-Pearson 1988, by cluster:
    Obuchowski 1997), so that what the two scores share cancels.

    Parameters
    ----------
    score, other : array of float, shape (n,)
        Finite scores; ties count half.
    positive, clusters : array, shape (n,)
        As in `auc_interval`.
    confidence : float
        Level, 0 .. 1.
    is_cross_fitted : bool
        As in `auc_interval`.

    Returns
    -------
    tuple of three floats
        Estimate, low and high, each -1 .. 1; NaN without a class, and ends where fewer than `FEWEST_EFFECTIVE`
        effective clusters hold one, or a few clusters decide the variance.
    """
    label = np.asarray(positive, bool)
    number = np.unique(np.asarray(clusters), return_inverse=True)[1]
    if not (label.any() and (~label).any()):
        return np.nan, np.nan, np.nan
    sides = np.stack([np.bincount(number, label == side, minlength=1) for side in (False, True)], axis=1)
    effective = float(effective_number(sides).min())
    placed = [_placements(np.asarray(values, np.float64), label) for values in (score, other)]
    estimate = float(placed[0].mean(where=label) - placed[1].mean(where=label))
    gap = _influences(placed[0], label, number=number) - _influences(placed[1], label, number=number)
    squares = (CROSS_FITTED if is_cross_fitted else 1.0) * gap[:, None] ** 2
    freedom = freedom_of(squares, at_most=max(effective - 1, 0.0))
    if effective < FEWEST_EFFECTIVE or freedom[0] < FEW_FREEDOM:
        return estimate, np.nan, np.nan
    reach = float(t_quantile(confidence, df=freedom)[0] * np.sqrt(squares.sum()))
    return estimate, max(estimate - reach, -1.0), min(estimate + reach, 1.0)


def _placements(values: Floats, label: Bools) -> Floats:
    """Share of the other class that lies on the right side of each item: its mean over either class is the area.

    Counted at the runs of equal values in one ascending order; within a run half of the other class is below.
    """
    order = np.argsort(values)
    last = np.flatnonzero(np.append(np.diff(values[order]) > 0, True))
    run = np.empty(len(values), np.int64)
    run[order] = np.repeat(np.arange(len(last)), np.diff(last, prepend=-1))
    hits = np.cumsum(label[order])[last]
    misses = last + 1 - hits
    hits_below, misses_below = (up_to - np.diff(up_to, prepend=0) / 2 for up_to in (hits, misses))
    right: Floats = np.where(label, (misses_below / misses[-1])[run], (1 - hits_below / hits[-1])[run])
    return right


def _influences(right: Floats, label: Bools, *, number: Integers) -> Floats:
    """Influence of each cluster on the area, over the root of ``1 - w`` for its largest share w of either class."""
    of_class = np.where(label, label.sum(), (~label).sum())
    sides = np.stack([np.bincount(number, label == side) for side in (False, True)], axis=1)
    weight = (sides / sides.sum(axis=0)).max(axis=1)
    moved = np.bincount(number, (right - right.mean(where=label)) / of_class)
    return np.nan_to_num(ratio(moved, np.sqrt(1 - weight)))


def _share_below(values: Floats, *, of: Floats) -> Floats:
    """Share of `of` below each value, ties counting half."""
    ordered = np.sort(of)
    counts = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return counts / (2 * len(of))


def spearman_interval(
    first: ArrayLike, second: ArrayLike, *, clusters: ArrayLike, confidence: float = 0.95
) -> ClusterInterval:
    """Spearman's rho of two scores of the same items with its interval by cluster.

    Parameters
    ----------
    first, second : array of float, shape (n,)
        Finite scores; ties have their mean rank.
    clusters : array, shape (n,)
        Cluster of each item.
    confidence : float
        Level, 0 .. 1.

    Returns
    -------
    ClusterInterval
        Of shape (1,), on the scale of Fisher's z, with the variance of the clusters' influences, each over ``1 - w``
        for its share w of the items, and Student's t. NaN where a score does not vary; ends where fewer than
        `FEWEST_EFFECTIVE` effective clusters have items. `is_bounded` says that few decide.

    Notes
    -----
    Rho is the correlation of mid-ranks u and v, ``a / sqrt(b c)``. An item moves each of a, b and c by its own product
    and by how it moves the ranks of all others: ``a`` by ``u v + mean K(x_i, x_j) v_j + mean K(y_i, y_j) u_j - 3 a``,
    K being 1 above, 1/2 at and 0 below (Croux & Dehon 2010).
    """
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    number = np.unique(np.asarray(clusters), return_inverse=True)[1]
    weight = np.bincount(number, minlength=1) / max(len(x), 1)
    effective = effective_number(weight).reshape(1)
    nothing = np.full(1, np.nan)
    if not len(x) or 0 in (np.ptp(x), np.ptp(y)):
        return ClusterInterval(nothing, nothing, nothing, effective, effective, np.ones(1, bool))
    u, v = (_share_below(values, of=values) - 0.5 for values in (x, y))
    a, b, c = np.mean(u * v), np.mean(u * u), np.mean(v * v)
    rho = np.atleast_1d(a / np.sqrt(b * c))
    of_a = u * v + _mean_above(x, v) + _mean_above(y, u) - 3 * a
    of_b, of_c = (w * w + 2 * _mean_above(values, w) - 3 * m for values, w, m in ((x, u, b), (y, v, c)))
    influence = of_a / np.sqrt(b * c) - rho / 2 * (of_b / b + of_c / c)
    squares = np.nan_to_num(ratio(np.bincount(number, influence / len(x)), 1 - weight)) ** 2
    freedom = freedom_of(squares[:, None], at_most=np.maximum(effective - 1, 0.0))
    error = np.sqrt(squares.sum())
    unmoved = ~(error > _ROUNDING)
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = t_quantile(confidence, df=freedom) * error / (1 - rho**2)
        ends = np.tanh(np.arctanh(rho) - reach), np.tanh(np.arctanh(rho) + reach)
    low, high = (np.where((effective >= FEWEST_EFFECTIVE) & ~unmoved, end, np.nan) for end in ends)
    return ClusterInterval(rho, low, high, effective, effective, unmoved | (freedom < FEW_FREEDOM))


def _mean_above(values: Floats, of: Floats) -> Floats:
    """Mean over all items of `of` at those whose value is above, ties counting half."""
    order = np.argsort(values, kind="stable")
    ordered, sums = values[order], np.r_[0.0, np.cumsum(of[order])]
    left, right = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    mean: Floats = (sums[-1] - (sums[left] + sums[right]) / 2) / len(values)
    return mean


def ks_interval(
    score: ArrayLike,
    positive: ArrayLike,
    *,
    clusters: ArrayLike,
    n_boot: int = 2000,
    random_state: int = 0,
    confidence: float = 0.95,
) -> tuple[float, float, float]:
    """Kolmogorov-Smirnov distance of two classes and a conservative interval, resampling clusters.

    A distance moves at most as far as the difference G of the two distribution functions does anywhere, so the ends
    are the estimate and the quantile of ``sup |G* - G|`` over resamples, clipped at 0 and 1.

    Parameters
    ----------
    score, positive, clusters : array, shape (n,)
        As in `auc_interval`.
    n_boot, random_state : int
        Resamples, and seed.
    confidence : float
        Level, 0 .. 1; the interval covers at least as often.

    Returns
    -------
    tuple of three floats
        Estimate, low and high; NaN without a class, and ends where fewer than `FEWEST_EFFECTIVE` effective clusters
        hold one.
    """
    label = np.asarray(positive, bool)
    number = np.unique(np.asarray(clusters), return_inverse=True)[1]
    n_clusters = int(number.max(initial=-1)) + 1
    contrast = Contrast.of(score, label, clusters=number, n_clusters=n_clusters)
    observed = contrast.gaps(np.ones((1, n_clusters)))
    estimate = float(np.abs(observed).max())
    sides = np.stack([np.bincount(number, label == side, minlength=1) for side in (False, True)], axis=1)
    if not np.isfinite(estimate) or effective_number(sides).min() < FEWEST_EFFECTIVE:
        return estimate, np.nan, np.nan
    moved = reweighted(
        lambda weights: np.abs(contrast.gaps(weights) - observed).max(axis=1, keepdims=True),
        n_clusters=n_clusters,
        width=len(number),
        n_boot=n_boot,
        random_state=random_state,
    ).replicates[:, 0]
    reach = float(np.nanquantile(moved, confidence))
    return estimate, max(estimate - reach, 0.0), min(estimate + reach, 1.0)


def ks_permutation(
    score: ArrayLike,
    positive: ArrayLike,
    *,
    clusters: ArrayLike,
    n_permutations: int = 999,
    random_state: int = 0,
) -> float:
    """P-value of equal distributions of two classes, by their Kolmogorov-Smirnov distance.

    Under the null the score tells nothing of the class. Classes are exchanged within a cluster that holds both, and
    otherwise between whole clusters of equal size, so that how classes cling to clusters stays as it is.

    Parameters
    ----------
    score : array of float, shape (n,)
        Finite scores.
    positive : array of bool, shape (n,)
        Class of each item.
    clusters : array, shape (n,)
        Cluster of each item.
    n_permutations, random_state : int
        Exchanges, and seed.

    Returns
    -------
    float
        At least ``1 / (n_permutations + 1)``; NaN where a class is missing or no exchange changes anything.
    """
    check_repeats(n_permutations)
    values, label = np.asarray(score, np.float64), np.asarray(positive, bool)
    number, sizes = np.unique(np.asarray(clusters), return_inverse=True, return_counts=True)[1:]
    if not (label.any() and (~label).any()):
        return np.nan
    order = np.argsort(values, kind="stable")
    last = np.flatnonzero(np.r_[np.diff(values[order]) > 0, True])
    observed = _distances(label[order][None], last)[0]
    rng, exchanged = generator(random_state), _exchange(label, number, sizes=sizes)
    block = max(1, CELLS // len(values))
    exceeding, moved = 0, False
    for first in range(0, n_permutations, block):
        count = min(block, n_permutations - first)
        drawn = np.stack([exchanged(rng) for _ in range(count)])
        moved = moved or bool((drawn != label).any())
        exceeding += int((_distances(drawn[:, order], last) >= observed - 1e-12).sum())
    return (1 + exceeding) / (n_permutations + 1) if moved else np.nan


def _distances(labels: Bools, last: Integers) -> Floats:
    """Distance of each row of labels, in ascending order of their score, at the last of each run of ties."""
    hits = np.cumsum(labels, axis=1)[:, last]  # both classes are there, however they were exchanged
    n_hits = labels.sum(axis=1, keepdims=True)
    gaps = hits / n_hits
    gaps -= (last + 1 - hits) / (labels.shape[1] - n_hits)
    distance: Floats = np.abs(gaps, out=gaps).max(axis=1)
    return distance


def _exchange(label: Bools, number: Integers, *, sizes: Integers) -> Callable[[np.random.Generator], Bools]:
    """What exchanges labels within clusters that hold both classes, and else between clusters of equal size."""
    by_cluster = np.bincount(number, label)
    of_cluster, mixed = by_cluster > 0, (by_cluster > 0) & (by_cluster < sizes)
    owner, single = np.argsort(number, kind="stable"), np.flatnonzero(~mixed)
    by_size = single[np.argsort(sizes[single], kind="stable")]

    def exchanged(rng: np.random.Generator) -> Bools:
        between = of_cluster.copy()
        # a whole number and a fraction sort by the number, and at random where it is the same
        between[by_size] = of_cluster[single[np.argsort(sizes[single] + rng.random(len(single)))]]
        if len(single) == len(sizes):
            return between[number]
        inside = label.copy()
        inside[owner] = label[np.argsort(number + rng.random(len(label)))]
        return np.where(mixed[number], inside, between[number])

    return exchanged
