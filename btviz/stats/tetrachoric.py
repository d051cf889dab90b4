"""Tetrachoric correlation: the correlation of two normal variables seen only as yes or no."""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from btviz.stats.association import Floats, TwoByTwo

_NODES = 96
_HALVINGS = 52


def tetrachoric(table: TwoByTwo) -> Floats:
    """Maximum-likelihood tetrachoric correlation, -1 .. 1.

    A 2x2 table has three free proportions and the model three parameters, so the likelihood
    is highest where the model fits the table exactly: thresholds from the margins, and the
    correlation at which the bivariate normal puts the observed share above both (Pearson
    1900; Hamdan 1970).

    Returns
    -------
    array of float
        NaN where one of the four cells is 0: the likelihood then grows up to -1 or 1.
    """
    solvable = np.logical_and.reduce([cell > 0 for cell in table.cells])
    result = np.full(solvable.shape, np.nan)
    n = table.n[solvable].astype(np.float64)
    thresholds = _threshold(table.row[solvable] / n), _threshold(table.col[solvable] / n)
    result[solvable] = np.sin(_angle(table.excess()[solvable] / n**2, thresholds=thresholds))
    return result


def _threshold(share: Floats) -> Floats:
    normal = NormalDist()
    return np.array([-normal.inv_cdf(value) for value in share])


def _angle(excess: Floats, *, thresholds: tuple[Floats, Floats]) -> Floats:
    low: Floats = np.full(excess.shape, -np.pi / 2)
    high: Floats = -low
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        too_high = orthant_excess(middle, thresholds=thresholds) > excess
        low, high = np.where(too_high, low, middle), np.where(too_high, middle, high)
    return (low + high) / 2


def orthant_excess(angle: ArrayLike, *, thresholds: tuple[Floats, Floats]) -> Floats:
    """``P(X > h, Y > k) - P(X > h) P(Y > k)`` of a standard bivariate normal.

    The derivative of the probability with respect to the correlation is the density at
    (h, k); with correlation ``sin(angle)`` the singular factor of the density cancels
    (Drezner & Wesolowsky 1990, Genz 2004). Gauss-Legendre quadrature over the angle.

    Parameters
    ----------
    angle : array, shape (m,)
        Arc sine of the correlation, radians, -pi/2 .. pi/2.
    thresholds : tuple of two arrays, shape (m,)
        h and k.
    """
    h, k = (threshold[:, None] for threshold in thresholds)
    end = np.asarray(angle, np.float64)[:, None]
    nodes, weights = _quadrature()
    at = end * nodes
    sine, cosine = np.sin(at), np.cos(at)
    exponent = (h * h + k * k - 2 * h * k * sine) / (2 * cosine * cosine)
    # summed row by row, so that a table and its transpose give the same bits
    integral: Floats = (np.exp(-exponent) * weights).sum(axis=1) * end[:, 0]
    return integral / (2 * np.pi)


@lru_cache(maxsize=1)
def _quadrature() -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return (nodes + 1) / 2, weights / 2
