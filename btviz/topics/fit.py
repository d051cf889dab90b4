"""`fit_topics`: from a map and its vectors to topics with words."""

from __future__ import annotations

import polars as pl

from btviz.arguments import seed, whole_number
from btviz.datamap.points import expect_points
from btviz.dataset import Dataset
from btviz.embedding.result import Embeddings
from btviz.topics.book import FittedBook
from btviz.topics.result import Topics, topics_at


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
    several smallest topic sizes. Words come from BERTopic on these clusters and vectors: c-TF-IDF,
    then maximal marginal relevance among the best 30, with the mean vector of the texts that
    have a word for the word's own. No model is loaded and nothing is fetched.

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
        "n_words": whole_number(n_words, name="n_words", least=1, most=30),
    }
    book = FittedBook(ds, points, embeddings=embeddings, options=options)
    return topics_at(book, book.layers.first)
