"""Words that may name a topic, in any script, and how often each text has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.data.words import words_of
from btviz.errors import require
from btviz.texts.topics.fillers import FILLERS

_LETTERS = r"\p{L}[\p{L}\p{M}\p{Nd}\u{200C}\u{200D}]*"

_JOINS = "['\u00b7\u05f3\u05f4-]"

KEYWORD = rf"\b{_LETTERS}(?:{_JOINS}{_LETTERS}){{0,3}}\b"
"""A letter, then letters or digits; up to four such parts are one word where an apostrophe, a hyphen, or a sign of
Catalan (middle dot) or Hebrew (geresh, gershayim) joins them."""

_SAME = {"[\u2019\uff07\u02bc]": "'", "[\u2010\u2011]": "-", "\u00ad": ""}
"""Apostrophes and hyphens that look alike, and the hyphen that shows at the end of a line only."""

_LENGTHS = (
    (r"^\p{Han}+$", 1, 7),
    (r"^[\p{Hiragana}ー]+$", 3, 8),  # shorter ones are particles and endings
    (r"[\p{Han}\p{Hiragana}\p{Katakana}]", 2, 12),
    (r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]", 2, 16),
    (r"\p{Hangul}", 2, 10),
    # these put no blanks between words, and no dictionary is at hand: a longer one is several
    (r"[\p{Javanese}\p{Balinese}\p{Tai_Le}\p{New_Tai_Lue}\p{Tai_Tham}\p{Tai_Viet}\p{Tibetan}]", 2, 8),
    (r"", 2, 30),
)
"""Fewest and most letters of a keyword, marks not counted, by the first script that it has."""

_CONTRACTED = ("n't", "'s", "'d", "'ll", "'m", "'re", "'ve")

NO_WORDS = ("emptydoc", "wordless")  # the first is what BERTopic puts in the place of a text without words

TELLING = 2.0
"""How many times as common a keyword is in the texts of its topic as in all others, at least."""

_DIVERSITY = 0.2

_CANDIDATES = 30
"""Of which maximal marginal relevance picks; BERTopic's own number."""

_SCRIPTS = (
    *(rf"\p{{{name}}}" for name in ("Latin", "Cyrillic", "Greek", "Arabic", "Hebrew", "Devanagari", "Bengali")),
    *(rf"\p{{{name}}}" for name in ("Tamil", "Telugu", "Thai", "Lao", "Khmer", "Myanmar", "Hangul", "Ethiopic")),
    r"[\p{Han}\p{Hiragana}\p{Katakana}]",
    "",
)


def keywords_in(texts: pl.Series) -> pl.DataFrame:
    """Words of texts that may name a topic, repeated as they are: `row` of the text, `word`, in lower case."""
    plain = texts.str.normalize("NFC").str.to_lowercase()
    for signs, sign in _SAME.items():
        plain = plain.str.replace_all(signs, sign)
    words = pl.DataFrame({"word": words_of(plain, pattern=KEYWORD)}).with_row_index("row")
    found = words.explode("word", empty_as_null=True).drop_nulls()
    known = found["word"].unique()
    return found.join(known.filter(_may_name(known)).to_frame(), on="word", how="semi", maintain_order="left")


def _may_name(words: pl.Series) -> pl.Series:
    letters = words.str.replace_all(r"[\p{M}\u{200C}\u{200D}]", "").str.len_chars()
    frame = pl.DataFrame({"word": words, "letters": letters})
    fits = pl.lit(value=False)
    for script, fewest, most in reversed(_LENGTHS):
        fits = (
            pl.when(pl.col("word").str.contains(script))
            .then(pl.col("letters").is_between(fewest, most))
            .otherwise(fits)
        )
    stop = pl.Series(sorted(_stop_words()))
    return frame.select(fits & ~pl.col("word").is_in(stop.implode())).to_series()


def _stop_words() -> set[str]:
    english = require("sklearn.feature_extraction.text", extra="topics").ENGLISH_STOP_WORDS
    stems = {*english, *FILLERS}
    joined = {stem + end for stem in stems for end in _CONTRACTED} | {"can't", "won't", "don't", "ain't"}
    return stems | joined


class CountedTexts:
    """Keywords of texts, counted; stand in for BERTopic's vectorizer where documents are row numbers.

    Words that only one prompt has are none: they may be what somebody's question says.

    Parameters
    ----------
    texts : DataFrame
        `text`, and `first_prompt` and `last_prompt`: the smallest and largest id of the prompts it belongs to.
    vectors : array of float32, shape (n, d)
        Of unit length.
    """

    def __init__(self, texts: pl.DataFrame, vectors: NDArray[np.float32]) -> None:
        self.vectors = vectors
        prompts = texts.select("first_prompt", "last_prompt").with_row_index("row")
        found = keywords_in(texts["text"]).join(prompts, on="row", how="left", maintain_order="left")
        several = pl.col("first_prompt").min() < pl.col("last_prompt").max()
        words = found.group_by("word").agg(several.alias("several")).filter("several")["word"].sort()
        if len(words) < 2:  # c-TF-IDF is not defined on fewer than two words
            words = pl.Series("word", NO_WORDS)
            found = prompts.select("row").join(words.to_frame(), how="cross")
        self.words = words
        self.counts = _counts(found.select("row", "word"), words, n=texts.height)

    @cached_property
    def vectorizer(self) -> Any:
        """Scikit-learn's `CountVectorizer` with these words, for texts whose words are divided by blanks."""
        text = require("sklearn.feature_extraction.text", extra="topics")
        blanks = r"\S+"
        vectorizer = text.CountVectorizer(vocabulary=self.words.to_list(), token_pattern=blanks)
        vectorizer.get_feature_names_out()  # makes the attribute `vocabulary_`, which BERTopic saves
        return vectorizer

    def fit_transform(self, documents: Sequence[str]) -> Any:
        """Counts of each document, a list of row numbers divided by blanks; shape (documents, v)."""
        return self.transform(documents)

    def transform(self, documents: Sequence[str]) -> Any:
        """The same as `fit_transform`: everything has been counted."""
        return self.members([np.array(document.split(), np.int64) for document in documents])

    def members(self, groups: Sequence[NDArray[np.integer[Any]]]) -> Any:
        """Counts of groups of texts (row numbers); sparse, shape (groups, v)."""
        return _members(groups, n=len(self.vectors)) @ self.counts

    def get_feature_names_out(self) -> NDArray[np.object_]:
        """The words, in the order of the columns."""
        return np.asarray(self.words.to_list(), dtype=object)

    def telling(self, groups: Sequence[NDArray[np.integer[Any]]]) -> Any:
        """Which words set groups of texts (row numbers) apart; bool, sparse, shape (groups, v).

        They are in two texts of the group, and `TELLING` times as common there as in all other texts with
        words of their script: else every word of a script would set apart what is written in it.
        """
        members, has = _members(groups, n=len(self.vectors)), (self.counts > 0).astype(np.int64)
        inside = (members @ has).tocoo()
        outside = np.asarray(has.sum(axis=0)).ravel()[inside.col] - inside.data
        script = self._scripts[inside.col]
        written = (has @ np.eye(len(_SCRIPTS), dtype=np.int64)[self._scripts] > 0).astype(np.int64)
        size = (members @ written)[inside.row, script]
        others = written.sum(axis=0)[script] - size
        # (inside / size) / (outside / others), without a division by nothing
        told = (inside.data >= 2) & (inside.data * others >= TELLING * outside * size)
        sparse = require("scipy.sparse", extra="topics")
        return sparse.csr_matrix((told[told], (inside.row[told], inside.col[told])), shape=inside.shape)

    @cached_property
    def _scripts(self) -> NDArray[np.int64]:
        """Script of each word: the first of `_SCRIPTS` that it has a letter of; shape (v,)."""
        number = pl.lit(len(_SCRIPTS) - 1)
        for place, script in reversed(list(enumerate(_SCRIPTS))):
            number = pl.when(pl.col("word").str.contains(script)).then(place).otherwise(number)
        return pl.DataFrame({"word": self.words}).select(number).to_series().cast(pl.Int64).to_numpy()

    @cached_property
    def word_vectors(self) -> NDArray[np.float32]:
        """Mean vector of the texts with each word, to unit length; shape (v, d)."""
        sums = (self.counts > 0).T.astype(np.float32) @ self.vectors
        return np.asarray(sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12), np.float32)

    def relevant(self, places: NDArray[np.integer[Any]], vector: NDArray[np.float32], *, most: int) -> list[int]:
        """Of words (columns) those nearest to a vector and not to each other, in the order given.

        Maximal marginal relevance (Carbonell & Goldstein 1998).
        """
        near = self.word_vectors[places]
        relevance, chosen = near @ vector, np.full(len(places), -np.inf)
        picked: list[int] = []
        while len(picked) < min(most, len(places)):
            gain = (1 - _DIVERSITY) * relevance - _DIVERSITY * (chosen if picked else 0)
            gain[picked] = -np.inf
            picked.append(int(np.argmax(gain)))
            chosen = np.maximum(chosen, near @ near[picked[-1]])
        return sorted(picked)


@dataclass(frozen=True, eq=False)
class TopicWords:
    """Words of topics, in place of what BERTopic calls a representation.

    BERTopic's own takes the mean of a topic's words for the topic, so a word that other topics share counts for
    more than one that the topic has alone.
    """

    counted: CountedTexts
    labels: NDArray[np.integer[Any]]
    most: int

    def of(self, topics: Iterable[int], *, weights: Any) -> dict[int, list[tuple[str, float]]]:
        """Words of topics, whose rows of c-TF-IDF are in the same order, with their weights."""
        topics = list(topics)
        groups = [np.flatnonzero(self.labels == topic) for topic in topics]
        best = heaviest(weights, self.counted.telling(groups), most=_CANDIDATES)
        names = self.counted.words
        representations = {}
        for topic, group, (places, values) in zip(topics, groups, best, strict=True):
            mean = self.counted.vectors[group].mean(axis=0)
            kept = self.counted.relevant(places, mean / max(float(np.linalg.norm(mean)), 1e-12), most=self.most)
            words = [(names[int(places[i])], float(values[i])) for i in kept]
            representations[topic] = words or [("", 1e-5)]  # what BERTopic has where there is no word
        return representations


def heaviest(
    weights: Any, telling: Any, *, most: int
) -> list[tuple[NDArray[np.integer[Any]], NDArray[np.floating[Any]]]]:
    """Of each row of c-TF-IDF (reduced frequent words) the words (columns) that set it apart, the heaviest first."""
    told = weights.multiply(telling).tocsr()
    best = []
    for row in range(told.shape[0]):
        entries = slice(told.indptr[row], told.indptr[row + 1])
        place, weight = told.indices[entries], told.data[entries]
        first = np.lexsort((place, -weight))[:most]
        best.append((place[first], weight[first]))
    return best


def _counts(found: pl.DataFrame, words: pl.Series, *, n: int) -> Any:
    """How often each of n texts has each word; sparse, shape (n, v)."""
    columns = pl.DataFrame({"word": words}).with_row_index("column")
    cells = found.join(columns, on="word").group_by("row", "column").len().sort("row", "column")
    sparse = require("scipy.sparse", extra="topics")
    entries = (cells["len"].cast(pl.Int64).to_numpy(), (cells["row"].to_numpy(), cells["column"].to_numpy()))
    return sparse.csr_matrix(entries, shape=(n, len(words)))


def _members(groups: Sequence[NDArray[np.integer[Any]]], *, n: int) -> Any:
    """Which of n texts (rows) are in each group; sparse, shape (groups, n)."""
    sparse = require("scipy.sparse", extra="topics")
    ends = np.cumsum([0, *map(len, groups)])
    rows = np.concatenate(groups) if groups else np.zeros(0, np.int64)
    return sparse.csr_matrix((np.ones(len(rows), np.int64), rows, ends), shape=(len(groups), n))
