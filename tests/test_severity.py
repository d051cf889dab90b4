"""Severity, categories and safety as an order: hand-worked rows, published counts, sentences and pictures."""

from __future__ import annotations

import itertools
import json

import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from small_data import dataset_from_rows
from statsmodels.stats.proportion import proportion_confint
from wording import says

import btviz
from btviz import plots, sentences
from btviz.cli.app import app
from btviz.data.releases import published
from btviz.errors import UsageError
from btviz.preference.counts import agreements_outside
from btviz.preference.severity import CRITERIA, RECORDED
from btviz.taxonomy.categories import PKU_SAFERLHF

SIDES = ("is_safe", "labels", "severity")


def compared(rows):
    """Comparisons of which each row tells (safe, labels, severity) of two answers, better and safer; a prompt each."""
    frame = [
        {
            "prompt": f"what is tea number {place}",
            "split": "train",
            **{f"response_{side}": f"leaves of kind {side}" for side in (0, 1)},
            **{f"{name}_{side}": answer[at] for side, answer in enumerate(row[:2]) for at, name in enumerate(SIDES)},
            "better": row[2],
            "safer": row[3],
        }
        for place, row in enumerate(rows)
    ]
    types = {f"labels_{side}": pl.UInt32 for side in (0, 1)} | {f"severity_{side}": pl.UInt8 for side in (0, 1)}
    types |= {"better": pl.UInt8, "safer": pl.UInt8} | {f"is_safe_{side}": pl.Boolean for side in (0, 1)}
    empty = pl.DataFrame(schema={"prompt": pl.String, "response": pl.String})
    return dataset_from_rows(empty, comparisons=pl.DataFrame(frame, schema_overrides=types), taxonomy=PKU_SAFERLHF)


SAFE, MINOR, SEVERE, BOTH, OTHER = (True, 0, 0), (False, 1, 1), (False, 1, 3), (False, 3, 2), (False, 2, 2)
ROWS = [
    (SAFE, MINOR, 0, 0),  # safety differs, and all agree
    (MINOR, SAFE, 1, 0),  # the safer answer is the unsafe one
    (MINOR, SEVERE, 0, 0),  # severity differs alone
    (SEVERE, BOTH, 0, 1),  # severity and categories contradict each other
    (BOTH, OTHER, 1, 1),  # categories differ, one set within the other
    (OTHER, (False, 1, 2), 0, 1),  # categories differ, neither within the other
    (OTHER, OTHER, 1, 1),  # nothing differs
    ((True, None, None), (False, None, None), None, 0),  # safety alone is recorded, and better is not
]


@pytest.mark.slow
def test_criteria_are_counted_as_by_hand():
    order = btviz.severity_order(compared(ROWS))
    columns = ["criterion", "n_recorded", "n_equal", "n_incomparable", "n", "n_against"]
    assert order.direction.select(columns).rows() == [
        ("safety", 8, 5, 0, 3, 1),
        ("severity", 7, 3, 0, 4, 1),
        ("categories", 7, 2, 1, 4, 2),
    ]
    assert order.contradictions.select("first", "second", "n", "n_opposite").rows() == [
        ("safety", "severity", 2, 0),
        ("safety", "categories", 2, 0),
        ("severity", "categories", 3, 1),
    ]
    assert order.strata.select("level", "n").rows() == [("safety", 2), ("severity", 2), ("categories", 2), ("none", 1)]
    assert order.strata["p"].to_list() == [0.5, 0.5, 0.5, 1.0]


def test_what_is_not_recorded_says_so():
    older = [((safe, None, None), (not safe, None, None), None, int(not safe)) for safe in (True, False)]
    order = btviz.severity_order(compared(older))
    assert says(order.direction["undefined"][1], "no comparison with a safer answer records severity")
    assert order.strata["undefined"].to_list() == ["no comparison has both labels"] * 4
    assert order.severity.is_empty()


ANSWERS = st.tuples(st.booleans(), st.sampled_from([None, 0, 1, 2, 3]), st.sampled_from([None, 0, 1, 2]))


@pytest.mark.slow
@settings(max_examples=12)
@given(st.lists(st.tuples(ANSWERS, ANSWERS, st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=12))
def test_strata_part_all_comparisons_and_turning_rows_around_changes_nothing(rows):
    order = btviz.severity_order(compared(rows))
    assert order.strata["n"].sum() == len(rows)
    for row in order.direction.to_dicts():
        assert row["n"] + row["n_equal"] + row["n_incomparable"] == row["n_recorded"]
    turned = btviz.severity_order(compared([(b, a, 1 - better, 1 - safer) for a, b, better, safer in rows]))
    for name in ("direction", "contradictions", "strata"):
        counts = [table.drop("p_value", "p_holm") for table in (getattr(order, name), getattr(turned, name))]
        assert counts[0].equals(counts[1])


def test_severity_within_categories_adds_up_with_intervals_of_independent_answers():
    rows = [(MINOR, SEVERE if place % 3 else BOTH, 0, 0) for place in range(60)]
    severity = btviz.severity_order(compared(rows)).severity
    first = severity.filter(category=PKU_SAFERLHF.keys[0])
    assert first["n"].unique().to_list() == [120]
    assert dict(first.select("level", "count").rows()) == {0: 0, 1: 60, 2: 20, 3: 40}
    assert first["share"].sum() == pytest.approx(1)
    second = severity.filter(category=PKU_SAFERLHF.keys[1], level=2).row(0, named=True)
    low = proportion_confint(20, 20, method="beta")[0]  # all alike: as many equal prompts
    assert (second["share"], second["low"], second["high"]) == (1.0, pytest.approx(low), 1.0)


def test_published_counts_agree_with_each_other_and_stand_beside():
    counts = btviz.severity_of_counts()
    answers = published.find("pku-saferlhf", "answers_by_safety", split="train")["value"].sum()
    rows = published.find("pku-saferlhf", "rows", split="train")["value"].sum()
    everything = counts.filter(category="all")
    assert everything["count"].sum() == answers == 2 * rows == 147_814
    assert counts.group_by("category").agg(pl.col("share").sum())["share"].to_list() == pytest.approx([1.0] * 20)
    trafficking = counts.filter(category="Human Trafficking", level=3).row(0, named=True)
    assert (trafficking["count"], trafficking["n"]) == (2_918, 77 + 1_694 + 2_918)
    beside = btviz.severity_order(compared(ROWS)).severity.filter(category="all", level=3).row(0, named=True)
    assert beside["published_count"] == 10_484
    with pytest.raises(UsageError, match="no count was published"):
        btviz.severity_of_counts("beavertails-30k")


def test_a_release_that_is_not_here_is_answered_from_its_counts():
    found = btviz.orthogonality("pku-saferlhf")
    assert says(found.counted_from, "public audit")
    rows = {row["level"]: row for row in found.table.to_dicts()}
    assert (rows["all"]["p"], rows["all"]["n"]) == (pytest.approx(56_109 / 73_907), 73_907)
    assert rows["not mixed, least"]["p"] == pytest.approx((56_109 - 10_813) / (73_907 - 10_813))
    assert rows["not mixed, greatest"]["p"] == pytest.approx(56_109 / (73_907 - 10_813))
    assert [round(rows[f"not mixed, {end}"]["p"], 3) for end in ("least", "greatest")] == [0.718, 0.889]
    assert rows["all"]["p_low"] is None
    naive = proportion_confint(56_109, 73_907, method="wilson")
    assert (rows["all"]["naive_low"], rows["all"]["naive_high"]) == pytest.approx(naive)
    bias = found.bias.filter(label="is_safe").row(0, named=True)
    assert (bias["n"], bias["p"]) == (10_813, 6_257 / 10_813)
    assert found.pooled["estimate"].null_count() == found.pooled.height
    assert says(found.adjusted["undefined"][0], "published counts do not tell it")
    with pytest.raises(UsageError, match=r"btviz\.load"):
        btviz.orthogonality("pku-saferlhf-30k")


@pytest.mark.slow
@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 24))
def test_bounds_outside_the_forced_stratum_are_those_of_every_way_to_fill_it(same, other, forced):
    forced = min(forced, same + other)
    left = [
        same - agreeing
        for agreeing in range(forced + 1)
        if agreeing <= same and forced - agreeing <= other  # so many agreements and disagreements there are
    ]
    assert agreements_outside(same, other, forced=forced) == (same + other - forced, min(left), max(left))


def test_the_command_says_that_it_counts_what_was_published():
    printed = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["stats", "orthogonality", "pku-saferlhf"])
    assert printed.exit_code == 0
    assert says(printed.output, "No rows of pku-saferlhf are here")
    assert says(printed.output, "75.9 % of 73,907 comparisons")
    assert says(printed.output, "What these counts cannot tell: intervals by prompt")
    asked = CliRunner().invoke(app, ["stats", "orthogonality", "pku-saferlhf", "--json"])
    document = json.loads(asked.stdout)
    assert says(document["counted_from"], "public audit")
    assert document["table"][0]["n"] == 73_907
    assert CliRunner().invoke(app, ["stats", "orthogonality", "pku-saferlhf-30k"]).exit_code == 3


@pytest.mark.slow
def test_findings_are_said_and_drawn():
    ds = compared([row for row, _ in itertools.product(ROWS, range(30))])
    order = btviz.severity_order(ds)
    said = sentences.severity(order, ds)
    assert says(said, "30 contradict it")
    assert says(said, "Severity and categories order 30 of 90 comparisons oppositely")
    assert says(said, "Nothing that is recorded: 100.0 %")
    chart = plots.severity_levels(order.severity, taxonomy=ds.taxonomy).to_dict()
    assert "minor" in json.dumps(chart)
    names = chart["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert len(names) == 2
    forest = plots.preference_forest(order.strata).to_dict()
    assert "Nothing that is recorded" in json.dumps(forest)
    assert set(order.strata["level"]) == set(RECORDED)
    assert set(order.direction["criterion"]) == set(CRITERIA)
    with pytest.raises(UsageError, match="nothing to draw"):
        plots.severity_levels(order.severity.filter(category="all"))
