"""Which text of a pair is embedded, and its identifier."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.dataset import Dataset
from btviz.errors import choice
from btviz.tables import ID

TEXTS = {
    "prompt": pl.col("prompt"),
    "response": pl.col("response"),
    "qa": pl.concat_str("prompt", "response", separator="\n"),
}
"""Expressions over `pairs`; question and answer stand on a line each."""


def text_id(text: str) -> int:
    """64-bit identifier of a text, whichever column it stands in: the same for ever."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8, person=b"btviz:text").digest(), "little")


def text_ids(texts: Iterable[str], *, count: int) -> npt.NDArray[np.uint64]:
    """Identifiers of `count` texts."""
    return np.fromiter(map(text_id, texts), np.uint64, count)


def joined(prompts: Sequence[str], responses: Sequence[str], *, text: str) -> list[str]:
    """Put together what is embedded of some answers: one text each."""
    return (
        pl.DataFrame({"prompt": list(prompts), "response": list(responses)}).select(TEXTS[text]).to_series().to_list()
    )


def texts_of(ds: Dataset, text: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Distinct texts of a data set, and the text of each pair.

    Parameters
    ----------
    ds : Dataset
        Its `pairs` are used.
    text : {"prompt", "response", "qa"}
        Which text of a pair.

    Returns
    -------
    texts : DataFrame
        `text_id`, `text`: one row a distinct text, ascending.
    pairs : DataFrame
        `pair_id`, `text_id`: one row a pair, sorted by `pair_id`.
    """
    choice(text, TEXTS, what="text")
    given = ds.pairs.select("pair_id", TEXTS[text].alias("text"))
    distinct = given.select(pl.col("text").unique())
    ids = pl.Series("text_id", text_ids(distinct["text"], count=distinct.height), ID)
    texts = distinct.select(ids, "text").sort("text_id")
    pairs = given.join(texts, on="text", how="left").select("pair_id", "text_id").sort("pair_id")
    return texts, pairs
