"""Clusters with equal sums, drawn at random as one kind.

Sums are rounded to a grid on which no product or partial sum of the draws is rounded again. What
is drawn therefore depends on the seed and on the clusters' sums alone: neither on their order nor
on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from btviz.errors import UsageError
from btviz.stats.association import Floats, Integers

CELLS = 2**21
"""Numbers drawn at a time: 16 MB."""

_EXACT_BITS = 52
_EXACT_IN_FLOAT32 = 2**24


def generator(random_state: int) -> np.random.Generator:
    """Random numbers of a seed.

    Raises
    ------
    UsageError
        If the seed is negative.
    """
    if random_state < 0:
        raise UsageError(f"The seed {random_state} was given; a seed is 0 or more. Use 0.")
    return np.random.default_rng(random_state)


def check_repeats(repeats: int) -> None:
    """Raise UsageError for fewer than one random repeat."""
    if repeats < 1:
        raise UsageError(f"{repeats} random repeats were asked for; at least 1 is needed. Use a few thousand.")


def kinds_of(sums: ArrayLike) -> tuple[Floats, Integers]:
    """Distinct rows of sums, and the clusters that have each.

    Sums are rounded to the finest grid, by column, on which every total of C draws is an exact
    float.
    """
    table = np.asarray(sums, np.float64)
    if table.ndim != 2 or not np.isfinite(table).all():
        raise UsageError(
            f"Clusters were to be resampled, but their sums have the shape {table.shape}, or some are not finite. "
            "Pass one row of finite sums per cluster."
        )
    _, exponent = np.frexp(np.abs(table).max(axis=0, initial=0.0) * len(table))
    step = np.ldexp(1.0, np.maximum(exponent - _EXACT_BITS, -1000))
    on_grid = np.rint(table / step) * step + 0.0  # -0 and 0 are one kind
    kinds, counts = np.unique(on_grid, axis=0, return_counts=True)
    return kinds, counts.astype(np.int64)


def drawn_totals(
    kinds: Floats,
    counts: Integers,
    *,
    n_boot: int,
    random_state: int,
    progress: Callable[[int], None] | None = None,
) -> Floats:
    """Sums over as many clusters as there are, drawn with replacement, again and again."""
    # equal columns (often all 0) are summed once
    columns, place = np.unique(kinds, axis=1, return_inverse=True)
    factor = columns.astype(_narrowest(columns, n_clusters=int(counts.sum())))
    totals, done = [], 0
    for hits in _drawn(counts, n_boot=n_boot, rng=generator(random_state)):
        totals.append(hits.astype(factor.dtype) @ factor)
        done += len(hits)
        if progress is not None:
            progress(done)
    return np.concatenate(totals).astype(np.float64).take(place.ravel(), axis=1)


def _drawn(counts: Integers, *, n_boot: int, rng: np.random.Generator) -> Iterator[Integers]:
    """How often each kind is drawn, for blocks of replicates."""
    n, n_kinds = int(counts.sum()), len(counts)
    kind = np.repeat(np.arange(n_kinds), counts)
    block = max(1, CELLS // n)
    for first in range(0, n_boot, block):
        rows = min(block, n_boot - first)
        drawn = kind.take(rng.integers(n, size=(rows, n))) + n_kinds * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * n_kinds).reshape(rows, n_kinds)


def _narrowest(kinds: Floats, *, n_clusters: int) -> type[np.floating]:
    """Type in which every total of `n_clusters` draws is exact: half as wide is twice as fast."""
    largest = np.abs(kinds).max(initial=0.0) * n_clusters
    return np.float32 if largest < _EXACT_IN_FLOAT32 and (kinds == np.rint(kinds)).all() else np.float64
