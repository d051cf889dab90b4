"""Graph and map: ours, and UMAP on the same vectors as a user would call it.

Each case embeds first, from the store if it can, and then times only its own step. The real
rows stand for quality, the full-size replica for time alone: planted topics prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.populations import PROMPTS, REPLICA_QA, Population, forget, timed, warm
from benchmarks.running import Skipped


def umap_points(vectors: Any, init: str) -> Any:
    import umap

    return umap.UMAP(metric="cosine", init=init, random_state=0, n_jobs=1).fit_transform(vectors)


# Time ---------------------------------------------------------------------------------------------


def neighbors_exact(folder: Path) -> float:
    """The exact graph of the replica's prompts, 30 neighbours each."""
    import btviz

    emb = PROMPTS.load()[1]
    forget(folder, "maps", "neighbors")
    return timed(lambda: btviz.nearest_neighbors(emb, method="exact"))


def neighbors_sklearn(folder: Path) -> float:
    """The same by scikit-learn, brute force."""
    from sklearn.neighbors import NearestNeighbors

    vectors = PROMPTS.load()[1].vectors
    return timed(lambda: NearestNeighbors(n_neighbors=31, metric="cosine").fit(vectors).kneighbors(vectors))


def neighbors_descent(folder: Path) -> float:
    """The same by pynndescent, its compilation included, as it falls on every new process."""
    import pynndescent

    vectors = PROMPTS.load()[1].vectors
    return timed(
        lambda: pynndescent.NNDescent(vectors, n_neighbors=31, metric="cosine", random_state=0, n_jobs=2).neighbor_graph
    )


def neighbors_faiss(folder: Path) -> float:
    """The same by FAISS, flat: all compared, in single precision."""
    faiss = _faiss()
    vectors = PROMPTS.load()[1].vectors

    def work() -> None:
        index = faiss.IndexFlatIP(vectors.shape[1])
        index.add(vectors)
        index.search(vectors, 31)

    return timed(work)


def neighbors_lists(folder: Path) -> float:
    """30 neighbours of each of the replica's 110,822 pairs, from lists, and their recall."""
    import btviz

    emb = REPLICA_QA.load()[1]
    forget(folder, "maps", "neighbors")
    return timed(lambda: btviz.nearest_neighbors(emb))


def neighbors_lists_faiss(folder: Path) -> float:
    """The same by FAISS, from 512 lists of which as many are searched as reach about our recall."""
    faiss = _faiss()
    vectors = REPLICA_QA.load()[1].vectors

    def work() -> None:
        index = faiss.index_factory(vectors.shape[1], "IVF512,Flat", faiss.METRIC_INNER_PRODUCT)
        index.train(vectors)
        index.add(vectors)
        index.nprobe = 160
        index.search(vectors, 31)

    return timed(work)


def _faiss() -> Any:
    try:
        import faiss
    except ImportError:
        raise Skipped("faiss is not installed") from None
    return faiss


def data_map(folder: Path) -> float:
    """Graph and map of the replica's prompts."""
    import btviz

    emb = PROMPTS.load()[1]
    warm()
    forget(folder, "maps", "neighbors")
    return timed(lambda: btviz.fit_data_map(emb))


def layout(folder: Path) -> float:
    """The layout of the replica's prompts alone, its neighbours found before."""
    return _layout(folder, PROMPTS, method="parallel")


def layout_umap(folder: Path) -> float:
    """The same by umap-learn, on one thread."""
    return _layout(folder, PROMPTS, method="umap")


def layout_qa(folder: Path) -> float:
    """The layout of the replica's 110,822 pairs alone."""
    return _layout(folder, REPLICA_QA, method="parallel")


def layout_qa_umap(folder: Path) -> float:
    """The same by umap-learn."""
    return _layout(folder, REPLICA_QA, method="umap")


def _layout(folder: Path, population: Population, *, method: str) -> float:
    import btviz

    emb = population.load()[1]
    btviz.nearest_neighbors(emb)
    warm()
    forget(folder, "maps")
    return timed(lambda: btviz.fit_data_map(emb, method=method))


def data_map_stored(folder: Path) -> float:
    """The same map, asked for again."""
    import btviz

    emb = PROMPTS.load()[1]
    btviz.fit_data_map(emb)
    return timed(lambda: btviz.fit_data_map(emb))


def data_map_landmarks(folder: Path) -> float:
    """The same with 5,000 landmarks."""
    import btviz

    emb = PROMPTS.load()[1]
    warm()
    forget(folder, "maps", "neighbors")
    return timed(lambda: btviz.fit_data_map(emb, landmarks=5000))


def umap_spectral(folder: Path) -> float:
    """UMAP of the same vectors with its own start; it may take longer than anyone waits."""
    vectors = PROMPTS.load()[1].vectors
    warm()
    return timed(lambda: umap_points(vectors, "spectral"))


def umap_pca(folder: Path) -> float:
    """UMAP of the same vectors with a start by principal components."""
    vectors = PROMPTS.load()[1].vectors
    warm()
    return timed(lambda: umap_points(vectors, "pca"))


MAP_CASES: dict[str, Callable[[Path], float]] = {
    case.__name__: case
    for case in (
        neighbors_exact,
        neighbors_sklearn,
        neighbors_descent,
        neighbors_faiss,
        neighbors_lists,
        neighbors_lists_faiss,
        data_map,
        layout,
        layout_umap,
        layout_qa,
        layout_qa_umap,
        data_map_stored,
        data_map_landmarks,
        umap_spectral,
        umap_pca,
    )
}
