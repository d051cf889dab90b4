"""Vectors that an encoder has given so far, by text, whatever data set the text came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.errors import StoreError
from btviz.store import Key, Shards, Store, fingerprint
from btviz.store.keys import JSON

Storage = Literal["float32", "float16"]
VERSION = 1

# 16-bit floats go into Parquet by their bits
_KEPT: dict[str, tuple[type[np.generic], type[np.generic], type[pl.DataType]]] = {
    "float32": (np.float32, np.float32, pl.Float32),
    "float16": (np.float16, np.uint16, pl.UInt16),
}


@dataclass(frozen=True)
class Found:
    """Vectors of all texts asked for.

    Attributes
    ----------
    vectors : ndarray, shape (n, d)
        As stored.
    tokens : ndarray of int64, shape (n,)
        Length of each text before truncation.
    """

    vectors: npt.NDArray[Any]
    tokens: npt.NDArray[np.int64]


class Pool:
    """Append-only vectors of one encoder with its settings.

    Parameters
    ----------
    store : Store
        Where they are.
    settings : Mapping
        Of the encoder: two encoders with equal settings share their vectors.
    storage : {"float32", "float16"}
        How a number is kept.
    """

    def __init__(self, store: Store, *, settings: Mapping[str, JSON], storage: Storage) -> None:
        self.storage = storage
        self.encoder = fingerprint(dict(settings))
        self._shards: Shards = store.shards(Key("vectors", (self.encoder,), {"storage": storage}, version=VERSION))

    def claim(self) -> None:
        """Wait until nobody else adds vectors; from here on nobody will before `close`."""
        self._shards.claim(wait=True)

    def close(self) -> None:
        """Let others write."""
        self._shards.close()

    def known(self) -> npt.NDArray[np.uint64]:
        """Identifiers of the texts it has vectors of; ascending."""
        parts = [frame["text_id"].to_numpy() for frame in self._shards.frames()]
        return np.unique(np.concatenate(parts)) if parts else np.empty(0, np.uint64)

    def add(
        self, ids: npt.NDArray[np.uint64], vectors: npt.NDArray[np.float32], *, tokens: npt.NDArray[np.int64]
    ) -> None:
        """Keep vectors; they are on the disk when this returns."""
        kept, bits, column = _KEPT[self.storage]
        values = np.ascontiguousarray(vectors.astype(kept)).view(bits)
        self._shards.append(
            pl.DataFrame(
                {
                    "text_id": ids,
                    "tokens": tokens.astype(np.int32),
                    "vector": pl.Series(values, dtype=pl.Array(column, values.shape[1])),
                }
            )
        )

    def of(self, ids: npt.NDArray[np.uint64]) -> Found:
        """Vectors of some texts.

        Parameters
        ----------
        ids : ndarray of uint64, shape (n,)
            Ascending, not empty.

        Raises
        ------
        StoreError
            If one is missing, as after damage found just now.
        """
        vectors: npt.NDArray[Any] | None = None
        tokens = np.full(len(ids), -1, np.int64)
        for frame in self._shards.frames():
            place = np.searchsorted(ids, frame["text_id"].to_numpy())
            wanted = place < len(ids)
            wanted[wanted] = ids[place[wanted]] == frame["text_id"].to_numpy()[wanted]
            values = frame["vector"].to_numpy()[wanted].view(_KEPT[self.storage][0])
            if vectors is None:
                vectors = np.empty((len(ids), values.shape[1]), values.dtype)
            vectors[place[wanted]] = values
            tokens[place[wanted]] = frame["tokens"].to_numpy()[wanted]
        if vectors is None or (tokens < 0).any():
            raise StoreError(
                f"Asked for {len(ids):,} stored vectors; {(tokens < 0).sum():,} of them are damaged. Run this again: "
                "only those are computed anew."
            )
        return Found(vectors, tokens)
