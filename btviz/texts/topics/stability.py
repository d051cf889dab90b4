"""Whether topics come back: under another seed of the map, and from a part of the prompts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.arguments import LARGEST_SEED, seed, whole_number
from btviz.data.dataset import Dataset
from btviz.errors import UsageError, require
from btviz.machine.progress import bar
from btviz.store import Draft, Key, Store, fingerprint
from btviz.texts.datamap import fit_data_map
from btviz.texts.datamap.fit import FEWEST_LANDMARKS, check_layout
from btviz.texts.embedding.result import Embeddings
from btviz.texts.topics.density import Floats, Integers, density_tree
from btviz.texts.topics.layers import places_of
from btviz.texts.topics.result import Topics

STABLE = 0.6
"""Mean overlap below which a topic is not to be trusted (Hennig 2007)."""

_VERSION = 3


@dataclass(frozen=True, eq=False)
class _Run:
    kind: str
    embeddings: Embeddings
    seed: int
    scale: int
    landmarks: int | None


def topic_stability(
    ds: Dataset,
    topics: Topics,
    *,
    embeddings: Embeddings,
    n_seeds: int = 2,
    n_subsamples: int = 3,
    share: float = 0.8,
    random_state: int = 0,
    landmarks: int | None = None,
) -> pl.DataFrame:
    """Fit map and topics anew, and see how much of each topic is found again.

    Topics of a new fit are matched one to one to those given, such that the sum of their
    overlaps is greatest (Hungarian method). Overlap is the Jaccard index of their texts, among
    the texts that the new fit had.

    Parameters
    ----------
    ds : Dataset
        Gives the prompt of each pair.
    topics : Topics
        From `fit_topics`, of these embeddings; outliers must not have been reassigned.
    embeddings : Embeddings
        The vectors the topics were fitted on.
    n_seeds : int
        New maps of all texts, with the seeds after that of the topics.
    n_subsamples : int
        New maps of a random part of the prompts, with the seed of the topics.
    share : float
        Share of the prompts in each part, above 0 and below 1; the scale shrinks by as much.
    random_state : int
        Seed of the parts.
    landmarks : int, optional
        As the map of the topics was laid out: new maps of all texts have as many, drawn anew, and
        new maps of a part have that share of them.

    Returns
    -------
    DataFrame
        One row per topic: `topic`, `name`, `n_texts`, `overlap_seed`, `overlap_subsample` (mean
        Jaccard index, 0 .. 1; 0 counts where a topic has no match), `stability` (mean over all
        runs), `unstable` (`stability` below 0.6), `n_seeds`, `n_subsamples`. Overlaps are null
        where there was no such run.

    Raises
    ------
    UsageError
        If an option is out of its range, or outliers were reassigned.
    """
    seeds = whole_number(n_seeds, name="n_seeds", least=0)
    subsamples = whole_number(n_subsamples, name="n_subsamples", least=0)
    if not 0 < share < 1 or seeds + subsamples < 1:
        raise UsageError(
            f"{n_seeds} seeds and {n_subsamples} parts of {share} of the prompts were asked for; a share lies between "
            "0 and 1, and at least one run is needed. Use share=0.8."
        )
    if topics.facts["reassign_outliers"]:
        raise UsageError(
            "Stability was asked of topics that hold reassigned outliers. Fit them with reassign_outliers=False."
        )
    check_layout(landmarks=landmarks)
    options = {"n_seeds": seeds, "n_subsamples": subsamples, "share": share, "random_state": seed(random_state)}
    options |= {} if landmarks is None else {"landmarks": int(landmarks)}
    key = Key("topic-stability", (topics.fingerprint, embeddings.fingerprint), options, _VERSION)

    def make(draft: Draft) -> None:
        rows = []
        with bar("Fitting map and topics again", total=seeds + subsamples) as show:
            for run in _runs(ds, topics, embeddings, options):
                rows.append((run.kind, _overlaps(topics, run)))
                show(len(rows))
        draft.table("stability", _table(topics, rows))

    return Store().build(key, make).table("stability")


def _runs(ds: Dataset, topics: Topics, embeddings: Embeddings, options: dict[str, int | float]) -> Iterator[_Run]:
    fitted_seed = int(topics.facts["random_state"])
    landmarks = int(options["landmarks"]) if "landmarks" in options else None
    for place in range(int(options["n_seeds"])):
        yield _Run("seed", embeddings, (fitted_seed + 1 + place) % (LARGEST_SEED + 1), topics.scale, landmarks)
    share, rng = float(options["share"]), np.random.default_rng(int(options["random_state"]))
    for _ in range(int(options["n_subsamples"])):
        part = subsample(ds, embeddings, share=share, rng=rng)
        fewer = None if landmarks is None else max(FEWEST_LANDMARKS, round(share * landmarks))
        yield _Run("subsample", part, fitted_seed, max(2, round(share * topics.scale)), fewer)


def subsample(ds: Dataset, embeddings: Embeddings, *, share: float, rng: np.random.Generator) -> Embeddings:
    """Embeddings of the texts of a random part of the prompts."""
    prompt = embeddings.pairs.join(ds.items.select("pair_id", "prompt_id"), on="pair_id", how="inner")
    prompts = prompt["prompt_id"].unique().sort()
    kept = prompts.filter(pl.Series(rng.random(len(prompts)).argsort().argsort() < round(share * len(prompts))))
    pairs = prompt.filter(pl.col("prompt_id").is_in(kept.implode())).select("pair_id", "text_id").sort("pair_id")
    row = np.isin(embeddings.text_ids, pairs["text_id"].unique().to_numpy())
    return replace(
        embeddings,
        text_ids=embeddings.text_ids[row],
        vectors=np.asarray(embeddings.vectors[row]),
        pairs=pairs,
        fingerprint=fingerprint(embeddings.fingerprint, "part", pairs["pair_id"].to_numpy().tobytes()),
        facts={},
    )


def _overlaps(topics: Topics, run: _Run) -> Floats:
    points = fit_data_map(run.embeddings, random_state=run.seed, landmarks=run.landmarks)
    again = density_tree(places_of(points, run.embeddings)).cut(run.scale).labels
    first_pair = run.embeddings.pairs.group_by("text_id").agg(pl.col("pair_id").min()).sort("text_id")
    before = first_pair.join(topics.assignments, on="pair_id", how="left", maintain_order="left")["topic"].to_numpy()
    return matched_overlaps(before, again, k=topics.topics.height)


def matched_overlaps(before: Integers, again: Integers, *, k: int) -> Floats:
    """Jaccard index of each of k clusters with the cluster it is matched to."""
    m = int(again.max(initial=-1)) + 1
    if not k or not m:
        return np.zeros(k)
    both: NDArray[np.int64] = np.zeros((k + 1, m + 1), np.int64)
    np.add.at(both, (before, again), 1)  # -1 is the last row, and the last column
    union = both.sum(axis=1)[:k, None] + both.sum(axis=0)[None, :m] - both[:k, :m]
    jaccard = both[:k, :m] / np.maximum(union, 1)
    optimise = require("scipy.optimize", extra="topics")
    row, column = optimise.linear_sum_assignment(jaccard, maximize=True)
    overlaps = np.zeros(k)
    overlaps[row] = jaccard[row, column]
    return overlaps


def _table(topics: Topics, rows: list[tuple[str, Floats]]) -> pl.DataFrame:
    def mean(kind: str) -> pl.Series:
        chosen = [overlaps for name, overlaps in rows if kind in {name, "all"}]
        values = np.mean(chosen, axis=0).tolist() if chosen else [None] * topics.topics.height
        return pl.Series(values, dtype=pl.Float64)

    return topics.topics.select("topic", "name", "n_texts").with_columns(
        mean("seed").alias("overlap_seed"),
        mean("subsample").alias("overlap_subsample"),
        mean("all").alias("stability"),
        (mean("all") < STABLE).alias("unstable"),
        pl.lit(sum(kind == "seed" for kind, _ in rows), pl.Int64).alias("n_seeds"),
        pl.lit(sum(kind == "subsample" for kind, _ in rows), pl.Int64).alias("n_subsamples"),
    )
