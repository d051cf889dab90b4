"""The fourth notebook, executed without a browser: what it says is computed, and it keeps no text."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from hostile import MARK, readable, write_comparisons
from notebook_runner import execute, printed, with_cells
from wording import says

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "04_reward_and_cost.ipynb"
OF_METHODS = {"0"}
"""The boundary of a cost."""

REVEAL = """
from fake_front import tell
explorer.inspector.policy.reveal_all = True
pairs = [card["pair"] for card in explorer.inspector.cards]
tell(explorer.inspector, "reveal", pairs=pairs)
print(len(pairs))
"""


@pytest.fixture
def notebook():
    return nbformat.read(NOTEBOOK, 4)


def prose(notebook):
    """What the notebook says in words, without its code spans, headings' numbers and lists' numbers."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return re.sub(r"`[^`]*`|^(#+ )?\d+\. |AC1", "", text, flags=re.MULTILINE)


@pytest.mark.notebook
def test_on_real_comparisons_it_runs_names_them_and_keeps_no_text(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("BTVIZ_NOTEBOOK_DATA", str(write_comparisons(tmp_path / "compared.jsonl")))
    done = execute(with_cells(notebook, REVEAL))
    said, saved = printed(done), nbformat.writes(done)
    assert said.endswith("5\n")
    assert "compared: data as released, not synthetic" in said
    assert says(said, "compared (your own file)", "cost", "1,080 of 1,080", "cost probe")
    assert "cost by cost probe: model-b − model-a" in said  # without files of one's own
    assert "cost by cost probe" in said.splitlines()[-2]  # what was brushed in the last cell
    assert "application/vnd.jupyter.widget-state+json" in saved  # what the widgets share would be in it
    assert MARK not in readable(saved)


@pytest.mark.notebook
def test_one_line_takes_a_model_in_place_of_a_probe(notebook, tmp_path, monkeypatch):
    score_checkpoints = pytest.importorskip("score_checkpoints")
    folder = score_checkpoints.beaver(tmp_path / "tiny-beaver-cost")
    monkeypatch.setenv("BTVIZ_NOTEBOOK_DATA", str(write_comparisons(tmp_path / "compared.jsonl")))
    copy = nbformat.from_dict(notebook)
    settings = next(cell for cell in copy.cells if cell.id == "data")
    settings.source, changed = re.subn(
        r"^MODEL = None\b", f"MODEL = {str(folder)!r}", settings.source, flags=re.MULTILINE
    )
    assert changed == 1
    stops = next(cell for cell in copy.cells if cell.id == "signs")
    stops.source = stops.source.replace("check_sign(scores, ds)", "check_sign(scores, ds, override=True)")  # random
    said = printed(execute(copy))
    assert says(said, "cost", "1,080 of 1,080", "tiny-beaver-cost")
    assert says(said, "reward", "1,080 of 1,080", "reward probe")
    assert says(said, "tiny-beaver-cost: the change of the cost per turn is")  # by a model that reads conversations


def test_no_number_in_its_words_is_about_data(notebook):
    numbers = set(re.findall(r"\d+(?:[.,]\d+)?", prose(notebook)))
    assert numbers <= OF_METHODS
    assert numbers  # numbers are found


def test_every_section_about_data_prints_a_sentence_or_opens_a_view(notebook):
    spoken, silent, heading = True, [], None
    for cell in notebook.cells[2:]:
        found = re.search(r"^#+ (.+)$", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else None
        if found:
            silent += [] if spoken else [heading]
            heading, spoken = found[1], False
        spoken = spoken or "sentences." in cell.source.replace("sentences.saying_why", "") or "widgets." in cell.source
    assert [*silent, *([] if spoken else [heading])] == []


def test_it_is_stored_without_outputs_and_says_what_the_data_are(notebook):
    assert all(not cell.outputs and cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")
    first = notebook.cells[0].source.splitlines()[0]
    assert "synthetic" in first
    assert "btviz data fetch" in first


def test_its_cells_have_names_and_it_its_kernel(notebook):
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
