"""Embed the texts of a data set: each distinct text once, ever, for one encoder, whatever data set it came from."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.arguments import whole_number
from btviz.data.dataset import Dataset, expect_dataset
from btviz.errors import DataError, StoreError, UsageError, choice
from btviz.machine.progress import bar
from btviz.store import Draft, Entry, Key, Shards, Store, fingerprint
from btviz.store.keys import JSON
from btviz.texts.embedding.batches import unit
from btviz.texts.embedding.encoders import Encoder, load_encoder
from btviz.texts.embedding.engines import Engine, encoded_by_ray, encoded_here
from btviz.texts.embedding.languages import LanguageWarning, language_note
from btviz.texts.embedding.result import PLURALS, Embeddings, texts_of

VERSION = 1


def embed(
    ds: Dataset,
    *,
    text: str = "prompt",
    encoder: str | os.PathLike[str] | Encoder = "minilm",
    storage: Storage = "float32",
    engine: Engine = "local",
    workers: int | None = None,
    store: Store | None = None,
) -> Embeddings:
    """Give every pair of a data set the vector of its prompt, its response, or both; or every prompt its own.

    Equal texts are encoded once. What has been encoded is kept in the store as it comes: a run that
    was stopped, or killed, goes on where it was, and added data cost only what is new. Of several runs
    with one encoder, one embeds and the others wait, and say so. A vector depends on its text and the
    encoder and on nothing else, not even in its last bit.

    Parameters
    ----------
    ds : Dataset
        Its `items` are embedded: pairs or, where there are none, prompts.
    text : {"prompt", "response", "qa"}
        Which text of a pair; "qa" is the prompt and, on the next line, the response.
    encoder : str, path-like or Encoder
        "minilm", "static", "words", a folder, the hub's name of a sentence-transformers model, or what
        `load_encoder` or `CallableEncoder` give.
    storage : {"float32", "float16"}
        How a number is kept. Half the size costs 0.0005 of a number at most.
    engine : {"local", "ray"}
        Where texts are encoded; the bytes are the same.
    workers : int, optional
        Of Ray, one thread each; default: one a processor.
    store : Store, optional
        Default: that of the data folder.

    Returns
    -------
    Embeddings
        Vectors mapped from the store (float16 ones are read into memory), with the text of each pair.

    Raises
    ------
    UsageError
        If `text`, `storage` or `engine` is unknown, `workers` is no whole number of 1 or more, or
        something else is passed for data or encoder.
    DataError
        If the data set has no pairs and no prompts, or prompts alone and another text is asked for; if the
        encoder is not what it should be.
    StoreError
        If the disk is full, or the store cannot be written.

    Examples
    --------
    >>> import btviz
    >>> vectors = btviz.embed(btviz.load("sample"), encoder="static")  # doctest: +SKIP
    """
    expect_dataset(ds)
    choice(storage, ("float32", "float16"), what="storage")
    choice(engine, ("local", "ray"), what="engine")
    if workers is not None:
        whole_number(workers, name="workers", least=1)
    begun = time.monotonic()
    used = load_encoder(encoder, store=store) if isinstance(encoder, str | os.PathLike) else encoder
    if not hasattr(used, "encode"):  # to ask for the whole protocol would load its tokenizer
        raise UsageError(
            f"A {type(used).__name__} was passed as an encoder. Pass a name, a folder, or a function of yours as "
            "btviz.CallableEncoder(function, name=..., version=...)."
        )
    texts, pairs = texts_of(ds, text)
    if texts.is_empty():
        raise DataError(f"Asked to embed {ds.name}; it has no pairs and no prompts. Choose data with texts.")
    note = language_note(used.name, texts["text"], what=PLURALS[text])
    if note:
        warnings.warn(note, LanguageWarning, stacklevel=2)
    run = _Run(used, texts, rows=ds.annotations.height or pairs.height, engine=engine, workers=workers)
    entry = run.stored(store or Store(), storage=storage)
    facts: dict[str, Any] = dict(entry.document("facts"))
    facts |= {"rows": run.rows, "new": run.new, "seconds": time.monotonic() - begun, "storage": storage}
    facts |= {"language": note, "item": ds.item}
    vectors = entry.array("vectors")
    return Embeddings(
        text_ids=texts["text_id"].to_numpy(),
        vectors=vectors if storage == "float32" else unit(vectors),
        pairs=pairs,
        text=text,
        encoder=used.name,
        fingerprint=entry.manifest["digest"],
        facts=facts,
        source=used,
    )


class _Run:
    """One encoder, the distinct texts of one data set, and how many of them were new."""

    def __init__(self, encoder: Encoder, texts: pl.DataFrame, *, rows: int, engine: str, workers: int | None) -> None:
        self.encoder = encoder
        self.texts = texts
        self.rows = rows
        self.engine = engine
        self.workers = workers
        self.new = 0

    def stored(self, store: Store, *, storage: Storage) -> Entry:
        pool = Pool(store, settings=self.encoder.settings, storage=storage)
        ids = self.texts["text_id"].to_numpy()
        key = Key("embeddings", (pool.encoder, fingerprint(ids.tobytes())), {"storage": storage}, version=VERSION)

        def make(draft: Draft) -> None:
            try:
                self._encode(pool, self._missing(pool))
            finally:
                pool.close()
            vectors = pool.of(ids)
            limit = self.encoder.max_tokens
            truncated = 0 if limit is None else int((vectors.tokens > limit).sum())
            draft.array("vectors", vectors.vectors)
            draft.document("facts", {"texts": len(ids), "truncated": truncated, "max_tokens": limit})

        return store.build(key, make)

    def _missing(self, pool: Pool) -> pl.DataFrame:
        """Texts without a vector; if there are any, nobody else adds some from now on."""
        unknown = _without(self.texts, pool.known())
        if unknown.is_empty():
            return unknown
        pool.claim()
        return _without(unknown, pool.known())  # others may have embedded some of them meanwhile

    def _encode(self, pool: Pool, missing: pl.DataFrame) -> None:
        self.new = missing.height
        what = f"Embedding {self.rows:,} rows, {self.texts.height:,} texts, {self.new:,} new"
        lengths = self.encoder.lengths(missing["text"].to_list())
        order = np.argsort(lengths, kind="stable")
        lengths, missing = lengths[order], missing[order]
        ids, texts = missing["text_id"].to_numpy(), missing["text"]
        parts = (
            encoded_by_ray(self.encoder, texts, workers=self.workers)
            if self.engine == "ray" and self.new
            else encoded_here(self.encoder, texts)
        )
        done = 0
        with bar(what, total=int(lengths.sum())) as show:
            for part, vectors in parts:
                pool.add(ids[part], vectors, tokens=lengths[part])
                done += int(lengths[part].sum())
                show(done)


def _without(texts: pl.DataFrame, known: npt.NDArray[np.uint64]) -> pl.DataFrame:
    return texts.filter(~pl.col("text_id").is_in(pl.Series(known).implode()))


Storage = Literal["float32", "float16"]

POOL_VERSION = 1

# 16-bit floats go into Parquet by their bits
_DTYPES: dict[str, tuple[type[np.generic], type[np.generic], type[pl.DataType]]] = {
    "float32": (np.float32, np.float32, pl.Float32),
    "float16": (np.float16, np.uint16, pl.UInt16),
}


@dataclass(frozen=True)
class StoredVectors:
    """Vectors of all texts asked for."""

    vectors: npt.NDArray[Any]
    tokens: npt.NDArray[np.int64]


class Pool:
    """Append-only vectors of one encoder with its settings."""

    def __init__(self, store: Store, *, settings: Mapping[str, JSON], storage: Storage) -> None:
        self.storage = storage
        self.encoder = fingerprint(dict(settings))
        self._shards: Shards = store.shards(Key("vectors", (self.encoder,), {"storage": storage}, version=POOL_VERSION))

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
        kept, bits, column = _DTYPES[self.storage]
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

    def of(self, ids: npt.NDArray[np.uint64]) -> StoredVectors:
        """Vectors of some texts."""
        vectors: npt.NDArray[Any] | None = None
        tokens = np.full(len(ids), -1, np.int64)
        for frame in self._shards.frames():
            place = np.searchsorted(ids, frame["text_id"].to_numpy())
            wanted = place < len(ids)
            wanted[wanted] = ids[place[wanted]] == frame["text_id"].to_numpy()[wanted]
            values = frame["vector"].to_numpy()[wanted].view(_DTYPES[self.storage][0])
            if vectors is None:
                vectors = np.empty((len(ids), values.shape[1]), values.dtype)
            vectors[place[wanted]] = values
            tokens[place[wanted]] = frame["tokens"].to_numpy()[wanted]
        if vectors is None or (tokens < 0).any():
            raise StoreError(
                f"Asked for {len(ids):,} stored vectors; {(tokens < 0).sum():,} of them are damaged. Run this again: "
                "only those are computed anew."
            )
        return StoredVectors(vectors, tokens)
