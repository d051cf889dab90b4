"""Scoring on a Ray cluster: the same batches, shared out to workers that each hold the model."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from btviz.errors import DataError, NotFoundError, StoreError, UsageError, require
from btviz.scoring.batches import Batch, score_inputs
from btviz.scoring.engines import Scored
from btviz.scoring.loaded import LoadedModel
from btviz.scoring.loading import load_score_model
from btviz.scoring.protocol import ScoreModel

AHEAD = 2
"""Batches that each worker has at hand, so that it need not wait for the next."""

TRIES = 3
"""Ray gives a start half a minute, which a busy machine may exceed."""


class RayEngine:
    """Scores batches on a Ray cluster.

    Parameters
    ----------
    workers : int, optional
        Processes that each load the model. Default: one per GPU of the cluster, or one per CPU where
        it has none.
    """

    def __init__(self, *, workers: int | None = None) -> None:
        if workers is not None and workers < 1:
            raise UsageError(f"Asked for {workers} workers; scoring takes at least one. Give a positive number.")
        self._workers = workers

    def run(self, model: ScoreModel, batches: Sequence[Batch]) -> Iterator[Scored]:
        """Each batch with its scores, as workers finish them; a worker that dies is started again.

        Raises
        ------
        NotFoundError
            If a worker cannot load the model.
        DataError
            If a worker finds other weights under its name.
        """
        ray = require("ray", extra="ray")
        _join(ray)
        crew = _crew(ray, model, n_workers=self._workers, n_batches=len(batches))
        try:
            yield from _share_out(ray, crew, batches)
        finally:
            for worker in crew:
                ray.kill(worker)


def _join(ray: Any) -> None:
    """Connect to the cluster that RAY_ADDRESS names or this machine is in, else start one here."""
    if ray.is_initialized():
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    for tries_left in reversed(range(TRIES)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about versions to come
                ray.init(include_dashboard=False, log_to_driver=False, logging_level="error")
        except Exception as error:  # Ray has no class of its own for a start that took too long
            ray.shutdown()
            if not tries_left:
                raise StoreError(
                    f"Asked for a Ray cluster; none could be joined or started ({error}). Check RAY_ADDRESS, or leave "
                    "the machine some time: a start takes seconds, minutes where others keep it busy."
                ) from error
        else:
            return


def _crew(ray: Any, model: ScoreModel, *, n_workers: int | None, n_batches: int) -> list[Any]:
    resources = ray.cluster_resources()
    gpus = int(resources.get("GPU", 0))
    count = min(n_workers or gpus or max(1, int(resources.get("CPU", 1))), max(1, n_batches))
    needs = {"num_gpus": 1} if gpus else {"num_cpus": 1}
    hire = ray.remote(Worker).options(max_restarts=-1, max_task_retries=-1, **needs)
    given = model.origin if isinstance(model, LoadedModel) else ray.put(model)
    crew = [hire.remote(given) for _ in range(count)]
    try:
        found = set(ray.get([worker.fingerprint.remote() for worker in crew]))
    except ray.exceptions.RayActorError as error:
        raise NotFoundError(
            f"Asked to score with {model.name!r} on Ray; a worker could not load it. Put its files on every machine of "
            "the cluster, under the same path."
        ) from error
    if found != {model.fingerprint}:
        raise DataError(
            f"Asked to score with {model.name!r} on Ray; a worker found other weights or settings under that name. "
            "Put the same files on every machine, or say dtype= and device= so that all load it alike."
        )
    return crew


def _share_out(ray: Any, crew: list[Any], batches: Sequence[Batch]) -> Iterator[Scored]:
    waiting = iter(batches)
    running: dict[Any, tuple[Any, Batch]] = {}

    def give(worker: Any) -> None:
        if (batch := next(waiting, None)) is not None:
            running[worker.score.remote(batch.inputs, batch.length)] = worker, batch

    for worker in crew * AHEAD:
        give(worker)
    while running:
        (finished, *_), _ = ray.wait(list(running), num_returns=1)
        worker, batch = running.pop(finished)
        give(worker)
        try:
            yield batch, ray.get(finished)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error


class Worker:
    """What runs in a process of the cluster: the model, loaded once."""

    def __init__(self, given: Any) -> None:
        if isinstance(given, ScoreModel):
            self._model: ScoreModel = given
        else:
            self._model = load_score_model(given.source, kind=given.kind, dtype=given.dtype, device=given.device)

    def fingerprint(self) -> str:
        """Fingerprint of the model, once it is loaded."""
        return self._model.fingerprint

    def score(self, inputs: list[Any], length: int) -> npt.NDArray[np.float32]:
        """Scores of a batch."""
        return score_inputs(self._model, inputs, length=length)
