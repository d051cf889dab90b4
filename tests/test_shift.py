"""The shift between splits, and the mix of harms of releases: held against plain loops, print and simulation."""

from __future__ import annotations

import itertools
import json

import numpy as np
import polars as pl
import pytest
from chart_contents import words
from click.testing import CliRunner
from scipy.stats import chi2_contingency
from wording import says

import btviz
from btviz import plots, sentences
from btviz.cli.stats import stats_compare
from btviz.data import published_numbers
from btviz.errors import UsageError
from btviz.stats.association import wilson
from btviz.stats.clustered import moved, share_interval

SCHEMA = {"prompt": pl.String, "response": pl.String, "split": pl.String, "is_safe": pl.Boolean, "labels": pl.UInt32}


def splits_of(make_dataset, *, shift=0.0, prompts=60, shared=True, seed=0):
    """Four answers to each prompt, half of them in the test split; there a label is more frequent by `shift`."""
    draw = np.random.default_rng(seed)
    rows = []
    for prompt in range(prompts):
        lean = draw.random() * 0.6
        for answer in range(4):
            is_test = answer % 2 if shared else prompt % 2
            mask = 8 * (draw.random() < lean + shift * is_test) + 64 * (draw.random() < 0.4)
            rows.append((f"what is {prompt}", f"answer {answer}", "test" if is_test else "train", mask == 0, mask))
    return make_dataset(pl.DataFrame(rows, schema=SCHEMA, orient="row"))


def test_counts_and_shares_are_of_each_split(make_dataset):
    ds = splits_of(make_dataset)
    table = btviz.split_shift(ds, n_permutations=39)
    first, bias = (
        table.row(0, named=True),
        table.filter(pl.col("what").str.starts_with("discrimination")).row(0, named=True),
    )
    assert (first["split_a"], first["split_b"]) == ("train", "test")
    assert (first["n_a"], first["n_b"], first["prompts_shared"], first["n_exchanged"]) == (120, 120, 60, 240)
    rows = ds.annotations.with_columns(bias=(pl.col("labels") & 8) > 0)
    for side in ("a", "b"):
        assert bias[f"share_{side}"] == pytest.approx(rows.filter(split=first[f"split_{side}"])["bias"].mean())
    assert bias["low"] < bias["difference"] < bias["high"]
    assert table["what"].to_list() == ["label sets", "is_unsafe", *ds.taxonomy.keys]


def test_the_statistic_is_pearsons_chi_square(make_dataset):
    ds = splits_of(make_dataset)
    first = btviz.split_shift(ds, n_permutations=39).row(0, named=True)
    cells = ds.annotations.group_by("labels", "is_safe").agg(
        train=(pl.col("split") == "train").sum(), test=(pl.col("split") == "test").sum()
    )
    assert first["label_sets"] == cells.height == 4
    assert first["chi_squared"] == pytest.approx(chi2_contingency(cells.select("train", "test"))[0])


def test_the_exchange_within_prompts_is_the_one_that_is_counted_out(make_dataset):
    """Three prompts with one answer in either split: eight exchanges, all of them equally likely."""
    votes = [(8, 0), (8, 0), (0, 0)]
    rows = [
        (f"what is {prompt}", split, split, mask == 0, mask)
        for prompt, masks in enumerate(votes)
        for split, mask in zip(("train", "test"), masks, strict=True)
    ]
    ds = make_dataset(pl.DataFrame(rows, schema=SCHEMA, orient="row"))
    table = btviz.split_shift(ds, n_permutations=1999)
    differences = [sum(sign * (a > b) for sign, (a, b) in zip(signs, votes, strict=True)) / 3
                   for signs in itertools.product((1, -1), repeat=3)]  # fmt: skip
    tail = np.mean(np.array(differences) >= 2 / 3 - 1e-9)
    found = table.filter(pl.col("what").str.starts_with("discrimination")).row(0, named=True)
    assert found["difference"] == pytest.approx(2 / 3)
    assert found["p_value"] == pytest.approx(2 * tail, abs=0.06)
    assert found["low"] is None
    assert "fewer than 20" in found["undefined"]


@pytest.mark.slow
@pytest.mark.parametrize("shared", [True, False])
def test_splits_at_random_are_called_shifted_at_the_level_and_others_mostly(make_dataset, shared):
    """16 data sets each: of the first 5 % or about one are called shifted; six or more have a chance of 1 in 7,000."""
    rejected = [0, 0]
    for seed, (place, shift) in itertools.product(range(16), enumerate((0.0, 0.35))):
        ds = splits_of(make_dataset, shift=shift, shared=shared, seed=seed)
        rejected[place] += btviz.split_shift(ds, n_permutations=59, random_state=seed)["p_value"][0] <= 0.05
    assert rejected[0] < 6
    assert rejected[1] > 10


def test_what_no_exchange_can_change_has_no_p_value(make_dataset):
    table = btviz.split_shift(splits_of(make_dataset), n_permutations=39)
    animals = table.filter(what="animal_abuse").row(0, named=True)
    assert animals["p_value"] is None
    assert animals["undefined"] == "no exchange changes it"
    assert animals["low"] < 0 < animals["high"]


def test_two_splits_are_needed(make_dataset, tiny):
    with pytest.raises(UsageError, match="compares two splits"):
        btviz.split_shift(tiny, ("train", "other"))
    assert btviz.split_shift(tiny, ("test", "train"), n_permutations=39)["split_a"][0] == "test"


def test_differences_put_both_intervals_together_and_have_a_width_at_nought():
    """By hand: the distances to the ends add up as squares do."""
    hits, n = np.array([[1.0], [0.0], [0.0]] * 20), np.ones((60, 1))
    first, second = share_interval(hits, n), share_interval(0 * hits, n)
    low, high = moved(np.subtract, first, second)
    gap = 1 / 3
    assert low[0] == pytest.approx(gap - np.hypot(gap - first.low[0], second.high[0]))
    assert high[0] == pytest.approx(gap + (first.high[0] - gap))
    low, high = moved(np.subtract, second, second)
    assert low[0] < 0 < high[0]


def test_the_mix_of_published_counts_is_what_was_printed(make_dataset):
    ds = splits_of(make_dataset)
    table = btviz.category_mix([ds, "beavertails-330k"]).filter(pl.col("name").str.starts_with("BeaverTails-330k"))
    printed = published_numbers("beavertails-330k").filter(quantity="category_count", population="annotations")
    by_key = dict(printed.select("category", "value").rows())
    for row in table.filter(pl.col("against").is_null()).iter_rows(named=True):
        assert row["share"] == pytest.approx(by_key[row["category"]] / 300_567)
        low, high = wilson(row["share"] * 16_188, n=16_188)
        assert (row["low"], row["high"]) == (pytest.approx(float(low)), pytest.approx(float(high)))
        assert "published counts of the train split" in row["source"]
    unsafe = btviz.category_mix([ds, "beavertails-30k"], where="unsafe")
    violence = unsafe.filter(pl.col("name") == "BeaverTails-30k", pl.col("category").str.starts_with("violence"))
    assert violence["share"][0] == pytest.approx(0.442, abs=1e-4)


def test_a_mix_of_rows_is_their_share_and_differences_are_first_less_second(make_dataset, tiny):
    ds = splits_of(make_dataset)
    table = btviz.compare_releases([ds, tiny], of="categories")
    key = "hate_speech,offensive_language"
    shares = [((one.annotations["labels"] & 64) > 0).mean() for one in (ds, tiny)]
    of_key = table.filter(category=key)
    assert of_key.filter(pl.col("against").is_null())["share"].to_list() == pytest.approx(shares)
    apart = of_key.drop_nulls("against").row(0, named=True)
    assert apart["share"] == pytest.approx(shares[0] - shares[1])
    assert apart["low"] is None  # the second has three prompts
    assert "tiny" in apart["undefined"]


@pytest.mark.slow
def test_a_category_that_data_cannot_have_is_not_nought(samples):
    table = btviz.category_mix([samples["sample"], samples["sample-saferlhf"]])
    second = table.filter(pl.col("against").is_null(), pl.col("name").str.starts_with("sample-saferlhf"))
    absent = second.filter(category="child_abuse").row(0, named=True)
    assert (absent["share"], absent["n_category"]) == (None, None)
    assert "no such category" in absent["undefined"]
    chart = plots.category_mix(table, taxonomy=samples["sample"].taxonomy)
    assert "Which harms occur how often?" in words(chart)
    assert says(sentences.mix(table, samples["sample"].taxonomy), "sample", "all differences", "points")


def test_data_of_one_name_are_told_apart(make_dataset):
    table = btviz.category_mix([splits_of(make_dataset), splits_of(make_dataset, seed=1)])
    assert table["name"].unique().sort().to_list() == ["tiny (your own file)", "tiny (your own file) (2)"]
    assert table.drop_nulls("against")["against"].unique().to_list() == ["tiny (your own file) (2)"]


def test_what_cannot_be_compared_is_said(make_dataset):
    ds = splits_of(make_dataset)
    with pytest.raises(UsageError, match="two are needed"):
        btviz.category_mix([ds])
    bare = pl.DataFrame([("what is one", "two", "train", True, None)], schema=SCHEMA, orient="row")
    with pytest.raises(UsageError, match="no row of it names a category"):
        btviz.category_mix([ds, make_dataset(bare)])
    with pytest.raises(UsageError, match="counts cannot be carried over"):
        btviz.category_mix([ds, "pku-saferlhf"])


@pytest.mark.slow
def test_the_command_compares_two_data_sets_and_two_splits(kept_samples):
    def called(*arguments):
        return CliRunner().invoke(stats_compare, arguments, catch_exceptions=False).stdout

    document = json.loads(called("sample", "sample-saferlhf", "--n-boot", "50", "--json"))
    assert document.keys() == {"category_mix", "releases", "categories", "lacking"}
    assert document["lacking"] == {}
    shown = called("sample", "beavertails-330k")
    assert "16,851" not in shown
    assert says(shown, "BeaverTails-330k, train split", "all differences taken together")
    splits = called("sample-saferlhf")
    assert says(splits, "train and test share")
    assert "p holm" in splits or "p_holm" in splits


def test_the_mix_of_a_release_with_counts_by_severity_is_that_of_its_answers(make_dataset):
    """By hand from what was published of the train split: 76,125 of 147,814 answers above level 0."""
    for where, answers in (("all", 147_814), ("unsafe", 76_125)):
        table = btviz.category_mix(["pku-saferlhf", "pku-saferlhf"], where=where)
        one = table.filter(pl.col("against").is_null(), category="Insulting Behavior").row(0, named=True)
        assert (one["n_category"], one["n"]) == (7_852, answers)
        assert one["share"] == pytest.approx(7_852 / answers)
        assert one["low"] < one["share"] < one["high"]
        assert "train split" in one["source"]
    assert table.filter(pl.col("against").is_not_null())["share"].unique().to_list() == [0.0]


@pytest.mark.slow
def test_comparing_data_without_categories_is_one_sentence(make_dataset, monkeypatch):
    rows = [
        {"prompt": f"what is {n}", "response_0": "one", "response_1": "two", "split": "train", "safer": n % 2}
        for n in range(6)
    ]
    empty = pl.DataFrame(schema={"prompt": pl.String, "response": pl.String})
    bare = make_dataset(empty, comparisons=pl.DataFrame(rows, schema_overrides={"safer": pl.UInt8}))
    full = btviz.load("sample-saferlhf")
    monkeypatch.setattr(btviz, "load", lambda name: bare if name == "bare" else full, raising=False)
    shown = CliRunner().invoke(stats_compare, ["bare", "full"], catch_exceptions=False).output
    assert shown.count("no comparison of") == 1
    assert "–" not in shown
