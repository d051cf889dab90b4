"""Intervals of smooth measures by cluster, against plain loops, statsmodels, SciPy and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from btviz.preference.adjusted import _long_tails
from btviz.stats.agreement import COEFFICIENTS, coefficient_interval, cohens_kappa_interval, rating_sums
from btviz.stats.association import Floats, ratio
from btviz.stats.measures import MEASURES
from btviz.stats.regression import errors_of, moves_of, worth_of
from btviz.stats.resampling import cluster_sums
from btviz.stats.separation import spearman_interval
from btviz.stats.smooth import leaving_out, smooth_interval

CHANCE_CORRECTED = ("fleiss_kappa", "krippendorff_alpha", "gwet_ac1")


def mean(sums: Floats) -> Floats:
    return ratio(sums[:, 1:], sums[:, :1])


def votes(rng: np.random.Generator, *, prompts: int = 60, raters: int = 2, accuracy: float = 0.9) -> Floats:
    """Sums by prompt of votes on four items each."""
    prompt = np.repeat(np.arange(prompts), 4)
    truth = rng.random(len(prompt)) < rng.beta(0.6, 1.4, prompts)[prompt]
    return cluster_sums(
        rating_sums(raters, rng.binomial(raters, np.where(truth, accuracy, 1 - accuracy))), clusters=prompt
    )


@given(st.integers(0, 10_000), st.integers(3, 15))
@settings(max_examples=30, deadline=None)
def test_leaving_out_kinds_is_leaving_out_clusters_one_by_one(seed: int, count: int):
    rng = np.random.default_rng(seed)
    n = rng.integers(1, 4, count).astype(float)
    sums = np.column_stack([n, rng.integers(0, 3, count)])
    value, error, freedom = leaving_out(sums, mean)
    without = np.array([np.delete(sums[:, 1], c).sum() / np.delete(n, c).sum() for c in range(count)])
    squares = (without - without.mean()) ** 2
    assert value[0] == pytest.approx(sums[:, 1].sum() / n.sum())
    assert error[0] == pytest.approx(np.sqrt((count - 1) / count * squares.sum()))
    spread = ((squares - squares.mean()) ** 2).sum()
    expected = min(2 * squares.sum() ** 2 / spread, count - 1) if spread > 1e-20 else freedom[0]
    assert freedom[0] == pytest.approx(expected, rel=1e-6)


def test_few_prompts_leave_no_ends_and_few_that_decide_wide_ones():
    even = np.column_stack([np.ones(30), np.arange(30.0)])
    assert np.isfinite(smooth_interval(even, mean).low).all()
    assert np.isnan(smooth_interval(even[:19], mean).low).all()
    heavy = even.copy()
    heavy[0] = [300, 9000]  # one prompt with nine in ten items
    assert np.isnan(smooth_interval(heavy, mean).low).all()
    one_decides = np.column_stack([np.ones(30), np.r_[100.0, np.zeros(29)]])
    found = smooth_interval(one_decides, mean)
    assert found.is_bounded.all()
    assert found.high[0] - found.low[0] > 4 * 1.96 * np.std(one_decides[:, 1]) / np.sqrt(30)  # two degrees of freedom
    alike = smooth_interval(np.column_stack([np.ones(30), np.full(30, 0.1)]), mean)
    assert np.isnan(alike.low).all()  # an interval of zero width is none


@pytest.mark.parametrize(("scale", "least", "most"), [("log", 0, np.inf), ("share", 0, 1), ("agreement", -np.inf, 1)])
def test_scales_keep_ends_inside_what_can_be(scale: str, least: float, most: float):
    sums = np.column_stack([np.ones(40), np.random.default_rng(1).beta(5, 1, 40)])
    found = smooth_interval(sums, mean, scale=scale)
    assert least < found.low[0] < found.estimate[0] < found.high[0] < most


@pytest.mark.parametrize("name", COEFFICIENTS)
def test_an_interval_of_agreement_holds_its_estimate_and_has_a_width(name: str):
    rng = np.random.default_rng(3)
    for sums in (votes(rng), votes(rng, accuracy=1.0), votes(rng, prompts=25, accuracy=0.99)):
        found = coefficient_interval(name, sums)
        assert found.estimate[0] == pytest.approx(float(COEFFICIENTS[name](sums.sum(axis=0))))
        assert found.low[0] <= found.estimate[0] <= found.high[0]
        assert found.high[0] - found.low[0] > 0.01


@pytest.mark.slow
def test_kappa_of_two_raters_is_that_of_statsmodels_and_like_its_error_without_clusters():
    from statsmodels.stats.inter_rater import cohens_kappa

    rng = np.random.default_rng(5)
    truth = rng.random(800) < 0.4
    first, second = (np.where(rng.random(800) < 0.85, truth, ~truth).astype(float) for _ in range(2))
    found = cohens_kappa_interval(first, second, both=first * second, n=np.ones(800))
    table = np.histogram2d(first, second, bins=2)[0]
    reference = cohens_kappa(table)
    assert found.estimate[0] == pytest.approx(reference.kappa)
    assert [found.low[0], found.high[0]] == pytest.approx([reference.kappa_low, reference.kappa_upp], abs=0.01)


@pytest.mark.slow
def test_intervals_of_agreement_hold_the_truth():
    """120 draws: three errors of 93 % are 7 points; the grid is in benchmarks/coverage."""
    whole = votes(np.random.default_rng(1), prompts=40_000).sum(axis=0)
    rng, held = np.random.default_rng(2), np.zeros(3)
    for _ in range(120):
        sums = votes(rng, prompts=40)
        for place, name in enumerate(CHANCE_CORRECTED):
            found = coefficient_interval(name, sums)
            held[place] += found.low[0] <= COEFFICIENTS[name](whole) <= found.high[0]
    assert (held / 120 >= 0.93 - 0.07).all()


def test_an_odds_ratio_of_many_prompts_has_the_interval_of_robins_breslow_and_greenland():
    """Items that know nothing of each other: each prompt has one comparison."""
    from statsmodels.stats.contingency_tables import StratifiedTable

    rng = np.random.default_rng(9)
    stratum, better = rng.integers(3, size=2000), rng.random(2000) < 0.5
    safer = np.where(rng.random(2000) < 0.65, better, ~better)
    cells = np.zeros((2000, 16))
    cells[np.arange(2000), 4 * stratum + 2 * better + safer] = 1
    found = MEASURES["odds_ratio_mh_by_position"].interval(cells)
    tables = [cells[:, 4 * s : 4 * s + 4].sum(axis=0)[[3, 2, 1, 0]].reshape(2, 2) for s in range(3)]
    reference = StratifiedTable(tables)
    assert found.estimate[0] == pytest.approx(reference.oddsratio_pooled)
    ends = reference.oddsratio_pooled_confint()
    assert [found.low[0], found.high[0]] == pytest.approx(list(ends), rel=0.03)


# --- regressions


@pytest.mark.slow
@pytest.mark.parametrize("logistic", [False, True])
def test_what_prompts_move_coefficients_by_is_what_refits_say(*, logistic: bool):
    import statsmodels.api as sm

    rng = np.random.default_rng(11)
    prompt = np.repeat(np.arange(40), rng.integers(2, 9, 40))
    x = np.column_stack([np.ones(len(prompt)), rng.standard_normal(len(prompt))])
    y = (rng.random(len(prompt)) < 1 / (1 + np.exp(-x[:, 1]))).astype(float)

    def fitted(rows: np.ndarray) -> np.ndarray:
        model = sm.Logit(y[rows], x[rows]) if logistic else sm.OLS(y[rows], x[rows])
        return np.asarray(model.fit(disp=0).params if logistic else model.fit().params)

    everything = fitted(np.ones(len(y), bool))
    linear = x @ everything
    p = 1 / (1 + np.exp(-linear)) if logistic else linear
    weight = p * (1 - p) if logistic else np.ones(len(y))
    moves = moves_of(x, weight=weight, residual=y - p, clusters=prompt)
    refits = np.array([everything - fitted(prompt != c) for c in range(40)])
    np.testing.assert_allclose(moves, refits, atol=0.01 if logistic else 1e-10)
    error, freedom = errors_of(refits, np.eye(2))
    assert error == pytest.approx(np.sqrt(39 * refits.var(axis=0)))
    assert ((freedom > 10) & (freedom <= 39)).all()


def test_a_coefficient_that_few_prompts_decide_has_few_degrees_of_freedom():
    x = np.column_stack([np.ones(60), np.r_[np.ones(2), np.zeros(58)]])
    residual = np.r_[0.5, -0.5, np.tile([0.5, -0.5], 29)]
    moves = moves_of(x, weight=np.ones(60), residual=residual, clusters=np.arange(60))
    error, freedom = errors_of(moves, np.eye(2))
    assert np.isfinite(error).all()
    assert freedom[1] < 5
    assert freedom[0] > 10


# --- rank correlation


def test_rho_is_scipys_and_its_error_that_of_leaving_out_prompts():
    rng = np.random.default_rng(13)
    prompt = np.repeat(np.arange(60), rng.integers(1, 6, 60))
    shared = rng.standard_normal(60)[prompt]
    x = np.round(shared + rng.standard_normal(len(prompt)), 1)  # with ties
    y = shared + rng.standard_normal(len(prompt))
    found = spearman_interval(x, y, clusters=prompt)
    assert found.estimate[0] == pytest.approx(stats.spearmanr(x, y).statistic)
    without = np.array([stats.spearmanr(x[prompt != c], y[prompt != c]).statistic for c in range(60)])
    jackknife = np.sqrt(59 * without.var())
    reach = (np.arctanh(found.high[0]) - np.arctanh(found.low[0])) / 2 * (1 - found.estimate[0] ** 2)
    assert reach == pytest.approx(2.02 * jackknife, rel=0.06)


def test_rho_of_a_constant_or_of_few_prompts_has_no_interval():
    x, y = np.arange(12.0), np.arange(12.0)[::-1]
    assert np.isnan(spearman_interval(x, np.ones(12), clusters=np.arange(12)).estimate[0])
    found = spearman_interval(x, y, clusters=np.arange(12))
    assert found.estimate[0] == pytest.approx(-1)
    assert np.isnan(found.low[0])


def test_prompts_that_tell_of_a_slope_are_counted_by_what_other_regressors_leave():
    """Reference: the residuals of a regressor on all others, by statsmodels."""
    from statsmodels.regression.linear_model import OLS

    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(300), rng.normal(size=300), rng.normal(size=300)])
    x[:, 2] += x[:, 1]
    prompt = np.repeat(np.arange(60), 5)
    left = OLS(x[:, 2], x[:, :2]).fit().resid
    told = np.bincount(prompt, left**2)
    assert worth_of(x, clusters=prompt)[2] == pytest.approx(told.sum() ** 2 / (told**2).sum())


def test_a_regressor_with_a_long_tail_is_found_and_one_of_few_values_is_not():
    rng, prompt = np.random.default_rng(0), np.repeat(np.arange(100), 5)
    normal, rare = rng.normal(size=500), (prompt < 3).astype(float)
    assert _long_tails(np.column_stack([np.ones(500), normal, np.exp(1.5 * normal), rare]), prompt) == [
        False,
        False,
        True,
        False,
    ]
