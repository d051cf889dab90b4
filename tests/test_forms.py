"""Forms of files: whatever a file is written in, its rows come as the same columns, and none is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from btviz.data.reading.formats import batches, form_of
from btviz.data.reading.record import ABSENT, Batch, Finding, Record, batch_of, cells_of


def read(path: Path) -> list[Batch]:
    return list(batches(path, form_of(path), then=lambda batch: batch))


def rows_of(found: list[Batch]) -> dict[int, dict[str, Any]]:
    rows = {}
    for batch in found:
        for i, line in enumerate(batch.lines):
            row = {key: cells[i] for key, cells in batch.columns.items()}
            rows[line] = {key: value for key, value in row.items() if value is not ABSENT}
    return dict(sorted(rows.items()))


def test_columns_of_one_type_are_series_and_others_lists() -> None:
    rows = [Record({"a": 1, "b": "x"}.items()), Record({"a": None, "b": 2}.items()), Record({"c": True}.items())]
    batch = batch_of(enumerate(rows, start=1))
    assert list(batch.columns) == ["a", "b", "c"]
    assert batch.columns["a"] == [1, None, ABSENT]
    assert batch.columns["b"] == ["x", 2, ABSENT]
    assert batch.columns["c"] == [ABSENT, ABSENT, True]
    assert batch.lines.to_list() == [1, 2, 3]


@pytest.mark.parametrize("values", [["a", None], [True, False], [1, None, 3], [0.5, 1.0], [None, None]])
def test_values_of_one_type_are_a_series(values: list[Any]) -> None:
    cells = cells_of(values)
    assert isinstance(cells, pl.Series)
    assert cells.to_list() == values


@pytest.mark.parametrize("values", [["a", 1], [True, 1], [2**70], ["\ud800"], [{"a": 1}], [[1]], [ABSENT, "a"]])
def test_values_that_no_series_holds_as_they_are_stay_pythons(values: list[Any]) -> None:
    assert cells_of(values) is values


def test_a_key_given_twice_with_two_values_makes_no_row() -> None:
    batch = batch_of([(1, Record([("a", 1), ("a", 2)])), (2, Record([("a", 1), ("a", 1)]))])
    assert batch.lines.to_list() == [2]
    assert batch.findings == [
        (1, Finding("repeated key", "a, differing values", rejects=True)),
        (2, Finding("repeated key", "a, equal values")),
    ]


def test_a_line_that_another_type_holds_comes_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows: list[Any] = [{"a": f"x{i}", "b": {"c": True}} for i in range(5)]
    rows[2:2] = [{"a": 3, "b": {"c": True}}, {"a": "x", "b": {"c": None}}, {"a": "x", "b": {"c": True, "d": 1}}]
    path.write_text("\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n[1]\n")
    found = read(path)
    assert list(rows_of(found).values()) == rows
    assert [pair for batch in found for pair in batch.findings] == [(9, Finding("not an object", "", rejects=True))]
