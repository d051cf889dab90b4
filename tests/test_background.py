"""Work beside the kernel: the newest job wins, and its result can be waited for."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import patience
import pytest

from btviz.errors import UsageError
from btviz.widgets.parts.background import Background, SupersededError


def test_without_an_event_loop_a_job_is_done_at_once():
    results = []
    background = Background(lambda _: None)
    background.run(
        lambda report: report(0.5) or threading.current_thread(), on_done=results.append, on_error=results.append
    )
    assert results == [threading.current_thread()]
    assert background.wait() is threading.current_thread()
    assert not background.is_running


def test_what_a_job_raises_is_said_and_raised_to_whoever_waits():
    background, results, said = Background(lambda _: None), [], []

    def asked_wrongly(_):
        raise UsageError("Tea was asked for. Ask for water.")

    background.run(asked_wrongly, on_done=results.append, on_error=said.append)
    assert said == ["Tea was asked for. Ask for water."]
    with pytest.raises(UsageError):
        background.wait()
    with pytest.raises(ZeroDivisionError):  # for the log: it is nobody's wrong question
        background.run(lambda _: 1 // 0, on_done=results.append, on_error=said.append, otherwise="No map")
    assert said[1:] == ["No map: ZeroDivisionError. The kernel's log says where."]
    with pytest.raises(ZeroDivisionError):
        background.wait()
    assert results == []


@pytest.mark.slow
def test_in_a_notebook_a_job_leaves_the_kernel_free_and_shows_progress():
    shares, results, go = [], [], threading.Event()

    def job(report):
        go.wait(patience.SECONDS)
        report(0.25)
        return threading.current_thread()

    async def cell():
        background = Background(shares.append)
        background.run(job, on_done=results.append, on_error=results.append)
        assert background.is_running
        while not shares:  # the loop goes on, and after a while says that something lasts
            await asyncio.sleep(0.01)
        go.set()
        while not results:
            await asyncio.sleep(0.01)
        return background.wait()

    assert asyncio.run(cell()) is not threading.current_thread()
    assert shares[0] is None
    assert shares[1:] in ([], [0.25])  # the job may be done before its last word is heard
    assert len(results) == 1


def test_a_newer_job_ends_the_older_one():
    results, ended, begun = [], [], threading.Event()

    def endless(report):
        begun.set()
        try:
            while True:
                report(0.5)
        except SupersededError:
            ended.append(True)
            raise

    async def cells():
        background = Background(lambda _: None)
        background.run(endless, on_done=results.append, on_error=results.append)
        await asyncio.to_thread(begun.wait, patience.SECONDS)
        background.run(lambda _: "newest", on_done=results.append, on_error=results.append)
        while not results:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        return background.wait()

    assert asyncio.run(cells()) == "newest"
    assert ended == [True]
    assert results == ["newest"]


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["stopped", "failed"])
def test_what_a_job_worked_with_is_let_go_of_however_it_ends(ending):
    held, begun = [], threading.Event()

    def work(report):
        model = Model()
        held.append(weakref.ref(model))
        begun.set()
        while ending == "stopped":
            report(None)
        return 1 // 0

    async def cell():
        background = Background(lambda _: None)
        background.run(work, on_done=held.append, on_error=held.append)
        await asyncio.to_thread(begun.wait, patience.SECONDS)
        background.cancel()
        while background.is_running or held[0]() is not None:  # its thread lets go a moment after the job has ended
            await asyncio.sleep(0.01)
            gc.collect()

    asyncio.run(asyncio.wait_for(cell(), patience.SECONDS))


class Model:
    """Stands for weights that fill the memory."""
