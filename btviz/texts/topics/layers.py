"""Topics at every scale: which distinct text belongs to which, numbered so that they are the same on every run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.data.dataset import Dataset
from btviz.errors import UsageError
from btviz.texts.embedding.result import TEXTS, Embeddings
from btviz.texts.neighbors import nearest_neighbors
from btviz.texts.topics.partition import (
    FEWEST_TEXTS,
    Communities,
    Integers,
    Rule,
    communities,
    divided,
    joined,
    shared_neighbors,
    suitable_neighbors,
    topics_of,
)
from btviz.texts.topics.refits import HALF_AT_MOST, SCALES, TABLE, Choice, choose_scale

FEWEST_TO_CHOOSE = 4 * FEWEST_TEXTS
"""Texts whose halves could have topics to choose a scale by; fewer are shown at the coarsest one."""


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
    choice: pl.DataFrame

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

    def tree(self) -> pl.DataFrame:
        """One row per topic of every scale: `node`, `scale`, `topic`, `parent` (node at the next coarser scale)."""
        rows: list[tuple[int, int, int, int | None]] = []
        above: Integers | None = None
        for scale, layer in self.by_scale.items():
            start = len(rows)
            for topic in range(int(layer.topics.max(initial=-1)) + 1):
                parent = None if above is None else _most_frequent(above[layer.topics == topic])
                rows.append((start + topic, scale, topic, parent))
            above = np.where(layer.topics >= 0, layer.topics + start, -1)
        schema = {"node": pl.Int64, "scale": pl.Int64, "topic": pl.Int64, "parent": pl.Int64}
        return pl.DataFrame(rows, schema=schema, orient="row")

    def summary(self) -> pl.DataFrame:
        """One row per scale: `scale`, `n_topics`, `outlier_share` (of pairs, 0 .. 1, null without), `first`."""
        rows = []
        for scale, layer in self.by_scale.items():
            share = (self.assignments(scale)["topic"] == -1).mean()
            rows.append((scale, int(layer.topics.max(initial=-1)) + 1, share, scale == self.first))
        schema = {"scale": pl.Int64, "n_topics": pl.Int64, "outlier_share": pl.Float64, "first": pl.Boolean}
        return pl.DataFrame(rows, schema=schema, orient="row")


def _most_frequent(nodes: Integers) -> int | None:
    """The node that most texts have, outliers apart; without any it is None."""
    known = nodes[nodes >= 0]
    return int(np.bincount(known).argmax()) if len(known) else None


def fit_layers(
    ds: Dataset, embeddings: Embeddings, *, rule: Rule, scale: int | None = None, reassign_outliers: bool = False
) -> Layers:
    """Find communities of distinct texts at the scale that suits them, join them to fewer and divide them into more."""
    choice = None if scale is not None or len(embeddings) < FEWEST_TO_CHOOSE else _choice(ds, embeddings, rule=rule)
    first = (scale or SCALES[0]) if choice is None else choice.scale
    nearest = nearest_neighbors(embeddings, suitable_neighbors(len(embeddings))).indices
    graph = shared_neighbors(nearest)
    n_pairs = np.bincount(embeddings.rows, minlength=len(embeddings))
    by_scale = {}
    for size, found in _nested(graph, first, rule=rule).items():
        layer = Layer(found.labels, found.probabilities, np.zeros(len(embeddings), np.bool_))
        if reassign_outliers:
            layer = _with_outliers(layer, embeddings.vectors)
        by_scale[size] = replace(layer, topics=_numbered(layer.topics, n_pairs))
    table = pl.DataFrame(schema=TABLE) if choice is None else choice.table
    return Layers(embeddings.text_ids, embeddings.pairs, by_scale, first, table)


def _choice(ds: Dataset, embeddings: Embeddings, *, rule: Rule) -> Choice:
    """Scale by halves of the prompts; a text of several prompts goes with the first of them."""
    prompts = embeddings.pairs.join(ds.items.select("pair_id", "prompt_id"), on="pair_id", how="left")
    of_text = prompts.group_by("text_id").agg(pl.col("prompt_id").min()).sort("text_id")["prompt_id"].to_numpy()
    distinct, of_row = np.unique(of_text, return_inverse=True)
    place = np.random.default_rng(rule.random_state).permutation(len(distinct))[of_row]
    order, middle = np.argsort(place, kind="stable"), int(np.sum(2 * place < len(distinct)))
    rows = (order[:middle][:HALF_AT_MOST], order[middle:][:HALF_AT_MOST])
    halves = tuple(embeddings.vectors[np.sort(each)] for each in rows)
    return choose_scale((halves[0], halves[1]), n=len(embeddings), rule=rule)


def _nested(graph: Any, first: int, *, rule: Rule) -> dict[int, Communities]:
    """Topics at the first scale, unions of them at smaller and parts of them at larger ones, by scale.

    A scale is left out if it has no more topics than the one before.
    """
    own = communities(graph, first, random_state=rule.random_state)
    found = {first: topics_of(graph, own, min_probability=rule.min_probability)}
    labels, number = own, found[first].n_topics
    for scale in sorted((scale for scale in SCALES if scale < first), reverse=True):
        labels = joined(graph, labels, resolution=scale)
        topics = topics_of(graph, labels, min_probability=rule.min_probability)
        if 1 < topics.n_topics < number:
            found[scale], number = topics, topics.n_topics
    labels, number = own, found[first].n_topics
    for scale in (scale for scale in SCALES if scale > first):
        labels = divided(graph, labels, resolution=scale, random_state=rule.random_state)
        topics = topics_of(graph, labels, min_probability=rule.min_probability)
        if topics.n_topics > number:
            found[scale], number = topics, topics.n_topics
    return dict(sorted(found.items()))


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
