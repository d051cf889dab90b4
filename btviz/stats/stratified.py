"""Association of two binary labels within strata: Cochran-Mantel-Haenszel and homogeneity."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from btviz.errors import require
from btviz.stats.association import SMALLEST_P, Floats, TwoByTwo, ratio
from btviz.stats.quantiles import normal_quantile


@dataclass(frozen=True, eq=False)
class Stratified:
    """Association within strata, pooled; p-values take items for independent.

    Attributes
    ----------
    odds_ratio : array of float
        Common odds ratio of Mantel and Haenszel; NaN where it would be infinite.
    log_odds_se : array of float
        Standard error of its logarithm (Robins, Breslow and Greenland 1986); NaN where that
        is infinite.
    statistic, p_value : array of float
        Cochran-Mantel-Haenszel chi-square without continuity correction, one degree of
        freedom; NaN where no stratum has contrast.
    homogeneity, homogeneity_p : array of float
        Breslow-Day chi-square with Tarone's correction, and its tail with one degree of
        freedom fewer than strata with contrast; NaN with fewer than two of them or without a
        finite, positive common odds ratio.
    n_strata : array of int64
        Strata with contrast in both labels; only these carry information.
    """

    odds_ratio: Floats
    log_odds_se: Floats
    statistic: Floats
    p_value: Floats
    homogeneity: Floats
    homogeneity_p: Floats
    n_strata: NDArray[np.int64]


def common_odds_ratio(tables: TwoByTwo) -> Floats:
    """Odds ratio common to all strata (Mantel and Haenszel 1959).

    ``sum(a d / n) / sum(b c / n)`` over the last axis: a function of the strata's counts, so
    that a bootstrap can pass many replicates at once, shape (R, S).

    Returns
    -------
    array of float
        0 or more; NaN where it would be infinite or no stratum has contrast.
    """
    agree, differ = _mantel_haenszel(tables)
    return np.where(tables.has_contrast.any(axis=-1), ratio(agree.sum(axis=-1), differ.sum(axis=-1)), np.nan)


def cochran_mantel_haenszel(tables: TwoByTwo) -> Stratified:
    """Test association of two labels within strata, and whether its odds ratio is the same in all."""
    special = require("scipy.special", extra="stats")
    contrast = tables.has_contrast
    n_strata = contrast.sum(axis=-1)
    n, row, col = (np.where(contrast, count, 0).astype(np.float64) for count in (tables.n, tables.row, tables.col))
    expected = ratio(row * col, n)
    variance = ratio(expected * (n - row) * (n - col), n * (n - 1))
    departure = np.where(contrast, tables.both - expected, 0.0).sum(axis=-1)
    statistic = ratio(departure**2, np.where(contrast, variance, 0.0).sum(axis=-1))
    common = common_odds_ratio(tables)
    homogeneity = _breslow_day(tables, common=common)
    # np.maximum keeps NaN
    p_value = np.maximum(special.chdtrc(1, statistic), SMALLEST_P)
    homogeneity_p = np.maximum(special.chdtrc(np.maximum(n_strata - 1, 1), homogeneity), SMALLEST_P)
    return Stratified(common, _log_odds_se(tables), statistic, p_value, homogeneity, homogeneity_p, n_strata)


def conditional_interval(
    tables: TwoByTwo, *, design_effect: float = 1.0, confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of the logarithm of the odds ratio common to all strata, given their margins, where counts are small.

    Margins tell nothing of the odds ratio, so given these the joint count of a stratum is noncentral hypergeometric
    (Cornfield 1956, Gart 1970). An end is where the sum of the joint counts, half an item less extreme, lies as many
    standard deviations from its mean as the normal quantile; means and variances are exact. Where items are not
    independent, the variance and the correction are larger by `design_effect`: of copies, items over their effective
    number.

    Parameters
    ----------
    tables : TwoByTwo
        Counts of strata, shape (S,).
    design_effect : float
        Variance of the joint count over that of independent items, 1 or more.
    confidence : float
        Level, 0 .. 1.

    Returns
    -------
    tuple of two floats
        An end is infinite where the joint count is, but for the correction, the least or largest that the margins
        allow.
    """
    n, row, col, both = (
        np.atleast_1d(count).astype(np.int64) for count in (tables.n, tables.row, tables.col, tables.both)
    )
    tells = np.atleast_1d(tables.has_contrast)
    n, row, col, both = n[tells], row[tells], col[tells], both[tells]
    least, most = np.maximum(0, row + col - n), np.minimum(row, col)
    counts = _JointCounts.of(n, row=row, col=col, least=least, most=most)
    reach = normal_quantile(confidence) * math.sqrt(design_effect)
    seen, half = float(both.sum()), design_effect / 2

    def end(side: int) -> float:
        """Where the count leaves the mean behind on one side: 1 for the low end, -1 for the high one."""
        if side * (seen - (least if side > 0 else most).sum()) <= half:
            return -side * math.inf
        low, high = -_WIDEST, _WIDEST
        for _ in range(_STEPS):
            middle = (low + high) / 2
            mean, variance = counts.moments(middle)
            above = side * (seen - mean) - half > reach * math.sqrt(variance)
            low, high = (middle, high) if above == (side > 0) else (low, middle)
        return (low + high) / 2

    return end(1), end(-1)


def detectable_odds_ratios(
    tables: TwoByTwo, *, reach: tuple[float, float], design_effects: tuple[float, float] = (1.0, 1.0)
) -> tuple[float, float]:
    """Odds ratios common to all strata, below and above 1 and nearest to it, that a test within these detects.

    As in `conditional_interval` joint counts have the moments that margins give them; what was counted jointly plays
    no part. The mean sought lies as many standard deviations of independence and of the ratio sought from that of
    independence as level and power ask for.

    Parameters
    ----------
    tables : TwoByTwo
        Counts of strata, shape (S,).
    reach : tuple of two floats
        Standard deviations for the level and for the power, see `btviz.stats.power.reaches`.
    design_effects : tuple of two floats
        Of the joint count if labels are independent, and if not.

    Returns
    -------
    tuple of two floats
        0 .. 1 and 1 ..; NaN where the margins allow none so far from 1.
    """
    n, row, col = (np.atleast_1d(count).astype(np.int64) for count in (tables.n, tables.row, tables.col))
    tells = np.atleast_1d(tables.has_contrast)
    if not tells.any():
        return math.nan, math.nan
    n, row, col = n[tells], row[tells], col[tells]
    least, most = np.maximum(0, row + col - n), np.minimum(row, col)
    counts = _JointCounts.of(n, row=row, col=col, least=least, most=most)
    null, variance = counts.moments(0.0)
    needed = reach[0] * math.sqrt(design_effects[0] * variance)

    def found(side: int) -> float:
        low, high = 0.0, _WIDEST
        for _ in range(_STEPS):
            middle = (low + high) / 2
            mean, spread = counts.moments(side * middle)
            enough = side * (mean - null) >= needed + reach[1] * math.sqrt(design_effects[1] * spread)
            low, high = (low, middle) if enough else (middle, high)
        return math.exp(side * high) if high < _WIDEST else math.nan

    return found(-1), found(1)


_WIDEST, _STEPS = 40.0, 60


@dataclass(frozen=True, eq=False)
class _JointCounts:
    """Joint counts that the margins of strata allow, one after another, with the logarithm of their weights."""

    count: Floats
    weight: Floats
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        n: NDArray[np.int64],
        *,
        row: NDArray[np.int64],
        col: NDArray[np.int64],
        least: NDArray[np.int64],
        most: NDArray[np.int64],
    ) -> _JointCounts:
        log_factorial = require("scipy.special", extra="stats").gammaln
        sizes = most - least + 1
        starts = np.cumsum(sizes) - sizes
        n, row, col = (np.repeat(values, sizes) for values in (n, row, col))
        count = np.arange(sizes.sum()) - np.repeat(starts - least, sizes)
        cells = (count, row - count, col - count, n - row - col + count)
        return cls(count.astype(np.float64), -sum(log_factorial(cell + 1.0) for cell in cells), starts, sizes)

    def moments(self, log_odds: float) -> tuple[float, float]:
        """Mean and variance of the sum over strata."""
        logarithm = self.weight + self.count * log_odds
        share = np.exp(logarithm - np.repeat(np.maximum.reduceat(logarithm, self.starts), self.sizes))
        share /= np.repeat(np.add.reduceat(share, self.starts), self.sizes)
        mean = np.add.reduceat(share * self.count, self.starts)
        apart = self.count - np.repeat(mean, self.sizes)
        return float(mean.sum()), float((share * apart**2).sum())


def _mantel_haenszel(tables: TwoByTwo) -> tuple[Floats, Floats]:
    both, row_only, col_only, neither = (cell.astype(np.float64) for cell in tables.cells)
    n = np.where(tables.n > 0, tables.n, 1)
    return both * neither / n, row_only * col_only / n


def _log_odds_se(tables: TwoByTwo) -> Floats:
    both, row_only, col_only, neither = (cell.astype(np.float64) for cell in tables.cells)
    n = np.where(tables.n > 0, tables.n, 1)
    agree, differ = _mantel_haenszel(tables)
    same, other = (both + neither) / n, (row_only + col_only) / n
    total_agree, total_differ = agree.sum(axis=-1), differ.sum(axis=-1)
    variance = (
        ratio((same * agree).sum(axis=-1), 2 * total_agree**2)
        + ratio((same * differ + other * agree).sum(axis=-1), 2 * total_agree * total_differ)
        + ratio((other * differ).sum(axis=-1), 2 * total_differ**2)
    )
    return np.sqrt(variance)


def _breslow_day(tables: TwoByTwo, *, common: Floats) -> Floats:
    contrast = tables.has_contrast
    fitted = _fitted_both(tables, odds=np.asarray(common)[..., None])
    n, row, col = (count.astype(np.float64) for count in (tables.n, tables.row, tables.col))
    with np.errstate(divide="ignore", invalid="ignore"):
        cells = (fitted, row - fitted, col - fitted, n - row - col + fitted)
        variance = np.where(contrast, 1 / sum(1 / cell for cell in cells), 0.0)
    gap = np.where(contrast, tables.both - fitted, 0.0)
    plain = np.where(contrast, ratio(gap**2, variance), 0.0).sum(axis=-1)
    tarone = ratio(gap.sum(axis=-1) ** 2, variance.sum(axis=-1))
    defined = (contrast.sum(axis=-1) > 1) & (common > 0)
    return np.where(
        defined, np.maximum(plain - tarone, 0.0), np.nan
    )  # of equal strata rounding would leave less than 0


def _fitted_both(tables: TwoByTwo, *, odds: ArrayLike) -> Floats:
    """Joint count at which a table of these margins has a given odds ratio."""
    n, row, col = (count.astype(np.float64) for count in (tables.n, tables.row, tables.col))
    psi = np.asarray(odds, np.float64)
    linear = n + (row + col) * (psi - 1)
    root = np.sqrt(linear**2 - 4 * psi * (psi - 1) * row * col)
    # this form of the root has no difference of nearly equal terms where psi is near 1
    return ratio(2 * psi * row * col, linear + root)
