"""Factors of binary labels: tetrachoric matrices, how many factors exceed chance, loadings and fit.

Conventions are those of the R package psych where it has one, so that results can be held side by side: an empty cell
becomes half an item and the thresholds stay those of the margins (``tetrachoric(correct = .5, global = TRUE)``); a
matrix that is not positive definite has its eigenvalues below 1e-12 set to 1e-10 and is scaled back to a diagonal of 1
(``cor.smooth``); factors are minimum residuals (``fa(fm = "minres")``), turned by oblimin without Kaiser's weights or
by varimax with them; eigenvalues of factors are those of the matrix with the communalities of one factor on its
diagonal (``fa.parallel``). What differs is said where it does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from btviz.errors import require
from btviz.stats.association import Floats, Integers, orthant_excess, ratio
from btviz.stats.resampling import generator

Bools = NDArray[np.bool_]

_HALVINGS = 60
_CLOSE = 1e-12
_NARROWEST = 1e-12  # eigenvalues of a matrix below that are not positive
_RAISED = 1e-10
_LEAST_UNIQUE = 0.005


@dataclass(frozen=True, eq=False)
class Cells:
    """Counts of many 2x2 tables, after an empty cell was filled, and the thresholds that go with them."""

    counts: tuple[Floats, Floats, Floats, Floats]
    thresholds: tuple[Floats, Floats]


def _replaced(cells: Floats, *, is_empty: Bools, added: float) -> Cells:
    shares = _margins(cells)
    return Cells(_four(np.where(is_empty & (cells == 0), added, cells)), shares)


def _with_margins(cells: Floats, *, is_empty: Bools, added: float) -> Cells:
    """The other cells give way, so that margins stay (Brown & Benedetti 1977)."""
    turn = np.array([1.0, -1.0, -1.0, 1.0])
    in_agreement = ((cells[..., [0, 3]] == 0).any(axis=-1))[..., None]
    moved = cells + np.where(in_agreement, turn, -turn) * added
    possible = is_empty & (moved > 0).all(axis=-1, keepdims=True)
    filled = np.where(possible, moved, np.where(is_empty & (cells == 0), added, cells))
    return Cells(_four(filled), _margins(cells))


def _added(cells: Floats, *, is_empty: Bools, added: float) -> Cells:
    """Half an item to each of the four cells, margins included."""
    filled = np.where(is_empty, cells + added, cells)
    return Cells(_four(filled), _margins(filled))


EMPTY_CELLS: Mapping[str, Callable[..., Cells]] = {
    "replaced": _replaced,
    "margins": _with_margins,
    "added": _added,
}
"""Rules for tables with an empty cell: only that cell is filled, as in psych; the margins are kept; or all four cells
are filled."""


def _four(cells: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    a, b, c, d = np.moveaxis(cells, -1, 0)
    return a, b, c, d


def _margins(cells: Floats) -> tuple[Floats, Floats]:
    special = require("scipy.special", extra="stats")
    a, b, c, _ = _four(cells)
    n = cells.sum(axis=-1)
    return -special.ndtri(ratio(a + b, n)), -special.ndtri(ratio(a + c, n))


@dataclass(frozen=True, eq=False)
class Tetrachoric:
    """Matrices of tetrachoric correlations.

    Attributes
    ----------
    raw, smoothed : array of float, shape (..., k, k)
        As estimated, and positive definite.
    has_empty : array of bool, shape (..., k, k)
        Whether the pair's table has an empty cell, which was filled.
    least_eigenvalue : array of float, shape (...)
        Of the raw matrix; smoothed is raw unless this is below 1e-12.
    """

    raw: Floats
    smoothed: Floats
    has_empty: Bools
    least_eigenvalue: Floats


def tetrachoric_matrix(
    joint: ArrayLike, n: ArrayLike, *, empty_cells: str = "replaced", added: float = 0.5
) -> Tetrachoric:
    """Tetrachoric correlations of every two labels by maximum likelihood, made positive definite.

    Parameters
    ----------
    joint : array of int, shape (..., k, k)
        Items with both labels; the diagonal holds those with each, more than none and fewer than all.
    n : array of int, shape (...)
        Items.
    empty_cells : {"replaced", "margins", "added"}
        What is done to a pair with an empty cell, see `EMPTY_CELLS`.
    added : float
        Items put into an empty cell.

    Returns
    -------
    Tetrachoric
        Without empty cells the model fits each table exactly, as does `btviz.stats.association.tetrachoric`. With one
        filled, thresholds are fixed by the margins and the correlation has the highest likelihood.
    """
    together = np.asarray(joint, np.float64)
    k = together.shape[-1]
    row, col = np.triu_indices(k, 1)
    size = together.diagonal(axis1=-2, axis2=-1)
    both = together[..., row, col]
    items = np.asarray(n, np.float64)[..., None]
    cells = np.stack(
        [both, size[..., row] - both, size[..., col] - both, items - size[..., row] - size[..., col] + both], axis=-1
    )
    is_empty = (cells == 0).any(axis=-1, keepdims=True)
    filled = EMPTY_CELLS[empty_cells](cells, is_empty=is_empty, added=added)
    raw, has_empty = np.broadcast_to(np.eye(k), together.shape).copy(), np.zeros(together.shape, np.bool_)
    raw[..., row, col] = raw[..., col, row] = _most_likely(filled)
    has_empty[..., row, col] = has_empty[..., col, row] = is_empty[..., 0]
    smoothed, least = smooth(raw)
    return Tetrachoric(raw, smoothed, has_empty, least)


def _most_likely(cells: Cells) -> Floats:
    """Correlation at which the slope of the log-likelihood, which falls throughout, is 0: Newton in a bracket."""
    special = require("scipy.special", extra="stats")
    h, k = (threshold.ravel() for threshold in cells.thresholds)
    known = np.stack([*(cell.ravel() for cell in cells.counts), h, k, special.ndtr(-h), special.ndtr(-k)])
    angle, low, high = np.zeros(h.shape), np.full(h.shape, -np.pi / 2), np.full(h.shape, np.pi / 2)
    open_ = np.arange(len(h))
    for _ in range(_HALVINGS):
        at = angle[open_]
        slope, step = _slope(at, known[:, open_])
        low[open_] = np.where(slope > 0, at, low[open_])
        high[open_] = np.where(slope > 0, high[open_], at)
        inside = (at + step > low[open_]) & (at + step < high[open_])
        angle[open_] = np.where(inside, at + step, (low[open_] + high[open_]) / 2)
        open_ = open_[np.abs(angle[open_] - at) > _CLOSE]
        if not len(open_):
            break
    return np.sin(angle.reshape(cells.thresholds[0].shape))


def _slope(angle: Floats, known: Floats) -> tuple[Floats, Floats]:
    """What has the sign of the slope of the log-likelihood in the angle, and Newton's step to where it is 0."""
    counts, (h, k, above_h, above_k) = known[:4], known[4:]
    both = above_h * above_k + orthant_excess(angle, thresholds=(h, k))
    shares = np.maximum([both, above_h - both, above_k - both, 1 - above_h - above_k + both], 1e-300)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        parts = counts / shares
        slope = parts[0] - parts[1] - parts[2] + parts[3]
        step = slope / ((parts / shares).sum(axis=0) * _density(angle, h, k=k))
    return slope, step


def _density(angle: Floats, h: Floats, *, k: Floats) -> Floats:
    """Slope of the share above both thresholds in the angle."""
    sine, cosine = np.sin(angle), np.cos(angle)
    density: Floats = np.exp(-(h * h + k * k - 2 * h * k * sine) / np.maximum(2 * cosine * cosine, 1e-300))
    return density / (2 * np.pi)


def smooth(matrices: Floats) -> tuple[Floats, Floats]:
    """Positive definite matrices near to some, see the module, and the least eigenvalue that each had."""
    values, vectors = np.linalg.eigh(matrices)
    least = values[..., 0]
    raised = np.where(values < _NARROWEST, _RAISED, values)
    raised = raised * (values.shape[-1] / raised.sum(axis=-1, keepdims=True))
    made = (vectors * raised[..., None, :]) @ vectors.swapaxes(-1, -2)
    scale = np.sqrt(made.diagonal(axis1=-2, axis2=-1))
    made = made / (scale[..., :, None] * scale[..., None, :])
    return np.where((least < np.finfo(np.float64).eps)[..., None, None], made, matrices), least


def minres(matrix: Floats, n_factors: int) -> Floats:
    """Loadings of factors that leave the least sum of squared residuals off the diagonal, shape (k, n_factors).

    Unrotated. Least squares over the unique variances (Joreskog 1977): given these, loadings are the leading
    eigenvectors of what they leave, and the slope of the loss is minus the residual of the diagonal.
    """
    optimize = require("scipy.optimize", extra="stats")

    def split(unique: Floats) -> tuple[Floats, Floats]:
        values, vectors = np.linalg.eigh(matrix - np.diag(unique))
        return values[::-1], vectors[:, ::-1]

    def loss(unique: Floats) -> tuple[float, Floats]:
        values, vectors = split(unique)
        left = values.copy()
        left[:n_factors] = np.minimum(left[:n_factors], 0)
        return 0.5 * float(left @ left), -(vectors**2) @ left

    inverse = np.linalg.pinv(matrix).diagonal()
    start = np.clip(ratio(1, inverse), _LEAST_UNIQUE, 1.0)
    bounds = [(_LEAST_UNIQUE, 1.0)] * len(matrix)
    options = {"ftol": 1e-13, "gtol": 1e-8, "maxiter": 1000}
    unique = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    values, vectors = split(unique)
    loadings: Floats = vectors[:, :n_factors] * np.sqrt(np.maximum(values[:n_factors], 0))
    return loadings


@dataclass(frozen=True, eq=False)
class Factors:
    """A factor solution.

    Attributes
    ----------
    loadings : array of float, shape (k, m)
        Pattern of the rotated factors, by the variance they explain; each turned so that its loadings sum above 0.
    correlations : array of float, shape (m, m)
        Of the factors; the identity unless they are oblique.
    communalities : array of float, shape (k,)
        Variance of each label that the factors explain, 0 .. 1.
    """

    loadings: Floats
    correlations: Floats
    communalities: Floats


ROTATIONS = ("oblimin", "varimax", "none")


def factors(matrix: Floats, n_factors: int, *, rotation: str = "oblimin") -> Factors:
    """Extract factors by `minres` and rotate them.

    Oblimin is that with gamma 0 (quartimin; Jennrich 2002, gradient projection), varimax that of Kaiser (1958).
    """
    plain = minres(matrix, n_factors)
    pattern, between = _rotated(plain, rotation=rotation)
    explained = (pattern @ between * pattern).sum(axis=0)
    order = np.argsort(-explained, kind="stable")
    turn = np.where(pattern.sum(axis=0) < 0, -1.0, 1.0)[order]
    return Factors(
        pattern[:, order] * turn, between[np.ix_(order, order)] * np.outer(turn, turn), (plain**2).sum(axis=1)
    )


def _rotated(plain: Floats, *, rotation: str) -> tuple[Floats, Floats]:
    m = plain.shape[1]
    if rotation == "none" or m < 2:
        return plain, np.eye(m)
    rotate = require("statsmodels.multivariate.factor_rotation", extra="stats").rotate_factors
    if rotation == "varimax":
        weight = np.sqrt(np.maximum((plain**2).sum(axis=1, keepdims=True), 1e-12))
        return rotate(plain / weight, "varimax")[0] * weight, np.eye(m)
    pattern, turn = rotate(plain, "oblimin", 0, "oblique")
    return pattern, turn.T @ turn


def most_factors(k: int) -> int:
    """Most factors of k labels that leave a degree of freedom, 0 where not even one does."""
    return max((m for m in range(1, k) if _freedom(k, m) > 0), default=0)


def _freedom(k: int, m: int) -> int:
    return (k - m) * (k - m - 1) // 2 - m


@dataclass(frozen=True)
class Fit:
    """How well factors reproduce a matrix.

    `rmsr` is the root mean square of the residuals off the diagonal. The others come from the discrepancy of maximum
    likelihood with Bartlett's correction, as in psych; they take items for independent and the matrix for one of
    Pearson's correlations, so they describe and do not test. Of a smoothed matrix they mostly say how far smoothing
    had to go, because its determinant is what smoothing made it. NaN where factors leave no degree of freedom, or
    imply a matrix that is not positive definite.
    """

    freedom: int
    rmsr: float
    chi_squared: float
    tli: float
    rmsea: float
    cfi: float


def fit_of(matrix: Floats, found: Factors, *, n: int) -> Fit:
    """Measures of fit; Tucker & Lewis (1973), Steiger (1990), Bentler (1990)."""
    k, m = found.loadings.shape
    common = found.loadings @ found.correlations @ found.loadings.T
    residual = (matrix - common)[np.triu_indices(k, 1)]
    rmsr = math.sqrt(float((residual**2).mean()))
    freedom = _freedom(k, m)
    implied = common + np.diag(1 - common.diagonal())
    if freedom < 1 or np.linalg.eigvalsh(implied)[0] <= 0:
        return Fit(freedom, rmsr, *[math.nan] * 4)
    log_det = np.linalg.slogdet(matrix)[1]
    gap = np.linalg.slogdet(implied)[1] - log_det + np.trace(np.linalg.solve(implied, matrix)) - k
    scale = n - 1 - (2 * k + 5) / 6
    chi, null, null_freedom = gap * (scale - 2 * m / 3), -log_det * scale, k * (k - 1) / 2
    base = null / null_freedom
    tli = float(ratio(base - chi / freedom, base - 1))
    excess, null_excess = max(chi - freedom, 0.0), max(null - null_freedom, 0.0)
    cfi = 1 - excess / max(excess, null_excess) if max(excess, null_excess) > 0 else 1.0
    return Fit(freedom, rmsr, float(chi), tli, math.sqrt(max(gap / freedom - 1 / (n - 1), 0.0)), cfi)


def eigenvalues(matrices: Floats) -> tuple[Floats, Floats]:
    """Eigenvalues of matrices in falling order, and those with the communalities of one factor on the diagonal."""
    reduced = matrices.copy()
    place = np.arange(matrices.shape[-1])
    for index in np.ndindex(matrices.shape[:-2]):
        reduced[index][place, place] = (minres(matrices[index], 1) ** 2).sum(axis=1)
    components, of_factors = (np.linalg.eigvalsh(stack)[..., ::-1].astype(np.float64) for stack in (matrices, reduced))
    return components, of_factors


def shuffled_counts(
    flags: Bools,
    *,
    clusters: NDArray[np.generic],
    n_labelled: int | None = None,
    n_draws: int = 100,
    random_state: int = 0,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[Integers, Integers]:
    """Joint counts of labels that know nothing of each other, with the same margins and the same clusters.

    Parameters
    ----------
    flags : array of bool, shape (n, k)
        Labels of items.
    clusters : array, shape (n,)
        Each label's pattern moves as a whole to another cluster with as many items; one cluster per item shuffles
        items.
    n_labelled : int, optional
        Items that were kept for having a label; without that an item may have none. `flags` then hold other items,
        too, so many that this number is expected to be kept if labels are independent.
    n_draws, random_state : int
        Draws, and the seed.
    progress : callable
        Gets the number of draws done.

    Returns
    -------
    tuple of two arrays, shapes (n_draws, k, k) and (n_draws,)
        Joint counts, and items: all, or those kept.
    """
    rng = generator(random_state)
    _, cluster, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    order = np.argsort(cluster.ravel(), kind="stable")
    starts = np.cumsum(sizes) - sizes
    blocks = [
        order[starts[sizes == size][:, None] + np.arange(size)] for size in np.unique(sizes)
    ]  # items of clusters of one size, shape (clusters, size)
    joint, kept = [], []
    mixed = np.zeros_like(flags)
    for draw in range(n_draws):
        for block in blocks:
            for label in range(flags.shape[1]):
                mixed[block, label] = flags[block[rng.permutation(len(block))], label]
        as_numbers = mixed.astype(np.float32)
        joint.append(np.rint(as_numbers.T @ as_numbers).astype(np.int64))
        kept.append(int(mixed.any(axis=1).sum()) if n_labelled is not None else len(flags))
        progress(draw + 1)
    return np.array(joint), np.array(kept)
