"""Agreement of raters, against worked examples, statsmodels, scikit-learn and krippendorff."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path

import krippendorff
import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from btviz import load
from btviz.cli.stats import stats_agreement
from btviz.data.dataset import Dataset
from btviz.labels.agreement import annotator_agreement, disputed, safe_share_by_rule
from btviz.stats import agreement as agr

pytestmark = pytest.mark.usefixtures("kept_samples")

relaxed = settings(max_examples=60)
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


def reference_alpha(items: list[list[int]]) -> float:
    """Of the package krippendorff, which has no value where a matrix of coincidences has none."""
    rated = [item for item in items if len(item) > 1]
    if len({rating for item in rated for rating in item}) < 2:
        return math.nan
    counts = [[len(item) - sum(item), sum(item)] for item in items]
    return krippendorff.alpha(value_counts=np.array(counts), level_of_measurement="nominal")


@given(ratings)
@relaxed
def test_alpha_is_that_of_krippendorff(items: list[list[int]]):
    ours = agr.krippendorff_alpha(sums_of(items))
    assert ours == pytest.approx(reference_alpha(items), abs=1e-9, nan_ok=True)


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


# --- data sets


def naive(ds: Dataset, target: str) -> dict[str, float]:
    """Agreement counted annotation by annotation, from the released rows."""
    items: dict[int, list[int]] = {}
    for row in ds.annotations.iter_rows(named=True):
        bit = None if target == "is_safe" else ds.taxonomy[target].bit
        vote = int(not row["is_safe"]) if bit is None else row["labels"] >> bit & 1
        items.setdefault(row["pair_id"], []).append(vote)
    rated = [votes for votes in items.values() if len(votes) > 1]
    listed = [a == b for votes in rated for a, b in itertools.combinations(votes, 2)]
    return {
        "n_pairs": len(rated),
        "n_rater_pairs": len(listed),
        "prevalence": np.mean(list(itertools.chain(*rated))),
        "agreement": np.mean(listed),
        "disputed": np.mean([0 < sum(votes) < len(votes) for votes in rated]),
        "krippendorff_alpha": reference_alpha(rated),
    }


@pytest.fixture(scope="module")
def sample(samples: dict[str, Dataset]) -> Dataset:
    return samples["sample"]


@pytest.fixture(scope="module")
def measured(sample: Dataset) -> pl.DataFrame:
    return annotator_agreement(sample, n_boot=200)


def test_agreement_of_the_sample_is_that_of_counting_its_rows(sample: Dataset, measured: pl.DataFrame):
    assert measured["category"].to_list() == [*sample.taxonomy.keys, "is_safe"]
    for target in ("animal_abuse", "privacy_violation", "is_safe"):
        row = measured.row(by_predicate=pl.col("category") == target, named=True)
        expected = naive(sample, target)
        assert {name: row[name] for name in expected} == pytest.approx(expected, abs=1e-9)


def test_intervals_hold_their_estimates_and_every_null_has_a_reason(measured: pl.DataFrame):
    for name in ("prevalence", "agreement", "krippendorff_alpha", "gwet_ac1", "fleiss_kappa_mode"):
        assert measured.filter(pl.col(f"{name}_low") < pl.col(name), pl.col(name) < pl.col(f"{name}_high")).height == 15
    assert measured["fleiss_kappa"].null_count() == 15  # a few pairs have six annotations
    assert measured["undefined"].str.contains("Fleiss' kappa needs a constant").all()
    assert measured["published_agreement"].null_count() == 15  # nothing is printed about synthetic data


def test_prompts_are_what_is_resampled(sample: Dataset, measured: pl.DataFrame):
    # answers to one prompt lean the same way, so the interval is wider than that of independent pairs
    row = measured.row(-1, named=True)
    per_prompt = sample.pairs["prompt_id"].n_unique()
    assert row["n_prompts"] == per_prompt
    naive_width = 2 * 1.96 * math.sqrt(row["prevalence"] * (1 - row["prevalence"]) / row["n_ratings"])
    assert row["prevalence_high"] - row["prevalence_low"] > 1.5 * naive_width


def test_the_tiny_data_set_by_hand(tiny: Dataset):
    row = annotator_agreement(tiny, n_boot=20).row(-1, named=True)
    # four pairs of three: unanimous, 2 of 3, 1 of 3, unanimous
    assert (row["n_pairs"], row["n_ratings"], row["n_prompts"]) == (4, 12, 2)
    assert row["agreement"] == pytest.approx((3 + 1 + 1 + 3) / 12)
    assert row["prevalence"] == 0.5
    assert row["fleiss_kappa"] == row["fleiss_kappa_mode"] == pytest.approx((8 / 12 - 0.5) / 0.5)
    assert row["few_prompts"]
    assert "fewer than 20 effective prompts" in row["undefined"]
    drugs = annotator_agreement(tiny, n_boot=20).row(4, named=True)
    assert drugs["agreement"] == drugs["gwet_ac1"] == 1
    assert drugs["krippendorff_alpha"] is None
    assert "all annotations say the same" in drugs["undefined"]


def test_a_pair_in_two_splits_has_the_annotations_of_both(make_dataset: Callable[..., Dataset]):
    rows = pl.DataFrame(
        {
            "prompt": ["tea"] * 4,
            "response": ["green", "green", "black", "black"],
            "split": ["train", "test"] * 2,
            "is_safe": [True, False, True, True],
            "labels": pl.Series([0, 1, 0, 0], dtype=pl.UInt32),
        }
    )
    assert annotator_agreement(make_dataset(rows), n_boot=5).row(-1, named=True)["agreement"] == 0.5


def test_one_annotation_per_pair_leaves_everything_null_with_that_reason(shared_data: Path):
    ds = load(shared_data / "beavertails" / "30k_test.jsonl")
    table = annotator_agreement(ds)
    assert (
        table.select("agreement", "agreement_low", "krippendorff_alpha", "gwet_ac1", "disputed").null_count().row(0)
        == (15,) * 5
    )
    assert table["undefined"].unique().to_list() == ["one annotation per pair: only 2 of 3,019 pairs have two or more"]
    rules = safe_share_by_rule(ds)
    assert rules["share_safe"].null_count() == 3
    assert rules["undefined"].str.contains("one annotation per pair").all()
    queue = disputed(ds)
    assert queue.height == 3019
    assert queue["entropy_is_safe"].count() == 2  # the two pairs that stand twice
    assert queue["undefined"].null_count() == 2


def test_a_file_of_comparisons_has_no_votes(shared_data: Path):
    ds = load(shared_data / "pku-saferlhf" / "one_safe_pairs.jsonl")
    table = annotator_agreement(ds)
    assert table["agreement"].null_count() == table.height
    assert table["undefined"].str.contains("comparisons are released without the votes").all()
    assert disputed(ds)["entropy_is_safe"].count() == 0


def test_prompts_alone_have_no_votes(shared_data: Path):
    ds = load(shared_data / "beavertails" / "evaluation.json")
    assert annotator_agreement(ds)["undefined"].unique().to_list() == ["no annotations: these data hold prompts alone"]
    assert disputed(ds).is_empty()


def test_published_figures_stand_beside_their_release(tiny: Dataset):
    table = annotator_agreement(dataclasses.replace(tiny, release="beavertails-330k"), n_boot=5)
    safety = table.row(-1, named=True)
    assert safety["published_agreement"] == pytest.approx(0.8168)
    assert safety["published_disputed"] == pytest.approx(0.277)
    assert safety["published_disputed_split"] == "train"
    assert table["published_disputed"].null_count() == 0
    assert table["published_agreement"].null_count() == 14


def test_printed_disputes_imply_the_printed_agreement_within_a_few_tenths():
    # with three annotators a disputed pair holds one agreeing pair of raters in three
    sums = agr.rating_sums(np.full(2, 3), np.array([0, 1])) * np.array([[0.7233], [0.2767]])
    assert agr.agreement_by_rater_pair(sums.sum(axis=0)) == pytest.approx(0.8156, abs=1e-4)


def test_the_queue_begins_with_the_most_disputed_pairs(tiny: Dataset):
    queue = disputed(tiny)
    third = math.log2(3) - 2 / 3
    assert queue["entropy_is_safe"].to_list() == pytest.approx([third, third, 0, 0, None])
    assert queue["entropy_labels"].to_list() == pytest.approx([2 * third, third, 0, 0, None])
    assert queue["disputed_categories"].to_list()[:2] == [
        ["discrimination,stereotype,injustice", "hate_speech,offensive_language"],
        ["non_violent_unethical_behavior"],
    ]
    assert queue["disputed_categories"].to_list()[-1] is None
    assert queue["undefined"].to_list() == [None] * 4 + ["fewer than two annotations: nothing to compare"]
    assert not {"prompt", "response"} & set(queue.columns)


def test_the_stricter_the_rule_the_fewer_pairs_are_safe(tiny: Dataset, sample: Dataset):
    rules = safe_share_by_rule(tiny, n_boot=20)
    assert rules["rule"].to_list() == ["any", "majority", "unanimous"]
    assert rules["n_safe"].to_list() == [1, 2, 3]
    assert rules["share_safe"].to_list() == [0.25, 0.5, 0.75]
    wide = safe_share_by_rule(sample, n_boot=100)
    pairs = sample.pairs.filter(pl.col("n_annotations") > 1)
    assert wide["share_safe"][1] == pytest.approx(pairs["is_safe"].mean())
    assert (wide["share_safe_low"] < wide["share_safe"]).all()


def test_a_tie_is_unsafe_by_majority(make_dataset: Callable[..., Dataset]):
    rows = pl.DataFrame(
        {
            "prompt": ["tea"] * 2,
            "response": ["green"] * 2,
            "split": ["train"] * 2,
            "is_safe": [True, False],
            "labels": pl.Series([0, 1], dtype=pl.UInt32),
        }
    )
    assert safe_share_by_rule(make_dataset(rows), n_boot=5)["n_safe"].to_list() == [0, 0, 1]


@pytest.mark.slow
def test_the_command_prints_a_table_and_one_json_document(shared_data: Path):
    shown = CliRunner().invoke(stats_agreement, ["sample"])
    assert "Agreement of annotators in sample (synthetic sample)" in shown.output
    assert "is_safe" in shown.output
    document = json.loads(CliRunner().invoke(stats_agreement, ["sample", "--json"]).stdout)
    assert len(document["agreement"]) == 15
    assert [row["rule"] for row in document["safe_share_by_rule"]] == ["any", "majority", "unanimous"]
    once = CliRunner().invoke(stats_agreement, [str(shared_data / "beavertails" / "30k_test.jsonl")])
    assert "not measured. One annotation per pair" in once.output


def test_a_few_repeats_are_no_sample_of_the_votes(make_dataset: Callable[..., Dataset]):
    answers = [f"answer {place}" for place in range(40)] + ["answer 0"]
    rows = pl.DataFrame(
        {
            "prompt": ["tea"] * 41,
            "response": answers,
            "split": ["train"] * 41,
            "is_safe": [True] * 41,
            "labels": pl.Series([0] * 41, dtype=pl.UInt32),
        }
    )
    table = annotator_agreement(make_dataset(rows), n_boot=5)
    assert table["agreement"].null_count() == 15
    assert table["undefined"].unique().to_list() == ["one annotation per pair: only 1 of 40 pairs have two or more"]
    once = annotator_agreement(make_dataset(rows.head(40)), n_boot=5)
    assert once["undefined"].unique().to_list() == ["one annotation per pair"]
