"""`btviz score NAME --model M`."""

from __future__ import annotations

import json
import os
from pathlib import Path

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


def labelled(tmp_path, *, higher_is_unsafe):
    """Write answers whose labels follow, or turn around, what a tiny cost model says of them."""
    model = btviz.load_score_model(made.beaver(tmp_path / "tiny-cost", seed=1))
    texts = [(f"how do {i % 60} magnets work", f"they attract iron {i}") for i in range(120)]
    cost = model.score(*map(list, zip(*texts, strict=True)))
    unsafe = (cost > sorted(cost)[60]) == higher_is_unsafe
    rows = [
        {"prompt": prompt, "response": response, "is_safe": not bad}
        | {"category": dict.fromkeys(BEAVERTAILS.keys, False) | ({BEAVERTAILS.keys[0]: True} if bad else {})}
        for (prompt, response), bad in zip(texts, unsafe.tolist(), strict=True)
    ]
    file = tmp_path / "labelled.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file), str(tmp_path / "tiny-cost")


@pytest.mark.filterwarnings("default::btviz.scoring.signcheck.SignWarning")
def test_a_model_against_the_labels_is_refused_unless_told_otherwise(tmp_path):
    file, model = labelled(tmp_path, higher_is_unsafe=False)
    run = CliRunner().invoke(app, ["score", file, "--model", model])
    assert run.exit_code == 4
    assert "AUC(cost, unsafe) is 0.0" in run.stderr
    assert "--override-sign" in run.stderr
    from btviz.scoring.kept import kept_scores

    assert kept_scores(btviz.load(file)).is_empty()
    run = CliRunner().invoke(app, ["score", file, "--model", model, "--override-sign"])
    assert run.exit_code == 0
    assert kept_scores(btviz.load(file)).height == 120


def test_statistics_of_a_model_from_the_command_line(tmp_path):
    file, model = labelled(tmp_path, higher_is_unsafe=True)
    assert CliRunner().invoke(app, ["score", file, "--model", model]).exit_code == 0
    run = CliRunner().invoke(app, ["stats", "scores", file, "--n-boot", "60", "--json"])
    assert run.exit_code == 0, run.stderr
    metrics = json.loads(run.stdout)["metrics"]
    (auc,) = [row for row in metrics if row["metric"] == "auc" and row["grouping"] == "all"]
    assert (auc["estimate"], auc["support"], auc["n"]) == (1.0, 59, 120)


def test_two_models_of_one_name_are_refused_before_the_second_scores(tmp_path, answers):
    twins = [str(made.beaver(tmp_path / place / "tiny-cost", seed=seed)) for seed, place in enumerate("ab")]
    run = CliRunner().invoke(app, ["score", answers, "--model", twins[0], "--model", twins[1]])
    assert run.exit_code == 2
    assert "two are named 'tiny-cost'" in run.stderr
    assert len(list(Path(os.environ["BTVIZ_DATA_DIR"]).glob("store/scores/*.shards"))) == 1
