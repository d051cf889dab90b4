"""Linear heads of probes: ridge-penalised logistic regression on contrasts of vectors, several heads at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from btviz.errors import require
from btviz.machine.threads import one_core_each
from btviz.models.probes.examples import SEVERITY, Examples

Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]

FEWEST = 10
"""Groups of prompts with, and without, what a head looks for; below that it is not fitted."""

_BLOCK = 4096


@dataclass(frozen=True, eq=False)
class LinearHeads:
    """Affine functions of a vector, one a head."""

    weights: Floats
    intercepts: Floats

    @one_core_each()
    def margins(self, vectors: Vectors) -> Floats:
        """Value of each head for each vector, shape (n, h)."""
        return np.asarray((vectors @ self.weights.astype(np.float32)).astype(np.float64) + self.intercepts)


def fit_heads(
    vectors: Vectors, examples: Examples, *, rows: npt.NDArray[np.bool_], groups: npt.NDArray[np.uint64], l2: float
) -> LinearHeads:
    """Fit the heads on some rows of the examples."""
    signs, owners = examples.signs[rows], examples.answer[rows]
    mean, spread = _moments(vectors, np.unique(owners))
    weights = np.full((vectors.shape[1], signs.shape[1]), np.nan)
    intercepts = np.full(signs.shape[1], np.nan)
    contrasts = examples.contrasts[rows]
    enough = learnable(contrasts, signs, groups=groups[owners])
    if enough.any():
        design = np.ones((len(vectors), vectors.shape[1] + 1), np.float32)
        np.subtract(vectors, mean.astype(np.float32), out=design[:, :-1])
        design[:, :-1] /= spread.astype(np.float32)
        coefficients = fit_logistic(design, contrasts, signs=signs[:, enough], l2=l2)
        weights[:, enough] = coefficients[:-1] / spread[:, None]
        intercepts[enough] = coefficients[-1] - mean @ weights[:, enough]
    return LinearHeads(weights, intercepts)


def _moments(vectors: Vectors, rows: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Mean and standard deviation (1 where it is 0) of some rows, a block at a time: they may be many."""
    blocks = [rows[start : start + _BLOCK] for start in range(0, len(rows), _BLOCK)]
    n = max(len(rows), 1)
    mean = sum((vectors[block].sum(axis=0, dtype=np.float64) for block in blocks), np.zeros(vectors.shape[1])) / n
    squares = np.zeros(vectors.shape[1])
    for block in blocks:
        centred = vectors[block] - mean
        squares += np.einsum("nd,nd->d", centred, centred)
    spread = np.sqrt(squares / n)
    spread[spread == 0] = 1
    return mean, spread


def learnable(contrasts: object, signs: Floats, *, groups: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Which heads have at least `FEWEST` groups of either sign; differences need one sign only."""
    singles = np.abs(contrasts).sum(axis=1) == 1  # type: ignore[call-overload]  # SciPy's arrays are numbers
    enough = np.empty(signs.shape[1], bool)
    for head, sign in enumerate(signs.T):
        with_sign = [len(np.unique(groups[singles & (sign == wanted)])) for wanted in (1, -1)]
        enough[head] = min(with_sign) >= FEWEST or len(np.unique(groups[~singles])) >= FEWEST
    return enough


_SAMPLE = 20_000  # rows that suffice for the preconditioner, which changes the path and not the minimum


@one_core_each()
def fit_logistic(vectors: npt.NDArray[np.float32], contrasts: Any, *, signs: Floats, l2: float) -> Floats:
    r"""Weights that minimise the mean logistic loss of each head plus a ridge penalty.

    For each head, with contrast :math:`z_i = \sum_j A_{ij} x_j` and sign :math:`y_i`,

    .. math:: \frac1n \sum_i \log(1 + e^{-y_i z_i \cdot w}) + \frac\lambda2 \lVert w \rVert^2 .

    Logistic regression is the case of contrasts with one vector each, Bradley-Terry that of
    differences of two with all signs +1. Contrasts stay sparse, so differences are never stored.
    The weights are the same on any number of cores.
    """
    minimise = require("scipy.optimize", extra="models").minimize
    whitening = _whitening(vectors, contrasts, l2=l2)
    metric = l2 * whitening.T @ whitening
    shape, n = (vectors.shape[1], signs.shape[1]), len(signs)

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(shape)
        margins = signs * (contrasts @ (vectors @ (whitening @ weights).astype(np.float32)))
        losses, steps = _log_loss(margins)
        pull = contrasts.T @ (signs * steps)
        penalised = metric @ weights
        value = losses.sum() / n + (weights * penalised).sum() / 2
        slope = penalised - whitening.T @ (vectors.T @ pull.astype(np.float32)) / n
        return float(value), slope.ravel()

    optimum = minimise(
        loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 200, "gtol": 1e-6}
    )
    return np.asarray(whitening @ optimum.x.reshape(shape))


def _whitening(vectors: npt.NDArray[np.float32], contrasts: Any, *, l2: float) -> Floats:
    """Change of variables in which the loss curves about equally in all directions.

    A quarter of the second moments, plus the penalty, bounds the Hessian from above (Böhning 1992), so
    the inverse of its Cholesky factor leaves few steps to the minimum.
    """
    step = -(-contrasts.shape[0] // _SAMPLE)
    rows = contrasts[::step] @ vectors
    bound = (rows.T @ rows).astype(np.float64) / (4 * max(len(rows), 1)) + l2 * np.eye(vectors.shape[1])
    return np.asarray(np.linalg.inv(np.linalg.cholesky(bound)).T)


def _log_loss(margins: Floats) -> tuple[Floats, Floats]:
    """Values of log(1 + exp(-margin)), and of their slope, the sign turned; one exponential serves both."""
    small = np.exp(-np.abs(margins))
    wrong = margins < 0
    losses = np.log(1 + small)
    losses -= np.where(wrong, margins, 0)
    return losses, np.where(wrong, 1, small) / (1 + small)


@dataclass(frozen=True, eq=False)
class Scorer:
    """Linear heads and the scale of their training answers."""

    heads: LinearHeads
    kind: str
    names: tuple[str, ...]
    shift: float = 0.0
    scale: float = 1.0

    def scores(self, vectors: Vectors) -> Floats:
        """Scores of vectors: shape (n,), or (n, k) with one column for each of `targets`."""
        margins = self.heads.margins(vectors)
        if self.kind != "moderation":
            return np.asarray((margins[:, 0] - self.shift) / self.scale)
        chances = (1 + np.tanh(margins / 2)) / 2  # the logistic function; NaN passes
        levels = np.array([name.startswith(f"{SEVERITY}>=") for name in self.names])
        if not levels.any():
            return chances
        # the expected level is the sum over levels of the chance to reach it
        return np.column_stack([chances[:, ~levels], chances[:, levels].sum(axis=1)])


def scaled(heads: LinearHeads, vectors: Vectors, *, kind: str, names: tuple[str, ...]) -> Scorer:
    """Give a reward mean 0 and standard deviation 1 on its training answers.

    Bradley-Terry leaves shift and scale of a reward free, so folds would not be comparable. A cost stays
    in log odds: its zero is the boundary between safe and unsafe, and its size what its loss says.
    """
    if kind != "reward" or np.isnan(heads.weights).any():  # no scale of a head that could not be fitted
        return Scorer(heads, kind, names)
    margins = heads.margins(vectors)[:, 0]
    return Scorer(heads, kind, names, shift=float(margins.mean()), scale=float(margins.std()) or 1.0)


def targets(names: tuple[str, ...]) -> tuple[str, ...]:
    """Labels of a moderation probe: its categories, then severity where it has levels."""
    categories = tuple(name for name in names if not name.startswith(f"{SEVERITY}>="))
    return categories if len(categories) == len(names) else (*categories, SEVERITY)
