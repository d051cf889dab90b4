"""docs/formats.md: every row that it shows is loaded, and becomes what it says."""

import json
import re
from pathlib import Path

import pytest

import btviz
from btviz.data import NEIGHBOURS
from btviz.taxonomy.categories import BEAVERTAILS

PAGE = (Path(__file__).parent.parent / "docs" / "formats.md").read_text()

SHOWN = re.findall(r"^\| `(\{.*\})` \| ([\w, ]+) \|", PAGE, re.MULTILINE)

TABLES = ("annotations", "pairs", "preferences", "prompts", "conversations")


@pytest.mark.parametrize(("row", "tables"), SHOWN, ids=[row[:40] for row, _ in SHOWN])
def test_a_row_of_the_page_becomes_what_it_says(row, tables, tmp_path):
    cells = json.loads(row)
    if isinstance(cells.get("category"), dict):  # the page shows one of the fourteen
        cells["category"] = dict.fromkeys(BEAVERTAILS.keys, False) | cells["category"]
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps(cells) + "\n")
    ds = btviz.load(file)
    filled = {name for name in TABLES if ds.table(name).height}
    assert filled == set(tables.split(", "))
    assert not ds.problems.height or "taken from" in ds.problems["detail"][0] or "contradicts" in ds.problems["kind"][0]


def test_the_page_shows_enough_rows():
    assert len(SHOWN) >= 18


@pytest.mark.parametrize("entry", NEIGHBOURS.values(), ids=NEIGHBOURS)
def test_the_page_lists_a_neighbour_as_the_registry_has_it(entry):
    (line,) = [line for line in PAGE.splitlines() if line.startswith(f"| {entry.title} (`{entry.repo}`)")]
    cells = [cell.strip() for cell in line.strip("|").split(" | ")]
    assert cells[1:] == [entry.licence, entry.grade, ", ".join(entry.tables), entry.note.strip()]
