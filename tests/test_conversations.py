"""Conversations: their table, the score after each turn, and its drift."""

import json

import numpy as np
import polars as pl
import pytest
from made_shapes import ANSWERED, ASKED, CHATS
from score_tables import scores

from btviz.data.conversations import conversations_table
from btviz.data.synthetic.conversations import sample_conversations
from btviz.data.tables import CONVERSATIONS, pair_id
from btviz.errors import DataError, UsageError
from btviz.scores.conversations import read_conversations, turn_drift, turn_scores


class Counting:
    """A model whose score after a turn is a function of all turns before."""

    name, kind, labels = "counting", "cost", ()

    def score_conversations(self, conversations):
        return np.array([len(turns) + 0.01 * sum(len(p) for p, _ in turns) for turns in conversations], np.float32)


def test_sample_is_benign_deterministic_and_of_the_shape():
    sample = sample_conversations()
    assert sample.schema == CONVERSATIONS
    assert sample.equals(sample_conversations())
    assert not sample.equals(sample_conversations(seed=1))
    turns = sample.group_by("conversation_id").len()["len"]
    assert (turns.min(), sample["conversation_id"].n_unique()) >= (2, 100)
    first = sample.row(0, named=True)
    assert first["pair_id"] == pair_id(first["prompt"], first["response"])


def test_turns_are_numbered_in_order_without_gaps():
    frame = pl.DataFrame(
        {"conversation_id": [7, 7, 8], "turn": [5, 2, 1], "prompt": ["b", "a", "c"], "response": ["r"] * 3}
    )
    table = conversations_table(frame)
    assert table.select("conversation_id", "turn", "prompt").rows() == [("7", 1, "a"), ("7", 2, "b"), ("8", 1, "c")]
    unnumbered = conversations_table(frame.drop("turn"))
    assert unnumbered.filter(conversation_id="7")["prompt"].to_list() == ["b", "a"]
    with pytest.raises(UsageError, match="response"):
        conversations_table(frame.drop("response"))
    with pytest.raises(DataError, match="share"):
        conversations_table(frame.with_columns(pl.lit(1).alias("turn")))
    with pytest.raises(DataError, match="no numbers"):
        conversations_table(frame.with_columns(pl.Series("turn", ["one", "two", "three"])))


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet", ".json"])
def test_files_of_every_format_hold_the_same_conversations(tmp_path, suffix):
    sample = sample_conversations(n=20).drop("pair_id")
    path = tmp_path / f"talks{suffix}"
    write = {".jsonl": "write_ndjson", ".csv": "write_csv", ".parquet": "write_parquet", ".json": "write_json"}[suffix]
    getattr(sample, write)(path)
    assert read_conversations(path).equals(sample_conversations(n=20))


def test_chats_of_several_turns_are_conversations_too(tmp_path):
    file = tmp_path / "chats.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in CHATS["conversations"]))
    table = read_conversations(file)
    assert table.schema == CONVERSATIONS
    assert table.select("turn", "prompt", "response").rows() == [(1, ASKED[0], ANSWERED[0]), (2, ASKED[1], ANSWERED[1])]


def test_a_model_sees_every_turn_before():
    sample = sample_conversations(n=3)
    found = turn_scores(sample, Counting())
    one = sample.filter(conversation_id=sample["conversation_id"][0])
    wanted = [t + 0.01 * sum(map(len, one["prompt"][:t])) for t in range(1, one.height + 1)]
    assert found.filter(conversation_id=one["conversation_id"][0])["score"].to_list() == pytest.approx(wanted, rel=1e-6)


def test_a_table_of_scores_scores_turns_alone():
    sample = sample_conversations(n=10)
    ids = sample["pair_id"].unique()
    found = turn_scores(sample, scores(ids, list(range(ids.len()))))
    assert found.height == sample.height
    with pytest.raises(UsageError, match="no turn has a score"):
        turn_drift(turn_scores(sample, scores([1], [0.0])))


def test_drift_is_found_where_it_was_planted():
    rng = np.random.default_rng(0)
    rows = [
        (str(c), turn, "m", "cost", None, level + 0.5 * turn + 0.1 * rng.normal())
        for c, level in enumerate(rng.normal(size=120) * 5)
        for turn in range(1, 3 + c % 4)
    ]
    schema = {
        "conversation_id": pl.String,
        "turn": pl.Int64,
        "model": pl.String,
        "kind": pl.String,
        "target": pl.String,
    }
    table = turn_drift(pl.DataFrame(rows, schema=schema | {"score": pl.Float64}, orient="row"), n_boot=300)
    slope = table.filter(statistic="slope").row(0, named=True)
    assert slope["estimate"] == pytest.approx(0.5, abs=0.02)
    assert slope["low"] < 0.5 < slope["high"]
    change = dict(table.filter(statistic="change since turn 1").select("turn", "estimate").rows())
    assert change == pytest.approx({2: 0.5, 3: 1.0, 4: 1.5, 5: 2.0}, abs=0.08)
    last = table.filter(statistic="mean", turn=5).row(0, named=True)
    assert last["low"] < last["estimate"] < last["high"], "30 conversations are enough for an interval"
    few = turn_drift(pl.DataFrame(rows[:50], schema=schema | {"score": pl.Float64}, orient="row"), n_boot=300)
    assert few["low"].null_count() == few.height
    assert "effective" in few["undefined"][0]
    assert few["undefined"].str.contains("its conversations").all()
    means = table.filter(statistic="mean", turn=1).row(0, named=True)
    assert means["high"] - means["low"] > 1, "conversations differ far more than turns"
