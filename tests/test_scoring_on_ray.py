"""Scoring on a Ray cluster: the same plan, the same scores, with a worker killed on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import patience
import pytest
import score_checkpoints
from counting_model import CountingModel

from btviz import load_score_model
from btviz.errors import DataError, UsageError
from btviz.machine import cluster
from btviz.models.batches import Batch
from btviz.models.engines import RayEngine, Worker, _crew, _origin

# Ray leaves processes behind that it does not wait for, so it runs in a process of its own.
DRIVER = """
import json, os, sys
from pathlib import Path
import polars as pl
import torch
import btviz
import score_checkpoints as made
from small_data import dataset_from_rows
from counting_model import LethalModel
from btviz.errors import NotFoundError

folder = Path(sys.argv[1])

columns = {"prompt": pl.String, "response": pl.String, "split": pl.String, "is_safe": pl.Boolean, "labels": pl.UInt32}
rows = [("how", "they attract iron " * (i % 5) + f"abcdefghij {i}", "train", True, 0) for i in range(40)]
ds = dataset_from_rows(pl.DataFrame(rows, schema=columns, orient="row"))

def scored(model, data, **options):
    os.environ["BTVIZ_DATA_DIR"] = str(folder / data)
    told = []
    return btviz.score(ds, model, progress=told.append, **options), [progress.n_done for progress in told]

model = btviz.load_score_model(made.beaver(folder / "tiny-cost"))
torch.set_num_threads(1)  # as a worker has: the last bits of a product depend on it
here, _ = scored(model, "here", tokens_per_batch=200)
there, told = scored(model, "there", tokens_per_batch=200, engine="ray", workers=2)
(folder / "tiny-cost").rename(folder / "moved-cost")
try:
    scored(model, "missing", engine="ray", workers=1)
except NotFoundError as error:
    missing = str(error)

lethal = LethalModel(folder)
revived, counted = scored(lethal, "revived", engine="ray", workers=1)
was_killed = (folder / "killed").exists()
alone, _ = scored(lethal, "alone")
found = {
    "same": there.equals(here), "n_batches": len(told), "missing": missing, "was_killed": was_killed,
    "revived": revived.equals(alone), "counted": counted, "n_pairs": ds.pairs.height,
}
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ray")
    here = Path(__file__).parent
    places = os.pathsep.join([str(here), str(here.parent), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": places}  # workers take it over
    command = [sys.executable, "-c", DRIVER, str(folder)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=patience.SECONDS
    )
    if "none could be joined or started" in done.stderr:
        pytest.skip("Ray gives a start half a minute, and this machine is too busy for that")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_scores_are_those_of_one_process_bit_for_bit(found):
    assert found["n_batches"] > 3
    assert found["same"]


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_nothing_is_lost_or_repeated(found):
    assert found["was_killed"]
    assert found["revived"]
    assert found["counted"] == sorted(set(found["counted"]))
    assert found["counted"][-1] == found["n_pairs"]


@pytest.mark.slow
def test_weights_that_a_worker_lacks_are_reported(found):
    assert "could not load it" in found["missing"]


class Actor:
    """An actor of a cluster that runs in this process."""

    def __init__(self, *given, **named):
        worker = Worker(*given, **named)
        self.ready = SimpleNamespace(remote=lambda: Task(self, worker.ready))
        self.score = SimpleNamespace(remote=lambda *given, **named: Task(self, lambda: worker.score(*given, **named)))


class Task:
    def __init__(self, actor, work):
        self.actor, self.work = actor, work


class Ray:
    """As much of Ray as the engine calls; for actors after the first `room` there is no place."""

    class exceptions:  # noqa: N801  # Ray's name
        RayActorError = RayTaskError = OutOfMemoryError = LookupError

    def __init__(self, *, room=9, **resources):
        self.room, self.resources = room, {"CPU": 3.0} | resources
        self.hired, self.killed, self.waited, self.needs = [], [], [], []

    def is_initialized(self):
        return True

    def cluster_resources(self):
        return self.resources

    available_resources = cluster_resources

    def nodes(self):
        return [{"Alive": False, "Resources": {"memory": 1e15}}, {"Alive": True, "Resources": self.resources}]

    def put(self, model):
        return model

    def get(self, task):
        return task.work()

    def wait(self, tasks, num_returns, timeout):
        """The last task comes first; where no worker has a place, one is free after the first timeout."""
        able = [task for task in tasks if task.actor in self.hired[: self.room]]
        assert able or timeout, "waits for ever"
        self.room = self.room or 1
        self.waited.append(sum(task.work.__name__ != "ready" for task in tasks))
        return able[-1:], [task for task in tasks if task not in able[-1:]]

    def kill(self, actor):
        self.killed.append(actor)

    def remote(self, worker):
        assert worker is Worker
        return SimpleNamespace(options=self._options)

    def _options(self, **needs):
        self.needs.append(needs)
        return SimpleNamespace(remote=self._hire)

    def _hire(self, *given, **named):
        self.hired.append(Actor(*given, **named))
        return self.hired[-1]


@pytest.fixture
def run(monkeypatch):
    """Score nine batches on a cluster that is not one."""

    def scored(ray, model=None, *, workers=None):
        monkeypatch.setattr(cluster, "require", lambda *_, **__: ray)
        rows = [np.arange(i + 2, dtype=np.int32) for i in range(9)]
        batches = [Batch(i, [i], [row], len(row), len(row)) for i, row in enumerate(rows)]
        return list(RayEngine(workers=workers).run(model or CountingModel(), batches))

    return scored


def check_all(scored):
    assert sorted(batch.number for batch, _ in scored) == list(range(9))
    for batch, scores in scored:
        assert scores == CountingModel().score_encoded(batch.inputs, length=batch.length)


@pytest.mark.parametrize("workers", [None, 1, 2])
def test_each_batch_is_shared_out_once(run, workers):
    ray = Ray()
    check_all(run(ray, workers=workers))
    assert max(ray.waited) == (workers or 3) * cluster.AHEAD
    assert ray.killed == ray.hired
    assert len(ray.hired) == (workers or 3)


def test_workers_without_a_place_are_not_waited_for(run, capsys):
    ray = Ray(room=1)
    check_all(run(ray, workers=4))
    assert max(ray.waited) == cluster.AHEAD
    assert len(ray.killed) == 4
    assert capsys.readouterr().err == ""


def test_a_full_cluster_is_waited_for_and_that_is_said(run, capsys):
    check_all(run(Ray(room=0, CPU=2.0, GPU=1.0, memory=3e9), workers=2))
    said = capsys.readouterr().err
    assert "for 2 workers; none is ready after 60 s. Free there: 2 of 2 CPUs, 1 of 1 GPUs, 3 of 3 GB." in said


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return load_score_model(score_checkpoints.beaver(tmp_path_factory.mktemp("models") / "tiny-cost"))


def hired(tiny, ray, **changes):
    """How many workers are hired for a model, and what each needs."""
    origin = replace(tiny.origin, device=changes.pop("asked", None))
    model = replace(tiny, origin=origin, **changes)
    crew = _crew(ray, model, origin=_origin(ray, model), n_workers=None, n_batches=99)
    return len(crew), ray.needs[-1]


def test_a_worker_holds_a_gpu_where_the_model_may_use_one(tiny):
    for asked, kind in [(None, "num_gpus"), ("cuda:1", "num_gpus"), ("cpu", "num_cpus")]:
        assert kind in hired(tiny, Ray(CPU=8.0, GPU=2.0), asked=asked)[1]
    assert hired(tiny, Ray(CPU=8.0, GPU=2.0))[0] == 2
    ray, model = Ray(GPU=1.0), CountingModel()
    assert _crew(ray, model, origin=_origin(ray, model), n_workers=None, n_batches=99)
    assert "num_cpus" in ray.needs[-1]


def test_no_more_copies_than_memory_holds(tiny, capsys):
    large = {"n_parameters": 1_000_000_000, "dtype": "float32"}
    count, needs = hired(tiny, Ray(CPU=8.0, memory=9e9), **large)
    assert (count, needs["memory"]) == (2, 4_000_000_000)
    assert "Each of 2 workers takes 4 GB" in capsys.readouterr().err
    with pytest.raises(UsageError, match="takes 4 GB, and no machine of the cluster offers more than 3"):
        hired(tiny, Ray(memory=3e9), **large)


def test_a_worker_loads_the_type_that_the_model_has_here_on_the_gpu_that_it_sees(tiny, monkeypatch):
    given = []
    monkeypatch.setattr("btviz.models.engines.load_score_model", lambda name, **named: given.append(named) or tiny)
    model = replace(tiny, dtype="bfloat16", origin=replace(tiny.origin, device="cuda:1"))
    ray = Ray(GPU=1.0)
    (actor,) = _crew(ray, model, origin=_origin(ray, model), n_workers=1, n_batches=1)
    ray.get(actor.ready.remote())
    assert given == [{"kind": None, "dtype": "bfloat16", "device": "cuda", "guard": None}]


def test_other_weights_under_that_name_are_refused_by_the_worker(tiny):
    with pytest.raises(DataError, match="other weights or settings under that name"):
        Worker("tiny", "another", origin=tiny).ready()


def test_there_is_at_least_one_worker():
    with pytest.raises(UsageError, match="0 workers"):
        RayEngine(workers=0)
