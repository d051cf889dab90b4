"""The data map of embeddings, stored."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.arguments import seed, whole_number
from btviz.datamap import landmarks as marks
from btviz.datamap.layout import lay_out, start
from btviz.embedding import Embeddings
from btviz.errors import UsageError
from btviz.neighbors import nearest_neighbors
from btviz.store import Draft, Key, Store

FEWEST_LANDMARKS = 10
VERSION = 3
"""Raised when the same vectors would get another map."""


def fit_data_map(
    emb: Embeddings,
    *,
    random_state: int = 0,
    n_neighbors: int = 15,
    min_dist: float = 0.0,
    landmarks: int | None = None,
) -> pl.DataFrame:
    """Lay texts out in the plane such that similar ones lie together.

    UMAP on the graph of `btviz.nearest_neighbors`, started from principal components. Every
    distinct text is laid out once, sorted by id: the same data in any row order give the same
    map on one machine, and pairs that share a text share a point. The map is stored, and read
    when asked for again. Distances between far groups, and the axes, mean nothing;
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
    check_layout(random_state=random_state, n_neighbors=n_neighbors, min_dist=min_dist, landmarks=landmarks)
    chosen = int(landmarks) if landmarks is not None and landmarks < len(emb) else None
    params: dict[str, int | float | str | None] = {
        "random_state": int(random_state),
        "n_neighbors": int(n_neighbors),
        "min_dist": float(min_dist),
        "landmarks": chosen,
        "umap": version("umap-learn"),
    }

    def make(draft: Draft) -> None:
        options = {"n_neighbors": n_neighbors, "random_state": random_state}
        if chosen is None:
            draft.array("points", _whole(emb, min_dist=min_dist, **options))
            return
        rows = marks.drawn(emb, chosen, random_state=random_state)
        draft.array("landmarks", rows)
        draft.array("points", _around(emb, rows, min_dist=min_dist, **options))

    entry = Store().build(Key("maps", (emb.fingerprint,), params, version=VERSION), make)
    table = _per_pair(emb, entry.array("points"))
    if landmarks is None:
        return table
    is_landmark = np.ones(len(emb), bool) if chosen is None else np.isin(np.arange(len(emb)), entry.array("landmarks"))
    return table.with_columns(pl.Series("landmark", is_landmark[emb.rows]))


def check_layout(
    *, random_state: int = 0, n_neighbors: int = 15, min_dist: float = 0.0, landmarks: int | None = None
) -> None:
    """Check the options of `fit_data_map`, before anything that takes time.

    Raises
    ------
    UsageError
        If one is out of its range.
    """
    seed(random_state)
    whole_number(n_neighbors, name="n_neighbors", least=2)
    if not 0 <= min_dist <= 1:
        raise UsageError(f"A map was asked for with min_dist {min_dist}. Use 0 to 1.")
    if landmarks is not None:
        whole_number(landmarks, name="landmarks", least=FEWEST_LANDMARKS)


def _whole(emb: Embeddings, *, n_neighbors: int, min_dist: float, random_state: int) -> npt.NDArray[np.float32]:
    graph = nearest_neighbors(emb, n_neighbors)
    first = start(emb.vectors, random_state=random_state)
    return lay_out(first, graph, n_neighbors=n_neighbors, min_dist=min_dist, random_state=random_state)


def _around(
    emb: Embeddings, rows: npt.NDArray[np.int64], *, n_neighbors: int, min_dist: float, random_state: int
) -> npt.NDArray[np.float32]:
    sample = marks.subset(emb, rows)
    points = _whole(sample, n_neighbors=n_neighbors, min_dist=min_dist, random_state=random_state)
    placed = marks.place(emb.vectors, sample.vectors, points=points)
    placed[rows] = points
    return placed


def _per_pair(emb: Embeddings, points: npt.NDArray[np.float32]) -> pl.DataFrame:
    of_pair = points[emb.rows]
    return pl.DataFrame({"pair_id": emb.pairs["pair_id"], "x": of_pair[:, 0], "y": of_pair[:, 1]})
