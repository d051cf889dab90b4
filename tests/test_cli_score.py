"""`btviz score NAME --model M`."""

from __future__ import annotations

import json

import pytest
import score_checkpoints as made
from click.testing import CliRunner

import btviz
from btviz.cli import app
from btviz.taxonomy import BEAVERTAILS


@pytest.fixture
def answers(tmp_path):
    category = dict.fromkeys(BEAVERTAILS.keys, False)
    rows = [
        {"prompt": f"how do {i % 4} magnets work", "response": f"they attract iron {i}", "is_safe": True}
        for i in range(12)
    ]
    file = tmp_path / "answers.jsonl"
    file.write_text("".join(json.dumps(row | {"category": category}) + "\n" for row in rows))
    return str(file)


def test_models_score_and_their_scores_are_kept(tmp_path, answers):
    reward, cost = made.beaver(tmp_path / "tiny-reward"), made.beaver(tmp_path / "tiny-cost", seed=1)
    run = CliRunner().invoke(app, ["score", answers, "--model", str(reward), "--model", str(cost), "--json"])
    assert run.exit_code == 0, run.stderr
    found = json.loads(run.stdout)
    assert [(row["model"], row["kind"], row["pairs"]) for row in found["scores"]] == [
        ("tiny-cost", "cost", 12), ("tiny-reward", "reward", 12)
    ]  # fmt: skip
    assert {sign["verdict"] for sign in found["signs"]} == {"not checkable"}
    assert "tiny-reward takes" in run.stderr
    ds = btviz.load(answers)
    expected = btviz.load_score_model(cost).score(ds.pairs["prompt"].to_list(), ds.pairs["response"].to_list())
    assert found["scores"][0]["mean"] == pytest.approx(expected.mean(), abs=1e-5)
    from btviz.scoring.kept import kept_scores

    assert kept_scores(ds).height == 24

    again = CliRunner().invoke(app, ["score", answers, "--model", str(cost)])
    assert again.exit_code == 0
    assert "tiny-cost" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--model MODEL"),
        (["--model", "a", "--from", "b"], "either a model"),
        (["--model", "no/such/folder"], "no such folder"),
    ],
)
def test_wrong_requests(answers, arguments, says):
    run = CliRunner().invoke(app, ["score", answers, *arguments])
    assert run.exit_code in {2, 3}
    assert says in run.stderr
