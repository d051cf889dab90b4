"""Views let go: closed, they are gone; and a cell that runs again leaves one live view behind."""

from __future__ import annotations

import asyncio
import gc
import tempfile
import threading
import time
import weakref

import patience
import polars as pl
import pytest
from hostile import write_comparisons, write_release
from ipywidgets.widgets import widget as registry
from jupyter_client import KernelManager
from made_topics import made_topics

import btviz
from btviz.errors import UsageError
from btviz.session.content import ContentPolicy
from btviz.session.selection import Selection
from btviz.widgets.front import Library
from btviz.widgets.parts.background import Background

VIEWS = {
    "CategoryExplorer": btviz.widgets.CategoryExplorer,
    "PairInspector": btviz.widgets.PairInspector,
    "PreferenceInspector": btviz.widgets.PreferenceInspector,
    "OrthogonalityLab": btviz.widgets.OrthogonalityLab,
    "PreferenceSimulator": lambda ds, **shared: btviz.widgets.PreferenceSimulator(),
    "PowerPlanner": lambda ds, **shared: btviz.widgets.PowerPlanner(ds),
    "ExplorePage": btviz.explore,
    "ScoreExplorer": btviz.widgets.ScoreExplorer,
    "ReviewQueue": lambda ds, **shared: btviz.widgets.ReviewQueue(ds, policy=shared.get("policy")),
}


def widgets():
    """Ids of all widgets that ipywidgets keeps alive, but for the drawing libraries that views to come will use."""
    return {key for key, widget in registry._instances.items() if not isinstance(widget, Library)}


@pytest.fixture
def make_view(tiny, make_dataset):
    """Makes a view, by the name of its class, that shares a selection and a policy with others."""

    def make(name, **shared):
        if name == "LiveMap":
            live = btviz.widgets.LiveMap(made_topics(make_dataset)[1])
            assert live.points.height  # waits until it is done
            return live
        if name == "TopicExplorer":
            ds, _, points, topics = made_topics(make_dataset)
            return btviz.widgets.TopicExplorer(ds, points=points, topics=topics, **shared)
        return VIEWS[name](tiny, **shared)

    return make


def test_every_public_view_is_looked_at():
    assert {*VIEWS, "TopicExplorer", "LiveMap"} == set(btviz.widgets.__all__) - {"explore"}  # which makes one


@pytest.mark.slow
@pytest.mark.parametrize("name", [*VIEWS, "TopicExplorer", "LiveMap"])
def test_a_closed_view_is_let_go_of_with_all_its_parts(make_view, name):
    shared = {"selection": Selection(), "policy": ContentPolicy()}
    known = widgets()
    view = make_view(name, **shared)
    assert len(widgets() - known) > 1
    view.close()
    assert widgets() == known
    held = weakref.ref(view)
    del view
    gc.collect()
    assert held() is None
    shared["policy"].reveal_all = True  # reaches nobody
    shared["selection"].set([1])


@pytest.mark.slow
@pytest.mark.parametrize("name", [*VIEWS, "TopicExplorer", "LiveMap"])
def test_a_view_can_be_closed_twice_and_read_afterwards(make_view, name):
    view = make_view(name)
    listed = getattr(view, "selected", None)
    view.close()
    view.close()
    if listed is not None:
        assert view.selected.equals(listed)
    assert name in repr(view)


def test_a_closed_view_follows_nobody(tiny):
    shared = Selection()
    inspector = btviz.widgets.PairInspector(tiny, selection=shared, policy=ContentPolicy())
    inspector.close()
    shared.set(tiny.pairs["pair_id"][:1])
    assert inspector.view["chosen"] == tiny.pairs.height


@pytest.mark.slow
def test_the_lists_of_all_releases_that_were_looked_at_are_closed(tiny, make_dataset):
    rows = {"prompt": ["why"], "response": ["so"], "split": ["train"], "is_safe": [True], "labels": [0]}
    other = make_dataset(pl.DataFrame(rows, schema_overrides={"labels": pl.UInt32}))
    known = widgets()
    lab = btviz.widgets.OrthogonalityLab(tiny, others=[other])
    first = lab.inspector
    lab.controls["release"].value = lab.controls["release"].options[1][1]
    assert lab.inspector is not first
    lab.close()
    assert widgets() == known


def test_closing_ends_work_beside_the_kernel_and_its_thread():
    begun, done, before = threading.Event(), [], threading.active_count()

    def endless(report):
        begun.set()
        while True:
            report(None)

    async def cell():
        background = Background(lambda _: None)
        background.run(endless, on_done=done.append, on_error=done.append)
        await asyncio.to_thread(begun.wait, patience.SECONDS)
        background.close()
        background.run(lambda _: "more", on_done=done.append, on_error=done.append)
        while background.is_running:
            await asyncio.sleep(0.01)
        return background

    background = asyncio.run(cell())
    with pytest.raises(UsageError, match="closed"):
        background.wait()
    assert not done
    for thread in threading.enumerate():
        if thread.name.startswith("btviz"):
            thread.join(30)
    assert threading.active_count() <= before


MADE = "explorer = btviz.widgets.CategoryExplorer(ds)"
SHOWN = f"{MADE}\nexplorer"
COUNT = """
def count():
    import gc
    gc.collect()
    views, lists = ([one for one in gc.get_objects() if isinstance(one, kind)] for kind in (
        btviz.widgets.CategoryExplorer, btviz.widgets.PairInspector))
    live = [one for one in [*views, *lists] if one.comm is not None]
    print(len(views), len(lists), len(live), explorer in live)
count()
"""


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """Runs code in a kernel, as the cell of a notebook, and gives what it prints."""
    answers, compared = tmp_path_factory.mktemp("data") / "answers.jsonl", tmp_path_factory.mktemp("data") / "two.jsonl"
    write_release(answers)
    write_comparisons(compared, prompts=12)
    with tempfile.TemporaryDirectory(prefix="kernel-") as folder:  # a socket's path holds about 100 characters
        manager = KernelManager(kernel_name="python3", transport="ipc", ip=f"{folder}/socket")
        manager.start_kernel()
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=patience.SECONDS)

        def run(code, cell=None):
            content = {"code": code, "silent": False, "store_history": True, "stop_on_error": True}
            request = client.session.msg("execute_request", content, metadata={"cellId": cell} if cell else {})
            client.shell_channel.send(request)
            printed = ""
            while True:
                message = client.get_iopub_msg(timeout=patience.SECONDS)
                if message["parent_header"].get("msg_id") != request["header"]["msg_id"]:
                    continue
                assert message["msg_type"] != "error", message["content"]["traceback"]
                if message["msg_type"] == "stream":
                    printed += message["content"]["text"]
                if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                    return printed

        run(f"import btviz; ds, other = btviz.load({str(answers)!r}), btviz.load({str(compared)!r})")
        yield run
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.mark.notebook
@pytest.mark.parametrize(("cell", "code"), [("a1", MADE), (None, MADE), ("b1", SHOWN)])
def test_five_runs_of_one_cell_leave_one_live_view(cells, cell, code):
    for _ in range(5):
        cells(code, cell)
    views, lists, live, is_newest = cells(COUNT).split()
    assert (live, is_newest) == ("2", "True")  # the explorer and its inspector
    if code == MADE:  # those that were shown, the kernel's history of outputs holds
        deadline = time.monotonic() + patience.SECONDS
        while (views, lists) != ("1", "1"):  # what a closed one was computing beside the kernel comes to its end
            assert time.monotonic() < deadline, f"{views} explorers and {lists} inspectors are left"
            views, lists, *_ = cells(COUNT).split()
    cells("explorer.close()")


@pytest.mark.notebook
def test_other_views_stay_while_a_cell_runs_again(cells):
    both = "first, second = (btviz.widgets.PairInspector(ds) for _ in range(2))"
    alone = "alone = btviz.widgets.PairInspector(ds)"
    look = "print(*(one.comm is not None for one in (first, second, alone)))"
    cells(both, "c1")
    cells(alone, "c2")
    assert cells(look).split() == ["True"] * 3
    cells("old = first, second")
    cells(both, "c1")
    assert cells(look).split() == ["True"] * 3
    assert cells("print(*(one.comm is not None for one in old))").split() == ["False"] * 2
    cells("for one in (first, second, alone): one.close()")


@pytest.mark.notebook
def test_a_cell_that_only_turns_to_another_release_closes_no_list_of_the_lab(cells):
    cells("lab = btviz.widgets.OrthogonalityLab(ds, others=[other])", "d1")
    cells("names = [name for _, name in lab.controls['release'].options]; lists = []")
    for number in (1, 0, 1):
        cells(f"lab.controls['release'].value = names[{number}]; lists.append(lab.inspector)", "d2")
    assert cells("print(*(one.comm is not None for one in lists))").split() == ["True"] * 3
    cells("lab.close()")
    assert cells("print(*(one.comm is not None for one in lists))").split() == ["False"] * 3
