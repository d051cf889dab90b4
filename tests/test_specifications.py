"""The specification curve: every combination once, each by its own rule, held against plain loops."""

from __future__ import annotations

import json
import math

import numpy as np
import polars as pl
import pytest
from chart_contents import rows_of, words
from click.testing import CliRunner
from wording import says

import btviz
from btviz import plots, sentences
from btviz.cli.stats import stats_specifications
from btviz.errors import UsageError
from btviz.stats.clustered import phi_interval, share_interval

KEYS = ("discrimination,stereotype,injustice", "hate_speech,offensive_language")


@pytest.fixture(scope="module")
def voted(make_dataset):
    """Ninety prompts of two answers, annotated three times each, in two splits; some rows are repeated."""
    draw = np.random.default_rng(1)
    rows = []
    for prompt in range(90):
        split = "train" if prompt % 3 else "test"
        for answer in range(2):
            lean = draw.random(2) * 0.6
            for _ in range(3):
                bias = draw.random() < lean[0]
                hate = draw.random() < (0.7 if bias else lean[1])
                unsafe = bool(bias or hate or prompt % 5 == 0)
                rows.append((f"what is {prompt}", f"answer {answer}", split, not unsafe, 8 * bias + 64 * hate))
    texts = dict.fromkeys(["prompt", "response", "split"], pl.String)
    schema = {**texts, "is_safe": pl.Boolean, "labels": pl.UInt32}
    return make_dataset(pl.DataFrame(rows, schema=schema, orient="row"))


@pytest.fixture(scope="module")
def curve(voted):
    return btviz.specification_curve(voted)


def chosen(table, **choices):
    return table.filter(*(pl.col(name).eq_missing(value) for name, value in choices.items())).row(0, named=True)


def phi_by_hand(items):
    n = sum(weight for weight, _, _ in items)
    a, b = (sum(item[0] * item[place] for item in items) for place in (1, 2))
    both = sum(weight * first * second for weight, first, second in items)
    return (n * both - a * b) / math.sqrt(a * (n - a) * b * (n - b))


def annotations_of(voted):
    return [
        (row["prompt_id"], row["pair_id"], row["labels"] >> 3 & 1, row["labels"] >> 6 & 1, not row["is_safe"])
        for row in voted.annotations.iter_rows(named=True)
    ]


def test_rows_as_released_are_counted_as_they_are(voted, curve):
    rows = annotations_of(voted)
    row = chosen(curve, split="all", counted="annotations", subset="all", duplicates="as released",
                 weighting="items alike", coefficient="phi")  # fmt: skip
    assert row["estimate"] == pytest.approx(phi_by_hand([(1, a, b) for _, _, a, b, _ in rows]), abs=1e-12)
    assert (row["n"], row["prompts"]) == (540, 90)
    unsafe = chosen(curve, split="all", counted="annotations", subset="unsafe", duplicates="as released",
                    weighting="items alike", coefficient="phi")  # fmt: skip
    assert unsafe["estimate"] == pytest.approx(phi_by_hand([(1, a, b) for _, _, a, b, u in rows if u]), abs=1e-12)


@pytest.mark.parametrize(("ties", "rule"), [
    ("half is enough", lambda votes: 2 * sum(votes) >= len(votes)), ("any vote", any), ("every vote", all),
])  # fmt: skip
def test_votes_are_pooled_by_the_rule_that_is_named(voted, curve, ties, rule):
    pairs: dict = {}
    for _, pair, a, b, _ in annotations_of(voted):
        pairs.setdefault(pair, []).append((a, b))
    items = [(1, *(float(rule(votes)) for votes in zip(*labels, strict=True))) for labels in pairs.values()]
    row = chosen(
        curve, split="all", counted="pairs", subset="all", ties=ties, weighting="items alike", coefficient="phi"
    )
    assert row["estimate"] == pytest.approx(phi_by_hand(items), abs=1e-12)
    assert row["n"] == 180


def test_a_prompt_weighs_one_in_all(voted, curve):
    rows = [row for row in annotations_of(voted) if row[4]]
    size = {prompt: sum(row[0] == prompt for row in rows) for prompt, *_ in rows}
    row = chosen(curve, split="all", counted="annotations", subset="unsafe", duplicates="as released",
                 weighting="prompts alike", coefficient="phi")  # fmt: skip
    assert row["estimate"] == pytest.approx(phi_by_hand([(1 / size[p], a, b) for p, _, a, b, _ in rows]), abs=1e-12)


def test_intervals_are_those_of_phi_and_other_coefficients_move_with_it(voted, curve):
    flags = voted.annotations.select(prompt="prompt_id", a=(pl.col("labels") & 8) > 0, b=(pl.col("labels") & 64) > 0)
    sums = flags.group_by("prompt").agg(
        pl.len(), pl.col("a").sum(), pl.col("b").sum(), both=(pl.col("a") & pl.col("b")).sum()
    )
    n, a, b, both = (sums[name].cast(float).to_numpy()[:, None] for name in ("len", "a", "b", "both"))
    held = phi_interval(a, b, both=both, n=n)
    same = {"split": "all", "counted": "annotations", "subset": "all", "duplicates": "as released",
            "weighting": "items alike"}  # fmt: skip
    row = chosen(curve, **same, coefficient="phi")
    assert [row["low"], row["high"]] == pytest.approx([held.low[0], held.high[0]], abs=1e-12)
    table = btviz.cooccurrence(voted).filter(row=KEYS[0], col=KEYS[1]).row(0, named=True)
    for name in ("phi_over_extreme", "tetrachoric", "yules_q"):
        other = chosen(curve, **same, coefficient=name)
        assert other["estimate"] == pytest.approx(table[name], abs=1e-6)
        assert other["low"] < other["estimate"] < other["high"]


def test_combinations_that_count_the_same_come_once(curve):
    assert curve["specification"].to_list() == list(range(1, curve.height + 1))
    assert curve["estimate"].is_sorted()
    # three votes never tie: "more than half" counts what "half is enough" counts
    assert "more than half" not in curve["ties"].to_list()
    assert chosen(curve, split="all", counted="pairs", subset="all", ties="half is enough", weighting="items alike",
                  coefficient="phi")["equal_choices"] >= 1  # fmt: skip
    choices = ["split", "counted", "subset", "duplicates", "ties", "weighting", "coefficient"]
    assert curve.select(choices).is_duplicated().sum() == 0


def test_the_printed_value_is_held_or_not(curve):
    assert curve["printed"].unique().to_list() == [0.408]
    known = curve.drop_nulls(["estimate", "low"])
    assert known["holds_printed"].to_list() == ((known["low"] <= 0.4085) & (known["high"] >= 0.4075)).to_list()
    rest = curve.filter(pl.col("estimate").is_null() | pl.col("low").is_null())
    assert rest["holds_printed"].count() == 0
    assert rest["undefined"].null_count() == 0
    assert known["undefined"].count() == 0


@pytest.fixture(scope="module")
def compared(make_dataset):
    """Seventy prompts; of each third the same comparison stands there twice, and contradicts itself."""
    rows = []
    for prompt in range(70):
        for repeat in range(1 + (prompt % 3 == 0)):
            same = (prompt % 4 != 0) ^ (repeat == 1)
            rows.append({
                "prompt": f"what is {prompt}", "response_0": "one", "response_1": "two", "split": "train",
                "better": 1, "safer": int(same), "is_safe_0": prompt % 2 == 0, "is_safe_1": True,
            })  # fmt: skip
    empty = pl.DataFrame(schema={"prompt": pl.String, "response": pl.String})
    kinds = dict.fromkeys(["better", "safer"], pl.UInt8)
    return make_dataset(empty, comparisons=pl.DataFrame(rows, schema_overrides=kinds))


@pytest.mark.slow
def test_repeated_comparisons_are_pooled_by_the_rule_that_is_named(compared):
    table = btviz.specification_curve(compared)
    plain = [prompt for prompt in range(70) if prompt % 3]
    same = {"subset": "all", "weighting": "items alike", "coefficient": "p"}
    held = share_interval([[float(p % 4 != 0)] for p in plain], [[1.0]] * len(plain))
    row = chosen(table, **same, ties="contradictions left out")
    assert (row["n"], row["estimate"]) == (len(plain), pytest.approx(held.estimate[0]))
    assert [row["low"], row["high"]] == pytest.approx([held.low[0], held.high[0]])
    # a tie as half is what each comparison counts for where every prompt, which has one, weighs 1
    halves = chosen(table, subset="all", weighting="prompts alike", coefficient="p", duplicates="as released")
    assert halves["equal_choices"] >= 1
    assert halves["estimate"] == pytest.approx((sum(p % 4 != 0 for p in plain) + 12) / 70)
    assert chosen(table, **same, duplicates="as released")["n"] == 94


@pytest.mark.slow
def test_the_picture_shows_every_choice_and_says_what_holds(voted, curve):
    part = curve.drop_nulls("estimate").gather_every(6)
    chart = plots.specification_curve(part, source="made up", taxonomy=voted.taxonomy)
    written = words(chart)
    held = int(part["holds_printed"].sum())
    assert f"in {held} of {part['holds_printed'].count()}" in written
    assert "φ / most it could be" in written
    places = {row["place"] for row in rows_of(chart) if "key" in row}
    assert places == set(range(part.height))
    assert not {row.get("label") for row in rows_of(chart)} - {None}


@pytest.mark.slow
def test_options_of_many_specifications_are_drawn_at_their_estimates(voted, curve):
    assert curve["estimate"].count() > 100
    shown = rows_of(plots.specification_curve(curve, source="made up", taxonomy=voted.taxonomy))
    ticks = [row for row in shown if "key" in row and "place" in row]
    dots = {row["key"]: row["estimate"] for row in shown if "key" in row and "place" not in row}
    assert {row["estimate"] for row in ticks} == set(curve["estimate"].drop_nulls())
    for option in ("phi", "tetrachoric"):
        of_option = curve.filter(coefficient=option)["estimate"].drop_nulls()
        assert dots[f"coefficient/{option}"] == pytest.approx(of_option.median())


@pytest.mark.slow
def test_sentence_and_command_say_how_many_hold(voted, curve, kept_samples):
    said = sentences.specifications(curve, voted)
    held = int(curve["holds_printed"].sum())
    assert says(said, "printed 0.408", f"{held} of {curve['holds_printed'].count()}")
    asked = ["sample-saferlhf", "--of", "p"]
    document = json.loads(CliRunner().invoke(stats_specifications, [*asked, "--json"], catch_exceptions=False).stdout)
    assert {row["of"] for row in document} == {"p"}
    assert {row["split"] for row in document} == {"all", "test", "train"}
    shown = CliRunner().invoke(stats_specifications, asked, catch_exceptions=False).stdout
    estimates = [row["estimate"] for row in document if row["split"] == "test" and row["estimate"] is not None]
    line = next(line.split() for line in shown.splitlines() if " test " in f" {line} ")
    ends = [f"{value:.3f}" for value in (min(estimates), np.median(estimates), max(estimates))]
    assert line[-7:-3] == [str(len(estimates)), *ends]
    assert len(shown.splitlines()) < 30
    everything = CliRunner().invoke(stats_specifications, [*asked, "--all"], catch_exceptions=False).stdout
    assert len(everything.splitlines()) > len(document)


def test_what_is_missing_is_said(compared):
    with pytest.raises(UsageError, match=r"no row of it names a category.*--of p in the shell"):
        btviz.specification_curve(compared, of="phi", categories=KEYS)
    with pytest.raises(UsageError, match="quantity"):
        btviz.specification_curve(compared, of="lift")
