"""Texts of rows made plain: chats, instructions, chosen and rejected answers, lists of two, ratings."""

import json

import made_shapes
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_shapes import ANSWERED, ASKED, CHATS, CHOICES, WORSE, chat, marked, said

from btviz.data.reading.record import Record, batch_of
from btviz.data.reading.shapes import unfolded, unfoldings


def batch(rows):
    return batch_of((line, Record(row.items())) for line, row in enumerate(rows, start=1))


def plain(rows):
    """Rows as they are after their texts were made plain."""
    read = batch(rows)
    return unfolded(read, unfoldings(read))


def values(made, *keys):
    return [tuple(row) for row in zip(*(list(made.columns[key]) for key in keys), strict=True)]


PAIRS = [(ASKED[0], ANSWERED[0]), (ASKED[1], ANSWERED[1])]
TURNS = [{"prompt": asked, "response": answer} for asked, answer in PAIRS]


@pytest.mark.parametrize("rows", CHATS.values(), ids=CHATS)
def test_the_last_question_and_its_answer_are_the_pair(rows):
    made = plain(rows)
    assert values(made, "prompt", "response") == PAIRS
    assert made.canonical["turns"].to_list() == [None, TURNS]
    assert not [finding for _, finding in made.findings if finding.rejects]


@pytest.mark.parametrize("rows", CHATS.values(), ids=CHATS)
def test_chats_in_a_cell_of_text_are_the_same_chats(rows):
    """As a table of text holds them: JSON, or what Python prints."""
    for written in (json.dumps, repr):
        cells = [{k: v if isinstance(v, str) else written(v) for k, v in row.items()} for row in rows]
        assert values(plain(cells), "prompt", "response") == PAIRS


@pytest.mark.parametrize("rows", CHOICES.values(), ids=CHOICES)
def test_chosen_and_rejected_are_two_answers_in_one_order(rows):
    made = plain(rows)
    assert values(made, "prompt", "response_0", "response_1") == [(ASKED[0], ANSWERED[0], WORSE)]
    assert made.canonical["overall"].to_list() == [0]
    assert made.canonical["turns_0"].to_list() == [None]
    assert not {"chosen", "rejected", "prompt_id"} & set(made.columns)
    assert any("chosen=better" in sentence for step in unfoldings(batch(rows)) for sentence in step.said)


def test_both_conversations_of_a_comparison_are_whole():
    made = plain([{"chosen": marked(2), "rejected": marked(2, last=WORSE)}])
    assert values(made, "prompt", "response_0", "response_1") == [(ASKED[1], ANSWERED[1], WORSE)]
    assert made.canonical["turns_0"].to_list() == [TURNS]
    assert made.canonical["turns_1"].to_list() == [[TURNS[0], {"prompt": ASKED[1], "response": WORSE}]]


def test_texts_without_a_prompt_share_what_they_begin_with():
    made = plain([{"chosen": "The sky is blue.", "rejected": "The sky is black."}])
    assert values(made, "prompt", "response_0", "response_1") == [("The sky is", " blue.", " black.")]
    assert [finding.detail for _, finding in made.findings] == ["prompt taken from what both texts begin with"]


@pytest.mark.parametrize("key", ["response", "responses", "answers"])
def test_a_list_of_two_is_two_answers(key):
    made = plain([{"prompt": ASKED[0], key: [ANSWERED[0], WORSE], "better_response_id": 0}])
    assert values(made, "prompt", "response_0", "response_1") == [(ASKED[0], ANSWERED[0], WORSE)]
    assert values(made, "better_response_id") == [(0,)]


def test_a_list_of_another_length_is_no_comparison():
    made = plain([{"prompt": ASKED[0], "response": texts} for texts in (["a", "b"], ["a", "b", "c"], ["a"])])
    assert [(line, finding.detail) for line, finding in made.findings] == [
        (2, "response is a list of 3"),
        (3, "response is a list of 1"),
    ]


TWO = {"prompt": ASKED[0], "response_0": ANSWERED[0], "response_1": WORSE}


@pytest.mark.parametrize(
    ("ratings", "kind", "order"),
    [
        ({"rating_0": 4, "rating_1": 2.5}, "overall", 0),
        ({"score_0": 1, "score_1": 2}, "overall", 1),
        ({"ratings": [1.0, 3.0]}, "overall", 1),
        ({"response_0_helpful_rate": 1, "response_1_helpful_rate": 0}, "better", 0),
        ({"harmless_score_0": "1.5", "harmless_score_1": "2"}, "safer", 1),
        ({"rating_0": 2, "rating_1": 2}, "overall", None),
        ({"rating_0": None, "rating_1": 2}, "overall", None),
    ],
)
def test_ratings_order_two_answers(ratings, kind, order):
    made = plain([TWO | ratings])
    assert made.canonical[kind].to_list() == [order]
    assert not set(ratings) & set(made.columns)


def test_ratings_say_nothing_where_ids_do():
    rows = [TWO | {"better_response_id": 1, "helpful_score_0": 3, "helpful_score_1": 1}]
    made = plain(rows)
    assert made.canonical == {}
    assert "helpful_score_0" in made.columns


def test_what_is_left_out_of_a_chat_is_said():
    picture = [{"type": "image"}, {"type": "text", "text": ASKED[0]}]
    rows = [
        {"messages": [said("system", "Be brief."), *chat(1)]},
        {"messages": [said("user", ASKED[0]), said("user", ASKED[0]), said("assistant", "Yes.")]},
        {"messages": [{"role": "user", "content": picture}, said("assistant", "Yes."), said("tool", "x")]},
        {"messages": [said("assistant", "Hello."), *chat(1)]},
    ]
    details = [(line, finding.detail) for line, finding in plain(rows).findings]
    assert details == [
        (1, "system message left out"),
        (2, "two messages of one role in a row"),
        (3, "picture or other part of a message left out"),
        (3, "message of a tool left out"),
        (4, "an answer before any question"),
    ]


ODD = [
    {"messages": []},
    {"messages": None},
    {"messages": [said("oracle", "Hm.")]},
    {"messages": [{"content": "Hm."}]},
    {"messages": [{"role": "user"}]},
    {"messages": [{"role": "user", "content": None}]},
    {"messages": [{"role": 3, "content": "Hm."}]},
    {"messages": [said("user", "\ud800")]},
    {"messages": ["Hm."]},
    {"messages": [[1, 2]]},
    {"messages": 7},
    {"messages": {"a": 1}},
]


@pytest.mark.parametrize("odd", ODD, ids=map(repr, ODD))
def test_a_chat_that_is_none_costs_its_row_and_no_other(odd):
    made = plain([{"messages": chat(1)}, odd, {"messages": chat(2)}])
    assert values(made, "prompt", "response") == PAIRS
    assert [line for line, finding in made.findings if finding.rejects] == [2]
    assert made.lines.to_list() == [1, 3]


ODD_CHOICES = [
    {"prompt": ASKED[0], "chosen": None, "rejected": "No."},
    {"prompt": ASKED[0], "chosen": [], "rejected": []},
    {"prompt": ASKED[0], "chosen": "Yes."},
    {"prompt": None, "chosen": "Yes.", "rejected": "No."},
    {"prompt": 3, "chosen": "Yes.", "rejected": "No."},
    {"prompt": ASKED[0], "chosen": chat(1), "rejected": [said("user", "Another?"), said("assistant", "No.")]},
    {"prompt": ASKED[0], "chosen": [said("user", ASKED[0])], "rejected": "No."},
    {"chosen": marked(1), "rejected": marked(2)},
]


@pytest.mark.parametrize("odd", ODD_CHOICES, ids=map(repr, ODD_CHOICES))
def test_a_comparison_that_is_none_costs_its_row_and_no_other(odd):
    (one,) = CHOICES["texts"]
    made = plain([one, odd, one])
    assert values(made, "response_0", "response_1") == [(ANSWERED[0], WORSE)] * 2
    assert [line for line, finding in made.findings if finding.rejects] == [2]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "content", "x"]), inner),
    max_leaves=6,
)


@pytest.mark.slow
@given(cell=json_values, key=st.sampled_from(["messages", "chosen", "rejected", "prompt", "completion", "response"]))
def test_any_value_in_any_key_is_kept_or_reported(cell, key):
    """Rows in = rows kept + findings that reject, whatever a cell holds."""
    for usual in (CHATS["messages"][0], CHOICES["texts"][0], CHATS["prompt and completion"][0]):
        rows = [usual, usual, {**usual, key: cell}]
        made = plain(rows)
        rejected = [line for line, finding in made.findings if finding.rejects]
        assert len(made.lines) + len(rejected) == len(rows)
        assert rejected in ([], [3])


def test_tables_of_plain_texts_are_left_as_they_are():
    rows = [{"prompt": ASKED[0], "response": ANSWERED[0], "is_safe": True}, TWO | {"better_response_id": 1}]
    for row in rows:
        assert unfoldings(batch([row])) == []


def test_typed_columns_are_read_as_untyped_ones_are(tmp_path):
    """As Parquet has them: lists of structs."""
    for rows in [*CHATS.values(), *CHOICES.values()]:
        frame = pl.DataFrame(rows)
        typed = made_shapes_batch(frame)
        made = unfolded(typed, unfoldings(typed))
        again = plain(rows)
        assert {key: list(cells) for key, cells in made.columns.items() if key in again.columns} == {
            key: list(cells) for key, cells in again.columns.items()
        }


def made_shapes_batch(frame):
    read = batch([{"x": 1}] * frame.height)
    return type(read)(read.lines, {column.name: column for column in frame})


def test_the_made_rows_are_all_different_shapes():
    keys = [tuple(rows[0]) for rows in (*made_shapes.CHATS.values(), *made_shapes.CHOICES.values())]
    assert len(set(keys)) >= 11
