"""Tests by permutation of whole clusters: shuffles of two binary labels, sign flips of sums; and many tests at once.

Under the null hypothesis the items of a cluster (the answers to a prompt) may resemble each
other in either label, but the two labels know nothing of one another. Giving each cluster
the second label's pattern from another cluster of the same size keeps all that each label does
within clusters, and breaks only their association.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from btviz.errors import UsageError
from btviz.stats.association import Floats, Integers, ratio
from btviz.stats.resampling import CELLS, check_repeats, generator, kinds_of

_WORD = 64

Words = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class JointPermutation:
    """Joint counts of every two labels, observed and with clusters shuffled."""

    observed: Integers
    null: Integers
    p_value: Floats


def permute_clusters(
    flags: ArrayLike, *, clusters: ArrayLike, n_permutations: int = 9999, random_state: int = 0
) -> JointPermutation:
    """Test whether any two labels of the same items meet more, or less, often than by chance."""
    labels, ids = np.asarray(flags, np.bool_), np.asarray(clusters)
    if n_permutations < 1 or len(labels) != len(ids):
        raise UsageError(
            f"{n_permutations} permutations of {len(labels)} items with {len(ids)} cluster ids were asked for. "
            "Ask for at least one, and give each item its cluster."
        )
    # the rarest label first: it then meets all others, at the cost of its few clusters alone
    order = np.argsort(labels.sum(axis=0), kind="stable")
    patterns, sizes = _patterns(labels[:, order], ids)
    back = np.argsort(order)
    rng = generator(random_state)
    null = _shuffled_counts(patterns, sizes=sizes, n_permutations=n_permutations, rng=rng)[:, back][:, :, back]
    observed = labels.T.astype(np.int64) @ labels
    diagonal = np.arange(labels.shape[1])
    null[:, diagonal, diagonal] = observed[diagonal, diagonal]
    return JointPermutation(observed, null, _two_sided(null, observed=observed, n=len(labels)))


def _patterns(labels: NDArray[np.bool_], ids: NDArray[np.generic]) -> tuple[Words, Integers]:
    """Each cluster's labels as bits, shape (k, words, C), and its size; clusters by size."""
    _, cluster, sizes = np.unique(ids, return_inverse=True, return_counts=True)
    by_cluster = np.argsort(cluster, kind="stable")
    place = np.empty(len(ids), np.int64)
    place[by_cluster] = np.arange(len(ids)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    words = np.zeros((labels.shape[1], -(-int(sizes.max(initial=1)) // _WORD), len(sizes)), np.uint64)
    label, item = np.nonzero(labels.T)
    bits = np.uint64(1) << (place[item] % _WORD).astype(np.uint64)
    np.bitwise_or.at(words, (label, place[item] // _WORD, cluster[item]), bits)
    by_size = np.argsort(sizes, kind="stable")
    return words.take(by_size, axis=2), sizes[by_size].astype(np.int64)


def _shuffled_counts(words: Words, *, sizes: Integers, n_permutations: int, rng: np.random.Generator) -> Integers:
    k = len(words)
    bounds = np.flatnonzero(np.r_[True, sizes[1:] != sizes[:-1], True]) if len(sizes) else np.zeros(1, np.int64)
    carriers = [np.flatnonzero(pattern.any(axis=0)) for pattern in words]
    carried = [pattern[:, rows] for pattern, rows in zip(words, carriers, strict=True)]
    counts = np.zeros((n_permutations, k, k), np.int64)
    partner = np.arange(len(sizes))
    for repeat in range(n_permutations):
        for first, last in itertools.pairwise(bounds):
            rng.shuffle(partner[first:last])
        for label in range(k - 1):
            met = words[label + 1 :].take(partner[carriers[label]], axis=2) & carried[label]
            counts[repeat, label, label + 1 :] = np.bitwise_count(met).reshape(k - 1 - label, -1).sum(axis=1)
    return counts + counts.transpose(0, 2, 1)


def _two_sided(null: Integers, *, observed: Integers, n: int) -> Floats:
    above, below = ((1 + side.sum(axis=0)) / (len(null) + 1) for side in (null >= observed, null <= observed))
    p_value = np.minimum(2 * np.minimum(above, below), 1.0)
    varies = (observed.diagonal() > 0) & (observed.diagonal() < n)
    tested = varies[:, None] & varies[None, :] & ~np.eye(len(observed), dtype=bool)
    return np.where(tested, p_value, np.nan)


@dataclass(frozen=True, eq=False)
class SignFlip:
    """Sign-flip test of a sum over clusters."""

    statistic: Floats
    p_value: Floats
    null: Floats


def sign_flip(sums: ArrayLike, *, n_flips: int = 9999, random_state: int = 0) -> SignFlip:
    """Test that a sum over clusters is 0, by turning the signs of whole clusters.

    Exact where each cluster's sum is as likely as its opposite, which is more than a mean of 0: a sum that is often a
    little above 0 and seldom far below it is not symmetric, as where large clusters lean one way and small ones the
    other. With 50 such clusters it rejects up to 9 % at a level of 5 %; `studentised_p` asks for no symmetry and stands
    beside it. The sum of squares is the same under every turn of signs, so the studentised sum and the plain one have
    the same p-value, which is at least ``1 / (n_flips + 1)``.
    """
    check_repeats(n_flips)
    table = np.asarray(sums, np.float64)
    kinds, counts = kinds_of(table[:, None] if table.ndim == 1 else table)
    rng = generator(random_state)
    block = max(1, CELLS // max(1, len(counts)))
    turned = [
        (2.0 * rng.binomial(counts, 0.5, size=(min(block, n_flips - first), len(counts))) - counts) @ kinds
        for first in range(0, n_flips, block)
    ]
    null = np.concatenate(turned)
    observed = counts.astype(np.float64) @ kinds
    exceeding = (np.abs(null) >= np.abs(observed)).sum(axis=0)
    scale = np.sqrt((counts[:, None] * kinds**2).sum(axis=0))
    p_value = np.where(scale > 0, (1 + exceeding) / (n_flips + 1), np.nan)
    shape = table.shape[1:]
    return SignFlip(
        ratio(observed, scale).reshape(shape)[()],
        p_value.reshape(shape)[()],
        ratio(null, scale).reshape(n_flips, *shape),
    )


def studentised_p(sums: ArrayLike, *, n_boot: int = 1999, random_state: int = 0) -> float:
    """P-value of a mean of 0 of sums over clusters, by the symmetric bootstrap of Student's t (Hall 1988).

    Clusters are drawn with replacement, and ``|t|`` is held against that of the drawn sums around the observed mean,
    each with its own standard error. So sums need not be symmetric around 0, as `sign_flip` asks: large clusters may
    lean one way and small ones the other. It is asymptotic, and cautious where
    a few clusters decide how much the sums vary.

    Parameters
    ----------
    sums : array of float, shape (C,)
        Sums over clusters.
    n_boot, random_state : int
        Resamples, and seed.

    Returns
    -------
    float
        At least ``1 / (n_boot + 1)``; NaN where the sums do not vary.
    """
    check_repeats(n_boot)
    kinds, counts = kinds_of(np.asarray(sums, np.float64)[:, None])
    values, n = kinds[:, 0], int(counts.sum())
    if n < 2 or len(values) < 2:
        return math.nan
    mean = float(counts @ values) / n
    gap = values - mean
    observed = abs(mean) * math.sqrt(n * (n - 1) / float(counts @ gap**2))
    drawn = generator(random_state).multinomial(n, counts / n, size=n_boot)
    total, squares = drawn @ gap, drawn @ gap**2
    with np.errstate(divide="ignore", invalid="ignore"):  # in a resample of equal sums there is no error
        t = np.abs(total) / n * np.sqrt(n * (n - 1) / np.maximum(squares - total**2 / n, 0.0))
    return (1 + int((np.nan_to_num(t, nan=0.0, posinf=math.inf) >= observed * (1 - 1e-9)).sum())) / (n_boot + 1)


def holm(p_values: ArrayLike) -> Floats:
    """P-values adjusted by Holm (1979): the chance of any false rejection stays below the level.

    Valid under any dependence between the tests. NaN is no test, and does not count among them.
    """
    return _adjusted(p_values, _holm)


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """P-values adjusted by Benjamini and Hochberg (1995): bounds the expected share of false rejections.

    Valid for independent and for positively dependent tests. NaN is no test, and does not count.
    """
    return _adjusted(p_values, _benjamini_hochberg)


def _holm(ascending: Floats) -> Floats:
    return np.maximum.accumulate(ascending * np.arange(len(ascending), 0, -1))


def _benjamini_hochberg(ascending: Floats) -> Floats:
    m = len(ascending)
    return np.minimum.accumulate((ascending * m / np.arange(1, m + 1))[::-1])[::-1]


def _adjusted(p_values: ArrayLike, method: Callable[[Floats], Floats]) -> Floats:
    p = np.asarray(p_values, np.float64)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known], kind="stable")]
    adjusted = np.full(p.shape, np.nan)
    adjusted[order] = np.minimum(method(p[order]), 1.0)
    return adjusted
