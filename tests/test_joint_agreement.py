"""One figure for all raters of the safety of answers, against krippendorff, statsmodels and a count by hand."""

from __future__ import annotations

import json

import krippendorff
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btviz import plots
from btviz.scores.raters import joint_agreement, moderator_agreement
from btviz.stats.agreement import krippendorff_alpha, rating_sums

RATERS = ("Human", "guard", "cost")


def verdicts_of(rows, *, prompts=None):
    """Verdicts of three raters, one row an answer; two answers a prompt unless told otherwise."""
    n = len(rows)
    columns = {rater: [row[place] for row in rows] for place, rater in enumerate(RATERS)}
    own = prompts if prompts is not None else [i // 2 for i in range(n)]
    frame = {"pair_id": list(range(n)), "prompt_id": own, "source": ["a" if i % 4 < 2 else "b" for i in range(n)]}
    return pl.DataFrame(frame | columns, schema_overrides=dict.fromkeys(RATERS, pl.Boolean))


@pytest.fixture(scope="module")
def rated():
    """300 answers, on 150 prompts, of which three raters see most in the same way and leave out some."""
    rng = np.random.default_rng(8)
    truth = np.repeat(rng.random(150) < 0.6, 2)
    rows = [[bool(t) ^ bool(rng.random() < e) for e in (0.1, 0.2, 0.3)] for t in truth]
    return verdicts_of(rows), verdicts_of([[None if rng.random() < 0.15 else value for value in row] for row in rows])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[st.sampled_from([True, False, None])] * 3), min_size=2, max_size=40))
def test_alpha_is_that_of_the_package_krippendorff(rows):
    row = joint_agreement(verdicts_of(rows), raters=RATERS, by=None, n_boot=2).row(0, named=True)
    matrix = np.array([[np.nan if value is None else float(value) for value in one] for one in rows]).T
    pairable = matrix[:, np.isfinite(matrix).sum(axis=0) > 1]
    if len(np.unique(pairable[np.isfinite(pairable)])) < 2:
        assert row["alpha"] is None
        assert row["undefined"]
        return
    expected = krippendorff.alpha(reliability_data=matrix, level_of_measurement="nominal")
    assert row["alpha"] == pytest.approx(expected)
    assert row["n"] == pairable.shape[1]
    assert row["n_verdicts"] == np.isfinite(pairable).sum()


def test_kappa_is_that_of_statsmodels_and_absent_where_verdicts_are_missing(rated):
    from statsmodels.stats.inter_rater import fleiss_kappa

    complete, holes = rated
    safe = complete.select(pl.sum_horizontal(RATERS)).to_series().to_numpy()
    row = joint_agreement(complete, raters=RATERS, by=None, n_boot=40).row(0, named=True)
    assert row["fleiss_kappa"] == pytest.approx(fleiss_kappa(np.column_stack([safe, 3 - safe])))
    assert row["fleiss_kappa_low"] < row["fleiss_kappa"] < row["fleiss_kappa_high"]
    missing = joint_agreement(holes, raters=RATERS, by=None, n_boot=40).row(0, named=True)
    assert missing["fleiss_kappa"] is None
    assert "read alpha" in missing["undefined_fleiss_kappa"]
    assert missing["undefined"] is None


def test_a_count_by_hand():
    """Three answers, nine verdicts, five safe; of nine pairs of verdicts seven are equal."""
    found = joint_agreement(
        verdicts_of([(True, True, True), (True, True, False), (False, False, False)]),
        raters=RATERS,
        by=None,
        n_boot=2,
    ).row(0, named=True)
    assert (found["n"], found["n_verdicts"], found["share_safe"]) == (3, 9, pytest.approx(5 / 9))
    assert found["agreement"] == pytest.approx(7 / 9)
    assert found["alpha"] == pytest.approx(1 - 8 * (2 * 1 / 2) / (5 * 4))
    assert "effective" in found["undefined"]


def test_intervals_resample_prompts(rated):
    """The spread of alpha over prompts drawn by another loop, which repeats the rows of each prompt drawn."""
    complete, _ = rated
    row = joint_agreement(complete, raters=RATERS, by=None, n_boot=2000).row(0, named=True)
    safe = complete.select(pl.sum_horizontal(RATERS)).to_series().to_numpy().reshape(150, 2)
    rng = np.random.default_rng(1)
    drawn = [
        float(krippendorff_alpha(rating_sums(3, safe[rng.integers(150, size=150)].ravel()).sum(axis=0)))
        for _ in range(2000)
    ]
    assert [row["alpha_low"], row["alpha_high"]] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.012)


def test_the_table_of_moderators_and_its_picture_name_the_joint_figure(rated):
    _, holes = rated
    joint = joint_agreement(holes, raters=RATERS, n_boot=40)
    table = moderator_agreement(holes, n_boot=40)
    assert table.height == 9
    for group, alpha, low in joint.select("group", "alpha", "alpha_low").rows():
        own = table.filter(pl.col("group").eq_missing(group))
        assert own["joint_alpha"].to_list() == [alpha] * 3
        assert own["joint_low"].to_list() == [low] * 3
    drawn = json.dumps(plots.moderators(table).to_dict())
    assert f"All 3 raters: Krippendorff's alpha {joint['alpha'][0]:.2f}" in drawn
    assert len(set(joint["alpha"].to_list())) == 3


def test_nobody_to_agree_with_is_said():
    alone = joint_agreement(verdicts_of([(True, None, None)] * 30), raters=RATERS, by=None, n_boot=5).row(0, named=True)
    assert (alone["n"], alone["alpha"]) == (0, None)
    assert alone["undefined"] == "no answer was judged by two of the raters"
    same = joint_agreement(verdicts_of([(True, True, True)] * 30), raters=RATERS, by=None, n_boot=5).row(0, named=True)
    assert (same["agreement"], same["alpha"]) == (1, None)
    assert "0 / 0" in same["undefined"]
