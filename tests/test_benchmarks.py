"""The report of the benchmarks holds together whatever becomes of a case."""

import math
import sys

import numpy as np
import pytest

from benchmarks import running
from benchmarks.__main__ import chosen
from benchmarks.cases import CASES, NEED_FILES, ONCE
from benchmarks.models import small_model
from benchmarks.running import Outcome, Skipped, Stage, measure, run_case, stage
from benchmarks.table import LIMITS, RATIOS, tables
from btviz import load_score_model
from btviz.models.heads import BEAVER

FINISHES = 'print(\'{"stage": {"name": "first", "seconds": 1.5, "peak_mb": 10}}\', flush=True)\n'


@pytest.fixture
def program(monkeypatch, tmp_path):
    """Have every case be a program of the test's."""

    def to_be(text: str) -> None:
        file = tmp_path / "case.py"
        file.write_text(text)
        run, command = running._run, [sys.executable, "-I", "-S"]  # which starts at once, even on a busy machine
        monkeypatch.setattr(running, "_run", lambda _, folder, **rest: run([*command, str(file)], folder, **rest))

    return to_be


def test_the_median_second_and_the_largest_peak_count(program, tmp_path):
    count = tmp_path / "count"
    program(f"""
import json, pathlib
file = pathlib.Path({str(count)!r})
n = int(file.read_text()) if file.exists() else 0
file.write_text(str(n + 1))
print("something else")
print(json.dumps({{"seconds": [5.0, 1.0, 3.0][n], "peak_mb": [10.0, 30.0, 20.0][n]}}))
""")
    found = measure("any", tmp_path, repeats=3)
    assert (found.seconds, found.peak_mb, found.said) == (3.0, 30.0, "")


@pytest.mark.slow
def test_a_case_that_takes_too_long_keeps_the_stages_that_it_finished(program, tmp_path):
    program(FINISHES + "import time\ntime.sleep(600)")
    found = measure("any", tmp_path, patience=3)
    assert math.isinf(found.seconds)
    assert found.said == "did not finish in 3 s"
    assert found.stages == (Stage("first", 1.5, 10),)


def test_a_case_that_fails_says_so(program, tmp_path):
    program(FINISHES + "raise SystemExit(3)")
    found = measure("any", tmp_path)
    assert math.isnan(found.seconds)
    assert found.said.startswith("failed with status 3")
    program("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert measure("any", tmp_path).said.startswith("failed with signal 9")


def test_a_case_without_its_data_is_skipped_with_the_reason(capsys, program, tmp_path):
    def case(folder):
        raise Skipped("x.jsonl is not here")

    run_case(case, tmp_path)
    program(f"print({capsys.readouterr().out!r})")
    assert measure("any", tmp_path).said == "skipped: x.jsonl is not here"


def test_a_case_tells_seconds_memory_stages_and_tables(capsys, program, tmp_path):
    def case(folder):
        with stage("all of it"):
            return "| a |"

    run_case(case, tmp_path)
    program(f"print({capsys.readouterr().out!r})")
    found = measure("any", tmp_path)
    assert found.table == "| a |"
    assert [one.name for one in found.stages] == ["all of it"]
    assert found.peak_mb >= found.stages[0].peak_mb > 1


def test_the_tables_have_words_where_there_is_no_number(tmp_path):
    seen = {
        "topics_real": Outcome(2.0, 100, stages=(Stage("map", 1.0, 90), Stage("browser", 0.5, math.nan))),
        "bertopic_real": Outcome(11.0, 200),
        "bertopic_real_map": Outcome(math.inf, said="did not finish in 900 s"),
        "bertopic_real_pca": Outcome(said="failed with status 1; its error is above"),
        "lasso_few": Outcome(said="skipped: no data"),
        "cooccurrence_100m": Outcome(1.0, 170),
        "quality_maps": Outcome(3.0, 100, table="| map |"),
    }
    lines = tables(seen, tmp_path).splitlines()
    assert "| topics_real | 2.000 | 100 |" in lines
    assert "| topics_real | map | 1.00 | 90 |" in lines
    assert "| topics_real | browser | 0.50 | – |" in lines
    assert "| bertopic_real_map | did not finish in 900 s | – |" in lines
    ratios = [line for line in lines if line.count("|") == 4 and "against BERTopic" in line]
    assert [line.split("|")[2].strip() for line in ratios] == [
        "5.5x",
        "theirs did not finish in 900 s, ours took 2.0 s",
        "–",
    ]
    assert any("lasso of 1,000" in line and "skipped: no data" in line for line in lines)
    assert any("100 million rows" in line and "| 170 |" in line for line in lines)
    assert lines[-1] == "| map |"


def test_scoring_is_compared_as_far_as_it_was_run(tmp_path):
    ours = '{"padded": 100, "rows": 30, "seconds": 2}'
    (tmp_path / "scoring.json").write_text(f'{{"scoring": {ours}}}')
    alone = tables({"scoring": Outcome(2, 10)}, tmp_path)
    assert "annotated rows per second, `btviz.score` | 15 |" in alone
    assert "plain loop" not in alone
    (tmp_path / "scoring.json").write_text(
        f'{{"scoring": {ours}, "plain": {{"padded": 350, "rows": 30, "seconds": 6}}}}'
    )
    both = tables({"scoring": Outcome(2, 10), "scoring_plain_loop": Outcome(6, 10)}, tmp_path)
    assert "against `btviz.score` | 3.5x |" in both


def test_models_of_random_weights_are_read_as_beaver_models(tmp_path):
    model = load_score_model(small_model(tmp_path))
    assert (model.layout, model.kind, model.n_parameters) == (BEAVER, "cost", 492_288)
    first, second = model.score(["green tea", "green tea"], ["is fine", "in march"])
    assert np.isfinite([first, second]).all()
    assert first != second
    written = sum(file.stat().st_size for file in small_model(tmp_path).glob("*.safetensors"))
    assert written > 4 * model.n_parameters


def test_cases_are_chosen_by_the_beginnings_of_their_names():
    assert chosen("") == list(CASES)
    assert chosen("lasso, topics_real") == ["topics_real", "lasso_few", "lasso_half", "lasso_most", "lasso_browser"]
    with pytest.raises(SystemExit, match="nosuch"):
        chosen("lasso,nosuch")


def test_every_case_that_is_named_is_there():
    named = {name for ours, theirs, *_ in RATIOS for name in (ours, theirs)} | {name for name, *_ in LIMITS}
    assert named | ONCE <= set(CASES)
    assert all(any(name.startswith(prefix) for name in CASES) for prefix in NEED_FILES)
