"""What pairs are called outside: which columns are ids, the table of them, and rows that are found again."""

import hashlib
import json

import polars as pl
import pytest
from wording import says

import btviz
from btviz.data.keys import is_key, key_text, matched_pairs, side_of, with_keys
from btviz.data.tables import KEYS, pair_id, prompt_id
from btviz.errors import DataError, UsageError
from btviz.taxonomy.categories import BEAVERTAILS

SAFE = dict.fromkeys(BEAVERTAILS.keys, False)


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def compared(tmp_path):
    """Three comparisons, two of them with one answer to two prompts, with the released hashes of the answers."""
    asked = [("is tea hot", "yes", "no"), ("is ice hot", "no, cold", "no"), ("is tar hot", "at work", "not now")]
    rows = [
        {"prompt": prompt, "response_0": first, "response_1": second}
        | {"is_response_0_safe": True, "is_response_1_safe": True, "better_response_id": 0, "safer_response_id": 0}
        | {"response_0_sha256": sha256(first), "response_1_sha256": sha256(second)}
        for prompt, first, second in asked
    ]
    return btviz.load(write(tmp_path / "asked.jsonl", rows))


@pytest.fixture
def annotated(tmp_path):
    """Two files in one folder; the second pair of the first file is annotated again in the other."""
    rows = [{"prompt": f"what is {n}", "response": f"it is {n}", "is_safe": True, "category": SAFE} for n in range(4)]
    (tmp_path / "both").mkdir()
    write(tmp_path / "both" / "train.jsonl", rows[:3])
    write(tmp_path / "both" / "test.jsonl", [rows[3], rows[1]])
    return btviz.load(tmp_path / "both")


@pytest.mark.parametrize(
    ("name", "known"),
    [
        *((name, True) for name in ("id", "ID", "uid", "qid", "conversation_id", "promptId", "index", "question-id")),
        *((name, True) for name in ("sha256", "response_0_sha256", "answer_hash", "id_1", "uuid")),
        *((name, False) for name in ("category_id", "safer_response_id", "better_response_id", "annotator_id")),
        *((name, False) for name in ("valid", "grid", "paid", "prompt", "identity", "severity_level", "line")),
    ],
)
def test_a_column_is_an_id_by_its_last_word_unless_it_numbers_labels(name, known):
    assert is_key(name) is known


def test_a_side_is_read_from_a_name():
    assert side_of("response_1_sha256") == ("response_sha256", 1)
    assert side_of("id_0") == ("id", 0)
    assert side_of("sha256") == ("sha256", None)
    assert side_of("a_10") == ("a_10", None)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (["7", " 7 ", "", None], ["7", "7", None, None]),
        ([7, -1, None], ["7", "-1", None]),
        ([7.0, 0.5, None], ["7", "0.5", None]),
        ([True, None], [None, None]),
        ([["7"], ["7", "8"], [], None], ["7", None, None, None]),
    ],
)
def test_ids_are_equal_whether_they_came_as_text_or_as_numbers(values, text):
    assert key_text(pl.Series(values)).to_list() == text


def test_every_row_keeps_its_file_and_line(annotated):
    assert annotated.keys.schema == KEYS
    again = pair_id("what is 1", "it is 1")
    assert annotated.keys.filter(pair_id=again).rows() == [
        (again, "line", "test.jsonl:2"),
        (again, "line", "train.jsonl:2"),
    ]
    assert annotated.keys.height == 5
    assert annotated.keys["pair_id"].is_sorted()


def test_a_comparison_keeps_its_line_once_for_each_answer(compared):
    first, second = pair_id("is ice hot", "no, cold"), pair_id("is ice hot", "no")
    lines = compared.keys.filter(pl.col("key").str.starts_with("line"), value="asked.jsonl:2")
    assert sorted(lines.select("pair_id", "key").rows()) == sorted([(first, "line_0"), (second, "line_1")])


def test_made_data_have_no_keys():
    assert btviz.load("sample").keys.schema == KEYS
    assert btviz.load("sample").keys.is_empty()


def test_an_answer_is_found_by_the_hash_of_its_text_and_by_prompt_where_it_was_given_twice(compared):
    asked = [("is tea hot", "yes"), ("is ice hot", "no"), ("is tea hot", "never said")]
    frame = pl.DataFrame({"response_sha256": [sha256(answer).upper() for _, answer in asked]})
    found = matched_pairs(frame, compared)
    assert found.pair_ids.to_list() == [pair_id("is tea hot", "yes"), None, None]
    assert found.n_ambiguous == 1, "that answer was given to two prompts"
    prompts = pl.Series([prompt_id(prompt) for prompt, _ in asked], dtype=pl.UInt64)
    known = matched_pairs(frame, compared, prompts=prompts)
    assert known.pair_ids.to_list() == [pair_id(*asked[0]), pair_id(*asked[1]), None]


def test_an_answer_is_found_by_file_and_line(annotated, compared):
    frame = pl.DataFrame({"file": ["test.jsonl", "train.jsonl", "train.jsonl"], "line": ["1", "2", "9"]})
    expected = [pair_id("what is 3", "it is 3"), pair_id("what is 1", "it is 1"), None]
    assert matched_pairs(frame, annotated).pair_ids.to_list() == expected
    with pytest.raises(UsageError) as told:
        matched_pairs(frame.select("line"), annotated)
    assert says(str(told.value), "by their line", "2 files", "'file'")
    of_one = matched_pairs(pl.DataFrame({"line": [3.0, 2.0]}), compared, side=1)
    assert of_one.pair_ids.to_list() == [pair_id("is tar hot", "not now"), pair_id("is ice hot", "no")]
    assert matched_pairs(pl.DataFrame({"line": [3]}), compared).n_ambiguous == 1, "a comparison has two answers"


def test_a_pair_is_found_by_its_own_id_in_any_spelling(annotated):
    ids = annotated.pairs["pair_id"].to_list()
    for spelt in (ids, [str(i) for i in ids], [hex(i) for i in ids]):
        frame = pl.DataFrame({"whose": pl.Series(spelt)})
        assert matched_pairs(frame, annotated, by="whose=pair_id").pair_ids.to_list() == ids
    with pytest.raises(DataError) as told:
        matched_pairs(pl.DataFrame({"pair_id": ["the third"]}), annotated)
    assert says(str(told.value), "'pair_id'", "no 64-bit ids")


@pytest.mark.parametrize(
    ("columns", "by", "words"),
    [
        (["cost"], None, ["'cost'", "none holds one"]),
        (["cost"], "uid", ["no column 'uid'", "'cost'"]),
        (["cost", "mine"], "mine=uid", ["key 'uid'", "'line'"]),
    ],
)
def test_what_cannot_be_matched_says_what_is_there(annotated, columns, by, words):
    with pytest.raises(UsageError) as told:
        matched_pairs(pl.DataFrame({column: ["1"] for column in columns}), annotated, by=by)
    assert says(str(told.value), *words)


def test_a_table_leaves_with_the_ids_of_others(annotated):
    table = with_keys(annotated.pairs.select("pair_id"), annotated, keys=["line"])
    again = table.filter(pair_id=pair_id("what is 1", "it is 1"))
    assert again["line"].to_list() == [["test.jsonl:2", "train.jsonl:2"]]
    assert table["line"].list.len().sum() == 5
    with pytest.raises(UsageError) as told:
        with_keys(table, annotated, keys=["uid"])
    assert says(str(told.value), "'uid'", "'line'")


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_an_id_of_64_bits_is_kept_to_its_last_digit(ending, tmp_path):
    ids = [2**64 - 1, 2**63 + 1, 2**53 + 1]
    rows = pl.DataFrame({"prompt": "is tea hot", "response": ["yes", "no", "often"], "uid": ids},
                        schema_overrides={"uid": pl.UInt64})  # fmt: skip
    file = tmp_path / f"rows.{ending}"
    if ending == "jsonl":
        file.write_text(rows.write_ndjson())
    else:
        rows.write_parquet(file)
    assert set(btviz.load(file).keys.filter(key="uid")["value"]) == set(map(str, ids))
