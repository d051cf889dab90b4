"""The second notebook, executed without a browser: what it says is computed, and it keeps no text."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from hostile import MARK, readable, write_comparisons
from notebook_runner import execute, printed, with_cells
from wording import says

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "02_label_orthogonality.ipynb"
OF_METHODS = {"95", "50", "0", "0.1", "1", "2", "0.3", "6", "0.8"}
"""Numbers that explain a method or set an exercise: levels, ends of ranges, the margin."""

REVEAL = """
from fake_front import tell
lab.policy.reveal_all = True
pairs = [answer["pair"] for card in lab.inspector.cards for answer in card["answers"]]
tell(lab.inspector, "reveal", pairs=pairs)
print(len(pairs))
"""


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(NOTEBOOK, 4)


def prose(notebook):
    """What the notebook says in words, without its code spans, headings' numbers and lists' numbers."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return re.sub(r"`[^`]*`|^(#+ )?\d+\. |response_\d", "", text, flags=re.MULTILINE)


@pytest.mark.notebook
def test_on_real_comparisons_it_runs_names_them_and_keeps_no_text(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("BTVIZ_NOTEBOOK_DATA", str(write_comparisons(tmp_path / "compared.jsonl")))
    done = execute(with_cells(notebook, REVEAL))
    said, saved = printed(done), nbformat.writes(done)
    assert said.endswith("10\n")
    assert "compared: data as released, not synthetic" in said
    assert says(said, "All comparisons", "associated", "compared (your own file)")
    assert "true p" not in said
    assert "application/vnd.jupyter.widget-state+json" in saved  # what the widgets share would be in it
    assert '"prompt_words"' in saved  # and what the inspector shares is
    assert MARK not in readable(saved)


@pytest.mark.notebook
def test_on_data_without_both_labels_it_says_why_and_runs_to_the_end(notebook, shared_data, monkeypatch):
    monkeypatch.setenv("BTVIZ_NOTEBOOK_DATA", str(shared_data / "pku-saferlhf" / "one_safe_pairs.jsonl"))
    done = execute(nbformat.from_dict(notebook))
    said = printed(done)
    assert "0 of them tell both" in said
    assert "there is nothing to draw" in said
    assert says(said, "All comparisons", "undecided", "one_safe_pairs", "no comparison has both labels")
    assert [cell for cell in done.cells if cell.cell_type == "code" and cell.execution_count is None] == []


def test_no_number_in_its_words_is_about_data(notebook):
    numbers = set(re.findall(r"\d+(?:[.,]\d+)?", prose(notebook)))
    assert numbers <= OF_METHODS
    assert "95" in numbers  # numbers are found


def test_every_section_about_data_prints_a_sentence(notebook):
    """Between two headings of the data stands at least one computed sentence."""
    spoken, silent = False, []
    heading = None
    for cell in notebook.cells[3:]:
        found = re.search(r"^#+ (.+)$", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else None
        if found:
            silent += [] if spoken or heading is None else [heading]
            heading, spoken = found[1], False
        spoken = spoken or "sentences." in cell.source or "widgets." in cell.source
    assert silent == []


def test_its_first_line_says_what_the_data_are_and_how_to_get_the_real_ones(notebook):
    first = notebook.cells[0].source.splitlines()[0]
    assert "synthetic" in first
    assert "btviz data fetch" in first


def test_its_cells_have_names_and_it_its_kernel(notebook):
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)


def test_its_exercises_are_at_the_end(notebook):
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    exercises = re.findall(r"^(\d+)\. \*\*", text.partition("Exercises")[2], re.MULTILINE)
    assert exercises == [str(k + 1) for k in range(len(exercises))]
    assert len(exercises) >= 5
