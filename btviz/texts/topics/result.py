"""`fit_topics`, and what it gives: `Topics`, what a map's dense regions are about, at one scale and at the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from btviz.arguments import seed, whole_number
from btviz.data.dataset import Dataset
from btviz.store import Key, fingerprint, save_entry
from btviz.texts.datamap.fit import expect_points
from btviz.texts.embedding.result import Embeddings
from btviz.texts.topics.book import KIND, VERSION, Book, FittedBook, SavedBook, write_book


@dataclass(frozen=True, eq=False)
class Topics:
    """Topics of the pairs of a data set at one scale.

    Attributes
    ----------
    topics : DataFrame
        One row per topic, the largest first: `topic` (0, 1, ...), `n_pairs`, `n_texts`
        (distinct texts), `n_prompts`, `name` (first words), `keywords` (list, best first),
        `weights` (their c-TF-IDF with reduced frequent words), `n_labelled` (pairs whose labels are
        known), `share_unsafe`, `top_category` (released key), ``share_<slug>`` of each category (0 .. 1).
    assignments : DataFrame
        One row per pair, sorted by `pair_id`: `pair_id`, `topic` (-1 = outlier), `probability`
        (0 .. 1, 0 for outliers), `reassigned` (an outlier that was given the nearest topic).
    hierarchy : DataFrame
        How topics join, the closest first; one row per union: `node` (k, k + 1, ... after the
        k topics), `left`, `right` (topics or nodes), `distance` (mean cosine distance of their
        topics' vectors, 0 .. 2), `n_pairs`, `topics` (list), `name`, `keywords`.
    scale : int
        Fewest texts of a topic.
    scales : tuple of int
        Scales that `at` knows, ascending.
    layers : DataFrame
        One row per scale: `scale`, `n_topics`, `outlier_share`, `first` (shown first).
    facts : Mapping
        `data`, `text`, `encoder`, `taxonomy`, `scale` (asked for), `reassign_outliers`,
        `random_state`, `n_words`, and fingerprints of `dataset`, `embeddings` and `points`.

    Examples
    --------
    >>> topics = btviz.fit_topics(ds, points, embeddings=emb)  # doctest: +SKIP
    >>> topics.at(50).topics.select("n_pairs", "name")  # doctest: +SKIP
    """

    topics: pl.DataFrame
    assignments: pl.DataFrame
    hierarchy: pl.DataFrame
    scale: int
    scales: tuple[int, ...]
    layers: pl.DataFrame
    facts: Mapping[str, Any]
    _book: Book = field(repr=False)

    @property
    def outlier_share(self) -> float | None:
        """Share of pairs with topic -1, 0 .. 1; None without pairs."""
        share: float | None = (self.assignments["topic"] == -1).mean()  # type: ignore[assignment]  # of booleans
        return share

    @property
    def embeddings(self) -> Embeddings | None:
        """Vectors that the topics were fitted on; None after `load_topics`."""
        return self._book.embeddings

    @property
    def fingerprint(self) -> str:
        """Hexadecimal hash of what the topics are a function of, the scale included."""
        return fingerprint({**self.facts}, self.scale)

    def __repr__(self) -> str:
        outliers = "no pairs" if self.outlier_share is None else f"{self.outlier_share:.0%} outliers"
        reassigned = int(self.assignments["reassigned"].sum())
        return (
            f"<Topics of each {self.facts['text']} of {self.facts['data']}: {self.topics.height} of at least "
            f"{self.scale} texts; {outliers}{f'; {reassigned:,} outliers reassigned' if reassigned else ''}>"
        )

    def at(self, scale: int) -> Topics:
        """The topics at another scale.

        Parameters
        ----------
        scale : int
            One of `scales`. Its words are found when it is first asked for, and stored.

        Raises
        ------
        UsageError
            If that scale was not fitted.
        """
        smallest = whole_number(scale, name="scale", least=2)
        return self if smallest == self.scale else topics_at(self._book, smallest)

    def bertopic(self) -> Any:
        """BERTopic fitted on these topics.

        Returns
        -------
        bertopic.BERTopic
            With the same numbers and words. Its documents are the distinct texts in the order of
            their ids; `transform` takes vectors. After `load_topics` it has no representative
            documents, because no text was saved.

        Raises
        ------
        UsageError
            If there is no topic.
        NotFoundError
            If these topics were loaded from a folder that was saved at another scale.
        """
        return self._book.bertopic(self.scale)

    def save(self, folder: str | Path) -> Path:
        """Save the topics of every scale, without any text and without pickle.

        Parameters
        ----------
        folder : path-like
            A new folder, or one saved to before. ``bertopic.BERTopic.load`` reads it too.

        Returns
        -------
        Path
            The folder: Parquet, JSON and safetensors.

        Raises
        ------
        UsageError
            If something else is in the folder.
        StoreError
            If the disk is full or the folder cannot be written.
        """
        key = Key(KIND, (self.fingerprint,), {"scale": self.scale}, VERSION)
        return save_entry(Path(folder), key, make=lambda draft: write_book(draft, self._book, scale=self.scale)).path


def topics_at(book: Book, scale: int) -> Topics:
    """Topics at one scale of a book."""
    layers, tables = book.layers, book.tables(scale)
    return Topics(
        topics=tables.topics,
        assignments=layers.assignments(scale),
        hierarchy=tables.hierarchy,
        scale=scale,
        scales=tuple(layers.by_scale),
        layers=layers.summary(),
        facts=book.facts,
        _book=book,
    )


def load_topics(folder: str | Path) -> Topics:
    """Load topics that were saved.

    Parameters
    ----------
    folder : path-like
        As `Topics.save` wrote it; every file is verified.

    Returns
    -------
    Topics
        At the scale they were saved at.

    Raises
    ------
    NotFoundError
        If no topics were saved there.
    StoreError
        If a file is not what was written.
    """
    book = SavedBook(Path(folder))
    return topics_at(book, book.scale)


def fit_topics(
    ds: Dataset,
    points: pl.DataFrame,
    *,
    embeddings: Embeddings,
    random_state: int = 0,
    scale: int | None = None,
    reassign_outliers: bool = False,
    n_words: int = 10,
) -> Topics:
    """Find what the dense regions of a data map are about.

    Distinct texts are clustered by the density of the map (HDBSCAN*, by excess of mass), at
    several smallest topic sizes. Words come from BERTopic on these clusters and vectors: the variant of
    c-TF-IDF with reduced frequent words, ``sqrt(f / n) log(1 + A / F)`` for a word with f of the n words of a
    topic, F in all topics and a mean of A words a topic, where plain c-TF-IDF has no root; then maximal
    marginal relevance among the best 30, with the mean vector of the texts that have a word for the word's own,
    and that of a topic's texts for the topic's. A keyword is a word of its script (clauses without blanks are
    divided by dictionary, as in `btviz.data.words`), is in two prompts and in two texts of the topic, and is
    twice as common there as in all other texts with words of its script; function words of some twenty
    languages are none. No model is loaded and nothing is fetched.

    Parameters
    ----------
    ds : Dataset
        The data set; its labels give each topic's categories.
    points : DataFrame
        `pair_id`, `x`, `y`, from `fit_data_map`; rows in any order.
    embeddings : Embeddings
        The vectors that the map was made of.
    random_state : int
        Recorded in `facts`. Nothing is drawn at random: the same map gives the same topics.
    scale : int, optional
        Fewest texts of a topic, 2 or more. By default near ``0.5 sqrt(n)`` for n texts, or the
        next smaller one with three topics or more.
    reassign_outliers : bool
        Give every outlier the topic whose mean vector is nearest, and mark it as `reassigned`.
    n_words : int
        Words a topic, 1 to 30.

    Returns
    -------
    Topics
        Numbered by pairs, then by smallest text id; a second call reads them from the store.

    Raises
    ------
    UsageError
        If the map or the embeddings are not of this data set, or an option is out of its range.
    """
    expect_points(points)
    options = {
        "scale": None if scale is None else whole_number(scale, name="scale", least=2),
        "reassign_outliers": reassign_outliers,
        "random_state": seed(random_state),
        "n_words": whole_number(n_words, name="n_words", least=1, most=30),  # the most that relevance picks among
    }
    book = FittedBook(ds, points, embeddings=embeddings, options=options)
    return topics_at(book, book.layers.first)
