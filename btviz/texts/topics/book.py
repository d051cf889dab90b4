"""Where the topics of other scales come from: fitted when asked for and stored, or read from a folder."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import NotFoundError, UsageError, require
from btviz.store import Draft, Entry, Key, Store, fingerprint, open_saved
from btviz.texts.embedding.result import Embeddings
from btviz.texts.topics.keywords import CountedTexts
from btviz.texts.topics.layers import Layer, Layers, fit_layers, texts_of
from btviz.texts.topics.tables import Tables, fit_bertopic, load_bertopic, tables_of

KIND = "topics"

VERSION = 4


class Book(Protocol):
    """Topics at every scale."""

    @property
    def layers(self) -> Layers:
        """Topics of the texts at every scale."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the topics were fitted on and how."""

    @property
    def embeddings(self) -> Embeddings | None:
        """Vectors that the topics were fitted on, where they are at hand."""

    def tables(self, scale: int) -> Tables:
        """Words, sizes and categories of the topics at one scale."""

    def bertopic(self, scale: int) -> Any:
        """BERTopic as fitted at one scale."""


class FittedBook:
    """Topics of a data set that is at hand; what was computed once is read from the store."""

    def __init__(
        self, ds: Dataset, points: pl.DataFrame, *, embeddings: Embeddings, options: Mapping[str, Any]
    ) -> None:
        self._ds, self._points, self._embeddings, self._options = ds, points, embeddings, options
        inputs = (ds.fingerprint, embeddings.fingerprint, _fingerprint(points))
        fitted = {name: options[name] for name in ("scale", "reassign_outliers")}
        self._layers_key = Key("topic-layers", inputs, fitted, VERSION)
        self._inputs = inputs

    @property
    def embeddings(self) -> Embeddings:
        """Vectors that the topics were fitted on."""
        return self._embeddings

    @cached_property
    def layers(self) -> Layers:
        """Topics of the texts at every scale."""
        return read_layers(Store().build(self._layers_key, self._make_layers))

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        """What the topics were fitted on and how."""
        return {
            "data": self._ds.population,
            "dataset": self._inputs[0],
            "embeddings": self._inputs[1],
            "points": self._inputs[2],
            "text": self._embeddings.text,
            "encoder": self._embeddings.encoder,
            "taxonomy": self._ds.taxonomy.name,
            **self._options,
        }

    def key(self, scale: int) -> Key:
        """What the topics at one scale are a function of."""
        return Key(KIND, (self._layers_key.digest,), {"scale": scale, "n_words": self._options["n_words"]}, VERSION)

    def tables(self, scale: int) -> Tables:
        """Words, sizes and categories of the topics at one scale, fitted or from the store."""
        self.layers.layer(scale)
        return read_tables(Store().build(self.key(scale), lambda draft: self._make_tables(draft, scale)))

    def bertopic(self, scale: int) -> Any:
        """BERTopic with the texts that represent each topic."""
        model = self._model(scale)
        if model is None:
            raise UsageError(
                f"BERTopic was asked for at scale {scale}, where there is no topic: every text is an outlier. "
                "Use a smaller scale, or more texts."
            )
        texts = self._texts["text"]
        numbers = model.representative_docs_
        model.representative_docs_ = {topic: [texts[int(row)] for row in rows] for topic, rows in numbers.items()}
        return model

    @cached_property
    def _texts(self) -> pl.DataFrame:
        return texts_of(self._ds, self._embeddings)

    @cached_property
    def _counted(self) -> CountedTexts:
        return CountedTexts(self._texts, np.asarray(self._embeddings.vectors))

    def _model(self, scale: int) -> Any:
        labels = self.layers.layer(scale).topics
        if labels.max(initial=-1) < 0:
            return None
        return fit_bertopic(self._counted, labels, n_words=self._options["n_words"])

    def _make_layers(self, draft: Draft) -> None:
        fitted = {name: self._options[name] for name in ("scale", "reassign_outliers")}
        write_layers(draft, fit_layers(self._points, self._embeddings, **fitted))

    def _make_tables(self, draft: Draft, scale: int) -> None:
        options = {"model": self._model(scale), "counted": self._counted, "n_words": self._options["n_words"]}
        tables = tables_of(self._ds, self.layers, scale=scale, **options)
        draft.table("topics", tables.topics)
        draft.table("hierarchy", tables.hierarchy)


class SavedBook:
    """Topics in a folder: tables of every scale, BERTopic of the one that was saved, and no text."""

    def __init__(self, folder: Path) -> None:
        self._entry = open_saved(folder, kind=KIND)
        document = self._entry.document("btviz")
        self.facts: Mapping[str, Any] = document["facts"]
        self.embeddings = None
        self.scale = int(document["scale"])

    @cached_property
    def layers(self) -> Layers:
        """Topics of the texts at every scale."""
        return read_layers(self._entry)

    def tables(self, scale: int) -> Tables:
        """Words, sizes and categories of the topics at one scale."""
        self.layers.layer(scale)
        return read_tables(self._entry, ending=f"-{scale}")

    def bertopic(self, scale: int) -> Any:
        """BERTopic as saved, without the texts that represent each topic."""
        if scale != self.scale or "topics.json" not in self._entry.names:
            raise NotFoundError(
                f"BERTopic at scale {scale} was asked for; {self._entry.path} holds "
                f"{f'that of scale {self.scale}' if 'topics.json' in self._entry.names else 'none'}. "
                "Fit the topics anew, or save them at that scale."
            )
        load_bertopic()
        bertopic = require("bertopic", extra="topics")
        return bertopic.BERTopic.load(
            str(self._entry.path), embedding_model=require("bertopic.backend", extra="topics").BaseEmbedder()
        )


def write_book(draft: Draft, book: Book, *, scale: int) -> None:
    """Fill a folder with the topics of every scale, and with BERTopic's own files of one.

    The folder can be given to ``bertopic.BERTopic.load`` as it is.
    """
    write_layers(draft, book.layers)
    for each in book.layers.by_scale:
        tables = book.tables(each)
        draft.table(f"topics-{each}", tables.topics)
        draft.table(f"hierarchy-{each}", tables.hierarchy)
    draft.document("btviz", {"facts": dict(book.facts), "scale": scale})
    if book.tables(scale).topics.height:
        book.bertopic(scale).save(
            str(draft.path), serialization="safetensors", save_embedding_model=True, save_ctfidf=True
        )


def write_layers(draft: Draft, layers: Layers) -> None:
    """Add the layers to an entry."""
    columns: dict[str, Any] = {"text_id": layers.text_ids}
    for scale, layer in layers.by_scale.items():
        columns |= {
            f"topic_{scale}": layer.topics,
            f"probability_{scale}": layer.probabilities,
            f"reassigned_{scale}": layer.reassigned,
        }
    draft.table("texts", pl.DataFrame(columns))
    draft.table("pairs", layers.pairs)
    draft.document("layers", {"scales": list(layers.by_scale), "first": layers.first})


def read_layers(entry: Entry) -> Layers:
    """Layers of an entry."""
    texts, document = entry.table("texts"), entry.document("layers")
    by_scale = {
        scale: Layer(*(texts[f"{name}_{scale}"].to_numpy() for name in ("topic", "probability", "reassigned")))
        for scale in document["scales"]
    }
    return Layers(texts["text_id"].to_numpy(), entry.table("pairs"), by_scale, document["first"])


def read_tables(entry: Entry, *, ending: str = "") -> Tables:
    """Tables of one scale of an entry."""
    return Tables(entry.table(f"topics{ending}"), entry.table(f"hierarchy{ending}"))


def _fingerprint(points: pl.DataFrame) -> str:
    ordered = points.select("pair_id", "x", "y").sort("pair_id")
    return fingerprint(*(ordered[name].to_numpy().tobytes() for name in ordered.columns), str(ordered.schema))
