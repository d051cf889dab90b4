"""Inner loops of the layout, compiled by numba; what is compiled is kept between sessions.

Every number here is a function of the text's row, the epoch and the seed, and a step reads only places of the step
before it. So it makes no difference into how many parts the rows are divided, nor who does which part when.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from btviz.store import data_dir

Floats = npt.NDArray[np.float32]

Words = npt.NDArray[np.uint32]

_BITS = 6  # of a squared distance's mantissa: 64 cells of the tables an octave, 1.6 % wide at most

_SHIFT = 23 - _BITS

_LOWEST, _HIGHEST = -24, 24  # octaves; beyond them the last cell stands for all

_BEGIN = (127 + _LOWEST) << _BITS

CELLS = (_HIGHEST - _LOWEST) << _BITS

_MOST = np.float32(4.0)  # of one force along one axis, and of all on a text, as UMAP limits its own


class Step(NamedTuple):
    """One epoch: places before and after it, the graph, the tables of forces, and what is drawn.

    Row i has the neighbours ``others[first[i]:first[i + 1]]``. An edge pulls whenever `frequency`, added to its
    `phase` once an epoch, passes 2^32.
    """

    places: Floats
    moved: Floats
    first: npt.NDArray[np.int64]
    others: npt.NDArray[np.int32]
    frequency: Words
    phase: Words
    pull: Floats
    push: Floats
    reach: np.float32
    epoch: np.uint32
    key: np.uint32
    n_pushed: np.uint32


def squared_distances() -> npt.NDArray[np.float64]:
    """The middle of each cell of the tables."""
    bits = ((np.arange(CELLS, dtype=np.int64) + _BEGIN) << _SHIFT) + (1 << (_SHIFT - 1))
    return bits.astype(np.uint32).view(np.float32).astype(np.float64)


@contextmanager
def kept_in_the_data_folder() -> Iterator[None]:
    """Have numba keep what it compiles in the data folder, if it may not write beside the program.

    Its next choice is a folder of the user, which in a container is gone with the session. It writes each file under
    a temporary name first, so two processes may compile at once.
    """
    settings: Any = numba.config
    before = settings.CACHE_DIR  # what NUMBA_CACHE_DIR says
    if not before and not os.access(Path(__file__).parent, os.W_OK):
        settings.CACHE_DIR = str(data_dir() / "compiled")
    try:
        yield
    finally:
        settings.CACHE_DIR = before


def _compiled(function: Callable[..., Any]) -> Any:
    try:
        with kept_in_the_data_folder():
            return numba.njit(function, cache=True, nogil=True)
    except RuntimeError:  # there is no folder to keep it in
        return numba.njit(function, nogil=True)


@_compiled
def scrambled(word):  # type: ignore[no-untyped-def]  # numba infers types
    """Spread a number over 32 bits: a counter becomes a random number (Murmur3's last step, other constants)."""
    word = np.uint32(word)
    word = np.uint32(word ^ (word >> np.uint32(16)))
    word = np.uint32(word * np.uint32(0x7FEB352D))
    word = np.uint32(word ^ (word >> np.uint32(15)))
    word = np.uint32(word * np.uint32(0x846CA68B))
    return np.uint32(word ^ (word >> np.uint32(16)))


@_compiled
def _cell(squared):  # type: ignore[no-untyped-def]  # numba infers types
    cell = (np.float32(squared).view(np.int32) >> _SHIFT) - _BEGIN
    return min(max(cell, 0), CELLS - 1)


@_compiled
def _limited(force):  # type: ignore[no-untyped-def]  # numba infers types
    return min(max(force, -_MOST), _MOST)


@_compiled
def phases(step, rows):  # type: ignore[no-untyped-def]  # numba infers types
    """Set the phase of each edge: the same from both ends but for half a turn, so that either end leads in turn."""
    for row in range(rows[0], rows[1]):
        for edge in range(step.first[row], step.first[row + 1]):
            low, high = min(row, step.others[edge]), max(row, step.others[edge])
            phase = scrambled(np.uint32(scrambled(np.uint32(low) ^ step.key) + np.uint32(high)))
            step.phase[edge] = phase if row == low else phase ^ np.uint32(0x80000000)


@_compiled
def move(step, rows):  # type: ignore[no-untyped-def]  # numba infers types
    """Move some rows: neighbours whose turn it is pull, and for each turn that a row leads, others at random push.

    Both ends of an edge are pulled in the same epoch, from the same places and so by opposite forces: groups do not
    drift for that. (Pulled one after the other, more true neighbours were torn apart: continuity fell by 0.01.)
    """
    n = np.uint64(len(step.places))
    half = np.uint32(0x80000000)
    for row in range(rows[0], rows[1]):
        x, y = step.places[row, 0], step.places[row, 1]
        dx, dy = np.float32(0), np.float32(0)
        turns = np.uint32(0)
        for edge in range(step.first[row], step.first[row + 1]):
            often = step.frequency[edge]
            clock = np.uint32(step.phase[edge] + np.uint32(often * step.epoch))
            leads = np.uint32(clock + often) < often
            follows = np.uint32(np.uint32(clock ^ half) + often) < often
            if leads or follows:
                other = step.others[edge]
                gap_x, gap_y = x - step.places[other, 0], y - step.places[other, 1]
                squared = gap_x * gap_x + gap_y * gap_y
                force = step.pull[_cell(squared)] if squared > 0 else np.float32(0)
                times = np.float32(2) if leads and follows else np.float32(1)
                dx += times * _limited(force * gap_x)
                dy += times * _limited(force * gap_y)
            if leads:
                turns += np.uint32(1)
        key = scrambled(np.uint32(row) ^ scrambled(np.uint32(step.key + step.epoch * np.uint32(0x9E3779B9))))
        for draw in range(turns * step.n_pushed):
            drawn = scrambled(np.uint32(key + np.uint32(draw) * np.uint32(0x9E3779B9)))
            other = np.int64((np.uint64(drawn) * n) >> np.uint64(32))
            gap_x, gap_y = x - step.places[other, 0], y - step.places[other, 1]
            force = step.push[_cell(gap_x * gap_x + gap_y * gap_y)]
            dx += _limited(force * gap_x)
            dy += _limited(force * gap_y)
        step.moved[row, 0] = x + step.reach * _limited(dx)
        step.moved[row, 1] = y + step.reach * _limited(dy)


_ROUNDS = 64  # of halving, as UMAP has them

_CLOSE = 1e-5

_NARROWEST = 1e-3  # width of a neighbourhood at least, of the mean distance in it


@_compiled
def memberships(distances, mean):  # type: ignore[no-untyped-def]  # numba infers types
    """How much each neighbour belongs to its row's neighbourhood: shape (n, k), 0 .. 1 (UMAP, section 3.1).

    ``exp(-(d - nearest) / width)``, with the width for which the sum is the logarithm (base 2) of k + 1, since a
    row counts as its own first neighbour; `mean` is the mean distance of all, these included.
    """
    n, k = distances.shape
    weights = np.empty((n, k), np.float32)
    wanted = math.log2(k + 1)
    for row in range(n):
        nearest, total = 0.0, 0.0
        for other in range(k):
            total += distances[row, other]
            if nearest == 0.0:
                nearest = distances[row, other]
        low, high, width = 0.0, np.inf, 1.0
        for _ in range(_ROUNDS):
            found = 0.0
            for other in range(k):
                found += math.exp(-max(distances[row, other] - nearest, 0.0) / width)
            if abs(found - wanted) < _CLOSE:
                break
            if found > wanted:
                high = width
                width = (low + high) / 2
            else:
                low = width
                width = 2 * width if high == np.inf else (low + high) / 2
        width = max(width, _NARROWEST * (total / (k + 1) if nearest > 0 else mean))
        for other in range(k):
            beyond = distances[row, other] - nearest
            weights[row, other] = math.exp(-beyond / width) if beyond > 0 and width > 0 else 1.0
    return weights
