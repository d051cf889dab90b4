"""What clicks and filters select, against definitions written out row by row."""

from __future__ import annotations

import json
from collections import Counter, defaultdict

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wording import says

import btviz
from btviz.errors import UsageError
from btviz.taxonomy.categories import BEAVERTAILS
from btviz.widgets.categories.explorer import pairs_behind
from btviz.widgets.inspector.index import index_pairs
from btviz.widgets.inspector.listing import Filter, narrow

FOUR = [0, 3, 6, 13]  # bits drawn from: few enough that they meet
masks = st.integers(0, 15).map(lambda small: sum(1 << bit for k, bit in enumerate(FOUR) if small >> k & 1))
rows = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), masks, st.booleans()), min_size=1, max_size=25)
SLUGS = [BEAVERTAILS.categories[bit].slug for bit in FOUR]


def build(make_dataset, drawn):
    """Rows of (prompt, response, labels, odd): unsafe if labelled, or for no stated reason if odd."""
    table = [(f"p{p}", f"r{r} Straße", "train", not (m or odd), m) for p, r, m, odd in drawn]
    columns = ["prompt", "response", "split", "is_safe", "labels"]
    types = [pl.String, pl.String, pl.String, pl.Boolean, pl.UInt32]
    return make_dataset(pl.DataFrame(table, schema=dict(zip(columns, types, strict=True)), orient="row"))


@pytest.fixture
def narrowed(tiny):
    index = index_pairs(tiny)

    def listed(**parts):
        kept = narrow(np.arange(len(index)), ds=tiny, index=index, by=Filter(**parts))
        return set(tiny.pairs["response"][kept])

    return listed


def pairs_of(ds):
    """Annotations of each pair, as (labels, is_safe) tuples."""
    found = defaultdict(list)
    for row in ds.annotations.iter_rows(named=True):
        found[row["pair_id"]].append((row["labels"], row["is_safe"]))
    return found


def majority_mask(votes):
    return sum(1 << bit for bit in range(14) if 2 * sum(m >> bit & 1 for m, _ in votes) >= len(votes))


def unsafe_majority(votes):
    return 2 * sum(not safe for _, safe in votes) >= len(votes)


def expected(ds, need, *, population, unsafe):
    """Pairs and number of items behind a cell, by the definitions."""
    votes = pairs_of(ds)
    prompt = dict(ds.pairs.select("pair_id", "prompt_id").iter_rows())
    if population == "annotations":
        hits = [p for p in votes for m, safe in votes[p] if m & need == need and not (unsafe and safe)]
        return set(hits), len(hits)
    if population == "pairs":
        hits = [
            p for p in votes if majority_mask(votes[p]) & need == need and (not unsafe or unsafe_majority(votes[p]))
        ]
        return set(hits), len(hits)
    labels, bad = Counter(), Counter()
    for p in votes:
        labels[prompt[p]] |= majority_mask(votes[p])
        bad[prompt[p]] |= unsafe_majority(votes[p])
    asked = {q for q in labels if labels[q] & need == need and (not unsafe or bad[q])}
    return {p for p in votes if prompt[p] in asked and majority_mask(votes[p]) & need}, len(asked)


@pytest.mark.parametrize("where", ["all", "unsafe"])
@pytest.mark.parametrize("population", ["annotations", "pairs", "prompts"])
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(drawn=rows, one=st.sampled_from(SLUGS), other=st.sampled_from(SLUGS))
def test_the_pairs_behind_a_cell_are_those_of_the_definition(make_dataset, population, where, drawn, one, other):
    ds = build(make_dataset, drawn)
    categories = tuple(BEAVERTAILS[name] for name in dict.fromkeys([one, other]))
    found = pairs_behind(index_pairs(ds), categories, population=population, where=where)
    ids, n_items = expected(ds, BEAVERTAILS.mask([one, other]), population=population, unsafe=where == "unsafe")
    assert set(ds.pairs["pair_id"][found.rows]) == ids
    assert found.n_items == n_items
    assert f" {n_items:,} " in found.origin
    assert population == "pairs" or f"→ {len(ids):,} pair" in found.origin
    again = ds.pairs.filter(eval(found.expression, {"pl": pl, "ds": ds}))
    assert set(again["pair_id"]) == ids


@pytest.mark.parametrize("where", ["all", "unsafe"])
@pytest.mark.parametrize("population", ["annotations", "pairs", "prompts"])
def test_every_cell_and_bar_has_as_many_items_behind_it_as_the_tables_count(tiny, population, where):
    index = index_pairs(tiny)
    options = {"population": population, "where": where}
    for row in btviz.cooccurrence(tiny, **options).iter_rows(named=True):
        cell = tuple(tiny.taxonomy[row[side]] for side in ("row", "col"))
        assert pairs_behind(index, cell, **options).n_items == row["n_both"]
    for row in btviz.category_counts(tiny, **options).iter_rows(named=True):
        assert pairs_behind(index, (tiny.taxonomy[row["category"]],), **options).n_items == row["n_category"]


def test_both_numbers_are_named(tiny):
    cell = (tiny.taxonomy["discrimination"], tiny.taxonomy["hate-speech"])
    words = pairs_behind(index_pairs(tiny), cell, population="annotations", where="all").origin
    names = (tiny.taxonomy["discrimination"].title, tiny.taxonomy["hate-speech"].title)
    assert says(words, *names, "1 annotation → 1 pair", "both")
    lies = pairs_behind(index_pairs(tiny), (tiny.taxonomy["unethical"],), population="annotations", where="all")
    assert says(lies.origin, tiny.taxonomy["unethical"].title, "4 annotations → 2 pairs")


def test_categories_narrow_by_any_all_and_none(narrowed):
    everything = narrowed()
    assert len(everything) == 5
    assert narrowed(any_of=("discrimination", "unethical")) == {
        "people are all the same",
        "green tea is fine",
        "tell them it is gold",
    }
    assert narrowed(all_of=("discrimination", "hate-speech")) == {"people are all the same"}
    assert narrowed(none_of=("unethical",)) == {"they attract iron", "people are all the same", "in march"}
    assert narrowed(any_of=("unethical",), none_of=("unethical",)) == set()


def test_votes_say_how_many_annotations_must_agree(narrowed):
    one = narrowed(any_of=("unethical", "hate-speech", "discrimination"))
    assert one == {"green tea is fine", "tell them it is gold", "people are all the same"}
    assert narrowed(any_of=("unethical", "hate-speech"), votes="majority") == {"tell them it is gold"}
    assert narrowed(any_of=("discrimination",), votes="majority") == {"people are all the same"}
    assert narrowed(any_of=("discrimination",), votes="every") == set()
    assert narrowed(any_of=("unethical",), votes="every") == {"tell them it is gold"}


def test_verdicts_narrow_by_majority_and_by_agreement(narrowed):
    assert narrowed(safety="unsafe") == {"people are all the same", "tell them it is gold"}
    assert narrowed(safety="safe") == {"they attract iron", "green tea is fine", "in march"}
    assert narrowed(dispute="disputed") == {"people are all the same", "green tea is fine"}
    assert narrowed(dispute="unanimous") == {"they attract iron", "tell them it is gold"}  # annotated once: neither


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("TEA", {"green tea is fine", "tell them it is gold"}),  # in the prompt of both
        ("iron", {"they attract iron"}),
        ("i.on", set()),
        ("(", set()),
        (" the ", {"people are all the same"}),
    ],
)
def test_words_are_found_literally_in_either_text(narrowed, words, found):
    assert narrowed(search=words) == found


def test_an_unknown_option_or_category_is_refused(narrowed):
    for wrong in ({"safety": "unsave"}, {"votes": "two"}, {"dispute": "maybe"}, {"any_of": ("hate",)}):
        with pytest.raises(UsageError):
            narrowed(**wrong)


def test_disputed_is_measurable_only_where_pairs_were_annotated_more_than_once(tiny, make_dataset):
    assert index_pairs(tiny).dispute_measurable
    once = [
        ("a", "b", "train", True, 0),
        ("a", "c", "train", True, 0),
        ("a", "c", "train", False, 1),
        ("d", "e", "train", True, 0),
    ]
    columns = {
        "prompt": pl.String,
        "response": pl.String,
        "split": pl.String,
        "is_safe": pl.Boolean,
        "labels": pl.UInt32,
    }
    assert not index_pairs(make_dataset(pl.DataFrame(once, schema=columns, orient="row"))).dispute_measurable
    assert not index_pairs(make_dataset(pl.DataFrame([], schema=columns))).dispute_measurable


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(drawn=rows)
def test_votes_of_the_index_are_those_of_the_table(make_dataset, drawn):
    ds = build(make_dataset, drawn)
    index = index_pairs(ds)
    listed = [
        (int(index.pair_ids[row]), ds.taxonomy.categories[bit].key, count)
        for row in range(len(index))
        for bit, count in index.votes(row)
    ]
    assert listed == ds.votes.select("pair_id", "category", "votes").rows()


def test_safety_is_known_where_no_category_is(tmp_path):
    """Comparisons of two answers may say which is safe and nothing else; none of them contradicts itself."""
    answers = {f"response_{side}": f"answer {side}" for side in (0, 1)}
    safe = {f"is_response_{side}_safe": side == 0 for side in (0, 1)}
    rows = [{"prompt": f"question {k}", **answers, **safe, "safer_response_id": 0} for k in range(9)]
    (tmp_path / "compared.jsonl").write_text("\n".join(map(json.dumps, rows)))
    ds = btviz.load(tmp_path / "compared.jsonl")
    index = index_pairs(ds)
    assert index.is_safe.tolist() == ds.pairs["is_safe"].to_list()
    assert index.is_unsafe.tolist() == (~ds.pairs["is_safe"]).to_list()
    kept = narrow(np.arange(len(index)), ds=ds, index=index, by=Filter(safety="unsafe"))
    assert set(ds.pairs["response"][kept]) == {"answer 1"}
    assert not index.has_categories
