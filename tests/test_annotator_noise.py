"""Errors of annotators without names: closed form, direct likelihood, bounds, and data made by the model."""

from __future__ import annotations

import json
import math

import numpy as np
import polars as pl
import pytest
from chart_contents import words
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from wording import says

import btviz
from btviz.cli import app
from btviz.errors import UsageError
from btviz.labels import AnnotatorNoise, annotator_noise
from btviz.reports.figures.of_data import FIGURES
from btviz.stats import latent_class as lc
from btviz.taxonomy.categories import BEAVERTAILS

COLUMNS = {"prompt": pl.String, "response": pl.String, "split": pl.String, "is_safe": pl.Boolean, "labels": pl.UInt32}
HATE, LIE = BEAVERTAILS["hate-speech"], BEAVERTAILS["misinformation"]

rates = st.floats(0.05, 0.95)


def log_likelihood(counts, parameters) -> float:
    chances = lc.vote_chances(parameters, n_votes=3)
    return sum(n * math.log(max(p, 1e-300)) for n, p in zip(counts, chances, strict=True) if n)


# --- the model


def test_three_votes_worked_by_hand():
    # a quarter of the items positive, votes right on 8 of 10 of these and wrong on 1 of 10 of the others
    by_hand = [0.25 * 0.008 + 0.75 * 0.729, 0.024 + 0.18225, 0.096 + 0.02025, 0.25 * 0.512 + 0.75 * 0.001]
    assert by_hand == pytest.approx([0.54875, 0.20625, 0.11625, 0.12875])
    assert lc.vote_chances([0.25, 0.8, 0.1], n_votes=3) == pytest.approx(by_hand)
    assert lc.two_classes(by_hand) == pytest.approx([0.25, 0.8, 0.1])
    assert lc.chance_positive(3, 2, parameters=[0.25, 0.8, 0.1]) == pytest.approx(0.096 / 3 / (0.11625 / 3))
    assert lc.chance_positive(1, 1, parameters=[0.25, 0.8, 0.1]) == pytest.approx(0.2 / 0.275)


def test_two_votes_fit_very_different_truths_exactly():
    rare = lc.vote_chances([0.2, 0.8, 0.1], n_votes=2)
    mean, both = rare[1] / 2 + rare[2], rare[2]
    for prevalence in (0.1, 0.3, 0.4):  # rates that far apart that the chance of two positive votes is the same
        apart = math.sqrt((both - mean**2) / (prevalence * (1 - prevalence)))
        truth = [prevalence, mean + (1 - prevalence) * apart, mean - prevalence * apart]
        assert 0 <= truth[2] < truth[1] <= 1.1
        assert lc.vote_chances(truth, n_votes=2) == pytest.approx(rare)
        assert lc.vote_chances(truth, n_votes=3) != pytest.approx(lc.vote_chances([0.2, 0.8, 0.1], n_votes=3))


def test_votes_beyond_three_count_by_three_drawn_from_them():
    assert lc.three_votes([3, 4, 2, 6], [1, 2, 1, 6]).tolist() == [
        [0, 1, 0, 0], [0, 0.5, 0.5, 0], [0, 0, 0, 0], [0, 0, 0, 1],
    ]  # fmt: skip
    five = lc.vote_chances([0.3, 0.7, 0.2], n_votes=5)
    assert five @ lc.three_votes(5, np.arange(6)) == pytest.approx(lc.vote_chances([0.3, 0.7, 0.2], n_votes=3))


@given(st.tuples(rates, rates, rates))
def test_exact_shares_give_the_parameters_back(truth: tuple[float, float, float]):
    prevalence, one, other = truth
    low, high = min(one, other), min(max(one, other) + 0.05, 1.0)
    found = lc.two_classes(lc.vote_chances([prevalence, high, low], n_votes=3))
    assert found == pytest.approx([prevalence, high, low], abs=1e-5)


@given(st.lists(st.integers(0, 300), min_size=4, max_size=4).filter(any))
def test_negative_votes_tell_the_same_story(counts: list[int]):
    there, back = lc.two_classes(counts), lc.two_classes(counts[::-1])
    assert there == pytest.approx([1 - back[0], 1 - back[2], 1 - back[1]], nan_ok=True, abs=1e-7)


@pytest.mark.slow
def test_likelihood_is_as_high_as_scipy_finds_from_many_starts():
    from scipy.optimize import minimize

    draw = np.random.default_rng(0)
    at_edge = alike = 0
    for _ in range(25):
        truth = [draw.uniform(0.02, 0.98), draw.uniform(0.1, 1), draw.uniform(0, 0.5)]
        counts = draw.multinomial(draw.integers(20, 400), lc.vote_chances(truth, n_votes=3))

        def loss(odds, counts=counts):
            return -log_likelihood(counts, 1 / (1 + np.exp(-np.clip(odds, -40, 40))))

        starts = draw.normal(0, 2, (3, 3))
        best = -min(minimize(loss, start, method="BFGS", options={"gtol": 1e-8}).fun for start in starts)
        found = lc.two_classes(counts)
        alike += np.isnan(found).any()
        at_edge += bool(((found == 0) | (found == 1)).any())
        mean = counts @ np.arange(4) / counts.sum() / 3
        assert log_likelihood(counts, [mean] * 3 if np.isnan(found).any() else found) > best - 1e-4
    assert at_edge > 2
    assert alike > 0


def test_it_is_what_expectation_and_maximisation_come_to():
    counts = np.array([700, 120, 90, 160])
    prevalence, high, low = 0.5, 0.9, 0.1
    k = np.arange(4)
    for _ in range(3000):
        positive = lc.chance_positive(3, k, parameters=[prevalence, high, low]) * counts
        prevalence = positive.sum() / counts.sum()
        high, low = positive @ k / positive.sum() / 3, (counts - positive) @ k / (counts - positive).sum() / 3
    assert lc.two_classes(counts) == pytest.approx([prevalence, high, low], abs=1e-6)


@pytest.mark.parametrize("counts", [[900, 30, 0, 0], [0, 0, 0, 9], [27, 27, 9, 1], [0, 0, 0, 0]])
def test_votes_as_alike_as_chance_tell_no_classes_apart(counts):
    assert np.isnan(lc.two_classes(counts)).all()


# --- bounds


def test_votes_that_never_differ_leave_nothing_open():
    shares = np.array([0.7, 0, 0, 0.3])
    assert lc.own_rates(shares, shares) == pytest.approx(np.array([[0.3, 0.3], [1, 1], [0, 0]]), abs=1e-6)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 1)), min_size=2, max_size=6))
@settings(max_examples=15)
def test_bounds_hold_whatever_error_rates_pairs_have(mixture):
    chance, weight = np.array(mixture).T
    chance, weight = np.rint(chance * 200) / 200, weight / weight.sum()
    shares = weight @ np.array([lc.vote_chances([1.0, p, 0.0], n_votes=3) for p in chance])
    bounds = lc.own_rates(shares - 1e-9, shares + 1e-9)
    for is_positive in (chance > 0.5, chance >= 0.5):
        of_positive, of_others = weight * is_positive, weight * ~is_positive
        truth = [of_positive.sum()]
        truth += [of @ chance / of.sum() if of.sum() else math.nan for of in (of_positive, of_others)]
        for value, (low, high) in zip(truth, bounds, strict=True):
            assert math.isnan(value) or low - 1e-6 <= value <= high + 1e-6
    assert np.isnan(lc.own_rates(np.full(4, np.nan), shares)).all()


# --- data


def made(make_dataset, *, prompts: int, seed: int, n_votes=(3,), truth=(0.3, 0.85, 0.05), otherwise=None):
    """Two answers a prompt, their votes for one category by the model; pairs of more votes by `otherwise`."""
    draw = np.random.default_rng(seed)
    rows = []
    for prompt in range(prompts):
        tends = draw.beta(truth[0] * 2, (1 - truth[0]) * 2)
        for answer in range(2):
            votes = int(draw.choice(n_votes))
            _, high, low = truth if otherwise is None or votes == 3 else otherwise
            flagged = draw.random(votes) < (high if draw.random() < tends else low)
            labels = [1 << HATE.bit if flag else 0 for flag in flagged]
            rows += [(f"question {prompt}", f"answer {answer}", "train", not mask, mask) for mask in labels]
    return make_dataset(pl.DataFrame(rows, schema=COLUMNS, orient="row"))


def row_of(noise: AnnotatorNoise, category: str) -> dict:
    return noise.table.row(by_predicate=pl.col("category") == category, named=True)


@pytest.fixture(scope="module")
def noise(make_dataset) -> AnnotatorNoise:
    return annotator_noise(made(make_dataset, prompts=500, seed=3, n_votes=(2, 3, 3, 3, 5)), n_boot=200)


@pytest.mark.slow
def test_planted_errors_are_found(noise):
    row = row_of(noise, HATE.key)
    assert (row["n_pairs"], row["n_pairs_fewer"], row["undefined"]) == (row["n_pairs_three"] + row["n_pairs_more"],
        1000 - row["n_pairs"], None)  # fmt: skip
    for name, planted in (("prevalence", 0.3), ("sensitivity", 0.85), ("false_positive_rate", 0.05)):
        assert row[f"{name}_low"] < planted < row[f"{name}_high"]
        assert row[f"{name}_lowest"] < planted < row[f"{name}_highest"]
        assert row[f"{name}_high"] - row[f"{name}_low"] < 0.2
    assert sum(row[f"votes_{k}"] for k in range(4)) == pytest.approx(1)
    assert row["misfit"] == 0
    assert says(row["doubt"], "these data do not say whose a row is")
    assert "fit exactly" not in row["doubt"]
    assert says(row_of(noise, LIE.key)["undefined"], "too rare", "0 effective prompts", "20")


@pytest.mark.slow
def test_other_numbers_of_votes_agree_with_the_model_and_others_contradict_it(noise, make_dataset):
    known = noise.across_votes.filter(category=HATE.key)
    assert known["n_votes"].to_list() == [2, 5]
    assert (known["difference_low"] < 0).all()
    assert (known["difference_high"] > 0).all()
    other = made(make_dataset, prompts=400, seed=4, n_votes=(3, 5), otherwise=(0.3, 0.6, 0.3))
    against = annotator_noise(other, n_boot=200).across_votes.filter(category=HATE.key).row(0, named=True)
    assert against["difference_low"] > 0.1
    assert against["difference"] == pytest.approx(against["disputed"] - against["disputed_predicted"])


@pytest.mark.slow
def test_each_pair_has_a_chance_beside_its_majority(noise):
    of_hate = noise.pairs.filter(category=HATE.key)
    assert of_hate.height == 1000
    assert "probability" in of_hate.columns
    row = row_of(noise, HATE.key)
    parameters = [row[name] for name in lc.PARAMETERS]
    for n, k, chance in of_hate.select("n_votes", "n_positive", "probability").unique().rows():
        assert chance == pytest.approx(float(lc.chance_positive(n, k, parameters=parameters)))
    differ = of_hate.filter((pl.col("probability") > 0.5) != pl.col("majority")).height
    assert row["n_relabelled"] == differ
    # among the pairs that the model rests on, the chances add up to the prevalence where all have three votes
    three = of_hate.filter(pl.col("n_votes") >= 3)
    assert three["probability"].mean() == pytest.approx(row["prevalence"], abs=0.01)


@pytest.mark.parametrize("votes", [1, 2])
def test_fewer_votes_give_nulls_and_the_reason(make_dataset, votes):
    table = annotator_noise(made(make_dataset, prompts=20, seed=0, n_votes=(votes,))).table
    assert table["prevalence"].null_count() == table["prevalence_lowest"].null_count() == table.height
    assert says(table["undefined"][0], "very different truths fit exactly")


def test_rare_categories_say_why_they_have_no_model_and_what_is_open_all_the_same(samples):
    table = annotator_noise(samples["sample"], n_boot=50).table
    rare = table.filter(pl.col("prevalence").is_null())
    assert rare["category"].to_list() == ["self_harm"]
    assert says(rare["undefined"][0], "too rare", "14 effective prompts", "20")
    assert rare["prevalence_highest"][0] < 0.05
    assert says(table["doubt"][0], "fit exactly, whatever the truth")
    assert says(table.filter(category=LIE.key)["doubt"][0], "most of its votes against it")
    for name in lc.PARAMETERS:
        ordered = table.drop_nulls(name).select(
            (pl.col(f"{name}_low") <= pl.col(name)) & (pl.col(name) <= pl.col(f"{name}_high"))
        )
        assert ordered.to_series().all()


@pytest.mark.slow
def test_intervals_hold_what_was_planted():
    """A small version of ``python -m benchmarks.annotators``: 60 data sets of 150 prompts."""
    from benchmarks.annotators import coverage

    held = coverage(prompts=150, truth=(0.3, 0.85, 0.05), draws=60)
    error = math.sqrt(0.95 * 0.05 / 60)
    assert held.shown == 60
    assert (held.covered > 0.95 - 3 * error).all()


# --- shown


@pytest.mark.slow
def test_the_figure_is_drawn_of_the_table(noise, tiny):
    drawn = FIGURES["annotators"].draw(tiny, known={(annotator_noise,): noise})
    assert "pairs with three votes or more" in words(drawn)


@pytest.mark.slow
def test_picture_and_command_say_the_same(noise, make_dataset, kept_samples):
    chart = btviz.plots.annotator_noise(noise.table, source="made")
    said = words(chart)
    assert "pairs with three votes or more" in said
    assert "no model" in said
    assert "sensitivity" in chart.to_dict()["description"]
    with pytest.raises(UsageError, match="no category has a model"):
        btviz.plots.annotator_noise(noise.table.with_columns(pl.lit(None, pl.Float64).alias("prevalence")))
    result = CliRunner().invoke(app, ["stats", "annotators", "sample", "--n-boot", "50"])
    assert "two latent classes" in result.stdout
    assert says(result.stdout, "too rare", "14 effective prompts")
    assert "Doubtful (misinformation)" in result.stdout
    document = json.loads(CliRunner().invoke(app, ["stats", "annotators", "sample", "--n-boot", "50", "--json"]).stdout)
    assert set(document) == {"name", "table", "across_votes", "posterior"}


def test_one_vote_a_pair_is_said_in_words(tiny, tmp_path):
    path = tmp_path / "one.jsonl"
    flags = dict.fromkeys(BEAVERTAILS.keys, False)
    path.write_text(json.dumps({"prompt": "a", "response": "b", "is_safe": True, "category": flags}) + "\n")
    shown = CliRunner().invoke(app, ["stats", "annotators", str(path)]).stdout
    assert says(shown, "not estimated")
    assert says(shown, "One annotation per pair", "very different truths fit exactly")
