"""Lists of similar vectors: who looks for the neighbours of a text need not look everywhere.

The lists are the cells of a spherical k-means of a sample (an inverted file: Sivic & Zisserman 2003;
Jégou, Douze & Schmid 2011). For this coordinates are rounded to whole numbers such that vectors are
4,000 long. A product of two, and every partial sum of it, is then below 2^24, which single precision
holds exactly. So neither threads, nor the library of matrix products, nor the order of texts within
the sample change what is in a list, and equal vectors are in one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from btviz.machine.progress import bar
from btviz.texts.neighbors.grid import SCALE, blocks

_LENGTH = 4000.0  # 4096, less 1 % for vectors that are too long, less what rounding adds

_TRAINING = 32  # texts a list of which the lists are made

_PASSES = 5  # of k-means; more of them change recall by less than its error

_BLOCK = 2048  # texts compared with all centres at once

Single = npt.NDArray[np.float32]

Whole = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Lists:
    """Each point in the list of the centre nearest to it.

    Attributes
    ----------
    centres : ndarray of float32, shape (lists, d)
        Whole numbers.
    members : ndarray of int64, shape (n,)
        Rows of the points, list by list, and ascending in each.
    starts : ndarray of int64, shape (lists + 1,)
        Where in `members` each list begins, and n.
    """

    centres: Single
    members: Whole
    starts: Whole

    @classmethod
    def of(cls, points: Single, n_lists: int, *, least: int, random_state: int) -> Lists:
        """Make lists of points on the grid: at most `n_lists`, and none of fewer than `least` unless it is all."""
        n = len(points)
        sample = np.random.default_rng(random_state).choice(n, min(n, n_lists * _TRAINING), replace=False)
        centres = _centres(_whole(points[sample]), n_lists) if n_lists > 1 else _whole(points[sample[:1]])
        own = np.empty(n, np.int64)
        with bar(f"Dividing {n:,} texts into lists", total=n) as update:
            for part in blocks(n, most=_BLOCK):
                own[part] = nearest_centres(points[part], centres, n=1)[:, 0]
                update(part.stop)
        kept = np.bincount(own, minlength=len(centres)) >= least
        if not kept.all():
            centres = centres[kept] if kept.any() else centres[:1]
            moved = np.flatnonzero(~kept[own])
            own = (np.cumsum(kept) - 1)[own] if kept.any() else np.zeros(n, np.int64)
            own[moved] = nearest_centres(points[moved], centres, n=1)[:, 0]
        counts = np.bincount(own, minlength=len(centres))
        return cls(centres, np.argsort(own, kind="stable"), np.concatenate([[0], np.cumsum(counts)]))

    def __len__(self) -> int:
        """Number of lists."""
        return len(self.centres)

    def of_places(self, places: Whole) -> Whole:
        """List in which each place of `members` is."""
        return np.searchsorted(self.starts, places, side="right") - 1


def nearest_centres(points: Single, centres: Single, *, n: int) -> Whole:
    """The n centres nearest to each point, nearest first; of equally near ones the first. Shape (points, n)."""
    count = len(centres)
    found = np.empty((len(points), n), np.int64)
    for part in blocks(len(points), most=_BLOCK):
        keys = (_whole(points[part]) @ centres.T).astype(np.int64)  # centres are all of one length
        keys = keys * count + np.arange(count - 1, -1, -1)
        if n == 1:
            keys = keys.max(axis=1, keepdims=True)
        elif n < count:
            keys = np.partition(keys, count - n, axis=1)[:, count - n :]
        keys.sort(axis=1)
        found[part] = count - 1 - keys[:, ::-1] % count
    return found


def _whole(points: Single) -> Single:
    return np.asarray(np.rint(points * np.float32(_LENGTH / SCALE)))


def _centres(sample: Single, n: int) -> Single:
    """Spherical k-means (Dhillon & Modha 2001) from the first n of a drawn sample, in whole numbers."""
    centres = sample[:n].copy()
    for _ in range(_PASSES):
        own = np.concatenate([(sample[part] @ centres.T).argmax(axis=1) for part in blocks(len(sample), most=_BLOCK)])
        counts = np.bincount(own, minlength=n)
        some = np.flatnonzero(counts)
        by_centre = np.argsort(own, kind="stable")
        first = np.cumsum(counts) - counts
        sums = np.add.reduceat(sample[by_centre].astype(np.float64), first[some], axis=0)
        lengths = np.sqrt(np.einsum("ij,ij->i", sums, sums))
        some, sums, lengths = some[lengths > 0], sums[lengths > 0], lengths[lengths > 0]
        centres[some] = np.rint(sums * (_LENGTH / lengths)[:, None])
    return centres
