"""Published numbers against recomputed ones: partial data, whole data, synthetic data."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner, Result
from wording import says

import btviz
from btviz.cli.check import DIFFERS, check_command
from btviz.data.dataset import Dataset
from btviz.data.releases import RELEASES, published
from btviz.reports.ledger import Ledger, check, phi_by_population
from btviz.reports.ledger.ledger import KINDS
from btviz.reports.ledger.quantities import QUANTITIES, mean_of
from btviz.reports.ledger.summary import summarise
from btviz.taxonomy.categories import PKU_SAFERLHF

pytestmark = pytest.mark.usefixtures("kept_samples")

Made = Callable[..., Dataset]


def only(table: pl.DataFrame, **same: str) -> dict[str, Any]:
    found = table.filter(**same)
    assert found.height == 1, found
    return found.row(0, named=True)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    file = Path(__file__).resolve().parents[2] / "shared" / "data" / "beavertails" / "30k_test.jsonl"
    if not file.is_file():
        pytest.skip(f"the real data are not here: {file} is missing")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BTVIZ_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        loaded = Ledger(btviz.load(file), n_boot=600)
        assert loaded.ds.annotations.height == loaded.ds.pairs["n_annotations"].sum()  # read while the folder stands
    return loaded


# -- one real split -------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_published_number_has_one_verdict(ledger: Ledger) -> None:
    numbers = ledger.numbers
    assert numbers["id"].to_list() == published.published_numbers("beavertails-30k")["id"].to_list()
    assert set(numbers["kind"]) == {"agrees", "partial", "needs data"}
    assert numbers["verdict"].null_count() == 0
    assert all(v.startswith(k) for v, k in zip(numbers["verdict"], numbers["kind"], strict=True))
    assert not ledger.has_difference


def test_the_split_that_is_here_agrees(ledger: Ledger) -> None:
    test = ledger.numbers.filter(split="test", kind="agrees")
    assert test.filter(quantity="label_set_count").height == 113
    assert set(test["quantity"]) >= {"rows", "unique_prompts", "unique_pairs", "unsafe_rows"}
    assert (test["difference"] == 0).all()


def test_the_missing_split_is_named(ledger: Ledger) -> None:
    assert ledger.splits == {"test": 3021}
    assert says(ledger.title, "30k_test", "beavertails-30k", "test", "3,021 of 30,207")
    assert only(ledger.numbers, id="30k-train-rows")["verdict"] == "needs data set beavertails-30k (train)"
    for number in ("30k-test-rows-with-train-pair", "30k-prompts-with-both", "30k-prompts-by-responses/3"):
        row = only(ledger.numbers, id=number)
        assert row["verdict"].startswith("needs data set beavertails-30k (train): ")
        assert row["recomputed"] is None


def test_statistics_of_a_part_have_an_interval(ledger: Ledger) -> None:
    words = only(ledger.numbers, id="30k-prompt-words")
    assert (round(words["recomputed"], 2), round(words["low"], 1), round(words["high"], 1)) == (13.40, 13.0, 13.8)
    assert says(words["verdict"], "partial", "test", "3,021 of 30,207", "lies inside")
    outside = only(ledger.numbers, id="30k-category-share/controversial_topics,politics")
    assert (round(outside["recomputed"], 1), round(outside["low"], 1)) == (5.5, 4.4)
    assert "lies outside" in outside["verdict"]
    rare = only(ledger.numbers, id="30k-category-share/self_harm")
    assert (round(rare["low"], 1), round(rare["high"], 1)) == (0.7, 1.8)  # of 1.1 %: asymmetric
    count = only(ledger.numbers, id="30k-safe")
    assert (count["recomputed"], count["difference"]) == (1288, None)
    assert "count of all" in count["verdict"]


PHIS = {
    ("annotations", "all"): (0.487, False),
    ("annotations", "unsafe"): (0.441, True),
    ("pairs", "all"): (0.487, False),
    ("pairs", "unsafe"): (0.441, True),
    ("prompts", "all"): (0.472, False),
    ("prompts", "unsafe"): (0.425, True),
}


@pytest.mark.slow
def test_the_printed_coefficient_is_held_in_every_population(ledger: Ledger) -> None:
    printed = ledger.phis.drop_nulls("published")
    found = {
        (row["population"], row["where"]): (round(row["phi"], 3), row["holds_published"])
        for row in printed.iter_rows(named=True)
    }
    assert found == PHIS
    first = printed.row(0, named=True)
    assert (first["low"], first["high"]) == (pytest.approx(0.430, abs=0.008), pytest.approx(0.543, abs=0.008))
    assert ledger.phis.height == 6 * 91
    assert ledger.phis.filter(pl.col("published").is_null())["holds_published"].null_count() == 6 * 91 - 6


def test_a_coefficient_has_the_same_interval_in_both_tables(ledger: Ledger) -> None:
    number = ledger.numbers.row(by_predicate=pl.col("id") == "phi-discrimination-hate", named=True)
    rows = ledger.phis.filter(pl.col("published").is_not_null(), population="annotations", where="all")
    row = rows.row(0, named=True)
    ends = [row[name] for name in ("phi", "low", "high")]
    assert [number[name] for name in ("recomputed", "low", "high")] == pytest.approx(ends, rel=1e-9)


def test_phis_are_those_of_numpy(ledger: Ledger) -> None:
    rows = ledger.ds.annotations.filter(~pl.col("is_safe"))
    flags = rows["labels"].to_numpy()[:, None] >> np.arange(14) & 1
    wanted = np.corrcoef(flags.T)[np.triu_indices(14, 1)]
    found = ledger.phis.filter(population="annotations", where="unsafe")["phi"].to_numpy()
    assert found == pytest.approx(wanted)


def test_contradictions_are_found_with_their_arithmetic(ledger: Ledger) -> None:
    found = ledger.contradictions
    leak = only(found, id="beavertails-30k-shared-prompts")
    assert leak["finding"] == "contradicts"
    assert says(leak["arithmetic"], "2,518 of its 2,526 prompts", "99.7 %")
    assert "12 rows repeat a pair" in leak["arithmetic"]
    phi = found.filter(pl.col("id").str.starts_with("phi/") & pl.col("id").str.ends_with("/annotations/all"))
    assert "with 0.40825" in phi["arithmetic"][0]
    assert phi["rests_on"][0] == "rows of 30k_test"
    unsafe = only(found, id="violence-unethical/unsafe")
    assert unsafe["finding"] == "contradicts"
    assert "phi = -0.407" in unsafe["arithmetic"]
    assert "would give -0.153" in unsafe["arithmetic"]
    figure = {row["claim"].split(":")[0]: row["finding"] for row in found.iter_rows(named=True)}
    assert figure["controversial_topics,politics"] == figure["sexually_explicit,adult_content"] == "contradicts"
    assert figure["animal_abuse"] == figure["terrorism,organized_crime"] == "contradicts"  # 4.7 and 4.2 % are printed
    assert figure["misinformation_regarding_ethics,laws_and_safety"] == "undecided"  # outside its own interval alone
    assert figure["child_abuse"] == figure["self_harm"] == "consistent"
    assert figure["mean prompt words"] == figure["mean response words"] == "consistent"
    assert figure["rows of beavertails-30k"] == figure["unique prompts of beavertails-30k"] == "consistent"


# -- printed numbers alone ---------------------------------------------------------------------------


def released(make_dataset: Made, release: str, **tables: pl.DataFrame) -> Dataset:
    schema = {"prompt": pl.String, "response": pl.String, "split": pl.String, "is_safe": pl.Boolean}
    rows = tables.get("rows", pl.DataFrame(schema=schema | {"labels": pl.UInt32}))
    taxonomy = {"taxonomy": PKU_SAFERLHF} if release == "pku-saferlhf" else {}
    made = make_dataset(rows, name=release, comparisons=tables.get("comparisons"), **taxonomy)
    return replace(made, release=release)


def arithmetic(ledger: Ledger, finding: str) -> dict[str, str]:
    return dict(ledger.contradictions.filter(finding=finding).select("id", "arithmetic").iter_rows())


def test_contradictions_of_330k(make_dataset: Made) -> None:
    found = arithmetic(Ledger(released(make_dataset, "beavertails-330k"), n_boot=10), "contradicts")
    pairs = found["330k-unique-pairs-against-splits"]
    assert "99,734 (train) + 11,088 (test) = 110,822" in pairs
    assert "99,734 is the train split alone" in pairs
    assert "16,188 (train) + 7,766 (test) - 7,759 (in both) = 16,195" in found["330k-unique-prompts-against-splits"]
    assert "3.3485" in found["330k-annotations-per-pair"]
    assert "110,822 = 3.0135" in found["330k-annotations-per-pair"]
    assert "7,759 of its 7,766 prompts" in found["beavertails-330k-shared-prompts"]
    assert "330k-rows-against-splits" not in found


def test_contradictions_of_saferlhf(make_dataset: Made) -> None:
    found = arithmetic(Ledger(released(make_dataset, "pku-saferlhf"), n_boot=10), "contradicts")
    assert "p = 0.759, 2p - 1 = 0.518" in found["saferlhf-independence"]
    assert "(56,109 - 10,813) / 63,094 = 0.718" in found["saferlhf-independence"]
    assert "56,109 / 63,094 = 0.889" in found["saferlhf-independence"]
    assert "cap |2p - 1| at 0.2325" in found["saferlhf-independence"]
    assert says(found["saferlhf-order"], "response_1", "6,257", "57.9 %")
    assert "83,400 (dual) + 81,100 (single) = 164,500" in found["saferlhf-all-preferences"]
    assert says(found["saferlhf-economic-white-collar"], "phi = 0.568", "147,814", "0.526", "76,125")
    older = arithmetic(Ledger(released(make_dataset, "pku-saferlhf-30k"), n_boot=10), "contradicts")
    assert "26,873 (train) + 2,990 (test) = 29,863" in older["saferlhf-30k-comparisons-against-splits"]


@pytest.mark.parametrize("release", RELEASES)
def test_without_rows_every_number_needs_data(make_dataset: Made, release: str) -> None:
    numbers = check(released(make_dataset, release), n_boot=10)
    assert numbers.height == published.published_numbers(release).height
    if RELEASES[release].splits:
        assert set(numbers["kind"]) <= {"needs data", "not computable"}


def test_every_published_quantity_can_be_looked_up() -> None:
    quantities = {q for release in RELEASES for q in published.published_numbers(release)["quantity"]}
    assert quantities == set(QUANTITIES) - {"compared_prompts", "disputed_pairs"}  # counted, and printed nowhere


def test_what_data_show_counts_is_what_check_recomputes(ledger: Ledger) -> None:
    same = ["quantity", "population", "category", "level", "split"]
    shown = summarise(ledger.ds).quantities.select(*same, "value").unique()
    recomputed = ledger.numbers.drop_nulls("recomputed").select(*same, "recomputed")
    both = shown.join(recomputed, on=same, nulls_equal=True)
    assert set(both["quantity"]) >= {
        "rows",
        "share_safe",
        "category_share",
        "mean_prompt_words",
        "annotations_per_pair",
    }
    assert (both["value"] == both["recomputed"]).all()


# -- whole data --------------------------------------------------------------------------------------


def small_330k() -> pl.DataFrame:
    """Two prompts in both splits; pairs annotated three times, one of them disputed in every way."""
    rows = [
        ("p", "a", "train", [0, 0, 0]),
        ("p", "b", "train", [0, 8, 64]),
        ("q", "c", "train", [8, 8, 72]),
        ("q", "d", "test", [0, 8, 0]),
        ("p", "e", "test", [72, 72, 72]),
    ]
    flat = [(prompt, response, split, mask == 0, mask) for prompt, response, split, masks in rows for mask in masks]
    schema = {"prompt": pl.String, "response": pl.String, "split": pl.String, "is_safe": pl.Boolean}
    return pl.DataFrame(flat, schema=schema | {"labels": pl.UInt32}, orient="row")


def test_recomputed_numbers_of_a_small_330k(make_dataset: Made) -> None:
    numbers = check(released(make_dataset, "beavertails-330k", rows=small_330k()), n_boot=10)
    assert set(numbers["kind"]) <= {"agrees", "differs", "not computable"}
    found = dict(numbers.select("id", "recomputed").iter_rows())
    wanted = {
        "330k-rows": 15,
        "330k-train-rows": 9,
        "330k-unique-prompts": 2,
        "330k-test-unique-pairs": 2,
        "330k-annotations-per-pair": 3,
        "330k-share-safe": 100 * 6 / 15,
        "330k-safe-derived": 6,
        "330k-train-category-count/discrimination,stereotype,injustice": 4,
        "330k-test-category-majority/hate_speech,offensive_language": 1,
        "330k-test-majority-safe": 1,
        "330k-train-disagreement/discrimination,stereotype,injustice": 100 / 3,
        "330k-train-disagreement-on-safety": 100 / 3,
        "330k-train-pairs-agreeing-on-labels": 1,
        "330k-train-pairs-agreeing-on-safety": 2,
        "330k-rater-agreement/is_safe": 100 * (3 + 1 + 3 + 1 + 3) / 15,
        "330k-train-pairs-by-annotations/3": 3,
        "330k-shared-prompts": 2,
        "330k-test-rows-with-train-prompt": 6,
        "330k-test-rows-with-train-pair": 0,
        "330k-prompts-with-both": 2,
        "330k-preferences": None,
        "330k-rater-agreement/better": None,
    }
    assert {name: found[name] for name in wanted} == {
        name: value if value is None else pytest.approx(value) for name, value in wanted.items()
    }
    assert only(numbers, id="330k-test-rows-with-train-pair")["kind"] == "agrees"
    assert only(numbers, id="330k-rows")["difference"] == 15 - 333_963


def test_a_coefficient_printed_of_30k_is_looked_for_in_330k_too(make_dataset: Made) -> None:
    found = phi_by_population(released(make_dataset, "beavertails-330k", rows=small_330k()), n_boot=10)
    assert found.drop_nulls("published")["published"].to_list() == [0.408] * 6


def test_recomputed_numbers_of_comparisons(make_dataset: Made) -> None:
    economic, white = (1 << PKU_SAFERLHF[key].bit for key in ("economic-crime", "white-collar-crime"))
    rows = [
        ("p", "a", "b", "train", 0, 0, True, True, 0, 0, 0, 0),
        ("p", "a", "c", "train", 1, 0, True, False, 0, economic | white, 0, 2),
        ("q", "d", "e", "train", 0, 1, False, True, economic, 0, 1, 0),
        ("q", "d", "f", "test", 1, 1, False, False, economic, white, 1, 3),
    ]
    sides = [f"{name}_{side}" for name in ("is_safe", "labels", "severity") for side in (0, 1)]
    names = ["prompt", "response_0", "response_1", "split", "better", "safer", *sides]
    types = {name: pl.UInt32 for name in sides if name.startswith("labels")}
    comparisons = pl.DataFrame(rows, schema=names, schema_overrides=types, orient="row")
    numbers = check(released(make_dataset, "pku-saferlhf", comparisons=comparisons), n_boot=10)
    found = dict(numbers.select("id", "recomputed").iter_rows())
    wanted = {
        "saferlhf-rows": 4,
        "saferlhf-train-rows": 3,
        "saferlhf-unique-prompts": 2,
        "saferlhf-same-selection": 1,
        "saferlhf-different-selection": 2,
        "saferlhf-configurations/response_0_unsafe_response_1_safe": 1,
        "saferlhf-train-one-safe": 2,
        "saferlhf-answers-by-safety/unsafe": 2,
        "saferlhf-answers-by-severity/2": 1,
        "saferlhf-category-by-severity/Economic Crime/1": 1,
        "saferlhf-joint-count/Economic Crime/White-Collar Crime": 1,
        # 8 answers, 3 with Economic, 2 with White-Collar, 1 with both
        "phi-economic-white-collar": (8 * 1 - 3 * 2) / np.sqrt(3 * 5 * 2 * 6),
    }
    assert {name: found[name] for name in wanted} == {name: pytest.approx(value) for name, value in wanted.items()}
    assert only(numbers, id="saferlhf-all-preferences")["verdict"].startswith(
        "needs data set pku-saferlhf-single-dimension: "
    )
    accuracy = numbers.filter(quantity="pair_accuracy")["verdict"]
    assert accuracy.str.starts_with("not computable from released fields: ").all()


def test_a_split_of_which_a_file_is_missing_is_partial(make_dataset: Made) -> None:
    one = pl.DataFrame({"prompt": ["p"], "response_0": ["a"], "response_1": ["b"], "split": ["train"]})
    ds = released(make_dataset, "pku-saferlhf", comparisons=one)
    one_file = replace(ds, facts={"files": [{"split": "train"}]})
    row = only(check(one_file, n_boot=10), id="saferlhf-train-rows")
    assert row["verdict"].startswith("partial: train is 1 of 82,118 rows")


def test_the_evaluation_prompts_agree(shared_data: Path) -> None:
    """Its file names no split, and the release has but one."""
    ds = btviz.data.add("beavertails-evaluation", [shared_data / "beavertails" / "evaluation.json"])
    numbers = check(ds, n_boot=10)
    assert set(numbers["verdict"]) == {"agrees"}
    assert numbers.height == 15


# -- synthetic data, unknown data ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sample", "sample-saferlhf"])
def test_synthetic_data_reproduce_nothing(name: str, samples: dict[str, Dataset]) -> None:
    made = Ledger(samples[name], n_boot=10)
    numbers = made.numbers
    assert numbers.height == made.ds.targets.height
    assert set(numbers["kind"]) == {"synthetic"}
    assert numbers["published"].null_count() == numbers.height
    assert "agrees" not in " ".join(numbers["verdict"])
    assert numbers["verdict"].str.contains("reproduces nothing").all()
    assert made.contradictions.is_empty()
    assert made.phis.is_empty()
    assert "nothing can be reproduced" in made.title


def test_data_of_no_known_release_have_no_published_numbers(tiny: Dataset) -> None:
    found = Ledger(tiny, n_boot=10)
    assert found.numbers.is_empty()
    assert found.contradictions.is_empty()
    assert "your own file" in found.title


def test_phis_need_labels(make_dataset: Made, tiny: Dataset) -> None:
    assert phi_by_population(released(make_dataset, "pku-saferlhf"), n_boot=10).is_empty()
    found = phi_by_population(tiny, n_boot=10)
    assert found["published"].null_count() == found.height == 6 * 91
    assert found.filter(pl.col("phi").is_null())["undefined"].null_count() == 0


def test_an_interval_is_that_of_prompts() -> None:
    """Ten answers to each of 60 prompts that all agree are worth 60 answers, not 600."""
    prompt = pl.Series(np.repeat(np.arange(60), 10))
    hit = np.repeat(np.arange(60) % 2 == 0, 10)
    sample = mean_of(hit, prompt=prompt)
    interval = sample.intervals()
    (low,), (high,) = interval.low, interval.high
    assert sample.value == 0.5
    assert (high - low) / 2 == pytest.approx(1.96 * np.sqrt(0.25 / 60), rel=0.15)
    assert not interval.is_bounded[0]  # hits in 30 prompts


# -- the command -----------------------------------------------------------------------------------------


def called(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(check_command, arguments, catch_exceptions=False)


def test_the_command_prints_one_json_document() -> None:
    result = called("sample", "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 0
    assert {row["kind"] for row in document["numbers"]} == {"synthetic"}
    assert document["is_synthetic"]
    assert sum(document["splits"].values()) > 0


def test_the_command_exits_with_a_failure_only_on_request(make_dataset: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    ds = released(make_dataset, "beavertails-330k", rows=small_330k())
    monkeypatch.setattr(btviz, "load", lambda name: ds, raising=False)
    lenient, strict = called("beavertails-330k"), called("beavertails-330k", "--strict")
    assert (lenient.exit_code, strict.exit_code) == (0, DIFFERS)
    assert "differs" in lenient.stdout
    assert "agree" in lenient.stdout
    assert lenient.stdout == strict.stdout


@pytest.mark.slow
def test_the_command_names_the_splits(shared_data: Path) -> None:
    printed = called(str(shared_data / "beavertails" / "30k_test.jsonl"), "--strict")
    assert printed.exit_code == 0
    assert says(printed.stdout.splitlines()[0], "30k_test", "beavertails-30k", "3,021 of 30,207")
    assert "113 of 113 agree" in printed.stdout
    assert set(KINDS) > {"agrees"}


@pytest.mark.parametrize(
    ("masks", "said", "finding"),
    [
        ([1 << 8, 1 << 13], "a negative association", "contradicts"),
        ([(1 << 8) | (1 << 13), 0], "a positive association", "consistent"),
    ],
)
def test_a_notable_association_may_have_either_sign(
    make_dataset: Made, masks: list[int], said: str, finding: str
) -> None:
    rows = [(f"q{i}", "a", "test", masks[i % 2] == 0, masks[i % 2]) for i in range(60)]
    rows += [(f"r{i}", "a", "test", mask == 0, mask) for i, mask in enumerate([0, 1 << 8, 1 << 13] * 5)]
    schema = {
        "prompt": pl.String,
        "response": pl.String,
        "split": pl.String,
        "is_safe": pl.Boolean,
        "labels": pl.UInt32,
    }
    ds = released(make_dataset, "beavertails-30k", rows=pl.DataFrame(rows, schema=schema, orient="row"))
    found = Ledger(ds, n_boot=100).contradictions.filter(id="violence-unethical/all").row(0, named=True)
    assert found["arithmetic"].endswith(said)
    assert found["finding"] == finding


def test_answers_to_two_prompts_are_no_sample_of_prompts(make_dataset: Made) -> None:
    """Both have the same share, 42.70 %, which says nothing of how prompts differ; 42.68 is printed."""
    rows = [(f"q{i % 2}", f"a{i}", "test", i < 854, 0 if i < 854 else 1) for i in range(2000)]
    schema = {
        "prompt": pl.String,
        "response": pl.String,
        "split": pl.String,
        "is_safe": pl.Boolean,
        "labels": pl.UInt32,
    }
    ds = released(make_dataset, "beavertails-30k", rows=pl.DataFrame(rows, schema=schema, orient="row"))
    found = only(check(ds, n_boot=40), id="30k-share-safe")
    assert (found["low"], found["high"]) == (None, None)
    assert found["recomputed"] == pytest.approx(42.7)
    assert says(found["verdict"], "no interval", "effective number of its prompts is 2", "needs 20")
