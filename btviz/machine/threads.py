"""Processors: a batch to each core, rather than all cores to a batch, and products that no core shares.

Cores that share the matrices of one batch wait for each other after every product, by spinning. Where other work holds
one of them up, that takes several times as long. With a batch to each core nobody waits, and results do not depend on
the number of cores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import RLock
from typing import TypeVar

from btviz.errors import require

Given = TypeVar("Given")

Made = TypeVar("Made")

_ONE_AT_A_TIME = RLock()


def on_each_core(work: Callable[[Given], Made], items: Sequence[Given]) -> Iterator[Made]:
    """Do work that calls PyTorch, in as many threads as it would use itself, each with one core.

    Parameters
    ----------
    work : callable
        Takes an item; must be safe to run beside itself.
    items : sequence
        What to work on.

    Yields
    ------
    object
        What came of each item, in their order.
    """
    torch = require("torch", extra="topics")
    cores = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(cores, initializer=partial(torch.set_num_threads, 1)) as pool:
            yield from pool.map(work, items)
    finally:
        torch.set_num_threads(cores)  # threads begun later take over what was set last


@contextmanager
def one_core_each() -> Iterator[None]:
    """Let products of NumPy and SciPy take one core each, so that their last bits do not depend on how many there are.

    Of matrices of some hundred columns it is the faster way, too, and several times so on a busy machine. The setting
    is one of the process, so a thread waits for another that is inside.

    Yields
    ------
    None
        Within it, BLAS has one thread.
    """
    with _ONE_AT_A_TIME, require("threadpoolctl", extra="models").threadpool_limits(1, user_api="blas"):
        yield
