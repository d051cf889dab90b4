"""Tables of topics at one scale: sizes, words, names, categories, and how topics join into larger ones.

Words come through BERTopic, on clusters and vectors that are given to it. It joins the texts of a topic
and counts their words anew for every set of clusters. Here the words of each text are counted once, and
BERTopic gets numbers of rows for documents and a vectorizer that adds up those rows: the same counts, at
every scale at once, and no text in it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs

from btviz.data.dataset import Dataset
from btviz.errors import require
from btviz.stats.association import ratio
from btviz.texts.topics.density import Integers
from btviz.texts.topics.keywords import NO_WORDS, CountedTexts, TopicWords, heaviest
from btviz.texts.topics.layers import Layers, mean_vectors

WORDS_IN_NAME = 3

WORDLESS = "no words"

HIERARCHY = pl.Schema(
    {
        "node": pl.Int64(),
        "left": pl.Int64(),
        "right": pl.Int64(),
        "distance": pl.Float64(),
        "n_pairs": pl.Int64(),
        "topics": pl.List(pl.Int64()),
        "name": pl.String(),
        "keywords": pl.List(pl.String()),
    }
)


@dataclass(frozen=True, eq=False)
class Tables:
    """What is known of the topics at one scale; see `btviz.texts.topics.result.Topics`."""

    topics: pl.DataFrame
    hierarchy: pl.DataFrame


def tables_of(ds: Dataset, layers: Layers, *, scale: int, model: Any, counted: CountedTexts, n_words: int) -> Tables:
    """Tables of the topics at one scale."""
    texts, assignments = layers.layer(scale).topics, layers.assignments(scale)
    k = int(texts.max(initial=-1)) + 1
    words = [keywords_of(model, topic) for topic in range(k)]
    prompts = assignments.join(ds.items.select("pair_id", "prompt_id"), on="pair_id").filter(pl.col("topic") >= 0)
    n_prompts = prompts.group_by("topic").agg(pl.col("prompt_id").n_unique()).sort("topic")["prompt_id"]
    n_pairs = np.bincount(prompts["topic"], minlength=k)
    table = pl.DataFrame(
        {
            "topic": pl.Series(range(k), dtype=pl.Int64),
            "n_pairs": pl.Series(n_pairs, dtype=pl.Int64),
            "n_texts": pl.Series(np.bincount(texts[texts >= 0], minlength=k), dtype=pl.Int64),
            "n_prompts": n_prompts.cast(pl.Int64),
            "name": pl.Series(names_of([[word for word, _ in weighted] for weighted in words]), dtype=pl.String),
            "keywords": pl.Series([[w for w, _ in weighted] for weighted in words], dtype=pl.List(pl.String)),
            "weights": pl.Series([[v for _, v in weighted] for weighted in words], dtype=pl.List(pl.Float64)),
        }
    )
    shares = category_shares(ds, assignments, n_topics=k)
    merges = _merges(texts, n_pairs, model=model, counted=counted, n_words=n_words)
    return Tables(pl.concat([table, shares], how="horizontal"), merges)


def names_of(words: Sequence[Sequence[str]]) -> list[str]:
    """Name each topic by its first words, with one word more where two would be called the same."""
    names: list[str] = []
    for keywords in words:
        longer = [
            ", ".join(keywords[:n]) or WORDLESS for n in range(WORDS_IN_NAME, max(WORDS_IN_NAME, len(keywords)) + 1)
        ]
        free = (name for name in longer if name not in names)
        names.append(next(free, f"{longer[-1]} ({len(names)})"))
    return names


def _merges(texts: Integers, n_pairs: Integers, *, model: Any, counted: CountedTexts, n_words: int) -> pl.DataFrame:
    """Average linkage of the topics' mean vectors by cosine distance, with words of each union."""
    k = len(n_pairs)
    if k < 2:
        return pl.DataFrame(schema=HIERARCHY)
    scipy_hierarchy = require("scipy.cluster.hierarchy", extra="topics")
    means = mean_vectors(texts, counted.vectors).astype(np.float64)
    apart = np.clip(1 - means @ means.T, 0, 2)
    linkage = scipy_hierarchy.linkage(apart[np.triu_indices(k, 1)], method="average")
    members = [[topic] for topic in range(k)]
    for left, right in linkage[:, :2].astype(int):
        members.append(sorted(members[left] + members[right]))
    unions = members[k:]
    words = _words_of_unions(texts, unions, model=model, counted=counted, n_words=n_words)
    return pl.DataFrame(
        {
            "node": range(k, 2 * k - 1),
            "left": linkage[:, :2].min(axis=1).astype(int),
            "right": linkage[:, :2].max(axis=1).astype(int),
            "distance": linkage[:, 2],
            "n_pairs": [int(n_pairs[union].sum()) for union in unions],
            "topics": unions,
            "name": [", ".join(keywords[:WORDS_IN_NAME]) or WORDLESS for keywords in words],
            "keywords": words,
        },
        schema=HIERARCHY,
    )


def _words_of_unions(
    texts: Integers, unions: Sequence[list[int]], *, model: Any, counted: CountedTexts, n_words: int
) -> list[list[str]]:
    """Best words by c-TF-IDF (reduced frequent words), with the weights of words that BERTopic learnt from topics."""
    groups = [np.flatnonzero(np.isin(texts, union)) for union in unions]
    counts = counted.transform([" ".join(map(str, group)) for group in groups])
    weights = model.ctfidf_model.transform(counts.astype(np.float64))
    best = heaviest(weights, counted.telling(groups), most=n_words)
    return [counted.words.gather(places).to_list() for places, _ in best]


def fit_bertopic(counted: CountedTexts, labels: Integers, *, n_words: int) -> Any:
    """Fit BERTopic on given clusters."""
    bertopic = load_bertopic()
    # no subclass: for any other type BERTopic would make vectors of topics from their words
    backend = require("bertopic.backend", extra="topics").BaseEmbedder()
    model = bertopic.BERTopic(
        language="multilingual",  # else BERTopic drops every character outside ASCII
        top_n_words=n_words,
        nr_topics=len(counted.vectors) + 2,  # an upper bound: with one, BERTopic leaves the numbers as they are
        embedding_model=backend,
        umap_model=require("bertopic.dimensionality", extra="topics").BaseDimensionalityReduction(),
        hdbscan_model=require("bertopic.cluster", extra="topics").BaseCluster(),
        vectorizer_model=counted,
        ctfidf_model=require("bertopic.vectorizers", extra="topics").ClassTfidfTransformer(reduce_frequent_words=True),
    )
    words = TopicWords(counted, labels, n_words)
    asked = SimpleNamespace(extract_topics=lambda *given: words.of(given[3], weights=given[2]))
    model.representation_model = [asked]
    rows = [str(row) for row in range(len(labels))]
    model.fit(rows, embeddings=counted.vectors, y=labels)
    model.vectorizer_model, model.representation_model, model.nr_topics = counted.vectorizer, None, None
    return model


def load_bertopic() -> Any:
    """Import BERTopic, which would silence every later warning of the process if it were let."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports tell of optional packages that nobody asked for
        return require("bertopic", extra="topics")


def keywords_of(model: Any, topic: int) -> list[tuple[str, float]]:
    """Words of a topic with their c-TF-IDF, best first."""
    return [(str(word), float(weight)) for word, weight in model.get_topic(topic) if word not in {"", *NO_WORDS}]


def labelled_pairs(ds: Dataset, assignments: pl.DataFrame) -> pl.DataFrame:
    """Pairs of a table of assignments with what their annotators said, as far as it is known.

    Prompts without answers are labelled by what they ask for, whether or not somebody says that it is safe.
    """
    needed = ["labels"] if ds.item == "prompt" else ["is_safe", "labels"]
    labels = ds.items.select("pair_id", "prompt_id", "is_safe", "labels").drop_nulls(needed)
    return assignments.select("pair_id", "topic").join(labels, on="pair_id", how="inner").sort("pair_id")


def category_shares(ds: Dataset, assignments: pl.DataFrame, *, n_topics: int) -> pl.DataFrame:
    """Share of each topic's pairs with each category, in short."""
    rows = labelled_pairs(ds, assignments).filter(pl.col("topic") >= 0)
    n = np.bincount(rows["topic"], minlength=n_topics)
    judged = rows.drop_nulls("is_safe")
    unsafe = np.bincount(judged["topic"], weights=~judged["is_safe"].to_numpy(), minlength=n_topics)
    n_judged = np.bincount(judged["topic"], minlength=n_topics)
    held = ds.taxonomy.flags(rows["labels"])
    counts = np.stack([np.bincount(rows["topic"], weights=flag, minlength=n_topics) for flag in held.T], axis=1)
    top = [ds.taxonomy.keys[int(np.argmax(row))] if row.max(initial=0) > 0 else None for row in counts]
    shares = {
        f"share_{category.slug}": ratio(counts[:, place], n) for place, category in enumerate(ds.taxonomy.categories)
    }
    columns = {
        "n_labelled": n,
        "share_unsafe": ratio(unsafe, n_judged),
        "top_category": pl.Series(top, dtype=pl.String),
    }
    return pl.DataFrame(columns | shares).with_columns(cs.float().fill_nan(None))
