"""One cell of a grid: data sets of one kind, and how often their intervals hold the truth."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from btviz.scores import calibration
from btviz.stats import clustered, separation, smooth
from btviz.stats.association import Floats, Integers

SIZES = ("single", "equal", "uneven", "one has 30 %", "five have 60 %")
CELLS = 200_000

COLUMNS = ("cell", "effective prompts", "shown", "covers, if shown", "covers, of all", "bounded")


@dataclass
class Seen:
    """What the draws of one cell showed."""

    draws: int = 0
    shown: int = 0
    held: int = 0
    bounded: int = 0
    effective: float = 0.0

    def add(self, low: Floats, high: Floats, *, truth: float, effective: ArrayLike, bounded: ArrayLike = 0) -> None:
        """Count draws with their ends, NaN where none are shown."""
        shown = np.isfinite(low)
        high = np.where(shown & ~np.isfinite(high), np.inf, high)
        self.draws += len(shown)
        self.shown += int(shown.sum())
        self.held += int(((low <= truth) & (truth <= high))[shown].sum())
        self.bounded += int(np.broadcast_to(bounded, shown.shape)[shown].sum())
        self.effective += float(np.broadcast_to(effective, shown.shape).sum())

    def line(self, name: str, *, spread: float = 0.0) -> str:
        """One row of the table; `spread` is ``p (1 - p)`` of a share, by which coverage may be called too high."""
        effective = self.effective / self.draws
        if not self.shown:
            return f"{name} | {effective:.0f} | 0 % | – | – | –"
        cover = self.held / self.shown
        error = math.sqrt(cover * (1 - cover) / self.shown)
        flag = " LOW" if cover < 0.93 - 2 * math.sqrt(0.93 * 0.07 / self.shown) else ""
        if effective * spread >= 10 and cover > 0.97 + 2 * math.sqrt(0.97 * 0.03 / self.shown):
            flag = " HIGH"
        return (
            f"{name} | {effective:.0f} | {self.shown / self.draws:.1%} | {cover:.1%} ± {error:.1%} | "
            f"{self.held / self.draws:.1%} | {self.bounded / self.shown:.0%}{flag}"
        )


def sizes(rng: np.random.Generator, kind: str, *, prompts: int, draws: int) -> Integers:
    """Items of each prompt, shape (prompts, draws)."""
    if kind == "uneven":
        return np.ceil(rng.lognormal(1, 1, (prompts, draws))).astype(np.int64)
    n = np.full((prompts, draws), {"single": 1, "equal": 5}.get(kind, 4))
    if kind == "one has 30 %":
        n[0] = round(0.3 / 0.7 * 4 * (prompts - 1))
    if kind == "five have 60 %":
        n[:5] = round(0.6 / 0.4 * 4 * (prompts - 5) / 5)
    return n


def blocks(prompts: int, draws: int) -> Iterator[int]:
    """Draws at a time, so that a block fits memory."""
    most = max(1, CELLS // prompts)
    for first in range(0, draws, most):
        yield min(most, draws - first)


def quantiles_by_scipy() -> None:
    """Take quantiles from SciPy, which has them for whole arrays; the tests hold ours against it."""

    def t_quantile(confidence: float, *, df: ArrayLike) -> Floats:
        freedom = np.asarray(df, np.float64)
        return np.where(freedom > 0, special.stdtrit(np.where(freedom > 0, freedom, 1), (1 + confidence) / 2), np.nan)

    def clopper_pearson(count: ArrayLike, *, n: ArrayLike, confidence: float = 0.95) -> tuple[Floats, Floats]:
        hits, items = np.broadcast_arrays(np.asarray(count, np.float64), np.asarray(n, np.float64))
        tail, misses = (1 - confidence) / 2, items - hits
        low = np.where(hits > 0, special.betaincinv(np.maximum(hits, 1e-9), misses + 1, tail), 0.0)
        high = np.where(misses > 0, special.betaincinv(hits + 1, np.maximum(misses, 1e-9), 1 - tail), 1.0)
        return np.where(items > 0, low, np.nan), np.where(items > 0, high, np.nan)

    for module in (clustered, separation, smooth, calibration):
        module.t_quantile = t_quantile
    clustered.clopper_pearson = clopper_pearson
