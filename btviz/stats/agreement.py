"""Agreement of several raters on a binary label, from counts per item.

Every coefficient is a function of sums over items, so that items or clusters of items can be
resampled by weighting their sums. Only items with two or more ratings enter: one rating agrees
with nothing.

What each is good for: percent agreement is high for any label that is rare. Fleiss' kappa and
Krippendorff's alpha take off the agreement of raters who guess with the observed prevalence,
so they fall as a label gets rare even if raters stay as accurate, and are undefined where
every rating is the same. Gwet's AC1 takes chance agreement to be small where the prevalence is
extreme; it hardly falls, and tells little there. Read each beside the prevalence.

Two raters alone are a 2x2 table: Cohen's kappa, and McNemar's test of whether they say yes equally often.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from btviz.stats.association import SMALLEST_P, Floats, TwoByTwo, phi, ratio
from btviz.stats.clustered import ClusterInterval, share_interval
from btviz.stats.smooth import agreement_beyond_chance

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
    """What each item contributes to the sums that the coefficients are functions of."""
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

    ``-1 / (r - 1)`` .. 1 for r ratings an item; NaN where items differ in their number of ratings,
    which the coefficient does not allow, and where all ratings are equal.
    """
    constant = _of(sums, "items") * _of(sums, "squared_ratings") == _of(sums, "ratings") ** 2
    p = prevalence(sums)
    chance = 2 * p * (1 - p)
    return np.where(constant, ratio(agreement_by_item(sums) - (1 - chance), chance), np.nan)


def krippendorff_alpha(sums: Floats) -> Floats:
    """Krippendorff's alpha for nominal ratings (2011): ``1 - Do / De``; ratings may be missing.

    ``1 - (N - 1) o / (n0 n1)``: o the coincidences of unequal ratings, N the ratings, n0 and
    n1 those of either value. At most 1; NaN where all ratings are equal.
    """
    ratings, positives = _of(sums, "ratings"), _of(sums, "positives")
    observed = (ratings - 1) * _of(sums, "disagreement")
    return 1 - ratio(observed, positives * (ratings - positives))


def gwet_ac1(sums: Floats) -> Floats:
    """Gwet's AC1 (2008): ``(P - Pe) / (1 - Pe)`` with ``Pe = 2 q (1 - q)``, -1 .. 1; NaN without items.

    P is the mean over items of their agreement, q the mean over items of their positive share.
    Gwet lets items with one rating into q; here they enter nothing.
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


def coefficient_interval(name: str, sums: ArrayLike) -> ClusterInterval:
    """95 % interval of one of `COEFFICIENTS`, from sums by cluster, shape (C, 10); the result has shape (1,).

    Shares have that of `share_interval`, the others that of `agreement_beyond_chance`.
    """
    table = np.asarray(sums, np.float64)
    part, whole = _SHARES[name if name in _SHARES else _DISAGREEMENT[name]]
    hits, of = _of(table, part), _of(table, whole)
    if name in _SHARES:
        return share_interval(hits[:, None], of[:, None])
    differing = 2 * hits if name == "krippendorff_alpha" else of - hits
    margin = _SHARES["prevalence"] if name != "gwet_ac1" else ("positive_shares", "items")
    return agreement_beyond_chance(
        table,
        lambda totals: COEFFICIENTS[name](totals)[:, None],
        disagreement=(differing, of),
        chance=_unequal_by_chance if name != "gwet_ac1" else lambda q: 1 - _unequal_by_chance(q),
        of=[(_of(table, margin[0]), _of(table, margin[1]))],
    )


_SHARES = {
    "prevalence": ("positives", "ratings"),
    "agreement": ("agreeing_pairs", "rater_pairs"),
    "agreement_by_item": ("item_agreement", "items"),
    "disputed": ("disputed", "items"),
    "disagreement": ("disagreement", "ratings"),
}

_DISAGREEMENT = {
    "fleiss_kappa": "agreement_by_item",
    "krippendorff_alpha": "disagreement",
    "gwet_ac1": "agreement_by_item",
}


def _unequal_by_chance(p: Floats) -> Floats:
    return 2 * p * (1 - p)


def cohens_kappa_interval(first: ArrayLike, second: ArrayLike, *, both: ArrayLike, n: ArrayLike) -> ClusterInterval:
    """95 % interval of Cohen's kappa from sums by cluster, each of shape (C,): items with a label, both, and all."""
    columns = [np.asarray(values, np.float64) for values in (n, first, second, both)]
    items, row, col, met = columns
    return agreement_beyond_chance(
        np.column_stack(columns),
        lambda totals: cohens_kappa(TwoByTwo(*np.rint(totals).astype(np.int64).T))[:, None],
        disagreement=(row + col - 2 * met, items),
        chance=lambda r, c: r * (1 - c) + c * (1 - r),
        of=[(row, items), (col, items)],
    )


def vote_entropy(n_raters: ArrayLike, n_positive: ArrayLike) -> Floats:
    """Entropy of an item's votes in bits, from 0 where all agree to 1 where they are split in half; NaN below two."""
    r, k = np.asarray(n_raters, np.float64), np.asarray(n_positive, np.float64)
    shares = np.stack([ratio(k, r), ratio(r - k, r)])
    surprise = np.log2(1 / np.where(shares > 0, shares, 1))
    return np.where(r >= 2, (shares * surprise).sum(axis=0), np.nan)


def _of(sums: Floats, name: str) -> Floats:
    column: Floats = sums[..., SUMS.index(name)]
    return column


def cohens_kappa(table: TwoByTwo) -> Floats:
    """Agreement of two labels beyond chance (Cohen 1960): ``(po - pe) / (1 - pe)``, -1 .. 1.

    0 where one label never varies; NaN where both never vary and are equal.
    """
    row, col, n = (count.astype(np.float64) for count in (table.row, table.col, table.n))
    return ratio(2 * table.excess(), row * (n - col) + col * (n - row))


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
    _, row_only, col_only, _ = table.cells
    discordant = row_only + col_only
    statistic = ratio((row_only - col_only).astype(np.float64) ** 2, discordant)
    tails = [math.erfc(math.sqrt(value / 2)) for value in statistic.flat]
    p_value = [tail if math.isnan(tail) else max(tail, SMALLEST_P) for tail in tails]
    tail = [_at_most(int(k), int(n)) for k, n in zip(np.minimum(row_only, col_only).flat, discordant.flat, strict=True)]
    shape = statistic.shape
    return McNemar(
        discordant,
        statistic,
        np.reshape(p_value, shape),
        np.clip(2 * np.array(tail).reshape(shape), SMALLEST_P, 1.0),
    )


def _at_most(k: int, n: int) -> float:
    """Chance of at most k heads in n throws of a coin."""
    i = np.arange(1, k + 1)
    logs = np.r_[0.0, np.cumsum(np.log((n - i + 1) / i))] - n * math.log(2)
    return float(np.exp(logs).sum())
