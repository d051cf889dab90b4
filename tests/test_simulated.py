"""Simulated preferences and scores: what was planted comes back, and intervals keep their word."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from btviz.errors import UsageError
from btviz.preference import score_association, simulate_preferences, simulate_scores


@pytest.mark.parametrize(("p", "noise"), [(0.5, 0.0), (0.7, 0.0), (0.9, 0.1), (0.2, 0.25), (0.6, 0.5)])
def test_estimates_gather_where_labels_with_these_errors_tend_to(p, noise):
    found = simulate_preferences(p, noise=noise, repeats=400, n_boot=20)
    expected = 0.5 + (p - 0.5) * (1 - 2 * noise) ** 2
    assert found.planted.observable_p == pytest.approx(expected)
    estimates = found.samples["estimate"].to_numpy()
    error = math.sqrt(expected * (1 - expected) / found.planted.n * found.planted.design_effect)
    assert estimates.mean() == pytest.approx(expected, abs=4 * error / math.sqrt(400))
    assert estimates.std(ddof=1) == pytest.approx(error, rel=0.15)


@pytest.mark.parametrize("correlation", [0.0, 0.3, 1.0])
def test_estimates_vary_by_the_design_effect(correlation):
    found = simulate_preferences(0.7, cluster_size=5, correlation=correlation, n=500, repeats=2000, n_boot=1)
    assert found.planted.design_effect == pytest.approx(1 + 4 * correlation)
    variance = found.samples["estimate"].to_numpy().var(ddof=1)
    assert variance == pytest.approx(0.7 * 0.3 / 500 * (1 + 4 * correlation), rel=0.12)


def test_a_design_effect_worked_by_hand():
    planted = simulate_preferences(0.5, noise=0.25, cluster_size=5, correlation=0.8, n=100, repeats=1).planted
    # errors leave a quarter of 2p - 1, hence a sixteenth of the correlation: 1 + 4 * 0.8 / 16
    assert planted.design_effect == pytest.approx(1.2)


def test_the_interval_by_prompt_covers_and_the_naive_one_does_not():
    found = simulate_preferences(0.65, cluster_size=8, correlation=0.4, n=960, repeats=2000, n_boot=1000)
    assert found.planted.prompts == 120
    assert 0.93 <= found.coverage <= 0.97
    assert found.naive_coverage < 0.80


@pytest.mark.slow
def test_independent_comparisons_need_no_prompts():
    found = simulate_preferences(0.65, cluster_size=1, correlation=0.4, n=400, repeats=2000, n_boot=1000)
    assert found.planted.design_effect == 1
    assert 0.93 <= found.coverage <= 0.97
    assert 0.93 <= found.naive_coverage <= 0.97


def test_errors_move_the_target_not_the_coverage():
    found = simulate_preferences(0.8, noise=0.2, n=1200, repeats=500)
    assert found.coverage > 0.9
    assert found.coverage_of_p < 0.05


def test_shares_of_coverage_are_counted_from_the_samples():
    found = simulate_preferences(0.6, n=120, repeats=50)
    truth = found.planted.observable_p
    inside = [low <= truth <= high for low, high in found.samples.select("low", "high").rows()]
    naive = [low <= truth <= high for low, high in found.samples.select("naive_low", "naive_high").rows()]
    assert found.samples["covers"].to_list() == inside
    assert (found.coverage, found.naive_coverage) == (np.mean(inside), np.mean(naive))


def test_the_seed_decides():
    first, again, other = (simulate_preferences(0.6, random_state=seed, repeats=20).samples for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)


def test_samples_are_of_whole_prompts():
    planted = simulate_preferences(0.5, n=100, cluster_size=7, repeats=1).planted
    assert (planted.prompts, planted.n) == (14, 98)


@pytest.mark.parametrize("p", [0.0, 1.0])
@pytest.mark.parametrize("correlation", [0.0, 0.5, 1.0])
def test_certainty_stays_certain(p, correlation):
    found = simulate_preferences(p, correlation=correlation, repeats=5)
    assert set(found.samples["estimate"]) == {p}
    assert found.planted.design_effect == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"p": 1.2}, "A p of 1.2"),
        ({"noise": 0.6}, "label noise of 0.6"),
        ({"correlation": -0.1}, "correlation within prompts of -0.1"),
        ({"cluster_size": 0}, "each is at least 1"),
        ({"repeats": 0}, "0 samples"),
        ({"n": 0}, "of 0 comparisons"),
    ],
)
def test_what_cannot_be_planted_is_refused(options, message):
    with pytest.raises(UsageError, match=message):
        simulate_preferences(**options)


def test_scores_show_one_association_overall_and_another_within_a_prompt():
    frame = simulate_scores(between=1.5, within=-0.5, prompts=4000, random_state=3)
    pearson = frame.select(pl.corr("helpful_score", "harmless_score")).item()
    assert pearson == pytest.approx((1.5**2 - 0.5) / (1.5**2 + 1), abs=0.03)
    found = score_association(frame, n_boot=40)
    within = found.filter(grouping="within prompt").row(0, named=True)
    assert within["n"] == 3 * 4000
    assert within["estimate"] == pytest.approx(1 / 3, abs=0.02)  # 1/2 + arcsin(-1/2) / pi
    assert found.filter(grouping="all")["estimate"].item() > 0.4


def test_scores_refuse_an_impossible_correlation():
    with pytest.raises(UsageError, match="between -1 and 1"):
        simulate_scores(within=-1.5)
