"""The fourth notebook in JupyterLab: brush scores, load a model from the view, watch it score, stop it."""

from __future__ import annotations

import re
import time

import patience
import pytest
import score_checkpoints
from hostile import MARK, readable, write_comparisons
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

NAME = "04_reward_and_cost.ipynb"
PANELS = """(chart) => {
  const boxes = [...chart.querySelectorAll("svg .mark-group.role-scope .background")]
    .map((path) => path.getBoundingClientRect())
    .filter((box) => box.width > 150 && box.height > 100)
    .map((box) => [box.x, box.y, box.width, box.height]);
  const [now, before] = [JSON.stringify(boxes), chart.dataset.boxes];
  chart.dataset.boxes = now; // asked anew with every frame: they are there and stay in their places
  return boxes.length > 0 && now === before && !chart.querySelector(".btviz-waiting") && boxes;
}"""
DRAWN = "h[1-9]"
"""In the path of a brush that holds something."""

SLOW = """
import threading
import numpy as np
class Slow:  # scores a batch whenever it is let
    name, kind, fingerprint, labels, tokens_per_batch = "slow", "reward", "slow", (), 100
    gate = threading.Semaphore(0)
    def encode(self, prompts, responses):
        return [np.arange(20 + len(text) % 9) for text in responses]
    def score_encoded(self, rows, *, length=None):
        self.gate.acquire()
        return np.array([len(row) for row in rows], np.float32)
    def score(self, prompts, responses):
        return self.score_encoded(self.encode(prompts, responses))
slow = Slow()
explorer.score_with(slow)
"""


@pytest.fixture(scope="module")
def opened(lab, data_folder):
    """The notebook, run once on comparisons of its own; every test begins from `notebook`."""
    release = write_comparisons(lab.folder / "scored.jsonl")
    with lab.notebook(NAME) as notebook:
        notebook.run_all(BTVIZ_DATA_DIR=data_folder, BTVIZ_NOTEBOOK_DATA=release)
        expect(chart(notebook).locator("svg")).to_be_visible()
        expect(said(notebook)).to_contain_text("Drag across a picture")
        yield notebook


@pytest.fixture
def notebook(opened):
    opened.ask(
        "explorer.stop(); explorer.inspector.policy.hide_all(); "
        "explorer.selection.clear(); explorer.controls['view'].value = 'distributions'; explorer.checks"
    )
    deadline = time.monotonic() + patience.PAGE_MILLISECONDS / 1000
    while origin(opened).text_content() != "All pairs":  # a brush of the test before may have been on its way
        assert time.monotonic() < deadline, origin(opened).text_content()
        opened.page.wait_for_timeout(100)
        opened.ask("explorer.selection.clear()")
    expect(chart(opened).locator("svg")).to_contain_text("safe n =")
    for panel in range(2):  # a picture that comes while a hand draws takes away what it has drawn
        expect(brush(opened, panel)).not_to_have_attribute("d", re.compile(DRAWN))
    return opened


def chart(notebook):
    return notebook.page.locator(".btviz-chart")


def brush(notebook, panel):
    """What a brush has coloured of a picture."""
    return chart(notebook).locator(f".brush_{panel}_brush path").first


def said(notebook):
    return chart(notebook).locator(".btviz-said")


def origin(notebook):
    return notebook.page.locator(".btviz-origin")


def line(notebook):
    """What is said of a run."""
    return notebook.page.locator(".btviz-busy span[role=status]").first


def drag(notebook, panel, *, across, up=(0.5, 0.5)):
    """Drag over a part of a picture, given as shares of its width and height."""
    chart(notebook).scroll_into_view_if_needed()
    boxes = notebook.page.wait_for_function(PANELS, arg=chart(notebook).element_handle()).json_value()
    distinct = list(dict.fromkeys(map(tuple, boxes)))
    x, y, width, height = distinct[panel]
    mouse = notebook.page.mouse
    mouse.move(x + across[0] * width, y + up[0] * height)
    mouse.down()
    mouse.move(x + sum(across) / 2 * width, y + sum(up) / 2 * height, steps=3)
    mouse.move(x + across[1] * width, y + up[1] * height, steps=3)
    mouse.up()


def score_with(notebook, folder):
    notebook.page.get_by_placeholder("name on the hub, or a folder").fill(str(folder))
    notebook.page.get_by_role("button", name="Score").click()


def test_every_cell_ran_and_the_sign_is_said_above_the_picture(notebook):
    assert notebook.page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
    checks = notebook.kernel("[check.reason for check in explorer.checks]")
    assert len(checks) == 2
    for reason in checks:
        expect(said(notebook)).to_contain_text(reason)
    n = notebook.kernel("ds.pairs.filter('is_safe').height")
    expect(chart(notebook).locator("svg")).to_contain_text(f"safe n = {n:,}")


def test_a_brush_on_a_distribution_lists_the_answers_under_it(notebook):
    drag(notebook, 1, across=(0.5, 0.8))
    expect(origin(notebook)).to_contain_text("cost by cost probe")
    ends = notebook.kernel("[scores.filter(kind='cost')['score'].min(), scores.filter(kind='cost')['score'].max()]")
    span = ends[1] - ends[0]
    wanted = [ends[0] + share * span for share in (0.5, 0.8)]
    low, high = notebook.comes_near("explorer.brushed.get('score')", wanted, within=0.02 * span)
    n = notebook.kernel(f"scores.filter(pl.col('score').is_between({low!r}, {high!r}), kind='cost').height")
    assert n > 5
    expect(notebook.page.locator(".btviz-where")).to_have_text(f"1–5 of {n}")
    assert notebook.kernel("explorer.selected.height") == n
    notebook.page.get_by_role("button", name="Show all pairs").click()
    expect(brush(notebook, 1)).not_to_have_attribute("d", re.compile(DRAWN))


def test_one_brush_counts_and_the_others_are_taken_away(notebook):
    drag(notebook, 1, across=(0.5, 0.8))
    drag(notebook, 0, across=(0.2, 0.6))
    expect(origin(notebook)).to_contain_text("reward by reward probe")
    expect(brush(notebook, 0)).to_have_attribute("d", re.compile(DRAWN))
    expect(brush(notebook, 1)).not_to_have_attribute("d", re.compile(DRAWN))


def test_lists_show_what_is_chosen(notebook):
    chosen = notebook.page.locator("select[multiple] option:checked")
    expect(chosen).to_have_count(notebook.kernel("len(explorer.controls['models'].value)"))


def test_a_region_of_the_plane_lists_the_answers_in_it(notebook):
    notebook.page.get_by_role("button", name="Reward × cost").click()
    expect(chart(notebook).locator("svg")).to_contain_text("Helpful but harmful")
    drag(notebook, 0, across=(0.3, 0.8), up=(0.2, 0.7))
    expect(origin(notebook)).to_contain_text("reward ")
    first, last = notebook.kernel("[plane['reward'].min(), plane['reward'].max()]")
    wanted = [first + share * (last - first) for share in (0.3, 0.8)]
    left, right = notebook.comes_near("explorer.brushed.get('reward')", wanted, within=0.02 * (last - first))
    low, high = notebook.kernel("explorer.brushed['cost']")
    inside = (
        f"plane.filter(pl.col('reward').is_between({left!r}, {right!r}), pl.col('cost').is_between({low!r}, {high!r}))"
    )
    n = notebook.kernel(f"{inside}.height")
    assert n > 5
    expect(notebook.page.locator(".btviz-where")).to_have_text(f"1–5 of {n}")


def test_metrics_stand_in_a_table_with_their_intervals(notebook):
    notebook.page.get_by_role("button", name="Metrics").click()
    table = notebook.page.locator(".btviz-table table")
    expect(table).to_contain_text("Pair accuracy: safer costs less")
    notebook.ask("from btviz.widgets.scores.book import N_BOOT")
    metrics = "btviz.score_metrics(scores, ds, n_boot=N_BOOT).filter(metric='auc', kind='cost', grouping='all')"
    estimate, low, high = notebook.kernel(f"{metrics}.select('estimate', 'low', 'high').row(0)")
    expect(table).to_contain_text(f"{estimate:.3f}")
    expect(table).to_contain_text(f"{low:.3f} to {high:.3f}")


def test_a_model_loaded_from_the_view_scores_and_is_drawn(notebook, lab):
    folder = score_checkpoints.beaver(lab.folder / "tiny-beaver-cost")
    score_with(notebook, folder)
    n = notebook.kernel("ds.pairs.height")
    expect(line(notebook)).to_contain_text(f"Scored {n:,} pairs")
    expect(chart(notebook).locator("svg")).to_contain_text("tiny-beaver-cost")
    expect(said(notebook)).to_contain_text("cost of tiny-beaver-cost")
    notebook.ask("anew = btviz.score(ds, 'tiny-beaver-cost')")
    assert notebook.kernel("explorer.scores.filter(model='tiny-beaver-cost').equals(anew)") is True


def test_a_run_is_drawn_while_it_lasts_and_can_be_stopped(notebook, lab):
    notebook.ask(SLOW)
    while "slow" not in chart(notebook).locator("svg").text_content():
        notebook.ask("slow.gate.release()")
        notebook.page.wait_for_timeout(100)
    expect(said(notebook)).to_contain_text("Still scoring")
    first = line(notebook).text_content()
    assert "tokens/s" in first
    while line(notebook).text_content() == first:
        notebook.ask("slow.gate.release()")
        notebook.page.wait_for_timeout(100)
    notebook.page.get_by_role("button", name="Stop").click()
    notebook.ask("slow.gate.release(1000)")
    expect(line(notebook)).to_contain_text("Stopped.")
    expect(chart(notebook).locator("svg")).not_to_contain_text("slow")
    assert "slow" not in notebook.kernel("explorer.scores['model'].unique().to_list()")


def test_what_cannot_be_loaded_is_said(notebook, lab):
    score_with(notebook, lab.folder / "no-such-model")
    expect(line(notebook)).to_contain_text("no-such-model")
    expect(line(notebook)).to_contain_text("there is no such folder")


def test_no_text_is_on_view_or_saved(notebook, lab):
    page = notebook.page
    assert MARK not in page.content()
    page.locator(".btviz-card").first.focus()
    page.keyboard.press("Shift+R")
    expect(page.locator(".btviz-words").first).to_contain_text(MARK)
    notebook.save()
    saved = (lab.folder / NAME).read_text()
    assert "image/svg+xml" in saved
    assert "sign as expected" in saved or "may say nothing" in saved  # the state of the widgets was saved too
    assert MARK not in readable(saved)


def test_nothing_went_wrong_in_the_browser_and_nothing_was_asked_of_the_network(lab, notebook):
    assert notebook.errors == []
    assert {request for request in notebook.requests if not request.startswith(lab.own)} == set()
