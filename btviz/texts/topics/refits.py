"""Topics found anew in parts of the texts, in clouds without structure; and the scale that they speak for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.errors import require
from btviz.texts.neighbors.search import exact_neighbors, in_threads
from btviz.texts.topics.partition import Floats, Integers, Rule, suitable_neighbors, topics_in

SHARE = 0.8
"""Share of the prompts in each part."""

SCALES = (1, 2, 3, 4, 5, 6, 8, 12)
"""Resolutions that are looked at."""

HALF_AT_MOST = 3_000
"""Texts of each half on which the scale is chosen."""

_FEWEST_NEIGHBORS = 5

_PARTS = 4

_GRAINS = 2.0**8  # to which normal deviates are rounded, so that sums of their products with vectors are exact

_SCALE = 2.0**21

Rows = NDArray[np.intp]

Nearest = NDArray[np.integer[Any]]

_Side = tuple[int, bool]  # a scale, and whether of the cloud


def nearest_in(vectors: NDArray[np.floating[Any]], k: int) -> Nearest:
    """The k nearest others of each vector, or as many as there are."""
    k = min(k, len(vectors) - 1)
    if k < 1:
        return np.empty((len(vectors), 0), np.int32)
    return exact_neighbors(vectors, k)[0]


def nearest_within(nearest: Nearest, rows: Rows, *, k: int) -> Nearest:
    """The k nearest others of some texts among each other, from longer lists of all texts.

    Where a list ends too soon, the last places hold -1.
    """
    place = np.full(len(nearest) + 1, -1, np.int32)  # the last place is that of -1
    place[rows] = np.arange(len(rows))
    inside = place[nearest[rows]]
    rank = np.cumsum(inside >= 0, axis=1) - 1
    kept = (inside >= 0) & (rank < k)
    within = np.full((len(rows), k), -1, np.int32)
    within[np.nonzero(kept)[0], rank[kept]] = inside[kept]
    return within


def list_length(k: int, *, share: float) -> int:
    """Nearest texts to know of all texts, so that a part nearly always holds its share of k: 4 deviations more."""
    wanted = k * share
    return math.ceil((wanted + 4 * math.sqrt(wanted * (1 - share)) + 2) / share)


def share_of(k: int, share: float) -> int:
    """Neighbours in a part, of k in all texts."""
    return max(min(_FEWEST_NEIGHBORS, k), round(k * share))


def random_parts(n: int, *, n_parts: int, share: float, random_state: int) -> list[Rows]:
    """Rows of random parts of n texts, ascending."""
    rng = np.random.default_rng(random_state)
    return [np.sort(rng.permutation(n)[: round(share * n)]) for _ in range(n_parts)]


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


def without_structure(vectors: NDArray[np.floating[Any]], *, random_state: int) -> Floats:
    """As many unit vectors from a normal distribution with the same mean and covariance.

    Sums of the products are exact, so that they are the same on any number of threads.
    """
    points = np.rint(np.asarray(vectors, np.float64) * _SCALE)
    n = len(points)
    mean = np.rint(points.sum(axis=0) / n)
    deviates = np.random.default_rng(random_state).standard_normal((n, n))
    cloud = (np.rint(deviates * _GRAINS) @ (points - mean)) / (_GRAINS * math.sqrt(n)) + mean
    return np.asarray(cloud / np.sqrt(np.einsum("ij,ij->i", cloud, cloud))[:, None])


@dataclass(frozen=True, eq=False)
class Choice:
    """The scale to show first, and why."""

    scale: int
    table: pl.DataFrame


TABLE = pl.Schema(
    {
        "scale": pl.Int64(),
        "half": pl.String(),
        "n_texts": pl.Int64(),
        "n_topics": pl.Int64(),
        "overlap": pl.Float64(),
        "standard_error": pl.Float64(),
        "overlap_null": pl.Float64(),
        "n_topics_null": pl.Int64(),
    }
)


def fitting_numbers(n: int) -> tuple[int, int]:
    """Fewest and most topics that suit n texts: ``0.4 sqrt(n)``, 2 to 20, and ``sqrt(n)``, at least 2."""
    root = math.sqrt(n)
    return max(2, min(20, round(0.4 * root))), max(2, round(root))


def choose_scale(halves: tuple[NDArray[np.floating[Any]], NDArray[np.floating[Any]]], *, n: int, rule: Rule) -> Choice:
    """Choose the resolution at which topics of the first half come back most, beyond those of a cloud.

    Of those within one standard error (over topics) of the largest excess it is the smallest, which has the fewest
    topics (the rule of Breiman and others 1984). Only resolutions with a number of topics that suits the texts
    compete; the nearest to it where none has.
    What the one chosen reaches in the second half is in the table.
    """
    first, second = (_Half(vectors, n=n, rule=rule) for vectors in halves)
    found = first.labels(SCALES)
    numbers = {scale: int(labels.max(initial=-1)) + 1 for scale, labels in zip(SCALES, found, strict=True)}
    fewest, most = fitting_numbers(2 * len(halves[0]))
    fitting = [scale for scale in SCALES if fewest <= numbers[scale] <= most]
    if not fitting:
        away = {scale: max(fewest - number, number - most) for scale, number in numbers.items()}
        fitting = [min(SCALES, key=lambda scale: away[scale])]
    rows = [(scale, "chosen on", *row) for scale, row in zip(fitting, first.judged(fitting), strict=True)]
    excess = {row[0]: (row[4] or 0.0) - (row[6] or 0.0) for row in rows}
    best = max(rows, key=lambda row: excess[row[0]])
    scale = min(scale for scale in excess if excess[scale] >= excess[best[0]] - (best[5] or 0.0))
    rows.append((scale, "reported on", *second.judged([scale])[0]))
    return Choice(scale, pl.DataFrame(rows, schema=TABLE, orient="row"))


class _Half:
    """Half of the texts, and a cloud like it (`null`)."""

    def __init__(self, vectors: NDArray[np.floating[Any]], *, n: int, rule: Rule) -> None:
        self._rule = rule
        self._k = share_of(suitable_neighbors(n), max(0.5, len(vectors) / max(n, 1)))
        sides = {False: vectors, True: without_structure(vectors, random_state=rule.random_state)}
        length = list_length(self._k, share=SHARE)
        self._nearest = {null: nearest_in(side, length) for null, side in sides.items()}
        self._parts = random_parts(len(vectors), n_parts=_PARTS, share=SHARE, random_state=rule.random_state)
        self._labels: dict[_Side, Integers] = {}

    def labels(self, scales: Sequence[int], *, null: bool = False) -> list[Integers]:
        """Topics of all texts at each scale."""
        missing = [(scale, null) for scale in scales if (scale, null) not in self._labels]
        self._labels |= dict(zip(missing, in_threads(self._fitted, missing, n_threads=None), strict=True))
        return [self._labels[scale, null] for scale in scales]

    def _fitted(self, side: _Side) -> Integers:
        scale, null = side
        return topics_in(self._nearest[null][:, : self._k], scale, rule=self._rule, quick=True).labels

    def judged(self, scales: Sequence[int]) -> list[tuple[int, int, float | None, float | None, float | None, int]]:
        """For each scale: texts, topics, mean overlap, standard error of its excess, overlap of a cloud, its topics."""
        return [self._row(*both) for both in zip(*(self._overlaps(scales, null=n) for n in (False, True)), strict=True)]

    def _row(self, own: Floats, null: Floats) -> tuple[int, int, float | None, float | None, float | None, int]:
        variance = sum(float(found.var(ddof=1)) / len(found) for found in (own, null) if len(found) > 1)
        error = math.sqrt(variance) if len(own) > 1 else None
        overlap, overlap_null = (float(found.mean()) if len(found) else None for found in (own, null))
        return len(self._nearest[False]), len(own), overlap, error, overlap_null, len(null)

    def _overlaps(self, scales: Sequence[int], *, null: bool) -> list[Floats]:
        """Mean overlap of each topic with the one it is matched to in each part, at each scale."""
        fewer, of_all = share_of(self._k, SHARE), self.labels(scales, null=null)

        def again(job: tuple[int, int]) -> Floats:
            place, part = job
            rows, labels = self._parts[part], of_all[place]
            nearest = nearest_within(self._nearest[null], rows, k=fewer)
            found = topics_in(nearest, scales[place], rule=self._rule, quick=True).labels
            return matched_overlaps(labels[rows], found, k=int(labels.max(initial=-1)) + 1)

        jobs = [(place, part) for place in range(len(scales)) for part in range(_PARTS)]
        overlaps = list(in_threads(again, jobs, n_threads=None))
        return [np.mean(overlaps[place * _PARTS : (place + 1) * _PARTS], axis=0) for place in range(len(scales))]
