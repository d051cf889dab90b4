"""A Ray cluster to work on, joined or started here, and tasks shared out to its workers."""

from __future__ import annotations

import os
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from btviz.errors import StoreError, require

Task = TypeVar("Task")

AHEAD = 2
"""Tasks that each worker has at hand, so that it need not wait for the next."""

TRIES = 3

LIVES = 5
"""How often a worker that dies is started again, and a task of it tried again."""

PATIENCE = 60.0
"""Seconds without any worker after which that is said."""

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing we start phones home
    "RAY_agent_register_timeout_ms": "180000",  # Ray's own 15 s are too few where others keep the machine busy
}


@contextmanager
def ray_cluster(*, workers: int | None = None) -> Iterator[Any]:
    """Join the cluster that this process or ``RAY_ADDRESS`` names, else start one here for the time being.

    Parameters
    ----------
    workers : int, optional
        Processors that a cluster started here has; default: as many as the machine.

    Yields
    ------
    module
        Ray, connected.

    Raises
    ------
    MissingExtraError
        If Ray is not installed.
    StoreError
        If no cluster can be joined or started.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)  # read when Ray is imported, and by what it starts
    ray = require("ray", extra="ray")
    if ray.is_initialized():
        yield ray
        return
    _join(ray, workers=workers)
    try:
        yield ray
    finally:
        ray.shutdown()


def _join(ray: Any, *, workers: int | None) -> None:
    options = {} if "RAY_ADDRESS" in os.environ else {"num_cpus": workers, "include_dashboard": False}
    for tries_left in reversed(range(TRIES)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about versions to come
                # a worker's complaint could quote a text, so none is passed on
                ray.init(log_to_driver=False, logging_level="error", **options)
        except Exception as error:  # Ray has no class of its own for a start that took too long
            ray.shutdown()
            if not tries_left:
                raise StoreError(
                    f"Asked for a Ray cluster; none could be joined or started ({error}). Check RAY_ADDRESS, or leave "
                    "the machine some time: a start takes seconds, minutes where others keep it busy."
                ) from error
        else:
            return


def shared_out(
    ray: Any, tasks: Iterable[Task], *, crew: Sequence[Any], submit: Callable[[Any, Task], Any]
) -> Iterator[tuple[Task, Any]]:
    """Give tasks to workers as they become free, each task once; at the end the workers are let go.

    A worker has a method `ready`, which returns once it can work, and is restarted and retried by Ray where it dies,
    as its options say; `submit` starts a task on one and gives Ray's reference to the result. Results come as they are
    finished, in any order, and an error inside a worker is raised here as it was there. A worker for which the cluster
    has no room yet gets no task before it has reported for work, so the others do not wait for it; where none has, that
    is said after a while. StoreError if a worker has died too often.
    """
    waiting = deque(tasks)
    starting = {worker.ready.remote(): worker for worker in crew}
    running: dict[Any, tuple[Any, Task]] = {}

    def give(worker: Any) -> None:
        if waiting:
            task = waiting.popleft()
            running[submit(worker, task)] = worker, task

    patience: float | None = PATIENCE
    try:
        while running or (waiting and starting):
            finished, _ = ray.wait([*running, *starting], num_returns=1, timeout=patience)
            if not finished:
                sys.stderr.write(f"{_scarcity(ray, len(crew))}\n")
            patience = None
            for reference in finished:
                result = _result(ray, reference)
                if reference in starting:
                    worker = starting.pop(reference)
                    for _ in range(AHEAD):
                        give(worker)
                else:
                    worker, task = running.pop(reference)
                    give(worker)
                    yield task, result
    finally:
        for worker in crew:
            ray.kill(worker)


def room(ray: Any, *, gpu: bool = False, memory: int = 0) -> int:
    """How many workers a cluster has room for now, at least one.

    Each holds a GPU or a processor, and `memory` bytes of main memory; 0 where that is not known.
    """
    free = ray.available_resources()
    workers = free.get("GPU" if gpu else "CPU", 0)
    if memory:
        workers = min(workers, free.get("memory", 0) // memory)
    return max(1, int(workers))


def _scarcity(ray: Any, n_workers: int) -> str:
    free, whole = ray.available_resources(), ray.cluster_resources()
    rooms = [f"{free.get(kind, 0):g} of {whole[kind]:g} {kind}s" for kind in ("CPU", "GPU") if whole.get(kind)]
    rooms += [f"{free.get('memory', 0) / 1e9:.3g} of {whole['memory'] / 1e9:.3g} GB"] if whole.get("memory") else []
    return (
        f"Asked the Ray cluster for {n_workers} workers; none is ready after {PATIENCE:.0f} s. Free there: "
        f"{', '.join(rooms) or 'nothing'}. This goes on when one is ready; a large model takes minutes to load. Ctrl-C "
        "ends it."
    )


def _result(ray: Any, reference: Any) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError) as error:
        raise StoreError(
            "Asked for work on a Ray cluster; a worker died there again and again. Memory is the usual reason: ask "
            "for fewer workers, or for smaller batches. What was finished is kept."
        ) from error
