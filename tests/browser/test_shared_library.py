"""All views on one page, and two kernels: one library of each kind, states while it comes, small saved files."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

TESTS = Path(__file__).resolve().parents[1]
LARGEST = 1_500_000
"""Bytes of a saved notebook with every view in it."""
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
VIEWS = [
    f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
import btviz
from made_topics import made_topics
from score_tables import scores
from small_data import dataset_from_rows
ds = btviz.load("sample")
btviz.widgets.CategoryExplorer(ds)""",
    "btviz.widgets.PreferenceSimulator()",
    "btviz.widgets.OrthogonalityLab(btviz.load('sample-saferlhf'))",
    """
costs = scores(ds.pairs["pair_id"], ds.pairs["n_unsafe"] / 3 + 0.1)
btviz.widgets.ScoreExplorer(ds, scores=costs)""",
    """
small, emb, points, topics = made_topics(dataset_from_rows, each=30)
btviz.widgets.TopicExplorer(small, points=points, topics=topics)""",
]
CHARTS = 5
INSPECTORS = 4
LIBRARIES = "() => [...(globalThis[Symbol.for('btviz.libraries')] ?? new Map()).keys()]"
POINTS_DRAWN = """() =>
  [...document.querySelectorAll('.btviz-points [id]')].some((one) => one.api?.get('points').length > 0)"""
OPEN_BESIDE = """async (path) => {
  await window.jupyterapp.commands.execute('docmanager:open', { path, options: { mode: 'split-right' } });
}"""
NO_LIBRARY_YET = """() => {
  const { DecompressionStream: Real } = window;
  window.let_through = null;
  const permitted = new Promise((let_through) => { window.let_through = let_through; });
  window.DecompressionStream = class {
    constructor(kind) {
      const real = new Real(kind);
      const gate = new TransformStream({ transform: async (chunk, to) => { await permitted; to.enqueue(chunk); } });
      gate.readable.pipeTo(real.writable);
      return { readable: real.readable, writable: gate.writable };
    }
  };
}"""
DAMAGED = """() => {
  const { DecompressionStream: Real } = window;
  let repaired = false;
  window.repair = () => { repaired = true; };
  window.DecompressionStream = class {
    constructor(kind) {
      if (!repaired) throw new Error("no memory is left");
      return new Real(kind);
    }
  };
}"""


LATE = """() => {
  const { timeout } = AbortSignal;
  window.expired = 0;
  AbortSignal.timeout = (wait) => {
    window.expired += wait === 2000;
    return timeout.call(AbortSignal, wait === 2000 ? 0 : wait);
  };
}"""


def written(lab, name, *sources):
    """A notebook with these cells."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), lab.folder / name)
    return name


def all_drawn(page):
    """Wait until every chart and the map are drawn."""
    expect(page.locator(".btviz-chart .vega-embed svg")).to_have_count(CHARTS)
    page.wait_for_function(POINTS_DRAWN)
    expect(page.locator(".btviz-inspector:not(.btviz-map) .btviz-card").first).to_be_visible()


@pytest.fixture(scope="module")
def opened(lab, data_folder):
    with lab.notebook(written(lab, "everything.ipynb", *VIEWS)) as notebook:
        notebook.run_all(BTVIZ_DATA_DIR=data_folder)
        all_drawn(notebook.page)
        yield notebook


def test_all_views_of_a_page_share_two_libraries(opened):
    assert len(opened.page.evaluate(LIBRARIES)) == 2  # of charts, and of points
    expect(opened.page.locator(".btviz-library")).to_have_count(0)
    expect(opened.page.locator(".btviz-inspector:not(.btviz-map)")).to_have_count(INSPECTORS)
    assert opened.errors == []


def test_a_saved_notebook_with_all_views_is_small_and_holds_each_library_once(lab, opened):
    opened.save()
    saved = lab.folder / "everything.ipynb"
    state = json.loads(saved.read_text())["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    models = [model["state"] for model in state.values()]
    assert len([model for model in models if "packed" in model]) == 2
    assert len([model for model in models if "spec" in model]) == CHARTS + 1  # and the tree, which is empty here
    assert saved.stat().st_size < LARGEST


def test_views_of_another_kernel_use_what_the_page_has(lab, opened):
    name = written(lab, "beside.ipynb", "import btviz\nbtviz.widgets.PreferenceSimulator()")
    opened.page.evaluate(OPEN_BESIDE, name)
    opened.wait_for_kernel()
    opened.page.evaluate("async () => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    expect(opened.page.locator(".btviz-chart .vega-embed svg")).to_have_count(CHARTS + 1)
    assert len(opened.page.evaluate(LIBRARIES)) == 2
    opened.page.evaluate("async () => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    opened.page.evaluate("async () => window.jupyterapp.commands.execute('docmanager:save')")
    opened.page.evaluate("() => window.jupyterapp.shell.currentWidget.dispose()")
    assert opened.errors == []


def test_a_reopened_notebook_draws_its_views_without_their_kernel(lab, opened):
    opened.save()
    with lab.notebook("everything.ipynb") as reopened:
        reopened.wait_for_kernel()  # another one, which knows of no view
        all_drawn(reopened.page)
        assert reopened.errors == []


def test_views_say_that_they_wait_for_the_library(lab):
    name = written(lab, "waiting.ipynb", "import btviz\nbtviz.widgets.PreferenceSimulator()")
    with lab.notebook(name) as notebook:
        notebook.wait_for_kernel()
        notebook.page.evaluate(NO_LIBRARY_YET)
        notebook.run_all()
        expect(notebook.page.locator(".btviz-library")).to_contain_text("Loading the drawing library")
        expect(notebook.page.locator(".btviz-said")).not_to_be_empty()  # the rest of the view is there
        notebook.page.evaluate("() => window.let_through()")
        expect(notebook.page.locator(".btviz-chart .vega-embed svg")).to_be_visible()
        expect(notebook.page.locator(".btviz-library")).to_have_count(0)
        assert notebook.errors == []


def test_a_library_that_does_not_load_is_said_and_tried_again(lab):
    name = written(lab, "damaged.ipynb", "import btviz\nbtviz.widgets.PreferenceSimulator()")
    with lab.notebook(name) as notebook:
        notebook.wait_for_kernel()
        notebook.page.evaluate(DAMAGED)
        notebook.run_all()
        expect(notebook.page.locator(".btviz-library")).to_contain_text("no memory is left")
        notebook.page.evaluate("() => window.repair()")
        notebook.page.get_by_role("button", name="Try again").click()
        expect(notebook.page.locator(".btviz-chart .vega-embed svg")).to_be_visible()
        assert notebook.errors == []


def test_a_view_draws_while_its_kernel_is_busy(lab, tmp_path):
    """The library comes before the view, and not as an answer that waits until the kernel is free."""
    gate = tmp_path / "done"
    busy = f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.1)"
    name = written(lab, "busy.ipynb", "import btviz\nbtviz.widgets.PreferenceSimulator()", busy)
    with lab.notebook(name) as notebook:
        notebook.wait_for_kernel()
        notebook.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
        expect(notebook.page.locator(".btviz-chart .vega-embed svg")).to_be_visible()
        assert not gate.exists()
        gate.touch()


def test_views_whose_scripts_came_late_follow_their_kernel_all_the_same(lab, data_folder):
    """As on a machine so busy that no script starts within the two seconds that anywidget waits."""
    explorer = "import btviz\nexplorer = btviz.widgets.CategoryExplorer(btviz.load('sample'))\nexplorer"
    topics = VIEWS[0].rpartition("\n")[0] + VIEWS[-1].replace("btviz.widgets.Topic", "by_topic = btviz.widgets.Topic")
    name = written(lab, "late.ipynb", explorer, f"{topics}\nby_topic")
    with lab.notebook(name) as notebook:
        notebook.wait_for_kernel()
        notebook.page.evaluate(LATE)
        notebook.run_all(BTVIZ_DATA_DIR=data_folder)
        expect(notebook.page.locator(".btviz-chart .vega-embed svg")).to_have_count(2)
        notebook.page.wait_for_function(POINTS_DRAWN)
        assert notebook.page.evaluate("() => window.expired") > 0  # they did come late
        notebook.ask("explorer.click('privacy_violation')")
        expect(notebook.page.locator(".btviz-said").first).to_contain_text("Privacy violation")
        expect(notebook.page.locator(".btviz-origin").first).to_contain_text("Privacy violation")
        notebook.page.locator(".btviz-card .btviz-reveal").first.click()  # the answer comes as a message
        expect(notebook.page.locator(".btviz-words").first).to_be_visible()
        notebook.ask("by_topic.click(0)")
        expect(notebook.page.locator(".btviz-topic[aria-pressed=true]")).to_have_count(1)
