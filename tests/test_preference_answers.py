"""Measures by group and weighting: against the report, by hand, and where nothing is defined."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

import btviz
from btviz.errors import NotFoundError, UsageError
from btviz.preference import questions as module
from btviz.preference.questions import Question, answer_of
from btviz.preference.shares import cells_by_prompt
from btviz.stats.measures import MEASURES, turned_around
from btviz.stats.resampling import bootstrap

SHARED = ["grouping", "level", "n", "prompts", "p", "p_low", "p_high", "p_value", "verdict", "rule_broken"]


@pytest.fixture(scope="module")
def ds(samples):
    return samples["sample-saferlhf"]


@pytest.fixture(scope="module")
def report(ds):
    return btviz.orthogonality(ds, n_boot=300)


@pytest.fixture
def make_preferences(make_dataset):
    nothing = pl.DataFrame(schema={"prompt": pl.String, "response": pl.String})
    return lambda frame: make_dataset(nothing, comparisons=frame)


def asked(**changes):
    return Question(**({"n_boot": 300} | changes))


def of_all(answer):
    return answer.table.row(0, named=True)


@pytest.mark.slow
def test_by_default_the_numbers_are_those_of_the_report(ds, report):
    table = answer_of(ds, asked()).table
    assert table.select(SHARED).equals(report.table.select(SHARED))
    assert table["value"].equals(table["p"].alias("value"))
    for name in ("naive_low", "naive_high"):
        assert table[name].equals(report.table[name])


@pytest.mark.slow
def test_two_p_minus_one_is_p_on_another_scale(ds):
    p, two_p = (answer_of(ds, asked(measure=measure)).table for measure in ("p", "two_p_minus_1"))
    for name in ("value", "low", "high", "naive_low", "naive_high"):
        assert two_p[name].to_list() == pytest.approx((2 * p[name] - 1).to_list(), nan_ok=True)


@pytest.mark.slow
@pytest.mark.parametrize("measure", [name for name in MEASURES if name not in {"p", "two_p_minus_1"}])
def test_over_all_comparisons_a_measure_is_the_pooled_one(ds, report, measure):
    pooled = report.pooled.filter(measure=measure).row(0, named=True)
    found = of_all(answer_of(ds, asked(measure=measure)))
    assert found["value"] == pytest.approx(pooled["estimate"], rel=1e-12)
    assert found["low"] == pytest.approx(pooled["low"], rel=0.05)  # other draws of the same prompts
    assert found["high"] == pytest.approx(pooled["high"], rel=0.05)


@pytest.mark.slow
def test_counted_once_each_prompt_weighs_the_same(ds, report):
    answer = answer_of(ds, asked(weighting="prompts"))
    own = report.table["p_prompt_weighted"].to_list()
    assert answer.table["value"].to_list() == pytest.approx(own)
    assert answer.table["n"].equals(report.table["n"])
    assert answer.table["naive_low"].null_count() == answer.table.height
    same = ds.preferences.drop_nulls(["better", "safer"]).with_columns(same=pl.col("better") == pl.col("safer"))
    shares = same.group_by("prompt_id").agg(pl.col("same").mean())["same"].to_numpy()
    plain = bootstrap(
        np.column_stack([shares, np.ones(len(shares))]), lambda s: s[:, :1] / s[:, 1:], n_boot=4000, random_state=7
    )
    assert of_all(answer)["low"] == pytest.approx(plain.low[0], abs=0.01)
    assert of_all(answer)["high"] == pytest.approx(plain.high[0], abs=0.01)


def test_within_a_stratum_only_its_comparisons_count(ds, report):
    both_unsafe = answer_of(ds, asked(within="both_unsafe"))
    row = report.table.filter(level="both_unsafe").row(0, named=True)
    assert (of_all(both_unsafe)["n"], of_all(both_unsafe)["p"]) == (row["n"], row["p"])
    assert both_unsafe.table.filter(grouping="stratum")["level"].to_list() == ["both_unsafe"]


@pytest.mark.slow
def test_the_rows_of_a_level_are_the_comparisons_it_counts(ds):
    answer = answer_of(ds, asked())
    for grouping, level, n, p in answer.table.select("grouping", "level", "n", "p").rows():
        rows = ds.preferences[answer.rows(grouping, level=level)]
        assert rows.height == n
        assert (rows["better"] == rows["safer"]).mean() == pytest.approx(p)
    violent = ds.preferences[answer.rows("category", level="Violence")]
    bit = ds.taxonomy["Violence"].bit
    assert ((violent["labels_0"] | violent["labels_1"]) & (1 << bit) != 0).all()
    with pytest.raises(NotFoundError, match="no such"):
        answer.rows("category", level="no such")


@pytest.mark.slow
@pytest.mark.parametrize("measure", MEASURES)
def test_by_chance_alone_a_measure_is_neutral(ds, measure):
    null = answer_of(ds, asked(measure=measure, n_boot=2000)).null([("all", "all"), ("stratum", "mixed")])
    assert null["level"].unique().sort().to_list() == ["all", "mixed"]
    neutral = {"p": 0.5}.get(measure, 1.0 if "odds" in measure else 0.0)
    for (level,), drawn in null.group_by("level"):
        assert drawn.height == 2000
        assert drawn["value"].median() == pytest.approx(neutral, abs=0.06), level


@pytest.mark.slow
def test_the_null_of_p_is_as_wide_as_the_report_draws_it(ds, report):
    ours = answer_of(ds, asked(n_boot=4000)).null([("all", "all")])
    theirs = report.null.filter(grouping="all")
    assert ours["value"].std() == pytest.approx(theirs["p"].std(), rel=0.08)
    assert ours["observed"][0] == pytest.approx(theirs["observed"][0])


@pytest.mark.slow
def test_progress_ends_at_one_and_may_end_the_work(ds):
    shares = []
    answer_of(ds, asked(measure="odds_ratio_mh"), progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answer_of(ds, asked(), progress=stop)


def comparisons(rows):
    """Comparisons from (prompt, better, safer, is_safe_0, is_safe_1)."""
    return pl.DataFrame(
        [
            {
                "prompt": f"question {prompt}",
                "response_0": f"answer {k} a",
                "response_1": f"answer {k} b",
                "better": better,
                "safer": safer,
                "is_safe_0": safe_0,
                "is_safe_1": safe_1,
            }
            for k, (prompt, better, safer, safe_0, safe_1) in enumerate(rows)
        ],
        schema_overrides={"better": pl.UInt8, "safer": pl.UInt8, "is_safe_0": pl.Boolean, "is_safe_1": pl.Boolean},
    )


def test_by_hand(make_preferences):
    rows = [("a", 0, 0, True, True), ("a", 1, 1, True, True), ("a", 0, 1, True, True), ("b", 1, 0, False, False)]
    ds = make_preferences(comparisons(rows))
    by_comparison, by_prompt = (of_all(answer_of(ds, asked(weighting=one))) for one in ("comparisons", "prompts"))
    assert (by_comparison["value"], by_comparison["low"]) == (0.5, None)
    assert by_prompt["value"] == pytest.approx((2 / 3 + 0) / 2)
    assert "an interval needs 20" in by_prompt["undefined"]
    phi = of_all(answer_of(ds, asked(measure="phi_by_position")))
    assert phi["value"] == pytest.approx(0.0)  # one comparison in each of the four cells
    odds = of_all(answer_of(ds, asked(measure="odds_ratio_mh")))
    # both safe: 3 comparisons, 2 alike; both unsafe: 1, none alike; each in both orders, a + d = 2 x alike
    assert odds["value"] == pytest.approx((2 * 2 / 6) / (1 * 1 / 6 + 1 * 1 / 2))


def test_values_that_are_undefined_say_why(make_preferences):
    ds = make_preferences(comparisons([(f"q{k}", 0, 0, True, True) for k in range(60)]))
    row = of_all(answer_of(ds, asked(measure="phi_by_position")))
    assert (row["value"], row["low"]) == (None, None)
    assert row["undefined"]
    nothing = make_preferences(comparisons([("a", None, 0, True, False), ("b", 1, None, None, None)]))
    for measure in MEASURES:
        answer = answer_of(nothing, asked(measure=measure))
        assert answer.table.select("n", "value", "undefined").rows() == [(0, None, "no comparison has both labels")]
        assert answer.null([("all", "all")]).is_empty()


def test_a_question_that_makes_no_sense_is_refused():
    for wrong in ({"measure": "r"}, {"weighting": "pairs"}, {"within": "safe"}, {"margin": 2.0}):
        with pytest.raises(UsageError):
            Question(**wrong)
    with pytest.raises(UsageError, match="weighting for 'odds_ratio_mh'"):
        Question(measure="odds_ratio_mh", weighting="prompts")


def test_turning_harmlessness_around_twice_changes_nothing():
    cells = np.arange(32.0).reshape(2, 16)
    assert (turned_around(turned_around(cells)) == cells).all()
    assert turned_around(cells)[0, :4].tolist() == [1, 0, 3, 2]
    assert MEASURES["p"].values(turned_around(cells)) == pytest.approx(1 - MEASURES["p"].values(cells))
    assert math.isfinite(MEASURES["odds_ratio_mh"].values(cells)[0])


@pytest.mark.slow
def test_cells_add_up(ds):
    answer = answer_of(ds, asked())
    cells = cells_by_prompt(answer.shares.comparisons, answer.shares.levels[0], weighting="comparisons")
    assert cells.sum() == of_all(answer)["n"]
    weighted = cells_by_prompt(answer.shares.comparisons, answer.shares.levels[0], weighting="prompts")
    assert weighted.sum(axis=1) == pytest.approx(1.0)


@pytest.mark.slow
@pytest.mark.parametrize("measure", MEASURES)
def test_what_is_known_of_p_is_not_drawn_again(ds, measure, monkeypatch):
    whole = answer_of(ds, asked(measure=measure))
    known = answer_of(ds, asked()).shares
    monkeypatch.setattr(module, "share_table", None)
    again = answer_of(ds, asked(measure=measure), shares=known)
    assert again.table.equals(whole.table)
    assert again.rows("stratum", level="mixed").tolist() == whole.rows("stratum", level="mixed").tolist()


@pytest.mark.slow
def test_progress_goes_on_while_prompts_are_turned_around(ds):
    shares = []
    levels = answer_of(ds, asked(n_boot=2000), progress=shares.append).table.height
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1)
    assert len(shares) == levels


@pytest.mark.parametrize("measure", [name for name, one in MEASURES.items() if not one.is_ordered])
def test_measures_without_order_have_fewer_kinds_of_prompt(measure):
    cells = np.random.default_rng(3).integers(0, 5, (60, 16)).astype(float)
    folded = MEASURES[measure].distinct(cells)
    assert len(np.unique(folded, axis=0)) <= len(np.unique(cells, axis=0))
    assert not folded.reshape(60, -1, 4)[..., :2].any()
    for one, other in ((cells, folded), (turned_around(cells), turned_around(folded))):
        plain = one if folded.shape == cells.shape else one.reshape(60, 4, 4).sum(axis=1)
        assert MEASURES[measure].values(other) == pytest.approx(MEASURES[measure].values(plain), nan_ok=True)
