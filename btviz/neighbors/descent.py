"""Approximate neighbours of many texts, by nearest-neighbour descent."""

from __future__ import annotations

from threading import Timer

import numpy as np
import numpy.typing as npt

from btviz.errors import UsageError, require
from btviz.neighbors.grid import Grid, blocks, cosine, squared_between
from btviz.progress import bar

_AUDITED = 500  # texts whose true neighbours are looked up
_QUIET_SECONDS = 2.0

Vectors = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int32]


def approximate(vectors: Vectors, k: int, *, n_threads: int, random_state: int) -> tuple[Indices, Vectors, float]:
    """Find about the k nearest other rows of each row.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n, d)
        Unit vectors.
    k : int
        1 to n - 1.
    n_threads, random_state : int
        The result is a function of both.

    Returns
    -------
    indices : ndarray of int32, shape (n, k)
    distances : ndarray of float32, shape (n, k)
        Cosine distances as `btviz.neighbors.grid` has them; neighbours are ordered by distance,
        then by row.
    recall : float
        Share of the true neighbours found, 0 .. 1, over at most 500 seeded rows.

    Raises
    ------
    UsageError
        If there are not that many threads.
    """
    rows = _search(vectors, k, n_threads=n_threads, random_state=random_state)
    indices = np.empty((len(vectors), k), np.int32)
    distances = np.empty((len(vectors), k), np.float32)
    for part in blocks(len(vectors)):
        indices[part], distances[part] = _ordered(vectors, np.arange(part.start, part.stop), rows=rows[part])
    _complete(vectors, indices, distances=distances)
    return indices, distances, _recall(vectors, indices, random_state=random_state)


def _search(vectors: Vectors, k: int, *, n_threads: int, random_state: int) -> npt.NDArray[np.integer]:
    pynndescent = require("pynndescent", extra="topics")
    threads = require("numba", extra="topics").config.NUMBA_NUM_THREADS
    if not 1 <= n_threads <= threads:
        raise UsageError(f"{n_threads} threads were asked for; numba has 1 to {threads} here. Ask for that many.")
    with bar(f"Finding the neighbours of {len(vectors):,} texts", total=1) as update:
        announce = Timer(_QUIET_SECONDS, update, args=(0,))  # the descent does not tell how far it is
        announce.start()
        try:
            index = pynndescent.NNDescent(
                np.asarray(vectors), n_neighbors=k + 1, metric="cosine", random_state=random_state, n_jobs=n_threads
            )
        finally:
            announce.cancel()
            announce.join()
    return np.asarray(index.neighbor_graph[0])


def _ordered(vectors: Vectors, own: npt.NDArray[np.intp], *, rows: npt.NDArray[np.integer]) -> tuple[Indices, Vectors]:
    """Leave out each row itself (or, where it was not found, the farthest) and put the others in order."""
    m, width = rows.shape
    rows = np.where(rows < 0, own[:, None], rows)  # -1 stands for a neighbour that was not found
    squared = squared_between(vectors[np.repeat(own, width)], vectors[rows.ravel()]).reshape(m, width)
    squared[rows == own[:, None]] = np.inf
    order = np.lexsort((rows, squared), axis=1)[:, : width - 1]
    distances = cosine(np.take_along_axis(squared, order, axis=1))
    return np.take_along_axis(rows, order, axis=1).astype(np.int32), distances


def _complete(vectors: Vectors, indices: Indices, *, distances: Vectors) -> None:
    """Look up the rows for which the descent found too few."""
    short = np.flatnonzero(np.isinf(distances).any(axis=1))
    if not len(short):
        return
    grid = Grid.of(vectors)
    for part in blocks(len(short), against=len(grid)):
        own = short[part]
        indices[own], distances[own] = grid.nearest(vectors[own], indices.shape[1], own=own)


def _recall(vectors: Vectors, indices: Indices, *, random_state: int) -> float:
    n, k = indices.shape
    audited = np.random.default_rng(random_state).choice(n, min(_AUDITED, n), replace=False)
    grid = Grid.of(vectors)
    found = 0
    for part in blocks(len(audited), against=len(grid)):
        own = audited[part]
        squared = grid.squared(vectors[own])
        squared[np.arange(len(own)), own] = np.inf
        limit = np.partition(squared, k - 1, axis=1)[:, k - 1 : k]
        found += int((np.take_along_axis(squared, indices[own].astype(np.int64), axis=1) <= limit).sum())
    return float(found / (len(audited) * k))
