"""Pictures of scores: bins and not answers, what they say about their data, what they refuse."""

import json

import numpy as np
import polars as pl
import pytest
from chart_contents import rows_of, words
from hypothesis import example, given, settings
from hypothesis import strategies as st
from score_tables import scores

from btviz import plots, sentences
from btviz.data.synthetic import generate
from btviz.errors import UsageError
from btviz.plots.interactive.scores import brushed_plane
from btviz.plots.style.theme import WIDTHS
from btviz.scores.differences import score_margins
from btviz.scores.distributions import margin_bins, plane_bins, policy_bins, score_bins
from btviz.scores.metrics import reliability_curve, roc_curve, score_metrics
from btviz.scores.plane import reward_against_cost, reward_and_cost, score_quadrants
from btviz.scores.policies import policy_answers, policy_scores
from btviz.scores.raters import moderator_agreement, safety_verdicts
from btviz.stats.binning import bandwidth, counts_in, density_at, grid_of
from btviz.taxonomy.categories import PKU_SAFERLHF

SOURCE = "made up (synthetic sample)"


@pytest.fixture(scope="module")
def ds(make_dataset):
    made = generate("sample-saferlhf", n_pairs=500)
    return make_dataset(made.rows, taxonomy=PKU_SAFERLHF, comparisons=made.comparisons)


@pytest.fixture(scope="module")
def table(ds):
    rng = np.random.default_rng(2)
    unsafe = ~ds.pairs["is_safe"].to_numpy()
    cost, reward = rng.normal(size=len(unsafe)) + 2 * unsafe - 1, rng.normal(size=len(unsafe))
    ids = ds.pairs["pair_id"]
    return pl.concat([scores(ids, cost, model="the cost"), scores(ids, reward, model="the reward", kind="reward")])


@pytest.fixture(scope="module")
def charts(ds, table):
    plane = reward_and_cost(table, ds)
    metrics = score_metrics(table, ds, n_boot=40)
    return {
        "distributions": plots.score_distributions(score_bins(table, ds), source=SOURCE),
        "policies": plots.score_distributions(policy_bins(policy_scores(policy_answers(ds), table)), source=SOURCE),
        "margins": plots.margins(margin_bins(score_margins(table, ds)), source=SOURCE),
        "ridges": plots.category_ridges(score_bins(table, ds, by="category", split=False), source=SOURCE),
        "plane": plots.score_plane(plane_bins(plane), score_quadrants(plane, ds, n_boot=40), source=SOURCE),
        "roc": plots.roc(roc_curve(table, ds), metrics, source=SOURCE),
        "calibration": plots.calibration(reliability_curve(table, ds, n_boot=40), source=SOURCE),
        "moderators": plots.moderators(moderator_agreement(safety_verdicts(table, ds), n_boot=40), source=SOURCE),
    }


NAMES = ["distributions", "policies", "margins", "ridges", "plane", "roc", "calibration", "moderators"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_picture_names_its_population_and_holds_no_answers(charts, ds, name):
    chart = charts[name]
    said = words(chart)
    assert SOURCE in said
    assert "n =" in said
    assert "null" not in said
    assert "undefined" not in said
    text = json.dumps(chart.to_dict())
    assert "pair_id" not in text
    assert not any(prompt in text for prompt in ds.pairs["prompt"].head(20))
    assert len(chart.description) > 40


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_picture_fits_two_columns_of_a_paper(charts, name):
    from btviz.plots.style.rendering import svg

    width = float(svg(charts[name]).split('viewBox="0 0 ')[1].split(" ")[0])
    assert width <= WIDTHS["double"] + 12


@pytest.mark.slow
@pytest.mark.parametrize("form", ["density", "histogram", "ecdf", "violin"])
def test_every_form_draws_the_same_bins(table, ds, form):
    chart = plots.score_distributions(score_bins(table, ds, bins=40), form=form, source=SOURCE)
    said = words(chart)
    for part in ("the cost", "the reward", "train", "test", "safe", "unsafe"):
        assert part in said
    assert f"{2 * ds.pairs.height:,} scores" in said or "scores" in said
    again = plots.score_distributions(score_bins(table, ds, bins=40), form=form, source=SOURCE)
    assert chart.to_dict() == again.to_dict()


def test_a_picture_of_a_hundred_thousand_scores_is_small():
    n = 100_000
    number = pl.int_range(n, dtype=pl.UInt64)
    rows = pl.select(
        number.alias("prompt_id"),
        pl.lit("m").alias("model"),
        pl.lit("cost").alias("kind"),
        (number % 3).cast(pl.String).alias("policy"),
        pl.Series("score", np.random.default_rng(0).normal(size=n)),
    )
    chart = plots.score_distributions(policy_bins(rows))
    assert len(json.dumps(chart.to_dict())) < 100_000


def test_bins_count_every_answer_once(table, ds):
    bins = score_bins(table, ds, split=False)
    sizes = bins.group_by("model", "group").agg(pl.col("count").sum(), pl.col("n").first(), pl.col("prompts").first())
    assert (sizes["count"] == sizes["n"]).all()
    assert sizes.filter(model="the cost")["n"].sum() == ds.pairs.height
    unsafe = sizes.filter(model="the cost", group="unsafe").row(0, named=True)
    assert unsafe["n"] == ds.pairs.filter(~pl.col("is_safe")).height
    assert unsafe["prompts"] == ds.pairs.filter(~pl.col("is_safe"))["prompt_id"].n_unique()
    assert bins.group_by("model", "group").agg(pl.col("cumulative").max())["cumulative"].to_list() == pytest.approx(
        [1] * 4
    )
    by_category = score_bins(table, ds, by="category", split=False).filter(model="the cost")
    counted = by_category.group_by("group").agg(pl.col("count").sum()).rows()
    for key, count in counted:
        own = (
            ds.pairs.filter("is_safe") if key == "safe" else ds.pairs.filter(PKU_SAFERLHF.has(key), ~pl.col("is_safe"))
        )
        assert count == own.height


def test_cells_of_the_plane_count_every_answer_once(table, ds):
    plane = reward_and_cost(table, ds)
    cells = plane_bins(plane, bins=25)
    assert cells["count"].sum() == plane.height
    first = cells.row(0, named=True)
    inside = plane.filter(
        pl.col("reward").is_between(first["reward_low"], first["reward_high"], closed="left"),
        pl.col("cost").is_between(first["cost_low"], first["cost_high"], closed="left"),
    )
    assert inside.height == first["count"]


@pytest.mark.slow
def test_the_plane_says_where_its_lines_are_and_what_shows_it(charts, table, ds):
    assert "(median), cost 0.00" in words(charts["plane"])
    assert "no label" not in words(charts["plane"])
    bare = reward_and_cost(table, ds).with_columns(pl.lit(None, pl.Boolean).alias("is_safe"))
    quadrants = score_quadrants(bare, ds, reward_origin=1.0, n_boot=40)
    for chart in (plots.score_plane(plane_bins(bare), quadrants), brushed_plane(plane_bins(bare), quadrants)):
        said = words(chart)
        assert "reward 1.00, cost 0.00" in said
        assert "no label here shows that this cost parts safe from harmful" in said
    said = sentences.plane(quadrants, ds, association=reward_against_cost(bare, n_boot=40))
    assert "None of them is labelled" in said


@settings(max_examples=30)
@given(values=st.lists(st.floats(-100, 100), min_size=1, max_size=60), bins=st.integers(2, 30))
@example(values=[0.0, 2.225073858507e-311], bins=2)
@example(values=[100.0, np.nextafter(100.0, 101.0)], bins=20)
@example(values=[1e17], bins=30)
def test_histogram_and_density_hold_all_values(values, bins):
    edges = grid_of(values, bins=bins)
    assert counts_in(values, edges=edges).sum() == len(values)
    assert (np.diff(edges) > 0).all()
    assert (density_at(values, edges=edges) >= 0).all()


def test_density_equals_scipy():
    from scipy.stats import gaussian_kde

    values = np.random.default_rng(1).normal(size=2000)
    edges = np.linspace(-6, 6, 121)
    wanted = gaussian_kde(values, bw_method=bandwidth(values) / values.std(ddof=1))
    middle = (edges[:-1] + edges[1:]) / 2
    assert density_at(values, edges=edges) == pytest.approx(wanted(middle), abs=0.002)
    assert bandwidth([3.0]) == 0
    assert density_at([1.0, 1.0, 1.0], edges=grid_of([1.0], bins=4)).sum() > 0


@pytest.mark.slow
def test_corners_show_the_quadrants(charts, table, ds):
    plane = reward_and_cost(table, ds)
    counts = score_quadrants(plane, ds, n_boot=40).filter(grouping="all")
    said = words(charts["plane"])
    for quadrant, n in counts.select("quadrant", "n_quadrant").rows():
        assert quadrant.capitalize() in said
        assert f"{n:,} (" in said


@pytest.mark.slow
def test_roc_names_the_auc_and_marks_zero(charts, table, ds):
    row = score_metrics(table, ds, n_boot=40).filter(model="the cost", metric="auc", grouping="all").row(0, named=True)
    assert f"AUC {row['estimate']:.3f} [{row['low']:.3f}, {row['high']:.3f}]" in words(charts["roc"])
    unsafe = ~ds.pairs["is_safe"].to_numpy()
    cost = table.filter(kind="cost")["score"].to_numpy()
    marked = [r for r in rows_of(charts["roc"]) if set(r) == {"name", "false", "true"}]
    true = (cost > 0)[unsafe].mean()
    assert any(abs(point["true"] - true) < 0.01 for point in marked)


@pytest.mark.slow
def test_every_ridge_is_labelled(charts, table, ds):
    bins = score_bins(table, ds, by="category", split=False)
    said = words(charts["ridges"])
    for key, n in bins.select("group", "n").unique().rows():
        title = "Safe answers" if key == "safe" else PKU_SAFERLHF[key].title
        assert f"{title}, n = {n:,}" in said.replace("&amp;", "&")


def test_what_cannot_be_drawn_is_refused(table, ds):
    with pytest.raises(UsageError, match="score_bins"):
        plots.score_distributions(table)
    with pytest.raises(UsageError, match="form"):
        plots.score_distributions(score_bins(table, ds), form="pie")
    with pytest.raises(UsageError, match="groups apart"):
        plots.score_distributions(score_bins(table, ds, by="category", split=False))
    with pytest.raises(UsageError, match="no answer has both"):
        plane_bins(reward_and_cost(table, ds).head(0))
    with pytest.raises(UsageError, match="grouping"):
        score_bins(table, ds, by="colour")
