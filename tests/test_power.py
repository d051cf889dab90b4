"""Smallest detectable effects and plans: formulas against statsmodels and SciPy, power against simulation."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from chart_contents import rows_of, words
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import hypergeom, nchypergeom_fisher, norm, poisson
from statsmodels.stats.power import TTestPower
from wording import says

import btviz
from btviz.cli import app
from btviz.errors import UsageError
from btviz.preference.verdicts import Margin, verdict
from btviz.stats.association import TwoByTwo
from btviz.stats.clustered import independent_worth, share_interval
from btviz.stats.permutation import permute_clusters
from btviz.stats.power import (
    independent_for_share,
    smallest_negative_phi,
    smallest_phi,
    smallest_share_effect,
    worth_of_phi,
)
from btviz.stats.stratified import detectable_odds_ratios
from btviz.taxonomy.findings import Finding


@given(st.floats(15, 1e5))
def test_an_effect_and_the_items_it_needs_are_inverse(worth):
    effect = smallest_share_effect(worth)
    assert independent_for_share(effect, freedom=np.inf, power=0.8, level=0.05) == pytest.approx(worth, rel=1e-9)


@given(st.floats(10, 1e4), st.floats(10, 1e4))
def test_more_items_show_smaller_effects(one, other):
    fewer, more = sorted((one, other))
    assert smallest_share_effect(more) <= np.nan_to_num(smallest_share_effect(fewer), nan=1.0) + 1e-12


def test_the_power_at_the_smallest_effect_is_the_one_asked_for():
    """Of the normal approximation, from its definition."""
    for worth, power in ((50, 0.8), (400, 0.9), (5000, 0.6)):
        effect = float(smallest_share_effect(worth, power=power))
        critical = norm.isf(0.025) / math.sqrt(worth)
        assert norm.sf(critical, effect, math.sqrt((1 - effect**2) / worth)) == pytest.approx(power, abs=1e-9)


def test_few_prompts_are_reckoned_with_as_statsmodels_does():
    """A small effect on t has the noncentral t's power, which the sum of two quantiles comes near."""
    n = 30
    effect = TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8)
    assert float(smallest_share_effect(n, freedom=n - 1)) == pytest.approx(effect, abs=0.05)
    assert float(smallest_share_effect(n)) < float(smallest_share_effect(n, freedom=n - 1))


def test_no_effect_is_large_enough_for_a_handful():
    assert np.isnan(smallest_share_effect(3.0))


@pytest.mark.slow
def test_shares_show_the_smallest_effect_as_often_as_said():
    """2,000 samples of 100 prompts with 6 comparisons that correlate by 0.3: Monte-Carlo error 0.9 %."""
    prompts, size, correlation, samples = 100, 6, 0.3, 2000
    worth = prompts * size / (1 + (size - 1) * correlation)
    effect = float(smallest_share_effect(worth, freedom=prompts - 1))
    p, spread = (1 + effect) / 2, (1 - correlation) / correlation
    draw = np.random.default_rng(4)
    of_prompt = draw.beta(p * spread, (1 - p) * spread, size=(prompts, samples))
    hits = draw.binomial(size, of_prompt).astype(float)
    held = share_interval(hits, np.full_like(hits, size))
    assert np.mean((held.low > 0.5) | (held.high < 0.5)) == pytest.approx(0.8, abs=0.03)
    assert np.median(independent_worth(hits, np.full_like(hits, size))) == pytest.approx(worth, rel=0.05)


def test_worth_is_that_of_prompts_where_answers_are_copies():
    hits = np.repeat([[0.0], [4.0]], 60, axis=0)
    assert independent_worth(hits, np.full((120, 1), 4.0))[0] == pytest.approx(120, rel=0.02)
    assert independent_worth(np.full((50, 1), 3.0), np.full((50, 1), 3.0))[0] == 50  # nothing varies: prompts
    assert independent_worth([[1.0], [0.0]] * 40, np.ones((80, 1)))[0] == pytest.approx(80, rel=0.02)


def test_two_independent_labels_are_worth_what_their_correlations_say():
    draw = np.random.default_rng(0)
    clusters, size = 400, 3
    own = draw.random((clusters, 2)) < 0.3
    labels = np.where(
        draw.random((clusters, size, 2)) < math.sqrt(0.5), own[:, None], draw.random((clusters, size, 2)) < 0.3
    )
    row, col = labels.sum(axis=1).T[..., None].astype(float)
    independent, together = worth_of_phi(row, col, n=np.full((clusters, 1), float(size)))
    assert independent[0] == pytest.approx(clusters * size / (1 + 2 * 0.25), rel=0.06)
    assert together[0] == pytest.approx(clusters * size / (1 + 2 * 0.5), rel=0.06)


def test_phi_of_common_labels_has_the_power_of_the_normal_approximation():
    """By hand: the joint share under both hypotheses, with Cornfield's variance."""
    r, c, n = 0.3, 0.2, 2500
    phi = float(smallest_phi(r, c, worth=(n, n)))
    joint = r * c + phi * math.sqrt(r * (1 - r) * c * (1 - c))
    errors = [math.sqrt(1 / sum(1 / x for x in (j, r - j, c - j, 1 - r - c + j)) / n) for j in (r * c, joint)]
    assert norm.sf(r * c + norm.isf(0.025) * errors[0], joint, errors[1]) == pytest.approx(0.8, abs=1e-9)


def test_phi_of_rare_labels_is_that_of_a_poisson_count():
    r, c, n = 0.03, 0.02, 2500
    joint = r * c + float(smallest_phi(r, c, worth=(n, n))) * math.sqrt(r * (1 - r) * c * (1 - c))
    threshold = next(k for k in range(100) if poisson.sf(k - 1, n * r * c) <= 0.025)
    assert poisson.sf(threshold - 1, n * joint) == pytest.approx(0.8, abs=1e-6)


@given(st.floats(0.001, 0.999), st.floats(0.001, 0.999), st.floats(20, 1e5))
def test_a_detectable_phi_is_one_that_the_margins_allow(r, c, worth):
    phi = float(smallest_phi(r, c, worth=(worth, worth)))
    most = (min(r, c) - r * c) / math.sqrt(r * (1 - r) * c * (1 - c))
    assert math.isnan(phi) or 0 < phi <= most + 1e-9


@pytest.mark.slow
def test_a_permutation_finds_the_smallest_phi_as_often_as_said():
    """200 samples of 1,500 prompts of one item, 199 shuffles each: Monte-Carlo error 2.8 %."""
    r, c, n, samples = 0.3, 0.2, 1500, 200
    joint = r * c + float(smallest_phi(r, c, worth=(n, n), freedom=n - 1)) * math.sqrt(r * (1 - r) * c * (1 - c))
    draw, found = np.random.default_rng(2), 0
    for _ in range(samples):
        row = draw.random(n) < r
        col = draw.random(n) < np.where(row, joint / r, (c - joint) / (1 - r))
        test = permute_clusters(np.column_stack([row, col]), clusters=np.arange(n), n_permutations=199)
        found += test.p_value[0, 1] <= 0.05
    assert found / samples == pytest.approx(0.8, abs=0.09)


def test_a_plan_multiplies_by_the_design_effect_and_turns_up_in_prompts():
    plan = btviz.power_plan(effects=[0.1], per_prompt=6, correlation=0.2).row(0, named=True)
    assert plan["design_effect"] == pytest.approx(2)
    assert plan["independent"] == pytest.approx((1.96 + 0.8416 * math.sqrt(0.99)) ** 2 / 0.01, rel=0.01)
    assert plan["prompts"] == math.ceil(2 * plan["independent"] / 6)
    alone = btviz.power_plan(effects=[0.1], per_prompt=1).row(0, named=True)
    assert alone["prompts"] == alone["independent"]


def test_an_interval_within_a_margin_needs_more_prompts_than_a_difference():
    """TOST: (1.96 + 1.2816)^2 / margin^2 independent comparisons."""
    plan = btviz.power_plan(effects=[0.1], claim="orthogonal", per_prompt=1).row(0, named=True)
    assert plan["independent"] == pytest.approx((1.95996 + 1.28155) ** 2 / 0.01, rel=0.01)


@pytest.mark.slow
def test_a_plan_takes_prompts_and_design_effect_from_data(samples):
    ds = samples["sample-saferlhf"]
    plan = btviz.power_plan(ds, effects=[0.02, 0.5])
    assert plan["prompts_here"].unique().to_list() == [ds.preferences["prompt_id"].n_unique()]
    assert plan["enough"].to_list() == [False, True]
    assert plan["per_prompt"][0] == pytest.approx(ds.preferences.height / plan["prompts_here"][0])


@pytest.mark.parametrize("wrong", [{"effects": [0.0]}, {"correlation": 2}, {"per_prompt": 0.5}, {"power": 0.3}])
def test_a_plan_out_of_range_is_refused(wrong):
    with pytest.raises(UsageError, match="lies between"):
        btviz.power_plan(**wrong)


def test_what_is_undecided_says_what_could_have_been_shown():
    row = {"p": 0.53, "p_low": 0.44, "p_high": 0.62, "n": 300, "undefined": None}
    said = verdict(Finding.of(row, "p", items="comparisons"), level="all", named="X", margin=Margin(), detectable=0.234)
    assert says(said, "undecided", "0.23", "80 %")
    few = verdict(Finding.of(row, "p", items="comparisons"), level="all", named="X", margin=Margin())
    assert says(few, "undecided", "so few prompts")
    high = Finding.of(row | {"p": 0.9, "p_low": 0.8, "p_high": 0.95}, "p", items="comparisons")
    assert "80 % power" not in verdict(high, level="all", named="X", margin=Margin(), detectable=0.234)
    nothing = Finding.of(
        row | dict.fromkeys(["p", "p_low", "p_high"]) | {"undefined": "none"}, "p", items="comparisons"
    )
    assert "power" not in verdict(nothing, level="all", named="X", margin=Margin())


@pytest.mark.slow
def test_tables_hold_the_smallest_detectable_effects(samples):
    ds = samples["sample-saferlhf"]
    table = btviz.orthogonality(ds, n_boot=50).table
    total = table.filter(grouping="all").row(0, named=True)
    assert 2 / math.sqrt(total["n"]) < total["smallest_detectable"] < 8 / math.sqrt(total["prompts"])
    tests = btviz.cooccurrence_tests(ds, n_permutations=99)
    known = tests.drop_nulls("smallest_detectable")
    assert known.height
    assert (known["smallest_detectable"] > 0).all()
    assert (tests["smallest_detectable_negative"].drop_nulls() < 0).all()
    assert (tests["odds_ratio_detectable_above"].drop_nulls() > 1).all()
    of_dashes = tests.filter(pl.any_horizontal(pl.col("^odds_ratio_detectable_.*$").is_null()))
    assert of_dashes["detectable_undefined"].null_count() == 0
    unsafe = btviz.cooccurrence_tests(ds, where="unsafe")
    assert unsafe["smallest_detectable"].count() == unsafe["smallest_detectable_negative"].count() == 0
    assert unsafe["detectable_undefined"].null_count() == 0
    tested = unsafe.drop_nulls("p_value")
    assert (tested["odds_ratio_detectable_above"].drop_nulls() > 1).all()
    assert (tested["odds_ratio_detectable_below"].drop_nulls() < 1).all()
    assert tested["odds_ratio_detectable_above"].count() > 0
    assert tests.schema["smallest_detectable"] == pl.Float64


@pytest.mark.slow
def test_the_planner_moves_with_its_sliders(samples):
    planner = btviz.widgets.PowerPlanner(samples["sample-saferlhf"])
    assert set(planner.controls) == {"effect", "power", "claim"}
    before = planner.plan.row(0, named=True)
    planner.controls["effect"].value = 0.2
    after = planner.plan.row(0, named=True)
    assert after["prompts"] < before["prompts"]
    assert says(planner.chart.said, "0.2", f"{after['prompts']:,} prompts", f"here are {after['prompts_here']:,}")
    planner.controls["claim"].value = "orthogonal"
    assert planner.plan["prompts"][0] > after["prompts"]
    alone = btviz.widgets.PowerPlanner()
    assert set(alone.controls) > {"per_prompt", "correlation"}
    alone.controls["per_prompt"].value = 1
    assert alone.plan["design_effect"][0] == 1


def test_the_curve_of_a_plan_says_its_ends():
    plan = btviz.power_plan(effects=[0.1, 0.3])
    chart = btviz.plots.power_curve(plan, chosen=0.3, source="made up")
    assert f"{plan['prompts'][0]:,} for 0.1, {plan['prompts'][1]:,} for 0.3" in chart.description
    assert {row["effect"] for row in rows_of(chart)} == {0.1, 0.3}
    assert "made up" in words(chart)


@pytest.mark.parametrize(
    ("n", "row", "col"), [(1000, 300, 200), (1000, 100, 80), (1000, 50, 100), (3000, 150, 120), (400, 80, 80)]
)
def test_a_negative_phi_that_is_called_detectable_is_found_in_four_of_five_samples(n, row, col):
    """Exact power of the lower tail of the hypergeometric distribution, at margins that are given."""
    phi = float(smallest_negative_phi(row / n, col / n, worth=(n, n)))
    sought = row * col / n + phi * math.sqrt(row * (n - row) * col * (n - col)) / n
    null, odds = hypergeom(n, row, col), 1.0
    odds = brentq(lambda log: nchypergeom_fisher(n, row, col, math.exp(log)).mean() - sought, -12, 1)
    most = next(k for k in range(row) if null.cdf(k) > 0.025) - 1
    assert nchypergeom_fisher(n, row, col, math.exp(odds)).cdf(most) == pytest.approx(0.8, abs=0.05)


def test_no_negative_phi_is_detectable_where_none_at_all_would_not_show():
    assert math.isnan(smallest_negative_phi(0.06, 0.06, worth=(1000, 1000)))  # 3.6 are expected: none in 2.7 %
    assert smallest_negative_phi(0.062, 0.062, worth=(1000, 1000)) < 0  # 3.8: none in 2.1 %


@pytest.mark.slow
@pytest.mark.parametrize("side", [0, 1])
def test_an_odds_ratio_that_is_called_detectable_is_found_within_strata(side):
    """Noncentral hypergeometric counts in three strata, 2,000 draws: 80 % within two Monte-Carlo errors and steps."""
    n, row, col = np.array([200, 120, 60]), np.array([60, 30, 20]), np.array([50, 40, 15])
    strata = TwoByTwo(n, row, col, np.zeros(3, np.int64))
    found = detectable_odds_ratios(strata, reach=(1.96, 0.8416))[side]
    assert (found > 1) == bool(side)
    laws = [hypergeom(*margins) for margins in zip(n, row, col, strict=True)]
    mean, spread = sum(law.mean() for law in laws), math.sqrt(sum(law.var() for law in laws))
    rng = np.random.default_rng(3)
    drawn = sum(nchypergeom_fisher(*m, found).rvs(2000, random_state=rng) for m in zip(n, row, col, strict=True))
    power = np.mean(np.abs(drawn - mean) > 1.96 * spread)
    assert power == pytest.approx(0.8, abs=0.05)
    # copies of each other count once
    halved = TwoByTwo(n // 2, row // 2, col // 2, np.zeros(3, np.int64))
    twice = detectable_odds_ratios(strata, reach=(1.96, 0.8416), design_effects=(2, 2))[side]
    assert twice == pytest.approx(detectable_odds_ratios(halved, reach=(1.96, 0.8416))[side], rel=0.05)


@pytest.mark.slow
def test_the_command_says_what_undecided_pairs_could_have_shown(samples, monkeypatch):
    ds = samples["sample"]
    monkeypatch.setattr(btviz, "load", lambda _: ds, raising=False)
    monkeypatch.setattr("btviz.cli.stats.SHOWN", 91)
    for where, low, high in (
        ("all", "smallest_detectable_negative", "smallest_detectable"),
        ("unsafe", "odds_ratio_detectable_below", "odds_ratio_detectable_above"),
    ):
        shown = CliRunner().invoke(app, ["stats", "cooccurrence", "mine", "--where", where], catch_exceptions=False)
        assert "could show" in shown.output
        assert "in 80 % of samples" in " ".join(shown.output.split())
        assert ("p_holm" in shown.output) == (where == "unsafe")
        tests = btviz.cooccurrence_tests(ds, population="annotations", where=where, n_permutations=1)
        ends = {f"{a:.2f}, {b:.2f}" for a, b in tests.select(low, high).drop_nulls().rows()}
        assert any(pair in shown.output for pair in ends)
