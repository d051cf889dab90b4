"""Map and topics together: ours, BERTopic as its README shows it, and BERTopic with a start by PCA.

All sides get the same stored vectors. Time and memory are taken on the prompts of the full-size
replica and on the real question-answer pairs; quality on the real rows only, because planted
topics prove nothing. ``python -m benchmarks.topics FOLDER`` prints the table of qualities.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.maps import _forget, _warm, real_embeddings, replica_embeddings, timed


def _real() -> Any:
    import btviz
    from benchmarks.maps import REAL

    return btviz.load(REAL), real_embeddings()


def _replica() -> Any:
    import btviz

    return btviz.load("replica"), replica_embeddings()


def _import_both() -> None:
    """Import and compile what both sides import and compile at their first call."""
    import fast_plscan  # noqa: F401

    from btviz.topics.words import load_bertopic

    _warm()
    load_bertopic()


def _forget_all(folder: Path) -> None:
    _forget(folder)
    for kind in ("topic-layers", "topics"):
        shutil.rmtree(folder / "store" / kind, ignore_errors=True)


def _ours(ds: Any, emb: Any) -> Any:
    import btviz

    return btviz.fit_topics(ds, btviz.fit_data_map(emb), embeddings=emb)


def _theirs(texts: list[str], vectors: Any, *, init: str | None) -> Any:
    """BERTopic fitted on texts and vectors; `init` None leaves everything as its README does."""
    from bertopic import BERTopic
    from umap import UMAP

    like_its_own = {"n_neighbors": 15, "n_components": 5, "min_dist": 0.0, "metric": "cosine"}
    model = BERTopic() if init is None else BERTopic(umap_model=UMAP(init=init, **like_its_own))
    model.fit(texts, embeddings=vectors)
    return model


def _texts(ds: Any, emb: Any) -> list[str]:
    from btviz.topics.texts import texts_of

    return texts_of(ds, emb)


# Time and memory ----------------------------------------------------------------------------------


def _ours_timed(folder: Path, data: Callable[[], Any]) -> float:
    ds, emb = data()
    assert ds.pairs.height
    _import_both()
    _forget_all(folder)
    return timed(lambda: _ours(ds, emb))


def _theirs_timed(data: Callable[[], Any], init: str | None) -> float:
    import numpy as np

    ds, emb = data()
    texts, vectors = _texts(ds, emb), np.array(emb.vectors)
    _import_both()
    return timed(lambda: _theirs(texts, vectors, init=init))


def topics_real(folder: Path) -> float:
    """Graph, map, topics and words of the real question-answer pairs."""
    return _ours_timed(folder, _real)


def topics_replica(folder: Path) -> float:
    """The same of the replica's prompts."""
    return _ours_timed(folder, _replica)


def topics_stored(folder: Path) -> float:
    """Map and topics of the replica's prompts, asked for again."""
    ds, emb = _replica()
    _ours(ds, emb)
    return timed(lambda: _ours(ds, emb))


def topics_words(folder: Path) -> float:
    """Topics and words of the replica's prompts on a map that is there."""
    import btviz

    ds, emb = _replica()
    points = btviz.fit_data_map(emb)
    _import_both()
    for kind in ("topic-layers", "topics"):
        shutil.rmtree(folder / "store" / kind, ignore_errors=True)
    return timed(lambda: btviz.fit_topics(ds, points, embeddings=emb))


def bertopic_real(folder: Path) -> float:
    """BERTopic as its README shows it, of the real question-answer pairs."""
    return _theirs_timed(_real, None)


def bertopic_real_pca(folder: Path) -> float:
    """The same with a start by principal components."""
    return _theirs_timed(_real, "pca")


def bertopic_replica(folder: Path) -> float:
    """BERTopic as its README shows it, of the replica's prompts; it may take longer than anyone waits."""
    return _theirs_timed(_replica, None)


def bertopic_replica_pca(folder: Path) -> float:
    """The same with a start by principal components."""
    return _theirs_timed(_replica, "pca")


TOPIC_CASES: dict[str, Callable[[Path], float]] = {
    case.__name__: case
    for case in (
        topics_real,
        bertopic_real,
        bertopic_real_pca,
        topics_replica,
        topics_stored,
        topics_words,
        bertopic_replica,
        bertopic_replica_pca,
    )
}


# Quality ------------------------------------------------------------------------------------------


def topic_qualities(folder: Path) -> Any:
    """What each side makes of the real rows, and whether it does so twice: a table, one row per side.

    `outliers` is the share of pairs, `ami` the adjusted mutual information of topic and exact
    label set over unsafe pairs, `ami_first` that with the first category over all pairs, `npmi`
    the mean coherence of ten words a topic, `twice` the adjusted mutual information of two runs.
    """
    import numpy as np
    import polars as pl

    ds, emb = _real()
    texts, vectors = _texts(ds, emb), np.array(emb.vectors)
    _import_both()
    rows = []
    for name, init in (("BERTopic, README", None), ("BERTopic, PCA start", "pca")):
        fit = partial(_theirs, texts, vectors, init=init)
        seconds, models = zip(*(_watched(fit) for _ in range(2)), strict=True)
        found = [np.array(model.topics_) for model in models]
        words = [[word for word, _ in models[0].get_topic(topic) if word] for topic in range(found[0].max() + 1)]
        rows.append(_judged(name, ds, emb, texts, found=found, words=words, seconds=min(seconds)))
    seconds, fitted = [], []
    for _ in range(2):
        _forget_all(folder)
        took, topics = _watched(lambda: _ours(ds, emb))
        seconds.append(took)
        fitted.append(topics)
    for name, at in (("btviz", fitted[0].scale), *((f"btviz at {scale}", scale) for scale in fitted[0].scales)):
        found = [_by_text(topics.at(at), emb) for topics in fitted]
        words = fitted[0].at(at).topics["keywords"].to_list()
        rows.append(_judged(name, ds, emb, texts, found=found, words=words, seconds=min(seconds)))
    return pl.DataFrame(rows)


def _watched(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    made = work()
    return time.perf_counter() - start, made


def _by_text(topics: Any, emb: Any) -> Any:
    import numpy as np

    found = np.empty(len(emb), np.int64)
    found[emb.rows] = topics.assignments["topic"].to_numpy()
    return found


def _judged(name: str, ds: Any, emb: Any, texts: list[str], *, found: Any, words: Any, seconds: float) -> Any:
    import numpy as np
    from sklearn.metrics import adjusted_mutual_info_score

    from btviz.topics import npmi_coherence

    topic = found[0][emb.rows]
    labels, unsafe = ds.pairs["labels"].to_numpy().astype(np.int64), ~ds.pairs["is_safe"].to_numpy()
    return {
        "side": name,
        "topics": int(topic.max()) + 1,
        "outliers": float(np.mean(topic < 0)),
        "ami": float(adjusted_mutual_info_score(labels[unsafe], topic[unsafe])),
        "ami_first": float(adjusted_mutual_info_score(labels & -labels, topic)),
        "npmi": float(np.nanmean(npmi_coherence(words, texts=texts))),
        "twice": float(adjusted_mutual_info_score(*found)),
        "same": bool(np.array_equal(*found)),
        "seconds": seconds,
    }


def real_qualities(folder: Path) -> str:
    """Qualities of maps and topics of the real rows, as Markdown."""
    import polars as pl

    from benchmarks.maps import REAL, map_qualities

    if not REAL.is_file():
        return f"No quality: {REAL.name} is not here."
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=200, tbl_formatting="MARKDOWN", float_precision=3):
        tables = (map_qualities(), topic_qualities(folder))
        return "\n\n".join(str(table) for table in tables)


if __name__ == "__main__":
    where = Path(sys.argv[1] if len(sys.argv) > 1 else "data/bench").absolute()
    os.environ["BTVIZ_DATA_DIR"] = str(where)
    print(real_qualities(where))
