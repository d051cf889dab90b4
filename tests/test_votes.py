"""Votes on pairs: counted by hand, and in one pass as by expressions."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from btviz.data.tables import ANNOTATIONS, VOTES
from btviz.data.votes import Tally, majority
from btviz.taxonomy.categories import BEAVERTAILS

ROWS = st.lists(
    st.tuples(
        st.integers(1, 4),
        st.none() | st.booleans(),
        st.none() | st.sampled_from([0, 1, 3, 1 << 13, (1 << 14) - 1]),
        st.none() | st.integers(0, 3),
    ),
    max_size=25,
)


def frame_of(rows):
    columns = {"pair_id": pl.UInt64, "is_safe": pl.Boolean, "labels": pl.UInt32, "severity": pl.UInt8}
    rest = {name: dtype for name, dtype in ANNOTATIONS.items() if name not in columns}
    frame = pl.DataFrame(rows, schema=columns, orient="row")
    return frame.with_columns(pl.lit(None, dtype).alias(name) for name, dtype in rest.items())


@pytest.mark.slow
@given(ROWS)
def test_one_pass_and_expressions_say_the_same(rows):
    frame = frame_of(rows)
    by_expressions = frame.group_by("pair_id").agg(majority(BEAVERTAILS)).sort("pair_id")
    assert_frame_equal(Tally.of(frame, BEAVERTAILS).majority(), by_expressions)


@given(ROWS)
def test_votes_are_counts_of_rows_that_name_a_category(rows):
    votes = Tally.of(frame_of(rows), BEAVERTAILS).votes()
    assert votes.schema == VOTES
    expected = [
        (pair, key, count, sum(row[0] == pair for row in rows))
        for pair in sorted({row[0] for row in rows})
        for bit, key in enumerate(BEAVERTAILS.keys)
        if (count := sum(row[0] == pair and bool((row[2] or 0) >> bit & 1) for row in rows))
    ]
    assert votes.rows() == expected


def test_a_pair_of_five_annotations_by_hand():
    # safe: yes, no, no, unknown, unknown -> 2 of 3 unsafe; the first category: 2 of 4 flags, a tie, holds;
    # the second: 1 of 4, does not; severity 1, 2, 3 -> the level that two of three reach
    rows = [(7, True, 1, 1), (7, False, 1, 2), (7, False, 2, 3), (7, None, 0, None), (7, None, None, None)]
    row = Tally.of(frame_of(rows), BEAVERTAILS).majority().row(0, named=True)
    assert row == {"pair_id": 7, "n_annotations": 5, "n_unsafe": 2, "is_safe": False, "labels": 1, "severity": 2}
