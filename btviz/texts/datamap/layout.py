"""The layout of a map: UMAP's forces, all texts at once, the same on any number of threads.

UMAP (McInnes, Healy & Melville 2018) moves one pair of texts after the other, so that the order counts and one thread
has to do it. Here an epoch moves every text by the forces at the places before it, hence in any order and on every
core. Which edges pull, and which texts are pushed away, is drawn by the text's row and the epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache, partial
from itertools import pairwise
from os import cpu_count
from typing import Any

import numpy as np
import numpy.typing as npt

from btviz.errors import require
from btviz.machine.progress import bar

Points = npt.NDArray[np.float32]

EPOCHS = 400

REFINING = 300
"""Epochs from a coarse map."""

PUSHED = 10
"""Texts that each turn of an edge pushes away.

Of the 3,019 question-and-answer texts of ``30k_test``, 400 epochs so keep more than umap-learn's 120 (which take
1.1 processor seconds, these 0.4): trustworthiness 0.932 instead of 0.922, continuity 0.900 instead of 0.898, of 15
neighbours 40.9 % instead of 38.2 % (means of three and five seeds).
"""

ROWS_OF_A_PART = 4096  # of a part; fewer are not worth a thread

_CROWD = 32  # threads at most


def membership_graph(indices: npt.NDArray[np.int32], distances: npt.NDArray[np.float32]) -> Any:
    """UMAP's graph of neighbours, each text without itself: a symmetric matrix in CSR, weights 0 .. 1.

    An edge has the probability that at least one of its two directed edges is there, ``a + b - ab``.
    """
    kernels = _kernels()
    sparse = require("scipy.sparse", extra="topics")
    n, k = indices.shape
    mean = float(distances.sum(dtype=np.float64)) / (n * (k + 1))
    weights = kernels.memberships(np.ascontiguousarray(distances), mean)
    directed = sparse.csr_matrix(
        (weights.ravel(), np.ascontiguousarray(indices).ravel(), np.arange(0, n * k + 1, k)), shape=(n, n)
    )
    back = directed.T.tocsr()
    graph = directed + back - directed.multiply(back)
    graph.sort_indices()
    return graph


def lay_out(
    points: Points,
    graph: Any,
    *,
    min_dist: float,
    random_state: int,
    epochs: int = EPOCHS,
    n_threads: int | None = None,
    on_epoch: Callable[[int, Points], None] | None = None,
) -> Points:
    """Move points such that neighbours come together; `on_epoch` sees them after each epoch, and may raise to stop."""
    kernels = _kernels()
    step = first_step(points, graph, min_dist=min_dist, random_state=random_state)
    with on_every_row(len(points), n_threads=n_threads) as each_part, bar("Laying out the map", total=epochs) as update:
        each_part(partial(kernels.phases, step))
        for epoch in range(epochs):
            step = step._replace(epoch=np.uint32(epoch), reach=np.float32((1 - epoch / epochs) ** 2))
            each_part(partial(kernels.move, step))
            step = step._replace(places=step.moved, moved=step.places)
            update(epoch + 1)
            if on_epoch is not None:
                on_epoch(epoch + 1, step.places)
    return np.array(step.places)


_NOISE = 1e-2  # keeps texts with the same neighbours apart


def spread(coarse: Points, graph: Any, *, rows: npt.NDArray[np.int64], random_state: int) -> Points:
    """Start all texts from a coarse map of some rows: each at the mean of its neighbours that have a place already.

    In rounds, until no more are reached; what hangs together with none of the rows starts in the middle.
    """
    n = graph.shape[0]
    places, placed = np.zeros((n, 2)), np.zeros(n)
    places[rows], placed[rows] = coarse, 1.0
    while placed.min() == 0:
        weight = graph @ placed
        reached = (weight > 0) & (placed == 0)
        if not reached.any():
            break
        places[reached] = (graph @ places)[reached] / weight[reached, None]
        placed[reached] = 1.0
    places += np.random.default_rng(random_state).normal(scale=_NOISE, size=places.shape)
    return np.asarray(places, np.float32)


def _kernels() -> Any:
    require("numba", extra="topics")
    from btviz.texts.datamap import kernels  # noqa: PLC0415  # numba takes a second to import

    return kernels


def first_step(points: Points, graph: Any, *, min_dist: float, random_state: int) -> Any:
    """The step before the first epoch: places, graph and forces."""
    kernels = _kernels()
    pull, push = forces(min_dist)
    share = graph.data.astype(np.float64) / graph.data.max(initial=np.float32(1e-30))
    return kernels.Step(
        places=np.array(points, np.float32, order="C"),
        moved=np.empty((len(points), 2), np.float32),
        first=graph.indptr.astype(np.int64),
        others=graph.indices.astype(np.int32),
        frequency=np.minimum(np.floor(share * 2.0**32), 2.0**32 - 1).astype(np.uint32),
        phase=np.empty(len(graph.data), np.uint32),
        pull=pull,
        push=push,
        reach=np.float32(1),
        epoch=np.uint32(0),
        key=np.uint32(random_state),
        n_pushed=np.uint32(PUSHED),
    )


@lru_cache(maxsize=8)
def forces(min_dist: float) -> tuple[Points, Points]:
    """Tables of UMAP's two forces by squared distance, per unit of distance.

    They are the gradients of ``log(p)`` and ``log(1 - p)`` with ``p = 1 / (1 + a d^2b)``, which is fitted to 1 below
    `min_dist` and ``exp(min_dist - d)`` beyond.
    """
    curve_fit = require("scipy.optimize", extra="topics").curve_fit
    distance = np.linspace(0, 3, 300)
    near = np.where(distance < min_dist, 1.0, np.exp(min_dist - distance))
    (a, b), _ = curve_fit(lambda d, a, b: 1 / (1 + a * d ** (2 * b)), distance, near)
    squared = _kernels().squared_distances()
    pull = -2 * a * b * squared ** (b - 1) / (1 + a * squared**b)
    push = 2 * b / ((0.001 + squared) * (1 + a * squared**b))
    return pull.astype(np.float32), push.astype(np.float32)


@contextmanager
def on_every_row(n: int, *, n_threads: int | None) -> Iterator[Callable[[Callable[[tuple[int, int]], object]], None]]:
    """Do work on all of n rows, in parts, on as many threads as there are cores."""
    threads = min(n_threads or cpu_count() or 1, _CROWD, max(n // ROWS_OF_A_PART, 1))
    parts = list(pairwise(np.linspace(0, n, 4 * threads + 1 if threads > 1 else 2).astype(int).tolist()))
    with ThreadPoolExecutor(threads, thread_name_prefix="btviz-layout") as pool:

        def on_all(work: Callable[[tuple[int, int]], object]) -> None:
            for _ in pool.map(work, parts) if threads > 1 else map(work, parts):
                pass

        yield on_all
