"""Pairwise log-linear (Ising) models of binary labels: which pairs are associated given all other labels.

The model gives a label set x the log-probability ``sum a_j x_j + sum t_ij x_i x_j`` up to a constant, so ``t_ij`` is
the log odds ratio of labels i and j given all others, and each label given the others is a logistic regression. These
regressions, each pair's coefficient shared by two of them, make up the pseudo-likelihood (Besag 1975), which needs no
sum over all label sets. Where items were kept for having any label, a label is certain where all others are absent;
such an item is left out of the regression of that label, and the rest of the conditional distributions is unchanged.

Everything is a function of counts of label sets by cluster. Regressions by L-BFGS-B on these counts: scikit-learn has
no penalised regression with coefficients that two responses share, and one fit of 14 labels takes it as long as all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from btviz.errors import require
from btviz.stats.association import Floats, Integers, TwoByTwo, ratio
from btviz.stats.clustered import FEWEST_EFFECTIVE, effective_number, freedom_of
from btviz.stats.resampling import generator
from btviz.stats.stratified import conditional_interval

COMPLEMENTARY = 50
"""Complementary pairs of halves; twice as many halves."""

_TRIED = 3  # complementary pairs on which the penalty is set
_SELECTED = 1e-6
_FITS = 8
_STEPS = 100


@dataclass(frozen=True, eq=False)
class LabelSets:
    """Distinct label sets, and how often each occurs by cluster.

    Attributes
    ----------
    masks : array of bool, shape (m, k)
        Distinct label sets.
    place, cluster : array of int, shape (n,)
        Label set, 0 .. m - 1, and cluster, 0 .. c - 1, of each item.
    kept_for_any : bool
        Whether items without a label could not occur.
    """

    masks: NDArray[np.bool_]
    place: Integers
    cluster: Integers
    kept_for_any: bool = False

    @cached_property
    def n_clusters(self) -> int:
        """Clusters with an item."""
        return int(self.cluster.max(initial=-1)) + 1

    @cached_property
    def tells(self) -> Floats:
        """1 where a label set tells of a label: always, or where it has another one; shape (m, k)."""
        if not self.kept_for_any:
            return np.ones(self.masks.shape)
        others = self.masks.sum(axis=1)[:, None] - self.masks
        tells: Floats = (others > 0).astype(np.float64)
        return tells

    @cached_property
    def counts(self) -> Floats:
        """Items with each label set, shape (m,)."""
        return self.counts_of(np.ones(self.n_clusters, np.bool_))

    def within_others(self, one: int, other: int) -> tuple[NDArray[np.bool_], Integers, TwoByTwo]:
        """Tables of two labels among items with the same other labels.

        Returns
        -------
        tuple of arrays of shapes (m,), (told,) and a `TwoByTwo` of shape (strata,)
            Which label sets tell of the pair: all, or those with another label; the stratum of each of these; counts.
        """
        others = self.masks.copy()
        others[:, [one, other]] = False
        tells = np.asarray(others.any(axis=1) | (not self.kept_for_any), np.bool_)
        stratum = np.unique(others[tells], axis=0, return_inverse=True)[1].ravel()
        counts, first, second = self.counts[tells], self.masks[tells, one], self.masks[tells, other]
        parts = (np.bincount(stratum, counts * of) for of in (np.ones(len(counts)), first, second, first & second))
        return tells, stratum, TwoByTwo(*(np.rint(part).astype(np.int64) for part in parts))

    def counts_of(self, chosen: NDArray[np.bool_]) -> Floats:
        """Items with each label set in the chosen clusters."""
        return np.bincount(self.place[chosen[self.cluster]], minlength=len(self.masks)).astype(np.float64)


def label_sets(flags: NDArray[np.bool_], *, clusters: NDArray[np.generic], kept_for_any: bool = False) -> LabelSets:
    """Count label sets of items, shape (n, k), each of a cluster."""
    masks, place = np.unique(flags, axis=0, return_inverse=True)
    cluster = np.unique(clusters, return_inverse=True)[1]
    return LabelSets(masks, place.ravel(), cluster.ravel(), kept_for_any)


def _scales(sets: LabelSets, counts: Floats) -> Floats:
    """Standard deviation of each pair's product, so that the first pair to enter is that of the largest phi."""
    x, n = sets.masks.astype(np.float64), counts.sum()
    weight = counts[:, None] * sets.tells
    total = weight.sum(axis=0)
    own = np.nan_to_num(ratio((weight * x).sum(axis=0), total))
    given = np.nan_to_num(ratio(weight.T @ x, total[:, None]))  # share with label l among items that tell of j
    spread = np.sqrt(own * (1 - own))[:, None] * np.sqrt(np.maximum(given * (1 - given), 0)) * total[:, None] / n
    scales: Floats = (spread + spread.T) / 2
    return scales


def penalised(sets: LabelSets, *, counts: Floats, penalty: float) -> Floats:
    """Couplings that minimise the mean negative log pseudo-likelihood and `penalty` times their scaled sizes.

    The penalty, 0 .. 1, is on the scale of phi: without an interaction a pair enters where its phi exceeds it.

    Returns
    -------
    array of float, shape (pairs,)
        Scaled couplings, in the order of ``np.triu_indices``; 0 where a pair is left out.
    """
    optimize = require("scipy.optimize", extra="stats")
    x, n, k = sets.masks.astype(np.float64), counts.sum(), sets.masks.shape[1]
    weight = counts[:, None] * sets.tells / n
    row, col = np.triu_indices(k, 1)
    scale = _scales(sets, counts)[row, col]
    usable = scale > 0
    unit = np.where(usable, 1 / np.where(usable, scale, 1), 0.0)

    def loss(values: Floats) -> tuple[float, Floats]:
        size = len(row)
        coupling = np.zeros((k, k))
        coupling[row, col] = coupling[col, row] = (values[k : k + size] - values[k + size :]) * unit
        linear = values[:k] + x @ coupling
        small = np.exp(-np.abs(linear))
        likely = np.where(linear > 0, 1, small) / (1 + small)
        total = (weight * (np.maximum(linear, 0) + np.log1p(small) - x * linear)).sum() + penalty * values[k:].sum()
        residual = weight * (likely - x)
        cross = residual.T @ x
        slope = (cross + cross.T)[row, col] * unit
        return total, np.concatenate([residual.sum(axis=0), slope + penalty, penalty - slope])

    share = np.clip(np.nan_to_num(ratio((weight * x).sum(axis=0), weight.sum(axis=0))), 1e-6, 1 - 1e-6)
    start = np.concatenate([np.log(share / (1 - share)), np.zeros(2 * len(row))])
    bounds = [(-20.0, 20.0)] * k + [(0.0, 20.0 if ok else 0.0) for ok in np.tile(usable, 2)]
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-9}).x
    values: Floats = found[k : k + len(row)] - found[k + len(row) :]
    return np.where(np.abs(values) > _SELECTED, values, 0.0)


def _logistic(linear: Floats) -> Floats:
    return np.exp(-np.logaddexp(0, -linear))


@dataclass(frozen=True, eq=False)
class Stability:
    """How often each pair is selected in halves of the clusters.

    Attributes
    ----------
    share : array of float, shape (pairs,)
        Share of the halves in which a pair is selected, 0 .. 1.
    penalty : float
        The penalty, on the scale of phi.
    n_halves : int
        Halves drawn.
    n_selected : float
        Pairs selected in a half, on average.
    threshold : float
        Share from which a pair is called stable, above 1/2 .. 1.
    expected_false, expected_false_at_worst : float
        Bounds on the expected number of stable pairs among those that a half selects less often than by chance, see
        `expected_false`: with selection shares taken for unimodal, and under any distribution.
    """

    share: Floats
    penalty: float
    n_halves: int
    n_selected: float
    threshold: float
    expected_false: float
    expected_false_at_worst: float


def expected_false(n_selected: float, *, n_pairs: int, threshold: float, complementary: int) -> tuple[float, float]:
    """Bounds of Shah and Samworth (2013) on the expected number of stable pairs that are noise.

    Noise are the pairs that one half selects with probability at most ``q / p``, for q of p pairs selected on
    average. Of truly independent pairs the bound holds if a half selects them no more readily than by chance, as it
    does if all of them are selected alike and less often than the others.

    Returns
    -------
    tuple of two floats
        With unimodal distributions of selection shares (their equation 6): ``C q**2 / p``, where C is
        ``1 / (2 (2 t - 1 - 1 / (2 B)))`` up to a threshold t of 3/4 and ``4 (1 - t + 1 / (2 B)) / (1 + 1 / B)`` above;
        and under any distribution: ``q**2 / (p (2 t - 1))``.
    """
    half = 1 / (2 * complementary)
    base = n_selected**2 / n_pairs
    worst = base / (2 * threshold - 1)
    if threshold <= 0.75:
        width = 2 * threshold - 1 - half
        factor = 1 / (2 * width) if width > 0 else np.inf
    else:
        factor = 4 * (1 - threshold + half) / (1 + 2 * half)
    return min(factor * base, worst), worst


def stability(
    sets: LabelSets,
    *,
    n_selected: float,
    most_false: float,
    random_state: int = 0,
    progress: Callable[[int], None] = lambda _: None,
) -> Stability:
    """Select pairs in complementary halves of the clusters, at the penalty that selects about `n_selected` a half.

    The threshold is the lowest at which the unimodal bound on expected false pairs is at most `most_false`, or 1 if
    none is.
    """
    rng = generator(random_state)
    halves = []
    for _ in range(COMPLEMENTARY):
        order = rng.permutation(sets.n_clusters)
        for half in (order[: sets.n_clusters // 2], order[sets.n_clusters // 2 : 2 * (sets.n_clusters // 2)]):
            chosen = np.zeros(sets.n_clusters, np.bool_)
            chosen[half] = True
            halves.append(sets.counts_of(chosen))
    penalty = _penalty(sets, halves[: 2 * _TRIED], n_selected=n_selected, progress=progress)
    selected = []
    for done, counts in enumerate(halves, start=1):
        selected.append(penalised(sets, counts=counts, penalty=penalty) != 0)
        progress(_FITS * 2 * _TRIED + done)
    share = np.mean(selected, axis=0)
    mean = float(np.sum(share))
    levels = np.arange(COMPLEMENTARY + 1, 2 * COMPLEMENTARY + 1) / (2 * COMPLEMENTARY)
    bounds = [expected_false(mean, n_pairs=len(share), threshold=t, complementary=COMPLEMENTARY) for t in levels]
    low = next((place for place, bound in enumerate(bounds) if bound[0] <= most_false), len(levels) - 1)
    return Stability(share, penalty, 2 * COMPLEMENTARY, mean, float(levels[low]), *bounds[low])


STEPS = _FITS * 2 * _TRIED + 2 * COMPLEMENTARY
"""Fits of `stability`, for a bar."""


def _penalty(sets: LabelSets, halves: list[Floats], *, n_selected: float, progress: Callable[[int], None]) -> float:
    """Penalty at which about so many pairs are selected on average, by halving its logarithm."""
    low, high = np.log(1e-4), 0.0
    for turn in range(_FITS):
        middle = (low + high) / 2
        fits = [penalised(sets, counts=counts, penalty=float(np.exp(middle))) for counts in halves]
        many = np.mean([np.count_nonzero(fit) for fit in fits]) > n_selected
        low, high = (middle, high) if many else (low, middle)
        progress((turn + 1) * len(halves))
    return float(np.exp((low + high) / 2))


@dataclass(frozen=True, eq=False)
class Refit:
    """Couplings of chosen pairs, the others 0.

    Attributes
    ----------
    log_odds_ratio, error, freedom : array of float, shape (chosen,)
        Conditional log odds ratio, its standard error from sums by cluster, and the freedom of that error.
    """

    log_odds_ratio: Floats
    error: Floats
    freedom: Floats


def refit(sets: LabelSets, pairs: tuple[Integers, Integers]) -> Refit:
    """Fit the couplings of chosen pairs without selection, with standard errors by cluster.

    Each coupling gets the weight of half an item with and half an item without (log-F(1, 1), Greenland & Mansournia
    2015), so that it is finite where two labels never meet. The error is the sandwich of the pseudo-likelihood's
    curvature and the squared scores of clusters; its freedom is that by which those squares vary.
    """
    x, k = sets.masks.astype(np.float64), sets.masks.shape[1]
    row, col = pairs
    design = _design(x, row, col=col)
    weight = sets.counts[:, None] * sets.tells
    share = np.clip(np.nan_to_num(ratio((weight * x).sum(axis=0), weight.sum(axis=0))), 1e-6, 1 - 1e-6)
    values = np.concatenate([np.log(share / (1 - share)), np.zeros(len(row))])
    is_coupling = np.arange(len(values)) >= k
    for _ in range(_STEPS):
        fitted = _logistic(design @ values)
        slope = np.einsum("mj,mjp->p", weight * (x - fitted), design) + is_coupling * (0.5 - _logistic(values))
        curvature = _curvature(design, weight * fitted * (1 - fitted), values=values, is_coupling=is_coupling)
        step = np.linalg.solve(curvature, slope)
        values = values + step * min(1.0, 2 / max(np.abs(step).max(initial=0.0), 1e-300))
        if np.abs(step).max(initial=0.0) < 1e-9:
            break
    scores = np.einsum("mj,mjp->mp", sets.tells * (x - _logistic(design @ values)), design)
    influence = np.linalg.solve(curvature, scores.T).T
    by_cluster: Floats = np.zeros((sets.n_clusters, len(row)))
    for column in range(len(row)):
        by_cluster[:, column] = np.bincount(sets.cluster, influence[sets.place, k + column], minlength=sets.n_clusters)
    squares: Floats = by_cluster**2
    n = max(sets.n_clusters, 2)
    return Refit(values[k:], np.sqrt(squares.sum(axis=0) * n / (n - 1)), freedom_of(squares, at_most=n - 1))


def _design(x: Floats, row: Integers, *, col: Integers) -> Floats:
    """Covariates of each label set and response, shape (m, k, k + pairs)."""
    m, k = x.shape
    design = np.zeros((m, k, k + len(row)))
    design[:, np.arange(k), np.arange(k)] = 1
    place = k + np.arange(len(row))
    design[:, row, place] = x[:, col]
    design[:, col, place] = x[:, row]
    return design


def _curvature(design: Floats, weight: Floats, *, values: Floats, is_coupling: NDArray[np.bool_]) -> Floats:
    flat = design.reshape(-1, design.shape[2])
    prior = is_coupling * _logistic(values) * (1 - _logistic(values))
    # an intercept of a label that never occurs among informative items would have no curvature
    curvature: Floats = (flat * weight.reshape(-1, 1)).T @ flat + np.diag(prior + ~is_coupling * 1e-9)
    return curvature


def given_others(
    sets: LabelSets, pairs: tuple[Integers, Integers], *, confidence: float = 0.95
) -> tuple[Floats, Floats]:
    """Intervals of couplings from few items: of the odds ratio within items with the same other labels.

    That ratio is the same among all of these, whatever the other couplings are, so no other pair is fitted. Items of
    a cluster are taken for copies of each other, see `btviz.stats.stratified.conditional_interval`.

    Returns
    -------
    tuple of two arrays, shape (chosen,)
        Ends of the log odds ratio; infinite where nothing bounds it, NaN where fewer than 20 effective clusters tell.
    """
    ends = []
    for one, other in zip(*(labels.tolist() for labels in pairs), strict=True):
        tells, _, strata = sets.within_others(one, other)
        of_cluster = np.bincount(sets.cluster, tells[sets.place])
        effective = float(effective_number(of_cluster))
        if effective < FEWEST_EFFECTIVE:
            ends.append((np.nan, np.nan))
            continue
        ends.append(
            conditional_interval(
                strata,
                design_effect=float(of_cluster.sum()) / effective,
                confidence=confidence,
            )
        )
    low, high = np.array(ends, np.float64).reshape(-1, 2).T
    return low, high
