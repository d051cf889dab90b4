"""Association of two binary labels, from counts alone: 2x2 tables and their coefficients.

Every function is vectorised over many 2x2 tables and gives NaN where a value is undefined. A new
coefficient is a function here, a record in `COEFFICIENTS`, which tables and pictures read, and a
word in the docstring of `btviz.cooccurrence`. Between two binary labels Pearson's, Spearman's and
Kendall's tau-b correlation and Matthews' coefficient are all phi.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SMALLEST_P = 1e-300
"""Least p-value that is reported: no p-value is 0, and numbers much below have lost their digits."""

_LARGEST_EXACT_N = math.isqrt(np.iinfo(np.int64).max)
_NODES = 96
_HALVINGS = 52


def joint_counts(sets: ArrayLike, *, weights: ArrayLike, size: int) -> Integers:
    """Items that carry both of two labels, for every two labels, from a histogram of label sets.

    Sets are bit masks, shape (m,), of which each occurs `weights` times. The result, shape
    (size, size), is symmetric; its diagonal holds the items that carry each label.
    """
    bits = np.asarray(sets, np.int64)[:, None] >> np.arange(size) & 1
    return bits.T @ (bits * np.asarray(weights, np.int64)[:, None])


@dataclass(frozen=True, eq=False)
class TwoByTwo:
    """Counts of one or many 2x2 tables; the four arrays broadcast."""

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


def phi_limits(table: TwoByTwo) -> tuple[Floats, Floats]:
    """Smallest and largest phi that the margins allow (Cole 1949), -1 .. 0 and 0 .. 1; NaN where phi is.

    ``phi_max = sqrt(p1 q2 / (p2 q1))`` for shares p1 <= p2: 1 only where the two are equally
    frequent.
    """
    most = np.minimum(table.row, table.col)
    fewest = np.maximum(table.row + table.col - table.n, 0)
    low, high = (phi(TwoByTwo(table.n, table.row, table.col, both)) for both in (fewest, most))
    return low, high


def jaccard(table: TwoByTwo) -> Floats:
    """Share of the items with either label that carry both, 0 .. 1."""
    return ratio(table.both, table.row + table.col - table.both)


def lift(table: TwoByTwo) -> Floats:
    """Joint share over the product of the two shares: 1 under independence, 0 or more."""
    return ratio(_product(table.n, table.both), _product(table.row, table.col))


def odds_ratio(table: TwoByTwo, *, added: float = 0.0) -> Floats:
    """Odds of one label with the other present, over the same odds with it absent.

    Adding 0.5 to every cell gives the estimate of Haldane (1956) and Anscombe. NaN where it would
    be infinite, or where a margin is 0 or n.
    """
    both, row_only, col_only, neither = (cell + added for cell in table.cells)
    quotient = ratio(_product(both, neither), _product(row_only, col_only))
    return np.where(table.has_contrast, quotient, np.nan)


def odds_ratio_of_phi(values: ArrayLike, table: TwoByTwo) -> Floats:
    """Odds ratio at which the margins of a table have a given phi.

    The joint count is ``row col / n + phi sqrt(row (n - row) col (n - col)) / n``: 0 where phi lies at or below the
    least that the margins allow, NaN where it is infinite.
    """
    n, row, col = (count.astype(np.float64) for count in (table.n, table.row, table.col))
    both = ratio(row * col + np.asarray(values, np.float64) * _scale(table.n, row=table.row, col=table.col), n)
    both = np.minimum(np.maximum(both, np.maximum(row + col - n, 0)), np.minimum(row, col))
    agreeing, differing = both * (n - row - col + both), (row - both) * (col - both)
    return np.where(table.has_contrast, ratio(agreeing, differing), np.nan)


def yules_q(table: TwoByTwo) -> Floats:
    """``(OR - 1) / (OR + 1)`` of the odds ratio: ``(ad - bc) / (ad + bc)`` (Yule 1900), -1 .. 1.

    It reaches either end where a single cell is 0; NaN where a margin is 0 or n.
    """
    both, row_only, col_only, neither = (cell.astype(np.float64) for cell in table.cells)
    concordant, discordant = both * neither, row_only * col_only
    return ratio(concordant - discordant, concordant + discordant)


def mutual_information(table: TwoByTwo, *, corrected: bool = True) -> Floats:
    """Mutual information of two labels, in bits.

    The plug-in value is biased upwards. The correction of Miller and Madow (1955) adds
    ``(m - 1) / (2 n)`` nats to each entropy, m the cells (or margins) that are not 0: with
    four cells filled it takes ``1 / (2 n ln 2)`` bits off.

    Returns
    -------
    array of float
        Plug-in: 0 .. 1. Corrected: it may fall below 0 where the labels are nearly
        independent; it is 0 where one never varies. NaN where n is 0.
    """
    joint = np.stack(table.cells, axis=-1)
    rows, cols = (np.stack([margin, table.n - margin], axis=-1) for margin in (table.row, table.col))
    information = _entropy(rows, corrected=corrected) + _entropy(cols, corrected=corrected)
    information = information - _entropy(joint, corrected=corrected)
    return information if corrected else np.maximum(information, 0.0)  # rounding may leave it a hair below


def _entropy(cells: Integers, *, corrected: bool) -> Floats:
    counts = np.sort(cells, axis=-1)  # so that a table and its transpose give the same bits
    n = counts.sum(axis=-1)
    shares = ratio(counts, n[..., None])
    nats = -(shares * np.log(np.where(shares > 0, shares, 1))).sum(axis=-1)
    if corrected:
        nats = nats + ratio((counts > 0).sum(axis=-1) - 1, 2 * n)
    bits: Floats = nats / math.log(2)
    return bits


def tetrachoric(table: TwoByTwo) -> Floats:
    """Maximum-likelihood tetrachoric correlation, -1 .. 1.

    A 2x2 table has three free proportions and the model three parameters, so the likelihood
    is highest where the model fits the table exactly: thresholds from the margins, and the
    correlation at which the bivariate normal puts the observed share above both (Pearson
    1900; Hamdan 1970).

    Returns
    -------
    array of float
        NaN where one of the four cells is 0: the likelihood then grows up to -1 or 1.
    """
    solvable = np.logical_and.reduce([cell > 0 for cell in table.cells])
    result = np.full(solvable.shape, np.nan)
    n = table.n[solvable].astype(np.float64)
    thresholds = _threshold(table.row[solvable] / n), _threshold(table.col[solvable] / n)
    result[solvable] = np.sin(_angle(table.excess()[solvable] / n**2, thresholds=thresholds))
    return result


def _threshold(share: Floats) -> Floats:
    normal = NormalDist()
    return np.array([-normal.inv_cdf(value) for value in share])


def _angle(excess: Floats, *, thresholds: tuple[Floats, Floats]) -> Floats:
    low: Floats = np.full(excess.shape, -np.pi / 2)
    high: Floats = -low
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        too_high = orthant_excess(middle, thresholds=thresholds) > excess
        low, high = np.where(too_high, low, middle), np.where(too_high, middle, high)
    return (low + high) / 2


def orthant_excess(angle: ArrayLike, *, thresholds: tuple[Floats, Floats]) -> Floats:
    """``P(X > h, Y > k) - P(X > h) P(Y > k)`` of a standard bivariate normal.

    The derivative of the probability with respect to the correlation is the density at
    (h, k); with correlation ``sin(angle)`` the singular factor of the density cancels
    (Drezner & Wesolowsky 1990, Genz 2004). Gauss-Legendre quadrature over the angle.

    Parameters
    ----------
    angle : array, shape (m,)
        Arc sine of the correlation, radians, -pi/2 .. pi/2.
    thresholds : tuple of two arrays, shape (m,)
        h and k.
    """
    h, k = (threshold[:, None] for threshold in thresholds)
    end = np.asarray(angle, np.float64)[:, None]
    nodes, weights = _quadrature()
    at = end * nodes
    sine, cosine = np.sin(at), np.cos(at)
    exponent = (h * h + k * k - 2 * h * k * sine) / (2 * cosine * cosine)
    # summed row by row, so that a table and its transpose give the same bits
    integral: Floats = (np.exp(-exponent) * weights).sum(axis=1) * end[:, 0]
    return integral / (2 * np.pi)


@lru_cache(maxsize=1)
def _quadrature() -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return (nodes + 1) / 2, weights / 2


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
    tails = [math.erfc(value) for value in z.flat]
    return np.array([tail if math.isnan(tail) else max(tail, SMALLEST_P) for tail in tails]).reshape(z.shape)


def phi_given_any(margins: ArrayLike, *, n: int, n_labelled: int) -> Floats:
    """Phi that independent labels show among items kept for carrying at least one.

    Selecting items by the union of their labels makes independent labels look opposed
    (Berkson's bias). Let label i be drawn with probability q_i independently of the others and
    an item be kept if any label was drawn. Then ``P(i | kept) = q_i / t`` and
    ``P(i, j | kept) = q_i q_j / t`` with ``t = 1 - prod(1 - q_i)``. Setting ``P(i | kept)`` to
    the observed shares m_i leaves one unknown: ``t = 1 - prod(1 - t m_i)``, which has one root
    in (0, 1]; the expected joint share is ``t m_i m_j``. It is 0 where no item has two labels.
    """
    counts = np.asarray(margins, np.float64)
    t = drawn_share(ratio(counts, n_labelled))
    row, col = counts[:, None], counts[None, :]
    expected = ratio(ratio(n * t * (row * col), n_labelled) - row * col, _scale(n, row=row, col=col))
    np.fill_diagonal(expected, np.nan)
    return expected


def drawn_share(shares: Floats) -> float:
    """Share t of drawn items that were kept for having any label, see `phi_given_any`."""
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
    """Score interval of a binomial share (Wilson 1927), for independent items; NaN where `n` is 0."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    hits, items = np.asarray(count, np.float64), np.asarray(n, np.float64)
    misses = items - hits
    centre = ratio(hits + z * z / 2, items + z * z)
    half = ratio(z * np.sqrt(ratio(hits * misses, items) + z * z / 4), items + z * z)
    low, high = np.where(hits == 0, 0.0, centre - half), np.where(misses == 0, 1.0, centre + half)
    return np.where(items == 0, np.nan, low), np.where(items == 0, np.nan, high)


@dataclass(frozen=True, slots=True)
class Coefficient:
    """One coefficient of two labels: a column of `btviz.cooccurrence` that a picture can show."""

    key: str
    title: str
    scale: str
    limits: str
    formula: str
    undefined: str
    value: Callable[[TwoByTwo], Floats] | None


_CONSTANT = "where no item, or every item, has a label"

COEFFICIENTS = (
    Coefficient("phi", "φ", "signed", "-1 .. 1", "(ad - bc) / sqrt((a+b)(c+d)(a+c)(b+d))", _CONSTANT, phi),
    Coefficient(
        "phi_over_extreme",
        "φ as a share of the most it could be",
        "signed",
        "-1 .. 1",
        "phi / phi_max, or phi / -phi_min where phi < 0",
        _CONSTANT,
        phi_over_extreme,
    ),
    Coefficient(
        "phi_min",
        "Smallest φ that the margins allow",
        "signed",
        "-1 .. 0",
        "phi at a = max(0, (a+b) + (a+c) - n)",
        _CONSTANT,
        lambda table: phi_limits(table)[0],
    ),
    Coefficient(
        "phi_max",
        "Largest φ that the margins allow",
        "unit",
        "0 .. 1",
        "phi at a = min(a+b, a+c)",
        _CONSTANT,
        lambda table: phi_limits(table)[1],
    ),
    Coefficient(
        "phi_expected",
        "φ expected of independent labels",
        "signed",
        "-1 .. 1",
        "see `phi_given_any`",
        f"{_CONSTANT}, and unless items were kept for having a label",
        None,
    ),
    Coefficient(
        "tetrachoric",
        "Tetrachoric correlation",
        "signed",
        "-1 .. 1",
        "correlation of the bivariate normal that fits the table",
        "where a cell is 0",
        tetrachoric,
    ),
    Coefficient("yules_q", "Yule's Q", "signed", "-1 .. 1", "(ad - bc) / (ad + bc)", _CONSTANT, yules_q),
    Coefficient("jaccard", "Jaccard index", "unit", "0 .. 1", "a / (a+b+c)", "where no item has either", jaccard),
    Coefficient(
        "p_col_given_row",
        "P(column | row)",
        "unit",
        "0 .. 1",
        "a / (a+b)",
        "where no item has the row's",
        lambda table: ratio(table.both, table.row),
    ),
    Coefficient("lift", "Lift", "ratio", "0 ..", "n a / ((a+b)(a+c))", "where no item has one of them", lift),
    Coefficient("odds_ratio", "Odds ratio", "ratio", "0 ..", "ad / bc", f"{_CONSTANT}, and where bc = 0", odds_ratio),
    Coefficient(
        "odds_ratio_haldane",
        "Odds ratio, 0.5 added to each cell",
        "ratio",
        "0 ..",
        "(a+½)(d+½) / ((b+½)(c+½))",
        _CONSTANT,
        lambda table: odds_ratio(table, added=0.5),
    ),
    Coefficient(
        "mutual_information",
        "Mutual information, in bits",
        "unit",
        "0 .. 1",
        "sum over the cells of p log2(p / (share of its row * share of its column))",
        "nowhere",
        lambda table: mutual_information(table, corrected=False),
    ),
    Coefficient(
        "mutual_information_corrected",
        "Mutual information less its bias, in bits",
        "signed",
        "about 0 .. 1",
        "entropies of both labels less that of the cells, each corrected after Miller and Madow",
        "nowhere",
        mutual_information,
    ),
    Coefficient("n_both", "Items with both", "count", "0 ..", "a", "nowhere", None),
)
"""Every coefficient, in the order of tables and menus."""
