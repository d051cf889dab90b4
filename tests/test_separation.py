"""AUC and Kolmogorov-Smirnov distance with prompts as the unit of chance, against SciPy, loops and simulation."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from btviz.stats.clustered import FEWEST_EFFECTIVE
from btviz.stats.separation import auc_interval, ks_interval, ks_permutation


def scored(
    rng: np.random.Generator, *, n_positive: int = 30, n_negative: int = 120, shift: float = 1.0, shared: float = 0.5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, classes and prompts; half of the positive prompts have negative answers, too."""
    sizes = rng.integers(1, 5, n_positive), rng.integers(1, 5, n_negative)
    prompts = np.r_[
        np.repeat(np.arange(n_positive), sizes[0]), n_positive // 2 + np.repeat(np.arange(n_negative), sizes[1])
    ]
    label = np.repeat([True, False], [sizes[0].sum(), sizes[1].sum()])
    of_prompt = rng.normal(size=n_positive + n_negative)[prompts]
    score = math.sqrt(shared) * of_prompt + math.sqrt(1 - shared) * rng.normal(size=len(prompts)) + shift * label
    return score, label, prompts


def test_the_area_is_that_of_mann_and_whitney_and_its_variance_that_of_delong():
    """Every answer a prompt of its own: the influences are DeLong's placements, each over 1 less its share."""
    rng = np.random.default_rng(1)
    label = np.arange(400) < 150
    score = np.round(rng.normal(size=400) + label, 1)
    found = auc_interval(score, label, clusters=np.arange(400))
    area = stats.mannwhitneyu(score[label], score[~label]).statistic / (150 * 250)
    placements = [
        np.array([np.mean((x > other) + (x == other) / 2) for x in own])
        for own, other in ((score[label], score[~label]), (score[~label], score[label]))
    ]
    error = math.sqrt(sum(part.var(ddof=1) / len(part) for part in placements))
    assert found.estimate[0] == pytest.approx(area)
    centre, reach = math.log(area / (1 - area)), stats.norm.ppf(0.975) * error / (area * (1 - area))
    wanted = [1 / (1 + math.exp(-(centre + side * reach))) for side in (-1, 1)]
    assert [found.low[0], found.high[0]] == pytest.approx(wanted, abs=0.002)


def test_few_prompts_of_one_class_leave_no_interval_and_a_class_no_estimate():
    score, label, prompts = scored(np.random.default_rng(2), n_positive=12)
    found = auc_interval(score, label, clusters=prompts)
    assert found.effective[0] < FEWEST_EFFECTIVE
    assert np.isfinite(found.estimate[0])
    assert np.isnan(found.low[0])
    assert np.isnan(auc_interval(score, np.zeros_like(label), clusters=prompts).estimate[0])
    assert math.isnan(ks_interval(score, label, clusters=prompts)[1])
    assert math.isnan(ks_permutation(score, np.zeros_like(label), clusters=prompts))


def test_a_score_that_separates_has_an_interval_with_a_width():
    label = np.arange(90) < 40
    found = auc_interval(label.astype(float), label, clusters=np.arange(90))
    assert (found.estimate[0], found.high[0]) == (1, 1)
    assert found.low[0] == pytest.approx(0.025 ** (1 / 40))


@pytest.mark.slow
@pytest.mark.parametrize(("n_positive", "shift"), [(30, 0.5), (30, 2.0), (60, 1.0)])
def test_areas_are_covered_from_thirty_prompts_of_the_rarer_class(n_positive: int, shift: float):
    """One Monte-Carlo standard error at 95 % and 500 draws is 1.0 points."""
    rng, truth, held, shown = np.random.default_rng(3), stats.norm.cdf(shift / math.sqrt(2)), 0, 0
    for _ in range(500):
        score, label, prompts = scored(rng, n_positive=n_positive, shift=shift)
        found = auc_interval(score, label, clusters=prompts)
        if np.isfinite(found.low[0]):
            shown += 1
            held += bool(found.low[0] <= truth <= found.high[0])
    assert shown > 0.7 * 500  # prompts differ in size, so that 30 may weigh as few as 20
    assert held / shown >= 0.93 - 2 * math.sqrt(0.95 * 0.05 / shown)


def test_the_distance_is_scipys_and_its_interval_covers():
    rng, held = np.random.default_rng(4), 0
    truth = stats.norm.cdf(0.25) - stats.norm.cdf(-0.25)  # two normals 0.5 apart
    for seed in range(100):
        score, label, prompts = scored(rng, n_positive=60, shift=0.5)
        distance, low, high = ks_interval(score, label, clusters=prompts, n_boot=200, random_state=seed)
        assert distance == pytest.approx(stats.ks_2samp(score[label], score[~label]).statistic)
        held += low <= truth <= high
    assert held >= 93


def test_classes_of_equal_distribution_have_a_distance_that_includes_nought():
    score, label, prompts = scored(np.random.default_rng(5), n_positive=60, shift=0)
    assert ks_interval(score, label, clusters=prompts, n_boot=200)[1] == 0


def test_the_permutation_test_is_that_of_all_exchanges():
    """Prompts of one answer each: labels are exchanged among all of them."""
    score = np.array([0.1, 0.4, 0.5, 0.9, 1.3, 1.4, 2.0])
    label = np.array([0, 0, 1, 0, 1, 1, 1], bool)

    def distance(chosen: np.ndarray) -> float:
        return stats.ks_2samp(score[chosen], score[~chosen]).statistic

    drawn = [np.isin(np.arange(7), chosen) for chosen in itertools.combinations(range(7), 4)]
    exact = np.mean([distance(chosen) >= distance(label) - 1e-12 for chosen in drawn])
    found = ks_permutation(score, label, clusters=np.arange(7), n_permutations=4000)
    assert found == pytest.approx(exact, abs=0.03)


@pytest.mark.slow
def test_the_permutation_test_keeps_its_level_where_scores_and_classes_cling_to_prompts():
    """One Monte-Carlo standard error at 5 % and 300 draws is 1.3 points; SciPy's test rejects four times as often."""
    rng, ours, plain = np.random.default_rng(6), [], []
    for seed in range(300):
        prompts = np.repeat(np.arange(40), 5)
        label = np.repeat(rng.random(40) < 0.4, 5)
        label[:50] = rng.random(50) < 0.5  # ten prompts have both classes
        score = rng.normal(size=40)[prompts] + 0.5 * rng.normal(size=200)
        ours.append(ks_permutation(score, label, clusters=prompts, n_permutations=99, random_state=seed))
        plain.append(stats.ks_2samp(score[label], score[~label]).pvalue)
    assert np.mean(np.array(ours) <= 0.05) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 300)
    assert np.mean(np.array(plain) <= 0.05) > 0.2
    assert min(ours) >= 1 / 100
