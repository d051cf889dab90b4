"""Resampling of clusters: the one bootstrap of whatever has no interval in closed form.

Answers to one prompt are not independent, so prompts are resampled, not items. Clusters are drawn
with replacement by `draws`; from there a statistic is either a function of sums (`bootstrap`: each
cluster's sums are enough, and all replicates are one matrix product) or of every item
(`reweighted`: items count as often as their cluster was drawn).

Clusters with equal sums are drawn as one kind, and sums are rounded to a grid on which no product
or partial sum of the draws is rounded again. What `bootstrap` gives therefore depends on the seed
and on the clusters' sums alone: neither on their order nor on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from btviz.errors import UsageError
from btviz.stats.association import Floats, Integers

Statistic = Callable[[Floats], Floats]
"""From sums, shape (R, k), to values, shape (R, m); NaN where a value is undefined."""

Weighted = Callable[[Floats], Floats]
"""From weights of clusters, shape (R, C), to values, shape (R, m); NaN where undefined."""

FEWEST_REPLICATES = 39
"""Replicates that an interval needs: with fewer, neither tail of 2.5 % holds a replicate."""

CELLS = 2**21
"""Numbers drawn at a time: 16 MB."""

_CELLS_WEIGHTED = 2**18  # 2 MB, which stay in the cache
_UNDEFINED = 0.05
"""Share of replicates that may lack a class before a reweighted statistic has no interval."""

_EXACT_BITS = 52
_EXACT_IN_FLOAT32 = 2**24


@dataclass(frozen=True)
class Resampling:
    """How intervals and p-values are drawn."""

    n_boot: int
    random_state: int
    progress: Callable[[float], None] | None = None

    def __post_init__(self) -> None:
        generator(self.random_state)
        if self.n_boot < FEWEST_REPLICATES:
            raise UsageError(
                f"{self.n_boot} bootstrap replicates were asked for; a 95 % interval needs {FEWEST_REPLICATES} or "
                "more. Use a few thousand."
            )

    def report(self, done: float) -> None:
        """Tell the share that is done, to whom it may concern."""
        if self.progress is not None:
            self.progress(done)


@dataclass(frozen=True, eq=False)
class Level:
    """One level of a grouping: which items belong to it."""

    grouping: str
    name: str
    member: NDArray[np.bool_]


def members(levels: Sequence[Level]) -> NDArray[np.bool_]:
    """Membership of all levels, shape (n, levels)."""
    return np.column_stack([level.member for level in levels])


@dataclass(frozen=True, eq=False)
class Interval:
    """Percentile bootstrap interval of each value of a statistic."""

    estimate: Floats
    low: Floats
    high: Floats
    replicates: Floats
    n_clusters: int


def cluster_sums(values: ArrayLike, *, clusters: ArrayLike) -> Floats:
    """Sums over the items of each cluster, one row per cluster in ascending order of `clusters`.

    Values have one row per item, shape (n, k) or (n,), and clusters are of any sortable type.
    """
    rows, keys = np.asarray(values, np.float64), np.asarray(clusters)
    if len(rows) != len(keys):
        raise UsageError(
            f"Sums by cluster were asked for, but there are {len(rows)} rows and {len(keys)} cluster ids. "
            "Pass one id per row."
        )
    if not len(keys):
        return np.zeros((0, *rows.shape[1:]))
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    sums: Floats = np.add.reduceat(rows[order], starts, axis=0)
    return sums


def bootstrap(
    sums: ArrayLike,
    statistic: Statistic,
    *,
    n_boot: int = 2000,
    random_state: int = 0,
    confidence: float = 0.95,
    progress: Callable[[int], None] | None = None,
) -> Interval:
    """Interval of a function of sums, drawing whole clusters with replacement."""
    check_repeats(n_boot)
    generator(random_state)
    kinds, counts = kinds_of(sums)
    estimate = _apply(statistic, (counts.astype(np.float64) @ kinds)[None])[0]

    def replicate() -> Floats:
        return _apply(statistic, _drawn_totals(kinds, counts, n_boot, random_state, progress))

    return _interval(estimate, replicate, n_clusters=int(counts.sum()), n_boot=n_boot, confidence=confidence)


def reweighted(
    statistic: Weighted,
    *,
    n_clusters: int,
    width: int,
    n_boot: int = 2000,
    random_state: int = 0,
    confidence: float = 0.95,
    multinomial: bool = False,
) -> Interval:
    """Interval of a statistic of weighted clusters, drawing clusters with replacement.

    Replicates in which the value is undefined (a class was not drawn) are left out of the
    quantiles; where they are more than one in twenty there is no interval.
    """
    check_repeats(n_boot)
    each = np.ones(n_clusters, np.int64)
    estimate = statistic(np.ones((1, n_clusters)))[0]
    block = max(1, _CELLS_WEIGHTED // max(width, n_clusters, 1))

    def replicate() -> Floats:
        drawn = draws(each, n_boot=n_boot, random_state=random_state, block=block, multinomial=multinomial)
        return np.concatenate([statistic(hits.astype(np.float64)) for hits in drawn])

    return _interval(
        estimate, replicate, n_clusters=n_clusters, n_boot=n_boot, confidence=confidence, undefined=_UNDEFINED
    )


def draws(
    counts: Integers, *, n_boot: int, random_state: int, block: int, multinomial: bool = False
) -> Iterator[Integers]:
    """How often each kind of cluster is drawn, in blocks of at most `block` replicates.

    As many clusters are drawn as there are, with replacement: one after the other, or `multinomial`,
    which has the same distribution and gives a seed the numbers it has always had for rank
    correlations. The size of the blocks changes nothing but the memory.
    """
    rng = generator(random_state)
    n, n_kinds = int(counts.sum()), len(counts)
    kind = np.repeat(np.arange(n_kinds), counts)
    for first in range(0, n_boot, block):
        rows = min(block, n_boot - first)
        if multinomial:
            yield rng.multinomial(n, counts / n, size=rows)
            continue
        drawn = kind.take(rng.integers(n, size=(rows, n))) + n_kinds * np.arange(rows)[:, None]
        yield np.bincount(drawn.ravel(), minlength=rows * n_kinds).reshape(rows, n_kinds)


def _interval(
    estimate: Floats,
    replicate: Callable[[], Floats],
    *,
    n_clusters: int,
    n_boot: int,
    confidence: float,
    undefined: float = 0.0,
) -> Interval:
    """Percentile interval, where at most a share of `undefined` of the replicates has no value."""
    if not 0 < confidence < 1:
        raise UsageError(f"A confidence of {confidence} was asked for; it lies between 0 and 1. Use 0.95.")
    low, high = np.full((2, len(estimate)), np.nan)
    if n_clusters < 2:
        return Interval(estimate, low, high, np.full((n_boot, len(estimate)), np.nan), n_clusters)
    replicates = replicate()
    finite = np.isfinite(replicates)
    known = np.isfinite(estimate) & (finite.mean(axis=0) >= 1 - undefined)
    levels = [0.5 - confidence / 2, 0.5 + confidence / 2]
    for column in np.flatnonzero(known):
        low[column], high[column] = np.quantile(replicates[finite[:, column], column], levels)
    return Interval(estimate, low, high, replicates, n_clusters)


def _apply(statistic: Statistic, sums: Floats) -> Floats:
    values = np.asarray(statistic(sums), np.float64)
    if values.ndim != 2 or len(values) != len(sums):
        raise UsageError(
            f"A statistic of {len(sums)} rows of sums gave values of the shape {values.shape}. "
            "Return one row of values for each row of sums."
        )
    return np.where(np.isfinite(values), values, np.nan)


def _drawn_totals(
    kinds: Floats, counts: Integers, n_boot: int, random_state: int, progress: Callable[[int], None] | None
) -> Floats:
    """Sums over as many clusters as there are, drawn with replacement, again and again."""
    # equal columns (often all 0) are summed once
    columns, place = np.unique(kinds, axis=1, return_inverse=True)
    n_clusters = int(counts.sum())
    factor = columns.astype(_narrowest(columns, n_clusters=n_clusters))
    totals, done = [], 0
    for hits in draws(counts, n_boot=n_boot, random_state=random_state, block=max(1, CELLS // n_clusters)):
        totals.append(hits.astype(factor.dtype) @ factor)
        done += len(hits)
        if progress is not None:
            progress(done)
    return np.concatenate(totals).astype(np.float64).take(place.ravel(), axis=1)


def generator(random_state: int) -> np.random.Generator:
    """Random numbers of a seed; UsageError if it is negative."""
    if random_state < 0:
        raise UsageError(f"The seed {random_state} was given; a seed is 0 or more. Use 0.")
    return np.random.default_rng(random_state)


def check_repeats(repeats: int) -> None:
    """Raise UsageError for fewer than one random repeat."""
    if repeats < 1:
        raise UsageError(f"{repeats} random repeats were asked for; at least 1 is needed. Use a few thousand.")


def check_draws(n_boot: int, random_state: int) -> None:
    """Raise UsageError for draws that make no sense, also where intervals turned out to need none."""
    check_repeats(n_boot)
    generator(random_state)


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


def _narrowest(kinds: Floats, *, n_clusters: int) -> type[np.floating]:
    """Type in which every total of `n_clusters` draws is exact: half as wide is twice as fast."""
    largest = np.abs(kinds).max(initial=0.0) * n_clusters
    return np.float32 if largest < _EXACT_IN_FLOAT32 and (kinds == np.rint(kinds)).all() else np.float64
