"""A bar for anything that lasts: on standard error, and only once it has lasted a while."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE_SECONDS = 1.5


@contextmanager
def bar(what: str, *, total: int, unit: str = "") -> Iterator[Callable[[int], None]]:
    """Show how far something has come.

    Parameters
    ----------
    what : str
        What is going on: "Reading 330k_train.jsonl".
    total : int
        Where it ends: bytes of a file, number of steps.
    unit : str, optional
        What is counted, to show the speed too: "tokens" for "1,234 tokens/s".

    Yields
    ------
    callable
        To be called with how far it has come, from 0 to `total`. Nothing appears in the first
        1.5 seconds, nor where nobody watches: standard error is no terminal and no notebook.
    """
    started = time.monotonic()
    watched = sys.stderr.isatty() or "ipykernel" in sys.modules
    shown = None

    def update(done: int) -> None:
        nonlocal shown
        if shown is None and watched and time.monotonic() - started > PATIENCE_SECONDS:
            # rich takes 0.1 s to import, which a quick load need not pay
            from rich.console import Console  # noqa: PLC0415  # see the line above
            from rich.progress import (  # noqa: PLC0415
                BarColumn,
                Progress,
                TaskProgressColumn,
                TextColumn,
                TimeRemainingColumn,
            )

            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TaskProgressColumn(),
                *((TextColumn("{task.fields[speed]}", markup=False),) if unit else ()),
                TimeRemainingColumn(),
            )
            shown = Progress(*columns, console=Console(stderr=True), transient=True)
            shown.add_task(what, total=total, speed="")
            shown.start()
        if shown is not None:
            speed = done / (time.monotonic() - started)
            shown.update(shown.task_ids[0], completed=done, speed=f"{speed:,.0f} {unit}/s")

    try:
        yield update
    finally:
        if shown is not None:
            shown.stop()
