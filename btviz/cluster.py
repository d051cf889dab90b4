"""A Ray cluster to work on, joined or started here, and tasks shared out to its workers."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from btviz.errors import StoreError, require

Task = TypeVar("Task")

AHEAD = 2
"""Tasks that each worker has at hand, so that it need not wait for the next."""

TRIES = 3

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
    own = {} if "RAY_ADDRESS" in os.environ else {"num_cpus": workers, "include_dashboard": False}
    for tries_left in reversed(range(TRIES)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about versions to come
                # a worker's complaint could quote a text, so none is passed on
                ray.init(log_to_driver=False, logging_level="error", **own)
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
    """Give tasks to workers as they become free; each task once.

    Parameters
    ----------
    ray : module
        Connected.
    tasks : iterable
        What is to be done.
    crew : sequence of actors
        Restarted and retried by Ray where they die, as their options say.
    submit : callable
        Starts a task on a worker and gives Ray's reference to its result.

    Yields
    ------
    task, result
        As they are finished, in any order. An error inside a worker is raised here as it was there.
    """
    waiting = iter(tasks)
    running: dict[Any, tuple[Any, Task]] = {}

    def give(worker: Any) -> None:
        for task in waiting:
            running[submit(worker, task)] = worker, task
            return

    for worker in [*crew] * AHEAD:
        give(worker)
    while running:
        (finished, *_), _ = ray.wait(list(running), num_returns=1)
        worker, task = running.pop(finished)
        give(worker)
        try:
            yield task, ray.get(finished)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from error
