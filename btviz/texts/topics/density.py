"""Topics as dense regions of the data map: one density hierarchy, cut at any smallest topic size.

The hierarchy is that of HDBSCAN* (Campello, Moulavi and Sander 2013), by the compiled
fast_plscan. Its own choice of one scale is not used, because it may find two clusters where a
person sees fifty; clusters are chosen by excess of mass, with a bound on their size. Which smallest
sizes are offered, and which one is shown first, depends on the number of texts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btviz.arguments import whole_number
from btviz.errors import require

MIN_SAMPLES = 2
"""Neighbours that make a density: the fewest the hierarchy takes, which leaves the fewest outliers."""

LARGEST_SHARE = 0.1
"""Share of the texts above which a topic is divided where it can be."""

Floats = NDArray[np.float64]

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Clusters:
    """A cluster for each of n texts."""

    labels: Integers
    probabilities: Floats


@dataclass(frozen=True, eq=False)
class DensityTree:
    """Minimum spanning tree of mutual reachability distances between points."""

    edges: Floats
    n: int

    def cut(self, size: int) -> Clusters:
        """Clusters of at least `size` points."""
        if self.n < 2 * size or self.edges[:, 2].max() == 0:
            return Clusters(np.full(self.n, -1), np.zeros(self.n))
        plscan = require("fast_plscan", extra="topics")
        fitted = plscan.PLSCAN(metric="precomputed", min_samples=MIN_SAMPLES, min_cluster_size=size, num_threads=1)
        condensed = _Condensed(fitted.fit((self.edges, self.n)).condensed_tree_.to_numpy(), self.n)
        return condensed.clusters(condensed.chosen(largest=max(LARGEST_SHARE * self.n, 4 * size)))


def density_tree(points: NDArray[np.float32]) -> DensityTree:
    """Density hierarchy of points in the plane."""
    n = len(points)
    if n <= MIN_SAMPLES:
        return DensityTree(np.zeros((0, 3)), n)
    plscan = require("fast_plscan", extra="topics")
    fitted = plscan.PLSCAN(min_samples=MIN_SAMPLES, num_threads=1).fit(np.ascontiguousarray(points, np.float32))
    return DensityTree(fitted.minimum_spanning_tree_, n)


@dataclass(frozen=True, eq=False)
class _Condensed:
    """Condensed tree: which points leave which segment at which distance, and where segments divide.

    Points are 0 .. n - 1; a segment has a number above, and a child a larger one than its parent.
    """

    rows: NDArray[Any]
    n: int

    @cached_property
    def first(self) -> int:
        return int(self.rows["parent"].min())

    @cached_property
    def parents(self) -> Integers:
        return self.rows["parent"].astype(np.int64) - self.first

    @cached_property
    def divisions(self) -> NDArray[np.bool_]:
        return np.asarray(self.rows["child"] >= self.n)

    @cached_property
    def children(self) -> Integers:
        """Segment of each division."""
        return self.rows["child"][self.divisions].astype(np.int64) - self.first

    @cached_property
    def count(self) -> int:
        return 1 + int(self.children.max(initial=0))

    @cached_property
    def density(self) -> Floats:
        """Inverse distance of each row; points at the same place do not make it infinite."""
        distance = self.rows["distance"].astype(np.float64)
        return np.asarray(1 / np.maximum(distance, 1e-6 * distance.max()))

    @cached_property
    def sizes(self) -> Integers:
        sizes = np.full(self.count, self.n)
        sizes[self.children] = self.rows["child_size"][self.divisions].astype(np.int64)
        return sizes

    def chosen(self, *, largest: float) -> NDArray[np.bool_]:
        """Segments with the greatest excess of mass, none of them within another, the root never.

        A segment larger than `largest` gives way to its parts; one without parts stays.
        """
        birth = np.zeros(self.count)
        birth[self.children] = self.density[self.divisions]
        above = (self.density - birth[self.parents]) * self.rows["child_size"]
        mass = np.bincount(self.parents, weights=above, minlength=self.count)
        parts: list[list[int]] = [[] for _ in range(self.count)]
        for parent, child in zip(self.parents[self.divisions], self.children, strict=True):
            parts[parent].append(int(child))
        chosen = np.ones(self.count, np.bool_)
        for segment in range(self.count - 1, -1, -1):
            below = sum(mass[part] for part in parts[segment])
            if parts[segment] and (segment == 0 or below > mass[segment] or self.sizes[segment] > largest):
                chosen[segment], mass[segment] = False, below
        chosen[0] = False
        for parent, child in sorted(zip(self.parents[self.divisions], self.children, strict=True)):
            chosen[child] &= not self._inside(chosen, int(parent))
        return chosen

    def _inside(self, chosen: NDArray[np.bool_], segment: int) -> bool:
        while segment > 0 and not chosen[segment]:
            segment = int(self._above[segment])
        return segment > 0

    @cached_property
    def _above(self) -> Integers:
        above = np.zeros(self.count, np.int64)
        above[self.children] = self.parents[self.divisions]
        return above

    def clusters(self, chosen: NDArray[np.bool_]) -> Clusters:
        """Points below each chosen segment."""
        of_segment = np.full(self.count, -1)
        of_segment[chosen] = np.arange(chosen.sum())
        for segment in range(1, self.count):  # a parent before its children
            if not chosen[segment]:
                of_segment[segment] = of_segment[self._above[segment]]
        leaving = ~self.divisions
        points = self.rows["child"][leaving].astype(np.int64)
        labels = np.full(self.n, -1)
        labels[points] = of_segment[self.parents[leaving]]
        density = np.zeros(self.n)
        density[points] = self.density[leaving]
        # as HDBSCAN* has it: the cluster's own last density, whatever becomes denser in its parts
        last = np.zeros(self.count)
        np.maximum.at(last, self.parents, self.density)
        inside = labels >= 0
        probabilities = np.zeros(self.n)
        probabilities[inside] = np.minimum(1.0, density[inside] / last[chosen][labels[inside]])
        return Clusters(labels, probabilities)


SIZES: tuple[int, ...] = tuple(step * 10**power for power in range(6) for step in (2, 3, 5, 7, 10, 15))

FEWEST_TOPICS = 3
"""Topics that the scale shown first should have, where any scale has them."""

_SMALLEST = 5


def usual_scale(n: int) -> int:
    """Smallest topic size that suits n texts: near ``0.5 sqrt(n)``, 5 or more; 30 for 3,000 texts."""
    wanted = max(_SMALLEST, 0.5 * math.sqrt(n))
    return min((size for size in SIZES if size >= _SMALLEST), key=lambda size: abs(math.log(size / wanted)))


def offered_scales(n: int, *, scale: int | None = None) -> tuple[int, ...]:
    """Sizes worth looking at for n texts, ascending: about a third to six times the usual one, and `scale`."""
    if scale is not None:
        whole_number(scale, name="scale", least=2)
    usual = usual_scale(n)
    around = {size for size in SIZES if max(_SMALLEST, usual / 3) <= size <= min(6 * usual, n / 4)}
    return tuple(sorted(around | {usual} | ({scale} if scale else set())))


def cut_all(tree: DensityTree, *, scale: int | None = None) -> dict[int, Clusters]:
    """Clusters at every offered scale that has two topics or more; the usual and the one asked for always."""
    kept = {usual_scale(tree.n), scale}
    cuts = {size: tree.cut(size) for size in offered_scales(tree.n, scale=scale)}
    return {size: clusters for size, clusters in cuts.items() if size in kept or clusters.labels.max(initial=-1) > 0}


def first_scale(cuts: Mapping[int, Clusters], *, n: int) -> int:
    """The usual scale, or the next smaller one with three topics or more, if there is one."""
    usual = usual_scale(n)
    smaller = sorted((size for size in cuts if size <= usual), reverse=True)
    return next((size for size in smaller if cuts[size].labels.max(initial=-1) + 1 >= FEWEST_TOPICS), usual)
