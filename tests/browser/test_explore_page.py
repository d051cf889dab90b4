"""The first notebook in a browser: what is clicked moves everything, and what is read is in no file."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

import btviz

pytestmark = pytest.mark.browser

NOTEBOOK = "00_start_here.ipynb"


@pytest.fixture(scope="module")
def opened(lab, data_folder):
    with lab.notebook(NOTEBOOK) as notebook:
        notebook.run_all(BTVIZ_DATA_DIR=data_folder, BTVIZ_NOTEBOOK_DATA="sample")
        notebook.page.wait_for_selector(".btvx-page:not([hidden]) .btvx-row")
        yield notebook


def test_a_click_moves_bar_facets_canvas_and_list(opened):
    page = opened.page
    page.locator(".btvx-value", has_text="Privacy violation").click()
    expect(page.locator(".btvx-counts")).to_contain_text("233 of 5,000 pairs")
    expect(page.locator(".btvx-canvas")).to_contain_text("233 of 5,000 pairs")
    expect(page.locator(".btvx-reading-head")).to_contain_text("1–25 of 233")
    page.locator(".btvx-value", has_text="disputed").click(modifiers=["Alt"])
    expect(page.locator(".btvx-chips")).to_contain_text("NOT")
    expect(page.locator(".btvx-counts")).to_contain_text("204 of 5,000 pairs")
    page.locator(".btvx-page").press("z")
    expect(page.locator(".btvx-counts")).to_contain_text("233 of 5,000 pairs")
    assert opened.kernel("len(page.selection.pair_ids)") == 233


def test_a_cell_of_the_matrix_is_chosen_by_keyboard(opened):
    opened.ask("page.selection.clear()")
    cell = opened.page.locator('.btvx-cell[aria-label^="Animal abuse × Child abuse"]')
    opened.page.locator('.btvx-cell[aria-label^="Child abuse × Animal abuse"]').focus()
    opened.page.keyboard.press("ArrowDown")
    below = opened.page.locator('.btvx-cell[aria-label^="Controversial topics, politics × Animal abuse"]')
    expect(below).to_be_focused()
    cell.focus()
    cell.press("Enter")
    expect(opened.page.locator(".btvx-chips")).to_contain_text("Animal abuse and Child abuse")


def test_a_text_that_was_read_is_not_in_the_saved_notebook(opened, lab):
    opened.ask("page.selection.clear(); page.click('safety', 'safe')")
    page = opened.page
    page.locator(".btvx-rows .btvx-row").nth(2).click()
    page.locator(".btvx-page").press("r")
    shown = page.locator('.btviz-words[data-part="prompt"]')
    expect(shown).to_be_visible()
    text = shown.inner_text()
    assert text in btviz.load("sample").items["prompt"].to_list()
    opened.save()
    saved = (lab.folder / NOTEBOOK).read_text()
    assert "image/svg+xml" in saved
    assert text not in saved
    page.locator(".btvx-page").press("h")
    expect(shown).to_have_count(0)
    assert opened.errors == []
