"""Ctrl-C in the middle of `btviz score`: what it says, and that the next run goes on where this one was."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import patience
import pytest
import score_checkpoints as made
from small_data import write_answers
from wording import says

import btviz
from btviz.scores.collection import kept_scores

RUN = """
import signal, sys, time
from btviz.cli import app
from btviz.models import runs
from btviz.models.model import LoadedModel

signal.signal(signal.SIGINT, signal.default_int_handler)
runs.budget_of = lambda model: 600
score = LoadedModel.score_encoded
batches = []

def counted(self, rows, *, length=None):
    batches.append(len(rows))
    if sys.argv[3] == "slow" and len(batches) > 2:
        print("third batch", flush=True)
        time.sleep(3600)
    return score(self, rows, length=length)

LoadedModel.score_encoded = counted
try:
    app(["score", sys.argv[1], "--model", sys.argv[2]])
finally:
    print("batches", len(batches), flush=True)
"""


def start(answers, model, *, data, pace="fast"):
    command = [sys.executable, "-c", RUN, str(answers), str(model), pace]
    return subprocess.Popen(
        command,
        env=os.environ | {"BTVIZ_DATA_DIR": str(data)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def counted(output):
    return int(re.findall(r"batches (\d+)", output)[0])


@pytest.mark.slow
def test_an_interrupted_run_says_what_is_kept_and_goes_on_from_there(tmp_path, monkeypatch):
    model, answers = made.beaver(tmp_path / "tiny-cost"), write_answers(tmp_path / "answers.jsonl", n=120)
    # 106 of them differ; 14 are empty, and no answers
    process = start(answers, model, data=tmp_path / "interrupted", pace="slow")
    assert process.stdout is not None
    assert process.stdout.readline() == "third batch\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=patience.SECONDS)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    (told,) = re.findall(r"interrupted, with (\d+) of 106 pairs scored and kept", errors)
    assert "Run the same command again" in errors
    monkeypatch.setenv("BTVIZ_DATA_DIR", str(tmp_path / "interrupted"))
    assert kept_scores(btviz.load(answers)).is_empty(), "half a run is no table of scores"

    resumed = start(answers, model, data=tmp_path / "interrupted")
    undisturbed = start(answers, model, data=tmp_path / "undisturbed")
    n_resumed, n_undisturbed = (counted(run.communicate(timeout=patience.SECONDS)[0]) for run in (resumed, undisturbed))
    assert (resumed.returncode, undisturbed.returncode) == (0, 0)
    assert n_resumed == n_undisturbed - 2 > 0, "the two batches that were kept are not scored again"
    found = kept_scores(btviz.load(answers))
    monkeypatch.setenv("BTVIZ_DATA_DIR", str(tmp_path / "undisturbed"))
    assert found.equals(kept_scores(btviz.load(answers)))
    assert found.height == 106 > int(told) > 0


LOADING = """
import signal, sys, time
import btviz
from btviz.cli import app

def slow(*_, **__):
    print("loading", flush=True)
    time.sleep(3600)

signal.signal(signal.SIGINT, signal.default_int_handler)
btviz.load_score_model = slow
app(["score", sys.argv[1], "--model", "tiny"])
"""


@pytest.mark.slow
def test_an_interrupt_while_the_model_loads_says_so(tmp_path):
    answers = write_answers(tmp_path / "answers.jsonl", n=5)
    command = [sys.executable, "-c", LOADING, str(answers)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "loading\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=patience.SECONDS)
    assert process.returncode == 130, errors
    assert says(errors, "interrupted", "model", "loaded")
    assert "Run the same command again" in errors
