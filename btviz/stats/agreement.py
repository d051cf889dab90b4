"""Agreement of several raters on a binary label, from counts per item.

Every coefficient is a function of sums over items, so that items or clusters of items can be
resampled by weighting their sums. Only items with two or more ratings enter: one rating agrees
with nothing.

What each is good for: percent agreement is high for any label that is rare. Fleiss' kappa and
Krippendorff's alpha take off the agreement of raters who guess with the observed prevalence,
so they fall as a label gets rare even if raters stay as accurate, and are undefined where
every rating is the same. Gwet's AC1 takes chance agreement to be small where the prevalence is
extreme; it hardly falls, and tells little there. Read each beside the prevalence.

Further association of two binary labels: chance-corrected, information, paired.

Phi, its share of the attainable, odds ratio, lift and Jaccard stand in `association`, the
tetrachoric in `tetrachoric`, tables by stratum in `stratified`. Between two binary labels
Pearson's, Spearman's and Kendall's tau-b correlation and Matthews' coefficient are all phi.
Everything is vectorised over many 2x2 tables, with NaN where a value is undefined.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from btviz.errors import require
from btviz.stats.association import Floats, TwoByTwo, phi, ratio

SUMS = (
    "items",
    "ratings",
    "squared_ratings",
    "positives",
    "positive_shares",
    "item_agreement",
    "rater_pairs",
    "agreeing_pairs",
    "disagreement",
    "disputed",
)
"""What `rating_sums` gives for an item, in this order along the last axis."""


def rating_sums(n_raters: ArrayLike, n_positive: ArrayLike) -> Floats:
    """What each item contributes to the sums that the coefficients are functions of.

    Parameters
    ----------
    n_raters, n_positive : array of int, shape (...)
        Ratings of each item, and those that are positive.

    Returns
    -------
    array of float, shape (..., 10)
        The columns of `SUMS`; all 0 for an item with fewer than two ratings. Of r ratings, k
        positive: ``item_agreement`` is the share of the item's pairs of raters that agree,
        ``disagreement`` is ``k (r - k) / (r - 1)``, its weight in Krippendorff's coincidence
        matrix.
    """
    r, k = np.broadcast_arrays(np.asarray(n_raters, np.float64), np.asarray(n_positive, np.float64))
    rated = r >= 2
    rater_pairs = r * (r - 1) / 2
    agreeing = rater_pairs - k * (r - k)
    columns = (
        np.ones_like(r),
        r,
        r**2,
        k,
        ratio(k, r),
        ratio(agreeing, rater_pairs),
        rater_pairs,
        agreeing,
        ratio(k * (r - k), r - 1),
        ((k > 0) & (k < r)).astype(np.float64),
    )
    return np.stack([np.where(rated, column, 0.0) for column in columns], axis=-1)


def agreement_by_rater_pair(sums: Floats) -> Floats:
    """Share of the pairs of raters of one item that agree, 0 .. 1; items count by their pairs."""
    return ratio(_of(sums, "agreeing_pairs"), _of(sums, "rater_pairs"))


def agreement_by_item(sums: Floats) -> Floats:
    """Mean over items of the share of agreeing pairs of raters, 0 .. 1; items count alike."""
    return ratio(_of(sums, "item_agreement"), _of(sums, "items"))


def share_disputed(sums: Floats) -> Floats:
    """Share of items whose ratings are not all equal, 0 .. 1; it grows with the number of raters."""
    return ratio(_of(sums, "disputed"), _of(sums, "items"))


def prevalence(sums: Floats) -> Floats:
    """Share of ratings that are positive, 0 .. 1."""
    return ratio(_of(sums, "positives"), _of(sums, "ratings"))


def fleiss_kappa(sums: Floats) -> Floats:
    """Fleiss' kappa (1971): ``(P - Pe) / (1 - Pe)`` with ``Pe = p**2 + (1 - p)**2``.

    Returns
    -------
    array of float
        ``-1 / (r - 1)`` .. 1 for r ratings an item; NaN where items differ in their number of
        ratings, which the coefficient does not allow, and where all ratings are equal.
    """
    constant = _of(sums, "items") * _of(sums, "squared_ratings") == _of(sums, "ratings") ** 2
    p = prevalence(sums)
    chance = 2 * p * (1 - p)
    return np.where(constant, ratio(agreement_by_item(sums) - (1 - chance), chance), np.nan)


def krippendorff_alpha(sums: Floats) -> Floats:
    """Krippendorff's alpha for nominal ratings (2011): ``1 - Do / De``; ratings may be missing.

    ``1 - (N - 1) o / (n0 n1)``: o the coincidences of unequal ratings, N the ratings, n0 and
    n1 those of either value.

    Returns
    -------
    array of float
        At most 1; NaN where all ratings are equal.
    """
    ratings, positives = _of(sums, "ratings"), _of(sums, "positives")
    observed = (ratings - 1) * _of(sums, "disagreement")
    return 1 - ratio(observed, positives * (ratings - positives))


def gwet_ac1(sums: Floats) -> Floats:
    """Gwet's AC1 (2008): ``(P - Pe) / (1 - Pe)`` with ``Pe = 2 q (1 - q)``.

    P is the mean over items of their agreement, q the mean over items of their positive share.
    Gwet lets items with one rating into q; here they enter nothing.

    Returns
    -------
    array of float
        -1 .. 1; 1 where all ratings are equal; NaN without items.
    """
    q = ratio(_of(sums, "positive_shares"), _of(sums, "items"))
    chance = 2 * q * (1 - q)
    return ratio(agreement_by_item(sums) - chance, 1 - chance)


COEFFICIENTS: Mapping[str, Callable[[Floats], Floats]] = MappingProxyType(
    {
        "prevalence": prevalence,
        "agreement": agreement_by_rater_pair,
        "agreement_by_item": agreement_by_item,
        "disputed": share_disputed,
        "fleiss_kappa": fleiss_kappa,
        "krippendorff_alpha": krippendorff_alpha,
        "gwet_ac1": gwet_ac1,
    }
)
"""Every coefficient by its name in tables; each maps sums of shape (..., 10) to (...)."""


def vote_entropy(n_raters: ArrayLike, n_positive: ArrayLike) -> Floats:
    """Entropy of an item's votes, in bits.

    Returns
    -------
    array of float
        0 where all agree .. 1 where they are split in half; NaN below two ratings.
    """
    r, k = np.asarray(n_raters, np.float64), np.asarray(n_positive, np.float64)
    shares = np.stack([ratio(k, r), ratio(r - k, r)])
    surprise = np.log2(1 / np.where(shares > 0, shares, 1))
    return np.where(r >= 2, (shares * surprise).sum(axis=0), np.nan)


def _of(sums: Floats, name: str) -> Floats:
    column: Floats = sums[..., SUMS.index(name)]
    return column


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
    """Whether two labels of the same items are equally frequent; it takes items for independent."""

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
