"""Tables of topics at one scale: sizes, words, names, categories, and how topics join into larger ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from btviz.dataset import Dataset
from btviz.errors import require
from btviz.topics.density import Integers
from btviz.topics.layers import Layers, mean_vectors
from btviz.topics.profile import category_shares
from btviz.topics.words import CountedTexts, keywords_of

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
    """What is known of the topics at one scale; see `btviz.topics.result.Topics`.

    Attributes
    ----------
    topics, hierarchy : DataFrame
    """

    topics: pl.DataFrame
    hierarchy: pl.DataFrame


def tables_of(ds: Dataset, layers: Layers, *, scale: int, model: Any, counted: CountedTexts, n_words: int) -> Tables:
    """Tables of the topics at one scale.

    Parameters
    ----------
    ds : Dataset
        Gives prompts and labels of the pairs.
    layers : Layers
        Topics of the texts.
    scale : int
        Which of the layers.
    model : BERTopic or None
        Fitted on that layer; None where it has no topic.
    counted : CountedTexts
        Words of the texts.
    n_words : int
        Words a node of the hierarchy, at most.
    """
    texts, assignments = layers.layer(scale).topics, layers.assignments(scale)
    k = int(texts.max(initial=-1)) + 1
    words = [keywords_of(model, topic) for topic in range(k)]
    prompts = assignments.join(ds.pairs.select("pair_id", "prompt_id"), on="pair_id").filter(pl.col("topic") >= 0)
    n_prompts = prompts.group_by("topic").agg(pl.col("prompt_id").n_unique()).sort("topic")["prompt_id"]
    n_pairs = np.bincount(prompts["topic"], minlength=k)
    table = pl.DataFrame(
        {
            "topic": pl.Series(range(k), dtype=pl.Int64),
            "n_pairs": pl.Series(n_pairs, dtype=pl.Int64),
            "n_texts": pl.Series(np.bincount(texts[texts >= 0], minlength=k), dtype=pl.Int64),
            "n_prompts": n_prompts.cast(pl.Int64),
            "name": pl.Series(names_of([[word for word, _ in found] for found in words]), dtype=pl.String),
            "keywords": pl.Series([[w for w, _ in found] for found in words], dtype=pl.List(pl.String)),
            "weights": pl.Series([[v for _, v in found] for found in words], dtype=pl.List(pl.Float64)),
        }
    )
    shares = category_shares(ds, assignments, n_topics=k)
    merges = _merges(texts, n_pairs, model=model, counted=counted, n_words=n_words)
    return Tables(pl.concat([table, shares], how="horizontal"), merges)


def names_of(words: Sequence[Sequence[str]]) -> list[str]:
    """Name each topic by its first words, with one word more where two would be called the same."""
    names: list[str] = []
    for found in words:
        longer = [", ".join(found[:n]) or WORDLESS for n in range(WORDS_IN_NAME, max(WORDS_IN_NAME, len(found)) + 1)]
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
            "name": [", ".join(found[:WORDS_IN_NAME]) or WORDLESS for found in words],
            "keywords": words,
        },
        schema=HIERARCHY,
    )


def _words_of_unions(
    texts: Integers, unions: Sequence[list[int]], *, model: Any, counted: CountedTexts, n_words: int
) -> list[list[str]]:
    """Best words by c-TF-IDF, with the weights of words that BERTopic learnt from the topics."""
    rows = [" ".join(map(str, np.flatnonzero(np.isin(texts, union)))) for union in unions]
    weights = model.ctfidf_model.transform(counted.transform(rows).astype(np.float64)).tocsr()
    names = counted.get_feature_names_out()
    found = []
    for row in range(len(unions)):
        entries = slice(weights.indptr[row], weights.indptr[row + 1])
        place, weight = weights.indices[entries], weights.data[entries]
        best = np.lexsort((place, -weight))[:n_words]
        found.append([str(names[word]) for word in place[best]])
    return found
