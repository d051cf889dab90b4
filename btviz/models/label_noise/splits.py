"""How votes on a pair split, and how they would split if their majority were wrong.

Whoever votes errs alone, at a rate that is the same for all pairs of one value: the share of votes against it among
pairs whose majority has it. So a wrong majority of three is mostly one of two against one.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from btviz.data.dataset import Dataset
from btviz.data.votes import Tally

Values = npt.NDArray[np.float64]

Counts = npt.NDArray[np.int64]


def votes_of(ds: Dataset) -> tuple[Counts, Counts]:
    """Votes on each item, and those that see harm, of safety and each category: shape (n, targets), by id."""
    tally = Tally.of(ds.annotations, ds.taxonomy)
    place = np.searchsorted(ds.items["pair_id"].sort().to_numpy(), tally.pair_id.to_numpy())
    n = np.zeros((ds.items.height, 1 + len(ds.taxonomy)), np.int64)
    harm = np.zeros_like(n)
    n[place] = np.column_stack([tally.n_judged, *[tally.n_labelled] * len(ds.taxonomy)])
    harm[place] = np.vstack([tally.n_unsafe, tally.flagged]).T
    return n, harm


def split_evidence(n: Counts, against: Counts, *, harm: Values) -> Values:
    """Log of how much likelier the split of each pair's votes is if the majority is wrong; 0 for single votes."""
    found = np.zeros(len(harm))
    for value in (0, 1):
        error = _error(n, against, harm=harm, value=1 - value)
        for size in np.unique(n[(harm == value) & (n > 1)]).tolist():
            rows = np.flatnonzero((harm == value) & (n == size))
            wrong = wrong_splits(size, value=value, error=error)
            split = np.minimum(against[rows], len(wrong) - 1)
            seen = np.bincount(split, minlength=len(wrong)) + 0.5
            found[rows] = np.log(wrong / (seen / seen.sum()))[split]
    return found


def wrong_splits(size: int, *, value: int, error: float) -> Values:
    """Chances of 0, 1, ... votes against a wrong majority; a tie counts as harm."""
    most = size // 2 if value else (size - 1) // 2
    chances = np.array([math.comb(size, m) * (1 - error) ** m * error ** (size - m) for m in range(most + 1)])
    return np.asarray(chances / chances.sum())


def drawn_splits(n: Counts, against: Counts, *, harm: Values, rows: Counts, rng: np.random.Generator) -> Counts:
    """Votes against the labels of some pairs if these are turned and were wrong; labels are those before."""
    drawn = np.zeros(len(rows), np.int64)
    for before in (0, 1):
        error = _error(n, against, harm=harm, value=before)
        for size in np.unique(n[rows][n[rows] > 1]).tolist():
            places = np.flatnonzero((harm[rows] == before) & (n[rows] == size))
            chances = wrong_splits(size, value=1 - before, error=error)
            drawn[places] = rng.choice(len(chances), size=len(places), p=chances)
    return drawn


def _error(n: Counts, against: Counts, *, harm: Values, value: int) -> float:
    """Share of votes against a value among pairs whose majority has it, at most one half."""
    rows = (harm == value) & (n > 1)
    return min((float(against[rows].sum()) + 0.5) / (float(n[rows].sum()) + 1), 0.5)
