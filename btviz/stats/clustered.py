"""Intervals of shares, ratios of shares and phi from sums by cluster, in closed form.

Answers to one prompt resemble each other and some prompts weigh much more than others, so three numbers decide what
an interval may claim: the effective number of clusters ``(sum n)**2 / sum n**2`` (Kish 1965), that of the clusters in
which the rarer outcome occurs, and the degrees of freedom of the variance.

Where these are many, the variance is the cluster-robust one with the correction CR2 of Bell and McCaffrey (2002), and
the quantile that of Student's t with Satterthwaite's degrees of freedom (Pustejovsky & Tipton 2018), both under the
working model that two items of one cluster correlate by an estimated amount; the scale is the logit, or for phi
Fisher's z. Where they are few, no variance can be estimated: items of one cluster are then taken for copies of each
other, which no data exceed as long as the size of a cluster tells nothing of its outcomes, and the interval is
Wilson's at the effective number of clusters. It is never of zero width, and at a count of 0 or of all it has one end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from btviz.stats.association import Floats, ratio, wilson
from btviz.stats.quantiles import beta_quantile, clopper_pearson, t_quantile

Bools = NDArray[np.bool_]

FEWEST_EFFECTIVE = 20
"""Effective clusters that an interval needs; how the items spread over clusters decides, never their outcomes."""

FEW_RARER = 8
"""Effective clusters with the rarer outcome below which its variance is not estimated."""

FEW_FREEDOM = 10
"""Degrees of freedom below which a few clusters decide the variance, so that it is not estimated."""

_ROUNDING = 1e-9  # a variance so small beside that of independent items, or an error, is one of rounding


@dataclass(frozen=True, eq=False)
class ClusterInterval:
    """Estimates with intervals, one each column of sums.

    Attributes
    ----------
    estimate, low, high : array of float
        NaN where undefined.
    effective, rarer : array of float
        Effective clusters of the denominator, and of the rarer outcome.
    is_bounded : array of bool
        Whether items of a cluster were taken for copies, because too few clusters vary.
    """

    estimate: Floats
    low: Floats
    high: Floats
    effective: Floats
    rarer: Floats
    is_bounded: Bools


def effective_number(weights: ArrayLike) -> Floats:
    """Clusters of equal weight that would do as much as these: ``(sum w)**2 / sum w**2`` over the first axis."""
    values = np.asarray(weights, np.float64)
    return np.nan_to_num(ratio(values.sum(axis=0) ** 2, (values**2).sum(axis=0)))


def share_interval(hits: ArrayLike, n: ArrayLike, *, confidence: float = 0.95) -> ClusterInterval:
    """Interval of a share of items, for each column of sums by cluster.

    Parameters
    ----------
    hits, n : array of float, shape (C, m)
        Hits among the items of a cluster, and these items, or weights of both; clusters without items weigh nothing.
    confidence : float
        Level, 0 .. 1.

    Returns
    -------
    ClusterInterval
        Low and high are NaN where fewer than `FEWEST_EFFECTIVE` effective clusters have items.
    """
    part, whole = np.broadcast_arrays(np.asarray(hits, np.float64), np.asarray(n, np.float64))
    return shown(share_of_sums(part, whole, confidence=confidence))


def independent_worth(hits: ArrayLike, n: ArrayLike) -> Floats:
    """Independent items that would give a share the variance it has, for each column of sums by cluster.

    n over the design effect, at most n; where few clusters vary, the effective number of clusters, as in the interval.
    """
    part, whole = np.broadcast_arrays(np.asarray(hits, np.float64), np.asarray(n, np.float64))
    total, hit = whole.sum(axis=0), part.sum(axis=0)
    p = ratio(hit, total)
    variance, _, widest_freedom = _ratio_variance(part, whole, p=p)
    rarer = effective_number(np.where(2 * hit <= total, part, whole - part))
    worth = ratio(p * (1 - p), variance)
    few = (rarer < FEW_RARER) | (widest_freedom < FEW_FREEDOM) | ~np.isfinite(worth)
    return np.where(few, effective_number(whole), np.minimum(worth, total))


def jeffreys_share(hits: ArrayLike, n: ArrayLike, *, confidence: float = 0.95) -> ClusterInterval:
    """Bayesian interval of a share for rare cells, as `share_interval`.

    Parameters
    ----------
    hits, n, confidence
        As in `share_interval`.

    Returns
    -------
    ClusterInterval
        The estimate is the share itself. Ends are quantiles of Beta(h* + 1/2, n* - h* + 1/2), Jeffreys' prior with
        effective counts: ``n* = p (1 - p) / variance`` where the variance can be estimated, at most the effective
        clusters where it cannot, and ``h* = n* p``; the lower end is 0 where nothing is hit, the upper 1 where
        everything is (Brown, Cai & DasGupta 2001).

    Notes
    -----
    A credible interval: given the model, the share lies in it with the stated probability. Near a share of 0 or 1 it
    is much shorter than Clopper-Pearson's, and covers about as stated on average over shares, not at each of them.
    """
    part, whole = np.broadcast_arrays(np.asarray(hits, np.float64), np.asarray(n, np.float64))
    found = share_of_sums(part, whole, confidence=confidence)
    p, worth = np.nan_to_num(found.estimate), independent_worth(part, whole)
    tail = (1 - confidence) / 2
    a, b = p * worth + 0.5, (1 - p) * worth + 0.5
    known = np.isfinite(found.estimate)
    low = np.where(p > 0, beta_quantile(tail, a=a, b=b), 0.0)
    high = np.where(p < 1, beta_quantile(1 - tail, a=a, b=b), 1.0)
    return shown(replace(found, low=np.where(known, low, np.nan), high=np.where(known, high, np.nan)))


def median_interval(values: ArrayLike, *, clusters: ArrayLike, confidence: float = 0.95) -> tuple[float, float, float]:
    """Median of items and its interval by cluster (Woodruff 1952).

    The share of items up to the median has the interval of a share, and its ends are levels of the quantiles that are
    the ends of the median's.

    Parameters
    ----------
    values : array of float, shape (n,)
        Finite, at least one.
    clusters : array, shape (n,)
        Cluster of each item.
    confidence : float
        Level, 0 .. 1.

    Returns
    -------
    tuple of three floats
        Median, low and high; ends are NaN where a share has no interval.
    """
    numbers, codes = np.asarray(values, np.float64), np.unique(np.asarray(clusters), return_inverse=True)[1]
    middle = float(np.median(numbers))
    below = (numbers < middle) + (numbers == middle) / 2
    found = share_interval(np.bincount(codes, below)[:, None], np.bincount(codes)[:, None], confidence=confidence)
    levels = (float(found.low[0]), float(found.high[0]))
    if not np.isfinite(levels).all():
        return middle, np.nan, np.nan
    low, high = np.quantile(numbers, levels)
    return middle, float(low), float(high)


def shown(interval: ClusterInterval) -> ClusterInterval:
    """Without ends where fewer than `FEWEST_EFFECTIVE` effective clusters have items."""
    enough = interval.effective >= FEWEST_EFFECTIVE
    low, high = (np.where(enough, end, np.nan) for end in (interval.low, interval.high))
    return replace(interval, low=low, high=high)


INTERVALS: Mapping[str, Callable[..., ClusterInterval]] = {"confidence": share_interval, "jeffreys": jeffreys_share}
"""Intervals of shares by name."""


def share_of_sums(part: Floats, whole: Floats, *, confidence: float) -> ClusterInterval:
    """Interval of a share, however few clusters there are."""
    total, hit = whole.sum(axis=0), part.sum(axis=0)
    p = ratio(hit, total)
    effective = effective_number(whole)
    rarer = effective_number(np.where(2 * hit <= total, part, whole - part))
    variance, freedom, widest_freedom = _ratio_variance(part, whole, p=p)
    unmoved = ~(variance * total > _ROUNDING * p * (1 - p))  # all clusters have the same share
    bounded = (rarer < FEW_RARER) | (widest_freedom < FEW_FREEDOM) | unmoved
    worth = np.minimum(effective, np.nan_to_num(ratio(p * (1 - p), variance), nan=np.inf))
    flat = as_of_copies(np.nan_to_num(p * worth), worth, is_rare=rarer < FEW_RARER, confidence=confidence)
    sloped = by_log_odds(p, t_quantile(confidence, df=freedom) * np.sqrt(variance))
    low, high = (np.where(bounded, *ends) for ends in zip(flat, sloped, strict=True))
    return ClusterInterval(p, low, high, effective, rarer, bounded)


def by_log_odds(share: Floats, reach: Floats) -> tuple[Floats, Floats]:
    """Ends that reach so far from a share as its log-odds does, by the delta method; NaN at 0 and 1."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        centre, moved = np.log(share) - np.log1p(-share), reach / (share * (1 - share))
        return 1 / (1 + np.exp(moved - centre)), 1 / (1 + np.exp(-moved - centre))


def as_of_copies(hits: Floats, n: Floats, *, is_rare: Bools, confidence: float) -> tuple[Floats, Floats]:
    """Interval of a share of n independent items: exact where few vary, else Wilson's, which is shorter."""
    low, high = wilson(hits, n=n, level=confidence)
    low[is_rare], high[is_rare] = clopper_pearson(hits[is_rare], n=n[is_rare], confidence=confidence)
    return low, high


def _ratio_variance(hits: Floats, n: Floats, *, p: Floats) -> tuple[Floats, Floats, Floats]:
    """Variance of a share by CR2, its degrees of freedom, and those were items of a cluster copies of each other."""
    total = n.sum(axis=0)
    weight = np.nan_to_num(ratio(n, total))
    residual = hits - n * np.nan_to_num(p)
    spread = np.nan_to_num(p * (1 - p))
    plain = np.nan_to_num(ratio(residual**2, 1 - weight))
    pairs = (n * (n - 1)).sum(axis=0) * spread
    correlation = np.clip(np.nan_to_num(ratio(plain.sum(axis=0) - total * spread, pairs)), 0, 1)
    model = n * (1 + np.maximum(n - 1, 0) * correlation)
    factor, freedom = _bell_mccaffrey(weight, model=model)
    variance = ratio((factor * residual**2).sum(axis=0), total**2)
    return variance, freedom, _bell_mccaffrey(weight, model=n * np.maximum(n, 1))[1]


def _bell_mccaffrey(weight: Floats, *, model: Floats) -> tuple[Floats, Floats]:
    """Factors that unbias squared residuals under a model of their variances, and Satterthwaite's freedom.

    A residual is ``e_c = s_c - w_c sum(s)`` with weights w that sum to 1 and ``var(s_c) = v_c``. Hence
    ``var(e_c) = (1 - w_c)**2 v_c + w_c**2 (V - v_c)`` with V the sum of v, and for two clusters
    ``cov(e_c, e_d) = V w_c w_d - w_c v_d - w_d v_c``. With factors a the freedom of ``sum(a e**2)`` is
    ``V**2 / sum(a_c a_d cov**2)``; the double sum is written out, as it is one of products.
    """
    total = model.sum(axis=0)
    own = (1 - weight) ** 2 * model + weight**2 * (total - model)
    factor = np.nan_to_num(ratio(model, own))
    ww, vv, wv = (
        (factor * one * other).sum(axis=0) for one, other in ((weight, weight), (model, model), (weight, model))
    )
    among = 2 * ww * vv + total**2 * ww**2 + 2 * wv**2 - 4 * total * ww * wv
    with_itself = (factor * (total * weight**2 - 2 * weight * model)) ** 2
    return factor, ratio(total**2, among + (model**2 - with_itself).sum(axis=0))


def lift_interval(
    hits: ArrayLike, n: ArrayLike, *, of: tuple[ArrayLike, ArrayLike], confidence: float = 0.95
) -> ClusterInterval:
    """Interval of a share among some items over the share among all, for each column of sums by cluster.

    Parameters
    ----------
    hits, n : array of float, shape (C, m)
        Hits among some items, and these items, by cluster.
    of : tuple of two arrays, shape (C, m)
        Hits among all items, and all items.
    confidence : float
        Level, 0 .. 1.

    Returns
    -------
    ClusterInterval
        NaN where the share among all is 0, and ends where fewer than `FEWEST_EFFECTIVE` effective clusters have some
        items, or where some items are all of them: the lift is then 1 by construction.

    Notes
    -----
    On the scale of the logarithm, by the jackknife over clusters with its own degrees of freedom; where few clusters
    vary, by MOVER (Donner & Zou 2012), which takes the two shares for independent and so is wide rather than narrow.
    Where few hits lie elsewhere these decide, and the two shares are that of the hits and of all items which are here.
    """
    part, whole, all_hits, everything = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (hits, n, *of)))
    share, overall = (share_of_sums(a, b, confidence=confidence) for a, b in ((part, whole), (all_hits, everything)))
    lift = np.where(overall.estimate > 0, ratio(share.estimate, overall.estimate), np.nan)

    sloped = _log_ratio_ends(part, whole, all_hits, everything, estimate=lift, confidence=confidence)
    # the same lift is the topic's share of the hits over its share of all items: better where few hits lie elsewhere
    of_hits, of_items = (share_of_sums(a, b, confidence=confidence) for a, b in ((part, all_hits), (whole, everything)))
    few_elsewhere = ~share.is_bounded & of_hits.is_bounded
    bounded = share.is_bounded | few_elsewhere | ~np.isfinite(sloped[1])
    flat = tuple(
        np.where(few_elsewhere, *ends)
        for ends in zip(ratio_of(of_hits, of_items), ratio_of(share, overall), strict=True)
    )
    nothing = ~np.isfinite(lift) | (whole == everything).all(axis=0)
    low, high = (np.where(nothing, np.nan, np.where(bounded, *ends)) for ends in zip(flat, sloped, strict=True))
    return shown(ClusterInterval(lift, low, high, share.effective, share.rarer, bounded))


def ratio_interval(
    hits: ArrayLike, n: ArrayLike, *, over: tuple[ArrayLike, ArrayLike], confidence: float = 0.95
) -> ClusterInterval:
    """Interval of a share among some items over the share among others, for each column of sums by cluster.

    Parameters
    ----------
    hits, n : array of float, shape (C, m)
        Hits among some items, and these items, by cluster.
    over : tuple of two arrays, shape (C, m)
        Hits among others, none of which is among the former, and these others.
    confidence : float
        Level, 0 .. 1.

    Returns
    -------
    ClusterInterval
        NaN where the share among the others is 0, and ends where either side has fewer than `FEWEST_EFFECTIVE`
        effective clusters.

    Notes
    -----
    The logarithm of the ratio by the jackknife over clusters, which may have items on both sides; where few clusters
    vary on a side, by MOVER (Donner & Zou 2012), which takes the two shares for independent.
    """
    part, whole, hit, of = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (hits, n, *over)))
    top, bottom = (share_of_sums(a, b, confidence=confidence) for a, b in ((part, whole), (hit, of)))
    estimate = np.where(bottom.estimate > 0, ratio(top.estimate, bottom.estimate), np.nan)
    sloped = _log_ratio_ends(part, whole, hit, of, estimate=estimate, confidence=confidence)
    bounded = top.is_bounded | bottom.is_bounded | ~np.isfinite(sloped[1])
    low, high = (
        np.where(np.isfinite(estimate), np.where(bounded, *ends), np.nan)
        for ends in zip(ratio_of(top, bottom), sloped, strict=True)
    )
    effective = np.minimum(top.effective, bottom.effective)
    return shown(ClusterInterval(estimate, low, high, effective, np.minimum(top.rarer, bottom.rarer), bounded))


def _log_ratio_ends(
    part: Floats, whole: Floats, hit: Floats, of: Floats, *, estimate: Floats, confidence: float
) -> tuple[Floats, Floats]:
    """Ends of a ratio of two shares on the scale of the logarithm, by the jackknife with its own freedom."""

    def log_ratio(sums: Floats) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(sums)
            return logs[..., 0] - logs[..., 1] - logs[..., 2] + logs[..., 3]

    error, freedom = jackknife(np.stack([part, whole, hit, of], axis=-1), log_ratio)
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = t_quantile(confidence, df=freedom) * error
        return estimate * np.exp(-reach), estimate * np.exp(reach)


def ratio_of(top: ClusterInterval, bottom: ClusterInterval) -> tuple[Floats, Floats]:
    """MOVER for a ratio of two estimates with intervals."""
    a, b = top.estimate, bottom.estimate
    product = a * b
    with np.errstate(divide="ignore", invalid="ignore"):
        widest = bottom.high * (2 * b - bottom.high)
        least = product - np.sqrt(np.maximum(product**2 - top.low * (2 * a - top.low) * widest, 0))
        low = np.where(widest > 0, least / widest, 0.0)  # the upper end is more than twice the estimate
        narrowest = bottom.low * (2 * b - bottom.low)
        high = (product + np.sqrt(np.maximum(product**2 - top.high * (2 * a - top.high) * narrowest, 0))) / narrowest
    return np.where(np.isfinite(low), np.maximum(low, 0.0), np.nan), np.where(np.isfinite(high), high, np.nan)


def jackknife(sums: Floats, statistic: Callable[[Floats], Floats]) -> tuple[Floats, Floats]:
    """Standard error of a smooth function of totals by leaving out clusters, and its degrees of freedom.

    Parameters
    ----------
    sums : array of float, shape (C, m, k)
        k sums of each cluster and column.
    statistic : callable
        From totals, shape (..., k), to values, shape (...).

    Returns
    -------
    tuple of two arrays, shape (m,)
        The error, NaN where a value without some cluster is not finite; and
        ``2 sum(d**2)**2 / sum((d**2 - mean)**2)`` for the deviations d, the freedom by which their squares vary,
        at most C - 1.
    """
    count = len(sums)
    without = statistic(sums.sum(axis=0) - sums)
    finite = np.isfinite(without).all(axis=0) & (count > 1)
    mean = np.where(finite, without, 0.0).sum(axis=0) / max(count, 1)
    deviation = np.where(finite, without - mean, 0.0)
    squares = deviation**2
    error = np.sqrt(squares.sum(axis=0) * (count - 1) / max(count, 1))
    freedom = freedom_of(squares, at_most=max(count - 1, 1))
    return np.where(finite, error, np.nan), np.where(finite, freedom, np.nan)


def freedom_of(squares: Floats, *, at_most: ArrayLike) -> Floats:
    """Degrees of freedom by which the squared deviations of clusters, shape (C, m), vary, see `jackknife`."""
    total = squares.sum(axis=0)
    freedom = ratio(2 * total**2, ((squares - total / max(len(squares), 1)) ** 2).sum(axis=0))
    return np.minimum(np.nan_to_num(freedom, nan=np.inf), at_most)


def phi_interval(
    row: ArrayLike, col: ArrayLike, *, both: ArrayLike, n: ArrayLike, confidence: float = 0.95
) -> ClusterInterval:
    """Interval of phi of two labels, for each column of sums by cluster.

    Parameters
    ----------
    row, col, both, n : array of float, shape (C, m)
        Items with the one label, with the other, with both, and all, by cluster.
    confidence : float
        Level, 0 .. 1.

    Returns
    -------
    ClusterInterval
        NaN where a label never varies, and ends where fewer than `FEWEST_EFFECTIVE` clusters have items.

    Notes
    -----
    Fisher's z of phi by the jackknife over clusters. Where one of the four cells occurs in few clusters, phi is put
    together of the share c of the rarer label's items that have the other, and of the two margins:
    ``phi = (c - p) sqrt(r / (1 - r)) / sqrt(p (1 - p))``.
    """
    sums = np.stack(np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (n, row, col, both))), axis=-1)
    totals = sums.sum(axis=0)
    estimate = _phi(totals)
    error, freedom = jackknife(sums, _fishers_z)
    with np.errstate(divide="ignore", invalid="ignore"):
        centre, reach = np.arctanh(estimate), t_quantile(confidence, df=freedom) * error
        sloped = (np.tanh(centre - reach), np.tanh(centre + reach))
    effective = effective_number(sums[..., 0])
    cells = _cells(sums)
    rarer = np.min([effective_number(cell) for cell in cells], axis=0)
    bounded = (rarer < FEW_RARER) | (freedom < FEW_FREEDOM) | ~(error > _ROUNDING) | ~np.isfinite(reach)
    flat = _phi_of_parts(sums, confidence=confidence)
    low, high = (
        np.where(np.isfinite(estimate), np.where(bounded, *ends), np.nan) for ends in zip(flat, sloped, strict=True)
    )
    return shown(ClusterInterval(estimate, low, high, effective, rarer, bounded))


def jeffreys_phi(
    row: ArrayLike, col: ArrayLike, *, both: ArrayLike, n: ArrayLike, confidence: float = 0.95
) -> ClusterInterval:
    """Bayesian interval of phi for rare cells, as `phi_interval`.

    Parameters
    ----------
    row, col, both, n, confidence
        As in `phi_interval`.

    Returns
    -------
    ClusterInterval
        The estimate is phi itself. Ends are quantiles of phi among 20,000 draws of the four cells from their Dirichlet
        posterior, 1/2 added to each effective count (Jeffreys' prior); effective counts are the shares of the cells
        times the fewest independent items that any of the four shares is worth.
    """
    sums = np.stack(np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (n, row, col, both))), axis=-1)
    estimate, items = _phi(sums.sum(axis=0)), sums[..., 0]
    cells = [np.maximum(cell, 0.0) for cell in _cells(sums)]
    shares = [share_of_sums(cell, items, confidence=confidence) for cell in cells]
    worth = np.min([independent_worth(cell, items) for cell in cells], axis=0)
    alphas = np.stack([np.nan_to_num(share.estimate) * worth + 0.5 for share in shares], axis=-1)
    levels = [(1 - confidence) / 2, (1 + confidence) / 2]
    ends = np.full((2, len(estimate)), np.nan)
    rng = np.random.default_rng(0)
    for place in np.flatnonzero(np.isfinite(estimate)):
        a, b, c, d = rng.standard_gamma(alphas[place], (_DRAWS, 4)).T
        ends[:, place] = np.quantile(_phi(np.stack([a + b + c + d, a + b, a + c, a], axis=-1)), levels)
    rarer = np.min([effective_number(cell) for cell in cells], axis=0)
    bounded = np.any([share.is_bounded for share in shares], axis=0)
    return shown(ClusterInterval(estimate, ends[0], ends[1], effective_number(items), rarer, bounded))


PHI_INTERVALS: Mapping[str, Callable[..., ClusterInterval]] = {"confidence": phi_interval, "jeffreys": jeffreys_phi}
"""Intervals of phi by name."""

_DRAWS = 20_000


def _cells(sums: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    n, row, col, both = np.moveaxis(sums, -1, 0)
    return both, row - both, col - both, n - row - col + both


def _phi(totals: Floats) -> Floats:
    n, row, col, both = np.moveaxis(totals, -1, 0)
    return ratio(n * both - row * col, np.sqrt(row * (n - row)) * np.sqrt(col * (n - col)))


def _fishers_z(totals: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.arctanh(np.clip(_phi(totals), -1, 1))


def _phi_of_parts(sums: Floats, *, confidence: float) -> tuple[Floats, Floats]:
    """Phi from the intervals of a conditional share and of the margins; see `phi_interval`."""
    items, rare, common, both, sign = _by_rarer_label(sums)
    pairs = ((both, rare), (rare, items), (common, items))
    given, of_rare, of_common = (share_of_sums(*pair, confidence=confidence) for pair in pairs)
    low, high = moved(_phi_given, given, of_rare, of_common)
    low, high = np.maximum(low, -1), np.minimum(high, 1)
    return np.where(sign > 0, low, -high), np.where(sign > 0, high, -low)


def moved(function: Callable[..., Floats], *parts: ClusterInterval) -> tuple[Floats, Floats]:
    """Ends of a function of shares from theirs, by MOVER (Zou & Donner 2008), which takes them for independent.

    Each share is moved alone, to its ends and to where it comes nearest to one half, as products ``p (1 - p)`` turn
    there; the squares of what that does to the function add up. Of a difference this is Newcombe's (1998, method 10):
    wide rather than narrow where shares rise together, as those of two samples with the same clusters.
    """
    at = [part.estimate for part in parts]
    centre = function(*at)
    reach = np.zeros((2, *centre.shape))
    for place, part in enumerate(parts):
        ends = [
            function(*at[:place], end, *at[place + 1 :])
            for end in (part.low, part.high, np.clip(0.5, part.low, part.high))
        ]
        reach[0] += np.maximum(centre - np.min(ends, axis=0), 0) ** 2
        reach[1] += np.maximum(np.max(ends, axis=0) - centre, 0) ** 2
    return centre - np.sqrt(reach[0]), centre + np.sqrt(reach[1])


def _phi_given(c: Floats, /, r: Floats, p: Floats) -> Floats:
    """Phi of labels with margins r and p where the first label's items have the other with probability c."""
    within = [np.clip(margin, 1e-12, 1 - 1e-12) for margin in (r, p)]
    slope = np.sqrt(within[0] / (1 - within[0])) / np.sqrt(within[1] * (1 - within[1]))
    return np.clip((c - within[1]) * slope, -1, 1)


def _by_rarer_label(sums: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Items, the labels turned so that a minority has each and the rarer is first, and what that does to phi's sign."""
    n, row, col, both = (values.copy() for values in np.moveaxis(sums, -1, 0))
    sign = np.ones(n.shape[1:])
    turn = 2 * row.sum(axis=0) > n.sum(axis=0)
    row, both, sign = np.where(turn, n - row, row), np.where(turn, col - both, both), np.where(turn, -sign, sign)
    turn = 2 * col.sum(axis=0) > n.sum(axis=0)
    col, both, sign = np.where(turn, n - col, col), np.where(turn, row - both, both), np.where(turn, -sign, sign)
    swap = row.sum(axis=0) > col.sum(axis=0)
    return n, np.where(swap, col, row), np.where(swap, row, col), both, sign
