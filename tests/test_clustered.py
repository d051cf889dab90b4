"""Intervals from sums by cluster, against SciPy, dense matrices, plain loops and simulation."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import special, stats
from scipy.stats.contingency import relative_risk

from btviz.cli.report import table_rows
from btviz.stats.agreement import mcnemar
from btviz.stats.association import TwoByTwo
from btviz.stats.clustered import (
    FEWEST_EFFECTIVE,
    _ratio_variance,
    effective_number,
    jackknife,
    lift_interval,
    phi_interval,
    ratio_interval,
    share_interval,
)
from btviz.stats.quantiles import (
    SMALLEST_P,
    beta_quantile,
    clopper_pearson,
    incomplete_beta,
    t_quantile,
    two_sided_p,
    two_sided_t_p,
)
from btviz.stats.stratified import cochran_mantel_haenszel

relaxed = settings(max_examples=60, deadline=None)
positive = st.floats(0.05, 5e4)


# --- distributions


@given(positive, positive, st.floats(1e-9, 1 - 1e-9))
@relaxed
def test_the_incomplete_beta_function_is_scipys(a: float, b: float, x: float):
    assert incomplete_beta(x, a=a, b=b) == pytest.approx(special.betainc(a, b, x), abs=1e-9)


def test_quantiles_are_scipys():
    df = np.array([0.5, 1, 1.3, 2, 5, 30.5, 1000, 1e5, 1e7])
    np.testing.assert_allclose(t_quantile(0.95, df=df), stats.t.ppf(0.975, df), rtol=1e-6)
    np.testing.assert_allclose(
        beta_quantile([0.025, 0.6], a=[3, 0.5], b=[7, 90]), stats.beta.ppf([0.025, 0.6], [3, 0.5], [7, 90])
    )
    assert np.isnan(t_quantile(0.95, df=[0, np.nan])).all()


@pytest.mark.parametrize(("count", "n"), [(0, 10), (3, 20), (10, 10), (50, 5000)])
def test_exact_intervals_are_scipys(count: int, n: int):
    exact = stats.binomtest(count, n).proportion_ci()
    assert np.ravel(clopper_pearson(count, n=n)) == pytest.approx([exact.low, exact.high], abs=1e-12)


def test_no_p_value_is_nought():
    z = np.array([0.5, 3, 8.3, 12, 37, 40, 1e6])
    np.testing.assert_allclose(two_sided_p(z[:5]), 2 * stats.norm.sf(z[:5]), rtol=1e-12)
    assert (two_sided_p(z[5:]) == SMALLEST_P).all()
    np.testing.assert_allclose(two_sided_t_p(z, df=7.5), 2 * stats.t.sf(z, 7.5), rtol=1e-8)
    assert two_sided_t_p(1e9, df=1e5) == SMALLEST_P
    assert np.isnan([two_sided_p(math.nan), two_sided_t_p(2, df=0)]).all()


def test_no_p_value_of_tables_is_nought():
    n, row, col, both = (np.array([[count]]) for count in (20_000, 10_000, 10_000, 10_000))
    strata = cochran_mantel_haenszel(TwoByTwo(n, row, col, both))
    assert strata.p_value == SMALLEST_P
    assert np.isnan(strata.homogeneity_p).all()
    sides = mcnemar(TwoByTwo(*(np.array([count]) for count in (20_000, 5_000, 0, 0))))
    assert (sides.p_value, sides.p_exact) == (SMALLEST_P, SMALLEST_P)
    rows = table_rows(
        pl.DataFrame({"p_value": [1e-300], "p_holm": [0.0004], "p": [0.0004]}), ["p_value", "p_holm", "p"]
    )
    assert rows == [["< 0.001", "< 0.001", 0.0004]]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["items alike", "clusters"])
def test_a_lift_holds_the_truth_where_nearly_all_hits_lie_here(kind: str):
    """18 of 20 hits in a topic of half the prompts: 200 draws, three errors of 93 % are 5.4 points."""
    rng = np.random.default_rng(17)
    n = np.full((1000, 200), 1 if kind == "items alike" else 3)
    here = rng.random(n.shape) < 0.5
    hits = rng.binomial(n, np.where(here, 0.036, 0.004))
    found = lift_interval(hits * here, n * here, of=(hits, n))
    assert np.isfinite(found.low).all()
    assert ((found.low <= 1.8) & (found.high >= 1.8)).mean() > 0.93 - 0.054


# --- variance


def clusters(rng: np.random.Generator, *, n: int, p: float = 0.4, correlation: float = 0.5) -> np.ndarray:
    """Hits and items of n clusters of very unequal size."""
    sizes = np.ceil(rng.lognormal(1, 1, n)).astype(int)
    k = (1 - correlation) / correlation
    return np.column_stack([rng.binomial(sizes, rng.beta(p * k, (1 - p) * k, n)), sizes]).astype(float)


@given(st.integers(0, 10_000))
@relaxed
def test_variance_and_freedom_are_those_of_dense_matrices(seed: int):
    hits, n = clusters(np.random.default_rng(seed), n=12).T
    assume(0 < hits.sum() < n.sum())
    variance, freedom, widest = _ratio_variance(hits[:, None], n[:, None], p=np.array([hits.sum() / n.sum()]))
    p, weight = hits.sum() / n.sum(), n / n.sum()
    residual = hits - n * p
    plain = (residual**2 / (1 - weight)).sum() - n.sum() * p * (1 - p)
    rho = min(max(plain / max((n * (n - 1)).sum() * p * (1 - p), 1e-300), 0), 1)
    for correlation, seen in ((rho, freedom), (1.0, widest)):
        model = n * (1 + (n - 1) * correlation)
        residuals = np.eye(12) - np.outer(weight, np.ones(12))
        covariance = residuals @ np.diag(model) @ residuals.T
        factor = np.diag(np.sqrt(model / np.diag(covariance)))
        form = factor @ covariance @ factor
        assert seen[0] == pytest.approx(np.trace(form) ** 2 / np.trace(form @ form), rel=1e-8)
        if correlation == rho:
            assert variance[0] == pytest.approx((np.diag(factor) ** 2 * residual**2).sum() / n.sum() ** 2, rel=1e-8)


def test_with_independent_items_the_correction_is_that_of_bell_and_mccaffrey():
    """Each cluster's items split evenly, so the estimated correlation is 0: CR2 of a regression on a constant."""
    n = np.array([2.0, 4, 8, 16, 6])
    hits = n / 2 + np.array([0, 1, 0, -1, 0])
    total, p = n.sum(), hits.sum() / n.sum()
    items = np.concatenate([np.repeat([1.0, 0.0], [int(h), int(m - h)]) for h, m in zip(hits, n, strict=True)])
    owner = np.repeat(np.arange(5), n.astype(int))
    meat = 0.0
    for cluster in range(5):
        inside = owner == cluster
        hat = np.full((inside.sum(), inside.sum()), 1 / total)
        values, vectors = np.linalg.eigh(np.eye(inside.sum()) - hat)
        root = vectors @ np.diag(values**-0.5) @ vectors.T
        meat += float((root @ (items[inside] - p)).sum() ** 2)
    variance, _, _ = _ratio_variance(hits[:, None], n[:, None], p=np.array([p]))
    assert variance[0] == pytest.approx(meat / total**2)


@pytest.mark.slow
def test_the_logit_interval_is_that_of_statsmodels_where_clusters_are_many():
    import statsmodels.api as sm

    hits, n = clusters(np.random.default_rng(3), n=400).T
    items = np.concatenate([np.repeat([1.0, 0.0], [int(h), int(m - h)]) for h, m in zip(hits, n, strict=True)])
    groups = np.repeat(np.arange(400), n.astype(int))
    fit = sm.Logit(items, np.ones(len(items))).fit(cov_type="cluster", cov_kwds={"groups": groups}, disp=0)
    ours = share_interval(hits[:, None], n[:, None])
    wanted = special.expit(fit.conf_int()[0])
    assert not ours.is_bounded[0]
    assert [ours.low[0], ours.high[0]] == pytest.approx(wanted, abs=0.1 * (wanted[1] - wanted[0]))


def test_the_effective_number_is_that_of_equal_weights():
    assert effective_number(np.ones((7, 1)))[0] == 7
    assert effective_number(np.array([[3.0], [1.0]]))[0] == pytest.approx(16 / 10)
    assert effective_number(np.zeros((4, 1)))[0] == 0


def test_the_jackknife_is_a_loop_that_leaves_out_clusters():
    sums = clusters(np.random.default_rng(1), n=30)
    error, freedom = jackknife(sums[:, None], lambda totals: np.log(totals[..., 0] / totals[..., 1]))
    loop = np.array([np.log(np.delete(sums, i, axis=0).sum(axis=0)) @ [1, -1] for i in range(30)])
    deviation = loop - loop.mean()
    assert error[0] == pytest.approx(math.sqrt((deviation**2).sum() * 29 / 30))
    assert freedom[0] == pytest.approx(min(29, 2 * (deviation**2).sum() ** 2 / (30 * np.var(deviation**2))))


# --- no interval is a point


@pytest.mark.slow
@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.005, 0.02, 0.3, 1.0]), st.sampled_from([0.0, 0.01, 0.5]))
@relaxed
def test_no_interval_is_a_point_and_each_holds_its_estimate(seed: int, first: float, second: float):
    rng = np.random.default_rng(seed)
    n = np.ceil(rng.lognormal(0.5, 0.7, 60))
    x, y = (rng.binomial(n.astype(int), share).astype(float) for share in (first, second))
    both = np.minimum(np.minimum(x, y), rng.integers(0, 3, 60)) + np.maximum(x + y - n, 0)
    both = np.clip(both, np.maximum(x + y - n, 0), np.minimum(x, y))
    column = {name: values[:, None] for name, values in {"x": x, "y": y, "both": both, "n": n}.items()}
    found = [
        share_interval(column["x"], column["n"]),
        phi_interval(column["x"], column["y"], both=column["both"], n=column["n"]),
        lift_interval(column["both"], column["x"], of=(column["y"], column["n"])),
    ]
    for interval in found:
        if interval.effective[0] < FEWEST_EFFECTIVE:
            assert np.isnan(interval.low[0])
        elif np.isfinite(interval.low[0]):
            assert interval.low[0] < interval.high[0]
            assert interval.low[0] <= interval.estimate[0] <= interval.high[0]


def test_the_lift_of_everything_is_no_estimate():
    n = np.ones((50, 1))
    hits = n * (np.arange(50) < 20)[:, None]
    found = lift_interval(hits, n, of=(hits, n))
    assert found.estimate[0] == 1
    assert np.isnan([found.low[0], found.high[0]]).all()


def test_nothing_seen_is_bounded_by_the_number_of_prompts():
    hits, n = np.zeros((50, 1)), np.full((50, 1), 30.0)
    found = share_interval(hits, n)
    assert (found.estimate[0], found.low[0]) == (0, 0)
    assert found.high[0] == pytest.approx(stats.binomtest(0, 50).proportion_ci().high)
    everything = share_interval(n, n)
    assert (everything.low[0], everything.high[0]) == pytest.approx((1 - found.high[0], 1))


def test_one_prompt_that_weighs_most_leaves_no_interval():
    n = np.full((100, 1), 4.0)
    n[0] = 170
    found = share_interval(n / 2, n)
    assert found.effective[0] == pytest.approx((170 + 396) ** 2 / (170**2 + 99 * 16))
    assert np.isnan([found.low[0], found.high[0]]).all()


def test_phi_of_labels_that_never_meet_worked_by_hand():
    """100 single answers, 10 with the one label, 20 with the other, none with both."""
    n = np.ones((100, 1))
    x, y = np.zeros((2, 100, 1))
    x[:10], y[10:30] = 1, 1
    found = phi_interval(x, y, both=np.zeros((100, 1)), n=n)
    estimate = -(0.1 * 0.2) / math.sqrt(0.09 * 0.16)
    given_x = stats.binomtest(0, 10).proportion_ci().high

    def at(c: float, r: float, p: float) -> float:
        return (c - p) * math.sqrt(r / (1 - r)) / math.sqrt(p * (1 - p))

    r, p = (share_interval(label, n) for label in (x, y))
    up = [at(given_x, 0.1, 0.2), at(0, r.low[0], 0.2), at(0, 0.1, p.low[0])]
    down = [estimate, at(0, r.high[0], 0.2), at(0, 0.1, p.high[0])]
    assert found.estimate[0] == pytest.approx(estimate)
    assert found.high[0] == pytest.approx(estimate + math.sqrt(sum((end - estimate) ** 2 for end in up)))
    assert found.low[0] == pytest.approx(estimate - math.sqrt(sum((end - estimate) ** 2 for end in down)))


@pytest.mark.slow
def test_turning_a_label_around_turns_phi_around():
    rng = np.random.default_rng(4)
    n = rng.integers(1, 6, (80, 1)).astype(float)
    x, y = (rng.binomial(n.astype(int), share).astype(float) for share in (0.03, 0.2))
    both = np.minimum(x, y)
    plain, turned = phi_interval(x, y, both=both, n=n), phi_interval(x, n - y, both=x - both, n=n)
    assert (turned.low[0], turned.high[0]) == pytest.approx((-plain.high[0], -plain.low[0]))
    swapped = phi_interval(y, x, both=both, n=n)
    assert (swapped.low[0], swapped.high[0]) == pytest.approx((plain.low[0], plain.high[0]))


# --- coverage; the whole grid, with 4,000 draws a cell, is benchmarks/coverage.py

DRAWS = 500
ERROR = math.sqrt(0.95 * 0.05 / DRAWS)  # one Monte-Carlo standard error, 1.0 points


@pytest.mark.parametrize("p", [0.02, 0.1, 0.5, 0.95])
@pytest.mark.parametrize("correlation", [0.1, 0.8])
def test_shares_are_covered_where_items_of_a_prompt_resemble_each_other(p: float, correlation: float):
    rng = np.random.default_rng(7)
    n = np.ceil(rng.lognormal(1, 0.6, (120, DRAWS)))
    k = (1 - correlation) / correlation
    hits = rng.binomial(n.astype(int), rng.beta(p * k, (1 - p) * k, n.shape))
    found = share_interval(hits, n)
    shown = np.isfinite(found.low)
    assert shown.mean() > 0.99
    assert np.mean((found.low <= p) & (p <= found.high)) >= 0.93 - 2 * ERROR


@pytest.mark.slow
@pytest.mark.parametrize("together", [0.0, 0.2, 0.6])
def test_phi_is_covered_from_never_together_to_nearly_always(together: float):
    """A prompt invites one label, the other, both or none; four of five answers follow."""
    rng = np.random.default_rng(8)
    share, both = 0.1, 0.1 * together
    kinds = rng.choice(4, (200, DRAWS), p=[1 - 2 * share + both, share - both, share - both, both])
    n = np.full(kinds.shape, 4.0)
    follow = rng.random((2, 4, *kinds.shape)) < 0.8
    x, y = (follow[label] & np.isin(kinds, [label + 1, 3]) for label in (0, 1))
    found = phi_interval(x.sum(axis=0), y.sum(axis=0), both=(x & y).sum(axis=0), n=n)
    margin = 0.8 * share
    truth = (0.64 * both - margin**2) / (margin * (1 - margin))
    assert np.isfinite(found.low).mean() > 0.99
    assert np.mean((found.low <= truth) & (truth <= found.high)) >= 0.93 - 2 * ERROR


@pytest.mark.slow
@pytest.mark.parametrize("lift", [0.0, 0.3, 1.0, 2.5])
def test_lifts_are_covered_from_never_to_often(lift: float):
    """Three in ten prompts are of the topic; a prompt carries the category with all of its answers, or with none."""
    rng = np.random.default_rng(9)
    n = np.ceil(rng.lognormal(0.5, 0.6, (150, DRAWS)))
    inside = rng.random(n.shape) < 0.3
    share = 0.1
    outside = (share - 0.3 * share * lift) / 0.7
    hit = rng.random(n.shape) < np.where(inside, share * lift, outside)
    found = lift_interval(n * (inside & hit), n * inside, of=(n * hit, n))
    assert np.isfinite(found.low).mean() > 0.9
    held = (found.low <= lift) & (lift <= found.high)
    assert held[np.isfinite(found.low)].mean() >= 0.93 - 2 * ERROR


def test_a_ratio_of_shares_of_single_items_is_scipys_relative_risk():
    hits, n = np.zeros(1000), np.zeros(1000)
    n[:400], hits[:90] = 1, 1
    hit, of = np.zeros(1000), np.zeros(1000)
    of[400:], hit[400:460] = 1, 1
    found = ratio_interval(hits[:, None], n[:, None], over=(hit[:, None], of[:, None]))
    known = relative_risk(90, 400, 60, 600)
    assert found.estimate[0] == pytest.approx(known.relative_risk)
    low, high = known.confidence_interval(0.95)
    assert np.log([found.low[0], found.high[0]]) == pytest.approx(np.log([low, high]), rel=0.02)


def test_a_ratio_with_few_prompts_on_a_side_has_no_ends_or_wide_ones():
    n, of = np.zeros((300, 1)), np.zeros((300, 1))
    n[:15], of[15:] = 1, 1
    hits, hit = n * (np.arange(300) % 2 == 0)[:, None], of * (np.arange(300) % 3 == 0)[:, None]
    assert np.isnan(ratio_interval(hits, n, over=(hit, of)).low[0])
    n[:40], of[:40] = 1, 0
    few = n * (np.arange(300) < 3)[:, None]
    rare = ratio_interval(few, n, over=(hit * of, of))
    assert rare.is_bounded[0]
    assert rare.low[0] < rare.estimate[0] < rare.high[0]
    none = ratio_interval(n, n, over=(0 * of, of))
    assert np.isnan(none.estimate[0])
    assert np.isnan(none.low[0])
