"""Orderings, calibration, Bradley-Terry and the weighted bootstrap, against other implementations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from btviz.errors import UsageError
from btviz.scores.calibration import expit, logistic_fit
from btviz.stats.ordering import ELO, elo_ratings, roc_points, separation
from btviz.stats.resampling import bootstrap, cluster_sums, reweighted


def drawn(n=400, *, seed=0, ties=True):
    rng = np.random.default_rng(seed)
    label = rng.random(n) < 0.4
    score = rng.normal(size=n) + label
    return (np.round(score, 1) if ties else score), label


@pytest.mark.parametrize("ties", [True, False])
def test_separation_equals_scikit_learn_and_scipy(ties):
    from scipy.stats import ks_2samp
    from sklearn.metrics import roc_auc_score

    score, label = drawn(ties=ties)
    auc, gap = separation(score, label)[0]
    assert auc == pytest.approx(roc_auc_score(label, score), abs=1e-12)
    assert gap == pytest.approx(ks_2samp(score[label], score[~label]).statistic, abs=1e-12)


def test_weights_repeat_items():
    score, label = drawn(60)
    weights = np.random.default_rng(1).integers(0, 4, size=(5, 60))
    found = separation(score, label, weights=weights)
    for row, times in zip(found, weights, strict=True):
        again = separation(np.repeat(score, times), np.repeat(label, times))[0]
        assert row == pytest.approx(again, abs=1e-12)


@given(
    scores=arrays.arrays(np.float64, st.integers(2, 40), elements=st.integers(-3, 3).map(float)),
    seed=st.integers(0, 99),
)
def test_turning_the_score_around_mirrors_its_auc(scores, seed):
    label = np.random.default_rng(seed).random(len(scores)) < 0.5
    auc, gap = separation(scores, label)[0]
    turned, same_gap = separation(-scores, label)[0]
    if label.all() or not label.any():
        assert np.isnan([auc, gap, turned, same_gap]).all()
    else:
        assert auc + turned == pytest.approx(1)
        assert gap == pytest.approx(same_gap)
        assert gap >= abs(auc - 0.5) - 1e-12


def test_empty_scores_have_no_separation():
    assert np.isnan(separation([], [])).all()


def test_roc_points_equal_scikit_learn():
    from sklearn.metrics import roc_curve

    score, label = drawn()
    wanted = roc_curve(label, score, drop_intermediate=False)
    threshold, false, true = roc_points(score, label)
    for mine, theirs in zip((false, true, threshold), wanted, strict=True):
        assert mine == pytest.approx(theirs)


def test_area_below_the_roc_points_is_the_auc():
    score, label = drawn(seed=4)
    _, false, true = roc_points(score, label)
    assert np.trapezoid(true, false) == pytest.approx(separation(score, label)[0, 0])


def test_reweighting_equals_the_bootstrap_of_sums():
    """A mean is a function of sums, so both ways of resampling must agree."""
    rng = np.random.default_rng(3)
    cluster = rng.integers(80, size=500)
    value = rng.normal(size=500) + cluster / 40

    def mean(drawn):
        weights = drawn[:, cluster]
        return (weights @ value / weights.sum(axis=1))[:, None]

    one = reweighted(mean, n_clusters=80, width=500, n_boot=4000)
    sums = cluster_sums(np.column_stack([value, np.ones(500)]), clusters=cluster)
    two = bootstrap(sums, lambda s: s[:, :1] / s[:, 1:], n_boot=4000)
    assert one.estimate == pytest.approx(two.estimate)
    assert one.low == pytest.approx(two.low, abs=0.02)
    assert one.high == pytest.approx(two.high, abs=0.02)
    assert one.n_clusters == 80


def test_reweighting_without_clusters_or_with_undefined_replicates_gives_no_interval():
    def hollow(weights):
        return np.where(np.arange(len(weights)) % 2, np.nan, 1.0)[:, None]

    one = reweighted(lambda w: w.sum(axis=1, keepdims=True), n_clusters=1, width=3, n_boot=10)
    assert np.isnan([one.low, one.high]).all()
    assert np.isnan(reweighted(hollow, n_clusters=50, width=50, n_boot=40).low).all()
    with pytest.raises(UsageError, match="at least 1"):
        reweighted(hollow, n_clusters=2, width=2, n_boot=0)


def test_logistic_fit_is_statsmodels_with_cluster_errors_that_are_a_little_wider():
    from statsmodels.discrete.discrete_model import Logit

    rng = np.random.default_rng(5)
    score = rng.normal(20, 7, size=600)
    label = rng.random(600) < expit(0.3 * (score - 18))
    cluster = rng.integers(90, size=600)
    found = logistic_fit(score, label, clusters=cluster)
    design = np.column_stack([np.ones(600), score])
    wanted = Logit(label.astype(float), design).fit(disp=0, cov_type="cluster", cov_kwds={"groups": cluster})
    assert found.coefficients == pytest.approx(wanted.params, rel=1e-6)
    ends = np.column_stack([found.low, found.high])
    wider = np.diff(ends, axis=1) / np.diff(wanted.conf_int(), axis=1)
    assert ((wider > 1) & (wider < 1.08)).all()  # 90 clusters: Student's t, and the jackknife


@pytest.mark.parametrize(
    ("x", "y", "reason"),
    [
        ([1.0, 2.0, 3.0], [True] * 3, "label does not vary"),
        ([2.0, 2.0, 2.0], [True, False, True], "score does not vary"),
        ([1.0, 2.0, 3.0, 4.0], [False, False, True, True], "separates"),
        ([], [], "label does not vary"),
    ],
)
def test_logistic_fit_says_why_there_is_none(x, y, reason):
    found = logistic_fit(x, y, clusters=list(range(len(x))))
    assert np.isnan([*found.coefficients, *found.low]).all()
    assert reason in found.undefined


def test_elo_of_two_players_is_the_log_odds_of_the_win_rate():
    ratings = elo_ratings([[0, 75], [25, 0]], reference=1)
    assert ratings == pytest.approx([ELO * np.log(3), 0])


def test_elo_equals_a_logistic_regression_on_player_dummies():
    from statsmodels.discrete.discrete_model import Logit

    wins = np.array([[0, 30, 44, 20], [12, 0, 31, 9], [7, 15, 0, 3], [25, 26, 40, 0]])
    rows, y, weight = [], [], []
    for i in range(4):
        for j in range(4):
            if i != j:
                row = np.zeros(4)
                row[i], row[j] = 1, -1
                rows += [row, -row]
                y += [1, 0]
                weight += [wins[i, j]] * 2
    repeat = np.repeat(np.arange(len(y)), weight)
    fit = Logit(np.array(y)[repeat], np.array(rows)[repeat][:, 1:]).fit(disp=0)
    assert elo_ratings(wins) == pytest.approx([0, *(ELO * fit.params)], rel=1e-5)


@settings(max_examples=40)
@given(seed=st.integers(0, 999), k=st.integers(2, 5))
def test_expected_wins_of_the_fit_are_those_observed(seed, k):
    wins = np.random.default_rng(seed).integers(1, 30, size=(k, k)).astype(float)
    np.fill_diagonal(wins, 0)
    strength = elo_ratings(wins) / ELO
    p = expit(strength[:, None] - strength[None])
    assert ((wins + wins.T) * p * (1 - np.eye(k))).sum(axis=1) == pytest.approx(wins.sum(axis=1))


def test_elo_is_undefined_where_someone_never_lost():
    assert np.isnan(elo_ratings([[0, 5], [0, 0]])).all()
    stack = elo_ratings([[[0, 5], [0, 0]], [[0, 1], [1, 0]]])
    assert np.isnan(stack[0]).all()
    assert stack[1] == pytest.approx([0, 0])
