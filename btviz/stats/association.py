"""Association of two binary labels, from counts alone.

Every function is vectorised over many 2x2 tables and gives NaN where a value is undefined.

Interval of a share.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


Integers = NDArray[np.int64]


_LARGEST_EXACT_N = math.isqrt(np.iinfo(np.int64).max)


def joint_counts(sets: ArrayLike, *, weights: ArrayLike, size: int) -> Integers:
    """Items that carry both of two labels, for every two labels, from a histogram of label sets.

    Parameters
    ----------
    sets : array of int, shape (m,)
        Label sets as bit masks.
    weights : array of int, shape (m,)
        Items with each set.
    size : int
        Number of labels.

    Returns
    -------
    array of int64, shape (size, size)
        Symmetric; the diagonal holds the items that carry each label.
    """
    bits = np.asarray(sets, np.int64)[:, None] >> np.arange(size) & 1
    return bits.T @ (bits * np.asarray(weights, np.int64)[:, None])


@dataclass(frozen=True, eq=False)
class TwoByTwo:
    """Counts of one or many 2x2 tables; the four arrays broadcast.

    Parameters
    ----------
    n : array of int64
        Items counted.
    row, col : array of int64
        Items that carry the first, and the second, label: 0 .. `n`.
    both : array of int64
        Items that carry both: max(0, row + col - n) .. min(row, col).
    """

    n: Integers
    row: Integers
    col: Integers
    both: Integers

    def __post_init__(self) -> None:
        counts = np.broadcast_arrays(self.n, self.row, self.col, self.both)
        for name, values in zip(("n", "row", "col", "both"), counts, strict=True):
            object.__setattr__(self, name, values)

    @property
    def cells(self) -> tuple[Integers, Integers, Integers, Integers]:
        """Items with both labels, the first only, the second only, and neither."""
        return (
            self.both,
            self.row - self.both,
            self.col - self.both,
            self.n - self.row - self.col + self.both,
        )

    @property
    def has_contrast(self) -> NDArray[np.bool_]:
        """Both labels are carried by some items and not by all."""
        return (self.row > 0) & (self.row < self.n) & (self.col > 0) & (self.col < self.n)

    def excess(self, both: Integers | None = None) -> Floats:
        """``n both - row col``: n squared times the covariance of the two labels.

        The difference is exact up to 3,037,000,499 items, and of rounded products beyond.

        Parameters
        ----------
        both : array of int64, optional
            In place of the table's own joint counts.
        """
        joint = self.both if both is None else both
        if self.n.max(initial=0) <= _LARGEST_EXACT_N:
            return (self.n * joint - self.row * self.col).astype(np.float64)
        return self.n.astype(np.float64) * joint - self.row.astype(np.float64) * self.col


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> Floats:
    """Quotient, NaN where the denominator is 0 (never infinite)."""
    top, bottom = np.broadcast_arrays(
        np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    )
    quotient = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=quotient, where=bottom != 0)
    return quotient


def _product(first: ArrayLike, second: ArrayLike) -> Floats:
    return np.multiply(first, second, dtype=np.float64)


def phi(table: TwoByTwo) -> Floats:
    """Pearson correlation of two binary labels, -1 .. 1; NaN where a margin is 0 or n."""
    return ratio(table.excess(), _scale(table.n, row=table.row, col=table.col))


def _scale(n: ArrayLike, *, row: ArrayLike, col: ArrayLike) -> Floats:
    # two square roots, because the product of all four margins can pass the largest exact float
    margins = (_product(margin, np.subtract(n, margin)) for margin in (row, col))
    return np.multiply(*(np.sqrt(margin) for margin in margins))


def phi_over_extreme(table: TwoByTwo) -> Floats:
    """Phi as a share of the most extreme phi that the margins allow, -1 .. 1.

    A positive phi is divided by phi_max, reached where the rarer label occurs only with the
    other; a negative one by the size of phi_min, reached where the two meet as seldom as
    they can (Cole 1949). NaN where phi is.
    """
    excess = table.excess()
    most = table.excess(np.minimum(table.row, table.col))
    fewest = table.excess(np.maximum(table.row + table.col - table.n, 0))
    return np.where(table.has_contrast, ratio(excess, np.where(excess < 0, -fewest, most)), np.nan)


def jaccard(table: TwoByTwo) -> Floats:
    """Share of the items with either label that carry both, 0 .. 1."""
    return ratio(table.both, table.row + table.col - table.both)


def lift(table: TwoByTwo) -> Floats:
    """Joint share over the product of the two shares: 1 under independence, 0 or more."""
    return ratio(_product(table.n, table.both), _product(table.row, table.col))


def odds_ratio(table: TwoByTwo, *, added: float = 0.0) -> Floats:
    """Odds of one label with the other present, over the same odds with it absent.

    Parameters
    ----------
    table : TwoByTwo
        Counts.
    added : float
        Added to every cell; 0.5 gives the estimate of Haldane (1956) and Anscombe.

    Returns
    -------
    array of float
        0 or more; NaN where it would be infinite, or where a margin is 0 or n.
    """
    both, row_only, col_only, neither = (cell + added for cell in table.cells)
    quotient = ratio(_product(both, neither), _product(row_only, col_only))
    return np.where(table.has_contrast, quotient, np.nan)


def min_expected(table: TwoByTwo) -> Floats:
    """Smallest of the four cell counts expected under independence; NaN where n is 0."""
    rarer = (np.minimum(margin, table.n - margin) for margin in (table.row, table.col))
    return ratio(_product(*rarer), table.n)


def chi_squared_p(table: TwoByTwo) -> Floats:
    """P-value of Pearson's chi-square without continuity correction, 0 .. 1.

    With one degree of freedom the statistic is ``n phi**2`` and its tail ``erfc(sqrt(x / 2))``.
    It takes items for independent, which answers to one prompt are not.
    """
    z = np.abs(phi(table)) * np.sqrt(table.n / 2)
    return np.array([math.erfc(value) for value in z.flat]).reshape(z.shape)


def phi_given_any(margins: ArrayLike, *, n: int, n_labelled: int) -> Floats:
    """Phi that independent labels show among items kept for carrying at least one.

    Selecting items by the union of their labels makes independent labels look opposed
    (Berkson's bias). Let label i be drawn with probability q_i independently of the others and
    an item be kept if any label was drawn. Then ``P(i | kept) = q_i / t`` and
    ``P(i, j | kept) = q_i q_j / t`` with ``t = 1 - prod(1 - q_i)``. Setting ``P(i | kept)`` to
    the observed shares m_i leaves one unknown: ``t = 1 - prod(1 - t m_i)``, which has one root
    in (0, 1]; the expected joint share is ``t m_i m_j``. It is 0 where no item has two labels.

    Parameters
    ----------
    margins : array of int, shape (k,)
        Items that carry each label.
    n : int
        Items counted.
    n_labelled : int
        Those with at least one label. The rest (unsafe items for which no category holds)
        enter the margins of the 2x2 tables but not the selection.

    Returns
    -------
    array of float, shape (k, k)
        NaN where a margin is 0 or n, and on the diagonal.
    """
    counts = np.asarray(margins, np.float64)
    t = _drawn_share(ratio(counts, n_labelled))
    row, col = counts[:, None], counts[None, :]
    expected = ratio(ratio(n * t * (row * col), n_labelled) - row * col, _scale(n, row=row, col=col))
    np.fill_diagonal(expected, np.nan)
    return expected


def _drawn_share(shares: Floats) -> float:
    low, high = 0.0, 1.0
    # 1 - t exceeds the product up to the root and nowhere beyond it
    for _ in range(52):
        middle = (low + high) / 2
        if 1 - middle > np.prod(1 - middle * shares):
            low = middle
        else:
            high = middle
    return low


def wilson(count: ArrayLike, *, n: ArrayLike, level: float = 0.95) -> tuple[Floats, Floats]:
    """Score interval of a binomial share (Wilson 1927), for independent items.

    Parameters
    ----------
    count, n : array of int
        Items with the property, and all items.
    level : float
        Coverage, 0 .. 1.

    Returns
    -------
    low, high : array of float
        0 .. 1; NaN where `n` is 0.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    hits, items = np.asarray(count, np.float64), np.asarray(n, np.float64)
    misses = items - hits
    centre = ratio(hits + z * z / 2, items + z * z)
    half = ratio(z * np.sqrt(ratio(hits * misses, items) + z * z / 4), items + z * z)
    low, high = np.where(hits == 0, 0.0, centre - half), np.where(misses == 0, 1.0, centre + half)
    return np.where(items == 0, np.nan, low), np.where(items == 0, np.nan, high)
