"""What `btviz.export` writes: chosen rows in released shapes, which come back as they were."""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from made_rows import KINDS, datasets
from polars.testing import assert_frame_equal
from wording import says

import btviz
from btviz.data import Dataset
from btviz.errors import UsageError
from btviz.session import hex_id
from btviz.taxonomy import BEAVERTAILS

TABLES = ("annotations", "preferences", "prompts", "pairs")


def same(loaded: Dataset, ds: Dataset) -> None:
    for table in TABLES:
        assert_frame_equal(loaded.table(table), ds.table(table))
    assert loaded.fingerprint == ds.fingerprint
    if ds.pairs["labels"].count():  # else no file can say whose categories are unknown
        assert loaded.taxonomy == ds.taxonomy


FILES = ("out", "out.jsonl", "out.jsonl.gz", "out.jsonl.xz", "out.jsonl.zst", "out.csv", "out.csv.gz", "out.parquet")

# each example writes and reads files, so a failing one is shown as it was found
QUICK = settings(max_examples=15, phases=[Phase.explicit, Phase.reuse, Phase.generate])


@pytest.mark.parametrize("name", FILES)
@QUICK
@given(drawn=st.data())
def test_what_was_exported_comes_back(name: str, drawn: st.DataObject) -> None:
    ds = drawn.draw(datasets(kinds=("answers", "comparisons") if "." in name else KINDS))
    with tempfile.TemporaryDirectory() as folder:
        btviz.export(ds, Path(folder) / name, texts=True)
        same(btviz.load(Path(folder) / name), ds)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def test_texts_are_written_only_when_they_are_asked_for(tiny, tmp_path):
    words = {*tiny.pairs["prompt"], *tiny.pairs["response"]}
    for form, name in (("released", "a.jsonl"), ("csv", "a.csv")):
        closed = btviz.export(tiny, tmp_path / name, form=form)
        assert not any(word in (tmp_path / name).read_text() for word in words)
        assert not closed.texts
        assert closed.left_out["column"].to_list() == ["prompt", "response"]
        opened = btviz.export(tiny, tmp_path / name, form=form, texts=True, replace=True)
        assert all(word in (tmp_path / name).read_text() for word in words)
        assert opened.left_out.is_empty()
    btviz.export(tiny, tmp_path / "a.parquet")
    assert not {"prompt", "response"} & set(pl.read_parquet(tmp_path / "a.parquet").columns)


def test_labels_without_texts_are_joined_by_the_ids_of_pairs(tiny, tmp_path):
    btviz.export(tiny, tmp_path / "a.parquet")
    btviz.export(tiny, tmp_path / "a.jsonl")
    typed = pl.read_parquet(tmp_path / "a.parquet")
    assert_frame_equal(typed.select("pair_id", "is_safe"), tiny.annotations.select("pair_id", "is_safe"))
    written = lines(tmp_path / "a.jsonl")
    assert [row["pair_id"] for row in written] == [f"0x{hex_id(number)}" for number in tiny.annotations["pair_id"]]
    for row, labels in zip(written, tiny.annotations["labels"], strict=True):
        assert row["category"] == {key: bool(labels >> bit & 1) for bit, key in enumerate(BEAVERTAILS.keys)}


@pytest.mark.parametrize("form", ["datasets", "dpo", "kto", "hh"])
def test_forms_that_are_nothing_without_texts_say_so(form, samples, tmp_path):
    with pytest.raises(UsageError) as error:
        btviz.export(samples["sample"], tmp_path / "out", form=form)
    assert says(str(error.value), form, "texts")
    assert "--texts" in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_rows_are_chosen_as_they_are_counted(samples, tmp_path):
    ds = samples["sample"]
    written = btviz.export(
        ds,
        tmp_path / "a.csv",
        population="annotations",
        where="unsafe",
        categories=["privacy", "self-harm"],
        split="test",
    )
    chosen = ds.annotations.filter(
        ~pl.col("is_safe"),
        ds.taxonomy.has("privacy") | ds.taxonomy.has("self-harm"),
        split="test",
    )
    assert 0 < chosen.height < ds.annotations.height
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["pair_id"] for row in rows] == [f"0x{hex_id(number)}" for number in chosen["pair_id"]]
    assert {row["is_safe"] for row in rows} == {"false"}
    account = {row["table"]: row for row in written.rows.to_dicts()}
    assert account["annotations"]["in_data"] == ds.annotations.height
    assert account["annotations"]["selected"] == account["annotations"]["written"] == chosen.height
    assert account["preferences"]["written"] == 0
    assert any(says(sentence, f"{ds.preferences.height:,}", "preferences", "not") for sentence in written.sentences())


def test_a_comparison_is_chosen_by_either_answer(samples, tmp_path):
    ds = samples["sample"]
    written = {}
    for where in ("safe", "unsafe"):
        btviz.export(ds, tmp_path / f"{where}.parquet", population="preferences", where=where)
        written[where] = pl.read_parquet(tmp_path / f"{where}.parquet")
    both = pl.col("is_response_0_safe") & pl.col("is_response_1_safe")
    assert written["safe"].select(both.all()).item()
    assert written["unsafe"].select((~both).all()).item()
    assert written["safe"].height + written["unsafe"].height == ds.preferences.height
    pair = ds.preferences["pair_id_1"][7]
    about = ds.preferences.filter((pl.col("pair_id_0") == pair) | (pl.col("pair_id_1") == pair))
    btviz.export(ds, tmp_path / "one.parquet", population="preferences", pairs=[pair])
    assert_frame_equal(
        pl.read_parquet(tmp_path / "one.parquet").select("pair_id_0", "pair_id_1"),
        about.select("pair_id_0", "pair_id_1"),
    )


def test_pairs_are_named_in_any_way(tiny, tmp_path):
    selection = btviz.Selection()
    unsafe = tiny.pairs.filter(~pl.col("is_safe"))
    selection.set(unsafe)
    ways = (selection, unsafe, unsafe["pair_id"], unsafe["pair_id"].to_list(), ~pl.col("is_safe"))
    for k, pairs in enumerate(ways):
        btviz.export(tiny, tmp_path / f"{k}.parquet", pairs=pairs, population="pairs")
        assert_frame_equal(pl.read_parquet(tmp_path / f"{k}.parquet").select("pair_id"), unsafe.select("pair_id"))
    everything = btviz.export(tiny, tmp_path / "all.parquet", pairs=btviz.Selection(), population="pairs")
    assert everything.rows["written"].to_list() == [tiny.pairs.height]


def test_pairs_that_are_not_there_are_counted(tiny, tmp_path):
    here = tiny.pairs["pair_id"][0]
    written = btviz.export(tiny, tmp_path / "a.jsonl", pairs=[here, here ^ 1, here ^ 2])
    assert [says(remark, "2", "pairs", "not") for remark in written.remarks] == [True]
    assert written.remarks[0] in written.sentences()


def test_pairs_have_the_labels_of_the_majority_within_the_splits_asked_for(make_dataset, tmp_path):
    rows = [("train", False, 1), ("train", False, 1), ("test", True, 0), ("test", True, 0), ("test", True, 0)]
    frame = pl.DataFrame(rows, schema={"split": pl.String, "is_safe": pl.Boolean, "labels": pl.UInt32}, orient="row")
    ds = make_dataset(frame.with_columns(prompt=pl.lit("how is tea made"), response=pl.lit("with water")))
    for split, is_safe in (("train", False), ("test", True), (["train", "test"], True), (None, True)):
        btviz.export(ds, tmp_path / "a.jsonl", population="pairs", split=split, replace=True)
        (row,) = lines(tmp_path / "a.jsonl")
        assert row["is_safe"] == is_safe
        assert row["category"]["animal_abuse"] == (not is_safe)


@pytest.mark.parametrize(
    ("options", "terms"),
    [
        ({"form": "xml"}, ("form", "xml")),
        ({"where": "some"}, ("subset", "some")),
        ({"population": "rows"}, ("population", "rows")),
        ({"split": "trian"}, ("split", "trian")),
        ({"categories": "privcy"}, ("category", "privcy")),
        ({"order": "better"}, ("order", "better")),
        ({"form": "dpo", "texts": True, "population": "pairs"}, ("pairs", "dpo")),
        ({"pairs": ["x"]}, ("pair ids",)),
        ({"categories": "self-harm"}, ("none",)),
    ],
)
def test_a_request_that_means_nothing_is_refused_and_leaves_nothing(options, terms, tiny, tmp_path):
    with pytest.raises(UsageError) as error:
        btviz.export(tiny, tmp_path / "out", **options)
    assert says(str(error.value), *terms)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "form"),
    [("a.xlsx", None), ("a.json", None), ("a.csv", "parquet"), ("a.jsonl", "datasets"), ("a.parquet.gz", None)],
)
def test_a_name_that_does_not_fit_is_refused(name, form, tiny, tmp_path):
    with pytest.raises(UsageError, match="name"):
        btviz.export(tiny, tmp_path / name, form=form, texts=True)
    assert list(tmp_path.iterdir()) == []


def test_a_file_holds_rows_of_one_kind(samples, tmp_path):
    ds = samples["sample"]
    with pytest.raises(UsageError) as error:
        btviz.export(ds, tmp_path / "a.csv")
    assert says(
        str(error.value), f"{ds.annotations.height:,}", "annotations", f"{ds.preferences.height:,}", "preferences"
    )
    btviz.export(ds, tmp_path / "a")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        f"{table}-{split}.jsonl" for table in ("annotations", "preferences") for split in ("test", "train")
    ]


def test_what_is_there_stays_unless_it_may_go(tiny, tmp_path):
    for name in ("a.csv", "a"):
        first = btviz.export(tiny, tmp_path / name, split="train")
        kept = [Path(file).read_bytes() for file in first.files["file"]]
        with pytest.raises(UsageError, match="--replace"):
            btviz.export(tiny, tmp_path / name)
        assert [Path(file).read_bytes() for file in first.files["file"]] == kept
        btviz.export(tiny, tmp_path / name, split="test", replace=True)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["annotations-test.jsonl"]


def test_a_folder_that_holds_anything_else_is_never_replaced(tiny, tmp_path):
    btviz.export(tiny, tmp_path / "a")
    (tmp_path / "a" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError) as error:
        btviz.export(tiny, tmp_path / "a", replace=True)
    assert says(str(error.value), "thesis.txt")
    assert (tmp_path / "a" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.xz", "a.jsonl.zst", "a.csv", "a.parquet", "a"])
def test_the_same_rows_give_the_same_bytes(name, tiny, tmp_path):
    first, second = (btviz.export(tiny, tmp_path / part / name, texts=True) for part in "12")
    for one, other in zip(first.files["file"], second.files["file"], strict=True):
        assert Path(one).read_bytes() == Path(other).read_bytes()


def test_no_cell_is_a_formula_and_a_foreign_apostrophe_stays(make_dataset, tmp_path):
    answers = ["=1+1", "+1", "-1", "@now", " =2", "\t=3", "'=4", "'", "tea"]
    frame = pl.DataFrame({"prompt": "how is tea made", "response": answers})
    ds = make_dataset(frame.with_columns(split=pl.lit(None, pl.String), is_safe=True, labels=pl.lit(0, pl.UInt32)))
    btviz.export(ds, tmp_path / "a.csv", texts=True)
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = {row["response"]: row["apostrophe_added"] for row in csv.DictReader(file)}
    marked = {f"'{answer}" if answer[0] != "'" and answer != "tea" else answer for answer in answers}
    assert set(rows) == marked
    assert {response for response, added in rows.items() if added == "response"} == {
        f"'{answer}" for answer in answers[:6]
    }
    assert set(btviz.load(tmp_path / "a.csv").pairs["response"]) == set(answers)


def with_keys(make_dataset) -> Dataset:
    """Two rows of one pair and one of another, with their own ids; and two comparisons with hashes and an id."""
    row = {"prompt": "how is tea made", "is_safe": True, "labels": 0, "split": None, "file": "a.jsonl"}
    rows = [
        row | {"response": "with water", "line": 1, "key:qid": "q1", "key:sha256": "aa"},
        row | {"response": "with water", "line": 2, "key:qid": "q2", "key:sha256": "aa"},
        row | {"response": "with milk", "line": 3, "key:qid": "q3", "key:sha256": "bb"},
    ]
    compared = {"prompt": "is ice hot", "response_0": "no", "file": "b.jsonl", "split": None, "better": 0, "safer": 0}
    compared |= {"key:response_0_sha256": "cc", **{f"{name}_{i}": v for i in "01" for name, v in (("is_safe", True),)}}
    comparisons = [
        compared | {"response_1": "cold", "line": 1, "key:id": "c1", "key:response_1_sha256": "dd"},
        compared | {"response_1": "it is not", "line": 2, "key:id": "c2", "key:response_1_sha256": "ee"},
    ]
    return make_dataset(
        pl.DataFrame(rows, schema_overrides={"labels": pl.UInt32, "split": pl.String}),
        comparisons=pl.DataFrame(comparisons, schema_overrides={"split": pl.String}),
    )


def test_outside_ids_are_written_beside_the_rows(make_dataset, tmp_path):
    ds = with_keys(make_dataset)
    written = btviz.export(ds, tmp_path / "out", texts=True)
    by_answer = {row["response"]: row for row in lines(tmp_path / "out" / "annotations.jsonl")}
    assert {answer: (row["sha256"], row["qid"]) for answer, row in by_answer.items()} == {
        "with water": ("aa", None),
        "with milk": ("bb", "q3"),
    }
    assert says(dict(written.left_out.rows())["qid"], "2", "several")
    compared = {row["response_1"]: row for row in lines(tmp_path / "out" / "preferences.jsonl")}
    assert {
        answer: (row["id"], row["response_0_sha256"], row["response_1_sha256"]) for answer, row in compared.items()
    } == {
        "cold": ("c1", "cc", "dd"),
        "it is not": ("c2", "cc", "ee"),
    }
    assert not {"line", "line_0"} & set().union(*by_answer.values(), *compared.values())


def test_without_texts_all_that_a_pair_is_called_leads_back_to_its_rows(make_dataset, tmp_path):
    ds = with_keys(make_dataset)
    btviz.export(ds, tmp_path / "out")
    rows = lines(tmp_path / "out" / "annotations.jsonl")
    assert sorted({(row["qid"], row["line"]) for row in rows}) == [
        ("q1 | q2", "a.jsonl:1 | a.jsonl:2"),
        ("q3", "a.jsonl:3"),
    ]
    assert sorted(row["line"] for row in lines(tmp_path / "out" / "preferences.jsonl")) == ["b.jsonl:1", "b.jsonl:2"]
