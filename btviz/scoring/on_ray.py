"""Scoring on a Ray cluster: the same batches, shared out to workers that each hold the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from btviz.cluster import ray_cluster, shared_out
from btviz.errors import DataError, NotFoundError, UsageError
from btviz.scoring.batches import Batch, score_inputs
from btviz.scoring.engines import Scored
from btviz.scoring.loaded import LoadedModel
from btviz.scoring.loading import load_score_model
from btviz.scoring.protocol import ScoreModel


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
        with ray_cluster() as ray:
            crew = _crew(ray, model, n_workers=self._workers, n_batches=len(batches))
            try:
                yield from shared_out(ray, batches, crew=crew, submit=_submit)
            finally:
                for worker in crew:
                    ray.kill(worker)


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


def _submit(worker: Any, batch: Batch) -> Any:
    return worker.score.remote(batch.inputs, batch.length, pair_ids=batch.pair_ids)


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

    def score(self, inputs: list[Any], length: int, *, pair_ids: list[int]) -> npt.NDArray[np.float32]:
        """Scores of a batch."""
        return score_inputs(self._model, inputs, length=length, pair_ids=pair_ids)
