"""What embedding gives: one vector a distinct text, which text of a pair that is, and its identifier."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.data.dataset import Dataset
from btviz.data.tables import ID
from btviz.errors import DataError, NotFoundError, UsageError, choice
from btviz.texts.embedding.encoders import Encoder


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Unit vectors of distinct texts, and the text of each pair of a data set.

    Attributes
    ----------
    text_ids : ndarray of uint64, shape (n,)
        Content hash of each distinct text; strictly ascending.
    vectors : ndarray of float32, shape (n, d)
        Row i belongs to ``text_ids[i]`` and has unit length. Mapped from the store, read-only.
    pairs : DataFrame
        `pair_id`, `text_id` (both UInt64): one row a pair of the data set, sorted by `pair_id`; of prompts without
        answers one row each, and `pair_id` is the prompt's id.
    text : {"prompt", "response", "qa"}
        Which text of a pair was embedded.
    encoder : str
        Name of the encoder, to be shown.
    fingerprint : str
        Hexadecimal hash of everything the vectors depend on: encoder, its weights and settings, texts.
    facts : Mapping
        What is known of the run: `rows` of the data set, `texts`, `new` (encoded in this run), `truncated`
        (texts longer than the encoder reads), `max_tokens`, `seconds`, `storage`, `language` (what to
        say of texts that are not in the encoder's language, or None), `item` (what has the texts: pair or
        prompt); empty for embeddings made by hand.
    source : Encoder or None
        The encoder itself, for further texts; None for embeddings made by hand.

    Raises
    ------
    UsageError
        If the parts do not fit each other.
    """

    text_ids: npt.NDArray[np.uint64]
    vectors: npt.NDArray[np.float32]
    pairs: pl.DataFrame
    text: str
    encoder: str
    fingerprint: str
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False)
    source: Encoder | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or self.text_ids.shape != self.vectors.shape[:1]:
            raise UsageError(
                f"Embeddings were made of {self.text_ids.shape} ids and {self.vectors.shape} vectors; give (n,) ids "
                "and (n, d) vectors."
            )
        if (self.text_ids[1:] <= self.text_ids[:-1]).any():
            raise UsageError("Embeddings were made of ids that do not ascend strictly. Sort them, each id once.")
        known = pl.Series(self.text_ids, dtype=pl.UInt64)
        if not self.pairs["text_id"].is_in(known.implode()).all():
            raise UsageError("Embeddings were made of pairs whose text has no vector. Leave those pairs out.")

    def __len__(self) -> int:
        """Number of distinct texts."""
        return len(self.text_ids)

    def __repr__(self) -> str:
        items = f"{self.facts.get('item', 'pair')}s"
        shape = f"{len(self):,} texts of {self.pairs.height:,} {items}, {self.vectors.shape[1]} dimensions"
        seen = f" ({self.summary})" if self.facts else ""
        return f"<Embeddings of each {self.text} by {self.encoder}: {shape}{seen}; fingerprint {self.fingerprint[:8]}>"

    @property
    def summary(self) -> str:
        """Rows, texts, new texts, and the share of texts that the encoder does not read to the end."""
        counts = f"{len(self):,} texts, {self.facts.get('new', 0):,} new"
        if "rows" in self.facts:
            counts = f"{self.facts['rows']:,} rows, {counts}"
        if not self.facts.get("truncated"):
            return counts
        share = self.facts["truncated"] / len(self)
        return f"{counts}; {share:.2%} of the texts are cut at {self.facts['max_tokens']} tokens"

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Row of `vectors` for each row of `pairs`; shape (number of pairs,)."""
        return np.searchsorted(self.text_ids, self.pairs["text_id"].to_numpy())

    def of_pairs(self, pair_ids: pl.Series | Sequence[int]) -> npt.NDArray[np.float32]:
        """Vectors of some pairs, in the order asked for.

        Parameters
        ----------
        pair_ids : Series or sequence of int
            In any order; repeats are allowed.

        Returns
        -------
        ndarray of float32, shape (len(pair_ids), d)
            A copy.

        Raises
        ------
        NotFoundError
            If a pair is not among `pairs`.
        """
        wanted = np.asarray(pair_ids, dtype=np.uint64)
        known = self.pairs["pair_id"].to_numpy()
        place = np.searchsorted(known, wanted)
        is_known = place < len(known)
        is_known[is_known] = known[place[is_known]] == wanted[is_known]
        if not is_known.all():
            raise NotFoundError(
                f"Vectors of {len(wanted):,} pairs were asked for; {(~is_known).sum():,} of them are not among the "
                f"{len(known):,} pairs embedded. Embed the data set they belong to."
            )
        return np.asarray(self.vectors[self.rows[place]])


TEXTS = {
    "prompt": pl.col("prompt"),
    "response": pl.col("response"),
    "qa": pl.concat_str("prompt", "response", separator="\n"),
}
"""Expressions over `pairs`; question and answer stand on a line each."""

PLURALS = {"prompt": "prompts", "response": "responses", "qa": "prompts with their responses"}
"""What such texts are called."""


def text_id(text: str) -> int:
    """Identifier of a text, whichever column it stands in: the same for ever.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    int
        Its 64-bit BLAKE2b hash, unsigned.
    """
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
    """Distinct texts of a data set, and the text of each pair."""
    choice(text, TEXTS, what="text")
    if ds.item == "prompt" and text != "prompt":
        raise DataError(
            f"Each {text} of {ds.name} was asked for; it has prompts without answers. Choose text='prompt'"
            " (--text prompt)."
        )
    of_pairs = ds.items.select("pair_id", TEXTS[text].alias("text"))
    distinct = of_pairs.select(pl.col("text").unique())
    ids = pl.Series("text_id", text_ids(distinct["text"], count=distinct.height), ID)
    texts = distinct.select(ids, "text").sort("text_id")
    pairs = of_pairs.join(texts, on="text", how="left").select("pair_id", "text_id").sort("pair_id")
    return texts, pairs
