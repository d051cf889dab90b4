"""Models behind a server, on loopback: true values, bad manners, bounds, and runs that are broken off."""

from __future__ import annotations

import json
import subprocess
import sys
import threading

import numpy as np
import polars as pl
import pytest
import score_checkpoints as made
from click.testing import CliRunner
from score_server import Answers, serving

import btviz
from btviz.cli import app
from btviz.errors import DataError, FetchError, UsageError
from btviz.models import connect_score_model
from btviz.models.guards import bundled_guards
from btviz.models.servers import KEY_VARIABLE, WIDEST

PROMPTS = [f"what is a good tea {i}" for i in range(6)]
RESPONSES = [f"green tea is fine {i}" for i in range(6)]
PLAIN = (
    'least_mass = 0\nspecial_tokens = false\ntemplate = "Task: {prompt} / {response} /"\n'
    '[verdicts]\nsafe = ["safe"]\nunsafe = ["unsafe"]\n'
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return made.guard(tmp_path_factory.mktemp("served") / "tiny")


@pytest.fixture
def answers(folder):
    return Answers(folder)


@pytest.fixture
def guard(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(PLAIN)
    return file


@pytest.fixture
def patient(monkeypatch):
    monkeypatch.setattr("btviz.models.servers._LONGEST_WAIT", 0.01)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["old", "new"])
@pytest.mark.parametrize("has_tokenizer", [True, False])
def test_scores_are_those_of_the_weights(folder, answers, guard, form, has_tokenizer):
    answers.form = form
    local = btviz.load_score_model(folder, guard=guard).score(PROMPTS, RESPONSES)
    with serving(answers) as address:
        model = connect_score_model("tiny", endpoint=address, guard=guard, tokenizer=folder if has_tokenizer else None)
        served = model.score(PROMPTS, RESPONSES)
    np.testing.assert_allclose(served, local, atol=WIDEST if has_tokenizer else 0.02)
    assert {path for path, _ in answers.asked} == {"/v1/completions"}
    assert len(answers.asked) == len(PROMPTS)
    assert all(isinstance(body["prompt"], list) == has_tokenizer for _, body in answers.asked)


@pytest.mark.slow
def test_a_tree_of_verdicts_and_policies_in_a_chat(folder, answers, tmp_path):
    text = 'least_mass = 0\nprefix = ["Harmful request:", "\\nHarmful response:"]\n' + PLAIN.removeprefix(
        "least_mass = 0\n"
    )
    tree = tmp_path / "tree.toml"
    tree.write_text(text.replace('["safe"]', '["no"]').replace('["unsafe"]', '["yes"]'))
    policies = tmp_path / "policies.toml"
    policies.write_text(
        'least_mass = 0\n[verdicts]\nsafe = ["No"]\nunsafe = ["Yes"]\n'
        + "".join(f'[[policies]]\ntarget = "{t}"\n[policies.options]\nguideline = "{t}"\n' for t in ("rude", "odd"))
    )
    with serving(answers) as address:
        for file in (tree, policies):
            local = btviz.load_score_model(folder, guard=file)
            served = connect_score_model(
                "tiny", endpoint=address, guard=file, tokenizer=folder if file == tree else None
            )
            assert served.labels == local.labels
            np.testing.assert_allclose(served.score(PROMPTS, RESPONSES), local.score(PROMPTS, RESPONSES), atol=WIDEST)
    assert {path for path, _ in answers.asked} == {"/v1/completions", "/v1/chat/completions"}


@pytest.mark.slow
def test_a_verdict_beyond_what_is_told_has_bounds(folder, answers, guard, capsys):
    true = btviz.load_score_model(folder, guard=guard).score(PROMPTS, RESPONSES)
    answers.top = 60
    with serving(answers) as address:
        model = connect_score_model("tiny", endpoint=address, guard=guard, tokenizer=folder)
        low, high = model.score_bounds(PROMPTS, RESPONSES)
        scores = model.score(PROMPTS, RESPONSES)
    assert (low <= true + 1e-6).all()
    assert (true <= high + 1e-6).all()
    wide = high - low > WIDEST
    assert wide.any()
    np.testing.assert_array_equal(np.isnan(scores), wide)
    model.announce("tiny")
    assert f"of {wide.sum()} of 6 answers there are bounds" in capsys.readouterr().err


@pytest.mark.slow
def test_bad_manners_are_borne(folder, answers, guard, patient):
    true = btviz.load_score_model(folder, guard=guard).score(PROMPTS, RESPONSES)
    manners = ["429", "503", "half", "hang up", "late", "500", "408"]
    answers.misbehave = lambda count: manners[count - 1] if count <= len(manners) else None
    with serving(answers) as address:
        model = connect_score_model("tiny", endpoint=address, guard=guard, tokenizer=folder, concurrency=3, timeout=1)
        np.testing.assert_allclose(model.score(PROMPTS, RESPONSES), true, atol=WIDEST)
    assert len(answers.asked) == len(PROMPTS) + len(manners)


@pytest.mark.slow
@pytest.mark.parametrize(("manner", "error", "problem"), [
    ("404", FetchError, "status 404"), ("307", FetchError, "status 307"), ("302", FetchError, "status 302"),
    ("500", FetchError, "status 500"), ("half", FetchError, "cut off|does not answer"),
    ("none", DataError, "without any"),
])  # fmt: skip
def test_what_is_no_answer_ends_the_run(folder, answers, guard, patient, manner, error, problem):
    answers.misbehave = lambda count: manner
    answers.form = manner
    with serving(answers) as address:
        model = connect_score_model("tiny", endpoint=address, guard=guard, concurrency=1)
        with pytest.raises(error, match=problem) as caught:
            model.score(PROMPTS, RESPONSES)
    assert "tea" not in str(caught.value)
    assert len(answers.asked) == {"500": 6, "half": 6}.get(manner, 1)


def table():
    return pl.DataFrame({"prompt": PROMPTS, "response": RESPONSES, "is_safe": [True] * len(PROMPTS)})


@pytest.mark.slow
def test_a_run_that_ended_goes_on_and_nothing_is_asked_twice(folder, answers, guard, patient):
    ds = btviz.load(table())
    with serving(answers) as address:
        model = connect_score_model("tiny", endpoint=address, guard=guard, tokenizer=folder, concurrency=1)
        answers.misbehave = lambda count: "500" if count > 3 else None
        with pytest.raises(FetchError, match="what has arrived is kept"):
            btviz.score(ds, model, tokens_per_batch=15)
        assert btviz.models.scored_pairs(ds, model) >= 1
        answered = [json.dumps(body) for _, body in answers.asked[:3]]
        answers.misbehave = lambda count: None
        answers.asked.clear()
        scores = btviz.score(ds, model, tokens_per_batch=15)
        assert not {json.dumps(body) for _, body in answers.asked} & set(answered)
        n_asked = len(answers.asked)
        btviz.score(ds, model, tokens_per_batch=15)
        assert len(answers.asked) == n_asked
    with serving(answers) as address:  # elsewhere, so nothing is kept of it
        undisturbed = btviz.score(ds, connect_score_model("tiny", endpoint=address, guard=guard, tokenizer=folder))
    assert scores.drop("record").equals(undisturbed.drop("record"))


@pytest.mark.slow
def test_heads_behind_their_routes(folder, answers):
    with serving(answers) as address:
        answers.numbers = lambda body: {"data": [[0.25], [float(len(body["messages"][1]["content"]))]]}
        reward = connect_score_model("rm", endpoint=address, route="pooling", kind="reward")
        np.testing.assert_array_equal(reward.score(PROMPTS, RESPONSES), [len(text) for text in RESPONSES])
        answers.numbers = lambda body: {"label": "LABEL_0", "probs": [0.75, 0.25], "num_classes": 2}
        two = connect_score_model("m", endpoint=address, route="classify", kind="moderation", outputs=["safe", "rude"])
        np.testing.assert_array_equal(two.score(PROMPTS[:1], RESPONSES[:1]), [[0.75, 0.25]])
        with pytest.raises(DataError, match="--outputs"):
            connect_score_model("m", endpoint=address, route="classify", kind="moderation").score(PROMPTS, RESPONSES)
        with pytest.raises(UsageError, match="--kind"):
            connect_score_model("m", endpoint=address, route="classify")
    assert {path for path, _ in answers.asked} == {"/pooling", "/classify"}


def test_texts_go_to_this_machine_or_where_they_may(guard, monkeypatch, capsys):
    for here in ("http://127.0.0.1:1/v1", "http://localhost:1/v1", "http://[::1]:1/v1"):
        connect_score_model("m", endpoint=here, guard=guard)
    assert capsys.readouterr().err == ""
    for there in (
        "http://192.168.0.7:8000/v1",
        "https://example.org/v1",
        "http://127.0.0.1.example.org/v1",
        "http://0x7f.1/",
    ):
        with pytest.raises(UsageError, match=r"prompts and answers to .*--allow-remote"):
            connect_score_model("m", endpoint=there, guard=guard)
    connect_score_model("m", endpoint="https://example.org/v1", guard=guard, allow_remote=True)
    assert "Sends prompts and answers to https://example.org, to be read by 'm' there." in capsys.readouterr().err
    monkeypatch.setenv(KEY_VARIABLE, "s3cret")
    with pytest.raises(UsageError, match="Use https") as caught:
        connect_score_model("m", endpoint="http://example.org/v1", guard=guard, allow_remote=True)
    assert "s3cret" not in str(caught.value)
    with pytest.raises(UsageError, match="no plain address") as caught:
        connect_score_model("m", endpoint="http://me:s3cret@127.0.0.1/v1", guard=guard)
    assert "s3cret" not in str(caught.value)
    with pytest.raises(UsageError, match="--tokenizer"):
        connect_score_model("llama-guard-3-8b", endpoint="http://127.0.0.1:1/v1")
    with pytest.raises(UsageError, match="--guard"):
        connect_score_model("unheard-of", endpoint="http://127.0.0.1:1/v1")
    assert "qwen3guard" in bundled_guards()


@pytest.mark.slow
def test_the_command_scores_behind_a_server(folder, answers, guard, tmp_path, monkeypatch):
    file = tmp_path / "answers.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in table().to_dicts()))
    monkeypatch.setenv(KEY_VARIABLE, "s3cret")
    with serving(answers) as address:
        asked = ["score", str(file), "--endpoint", address, "--model", "tiny", "--guard", str(guard)]
        run = CliRunner().invoke(app, [*asked, "--tokenizer", str(folder), "--json"])
        assert run.exit_code == 0, run.stderr
        (row,) = json.loads(run.stdout)["scores"]
        assert (row["model"], row["kind"], row["target"], row["pairs"]) == ("tiny", "moderation", "unsafe", 6)
        assert {headers["Authorization"] for headers in answers.headers} == {"Bearer s3cret"}
        assert "s3cret" not in run.output
        idle = CliRunner().invoke(app, [*asked, "--dtype", "float32"])
        assert idle.exit_code == 2
        assert "--dtype" in idle.stderr
    alone = CliRunner().invoke(app, ["score", str(file), "--model", "tiny", "--allow-remote"])
    assert "without --endpoint" in alone.stderr


RUN = """
import sys, btviz
from btviz.models import connect_score_model
model = connect_score_model("tiny", endpoint=sys.argv[2], guard=sys.argv[3], tokenizer=sys.argv[4], concurrency=1)
btviz.score(btviz.load(sys.argv[1]), model, tokens_per_batch=15)
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_and_equals_an_undisturbed_one(folder, answers, guard, tmp_path):
    file = tmp_path / "answers.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in table().to_dicts()))
    reached, let_go = threading.Event(), threading.Event()

    def hold(count):
        if count == 4:
            reached.set()
            let_go.wait(60)

    answers.misbehave = hold
    with serving(answers) as address:
        process = subprocess.Popen([sys.executable, "-c", RUN, str(file), address, str(guard), str(folder)])
        try:
            assert reached.wait(120)
        finally:
            process.kill()
            process.wait()
            let_go.set()
        before = [json.dumps(body) for _, body in answers.asked]
        answers.misbehave = lambda count: None
        ds = btviz.load(file)
        model = connect_score_model("tiny", endpoint=address, guard=guard, tokenizer=folder)
        assert btviz.models.scored_pairs(ds, model) == 3
        scores = btviz.score(ds, model, tokens_per_batch=15)
        asked = [json.dumps(body) for _, body in answers.asked[len(before) :]]
        assert len(asked) == 3
        assert not set(asked) & set(before[:3])
    with serving(answers) as address:
        undisturbed = btviz.score(ds, connect_score_model("tiny", endpoint=address, guard=guard, tokenizer=folder))
    assert scores.drop("record").equals(undisturbed.drop("record"))
