"""The graph of nearest neighbours, exact or by nearest-neighbour descent: stored, and shared by all."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from os import cpu_count
from threading import Timer

import numpy as np
import numpy.typing as npt

from btviz.arguments import seed, whole_number
from btviz.errors import UsageError, choice, require
from btviz.machine.progress import bar
from btviz.store import Draft, Entry, Key, Store
from btviz.texts.embedding import Embeddings
from btviz.texts.neighbors.grid import LARGEST, Grid, blocks, cosine, nearest_others, squared_between

EXACT_UP_TO = 20_000
"""Texts; above that the exact graph takes minutes."""

WIDTH = 30
"""Neighbours stored at least, so that every use reads the same graph."""

THREADS = 2
"""Of the descent, whatever the machine has: the graph depends on their number."""


@dataclass(frozen=True, eq=False)
class Neighbors:
    """The nearest other texts of each text.

    Attributes
    ----------
    indices : ndarray of int32, shape (n, k)
        Rows of the embeddings, nearest first; of equally near texts the one with the lower id.
        k is smaller than asked for where there are fewer other texts.
    distances : ndarray of float32, shape (n, k)
        Cosine distances, 0 .. 2; exactly 0 for equal vectors.
    fingerprint : str
        Of the embeddings.
    method : {"exact", "nndescent"}
        How the neighbours were found.
    recall : float
        Share of the true nearest neighbours among those found, 0 .. 1, measured on up to 500
        texts; 1.0 for the exact method.
    """

    indices: npt.NDArray[np.int32]
    distances: npt.NDArray[np.float32]
    fingerprint: str
    method: str
    recall: float

    def __len__(self) -> int:
        """Number of texts."""
        return len(self.indices)

    def __repr__(self) -> str:
        n, k = self.indices.shape
        return f"<Neighbors: {k} of each of {n:,} texts, {self.method}, recall {self.recall:.3f}>"


def nearest_neighbors(
    emb: Embeddings,
    n_neighbors: int = WIDTH,
    *,
    method: str = "auto",
    n_threads: int | None = None,
    random_state: int = 0,
) -> Neighbors:
    """Find the nearest other texts of each text.

    The graph is stored; asking again, also for fewer neighbours, reads it.

    Parameters
    ----------
    emb : Embeddings
        From `btviz.embed`.
    n_neighbors : int
        Neighbours of each text, at least 1.
    method : {"auto", "exact", "nndescent"}
        "exact" compares all texts with all others, and gives the same graph on any number of
        threads. "nndescent" (Dong, Moses & Li 2011, by pynndescent) is approximate, and much
        faster for many texts. "auto" is exact up to 20,000 texts.
    n_threads : int, optional
        Threads of "nndescent"; default 2 (1 on a machine with one core). The result depends on
        their number, so that it is part of what the stored graph goes by.
    random_state : int
        Seed of "nndescent".

    Returns
    -------
    Neighbors
        `indices` and `distances` of shape (texts, n_neighbors).

    Raises
    ------
    UsageError
        If an option is wrong, vectors have not unit length, or there are more than 262,144
        texts for "exact".
    """
    n_neighbors = whole_number(n_neighbors, name="n_neighbors", least=1)
    n = len(emb)
    if choice(method, ["auto", "exact", "nndescent"], what="method") == "auto":
        method = "exact" if n <= EXACT_UP_TO else "nndescent"
    if method == "exact" and n > LARGEST:
        raise UsageError(f"The exact graph of {n:,} texts was asked for; it goes up to {LARGEST:,}. Use 'nndescent'.")
    width = min(max(n_neighbors, WIDTH), max(n - 1, 0))
    if n_threads is None:
        n_threads = min(THREADS, cpu_count() or 1)
    threads = whole_number(n_threads, name="n_threads", least=1)
    entry = _entry(emb, width=width, method=method, n_threads=threads, random_state=seed(random_state))
    k = min(n_neighbors, width)
    return Neighbors(
        indices=entry.array("indices")[:, :k],
        distances=entry.array("distances")[:, :k],
        fingerprint=emb.fingerprint,
        method=method,
        recall=entry.document("facts")["recall"],
    )


def _entry(emb: Embeddings, *, width: int, method: str, n_threads: int, random_state: int) -> Entry:
    params: dict[str, int | str] = {"width": width, "method": method}
    if method == "nndescent":
        params |= {"n_threads": n_threads, "random_state": random_state, "pynndescent": version("pynndescent")}

    def make(draft: Draft) -> None:
        if method == "exact" or width == 0:
            indices, distances = _exact(emb, width)
            recall = 1.0
        else:
            indices, distances, recall = approximate(emb.vectors, width, n_threads=n_threads, random_state=random_state)
        draft.array("indices", indices)
        draft.array("distances", distances)
        draft.document("facts", {"recall": recall})

    return Store().build(Key("neighbors", (emb.fingerprint,), params), make)


def _exact(emb: Embeddings, width: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    indices = np.empty((len(emb), width), np.int32)
    distances = np.empty((len(emb), width), np.float32)
    if width == 0:
        return indices, distances
    done = 0
    with bar(f"Finding the neighbours of {len(emb):,} texts", total=len(emb)) as update:
        for near, far in nearest_others(Grid.of(emb.vectors), emb.vectors, k=width):
            indices[done : done + len(near)], distances[done : done + len(near)] = near, far
            done += len(near)
            update(done)
    return indices, distances


_AUDITED = 500  # texts whose true neighbours are looked up

_QUIET_SECONDS = 2.0

Vectors = npt.NDArray[np.float32]

Indices = npt.NDArray[np.int32]


def approximate(vectors: Vectors, k: int, *, n_threads: int, random_state: int) -> tuple[Indices, Vectors, float]:
    """Find about the k nearest other rows of each row."""
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


def _ordered(
    vectors: Vectors, texts: npt.NDArray[np.intp], *, rows: npt.NDArray[np.integer]
) -> tuple[Indices, Vectors]:
    """Leave out each row itself (or, where it was not found, the farthest) and put the others in order."""
    m, width = rows.shape
    rows = np.where(rows < 0, texts[:, None], rows)  # -1 stands for a neighbour that was not found
    squared = squared_between(vectors[np.repeat(texts, width)], vectors[rows.ravel()]).reshape(m, width)
    squared[rows == texts[:, None]] = np.inf
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
        rows = short[part]
        indices[rows], distances[rows] = grid.nearest(vectors[rows], indices.shape[1], own=rows)


def _recall(vectors: Vectors, indices: Indices, *, random_state: int) -> float:
    n, k = indices.shape
    audited = np.random.default_rng(random_state).choice(n, min(_AUDITED, n), replace=False)
    grid = Grid.of(vectors)
    n_kept = 0
    for part in blocks(len(audited), against=len(grid)):
        rows = audited[part]
        squared = grid.squared(vectors[rows])
        squared[np.arange(len(rows)), rows] = np.inf
        limit = np.partition(squared, k - 1, axis=1)[:, k - 1 : k]
        n_kept += int((np.take_along_axis(squared, indices[rows].astype(np.int64), axis=1) <= limit).sum())
    return float(n_kept / (len(audited) * k))
