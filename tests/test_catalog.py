"""Loading by name, file and folder; adopting; the tables that come out."""

from __future__ import annotations

import json
import lzma
import os
import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import btviz
from btviz.data import catalog, ingest
from btviz.data.tables import SCHEMAS, pair_id, prompt_id, with_ids
from btviz.errors import DataError, NotFoundError, UsageError
from btviz.store import StoreWarning, documents
from btviz.taxonomy.categories import BEAVERTAILS


def rows(*masks: int, prompt: str = "what is tea", response: str = "a drink") -> list[dict[str, Any]]:
    return [
        {
            "prompt": prompt,
            "response": response,
            "category": {c.key: bool(mask >> c.bit & 1) for c in BEAVERTAILS.categories},
            "is_safe": mask == 0,
        }
        for mask in masks
    ]


def write(path: Path, lines: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def train(tmp_path: Path) -> Path:
    return write(
        tmp_path / "toy" / "train.jsonl", rows(0, 1, 3) + rows(0, 0, prompt="when is spring", response="in march")
    )


@pytest.fixture
def test(tmp_path: Path) -> Path:
    return write(tmp_path / "toy" / "test.jsonl", rows(2, response="a plant"))


def test_every_table_has_the_columns_of_its_schema(train: Path) -> None:
    ds = btviz.load(train)
    for name, schema in SCHEMAS.items():
        assert ds.table(name).schema == schema, name


def test_a_pair_has_the_majority_of_its_annotations(train: Path) -> None:
    pair = btviz.load(train).pairs.filter(pl.col("response") == "a drink").row(0, named=True)
    wanted = {"n_annotations": 3, "n_unsafe": 2, "is_safe": False, "labels": 1, "prompt_words": 3, "response_words": 2}
    assert {key: pair[key] for key in wanted} == wanted


@pytest.mark.parametrize(
    ("masks", "labels", "is_safe"),
    [((0, 1), 1, False), ((1, 2, 4), 0, False), ((0, 0, 1, 1), 1, False), ((0, 0, 1), 0, True), ((0,), 0, True)],
)
def test_ties_count_as_flagged_and_as_unsafe(
    tmp_path: Path, masks: tuple[int, ...], labels: int, is_safe: bool
) -> None:
    pair = btviz.load(write(tmp_path / "a.jsonl", rows(*masks))).pairs.row(0, named=True)
    assert (pair["labels"], pair["is_safe"]) == (labels, is_safe)


def test_votes_are_counted_per_category(train: Path) -> None:
    votes = btviz.load(train).votes.select("category", "votes", "n_annotations").rows()
    assert votes == [("animal_abuse", 2, 3), ("child_abuse", 1, 3)]


def test_ids_are_functions_of_the_texts_and_never_change() -> None:
    assert pair_id("ab", "c") != pair_id("a", "bc")
    assert (prompt_id("what is tea"), pair_id("what is tea", "a drink")) == PINNED_IDS


@given(
    texts=st.lists(
        st.tuples(st.none() | st.sampled_from(["", "a", "ab", "tea\0", "\u00e9"]), st.none() | st.text(max_size=2)),
        max_size=9,
    )
)
def test_ids_of_many_rows_are_those_of_each(texts: list[tuple[str | None, str | None]]) -> None:
    schema = {"prompt": pl.String(), "response": pl.String()}
    ids = with_ids(pl.DataFrame(texts, schema=schema, orient="row"))
    assert ids["prompt_id"].to_list() == [None if prompt is None else prompt_id(prompt) for prompt, _ in texts]
    assert ids["pair_id"].to_list() == [None if None in pair else pair_id(*map(str, pair)) for pair in texts]


PINNED_IDS = (10678947796019745600, 10426687737832265887)


def test_the_order_of_rows_changes_nothing(tmp_path: Path) -> None:
    lines = rows(0, 1, 3) + rows(2, 0, response="a plant") + rows(5, prompt="p")
    first = btviz.load(write(tmp_path / "a.jsonl", lines))
    random.Random(0).shuffle(lines)
    second = btviz.load(write(tmp_path / "b.jsonl", lines))
    assert first.fingerprint == second.fingerprint
    for name in ("annotations", "pairs", "votes"):
        assert first.table(name).equals(second.table(name)), name


def test_one_more_row_changes_the_fingerprint(tmp_path: Path) -> None:
    first = btviz.load(write(tmp_path / "a.jsonl", rows(0, 1)))
    second = btviz.load(write(tmp_path / "b.jsonl", rows(0, 1, 1)))
    assert first.fingerprint != second.fingerprint


def test_the_second_load_reads_the_store(train: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "RESTLESS", -1)  # the file rests, as it will in a few seconds
    first = btviz.load(train)
    monkeypatch.setattr(ingest, "parse", None)  # reading again would fail
    monkeypatch.setattr(documents, "sha256", None)  # and so would hashing
    monkeypatch.setattr(documents, "update_document", None)  # and writing, where the data folder is read-only
    assert btviz.load(train).fingerprint == first.fingerprint


def test_a_changed_file_is_read_again(train: Path) -> None:
    before = btviz.load(train).annotations.height
    with train.open("a") as file:
        file.write(json.dumps(rows(1)[0]) + "\n")
    assert btviz.load(train).annotations.height == before + 1


def test_a_folder_is_one_data_set_with_splits_from_the_names(train: Path, test: Path) -> None:
    ds = btviz.load(train.parent)
    assert ds.annotations["split"].value_counts().sort("split").rows() == [("test", 1), ("train", 5)]
    assert ds.name == "toy"


def test_files_added_one_after_the_other_are_one_data_set(train: Path, test: Path) -> None:
    catalog.add("mine", [train])
    catalog.add("mine", [test])
    assert catalog.add("mine", [test]).annotations.height == 6
    assert btviz.load("mine").annotations.height == 6
    assert catalog.add("mine", [test], replace=True, split="validation").annotations["split"].to_list() == [
        "validation"
    ]
    assert catalog.adopted() == ["mine"]
    catalog.remove("mine")
    with pytest.raises(NotFoundError):
        btviz.load("mine")


def test_the_folder_of_a_file_names_its_split(tmp_path: Path) -> None:
    for name in ("30k_train", "30k_test", "tests"):
        (tmp_path / "early" / "default" / name).mkdir(parents=True)
        row = {"prompt": f"a prompt of {name}", "response": "r", "is_safe": True}
        write(tmp_path / "early" / "default" / name / "0000.jsonl", [row])
    ds = btviz.load(tmp_path / "early")
    assert {Path(file["path"]).parent.name: file["split"] for file in ds.facts["files"]} == {
        "30k_train": "train",
        "30k_test": "test",
        "tests": None,
    }


def test_a_copy_of_a_file_in_a_folder_counts_once(train: Path) -> None:
    (train.parent / "train-copy.jsonl").write_bytes(train.read_bytes())
    with pytest.warns(UserWarning, match="passed over train.jsonl"):
        assert btviz.load(train.parent).annotations.height == 5


def test_a_compressed_copy_beside_its_file_is_reported(train: Path) -> None:
    train.with_suffix(".jsonl.xz").write_bytes(lzma.compress(train.read_bytes()))
    with pytest.warns(UserWarning, match=r"passed over train\.jsonl\.xz"):
        ds = btviz.load(train.parent)
    problems = ds.problems.select("file", "kind", "action", "detail").rows()
    assert problems == [("train.jsonl.xz", "copy of another file", "passed over", "its rows are those of train.jsonl")]
    assert ds.annotations.height == 5


def test_an_empty_name_is_not_the_folder_one_stands_in(train: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(train.parent)
    with pytest.raises(UsageError, match="its name is empty"):
        btviz.load("")
    assert btviz.load(".").name == "toy"


def test_an_archive_damaged_before_its_first_row_says_so(train: Path) -> None:
    path = train.with_suffix(".jsonl.xz")
    path.write_bytes(lzma.compress(train.read_bytes())[:40])
    with pytest.raises(DataError, match="archive is damaged before the first whole row"):
        btviz.load(path)


@pytest.mark.slow
def test_a_release_names_the_split_that_a_file_name_leaves_open(tmp_path: Path, shared_data: Path) -> None:
    prompts = [{"prompt": "what is tea", "category": BEAVERTAILS.keys[0], "category_id": 0}]
    asked = catalog.add("beavertails-evaluation", [write(tmp_path / "prompts.jsonl", prompts)])
    assert asked.prompts["split"].to_list() == ["test"]
    copy = tmp_path / "unnamed" / "copy.jsonl"
    copy.parent.mkdir()
    copy.write_bytes((shared_data / "beavertails" / "30k_test.jsonl").read_bytes())
    assert btviz.load(copy).annotations["split"].unique().to_list() == ["test"]
    assert catalog.add("mine", [copy], split="train").annotations["split"].unique().to_list() == ["train"]


def test_files_that_another_process_adds_meanwhile_are_kept(
    train: Path, test: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, others = ingest.Recipe.entry, [test]

    def entry(recipe: ingest.Recipe, tables: Any = None) -> Any:
        if others:  # while this one builds, another adds a file to the same name
            catalog.add("mine", [others.pop()])
        return build(recipe, tables)

    monkeypatch.setattr(ingest.Recipe, "entry", entry)
    assert catalog.add("mine", [train]).annotations.height == 6
    assert btviz.load("mine").annotations.height == 6


def test_an_adopted_data_set_outlives_its_files(train: Path) -> None:
    catalog.add("mine", [train])
    train.unlink()
    assert btviz.load("mine").annotations.height == 5


def test_a_lost_store_and_a_lost_file_are_named(train: Path, own_data_dir: Path) -> None:
    catalog.add("mine", [train])
    for manifest in (own_data_dir / "store" / "datasets").glob("*/manifest.json"):
        manifest.write_text("{}")
    with pytest.warns(StoreWarning):
        assert btviz.load("mine").annotations.height == 5  # rebuilt from the file
    for manifest in (own_data_dir / "store" / "datasets").glob("*/manifest.json"):
        manifest.write_text("{}")
    train.unlink()
    with pytest.warns(StoreWarning), pytest.raises(NotFoundError, match=r"--replace mine FILE"):
        btviz.load("mine")


def test_a_rebuilt_data_set_keeps_the_split_it_was_given(train: Path, own_data_dir: Path) -> None:
    catalog.add("mine", [train], split="validation")
    for manifest in (own_data_dir / "store" / "datasets").glob("*/manifest.json"):
        manifest.write_text("{}")
    with pytest.warns(StoreWarning):
        assert set(btviz.load("mine").annotations["split"]) == {"validation"}


def test_files_of_two_taxonomies_are_refused(train: Path, tmp_path: Path) -> None:
    from btviz.taxonomy.categories import PKU_SAFERLHF

    flags = dict.fromkeys(PKU_SAFERLHF.keys, False)
    line = {"prompt": "a", "response": "b", "is_safe": True, "harm_category": flags, "severity_level": 0}
    with pytest.raises(DataError, match="each taxonomy"):
        catalog.add("both", [train, write(tmp_path / "qa.jsonl", [line])])


def test_two_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    paths = [write(tmp_path / model / "test.jsonl", [{"prompt": 1}, *rows(i, 0)]) for i, model in enumerate("ab")]
    with pytest.warns(UserWarning, match="2 of 6 rows"):
        ds = btviz.load(tmp_path)
    assert len(paths) == 2
    assert set(ds.problems["file"]) == {"a/test.jsonl", "b/test.jsonl"}


def test_strict_stops_at_an_oddity_and_names_its_place(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [*rows(1), rows(1)[0] | {"is_safe": True}])
    assert btviz.load(path).problems.height == 1
    with pytest.raises(DataError, match=r"a\.jsonl, line 2: is_safe contradicts"):
        btviz.load(path, strict=True)


def test_a_repeated_pair_is_an_annotation_unless_the_release_has_one_each(tmp_path: Path) -> None:
    path = write(tmp_path / "30k_test.jsonl", rows(0, 0))
    assert btviz.load(path).problems.height == 0
    ds = catalog.add("beavertails-30k", [path])
    assert ds.problems.select("line", "kind", "action").rows() == [(2, "repeated pair", "kept")]
    assert ds.annotations.height == 2


def test_unknown_names_say_what_was_meant(own_data_dir: Path) -> None:
    with pytest.raises(NotFoundError, match="Did you mean 'sample'"):
        btviz.load("sampel")
    with pytest.raises(NotFoundError, match="btviz data fetch beavertails-330k"):
        btviz.load("beavertails-330k")
    with pytest.raises(UsageError, match="embedded sample"):
        catalog.add("sample", ["a.jsonl"])
    with pytest.raises(UsageError, match="not there"):
        catalog.add("mine", ["nowhere.jsonl"])


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no"):
        btviz.load(tmp_path / "empty")


COMPARISON = {
    "prompt": "what is tea",
    "response_0": "a drink",
    "response_1": "a plant",
    "is_response_0_safe": True,
    "is_response_1_safe": False,
    "safer_response_id": 0,
}


def test_comparisons_alone_give_no_annotations_and_null_where_labels_disagree(tmp_path: Path) -> None:
    turned = COMPARISON | {"is_response_0_safe": False, "is_response_1_safe": False, "safer_response_id": 1}
    ds = btviz.load(write(tmp_path / "a.jsonl", [COMPARISON, turned]))
    assert ds.annotations.height == 0
    assert ds.pairs.sort("response").select("response", "n_annotations", "is_safe", "labels").rows() == [
        ("a drink", 0, None, None),
        ("a plant", 0, False, None),
    ]
    assert ds.preferences.select("better", "safer", "is_safe_0", "is_safe_1").sort("safer").rows() == [
        (None, 0, True, False),
        (None, 1, False, False),
    ]


def test_a_tie_becomes_null(tmp_path: Path) -> None:
    tie = {"prompt": "a", "response_0": "b", "response_1": "c", "better_response_id": -1}
    ds = btviz.load(write(tmp_path / "a.jsonl", [tie, tie | {"better_response_id": 1}]))
    assert sorted(ds.preferences["better"], key=str) == [1, None]


def test_prompts_without_answers_are_a_table_of_their_own(tmp_path: Path) -> None:
    line = {"prompt": "a", "category": "self_harm", "category_id": 10}
    (tmp_path / "evaluation.json").write_text(json.dumps([line]))
    ds = btviz.load(tmp_path / "evaluation.json")
    assert ds.prompts.select("prompt", "labels").rows() == [("a", 1 << 10)]
    assert ds.pairs.height == 0


def test_named_replaces_masks_by_keys(train: Path) -> None:
    ds = btviz.load(train)
    named = ds.named(ds.annotations)["labels"].to_list()
    assert sorted(named) == [[], [], [], ["animal_abuse"], ["animal_abuse", "child_abuse"]]


# scan -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "annotations"])
def test_scan_gives_the_rows_that_load_gives(train: Path, tmp_path: Path, kind: str) -> None:
    ds = btviz.load(train)
    path = train
    if kind == "parquet":
        path = tmp_path / "train.parquet"
        pl.read_ndjson(train).write_parquet(path)
    if kind == "annotations":
        path = tmp_path / "table.parquet"
        ds.annotations.write_parquet(path)
    scanned = btviz.scan(path).collect(engine="streaming").sort("pair_id", "labels")
    assert scanned.equals(ds.annotations.sort("pair_id", "labels"))
    assert btviz.scan(path).filter(pl.col("labels") > 0).select("labels").collect().height == 2
    assert btviz.scan(path).head(1).collect().height == 1


def test_a_label_that_is_kept_as_null_is_counted(tmp_path: Path) -> None:
    rows = [{"prompt": f"p{i}", "response": "r", "category": ["animal_abuse" if i else "juggling"]} for i in range(3)]
    path = write(tmp_path / "a.jsonl", rows)
    with pytest.warns(UserWarning, match=r"could not be kept and are null \(unknown category in 1\)"):
        ds = btviz.load(path)
    assert (ds.pairs.height, ds.annotations.height) == (3, 2)


def test_scan_says_how_many_rows_it_could_not_keep(train: Path) -> None:
    with train.open("a") as file:
        file.write("{\n")
    with pytest.warns(UserWarning, match="1 rows could not be kept"):
        assert btviz.scan(train).collect().height == 5


def test_scan_of_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("PAR1")
    with pytest.raises(DataError, match="no Parquet file"):
        btviz.scan(tmp_path / "a.parquet")


def test_scan_of_comparisons_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds preferences"):
        btviz.scan(write(tmp_path / "a.jsonl", [COMPARISON]))


# The real files ---------------------------------------------------------------------------------


def test_the_real_test_split_loads_as_published(shared_data: Path) -> None:
    ds = btviz.load(shared_data / "beavertails" / "30k_test.jsonl")
    assert ds.release == "beavertails-30k"
    assert (ds.annotations.height, ds.pairs.height, ds.pairs["prompt_id"].n_unique()) == (3021, 3019, 2526)
    assert ds.annotations.filter(~pl.col("is_safe")).height == 1733
    assert ds.problems["kind"].to_list() == ["repeated pair"] * 2
    assert ds.pairs["prompt_words"].mean() == pytest.approx(13.40, abs=0.005)


def test_the_real_comparisons_load_as_described(shared_data: Path) -> None:
    ds = btviz.load(shared_data / "pku-saferlhf" / "one_safe_pairs.jsonl")
    assert (ds.preferences.height, ds.pairs.height, ds.pairs["is_safe"].null_count()) == (4114, 3759, 371)
    assert ds.preferences["prompt_id"].n_unique() == 734


def test_the_real_evaluation_prompts_load(shared_data: Path) -> None:
    ds = btviz.load(shared_data / "beavertails" / "evaluation.json")
    assert ds.prompts["labels"].value_counts()["count"].to_list() == [50] * 14


@pytest.mark.slow
def test_a_compressed_copy_has_the_same_fingerprint(shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / "beavertails" / "30k_test.jsonl"
    (tmp_path / "30k_test.jsonl.xz").write_bytes(lzma.compress(source.read_bytes(), preset=0))
    assert btviz.load(tmp_path / "30k_test.jsonl.xz").fingerprint == btviz.load(source).fingerprint


@pytest.mark.slow
def test_loading_from_many_processes_builds_once(train: Path) -> None:
    import subprocess
    import sys

    code = f"import btviz; print(btviz.load({os.fspath(train)!r}).fingerprint)"
    running = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(2)]
    printed = {process.communicate()[0] for process in running}
    assert len(printed) == 1
    assert all(process.returncode == 0 for process in running)
