import json
import math
import tomllib
from pathlib import Path

import polars as pl
import pytest

import btviz
from btviz.data.releases import RELEASES, published
from btviz.taxonomy.categories import TAXONOMIES

FACTS = Path(__file__).resolve().parents[2] / "shared" / "facts" / "statistics.json"
PRINTED, RESOURCE = (
    Path(btviz.__file__).parent / "resources" / name for name in ("published.toml", "label_statistics.json")
)
EVERYTHING = pl.concat(published.published_numbers(name) for name in RELEASES)


def value(release, quantity, **chosen):
    """The one value of a quantity; `split=None` is the whole release."""
    frame = published.find(release, quantity)
    for column, wanted in {"split": None, "grade": None, **chosen}.items():
        if column != "grade" or wanted:
            frame = frame.filter(pl.col(column).eq_missing(pl.lit(wanted, pl.String)))
    [only] = frame["value"].to_list()
    return only


def by(release, quantity, column, **chosen):
    frame = published.find(release, quantity, **chosen)
    return dict(zip(frame[column], frame["value"], strict=True))


def test_every_number_is_about_a_registered_release():
    """Read from the file itself: what `numbers` gives is asked for by release, and would leave the others out."""
    document = tomllib.loads(PRINTED.read_text())
    single, tables = document["number"], document["table"]
    assert {entry["release"] for entry in single + tables} == set(EVERYTHING["release"]) <= set(RELEASES)
    families = EVERYTHING["id"].str.split("/").list.first().to_list()
    assert {entry["id"] for entry in single} <= set(EVERYTHING["id"])
    assert {entry["id"] for entry in tables} <= set(families)


def test_fields_are_complete_and_of_the_stated_kind():
    assert EVERYTHING.schema == published.NUMBERS
    assert EVERYTHING["id"].is_unique().all()
    needed = ["id", "release", "quantity", "value", "unit", "source", "grade", "tolerance"]
    assert EVERYTHING.select(pl.col(needed).is_null().any()).row(0) == (False,) * len(needed)
    assert set(EVERYTHING["unit"]) == {"count", "percent", "mean", "coefficient", "share"}
    assert set(EVERYTHING["grade"]) <= set("PTHCSDM")
    assert set(EVERYTHING["split"]) == {None, "train", "test"}
    assert set(EVERYTHING["where"]) == {None, "all", "unsafe"}
    assert set(EVERYTHING["population"]) == {
        None,
        "annotations",
        "pairs",
        "prompts",
        "preferences",
        "answers",
    }
    assert EVERYTHING["value"].is_finite().all()
    counts = EVERYTHING.filter(pl.col("unit") == "count")
    assert (counts["value"] == counts["value"].round()).all()
    percent = EVERYTHING.filter(pl.col("unit") == "percent")
    assert percent["value"].is_between(0, 100).all()


def test_categories_are_those_of_the_release():
    for column in ("category", "other"):
        named = EVERYTHING.filter(pl.col(column).is_not_null())
        for release, category in named.select("release", column).unique().iter_rows():
            assert category in TAXONOMIES[RELEASES[release].taxonomy].keys


def test_the_files_of_the_registry_have_the_printed_rows():
    for release in ("beavertails-30k", "beavertails-330k", "pku-saferlhf-30k", "beavertails-evaluation"):
        for file in RELEASES[release].files:
            assert value(release, "rows", split=file.split) == file.rows


@pytest.mark.parametrize(
    "release", ["beavertails-30k", "beavertails-330k", "pku-saferlhf-single-dimension", "pku-saferlhf"]
)
def test_splits_sum_to_the_whole_within_its_rounding(release):
    whole = published.find(release, "rows").filter(pl.col("split").is_null())
    parts = value(release, "rows", split="train") + value(release, "rows", split="test")
    differs = abs(whole["value"].item() - parts) > whole["tolerance"].item()
    assert differs == (release == "pku-saferlhf"), "only that one was cleaned after it was printed"


def test_printed_contradictions_stand_beside_what_the_splits_give():
    pairs = published.find("beavertails-330k", "unique_pairs").filter(pl.col("split").is_null())
    assert pairs["value"].to_list() == [99_734, 110_822]
    assert pairs["grade"].to_list() == ["T", "D"]
    assert "train split alone" in pairs["note"][0]
    train, test = (value("beavertails-330k", "unique_pairs", split=split) for split in ("train", "test"))
    assert train + test == 110_822
    for release, printed in (("beavertails-30k", 7_774), ("beavertails-330k", 16_195)):
        prompts = [value(release, "unique_prompts", split=split) for split in ("train", "test")]
        assert sum(prompts) - value(release, "shared_prompts") == printed
    assert value("beavertails-330k", "annotations_per_pair") == math.floor(333_963 / 99_734 * 100) / 100
    assert value("pku-saferlhf-30k", "rows") != 26_873 + 2_990


@pytest.mark.parametrize(("split", "rows", "pairs"), [("train", 300_567, 99_734), ("test", 33_396, 11_088)])
def test_annotations_per_pair_account_for_every_row(split, rows, pairs):
    histogram = by("beavertails-330k", "pairs_with_annotations", "level", split=split)
    assert sum(histogram.values()) == pairs
    assert sum(int(times) * n for times, n in histogram.items()) == rows


def test_shares_follow_from_the_counts_beside_them():
    safe, unsafe = (value("beavertails-30k", quantity) for quantity in ("safe_rows", "unsafe_rows"))
    assert safe + unsafe == 30_207
    assert 100 * safe / 30_207 == pytest.approx(value("beavertails-30k", "share_safe"), abs=0.005)
    assert 100 * unsafe / 30_207 == pytest.approx(value("beavertails-30k", "share_unsafe"), abs=0.005)
    shares = by("beavertails-30k", "category_share", "category")
    assert len(shares) == 14
    assert sum(shares.values()) / 100 == pytest.approx(value("beavertails-30k", "labels_per_unsafe"))
    agreeing = value("beavertails-330k", "pairs_agreeing_on_is_safe", split="train")
    disputed = value("beavertails-330k", "share_pairs_disputed", split="train", level="is_safe")
    assert 100 * (1 - agreeing / 99_734) == pytest.approx(disputed, abs=0.05)
    majority = [value("beavertails-330k", name, split="test") for name in ("safe_pairs", "unsafe_pairs")]
    assert sum(majority) == 11_088


def test_label_sets_account_for_every_row_of_the_test_split():
    sets = by("beavertails-30k", "label_set_count", "level", split="test")
    assert sum(sets.values()) == 3_021
    assert 3_021 - sets[""] == value("beavertails-30k", "unsafe_rows", split="test")
    sizes = dict.fromkeys(range(6), 0)
    for names, n in sets.items():
        sizes[len(names.split(" | ")) if names else 0] += n
    assert list(sizes.values()) == [1288, 827, 658, 231, 16, 1]


def test_preference_tables_agree_with_each_other():
    def table(quantity, column="level"):
        return by("pku-saferlhf", quantity, column, split="train")

    rows = value("pku-saferlhf", "rows", split="train")
    configurations = table("safety_configuration")
    assert sum(configurations.values()) == rows
    mixed = [n for name, n in configurations.items() if not name.startswith("both")]
    assert sum(mixed) == value("pku-saferlhf", "rows_with_one_safe", split="train")
    assert sum(table("answers_by_safety").values()) == 2 * rows
    severities = table("severity_count")
    assert sum(severities.values()) == 2 * rows
    assert severities["0"] == table("answers_by_safety")["safe"]
    selections = [value("pku-saferlhf", name, split="train") for name in ("same_selection", "different_selection")]
    assert sum(selections) == rows


def test_joint_counts_are_symmetric_and_give_the_known_phi():
    joint = published.find("pku-saferlhf", "joint_count", split="train")
    assert joint.height == 19 * 18
    cells = {(a, b): n for a, b, n in joint.select("category", "other", "value").iter_rows()}
    assert all(n == cells[b, a] for (a, b), n in cells.items())
    margins = dict(
        published.find("pku-saferlhf", "category_severity_count", split="train")
        .group_by("category")
        .agg(pl.col("value").sum())
        .iter_rows()
    )
    assert all(n <= min(margins[a], margins[b]) for (a, b), n in cells.items())
    a, b = margins["Economic Crime"], margins["White-Collar Crime"]
    both = cells["Economic Crime", "White-Collar Crime"]
    for n, expected in ((2 * 73_907, 0.568), (76_125, 0.526)):
        phi = (n * both - a * b) / math.sqrt(a * (n - a) * b * (n - b))
        assert phi == pytest.approx(expected, abs=0.0005)


def test_find_narrows_by_split_and_category():
    animals = published.find("beavertails-330k", "category_count", split="train", category="animal_abuse")
    assert animals["value"].to_list() == [3480]
    assert published.published_numbers("pku-saferlhf-10k").is_empty()
    assert set(published.published_numbers("beavertails-330k", split="test")["split"]) == {"test"}
    splits = published.published_numbers("beavertails-330k")["split"].is_null()
    assert splits.sort(descending=True).equals(splits), "the whole release comes first"


@pytest.fixture
def facts():
    if not FACTS.exists():
        pytest.skip(f"the collected facts are not here: {FACTS} is missing")
    return json.loads(FACTS.read_text())


def test_the_resource_is_what_was_collected(facts):
    resource = json.loads(RESOURCE.read_text())
    del resource["about"]
    assert resource == {name: facts[name] for name in resource}
    assert set(facts) - set(resource) == {"preference_model_pair_accuracy_on_pku_saferlhf_test_8211"}


def test_single_values_are_those_that_were_collected(facts):
    def both(release, quantity, collected, **chosen):
        assert value(release, quantity, **chosen) == collected

    small, large = facts["beavertails_30k_test"], facts["beavertails_330k"]
    both("beavertails-30k", "rows", small["rows"], split="test")
    both("beavertails-30k", "unique_pairs", small["unique_pairs"], split="test")
    both("beavertails-30k", "unique_prompts", small["unique_prompts"], split="test")
    both("beavertails-30k", "unsafe_rows", small["unsafe"], split="test")
    both("beavertails-330k", "rows", large["train_rows"], split="train")
    both("beavertails-330k", "rows", large["test_rows"], split="test")
    both("beavertails-330k", "unique_prompts", large["unique_prompts"], grade="T")
    both("beavertails-330k", "unique_pairs", large["train_unique_pairs"], split="train")
    both("beavertails-330k", "unique_pairs", large["test_unique_pairs"], split="test")
    both("beavertails-330k", "safe_pairs", large["test_majority_safe_pairs"], split="test")
    both("beavertails-330k", "unsafe_pairs", large["test_majority_unsafe_pairs"], split="test")
    agreeing = large["pairs_agreeing_on_full_category_vector_train"]
    both("beavertails-330k", "pairs_agreeing_on_labels", agreeing, split="train")
    both("beavertails-330k", "pairs_agreeing_on_is_safe", large["pairs_agreeing_on_is_safe_train"], split="train")
    disputed = large["share_of_pairs_with_disagreement_pct_train"]["is_safe"]
    both("beavertails-330k", "share_pairs_disputed", disputed, split="train", level="is_safe")
    dual = facts["pku_saferlhf_dual_train"]
    both("pku-saferlhf", "rows", dual["rows"], split="train")
    both("pku-saferlhf", "rows", dual["test_rows"], split="test")
    both("pku-saferlhf", "same_selection", dual["same_selected_response"], split="train")
    both("pku-saferlhf", "different_selection", dual["different_selected_response"], split="train")


def test_leakage_is_what_was_collected(facts):
    names = {
        "unique_train_prompts": ("unique_prompts", "train"),
        "unique_test_prompts": ("unique_prompts", "test"),
        "shared_prompts": ("shared_prompts", None),
        "n_test_rows": ("rows", "test"),
        "test_rows_whose_prompt_is_in_train": ("rows_with_train_prompt", "test"),
        "test_rows_whose_pair_is_in_train": ("rows_with_train_pair", "test"),
    }
    for size in ("30k", "330k"):
        assert set(facts["leakage"][size]) == set(names)
        for name, (quantity, split) in names.items():
            assert value(f"beavertails-{size}", quantity, split=split) == facts["leakage"][size][name]


def test_model_accuracies_are_what_was_collected(facts):
    collected = facts["preference_model_pair_accuracy_on_pku_saferlhf_test_8211"]
    assert by("pku-saferlhf", "pair_accuracy", "level") == collected
