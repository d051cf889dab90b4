"""One JupyterLab for all browser tests of a worker, one browser and one open notebook for each module of them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import patience
import pytest
from hostile import write_release
from lab_driver import Lab, chromium, running_browser, running_server
from playwright.sync_api import expect

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NOTEBOOK = NOTEBOOKS / "01_harm_categories.ipynb"

expect.set_options(timeout=patience.PAGE_MILLISECONDS)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A running JupyterLab on copies of the notebooks."""
    folder = tmp_path_factory.mktemp("lab")
    for path in NOTEBOOKS.glob("*.ipynb"):
        shutil.copy(path, folder)
    with running_server(folder) as running:
        yield running


# not for the session: an open Playwright keeps an event loop running, and tests of other modules start their own
@pytest.fixture(scope="module")
def browser():
    if chromium() is None:
        words = "Browser tests need Chromium, which is not installed. On Debian: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)
    with running_browser() as running:
        yield running


@pytest.fixture(scope="module")
def lab(browser, server):
    return Lab(server, browser)


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory):
    """Where the notebooks of one module keep what they keep."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def opened(lab, data_folder):
    """The notebook, run once; every test begins from `notebook`."""
    release = write_release(lab.folder / "hostile.jsonl")
    with lab.notebook(NOTEBOOK.name) as notebook:
        notebook.run_all(BTVIZ_DATA_DIR=data_folder, BTVIZ_NOTEBOOK_DATA=release)
        notebook.page.wait_for_selector(".vega-embed svg")
        notebook.page.wait_for_selector(".btviz-card")
        yield notebook


@pytest.fixture
def notebook(opened):
    opened.ask(
        "explorer.policy.hide_all(); explorer.policy.unname('self-harm'); "
        "explorer.inspector.filter(); explorer.selection.clear()"
    )
    opened.page.wait_for_function("() => document.querySelector('.btviz-origin').textContent === 'All pairs'")
    opened.page.evaluate("() => { window.ran = false; document.querySelector('.btviz-inspector').focus(); }")
    return opened
