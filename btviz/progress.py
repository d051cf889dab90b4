"""Progress on anything that lasts: on standard error, and only once it has lasted a while."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE_SECONDS = 1.5


@contextmanager
def counting(what: str, *, unit: str = "rows") -> Iterator[Callable[[int], None]]:
    """Show how many have been done of something whose total is unknown.

    Parameters
    ----------
    what : str
        What is going on: "Reading 330k_train.jsonl".
    unit : str
        What is counted.

    Yields
    ------
    callable
        To be called with the number done so far. Nothing appears in the first 1.5 seconds,
        nor where standard error is no terminal.
    """
    started = time.monotonic()
    shown = False

    def update(done: int) -> None:
        nonlocal shown
        elapsed = time.monotonic() - started
        if elapsed < PATIENCE_SECONDS or not sys.stderr.isatty():
            return
        shown = True
        sys.stderr.write(f"\r\x1b[2K{what}: {done:,} {unit}, {elapsed:.0f} s")
        sys.stderr.flush()

    try:
        yield update
    finally:
        if shown:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
