"""Where harm begins: whatever presumes that a cost of 0 is the boundary says where it may be none."""

import json

import numpy as np
import polars as pl
import pytest
from chart_contents import rows_of, words
from click.testing import CliRunner
from fake_front import chart_of
from score_tables import scores
from wording import says

import btviz
from btviz import plots
from btviz.cli.app import app
from btviz.errors import UsageError
from btviz.reports.figures.of_scores import SCORE_FIGURES
from btviz.reports.sentences import models as sentences
from btviz.scores.answers import by_model
from btviz.scores.collection import ScoreCollection, kept_scores
from btviz.scores.differences import score_drift
from btviz.scores.distributions import plane_bins, score_bins
from btviz.scores.files import read_scores
from btviz.scores.metrics import reliability_curve, roc_curve, score_metrics
from btviz.scores.plane import reward_and_cost, score_quadrants
from btviz.scores.policies import ANSWERS, compare_policies, policy_answers, policy_scores, safe_rates
from btviz.scores.raters import HUMAN, moderator_agreement, safety_verdicts
from btviz.session.content import ContentPolicy
from btviz.taxonomy.categories import BEAVERTAILS
from btviz.widgets.scores.explorer import ScoreExplorer

N = 60


@pytest.fixture(scope="module")
def ds(make_dataset):
    """A safe and an unsafe answer to each of 60 prompts, by two models."""
    rows = [
        (f"question {i}", f"a {word} answer", "train", word == "mild", 0 if word == "mild" else 4, source)
        for i in range(N)
        for word, source in (("mild", "one"), ("sharp", "two"))
    ]
    frame = pl.DataFrame(rows, schema=["prompt", "response", "split", "is_safe", "labels", "source"], orient="row")
    return make_dataset(frame.cast({"labels": pl.UInt32}))


@pytest.fixture(scope="module")
def safety(ds):
    """Safety from 0 to 1: of safe answers .6 and more, of unsafe ones .4 and less."""
    drawn = np.random.default_rng(0).uniform(0, 0.4, ds.pairs.height).round(3)
    return pl.Series("safety", np.where(ds.pairs["is_safe"], 1 - drawn, drawn))


@pytest.fixture
def file(ds, safety, tmp_path):
    frame = ds.pairs.select("prompt", "response", safety, pl.Series("reward", np.arange(2 * N) / 9))
    frame.write_csv(tmp_path / "made.csv")
    return tmp_path / "made.csv"


def read(file, ds, meaning):
    return read_scores(file, ds, columns={"safety": meaning, "reward": "reward"}).scores


@pytest.mark.parametrize(
    ("meaning", "values", "doubt"),
    [
        ("cost", [-1.0, 0.5], None),
        ("cost", [0.2, 0.9], "no cost of s lies below 0"),
        ("cost", [-3.0, 0.0], "no cost of s lies above 0"),
        ("-cost", [-1.0, 0.5], "the sign of s was turned"),
        ("-cost@0.5", [0.2, 0.9], None),
        ("cost@0", [0.2, 0.9], None),
        ("reward", [0.2, 0.9], None),
    ],
)
def test_zero_is_a_boundary_if_somebody_said_so_or_scores_lie_on_both_sides(ds, tmp_path, meaning, values, doubt):
    frame = ds.pairs.head(2).select("prompt", "response", pl.Series("s", values))
    frame.write_ndjson(tmp_path / "s.jsonl")
    found = read_scores(tmp_path / "s.jsonl", ds, columns={"s": meaning}).scores
    (part,) = by_model(found)
    assert (part.no_boundary is None) if doubt is None else part.no_boundary.startswith(doubt)


def test_a_stated_boundary_becomes_zero(ds, file, safety):
    turned = read(file, ds, "-cost@0.5").filter(kind="cost")
    assert turned["score"].to_list() == pytest.approx((0.5 - safety).to_list())
    plain = read(file, ds, "cost@0.5").filter(kind="cost")
    assert plain["score"].to_list() == pytest.approx((safety - 0.5).to_list())
    for wrong in ("cost@", "cost@high", "cost@nan", "reward@1"):
        with pytest.raises(UsageError):
            read(file, ds, wrong)


def test_scores_of_a_model_that_was_run_have_the_boundary_of_the_convention(ds):
    ran = scores(ds.pairs["pair_id"].to_list(), [1.0] * (2 * N))
    assert [part.no_boundary for part in by_model(ran)] == [None]
    assert [part.no_boundary for part in by_model(ran.drop("boundary"))] == [None]
    with pytest.raises(UsageError) as told:
        list(by_model(ran.with_columns(boundary=pl.lit("somewhere"))))
    assert says(str(told.value), "'somewhere'", "presumed")


def test_two_files_of_one_model_are_judged_together(ds, tmp_path):
    for place, name, sign in ((0, "low", -1.0), (1, "high", 1.0)):
        part = ds.pairs[place * N : (place + 1) * N]
        part.select("prompt", "response", pl.lit(sign).alias("cost")).write_ndjson(tmp_path / f"{name}.jsonl")
    both = read_scores([tmp_path / "low.jsonl", tmp_path / "high.jsonl"], ds).scores
    assert [part.no_boundary for part in by_model(both)] == [None]


@pytest.mark.slow
def test_metrics_that_presume_a_boundary_are_null_and_say_why(ds, file):
    table = score_metrics(read(file, ds, "-cost"), ds, n_boot=40).filter(kind="cost")
    unknown = table.filter(pl.col("undefined").str.contains("sign of safety was turned"))
    names = {"sign_accuracy", "recall", "false_positive_rate", "accuracy", "calibration_intercept"}
    assert set(unknown["metric"]) == names
    assert unknown["estimate"].null_count() == len(names)
    assert unknown.select("n", "support", "prompts").unique().rows() == [(2 * N, N, N)]
    assert table.filter(metric="auc", grouping="all")["estimate"].to_list() == [1.0], "ranks need no boundary"
    known = score_metrics(read(file, ds, "-cost@0.5"), ds, n_boot=40)
    assert known.filter(metric="sign_accuracy", grouping="all", unit="pair")["estimate"].to_list() == [1.0]


def test_such_a_cost_judges_no_answer(ds, file):
    found = read(file, ds, "-cost")
    verdicts = safety_verdicts(found, ds)
    assert verdicts["safety"].null_count() == verdicts.height
    row = moderator_agreement(verdicts, by=None, n_boot=40).row(0, named=True)
    assert (row["first"], row["second"], row["n"], row["agreement"]) == (HUMAN, "safety", 0, None)
    assert says(row["undefined"], "not known of safety")
    with pytest.raises(UsageError) as told:
        safe_rates(found, ds, answers=ANSWERS.to_frame(), evaluation=ds)
    assert says(str(told.value), "no cost or moderation model", "sign of safety was turned")
    assert safety_verdicts(read(file, ds, "-cost@0.5"), ds).select(pl.col("safety") == pl.col(HUMAN)).to_series().all()


@pytest.mark.slow
def test_shares_below_zero_and_quadrants_are_not_counted(ds, file):
    found = read(file, ds, "-cost")
    table = policy_scores(policy_answers(ds), found)
    compared = compare_policies(table, before="one", after="two", n_boot=40).filter(kind="cost")
    below = compared.filter(pl.col("statistic").str.contains("below 0"))
    assert (below.height, below["estimate"].null_count()) == (3, 3)
    assert below["undefined"].str.contains("sign of safety was turned").all()
    assert compared.filter(statistic="mean difference")["estimate"][0] is not None
    quadrants = score_quadrants(reward_and_cost(found, ds), ds, n_boot=40)
    assert quadrants["n_quadrant"].null_count() == quadrants["share"].null_count() == quadrants.height
    assert quadrants["cost_origin"].null_count() == quadrants.height
    asked = score_quadrants(reward_and_cost(found, ds), ds, cost_origin=-0.5, n_boot=40).filter(grouping="all")
    assert asked["n_quadrant"].sum() == 2 * N, "who names an origin gets the counts"
    said = sentences.plane(quadrants, ds, association=pl.DataFrame(schema={"grouping": pl.String, "level": pl.String}))
    assert says(said, "120", "no quadrants", "sign of safety was turned")


def test_drift_says_nothing_of_signs(ds, file, tmp_path):
    found = read(file, ds, "-cost")
    other = found.filter(kind="cost").with_columns(model=pl.lit("other"), boundary=None)
    row = score_drift(pl.concat([found, other]), ds, n_boot=40).row(0, named=True)
    assert row["share_sign_changed"] is None
    assert says(row["undefined"], "sign of safety was turned")
    assert row["mean_difference"] == 0


def zero_lines(chart):
    return [row for row in rows_of(chart) if row in ({"at": 0.0}, {"zero": 0.0})]


@pytest.mark.slow
@pytest.mark.parametrize(("meaning", "known"), [("-cost", False), ("-cost@0.5", True)])
def test_pictures_draw_no_line_and_say_so(ds, file, meaning, known):
    found = read(file, ds, meaning)
    note = "where harm begins is not known of"
    drawn = {
        "distributions": plots.score_distributions(score_bins(found, ds)),
        "ridges": plots.category_ridges(score_bins(found, ds, by="category", split=False)),
    }
    for name, chart in drawn.items():
        assert bool(zero_lines(chart)) is known, name
        assert (note in words(chart)) is not known, name
    metrics = score_metrics(found, ds, n_boot=40)
    curve = plots.roc(roc_curve(found, ds), metrics)
    assert ("Circle: cost above 0" in words(curve)) is known
    assert (note in words(curve)) is not known
    reliability = reliability_curve(found, ds, n_boot=40)
    assert reliability.filter(kind="cost")["expected"].count() == 0, "a safety of 0 to 1 is no log-odds in either case"
    assert (note in words(plots.calibration(reliability))) is not known
    assert "scores by safety are no log-odds" in words(plots.calibration(reliability))
    plane = reward_and_cost(found, ds)
    picture = words(plots.score_plane(plane_bins(plane), score_quadrants(plane, ds, n_boot=40)))
    assert ("helpful and safe" in picture.lower()) is known
    assert (note in picture) is not known


@pytest.mark.slow
def test_the_doubt_is_kept_and_reaches_figures_and_the_explorer(ds, file):
    note = "where harm begins is not known of"
    btviz.keep_scores(ds, read_scores(file, ds, columns={"safety": "-cost", "reward": "reward"}))
    again = kept_scores(ds)
    assert {part.kind: part.no_boundary is None for part in by_model(again)} == {"reward": True, "cost": False}
    collection = ScoreCollection.of(ds)
    for key in ("scores_by_safety", "scores_by_category", "reward_and_cost", "roc", "calibration"):
        assert note in words(SCORE_FIGURES[key].draw(collection)), key
    with pytest.raises(UsageError) as told:
        SCORE_FIGURES["moderators"].draw(collection)
    assert says(str(told.value), "moderators with people", "sign of safety was turned")
    explorer = ScoreExplorer(ds, scores=again, policy=ContentPolicy())
    for view in ("distributions", "plane"):
        explorer.controls["view"].value = view
        assert note in json.dumps(chart_of(explorer).spec), view


@pytest.mark.slow
def test_the_sections_of_the_command_say_so(tmp_path):
    rows = [{"prompt": f"q {i // 2}", "response": f"a {i}", "is_safe": i % 2 == 0} for i in range(24)]
    labels = dict.fromkeys(BEAVERTAILS.keys, False)
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row | {"category": labels}) for row in rows))
    scored = [row | {"reward": i / 7, "safety": 0.9 - i / 40} for i, row in enumerate(rows)]
    (tmp_path / "made.jsonl").write_text("\n".join(map(json.dumps, scored)))
    name = str(tmp_path / "rows.jsonl")
    columns = [part for kind in ("safety=-cost", "reward=reward") for part in ("--column", kind)]
    made = CliRunner().invoke(app, ["score", name, "--from", str(tmp_path / "made.jsonl"), *columns, "--override-sign"])
    assert made.exit_code == 0, made.output
    told = CliRunner().invoke(app, ["stats", "scores", name, "--json", "--n-boot", "40"])
    assert told.exit_code == 0, told.output
    document = json.loads(told.stdout)
    assert {row["share"] for row in document["quadrants"]} == {None}
    assert all("sign of safety was turned" in row["undefined"] for row in document["quadrants"])
    assert "sign of safety was turned" in document["does_not_apply"]["agreement"]
    terminal = CliRunner().invoke(app, ["stats", "scores", name, "--n-boot", "40"])
    assert says(terminal.output, "sign of safety was turned", "harmful")
