"""Rows leave in the order in which they came, as often as they came; the circle is equal row for row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import btviz
from btviz.taxonomy import BEAVERTAILS

FILES = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def answer(i: int, *, flag: bool | None) -> dict[str, Any]:
    row: dict[str, Any] = {"prompt": f"what is tea {i % 4}?", "response": f"drink {i}"}
    return row if flag is None else row | {"category": dict.fromkeys(BEAVERTAILS.keys, not flag), "is_safe": flag}


def comparison(i: int, *, flag: bool | None) -> dict[str, Any]:
    row: dict[str, Any] = {"prompt": f"what is tea {i % 4}?", "response_0": f"drink {i}", "response_1": "leaves"}
    row["better_response_id"] = i % 2
    return row if flag is None else row | {"is_response_0_safe": flag, "is_response_1_safe": not flag}


def question(i: int, *, flag: bool | None) -> dict[str, Any]:
    return {"prompt": f"what is tea {i}?"} | ({} if flag is None else {"is_safe": flag})


def exported(rows: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    btviz.export(btviz.load(folder / "rows.jsonl"), folder / "out.jsonl", texts=True, replace=True)
    written = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    keys = {key for row in rows for key in row}
    return [{key: row.get(key) for key in keys} for row in written]


@pytest.mark.parametrize("kind", [answer, comparison, question])
@pytest.mark.parametrize("labelled", [True, False])
@FILES
@given(places=st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=12))
def test_the_order_and_the_number_of_rows_are_kept(kind, labelled, places, tmp_path):
    rows = [kind(i, flag=flag if labelled else None) for i, flag in places]
    assert exported(rows, tmp_path) == rows


def test_a_row_without_labels_beside_a_labelled_one_of_the_same_pair_is_written(tmp_path):
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(answer(1, flag=True)) for _ in range(2)))
    (tmp_path / "b.jsonl").write_text("\n".join(json.dumps(answer(i, flag=None)) for i in (2, 1, 2)))
    ds = btviz.data.add("two", [tmp_path / "a.jsonl", tmp_path / "b.jsonl"])
    written = btviz.export(ds, tmp_path / "out", texts=True)
    assert dict(written.rows.select("table", "written").rows()) == {"annotations": 2, "answers": 3}
    assert btviz.load(tmp_path / "out").fingerprint == ds.fingerprint


@pytest.mark.parametrize("side", [0, 1])
def test_a_comparison_with_a_missing_answer_stays_one(side, tmp_path):
    rows = [comparison(i, flag=True) for i in range(4)]
    rows[2][f"response_{side}"] = None
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    ds = btviz.load(tmp_path / "rows.jsonl")
    btviz.export(ds, tmp_path / "out.jsonl", texts=True)
    again = btviz.load(tmp_path / "out.jsonl")
    assert again.pairs.equals(ds.pairs)
    assert again.fingerprint == ds.fingerprint
    missing = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()][2]
    assert missing[f"response_{side}"] is None
