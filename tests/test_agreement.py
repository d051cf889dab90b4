"""Agreement of raters, against worked examples, statsmodels, scikit-learn and matrices of coincidences."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from btviz.stats import agreement as agr

relaxed = settings(max_examples=60, deadline=None)
ratings = st.lists(st.lists(st.integers(0, 1), max_size=5), min_size=1, max_size=12)


def sums_of(items: list[list[int]]) -> np.ndarray:
    return agr.rating_sums([len(item) for item in items], [sum(item) for item in items]).sum(axis=0)


def both(cells: tuple[int, int, int, int]) -> list[list[int]]:
    """Items of two raters from their table: both, the first only, the second only, neither."""
    return [pair for pair, n in zip(([1, 1], [1, 0], [0, 1], [0, 0]), cells, strict=True) for _ in range(n)]


# --- coefficients


def test_gwets_example_of_high_agreement_and_low_kappa():
    # Gwet's emphysema example: 118 + 0 of 125 agree, prevalence 243 / 250
    sums = sums_of(both((118, 5, 2, 0)))
    q = 243 / 250
    chance = 2 * q * (1 - q)
    assert agr.agreement_by_item(sums) == pytest.approx(0.944)
    assert agr.gwet_ac1(sums) == pytest.approx((0.944 - chance) / (1 - chance))
    assert agr.gwet_ac1(sums) == pytest.approx(0.9408, abs=5e-5)
    assert agr.krippendorff_alpha(sums) < 0


def test_krippendorffs_example_of_ten_units_and_two_observers():
    first, second = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    sums = sums_of([list(pair) for pair in zip(first, second, strict=True)])
    assert agr.krippendorff_alpha(sums) == pytest.approx(1 - 19 * 4 / (14 * 6))
    assert agr.krippendorff_alpha(sums) == pytest.approx(0.095, abs=5e-4)


def test_three_items_worked_by_hand():
    sums = sums_of([[1, 1, 1], [1, 0, 0], [0, 0, 0], [1]])  # the last has one rating and does not count
    assert agr.prevalence(sums) == pytest.approx(4 / 9)
    assert agr.agreement_by_item(sums) == pytest.approx((1 + 1 / 3 + 1) / 3)
    assert agr.agreement_by_rater_pair(sums) == pytest.approx(7 / 9)
    assert agr.share_disputed(sums) == pytest.approx(1 / 3)
    assert agr.fleiss_kappa(sums) == pytest.approx((7 / 9 - 41 / 81) / (1 - 41 / 81))
    assert agr.krippendorff_alpha(sums) == pytest.approx(1 - 8 * 1 / (4 * 5))


@given(st.integers(2, 6).flatmap(lambda r: st.lists(st.integers(0, r).map(lambda k: (r, k)), min_size=1, max_size=20)))
@relaxed
def test_fleiss_kappa_is_that_of_statsmodels(counts: list[tuple[int, int]]):
    from statsmodels.stats.inter_rater import fleiss_kappa

    r, k = np.array(counts).T
    ours = agr.fleiss_kappa(agr.rating_sums(r, k).sum(axis=0))
    if k.sum() in {0, r.sum()}:
        assert math.isnan(ours)
    else:
        assert ours == pytest.approx(fleiss_kappa(np.column_stack([k, r - k])), abs=1e-9)


@given(st.tuples(*[st.integers(0, 30)] * 4).filter(any))
@relaxed
def test_scotts_pi_is_kappa_of_both_raters_with_their_common_margin(cells: tuple[int, int, int, int]):
    from sklearn.metrics import cohen_kappa_score

    pairs = np.array(both(cells))
    assume(pairs.min() != pairs.max())
    swapped = np.vstack([pairs, pairs[:, ::-1]])  # both orders give both raters the same margin
    ours = agr.fleiss_kappa(sums_of(pairs.tolist()))
    assert ours == pytest.approx(cohen_kappa_score(*swapped.T), abs=1e-9)


def alpha_by_coincidences(items: list[list[int]]) -> float:
    o = np.zeros((2, 2))
    for item in items:
        for first, second in itertools.permutations(item, 2):
            o[first, second] += 1 / (len(item) - 1)
    n_c, n = o.sum(axis=1), o.sum()
    expected = n_c[0] * n_c[1] / (n - 1) if n > 1 else 0.0
    return 1 - o[0, 1] / expected if expected else math.nan


@given(ratings)
@relaxed
def test_alpha_is_that_of_the_matrix_of_coincidences(items: list[list[int]]):
    ours = agr.krippendorff_alpha(sums_of(items))
    assert ours == pytest.approx(alpha_by_coincidences(items), abs=1e-9, nan_ok=True)


@given(ratings)
@relaxed
def test_agreement_is_that_of_listing_every_pair_of_raters(items: list[list[int]]):
    rated = [item for item in items if len(item) > 1]
    listed = [[a == b for a, b in itertools.combinations(item, 2)] for item in rated]
    sums = sums_of(items)
    if not rated:
        assert all(np.isnan(coefficient(sums)) for coefficient in agr.COEFFICIENTS.values())
        return
    assert agr.agreement_by_rater_pair(sums) == pytest.approx(np.mean(list(itertools.chain(*listed))))
    assert agr.agreement_by_item(sums) == pytest.approx(np.mean([np.mean(pairs) for pairs in listed]))
    assert agr.share_disputed(sums) == pytest.approx(np.mean([min(item) != max(item) for item in rated]))


@given(ratings)
@relaxed
def test_which_answer_is_called_positive_changes_nothing_but_the_prevalence(items: list[list[int]]):
    one, other = sums_of(items), sums_of([[1 - rating for rating in item] for item in items])
    for name, coefficient in agr.COEFFICIENTS.items():
        expected = 1 - coefficient(one) if name == "prevalence" else coefficient(one)
        assert coefficient(other) == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_fleiss_kappa_needs_a_constant_number_of_ratings():
    assert math.isnan(agr.fleiss_kappa(sums_of([[1, 0], [0, 0, 0]])))
    assert not math.isnan(agr.krippendorff_alpha(sums_of([[1, 0], [0, 0, 0]])))


def test_where_all_ratings_are_equal_only_ac1_has_a_value():
    sums = sums_of([[0, 0, 0], [0, 0, 0]])
    assert agr.gwet_ac1(sums) == 1
    assert np.isnan([agr.fleiss_kappa(sums), agr.krippendorff_alpha(sums)]).all()


def test_a_rare_label_rated_as_accurately_keeps_ac1_and_loses_kappa():
    def by_prevalence(share: float) -> np.ndarray:
        k = np.arange(4)
        choose = np.array([1, 3, 3, 1])
        weights = choose * (share * 0.9**k * 0.1 ** (3 - k) + (1 - share) * 0.1**k * 0.9 ** (3 - k))
        return 10_000 * weights @ agr.rating_sums(np.full(4, 3), k)

    even, rare = by_prevalence(0.5), by_prevalence(0.02)
    assert agr.agreement_by_item(even) == pytest.approx(agr.agreement_by_item(rare))
    assert agr.krippendorff_alpha(even) == pytest.approx(0.64, abs=1e-3)
    assert agr.krippendorff_alpha(rare) < 0.2
    assert agr.gwet_ac1(rare) > agr.gwet_ac1(even)


def test_entropy_of_votes():
    entropy = agr.vote_entropy([3, 3, 4, 1, 0], [0, 1, 2, 1, 0])
    np.testing.assert_allclose(entropy[:3], [0, math.log2(3) - 2 / 3, 1])
    assert np.isnan(entropy[3:]).all()
