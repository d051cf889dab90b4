"""`fit_topics`, and what it gives: `Topics`, what groups of like texts are about, at one scale and at the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from btviz.arguments import seed, whole_number
from btviz.data.dataset import Dataset
from btviz.errors import UsageError
from btviz.store import Key, fingerprint, save_entry
from btviz.texts.datamap.fit import expect_points
from btviz.texts.embedding.result import Embeddings
from btviz.texts.topics.book import KIND, VERSION, Book, FittedBook, SavedBook, write_book
from btviz.texts.topics.layers import places_of
from btviz.texts.topics.partition import MIN_PROBABILITY


@dataclass(frozen=True, eq=False)
class Topics:
    """Topics of the pairs of a data set at one scale.

    Attributes
    ----------
    topics : DataFrame
        One row per topic, the largest first: `topic` (0, 1, ...), `n_pairs`, `n_texts`
        (distinct texts), `n_prompts`, `name` (most frequent category and a number: neutral and
        unique), `keywords` (distinctive words, list, best first),
        `weights` (their c-TF-IDF with reduced frequent words), `n_labelled` (pairs whose labels are
        known), `share_unsafe`, `top_category` (released key), ``share_<slug>`` of each category (0 .. 1).
    assignments : DataFrame
        One row per pair, sorted by `pair_id`: `pair_id`, `topic` (-1 = outlier), `probability`
        (share of the text's ties to neighbours that lie inside its topic, 0 .. 1, 0 for outliers),
        `reassigned` (an outlier that was given the nearest topic).
    hierarchy : DataFrame
        Topics of all scales, and which is a part of which; one row per topic of a scale, the
        coarsest scale first: `node` (0, 1, ...), `scale`, `topic`, `parent` (node at the next
        coarser scale, null at the coarsest), `name`, `n_pairs`, `n_texts`, `share_unsafe`, `top_category`.
    scale : int
        Resolution of modularity: the larger, the more topics.
    scales : tuple of int
        Scales that `at` knows, ascending.
    layers : DataFrame
        One row per scale: `scale`, `n_topics`, `outlier_share`, `first` (shown first).
    choice : DataFrame
        Why that scale is shown first; one row per scale that competed, and one for the other half
        of the prompts: `scale`, `half` ("chosen on", "reported on"), `n_texts`, `n_topics`, `overlap`
        (mean over topics and 4 parts of 80 %, as in `topic_stability`), `standard_error` (of the excess, over topics),
        `overlap_null` and `n_topics_null` (of as many random vectors with the same mean and covariance). Without rows
        where the scale was asked for, or where there are fewer than 40 texts.
    facts : Mapping
        `data`, `text`, `encoder`, `taxonomy`, `scale` (asked for), `min_probability`,
        `reassign_outliers`, `random_state`, `n_words`, and fingerprints of `dataset` and `embeddings`.

    Examples
    --------
    >>> topics = btviz.fit_topics(ds, embeddings=emb)  # doctest: +SKIP
    >>> topics.at(8).topics.select("n_pairs", "name")  # doctest: +SKIP
    """

    topics: pl.DataFrame
    assignments: pl.DataFrame
    hierarchy: pl.DataFrame
    scale: int
    scales: tuple[int, ...]
    layers: pl.DataFrame
    choice: pl.DataFrame
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
            f"<Topics of each {self.facts['text']} of {self.facts['data']}: {self.topics.height} at scale "
            f"{self.scale}; {outliers}{f'; {reassigned:,} outliers reassigned' if reassigned else ''}>"
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
        asked = whole_number(scale, name="scale", least=1)
        return self if asked == self.scale else topics_at(self._book, asked)

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
    layers = book.layers
    return Topics(
        topics=book.topics(scale),
        assignments=layers.assignments(scale),
        hierarchy=book.hierarchy,
        scale=scale,
        scales=tuple(layers.by_scale),
        layers=layers.summary(),
        choice=layers.choice,
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
    points: pl.DataFrame | None = None,
    *,
    embeddings: Embeddings,
    random_state: int = 0,
    scale: int | None = None,
    min_probability: float = MIN_PROBABILITY,
    reassign_outliers: bool = False,
    n_words: int = 10,
) -> Topics:
    """Find groups of like texts, and what they are about.

    Each text is tied to its nearest others, near ``0.6 sqrt(n)`` of them, at most 30, by the Jaccard
    index of their sets of nearest texts; topics are the communities of that graph by the Leiden algorithm
    for modularity with a resolution, the scale. The scale shown first is the one at which topics come
    back from parts of the prompts most, beyond those of random vectors of the same mean and covariance
    (the coarsest within one standard error of that), of 1, 2, 3, 4, 5, 6, 8 and 12 as far as it gives
    at least ``0.4 sqrt(n)`` (at most 20) and at most ``sqrt(n)`` topics: chosen on half of the prompts
    and reported on the other (`Topics.choice`), on at most 3,000 texts of each. Coarser scales join
    its topics, finer ones divide them (`Topics.hierarchy`).

    Words come from BERTopic on these clusters and vectors: the variant of
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
        The data set; its labels give each topic's name and categories.
    points : DataFrame, optional
        A map from `fit_data_map`, to check that it is one of these embeddings. Topics do not depend on it.
    embeddings : Embeddings
        The vectors whose neighbours make the topics.
    random_state : int
        Seed of the Leiden algorithm, and of the halves and parts by which the scale is chosen.
    scale : int, optional
        Resolution, 1 or more: the larger, the more topics.
    min_probability : float
        Share of a text's ties, 0 .. 1, that must lie inside its topic; below it a text is an
        outlier, as are those of communities of fewer than 10 texts.
    reassign_outliers : bool
        Give every outlier the topic whose mean vector is nearest, and mark it as `reassigned`.
    n_words : int
        Words a topic, 1 to 30.

    Returns
    -------
    Topics
        Numbered by pairs, then by smallest text id; a second call reads them from the store. The same
        for any order of rows and any number of threads.

    Raises
    ------
    UsageError
        If the map or the embeddings are not of this data set, or an option is out of its range.
    """
    if points is not None:
        expect_points(points)
        places_of(points, embeddings)
    if not 0 <= min_probability <= 1:
        raise UsageError(
            f"min_probability={min_probability} was asked for; it is a share of a text's ties. Use 0 to 1, say 0.2."
        )
    options = {
        "scale": None if scale is None else whole_number(scale, name="scale", least=1),
        "min_probability": float(min_probability),
        "reassign_outliers": reassign_outliers,
        "random_state": seed(random_state),
        "n_words": whole_number(n_words, name="n_words", least=1, most=30),  # the most that relevance picks among
    }
    book = FittedBook(ds, embeddings=embeddings, options=options)
    return topics_at(book, book.layers.first)
