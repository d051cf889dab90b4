"""Ridge-penalised logistic loss on contrasts of vectors, minimised for several heads at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from btviz.errors import require
from btviz.threads import one_core_each

Floats = npt.NDArray[np.float64]

_SAMPLE = 20_000  # rows that suffice for the preconditioner, which changes the path and not the minimum


@one_core_each()
def fit_logistic(vectors: npt.NDArray[np.float32], contrasts: Any, *, signs: Floats, l2: float) -> Floats:
    r"""Weights that minimise the mean logistic loss of each head plus a ridge penalty.

    For each head, with contrast :math:`z_i = \sum_j A_{ij} x_j` and sign :math:`y_i`,

    .. math:: \frac1n \sum_i \log(1 + e^{-y_i z_i \cdot w}) + \frac\lambda2 \lVert w \rVert^2 .

    Logistic regression is the case of contrasts with one vector each, Bradley-Terry that of
    differences of two with all signs +1. Contrasts stay sparse, so differences are never stored.
    The weights are the same on any number of cores.

    Parameters
    ----------
    vectors : ndarray of float32, shape (m, k)
        No intercept is added; a column of ones is one, cancels in differences, and is penalised.
    contrasts : scipy.sparse array, shape (n, m)
        +1 and -1 where a vector enters a row.
    signs : ndarray, shape (n, h)
        +1 or -1, a column for each head.
    l2 : float
        The penalty's weight, positive: it makes the minimum unique.

    Returns
    -------
    ndarray, shape (k, h)
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

    found = minimise(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 200, "gtol": 1e-6})
    return np.asarray(whitening @ found.x.reshape(shape))


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
