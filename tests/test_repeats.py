"""Leakage between splits, and repeated answers of comparisons."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import btviz
from btviz.data.dataset import Dataset
from btviz.errors import DataError, UsageError
from btviz.labels.overlap import prompt_overlap, response_repeats

Make = Callable[..., Dataset]


def annotated(rows: list[tuple[str, str, str | None]]) -> pl.DataFrame:
    schema = {"prompt": pl.String, "response": pl.String, "split": pl.String}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_columns(pl.lit(value=True).alias("is_safe"), pl.lit(0, pl.UInt32).alias("labels"))


def compared(rows: list[dict[str, object]]) -> pl.DataFrame:
    schema = {
        "prompt": pl.String,
        "response_0": pl.String,
        "response_1": pl.String,
        "split": pl.String,
        "is_safe_0": pl.Boolean,
        "is_safe_1": pl.Boolean,
        "labels_0": pl.UInt32,
        "labels_1": pl.UInt32,
        "better": pl.Int8,
        "safer": pl.Int8,
    }
    return pl.DataFrame(rows, schema=schema)


def choice(texts: str, *, safe: tuple[bool, bool], better: int, safer: int) -> dict[str, object]:
    """A comparison; texts: prompt and two responses of one letter each."""
    values = (*texts.split(), *safe, better, safer)
    return dict(
        zip(("prompt", "response_0", "response_1", "is_safe_0", "is_safe_1", "better", "safer"), values, strict=True)
    )


def only_compared(make_dataset: Make, rows: list[dict[str, object]]) -> Dataset:
    return make_dataset(annotated([]), comparisons=compared(rows))


def test_overlap_of_two_splits_by_hand(make_dataset: Make):
    train = [("p", "a", "train"), ("p", "a", "train"), ("p", "b", "train"), ("q", "a", "train")]
    test = [("p", "a", "test"), ("p", "c", "test"), ("r", "a", "test"), ("s", "a", None)]
    table = prompt_overlap(make_dataset(annotated(train + test)))
    assert table.drop("rule").rows() == [
        # unit, a, b, n_a, n_b, shared, rows_b, rows_b_shared, share_b
        ("prompt", "test", "train", 2, 2, 1, 4, 3, 3 / 4),
        ("prompt", "train", "test", 2, 2, 1, 3, 2, 2 / 3),
        ("pair", "test", "train", 3, 3, 1, 4, 2, 2 / 4),
        ("pair", "train", "test", 3, 3, 1, 3, 1, 1 / 3),
    ]


def test_three_splits_are_compared_two_by_two_and_one_with_none(make_dataset: Make):
    rows = [("p", "a", "one"), ("p", "b", "two"), ("q", "a", "three")]
    table = prompt_overlap(make_dataset(annotated(rows)))
    assert table.height == 12
    assert table.filter(unit="prompt")["shared"].sum() == 2
    assert table.filter(unit="pair")["shared"].sum() == 0
    alone = prompt_overlap(make_dataset(annotated(rows[:1])))
    assert alone.is_empty()
    assert alone.schema == table.schema


def test_overlap_has_the_published_shape_of_leakage(make_dataset: Make):
    """2,518 of 2,526 test prompts of the 30k release are in train, 12 rows repeat a pair of it."""
    test = [(f"prompt {i}", "answer", "test") for i in range(2526)]
    train = [(f"prompt {i}", "answer" if i < 12 else "another", "train") for i in range(2518)]
    train += [(f"other {i}", "answer", "train") for i in range(7774 - 2526)]
    table = prompt_overlap(make_dataset(annotated(test + train))).filter(split_a="train")
    assert table.select("unit", "n_a", "n_b", "shared", "rows_b_shared").rows() == [
        ("prompt", 2518 + 5248, 2526, 2518, 2518),
        ("pair", 2518 + 5248, 2526, 12, 12),
    ]


def test_comparisons_overlap_by_their_prompts_and_their_answers(make_dataset: Make):
    base = {"is_safe_0": True, "is_safe_1": True, "labels_0": 0, "labels_1": 0}
    rows = [
        {"prompt": "p", "response_0": "a", "response_1": "b", "split": "train", **base},
        {"prompt": "p", "response_0": "b", "response_1": "c", "split": "test", **base},
    ]
    table = prompt_overlap(only_compared(make_dataset, rows)).filter(split_a="train")
    assert table.select("unit", "n_a", "n_b", "shared", "rows_b", "rows_b_shared").rows() == [
        ("prompt", 1, 1, 1, 1, 1),
        ("pair", 2, 2, 1, 2, 1),
    ]
    assert "comparisons" in table["rule"][0]


def test_repeats_and_contradictions_by_hand(make_dataset: Make):
    rows = [
        # the same comparison twice, its answers exchanged, and everything agrees
        choice("p a b", safe=(True, False), better=0, safer=0),
        choice("p b a", safe=(False, True), better=1, safer=1),
        # the answer "a" is unsafe here; then the other answer is better
        choice("p a c", safe=(False, True), better=0, safer=1),
        choice("p a c", safe=(False, True), better=1, safer=1),
        # a tie contradicts nothing
        choice("q a b", safe=(True, True), better=0, safer=0),
        choice("q a b", safe=(True, True), better=-1, safer=0),
    ]
    table = response_repeats(only_compared(make_dataset, rows)).drop("rule")
    answer, comparison = table.rows(named=True)
    assert answer == {
        "unit": "answer",
        "n": 5,
        "rows": 12,
        "n_repeated": 5,
        "contradictory_is_safe": 1,
        "contradictory_labels": None,
        "contradictory_severity": None,
        "contradictory_better": None,
        "contradictory_safer": None,
    }
    assert (comparison["n"], comparison["rows"], comparison["n_repeated"]) == (3, 6, 3)
    assert comparison["contradictory_is_safe"] == 0
    assert (comparison["contradictory_better"], comparison["contradictory_safer"]) == (1, 0)


def test_contradictory_labels_are_counted_where_they_are_released(make_dataset: Make):
    base = {"prompt": "p", "response_0": "a", "response_1": "b", "is_safe_0": False, "is_safe_1": False}
    rows = [{**base, "labels_0": 1, "labels_1": 2}, {**base, "labels_0": 3, "labels_1": 2}]
    table = response_repeats(only_compared(make_dataset, rows))
    assert table["contradictory_labels"].to_list() == [1, 1]
    assert table["contradictory_is_safe"].to_list() == [0, 0]


def test_repeats_of_a_release_without_comparisons_are_refused(tiny: Dataset):
    with pytest.raises(UsageError, match=r"'tiny' has no comparisons.*n_annotations"):
        response_repeats(tiny)


def test_the_repeats_of_the_real_comparisons(shared_data: Path):
    ds = btviz.load(shared_data / "pku-saferlhf" / "one_safe_pairs.jsonl")
    columns = ("n", "rows", "n_repeated", "contradictory_is_safe")
    assert response_repeats(ds).select(columns).rows() == [(3759, 8228, 2407, 371), (2728, 4114, 1040, 109)]
    with pytest.raises(DataError, match="only whether an answer is safe"):
        btviz.category_counts(ds, population="pairs")


def test_half_of_the_real_file_against_the_other(shared_data: Path, make_dataset: Make):
    ds = btviz.load(shared_data / "beavertails" / "30k_test.jsonl")
    assert prompt_overlap(ds).is_empty()
    texts = ds.pairs.select("prompt", "response").sort("prompt", "response").with_row_index()
    rows = texts.with_columns(
        pl.when(pl.col("index") % 2 == 0).then(pl.lit("one")).otherwise(pl.lit("two")).alias("split"),
        pl.lit(value=True).alias("is_safe"),
        pl.lit(0, pl.UInt32).alias("labels"),
    )
    table = prompt_overlap(make_dataset(rows.drop("index")))
    sides = [set(rows.filter(split=split)["prompt"]) for split in ("one", "two")]
    assert set(table.filter(unit="prompt")["shared"]) == {len(sides[0] & sides[1])}
    assert set(table.filter(unit="pair")["shared"]) == {0}
