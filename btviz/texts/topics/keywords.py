"""Words that may name a topic, in any script, and how often each text has them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.data.words import words_of
from btviz.errors import require

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

_FILLERS = """
aren couldn didn doesn don hadn hasn haven isn let like ll mightn mustn needn re shan shouldn use used using ve wasn
weren won wouldn just really thing things want need know make way ways good best help think does did got get getting
additionally important however instead possible usually
gonna going yes ok okay sure someone somebody people person tell say said says try able im ive dont cant whats
could would should do is was what
""".split()  # noqa: SIM905  # a word list is easier to read than a list of quoted words

_CHINESE_FILLERS = """
的了是在我你他她它们們这這那和与與或也都就不没沒有要会會能可吗嗎呢吧啊把被给給对對从從到为為以及个個一很太更最将將还還
又再让讓使用于於而但如何之其此所者去来來说說做想得地着著过過里裡后後前上下中请請问問怎哪谁誰
"""
"""Words of one letter that say nothing of a subject."""

_CONTRACTED = ("n't", "'s", "'d", "'ll", "'m", "'re", "'ve")

NO_WORDS = ("emptydoc", "wordless")  # the first is what BERTopic puts in the place of a text without words

TELLING = 2.0
"""How many times as common a keyword is in the texts of its topic as in all others, at least."""


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
    stems = {*english, *_FILLERS}
    joined = {stem + end for stem in stems for end in _CONTRACTED} | {"can't", "won't", "don't", "ain't"}
    return stems | joined | set(_CHINESE_FILLERS)


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
        rows = [np.array(document.split(), np.int64) for document in documents]
        return _members(rows, n=len(self.vectors)) @ self.counts

    def get_feature_names_out(self) -> NDArray[np.object_]:
        """The words, in the order of the columns."""
        return np.asarray(self.words.to_list(), dtype=object)

    def telling(self, groups: Sequence[NDArray[np.integer[Any]]]) -> Any:
        """Which words set groups of texts (row numbers) apart; bool, sparse, shape (groups, v).

        They are in two texts of the group, and `TELLING` times as common there as in all other texts.
        """
        has = (self.counts > 0).astype(np.int64)
        inside = (_members(groups, n=len(self.vectors)) @ has).tocoo()
        sizes, n = np.array([len(group) for group in groups])[inside.row], len(self.vectors)
        outside = np.asarray(has.sum(axis=0)).ravel()[inside.col] - inside.data
        # (inside / sizes) / (outside / (n - sizes)), without a division by nothing
        told = (inside.data >= 2) & (inside.data * (n - sizes) >= TELLING * outside * sizes)
        sparse = require("scipy.sparse", extra="topics")
        return sparse.csr_matrix((told[told], (inside.row[told], inside.col[told])), shape=inside.shape)

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
