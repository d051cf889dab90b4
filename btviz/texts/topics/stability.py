"""Whether topics come back: from parts of the prompts, where neighbours are found anew, and under other seeds."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.arguments import LARGEST_SEED, seed, whole_number
from btviz.data.dataset import Dataset
from btviz.errors import UsageError, require
from btviz.machine.progress import bar
from btviz.store import Draft, Key, Store
from btviz.texts.embedding.result import Embeddings
from btviz.texts.neighbors import nearest_neighbors
from btviz.texts.topics.partition import Floats, Integers, Rule, suitable_neighbors, topics_in
from btviz.texts.topics.refits import (
    Nearest,
    Rows,
    list_length,
    matched_overlaps,
    nearest_in,
    nearest_within,
    random_parts,
    share_of,
    without_structure,
)
from btviz.texts.topics.result import Topics

STABLE = 0.6
"""Mean overlap below which a topic is not to be trusted (Hennig 2007)."""

COMPARED_AT_MOST = 5_000
"""Texts of a cloud without structure, and of k-means; more would take minutes."""

_COMPARED_PARTS = 4

_VERSION = 4


@dataclass(frozen=True, eq=False)
class _Fit:
    """Topics as they were fitted, and what they were fitted on."""

    labels: Integers
    nearest: Nearest
    vectors: NDArray[np.float32]
    prompts: NDArray[np.intp]
    scale: int
    rule: Rule

    @property
    def n_topics(self) -> int:
        return int(self.labels.max(initial=-1)) + 1

    @property
    def k(self) -> int:
        return suitable_neighbors(len(self.labels))


def topic_stability(
    ds: Dataset,
    topics: Topics,
    *,
    embeddings: Embeddings,
    n_seeds: int = 2,
    n_subsamples: int = 10,
    share: float = 0.8,
    random_state: int = 0,
) -> pl.DataFrame:
    """Fit topics anew, and see how much of each is found again.

    Topics of a new fit are matched one to one to those given, such that the sum of their
    overlaps is greatest (Hungarian method). Overlap is the Jaccard index of their texts, among
    the texts that the new fit had. What counts are fits on parts of the prompts: neighbours are
    those inside the part, and their number shrinks by as much. Other seeds say little, and stand beside.

    Parameters
    ----------
    ds : Dataset
        Gives the prompt of each pair.
    topics : Topics
        From `fit_topics`, of these embeddings; outliers must not have been reassigned.
    embeddings : Embeddings
        The vectors the topics were fitted on.
    n_seeds : int
        New fits of all texts, with the seeds after that of the topics.
    n_subsamples : int
        New fits of a random part of the prompts, with the seed of the topics; 1 or more.
    share : float
        Share of the prompts in each part, above 0 and below 1.
    random_state : int
        Seed of the parts.

    Returns
    -------
    DataFrame
        One row per topic: `topic`, `name`, `n_texts`, `stability` (mean overlap over the parts, 0 .. 1;
        0 counts where a topic has no match), `unstable` (`stability` below 0.6), `overlap_seed` (the same
        over seeds, null without). Beside, the same in each row: `overlap_all` (mean of `stability`) and
        `stable_all` (share of topics that are stable); `overlap_null`, `stable_null`, `n_null` of the topics at that
        scale of as many random vectors with the same mean and covariance; `overlap_kmeans`, `stable_kmeans` of as many
        clusters by k-means; the last two over 4 parts, and of 5,000 texts at most (`n_compared`);
        `n_seeds`, `n_subsamples`, `share`.

    Raises
    ------
    UsageError
        If an option is out of its range, or outliers were reassigned.
    """
    options: dict[str, int | float] = {
        "n_seeds": whole_number(n_seeds, name="n_seeds", least=0),
        "n_subsamples": whole_number(n_subsamples, name="n_subsamples", least=1),
        "share": share,
        "random_state": seed(random_state),
    }
    if not 0 < share < 1:
        raise UsageError(
            f"Parts of {share} of the prompts were asked for; a share lies between 0 and 1. Use share=0.8."
        )
    if topics.facts["reassign_outliers"]:
        raise UsageError(
            "Stability was asked of topics that hold reassigned outliers. Fit them with reassign_outliers=False."
        )
    key = Key("topic-stability", (topics.fingerprint, embeddings.fingerprint), options, _VERSION)

    def make(draft: Draft) -> None:
        draft.table(
            "stability", _table(topics, _fit_of(ds, topics, embeddings=embeddings, share=share), options=options)
        )

    return Store().build(key, make).table("stability")


def _fit_of(ds: Dataset, topics: Topics, *, embeddings: Embeddings, share: float) -> _Fit:
    of_pair = embeddings.pairs.join(ds.items.select("pair_id", "prompt_id"), on="pair_id", how="inner")
    of_text = (
        of_pair.join(topics.assignments, on="pair_id", how="left")
        .group_by("text_id")
        .agg(pl.col("topic").sort_by("pair_id").first(), pl.col("prompt_id").min())
    )
    of_text = of_text.sort("text_id")
    k = suitable_neighbors(len(embeddings))
    facts = topics.facts
    return _Fit(
        labels=of_text["topic"].to_numpy(),
        nearest=nearest_neighbors(embeddings, max(1, list_length(k, share=share))).indices,
        vectors=embeddings.vectors,
        prompts=np.unique(of_text["prompt_id"].to_numpy(), return_inverse=True)[1],
        scale=topics.scale,
        rule=Rule(min_probability=facts["min_probability"], random_state=int(facts["random_state"])),
    )


def subsamples(prompts: NDArray[np.intp], *, n_parts: int, share: float, random_state: int) -> list[Rows]:
    """Rows of the texts of random parts of the prompts, given the number of each text's prompt; ascending."""
    n = int(prompts.max(initial=-1)) + 1
    parts = random_parts(n, n_parts=n_parts, share=share, random_state=random_state)
    return [np.flatnonzero(np.isin(prompts, part)) for part in parts]


def _again(nearest: Nearest, *, k: int, scale: float, rule: Rule) -> Callable[[Rows], Integers]:
    def fit(rows: Rows) -> Integers:
        return topics_in(nearest_within(nearest, rows, k=k), scale, rule=rule).labels

    return fit


def _beside_each_other(work: Callable[[int], Floats], n: int, *, what: str) -> list[Floats]:
    """Do what leaves the interpreter free, several at a time; the result is that of one after the other."""
    found = []
    with bar(what, total=n) as show, ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        for overlaps in pool.map(work, range(n)):
            found.append(overlaps)
            show(len(found))
    return found


def _of_parts(fit: _Fit, options: dict[str, int | float]) -> Floats:
    """Overlaps in parts of the prompts; shape (parts, topics)."""
    share = float(options["share"])
    given = {"n_parts": int(options["n_subsamples"]), "random_state": int(options["random_state"])}
    parts = subsamples(fit.prompts, share=share, **given)
    again, k = _again(fit.nearest, k=share_of(fit.k, share), scale=fit.scale, rule=fit.rule), fit.n_topics

    def one(part: int) -> Floats:
        return matched_overlaps(fit.labels[parts[part]], again(parts[part]), k=k)

    return np.array(_beside_each_other(one, len(parts), what="Finding topics again in parts of the prompts"))


def _of_seeds(fit: _Fit, n_seeds: int) -> Floats:
    """Overlaps of fits of all texts with other seeds; shape (seeds, topics)."""
    nearest = fit.nearest[:, : fit.k]

    def one(place: int) -> Floats:
        rule = replace(fit.rule, random_state=(fit.rule.random_state + 1 + place) % (LARGEST_SEED + 1))
        return matched_overlaps(fit.labels, topics_in(nearest, fit.scale, rule=rule).labels, k=fit.n_topics)

    found = _beside_each_other(one, n_seeds, what="Finding topics again with other seeds")
    return np.array(found).reshape(n_seeds, fit.n_topics)


def _compared(fit: _Fit, options: dict[str, int | float]) -> dict[str, float | int | None]:
    """The same measure for topics of a cloud without structure, and for k-means."""
    share, random_state = float(options["share"]), int(options["random_state"])
    n = len(fit.labels)
    rows = random_parts(n, n_parts=1, share=min(1.0, COMPARED_AT_MOST / max(n, 1)), random_state=random_state)[0]
    vectors, k = fit.vectors[rows], suitable_neighbors(len(rows))
    parts = random_parts(len(rows), n_parts=_COMPARED_PARTS, share=share, random_state=random_state)
    cloud = without_structure(vectors, random_state=random_state)
    nearest = nearest_in(cloud, list_length(k, share=share))
    labels = topics_in(nearest[:, :k], fit.scale, rule=fit.rule).labels
    again = _again(nearest, k=share_of(k, share), scale=fit.scale, rule=fit.rule)

    def of_cloud(part: int) -> Floats:
        return matched_overlaps(labels[parts[part]], again(parts[part]), k=int(labels.max(initial=-1)) + 1)

    null = np.array(_beside_each_other(of_cloud, len(parts), what="Finding topics in a cloud without any"))
    means = kmeans(vectors, fit.n_topics, random_state=random_state)
    found = []
    with bar("Finding clusters by k-means again", total=len(parts)) as show:
        for part in parts:
            clusters = kmeans(vectors[part], fit.n_topics, random_state=random_state)
            found.append(matched_overlaps(means[part], clusters, k=fit.n_topics))
            show(len(found))
    sides = {"null": null, "kmeans": np.array(found)}
    summary: dict[str, float | int | None] = {"n_compared": len(rows), "n_null": null.shape[1]}
    for name, overlaps in sides.items():
        summary |= {f"overlap_{name}": _mean(overlaps.mean(axis=0)), f"stable_{name}": _stable(overlaps.mean(axis=0))}
    return summary


def kmeans(vectors: NDArray[np.floating[Any]], k: int, *, random_state: int) -> Integers:
    """Clusters by k-means, by scikit-learn on one core, so that the last bits are the same everywhere."""
    k = min(k, len(vectors))
    if k < 1:
        return np.full(len(vectors), -1)
    cluster = require("sklearn.cluster", extra="topics")
    with require("threadpoolctl", extra="topics").threadpool_limits(1):
        labels = cluster.KMeans(k, n_init=1, max_iter=100, random_state=random_state).fit_predict(vectors)
    return np.asarray(labels, np.int64)


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None


def _stable(values: Floats) -> float | None:
    return float((values >= STABLE).mean()) if len(values) else None


def _table(topics: Topics, fit: _Fit, *, options: dict[str, int | float]) -> pl.DataFrame:
    stability = _of_parts(fit, options).mean(axis=0)
    seeds = _of_seeds(fit, int(options["n_seeds"]))
    of_seeds = seeds.mean(axis=0).tolist() if len(seeds) else [None] * fit.n_topics
    beside = {"overlap_all": _mean(stability), "stable_all": _stable(stability), **_compared(fit, options)}
    counts = {"n_seeds", "n_subsamples", "share"}
    beside |= {name: value for name, value in options.items() if name in counts}
    whole = {"n_compared", "n_null", "n_seeds", "n_subsamples"}
    constant = [
        pl.lit(value, pl.Int64() if name in whole else pl.Float64()).alias(name) for name, value in beside.items()
    ]
    return topics.topics.select("topic", "name", "n_texts").with_columns(
        pl.Series("stability", stability, pl.Float64),
        pl.Series("unstable", stability < STABLE, pl.Boolean),
        pl.Series("overlap_seed", of_seeds, pl.Float64),
        *constant,
    )
