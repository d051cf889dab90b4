"""Coherence of topic words: normalised pointwise mutual information of words in the same text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from btviz.data.words import words_of
from btviz.errors import require
from btviz.texts.topics.keywords import KEYWORD
from btviz.texts.topics.partition import Floats


def npmi_coherence(keywords: Sequence[Sequence[str]], *, texts: Sequence[str]) -> Floats:
    """Normalised pointwise mutual information of each topic's words.

    Parameters
    ----------
    keywords : sequence of sequences of str, one per topic
        Words of each topic, in lower case.
    texts : sequence of str
        Documents in which words meet.

    Returns
    -------
    array of float64, shape (topics,)
        Mean over the pairs of a topic's words of ``log(p(a, b) / (p(a) p(b))) / -log p(a, b)``
        (Bouma 2009), -1 .. 1: -1 for words that never meet, 0 for chance, 1 for words that
        always do. NaN for a topic with fewer than two words that occur.
    """
    known = sorted({word for words in keywords for word in words})
    if not known or not texts:
        return np.full(len(keywords), np.nan)
    columns = pl.DataFrame({"word": known}).with_row_index("column")
    words = words_of(pl.Series(texts).str.to_lowercase(), pattern=KEYWORD).list.unique()
    cells = words.alias("word").to_frame().with_row_index("row").explode("word", empty_as_null=True)
    cells = cells.join(columns, on="word").select("row", "column")
    sparse = require("scipy.sparse", extra="topics")
    has = sparse.csr_matrix((np.ones(cells.height), cells.to_numpy().T), shape=(len(texts), len(known)))
    place = {word: column for column, word in enumerate(known)}
    return np.array([_npmi(has[:, [place[word] for word in words]]) for words in keywords])


def _npmi(has: Any) -> float:
    matrix = has.toarray()
    matrix = matrix[:, matrix.any(axis=0)]
    n, width = matrix.shape
    if width < 2:
        return float("nan")
    joint = (matrix.T @ matrix) / n
    single = joint.diagonal()
    a, b = np.triu_indices(width, 1)
    together, alone = joint[a, b], single[a] * single[b]
    values = np.where(together == 0, -1.0, 1.0)  # never, or always, in the same text
    some = (together > 0) & (together < 1)
    values[some] = np.log(together[some] / alone[some]) / -np.log(together[some])
    return float(values.mean())
