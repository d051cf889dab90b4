"""The data map of embeddings: a layout of the graph of neighbours, coarse at first.

Of more texts than a layout can hold a sample is laid out, and the others are placed beside it.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.arguments import expect_table, seed, whole_number
from btviz.errors import UsageError, choice, require
from btviz.machine.progress import bar, tqdm_options
from btviz.store import Draft, Key, Store, fingerprint
from btviz.texts.datamap.layout import EPOCHS, REFINING, lay_out, membership_graph, spread
from btviz.texts.embedding import Embeddings
from btviz.texts.neighbors import Neighbors, nearest_neighbors
from btviz.texts.neighbors.grid import Grid, blocks
from btviz.texts.neighbors.search import exact_neighbors

FEWEST_LANDMARKS = 10

VERSION = 4
"""Raised when the same vectors would get another map."""

METHODS = ("parallel", "umap")

COARSE = 3000
"""Texts of the coarse map, where there are more than twice as many."""


@dataclass(frozen=True, eq=False)
class MapStage:
    """A map under way.

    Attributes
    ----------
    points : DataFrame
        `pair_id`, `x`, `y`, as of `fit_data_map`: of the coarse map only the pairs of its texts.
    share : float
        How much of what `words` name is done, 0 .. 1.
    words : str
        What is being done, to be shown.
    """

    points: pl.DataFrame
    share: float
    words: str


def fit_data_map(
    emb: Embeddings,
    *,
    random_state: int = 0,
    n_neighbors: int = 15,
    min_dist: float = 0.0,
    landmarks: int | None = None,
    method: str = "parallel",
    on_stage: Callable[[MapStage], object] | None = None,
) -> pl.DataFrame:
    """Lay texts out in the plane such that similar ones lie together.

    UMAP's forces on the graph of `btviz.nearest_neighbors`, started from principal components; of
    more than 6,000 texts, from a coarse map of 3,000 of them. Every
    distinct text is laid out once, sorted by id: the same data in any row order, on any number of
    threads, give the same map on one machine, and pairs that share a text share a point. The map is
    stored, and read when asked for again. Distances between far groups, and the axes, mean nothing;
    `btviz.map_quality` measures how well near ones are kept.

    Parameters
    ----------
    emb : Embeddings
        From `btviz.embed`.
    random_state : int
        Seed, 0 .. 2^32 - 1.
    n_neighbors : int
        Size of the neighbourhoods that are kept, at least 2; as UMAP counts them, a text is
        the first of its own.
    min_dist : float
        Distance on the map below which texts are not drawn closer, 0 .. 1. With 0 neighbours are
        kept best, and dense regions stand apart for `btviz.fit_topics`.
    landmarks : int, optional
        Lay out only that many texts, drawn by the seed, and place each other one beside the
        nearest of these: for more texts than memory or patience allow. The map is then coarser;
        `btviz.map_quality` says by how much, for landmarks and others apart.
    method : {"parallel", "umap"}
        "parallel" moves all texts at once, on all cores. "umap" has umap-learn move one pair of
        texts after the other, on one thread: the reference that the other is measured against.
    on_stage : callable, optional
        Called with a `MapStage` while the map is made: with the coarse map, as it is refined
        (a few times a second at most), and with the finished one. What it raises ends the layout,
        and nothing is stored.

    Returns
    -------
    DataFrame
        One row per pair, sorted: `pair_id` (UInt64), `x`, `y` (Float32, without unit; some
        tens across). With `landmarks` also `landmark` (Boolean).

    Raises
    ------
    UsageError
        If an option is out of its range.
    """
    check_layout(
        random_state=random_state, n_neighbors=n_neighbors, min_dist=min_dist, landmarks=landmarks, method=method
    )
    chosen = int(landmarks) if landmarks is not None and landmarks < len(emb) else None
    params: dict[str, int | float | str | None] = {
        "random_state": int(random_state),
        "n_neighbors": int(n_neighbors),
        "min_dist": float(min_dist),
        "landmarks": chosen,
        "method": method,
    }
    if method == "umap":
        params["umap"] = version("umap-learn")
    plan = _Plan(int(n_neighbors), float(min_dist), int(random_state), method, _Watch(on_stage))

    def make(draft: Draft) -> None:
        if chosen is None:
            draft.array("points", _whole(emb, plan))
            return
        rows = drawn(emb, chosen, random_state=random_state)
        draft.array("landmarks", rows)
        sample = subset(emb, rows)
        draft.array("points", _around(emb, sample, rows=rows, points=_whole(sample, plan)))

    entry = Store().build(Key("maps", (emb.fingerprint,), params, version=VERSION), make)
    table = _per_pair(emb, entry.array("points"))
    if on_stage is not None:
        on_stage(MapStage(table, 1.0, f"Map of {len(emb):,} texts"))
    if landmarks is None:
        return table
    is_landmark = np.ones(len(emb), bool) if chosen is None else np.isin(np.arange(len(emb)), entry.array("landmarks"))
    return table.with_columns(pl.Series("landmark", is_landmark[emb.rows]))


def check_layout(
    *,
    random_state: int = 0,
    n_neighbors: int = 15,
    min_dist: float = 0.0,
    landmarks: int | None = None,
    method: str = "parallel",
) -> None:
    """Check the options of `fit_data_map`, before anything that takes time."""
    seed(random_state)
    whole_number(n_neighbors, name="n_neighbors", least=2)
    choice(method, METHODS, what="method")
    if not 0 <= min_dist <= 1:
        raise UsageError(f"A map was asked for with min_dist {min_dist}. Use 0 to 1.")
    if landmarks is not None:
        whole_number(landmarks, name="landmarks", least=FEWEST_LANDMARKS)


class _Watch:
    """Shows stages to whoever looks on, seldom enough to cost little."""

    def __init__(self, on_stage: Callable[[MapStage], object] | None) -> None:
        self._on_stage, self._next = on_stage, 0.0

    def show(self, emb: Embeddings, points: Points, *, share: float, words: str, at_once: bool = False) -> None:
        """Show a map, unless the last one was shown just now."""
        now = time.monotonic()
        if self._on_stage is None or (now < self._next and not at_once):
            return
        self._on_stage(MapStage(_per_pair(emb, points), share, words))
        done = time.monotonic()
        self._next = done + max(EVERY_SECONDS, (done - now) / SHARE_OF_SHOWING)


EVERY_SECONDS = 0.25

SHARE_OF_SHOWING = 0.1  # of the time of a layout, at most


@dataclass(frozen=True)
class _Plan:
    n_neighbors: int
    min_dist: float
    random_state: int
    method: str
    watch: _Watch


def _whole(emb: Embeddings, plan: _Plan) -> Points:
    """Place of each text; fewer than three stay at the start, for they have no graph worth laying out."""
    if len(emb) < _FEWEST:
        return start(emb.vectors, random_state=plan.random_state)
    if plan.method == "umap":
        first = start(emb.vectors, random_state=plan.random_state)
        return umap_layout(first, nearest_neighbors(emb, plan.n_neighbors), plan=plan)
    rows, coarse = _coarse(emb, plan) if len(emb) > 2 * COARSE else (None, None)
    if rows is not None and coarse is not None:
        words = f"Finding the neighbours of {len(emb):,} texts"
        plan.watch.show(subset(emb, rows), coarse, share=0.0, words=words, at_once=True)
    graph = nearest_neighbors(emb, plan.n_neighbors)
    k = _others(plan, of=len(emb))
    edges = membership_graph(graph.indices[:, :k], graph.distances[:, :k])
    if rows is None or coarse is None:
        first, epochs = start(emb.vectors, random_state=plan.random_state), EPOCHS
    else:
        first, epochs = spread(coarse, edges, rows=rows, random_state=plan.random_state), REFINING
    return lay_out(
        first,
        edges,
        min_dist=plan.min_dist,
        random_state=plan.random_state,
        epochs=epochs,
        on_epoch=_shown(emb, plan, epochs=epochs, words=f"Laying out {len(emb):,} texts"),
    )


def _coarse(emb: Embeddings, plan: _Plan) -> tuple[npt.NDArray[np.int64], Points]:
    """Rows and places of some texts, laid out alone: neighbours of so few are found at once."""
    rows = drawn(emb, COARSE, random_state=plan.random_state)
    sample = subset(emb, rows)
    indices, distances = exact_neighbors(sample.vectors, _others(plan, of=COARSE))
    words = f"Coarse map of {COARSE:,} of {len(emb):,} texts"
    points = lay_out(
        start(sample.vectors, random_state=plan.random_state),
        membership_graph(indices, distances),
        min_dist=plan.min_dist,
        random_state=plan.random_state,
        on_epoch=_shown(sample, plan, epochs=EPOCHS, words=words),
    )
    return rows, points


def _shown(emb: Embeddings, plan: _Plan, *, epochs: int, words: str) -> Callable[[int, Points], None]:
    def show(epoch: int, points: Points) -> None:
        plan.watch.show(emb, points, share=epoch / epochs, words=words)

    return show


def _others(plan: _Plan, *, of: int) -> int:
    """Neighbours of each text: as UMAP counts them, it is its own first."""
    return max(min(plan.n_neighbors, of - 1), 2) - 1


def _around(emb: Embeddings, sample: Embeddings, *, rows: npt.NDArray[np.int64], points: Points) -> Points:
    placed = place(emb.vectors, sample.vectors, points=points)
    placed[rows] = points
    return placed


def _per_pair(emb: Embeddings, points: npt.NDArray[np.float32]) -> pl.DataFrame:
    of_pair = points[emb.rows]
    return pl.DataFrame({"pair_id": emb.pairs["pair_id"], "x": of_pair[:, 0], "y": of_pair[:, 1]})


_HALF_WIDTH = 10.0  # of the start, as UMAP scales its own

_NOISE = 1e-4  # keeps equal vectors apart in the start

_STEP = 2.0**-10  # the start is rounded to this

_BLOCK = 8192

_FEWEST = 3  # texts that have a graph worth laying out

Points = npt.NDArray[np.float32]


def start(vectors: npt.NDArray[np.float32], *, random_state: int) -> Points:
    """First two principal components, scaled to -10 .. 10, with a little seeded noise.

    Coordinates are rounded to 2^-10 before the noise: the last bits of a decomposition depend on
    the number of threads, and UMAP would make a different map of them.
    """
    n, d = vectors.shape
    if n == 0:
        return np.empty((0, 2), np.float32)
    mean = vectors.mean(axis=0, dtype=np.float64)
    scatter = np.zeros((d, d))
    for first in range(0, n, _BLOCK):
        block = vectors[first : first + _BLOCK] - mean
        scatter += block.T @ block
    axes = np.linalg.eigh(scatter)[1][:, ::-1][:, :2]  # eigenvalues ascend
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    plane = np.zeros((n, 2))
    for first in range(0, n, _BLOCK):
        plane[first : first + _BLOCK, : axes.shape[1]] = (vectors[first : first + _BLOCK] - mean) @ axes
    extent = np.abs(plane).max(initial=0.0)
    if extent > _STEP**2:  # else all vectors are equal, and only rounding errors differ
        plane = np.rint(plane * (_HALF_WIDTH / extent) / _STEP) * _STEP
    noise = np.random.default_rng(random_state).normal(scale=_NOISE, size=plane.shape)
    return np.asarray(plane + noise, np.float32)


_NEGATIVES, _EPOCHS = 10, 120
"""Points that each edge pushes away, and passes over the edges, by umap-learn.

Its own are 5 and 500, of many texts 200; with these it took two fifths of the time, and kept more neighbours.
"""


def umap_layout(points: Points, graph: Neighbors, *, plan: _Plan) -> Points:
    """Move points such that neighbours come together, by umap-learn on one thread."""
    k = _others(plan, of=len(points))
    self_first = np.arange(len(points), dtype=np.int32)[:, None]
    with warnings.catch_warnings():
        # It misses a package for another kind of map, and says that new points cannot be added.
        warnings.filterwarnings("ignore", category=ImportWarning)
        warnings.filterwarnings("ignore", message="precomputed_knn", category=UserWarning)
        umap = require("umap", extra="topics")
        model = umap.UMAP(
            n_neighbors=k + 1,
            min_dist=plan.min_dist,
            random_state=plan.random_state,
            n_jobs=1,
            n_epochs=_EPOCHS,
            negative_sample_rate=_NEGATIVES,
            init=points,
            precomputed_knn=(
                np.hstack([self_first, graph.indices[:, :k]]),
                np.hstack([np.zeros_like(self_first, np.float32), graph.distances[:, :k]]),
            ),
            tqdm_kwds=tqdm_options("Laying out the map"),
        )
        # With the graph given, it takes nothing from the data but their number.
        return np.asarray(model.fit_transform(points), np.float32)


_NEIGHBORS = 5  # landmarks that have a say in where a text goes

_PULL = 0.1
"""Of the way from the nearest landmark to the mean of all: farther puts texts between groups."""


def drawn(emb: Embeddings, n: int, *, random_state: int) -> npt.NDArray[np.int64]:
    """Rows of n texts, drawn without replacement; ascending. The order of a file plays no part."""
    rows = np.random.default_rng(random_state).choice(len(emb), n, replace=False)
    return np.asarray(np.sort(rows), np.int64)


def subset(emb: Embeddings, rows: npt.NDArray[np.int64]) -> Embeddings:
    """The embeddings of some texts, and of the pairs that have them."""
    ids = emb.text_ids[rows]
    return Embeddings(
        text_ids=ids,
        vectors=emb.vectors[rows],
        pairs=emb.pairs.filter(pl.col("text_id").is_in(pl.Series(ids).implode())),
        text=emb.text,
        encoder=emb.encoder,
        fingerprint=fingerprint(emb.fingerprint, "subset", rows.tobytes()),
    )


def place(
    vectors: npt.NDArray[np.float32], landmarks: npt.NDArray[np.float32], *, points: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Put each text beside the landmark nearest to it, a tenth of the way to the mean of five.

    The mean is weighted by ``exp(-(d - d1) / (m - d1))`` with the cosine distance d of a landmark,
    that of the nearest d1, and the mean m of the five; a text equal to a landmark falls on it.
    """
    grid = Grid.of(landmarks)
    placed = np.empty((len(vectors), 2), np.float32)
    with bar(f"Placing {len(vectors):,} texts", total=len(vectors)) as update:
        for part in blocks(len(vectors), against=len(grid)):
            near, distances = grid.nearest(vectors[part], min(_NEIGHBORS, len(grid)))
            nearest, mean = points[near[:, 0]], np.einsum("ij,ijk->ik", _weights(distances), points[near])
            placed[part] = nearest + _PULL * (mean - nearest)
            update(part.stop)
    return placed


def _weights(distances: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    beyond = distances.astype(np.float64) - distances[:, :1]
    width = beyond.mean(axis=1, keepdims=True)
    weights = np.exp(-beyond / np.where(width > 0, width, 1.0))
    weights = np.where(distances[:, :1] == 0, distances == 0, weights)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


_COLUMNS = {"pair_id": "whole numbers", "x": "numbers", "y": "numbers"}


def expect_points(points: object) -> None:
    """Check that something is a table of points."""
    expect_table(points, _COLUMNS, name="points", source="btviz.fit_data_map(embeddings)")
