"""Quality of maps and topics of the real rows: ours, BERTopic's, and UMAP's as a user would call it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

from benchmarks.maps import umap_points
from benchmarks.populations import REAL_QA, forget, warm
from benchmarks.topics import STORED, import_both, ours, their_map, theirs

MAP_STATISTICS = ("trustworthiness", "continuity", "neighbor_recall")


def quality_topics(folder: Path) -> str:
    """What each side makes of the real rows, and whether it does so twice: a table, one row per side.

    `outliers` is the share of pairs; `ami` the adjusted mutual information of topic and exact label
    set over unsafe pairs, `ami_first` that with the first category over all pairs; `npmi` the mean
    coherence of ten words a topic; `twice` the adjusted mutual information of two runs. Trustworthiness,
    continuity and recall of 15 neighbours are those of the 2-D map: for BERTopic, of the one that its
    pictures of documents make. `cpu_s` is processor seconds of map and topics, the fewer of two runs,
    without BERTopic's 2-D map.
    """
    import numpy as np
    import polars as pl

    from btviz.texts.topics.layers import texts_of

    ds, emb = REAL_QA.load()
    texts, vectors = texts_of(ds, emb)["text"].to_list(), np.array(emb.vectors)
    import_both()
    rows = []
    for name, init in (("BERTopic, README", None), ("BERTopic, PCA start", "pca")):
        seconds, models = zip(*(_watched(lambda i=init: theirs(texts, vectors, init=i)) for _ in range(2)), strict=True)
        found = [np.array(model.topics_) for model in models]
        words = [[word for word, _ in models[0].get_topic(topic) if word] for topic in range(found[0].max() + 1)]
        judged = _judged(ds, emb, texts, found=found, words=words)
        rows.append({"side": name, **judged, **_map_judged(their_map(vectors, init), emb), "cpu_s": min(seconds)})
    seconds, fitted = zip(*(_watched_anew(folder, lambda: ours(ds, emb)) for _ in range(2)), strict=True)
    mapped = _map_judged(_our_points(emb), emb)
    for name, at in (("btviz", fitted[0].scale), *((f"btviz at {scale}", scale) for scale in fitted[0].scales)):
        found = [_by_text(topics.at(at), emb) for topics in fitted]
        words = fitted[0].at(at).topics["keywords"].to_list()
        judged = _judged(ds, emb, texts, found=found, words=words)
        rows.append({"side": name, **judged, **mapped, "cpu_s": min(seconds)})
    return "Topics and maps of the real pairs:\n\n" + _markdown(pl.DataFrame(rows))


def quality_maps(folder: Path) -> str:
    """Trustworthiness, continuity and recall of each map of the real rows: a table, one row per map."""
    import polars as pl

    import btviz

    emb = REAL_QA.load()[1]
    warm()
    peers: dict[str, Callable[[], Any]] = {
        "btviz": lambda: _our_points(emb),
        "btviz, 1,000 landmarks": lambda: _by_text_places(btviz.fit_data_map(emb, landmarks=1000), emb),
        "UMAP, spectral start": lambda: umap_points(emb.vectors, "spectral"),
        "UMAP, PCA start": lambda: umap_points(emb.vectors, "pca"),
    }
    forget(folder, *STORED)
    rows = []
    for name, make in peers.items():
        seconds, plane = _watched(make)
        rows.append({"map": name, **_map_judged(plane, emb), "cpu_s": seconds})
    return "Maps of the real pairs:\n\n" + _markdown(pl.DataFrame(rows))


QUALITY_CASES: dict[str, Callable[[Path], str]] = {case.__name__: case for case in (quality_maps, quality_topics)}


def _watched(work: Callable[[], Any]) -> tuple[float, Any]:
    start = process_time()
    made = work()
    return process_time() - start, made


def _watched_anew(folder: Path, work: Callable[[], Any]) -> tuple[float, Any]:
    forget(folder, *STORED)
    return _watched(work)


def _our_points(emb: Any) -> Any:
    import btviz

    return _by_text_places(btviz.fit_data_map(emb), emb)


def _by_text_places(points: Any, emb: Any) -> Any:
    from btviz.texts.topics.layers import places_of

    return places_of(points, emb)


def _by_text(topics: Any, emb: Any) -> Any:
    import numpy as np

    found = np.empty(len(emb), np.int64)
    found[emb.rows] = topics.assignments["topic"].to_numpy()
    return found


def _map_judged(plane: Any, emb: Any) -> dict[str, float]:
    import polars as pl

    import btviz

    of_pair = plane[emb.rows]
    points = pl.DataFrame({"pair_id": emb.pairs["pair_id"], "x": of_pair[:, 0], "y": of_pair[:, 1]})
    quality = btviz.map_quality(points, emb, max_texts=len(emb)).filter(texts="all")
    values = dict(zip(quality["statistic"], quality["value"], strict=True))
    return {name: values[name] for name in MAP_STATISTICS}


def _judged(ds: Any, emb: Any, texts: list[str], *, found: Any, words: Any) -> dict[str, Any]:
    import numpy as np
    from sklearn.metrics import adjusted_mutual_info_score

    from benchmarks.coherence import npmi_coherence

    topic = found[0][emb.rows]
    labels, unsafe = ds.pairs["labels"].to_numpy().astype(np.int64), ~ds.pairs["is_safe"].to_numpy()
    return {
        "topics": int(topic.max()) + 1,
        "outliers": float(np.mean(topic < 0)),
        "ami": float(adjusted_mutual_info_score(labels[unsafe], topic[unsafe])),
        "ami_first": float(adjusted_mutual_info_score(labels & -labels, topic)),
        "npmi": float(np.nanmean(npmi_coherence(words, texts=texts))),
        "twice": float(adjusted_mutual_info_score(*found)),
        "same": bool(np.array_equal(*found)),
    }


def _markdown(table: Any) -> str:
    names = table.columns
    lines = [f"| {' | '.join(names)} |", "|---|" + "---:|" * (len(names) - 1)]
    for row in table.rows():
        cells = (f"{value:.3f}" if isinstance(value, float) else str(value) for value in row)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
