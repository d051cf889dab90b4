"""Topics at every scale: which distinct text belongs to which, numbered so that they are the same on every run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.data.dataset import Dataset
from btviz.errors import UsageError
from btviz.texts.embedding.result import TEXTS, Embeddings
from btviz.texts.topics.density import Integers, cut_all, density_tree, first_scale


@dataclass(frozen=True, eq=False)
class Layer:
    """Topics of n texts at one scale."""

    topics: Integers
    probabilities: NDArray[np.float64]
    reassigned: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Layers:
    """Topics of the same texts at several scales."""

    text_ids: NDArray[np.uint64]
    pairs: pl.DataFrame
    by_scale: Mapping[int, Layer]
    first: int

    def layer(self, scale: int) -> Layer:
        """Topics at one scale."""
        if scale not in self.by_scale:
            raise UsageError(
                f"Topics at scale {scale} were asked for; there are {list(self.by_scale)}. Use one of those, or "
                f"fit_topics(..., scale={scale})."
            )
        return self.by_scale[scale]

    def assignments(self, scale: int) -> pl.DataFrame:
        """One row per pair: `pair_id`, `topic`, `probability`, `reassigned`."""
        layer = self.layer(scale)
        row = np.searchsorted(self.text_ids, self.pairs["text_id"].to_numpy())
        return self.pairs.select("pair_id").with_columns(
            pl.Series("topic", layer.topics[row], pl.Int64),
            pl.Series("probability", layer.probabilities[row], pl.Float64),
            pl.Series("reassigned", layer.reassigned[row], pl.Boolean),
        )

    def summary(self) -> pl.DataFrame:
        """One row per scale: `scale`, `n_topics`, `outlier_share` (of pairs, 0 .. 1, null without), `first`."""
        rows = []
        for scale, layer in self.by_scale.items():
            share = (self.assignments(scale)["topic"] == -1).mean()
            rows.append((scale, int(layer.topics.max(initial=-1)) + 1, share, scale == self.first))
        schema = {"scale": pl.Int64, "n_topics": pl.Int64, "outlier_share": pl.Float64, "first": pl.Boolean}
        return pl.DataFrame(rows, schema=schema, orient="row")


def fit_layers(
    points: pl.DataFrame, embeddings: Embeddings, *, scale: int | None = None, reassign_outliers: bool = False
) -> Layers:
    """Cluster distinct texts by the density of the map, at several scales."""
    cuts = cut_all(density_tree(places_of(points, embeddings)), scale=scale)
    n_pairs = np.bincount(embeddings.rows, minlength=len(embeddings))
    by_scale = {}
    for size, clusters in cuts.items():
        layer = Layer(clusters.labels, clusters.probabilities, np.zeros(len(embeddings), np.bool_))
        if reassign_outliers:
            layer = _with_outliers(layer, embeddings.vectors)
        by_scale[size] = replace(layer, topics=_numbered(layer.topics, n_pairs))
    first = scale if scale is not None else first_scale(cuts, n=len(embeddings))
    return Layers(embeddings.text_ids, embeddings.pairs, by_scale, first)


def _numbered(labels: Integers, n_pairs: Integers) -> Integers:
    """Labels by number of pairs, then by first text, which has the smallest id."""
    k = int(labels.max(initial=-1)) + 1
    inside = np.flatnonzero(labels >= 0)
    size = np.bincount(labels[inside], weights=n_pairs[inside], minlength=k)
    earliest = np.full(k, len(labels))
    np.minimum.at(earliest, labels[inside], inside)
    number = np.full(k + 1, -1)
    number[np.lexsort((earliest, -size))] = np.arange(k)
    return number[labels]  # the last place is that of label -1


def _with_outliers(layer: Layer, vectors: NDArray[np.float32]) -> Layer:
    outliers = layer.topics < 0
    if outliers.all() or not outliers.any():
        return layer
    means = mean_vectors(layer.topics, vectors)
    topics = layer.topics.copy()
    topics[outliers] = np.argmax(vectors[outliers] @ means.T, axis=1)
    return Layer(topics, layer.probabilities, outliers)


def mean_vectors(topics: Integers, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean vector of each topic, to unit length; shape (topics, d)."""
    k = int(topics.max(initial=-1)) + 1
    means = np.zeros((k, vectors.shape[1]), np.float32)
    for topic in range(k):
        means[topic] = vectors[topics == topic].mean(axis=0)
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    return np.asarray(means / np.maximum(lengths, 1e-12), np.float32)


def texts_of(ds: Dataset, embeddings: Embeddings) -> pl.DataFrame:
    """Each distinct text, in the order of ``embeddings.text_ids``, with the smallest and largest id of its prompts."""
    texts = ds.items.select("pair_id", "prompt_id", TEXTS[embeddings.text].alias("text"))
    prompts = (pl.col("prompt_id").min().alias("first_prompt"), pl.col("prompt_id").max().alias("last_prompt"))
    known = embeddings.pairs.join(texts, on="pair_id", how="inner")
    distinct = known.group_by("text_id").agg(pl.col("text").first(), *prompts).sort("text_id")
    if distinct.height != len(embeddings):
        raise UsageError(
            f"Topics of {ds.name!r} were asked for; of the {len(embeddings):,} texts embedded only {distinct.height:,} "
            "are texts of it. Embed this data set."
        )
    return distinct


def places_of(points: pl.DataFrame, embeddings: Embeddings) -> NDArray[np.float32]:
    """Coordinates of each distinct text, shape (n, 2), in the order of ``embeddings.text_ids``."""
    placed = embeddings.pairs.join(points.select("pair_id", "x", "y"), on="pair_id", how="left")
    first = placed.sort("text_id", "pair_id").group_by("text_id", maintain_order=True).agg(pl.col("x", "y").first())
    places = first.select(pl.col("x", "y").cast(pl.Float32)).to_numpy()
    lost = len(embeddings) - int(np.isfinite(places).all(axis=1).sum())
    if lost:
        raise UsageError(
            f"Topics were asked for on a map that has no place for {lost:,} of {len(embeddings):,} texts. Make the "
            "map from these embeddings: btviz.fit_data_map(embeddings)."
        )
    return places
