"""One JupyterLab and one open notebook for each module of browser tests."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hostile import write_release
from lab_driver import chromium, running_lab
from playwright.sync_api import expect

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NOTEBOOK = NOTEBOOKS / "01_harm_categories.ipynb"

expect.set_options(timeout=60_000)  # machines that do other things, too, are slow


# not for the session: an open Playwright keeps an event loop running, and tests of other modules start their own
@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    if chromium() is None:
        words = "Browser tests need Chromium, which is not installed. On Debian: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)
    folder = tmp_path_factory.mktemp("lab")
    for path in NOTEBOOKS.glob("*.ipynb"):
        shutil.copy(path, folder)
    release = write_release(folder / "hostile.jsonl")
    settings = {"BTVIZ_DATA_DIR": str(folder / ".data"), "BTVIZ_NOTEBOOK_DATA": str(release)}
    with running_lab(folder, settings=settings) as running:
        yield running


@pytest.fixture(scope="module")
def opened(lab):
    """The notebook, run once; every test begins from `notebook`."""
    with lab.notebook(NOTEBOOK.name) as notebook:
        notebook.run_all()
        notebook.page.wait_for_selector(".vega-embed svg", timeout=60_000)
        notebook.page.wait_for_selector(".btviz-card", timeout=60_000)
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
