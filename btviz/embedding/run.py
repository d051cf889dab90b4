"""Embed the texts of a data set: each distinct text once, ever, for one encoder."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.arguments import whole_number
from btviz.dataset import Dataset, expect_dataset
from btviz.embedding.batches import unit
from btviz.embedding.encoder import Encoder
from btviz.embedding.engines import Engine, encoded_by_ray, encoded_here
from btviz.embedding.named import load_encoder
from btviz.embedding.pool import Pool, Storage
from btviz.embedding.result import Embeddings
from btviz.embedding.texts import texts_of
from btviz.errors import DataError, UsageError, choice
from btviz.progress import bar
from btviz.store import Draft, Entry, Key, Store, fingerprint

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
    """Give every pair of a data set the vector of its prompt, its response, or both.

    Equal texts are encoded once. What has been encoded is kept in the store as it comes: a run that
    was stopped, or killed, goes on where it was, and added data cost only what is new. Of several runs
    with one encoder, one embeds and the others wait, and say so. A vector depends on its text and the
    encoder and on nothing else, not even in its last bit.

    Parameters
    ----------
    ds : Dataset
        Its `pairs` are embedded.
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
        If the data set has no pairs, or the encoder is not what it should be.
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
            "btviz.embedding.CallableEncoder(function, name=..., version=...)."
        )
    texts, pairs = texts_of(ds, text)
    if texts.is_empty():
        raise DataError(f"Asked to embed {ds.name}; it has no pairs. Choose data with prompts and responses.")
    run = _Run(used, texts, rows=ds.annotations.height or pairs.height, engine=engine, workers=workers)
    entry = run.stored(store or Store(), storage=storage)
    facts: dict[str, Any] = dict(entry.document("facts"))
    facts |= {"rows": run.rows, "new": run.new, "seconds": time.monotonic() - begun, "storage": storage}
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
            found = pool.of(ids)
            limit = self.encoder.max_tokens
            truncated = 0 if limit is None else int((found.tokens > limit).sum())
            draft.array("vectors", found.vectors)
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
