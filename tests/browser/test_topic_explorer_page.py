"""The topic explorer in JupyterLab, in a real browser: lasso, topics, searches, export, and no WebGL."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import polars as pl
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

TESTS = Path(__file__).resolve().parents[1]
CELL = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
import btviz
from small_data import dataset_from_rows
from made_topics import made_topics
name = "<b onmouseover='window.ran = true'>{{subject}}</b> $x^2$"
ds, emb, points, topics = made_topics(dataset_from_rows, each=30, name=name)
explorer = btviz.widgets.TopicExplorer(ds, points=points, topics=topics)
explorer
"""
KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
HIDE_WEBGL = """() => {
  const get = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
    return kind.startsWith("webgl") ? null : get.call(this, kind, ...more);
  };
}"""
DRAWN = "() => [...document.querySelectorAll('.btviz-points [id]')].some((one) => one.api?.get('points').length > 0)"

DRAWN_CODES = """(codes) => {
  const { api } = [...document.querySelectorAll('.btviz-points [id]')].find((one) => one.api);
  return api.get('points').every((point, k) => point[2] === codes[k]);
}"""

A_POINT = """() => {
  const { api } = [...document.querySelectorAll('.btviz-points [id]')].find((one) => one.api);
  const [x, y] = api.get('points')[0];
  const box = document.querySelector('.btviz-points canvas').getBoundingClientRect();
  return [box.x + api.get('xScale')(x), box.y + api.get('yScale')(y)];
}"""


def written(lab, name):
    cell = nbformat.v4.new_code_cell(CELL)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": KERNEL}), lab.folder / name)
    return name


@pytest.fixture(scope="module")
def opened(lab):
    with lab.notebook(written(lab, "topics.ipynb")) as notebook:
        notebook.run_all()
        notebook.page.wait_for_function(DRAWN)
        expect(labels(notebook).first).to_be_visible()
        yield notebook


@pytest.fixture
def notebook(opened):
    opened.ask("explorer.policy.hide_all(); explorer.selection.clear(); explorer.scale(2); explorer.color_by('topic')")
    expect(origin(opened)).to_have_text("All pairs")
    opened.page.locator(".btviz-map").scroll_into_view_if_needed()
    opened.page.evaluate("() => { window.ran = false; document.querySelector('.btviz-map').focus(); }")
    return opened


def labels(notebook):
    return notebook.page.locator(".btviz-topic:visible")


def origin(notebook):
    return notebook.page.locator(".btviz-origin")


def drag_around(notebook, box):
    """Drag along the edge of a box, a little inside."""
    x0, y0, x1, y1 = box["x"] + 50, box["y"] + 8, box["x"] + box["width"] - 8, box["y"] + box["height"] - 8
    mouse = notebook.page.mouse
    mouse.move(x0, y0)
    mouse.down()
    for x, y in ((x1, y0), (x1, y1), (x0, y1), (x0, y0 + 20)):
        mouse.move(x, y, steps=15)
        notebook.page.wait_for_timeout(60)
    mouse.up()


def test_a_lasso_lists_the_pairs_inside(notebook):
    notebook.page.keyboard.press("l")
    drag_around(notebook, notebook.page.locator(".btviz-stage").bounding_box())
    expect(origin(notebook)).to_contain_text("of the map:")
    notebook.page.keyboard.press("l")
    n = notebook.kernel("len(explorer.selection.pair_ids)")
    assert n > 100
    expect(notebook.page.locator(".btviz-where")).to_have_text(f"1–5 of {n}")
    expect(notebook.page.locator(".vega-embed svg")).to_contain_text(f"n = {n}")
    notebook.page.keyboard.press("Escape")
    expect(origin(notebook)).to_have_text("All pairs")


def test_the_name_of_a_topic_chooses_it_and_runs_nothing(notebook):
    one = labels(notebook).first
    assert "<b onmouseover=" in one.inner_text()
    one.hover()
    one.click()
    expect(origin(notebook)).to_contain_text("at scale 2: 60 pairs")
    expect(one).to_have_attribute("aria-pressed", "true")
    expect(notebook.page.locator(".btviz-legend")).to_contain_text("not selected")
    assert notebook.page.evaluate("() => window.ran") is False
    assert notebook.page.locator(".btviz-topic b").count() == 0


def test_words_choose_pairs_and_leave_no_trace_in_the_saved_notebook(lab, notebook):
    field = notebook.page.locator(".btviz-map .btviz-search")
    field.fill("ORCHESTRA")
    field.press("Enter")
    expect(origin(notebook)).to_have_text("Search for words: 0 pairs")
    field.fill("ROSES")
    field.press("Enter")
    n = notebook.kernel("ds.pairs['prompt'].str.contains('roses').sum()")
    expect(origin(notebook)).to_have_text(f"Search for words: {n} pairs")
    notebook.save()
    saved = json.loads((lab.folder / "topics.ipynb").read_text())
    del saved["cells"][0]["source"]  # it names the topics itself
    kept = json.dumps(saved)
    assert "Search for words" in kept  # the state of the widgets was saved
    assert [words for words in ("ROSES", "onmouseover", "What about the") if words in kept] == []
    field.fill("")


def test_a_lasso_that_ends_on_the_point_where_it_began_is_no_click(notebook):
    notebook.page.keyboard.press("l")
    box, start = notebook.page.locator(".btviz-stage").bounding_box(), notebook.page.evaluate(A_POINT)
    mouse = notebook.page.mouse
    mouse.move(*start)
    notebook.page.wait_for_timeout(200)
    mouse.down()
    for x, y in ((60, 8), (box["width"] - 8, 8), (box["width"] - 8, box["height"] - 8), (60, box["height"] - 8)):
        mouse.move(box["x"] + x, box["y"] + y, steps=15)
        notebook.page.wait_for_timeout(60)
    mouse.move(*start, steps=15)
    notebook.page.wait_for_timeout(60)
    mouse.up()
    notebook.page.wait_for_timeout(500)
    expect(origin(notebook)).to_contain_text("points of the map:")  # "1 point" would be the click
    notebook.page.keyboard.press("l")


def test_more_like_these_asks_for_their_neighbours(notebook):
    notebook.page.locator(".btviz-map").get_by_role("button", name="More like these").is_disabled()
    notebook.ask("explorer.selection.set(ds.pairs['pair_id'][:1])")
    notebook.page.get_by_role("button", name="More like these").click()
    expect(origin(notebook)).to_have_text("Nearest in meaning: 100 pairs, the most similar first")


def test_python_moves_the_map_and_its_colours(notebook):
    notebook.ask("explorer.selection.set(ds.pairs['pair_id'][:3], origin='three of mine')")
    expect(notebook.page.locator(".btviz-chosen")).to_have_text("three of mine")
    notebook.ask("explorer.color_by('safety')")
    expect(notebook.page.locator(".btviz-colour")).to_have_value("safety")
    expect(notebook.page.locator(".btviz-legend")).to_contain_text("unsafe")
    notebook.ask("explorer.scale(5)")
    expect(notebook.page.locator(".btviz-scale")).to_contain_text("2 topics at scale 5")


def test_of_changes_in_a_row_the_last_is_drawn(notebook):
    turns = " ".join(f"explorer.color_by({by!r});" for by in ["safety", "topic"] * 4 + ["safety"])
    notebook.ask(turns)
    codes = notebook.kernel("explorer.map.scatter.points[:, 2].tolist()")
    assert len(set(codes)) == 2  # safe and unsafe, not the topics
    notebook.page.wait_for_function(DRAWN_CODES, arg=codes)


def test_the_colour_and_the_scale_are_chosen_in_the_browser(notebook):
    notebook.page.locator(".btviz-colour").select_option("category:animal-abuse")
    expect(notebook.page.locator(".btviz-legend")).to_contain_text("Animal abuse")
    notebook.page.locator(".btviz-map input[type=range]").press("ArrowRight")
    expect(notebook.page.locator(".btviz-scale")).to_contain_text("2 topics at scale 5, 34 %")
    assert notebook.kernel("explorer.topics.scale") == 5


def test_an_export_is_downloaded_without_texts(notebook, tmp_path):
    notebook.ask("explorer.click(0)")
    expect(origin(notebook)).to_contain_text("Topic 0")
    with notebook.page.expect_download() as waiting:
        notebook.page.locator(".btviz-export").click()
    waiting.value.save_as(tmp_path / "out.csv")
    table = pl.read_csv(tmp_path / "out.csv")
    assert table.height == 60
    assert table["prompt"].null_count() == table["response"].null_count() == 60


def test_the_quality_of_the_map_is_on_the_map(notebook):
    expect(notebook.page.locator(".btviz-quiet.btviz-quality")).to_contain_text("trustworthiness")
    expect(notebook.page.locator(".btviz-map .btviz-counts")).to_contain_text("n = 181 pairs at 91 points")


def test_nothing_went_wrong_and_nothing_was_asked_of_the_network(lab, notebook):
    assert notebook.errors == []
    assert {request for request in notebook.requests if not request.startswith((*lab.own, "blob:"))} == set()


def test_without_webgl_a_density_picture_stands_in(lab):
    with lab.notebook(written(lab, "no_webgl.ipynb")) as notebook:
        notebook.wait_for_kernel()
        notebook.page.evaluate(HIDE_WEBGL)
        notebook.run_all()
        expect(labels(notebook).first).to_be_visible()
        expect(notebook.page.locator(".btviz-map")).to_contain_text("This browser has no WebGL")
        notebook.page.locator(".btviz-stage").scroll_into_view_if_needed()
        drag_around(notebook, notebook.page.locator(".btviz-stage").bounding_box())
        expect(origin(notebook)).to_contain_text("of the map:")
        assert notebook.kernel("len(explorer.selection.pair_ids)") > 100
        assert notebook.errors == []
