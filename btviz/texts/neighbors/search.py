"""The search for nearest others: fast products rule out, exact distances decide.

Products in single precision are wrong by at most a known margin. Whoever is farther than the k-th
by more than that is out; the others are compared on the grid, where there is no rounding error. So
the outcome is that of exact distances, the same on any number of threads and in blocks of any size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from math import isqrt
from os import cpu_count
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from btviz.machine.progress import bar
from btviz.machine.threads import one_core_each
from btviz.texts.neighbors.grid import SCALE, Grid, blocks, cosine, expect_unit, squared_lengths
from btviz.texts.neighbors.lists import Lists, Single, Whole, nearest_centres

BLOCK = 1024  # texts that look for their neighbours at once

_TILE = 1024  # texts with which they are compared at once, so that products stay in the cache

_PAIRS = 1 << 12  # compared on the grid at once

_JUDGED_AT_ONCE = 256  # texts that are compared with all others

_FIRST = 2  # lists that tell how near a neighbour has to be

_MOST_THREADS = 8

Found = tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]
"""Rows of neighbours, and squared distances on the grid; nearest first, then by row."""

Hits = tuple[Whole, Whole, Single]
"""Who asks, the place of who may be among its nearest, and their product."""

Group = tuple[Whole, slice]
"""Who of those that ask is to be compared with which places."""

Given = TypeVar("Given")

Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class Search:
    """Points on the grid, those of a list beside each other.

    Attributes
    ----------
    points : ndarray of float32, shape (n, d)
        Whole numbers: unit vectors times 2^21.
    squares : ndarray of float64, shape (n,)
        Their squared lengths.
    lists : Lists
        `lists.members` is the row at each place.
    margin : float
        Products that differ by less may be in the wrong order.
    """

    points: Single
    squares: npt.NDArray[np.float64]
    lists: Lists
    margin: float

    @classmethod
    def of(cls, vectors: Single, *, n_lists: int, least: int, random_state: int) -> Search:
        """Lay out unit vectors, shape (n, d); each list has at least `least` members if there are so many."""
        expect_unit(vectors)
        points = np.empty(vectors.shape, np.float32)
        squares = np.empty(len(vectors))
        for part in blocks(len(vectors), most=BLOCK):
            np.rint(vectors[part] * np.float32(SCALE), out=points[part])  # a power of two: no error
            squares[part] = squared_lengths(points[part].astype(np.float64))
        lists = Lists.of(points, n_lists, least=least, random_state=random_state)
        longest, shortest = squares.max(initial=0.0), squares.min(initial=np.inf)
        # Twice the error of a sum of d products (Higham 2002, section 3.1), and what unequal lengths change.
        error = 2.1 * (vectors.shape[1] + 2) * np.finfo(np.float32).eps / 2 * longest
        return cls(points[lists.members], squares[lists.members], lists, float(error + longest - shortest))

    def __len__(self) -> int:
        """Number of points."""
        return len(self.points)

    @cached_property
    def places(self) -> Whole:
        """Place of each row."""
        return np.argsort(self.lists.members)

    # Where to look --------------------------------------------------------------------------------

    def everywhere(self, count: int) -> Iterator[Group]:
        """Compare all of so many with all places."""
        return ((np.arange(count), part) for part in blocks(len(self), most=_TILE))

    def in_lists(self, lists: Whole) -> Iterator[Group]:
        """Compare each with the places of its lists, a row of `lists`."""
        asked = np.argsort(lists, axis=None, kind="stable")
        names, first = np.unique(lists.ravel()[asked], return_index=True)
        for name, asking in zip(names, np.split(asked // lists.shape[1], first[1:]), strict=True):
            start, stop = (int(end) for end in self.lists.starts[name : name + 2])
            for part in blocks(stop - start, most=_TILE):
                yield asking, slice(start + part.start, start + part.stop)

    def nearest_lists(self, places: Whole | slice, n: int) -> Whole:
        """The lists whose centres are nearest, nearest first."""
        return nearest_centres(self.points[places], self.lists.centres, n=min(n, len(self.lists)))

    def all_lists(self, count: int) -> Whole:
        """All lists, for each of so many; shape (count, lists)."""
        return np.broadcast_to(np.arange(len(self.lists)), (count, len(self.lists)))

    # Who may be near ------------------------------------------------------------------------------

    def limits(self, places: Whole | slice, groups: Iterable[Group], *, k: int) -> Single:
        """Product that a neighbour has to reach; infinite where so many are about equally near that products fail."""
        asking, width = self.points[places], 2 * (k + 1)  # each finds itself, too
        best = np.full((len(asking), width), -np.inf, np.float32)
        for some, part in groups:
            near = asking[some] @ self.points[part].T
            if near.shape[1] > width:
                near = np.partition(near, near.shape[1] - width, axis=1)[:, -width:]
            both = np.hstack([best[some], near])
            best[some] = np.partition(both, near.shape[1], axis=1)[:, -width:]
        best.sort(axis=1)
        limit = best[:, width - (k + 1)] - np.float32(self.margin)
        return np.where(best[:, 0] >= limit, np.float32(np.inf), limit)

    def hits(self, places: Whole | slice, groups: Iterable[Group], *, limits: Single) -> Hits:
        """Whose product with whom reaches its limit."""
        asking = self.points[places]
        found = []
        for some, part in groups:
            rows, columns, products = _above(asking[some] @ self.points[part].T, limits[some][:, None])
            found.append((some[rows], columns + part.start, products))
        return joined(found)

    def mutual_hits(self, part: slice, limits: Single) -> Hits:
        """The same of a block and all places from its own on, both ways; `limits` and places are those of all."""
        found = []
        for start in range(part.start, len(self), BLOCK):
            other = slice(start, start + BLOCK)
            products = self.points[part] @ self.points[other].T
            rows, columns, near = _above(products, limits[part][:, None])
            found.append((rows + part.start, columns + start, near))
            if start > part.start:
                rows, columns, near = _above(products, limits[other])
                found.append((columns + start, rows + part.start, near))
        return joined(found)

    # Who is near ----------------------------------------------------------------------------------

    def ranked(self, places: Whole, hits: Hits, *, k: int) -> Found:
        """The k nearest others of each place among its hits; of those that have not so many, nothing."""
        asking, others, products = (part[places[hits[0]] != hits[1]] for part in hits)
        order = np.lexsort((-products, asking))
        asking, others, products = asking[order], others[order], products[order]
        counts = np.bincount(asking, minlength=len(places))
        first = np.cumsum(counts) - counts
        enough = np.flatnonzero(counts >= k)
        limits = np.full(len(places), np.inf, np.float32)
        limits[enough] = products[first[enough] + k - 1] - np.float32(self.margin)
        counts = np.bincount(asking[products >= limits[asking]], minlength=len(places))
        rows, squared = np.empty((len(places), k), np.int32), np.empty((len(places), k))
        for some in _of_like_width(counts, enough):
            nth = np.arange(counts[some[0]])
            surplus = nth >= counts[some][:, None]
            candidates = others[first[some][:, None] + np.where(surplus, 0, nth)]
            rows[some], squared[some] = self._compared(places[some], candidates, surplus=surplus, k=k)
        return rows, squared

    def _compared(self, places: Whole, others: Whole, *, surplus: npt.NDArray[np.bool_], k: int) -> Found:
        here, there = self.points[places].astype(np.float64), self.points[others].astype(np.float64)
        squared = self.squares[places][:, None] + self.squares[others] - 2.0 * np.einsum("ij,ikj->ik", here, there)
        squared[surplus] = np.inf
        rows = self.lists.members[others]
        order = np.lexsort((rows, squared), axis=1)[:, :k]
        return np.take_along_axis(rows, order, axis=1).astype(np.int32), np.take_along_axis(squared, order, axis=1)

    def among(self, places: Whole, lists: Whole, *, k: int) -> Found:
        """The k nearest others of each place, compared on the grid with all members of some lists."""
        ends = zip(self.lists.starts[lists], self.lists.starts[lists + 1], strict=True)
        where = np.concatenate([np.arange(start, stop) for start, stop in ends])
        where = where[np.argsort(self.lists.members[where])]  # in the order of rows, which breaks ties
        rows = self.lists.members[where]
        grid = Grid.of_points(self.points[where].astype(np.float64))
        own = np.searchsorted(rows, self.lists.members[places])
        found, squared = np.empty((len(places), k), np.int32), np.empty((len(places), k))
        for part in blocks(len(places), against=len(grid)):
            near, squared[part] = grid.ranked(self.points[places[part]].astype(np.float64), k, own=own[part])
            found[part] = rows[near]
        return found, squared


def _above(products: Single, limits: Single) -> Hits:
    cells = np.flatnonzero(products >= limits)
    rows, columns = np.divmod(cells, products.shape[1])
    return rows, columns, products.ravel()[cells]


def joined(found: Iterable[Hits]) -> Hits:
    """All hits of several parts."""
    asking, others, products = zip(*found, strict=True)
    return np.concatenate(asking), np.concatenate(others), np.concatenate(products)


def _of_like_width(counts: Whole, rows: Whole) -> Iterator[Whole]:
    """Rows in groups of about equally many candidates, the most first, up to `_PAIRS` candidates a group."""
    rows = rows[np.argsort(-counts[rows], kind="stable")]
    while len(rows):
        size = max(_PAIRS // int(counts[rows[0]]), 1)
        yield rows[:size]
        rows = rows[size:]


# All of them --------------------------------------------------------------------------------------


def exact_neighbors(vectors: Single, k: int, *, n_threads: int | None = None) -> tuple[npt.NDArray[np.int32], Single]:
    """Find the k nearest other rows of each row of some unit vectors; their cosine distances."""
    with one_core_each():
        search = Search.of(vectors, n_lists=isqrt(len(vectors)), least=k + 1, random_state=0)
        return collected(search, nearest_of_all(search, k, n_threads=n_threads), k=k)


def collected(search: Search, found: Iterable[tuple[Whole, Found]], *, k: int) -> tuple[npt.NDArray[np.int32], Single]:
    """Put what was found of places in the order of rows."""
    indices, distances = np.empty((len(search), k), np.int32), np.empty((len(search), k), np.float32)
    done = 0
    with bar(f"Finding the neighbours of {len(search):,} texts", total=len(search)) as update:
        for places, (near, squared) in found:
            rows = search.lists.members[places]
            indices[rows], distances[rows] = near, cosine(squared)
            done += len(places)
            update(done)
    return indices, distances


def in_threads(work: Callable[[Given], Made], items: Iterable[Given], *, n_threads: int | None) -> Iterator[Made]:
    """Work on items in threads, if there are several; what came of them, in their order."""
    items = list(items)
    if len(items) < 2:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(n_threads or min(cpu_count() or 1, _MOST_THREADS)) as pool:
        yield from pool.map(work, items)


def nearest_of_all(search: Search, k: int, *, n_threads: int | None) -> Iterator[tuple[Whole, Found]]:
    """The k nearest others of each place, block by block."""
    parts = list(blocks(len(search), most=BLOCK))

    def limits_of(part: slice) -> Single:
        return search.limits(part, search.in_lists(search.nearest_lists(part, _FIRST)), k=k)

    limits = np.concatenate(list(in_threads(limits_of, parts, n_threads=n_threads)))
    found = []
    with bar(f"Comparing {len(search):,} texts", total=len(parts)) as update:
        for of_block in in_threads(lambda part: search.mutual_hits(part, limits), parts, n_threads=n_threads):
            found.append(of_block)
            update(len(found))
    hits = joined(found)
    order = np.argsort(hits[0], kind="stable")
    hits = hits[0][order], hits[1][order], hits[2][order]

    def ranked(part: slice) -> tuple[Whole, Found]:
        places = np.arange(part.start, part.stop)
        own = slice(*np.searchsorted(hits[0], [part.start, part.stop]))
        near = search.ranked(places, (hits[0][own] - part.start, hits[1][own], hits[2][own]), k=k)
        return places, _with_crowded(
            search, near, places=places, limits=limits[part], lists=search.all_lists(len(places))
        )

    yield from in_threads(ranked, parts, n_threads=n_threads)


def nearest_in_lists(search: Search, k: int, *, n_lists: int, n_threads: int | None) -> Iterator[tuple[Whole, Found]]:
    """The k nearest others of each place that are in the lists nearest to it, block by block."""

    def of(part: slice) -> tuple[Whole, Found]:
        places, lists = np.arange(part.start, part.stop), search.nearest_lists(part, n_lists)
        limits = search.limits(part, search.in_lists(lists[:, :_FIRST]), k=k)
        near = search.ranked(places, search.hits(part, search.in_lists(lists), limits=limits), k=k)
        return places, _with_crowded(search, near, places=places, limits=limits, lists=lists)

    yield from in_threads(of, blocks(len(search), most=BLOCK), n_threads=n_threads)


def nearest_of_some(search: Search, places: Whole, *, k: int, n_threads: int | None) -> Found:
    """The k nearest others of some places among all."""

    def of(part: slice) -> Found:
        some = places[part]
        limits = search.limits(some, search.everywhere(len(some)), k=k)
        near = search.ranked(some, search.hits(some, search.everywhere(len(some)), limits=limits), k=k)
        return _with_crowded(search, near, places=some, limits=limits, lists=search.all_lists(len(some)))

    rows, squared = zip(*in_threads(of, blocks(len(places), most=_JUDGED_AT_ONCE), n_threads=n_threads), strict=True)
    return np.concatenate(rows), np.concatenate(squared)


def _with_crowded(search: Search, near: Found, *, places: Whole, limits: Single, lists: Whole) -> Found:
    """Look those up one by one that have too many about equally near, each in its lists, a row of `lists`."""
    crowded = np.flatnonzero(np.isinf(limits))
    names, alike = np.unique(np.sort(lists[crowded], axis=1), axis=0, return_inverse=True)
    for which, own in enumerate(names):
        some = crowded[alike.ravel() == which]
        near[0][some], near[1][some] = search.among(places[some], own, k=near[0].shape[1])
    return near
