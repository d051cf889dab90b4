"""Cluster bootstrap, sign flips and multiple testing, against scipy, statsmodels and simulation."""

from __future__ import annotations

import itertools
import math
import os
import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btviz.errors import UsageError
from btviz.stats.permutation import benjamini_hochberg, holm, sign_flip, studentised_p
from btviz.stats.resampling import bootstrap, cluster_sums, reweighted

relaxed = settings(max_examples=60)


def share(totals: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return totals[:, :1] / totals[:, 1:]


def skewed(n: int, *, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.integers(0, 9, n) ** 2, rng.integers(1, 5, n)]).astype(float)


# --- sums


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-9, 9)), max_size=40))
@relaxed
def test_sums_by_cluster_are_those_of_adding_row_by_row(rows: list[tuple[int, int]]):
    ids = np.array([cluster for cluster, _ in rows], dtype=np.int64)
    values = np.array([[value, 1] for _, value in rows]).reshape(-1, 2)
    expected = [[sum(v for c, v in rows if c == key), sum(c == key for c, _ in rows)] for key in sorted(set(ids))]
    np.testing.assert_array_equal(cluster_sums(values, clusters=ids), np.array(expected).reshape(-1, 2))
    np.testing.assert_array_equal(cluster_sums(values[:, 0], clusters=ids), [row[0] for row in expected])


def test_sums_need_one_cluster_per_row():
    with pytest.raises(UsageError, match="3 rows and 2 cluster ids"):
        cluster_sums(np.zeros((3, 1)), clusters=[1, 2])


# --- bootstrap


def test_drawing_every_resample_of_three_clusters_gives_the_same_distribution():
    sums = np.array([[1.0, 1.0], [2.0, 3.0], [2.0, 3.0]])
    exact = [sums[list(drawn)].sum(axis=0) for drawn in itertools.product(range(3), repeat=3)]
    values, counts = np.unique(np.round(share(np.array(exact)), 12), return_counts=True)
    seen = np.round(bootstrap(sums, share, n_boot=60_000).replicates, 12)
    for value, count in zip(values, counts, strict=True):
        assert (seen == value).mean() == pytest.approx(count / 27, abs=0.01)


def test_the_interval_is_that_of_scipy():
    from scipy import stats

    sums = skewed(60)
    ours = bootstrap(sums, share, n_boot=40_000)
    reference = stats.bootstrap(
        (sums[:, 0], sums[:, 1]),
        lambda x, y, axis: x.sum(axis=axis) / y.sum(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=40_000,
        method="percentile",
        rng=np.random.default_rng(1),
    )
    width = reference.confidence_interval.high - reference.confidence_interval.low
    assert ours.estimate[0] == pytest.approx(sums[:, 0].sum() / sums[:, 1].sum())
    assert ours.low[0] == pytest.approx(reference.confidence_interval.low, abs=0.02 * width)
    assert ours.high[0] == pytest.approx(reference.confidence_interval.high, abs=0.02 * width)
    assert ours.replicates.std() == pytest.approx(reference.standard_error, rel=0.02)


@given(st.randoms(use_true_random=False))
@relaxed
def test_the_order_of_the_clusters_changes_no_bit(random):
    sums = skewed(12) / 7
    order = random.sample(range(12), 12)
    one, two = (bootstrap(table, share, n_boot=50) for table in (sums, sums[order]))
    for name in ("estimate", "low", "high", "replicates"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_another_seed_gives_other_replicates_and_the_same_seed_the_same():
    sums = skewed(30)
    first, again, other = (bootstrap(sums, share, n_boot=20, random_state=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.replicates, again.replicates)
    assert (first.replicates != other.replicates).any()


@pytest.mark.slow
def test_the_number_of_threads_changes_no_bit():
    code = """
import hashlib, numpy as np
from btviz.stats.resampling import bootstrap
from btviz.stats.permutation import sign_flip
rng = np.random.default_rng(0)
sums = rng.normal(size=(900, 40))
found = bootstrap(sums, lambda totals: np.tanh(totals[:, 1:] / totals[:, :1]), n_boot=300)
parts = [found.low, found.high, found.replicates, *vars(sign_flip(sums, n_flips=200)).values()]
print(hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest())
"""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    seen = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **dict.fromkeys(names, threads)},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for threads in ("1", "2", "5")
    }
    assert len(seen) == 1


def test_totals_are_exact_so_that_equal_statistics_are_equal_in_every_bit():
    # a tenth is no binary fraction; without the grid the order of addition would show
    sums = np.column_stack([np.full(1000, 0.1), np.ones(1000)])
    replicates = bootstrap(sums, lambda totals: totals, n_boot=200).replicates
    assert (replicates[:, 1] == 1000).all()
    assert len(set(replicates[:, 0])) == 1
    assert replicates[0, 0] == pytest.approx(100, rel=1e-12)


@pytest.mark.parametrize("each", [3.0, 2.0**20 + 1])
def test_totals_of_whole_numbers_are_exact_however_large(each: float):
    # 63 of the second pass what a narrow float holds exactly
    assert (bootstrap(np.full((63, 1), each), lambda totals: totals, n_boot=20).replicates == 63 * each).all()


def test_an_undefined_replicate_leaves_no_interval():
    rare = np.zeros((40, 2))
    rare[0] = 1  # drawn in about two of three replicates
    found = bootstrap(rare, share, n_boot=200)
    assert found.estimate[0] == 1
    assert np.isnan(found.replicates).any()
    assert np.isnan([found.low, found.high]).all()


@pytest.mark.parametrize("n", [0, 1])
def test_one_cluster_has_no_interval(n: int):
    found = bootstrap(np.ones((n, 2)), share, n_boot=10)
    assert np.isnan(found.low[0])
    assert found.n_clusters == n
    assert math.isnan(found.estimate[0]) == (n == 0)


def test_the_interval_of_a_constant_is_a_point():
    found = bootstrap(np.ones((30, 2)), share, n_boot=50)
    assert (found.low[0], found.high[0]) == (1, 1)


def test_both_ways_of_resampling_draw_the_same_clusters():
    kinds = np.unique(skewed(30), axis=0)  # `bootstrap` draws clusters in this order
    one = bootstrap(kinds, lambda totals: totals[:, :1], n_boot=77, random_state=5)
    two = reweighted(lambda w: w @ kinds[:, :1], n_clusters=len(kinds), width=2**16, n_boot=77, random_state=5)
    np.testing.assert_allclose(one.replicates, two.replicates)
    assert (one.low[0], one.high[0]) == pytest.approx((two.low[0], two.high[0]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_boot": 0}, "at least 1"),
        ({"confidence": 95}, "between 0 and 1"),
    ],
)
def test_wrong_options_are_named(options: dict, message: str):
    with pytest.raises(UsageError, match=message):
        bootstrap(skewed(5), share, **options)


def test_sums_and_statistics_of_the_wrong_shape_are_named():
    with pytest.raises(UsageError, match=r"shape \(5,\)"):
        bootstrap(np.ones(5), share)
    with pytest.raises(UsageError, match="not finite"):
        bootstrap(np.full((5, 2), np.nan), share)
    with pytest.raises(UsageError, match="one row of values"):
        bootstrap(skewed(5), lambda totals: totals[:, 0])


# --- coverage


def clustered(rng: np.random.Generator, *, n_clusters: int, share_of_clusters: float, truth: float) -> np.ndarray:
    """Sums of clusters of 1 to 10 items; items of a cluster share their inclination."""
    sizes = rng.integers(1, 11, n_clusters)
    touched = rng.random(n_clusters) < share_of_clusters
    inclination = rng.beta(truth, 1 - truth, n_clusters)
    return np.column_stack([rng.binomial(sizes, inclination * touched), sizes]).astype(float)


def coverage(*, n_clusters: int, share_of_clusters: float) -> tuple[float, float, float]:
    """Share of 95 % intervals that hold the truth: bootstrap and naive; mean positive clusters."""
    rng, times, truth = np.random.default_rng(5), 600, 0.4 * share_of_clusters
    held, held_naive, positive = 0, 0, 0
    for seed in range(times):
        sums = clustered(rng, n_clusters=n_clusters, share_of_clusters=share_of_clusters, truth=0.4)
        found = bootstrap(sums, share, n_boot=399, random_state=seed)
        held += bool(found.low[0] <= truth <= found.high[0])
        hits, n = sums.sum(axis=0)
        half = 1.96 * math.sqrt(hits / n * (1 - hits / n) / n)
        held_naive += abs(hits / n - truth) <= half
        positive += int((sums[:, 0] > 0).sum())
    return held / times, held_naive / times, positive / times


@pytest.mark.slow
@pytest.mark.parametrize(("n_clusters", "share_of_clusters"), [(140, 1.0), (700, 0.2)])
def test_intervals_cover_where_fifty_clusters_are_positive_and_the_binomial_does_not(
    n_clusters: int, share_of_clusters: float
):
    held, held_naive, positive = coverage(n_clusters=n_clusters, share_of_clusters=share_of_clusters)
    assert positive >= 50
    assert 0.93 <= held <= 0.97
    assert held_naive < 0.85


def phi_of_sums(totals: np.ndarray) -> np.ndarray:
    n, x, y, both = totals.T
    return ((n * both - x * y) / np.sqrt(x * (n - x) * y * (n - y)))[:, None]


@pytest.mark.slow
def test_intervals_of_phi_cover_where_labels_share_their_prompts():
    rng, held, held_naive, times = np.random.default_rng(8), 0, 0, 500
    p_x, p_both = 0.4 * 0.8, 0.25 * 0.64  # a prompt invites a label; four of five answers follow
    truth = (p_both - p_x**2) / (p_x * (1 - p_x))
    for seed in range(times):
        invited = rng.choice(4, 150, p=[0.45, 0.15, 0.15, 0.25])
        x, y = ((rng.random((150, 5)) < 0.8) & np.isin(invited, kinds)[:, None] for kinds in ((1, 3), (2, 3)))
        sums = np.column_stack([np.full(150, 5), x.sum(axis=1), y.sum(axis=1), (x & y).sum(axis=1)])
        found = bootstrap(sums, phi_of_sums, n_boot=399, random_state=seed)
        held += bool(found.low[0] <= truth <= found.high[0])
        half = 1.96 / math.sqrt(750 - 3)
        held_naive += (
            math.tanh(math.atanh(found.estimate[0]) - half) <= truth <= math.tanh(math.atanh(found.estimate[0]) + half)
        )
    assert 0.93 <= held / times <= 0.97
    assert held_naive / times < 0.85


@pytest.mark.slow
def test_a_handful_of_positive_clusters_is_too_few():
    held, _, positive = coverage(n_clusters=140, share_of_clusters=0.06)
    assert positive < 10
    assert held < 0.93


# --- sign flips


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
@relaxed
def test_the_p_value_is_that_of_all_turns_of_signs(sums: list[int]):
    found = sign_flip(sums, n_flips=4000)
    if not any(sums):
        assert math.isnan(found.p_value)
        assert math.isnan(found.statistic)
        return
    turns = [
        abs(sum(s * v for s, v in zip(signs, sums, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(sums))
    ]
    exact = np.mean([turn >= abs(sum(sums)) for turn in turns])
    assert found.p_value == pytest.approx(exact, abs=0.04)
    assert found.statistic == pytest.approx(sum(sums) / math.sqrt(sum(v * v for v in sums)))


def test_sign_flips_agree_with_the_permutation_test_of_scipy():
    from scipy import stats

    sums = np.random.default_rng(2).normal(0.25, 1, 60)
    reference = stats.permutation_test(
        (sums,),
        lambda x, axis: x.sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=20_000,
        rng=np.random.default_rng(3),
    )
    assert sign_flip(sums, n_flips=20_000).p_value == pytest.approx(reference.pvalue, abs=0.01)


def test_columns_are_tests_of_their_own():
    sums = np.random.default_rng(4).integers(-2, 4, (80, 2))
    both = sign_flip(sums, n_flips=5000)
    assert both.p_value.shape == (2,)
    assert both.null.shape == (5000, 2)
    for column in range(2):
        assert both.p_value[column] == pytest.approx(sign_flip(sums[:, column], n_flips=5000).p_value, abs=0.03)


def test_a_sum_that_no_turn_exceeds_has_the_smallest_p_value():
    found = sign_flip(np.ones(100), n_flips=999)
    assert found.p_value == 1 / 1000
    assert found.statistic == pytest.approx(10)


def test_the_sign_flip_test_keeps_its_level_on_clusters_of_unequal_size():
    rng = np.random.default_rng(6)
    p_values = []
    for seed in range(400):
        sizes = rng.integers(1, 12, 60)
        lean = rng.choice([0.1, 0.9], 60)
        sums = 2 * rng.binomial(sizes, lean) - sizes
        p_values.append(sign_flip(sums, n_flips=399, random_state=seed).p_value)
    assert np.mean(np.array(p_values) <= 0.05) == pytest.approx(0.05, abs=0.03)


def test_flips_of_nothing_and_of_no_flips():
    assert math.isnan(sign_flip(np.zeros(0), n_flips=5).p_value)
    with pytest.raises(UsageError, match="at least 1"):
        sign_flip([1.0], n_flips=0)


# --- many tests


@pytest.mark.slow
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
@relaxed
def test_adjusted_p_values_are_those_of_statsmodels(p_values: list[float]):
    from statsmodels.stats.multitest import multipletests

    with mock.patch("gc.collect"):  # which it calls each time: half a second where much is loaded
        by_holm, by_rate = (multipletests(p_values, method=method)[1] for method in ("holm", "fdr_bh"))
    np.testing.assert_allclose(holm(p_values), by_holm, atol=1e-12)
    np.testing.assert_allclose(benjamini_hochberg(p_values), by_rate, atol=1e-12)


def test_a_test_without_a_p_value_does_not_count():
    for adjust in (holm, benjamini_hochberg):
        adjusted = adjust([0.01, np.nan, 0.04])
        np.testing.assert_allclose(adjusted[[0, 2]], adjust([0.01, 0.04]))
        assert math.isnan(adjusted[1])
        assert adjust([]).shape == (0,)


def test_three_p_values_adjusted_by_hand():
    np.testing.assert_allclose(holm([0.03, 0.01, 0.04]), [0.06, 0.03, 0.06])
    np.testing.assert_allclose(benjamini_hochberg([0.03, 0.01, 0.04]), [0.04, 0.03, 0.04])


@pytest.mark.parametrize("drawn", [bootstrap, sign_flip])
def test_a_negative_seed_is_refused_in_words(drawn):
    options = {"statistic": lambda totals: totals} if drawn is bootstrap else {}
    with pytest.raises(UsageError, match="seed is 0 or more"):
        drawn(np.ones((60, 1)), random_state=-1, **options)


def test_equal_columns_are_drawn_alike_and_change_nothing():
    one = np.random.default_rng(5).integers(0, 4, (80, 3)).astype(float)
    twice = np.column_stack([one[:, [2, 0, 1]], np.zeros(80), one])
    plain, wide = (bootstrap(sums, lambda totals: totals, n_boot=50).replicates for sums in (one[:, [2, 0, 1]], twice))
    assert (wide[:, :3] == plain).all()
    assert (wide[:, 4:] == wide[:, [1, 2, 0]]).all()
    assert not wide[:, 3].any()


def test_the_studentised_test_is_the_bootstrap_of_t():
    """Reference: clusters drawn one by one in a plain loop."""
    draw = np.random.default_rng(5)
    sums = draw.integers(-3, 5, 40).astype(float)
    n, mean = len(sums), sums.mean()
    observed = abs(mean) / (sums.std(ddof=1) / np.sqrt(n))
    exceeding = 0
    for _ in range(4000):
        drawn = sums[draw.integers(n, size=n)]
        exceeding += abs(drawn.mean() - mean) / (drawn.std(ddof=1) / np.sqrt(n)) >= observed
    assert studentised_p(sums, n_boot=8000) == pytest.approx(exceeding / 4000, abs=0.02)
    assert studentised_p(-sums, n_boot=8000) == pytest.approx(studentised_p(sums, n_boot=8000), abs=0.02)
    assert np.isnan(studentised_p(np.ones(9)))
    assert np.isnan(studentised_p(np.zeros(0)))
    assert studentised_p(np.r_[np.ones(30), np.zeros(10)], n_boot=199) == 1 / 200
    assert studentised_p(np.r_[np.ones(99), 2.0], n_boot=199) > 0.2  # one cluster decides how much they vary


def test_sizes_that_tell_of_the_outcome_mislead_sign_flips_but_not_the_studentised_test():
    """50 prompts: one in ten has 18 items that all miss, the others 2 that all hit, so hits and misses balance."""
    draws, rejected = 400, np.zeros(2)
    for draw in np.random.default_rng(0).spawn(draws):
        sums = np.where(draw.random(50) < 0.1, -18.0, 2.0)
        flipped, studentised = sign_flip(sums, n_flips=199).p_value, studentised_p(sums, n_boot=199)
        rejected += np.array([flipped, studentised]) <= 0.05
    error = np.sqrt(0.05 * 0.95 / draws)
    assert rejected[0] / draws > 0.05 + 2 * error
    assert rejected[1] / draws <= 0.05 + 3 * error
