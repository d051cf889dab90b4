"""The notebook on reviews and corrections, executed without a browser: it runs and keeps no text."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from hostile import MARK, readable, write_release
from notebook_runner import execute, printed, with_cells

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "06_review_and_correct.ipynb"

WORKED = """
from fake_front import tell
pair = review.cards[0]["pair"]
tell(review, "reveal", pairs=[pair])
tell(review, "note", text="{mark}")
tell(review, "confirm")
print(review.results.by_reason.filter(reason="all")["n_reviewed"].item(), review.policy.n_read)
"""


@pytest.mark.notebook
@pytest.mark.slow
def test_a_review_is_worked_through_and_no_text_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("BTVIZ_NOTEBOOK_DATA", str(write_release(tmp_path / "release.jsonl")))
    done = execute(with_cells(nbformat.read(NOTEBOOK, 4), WORKED.format(mark=MARK)))
    assert printed(done).endswith("1 1\n")
    del done.cells[-1]  # the cell that names the mark itself
    assert MARK not in readable(nbformat.writes(done))
