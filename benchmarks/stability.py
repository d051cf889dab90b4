"""Whether topics of real texts come back from parts of the prompts, beside k-means and a cloud without structure."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.populations import REAL, REAL_QA, Population
from benchmarks.running import Skipped

REFITS = 20

LARGE = 30
"""Texts of a topic that the goal speaks of."""

SEEDS = 3  # of k-means whose agreement with label sets is averaged

REAL_PROMPTS = replace(REAL_QA, name="real-prompts", text="prompt")

HELD_OUT = Population("one-safe", REAL.parents[1] / "pku-saferlhf" / "one_safe_pairs.jsonl", "prompt", "minilm")
"""Prompts by which no setting was chosen."""

EVALUATION = Population("evaluation", REAL.parent / "evaluation.json", "prompt", "minilm")
"""Prompts without answers, by which no setting was chosen either."""


def stability_topics(folder: Path) -> str:
    """What topics of real texts are like at each scale: a table, one row per population and scale.

    `stable` is the share of topics of 30 texts or more with a mean overlap of 0.6 or more over 20 parts of 80 % of the
    prompts, `overlap` the mean; `kmeans` and `null` the same of as many clusters by k-means, and of a cloud with the
    same mean and covariance, over 4 parts. `ami` is the adjusted mutual information with label sets of unsafe pairs,
    `ami_kmeans` that of k-means (3 seeds); `npmi` the coherence of ten words a topic.
    """
    import polars as pl

    rows = [
        row
        for population in (REAL_PROMPTS, REAL_QA, HELD_OUT, EVALUATION)
        for row in _rows(population, folder / f"stability-{population.name}.json")
    ]
    with pl.Config(tbl_formatting="MARKDOWN", tbl_rows=-1, tbl_cols=-1, tbl_hide_dataframe_shape=True):
        return f"Topics of real texts that come back:\n\n{pl.DataFrame(rows, infer_schema_length=None)}"


STABILITY_CASES: dict[str, Callable[[Path], str]] = {stability_topics.__name__: stability_topics}


def _rows(population: Population, kept: Path) -> list[dict[str, Any]]:
    """Rows of a population; they are written to a file when they are known."""
    import btviz

    if kept.is_file():
        rows: list[dict[str, Any]] = json.loads(kept.read_text())
        return rows
    try:
        ds, emb = population.load()
    except Skipped:
        return []
    first = btviz.fit_topics(ds, embeddings=emb)
    rows = [_judged(ds, emb, first, name=population.name)]
    kept.write_text(json.dumps(rows))
    return rows


def _judged(ds: Any, emb: Any, topics: Any, *, name: str) -> dict[str, Any]:
    import numpy as np

    import btviz
    from benchmarks.coherence import npmi_coherence
    from btviz.texts.topics.layers import texts_of
    from btviz.texts.topics.stability import STABLE, kmeans

    table = btviz.topic_stability(ds, topics, embeddings=emb, n_subsamples=REFITS)
    large, beside = table.filter(table["n_texts"] >= LARGE), table.row(0, named=True)
    ours = topics.assignments["topic"].to_numpy()
    clusters = [kmeans(emb.vectors, topics.topics.height, random_state=seed)[emb.rows] for seed in range(SEEDS)]
    texts = texts_of(ds, emb)["text"].to_list()
    npmi = npmi_coherence(topics.topics["keywords"].to_list(), texts=texts)
    return {
        "texts": name,
        "n": len(emb),
        "scale": topics.scale,
        "topics": topics.topics.height,
        f"of {LARGE}+": large.height,
        "stable": (large["stability"] >= STABLE).mean(),
        "overlap": large["stability"].mean(),
        "stable_of_all": beside["stable_all"],
        "overlap_of_all": beside["overlap_all"],
        "stable_kmeans": beside["stable_kmeans"],
        "overlap_kmeans": beside["overlap_kmeans"],
        "stable_null": beside["stable_null"],
        "overlap_null": beside["overlap_null"],
        "n_null": beside["n_null"],
        "overlap_seeds": table["overlap_seed"].mean(),
        "outliers": topics.outlier_share,
        "ami": _agreement(ds, ours),
        "ami_kmeans": None if _agreement(ds, ours) is None else np.mean([_agreement(ds, c) for c in clusters]).item(),
        "npmi": float(np.nanmean(npmi)) if len(npmi) else None,
    }


def _agreement(ds: Any, topic: Any) -> float | None:
    """Adjusted mutual information of topic and label set, over unsafe pairs; None where no category is known."""
    import numpy as np
    from sklearn.metrics import adjusted_mutual_info_score

    items = ds.items.sort("pair_id")
    known = items["labels"].is_not_null().to_numpy()
    if ds.item == "pair":
        known = known & (items["is_safe"] == False).fill_null(value=False).to_numpy()  # noqa: E712  # of a column
    labels = items["labels"].fill_null(0).to_numpy().astype(np.int64)
    if len(np.unique(labels[known])) < 2:
        return None
    return float(adjusted_mutual_info_score(labels[known], topic[known]))
