"""Tests of two labels that keep prompts together, against enumeration, simulation and plain loops."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btviz import load
from btviz.data.dataset import Dataset
from btviz.errors import UsageError
from btviz.labels.associations import NULLS, _conditional, cooccurrence, cooccurrence_tests
from btviz.labels.population import LabelledItems
from btviz.stats.association import TwoByTwo, chi_squared_p
from btviz.stats.permutation import benjamini_hochberg, holm, permute_clusters

relaxed = settings(max_examples=40)
blocks = st.integers(1, 3).flatmap(
    lambda size: st.lists(st.tuples(*[st.integers(0, 1)] * 2), min_size=size, max_size=size)
)


# --- permutation


@pytest.mark.slow
@given(st.lists(blocks, min_size=1, max_size=5))
@relaxed
def test_the_null_is_that_of_every_exchange_of_clusters_of_one_size(clusters: list[list[tuple[int, int]]]):
    flags = np.array(list(itertools.chain(*clusters)), dtype=bool)
    ids = np.repeat(np.arange(len(clusters)), [len(block) for block in clusters])
    drawn = permute_clusters(flags, clusters=ids, n_permutations=1500)
    exact: list[int] = []
    for order in itertools.permutations(range(len(clusters))):
        if all(len(clusters[i]) == len(clusters[j]) for i, j in enumerate(order)):
            met = [x & y for i, j in enumerate(order) for (x, _), (_, y) in zip(clusters[i], clusters[j], strict=True)]
            exact.append(sum(met))
    seen = drawn.null[:, 0, 1]
    assert set(seen) <= set(exact)
    for value in set(exact):
        assert (seen == value).mean() == pytest.approx(np.mean(np.array(exact) == value), abs=0.06)
    assert drawn.observed[0, 1] == (flags[:, 0] & flags[:, 1]).sum()


def test_single_items_give_fishers_exact_test():
    from scipy import stats

    flags = np.repeat([[1, 1], [1, 0], [0, 1], [0, 0]], [6, 3, 4, 12], axis=0).astype(bool)
    ours = permute_clusters(flags, clusters=np.arange(25), n_permutations=20_000).p_value[0, 1]
    tails = [stats.fisher_exact([[6, 3], [4, 12]], alternative=side).pvalue for side in ("greater", "less")]
    assert ours == pytest.approx(2 * min(tails), abs=0.01)


@pytest.mark.slow
def test_many_labels_at_once_are_as_good_as_two_by_two():
    rng = np.random.default_rng(1)
    ids = np.sort(rng.integers(0, 60, 200))
    flags = rng.random((200, 5)) < [0.3, 0.5, 0.2, 0.6, 0.4]
    flags[:, 4] = flags[:, 0] ^ (rng.random(200) < 0.2)
    together = permute_clusters(flags, clusters=ids, n_permutations=2000)
    for i, j in itertools.combinations(range(5), 2):
        alone = permute_clusters(flags[:, [i, j]], clusters=ids, n_permutations=2000)
        assert together.p_value[i, j] == together.p_value[j, i] == pytest.approx(alone.p_value[0, 1], abs=0.06)
        assert together.null[:, i, j].mean() == pytest.approx(alone.null[:, 0, 1].mean(), rel=0.05, abs=0.2)
    assert together.p_value[0, 4] == pytest.approx(2 / 2001)


def test_a_cluster_of_more_items_than_a_word_has_bits():
    rng = np.random.default_rng(2)
    flags = rng.random((2 * 150, 2)) < 0.5
    drawn = permute_clusters(flags, clusters=np.repeat([0, 1], 150), n_permutations=50)
    first, second = flags[:150], flags[150:]
    stay = (flags[:, 0] & flags[:, 1]).sum()
    swap = (first[:, 0] & second[:, 1]).sum() + (second[:, 0] & first[:, 1]).sum()
    assert set(drawn.null[:, 0, 1]) == {stay, swap}


def test_a_label_without_contrast_has_no_p_value():
    flags = np.array([[1, 1, 0], [0, 1, 0], [1, 1, 0], [0, 1, 0]], dtype=bool)
    assert np.isnan(permute_clusters(flags, clusters=[0, 0, 1, 1], n_permutations=5).p_value).all()
    assert permute_clusters(np.zeros((0, 2)), clusters=[], n_permutations=5).observed.sum() == 0


def test_permutations_are_asked_for_one_cluster_per_item():
    with pytest.raises(UsageError, match="at least one"):
        permute_clusters(np.ones((2, 2)), clusters=[0, 1], n_permutations=0)
    with pytest.raises(UsageError, match="1 cluster ids"):
        permute_clusters(np.ones((2, 2)), clusters=[0])


@pytest.mark.slow
def test_the_test_keeps_its_level_where_the_plain_chi_square_does_not():
    rng = np.random.default_rng(3)
    ours, plain = [], []
    for seed in range(300):
        ids = np.repeat(np.arange(60), 6)
        flags = rng.random((360, 2)) < rng.beta(0.15, 0.35, (60, 2))[ids]  # each label clings to its prompts
        ours.append(permute_clusters(flags, clusters=ids, n_permutations=199, random_state=seed).p_value[0, 1])
        both = (flags[:, 0] & flags[:, 1]).sum()
        table = TwoByTwo(*(np.array([count]) for count in (360, *flags.sum(axis=0), both)))
        plain.append(chi_squared_p(table)[0])
    assert np.mean(np.array(ours) <= 0.05) == pytest.approx(0.05, abs=0.03)
    assert np.mean(np.array(plain) <= 0.05) > 0.2


# --- categories of a data set


def made(make_dataset: Callable[..., Dataset], *, rows: list[tuple[str, str, int]]) -> Dataset:
    return make_dataset(
        pl.DataFrame(
            {
                "prompt": [prompt for prompt, _, _ in rows],
                "response": [response for _, response, _ in rows],
                "split": ["train"] * len(rows),
                "is_safe": [mask == 0 for _, _, mask in rows],
                "labels": pl.Series([mask for _, _, mask in rows], dtype=pl.UInt32),
            }
        )
    )


@pytest.fixture
def topical(make_dataset: Callable[..., Dataset]) -> Dataset:
    """80 prompts of 4 answers: categories 0 and 1 go together, 2 is apart, 3 is rare, the rest absent."""
    rng = np.random.default_rng(4)
    rows = []
    for prompt in range(80):
        topic = rng.random(3) < [0.7, 0.7, 0.6]
        topic[1] = topic[0] if rng.random() < 0.9 else topic[1]
        for answer in range(4):
            bits = (rng.random(3) < 0.8) & topic
            mask = int(bits @ [1, 2, 4]) + 8 * (prompt == 7 and answer == 0)
            rows.append((f"question {prompt}", f"answer {answer}", mask))
    return made(make_dataset, rows=rows)


def row_of(table: pl.DataFrame, ds: Dataset, first: int, second: int) -> dict:
    keys = ds.taxonomy.keys
    return table.row(by_predicate=(pl.col("row") == keys[first]) & (pl.col("col") == keys[second]), named=True)


@pytest.mark.slow
def test_each_pair_of_categories_has_one_row_with_the_counts_of_the_table(topical: Dataset):
    tests = cooccurrence_tests(topical, n_permutations=50)
    assert tests.height == 91
    both_ways = cooccurrence(topical, population="pairs").select("row", "col", "phi", "n_both", "chi2_p_naive")
    joined = tests.join(both_ways, on=["row", "col"], validate="1:1", suffix="_again", maintain_order="left")
    for name in ("phi", "n_both", "chi2_p_naive"):
        assert joined[name].equals(joined[f"{name}_again"], null_equal=True, check_names=False)


@pytest.mark.slow
def test_related_categories_are_told_from_unrelated_ones(topical: Dataset):
    tests = cooccurrence_tests(topical, n_permutations=999)
    related, apart = row_of(tests, topical, 0, 1), row_of(tests, topical, 0, 2)
    assert related["p_value"] == 2 / 1000
    assert related["phi_low"] > 0
    assert related["test"] == "permutation"
    assert apart["p_value"] > 0.05
    assert apart["phi_low"] < 0 < apart["phi_high"]


@pytest.mark.slow
def test_intervals_are_those_of_resampling_prompts_in_a_plain_loop(topical: Dataset):
    found = row_of(cooccurrence_tests(topical, n_permutations=1), topical, 0, 1)
    prompts = topical.pairs.partition_by("prompt_id")
    rng = np.random.default_rng(5)
    loop = []
    for _ in range(1000):
        masks = np.concatenate([prompts[i]["labels"].to_numpy() for i in rng.integers(0, 80, 80)])
        loop.append(np.corrcoef(masks & 1, masks >> 1 & 1)[0, 1])
    assert [found["phi_low"], found["phi_high"]] == pytest.approx(np.quantile(loop, [0.025, 0.975]), abs=0.02)


@pytest.mark.slow
def test_adjusted_p_values_count_the_tests_that_there_are(topical: Dataset):
    tests = cooccurrence_tests(topical, n_permutations=200)
    known = tests.drop_nulls("p_value")
    assert known.height == 6  # four categories occur
    np.testing.assert_allclose(known["p_holm"], holm(known["p_value"]))
    np.testing.assert_allclose(known["p_benjamini_hochberg"], benjamini_hochberg(known["p_value"]))


@pytest.mark.slow
def test_rare_and_absent_categories_say_why_they_have_no_value(topical: Dataset):
    tests = cooccurrence_tests(topical, n_permutations=20)
    rare, absent = row_of(tests, topical, 0, 3), row_of(tests, topical, 0, 4)
    assert rare["phi"] is not None
    assert rare["phi_low"] < rare["phi"] < rare["phi_high"]
    assert rare["phi_high"] - rare["phi_low"] > 0.1
    assert rare["few_prompts"]
    assert rare["p_value"] is not None  # an exact test needs no large numbers
    assert absent["phi"] is absent["p_value"] is absent["p_holm"] is None
    assert absent["undefined"] == "no item has the column category"


@pytest.mark.slow
def test_unsafe_answers_are_compared_within_sets_of_their_other_categories(make_dataset: Callable[..., Dataset]):
    # independent categories, kept for having one: phi is far below 0, and as expected
    rng = np.random.default_rng(6)
    rows = [
        (f"question {prompt}", f"answer {answer}", int((rng.random(3) < 0.4) @ [1, 2, 4]))
        for prompt in range(250)
        for answer in range(2)
    ]
    ds = made(make_dataset, rows=rows)
    tests = cooccurrence_tests(ds, where="unsafe")
    masks = np.array([mask for _, _, mask in rows])
    for first, second in ((0, 1), (0, 2), (1, 2)):
        found = row_of(tests, ds, first, second)
        assert found["phi_high"] < 0
        assert found["p_value"] > 0.01
        assert (found["test"], found["null"]) == ("conditional", NULLS["unsafe"])
        third = 3 - first - second
        informative = masks[(masks >> third & 1) == 1]
        x, y = informative >> first & 1, informative >> second & 1
        assert found["n_informative"] == len(informative)
        assert found["n_both_informative"] == (x & y).sum()
        assert found["n_both_expected"] == pytest.approx(x.sum() * y.sum() / len(informative))
        unsafe = masks[masks > 0]
        x, y = unsafe >> first & 1, unsafe >> second & 1
        joint = x.sum() * y.sum() / len(masks)  # independent over all items
        scale = math.sqrt(x.sum() * (len(unsafe) - x.sum()) * y.sum() * (len(unsafe) - y.sum()))
        assert found["phi_expected_pair"] == pytest.approx((len(unsafe) * joint - x.sum() * y.sum()) / scale)


@pytest.mark.slow
def test_the_conditional_test_is_that_of_cochran_mantel_and_haenszel(make_dataset: Callable[..., Dataset]):
    """One answer a prompt: the robust variance then is about the hypergeometric one."""
    from statsmodels.stats.contingency_tables import StratifiedTable

    rng = np.random.default_rng(12)
    flags = rng.random((1500, 4)) < [0.5, 0.4, 0.6, 0.5]
    flags[:, 1] ^= flags[:, 0] & (rng.random(1500) < 0.1)
    rows = [(f"question {i}", "answer", int(row @ [1, 2, 4, 8])) for i, row in enumerate(flags)]
    found = row_of(cooccurrence_tests(ds := made(make_dataset, rows=rows), where="unsafe"), ds, 0, 1)
    tables = [
        np.array([[((x == i) & (y == j)).sum() for j in (1, 0)] for i in (1, 0)])
        for others in ((1, 0), (0, 1), (1, 1))
        for x, y in [flags[(flags[:, 2:] == others).all(axis=1), :2].T]
    ]
    reference = StratifiedTable(tables)
    assert found["odds_ratio_conditional"] == pytest.approx(reference.oddsratio_pooled)
    assert found["p_value"] == pytest.approx(reference.test_null_odds(correction=False).pvalue, rel=0.1, abs=0.003)


@pytest.mark.slow
def test_two_independent_categories_beside_exclusive_ones_are_rarely_called_associated():
    """Four categories exclude each other; two others are independent of all, and each clings to its prompts.

    At 5 % and 400 draws one Monte-Carlo standard error is 1.1 points.
    """
    rng, rejected, draws = np.random.default_rng(13), 0, 400
    for _ in range(draws):
        prompts = np.repeat(np.arange(150), 3)
        exclusive = rng.choice(5, 150, p=[0.4, 0.2, 0.2, 0.1, 0.1])[prompts]
        own = rng.random((450, 2)) < rng.beta(0.6, 1.4, (150, 2))[prompts]
        flags = np.column_stack([exclusive[:, None] == np.arange(1, 5), own])
        unsafe = flags.any(axis=1)
        found = _conditional(
            LabelledItems(flags[unsafe], prompts[unsafe].astype(np.uint64)), np.array([4]), col=np.array([5])
        )
        rejected += bool(found["p_value"][0] < 0.05)
    assert rejected / draws <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / draws)


@pytest.mark.slow
def test_pairs_are_left_out_for_what_is_expected_of_them_never_for_what_is_seen(topical: Dataset):
    tests = cooccurrence_tests(topical, where="unsafe")
    expected = tests["n_both_expected"]
    assert ((expected >= 5) == tests["p_value"].is_not_null()).all()
    assert tests.filter(pl.col("p_value").is_not_null()).height > 0
    untested = tests.filter(pl.col("phi").is_not_null(), pl.col("p_value").is_null())
    assert untested["undefined"].str.contains("the test needs 5").all()


@pytest.mark.slow
def test_the_order_in_which_annotations_are_stored_is_no_association(make_dataset: Callable[..., Dataset]):
    # rows of a pair are stored by their masks; shuffled in that order, two labels would line up
    rng = np.random.default_rng(7)
    rows = [
        (f"question {prompt}", "answer", int((rng.random(2) < 0.5) @ [1, 2])) for prompt in range(150) for _ in range(6)
    ]
    ds = made(make_dataset, rows=rows)
    found = row_of(cooccurrence_tests(ds, population="annotations", n_permutations=500), ds, 0, 1)
    assert abs(found["phi"]) < 0.08
    assert found["p_value"] > 0.02


@pytest.mark.slow
def test_the_same_seed_gives_the_same_table(topical: Dataset):
    one, again, other = (cooccurrence_tests(topical, n_permutations=50, random_state=seed) for seed in (0, 0, 1))
    assert one.equals(again)
    assert not one.equals(other)


@pytest.mark.slow
def test_prompts_are_one_item_each(topical: Dataset):
    tests = cooccurrence_tests(topical, population="prompts", n_permutations=20)
    assert tests["n"].unique().to_list() == [80]


def test_wrong_requests_are_named(topical: Dataset):
    with pytest.raises(UsageError, match="no population 'rows'"):
        cooccurrence_tests(topical, population="rows")
    with pytest.raises(UsageError, match=r"Pass what btviz\.load"):
        cooccurrence_tests(topical.annotations.lazy())


@pytest.mark.slow
def test_the_published_pair_on_the_released_test_split(shared_data: Path):
    ds = load(shared_data / "beavertails" / "30k_test.jsonl")
    found = row_of(cooccurrence_tests(ds, population="annotations", n_permutations=200), ds, 3, 6)
    assert found["phi"] == pytest.approx(0.487, abs=5e-4)
    assert [found["phi_low"], found["phi_high"]] == pytest.approx([0.430, 0.543], abs=0.01)
    unsafe = row_of(cooccurrence_tests(ds, population="annotations", where="unsafe"), ds, 8, 13)
    assert unsafe["phi"] == pytest.approx(-0.407, abs=5e-4)
    assert unsafe["phi_expected"] == pytest.approx(-0.153, abs=5e-4)
    assert unsafe["phi_high"] < unsafe["phi_expected"]
    assert unsafe["p_value"] > 0.05  # controlled for the other categories nothing is shown
    apart = row_of(cooccurrence_tests(ds, population="annotations", where="unsafe"), ds, 3, 13)
    assert (apart["n_both"], apart["n_informative"]) == (11, 1464)
    assert apart["n_both_expected"] == pytest.approx(20.3, abs=0.05)
    assert apart["p_holm"] < 0.001


@pytest.mark.slow
def test_categories_that_never_meet_on_the_released_test_split_have_wide_intervals(shared_data: Path):
    ds = load(shared_data / "beavertails" / "30k_test.jsonl")
    tests = cooccurrence_tests(ds, population="annotations", n_permutations=999)
    never = tests.filter(n_both=0)
    assert never.height == 30
    away = never.filter((pl.col("phi_low") > 0) | (pl.col("phi_high") < 0))
    assert away.height == 10
    assert (away["p_value"] < 0.07).all()  # a doubled tail of few counts; before, some had a p-value of 1
    assert (tests["phi_low"] < tests["phi_high"]).all()
    assert (never["odds_ratio_low"] == 0).all()
