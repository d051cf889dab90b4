"""Coefficients of two labels, against hand-worked tables, scipy, scikit-learn and counting by row."""

from __future__ import annotations

import itertools
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from btviz.labels.associations import coefficients
from btviz.labels.population import Group
from btviz.stats import association as assoc
from btviz.stats.association import TwoByTwo, orthant_excess, tetrachoric, wilson
from btviz.stats.binning import seriation


def table(n: int, row: int, col: int, both: int) -> TwoByTwo:
    return TwoByTwo(*(np.array([count]) for count in (n, row, col, both)))


two_by_twos = (
    st.tuples(*[st.integers(0, 60)] * 4)
    .filter(any)
    .map(lambda cells: (sum(cells), cells[0] + cells[1], cells[0] + cells[2], cells[0]))
)
relaxed = settings(max_examples=60)

solid = st.tuples(*[st.integers(1, 400)] * 4).map(
    lambda cells: (sum(cells), cells[0] + cells[1], cells[0] + cells[2], cells[0])
)


def as_rows(counts: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    n, row, col, both = counts
    first = np.repeat([1, 1, 0, 0], [both, row - both, col - both, n - row - col + both])
    second = np.repeat([1, 0, 1, 0], [both, row - both, col - both, n - row - col + both])
    return first, second


def as_square(counts: tuple[int, int, int, int]) -> np.ndarray:
    n, row, col, both = counts
    return np.array([[both, row - both], [col - both, n - row - col + both]])


def test_a_table_worked_by_hand():
    t = table(10, 4, 5, 3)
    assert assoc.phi(t)[0] == pytest.approx(10 / math.sqrt(4 * 6 * 5 * 5))
    assert assoc.phi_over_extreme(t)[0] == pytest.approx((10 * 3 - 20) / (10 * 4 - 20))
    assert assoc.jaccard(t)[0] == 3 / 6
    assert assoc.lift(t)[0] == 30 / 20
    assert assoc.odds_ratio(t)[0] == 3 * 4 / (1 * 2)
    assert assoc.odds_ratio(t, added=0.5)[0] == 3.5 * 4.5 / (1.5 * 2.5)
    assert assoc.min_expected(t)[0] == 4 * 5 / 10
    assert assoc.chi_squared_p(t)[0] == pytest.approx(0.19670560245894686)  # chi-square 5/3, 1 d.f.


def test_a_negative_phi_is_measured_against_the_least_overlap_the_margins_allow():
    assert assoc.phi_over_extreme(table(10, 4, 5, 1))[0] == -0.5  # none would be least
    assert assoc.phi_over_extreme(table(10, 7, 8, 5))[0] == -1.0  # five is least
    assert assoc.phi_over_extreme(table(10, 4, 5, 4))[0] == 1.0
    assert assoc.phi_over_extreme(table(10, 4, 5, 2))[0] == 0.0


@given(two_by_twos)
@relaxed
def test_phi_is_the_pearson_and_matthews_correlation(counts: tuple[int, int, int, int]):
    from scipy import stats
    from sklearn.metrics import matthews_corrcoef

    first, second = as_rows(counts)
    ours = assoc.phi(table(*counts))[0]
    if first.std() == 0 or second.std() == 0:
        assert math.isnan(ours)
        assert not table(*counts).has_contrast[0]
    else:
        assert ours == pytest.approx(stats.pearsonr(first, second).statistic, abs=1e-12)
        assert ours == pytest.approx(matthews_corrcoef(first, second), abs=1e-12)


@given(two_by_twos)
@relaxed
def test_jaccard_is_that_of_scikit_learn(counts: tuple[int, int, int, int]):
    from sklearn.metrics import jaccard_score

    first, second = as_rows(counts)
    assume((first | second).any())
    assert assoc.jaccard(table(*counts))[0] == pytest.approx(jaccard_score(first, second), abs=1e-12)


@given(two_by_twos)
@relaxed
def test_chi_square_odds_ratio_and_cramers_v_are_those_of_scipy(counts: tuple[int, int, int, int]):
    from scipy import stats

    square, t = as_square(counts), table(*counts)
    assume(t.has_contrast[0])
    reference = stats.chi2_contingency(square, correction=False)
    assert assoc.chi_squared_p(t)[0] == pytest.approx(reference.pvalue, rel=1e-9, abs=1e-300)
    assert assoc.min_expected(t)[0] == pytest.approx(reference.expected_freq.min())
    cramer = stats.contingency.association(square, method="cramer")
    assert abs(assoc.phi(t)[0]) == pytest.approx(cramer, abs=1e-12)
    if square[0, 1] * square[1, 0]:
        odds = stats.contingency.odds_ratio(square, kind="sample").statistic
        assert assoc.odds_ratio(t)[0] == pytest.approx(odds)
    else:
        assert math.isnan(assoc.odds_ratio(t)[0])
    haldane = stats.contingency.odds_ratio(2 * square + 1, kind="sample").statistic
    assert assoc.odds_ratio(t, added=0.5)[0] == pytest.approx(haldane)


@given(two_by_twos)
@relaxed
def test_phi_lies_between_its_extremes(counts: tuple[int, int, int, int]):
    value = assoc.phi_over_extreme(table(*counts))[0]
    assert math.isnan(value) or -1 <= value <= 1
    assert math.isnan(value) == math.isnan(assoc.phi(table(*counts))[0])


@given(solid, st.integers(2, 10**6))
@relaxed
def test_more_rows_of_the_same_kind_change_no_coefficient(counts: tuple[int, int, int, int], times: int):
    few, many = table(*counts), table(*(count * times for count in counts))
    for coefficient in (assoc.phi, assoc.phi_over_extreme, assoc.jaccard, assoc.lift, assoc.odds_ratio, tetrachoric):
        assert coefficient(many)[0] == pytest.approx(coefficient(few)[0], rel=1e-9, abs=1e-9)


def test_products_of_counts_neither_wrap_nor_lose_a_small_difference():
    n = 3_000_000_000
    assert assoc.phi(table(n, n // 2, n // 2, n // 4))[0] == 0.0
    assert table(n, n // 2, n // 2, n // 4 + 1).excess()[0] == n
    huge = 8_000_000_000  # its square passes 64 bits
    assert assoc.phi(table(huge, huge // 2, huge // 2, huge // 2))[0] == pytest.approx(1.0)
    assert assoc.phi(table(huge, huge // 4, huge // 4, huge // 8))[0] == pytest.approx(1 / 3)


def test_tetrachoric_of_even_margins_has_a_closed_form():
    # a quarter plus asin(rho) / (2 pi) lies above both medians
    assert tetrachoric(table(12, 6, 6, 4))[0] == pytest.approx(0.5, abs=1e-12)
    assert tetrachoric(table(12, 6, 6, 2))[0] == pytest.approx(-0.5, abs=1e-12)
    assert tetrachoric(table(12, 6, 6, 3))[0] == pytest.approx(0.0, abs=1e-12)
    assert tetrachoric(table(10**6, 5 * 10**5, 5 * 10**5, 5 * 10**5 - 1))[0] == pytest.approx(
        math.sin(2 * math.pi * (0.25 - 1e-6)), abs=1e-12
    )


@given(solid)
@relaxed
def test_at_the_tetrachoric_the_normal_model_of_scipy_fits_the_table(counts: tuple[int, int, int, int]):
    from scipy import stats

    n, row, col, both = counts
    rho = float(tetrachoric(table(*counts))[0])
    upper = stats.norm.isf([row / n, col / n])
    above = stats.multivariate_normal.cdf(-upper, mean=[0, 0], cov=[[1, rho], [rho, 1]], allow_singular=True)
    assert above == pytest.approx(both / n, abs=1e-7)


def test_the_tetrachoric_maximises_the_likelihood_of_all_three_parameters():
    from scipy import optimize, stats

    counts = np.array([161, 136, 141, 2583], dtype=float)

    def loss(parameters: np.ndarray) -> float:
        h, k, z = parameters
        rho = math.tanh(z)
        both = stats.multivariate_normal.cdf([-h, -k], mean=[0, 0], cov=[[1, rho], [rho, 1]])
        row, col = stats.norm.sf([h, k])
        cells = np.array([both, row - both, col - both, 1 - row - col + both])
        return -float(counts @ np.log(cells))

    best = optimize.minimize(loss, x0=[0.5, 0.5, 0.1], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9})
    assert tetrachoric(table(3021, 297, 302, 161))[0] == pytest.approx(math.tanh(best.x[2]), abs=1e-5)


@pytest.mark.parametrize("rho", [-0.9999, -0.95, -0.3, 0.0, 0.6, 0.99, 0.9999])
def test_orthant_probability_against_numerical_integration(rho: float):
    from scipy import integrate
    from scipy.special import ndtr

    def density(x: float, k: float) -> float:
        return math.exp(-x * x / 2) / math.sqrt(2 * math.pi) * ndtr((rho * x - k) / math.sqrt(1 - rho * rho))

    for h, k in itertools.product((-2.5, 0.0, 0.4, 3.0), (-2.4, 0.1, 0.4, 3.1)):
        bends = [k / rho + step for step in (-0.1, 0.0, 0.1)] if rho else []
        ends = [h, *sorted(x for x in bends if h < x < 12), 12.0]
        above = sum(integrate.quad(density, a, b, args=(k,), epsabs=1e-13)[0] for a, b in itertools.pairwise(ends))
        ours = orthant_excess([math.asin(rho)], thresholds=(np.array([h]), np.array([k])))[0]
        assert ours == pytest.approx(above - ndtr(-h) * ndtr(-k), abs=1e-10)


@given(st.lists(st.integers(1, 7), min_size=2, max_size=5), st.integers(0, 50_000))
@relaxed
def test_independent_labels_seen_only_where_there_is_one_show_exactly_the_expected_phi(
    eighths: list[int], unlabelled: int
):
    # every set with the weight that independent draws of probability q/8 give it
    k = len(eighths)
    sets = np.arange(1, 2**k)
    weights = np.array([math.prod(q if mask >> bit & 1 else 8 - q for bit, q in enumerate(eighths)) for mask in sets])
    n_labelled = int(weights.sum())
    n = n_labelled + unlabelled
    joint = assoc.joint_counts(sets, weights=weights, size=k)
    margins = joint.diagonal()
    seen = assoc.phi(TwoByTwo(np.asarray(n), margins[:, None], margins[None, :], joint))
    expected = assoc.phi_given_any(margins, n=n, n_labelled=n_labelled)
    off = ~np.eye(k, dtype=bool)
    np.testing.assert_allclose(expected[off], seen[off], atol=1e-9)


def test_where_no_item_carries_two_labels_the_expected_phi_is_the_smallest_possible():
    margins = np.array([30, 50, 20])
    expected = assoc.phi_given_any(margins, n=100, n_labelled=100)
    assert expected[0, 1] == pytest.approx(-30 * 50 / math.sqrt(30 * 70 * 50 * 50), abs=1e-12)


def test_the_expected_phi_has_no_value_where_phi_has_none():
    expected = assoc.phi_given_any([10, 0, 4], n=10, n_labelled=10)
    assert np.isnan(expected).all()
    assert not np.isnan(assoc.phi_given_any([9, 0, 4], n=10, n_labelled=10)[0, 2])
    assert np.isnan(assoc.phi_given_any([0, 0], n=0, n_labelled=0)).all()


@given(st.lists(st.tuples(st.integers(0, 31), st.integers(1, 20)), max_size=12, unique_by=lambda pair: pair[0]))
@relaxed
def test_joint_counts_are_those_of_counting_row_by_row(histogram: list[tuple[int, int]]):
    rows = [mask for mask, times in histogram for _ in range(times)]
    ours = assoc.joint_counts([m for m, _ in histogram], weights=[w for _, w in histogram], size=5)
    for i, j in itertools.product(range(5), repeat=2):
        assert ours[i, j] == sum(mask >> i & 1 and mask >> j & 1 for mask in rows)


@given(st.integers(0, 40), st.integers(1, 60))
@relaxed
def test_wilson_interval_is_that_of_scipy(misses: int, hits: int):
    from scipy import stats

    for count in (misses, hits):
        low, high = wilson([count], n=[misses + hits])
        reference = stats.binomtest(count, misses + hits).proportion_ci(0.95, method="wilson")
        assert (low[0], high[0]) == pytest.approx((reference.low, reference.high), abs=1e-12)


def test_no_items_no_interval():
    assert np.isnan(wilson([0], n=[0])).all()


KEYS = ("a", "b", "c")


def table_of(histogram: dict[int, int], *, conditioned: bool = False, n_no_category: int = 0) -> pl.DataFrame:
    masks = np.array(list(histogram), np.int64)
    group = Group(None, masks, np.array(list(histogram.values()), np.int64), n_no_category, 0)
    return coefficients(group, {key: place for place, key in enumerate(KEYS)}, conditioned=conditioned)


def reasons(frame: pl.DataFrame, row: str, col: str) -> str | None:
    return frame.filter(row=row, col=col)["undefined"].item()


def test_every_missing_value_says_why():
    frame = table_of({0b001: 5, 0b000: 5})
    assert reasons(frame, "a", "b") == "no item has the column category"
    assert reasons(frame, "b", "a") == "no item has the row category"
    assert reasons(frame, "b", "c") == "no item has the row category; no item has the column category"
    assert reasons(table_of({0b001: 5, 0b011: 5}), "a", "b") == "every item has the row category"
    nested = table_of({0b001: 5, 0b011: 5, 0b100: 5})
    assert reasons(nested, "a", "b") == reasons(nested, "b", "a")
    assert "odds ratio infinite" in str(reasons(nested, "a", "b"))
    assert reasons(table_of({0b001: 5, 0b010: 5, 0b000: 2}), "a", "b") == (
        "a cell of the 2x2 table is 0: no tetrachoric"
    )
    assert set(table_of({})["undefined"]) == {"no item is counted"}


@pytest.mark.slow
@given(st.dictionaries(st.integers(0, 7), st.integers(1, 30), max_size=8), st.booleans())
@relaxed
def test_a_reason_stands_exactly_where_a_value_is_missing(histogram: dict[int, int], conditioned: bool):
    unlabelled = histogram.get(0, 0)
    frame = table_of(histogram, conditioned=conditioned, n_no_category=unlabelled)
    values = frame.drop("undefined") if conditioned else frame.drop("undefined", "phi_expected")
    floats = values.select(pl.selectors.float().fill_nan(None))
    incomplete = floats.select(pl.any_horizontal(pl.all().is_null())).to_series()
    assert incomplete.to_list() == frame["undefined"].is_not_null().to_list()
    assert not floats.select(pl.any_horizontal(pl.all().is_infinite().fill_null(value=False))).to_series().any()


@given(st.dictionaries(st.integers(0, 7), st.integers(1, 30), min_size=1, max_size=8))
@relaxed
def test_symmetric_coefficients_are_the_same_bits_both_ways(histogram: dict[int, int]):
    frame = table_of(histogram, conditioned=True)
    assert frame.height == 6
    there = frame.sort("row", "col")
    back = frame.rename({"row": "col", "col": "row", "n_row": "n_col", "n_col": "n_row"}).sort("row", "col")
    one_way = {"p_col_given_row", "undefined", "row_order", "col_order"}
    for name in set(frame.columns) - one_way:
        assert there[name].equals(back[name], null_equal=True), name


@pytest.mark.slow
@given(st.dictionaries(st.integers(0, 7), st.integers(1, 30), min_size=2, max_size=8))
@relaxed
def test_the_table_is_that_of_pandas_over_rows(histogram: dict[int, int]):
    import pandas as pd

    rows = pd.DataFrame(
        [[mask >> bit & 1 for bit in range(3)] for mask, n in histogram.items() for _ in range(n)], columns=list(KEYS)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = rows.corr()
    for line in table_of(histogram).iter_rows(named=True):
        both = rows[rows[line["row"]] == 1]
        assert (line["n"], line["n_row"], line["n_col"]) == (
            len(rows),
            rows[line["row"]].sum(),
            rows[line["col"]].sum(),
        )
        assert line["n_both"] == both[line["col"]].sum()
        np.testing.assert_allclose(line["phi"], correlation.loc[line["row"], line["col"]], atol=1e-12)
        np.testing.assert_allclose(line["p_col_given_row"], both[line["col"]].mean(), atol=1e-12)
        assert line["low_expected"] == (line["min_expected"] < 5)


def test_informational_coefficients_worked_by_hand():
    row = table_of({0b011: 3, 0b001: 1, 0b010: 2, 0b000: 4}).filter(row="a", col="b").row(0, named=True)
    assert row["yules_q"] == pytest.approx((3 * 4 - 1 * 2) / (3 * 4 + 1 * 2))
    assert row["phi_max"] == pytest.approx(math.sqrt(0.4 * 0.5 / (0.5 * 0.6)))
    assert row["phi_min"] == pytest.approx(-20 / math.sqrt(600))
    cells, bits = {(0.4, 0.5): 0.3, (0.4, 0.5, 0): 0.1, (0.6, 0.5): 0.2, (0.6, 0.5, 0): 0.4}, 0.0
    for (p, q, *_), joint in cells.items():
        bits += joint * math.log2(joint / (p * q))
    assert row["mutual_information"] == pytest.approx(bits)
    assert row["mutual_information_corrected"] == pytest.approx(bits - 1 / (2 * 10 * math.log(2)))


@pytest.mark.slow
@given(st.dictionaries(st.integers(0, 7), st.integers(1, 30), min_size=1, max_size=8))
@relaxed
def test_informational_coefficients_of_the_table_are_those_of_scikit_learn_and_keep_their_bounds(
    histogram: dict[int, int],
):
    from sklearn.metrics import mutual_info_score

    masks = np.repeat(list(histogram), list(histogram.values()))
    flags = {key: masks >> bit & 1 for bit, key in enumerate(KEYS)}
    for line in table_of(histogram).iter_rows(named=True):
        bits = mutual_info_score(flags[line["row"]], flags[line["col"]]) / math.log(2)
        assert line["mutual_information"] == pytest.approx(bits, abs=1e-12)
        assert 0 <= line["mutual_information"] <= 1 + 1e-12
        bounded = [line[name] for name in ("phi_min", "phi", "phi_max", "yules_q")]
        if math.isnan(line["phi"]):
            assert all(math.isnan(value) for value in bounded)
            assert line["undefined"] is not None
            continue
        low, phi, high, q = bounded
        assert -1 - 1e-12 <= low <= phi + 1e-12
        assert phi - 1e-12 <= high <= 1 + 1e-12
        assert abs(phi) - 1e-12 <= abs(q) <= 1  # Q is never nearer to 0 than phi (Yule 1912)
        assert phi * q >= 0


def test_one_record_of_a_coefficient_drives_its_column_its_picture_and_its_documentation():
    from btviz.labels.associations import cooccurrence
    from btviz.plots.labels import matrix

    documented = " ".join((cooccurrence.__doc__ or "").split())
    columns = table_of({0b011: 3, 0b000: 4}).columns
    assert [name for name in columns if name in matrix.COEFFICIENTS and name != "n_both"] == [
        one.key for one in assoc.COEFFICIENTS if one.key != "n_both"
    ]
    for one in assoc.COEFFICIENTS:
        assert one.key in columns
        assert f"`{one.key}`" in documented
        assert (matrix.COEFFICIENTS[one.key].title, matrix.COEFFICIENTS[one.key].kind) == (one.title, one.scale)
        assert one.formula
        assert one.undefined


def test_seriation_puts_what_is_alike_side_by_side():
    alike = np.array([[1, 0, 0.9, 0.2], [0, 1, 0.1, 0.8], [0.9, 0.1, 1, 0], [0.2, 0.8, 0, 1]])
    # a with c and b with d; of the ends, a and d are the most alike; b comes before c
    assert seriation(alike, keys=list("abcd")) == ["b", "d", "a", "c"]


def test_seriation_of_a_line_gives_the_line_back():
    place = np.array([3, 0, 4, 1, 2])
    alike = -np.abs(place[:, None] - place[None, :]).astype(float)
    order = seriation(alike, keys=["d", "a", "e", "b", "c"])
    assert order in (list("abcde"), list("edcba"))


@given(st.integers(2, 9), st.integers(0, 10**6))
@relaxed
def test_every_cluster_of_average_linkage_stays_together(k: int, seed: int):
    from scipy.cluster import hierarchy
    from scipy.spatial.distance import squareform

    draw = np.random.default_rng(seed).uniform(-1, 1, (k, k))
    alike = (draw + draw.T) / 2
    np.fill_diagonal(alike, 1)
    order = [int(key) for key in seriation(alike, keys=[str(i) for i in range(k)])]
    assert sorted(order) == list(range(k))
    assert order[0] < order[-1]
    members = {i: {i} for i in range(k)}
    for step, (left, right, _, _) in enumerate(hierarchy.linkage(squareform(1 - alike, checks=False), "average")):
        members[k + step] = members[int(left)] | members[int(right)]
        places = [order.index(member) for member in members[k + step]]
        assert max(places) - min(places) == len(places) - 1


def test_seriation_reads_a_missing_value_as_zero_and_takes_any_number_of_keys():
    alike = np.array([[np.nan, np.nan, 0.5], [np.nan, np.nan, -0.5], [0.5, -0.5, np.nan]])
    assert seriation(alike, keys=list("abc")) == seriation(np.nan_to_num(alike), keys=list("abc"))
    assert seriation(np.zeros((0, 0)), keys=[]) == []
    assert seriation(np.ones((1, 1)), keys=["a"]) == ["a"]
