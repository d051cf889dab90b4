"""Categories of some pairs against the rest, by hand and against a plain count."""

from __future__ import annotations

import polars as pl
import pytest

import btviz
from btviz.plots import selection_contrast


def test_a_worked_example(tiny):
    liar = tiny.pairs.filter(pl.col("response") == "tell them it is gold")["pair_id"]
    table = btviz.category_contrast(tiny, liar)
    lie = table.row(by_predicate=pl.col("category") == tiny.taxonomy.categories[8].key, named=True)
    assert (lie["n_category"], lie["n"], lie["n_category_rest"], lie["n_rest"]) == (1, 1, 0, 4)
    assert (lie["share"], lie["share_all"], lie["lift"]) == (1.0, 0.2, 5.0)
    assert lie["undefined"] == "fewer than 20 effective prompts are chosen, which an interval needs"
    never = table.row(0, named=True)
    assert never["lift"] is None
    assert never["undefined"] == "no pair has this category"


def test_it_counts_like_a_plain_filter(tiny):
    ids = tiny.pairs["pair_id"][1:4]
    table = btviz.category_contrast(tiny, ids)
    inside, rest = (tiny.pairs.filter(pl.col("pair_id").is_in(ids.implode()) == side) for side in (True, False))
    for category, row in zip(tiny.taxonomy.categories, table.to_dicts(), strict=True):
        has = tiny.taxonomy.has(category.slug)
        assert row["n_category"] == inside.filter(has).height
        assert row["n_category_rest"] == rest.filter(has).height


@pytest.mark.parametrize(("every", "why"), [(False, "no pair is chosen"), (True, "every pair is chosen")])
def test_nothing_or_everything_has_no_contrast(tiny, every, why):
    table = btviz.category_contrast(tiny, tiny.pairs["pair_id"] if every else [])
    assert table["undefined"].str.starts_with(why).all()
    assert table["share_rest" if every else "share"].null_count() == table.height
    assert table["n_all"][0] == tiny.pairs.height


def test_unknown_ids_are_left_out(tiny):
    assert btviz.category_contrast(tiny, [1])["n"][0] == 0


def test_the_picture_holds_both_shares_and_the_lift(tiny):
    ids = tiny.pairs["pair_id"][:2]
    chosen = tiny.pairs.filter(pl.col("pair_id").is_in(ids.implode()))
    together = btviz.cooccurrence(chosen.lazy(), population="pairs", taxonomy=tiny.taxonomy)
    chart = selection_contrast(btviz.category_contrast(tiny, ids), together, source="tiny", taxonomy=tiny.taxonomy)
    drawn = chart.to_json()
    assert "n = 2 selected, 3 others" in drawn
    assert "lift" in drawn
    assert "magnets" not in drawn
    alone = btviz.category_contrast(tiny, tiny.pairs["pair_id"])
    everything = btviz.cooccurrence(tiny.pairs.lazy(), population="pairs", taxonomy=tiny.taxonomy)
    assert "n = 5" in selection_contrast(alone, everything, taxonomy=tiny.taxonomy).to_json()


@pytest.fixture(scope="module")
def sample():
    return btviz.load("sample")


def test_intervals_are_those_of_shares_and_ratios_by_prompt(sample):
    ids = sample.pairs.filter(pl.col("pair_id") % 3 == 0)["pair_id"]
    table = btviz.category_contrast(sample, ids)
    for row, category in zip(table.to_dicts(), sample.taxonomy.categories, strict=True):
        for name in ("share", "share_rest", "lift", "ratio"):
            assert row[f"{name}_low"] < row[name] < row[f"{name}_high"], (category.slug, name)
    # nothing distinguishes the pairs chosen, so that most intervals hold 1
    assert table.filter(pl.col("ratio_low") < 1, pl.col("ratio_high") > 1).height >= len(sample.taxonomy) - 2


def test_two_groups_are_compared_with_each_other_alone(sample):
    unsafe = sample.pairs.filter(~pl.col("is_safe"))
    one, other = unsafe["pair_id"][:900], unsafe["pair_id"][600:2000]
    table = btviz.category_contrast(sample, one, against=other)
    assert table["n"].unique().to_list() == [900]
    assert table["n_rest"].unique().to_list() == [1100]  # what is in both is chosen
    privacy = table.row(by_predicate=pl.col("category") == sample.taxonomy["privacy"].key, named=True)
    assert privacy["n_category_rest"] == unsafe[900:2000].filter(sample.taxonomy.has("privacy")).height
    assert privacy["ratio"] == pytest.approx(privacy["share"] / privacy["share_rest"])
