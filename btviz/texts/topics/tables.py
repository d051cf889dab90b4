"""Tables of topics: sizes, names, words and categories at one scale, and how those of a scale divide at the next.

Words have the weights of BERTopic's c-TF-IDF, and a test holds them against BERTopic's own. It is imported where
somebody asks for its object only: its import compiles UMAP, which takes 20 s the first time and 3 s ever after. There,
it gets clusters and vectors. It joins the texts of a topic and counts their words anew for every set of clusters. Here
the words of each text are counted once, and BERTopic gets numbers of rows for documents and a vectorizer that adds up
those rows: the same counts, at every scale at once, and no text in it.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs

from btviz.data.dataset import Dataset
from btviz.errors import require
from btviz.stats.association import ratio
from btviz.taxonomy.categories import Taxonomy
from btviz.texts.topics.keywords import NO_WORDS, CountedTexts, TopicWords
from btviz.texts.topics.layers import Layers
from btviz.texts.topics.partition import Integers


def table_of(
    ds: Dataset, layers: Layers, *, scale: int, counted: Callable[[], CountedTexts], n_words: int
) -> pl.DataFrame:
    """Table of the topics at one scale; see `btviz.texts.topics.result.Topics`."""
    counts = counts_of(ds, layers, scale=scale)
    labels = layers.layer(scale).topics
    words = words_of(counted(), labels, n_words=n_words) if counts.height else []
    of_topic = {
        "keywords": pl.Series([[w for w, _ in weighted] for weighted in words], dtype=pl.List(pl.String)),
        "weights": pl.Series([[v for _, v in weighted] for weighted in words], dtype=pl.List(pl.Float64)),
    }
    place = counts.columns.index("name") + 1
    return counts.select(
        *counts.columns[:place], *(column.alias(name) for name, column in of_topic.items()), *counts.columns[place:]
    )


def counts_of(ds: Dataset, layers: Layers, *, scale: int) -> pl.DataFrame:
    """Sizes, names and categories of the topics at one scale."""
    texts, assignments = layers.layer(scale).topics, layers.assignments(scale)
    k = int(texts.max(initial=-1)) + 1
    prompts = assignments.join(ds.items.select("pair_id", "prompt_id"), on="pair_id").filter(pl.col("topic") >= 0)
    n_prompts = prompts.group_by("topic").agg(pl.col("prompt_id").n_unique()).sort("topic")["prompt_id"]
    shares = category_shares(ds, assignments, n_topics=k)
    table = pl.DataFrame(
        {
            "topic": pl.Series(range(k), dtype=pl.Int64),
            "n_pairs": pl.Series(np.bincount(prompts["topic"], minlength=k), dtype=pl.Int64),
            "n_texts": pl.Series(np.bincount(texts[texts >= 0], minlength=k), dtype=pl.Int64),
            "n_prompts": n_prompts.cast(pl.Int64),
            "name": pl.Series(names_of(shares, taxonomy=ds.taxonomy), dtype=pl.String),
        }
    )
    return pl.concat([table, shares], how="horizontal")


def names_of(shares: pl.DataFrame, *, taxonomy: Taxonomy) -> list[str]:
    """Name each topic by its most frequent category and a number, the largest first; no word of a text is in it."""
    titles = {category.key: category.slug.replace("-", " ") for category in taxonomy.categories}
    kinds = [
        titles[key] if key is not None else "no category" if labelled else "topic"
        for key, labelled in shares.select("top_category", "n_labelled").iter_rows()
    ]
    met: Counter[str] = Counter()
    names = []
    for kind in kinds:
        met[kind] += 1
        names.append(f"{kind} {met[kind]}")
    return names


def hierarchy_of(ds: Dataset, layers: Layers) -> pl.DataFrame:
    """Topics of every scale with the topic that each is a part of; see `btviz.texts.topics.result.Topics`."""
    columns = ("scale", "topic", "name", "n_pairs", "n_texts", "share_unsafe", "top_category")
    of_scale = [
        counts_of(ds, layers, scale=scale).with_columns(pl.lit(scale, pl.Int64).alias("scale")).select(columns)
        for scale in layers.by_scale
    ]
    return layers.tree().join(pl.concat(of_scale), on=["scale", "topic"], how="left", maintain_order="left")


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


def words_of(counted: CountedTexts, labels: Integers, *, n_words: int) -> list[list[tuple[str, float]]]:
    """Words of each topic with their c-TF-IDF, in the order of `CountedTexts.relevant`."""
    weights, topics = class_tf_idf(counted, labels), np.unique(labels)
    found = TopicWords(counted, labels, n_words).of(topics.tolist(), weights=weights)
    return [
        [(str(word), float(weight)) for word, weight in found[topic] if word not in {"", *NO_WORDS}]
        for topic in topics[topics >= 0].tolist()
    ]


def class_tf_idf(counted: CountedTexts, labels: Integers) -> Any:
    """BERTopic's class-based TF-IDF (Grootendorst 2022) with reduced frequent words; sparse, shape (classes, v).

    The square root of a word's share in its class, times log(1 + A / f): f is how often all classes have the word, A
    the mean number of words in a class, rounded down. Outliers are a class.
    """
    counts = counted.members([np.flatnonzero(labels == label) for label in np.unique(labels)])
    frequency = np.asarray(counts.sum(axis=0)).ravel()
    rarity = np.log(int(counts.sum(axis=1).mean()) / frequency + 1)
    sizes = np.repeat(np.asarray(counts.sum(axis=1)).ravel(), np.diff(counts.indptr))
    weights = counts.astype(np.float64)
    weights.data = np.sqrt(weights.data / sizes) * rarity[weights.indices]
    return weights


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
