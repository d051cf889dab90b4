"""Shares of small groups drawn towards those of all: a beta-binomial model whose distribution is learnt from them.

The share of each group is taken for a draw from one beta distribution with mean m and strength M (the items that it is
worth), learnt from all groups by their beta-binomial likelihood. Given both, a group of h hits in n items has the
posterior Beta(M m + h, M (1 - m) + n - h): its mean lies between h / n and m, the nearer to m the smaller n is. Their
most likely values alone would make intervals too short (75 % seen with five groups of twenty items): where groups
differ hardly more than by chance the likelihood calls them equal. So posteriors are averaged over strengths and means.

Answers to one prompt resemble each other, so groups count by effective items: ``n* = sum(s / (1 + (s - 1) rho))`` over
the items s that each prompt has in the group, and ``h* = n* h / n``; rho is the correlation of two items of one prompt
and group, one for all groups, by moments of the residuals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from btviz.errors import require
from btviz.stats.association import Floats, ratio

FEWEST_GROUPS = 3
"""Groups from which their distribution is learnt."""

_SHRINKAGES = 24
_NODES = 5
_NEWTON, _HALVINGS = 20, 30
_STEP = 1e-3
_LIGHT = 2e-4
"""Weight below which a strength and mean are left out."""


@dataclass(frozen=True, eq=False)
class ShrunkenShares:
    """Shares of groups drawn towards each other, one each column of sums.

    Attributes
    ----------
    estimate, low, high : array of float, shape (m,)
        Posterior mean and equal-tailed interval; NaN for a group without items, and where `undefined` says why.
    effective : array of float, shape (m,)
        Effective items of each group.
    mean, strength : float
        Posterior means of the share that groups are drawn towards, and of the weight ``M / (M + n*)``, 0 .. 1, that it
        has in a group of as many effective items as groups have on average (harmonic mean).
    undefined : str or None
        Why there are no values.
    """

    estimate: Floats
    low: Floats
    high: Floats
    effective: Floats
    mean: float
    strength: float
    undefined: str | None


def shrunken_shares(hits: ArrayLike, n: ArrayLike, *, confidence: float = 0.95) -> ShrunkenShares:
    """Draw the shares of groups towards each other.

    Parameters
    ----------
    hits, n : array of float, shape (C, m)
        Hits among the items of a cluster in each of m groups, and these items.
    confidence : float
        Level, 0 .. 1.

    Returns
    -------
    ShrunkenShares
        Without values where fewer than `FEWEST_GROUPS` groups have items, or all items are alike.

    Notes
    -----
    The prior of the strength makes every weight ``M / (M + n*)`` of the common mean equally likely in a group of
    average size (the uniform shrinkage prior, Daniels 1999), on 24 steps; that of the mean is uniform, integrated over
    5 nodes of Gauss and Hermite about its most likely log-odds.
    """
    part, whole = np.broadcast_arrays(np.asarray(hits, np.float64), np.asarray(n, np.float64))
    effective = effective_items(part, whole)
    share = ratio(part.sum(axis=0), whole.sum(axis=0))
    there = effective > 0
    if (why := _why_not(share[there])) is not None:
        nothing = np.full(len(effective), np.nan)
        return ShrunkenShares(nothing, nothing, nothing, effective, np.nan, np.nan, why)
    h, items = (share * effective)[there], effective[there]
    means, strengths, weights = distributions(h, items)
    a = (means * strengths)[:, None] + h
    b = (strengths[:, None] + items) - a
    found = np.full((3, len(effective)), np.nan)
    tail = (1 - confidence) / 2
    found[0, there] = weights @ (a / (a + b))
    found[1, there], found[2, there] = (_mixture_quantile(level, a, b=b, weights=weights) for level in (tail, 1 - tail))
    usual = len(items) / (1 / items).sum()
    pulls = float(weights @ (strengths / (strengths + usual)))
    estimate, low, high = found
    return ShrunkenShares(estimate, low, high, effective, float(weights @ means), pulls, None)


def _why_not(share: Floats) -> str | None:
    if len(share) < FEWEST_GROUPS:
        n = len(share)
        return f"there are {n} groups with items, and what they have in common is learnt from {FEWEST_GROUPS} or more"
    return "all items of all groups are alike" if share.max() == 0 or share.min() == 1 else None


def effective_items(hits: Floats, n: Floats) -> Floats:
    """Independent items that each group is worth, shape (m,); see the module."""
    total = n.sum(axis=0)
    p = np.nan_to_num(ratio(hits.sum(axis=0), total))
    weight = np.nan_to_num(ratio(n, total))
    squares = np.nan_to_num(ratio((hits - n * p) ** 2, 1 - weight))
    spread = p * (1 - p) * (total > n.max(axis=0, initial=0))  # a group of one cluster tells nothing of it
    pairs = float(((n * np.maximum(n - 1, 0)).sum(axis=0) * spread).sum())
    within = float((squares.sum(axis=0) * (spread > 0) - total * spread).sum())
    correlation = min(max(within / pairs, 0.0), 1.0) if pairs > 0 else 1.0
    worth: Floats = ratio(n, 1 + np.maximum(n - 1, 0) * correlation).sum(axis=0)
    return worth


def distributions(hits: Floats, n: Floats) -> tuple[Floats, Floats, Floats]:
    """Means and strengths of the groups' distribution, and the weight of each; hits and items may be parts."""
    usual = len(n) / (1 / n).sum()
    pull = (np.arange(_SHRINKAGES) + 0.5) / _SHRINKAGES
    strength = usual * pull / (1 - pull)
    special: Any = require("scipy.special", extra="stats")

    def height(odds: Floats, of: Floats = strength) -> Floats:
        """Log-likelihood and log-prior density of the log-odds of the mean."""
        mean = special.expit(odds)
        a, b = (mean * of)[..., None], ((1 - mean) * of)[..., None]
        likelihood = (special.betaln(a + hits, b + n - hits) - special.betaln(a, b)).sum(axis=-1)
        return np.asarray(likelihood + np.log(mean) + np.log1p(-mean))

    pooled = hits.sum() / n.sum()
    centre = np.full(_SHRINKAGES, np.log(pooled) - np.log1p(-pooled))
    curvature = np.ones(_SHRINKAGES)
    for _ in range(_NEWTON):
        below, here, above = (height(centre + step) for step in (-_STEP, 0.0, _STEP))
        curvature = np.maximum((2 * here - below - above) / _STEP**2, 1e-3)
        centre = np.clip(centre + np.clip((above - below) / (2 * _STEP) / curvature, -1, 1), -30, 30)
    nodes, node_weights = np.polynomial.hermite_e.hermegauss(_NODES)
    odds = centre[:, None] + nodes / np.sqrt(curvature)[:, None]
    logs = height(odds, strength[:, None]) + np.log(node_weights) + nodes**2 / 2 - np.log(curvature)[:, None] / 2
    weights = np.exp(logs - logs.max()).ravel()
    weights /= weights.sum()
    kept = weights > _LIGHT
    means, strengths = special.expit(odds).ravel()[kept], np.repeat(strength, _NODES)[kept]
    return means, strengths, weights[kept] / weights[kept].sum()


def _mixture_quantile(level: float, a: Floats, *, b: Floats, weights: Floats) -> Floats:
    """Quantile of mixtures of beta distributions, one each column, by halving."""
    special: Any = require("scipy.special", extra="stats")
    low, high = np.zeros(a.shape[1]), np.ones(a.shape[1])
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        below = weights @ special.betainc(a, b, middle) < level
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2
