"""Answers that are missing, and answers without labels: one rule in every format, and nothing merged."""

import csv
import json

import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from small_data import dataset_from_rows
from wording import says

import btviz
from btviz.cli.app import app
from btviz.data.tables import pair_id, prompt_id
from btviz.errors import DataError, UsageError
from btviz.labels import annotator_agreement, category_counts, response_repeats
from btviz.preference import orthogonality
from btviz.taxonomy.categories import BEAVERTAILS

SAFE = dict.fromkeys(BEAVERTAILS.keys, False)
FORMS = ("jsonl", "json", "csv", "parquet")


def written(folder, name, rows, *, form="jsonl"):
    """The same rows in one form; in a CSV what is missing is an empty cell."""
    path = folder / f"{name}.{form}"
    if form == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif form == "json":
        path.write_text(json.dumps(rows))
    elif form == "parquet":
        pl.DataFrame(rows).write_parquet(path)
    else:
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, list(rows[0]))
            table.writeheader()
            table.writerows({k: json.dumps(v) if isinstance(v, dict) else v for k, v in row.items()} for row in rows)
    return path


def annotations(answers):
    """Rows about one prompt for every three answers, every second one unsafe."""
    return [
        {"prompt": f"what is tea {n // 3}", "response": answer, "is_safe": n % 2 == 0}
        | {"category": SAFE | ({"privacy_violation": True} if n % 2 else {})}
        for n, answer in enumerate(answers)
    ]


def comparisons(pairs):
    return [
        {"prompt": f"what is tea {n}", "response_0": first, "response_1": second}
        | {
            "is_response_0_safe": True,
            "is_response_1_safe": n % 2 == 0,
            "better_response_id": 0,
            "safer_response_id": 0,
        }
        for n, (first, second) in enumerate(pairs)
    ]


def account(ds):
    (file,) = ds.facts["files"]
    return file["rows_in"], file["rows_kept"], file["rows_rejected"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("missing", [None, ""], ids=["null", "empty"])
def test_a_missing_answer_is_no_pair_and_its_prompt_stays(tmp_path, form, missing):
    answers = [missing if n % 3 == 0 else f"it is tea {n}" for n in range(60)]
    ds = btviz.load(written(tmp_path, "rows", annotations(answers), form=form))
    assert account(ds) == (60, 60, 0)
    assert ds.annotations.height == ds.pairs.height == 40, "20 of 60 rows have no answer"
    assert ds.pairs["n_annotations"].max() == 1
    assert pair_id("what is tea 0", "") not in ds.pairs["pair_id"]
    assert (ds.prompts.height, ds.prompts["prompt_id"].n_unique()) == (20, 20)
    assert ds.prompts.select(pl.all_horizontal(pl.col("labels", "is_safe").is_null())).to_series().all()
    kinds = ds.problems.group_by("kind", "detail").len().sort("kind", "detail")
    lost = [("label of a missing answer", name, 20) for name in ("is_safe", "labels")]
    assert kinds.rows() == [*lost, ("missing answer", "response", 20)]
    counts = category_counts(ds).row(by_predicate=pl.col("category") == "privacy_violation", named=True)
    # unsafe rows are n = 1, 3, 5, ..., 59; of these 3, 9, ..., 57 have no answer
    assert (counts["n_category"], counts["n"]) == (20, 40)


def test_rows_are_the_same_in_every_form(tmp_path):
    rows = annotations([None if n % 4 == 0 else f"it is tea {n}" for n in range(24)])
    loaded = [btviz.load(written(tmp_path, f"in-{form}", rows, form=form)) for form in FORMS]
    assert len({ds.fingerprint for ds in loaded}) == 1
    assert len({account(ds) for ds in loaded}) == 1
    for table in ("annotations", "pairs", "prompts", "votes"):
        assert all(ds.table(table).equals(loaded[0].table(table)) for ds in loaded), table


@pytest.mark.parametrize("form", FORMS)
def test_a_comparison_with_one_answer_compares_nothing_and_the_answer_stays(tmp_path, form):
    pairs = [(f"green {n}", f"black {n}") for n in range(12)]
    pairs[0], pairs[4], pairs[8] = (None, "black 0"), ("green 4", None), (None, None)
    ds = btviz.load(written(tmp_path, "asked", comparisons(pairs), form=form))
    assert account(ds) == (12, 12, 0)
    assert ds.preferences.height == 9
    assert ds.preferences.select(pl.col("pair_id_0", "pair_id_1").null_count()).row(0) == (0, 0)
    assert ds.pairs.height == 9 * 2 + 2
    alone = ds.pairs.filter(pair_id=pair_id("what is tea 0", "black 0")).row(0, named=True)
    assert (alone["is_safe"], alone["n_annotations"]) == (True, 0), "as released in that row"
    assert ds.prompts["prompt_id"].to_list() == [prompt_id("what is tea 8")]
    lost = ds.problems.filter(kind="label of a missing answer", detail="better")
    assert len(lost) == 3
    answer = response_repeats(ds).filter(unit="answer").row(0, named=True)
    assert (answer["n"], answer["rows"], answer["n_repeated"]) == (18, 18, 0)
    assert orthogonality(ds, n_boot=40).table["n"][0] == 9


@pytest.mark.parametrize("rows", [annotations([None] * 9), comparisons([(None, "black tea")] * 9)])
def test_labels_of_nothing_but_missing_answers_are_an_error(tmp_path, rows):
    with pytest.raises(DataError) as told:
        btviz.load(written(tmp_path, "none", rows))
    assert says(str(told.value), "missing in each of its 9 rows")
    assert "--columns response" in str(told.value)
    said = CliRunner().invoke(app, ["data", "show", str(tmp_path / "none.jsonl")])
    assert said.exit_code == 4


@pytest.mark.slow
@given(st.lists(st.sampled_from(["", None, "a", "b"]), min_size=1, max_size=30))
def test_no_pair_is_made_of_missing_answers(answers):
    rows = pl.DataFrame(
        {"prompt": ["p"] * len(answers), "response": answers, "is_safe": [True] * len(answers)},
        schema={"prompt": pl.String, "response": pl.String, "is_safe": pl.Boolean},
    ).with_columns(pl.col("response").replace("", None), labels=pl.lit(0, pl.UInt32), split=pl.lit(None, pl.String))
    ds = dataset_from_rows(rows)
    known = [answer for answer in answers if answer]
    assert ds.annotations.height == len(known)
    assert sorted(ds.pairs["response"]) == sorted(set(known))
    assert ds.prompts.height == len(answers) - len(known)
    assert ds.pairs["n_annotations"].sum() == len(known)


# -- answers without labels -----------------------------------------------------------------------


@pytest.fixture
def unlabelled(tmp_path):
    rows = [{"prompt": f"what is tea {n // 2}", "response": f"tea {n} is green"} for n in range(80)]
    return btviz.load(written(tmp_path, "texts", rows))


def test_answers_without_labels_are_pairs_and_no_annotations(unlabelled):
    assert (unlabelled.annotations.height, unlabelled.pairs.height) == (0, 80)
    assert unlabelled.pairs.select(pl.col("is_safe", "labels", "severity").null_count()).row(0) == (80, 80, 80)
    assert set(unlabelled.pairs["n_annotations"]) == {0}


def test_data_that_differ_in_answers_alone_have_different_fingerprints(tmp_path):
    names = ("green", "black")
    rows = {name: [{"prompt": "tea", "response": f"{name} {n}"} for n in range(3)] for name in names}
    first, second = (btviz.load(written(tmp_path, name, rows[name])).fingerprint for name in names)
    assert first != second
    turned = btviz.load(written(tmp_path, "turned", rows["green"][::-1]))
    assert turned.fingerprint == first


def test_a_majority_counts_those_who_spoke():
    # of four rows two say safe, one unsafe, one nothing; one of the two that name categories names the first
    rows = pl.DataFrame(
        {
            "prompt": ["p"] * 4,
            "response": ["a"] * 4,
            "is_safe": [True, True, False, None],
            "labels": pl.Series([None, None, 1, 0], dtype=pl.UInt32),
            "severity": pl.Series([None, None, 3, None], dtype=pl.UInt8),
            "split": ["train"] * 4,
        }
    )
    pair = dataset_from_rows(rows).pairs.row(0, named=True)
    assert (pair["n_annotations"], pair["n_unsafe"]) == (4, 1)
    assert (pair["is_safe"], pair["labels"], pair["severity"]) == (True, 1, 3)


def test_what_needs_labels_says_so(unlabelled, tmp_path):
    for call in (category_counts, btviz.cooccurrence, btviz.label_sets):
        with pytest.raises(DataError) as told:
            call(unlabelled)
        assert says(str(told.value), "no labels", "80 answers")
    table = annotator_agreement(unlabelled)
    assert table["agreement"].null_count() == table.height
    assert table["undefined"].str.contains("without labels").all()


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (["stats", "categories"], 4, ["no labels"]),
        (["stats", "cooccurrence"], 4, ["no labels"]),
        (["stats", "agreement"], 4, ["no labels"]),
        (["stats", "annotators"], 4, ["no labels"]),
        (["stats", "noise"], 4, ["no labels"]),
        (["stats", "compare"], 4, ["no labels"]),
        (["stats", "specifications"], 4, ["no labels"]),
        (["stats", "orthogonality"], 4, ["no labels"]),
        (["figures", "--out", "figures"], 2, ["no labels"]),
        (["score", "--probes"], 4, ["cost probe", "no comparison"]),
        (["data", "show"], 0, ["unlabelled pairs"]),
    ],
)
def test_no_command_fails_for_want_of_labels(unlabelled, tmp_path, monkeypatch, arguments, exit_code, words):
    monkeypatch.chdir(tmp_path)
    command = [*arguments[:2], "texts.jsonl", *arguments[2:]] if arguments[0] in ("stats", "data") else [
        arguments[0], "texts.jsonl", *arguments[1:]]  # fmt: skip
    told = CliRunner().invoke(app, command)
    assert told.exit_code == exit_code, told.output
    assert says(told.output, *words)


def test_counts_of_a_release_of_comparisons_need_no_option(tmp_path):
    labels = [SAFE | {"privacy_violation": n % 2 == 1} for n in range(20)]
    rows = [
        row | {"response_0_harm_category": SAFE, "response_1_harm_category": labels[n]}
        for n, row in enumerate(comparisons([(f"green {n}", f"black {n}") for n in range(20)]))
    ]
    path = written(tmp_path, "compared", rows)
    ds = btviz.load(path)
    assert category_counts(ds).equals(category_counts(ds, population="pairs"))
    told = CliRunner().invoke(app, ["stats", "categories", str(path)])
    assert told.exit_code == 0
    assert says(told.output, "no annotations of its own", "pairs are counted")
    with pytest.raises(UsageError):
        category_counts(ds, population="annotations")


def test_a_scan_has_the_annotations_that_loading_has(tmp_path):
    answers = [None if n % 3 == 0 else f"it is tea {n}" for n in range(30)]
    rows = annotations(answers)
    path = written(tmp_path, "rows", rows)
    scanned = btviz.scan(path).collect().sort("pair_id")
    assert scanned.equals(btviz.load(path).annotations)
    assert scanned.height == 20
    bare = written(tmp_path, "bare", [{"prompt": row["prompt"], "response": f"tea {n}"} for n, row in enumerate(rows)])
    with pytest.raises(DataError, match="answers without labels"):
        btviz.scan(bare)
