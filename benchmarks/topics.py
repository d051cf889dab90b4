"""Map and topics together: ours, BERTopic as its README shows it, and BERTopic with a start by PCA.

All sides get the same stored vectors. Time and memory are taken on the prompts and on all pairs of
the full-size replica, and on the real question-answer pairs; quality on the real rows only,
because planted topics prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.populations import PROMPTS, REAL_QA, REPLICA_QA, Population, forget, timed, warm
from benchmarks.running import stage

STORED = ("maps", "neighbors", "topic-layers", "topics")


def import_both() -> None:
    """Import and compile what both sides import and compile at their first call."""
    import graspologic_native  # noqa: F401
    import hdbscan  # noqa: F401

    from btviz.texts.topics.tables import load_bertopic

    warm()
    load_bertopic()


def ours(ds: Any, emb: Any) -> Any:
    import btviz

    with stage("neighbours"):
        btviz.nearest_neighbors(emb)
    with stage("map"):
        btviz.fit_data_map(emb)
    with stage("topics and words"):
        return btviz.fit_topics(ds, embeddings=emb)


def theirs(texts: list[str], vectors: Any, *, init: str | None) -> Any:
    """BERTopic fitted on texts and vectors; `init` None leaves everything as its README does."""
    from bertopic import BERTopic
    from umap import UMAP

    like_its_own = {"n_neighbors": 15, "n_components": 5, "min_dist": 0.0, "metric": "cosine"}
    model = BERTopic() if init is None else BERTopic(umap_model=UMAP(init=init, **like_its_own))
    with ExitStack() as until_the_end:
        _stage_fit(model.umap_model, "neighbours and 5-D UMAP")
        _stage_fit(model.hdbscan_model, "HDBSCAN", then=lambda: until_the_end.enter_context(stage("topics' words")))
        model.fit(texts, embeddings=vectors)
    return model


def _stage_fit(part: Any, name: str, *, then: Callable[[], Any] = lambda: None) -> None:
    """Have one part of BERTopic tell how long its fit took, and something happen after it."""
    fit = part.fit

    def staged(*args: Any, **options: Any) -> Any:
        with stage(name):
            fitted = fit(*args, **options)
        then()
        return fitted

    part.fit = staged


def their_map(vectors: Any, init: str | None = None) -> Any:
    """Places in the plane as BERTopic's `visualize_documents` finds them, of every text."""
    from umap import UMAP

    like_its_own = {"n_neighbors": 10, "n_components": 2, "min_dist": 0.0, "metric": "cosine"}
    with stage("2-D map"):
        return UMAP(init=init or "spectral", **like_its_own).fit(vectors).embedding_


# Time and memory ----------------------------------------------------------------------------------


def _ours_timed(folder: Path, population: Population) -> float:
    ds, emb = population.load()
    assert ds.pairs.height
    import_both()
    forget(folder, *STORED)
    return timed(lambda: ours(ds, emb))


def _theirs_timed(population: Population, init: str | None, *, with_map: bool = False) -> float:
    import numpy as np

    from btviz.texts.topics.layers import texts_of

    ds, emb = population.load()
    texts, vectors = texts_of(ds, emb)["text"].to_list(), np.array(emb.vectors)
    import_both()

    def work() -> None:
        theirs(texts, vectors, init=init)
        if with_map:
            their_map(vectors, init)

    return timed(work)


def topics_real(folder: Path) -> float:
    """Graph, map, topics and words of the real question-answer pairs."""
    return _ours_timed(folder, REAL_QA)


def topics_prompts(folder: Path) -> float:
    """The same of the replica's prompts."""
    return _ours_timed(folder, PROMPTS)


def topics_qa(folder: Path) -> float:
    """The same of all pairs of the replica."""
    return _ours_timed(folder, REPLICA_QA)


def topics_words(folder: Path) -> float:
    """Topics and words of the replica's prompts on a map that is there."""
    import btviz

    ds, emb = PROMPTS.load()
    btviz.fit_data_map(emb)
    import_both()
    forget(folder, "topic-layers", "topics")
    return timed(lambda: btviz.fit_topics(ds, embeddings=emb))


def bertopic_real(folder: Path) -> float:
    """BERTopic as its README shows it, of the real question-answer pairs."""
    return _theirs_timed(REAL_QA, None)


def bertopic_real_map(folder: Path) -> float:
    """The same, and the 2-D map that its pictures of documents make."""
    return _theirs_timed(REAL_QA, None, with_map=True)


def bertopic_real_pca(folder: Path) -> float:
    """BERTopic with a start by principal components."""
    return _theirs_timed(REAL_QA, "pca")


def bertopic_prompts(folder: Path) -> float:
    """BERTopic as its README shows it, of the replica's prompts; it may take longer than anyone waits."""
    return _theirs_timed(PROMPTS, None)


def bertopic_prompts_pca(folder: Path) -> float:
    """The same with a start by principal components."""
    return _theirs_timed(PROMPTS, "pca")


def bertopic_qa(folder: Path) -> float:
    """BERTopic as its README shows it, of all pairs of the replica; it may take longer than anyone waits."""
    return _theirs_timed(REPLICA_QA, None)


def bertopic_qa_pca(folder: Path) -> float:
    """The same with a start by principal components."""
    return _theirs_timed(REPLICA_QA, "pca")


TOPIC_CASES: dict[str, Callable[[Path], float]] = {
    case.__name__: case
    for case in (
        topics_real,
        bertopic_real,
        bertopic_real_map,
        bertopic_real_pca,
        topics_prompts,
        topics_words,
        bertopic_prompts,
        bertopic_prompts_pca,
        topics_qa,
        bertopic_qa,
        bertopic_qa_pca,
    )
}
