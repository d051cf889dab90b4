"""Uncertainty of regressions whose rows come in clusters: what each cluster moves the coefficients by.

A cluster left out moves the coefficients by one Newton step, which for least squares is all of it:
``d_c = (A - A_c)**-1 s_c`` with A the information, and A_c and s_c the information and the score of the cluster. From
these deviations come the variance, that of the jackknife (CR3; Bell & McCaffrey 2002), and its degrees of freedom.
A sandwich with a normal quantile covers too little where few clusters decide.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from btviz.stats.association import Floats
from btviz.stats.clustered import effective_number, freedom_of
from btviz.stats.resampling import cluster_sums


def moves_of(design: Floats, *, weight: ArrayLike, residual: ArrayLike, clusters: ArrayLike) -> Floats:
    """Coefficients less those without each cluster, shape (C, k), clusters in ascending order.

    Parameters
    ----------
    design : array of float, shape (n, k)
        Regressors.
    weight : array of float, shape (n,)
        Curvature of each row: 1 of least squares, ``p (1 - p)`` of a logistic regression.
    residual : array of float, shape (n,)
        Label less its fitted mean, at the maximum.
    clusters : array, shape (n,)
        Cluster of each row.

    Returns
    -------
    array of float
        All NaN where the rows without some cluster do not determine the coefficients.
    """
    x, k = np.asarray(design, np.float64), design.shape[1]
    scores = cluster_sums(x * np.asarray(residual, np.float64)[:, None], clusters=clusters)
    products = (x[:, :, None] * x[:, None, :]).reshape(len(x), k * k) * np.asarray(weight, np.float64)[:, None]
    information = cluster_sums(products, clusters=clusters).reshape(-1, k, k)
    without = information.sum(axis=0) - information
    if len(without) < 2 or (np.linalg.cond(without) > 1 / np.finfo(float).eps).any():
        return np.full((len(without), k), np.nan)
    return np.asarray(np.linalg.solve(without, scores[..., None])[..., 0])


def worth_of(design: Floats, *, clusters: ArrayLike) -> Floats:
    """Effective number of clusters by what each tells of the coefficients of least squares, shape (k,).

    A row tells of a coefficient by the square of what the other regressors leave of its own (Frisch & Waugh 1933).
    """
    x = np.asarray(design, np.float64)
    left = x @ np.linalg.inv(x.T @ x)
    return effective_number(cluster_sums(left**2, clusters=clusters))


def errors_of(moves: Floats, contrasts: ArrayLike) -> tuple[Floats, Floats]:
    """Standard errors of linear functions of coefficients, and their degrees of freedom, see `freedom_of`.

    Contrasts have the shape (m, k). Where few clusters decide, few degrees are left, and intervals are wide.
    """
    deviation = moves @ np.asarray(contrasts, np.float64).T
    count = max(len(deviation), 1)
    squares = (deviation - deviation.mean(axis=0)) ** 2
    freedom = freedom_of(squares, at_most=count - 1)
    error = np.sqrt(squares.sum(axis=0) * (count - 1) / count)
    known = np.isfinite(error)
    return np.where(known, error, np.nan), np.where(known, freedom, np.nan)
