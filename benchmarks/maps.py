"""Graph and map: ours, and UMAP on the same vectors as a user would call it.

Each case embeds first, from the store if it can, and then times only its own step. The real
rows stand for quality, the full-size replica for time alone: planted topics prove nothing.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "beavertails" / "30k_test.jsonl"


def timed(work: Callable[[], Any]) -> float:
    """Seconds that one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def real_embeddings() -> Any:
    """Vectors of the 3,021 real question-answer pairs."""
    import btviz

    return btviz.embed(btviz.load(REAL), text="qa", encoder="minilm")


def replica_embeddings() -> Any:
    """Vectors of the prompts of the full-size replica."""
    import btviz

    return btviz.embed(btviz.load("replica"), text="prompt", encoder="minilm")


def _warm() -> None:
    """Compile what UMAP compiles at its first call, which is no work of either side."""
    import numpy as np
    import umap

    few = np.random.default_rng(0).normal(size=(100, 8)).astype(np.float32)
    umap.UMAP(random_state=0, n_jobs=1, metric="cosine").fit(few)


def _umap(vectors: Any, init: str) -> Any:
    import umap

    return umap.UMAP(metric="cosine", init=init, random_state=0, n_jobs=1).fit_transform(vectors)


def _forget(folder: Path) -> None:
    for kind in ("maps", "neighbors"):
        shutil.rmtree(folder / "store" / kind, ignore_errors=True)


# Time ---------------------------------------------------------------------------------------------


def neighbors_exact(folder: Path) -> float:
    """The exact graph of the replica's prompts, 30 neighbours each."""
    import btviz

    emb = replica_embeddings()
    _forget(folder)
    return timed(lambda: btviz.nearest_neighbors(emb, method="exact"))


def neighbors_sklearn(folder: Path) -> float:
    """The same by scikit-learn, brute force."""
    from sklearn.neighbors import NearestNeighbors

    vectors = replica_embeddings().vectors
    return timed(lambda: NearestNeighbors(n_neighbors=31, metric="cosine").fit(vectors).kneighbors(vectors))


def neighbors_descent(folder: Path) -> float:
    """The same by pynndescent, its compilation included, as it falls on every new process."""
    import pynndescent

    vectors = replica_embeddings().vectors
    return timed(
        lambda: pynndescent.NNDescent(vectors, n_neighbors=31, metric="cosine", random_state=0, n_jobs=2).neighbor_graph
    )


def data_map(folder: Path) -> float:
    """Graph and map of the replica's prompts."""
    import btviz

    emb = replica_embeddings()
    _warm()
    _forget(folder)
    return timed(lambda: btviz.fit_data_map(emb))


def data_map_stored(folder: Path) -> float:
    """The same map, asked for again."""
    import btviz

    emb = replica_embeddings()
    btviz.fit_data_map(emb)
    return timed(lambda: btviz.fit_data_map(emb))


def data_map_landmarks(folder: Path) -> float:
    """The same with 5,000 landmarks."""
    import btviz

    emb = replica_embeddings()
    _warm()
    _forget(folder)
    return timed(lambda: btviz.fit_data_map(emb, landmarks=5000))


def umap_spectral(folder: Path) -> float:
    """UMAP of the same vectors with its own start; it may take longer than anyone waits."""
    vectors = replica_embeddings().vectors
    _warm()
    return timed(lambda: _umap(vectors, "spectral"))


def umap_pca(folder: Path) -> float:
    """UMAP of the same vectors with a start by principal components."""
    vectors = replica_embeddings().vectors
    _warm()
    return timed(lambda: _umap(vectors, "pca"))


MAP_CASES: dict[str, Callable[[Path], float]] = {
    case.__name__: case
    for case in (
        neighbors_exact,
        neighbors_sklearn,
        neighbors_descent,
        data_map,
        data_map_stored,
        data_map_landmarks,
        umap_spectral,
        umap_pca,
    )
}


# Quality ------------------------------------------------------------------------------------------


def map_qualities() -> Any:
    """Quality and seconds of each map of the real rows: a table, one row per map and statistic."""
    import polars as pl

    import btviz

    emb = real_embeddings()
    _warm()
    peers: dict[str, Callable[[], Any]] = {
        "btviz": lambda: btviz.fit_data_map(emb),
        "btviz, 1,000 landmarks": lambda: btviz.fit_data_map(emb, landmarks=1000),
        "umap spectral": lambda: _on_pairs(emb, _umap(emb.vectors, "spectral")),
        "umap pca": lambda: _on_pairs(emb, _umap(emb.vectors, "pca")),
    }
    tables = []
    for name, make in peers.items():
        start = time.perf_counter()
        points = make()
        seconds = time.perf_counter() - start
        quality = btviz.map_quality(points, emb, max_texts=len(emb)).filter(texts="all")
        tables.append(quality.select(pl.lit(name).alias("map"), "statistic", "value", pl.lit(seconds).alias("seconds")))
    return pl.concat(tables)


def _on_pairs(emb: Any, plane: Any) -> Any:
    import polars as pl

    plane = plane[emb.rows]
    return pl.DataFrame({"pair_id": emb.pairs["pair_id"], "x": plane[:, 0], "y": plane[:, 1]})
