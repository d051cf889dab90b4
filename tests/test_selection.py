from __future__ import annotations

import json
import subprocess
import sys

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import btviz
from btviz.errors import NotFoundError, UsageError
from btviz.session.clauses import Condition, Tables, clause, listed
from btviz.session.ids import from_hex, hex_id, possible_ids
from btviz.session.saved import SavedSelections
from btviz.session.selection import Selection

ids = st.integers(0, 2**64 - 1)


@given(st.lists(ids, max_size=40))
def test_ids_are_unique_ascending_and_unsigned(chosen):
    selection = Selection()
    selection.set(chosen, origin="anything")
    assert selection.pair_ids.to_list() == sorted(set(chosen))
    assert selection.pair_ids.dtype == pl.UInt64


@given(st.lists(ids, min_size=1, max_size=40))
def test_the_expression_finds_the_chosen_pairs_again(chosen):
    selection = Selection()
    selection.set(chosen[: len(chosen) // 2 + 1])
    pairs = pl.DataFrame({"pair_id": pl.Series(chosen, dtype=pl.UInt64)}).unique()
    found = pairs.filter(eval(selection.expression, {"pl": pl, "selection": selection}))
    assert set(found["pair_id"]) == set(selection.pair_ids)
    assert found.equals(selection.of(pairs), null_equal=True)


def test_nothing_chosen_means_every_pair(tiny):
    selection = Selection()
    assert selection.pair_ids is None
    assert selection.of(tiny.pairs) is tiny.pairs
    assert tiny.pairs.filter(eval(selection.expression, {"pl": pl})).height == tiny.pairs.height
    selection.set([])
    assert selection.of(tiny.pairs).is_empty()  # nothing found is not the same as nothing chosen
    selection.clear()
    assert selection.pair_ids is None


def test_a_table_a_column_or_numbers_may_be_given(tiny):
    for given_ids in (tiny.pairs, tiny.pairs["pair_id"], tiny.pairs["pair_id"].to_list()):
        selection = Selection()
        selection.set(given_ids)
        assert selection.pair_ids.equals(tiny.pairs["pair_id"])


@pytest.mark.parametrize("wrong", [[-1], [2**64], ["a1"], [None], pl.Series(["x"])])
def test_what_is_no_id_is_refused_and_changes_nothing(wrong):
    selection = Selection()
    selection.set([5], origin="before")
    with pytest.raises(UsageError, match="pair ids"):
        selection.set(wrong)
    assert (selection.pair_ids.to_list(), selection.origin) == ([5], "before")


def test_every_change_is_told_until_the_observer_stops():
    selection, seen = Selection(), []
    stop = selection.observe(lambda: seen.append(selection.origin))
    selection.set([1], origin="one")
    selection.clear()
    stop()
    stop()
    selection.set([2], origin="two")
    assert seen == ["one", "All pairs"]


def test_a_ranking_keeps_what_it_is_ranked_by():
    selection = Selection()
    table = pl.DataFrame({"pair_id": [9, 2, 9, 5], "similarity": [0.9, 0.5, 0.4, 0.1]})
    selection.set(table, value="similarity")
    assert selection.pair_ids.to_list() == [2, 5, 9]
    assert selection.values.rows() == [(9, 0.9), (2, 0.5), (5, 0.1)]
    assert selection.ranked.to_list() == selection.values["pair_id"].to_list()
    selection.set(table, in_order=True)
    assert selection.values is None
    for unranked in (table["pair_id"], table.drop("similarity"), table.cast({"similarity": pl.String})):
        with pytest.raises(UsageError, match="ranked by 'similarity'"):
            selection.set(unranked, value="similarity")


@given(ids)
def test_hexadecimal_ids_go_there_and_back(identifier):
    assert from_hex(hex_id(identifier)) == identifier
    assert len(hex_id(identifier)) == 16


@pytest.mark.parametrize("wrong", ["", "12", "g" * 16, "1" * 17, "\uff11" * 16, "0x"])
def test_other_text_is_no_id(wrong):
    with pytest.raises(UsageError, match="16 hexadecimal digits"):
        from_hex(wrong)


def test_the_selection_and_the_policy_know_no_widget():
    modules = ("session.selection", "session.content", "session.notes", "widgets.inspector.listing")
    code = "import sys, " + ", ".join(f"btviz.{module}" for module in modules) + "\n"
    code += "print([m for m in ('ipywidgets', 'anywidget', 'altair', 'traitlets') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@given(ids)
def test_an_id_is_read_as_views_and_as_tables_show_it(identifier):
    assert possible_ids(hex_id(identifier))[0] == identifier
    assert identifier in possible_ids(str(identifier))


@pytest.mark.parametrize("wrong", ["", "12a", "-1", "1.5", str(2**64), "1" * 21, "²"])
def test_other_words_are_no_id(wrong):
    with pytest.raises(UsageError, match="16 hexadecimal digits"):
        possible_ids(wrong)


def tables_of(ds):
    points = ds.items.select("pair_id").with_columns(
        (pl.col("pair_id") % 100 / 100).alias("x"), (pl.col("pair_id") % 7 / 7).alias("y")
    )
    return Tables(ds, {"points": points})


def some_clauses(tables):
    """A clause of each kind of test, and one of listed ids."""
    asked = [
        ("categories", "items", [Condition("labels", "has", "privacy")]),
        ("categories", "items", [Condition("labels", "has", "violence")]),
        ("safety", "items", [Condition("is_safe", "is", value=False)]),
        ("safety", "items", [Condition("is_safe", "is")]),
        ("votes", "items", [Condition("n_unsafe", "split")]),
        ("length", "items", [Condition("response_words", "between", (None, 12))]),
        ("map", "points", [Condition("x", "between", (0.2, 0.8)), Condition("y", "between", (0.1, None))]),
        ("said", "votes", [Condition("category", "is", "privacy_violation"), Condition("votes", "is", 1)]),
        ("words", "items", [Condition("prompt", "contains", "how")]),
        ("split", "annotations", [Condition("split", "one_of", ("train", "test"))]),
    ]
    made = [clause(tables, view, words=view, table=table, tests=tests) for view, table, tests in asked]
    return [*made, listed("hand", tables.ds.items["pair_id"][::3], words="every third")]


@pytest.fixture(scope="module")
def page():
    ds = btviz.load("sample")
    tables = tables_of(ds)
    return tables, some_clauses(tables)


steps = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 10), st.sampled_from(["replace", "add", "exclude"])),
        st.sampled_from(["or", "undo", "redo"]),
    ),
    min_size=1,
    max_size=8,
)


def walk(selection, clauses, path):
    for step in path:
        if step == "or":
            selection.alternative()
        elif isinstance(step, str):
            getattr(selection, step)()
        else:
            selection.choose(clauses[step[0]], how=step[1])


@settings(max_examples=60, deadline=None)
@given(steps)
def test_every_state_is_one_expression_that_finds_the_same_pairs(page, path):
    tables, clauses = page
    selection = Selection(tables.ds.items["pair_id"])
    walk(selection, clauses, path)
    names = {"pl": pl, "ds": tables.ds, "points": tables["points"], "selection": selection}
    again = tables.ds.items.filter(eval(selection.expression, names))["pair_id"]
    chosen = tables.ds.items["pair_id"] if selection.pair_ids is None else selection.pair_ids
    assert again.equals(chosen)
    opened = Selection(tables.ds.items["pair_id"])
    opened.open(json.loads(json.dumps(selection.to_json())), tables=tables)
    assert (opened.pair_ids is None) == (selection.pair_ids is None)
    assert opened.pair_ids is None or opened.pair_ids.equals(selection.pair_ids)
    assert opened.origin == selection.origin


@settings(max_examples=30, deadline=None)
@given(steps)
def test_undo_goes_back_to_the_start_and_redo_to_the_end(page, path):
    tables, clauses = page
    selection = Selection(tables.ds.items["pair_id"])
    walk(selection, clauses, [step for step in path if not isinstance(step, str)])
    end, n = selection.choice, 0
    while selection.undo():
        n += 1
    assert selection.pair_ids is None
    while selection.redo():
        n -= 1
    assert n == 0
    assert selection.choice is end


def test_views_hold_together_and_clauses_of_one_view_are_alternatives(page):
    tables, (privacy, violence, unsafe, *_) = page
    selection = Selection(tables.ds.items["pair_id"])
    selection.choose(privacy)
    selection.choose(unsafe)
    selection.choose(violence, how="add")
    both = {*privacy.pair_ids, *violence.pair_ids}
    assert {*selection.pair_ids} == both & {*unsafe.pair_ids}
    selection.choose(violence, how="exclude")
    assert {*selection.pair_ids} == {*privacy.pair_ids} & {*unsafe.pair_ids} - {*violence.pair_ids}
    assert selection.origin == "categories AND safety NOT categories"
    selection.choose(privacy)  # replaces what its view says, the exclusion too
    selection.choose(privacy)  # a second click takes it away
    assert selection.pair_ids.equals(unsafe.pair_ids)


def test_a_hundred_states_can_be_undone_and_no_more():
    selection = Selection()
    for number in range(150):
        selection.set([number])
    assert sum(1 for _ in range(150) if selection.undo()) == 100
    assert selection.pair_ids.to_list() == [49]


def test_a_ranking_survives_narrowing(page):
    tables, (privacy, *_) = page
    ids = tables.ds.items["pair_id"].reverse()
    selection = Selection(tables.ds.items["pair_id"])
    selection.set(pl.DataFrame({"pair_id": ids, "similarity": range(len(ids))}), value="similarity", view="meaning")
    selection.choose(privacy)
    assert selection.ranked.to_list() == [pair for pair in ids if pair in {*privacy.pair_ids}]
    assert selection.values["similarity"].is_sorted()


def document(table="items", column="source", test="is", value="a"):
    """A selection of one clause with one test, as plain data."""
    tests = [{"column": column, "test": test, "value": value}]
    return {"alternatives": [[{"view": "a", "words": "b", "table": table, "tests": tests}]]}


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"alternatives": "all"},
        {"alternatives": [[{"view": "a", "words": "b"}]]},
        {"alternatives": [[{"view": "a", "words": "b", "expression": "__import__('os')"}]]},
        {"alternatives": [[{"view": "a", "words": "b", "ids": ["zz"]}]]},
        {"alternatives": [[{"view": "a", "words": "b", "table": "items", "tests": []}]]},
        document(table="os"),
        document(table="scores"),
        document(column="n"),
        document(test="run"),
        document(value=1),
        document(column="labels", test="has", value={}),
        document(column="n_unsafe", test="between", value=["a", 2]),
    ],
)
def test_a_document_that_says_something_else_is_refused_and_changes_nothing(page, wrong):
    tables, (privacy, *_) = page
    selection = Selection(tables.ds.items["pair_id"])
    selection.choose(privacy)
    with pytest.raises(UsageError):
        selection.open(wrong, tables=tables)
    assert selection.clauses == (privacy,)


def test_a_named_selection_is_there_tomorrow(page, tmp_path):
    tables, clauses = page
    selection = Selection(tables.ds.items["pair_id"])
    walk(selection, clauses, [(0, "replace"), (2, "replace"), "or", (4, "replace")])
    SavedSelections(folder=tmp_path).save("low, but (privacy)", selection, tables=tables)
    again, other = SavedSelections(folder=tmp_path), Selection(tables.ds.items["pair_id"])
    assert again.names == ["low, but (privacy)"]
    assert again.load("low, but (privacy)", other, tables=tables) == ""
    assert other.pair_ids.equals(selection.pair_ids)
    for name in ("", "../up", " a", "a/b", "x" * 61, "end."):
        with pytest.raises(UsageError, match="name"):
            again.save(name, selection, tables=tables)
    with pytest.raises(NotFoundError, match="yesterday"):
        again.load("yesterday", other, tables=tables)
