"""The notebook for authors, executed without a browser: it writes what it says, and keeps no text."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from hostile import MARK, readable, write_release
from notebook_runner import execute

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "05_paper_figures.ipynb"


@pytest.mark.notebook
@pytest.mark.slow
def test_an_author_gets_figures_tables_and_a_page(tmp_path, monkeypatch):
    monkeypatch.setenv("BTVIZ_NOTEBOOK_DATA", str(write_release(tmp_path / "release.jsonl")))
    monkeypatch.setenv("BTVIZ_NOTEBOOK_OUT", str(tmp_path / "out"))
    done = execute(nbformat.read(NOTEBOOK, 4))
    assert MARK not in readable(nbformat.writes(done))
    paper = tmp_path / "out" / "paper"
    assert {"association.pdf", "association.tex", "manifest.json"} <= {
        path.name for path in (paper / "figures").iterdir()
    }
    assert (paper / "page" / "main.tex").is_file()
    assert (paper / "tables" / "categories.tex").is_file()
    for file in paper.rglob("*.*"):
        assert MARK.encode() not in file.read_bytes(), file.name
