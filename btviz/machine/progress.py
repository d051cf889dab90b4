"""A bar for anything that lasts: on standard error, and only once it has lasted a while."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

PATIENCE_SECONDS = 1.5

_SHOWN_ELSEWHERE: ContextVar[bool] = ContextVar("_SHOWN_ELSEWHERE", default=False)


def is_watched() -> bool:
    """Whether somebody looks at standard error: it is a terminal or that of a notebook.

    Returns
    -------
    bool
        Where False, `bar` shows nothing.
    """
    return not _SHOWN_ELSEWHERE.get() and (sys.stderr.isatty() or "ipykernel" in sys.modules)


@contextmanager
def shown_elsewhere() -> Iterator[None]:
    """Show no bars in this thread: a view shows how far it has come.

    Yields
    ------
    None
        Within it, nobody looks at standard error.
    """
    token = _SHOWN_ELSEWHERE.set(True)
    try:
        yield
    finally:
        _SHOWN_ELSEWHERE.reset(token)


@contextmanager
def bar(what: str, *, total: int | None, unit: str = "") -> Iterator[Callable[[int], None]]:
    """Show how far something has come.

    Parameters
    ----------
    what : str
        What is going on: "Reading 330k_train.jsonl".
    total : int or None
        Where it ends: bytes of a file, number of steps; None where nobody knows.
    unit : str, optional
        What is counted, to show the speed too: "tokens" for "1,234 tokens/s"; "bytes" to show sizes.

    Yields
    ------
    callable
        To be called with how far it has come, from 0 to `total`. Nothing appears in the first
        1.5 seconds, nor where nobody watches (`is_watched`).
    """
    started = time.monotonic()
    watched = is_watched()
    shown = None

    def update(done: int) -> None:
        nonlocal shown
        if shown is None and watched and time.monotonic() - started > PATIENCE_SECONDS:
            # rich takes 0.1 s to import, which a quick load need not pay
            from rich.console import Console  # noqa: PLC0415  # see the line above
            from rich.progress import (  # noqa: PLC0415
                BarColumn,
                DownloadColumn,
                Progress,
                TaskProgressColumn,
                TextColumn,
                TimeRemainingColumn,
            )

            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                DownloadColumn() if unit == "bytes" else TaskProgressColumn(),
                *((TextColumn("{task.fields[speed]}", markup=False),) if unit not in ("", "bytes") else ()),
                TimeRemainingColumn(),
            )
            shown = Progress(*columns, console=Console(stderr=True), transient=True)
            shown.add_task(what, total=total, completed=done, speed="")
            shown.start()
        if shown is not None:
            speed = done / (time.monotonic() - started)
            shown.update(shown.task_ids[0], completed=done, speed=f"{speed:,.0f} {unit}/s")

    try:
        yield update
    finally:
        if shown is not None:
            shown.stop()


def tqdm_options(what: str) -> dict[str, object]:
    """Options for a library that draws a bar of its own by tqdm: late and to somebody only, as `bar` does."""
    return {"disable": not is_watched(), "desc": what, "delay": PATIENCE_SECONDS, "leave": False}
