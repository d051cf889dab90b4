"""Labels that contradict each other: ceilings, against the best of all scores, and metrics without them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import permutations, product

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import btviz
from btviz import sentences
from btviz.scores.accuracy import pair_accuracy
from btviz.scores.answers import by_model, judged_comparisons

TEXTS = 4

comparisons = st.lists(
    st.fixed_dictionaries(
        {
            "pair_id_0": st.integers(0, TEXTS - 1),
            "pair_id_1": st.integers(0, TEXTS - 1),
            "better": st.sampled_from([0, 1, None]),
            "safer": st.sampled_from([0, 1]),
            "is_safe_0": st.booleans(),
            "is_safe_1": st.booleans(),
        }
    ),
    min_size=1,
    max_size=8,
)


@cache
def saferlhf():
    """Loaded within a test, where data go to a folder of its own."""
    return btviz.load("sample-saferlhf")


def compared(rows):
    """A data set with these comparisons of its first answers."""
    ids = saferlhf().pairs["pair_id"]
    first, columns = saferlhf().preferences.head(1), rows[0].keys()
    made = pl.DataFrame([{**row, **{key: ids[row[key]] for key in ("pair_id_0", "pair_id_1")}} for row in rows])
    made = made.cast({name: first.schema[name] for name in columns})
    table = first.drop(columns).join(made, how="cross").select(first.columns)
    return replace(saferlhf(), _read=lambda name: table if name == "preferences" else saferlhf().table(name))


def best_order(rows, label):
    """Most comparisons that any order of the texts, without ties, gets right."""
    known = [row for row in rows if row[label] is not None]
    right = [
        sum((place[row["pair_id_1"]] > place[row["pair_id_0"]]) == (row[label] == 1) for row in known
            if row["pair_id_0"] != row["pair_id_1"])
        for place in permutations(range(TEXTS))
    ]  # fmt: skip
    return max(right), len(known)


def best_signs(rows):
    sides = [(row[f"pair_id_{side}"], row[f"is_safe_{side}"]) for row in rows for side in (0, 1)]
    return max(sum(says[text] == safe for text, safe in sides) for says in product((True, False), repeat=TEXTS))


@pytest.mark.slow
@settings(max_examples=60)
@given(comparisons)
def test_no_score_does_better_and_the_best_signs_do_as_well(rows):
    pair_better, pair_safer, signs = btviz.score_ceilings(compared(rows)).to_dicts()
    for row, label in ((pair_better, "better"), (pair_safer, "safer")):
        right, n = best_order(rows, label)
        assert row["n"] == n
        assert row["ceiling"] is None if n == 0 else row["ceiling"] >= right / n
    assert signs["ceiling"] == pytest.approx(best_signs(rows) / (2 * len(rows)))


def test_without_a_cycle_the_ceiling_of_comparisons_is_reached():
    row = {"better": None, "is_safe_0": True, "is_safe_1": True}
    rows = [
        {**row, "pair_id_0": 0, "pair_id_1": 1, "safer": 1},
        {**row, "pair_id_0": 1, "pair_id_1": 0, "safer": 0},  # the same, the other way round
        {**row, "pair_id_0": 0, "pair_id_1": 1, "safer": 0},
        {**row, "pair_id_0": 2, "pair_id_1": 3, "safer": 0},
        {**row, "pair_id_0": 2, "pair_id_1": 2, "safer": 0},  # one text: no order is right
    ]
    better, safer, signs = btviz.score_ceilings(compared(rows)).to_dicts()
    assert (better["ceiling"], better["undefined"]) == (None, "no comparison has the label better")
    assert (safer["n"], safer["n_distinct"], safer["n_contradictory"], safer["ceiling"]) == (5, 3, 1, 0.6)
    assert best_order(rows, "safer") == (3, 5)
    assert (signs["n"], signs["n_distinct"], signs["n_contradictory"], signs["ceiling"]) == (10, 4, 0, 1.0)


def scores_of(ids, kind="cost"):
    """Scores that are all different."""
    made = ids.to_frame("pair_id").with_columns(score=pl.int_range(pl.len()).cast(pl.Float64) - 1.5)
    named = {"model": "m", "kind": kind, "target": None}
    return made.with_columns(pl.lit(value, pl.String).alias(name) for name, value in named.items())


def without_contradictions(rows, label):
    """Comparisons with a label of which no row of the same two answers names the other, by plain loops."""
    named = {}
    for row in rows:
        if row[label] is not None:
            both = frozenset((row["pair_id_0"], row["pair_id_1"]))
            named.setdefault(both, set()).add(row[f"pair_id_{row[label]}"])
    known = [row for row in rows if row[label] is not None]
    kept = [row for row in known if len(named[frozenset((row["pair_id_0"], row["pair_id_1"]))]) == 1]
    return kept, len(known) - len(kept)


@pytest.mark.slow
@settings(max_examples=30)
@given(comparisons)
def test_two_answers_with_opposite_labels_have_no_order(rows):
    ds = compared(rows)
    table = judged_comparisons(next(by_model(scores_of(saferlhf().pairs["pair_id"].head(TEXTS)))), ds)
    for label in ("better", "safer"):
        kept, left_out = without_contradictions(rows, label)
        right = [row[f"pair_id_{row[label]}"] < row[f"pair_id_{1 - row[label]}"] for row in kept]
        found = pair_accuracy(table, label=label, higher=False, taxonomy=ds.taxonomy).row(0, named=True)
        assert (found["grouping"], found["n"], found["n_contradictory"]) == ("all", len(kept), left_out)
        assert found["estimate"] == (pytest.approx(sum(right) / len(right)) if right else None)


@pytest.mark.slow
def test_every_metric_of_real_comparisons_leaves_out_what_contradicts_itself(shared_data):
    """Counted here by plain loops: 3,759 answers, 371 of them safe in one row and unsafe in another."""
    ds = btviz.load(shared_data / "pku-saferlhf" / "one_safe_pairs.jsonl")
    found = btviz.score_metrics(scores_of(ds.pairs["pair_id"]), ds, n_boot=39).filter(grouping="all")
    rows = ds.preferences.to_dicts()
    says = {}
    for row in rows:
        for side in (0, 1):
            says.setdefault(row[f"pair_id_{side}"], set()).add(row[f"is_safe_{side}"])
    sides = [len(says[row[f"pair_id_{side}"]]) for row in rows for side in (0, 1)]
    kept, left_out = without_contradictions(rows, "safer")
    counts = {(row["metric"], row["unit"]): (row["n"], row["n_contradictory"]) for row in found.to_dicts()}
    answers = (sum(len(said) == 1 for said in says.values()), 371)
    assert counts["pair_accuracy", "comparison"] == (len(kept), left_out)
    assert counts["sign_accuracy", "answer of a comparison"] == (sides.count(1), sides.count(2))
    for metric in ("sign_accuracy", "auc", "ks_distance", "calibration_slope"):
        assert counts[metric, "pair"] == answers
    assert (*answers, len(kept), left_out) == (3388, 371, 3882, 232)


def test_real_comparisons_contradict_each_other(shared_data):
    ds = btviz.load(shared_data / "pku-saferlhf" / "one_safe_pairs.jsonl")
    _, safer, signs = btviz.score_ceilings(ds).to_dicts()
    assert (safer["n"], safer["n_distinct"], safer["n_contradictory"]) == (4114, 2728, 109)
    assert (signs["n"], signs["n_distinct"], signs["n_contradictory"]) == (8228, 3759, 371)
    assert (round(safer["ceiling"], 4), round(signs["ceiling"], 4)) == (0.9735, 0.9511)
    said = sentences.attainable(btviz.score_ceilings(ds), ds)
    assert "109 of 2,728 distinct comparisons" in said
    assert "no score can agree with more than 97.4 % of 4,114" in said.replace("\n", " ")


def test_sentences_say_when_nothing_contradicts_or_nothing_is_known():
    said = sentences.attainable(btviz.score_ceilings(saferlhf()), saferlhf())
    assert said.count("no two labels contradict each other") == 3
    single = btviz.load("sample").table("preferences").clear()
    alone = replace(saferlhf(), _read=lambda name: single if name == "preferences" else saferlhf().table(name))
    assert "no comparison has a label" in sentences.attainable(btviz.score_ceilings(alone), alone)
