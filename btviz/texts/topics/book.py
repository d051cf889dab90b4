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
from btviz.store import Draft, Entry, Key, Store, open_saved
from btviz.texts.embedding.result import Embeddings
from btviz.texts.topics.keywords import CountedTexts
from btviz.texts.topics.layers import Layer, Layers, fit_layers, texts_of
from btviz.texts.topics.partition import Rule
from btviz.texts.topics.tables import fit_bertopic, hierarchy_of, load_bertopic, table_of

KIND = "topics"

VERSION = 8


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

    @property
    def hierarchy(self) -> pl.DataFrame:
        """Topics of every scale, and the topic that each is a part of."""

    def topics(self, scale: int) -> pl.DataFrame:
        """Words, sizes and categories of the topics at one scale."""

    def bertopic(self, scale: int) -> Any:
        """BERTopic as fitted at one scale."""


class FittedBook:
    """Topics of a data set that is at hand; what was computed once is read from the store."""

    def __init__(self, ds: Dataset, *, embeddings: Embeddings, options: Mapping[str, Any]) -> None:
        self._ds, self._embeddings, self._options = ds, embeddings, options
        inputs = (ds.fingerprint, embeddings.fingerprint)
        fitted = {name: value for name, value in options.items() if name != "n_words"}
        self._layers_key = Key("topic-layers", inputs, fitted, VERSION)
        self._inputs = inputs

    @property
    def embeddings(self) -> Embeddings:
        """Vectors that the topics were fitted on."""
        return self._embeddings

    @cached_property
    def layers(self) -> Layers:
        """Topics of the texts at every scale."""
        return read_layers(self._entry)

    @cached_property
    def hierarchy(self) -> pl.DataFrame:
        """Topics of every scale, and the topic that each is a part of."""
        return self._entry.table("hierarchy")

    @cached_property
    def _entry(self) -> Entry:
        return Store().build(self._layers_key, self._make_layers)

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        """What the topics were fitted on and how."""
        return {
            "data": self._ds.population,
            "dataset": self._inputs[0],
            "embeddings": self._inputs[1],
            "text": self._embeddings.text,
            "encoder": self._embeddings.encoder,
            "taxonomy": self._ds.taxonomy.name,
            **self._options,
        }

    def key(self, scale: int) -> Key:
        """What the topics at one scale are a function of."""
        return Key(KIND, (self._layers_key.digest,), {"scale": scale, "n_words": self._options["n_words"]}, VERSION)

    def topics(self, scale: int) -> pl.DataFrame:
        """Words, sizes and categories of the topics at one scale, fitted or from the store."""
        self.layers.layer(scale)
        return Store().build(self.key(scale), lambda draft: self._make_table(draft, scale)).table("topics")

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
        texts_of(self._ds, self._embeddings)  # they must be of this data set
        options = self._options
        rule = Rule(min_probability=options["min_probability"], random_state=options["random_state"])
        fitted = {"rule": rule, "scale": options["scale"], "reassign_outliers": options["reassign_outliers"]}
        layers = fit_layers(self._ds, self._embeddings, **fitted)
        write_layers(draft, layers)
        draft.table("hierarchy", hierarchy_of(self._ds, layers))

    def _make_table(self, draft: Draft, scale: int) -> None:
        counted, n_words = (lambda: self._counted), self._options["n_words"]
        draft.table("topics", table_of(self._ds, self.layers, scale=scale, counted=counted, n_words=n_words))


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

    @cached_property
    def hierarchy(self) -> pl.DataFrame:
        """Topics of every scale, and the topic that each is a part of."""
        return self._entry.table("hierarchy")

    def topics(self, scale: int) -> pl.DataFrame:
        """Words, sizes and categories of the topics at one scale."""
        self.layers.layer(scale)
        return self._entry.table(f"topics-{scale}")

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
    draft.table("hierarchy", book.hierarchy)
    for each in book.layers.by_scale:
        draft.table(f"topics-{each}", book.topics(each))
    draft.document("btviz", {"facts": dict(book.facts), "scale": scale})
    if book.topics(scale).height:
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
    draft.table("choice", layers.choice)
    draft.document("layers", {"scales": list(layers.by_scale), "first": layers.first})


def read_layers(entry: Entry) -> Layers:
    """Layers of an entry."""
    texts, document = entry.table("texts"), entry.document("layers")
    by_scale = {
        scale: Layer(*(texts[f"{name}_{scale}"].to_numpy() for name in ("topic", "probability", "reassigned")))
        for scale in document["scales"]
    }
    return Layers(texts["text_id"].to_numpy(), entry.table("pairs"), by_scale, document["first"], entry.table("choice"))
