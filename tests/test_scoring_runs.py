"""Scoring runs: what goes through the model, what is kept, and what a killed run leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
import score_checkpoints as made
import torch
from counting_model import CountingModel, PlainModel
from hypothesis import given
from hypothesis import strategies as st
from small_data import write_answers

import btviz
from btviz.data.tables import pair_id
from btviz.errors import StoreError, UsageError
from btviz.machine.memory import Room, is_out_of_memory
from btviz.models.batches import by_length, plan_batches
from btviz.models.protocol import SCORES, scores_table
from btviz.models.runs import Progress, ScoreWarning
from btviz.store import Store

COLUMNS = {"prompt": pl.String, "response": pl.String, "split": pl.String, "is_safe": pl.Boolean, "labels": pl.UInt32}


@pytest.fixture
def answers(make_dataset):
    """Build a data set of n pairs, each annotated twice, with answers of 1 to n letters."""

    def build(n, *, first=0):
        rows = [("how", "x" * i + "abcdefghij"[i % 10], "train", True, 0) for i in range(first, first + n)] * 2
        return make_dataset(pl.DataFrame(rows, schema=COLUMNS, orient="row"))

    return build


def by_pair(scores):
    return dict(scores.select("pair_id", "score").iter_rows())


# Plans ------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 60), max_size=40), st.integers(1, 200))
def test_batches_hold_every_text_once_within_the_budget(lengths, budget):
    batches = by_length(lengths, budget=budget)
    assert sorted(int(i) for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget
    longest = [max(lengths[i] for i in batch) for batch in batches]
    assert longest == sorted(longest, reverse=True)


def test_the_plan_is_a_function_of_the_set_of_pairs():
    ids, lengths = np.array([5, 9, 1, 7]), np.array([3, 3, 8, 3])
    plan = plan_batches(ids, lengths, budget=8, first=4)
    assert plan.rows() == [(4, 1, 8, 8), (5, 5, 3, 3), (5, 7, 3, 3), (6, 9, 3, 3)]
    assert plan_batches(ids[::-1], lengths[::-1], budget=8, first=4).equals(plan)
    assert plan_batches([], [], budget=8, first=0).height == 0


# Tables -----------------------------------------------------------------------------------------


def test_scores_are_a_table_of_unique_pairs(answers):
    ds, model = answers(30), CountingModel()
    scores = btviz.score(ds, model)
    assert scores.schema == SCORES
    assert scores["pair_id"].to_list() == ds.pairs["pair_id"].to_list()
    assert scores.select("model", "kind", "target").unique().rows() == [("counting", "cost", None)]
    assert sum(rows for rows, _ in model.seen) == 30
    assert ds.annotations.height == 60
    assert all(rows * width <= 64 for rows, width in model.seen)
    last = {pair_id("how", r): ord(r[-1]) for r in ds.pairs["response"]}
    assert {key: int(value) for key, value in by_pair(scores).items()} == last


def test_a_model_of_texts_and_several_models_at_once(answers):
    ds = answers(5)
    scores = btviz.score(ds, [PlainModel(), CountingModel()])
    assert scores.rows() == scores.sort("pair_id", "model", "target").rows()
    assert scores.height == 5 + 10
    plain = scores.filter(model="plain", target="rude")["score"].to_list()
    assert plain == [3.0] * 5
    sizes = dict(ds.pairs.select("pair_id", pl.col("response").str.len_bytes()).iter_rows())
    assert by_pair(scores.filter(target="off-topic")) == sizes
    with pytest.raises(UsageError, match="two models named 'counting'"):
        btviz.score(ds, [CountingModel(), CountingModel()])
    with pytest.raises(UsageError, match="engine"):
        btviz.score(ds, PlainModel(), engine="steam")
    with pytest.raises(UsageError, match="2 workers, which are those of Ray"):
        btviz.score(ds, PlainModel(), workers=2)


def test_shapes_are_checked():
    with pytest.raises(UsageError, match=r"shape \(2,\); a moderation model has \(2, 2\)"):
        scores_table([1, 2], [0.5, 0.5], model=PlainModel())


class Odd:
    """A model of somebody's own, which gives whatever it was made with."""

    kind, labels = "cost", ()

    def __init__(self, name, give):
        self.name, self.fingerprint, self._give = name, f"{name}-1", give

    def score(self, prompts, responses):
        return self._give(len(prompts))


@pytest.mark.parametrize(
    ("name", "give", "says"),
    [
        ("columns", lambda n: np.zeros((n, 2)), r"shape \(5, 2\)\. A cost model has to give one of shape \(5,\)"),
        ("short", lambda n: np.zeros(n - 1), r"shape \(4,\)"),
        ("alone", lambda n: np.float32(1), r"shape \(\)"),
        ("nothing", lambda n: None, r"shape \(\)|NoneType"),
        ("words", lambda n: ["bad"] * n, "a list that holds something else"),
        ("past", lambda n: torch.zeros(n, requires_grad=True), "a Tensor that holds something else"),
        ("ragged", lambda n: [[0.0], [1.0, 2.0]] * n, "a list that holds something else"),
    ],
)
def test_what_is_no_score_of_each_answer_is_refused_and_not_kept(answers, name, give, says):
    with pytest.raises(UsageError, match=f"Asked '{name}' for 5 scores; it gave .*{says}"):
        btviz.score(answers(5), Odd(name, give))
    assert btviz.score(answers(5), Odd(name, lambda n: [[0.5]] * n))["score"].to_list() == [0.5] * 5


def test_what_is_no_score_model_is_refused_in_words(answers):
    odd = Odd("m", np.zeros)
    odd.kind = "costs"
    for what, says in [(object(), "with an object; a score model has name, kind"), (None, "NoneType"), (odd, "'cost'")]:
        with pytest.raises(UsageError, match=says):
            btviz.score(answers(3), what)
        with pytest.raises(UsageError, match=says):
            btviz.score(answers(3), [what])


def test_a_model_by_name_is_loaded_and_scores_what_it_scores(tmp_path, answers):
    ds = answers(12)
    folder = made.beaver(tmp_path / "tiny-cost")
    scores = btviz.score(ds, str(folder), tokens_per_batch=100)
    model = btviz.load_score_model(folder)
    expected = model.score(ds.pairs["prompt"].to_list(), ds.pairs["response"].to_list())
    np.testing.assert_allclose(scores["score"], expected, atol=1e-5)


def test_a_cross_fitted_model_keeps_its_scores_out_of_fold(answers):
    ds = answers(8)
    trained = ds.pairs["pair_id"][2:5]

    class Fitted(CountingModel):
        out_of_fold = scores_table([1, *trained], [0.0, 1.0, 2.0, np.nan], model=CountingModel(name="fitted"))

    model = Fitted(name="fitted")
    scores = by_pair(btviz.score(ds, model))
    assert sorted(scores) == ds.pairs["pair_id"].to_list()
    assert [scores[i] for i in trained] == [1.0, 2.0, None]
    assert sum(rows for rows, _ in model.seen) == 5
    assert len(model.encoded) == 5


def test_what_is_no_number_is_reported_by_its_pair_only(answers):
    ds, model = answers(10), CountingModel()
    model.undefined = {"xxxd"}
    bad = pair_id("how", "xxxd")
    with pytest.warns(ScoreWarning) as caught:
        scores = btviz.score(ds, model)
    message = str(caught[0].message)
    assert f"{bad:016x}" in message
    assert "xxxd" not in message
    assert scores.filter(pl.col("score").is_null())["pair_id"].to_list() == [bad]


# Memory -----------------------------------------------------------------------------------------


def short_of_memory(limit, error):
    def fail(rows, width):
        if rows * width > limit:
            raise error

    return fail


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory. Tried"), MemoryError()])
def test_a_batch_that_does_not_fit_is_halved(answers, error):
    ds = answers(30)
    model = CountingModel(fail=short_of_memory(40, error))
    scores = btviz.score(ds, model)
    assert scores["score"].null_count() == 0
    assert all(rows * width <= 40 for rows, width in model.seen)
    assert sum(rows for rows, _ in model.seen) == 30


def test_a_text_that_does_not_fit_alone_and_other_errors_are_raised(answers):
    ds = answers(3)
    ids = "|".join(f"{pair_id:016x}" for pair_id in ds.pairs["pair_id"])
    with pytest.raises(UsageError, match=f"the pair ({ids}) of .* tokens; memory does not even suffice for it alone"):
        btviz.score(ds, CountingModel(fail=short_of_memory(1, MemoryError())))
    with pytest.raises(RuntimeError, match="another"):
        Room().sparing(lambda _: (_ for _ in ()).throw(RuntimeError("another")), [1, 2], length=1, names="ab")


@pytest.mark.parametrize("words", ["CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate", "CUDNN_STATUS_ALLOC_FAILED"])
def test_libraries_of_a_gpu_say_in_their_own_way_that_memory_is_short(words):
    assert is_out_of_memory(RuntimeError(words))


def test_what_did_not_fit_is_not_tried_again(answers):
    ds, tried = answers(60), []

    def fail(rows, width):
        tried.append(rows * width)
        if rows * width > 100:
            raise MemoryError

    model = CountingModel(fail=fail, tokens_per_batch=400)
    btviz.score(ds, model)
    failed = [size for size in tried if size > 100]
    assert 0 < len(failed) < 8, "each is smaller than the one before"
    assert failed == sorted(set(failed), reverse=True)
    assert len(model.seen) > 10


# Going on ---------------------------------------------------------------------------------------


def test_nothing_is_scored_twice_and_new_pairs_are(answers):
    model = CountingModel()
    first = btviz.score(answers(20), model)
    n_batches = len(model.seen)
    again = btviz.score(answers(20), model)
    assert again.equals(first)
    assert len(model.seen) == n_batches
    grown = btviz.score(answers(30), model)
    assert sum(rows for rows, _ in model.seen[n_batches:]) == 10
    assert grown.filter(pl.col("pair_id").is_in(first["pair_id"].implode())).equals(first)


@pytest.mark.parametrize("error", [KeyboardInterrupt, LookupError])
@pytest.mark.parametrize("after", [1, 3])
def test_an_interrupted_run_goes_on_where_it_was(tmp_path, monkeypatch, answers, error, after):
    ds = answers(30)
    monkeypatch.setenv("BTVIZ_DATA_DIR", str(tmp_path / "undisturbed"))
    undisturbed = CountingModel()
    expected = btviz.score(ds, undisturbed)

    monkeypatch.setenv("BTVIZ_DATA_DIR", str(tmp_path / "interrupted"))
    model, heard = CountingModel(), []

    def stop(progress: Progress) -> None:
        heard.append(progress)
        if len(heard) == after:
            raise error

    with pytest.raises(error):
        btviz.score(ds, model, progress=stop)
    assert len(model.seen) == after
    resumed = btviz.score(ds, model, progress=heard.append)
    assert resumed.equals(expected)
    assert model.seen == undisturbed.seen
    assert heard[-1].n_done == heard[-1].n_pairs == 30
    assert heard[-1].seconds_left == 0
    assert heard[after].n_done == sum(rows for rows, _ in model.seen[: after + 1])
    assert pl.concat(p.scores for p in heard).sort("pair_id").equals(expected)


def test_the_plan_is_on_the_disk_before_the_first_batch(answers):
    def look(_rows, _width):
        plans = [pl.read_parquet(file) for file in Store().root.glob("score-plans/*/*.parquet")]
        assert [plan.height for plan in plans] == [20]
        assert not list(Store().root.glob("scores/*.shards/*.parquet"))
        raise KeyError

    with pytest.raises(KeyError):
        btviz.score(answers(20), CountingModel(fail=look))


def test_two_runs_of_one_model_do_not_meet(answers):
    model = CountingModel()

    def second(_rows, _width):
        model.fail = None
        btviz.score(answers(20, first=5), model)

    model.fail = second
    with pytest.raises(StoreError, match="is writing"):
        btviz.score(answers(20), model)


RUN = """
import sys
import btviz
def tell(progress):
    print(progress.n_done, flush=True)
btviz.score(btviz.load(sys.argv[2]), sys.argv[1], tokens_per_batch=600, progress=tell)
"""


@pytest.mark.slow
def test_a_killed_run_resumes_and_equals_an_undisturbed_one_bit_for_bit(tmp_path, monkeypatch):
    folder = made.beaver(tmp_path / "tiny-cost")
    environment = os.environ | {"BTVIZ_DATA_DIR": str(tmp_path / "killed")}
    answers = write_answers(tmp_path / "answers.jsonl", n=300)
    command = [sys.executable, "-c", RUN, str(folder), str(answers)]
    killed = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert killed.stdout is not None
    for _ in range(3):
        assert killed.stdout.readline()
    killed.send_signal(signal.SIGKILL)
    heard = 3 + len(killed.communicate()[0].split())
    kept = len(list((tmp_path / "killed").glob("store/scores/*.shards/*.parquet")))
    assert kept in {heard, heard + 1}

    def run(data):
        monkeypatch.setenv("BTVIZ_DATA_DIR", str(data))
        told = []
        scores = btviz.score(btviz.load(answers), str(folder), tokens_per_batch=600, progress=told.append)
        return scores, len(told)

    undisturbed, n_batches = run(tmp_path / "undisturbed")
    resumed, n_left = run(tmp_path / "killed")
    assert n_left == n_batches - kept > 0  # what was in work, and none that was kept
    assert resumed.equals(undisturbed)
