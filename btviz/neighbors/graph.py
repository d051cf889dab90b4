"""The graph of nearest neighbours: computed once per embedding, stored, shared by all."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from os import cpu_count

import numpy as np
import numpy.typing as npt

from btviz.arguments import seed, whole_number
from btviz.embedding import Embeddings
from btviz.errors import UsageError, choice
from btviz.neighbors.descent import approximate
from btviz.neighbors.grid import LARGEST, Grid, nearest_others
from btviz.progress import bar
from btviz.store import Draft, Entry, Key, Store

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
