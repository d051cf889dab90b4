"""The second notebook in JupyterLab, in a real browser, on comparisons whose texts try to run."""

from __future__ import annotations

import pytest
from hostile import MARK, readable, write_comparisons
from playwright.sync_api import expect
from wording import says

pytestmark = pytest.mark.browser

NAME = "02_label_orthogonality.ipynb"


@pytest.fixture(scope="module")
def opened(lab, data_folder):
    """The notebook, run once on comparisons of its own; every test begins from `notebook`."""
    release = write_comparisons(lab.folder / "compared.jsonl")
    with lab.notebook(NAME) as notebook:
        notebook.run_all(BTVIZ_DATA_DIR=data_folder, BTVIZ_NOTEBOOK_DATA=release)
        for chart in (simulator(notebook), forest(notebook)):
            expect(chart.locator("svg")).to_be_visible()
        yield notebook


@pytest.fixture
def notebook(opened):
    opened.ask(
        "lab.policy.hide_all(); lab.selection.clear(); lab.inspector.filter(); "
        "lab.controls['within'].value = 'all'; lab.controls['grouping'].value = 'stratum'; lab.answer"
    )
    expect(origin(opened)).to_have_text("All comparisons")
    expect(forest(opened).locator("svg")).to_contain_text("Both unsafe")  # the strata are drawn again
    opened.page.evaluate("() => { window.ran = false; }")
    return opened


def simulator(notebook):
    return notebook.page.locator(".btviz-chart").nth(0)


def forest(notebook):
    return notebook.page.locator(".btviz-chart").nth(1)


def origin(notebook):
    return notebook.page.locator(".btviz-origin")


def cards(notebook):
    return notebook.page.locator(".btviz-card")


def texts(notebook):
    return notebook.page.locator(".btviz-words")


def control(notebook, label):
    """Drop-down list of the lab by the words before it."""
    return notebook.page.locator(".widget-dropdown", has_text=label).locator("select")


def click_level(notebook, **datum):
    """Click the dot of the forest plot that stands for a level."""
    notebook.click_mark(forest(notebook), **datum)


def test_every_cell_ran(notebook):
    assert notebook.page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
    last = notebook.kernel("surface.height")
    assert last > 0
    said = notebook.page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stdout']")
    assert "not synthetic" in said.first.text_content()
    p, low, high, n = notebook.kernel("found.table.filter(grouping='all').select('p', 'p_low', 'p_high', 'n').row(0)")
    verdict = f"{100 * p:.1f} % [{100 * low:.1f}, {100 * high:.1f}] of {n:,} comparisons"
    everything = " ".join(said.all_text_contents())
    assert says(everything, "All comparisons", "associated", "compared (your own file)", "better", "safer", verdict)


def test_sliding_the_truth_moves_the_estimate_and_its_intervals(notebook):
    said = simulator(notebook).locator(".btviz-said")
    before = notebook.kernel("simulator.result.samples.select('estimate', 'low', 'high').row(0)")
    expect(said).to_contain_text(
        f"by prompt: {100 * before[0]:.1f} % [{100 * before[1]:.1f}, {100 * before[2]:.1f}] of"
    )
    notebook.page.locator(".widget-slider", has_text="True p").locator(".noUi-handle").focus()
    for _ in range(8):
        notebook.page.keyboard.press("ArrowRight")
    expect(said).to_contain_text("True value: p = 68.0 %")
    after = notebook.kernel("simulator.result.samples.select('estimate', 'low', 'high').row(0)")
    assert after != before
    expect(said).to_contain_text(f"by prompt: {100 * after[0]:.1f} % [{100 * after[1]:.1f}, {100 * after[2]:.1f}] of")
    expect(simulator(notebook).locator("svg")).to_contain_text("Line: 68.0 %, what these labels tend to")


def test_sliding_cluster_size_makes_the_naive_interval_lie(notebook):
    notebook.page.locator(".widget-slider", has_text="Comparisons a prompt").locator(".noUi-handle").focus()
    notebook.page.keyboard.press("End")
    share = notebook.page.locator(".btviz-chart svg")
    expect(simulator(notebook).locator(".btviz-said")).to_contain_text("One sample of 30 prompts")
    by_prompt, naive = notebook.kernel("[simulator.result.coverage, simulator.result.naive_coverage]")
    assert naive < by_prompt
    expect(share.first).to_contain_text(f"{100 * naive:.1f} % hold it")
    notebook.page.get_by_role("button", name="Draw again").click()
    expect(share.first).not_to_contain_text(f"{100 * naive:.1f} % hold it")


def test_a_stratum_opens_its_comparisons(notebook):
    click_level(notebook, grouping="stratum", level="both_unsafe")
    mask = "(~pl.col('is_safe_0')) & (~pl.col('is_safe_1'))"
    n = notebook.kernel(f"ds.preferences.filter({mask}).height")
    assert n == 180
    expect(origin(notebook)).to_contain_text(f"Both unsafe: {n} comparisons with both labels")
    expect(notebook.page.locator(".btviz-where")).to_have_text(f"1–5 of {n}")
    assert notebook.kernel("lab.inspector.selected.height") == n
    expect(cards(notebook).first.locator(".btviz-unsafe")).to_have_count(2)
    expect(forest(notebook).locator(".btviz-said")).to_contain_text("Both unsafe")


def test_another_grouping_and_stratum_are_drawn(notebook):
    control(notebook, "Group by").select_option("Higher severity of the two")
    expect(forest(notebook).locator("svg")).to_contain_text("Moderate")
    control(notebook, "Within").select_option("Both safe")
    expect(forest(notebook).locator("svg")).not_to_contain_text("Moderate")
    n = notebook.kernel("lab.table.filter(grouping='all')['n'].item()")
    expect(forest(notebook).locator("svg")).to_contain_text(f"n = {n}")


def test_texts_are_hidden_until_revealed_and_run_nothing(notebook):
    page = notebook.page
    assert MARK not in page.content()
    card = cards(notebook).first
    card.focus()
    page.keyboard.press("r")
    expect(card.locator(".btviz-words")).to_have_count(3)  # the prompt and both answers
    assert all(MARK in text for text in card.locator(".btviz-words").all_text_contents())
    page.keyboard.press("Shift+R")
    expect(texts(notebook)).to_have_count(15)
    page.locator(".btviz-pager select").select_option("50")
    expect(cards(notebook)).to_have_count(50)
    cards(notebook).first.focus()
    page.keyboard.press("Shift+R")
    expect(texts(notebook)).to_have_count(150)
    shown = "\n".join(texts(notebook).all_text_contents())
    assert all(payload in shown for payload in ("onerror=", "<script>", "$x^2$", "javascript:"))
    for k in range(7):
        texts(notebook).nth(k).hover()
    assert page.locator(".btviz-words img, .btviz-words script, .btviz-words svg, .btviz-words a").count() == 0
    assert page.evaluate("() => window.ran") is False
    cards(notebook).first.focus()
    page.keyboard.press("h")
    expect(texts(notebook)).to_have_count(0)
    assert MARK not in page.content()
    page.locator(".btviz-pager select").select_option("5")
    expect(cards(notebook)).to_have_count(5)


def test_nothing_revealed_is_saved_with_the_notebook(lab, notebook):
    cards(notebook).first.focus()
    notebook.page.keyboard.press("Shift+R")
    expect(texts(notebook).first).to_contain_text(MARK)
    notebook.save()
    saved = (lab.folder / NAME).read_text()
    assert "image/svg+xml" in saved
    assert "chosen_grouping" in saved  # the state of the widgets was saved too
    assert MARK not in readable(saved)


def test_nothing_went_wrong_in_the_browser_and_nothing_was_asked_of_the_network(lab, notebook):
    assert notebook.errors == []
    assert {request for request in notebook.requests if not request.startswith(lab.own)} == set()
    assert len(notebook.requests) > 10
