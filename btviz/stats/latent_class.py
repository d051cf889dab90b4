"""Errors of raters nobody can tell apart, and the share of items that are truly positive, from votes alone.

The model of two latent classes: a share `prevalence` of the items is positive; each vote on a positive item is
positive with the chance `sensitivity`, each vote on another with the `false_positive_rate`, independently of other
votes (Dawid & Skene 1979 with exchangeable raters). Votes of one item then follow a mixture of two binomials. One vote
gives one moment of the mixture, two give two, and three parameters need three: with one or two votes very different
truths fit exactly. Three votes leave no degree of freedom to judge the model by.

An item with more than three votes counts by what three of them, drawn at random, would say (`three_votes`): that is
all there is where every item has three, it has a closed form, and where items have more it wastes a little.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from btviz.errors import require
from btviz.stats.association import Floats, ratio

VOTES = 3
"""Votes from which the three parameters are identified."""

PARAMETERS = ("prevalence", "sensitivity", "false_positive_rate")
"""What `two_classes` gives, in this order along the last axis."""

_SAME = 1e-12
_STEPS = 100


def three_votes(n_raters: ArrayLike, n_positive: ArrayLike) -> Floats:
    """Chances that 0, 1, 2, 3 of three votes are positive, drawn without replacement from those of an item.

    Shape (..., 4); zeros where there are fewer than three votes.
    """
    n, k = np.broadcast_arrays(np.asarray(n_raters, np.int64), np.asarray(n_positive, np.int64))
    kinds, place = np.unique(np.stack([n.ravel(), k.ravel()]), axis=1, return_inverse=True)
    chances = [
        [math.comb(hits, of) * math.comb(votes - hits, VOTES - of) / math.comb(votes, VOTES) for of in range(VOTES + 1)]
        if votes >= VOTES
        else [0.0] * (VOTES + 1)
        for votes, hits in kinds.T.tolist()
    ]
    return np.array(chances, np.float64).reshape(-1, VOTES + 1)[place.ravel()].reshape(*n.shape, VOTES + 1)


def two_classes(counts: ArrayLike) -> Floats:
    """Most likely prevalence, sensitivity and false-positive rate, given how many items have 0 .. 3 positive votes.

    Parameters
    ----------
    counts : array of float, shape (..., 4)
        Items with 0, 1, 2 and 3 positive votes of three; any scale.

    Returns
    -------
    array of float, shape (..., 3)
        `PARAMETERS`, each 0 .. 1, the sensitivity above the false-positive rate (else the classes could change their
        names). NaN where votes of one item are no more alike than votes of different items: nothing then tells two
        classes apart.

    Notes
    -----
    With moments ``m_j``, the chance that j given votes are all positive, the two rates are the roots of
    ``t**2 + b t + c`` with ``b = (m1 m2 - m3) / (m2 - m1**2)`` and ``c = -m2 - b m1``; the prevalence is the place of
    m1 between them. A root beyond 0 or 1 means that the likelihood is highest where that rate is 0 or 1; the other
    rate then solves ``s**2 - 3 s + 3 = 3 / mean``, for the mean of positive votes among items that have one.
    """
    q = np.asarray(counts, np.float64)
    q = ratio(q, q.sum(axis=-1, keepdims=True))
    inside, at_zero, at_one = _inside(q), _at_zero(q), _turned(_at_zero(q[..., ::-1]))
    mean = (q @ np.arange(VOTES + 1)) / VOTES
    alike = _log_likelihood(q, np.stack([mean, mean, mean], axis=-1))
    best, height = np.full(inside.shape, np.nan), alike + _SAME
    for candidate in (at_zero, at_one):
        likelihood = np.nan_to_num(_log_likelihood(q, candidate), nan=-np.inf)
        better = likelihood > height
        best, height = np.where(better[..., None], candidate, best), np.where(better, likelihood, height)
    allowed = (inside[..., 2] >= -_SAME) & (inside[..., 1] <= 1 + _SAME)
    return np.where(allowed[..., None], np.clip(inside, 0, 1), best)


def _inside(q: Floats) -> Floats:
    """Parameters that reproduce the shares exactly, wherever they lie; NaN without any spread between items."""
    one, two, three = (
        (q @ np.array([math.comb(k, j) for k in range(VOTES + 1)])) / math.comb(VOTES, j) for j in (1, 2, 3)
    )
    spread = two - one**2
    b = ratio(one * two - three, np.where(spread > _SAME, spread, 0))
    half = np.sqrt(np.maximum(b**2 / 4 + two + b * one, 0))
    high, low = -b / 2 + half, -b / 2 - half
    return np.stack([ratio(one - low, high - low), high, low], axis=-1)


def _at_zero(q: Floats) -> Floats:
    """The same for a false-positive rate of 0; NaN where that cannot be."""
    some = q[..., 1:].sum(axis=-1)
    mean = ratio(q @ np.arange(VOTES + 1), some)
    with np.errstate(invalid="ignore"):
        rate = (3 - np.sqrt(np.maximum(12 / mean - 3, 0))) / 2
    prevalence = ratio(some, 1 - (1 - rate) ** VOTES)
    parameters = np.stack([prevalence, rate, np.zeros_like(rate)], axis=-1)
    return np.where((prevalence <= 1)[..., None], parameters, np.nan)


def _turned(parameters: Floats) -> Floats:
    """What parameters of the negative votes say of the positive ones."""
    prevalence, rate, other = np.moveaxis(parameters, -1, 0)
    return np.stack([1 - prevalence, 1 - other, 1 - rate], axis=-1)


def vote_chances(parameters: ArrayLike, *, n_votes: int) -> Floats:
    """Chances of 0 .. n positive votes under parameters, shape (..., n + 1)."""
    prevalence, high, low = np.moveaxis(np.asarray(parameters, np.float64), -1, 0)
    mixed = prevalence[..., None] * _binomial(high, n_votes) + (1 - prevalence)[..., None] * _binomial(low, n_votes)
    return np.asarray(mixed)


def _binomial(p: Floats, n: int) -> Floats:
    k = np.arange(n + 1)
    ways = np.array([math.comb(n, int(hits)) for hits in k], np.float64)
    return np.asarray(ways * p[..., None] ** k * (1 - p[..., None]) ** (n - k))


def _log_likelihood(q: Floats, parameters: Floats) -> Floats:
    """Mean over items; an outcome that has no chance counts only where it occurs."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(vote_chances(parameters, n_votes=VOTES))
        mean: Floats = np.where(q > 0, q * logs, 0.0).sum(axis=-1)
        return np.where(np.isfinite(parameters).all(axis=-1), mean, np.nan)


def chance_positive(n_raters: ArrayLike, n_positive: ArrayLike, *, parameters: ArrayLike) -> Floats:
    """Chance that an item with these votes is positive, by Bayes' rule, 0 .. 1; NaN without votes."""
    n, k = np.asarray(n_raters, np.float64), np.asarray(n_positive, np.float64)
    prevalence, high, low = np.moveaxis(np.asarray(parameters, np.float64), -1, 0)
    positive = prevalence * high**k * (1 - high) ** (n - k)
    negative = (1 - prevalence) * low**k * (1 - low) ** (n - k)
    return np.where(n > 0, ratio(positive, positive + negative), np.nan)


def own_rates(low: ArrayLike, high: ArrayLike) -> Floats:
    """Ends of the parameters if every item has error rates of its own, and more than half of all votes would be right.

    Parameters
    ----------
    low, high : array of float, shape (4,)
        Ends between which the shares of items with 0 .. 3 positive votes of three lie.

    Returns
    -------
    array of float, shape (3, 2)
        Lowest and highest value of each of `PARAMETERS`, the rates as means over the positive items and over the
        others. NaN where the ends are, and where no mixture meets them.

    Notes
    -----
    An item's chance p of a positive vote may be anything; it is positive if and only if p exceeds 1/2 (either, at
    1/2). Prevalence is linear in the distribution of p, the rates are ratios of linear functions, and each end is a
    linear programme over a grid of 201 chances (Charnes & Cooper 1962). Without the assumption that most votes on an
    item are right, every prevalence fits: what is called a positive item is then free.
    """
    ends = np.stack([np.asarray(low, np.float64), np.asarray(high, np.float64)])
    if np.isnan(ends).any():
        return np.full((len(PARAMETERS), 2), np.nan)
    negative, positive = np.linspace(0, 0.5, _STEPS + 1), np.linspace(0.5, 1, _STEPS + 1)
    chance = np.concatenate([negative, positive])
    everything = np.ones(len(chance))
    of_positive = np.repeat([0.0, 1.0], _STEPS + 1)
    of_others = everything - of_positive
    goals = ((of_positive, everything), (of_positive * chance, of_positive), (of_others * chance, of_others))
    found = [_extremes(chance, ends, goal=goal, per=per) for goal, per in goals]
    return np.array(found)


def _extremes(chance: Floats, ends: Floats, *, goal: Floats, per: Floats) -> list[float]:
    """Lowest and highest ``goal @ w / per @ w`` over mixtures w whose votes lie between ends.

    With ``y = w / (per @ w)`` the ratio is linear, and the ends scale with the sum of y.
    """
    programme: Any = require("scipy.optimize", extra="stats").linprog
    votes = _binomial(chance, VOTES).T
    below, above = ends[0][:, None] - votes, votes - ends[1][:, None]
    solved = [
        programme(
            sign * goal, A_ub=np.vstack([below, above]), b_ub=np.zeros(2 * len(votes)), A_eq=per[None], b_eq=[1.0]
        )
        for sign in (1, -1)
    ]
    return [sign * float(one.fun) if one.status == 0 else np.nan for sign, one in zip((1, -1), solved, strict=True)]
