"""Work that takes a while, done beside the kernel so that cells and controls keep answering."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from btviz.errors import BtvizError, UsageError

PATIENCE_SECONDS = 0.4
"""Work that is done sooner shows no progress."""

Report = Callable[[float | None], None]
"""Takes the share that is done, 0 .. 1; None while that is unknown."""


class SupersededError(Exception):
    """Ends work whose result nobody waits for any longer."""


class Background:
    """Runs one job at a time, and drops a job when another is asked for.

    Where no event loop runs (a script, a test) jobs are done at once. In a notebook they run in
    a thread of their own, and `on_done`, `on_error` and `on_progress` are called from the kernel's loop.
    """

    def __init__(self, on_progress: Report) -> None:
        self._on_progress = on_progress
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="btviz")
        self._newest = 0
        self._future: Future[Any] | None = None
        self._is_closed = False

    def run(
        self,
        job: Callable[[Report], Any],
        *,
        on_done: Callable[[Any], object],
        on_error: Callable[[str], object],
        otherwise: str = "This could not be computed",
    ) -> None:
        """Do a job, and hand on how it ended, unless another job came in between.

        Parameters
        ----------
        job : callable
            Takes what reports the share that is done.
        on_done : callable
            Takes its result.
        on_error : callable
            Takes the words for an error; one that is not btviz's own is raised after that, for the kernel's log.
        otherwise : str
            What is said of such an error, beside its kind.
        """
        if self._is_closed:
            return
        self._newest += 1
        number = self._newest

        def settle(future: Future[Any]) -> None:
            try:
                result = future.result()
            except Exception as error:
                on_error(_words_of(error, otherwise))
                if not isinstance(error, BtvizError):
                    raise
            else:
                on_done(result)

        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            at_once: Future[Any] = Future()
            self._future = at_once
            _fill(at_once, lambda: job(lambda _: None))
            settle(at_once)
            return

        def deliver(future: Future[Any]) -> None:
            if number == self._newest:
                settle(future)

        def show(share: float | None) -> None:
            loop.call_soon_threadsafe(self._show, number, share)

        report = self._reporter(number, show)
        self._future = future = self._pool.submit(_ended, job, report)
        loop.call_later(PATIENCE_SECONDS, lambda: None if future.done() else self._show(number, None))
        future.add_done_callback(lambda done: loop.call_soon_threadsafe(deliver, done))

    def cancel(self) -> None:
        """Drop the job in work: it ends at its next report, and nothing is handed on."""
        self._newest += 1

    def close(self) -> None:
        """Drop the job in work, let its thread end, and do no other."""
        self.cancel()
        self._is_closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def is_running(self) -> bool:
        """Whether the newest job is still being done."""
        return self._future is not None and not self._future.done()

    def wait(self) -> Any:
        """Result of the newest job, once it is there, None if it was dropped; what it raised is raised again."""
        if self._future is None:
            return None
        result = None if self._future.cancelled() else self._future.result()
        if result is None and self._is_closed:
            raise UsageError(
                "What this view computes was asked for, but it was closed before that was done. Make a new one."
            )
        return result

    def _show(self, number: int, share: float | None) -> None:
        if number == self._newest and self.is_running:
            self._on_progress(share)

    def _reporter(self, number: int, show: Report) -> Report:
        shown = time.monotonic() + PATIENCE_SECONDS - 0.1

        def report(share: float | None) -> None:
            nonlocal shown
            if number != self._newest:
                raise SupersededError
            if time.monotonic() - shown > 0.1:
                shown = time.monotonic()
                show(share)

        return report


def _words_of(error: Exception, otherwise: str) -> str:
    """What to show of an error: its own words where it is one of btviz's, else only its kind."""
    if isinstance(error, BtvizError):
        return str(error)
    return f"{otherwise}: {type(error).__name__}. The kernel's log says where."


def _ended(job: Callable[[Report], Any], report: Report) -> Any:
    """Do a job so that, however it ends, what it worked with is let go of: a model may fill the memory."""
    try:
        return job(report)
    except SupersededError:
        return None
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)  # the future keeps the error, and that its frames
        raise


def _fill(future: Future[Any], job: Callable[[], Any]) -> None:
    try:
        future.set_result(job())
    except Exception as error:  # noqa: BLE001  # whoever asks for the result gets it
        future.set_exception(error)
