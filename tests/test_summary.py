"""What `data show` prints: counts, and the printed numbers that belong beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import btviz
from btviz.data import catalog
from btviz.data.dataset import Dataset
from btviz.reports.ledger.summary import Summary, summarise
from btviz.taxonomy.categories import BEAVERTAILS, PKU_SAFERLHF


def value(summary: Summary, quantity: str, *, split: str | None = None, column: str = "value", **same: str) -> float:
    rows = summary.quantities.filter(pl.col("quantity") == quantity, pl.col("split").eq_missing(pl.lit(split)), **same)
    assert rows.height == 1, rows
    return rows[column][0]


def test_counts_of_a_small_data_set(tiny: Dataset) -> None:
    summary = summarise(tiny)
    counted = {
        q: value(summary, q) for q in ("rows", "unique_pairs", "unique_prompts", "unsafe_rows", "disputed_pairs")
    }
    assert counted == {"rows": 13, "unique_pairs": 5, "unique_prompts": 3, "unsafe_rows": 6, "disputed_pairs": 2}
    assert value(summary, "share_safe") == pytest.approx(100 * 7 / 13)
    assert value(summary, "pairs_with_annotations", level="3") == 4
    assert value(summary, "rows", split="test") == 6 + 1
    assert value(summary, "category_count", category="non_violent_unethical_behavior") == 4
    assert value(summary, "category_share", category="non_violent_unethical_behavior") == pytest.approx(400 / 6)
    assert summary.quantities["published"].null_count() == summary.quantities.height


def test_words_are_averaged_over_rows(tiny: Dataset) -> None:
    wanted = (3 * (3 + 5 + 4 + 5) + 2) / 13
    assert value(summarise(tiny), "mean_response_words") == pytest.approx(wanted)


def test_the_document_is_plain_json(tiny: Dataset) -> None:
    document = json.loads(json.dumps(summarise(tiny).to_dict(), allow_nan=False))
    assert document["name"] == "tiny"
    assert "magnets" not in json.dumps(document)


def test_the_real_split_stands_beside_its_printed_numbers(shared_data: Path) -> None:
    summary = summarise(btviz.load(shared_data / "beavertails" / "30k_test.jsonl"))
    for quantity in ("rows", "unique_pairs", "unique_prompts", "unsafe_rows"):
        printed = value(summary, quantity, split="test", column="published")
        assert printed == value(summary, quantity, split="test"), quantity
    assert "train is not here" in summary.quantities.filter(pl.col("split").is_null(), quantity="rows")["note"][0]
    assert summary.quantities.filter(quantity="disputed_pairs").height == 0  # not measurable, rather than 0
    assert summary.oddities.rows() == [("30k_test.jsonl", "repeated pair", "kept", 2)]


def test_comparisons_are_summarised_without_annotations(shared_data: Path) -> None:
    summary = summarise(btviz.load(shared_data / "pku-saferlhf" / "one_safe_pairs.jsonl"))
    assert value(summary, "rows") == 4114
    assert value(summary, "compared_prompts") == 734
    answers = summary.repeats.filter(unit="answer").row(0, named=True)
    assert (answers["n"], answers["contradictory_is_safe"]) == (3759, 371)


def test_answers_of_comparisons_are_counted_as_their_rows_label_them(
    tmp_path: Path,
) -> None:
    keys = PKU_SAFERLHF.keys
    lines = []
    for severity in (1, 3):
        row: dict[str, Any] = {"prompt": "what is tea", "safer_response_id": 0}
        for side, level in enumerate((0, severity)):
            row |= {f"response_{side}": f"a drink {side}", f"is_response_{side}_safe": level == 0}
            row |= {f"response_{side}_harm_category": {key: key == keys[4] and level > 0 for key in keys}}
            row |= {f"response_{side}_severity_level": level}
        lines.append(json.dumps(row))
    file = tmp_path / "compared.jsonl"
    file.write_text("\n".join(lines))
    summary = summarise(btviz.load(file))
    assert value(summary, "category_count", category=keys[4]) == 2
    assert value(summary, "category_count", category=keys[3]) == 0
    assert value(summary, "category_severity_count", category=keys[4], level="3") == 1
    assert [value(summary, "severity_count", level=level) for level in "013"] == [2, 1, 1]
    assert value(summary, "answers_by_safety", level="unsafe") == 2
    assert value(summary, "rows_with_one_safe") == 2


def test_the_real_prompts_stand_beside_their_printed_numbers(shared_data: Path) -> None:
    summary = summarise(catalog.add("beavertails-evaluation", [shared_data / "beavertails" / "evaluation.json"]))
    counts = summary.quantities.filter(quantity="category_count", split="test")
    assert counts.select("value", "published").unique().rows() == [(50, 50)]
    assert counts.height == 14


def test_an_odd_row_is_counted_once_however_much_it_lacks(tmp_path: Path) -> None:
    sound = {"prompt": "what is tea", "response": "a drink", "category": dict.fromkeys(BEAVERTAILS.keys, False)}
    lines = [sound | {"is_safe": True}, sound | {"is_safe": True, "category": {}}]
    file = tmp_path / "odd.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    with pytest.warns(UserWarning, match="1 of 2 rows"):
        oddities = summarise(btviz.load(file)).oddities
    assert oddities.rows() == [("odd.jsonl", "missing category", "rejected", 1)]


def test_comparisons_of_two_splits_are_held_against_each_other(tmp_path: Path) -> None:
    for split, answer in (("train", "a drink"), ("test", "a plant")):
        row = {"prompt": "what is tea", "response_0": "a leaf", "response_1": answer, "better_response_id": 0}
        (tmp_path / f"{split}.jsonl").write_text(json.dumps(row))
    overlap = summarise(btviz.load(tmp_path)).overlap
    assert overlap.select("unit", "split_a", "shared", "rows_b_shared").rows() == [
        ("prompt", "test", 1, 1),
        ("prompt", "train", 1, 1),
        ("pair", "test", 1, 1),
        ("pair", "train", 1, 1),
    ]
