"""`btviz score NAME --model M`."""

from __future__ import annotations

import json

import polars as pl
import pytest
import score_checkpoints as made
from click.testing import CliRunner
from wording import says

import btviz
from btviz.cli import app
from btviz.scores.collection import kept_scores
from btviz.taxonomy.categories import BEAVERTAILS


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


@pytest.mark.slow
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
    assert kept_scores(ds).height == 24

    again = CliRunner().invoke(app, ["score", answers, "--model", str(cost)])
    assert again.exit_code == 0
    assert "tiny-cost" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--model MODEL"),
        (["--model", "a", "--from", "b"], "Asked for --model and --from of"),
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


@pytest.mark.slow
@pytest.mark.filterwarnings("default::btviz.scores.signs.SignWarning")
def test_a_model_against_the_labels_is_refused_unless_told_otherwise(tmp_path):
    file, model = labelled(tmp_path, higher_is_unsafe=False)
    run = CliRunner().invoke(app, ["score", file, "--model", model])
    assert run.exit_code == 4
    assert "AUC(cost, unsafe) is 0.0" in run.stderr
    assert "--override-sign" in run.stderr
    assert kept_scores(btviz.load(file)).is_empty()
    run = CliRunner().invoke(app, ["score", file, "--model", model, "--override-sign"])
    assert run.exit_code == 0
    assert kept_scores(btviz.load(file)).height == 120


@pytest.mark.slow
def test_statistics_of_a_model_from_the_command_line(tmp_path):
    file, model = labelled(tmp_path, higher_is_unsafe=True)
    assert CliRunner().invoke(app, ["score", file, "--model", model]).exit_code == 0
    run = CliRunner().invoke(app, ["stats", "scores", file, "--n-boot", "60", "--json"])
    assert run.exit_code == 0, run.stderr
    metrics = json.loads(run.stdout)["metrics"]
    (auc,) = [row for row in metrics if row["metric"] == "auc" and row["grouping"] == "all"]
    assert (auc["estimate"], auc["support"], auc["n"]) == (1.0, 59, 120)


@pytest.mark.slow
@pytest.mark.parametrize("together", [True, False])
def test_two_models_of_one_name_are_both_kept(tmp_path, answers, together):
    twins = [str(made.beaver(tmp_path / place / "final-cost", seed=seed)) for seed, place in enumerate("ab")]
    calls = [twins] if together else [[twin] for twin in [*twins, twins[1]]]
    for call in calls:
        run = CliRunner().invoke(app, ["score", answers, *(part for twin in call for part in ("--model", twin))])
        assert run.exit_code == 0, run.stderr
    assert "these are kept as those of 'b/final-cost'" in run.stderr
    kept = kept_scores(btviz.load(answers))
    assert kept["model"].unique().sort().to_list() == ["b/final-cost", "final-cost"]
    one, two = (kept.filter(model=name)["score"] for name in ("final-cost", "b/final-cost"))
    assert (one != two).all()


def test_one_model_in_two_types_is_kept_twice(tmp_path, answers):
    folder = str(made.beaver(tmp_path / "models--org--tiny-cost" / "snapshots" / "abc"))
    for dtype in ("float32", "bfloat16", "bfloat16"):
        run = CliRunner().invoke(app, ["score", answers, "--model", folder, "--dtype", dtype])
        assert run.exit_code == 0, run.stderr
    assert says(run.stderr, "other weights or settings", "kept as", "org/tiny-cost bfloat16")
    assert set(kept_scores(btviz.load(answers))["model"]) == {"org/tiny-cost", "org/tiny-cost bfloat16"}


def test_one_model_named_twice_is_refused(answers, tmp_path):
    model = str(made.beaver(tmp_path / "tiny-cost"))
    run = CliRunner().invoke(app, ["score", answers, "--model", model, "--model", model])
    assert run.exit_code == 2
    assert "named twice" in run.stderr


def test_scores_are_let_go_of_by_name(answers, tmp_path):
    for name in ("tiny-cost", "other-cost"):
        model = str(made.beaver(tmp_path / name))
        assert CliRunner().invoke(app, ["score", answers, "--model", model]).exit_code == 0
    run = CliRunner().invoke(app, ["score", answers, "--forget", "tiny-cost"])
    assert run.exit_code == 0, run.stderr
    assert kept_scores(btviz.load(answers))["model"].unique().to_list() == ["other-cost"]
    run = CliRunner().invoke(app, ["score", answers, "--forget", "tiny-cost"])
    assert run.exit_code == 3
    assert "kept are those of ['other-cost']" in run.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "m", "--column", "a=cost"], "Asked for --model together with --column"),
        (["--from", "f.csv", "--kind", "cost", "--device", "cpu"], "Asked for --from together with --kind, --device"),
        (["--probes", "--workers", "2"], "Asked for --probes together with --workers"),
        (["--forget", "m", "--json"], "Asked for --forget together with --json"),
        (["--forget", "m", "--probes"], "--probes and --forget of 'sample' at once"),
        ([], "not whose"),
    ],
)
def test_an_option_without_effect_is_refused(words, said):
    run = CliRunner().invoke(app, ["score", "sample", *words])
    assert run.exit_code == 2
    assert said in run.stderr


def test_help_says_when_a_file_is_a_policy():
    said = " ".join(CliRunner().invoke(app, ["score", "--help"]).stdout.split())
    assert says(said, "what NAME knows", "the file's name")


@pytest.mark.slow
@pytest.mark.filterwarnings("default::btviz.scores.signs.SignWarning")
def test_probes_say_that_scores_of_a_file_give_way_to_theirs(tmp_path):
    file, _ = labelled(tmp_path, higher_is_unsafe=True)
    ds = btviz.load(file)
    own = ds.pairs.select("prompt", "response", (~pl.col("is_safe")).cast(pl.Float64).alias("cost-probe"))
    own.head(100).write_ndjson(tmp_path / "own.jsonl")
    read = ["score", file, "--from", str(tmp_path / "own.jsonl"), "--column", "cost-probe=cost"]
    assert CliRunner().invoke(app, read).exit_code == 0
    fit = ["score", file, "--probes", "--kind", "cost", "--override-sign"]
    run = CliRunner().invoke(app, fit)
    assert run.exit_code == 0, run.stderr
    assert says(run.stderr, "cost 'cost-probe'", "kept before", "100 of them", "gave way")
    assert kept_scores(ds).height == 120
    again = CliRunner().invoke(app, fit)
    assert again.exit_code == 0
    assert "gave way" not in again.stderr, "the same probe replaces nothing"
