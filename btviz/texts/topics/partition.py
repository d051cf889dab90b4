"""Topics as communities of the graph of shared nearest neighbours, at any resolution.

Two texts are tied where one is among the nearest of the other, by the Jaccard index of their sets of nearest texts,
each text counted among its own (Jarvis and Patrick 1973). Communities are those of the Leiden algorithm (Traag, Waltman
and van Eck 2019) for modularity with a resolution (Reichardt and Bornholdt 2006), by the compiled graspologic_native.
A map is not needed: what lies together on it by accident is no topic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btviz.errors import require

NEIGHBORS = 30
"""Nearest texts that make the graph, where there are texts enough."""

FEWEST_TEXTS = 10
"""Texts of a topic, at least; those of smaller communities are outliers."""

MIN_PROBABILITY = 0.2
"""Share of a text's ties below which its topic is not its own, by default."""

_ITERATIONS = 5

_QUICK_ITERATIONS = 2  # which reach nearly the modularity of five: 0.5630 for 0.5632 of 3,019 texts

_TRIALS = 5
"""Starts of the algorithm, of which the one with the best modularity counts; fewer of many texts."""

_TEXTS_TIMES_TRIALS = 50_000

_BLOCK = 4096  # rows of the graph whose shared neighbours are counted at a time

Floats = NDArray[np.float64]

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Communities:
    """A topic for each of n texts, -1 for outliers, and the share of each text's ties that lie inside it."""

    labels: Integers
    probabilities: Floats

    @property
    def n_topics(self) -> int:
        """Topics that there are; their numbers are 0, 1, ..."""
        return int(self.labels.max(initial=-1)) + 1


@dataclass(frozen=True)
class Rule:
    """How communities become topics."""

    min_probability: float = MIN_PROBABILITY
    random_state: int = 0


def suitable_neighbors(n: int) -> int:
    """Nearest texts that make the graph of n texts: near ``0.6 sqrt(n)``, 5 to 30."""
    return max(1, min(NEIGHBORS, max(5, round(0.6 * math.sqrt(n))), n - 1))


def shared_neighbors(nearest: NDArray[np.integer[Any]]) -> Any:
    """Graph of the Jaccard indices of sets of nearest texts; symmetric and sparse, shape (n, n).

    `nearest` has the shape (n, k); -1 stands for a neighbour that there is not.
    """
    sparse = require("scipy.sparse", extra="topics")
    n, k = nearest.shape
    there = (nearest >= 0).ravel()
    rows, columns = np.repeat(np.arange(n), k)[there], nearest.ravel()[there]
    near = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=(n, n))
    tied, own = (near + near.T).tocsr(), (near + sparse.identity(n, np.float32)).tocsr()
    size = np.asarray(own.sum(axis=1), np.float64).ravel()
    parts = []
    for start in range(0, n, _BLOCK):
        block = slice(start, start + _BLOCK)
        shared = (own[block] @ own.T).multiply(tied[block] > 0).tocoo()
        either = size[shared.row + start] + size[shared.col] - shared.data
        parts.append(sparse.csr_matrix((shared.data / either, (shared.row, shared.col)), shape=shared.shape))
    graph = sparse.vstack(parts, format="csr") if parts else sparse.csr_matrix((n, n))
    graph.sort_indices()
    return graph


def communities(graph: Any, resolution: float, *, random_state: int, quick: bool = False) -> Integers:
    """Community of each text, numbered from 0; -1 for a text without ties. `quick`: one start, fewer iterations."""
    n = graph.shape[0]
    if not graph.nnz:
        return np.full(n, -1)
    trials = 1 if quick else max(1, min(_TRIALS, _TEXTS_TIMES_TRIALS // n))
    leiden = require("graspologic_native", extra="topics").leiden_csr
    _, found = leiden(
        graph.indptr.astype(np.int64),
        graph.indices.astype(np.int32),
        graph.data.astype(np.float64),
        n,
        resolution=float(resolution),
        iterations=_QUICK_ITERATIONS if quick else _ITERATIONS,
        trials=trials,
        seed=random_state,
    )
    labels = np.full(n, -1)
    labels[np.fromiter(found.keys(), np.int64, len(found))] = np.fromiter(found.values(), np.int64, len(found))
    return labels


def inside_shares(graph: Any, labels: Integers) -> Floats:
    """Share of each text's ties that lie inside its community, 0 .. 1; 0 without ties."""
    rows = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
    same = (labels[rows] == labels[graph.indices]) & (labels[rows] >= 0)
    inside = np.bincount(rows[same], weights=graph.data[same], minlength=len(labels))
    total = np.bincount(rows, weights=graph.data, minlength=len(labels))
    shares: Floats = np.minimum(inside / np.maximum(total, 1e-300), 1.0)
    return shares


def topics_of(graph: Any, labels: Integers, *, min_probability: float) -> Communities:
    """Communities of `FEWEST_TEXTS` texts or more, without the texts that are tied to others rather than to them."""
    shares = inside_shares(graph, labels)
    kept = (labels >= 0) & (shares >= min_probability)
    size = np.bincount(labels[kept], minlength=int(labels.max(initial=-1)) + 1)
    kept[kept] = size[labels[kept]] >= FEWEST_TEXTS
    numbers = np.full(len(size) + 1, -1)
    large = np.flatnonzero(size >= FEWEST_TEXTS)
    numbers[large] = np.arange(len(large))
    return Communities(np.where(kept, numbers[labels], -1), np.where(kept, shares, 0.0))


def topics_in(nearest: NDArray[np.integer[Any]], scale: float, *, rule: Rule, quick: bool = False) -> Communities:
    """Topics of texts of which the nearest others are known, at one resolution."""
    graph = shared_neighbors(nearest)
    labels = communities(graph, scale, random_state=rule.random_state, quick=quick)
    return topics_of(graph, labels, min_probability=rule.min_probability)


def divided(graph: Any, labels: Integers, *, resolution: float, random_state: int) -> Integers:
    """Communities inside communities: ties between those given do not count."""
    rows = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
    inside = graph.copy()
    inside.data = np.where(labels[rows] == labels[graph.indices], graph.data, 0.0)
    inside.eliminate_zeros()
    # with s of all ties left, the product of two degrees over their sum is s times what it was
    left = inside.data.sum() / max(graph.data.sum(), 1e-300)
    return communities(inside, resolution / max(left, 1e-300), random_state=random_state, quick=True)


def joined(graph: Any, labels: Integers, *, resolution: float) -> Integers:
    """Unions of communities, the most strongly tied pair first, as long as modularity at a resolution gains by it.

    Ties of a pair are held against those expected of their degrees, as in the algorithm Paris (Bonald and others 2018).
    """
    k = int(labels.max(initial=-1)) + 1
    sparse = require("scipy.sparse", extra="topics")
    known = np.flatnonzero(labels >= 0)
    member = sparse.csr_matrix((np.ones(len(known)), (known, labels[known])), shape=(len(labels), k))
    ties = (member.T @ graph @ member).toarray()
    total, union = ties.sum(), np.arange(k)
    while True:
        degree = ties.sum(axis=1)
        excess = ties * total / np.maximum(np.outer(degree, degree), 1e-300)
        np.fill_diagonal(excess, 0)
        if not excess.size or excess.max() <= resolution:
            return np.asarray(np.append(np.unique(union, return_inverse=True)[1], -1)[labels])
        left, right = sorted(np.unravel_index(int(excess.argmax()), excess.shape))
        ties[left] += ties[right]
        ties[:, left] += ties[:, right]
        ties[right], ties[:, right] = 0, 0
        union[union == right] = left
