"""Strengths of players from wins: Bradley and Terry (1952), by maximum likelihood."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from btviz.stats.association import Floats

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
    given = np.asarray(wins, np.float64)
    k = given.shape[-1]
    tables = given.reshape(-1, k, k) * (1 - np.eye(k))
    strengths = np.array([_strengths(table, reference=reference) for table in tables]) if len(tables) else tables[:, 0]
    return (ELO * strengths).reshape(given.shape[:-1])


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
