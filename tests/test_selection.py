from __future__ import annotations

import subprocess
import sys

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btviz.errors import UsageError
from btviz.session.selection import Selection, from_hex, hex_id, possible_ids

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
