"""Where batches are scored: in this process, or on a Ray cluster by workers that each hold the model."""

from __future__ import annotations

import functools
import math
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from btviz.errors import DataError, NotFoundError, UsageError
from btviz.machine.cluster import LIVES, ray_cluster, room, shared_out
from btviz.machine.memory import BYTES, Room
from btviz.models.batches import Batch, score_inputs
from btviz.models.model import LoadedModel, Origin, load_score_model
from btviz.models.protocol import ScoreModel


class RayEngine:
    """Scores batches on a Ray cluster."""

    def __init__(self, *, workers: int | None = None) -> None:
        if workers is not None and workers < 1:
            raise UsageError(f"Asked for {workers} workers; scoring takes at least one. Give a positive number.")
        self._workers = workers

    def run(self, model: ScoreModel, batches: Sequence[Batch]) -> Iterator[BatchScores]:
        """Each batch with its scores, as workers finish them; a worker that dies is started again."""
        with ray_cluster(workers=self._workers) as ray:
            # a model in the cluster's memory stays as long as its reference; a worker that starts anew needs it again
            origin = _origin(ray, model)
            crew = _crew(ray, model, origin=origin, n_workers=self._workers, n_batches=len(batches))
            yield from shared_out(ray, batches, crew=crew, submit=_submit)


def _origin(ray: Any, model: ScoreModel) -> Any:
    """Where a worker gets the model from: its files, or the cluster's memory."""
    return replace(model.origin, dtype=model.dtype) if isinstance(model, LoadedModel) else ray.put(model)


def _crew(ray: Any, model: ScoreModel, *, origin: Any, n_workers: int | None, n_batches: int) -> list[Any]:
    gpu = _wants_gpu(model) and ray.cluster_resources().get("GPU", 0) >= 1
    memory = 0 if gpu or not isinstance(model, LoadedModel) else model.n_parameters * BYTES[model.dtype]
    _check_fits(ray, model.name, memory=memory)
    count = min(n_workers or room(ray, gpu=gpu, memory=memory), max(1, n_batches))
    if memory and count > 1:
        sys.stderr.write(f"Each of {count} workers takes {memory / 1e9:.2g} GB for {model.name}.\n")
    needs = {"num_gpus": 1} if gpu else {"num_cpus": 1}
    hire = ray.remote(Worker).options(max_restarts=LIVES, max_task_retries=LIVES, memory=memory or None, **needs)
    return [hire.remote(model.name, model.fingerprint, origin=origin) for _ in range(count)]


def _check_fits(ray: Any, name: str, *, memory: int) -> None:
    """Refuse what would wait for ever."""
    offered = max(node["Resources"].get("memory", math.inf) for node in ray.nodes() if node["Alive"])
    if memory > offered:
        raise UsageError(
            f"Asked to score with {name!r} on Ray; a worker of it takes {memory / 1e9:.2g} GB, and no machine of the "
            f"cluster offers more than {offered / 1e9:.2g}. Use dtype='bfloat16', engine='local' or a larger machine."
        )


def _wants_gpu(model: ScoreModel) -> bool:
    """Whether a worker should hold a GPU: not where a processor was asked for, or the model knows of none."""
    device = model.origin.device if isinstance(model, LoadedModel) else getattr(model, "device", "cpu")
    return device is None or str(device).startswith("cuda")


def _submit(worker: Any, batch: Batch) -> Any:
    return worker.score.remote(batch.inputs, batch.length, pair_ids=batch.pair_ids)


class Worker:
    """What runs in a process of the cluster: the model, loaded once."""

    def __init__(self, name: str, expected: str, *, origin: Origin | ScoreModel) -> None:
        self._name, self._expected, self._origin = name, expected, origin
        self._room = Room()

    def ready(self) -> None:
        """Load the model, and make sure that it is the one that was asked for."""
        fingerprint = self._model.fingerprint
        if fingerprint != self._expected:
            raise DataError(
                f"Asked to score with {self._name!r} on Ray; {platform.node()} found other weights or settings under "
                "that name. Put the same files on every machine."
            )

    def score(self, inputs: list[Any], length: int, *, pair_ids: list[int]) -> npt.NDArray[np.float32]:
        """Scores of a batch."""
        return score_inputs(self._model, inputs, length=length, pair_ids=pair_ids, room=self._room)

    @functools.cached_property
    def _model(self) -> ScoreModel:
        origin = self._origin
        if not isinstance(origin, Origin):
            return origin
        device = origin.device and origin.device.partition(":")[0]  # a worker sees its own GPU alone
        try:
            return load_score_model(
                origin.source, kind=origin.kind, dtype=origin.dtype, device=device, guard=origin.guard
            )
        except NotFoundError as error:
            raise NotFoundError(
                f"Asked to score with {self._name!r} on Ray; {platform.node()} could not load it. Put its files on "
                "every machine of the cluster, under the same path."
            ) from error


ENGINES = ("local", "ray")
BatchScores = tuple[Batch, npt.NDArray[np.float32]]


class Engine(Protocol):
    """Scores batches, in any order, each exactly once."""

    def run(self, model: ScoreModel, batches: Sequence[Batch]) -> Iterator[BatchScores]:
        """Each batch with its scores, as soon as they are there."""
        ...


class LocalEngine:
    """Scores batches in this process, one after the other."""

    def run(self, model: ScoreModel, batches: Sequence[Batch]) -> Iterator[BatchScores]:
        """Each batch with its scores, in order."""
        room = Room()
        for batch in batches:
            yield batch, score_inputs(model, batch.inputs, length=batch.length, pair_ids=batch.pair_ids, room=room)
