"""What is said and drawn of harm that a probe was never shown."""

from __future__ import annotations

import json
from types import SimpleNamespace

import polars as pl
import pytest
from wording import says

from btviz import plots, sentences
from btviz.errors import UsageError
from btviz.scores.generalization import COLUMNS
from btviz.taxonomy.categories import BEAVERTAILS

HATE, VIOLENCE = BEAVERTAILS["hate-speech"], BEAVERTAILS["violence"]


def rows(category, training, *, support, recall, false):
    wide = {"recall": (support, *recall), "false_positive_rate": (400, *false), "auc": (400 + support, 0.8, 0.7, 0.9)}
    return [
        (category.key, training, metric, n, support, 60, estimate, low, high, None)
        for metric, (n, estimate, low, high) in wide.items()
    ]


@pytest.fixture
def table():
    found = [
        *rows(HATE, "all", support=90, recall=(0.8, 0.7, 0.9), false=(0.2, 0.15, 0.25)),
        *rows(HATE, "without", support=90, recall=(0.75, 0.65, 0.85), false=(0.19, 0.14, 0.24)),
        *rows(VIOLENCE, "all", support=12, recall=(0.9, None, None), false=(0.2, 0.15, 0.25)),
        *rows(VIOLENCE, "without", support=12, recall=(0.25, None, None), false=(0.1, 0.05, 0.15)),
    ]
    return pl.DataFrame(found, schema=COLUMNS, orient="row")


@pytest.fixture
def ds():
    return SimpleNamespace(taxonomy=BEAVERTAILS, name="mine", release=None, is_synthetic=False, population="mine")


def test_the_largest_and_the_smallest_recall_lost_are_said_with_false_alarms(table, ds):
    said = " ".join(sentences.left_out(table, ds).split())
    assert says(said, "every category", "20.0 % [15.0, 25.0]", "400 safe", "unsafe")
    assert says(said, VIOLENCE.title, "90.0 % of 12 unsafe", "no interval", "25.0 %", "10.0 % [5.0, 15.0]", "safe")
    assert says(said, HATE.title, "80.0 % [70.0, 90.0] of 90 unsafe", "75.0 % [65.0, 85.0]")
    assert said.index(VIOLENCE.title) < said.index(HATE.title)


def test_one_category_is_said_once_and_compared_with_nothing(table, ds):
    said = sentences.left_out(table.filter(category=HATE.key), ds)
    assert said.count(HATE.title) == 1
    assert "What recall loses" not in said


def test_both_probes_are_drawn_with_the_intervals_there_are(table):
    chart = plots.left_out(table, source="mine", taxonomy=BEAVERTAILS)
    spec = chart.to_dict()
    drawn = [row for data in spec["datasets"].values() for row in data]
    assert len(drawn) == 2 * 2 * 2  # categories, trainings, metrics
    named = {row["name"] for row in drawn}
    assert named == {f"{HATE.title}, n = 90", f"{VIOLENCE.title}, n = 12"}
    lows = {(row["name"], row["training"]): row["low"] for row in drawn if row["estimate"] in (0.25, 0.75)}
    assert lows[f"{VIOLENCE.title}, n = 12", "none of this category was shown"] is None
    assert lows[f"{HATE.title}, n = 90", "none of this category was shown"] == 0.65
    assert "mine · pairs, of which 400 safe" in json.dumps(spec["title"], ensure_ascii=False)
    assert f"{VIOLENCE.title}: 90.0 %, without it 25.0 %." in spec["description"]
    with pytest.raises(UsageError, match="leave_one_category_out"):
        plots.left_out(table.drop("training"))
    with pytest.raises(UsageError, match='Use width="double"'):
        plots.left_out(table, width="single", taxonomy=BEAVERTAILS)


def transfer():
    names = ("metric", "unit", "grouping", "level", "threshold", "n", "support", "estimate", "low", "high")
    found = [
        ("auc", "pair", "all", "all", None, 500, 200, 0.9, 0.8, 0.95),
        ("sign_accuracy", "pair", "category", HATE.key, None, 90, None, 0.8, 0.7, 0.9),
        ("sign_accuracy", "pair", "category", VIOLENCE.key, None, 80, None, 0.6, 0.5, 0.7),
        ("sign_accuracy", "pair", "category", BEAVERTAILS.keys[0], None, 8, None, 0.1, None, None),
        ("recall", "pair", "threshold", "0", 0.0, 200, None, 0.7, 0.6, 0.8),
        ("false_positive_rate", "pair", "threshold", "0", 0.0, 300, None, 0.1, 0.05, 0.15),
        ("recall", "pair", "threshold", "1", 1.0, 200, None, 0.01, 0.0, 0.02),
    ]
    return pl.DataFrame(found, schema=names, orient="row").with_columns(left_out=pl.lit(7))


def test_a_transfer_says_what_was_left_out_and_how_many_safe_answers_are_called_unsafe(ds):
    other = SimpleNamespace(**vars(ds) | {"name": "theirs", "pairs": SimpleNamespace(height=507)})
    said = " ".join(sentences.transferred(transfer(), ds, to=other).split())
    assert "Fitted on mine" in said
    assert "measured on theirs" in said
    assert says(said, "7 of its 507 pairs", "left out", "repeat")
    assert says(said, "90.0 % [80.0, 95.0]", "500 answers", "200 of them unsafe")
    assert says(said, "cost of 0", "70.0 % [60.0, 80.0] of 200 unsafe", "10.0 % [5.0, 15.0] of 300 safe")
    worst, best = ("60.0 % [50.0, 70.0] of 80", VIOLENCE.title), ("80.0 % [70.0, 90.0] of 90", HATE.title)
    assert says(said, *worst, *best, "2 categories", "not decided", "1 of 3", "too few prompts")


def test_what_a_transfer_does_not_know_is_not_said(ds):
    other = SimpleNamespace(**vars(ds) | {"name": "theirs", "pairs": SimpleNamespace(height=507)})
    said = sentences.transferred(transfer().filter(pl.col("grouping") == "nothing").head(0).vstack(
        transfer().filter(grouping="all").with_columns(estimate=None)), ds, to=other)  # fmt: skip
    assert "unsafe" not in said
    assert "None" not in said
