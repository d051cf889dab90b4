"""What `btviz.export` writes: chosen rows in released shapes, which come back as they were."""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import Phase, assume, given, settings
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
    assert loaded.keys.filter(pl.col("key") == "pair_id").is_empty(), "a pair needs no outside name for its own id"
    for table in TABLES:
        assert_frame_equal(loaded.table(table), ds.table(table))
    assert loaded.fingerprint == ds.fingerprint
    if ds.pairs["labels"].count():  # else no file can say whose categories are unknown
        assert loaded.taxonomy == ds.taxonomy


FILES = ("out", "out.jsonl", "out.jsonl.gz", "out.jsonl.xz", "out.jsonl.zst", "out.csv", "out.csv.gz", "out.parquet")

# each example writes and reads files, so a failing one is shown as it was found
QUICK = settings(max_examples=10, phases=[Phase.explicit, Phase.reuse, Phase.generate])


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
@QUICK
@given(drawn=st.data())
def test_what_was_exported_comes_back(name: str, drawn: st.DataObject) -> None:
    ds = drawn.draw(datasets(kinds=("answers", "comparisons") if "." in name else KINDS))
    kinds = sum(ds.table(table).height > 0 for table in TABLES[:3])
    assume(kinds == 1 or (kinds > 1 and "." not in name))  # a file holds rows of one kind
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
    places = tiny.table("places").filter(pl.col("table") == "annotations")["place"]
    given = tiny.annotations[places.arg_sort()]
    assert not given.equals(tiny.annotations)
    assert_frame_equal(typed.select("pair_id", "is_safe"), given.select("pair_id", "is_safe"))
    written = lines(tmp_path / "a.jsonl")
    assert [row["pair_id"] for row in written] == [f"0x{hex_id(number)}" for number in given["pair_id"]]
    for row, labels in zip(written, given["labels"], strict=True):
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
    ids = [f"0x{hex_id(number)}" for number in chosen["pair_id"]]
    assert sorted(row["pair_id"] for row in rows) == sorted(ids)  # in the order in which they were made
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
        written = pl.read_parquet(tmp_path / f"{k}.parquet")["pair_id"]
        assert written.sort().to_list() == unsafe["pair_id"].to_list()
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


def test_a_folder_may_be_called_like_an_ending(tiny, tmp_path):
    for name in ("csv", "parquet", "v1.0"):
        btviz.export(tiny, tmp_path / name)
        assert (tmp_path / name).is_dir()


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
    answers = [
        "=1+1",
        "+1",
        "-1",
        "@now",
        " =2",
        "\t=3",
        "\u3164=5",
        "\u115f=6",
        "\ufe0f=7",
        "\u034f=8",
        "'=4",
        "'",
        "tea",
    ]
    frame = pl.DataFrame({"prompt": "how is tea made", "response": answers})
    ds = make_dataset(frame.with_columns(split=pl.lit(None, pl.String), is_safe=True, labels=pl.lit(0, pl.UInt32)))
    btviz.export(ds, tmp_path / "a.csv", texts=True)
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = {row["response"]: row["apostrophe_added"] for row in csv.DictReader(file)}
    marked = {f"'{answer}" if answer[0] != "'" and answer != "tea" else answer for answer in answers}
    assert set(rows) == marked
    assert {response for response, added in rows.items() if added == "response"} == {
        f"'{answer}" for answer in answers[:10]
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


TALK = [
    {"prompt": "how is tea made", "response": "with water"},
    {"prompt": "how hot", "response": "boiling"},
    {"prompt": "and with milk", "response": "some do"},
]


def conversing(make_dataset) -> Dataset:
    """Labelled answers and comparisons, some of which end a conversation."""
    labelled = {"split": "train", "is_safe": True, "labels": 0}
    rows = [TALK[-1] | labelled | {"turns": TALK}, TALK[1] | labelled | {"turns": TALK[:2]}, TALK[0] | labelled]
    compared = {"split": "train", "better": 1, "is_safe_0": True, "is_safe_1": False, "labels_0": 0, "labels_1": 2}
    asked = {"prompt": "and with milk", "response_0": "yes", "response_1": "in the cup"}
    turns = {
        f"turns_{side}": [*TALK[:2], {"prompt": asked["prompt"], "response": asked[f"response_{side}"]}]
        for side in "01"
    }
    comparisons = [
        asked | compared | turns,
        {"prompt": "is ice hot", "response_0": "no", "response_1": "yes"} | compared,
    ]
    return make_dataset(
        pl.DataFrame(rows, schema_overrides={"labels": pl.UInt32}),
        comparisons=pl.DataFrame(comparisons, schema_overrides={"labels_0": pl.UInt32, "labels_1": pl.UInt32}),
    )


@pytest.mark.parametrize("form", ["released", "csv", "parquet"])
def test_conversations_come_back_with_their_turns(form, make_dataset, tmp_path):
    ds = conversing(make_dataset)
    assert ds.conversations["conversation_id"].n_unique() == 4
    btviz.export(ds, tmp_path / "out", form=form, texts=True)
    loaded = btviz.load(tmp_path / "out")
    same(loaded, ds)
    assert_frame_equal(loaded.conversations, ds.conversations)


def test_turns_that_cannot_be_known_are_not_made_up(make_dataset, tmp_path):
    labelled = {"split": None, "is_safe": True, "labels": 0}
    rows = [TALK[1] | labelled | {"turns": TALK[:2]}, TALK[1] | labelled | {"turns": [TALK[2], TALK[1]]}]
    ds = make_dataset(pl.DataFrame(rows, schema_overrides={"labels": pl.UInt32, "split": pl.String}))
    written = btviz.export(ds, tmp_path / "a.jsonl", texts=True)
    assert says(dict(written.left_out.rows())["turns before the last"], "2", "conversations")
    assert all((row["prompt"], row["response"]) == tuple(TALK[1].values()) for row in lines(tmp_path / "a.jsonl"))
    with pytest.raises(UsageError, match="conversations"):
        btviz.export(ds, tmp_path / "kto", form="kto", texts=True)


def test_answers_without_labels_come_back_and_are_told_apart(make_dataset, tmp_path):
    made = [
        make_dataset(pl.DataFrame({"prompt": ["how is tea made", "is ice hot"], "response": answers, "split": None},
                                  schema_overrides={"split": pl.String}))
        for answers in (["with water", "no"], ["with milk", "no"])
    ]  # fmt: skip
    assert made[0].fingerprint != made[1].fingerprint
    written = btviz.export(made[0], tmp_path / "a.csv", texts=True)
    assert written.rows.rows() == [("answers", 2, 2, 0, 2)]
    same(btviz.load(tmp_path / "a.csv"), made[0])


def test_rows_without_categories_get_a_file_of_their_own(make_dataset, tmp_path):
    rows = [
        ("how is tea made", "with water", True, 0),
        ("is ice hot", "no", False, 4),
        ("is ice hot", "yes", True, None),
    ]
    columns = {"prompt": pl.String, "response": pl.String, "is_safe": pl.Boolean, "labels": pl.UInt32}
    frame = pl.DataFrame(rows, schema=columns, orient="row").with_columns(split=pl.lit("train"))
    ds = make_dataset(frame)
    btviz.export(ds, tmp_path / "out", texts=True)
    same(btviz.load(tmp_path / "out"), ds)
    alone = btviz.export(ds, tmp_path / "a.jsonl", texts=True)
    assert [says(remark, "1", "without categories") for remark in alone.remarks] == [True]


@pytest.mark.slow
def test_prompts_come_back_with_what_is_labelled_of_them(make_dataset, tmp_path):
    rows = [
        ("how is tea made", 1, True),
        ("is ice hot", 6, False),
        ("is ice hot", 0, None),
        ("when is spring", None, True),
        ("when is june", None, None),
    ]
    columns = {"prompt": pl.String, "labels": pl.UInt32, "is_safe": pl.Boolean}
    prompts = pl.DataFrame(rows, schema=columns, orient="row").with_columns(split=pl.lit("test"))
    for part in (prompts, prompts.head(1), prompts.head(3), prompts[3:4], prompts[4:]):
        ds = make_dataset(None, prompts=part)
        for form in ("released", "csv", "parquet"):
            btviz.export(ds, tmp_path / "out", form=form, texts=True, replace=True)
            same(btviz.load(tmp_path / "out"), ds)


@pytest.mark.parametrize("form", ["released", "csv", "parquet", "datasets"])
def test_two_splits_of_the_same_rows_are_not_taken_for_copies(form, make_dataset, tmp_path):
    row = {"prompt": "how is tea made", "response": "with water", "is_safe": True, "labels": 0}
    rows = [row | {"split": split} for split in ("train", "test")]
    ds = make_dataset(pl.DataFrame(rows, schema_overrides={"labels": pl.UInt32}))
    btviz.export(ds, tmp_path / "out", form=form, texts=True)
    same(btviz.load(tmp_path / "out"), ds)
