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
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import NDArray

from btviz.data.dataset import Dataset
from btviz.errors import require
from btviz.stats.association import ratio
from btviz.texts.topics.density import Integers
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
    prompts = assignments.join(ds.pairs.select("pair_id", "prompt_id"), on="pair_id").filter(pl.col("topic") >= 0)
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
    """Best words by c-TF-IDF, with the weights of words that BERTopic learnt from the topics."""
    rows = [" ".join(map(str, np.flatnonzero(np.isin(texts, union)))) for union in unions]
    weights = model.ctfidf_model.transform(counted.transform(rows).astype(np.float64)).tocsr()
    names = counted.get_feature_names_out()
    keywords = []
    for row in range(len(unions)):
        entries = slice(weights.indptr[row], weights.indptr[row + 1])
        place, weight = weights.indices[entries], weights.data[entries]
        best = np.lexsort((place, -weight))[:n_words]
        keywords.append([str(names[word]) for word in place[best]])
    return keywords


WORD_PATTERN = r"(?u)\b[^\W\d_](?:[^\W_]|['’](?=[^\W\d_]))+\b"
"""Two or more letters or digits, the first a letter; an apostrophe may stand inside."""

_DIVERSITY = 0.2

_NO_WORDS = ("emptydoc", "wordless")  # the first is what BERTopic puts in the place of a text without words

_CONTRACTED = ("n't", "'s", "'d", "'ll", "'m", "'re", "'ve")

_FILLERS = """
aren couldn didn doesn don hadn hasn haven isn let like ll mightn mustn needn re shan shouldn use used using ve wasn
weren won wouldn just really thing things want need know make way ways good best help think does did got get getting
additionally important however instead possible usually
gonna going yes ok okay sure someone somebody people person tell say said says try able im ive dont cant whats
""".split()  # noqa: SIM905  # a word list is easier to read than a list of quoted words


def counter(n: int) -> Any:
    """Scikit-learn's `CountVectorizer` as topics use it: lower case, no English stop words, single words."""
    text = require("sklearn.feature_extraction.text", extra="topics")
    stems = {*text.ENGLISH_STOP_WORDS, *_FILLERS, "could", "would", "should", "do", "does", "did", "is", "was", "what"}
    joined = {stem + end for stem in stems for end in _CONTRACTED} | {"can't", "won't", "don't", "ain't"}
    stop = stems | joined | {word.replace("'", "’") for word in joined}
    return text.CountVectorizer(stop_words=sorted(stop), token_pattern=WORD_PATTERN, min_df=2 if n >= 200 else 1)


class CountedTexts:
    """Word counts of texts, which stand in for BERTopic's vectorizer where documents are row numbers."""

    def __init__(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        self.vectorizer = counter(len(texts))
        self.vectors = vectors
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Your stop_words may be inconsistent")  # "don" of "don't" is meant
            try:
                self.counts = self.vectorizer.fit_transform(texts).tocsr()
            except ValueError:  # no text has a word that counts
                self.counts = None
        if self.counts is None or self.counts.shape[1] < 2:  # c-TF-IDF is not defined on fewer than two words
            self.counts = self.vectorizer.set_params(min_df=1).fit_transform([" ".join(_NO_WORDS)] * len(texts)).tocsr()

    def fit_transform(self, documents: Sequence[str]) -> Any:
        """Counts of each document, a list of row numbers divided by blanks; shape (documents, v)."""
        return self.transform(documents)

    def transform(self, documents: Sequence[str]) -> Any:
        """The same as `fit_transform`: everything has been counted."""
        sparse = require("scipy.sparse", extra="topics")
        rows = [np.array(document.split(), np.int64) for document in documents]
        ends = np.cumsum([0, *map(len, rows)])
        picked = np.concatenate(rows) if rows else np.zeros(0, np.int64)
        ones = np.ones(len(picked), np.int64)
        return sparse.csr_matrix((ones, picked, ends), shape=(len(rows), self.counts.shape[0])) @ self.counts

    def get_feature_names_out(self) -> NDArray[np.object_]:
        """The words, in the order of the columns."""
        return np.asarray(self.vectorizer.get_feature_names_out(), dtype=object)

    @cached_property
    def word_vectors(self) -> NDArray[np.float32]:
        """Mean vector of the texts with each word, to unit length; shape (v, d)."""
        sums = (self.counts > 0).T.astype(np.float32) @ self.vectors
        return np.asarray(sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12), np.float32)

    def embed(self, phrases: Sequence[str]) -> NDArray[np.float32]:
        """Mean vector of the words of each phrase; zeros where it has none that is known."""
        known = self.vectorizer.vocabulary_
        places = [[known[word] for word in phrase.split() if word in known] for phrase in phrases]
        nothing = np.zeros(self.vectors.shape[1], np.float32)
        return np.stack([self.word_vectors[place].mean(axis=0) if place else nothing for place in places])


def fit_bertopic(counted: CountedTexts, labels: Integers, *, n_words: int) -> Any:
    """Fit BERTopic on given clusters."""
    bertopic = load_bertopic()
    # no subclass: for any other type BERTopic would make vectors of topics from their words
    backend = require("bertopic.backend", extra="topics").BaseEmbedder()
    backend.embed = lambda documents, verbose=False: counted.embed(documents)  # noqa: ARG005  # BERTopic passes it
    model = bertopic.BERTopic(
        language="multilingual",  # else BERTopic drops every character outside ASCII
        top_n_words=n_words,
        nr_topics=len(counted.vectors) + 2,  # an upper bound: with one, BERTopic leaves the numbers as they are
        embedding_model=backend,
        umap_model=require("bertopic.dimensionality", extra="topics").BaseDimensionalityReduction(),
        hdbscan_model=require("bertopic.cluster", extra="topics").BaseCluster(),
        vectorizer_model=counted,
        ctfidf_model=require("bertopic.vectorizers", extra="topics").ClassTfidfTransformer(reduce_frequent_words=True),
        representation_model=require("bertopic.representation", extra="topics").MaximalMarginalRelevance(
            diversity=_DIVERSITY, top_n_words=n_words
        ),
    )
    rows = [str(row) for row in range(len(labels))]
    model.fit(rows, embeddings=counted.vectors, y=labels)
    model.topic_representations_ = {  # without the empty words that fill up those of small topics
        topic: [pair for pair in words if pair[0]] or words[:1] for topic, words in model.topic_representations_.items()
    }
    del backend.embed
    model.vectorizer_model, model.nr_topics = counted.vectorizer, None
    return model


def load_bertopic() -> Any:
    """Import BERTopic, which would silence every later warning of the process if it were let."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its imports tell of optional packages that nobody asked for
        return require("bertopic", extra="topics")


def keywords_of(model: Any, topic: int) -> list[tuple[str, float]]:
    """Words of a topic with their c-TF-IDF, best first."""
    return [(str(word), float(weight)) for word, weight in model.get_topic(topic) if word not in {"", *_NO_WORDS}]


def labelled_pairs(ds: Dataset, assignments: pl.DataFrame) -> pl.DataFrame:
    """Pairs of a table of assignments with what their annotators said, as far as it is known."""
    labels = ds.pairs.select("pair_id", "prompt_id", "is_safe", "labels").drop_nulls(["is_safe", "labels"])
    return assignments.select("pair_id", "topic").join(labels, on="pair_id", how="inner").sort("pair_id")


def category_shares(ds: Dataset, assignments: pl.DataFrame, *, n_topics: int) -> pl.DataFrame:
    """Share of each topic's pairs with each category, in short."""
    rows = labelled_pairs(ds, assignments).filter(pl.col("topic") >= 0)
    n = np.bincount(rows["topic"], minlength=n_topics)
    unsafe = np.bincount(rows["topic"], weights=~rows["is_safe"].to_numpy(), minlength=n_topics)
    held = ds.taxonomy.flags(rows["labels"])
    counts = np.stack([np.bincount(rows["topic"], weights=flag, minlength=n_topics) for flag in held.T], axis=1)
    top = [ds.taxonomy.keys[int(np.argmax(row))] if row.max(initial=0) > 0 else None for row in counts]
    shares = {
        f"share_{category.slug}": ratio(counts[:, place], n) for place, category in enumerate(ds.taxonomy.categories)
    }
    columns = {"n_labelled": n, "share_unsafe": ratio(unsafe, n), "top_category": pl.Series(top, dtype=pl.String)}
    return pl.DataFrame(columns | shares).with_columns(cs.float().fill_nan(None))
