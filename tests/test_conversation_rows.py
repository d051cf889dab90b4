"""The tables of rows with several turns, and of comparisons with one order of an unstated kind."""

import json

import polars as pl
import pytest
from click.testing import CliRunner
from small_data import dataset_from_rows
from wording import says

import btviz
from btviz.cli import app
from btviz.data import add
from btviz.data.assemble import assemble
from btviz.data.conversations import TURNS, conversation_id
from btviz.data.fingerprint import fingerprint_of
from btviz.data.tables import CONVERSATIONS, PREFERENCES, pair_id
from btviz.preference import implied_trade_off, lacking
from btviz.taxonomy import BEAVERTAILS

TALK = [
    {"prompt": "Which pan?", "response": "An iron one."},
    {"prompt": "And the lid?", "response": "None."},
]


def answers(turns=(TALK, None), **columns):
    last = [{"prompt": "Why?", "response": "So it seems."} if talk is None else talk[-1] for talk in turns]
    texts = {name: [turn[name] for turn in last] for name in ("prompt", "response")}
    return pl.DataFrame(texts | columns).with_columns(pl.Series("turns", list(turns), dtype=TURNS))


def test_every_turn_of_a_row_is_kept_and_its_last_answer_is_the_pair():
    tables = assemble(BEAVERTAILS, annotations=answers())
    talk = tables["conversations"]
    assert talk.schema == CONVERSATIONS
    assert talk.select("turn", "prompt", "response").rows() == [
        (1, "Which pan?", "An iron one."),
        (2, "And the lid?", "None."),
    ]
    assert talk["conversation_id"].unique().to_list() == [conversation_id(TALK)]
    pairs = tables["pairs"]["pair_id"].to_list()
    assert talk["pair_id"].to_list() == [pair_id("Which pan?", "An iron one."), pair_id("And the lid?", "None.")]
    assert sorted(pairs) == sorted([pair_id("And the lid?", "None."), pair_id("Why?", "So it seems.")])


def test_a_conversation_that_two_rows_hold_is_there_once():
    assert assemble(BEAVERTAILS, annotations=answers([TALK, TALK]))["conversations"].height == 2


def test_both_conversations_of_a_comparison_are_kept():
    other = [TALK[0], {"prompt": "And the lid?", "response": "A glass one."}]
    compared = pl.DataFrame(
        {"prompt": ["And the lid?"], "response_0": ["None."], "response_1": ["A glass one."], "overall": [0]}
    ).with_columns(pl.Series("turns_0", [TALK], dtype=TURNS), pl.Series("turns_1", [other], dtype=TURNS))
    tables = assemble(BEAVERTAILS, comparisons=compared)
    assert set(tables["conversations"]["conversation_id"]) == {conversation_id(TALK), conversation_id(other)}
    assert tables["preferences"].select("better", "safer", "overall").rows() == [(None, None, 0)]


def test_a_conversation_is_its_texts_in_their_order_and_where_they_part():
    ids = {
        conversation_id(TALK),
        conversation_id(TALK[::-1]),
        conversation_id(TALK[:1]),
        conversation_id([{"prompt": "a", "response": "bc"}]),
        conversation_id([{"prompt": "ab", "response": "c"}]),
    }
    assert len(ids) == 5


@pytest.mark.parametrize("numbers", [{"turn": [4, 2]}, {}])
def test_rows_that_name_their_conversation_are_its_turns(numbers):
    rows = pl.DataFrame({"prompt": ["b", "a"], "response": ["r", "s"], "conversation_id": ["x", "x"], **numbers})
    talk = assemble(BEAVERTAILS, annotations=rows)["conversations"]
    order = ["a", "b"] if numbers else ["b", "a"]
    assert talk.select("conversation_id", "turn", "prompt").rows() == [("x", 1, order[0]), ("x", 2, order[1])]


def test_a_tie_of_any_kind_is_no_order():
    compared = pl.DataFrame(
        {"prompt": ["p"] * 3, "response_0": ["a"] * 3, "response_1": ["b"] * 3, "overall": [-1, 0, 1]}
    )
    made = assemble(BEAVERTAILS, comparisons=compared)["preferences"]
    assert made["overall"].to_list() == [None, 0, 1]


def test_rows_without_an_answer_are_prompts_and_labelled_prompts_are_there_once():
    rows = pl.DataFrame(
        {
            "prompt": ["p", "p", "q", "q", "r"],
            "response": ["a", "b", None, None, "c"],
            "is_safe": [True, False, None, None, True],
            "prompt_is_safe": [False, False, True, True, None],
            "prompt_labels": pl.Series([2, 2, 0, 0, None], dtype=pl.UInt32),
        }
    )
    tables = assemble(BEAVERTAILS, annotations=rows)
    assert tables["annotations"].height == tables["pairs"].height == 3
    asked = tables["prompts"].select("prompt", "labels", "is_safe").sort("prompt").rows()
    assert asked == [("p", 2, False), ("q", 0, True), ("q", 0, True)]


def test_the_safety_of_prompts_changes_a_fingerprint_only_where_it_is_known():
    prompts = pl.DataFrame({"prompt": ["p"], "split": ["test"], "labels": pl.Series([1], dtype=pl.UInt32)})
    without = dataset_from_rows(None, prompts=prompts)
    known = dataset_from_rows(None, prompts=prompts.with_columns(is_safe=pl.lit(value=True)))
    assert without.fingerprint != known.fingerprint
    tables = (without.annotations, without.preferences, without.prompts.drop("is_safe"))
    assert fingerprint_of(tables) == without.fingerprint


def test_a_fingerprint_changes_with_an_order_that_is_known_and_not_with_one_that_is_not():
    rows = {"prompt": ["p"], "response_0": ["a"], "response_1": ["b"], "better": [0]}
    without = dataset_from_rows(None, comparisons=pl.DataFrame(rows))
    known = dataset_from_rows(None, comparisons=pl.DataFrame(rows | {"overall": [1]}))
    assert without.fingerprint != known.fingerprint
    old = without.preferences.drop("overall")
    assert list(old.columns) == [name for name in PREFERENCES if name != "overall"]
    tables = (without.annotations, old, without.prompts)
    assert fingerprint_of(tables) == without.fingerprint


def written(tmp_path, name, rows):
    file = tmp_path / name
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


ONE_ORDER = [
    {"prompt": f"how is tea {i}", "response_0": "hot", "response_1": "cold", "better_response_id": i % 2}
    for i in range(4)
]


def test_a_release_of_one_preference_for_both_kinds_has_that_order_and_neither_kind(tmp_path):
    file = written(tmp_path, "train.jsonl", ONE_ORDER)
    named = btviz.load(file).preferences
    assert named["better"].null_count() == named["overall"].count() == 0, "a key that says better means it"
    released = add("pku-saferlhf-single-dimension", [file]).preferences
    assert released["better"].count() == released["safer"].count() == 0
    assert sorted(released["overall"]) == [0, 0, 1, 1]


def test_what_a_missing_label_keeps_from_being_measured_is_said(tmp_path):
    file = written(tmp_path, "train.jsonl", ONE_ORDER)
    result = CliRunner().invoke(app, ["stats", "orthogonality", str(file), "--n-boot", "50"])
    assert result.exit_code == 0
    assert says(result.stdout, "P(better = safer)", "4 comparisons", "4 tell the better", "0 the safer")
    assert says(result.stdout, "How often each label names response_1")
    assert "grouping" not in result.stdout, "no table of zeros"


def test_an_overall_preference_is_compared_with_both_kinds():
    sides = {"response_0": ["a"] * 3, "response_1": ["b"] * 3, "prompt": ["p", "q", "r"]}
    dual = dataset_from_rows(None, comparisons=pl.DataFrame(sides | {"better": [0, 1, 0], "safer": [0, 0, 1]}))
    single = dataset_from_rows(None, comparisons=pl.DataFrame(sides | {"overall": [0, 1, 1]}))
    table = implied_trade_off(dual, single=single, n_boot=50)
    assert table["n_joined"].to_list() == [3] * 3
    assert table["p"].to_list() == pytest.approx([2 / 3, 2 / 3, 1 / 2])
    assert "overall" in str(lacking(single))
    assert lacking(dual) is None
