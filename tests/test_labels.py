"""Category statistics over every population, by hand, by counting rows, and on the real file."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import btviz
from btviz.data.dataset import Dataset
from btviz.data.tables import ANNOTATIONS
from btviz.errors import DataError, UsageError
from btviz.labels.associations import cooccurrence
from btviz.labels.counts import category_counts, label_sets, labels_per_item
from btviz.taxonomy.categories import BEAVERTAILS, PKU_SAFERLHF

TABLES = (category_counts, cooccurrence, label_sets, labels_per_item)
COLUMNS = {
    "prompt": pl.String,
    "response": pl.String,
    "split": pl.String,
    "is_safe": pl.Boolean,
    "labels": pl.UInt32,
    "severity": pl.UInt8,
}
HATE, BIAS, LIE = (BEAVERTAILS[name].key for name in ("hate-speech", "discrimination", "unethical"))
hate, bias, lie = (BEAVERTAILS.mask([key]) for key in (HATE, BIAS, LIE))

Rows = list[tuple[str, str, str, int]]
Make = Callable[..., Dataset]


def frame_of(rows: Rows) -> pl.DataFrame:
    """prompt, response, split, mask; safe where the mask is 0, severity the number of labels."""
    return pl.DataFrame([(p, r, s, m == 0, m, m.bit_count()) for p, r, s, m in rows], schema=COLUMNS, orient="row")


def count_of(table: pl.DataFrame, category: str) -> int:
    return int(table.filter(category=category)["n_category"].item())


Answers = list[tuple[str, str, str, int, int]]


def compared(answers: Answers) -> pl.DataFrame:
    """prompt, two responses and their masks; rows go to train and test by turns."""
    names = ["prompt", "response_0", "response_1", "is_safe_0", "is_safe_1", "labels_0", "labels_1", "split"]
    rows = [(p, a, b, m == 0, n == 0, m, n, ("train", "test")[i % 2]) for i, (p, a, b, m, n) in enumerate(answers)]
    return pl.DataFrame(rows, schema=names, orient="row")


def test_annotations_pairs_and_prompts_are_counted_by_their_own_rules(tiny: Dataset):
    annotations = category_counts(tiny)
    assert [count_of(annotations, key) for key in (HATE, BIAS, LIE)] == [1, 2, 4]
    assert set(annotations["n"]) == {13}
    pairs = category_counts(tiny, population="pairs")
    # one of three flags hate, two of three bias; one of three a lie in the other pair
    assert [count_of(pairs, key) for key in (HATE, BIAS, LIE)] == [0, 1, 1]
    assert set(pairs["n"]) == {5}
    assert set(category_counts(tiny, population="prompts")["n"]) == {3}
    unsafe = category_counts(tiny, population="prompts", where="unsafe")
    assert (set(unsafe["n"]), count_of(unsafe, BIAS), count_of(unsafe, LIE)) == ({2}, 1, 1)


def test_a_tie_flags_the_category_and_makes_the_pair_unsafe(make_dataset: Make):
    ds = make_dataset(frame_of([("p", "r", "train", hate), ("p", "r", "train", 0)]))
    table = category_counts(ds, population="pairs", where="unsafe")
    assert (count_of(table, HATE), set(table["n"])) == (1, {1})
    assert "tie" in table["rule"][0]


def test_an_unsafe_pair_with_no_majority_category_is_kept_counted_and_named(make_dataset: Make):
    rows = [("p", "r", "train", mask) for mask in (hate, bias, lie)] + [("p", "s", "train", 0)]
    ds = make_dataset(frame_of(rows))
    for where, n in (("all", 2), ("unsafe", 1)):
        table = category_counts(ds, population="pairs", where=where)
        assert (set(table["n"]), table["n_category"].sum(), set(table["n_no_category"])) == ({n}, 0, {1})
    assert labels_per_item(ds, population="pairs", where="unsafe").row(0)[:2] == (0, 1)
    assert set(cooccurrence(ds, population="pairs", where="unsafe")["n_no_category"]) == {1}
    assert set(category_counts(ds, population="annotations")["n_no_category"]) == {0}


def test_a_prompt_has_a_category_if_any_of_its_pairs_has_it(make_dataset: Make):
    rows = [("p", "r", "train", hate), ("p", "s", "train", bias), ("p", "t", "train", 0), ("q", "r", "train", 0)]
    ds = make_dataset(frame_of(rows))
    both = cooccurrence(ds, population="prompts", where="unsafe").filter(row=HATE, col=BIAS)
    assert both.select("n", "n_row", "n_col", "n_both").row(0) == (1, 1, 1, 1)
    assert set(cooccurrence(ds, population="prompts")["n"]) == {2}


def test_each_table_says_what_it_counts(tiny: Dataset):
    for make in TABLES:
        for population in ("annotations", "pairs", "prompts"):
            table = make(tiny, population=population, where="unsafe")
            assert set(table["population"]) == {population}
            assert set(table["where"]) == {"unsafe"}
            assert "unsafe if" in table["rule"][0] or "unsafe if" in table["rule"][-1]
    rules = {category_counts(tiny, population=p)["rule"][0] for p in ("annotations", "pairs", "prompts")}
    assert len(rules) == 3


masks = st.sampled_from([0, 0, hate, bias, lie, hate | bias, hate | lie | bias])
some_rows = st.lists(
    st.tuples(st.sampled_from("pqr"), st.sampled_from("abc"), st.sampled_from(["train", "test"]), masks),
    min_size=1,
    max_size=40,
)
relaxed = settings(
    max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)  # the fixture is a plain function


def items_by_hand(rows: Rows, population: str) -> list[tuple[set[int], bool]]:
    """Labels (bits) and safety of every item, by plain loops."""
    if population == "annotations":
        return [({b for b in range(14) if m >> b & 1}, m == 0) for *_, m in rows]
    pairs: dict[tuple[str, str], list[int]] = {}
    for p, r, _, m in rows:
        pairs.setdefault((p, r), []).append(m)
    items = {
        pair: (
            {b for b in range(14) if 2 * sum(m >> b & 1 for m in votes) >= len(votes)},
            2 * sum(m != 0 for m in votes) < len(votes),
        )
        for pair, votes in pairs.items()
    }
    if population == "pairs":
        return list(items.values())
    prompts: dict[str, list[tuple[set[int], bool]]] = {}
    for (p, _), item in items.items():
        prompts.setdefault(p, []).append(item)
    return [(set().union(*(labels for labels, _ in mine)), all(safe for _, safe in mine)) for mine in prompts.values()]


@pytest.mark.slow
@pytest.mark.parametrize("where", ["all", "unsafe"])
@pytest.mark.parametrize("population", ["annotations", "pairs", "prompts"])
@given(rows=some_rows)
@relaxed
def test_every_table_is_that_of_plain_loops(make_dataset: Make, population: str, where: str, rows: Rows):
    ds = make_dataset(frame_of(rows))
    kept = [labels for labels, safe in items_by_hand(rows, population) if where == "all" or not safe]
    counts = category_counts(ds, population=population, where=where)
    assert counts["n_category"].to_list() == [sum(bit in labels for labels in kept) for bit in range(14)]
    assert set(counts["n"]) == {len(kept)}
    sets = label_sets(ds, population=population, where=where)
    assert {frozenset(keys): n for keys, n in sets.select("categories", "n").iter_rows()} == {
        frozenset(BEAVERTAILS.keys[bit] for bit in labels): kept.count(labels) for labels in kept
    }
    assert sets["n"].is_sorted(descending=True)
    assert sets["share"].sum() == pytest.approx(1) if kept else sets.is_empty()
    sizes = labels_per_item(ds, population=population, where=where)
    assert sizes["n"].to_list() == [
        sum(len(labels) == size for labels in kept) for size in range(max(map(len, kept), default=0) + 1)
    ]
    for row, col in ((hate, bias), (bias, lie)):
        i, j = row.bit_length() - 1, col.bit_length() - 1
        both = cooccurrence(ds, population=population, where=where).filter(
            row=BEAVERTAILS.keys[i], col=BEAVERTAILS.keys[j]
        )
        assert both["n_both"].item() == sum({i, j} <= labels for labels in kept)


@pytest.mark.slow
@pytest.mark.parametrize("population", ["annotations", "pairs", "prompts"])
@given(rows=some_rows, seed=st.randoms(use_true_random=False))
@settings(relaxed, max_examples=6)
def test_tables_do_not_depend_on_the_order_of_rows_nor_on_their_source(
    make_dataset: Make, population: str, rows: Rows, seed: random.Random
):
    ds = make_dataset(frame_of(rows))
    shuffled = seed.sample(rows, len(rows))
    for make in TABLES:
        for by in (None, "split", "severity"):
            table = make(ds, population=population, by=by)
            assert table.equals(make(make_dataset(frame_of(shuffled)), population=population, by=by))
            assert table.equals(make(ds.annotations.lazy(), population=population, by=by))


@pytest.mark.slow
@pytest.mark.parametrize("population", ["annotations", "pairs", "prompts"])
@given(rows=some_rows)
@relaxed
def test_a_split_has_the_numbers_it_has_alone(make_dataset: Make, population: str, rows: Rows):
    together = category_counts(make_dataset(frame_of(rows)), population=population, by="split")
    assert together["split"].unique().sort().to_list() == sorted({split for _, _, split, _ in rows})
    for split in set(together["split"]):
        alone = category_counts(make_dataset(frame_of([row for row in rows if row[2] == split])), population=population)
        assert together.filter(split=split).drop("split", "rule").equals(alone.drop("rule"))


def test_severity_groups_rows_pairs_and_prompts_by_their_own_level(make_dataset: Make):
    # one label is level 1, two are level 2
    rows = [("p", "r", "train", hate), ("p", "r", "train", hate | bias), ("p", "s", "train", 0), ("q", "r", "train", 0)]
    ds = make_dataset(frame_of(rows), taxonomy=PKU_SAFERLHF)
    sizes = {
        population: dict(
            category_counts(ds, population=population, by="severity").select("severity", "n").unique().iter_rows()
        )
        for population in ("annotations", "pairs", "prompts")
    }
    assert sizes == {"annotations": {0: 2, 1: 1, 2: 1}, "pairs": {0: 2, 2: 1}, "prompts": {0: 1, 2: 1}}
    assert category_counts(ds, by="severity")["severity"].dtype == pl.UInt8


def test_a_group_with_nothing_counted_keeps_its_rows_with_nulls(make_dataset: Make):
    ds = make_dataset(frame_of([("p", "r", "train", hate), ("q", "r", "test", 0)]))
    counts = category_counts(ds, where="unsafe", by="split").filter(split="test")
    assert (set(counts["n"]), counts["share"].null_count(), counts["share_low_naive"].null_count()) == ({0}, 14, 14)
    pairs = cooccurrence(ds, where="unsafe", by="split").filter(split="test")
    assert set(pairs["undefined"]) == {"no item is counted"}
    assert pairs["low_expected"].null_count() == pairs.height == 14 * 13


def test_one_order_of_categories_serves_every_group(tiny: Dataset):
    table = cooccurrence(tiny, by="split")
    places = table.group_by("row").agg(pl.col("row_order").unique()).explode("row_order")
    assert sorted(places["row_order"]) == list(range(14))
    assert dict(places.iter_rows()) == dict(table.select("col", "col_order").iter_rows())


def test_no_table_holds_nan_or_infinity(tiny: Dataset):
    for make in TABLES:
        floats = make(tiny, population="pairs", where="unsafe").select(pl.selectors.float())
        assert floats.select(pl.any_horizontal(pl.all().is_finite().not_())).to_series().any() is False


def test_every_count_is_a_64_bit_integer(tiny: Dataset):
    for make in TABLES:
        table = make(tiny, population="pairs")
        counts = table.select(pl.selectors.starts_with("n_"), pl.selectors.by_name("n", "size", require_all=False))
        assert set(counts.dtypes) == {pl.Int64}


def test_rows_of_no_split_are_a_group_of_their_own(make_dataset: Make):
    ds = make_dataset(pl.DataFrame([("p", "r", None, False, hate, 1)], schema=COLUMNS, orient="row"))
    rows = pl.concat([ds.annotations, ds.annotations.with_columns(pl.lit("train").alias("split"))])
    table = category_counts(rows.lazy(), by="split").filter(category=HATE)
    assert table.select("split", "n_category").rows() == [("train", 1), (None, 1)]


def test_an_expected_phi_is_given_only_where_items_were_selected_by_having_a_label(tiny: Dataset):
    assert cooccurrence(tiny)["phi_expected"].null_count() == 182
    assert cooccurrence(tiny, where="unsafe").filter(row=BIAS, col=LIE)["phi_expected"].item() < 0


def test_a_file_is_streamed_with_the_columns_it_needs(tmp_path: Path, tiny: Dataset):
    path = tmp_path / "annotations.parquet"
    tiny.annotations.select("labels", "is_safe").write_parquet(path)
    assert cooccurrence(pl.scan_parquet(path), where="unsafe").equals(cooccurrence(tiny, where="unsafe"))
    with pytest.raises(UsageError, match=r"pairs need the columns .*\['pair_id'\] are not among"):
        cooccurrence(pl.scan_parquet(path), population="pairs")
    with pytest.raises(UsageError, match="prompt_id"):
        cooccurrence(tiny.annotations.lazy().drop("prompt_id"), population="prompts")
    without = tiny.annotations.lazy().drop("severity", "split")
    assert category_counts(without, population="prompts").equals(category_counts(tiny, population="prompts"))


def test_wrong_requests_say_what_to_do(tiny: Dataset):
    with pytest.raises(UsageError, match="Did you mean 'pairs'"):
        category_counts(tiny, population="pair")
    with pytest.raises(UsageError, match="no subset 'safe'"):
        label_sets(tiny, where="safe")
    with pytest.raises(UsageError, match="no grouping 'source'"):
        labels_per_item(tiny, by="source")
    with pytest.raises(UsageError, match=r"no row of these data has a severity. Leave `by` out"):
        cooccurrence(tiny, by="severity")
    with pytest.raises(UsageError, match=r"DataFrame.*\.lazy\(\)"):
        category_counts(tiny.annotations)  # type: ignore[arg-type]


@pytest.mark.parametrize("population", ["annotations", "pairs", "prompts"])
def test_masks_wider_than_the_taxonomy_are_refused(population: str):
    row = {
        "pair_id": [1],
        "prompt_id": [1],
        "split": ["train"],
        "is_safe": [False],
        "labels": [1 << 18],
        "severity": [2],
    }
    wide = pl.LazyFrame(row, schema=ANNOTATIONS)
    with pytest.raises(UsageError, match="14 categories, but they have 19 bits"):
        category_counts(wide, population=population)
    table = category_counts(wide, population=population, taxonomy=PKU_SAFERLHF)
    assert count_of(table, PKU_SAFERLHF.keys[18]) == 1


def test_rows_without_labels_are_left_out_and_counted():
    schema = {name: ANNOTATIONS[name] for name in ("labels", "is_safe")}
    rows = pl.LazyFrame({"labels": [hate, None, 0], "is_safe": [False, False, None]}, schema=schema)
    table = category_counts(rows)
    assert (set(table["n"]), set(table["n_excluded"])) == ({1}, {2})
    with pytest.raises(DataError, match="only whether an answer is safe"):
        category_counts(rows.with_columns(pl.lit(None, pl.UInt32).alias("labels")))
    pairs = category_counts(rows.head(2).with_columns(pl.Series("pair_id", [1, 2])), population="pairs")
    assert (set(pairs["n"]), set(pairs["n_excluded"])) == ({1}, {1})


def test_no_rows_give_empty_counts_not_an_error(make_dataset: Make):
    ds = make_dataset(frame_of([]))
    assert set(category_counts(ds)["n"]) == {0}
    assert set(cooccurrence(ds, where="unsafe")["undefined"]) == {"no item is counted"}
    assert label_sets(ds).is_empty()
    assert labels_per_item(ds)["n"].to_list() == [0]
    assert set(category_counts(ds, by="split")["n"]) == {0}


def test_comparisons_give_pairs_and_prompts_but_no_annotations(make_dataset: Make):
    # the answer "b" is called hateful in one row and safe in another
    answers = [("p", "a", "b", 0, hate), ("p", "a", "b", 0, 0), ("p", "c", "a", bias, 0), ("q", "a", "b", lie, 0)]
    ds = make_dataset(frame_of([]), comparisons=compared(answers))
    with pytest.raises(UsageError, match='Use population="pairs"'):
        category_counts(ds, population="annotations")
    assert category_counts(ds).equals(category_counts(ds, population="pairs")), "what there is to count"
    pairs = category_counts(ds, population="pairs")
    assert [count_of(pairs, key) for key in (HATE, BIAS, LIE)] == [0, 1, 1]
    assert (set(pairs["n"]), set(pairs["n_excluded"])) == ({4}, {1})
    assert "agree" in pairs["rule"][0]
    prompts = category_counts(ds, population="prompts", where="unsafe")
    assert (set(prompts["n"]), set(prompts["n_excluded"]), count_of(prompts, BIAS)) == ({2}, {0}, 1)
    split = category_counts(ds, population="pairs", by="split")
    # in either split alone no row contradicts another
    assert {(s, n, x) for s, n, x in split.select("split", "n", "n_excluded").iter_rows()} == {
        ("train", 3, 0),
        ("test", 4, 0),
    }
    assert count_of(split.filter(split="train"), HATE) == 1


def test_a_contradiction_within_one_split_excludes_the_pair_there(make_dataset: Make):
    rows = compared([("p", "a", "b", 0, hate), ("p", "a", "b", 0, 0)]).with_columns(pl.lit("train").alias("split"))
    table = category_counts(make_dataset(frame_of([]), comparisons=rows), population="pairs", by="split")
    assert set(table.select("split", "n", "n_excluded").iter_rows()) == {("train", 1, 1)}


def test_where_there_are_annotations_answers_that_were_only_compared_are_no_pairs(make_dataset: Make):
    rows = frame_of([("p", "a", "train", hate)])
    ds = make_dataset(rows, comparisons=compared([("p", "a", "b", 0, bias)]))
    assert ds.pairs.height == 2
    for population in ("pairs", "prompts"):
        table = category_counts(ds, population=population)
        assert (set(table["n"]), count_of(table, HATE), count_of(table, BIAS)) == ({1}, 1, 0)


def test_a_prompt_whose_pairs_are_all_contradictory_is_excluded(make_dataset: Make):
    answers = [("p", "a", "b", 0, hate), ("p", "a", "b", hate, 0), ("q", "a", "b", lie, 0)]
    ds = make_dataset(frame_of([]), comparisons=compared(answers))
    prompts = category_counts(ds, population="prompts")
    assert (set(prompts["n"]), set(prompts["n_excluded"])) == ({1}, {1})


@pytest.fixture
def real(shared_data: Path) -> Dataset:
    return btviz.load(shared_data / "beavertails" / "30k_test.jsonl")


def test_the_counts_of_the_real_file(real: Dataset):
    sizes = {
        (population, where): category_counts(real, population=population, where=where)["n"][0]
        for population in ("annotations", "pairs", "prompts")
        for where in ("all", "unsafe")
    }
    assert sizes == {
        ("annotations", "all"): 3021,
        ("annotations", "unsafe"): 1733,
        ("pairs", "all"): 3019,
        ("pairs", "unsafe"): 1732,
        ("prompts", "all"): 2526,
        ("prompts", "unsafe"): 1483,
    }
    assert labels_per_item(real)["n"].to_list() == [1288, 827, 658, 231, 16, 1]
    assert label_sets(real)["n"][:3].to_list() == [1288, 224, 181]


@pytest.mark.slow
def test_the_real_file_streamed_gives_what_the_loaded_one_gives(real: Dataset, shared_data: Path):
    lazy = btviz.scan(shared_data / "beavertails" / "30k_test.jsonl")
    for population in ("annotations", "pairs", "prompts"):
        ours = cooccurrence(lazy, population=population, where="unsafe")
        assert ours.equals(cooccurrence(real, population=population, where="unsafe"))


@pytest.mark.parametrize(
    ("population", "where", "phi"),
    [
        ("annotations", "all", 0.4867),
        ("annotations", "unsafe", 0.4410),
        ("pairs", "all", 0.4867),
        ("pairs", "unsafe", 0.4409),
        ("prompts", "all", 0.4720),
        ("prompts", "unsafe", 0.4252),
    ],
)
def test_phi_of_discrimination_and_hate_on_the_real_file(real: Dataset, population: str, where: str, phi: float):
    table = cooccurrence(real, population=population, where=where)
    assert table.height == 182
    assert table.filter(row=BIAS, col=HATE)["phi"].item() == pytest.approx(phi, abs=5e-5)


def test_the_real_matrix_is_that_of_numpy_and_its_rare_cells_are_flagged(real: Dataset):
    table = cooccurrence(real)
    bits = real.annotations["labels"].to_numpy()[:, None] >> np.arange(14) & 1
    correlation = np.corrcoef(bits.T)
    places = {key: place for place, key in enumerate(BEAVERTAILS.keys)}
    for row, col, phi in table.select("row", "col", "phi").iter_rows():
        assert phi == pytest.approx(correlation[places[row], places[col]], abs=1e-12)
    assert (table["low_expected"].sum() // 2, (table["n_both"] == 0).sum() // 2) == (47, 30)
    assert table.filter(pl.col("tetrachoric").is_null())["n_both"].to_list() == [0] * 60


def test_violence_and_unethical_behaviour_oppose_each_other_beyond_selection(real: Dataset):
    violence, unethical = BEAVERTAILS["violence"].key, BEAVERTAILS["unethical"].key
    over_all = cooccurrence(real).filter(row=violence, col=unethical)
    unsafe = cooccurrence(real, where="unsafe").filter(row=violence, col=unethical)
    assert over_all["phi"].item() == pytest.approx(-0.112, abs=5e-4)
    assert unsafe["phi"].item() == pytest.approx(-0.407, abs=5e-4)
    assert unsafe["phi_expected"].item() == pytest.approx(-0.153, abs=5e-4)


def test_prompts_without_answers_have_no_statistics(tmp_path):
    file = tmp_path / "asked.jsonl"
    file.write_text('{"prompt": "what is tea"}\n{"prompt": "what is spring"}\n')
    for population in ("annotations", "pairs", "prompts"):
        with pytest.raises(DataError, match="holds prompts without answers"):
            btviz.category_counts(btviz.load(file), population=population)


def test_comparisons_that_name_no_category_say_so_at_once(tmp_path):
    file = tmp_path / "compared.jsonl"
    file.write_text('{"prompt": "tea", "response_0": "a", "response_1": "b", "better_response_id": 1}\n')
    with pytest.raises(DataError, match="1 comparison, and no row names a category"):
        btviz.category_counts(btviz.load(file))
