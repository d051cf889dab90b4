"""Logistic regression on one score, with standard errors that clusters do not fool."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from btviz.stats.association import Floats
from btviz.stats.resampling import cluster_sums

_STEPS = 100
_PRECISION = 1e-10
_STEEPEST = 30.0
"""Standard deviations of score times slope beyond which two classes count as separated."""


@dataclass(frozen=True, eq=False)
class LogisticFit:
    """Fit of ``P(y) = 1 / (1 + exp(-(intercept + slope x)))``."""

    coefficients: Floats
    low: Floats
    high: Floats
    undefined: str | None


def expit(values: ArrayLike) -> Floats:
    """Logistic function, 0 .. 1, without overflow."""
    given = np.asarray(values, np.float64)
    shrunk = np.exp(-np.abs(given))
    return np.where(given >= 0, 1 / (1 + shrunk), shrunk / (1 + shrunk))


def logistic_fit(x: ArrayLike, y: ArrayLike, *, clusters: ArrayLike) -> LogisticFit:
    """Regress a label on a score by maximum likelihood.

    Parameters
    ----------
    x : array of float, shape (n,)
        Score.
    y : array of bool, shape (n,)
        Label.
    clusters : array, shape (n,)
        Cluster of each item. Intervals are Wald's, of the sandwich by cluster with the usual
        small-sample factor ``C / (C - 1) (n - 1) / (n - 2)`` (Liang & Zeger 1986).

    Returns
    -------
    LogisticFit
        Without values where the label or the score does not vary, where fewer than two
        clusters are there, or where a threshold on the score separates the two classes.
    """
    score, label, keys = np.asarray(x, np.float64), np.asarray(y, np.float64), np.asarray(clusters)
    spread = float(score.std()) if len(score) else 0.0
    if not len(label) or label.min() == label.max():
        return _absent("the label does not vary")
    if spread == 0 or not math.isfinite(spread):
        return _absent("the score does not vary")
    centre = float(score.mean())
    design = np.column_stack([np.ones_like(score), (score - centre) / spread])
    found = _newton(design, label)
    if found is None:
        return _absent("a threshold on the score separates the classes, so the slope has no end")
    turn = np.array([[1.0, -centre / spread], [0.0, 1 / spread]])
    coefficients = turn @ found
    covariance = turn @ _sandwich(design, label, found, keys=keys) @ turn.T
    half = NormalDist().inv_cdf(0.975) * np.sqrt(np.diag(covariance))
    return LogisticFit(coefficients, coefficients - half, coefficients + half, None)


def _newton(design: Floats, label: Floats) -> Floats | None:
    beta = np.zeros(2)
    for _ in range(_STEPS):
        p = expit(design @ beta)
        information = design.T @ (design * (p * (1 - p))[:, None])
        if np.linalg.cond(information) > 1 / np.finfo(float).eps or abs(beta[1]) > _STEEPEST:
            return None
        step = np.linalg.solve(information, design.T @ (label - p))
        step *= min(1.0, 5 / max(float(np.abs(step).max()), 1e-300))
        beta = beta + step
        if float(np.abs(step).max()) < _PRECISION:
            return beta
    return None


def _sandwich(design: Floats, label: Floats, beta: Floats, *, keys: Floats) -> Floats:
    p = expit(design @ beta)
    bread = np.linalg.inv(design.T @ (design * (p * (1 - p))[:, None]))
    scores = cluster_sums(design * (label - p)[:, None], clusters=keys)
    n, c = len(label), len(scores)
    if c < 2 or n <= 2:
        return np.full((2, 2), np.nan)
    meat: Floats = scores.T @ scores * (c / (c - 1)) * ((n - 1) / (n - 2))
    return np.asarray(bread @ meat @ bread)


def _absent(reason: str) -> LogisticFit:
    nothing = np.full(2, np.nan)
    return LogisticFit(nothing, nothing, nothing, reason)
