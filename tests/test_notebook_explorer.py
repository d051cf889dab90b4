"""The first notebook, executed and saved without a browser: it runs, and it keeps no text."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from hostile import MARK, readable, write_release
from notebook_runner import execute, printed, with_cells

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "01_harm_categories.ipynb"

REVEAL = """
from fake_front import tell
explorer.policy.reveal_all = True
explorer.inspector.filter(search="{mark}")
pairs = [card["pair"] for card in explorer.inspector.cards]
tell(explorer.inspector, "reveal", pairs=pairs)
tell(explorer.inspector, "tag", pair=pairs[0], tag="t", note="{mark}")
"""


@pytest.fixture
def release(tmp_path, monkeypatch):
    monkeypatch.setenv("BTVIZ_NOTEBOOK_DATA", str(write_release(tmp_path / "release.jsonl")))


@pytest.mark.notebook
def test_the_executed_notebook_keeps_no_text_even_after_a_reveal(release):
    done = execute(with_cells(nbformat.read(NOTEBOOK, 4), REVEAL.format(mark=MARK), "print(len(pairs))"))
    assert printed(done).endswith("5\n")
    del done.cells[-2]  # the cell that names the mark itself
    saved = nbformat.writes(done)
    assert "data as released, not synthetic" in printed(done)
    assert "chosen_row" in saved  # the state of the widgets is in it
    assert MARK not in readable(saved)


@pytest.mark.notebook
def test_the_search_would_find_a_text_that_leaked(release):
    cells = ["import os, btviz, ipywidgets\nds = btviz.load(os.environ['BTVIZ_NOTEBOOK_DATA'])"]
    for leak in ("ds.pairs.select('prompt')", "ipywidgets.Text(ds.pairs['prompt'][0])"):
        done = execute(with_cells(nbformat.v4.new_notebook(), *cells, leak))
        assert MARK in nbformat.writes(done)


def test_its_first_line_says_what_the_data_are_and_how_to_get_the_real_ones():
    first = nbformat.read(NOTEBOOK, 4).cells[0].source.splitlines()[0]
    assert "synthetic" in first
    assert "btviz data fetch" in first


def test_its_cells_have_names_and_it_its_kernel():
    notebook = nbformat.read(NOTEBOOK, 4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
