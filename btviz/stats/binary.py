"""Further association of two binary labels: chance-corrected, information, paired.

Phi, its share of the attainable, odds ratio, lift and Jaccard stand in `association`, the
tetrachoric in `tetrachoric`, tables by stratum in `stratified`. Between two binary labels
Pearson's, Spearman's and Kendall's tau-b correlation and Matthews' coefficient are all phi.
Everything is vectorised over many 2x2 tables, with NaN where a value is undefined.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from btviz.errors import require
from btviz.stats.association import Floats, TwoByTwo, phi, ratio


def phi_limits(table: TwoByTwo) -> tuple[Floats, Floats]:
    """Smallest and largest phi that the margins allow (Cole 1949).

    ``phi_max = sqrt(p1 q2 / (p2 q1))`` for shares p1 <= p2: 1 only where the two are equally
    frequent.

    Returns
    -------
    low, high : array of float
        -1 .. 0 and 0 .. 1; NaN where a margin is 0 or n.
    """
    most = np.minimum(table.row, table.col)
    fewest = np.maximum(table.row + table.col - table.n, 0)
    low, high = (phi(TwoByTwo(table.n, table.row, table.col, both)) for both in (fewest, most))
    return low, high


def yules_q(table: TwoByTwo) -> Floats:
    """``(OR - 1) / (OR + 1)`` of the odds ratio: ``(ad - bc) / (ad + bc)`` (Yule 1900).

    Returns
    -------
    array of float
        -1 .. 1, reaching either end where a single cell is 0; NaN where a margin is 0 or n.
    """
    both, row_only, col_only, neither = (cell.astype(np.float64) for cell in table.cells)
    concordant, discordant = both * neither, row_only * col_only
    return ratio(concordant - discordant, concordant + discordant)


def cohens_kappa(table: TwoByTwo) -> Floats:
    """Agreement of two labels beyond chance (Cohen 1960): ``(po - pe) / (1 - pe)``.

    Returns
    -------
    array of float
        -1 .. 1; 0 where one label never varies; NaN where both never vary and are equal.
    """
    row, col, n = (count.astype(np.float64) for count in (table.row, table.col, table.n))
    return ratio(2 * table.excess(), row * (n - col) + col * (n - row))


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
    return information - _entropy(joint, corrected=corrected)


def _entropy(counts: NDArray[np.int64], *, corrected: bool) -> Floats:
    n = counts.sum(axis=-1)
    shares = ratio(counts, n[..., None])
    nats = -(shares * np.log(np.where(shares > 0, shares, 1))).sum(axis=-1)
    if corrected:
        nats = nats + ratio((counts > 0).sum(axis=-1) - 1, 2 * n)
    bits: Floats = nats / math.log(2)
    return bits


def chi_squared(table: TwoByTwo) -> Floats:
    """Pearson's chi-square without continuity correction: ``n phi**2``, 0 .. n; NaN where phi is.

    Its p-value, which takes items for independent, is `association.chi_squared_p`.
    """
    return table.n * phi(table) ** 2


@dataclass(frozen=True, eq=False)
class McNemar:
    """Whether two labels of the same items are equally frequent; it takes items for independent.

    Attributes
    ----------
    n_discordant : array of int64
        Items with exactly one of the two labels.
    statistic, p_value : array of float
        ``(b - c)**2 / (b + c)`` and its tail, one degree of freedom, no continuity correction;
        NaN where no item is discordant.
    p_exact : array of float
        Two-sided binomial, 0 .. 1; 1 where no item is discordant.
    """

    n_discordant: NDArray[np.int64]
    statistic: Floats
    p_value: Floats
    p_exact: Floats


def mcnemar(table: TwoByTwo) -> McNemar:
    """Compare how often two labels of the same items occur (McNemar 1947)."""
    special = require("scipy.special", extra="stats")
    _, row_only, col_only, _ = table.cells
    discordant = row_only + col_only
    statistic = ratio((row_only - col_only).astype(np.float64) ** 2, discordant)
    tail = special.bdtr(np.minimum(row_only, col_only).astype(np.float64), discordant, 0.5)
    return McNemar(discordant, statistic, special.chdtrc(1, statistic), np.minimum(2 * tail, 1.0))
