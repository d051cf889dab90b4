"""The graph of nearest neighbours, exact or by lists of similar texts: stored, and shared by all."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np
import numpy.typing as npt

from btviz.arguments import seed, whole_number
from btviz.errors import choice
from btviz.machine.threads import one_core_each
from btviz.store import Draft, Entry, Key, Store
from btviz.texts.embedding import Embeddings
from btviz.texts.neighbors.grid import cosine
from btviz.texts.neighbors.search import Search, collected, exact_neighbors, nearest_in_lists, nearest_of_some

EXACT_UP_TO = 20_000
"""Texts; the exact graph of so many takes two seconds, and of five times as many half a minute."""

WIDTH = 30
"""Neighbours stored at least, so that every use reads the same graph."""

WANTED = 0.997
"""Recall that so many lists are searched for; what is then found is measured on other texts."""

VERSION = 1
"""Of the lists; raised when the same vectors would get another approximate graph."""

_JUDGED = 500  # texts whose true neighbours choose the number of lists, and as many others that recall is measured on


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
    method : {"exact", "ivf"}
        How the neighbours were found.
    recall : float
        Share of the true nearest neighbours among those found, 0 .. 1, measured on up to 500
        texts drawn by chance; 1.0 for the exact method.
    recall_error : float
        Its standard error, with the text as the unit of chance; 0 for the exact method.
    """

    indices: npt.NDArray[np.int32]
    distances: npt.NDArray[np.float32]
    fingerprint: str
    method: str
    recall: float
    recall_error: float = 0.0

    def __len__(self) -> int:
        """Number of texts."""
        return len(self.indices)

    def __repr__(self) -> str:
        n, k = self.indices.shape
        return f"<Neighbors: {k} of each of {n:,} texts, {self.search}>"

    @property
    def search(self) -> str:
        """How the neighbours were found, and how many of the true ones, in words."""
        if self.method == "exact":
            return "exact: all compared"
        return f"{self.method}: recall {self.recall:.4f} ± {self.recall_error:.4f} (standard error, {_JUDGED} texts)"


def nearest_neighbors(
    emb: Embeddings,
    n_neighbors: int = WIDTH,
    *,
    method: str = "auto",
    n_threads: int | None = None,
    random_state: int = 0,
) -> Neighbors:
    """Find the nearest other texts of each text.

    The graph is stored; asking again, also for fewer neighbours, reads it. It does not depend on
    the number of threads, the order of rows or the library of matrix products.

    Parameters
    ----------
    emb : Embeddings
        From `btviz.embed`.
    n_neighbors : int
        Neighbours of each text, at least 1.
    method : {"auto", "exact", "ivf"}
        "exact" compares all texts with all others. "ivf" divides them into lists of similar texts (an
        inverted file; Jégou, Douze & Schmid 2011) and compares each with those of the lists nearest to it
        alone: of so many lists as 99.7 % of the true neighbours of 500 texts are in, which is much faster for
        many texts. "auto" is exact up to 20,000 texts.
    n_threads : int, optional
        Threads that search; default: one a core, at most 8. The result is the same with any number.
    random_state : int
        Seed of the lists, and of the texts on which recall is measured, of "ivf".

    Returns
    -------
    Neighbors
        `indices` and `distances` of shape (texts, n_neighbors), and the `recall` measured.

    Raises
    ------
    UsageError
        If an option is wrong, or vectors have not unit length.
    """
    n_neighbors = whole_number(n_neighbors, name="n_neighbors", least=1)
    n = len(emb)
    if choice(method, ["auto", "exact", "ivf"], what="method") == "auto":
        method = "exact" if n <= EXACT_UP_TO else "ivf"
    width = min(max(n_neighbors, WIDTH), max(n - 1, 0))
    if n_threads is not None:
        n_threads = whole_number(n_threads, name="n_threads", least=1)
    entry = _entry(emb, width=width, method=method, n_threads=n_threads, random_state=seed(random_state))
    k = min(n_neighbors, width)
    facts = entry.document("facts")
    return Neighbors(
        indices=entry.array("indices")[:, :k],
        distances=entry.array("distances")[:, :k],
        fingerprint=emb.fingerprint,
        method=method,
        recall=facts["recall"],
        recall_error=facts.get("recall_error", 0.0),
    )


def _entry(emb: Embeddings, *, width: int, method: str, n_threads: int | None, random_state: int) -> Entry:
    params: dict[str, int | str] = {"width": width, "method": method}
    if method == "ivf":
        params |= {"random_state": random_state, "lists": VERSION}

    def make(draft: Draft) -> None:
        facts: dict[str, float] = {"recall": 1.0}
        if width == 0:
            indices, distances = np.empty((len(emb), 0), np.int32), np.empty((len(emb), 0), np.float32)
        elif method == "exact":
            indices, distances = exact_neighbors(emb.vectors, width, n_threads=n_threads)
        else:
            indices, distances, facts = in_lists(emb.vectors, width, n_threads=n_threads, random_state=random_state)
        draft.array("indices", indices)
        draft.array("distances", distances)
        draft.document("facts", facts)

    return Store().build(Key("neighbors", (emb.fingerprint,), params), make)


Vectors = npt.NDArray[np.float32]

Indices = npt.NDArray[np.int32]


def in_lists(
    vectors: Vectors, k: int, *, n_threads: int | None, random_state: int
) -> tuple[Indices, Vectors, dict[str, float]]:
    """Find about the k nearest other rows of each row, and say how many of the true ones."""
    n = len(vectors)
    drawn = np.random.default_rng(random_state).choice(n, min(2 * _JUDGED, n), replace=False)
    choosing, judged = np.array_split(drawn, 2)
    with one_core_each():
        search = Search.of(vectors, n_lists=2 * isqrt(n), least=k + 1, random_state=random_state)
        n_lists = _lists_needed(search, choosing, k=k, n_threads=n_threads)
        found = nearest_in_lists(search, k, n_lists=n_lists, n_threads=n_threads)
        indices, distances = collected(search, found, k=k)
        _, squared = nearest_of_some(search, search.places[judged], k=k, n_threads=n_threads)
    hits = (distances[judged] <= cosine(squared[:, -1:])).mean(axis=1)
    error = hits.std(ddof=1) / np.sqrt(len(hits)) if len(hits) > 1 else 0.0
    facts = {"recall": float(hits.mean()), "recall_error": float(error)}
    return indices, distances, facts | {"lists": len(search.lists), "lists_searched": n_lists}


def _lists_needed(search: Search, rows: npt.NDArray[np.int64], *, k: int, n_threads: int | None) -> int:
    """How many lists hold the share wanted of the true neighbours of some rows."""
    places = search.places[rows]
    near, _ = nearest_of_some(search, places, k=k, n_threads=n_threads)
    order = np.argsort(search.nearest_lists(places, len(search.lists)), axis=1)  # the rank of each list
    ranks = np.sort(np.take_along_axis(order, search.lists.of_places(search.places[near]), axis=1), axis=None)
    return int(ranks[int(np.ceil(WANTED * ranks.size)) - 1]) + 1
