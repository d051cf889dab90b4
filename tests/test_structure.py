"""Structure of the categories: against scikit-learn's and statsmodels' parts, SciPy, plain loops, and known truths."""

import itertools
import json

import numpy as np
import polars as pl
import pytest
from chart_contents import rows_of, words
from click.testing import CliRunner
from small_data import dataset_from_rows

import btviz
from btviz import plots
from btviz.cli import app
from btviz.errors import UsageError
from btviz.labels import Factoring, category_structure
from btviz.machine.threads import one_core_each
from btviz.reports import sentences
from btviz.reports.figures.of_data import FIGURES
from btviz.stats import factors, ising
from btviz.stats.association import TwoByTwo, tetrachoric
from btviz.stats.stratified import conditional_interval


def joint_of(flags):
    return flags.T.astype(np.int64) @ flags


def of_factors(loadings, n, *, thresholds, seed):
    """Binary labels behind which lie independent factors."""
    rng = np.random.default_rng(seed)
    unique = np.sqrt(1 - (loadings**2).sum(axis=1))
    latent = rng.normal(size=(n, loadings.shape[1])) @ loadings.T + rng.normal(size=(n, len(loadings))) * unique
    return latent > thresholds


TWO = np.array([[0.8, 0], [0.7, 0], [0.75, 0], [0, 0.8], [0, 0.7], [0, 0.6]])


def test_tables_without_an_empty_cell_are_fitted_exactly():
    flags = of_factors(TWO, 800, thresholds=np.linspace(0.2, 0.9, 6), seed=1)
    joint, n = joint_of(flags), len(flags)
    row, col = np.triu_indices(6, 1)
    margins = joint.diagonal()
    exact = tetrachoric(TwoByTwo(np.int64(n), margins[row], margins[col], joint[row, col]))
    for rule in factors.EMPTY_CELLS:
        assert factors.tetrachoric_matrix(joint, n, empty_cells=rule).raw[row, col] == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize(("both", "first", "second"), [(0, 30, 25), (30, 30, 70), (0, 4, 5)])
def test_an_empty_cell_is_half_an_item_with_the_thresholds_of_the_margins(both, first, second):
    """The likelihood of R's psych::tetrachoric (correct = .5, global = TRUE), with SciPy's normal and optimiser."""
    from scipy.optimize import minimize_scalar
    from scipy.stats import multivariate_normal, norm

    n = 200
    h, k = -norm.ppf(first / n), -norm.ppf(second / n)
    counts = np.array([both, first - both, second - both, n - first - second + both], float)
    counts[counts == 0] = 0.5

    def loss(rho):
        above = multivariate_normal.cdf([-h, -k], cov=[[1, rho], [rho, 1]])
        shares = [above, first / n - above, second / n - above, 1 - first / n - second / n + above]
        return -(counts * np.log(np.maximum(shares, 1e-12))).sum()

    best = minimize_scalar(loss, bounds=(-0.999, 0.999), method="bounded", options={"xatol": 1e-7}).x
    found = factors.tetrachoric_matrix([[first, both], [both, second]], n)
    assert found.raw[0, 1] == pytest.approx(best, abs=2e-4)
    assert found.has_empty[0, 1]


def test_margins_stay_where_the_other_cells_give_way():
    kept = factors.tetrachoric_matrix([[30, 0], [0, 25]], 200, empty_cells="margins").raw[0, 1]
    table = TwoByTwo(np.int64(400), np.int64(60), np.int64(50), np.int64(1))  # twice the counts, 0.5 in the empty cell
    assert kept == pytest.approx(float(tetrachoric(table)), abs=1e-9)


def test_smoothing_gives_a_matrix_of_correlations_and_leaves_others_alone():
    bad = np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]])
    smoothed, least = factors.smooth(bad)
    values, vectors = np.linalg.eigh(bad)
    values[values < 1e-12] = 1e-10
    by_hand = vectors @ np.diag(values * 3 / values.sum()) @ vectors.T
    scale = np.sqrt(np.diag(by_hand))
    assert smoothed == pytest.approx(by_hand / np.outer(scale, scale))
    assert least == pytest.approx(-0.8)
    assert np.linalg.eigvalsh(smoothed)[0] > 0
    good = np.array([[1, 0.5], [0.5, 1]])
    assert (factors.smooth(good)[0] == good).all()


def test_factors_are_those_of_statsmodels():
    from statsmodels.multivariate.factor import Factor

    rng = np.random.default_rng(2)
    matrix = np.corrcoef(of_factors(TWO, 500, thresholds=0, seed=3) + 0.3 * rng.normal(size=(500, 6)), rowvar=False)
    ours = factors.factors(matrix, 2, rotation="none")
    fitted = Factor(corr=matrix, n_factor=2, method="pa").fit(maxiter=5000, tol=1e-13)
    assert np.abs(ours.loadings) == pytest.approx(np.abs(fitted.loadings), abs=2e-4)
    assert ours.communalities == pytest.approx(fitted.communality, abs=2e-4)
    for rotation in ("oblimin", "varimax"):
        turned = factors.factors(matrix, 2, rotation=rotation)
        common = turned.loadings @ turned.correlations @ turned.loadings.T
        assert common == pytest.approx(ours.loadings @ ours.loadings.T, abs=1e-6)
    fit = factors.fit_of(matrix, ours, n=500)
    residual = matrix - ours.loadings @ ours.loadings.T
    assert fit.rmsr == pytest.approx(np.sqrt(np.mean([residual[i, j] ** 2 for i in range(6) for j in range(i)])))
    assert fit.freedom == 4
    assert fit.tli > 0.95
    assert fit.cfi > 0.97
    assert fit.rmsea < 0.06


@pytest.mark.slow
def test_known_factors_are_found_in_binary_data():
    flags = of_factors(TWO, 4000, thresholds=np.array([0.5, 0.8, 1.0, 0.6, 0.9, 0.7]), seed=4)
    prompts = np.arange(4000) // 2
    found = factors.tetrachoric_matrix(joint_of(flags), len(flags))
    null, n = factors.shuffled_counts(flags, clusters=prompts, n_draws=30)
    with one_core_each():
        seen = factors.eigenvalues(found.smoothed)[1]
        chance = factors.eigenvalues(factors.tetrachoric_matrix(null, n).smoothed)[1]
    assert (seen > np.quantile(chance, 0.95, axis=0)).tolist()[:3] == [True, True, False]
    loadings = np.abs(factors.factors(found.smoothed, 2).loadings)
    order = [0, 1] if loadings[0, 0] > loadings[0, 1] else [1, 0]
    assert loadings[:, order] == pytest.approx(TWO, abs=0.12)


def test_eigenvalues_of_factors_have_the_communalities_of_one_factor_on_the_diagonal():
    matrix = np.corrcoef(of_factors(TWO, 300, thresholds=0, seed=5), rowvar=False)
    components, of_one = factors.eigenvalues(np.array([matrix, np.eye(6)]))
    reduced = matrix.copy()
    np.fill_diagonal(reduced, (factors.minres(matrix, 1) ** 2).sum(axis=1))
    assert of_one[0] == pytest.approx(np.sort(np.linalg.eigvalsh(reduced))[::-1])
    assert components[1] == pytest.approx(np.ones(6))


def test_shuffles_keep_margins_and_patterns_of_prompts():
    flags = np.random.default_rng(6).random((60, 3)) < [0.3, 0.5, 0.1]
    prompts = np.repeat(np.arange(20), 3)
    flags[:, 0] = flags[::3, 0].repeat(3)  # answers to one prompt agree
    joint, n = factors.shuffled_counts(flags, clusters=prompts, n_draws=30, random_state=1)
    assert (joint.diagonal(axis1=1, axis2=2) == flags.sum(axis=0)).all()
    assert (n == 60).all()
    assert len({tuple(draw.ravel()) for draw in joint}) > 20
    alike, _ = factors.shuffled_counts(flags[:, [0, 0]], clusters=prompts, n_draws=30)
    assert (alike[:, 0, 1] % 3 == 0).all()  # whole prompts have moved


# -- the network ------------------------------------------------------------------------------------


def ising_shares(alone, coupling):
    """Label sets and their exact probabilities."""
    masks = np.array(list(itertools.product([False, True], repeat=len(alone))))
    x = masks.astype(float)
    weight = np.exp(x @ alone + np.einsum("mi,ij,mj->m", x, np.triu(coupling, 1), x))
    return masks, weight / weight.sum()


ALONE = np.array([-1.0, -0.5, -1.5, -1.0])
COUPLING = np.zeros((4, 4))
for (i, j), value in {(0, 1): 1.2, (1, 2): -0.8, (2, 3): 0.9}.items():
    COUPLING[i, j] = COUPLING[j, i] = value


def exact(*, kept):
    masks, share = ising_shares(ALONE, COUPLING)
    counts = np.rint(4e5 * share).astype(int)
    if kept:
        masks, counts = masks[1:], counts[1:]
    place = np.repeat(np.arange(len(masks)), counts)
    return ising.LabelSets(masks, place, np.arange(len(place)), kept_for_any=kept)


@pytest.mark.slow
@pytest.mark.parametrize("kept", [False, True])
def test_couplings_are_those_of_the_model_also_where_no_item_is_without_a_label(kept):
    row, col = np.triu_indices(4, 1)
    found = ising.refit(exact(kept=kept), (row, col))
    assert found.log_odds_ratio == pytest.approx(COUPLING[row, col], abs=0.01)


@pytest.mark.slow
def test_the_empty_cell_must_be_respected():
    sets = exact(kept=True)
    naive = ising.LabelSets(sets.masks, sets.place, sets.cluster)
    row, col = np.triu_indices(4, 1)
    found = ising.refit(naive, (row, col)).log_odds_ratio
    assert (found < COUPLING[row, col] - 0.5).all()  # Berkson


def some_items(n=300, k=4, seed=7):
    rng = np.random.default_rng(seed)
    flags = rng.random((n, k)) < 0.3
    flags[:, 1] |= flags[:, 0] & (rng.random(n) < 0.6)
    return flags, np.repeat(np.arange(n // 3), 3)


def stacked(flags, pairs):
    """One row an item and response, with the covariates of the shared regression."""
    k = flags.shape[1]
    rows, answers, clusters = [], [], []
    for item, labels in enumerate(flags.astype(float)):
        for response in range(k):
            row = np.zeros(k + len(pairs))
            row[response] = 1
            for place, (i, j) in enumerate(pairs):
                if response in (i, j):
                    row[k + place] = labels[j if response == i else i]
            rows.append(row)
            answers.append(labels[response])
            clusters.append(item // 3)
    return np.array(rows), np.array(answers), np.array(clusters)


def test_the_refit_is_one_logistic_regression_with_half_an_item_of_each_kind():
    import statsmodels.api as sm

    flags, prompts = some_items()
    pairs = [(0, 1), (1, 2)]
    design, answers, clusters = stacked(flags, pairs)
    half = np.zeros((2 * len(pairs), design.shape[1]))
    for place in range(len(pairs)):
        half[2 * place : 2 * place + 2, 4 + place] = 1
    weights = np.r_[np.ones(len(design)), np.full(len(half), 0.5)]
    both = np.vstack([design, half])
    fitted = sm.GLM(
        np.r_[answers, np.tile([1.0, 0.0], len(pairs))], both, family=sm.families.Binomial(), freq_weights=weights
    ).fit()
    found = ising.refit(ising.label_sets(flags, clusters=prompts), (np.array([0, 1]), np.array([1, 2])))
    assert found.log_odds_ratio == pytest.approx(fitted.params[4:], abs=1e-6)
    p = fitted.fittedvalues
    bread = np.linalg.inv((both * (weights * p * (1 - p))[:, None]).T @ both)
    scores = (answers - p[: len(design)])[:, None] * design
    sums = np.array([scores[clusters == c].sum(axis=0) for c in range(100)])
    errors = np.sqrt(np.diag(bread @ (sums.T @ sums) @ bread) * 100 / 99)
    assert found.error == pytest.approx(errors[4:], rel=1e-6)


def few_items(n=240, seed=10):
    """Items of which few have both of the first two labels, in clusters of 1, 2 and 3."""
    rng = np.random.default_rng(seed)
    flags = rng.random((n, 3)) < [0.2, 0.15, 0.4]
    flags[:, 1] &= ~flags[:, 0] | (rng.random(n) < 0.8)
    return flags, np.repeat(np.arange(120), np.resize([1, 2, 3], 120))


@pytest.mark.parametrize("kept", [False, True])
def test_intervals_of_few_items_are_of_joint_counts_given_the_margins_and_the_other_labels(kept):
    """Moments of SciPy's noncentral hypergeometric distribution; answers to one prompt are copies."""
    from scipy.optimize import brentq
    from scipy.stats import nchypergeom_fisher, norm

    flags, prompts = few_items()
    if kept:
        flags, prompts = flags[flags.any(axis=1)], prompts[flags.any(axis=1)]
    groups = [flags[flags[:, 2]]] if kept else [flags[flags[:, 2]], flags[~flags[:, 2]]]
    told = prompts[flags[:, 2]] if kept else prompts
    sizes = np.unique(told, return_counts=True)[1]
    effect = len(told) / (sizes.sum() ** 2 / (sizes**2).sum())
    seen = sum(int((group[:, 0] & group[:, 1]).sum()) for group in groups)

    assert effect / 2 < seen < 10

    def apart(log_odds, side, level):
        laws = [nchypergeom_fisher(len(g), g[:, 0].sum(), g[:, 1].sum(), np.exp(log_odds)) for g in groups]
        mean, variance = sum(law.mean() for law in laws), sum(law.var() for law in laws)
        return side * (seen - mean) - effect / 2 - norm.ppf(0.5 + level / 2) * np.sqrt(effect * variance)

    sets = ising.label_sets(flags, clusters=prompts, kept_for_any=kept)
    for level in (0.95, 0.999):
        low, high = ising.given_others(sets, (np.array([0]), np.array([1])), confidence=level)
        assert low[0] == pytest.approx(brentq(apart, -15, 10, args=(1, level)), abs=1e-6)
        assert high[0] == pytest.approx(brentq(apart, -15, 10, args=(-1, level)), abs=1e-6)


def test_intervals_of_few_items_turn_with_the_labels_and_are_open_where_nothing_bounds_them():
    n, row, col, both = 80, 20, 15, 0
    never = conditional_interval(TwoByTwo(*np.array([[n], [row], [col], [both]])))
    assert never[0] == -np.inf
    assert never[1] < 1
    opposite = conditional_interval(TwoByTwo(*np.array([[n], [row], [n - col], [row - both]])))
    assert opposite == pytest.approx((-never[1], np.inf))
    # a rare joint count has the variance of Poisson's: (4.788 - 0.5) / sqrt(4.788) = 1.96, and 4 are expected by chance
    rare = conditional_interval(TwoByTwo(*np.array([[10**6], [2000], [2000], [0]])))
    assert rare[1] == pytest.approx(np.log(4.788 / 4), abs=0.01)
    copies = conditional_interval(TwoByTwo(*np.array([[n], [row], [col], [2]])), design_effect=2)
    alone = conditional_interval(TwoByTwo(*np.array([[n], [row], [col], [2]])))
    assert copies[0] < alone[0] < alone[1] < copies[1]


@pytest.mark.slow
@pytest.mark.parametrize("copied", [0.0, 1.0])
def test_intervals_of_few_items_hold_what_the_sandwich_does_not(copied):
    """140 draws of a rare pair, answers of a prompt independent or all alike: 93 % within two errors."""
    rng, held, by_sandwich = np.random.default_rng(12), [], []
    coupling = np.zeros((3, 3))
    coupling[0, 1] = -1.5
    masks, share = ising_shares(np.array([-2.0, -2.0, -0.5]), coupling)
    pair = (np.array([0]), np.array([1]))
    for _ in range(140):
        own, shared = (rng.choice(len(masks), size=400, p=share) for _ in range(2))
        prompts = np.arange(400) // 2
        place = np.where(rng.random(400) < copied, shared[prompts], own)
        sets = ising.label_sets(masks[place], clusters=prompts)
        low, high = ising.given_others(sets, pair)
        held.append(low[0] <= -1.5 <= high[0])
        fit = ising.refit(sets, pair)
        by_sandwich.append(abs(fit.log_odds_ratio[0] + 1.5) <= 1.96 * fit.error[0])
    error = np.sqrt(0.93 * 0.07 / 140)
    assert np.mean(held) >= 0.93 - 2 * error
    assert np.mean(by_sandwich) < np.mean(held)


def test_the_penalised_fit_is_that_of_proximal_steps():
    flags, prompts = some_items()
    sets = ising.label_sets(flags, clusters=prompts)
    pairs = list(itertools.combinations(range(4), 2))
    design, answers, _ = stacked(flags, pairs)
    spread = flags.std(axis=0)
    design[:, 4:] /= [spread[i] * spread[j] for i, j in pairs]
    values, n, penalty = np.zeros(10), len(flags), 0.05
    step = 4 * n / np.linalg.norm(design, 2) ** 2
    for _ in range(6000):
        slope = design.T @ (1 / (1 + np.exp(-design @ values)) - answers) / n
        values = values - step * slope
        values[4:] = np.sign(values[4:]) * np.maximum(np.abs(values[4:]) - step * penalty, 0)
    found = ising.penalised(sets, counts=sets.counts, penalty=penalty)
    assert found == pytest.approx(values[4:], abs=2e-4)
    assert 0 < np.count_nonzero(found) < 6


def test_without_an_interaction_the_pair_of_the_largest_phi_enters_first():
    flags, prompts = some_items()
    sets = ising.label_sets(flags, clusters=prompts)
    phi = np.corrcoef(flags, rowvar=False)[np.triu_indices(4, 1)]
    edge = np.sort(np.abs(phi))[-2:].mean() * 2  # each pair has a part in two regressions
    assert np.flatnonzero(ising.penalised(sets, counts=sets.counts, penalty=edge)).tolist() == [np.abs(phi).argmax()]


def test_bounds_on_false_pairs_by_hand():
    assert ising.expected_false(30, n_pairs=90, threshold=0.9, complementary=50) == pytest.approx(
        (4 * (0.1 + 0.01) / 1.02 * 10, 10 / 0.8)
    )
    assert ising.expected_false(3, n_pairs=90, threshold=0.7, complementary=50)[0] == pytest.approx(0.1 / (2 * 0.39))
    assert ising.expected_false(3, n_pairs=90, threshold=0.51, complementary=50) == pytest.approx((5.0, 5.0))


@pytest.mark.slow
def test_the_pairs_of_a_known_graph_are_found_and_few_others():
    pytest.importorskip("scipy.optimize")  # loaded by now, so that it is reached by `one_core_each`
    rng = np.random.default_rng(8)
    coupling = np.zeros((6, 6))
    coupling[0, 1] = coupling[2, 3] = 1.5
    masks, share = ising_shares(np.full(6, -1.2), coupling)
    false, missed = [], []
    for _ in range(3):
        flags = masks[rng.choice(len(masks), size=900, p=share)]
        sets = ising.label_sets(flags, clusters=np.repeat(np.arange(450), 2))
        with one_core_each():
            found = ising.stability(sets, n_selected=5, most_false=1.0)
        stable = found.share >= found.threshold
        real = coupling[np.triu_indices(6, 1)] > 0
        false.append((stable & ~real).sum())
        missed.append((real & ~stable).sum())
        assert found.expected_false <= 1
        assert found.n_selected == pytest.approx(5, abs=1)
    assert np.mean(false) <= 1
    assert sum(missed) == 0


# -- of a data set ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ds():
    """Answers of 400 prompts with six categories, one of them rare, of which two go together and two never meet."""
    rng = np.random.default_rng(9)
    rows = []
    for prompt in range(400):
        for answer in range(2):
            flags = rng.random(6) < [0.25, 0.2, 0.2, 0.15, 0.25, 0.0]
            flags[1] |= flags[0] and rng.random() < 0.6
            flags[3] &= not flags[2]
            flags[5] = prompt < 3 and answer == 0
            labels = int((flags * 2 ** np.array([0, 3, 5, 6, 9, 11])).sum())
            rows.append((f"how is tea number {prompt} made", f"warm, {prompt} {answer}", "train", labels == 0, labels))
    return dataset_from_rows(
        pl.DataFrame(
            rows,
            schema={"prompt": str, "response": str, "split": str, "is_safe": bool, "labels": pl.UInt32},
            orient="row",
        )
    )


METHOD = Factoring(n_draws=20)


@pytest.fixture(scope="module")
def everything(ds):
    return category_structure(ds, factoring=METHOD)


@pytest.fixture(scope="module")
def unsafe(ds):
    return category_structure(ds, where="unsafe", factoring=METHOD)


def between(found, ds, first, second):
    keys = ds.taxonomy.keys
    return found.pairs.row(by_predicate=(pl.col("row") == keys[first]) & (pl.col("col") == keys[second]), named=True)


@pytest.mark.slow
def test_what_was_planted_is_found(ds, everything, unsafe):
    for found in (everything, unsafe):
        together, apart = between(found, ds, 0, 3), between(found, ds, 5, 6)
        assert together["is_stable"]
        assert together["low"] > 0
        assert together["low_joint"] < together["low"] < together["log_odds_ratio"] < together["high"]
        assert apart["is_stable"]
        assert apart["log_odds_ratio"] < -2
        assert apart["n_both"] == 0
        assert apart["low"] is None
        assert apart["high"] < 0
        assert apart["few_prompts"]
        assert "bounds the odds ratio from below" in apart["undefined"]
        row = found.selection.row(0, named=True)
        assert row["expected_false"] <= 1
        assert row["n_pairs"] == 10
        assert row["n_stable"] == found.pairs["is_stable"].sum()


@pytest.mark.slow
def test_a_rare_category_takes_no_part_and_says_so(ds, everything):
    keys = ds.taxonomy.keys
    rare = everything.categories.row(by_predicate=pl.col("category") == keys[11], named=True)
    assert rare["n_category"] == 3
    assert "fewer than 8 effective prompts" in rare["undefined"]
    assert rare["order"] is None
    pair = between(everything, ds, 0, 11)
    assert pair["phi"] is pair["selected"] is pair["is_stable"] is pair["tetrachoric"] is None
    assert "too rare" in pair["undefined"]
    assert everything.pairs.height == 91
    assert keys[11] not in set(everything.loadings["category"])


@pytest.mark.slow
def test_informative_items_are_counted(ds, everything, unsafe):
    labels = ds.pairs["labels"].cast(pl.Int64).to_numpy()
    labels = labels[(labels & sum(1 << bit for bit in (0, 3, 5, 6, 9))) > 0]
    bit = lambda place: 1 << place  # noqa: E731 - a short name for a short rule
    of_first = sum(1 for mask in labels if mask & ~bit(0))
    of_pair = sum(1 for mask in labels if mask & ~bit(0) and mask & ~bit(3))
    assert unsafe.categories.filter(category=ds.taxonomy.keys[0])["n_informative"].item() == of_first
    assert between(unsafe, ds, 0, 3)["n_informative"] == of_pair < len(labels) == unsafe.pairs["n"][0]
    assert between(everything, ds, 0, 3)["n_informative"] == everything.pairs["n"][0] == 800


@pytest.mark.slow
def test_leaves_of_the_dendrogram_lie_in_the_order_of_the_matrix(ds, everything):
    order = dict(everything.categories.drop_nulls("order").select("category", "order").rows())
    for left, right in everything.merges.select("left", "right").rows():
        places = [order[key] for key in [*left, *right]]
        assert places == list(range(places[0], places[0] + len(places)))
    assert everything.merges["height"].is_sorted()
    assert len(everything.merges) == len(order) - 1 == 4


@pytest.mark.slow
def test_every_table_names_its_population_and_its_n(everything):
    for name in ("categories", "pairs", "selection", "eigenvalues", "loadings", "fit", "sensitivity", "merges"):
        table = getattr(everything, name)
        assert {"n", "n_prompts", "population", "where", "rule"} <= set(table.columns), name
        assert not any(table[column].is_nan().any() for column in table.columns if table[column].dtype == pl.Float64)
    pairs = everything.pairs.drop_nulls("partial")
    assert (pairs["partial_low"] < pairs["partial"]).drop_nulls().all()
    assert (pairs["partial_high"] > pairs["partial"]).drop_nulls().all()
    lacking = pl.any_horizontal(pl.col("partial_low", "partial_high").is_null())
    assert everything.pairs.filter(lacking != pl.col("partial_undefined").is_not_null()).is_empty()
    assert pairs.filter(lacking)["n_both"].to_list() == [0]
    assert everything.sensitivity.select("empty_cells", "added").row(0) == ("replaced", 0.5)
    assert everything.sensitivity["n_empty"].to_list() == [1] * 5
    assert any("empty cell" in doubt for doubt in everything.doubts)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_structure(ds, everything):
    again = category_structure(ds, factoring=METHOD)
    assert again.pairs.equals(everything.pairs)
    assert again.eigenvalues.equals(everything.eigenvalues)


@pytest.mark.slow
def test_pictures_show_what_was_found(ds, everything):
    shown = rows_of(plots.category_network(everything.pairs, taxonomy=ds.taxonomy))
    lines = [row for row in shown if "log_odds_ratio" in row]
    assert sorted(row["row"] for row in lines) == sorted(everything.pairs.filter("is_stable")["row"])
    assert {row["sign"] for row in lines if row["log_odds_ratio"] < 0} == {"less often"}
    assert f"{everything.n_factors}" in plots.parallel_analysis(everything.eigenvalues).title.text
    tree = [row for row in rows_of(plots.category_dendrogram(everything.merges)) if "y2" in row]
    assert len(tree) == 3 * everything.merges.height


@pytest.mark.slow
@pytest.mark.parametrize("key", ["category_network", "category_groups", "category_factors", "parallel_analysis"])
def test_figures_of_a_release_are_drawn_of_one_computation(ds, everything, key):
    known = {(category_structure,): everything}
    assert "n = 800" in words(FIGURES[key].draw(ds, known=known))
    assert set(known) == {(category_structure,)}


@pytest.mark.slow
def test_sentences_quote_no_estimate_without_its_interval(ds, everything):
    said = " ".join(sentences.structure(everything, ds).split())
    stable = everything.pairs.filter("is_stable")
    assert f"{stable.height} of 10 pairs" in said
    assert "n = 800, 400 prompts" in said
    assert all("[" in part[:20] for part in said.split(", odds ratio ")[1:])
    assert "[0.00, " in said  # the pair that never meets
    assert "Without part, because too few prompts vary in it" in said


@pytest.mark.slow
def test_the_command_prints_tables_and_sentences(ds, everything, monkeypatch):
    monkeypatch.setattr(btviz, "load", lambda _: ds, raising=False)
    monkeypatch.setattr(btviz, "category_structure", lambda *_, **__: everything, raising=False)
    shown = CliRunner().invoke(app, ["stats", "structure", "mine"], catch_exceptions=False)
    assert "log_odds " in shown.output
    assert "Loadings" not in shown.output
    assert len(shown.output.splitlines()) <= 45, "a screen"
    assert "Loadings" in CliRunner().invoke(app, ["stats", "structure", "mine", "--all"]).output
    assert "pairs of categories are associated" in shown.output
    document = json.loads(CliRunner().invoke(app, ["stats", "structure", "mine", "--json"]).output)
    assert len(document["pairs"]) == 91
    assert document["n_factors"] == everything.n_factors
    refused = CliRunner().invoke(app, ["stats", "structure", "mine", "--empty-cells", "half"])
    assert refused.exit_code


@pytest.mark.slow
def test_the_matrix_strikes_through_what_may_be_nothing(ds):
    table = btviz.cooccurrence(ds, population="pairs", intervals=True)
    tests = btviz.cooccurrence_tests(ds, n_permutations=1)
    for row in tests.filter(pl.col("phi_low_joint").is_not_null()).to_dicts():
        for pair in ((row["row"], row["col"]), (row["col"], row["row"])):
            found = table.row(by_predicate=(pl.col("row") == pair[0]) & (pl.col("col") == pair[1]), named=True)
            assert found["phi_low_joint"] == row["phi_low_joint"]
            assert found["holds_zero"] == (row["phi_low_joint"] <= 0 <= row["phi_high_joint"])
    keys = ds.taxonomy.keys
    drawn = plots.association_matrix(table, taxonomy=ds.taxonomy)
    struck = {(row["row"], row["col"]) for row in rows_of(drawn) if row.get("holds_zero")}
    assert (keys[0], keys[3]) not in struck
    assert (keys[0], keys[9]) in struck
    assert f"all pairs at once: {len(struck) // 2}" in words(drawn)
    assert not any(row.get("holds_zero") for row in rows_of(plots.association_matrix(btviz.cooccurrence(ds))))


def test_intervals_need_a_whole_data_set(ds):
    for arguments in ((ds.annotations.lazy(), None), (ds, "split")):
        with pytest.raises(UsageError, match=r"Intervals of associations were asked for.*without `by`"):
            btviz.cooccurrence(arguments[0], by=arguments[1], intervals=True)


def test_options_are_checked(ds):
    with pytest.raises(UsageError, match=r"no rule for empty cells 'half'.*replaced"):
        Factoring(empty_cells="half")
    with pytest.raises(UsageError, match=r"max_false=0.*Use 1"):
        category_structure(ds, max_false=0)
    with pytest.raises(UsageError, match=r"categories was asked for; 0 of them vary.*needs 3"):
        btviz.category_structure(
            dataset_from_rows(
                pl.DataFrame(
                    {"prompt": ["a"], "response": ["b"], "split": ["train"], "is_safe": [True], "labels": [0]},
                    schema_overrides={"labels": pl.UInt32},
                )
            )
        )
