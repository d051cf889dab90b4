"""Chance-corrected, informational, paired and stratified association, against scipy, scikit-learn and statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from btviz.stats import association as assoc
from btviz.stats.agreement import chi_squared, cohens_kappa, mcnemar
from btviz.stats.association import TwoByTwo, mutual_information, phi_limits, yules_q
from btviz.stats.stratified import cochran_mantel_haenszel, common_odds_ratio

Cells = tuple[int, int, int, int]
relaxed = settings(max_examples=60)
tables = st.tuples(*[st.integers(0, 40)] * 4).filter(any)
filled = st.tuples(*[st.integers(1, 40)] * 4)


def counted(*cells: Cells) -> TwoByTwo:
    a, b, c, d = (np.array(column, np.int64) for column in zip(*cells, strict=True))
    return TwoByTwo(a + b + c + d, a + b, a + c, a)


def rows(cells: Cells) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat([1, 1, 0, 0], cells), np.repeat([1, 0, 1, 0], cells)


# --- one table


def test_a_table_worked_by_hand():
    t = counted((3, 1, 2, 4))
    assert yules_q(t)[0] == pytest.approx((12 - 2) / (12 + 2))
    assert cohens_kappa(t)[0] == pytest.approx((0.7 - 0.5) / 0.5)
    assert phi_limits(t)[1][0] == pytest.approx(math.sqrt(0.4 * 0.5 / (0.5 * 0.6)))
    assert phi_limits(t)[0][0] == pytest.approx(-20 / math.sqrt(600))
    assert chi_squared(t)[0] == pytest.approx(10 / 6)


@given(tables)
@relaxed
def test_kappa_is_that_of_scikit_learn(cells: Cells):
    from sklearn.metrics import cohen_kappa_score

    ours = cohens_kappa(counted(cells))[0]
    first, second = rows(cells)
    if len({*first, *second}) == 1:
        assert math.isnan(ours)
    else:
        assert ours == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)


@given(tables)
@relaxed
def test_mutual_information_is_that_of_scikit_learn_and_its_correction_that_of_miller_and_madow(cells: Cells):
    from sklearn.metrics import mutual_info_score

    first, second = rows(cells)
    t, n = counted(cells), sum(cells)
    bits = mutual_info_score(first, second) / math.log(2)
    assert mutual_information(t, corrected=False)[0] == pytest.approx(bits, abs=1e-12)
    filled_cells = len(set(zip(first, second, strict=True)))
    bias = (len(set(first)) + len(set(second)) - filled_cells - 1) / (2 * n * math.log(2))
    assert mutual_information(t)[0] == pytest.approx(bits + bias, abs=1e-12)


def test_the_correction_removes_the_upward_bias_of_independent_labels():
    rng = np.random.default_rng(0)
    draws = rng.multinomial(60, [0.24, 0.36, 0.16, 0.24], size=20_000)
    t = counted(*draws.tolist())
    assert mutual_information(t, corrected=False).mean() > 0.01
    assert abs(mutual_information(t).mean()) < 0.001


@given(filled)
@relaxed
def test_yules_q_is_a_function_of_the_odds_ratio(cells: Cells):
    odds = assoc.odds_ratio(counted(cells))[0]
    assert yules_q(counted(cells))[0] == pytest.approx((odds - 1) / (odds + 1), abs=1e-12)


@given(tables)
@relaxed
def test_phi_lies_within_its_limits_and_reaches_the_one_it_is_measured_against(cells: Cells):
    t = counted(cells)
    low, high = (limit[0] for limit in phi_limits(t))
    value = assoc.phi(t)[0]
    if math.isnan(value):
        assert math.isnan(low)
        assert math.isnan(high)
        return
    assert -1 - 1e-12 <= low <= value + 1e-12
    assert value - 1e-12 <= high <= 1 + 1e-12
    assert assoc.phi_over_extreme(t)[0] == pytest.approx(value / (high if value >= 0 else -low), abs=1e-9)


@given(tables)
@relaxed
def test_spearman_kendall_and_matthews_are_phi_on_binary_labels(cells: Cells):
    from scipy import stats

    t = counted(cells)
    assume(t.has_contrast[0])
    first, second = rows(cells)
    value = assoc.phi(t)[0]
    assert value == pytest.approx(stats.spearmanr(first, second).statistic, abs=1e-12)
    assert value == pytest.approx(stats.kendalltau(first, second).statistic, abs=1e-12)
    chi2 = stats.chi2_contingency(np.reshape(cells, (2, 2)), correction=False).statistic
    assert chi_squared(t)[0] == pytest.approx(chi2, abs=1e-9)


@given(tables)
@relaxed
def test_mcnemar_is_that_of_statsmodels(cells: Cells):
    from statsmodels.stats.contingency_tables import mcnemar as reference

    ours, square = mcnemar(counted(cells)), np.reshape(cells, (2, 2))
    assert ours.n_discordant[0] == cells[1] + cells[2]
    assert ours.p_exact[0] == pytest.approx(reference(square, exact=True).pvalue, abs=1e-12)
    if not ours.n_discordant[0]:
        assert math.isnan(ours.statistic[0])
        assert math.isnan(ours.p_value[0])
        return
    plain = reference(square, exact=False, correction=False)
    assert ours.statistic[0] == pytest.approx(plain.statistic)
    assert ours.p_value[0] == pytest.approx(plain.pvalue, rel=1e-9)


@pytest.mark.parametrize("cells", [(0, 0, 0, 0), (5, 0, 0, 0), (0, 5, 0, 0), (2, 3, 0, 0), (0, 0, 0, 9)])
def test_labels_that_never_vary_have_no_association(cells: Cells):
    t = counted(cells)
    undefined = [yules_q(t), chi_squared(t), *phi_limits(t)]
    assert np.isnan(undefined).all()
    information = mutual_information(t)[0]
    assert math.isnan(information) if not any(cells) else information == 0
    assert math.isnan(cohens_kappa(t)[0]) == (cells in {(0, 0, 0, 0), (5, 0, 0, 0), (0, 0, 0, 9)})


# --- strata


@given(st.lists(filled, min_size=2, max_size=5))
@example([(39, 7, 1, 1)] * 3)  # rounding took the chi-square of equal strata below 0, and its p-value to NaN
@relaxed
def test_stratified_tests_are_those_of_statsmodels(strata: list[Cells]):
    from statsmodels.stats.contingency_tables import StratifiedTable

    ours = cochran_mantel_haenszel(counted(*strata))
    reference = StratifiedTable([np.reshape(cells, (2, 2)).astype(float) for cells in strata])
    null = reference.test_null_odds(correction=False)
    assume(abs(reference.oddsratio_pooled - 1) > 1e-3)  # there its quadratic loses its figures
    equal = reference.test_equal_odds(adjust=True)
    assert ours.odds_ratio == pytest.approx(reference.oddsratio_pooled)
    assert ours.log_odds_se == pytest.approx(reference.logodds_pooled_se)
    assert ours.statistic == pytest.approx(null.statistic, abs=1e-9)
    assert ours.p_value == pytest.approx(null.pvalue, rel=1e-6, abs=1e-12)
    assert ours.homogeneity == pytest.approx(equal.statistic, abs=1e-6)
    assert ours.homogeneity_p == pytest.approx(equal.pvalue, abs=1e-6)
    assert ours.n_strata == len(strata)


@given(
    st.lists(filled, min_size=2, max_size=4), st.sampled_from([(0, 0, 0, 0), (7, 0, 0, 0), (3, 4, 0, 0), (0, 0, 1, 0)])
)
@relaxed
def test_a_stratum_without_contrast_changes_no_test(strata: list[Cells], bare: Cells):
    with_it, without = (cochran_mantel_haenszel(counted(*cells)) for cells in ([*strata, bare], strata))
    for name in vars(without):
        assert getattr(with_it, name) == pytest.approx(getattr(without, name), rel=1e-9, abs=1e-9)


def test_two_strata_whose_pooling_turns_the_sign_around():
    # each stratum has odds ratio 4; the pooled table looks opposed
    strata = counted((4, 100, 1, 100), (100, 1, 100, 4))
    assert common_odds_ratio(strata) == pytest.approx(4)
    assert cochran_mantel_haenszel(strata).homogeneity == pytest.approx(0, abs=1e-9)


def test_many_replicates_of_the_strata_at_once():
    strata = [[(3, 1, 2, 4), (5, 6, 2, 9)], [(1, 7, 2, 4), (5, 2, 2, 1)]]
    a, b, c, d = np.moveaxis(np.array(strata), -1, 0)
    both = common_odds_ratio(TwoByTwo(a + b + c + d, a + b, a + c, a))
    assert both == pytest.approx([float(common_odds_ratio(counted(*cells))) for cells in strata])


def test_strata_without_contrast_have_no_value():
    bare = cochran_mantel_haenszel(counted((3, 0, 2, 0), (0, 0, 0, 0)))
    assert np.isnan([bare.odds_ratio, bare.statistic, bare.p_value, bare.homogeneity, bare.homogeneity_p]).all()
    one = cochran_mantel_haenszel(counted((3, 1, 2, 4)))
    assert math.isnan(one.homogeneity)
    assert not math.isnan(one.statistic)
    endless = cochran_mantel_haenszel(counted((3, 0, 2, 4), (2, 0, 2, 4)))
    assert math.isnan(endless.odds_ratio)
    assert math.isnan(endless.log_odds_se)
    assert endless.p_value < 0.2
