"""Exports for trainers: documented shapes, what is skipped, and what the trainers' own loaders make of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import trainer_loaders
from wording import says

import btviz
from btviz.data import Dataset
from btviz.errors import UsageError

PYTHON = os.environ.get("BTVIZ_TRAINERS_PYTHON", sys.executable)
"""A Python that has `trl`, `llamafactory` or `datasets`, whose dependencies are too many for this project's own."""

COMPARED = {"split": pl.String, "better": pl.Int8, "safer": pl.Int8, "is_safe_0": pl.Boolean, "is_safe_1": pl.Boolean}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


@pytest.fixture
def compared(make_dataset) -> Dataset:
    """Six comparisons of benign answers: of both orders, tied, unknown, and of an answer with itself."""
    rows = [
        ("how is tea made", "with hot water", "with cold water", "train", 0, 1, True, True),
        ("how is tea made", "with hot water", "with milk", "train", 1, 0, True, False),
        ("when is spring", "in march", "in june", "test", -1, 0, True, True),
        ("when is spring", "in march", "never", "test", None, None, False, True),
        ("when is spring", "in march", "in march", "test", 0, 0, True, True),
        ("is ice cold", "yes\n\nHuman: are you", "no", "test", 0, None, True, False),
    ]
    texts = dict.fromkeys(("prompt", "response_0", "response_1"), pl.String)
    return make_dataset(None, comparisons=pl.DataFrame(rows, schema=texts | COMPARED, orient="row"))


def test_dpo_is_prompt_chosen_and_rejected_by_the_order_asked_for(compared, tmp_path):
    chosen = {}
    for order in ("better", "safer"):
        written = btviz.export(compared, tmp_path / f"{order}.jsonl", form="dpo", texts=True, order=order)
        rows = lines(tmp_path / f"{order}.jsonl")
        assert written.order == order
        assert all(isinstance(row[key], str) for row in rows for key in ("prompt", "chosen", "rejected"))
        chosen[order] = {(row["chosen"], row["rejected"]) for row in rows}
    assert chosen["better"] == {
        ("with hot water", "with cold water"),
        ("with milk", "with hot water"),
        ("yes\n\nHuman: are you", "no"),
    }
    assert chosen["safer"] == {
        ("with cold water", "with hot water"),
        ("with hot water", "with milk"),
        ("in march", "in june"),
    }
    assert btviz.export(compared, tmp_path / "usual", form="dpo", texts=True).order == "better"


def test_what_is_no_example_is_counted_with_its_reason(compared, tmp_path):
    written = btviz.export(compared, tmp_path / "dpo.jsonl", form="dpo", texts=True)
    skipped = {reason: n for _, reason, n in written.skipped.rows()}
    assert sorted(skipped.values()) == [1, 2]
    assert any("same" in reason and n == 1 for reason, n in skipped.items())
    assert any("tie" in reason and n == 2 for reason, n in skipped.items())
    assert written.rows.row(0, named=True)["written"] == 3
    left = set(written.left_out["column"])
    assert {"is_response_0_safe", "is_response_1_safe", "safer_response_id"} <= left
    assert "better_response_id" not in left


def test_ids_lead_from_an_example_back_to_its_answers(compared, tmp_path):
    btviz.export(compared, tmp_path / "dpo.parquet", form="dpo", texts=True)
    texts = dict(compared.pairs.select("pair_id", "response").rows())
    for row in pl.read_parquet(tmp_path / "dpo.parquet").to_dicts():
        assert texts[row["pair_id_chosen"]] == row["chosen"]
        assert texts[row["pair_id_rejected"]] == row["rejected"]


def test_hh_is_two_strings_and_a_text_that_would_begin_a_turn_is_skipped(compared, tmp_path):
    written = btviz.export(compared, tmp_path / "hh.jsonl", form="hh", texts=True)
    rows = lines(tmp_path / "hh.jsonl")
    assert {row["chosen"] for row in rows} == {
        "\n\nHuman: how is tea made\n\nAssistant: with hot water",
        "\n\nHuman: how is tea made\n\nAssistant: with milk",
    }
    assert any("Human:" in reason and n == 1 for _, reason, n in written.skipped.rows())


def test_kto_judges_answers_by_safety_or_by_what_was_chosen(compared, tmp_path):
    btviz.export(compared, tmp_path / "safety.jsonl", form="kto", texts=True)
    judged = {(row["prompt"], row["completion"]): row["label"] for row in lines(tmp_path / "safety.jsonl")}
    assert judged["how is tea made", "with milk"] is False
    assert judged["how is tea made", "with cold water"] is True
    assert ("when is spring", "in march") not in judged, "its rows contradict each other"
    btviz.export(compared, tmp_path / "choice.jsonl", form="kto", texts=True, order="better")
    chosen = [(row["completion"], row["label"]) for row in lines(tmp_path / "choice.jsonl")]
    assert sorted(chosen) == sorted(
        [("with hot water", True), ("with cold water", False), ("with milk", True), ("with hot water", False),
         ("yes\n\nHuman: are you", True), ("no", False)]
    )  # fmt: skip


def test_rows_stand_as_in_the_files_with_those_that_lack_an_answer(tmp_path):
    asked = {"better_response_id": 1, "safer_response_id": 0, "is_response_0_safe": True, "is_response_1_safe": False}
    rows = [{"prompt": f"what is {i}", "response_0": f"a {i}", "response_1": f"b {i}", **asked} for i in range(9)]
    rows[2]["response_1"] = rows[6]["response_0"] = None
    ds = btviz.load(rows)
    for form, population in (("released", None), ("released", "pairs"), ("kto", None)):
        order = "better" if form == "kto" else None
        file = tmp_path / f"{form}-{population}.jsonl"
        btviz.export(ds, file, form=form, texts=True, population=population, order=order)
        prompts = [row["prompt"] for row in lines(file)]
        assert prompts == sorted(prompts), (form, population)
        assert len(set(prompts)) == (9 if form == "released" else 7)  # a choice takes two answers
    assert [row["completion"] for row in lines(file)][:2] == ["b 0", "a 0"]


def test_an_order_that_nobody_gave_names_those_that_there_are(compared, tmp_path):
    with pytest.raises(UsageError) as error:
        btviz.export(compared, tmp_path / "dpo", form="dpo", texts=True, order="overall")
    assert says(str(error.value), "overall", "6", "4", "better")
    assert list(tmp_path.iterdir()) == []


@cache
def has(package: str) -> bool:
    code = f"from importlib.util import find_spec; raise SystemExit(find_spec({package!r}) is None)"
    return subprocess.run([PYTHON, "-c", code], check=False).returncode == 0


def read_by(package: str, folder: Path) -> Any:
    if not has(package):
        pytest.skip(f"{package} is not here; BTVIZ_TRAINERS_PYTHON may name a Python that has it")
    environment = os.environ | {"DISABLE_VERSION_CHECK": "1", "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    command = [PYTHON, trainer_loaders.__file__, package, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=folder)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads((folder / "found.json").read_text())


@pytest.fixture
def for_trainers(samples, conversing, tmp_path) -> Path:
    ds = samples["sample"]
    for form in ("dpo", "kto", "hh"):
        btviz.export(ds, tmp_path / f"{form}.jsonl", form=form, texts=True, split="test")
    btviz.export(conversing, tmp_path / "chats.jsonl", form="dpo", texts=True)
    btviz.export(ds, tmp_path / "saved", form="datasets", texts=True, population="annotations")
    return tmp_path


@pytest.mark.slow
def test_trl_reads_and_trains_on_what_is_written_for_it(for_trainers):
    found = read_by("trl", for_trainers)
    written = lines(for_trainers / "dpo.jsonl")
    assert found["dpo"]["rows"] == len(written)
    assert not found["dpo"]["is_conversational"]
    assert found["dpo"]["first"] == [{key: row[key] for key in ("prompt", "chosen", "rejected")} for row in written[:2]]
    for row, plain in zip(found["hh"]["first"], written, strict=False):
        before = f"\n\nHuman: {plain['prompt']}\n\nAssistant:"
        assert row["prompt"].startswith(before), "it is what both begin with"
        for name in ("chosen", "rejected"):
            assert row["prompt"] + row[name] == f"{before} {plain[name]}"
    assert found["chats"]["is_conversational"]
    assert found["chats"]["first"][0]["prompt"][-1]["role"] == "user"
    assert found["unpaired"] == 2 * len(written)
    assert 0 < found["losses"]["dpo"] < 10


@pytest.mark.slow
def test_llama_factory_reads_what_is_written_for_it(for_trainers):
    found = read_by("llamafactory", for_trainers)
    for name in ("dpo", "kto"):
        assert found[name]["rows"] == len(lines(for_trainers / f"{name}.jsonl"))
    for row, plain in zip(found["dpo"]["first"], lines(for_trainers / "dpo.jsonl"), strict=False):
        assert row["_prompt"] == [{"content": plain["prompt"], "role": "user"}]
        assert [answer["content"] for answer in row["_response"]] == [plain["chosen"], plain["rejected"]]
    for row, plain in zip(found["kto"]["first"], lines(for_trainers / "kto.jsonl"), strict=False):
        assert row["_response"][0 if plain["label"] else 1]["content"] == plain["completion"]
        assert row["_response"][1 if plain["label"] else 0]["content"] == ""


@pytest.mark.slow
def test_datasets_loads_the_folder_from_disk(for_trainers, samples):
    found = read_by("datasets", for_trainers)
    ds = samples["sample"]
    for split in ("train", "test"):
        rows = ds.annotations.filter(split=split)
        assert found[split]["rows"] == rows.height
        first, texts = rows.row(0, named=True), ds.pairs.filter(pair_id=rows["pair_id"][0]).row(0, named=True)
        assert found[split]["first"]["pair_id"] == first["pair_id"]
        assert found[split]["first"]["response"] == texts["response"]
        assert found[split]["first"]["category"] == {key: bool(first["labels"] >> bit & 1)
                                                     for bit, key in enumerate(ds.taxonomy.keys)}  # fmt: skip


@pytest.fixture
def conversing(make_dataset) -> Dataset:
    """Comparisons of which one goes back a turn."""
    before = [{"prompt": "how is tea made", "response": "with water"}]
    rows = []
    for answer, other in (("hot", "cold"), ("boiling", "frozen")):
        talks = {
            f"turns_{side}": [*before, {"prompt": "how hot", "response": text}]
            for side, text in enumerate((answer, other))
        }
        rows.append({"prompt": "how hot", "response_0": answer, "response_1": other, **talks})
    rows.append({"prompt": "when is spring", "response_0": "in march", "response_1": "in june"})
    common = {"split": None, "better": 0, "safer": None, "is_safe_0": True, "is_safe_1": True}
    return make_dataset(None, comparisons=pl.DataFrame([row | common for row in rows], schema_overrides=COMPARED))


def test_a_chat_of_several_turns_is_a_list_of_messages(conversing, tmp_path):
    btviz.export(conversing, tmp_path / "dpo.jsonl", form="dpo", texts=True)
    by_answer = {row["chosen"][0]["content"]: row for row in lines(tmp_path / "dpo.jsonl")}
    assert [message["role"] for message in by_answer["hot"]["prompt"]] == ["user", "assistant", "user"]
    assert [message["content"] for message in by_answer["hot"]["prompt"]] == [
        "how is tea made",
        "with water",
        "how hot",
    ]
    assert by_answer["in march"]["prompt"] == [{"role": "user", "content": "when is spring"}]
    assert by_answer["hot"]["rejected"] == [{"role": "assistant", "content": "cold"}]
    btviz.export(conversing, tmp_path / "hh.jsonl", form="hh", texts=True)
    assert (
        "\n\nHuman: how is tea made\n\nAssistant: with water\n\nHuman: how hot\n\nAssistant: boiling"
        in [row["chosen"] for row in lines(tmp_path / "hh.jsonl")]
    )  # fmt: skip
