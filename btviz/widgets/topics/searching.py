"""Pairs by what their texts say: words, or meaning."""

from __future__ import annotations

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import UsageError
from btviz.texts.embedding import Embeddings
from btviz.texts.neighbors import more_like
from btviz.widgets.inspector.filtering import containing


def with_words(ds: Dataset, words: str) -> pl.Series:
    """Pairs whose prompt or response contains words, taken literally, upper or lower case."""
    if not words.strip():
        raise UsageError("A search for words was asked for without any. Type at least one.")
    return ds.pairs["pair_id"][containing(ds, np.arange(ds.pairs.height), words=words.strip())]


def near_text(emb: Embeddings | None, text: str, *, n: int) -> pl.Series:
    """Pairs with the `n` texts nearest in meaning to another."""
    known = _known(emb)
    if not text.strip():
        raise UsageError("A search by meaning was asked for without a text. Type at least one word.")
    if known.source is None:
        raise UsageError(
            "A search by meaning was asked for, but the encoder of these embeddings is not known. "
            "Pass embeddings=btviz.embed(...)."
        )
    return _pairs(known, more_like(known, vector=known.source.encode([text.strip()])[0], n=n))


def near_pairs(emb: Embeddings | None, pair_ids: pl.Series | None, *, n: int) -> pl.Series:
    """Pairs with the `n` texts nearest in meaning to those of some pairs, which are left out."""
    known = _known(emb)
    ids = pl.Series(dtype=pl.UInt64) if pair_ids is None else pair_ids
    ids = ids.filter(ids.is_in(known.pairs["pair_id"].implode()))
    if ids.is_empty():
        raise UsageError("More like the selection was asked for, but no pair is selected. Choose some first.")
    return _pairs(known, more_like(known, pair_ids=ids, n=n))


def _known(emb: Embeddings | None) -> Embeddings:
    if emb is None:
        raise UsageError(
            "A search by meaning was asked for, but the embeddings behind these topics are not known. "
            "Pass embeddings=btviz.embed(...)."
        )
    return emb


def _pairs(emb: Embeddings, found: pl.DataFrame) -> pl.Series:
    return emb.pairs.filter(pl.col("text_id").is_in(found["text_id"].implode()))["pair_id"]
