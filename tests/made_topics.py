"""Topics made by hand, at two scales, over planted texts: no clustering, no BERTopic."""

from __future__ import annotations

from types import SimpleNamespace

import polars as pl
from topic_data import SUBJECTS, planted

from btviz.errors import UsageError
from btviz.texts.topics.result import topics_at


def tree_of(*scales):
    """A hierarchy by hand, of (scale, names, sizes, parents) for each scale, the coarsest first."""
    rows, start = [], 0
    for scale, names, sizes, parents in scales:
        rows += [(start + t, scale, t, parents[t], names[t], sizes[t]) for t in range(len(names))]
        start += len(names)
    schema = {"node": pl.Int64, "scale": pl.Int64, "topic": pl.Int64, "parent": pl.Int64}
    return pl.DataFrame(rows, schema=schema | {"name": pl.String, "n_pairs": pl.Int64}, orient="row")


def made_topics(make_dataset, *, each=4, answers=2, loose=1, name="{subject}", hierarchy=None):
    """Data, embeddings, points, and topics: the subjects at scale 2, the first two of them at scale 5."""
    ds, emb, points, truth = planted(make_dataset, subjects=3, each=each, loose=loose, answers=answers)
    subject = emb.pairs.with_columns(pl.col("text_id").replace_strict(truth, return_dtype=pl.Int64).alias("topic"))
    at = {2: subject["topic"], 5: subject["topic"].replace(2, -1)}

    def assignments(scale):
        topic = pl.Series("topic", at[scale], dtype=pl.Int64)
        flags = {"probability": pl.lit(1.0), "reassigned": pl.lit(value=False)}
        return subject.select("pair_id").with_columns(topic, **flags)

    def table(scale):
        if scale not in at:
            raise UsageError("no such scale")
        counts = [int((at[scale] == topic).sum()) for topic in range({2: 3, 5: 2}[scale])]
        return pl.DataFrame(
            {
                "topic": range(len(counts)),
                "n_pairs": counts,
                "n_texts": [each] * len(counts),
                "name": [name.format(subject=list(SUBJECTS)[topic]) for topic in range(len(counts))],
                "keywords": [SUBJECTS[list(SUBJECTS)[topic]].split() for topic in range(len(counts))],
                "share_unsafe": [0.5] * len(counts),
                "top_category": pl.Series([None] * len(counts), dtype=pl.String),
            }
        )

    summary = pl.DataFrame({"scale": [2, 5], "n_topics": [3, 2], "outlier_share": [0.0, 0.3], "first": [True, False]})
    layers = SimpleNamespace(
        assignments=assignments, by_scale={2: None, 5: None}, summary=lambda: summary, choice=pl.DataFrame()
    )
    tree = pl.DataFrame() if hierarchy is None else hierarchy
    facts = {"data": ds.population, "text": "prompt", "encoder": "by hand"}
    book = SimpleNamespace(layers=layers, topics=table, hierarchy=tree, facts=facts, embeddings=emb)
    return ds, emb, points, topics_at(book, 2)
