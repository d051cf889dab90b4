"""Figures of scores: which are drawn of which scores, where they come from, and why one is missing."""

from __future__ import annotations

import importlib
import io
import json

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from pypdf import PdfReader
from wording import says

import btviz
from btviz import plots
from btviz.cli import app
from btviz.errors import UsageError
from btviz.reports.figures import write as figures
from btviz.reports.figures.of_scores import SCORE_FIGURES
from btviz.scores.collection import ScoreCollection, kept_scores, replace_scores
from btviz.scores.distributions import score_bins
from btviz.scores.policies import on_same_items, policy_scores
from btviz.taxonomy.categories import BEAVERTAILS

pytestmark = [pytest.mark.usefixtures("kept_samples"), pytest.mark.slow]


@pytest.fixture(scope="module")
def ds(samples):
    return samples["sample-saferlhf"]


@pytest.fixture(autouse=True)
def no_figures_of_labels(monkeypatch):
    monkeypatch.setattr(figures, "FIGURES", {})


def made(ds, *, kind, sign=1.0, name=None):
    """A cost or a probability that unsafe answers have more of; a reward that better ones have more of."""
    noise = pl.Series(np.random.default_rng(len(kind)).normal(size=ds.pairs.height))
    unsafe = (~pl.col("is_safe")).cast(pl.Float64)
    better = pl.col("pair_id").is_in(ds.preferences["pair_id_0"].filter(ds.preferences["better"] == 0).implode())
    value = {
        "cost": sign * 2 * (unsafe - 0.5) + 0.5 * noise,
        "reward": better.cast(pl.Float64) + noise,
        "moderation": 1 / (1 + (-3 * (unsafe - 0.5) - noise).exp()),
    }[kind]
    target = "hate-speech" if kind == "moderation" else None
    return ds.pairs.select(
        "pair_id",
        pl.lit(name or f"made-{kind}").alias("model"),
        pl.lit(kind).alias("kind"),
        pl.lit(target, pl.String).alias("target"),
        value.alias("score"),
    )


@pytest.fixture(scope="module")
def scores(ds):
    return pl.concat([made(ds, kind=kind) for kind in ("reward", "cost", "moderation")])


@pytest.fixture(scope="module")
def written(ds, scores, tmp_path_factory):
    """All figures of the scores, drawn once for this module, and their manifest."""
    folder = tmp_path_factory.mktemp("figures")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "FIGURES", {})
        return folder, figures.write_all(ds, folder, scores=scores)


def words(folder, key):
    page = PdfReader(io.BytesIO((folder / f"{key}.pdf").read_bytes()), strict=True).pages[0]
    return " ".join(page.extract_text().split())


def reasons(ds, scores, tmp_path):
    table = figures.write_all(ds, tmp_path, scores=scores)
    return dict(table.drop_nulls("not_drawn").select("figure", "not_drawn").rows())


SAID = {
    "moderators": "Human – made-moderation, all answers",
    "scores_by_safety": "made-cost · test",
    "scores_by_policy": "model-a n = ",
    "scores_by_safety_violins": "fewer than 100: points",
    "scores_by_policy_histograms": "Published histograms are of scores by beaver-7b-v1.0, which are not here",
    "policy_ratings": "Bradley-Terry over all meetings on the same prompts",
    "scores_by_category": "pairs; an answer is in each of its categories",
    "reward_and_cost": "pairs · n = 5,000, of 842 prompts",
    "margins": "both safe n = ",
    "roc": "pairs, n = 5,000, of which 2,575 unsafe, of 842 prompts",
    "calibration": "pairs, n = 5,000",
}


def test_every_figure_is_there_and_names_the_published_one(written):
    _, manifest = written
    assert manifest["not_drawn"].null_count() == manifest.height == 3 * len(SCORE_FIGURES)
    after = dict(manifest.filter(pl.col("after") != "").select("figure", "after").rows())
    assert after == {
        "moderators": "BeaverTails Fig 5",
        "scores_by_safety": "BeaverTails Fig 6",
        "scores_by_safety_violins": "BeaverTails Fig 6",
        "scores_by_policy": "BeaverTails Fig 7",
        "scores_by_policy_histograms": "BeaverTails Fig 7",
    }


@pytest.mark.parametrize("key", SCORE_FIGURES)
def test_each_picture_says_of_which_data_and_how_many(written, key):
    said = words(written[0], key)
    assert "sample-saferlhf (synthetic sample)" in said
    assert SAID[key] in said


def test_both_splits_show_the_answers_that_are_in_one(written, ds, scores):
    said = words(written[0], "scores_by_safety")
    table = score_bins(scores, ds).filter(kind="cost")
    sizes = {(panel, group): n for panel, group, n in table.select("panel", "group", "n").unique().rows()}
    assert {panel for panel, _ in sizes} == {"train", "test"}
    for split in ("train", "test"):
        assert f"safe n = {sizes[split, 'safe']:,} · unsafe n = {sizes[split, 'unsafe']:,}" in said


def test_the_record_names_models_their_signs_and_the_functions(written, ds, scores):
    record = json.loads((written[0] / "scores_by_policy.provenance.json").read_text())
    assert record["data"]["fingerprint"] == ds.fingerprint
    assert record["scores"]["models"] == [
        {"model": f"made-{kind}", "kind": kind, "pairs": ds.pairs.height, "undefined": 0}
        for kind in ("cost", "moderation", "reward")
    ]
    assert {sign["verdict"] for sign in record["scores"]["signs"]} == {"agrees"}
    assert record["plot"] == {
        "function": "btviz.plots.score_distributions",
        "parameters": {"title": "Scores of policies on the same prompts", "form": "ecdf"},
    }
    other = ScoreCollection.of(ds, scores=scores.with_columns(pl.col("score") + 1e-9)).facts()
    assert other["fingerprint"] != record["scores"]["fingerprint"]
    assert ScoreCollection.of(ds, scores=scores.reverse()).facts()["fingerprint"] == record["scores"]["fingerprint"]


@pytest.mark.parametrize("key", SCORE_FIGURES)
def test_recorded_functions_can_be_found(key):
    figure = SCORE_FIGURES[key]
    for step in figure.table.steps:
        assert getattr(importlib.import_module(step.__module__), step.__name__) is step
    assert getattr(plots, figure.plot.__name__) is figure.plot


def test_nothing_written_holds_a_text(written, ds):
    texts = set(ds.pairs["prompt"].head(300)) | set(ds.pairs["response"].head(300))
    for file in written[0].glob("*.[js][sv]*"):
        content = file.read_text(encoding="utf-8")
        assert not [text for text in texts if text in content], file.name


def test_a_second_run_writes_the_same(written, ds, scores, tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "SCORE_FIGURES", {"margins": SCORE_FIGURES["margins"]})
    table = figures.write_all(ds, tmp_path, scores=scores)
    for file in table["file"]:
        name = file.rpartition("/")[2]
        assert (tmp_path / name).read_bytes() == (written[0] / name).read_bytes()


def test_without_scores_each_says_how_to_make_some(ds, tmp_path):
    found = reasons(ds, None, tmp_path)
    assert set(found) == set(SCORE_FIGURES)
    (reason,) = set(found.values())
    assert "no model has scored it" in reason
    assert "btviz score sample-saferlhf --model MODEL, or --probes" in reason


def test_prompts_without_answers_are_not_to_be_scored(tmp_path):
    (tmp_path / "asked.jsonl").write_text('{"prompt": "what is tea"}\n')
    found = reasons(btviz.load(tmp_path / "asked.jsonl"), None, tmp_path)
    assert set(found.values()) == {"A figure of the scores of 'asked' was asked for; it has no answers to score."}


def test_a_missing_kind_is_named(ds, scores, tmp_path):
    found = reasons(ds, scores.filter(kind="moderation"), tmp_path)
    assert set(found) == set(SCORE_FIGURES) - {"moderators"}
    assert says(found["margins"], "no reward or cost model")


def test_without_categories_there_is_no_picture_by_category(tmp_path):
    """Safe answers alone would be drawn, under a title that speaks of harm."""
    answers = {f"response_{side}": f"answer {side}" for side in (0, 1)}
    safe = {f"is_response_{side}_safe": side == 0 for side in (0, 1)}
    rows = [{"prompt": f"question {k}", **answers, **safe, "safer_response_id": 0} for k in range(60)]
    (tmp_path / "judged.jsonl").write_text("\n".join(map(json.dumps, rows)))
    ds = btviz.load(tmp_path / "judged.jsonl")
    found = reasons(ds, made(ds, kind="cost"), tmp_path)
    assert says(found["scores_by_category"], "no answer", "'judged'", "category")
    assert "roc" not in found


def test_scores_of_a_reversed_sign_are_not_drawn_unless_that_is_overridden(ds, scores, tmp_path, monkeypatch):
    turned = pl.concat([made(ds, kind="cost", sign=-1.0), scores.filter(kind="reward")])
    found = reasons(ds, turned, tmp_path)
    assert set(found) == set(SCORE_FIGURES)
    assert all("points the other way: AUC(cost, unsafe) is 0.0" in reason for reason in found.values())
    monkeypatch.setattr(figures, "SCORE_FIGURES", {"roc": SCORE_FIGURES["roc"]})
    with pytest.warns(UserWarning, match="points the other way"):
        table = figures.write_all(ds, tmp_path, scores=turned, override_sign=True)
    assert table["not_drawn"].null_count() == 3
    record = json.loads((tmp_path / "roc.provenance.json").read_text())
    assert "reversed" in {sign["verdict"] for sign in record["scores"]["signs"]}


def test_the_plane_of_two_cost_models_asks_which(ds, scores, tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "SCORE_FIGURES", {"reward_and_cost": SCORE_FIGURES["reward_and_cost"]})
    found = reasons(ds, pl.concat([scores, made(ds, kind="cost", name="second")]), tmp_path)
    assert says(found["reward_and_cost"], "one cost model", "'made-cost'", "'second'")
    assert "--model NAME" in found["reward_and_cost"]


def policies(*rows):
    columns = {"policy": pl.String, "item": pl.String, "score": pl.Float64}
    return pl.DataFrame(rows, schema=columns, orient="row").with_columns(
        pl.lit("m").alias("model"), pl.lit("cost").alias("kind")
    )


def test_policies_are_drawn_on_what_all_of_them_answered():
    table = policies(("a", "1", 0.0), ("b", "1", 1.0), ("a", "2", 2.0), ("b", "3", 3.0), ("b", "1", 4.0))
    table = table.with_columns(pl.col("item").cast(pl.UInt64).alias("prompt_id"))
    assert on_same_items(table)["score"].to_list() == [0.0, 1.0, 4.0]
    with pytest.raises(UsageError, match="no prompt was answered by all"):
        on_same_items(table.filter(pl.col("item") != "1"))
    with pytest.raises(UsageError, match=r"the scores are of \['a'\]"):
        on_same_items(table.filter(policy="a"))


def test_policies_of_the_sample_share_their_prompts(ds, scores):
    scored = ScoreCollection.of(ds, scores=scores)
    table = on_same_items(policy_scores(scored.answers, scores))
    assert 0 < table.height < 2 * ds.pairs.height
    assert table.group_by("item").agg(pl.col("policy").n_unique())["policy"].unique().to_list() == [3]


def test_files_of_two_policies_are_drawn_side_by_side(tmp_path, monkeypatch):
    for name, shift in (("before", 0.0), ("after", 1.0)):
        rows = [{"prompt": f"question {k}", "response": f"{name} {k}", "cost": k / 9 - shift} for k in range(60)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    files = [part for name in ("before", "after") for part in ("--from", str(tmp_path / f"{name}.jsonl"))]
    assert CliRunner().invoke(app, ["score", "two-policies", *files]).exit_code == 0
    run = CliRunner().invoke(app, ["figures", "two-policies", "--out", str(tmp_path / "out"), "--json"])
    assert run.exit_code == 0, run.stderr
    found = json.loads(run.stdout)["files"]
    of_policies = {"scores_by_policy", "scores_by_policy_histograms"}  # one won every item: no finite rating
    assert {one["figure"] for one in found if one["file"]} == of_policies
    unlabelled = {
        "moderators",
        "scores_by_safety",
        "scores_by_safety_violins",
        "roc",
        "calibration",
    }  # nothing is known of the safety of these answers
    assert {one["figure"] for one in found if "has the label that it needs" in (one["not_drawn"] or "")} == unlabelled
    said = words(tmp_path / "out", "scores_by_policy")
    assert "after n = 60" in said
    assert "before n = 60" in said


def test_the_command_draws_what_was_kept_or_one_model_of_it(scores, tmp_path, monkeypatch):
    replace_scores(btviz.load("sample-saferlhf"), scores)
    monkeypatch.setattr(figures, "SCORE_FIGURES", {"calibration": SCORE_FIGURES["calibration"]})
    drawing = ["figures", "sample-saferlhf", "--out", str(tmp_path)]
    assert CliRunner().invoke(app, drawing).exit_code == 0
    assert "made-reward" in words(tmp_path, "calibration")
    assert CliRunner().invoke(app, [*drawing, "--model", "made-cost"]).exit_code == 0
    assert "made-reward" not in words(tmp_path, "calibration")
    wrong = CliRunner().invoke(app, [*drawing, "--model", "other"])
    assert wrong.exit_code == 2
    assert "has scores of ['made-cost', 'made-moderation', 'made-reward']" in wrong.stderr


def test_probes_can_be_fitted_from_the_command_line():
    run = CliRunner().invoke(app, ["score", "sample-saferlhf", "--probes", "--kind", "cost", "--json"])
    assert run.exit_code == 0, run.stderr
    found = json.loads(run.stdout)
    ds = btviz.load("sample-saferlhf")
    assert [(row["model"], row["pairs"]) for row in found["scores"]] == [("cost-probe", ds.pairs.height)]
    probe = btviz.fit_probe(ds, btviz.embed(ds, text="qa", encoder="words"), kind="cost", name="cost-probe")
    assert kept_scores(ds).equals(probe.out_of_fold)


def test_probes_say_which_labels_are_missing(tmp_path):
    category = dict.fromkeys(BEAVERTAILS.keys, False)
    rows = [{"prompt": f"question {k}", "response": "yes", "is_safe": True, "category": category} for k in range(9)]
    (tmp_path / "safe.jsonl").write_text("\n".join(map(json.dumps, rows)))
    run = CliRunner().invoke(app, ["score", str(tmp_path / "safe.jsonl"), "--probes"])
    assert run.exit_code == 4
    assert says(run.stderr, "reward probe", "which answer is better")


def test_published_histograms_lie_behind_those_of_the_models_that_they_are_of(ds):
    scores = made(ds, kind="cost", name="PKU-Alignment/beaver-7b-v1.0-cost")
    bins, behind = SCORE_FIGURES["scores_by_policy_histograms"].table.tables(ScoreCollection.of(ds, scores=scores), {})
    assert dict(behind.group_by("group").agg(pl.col("count").sum()).rows()) == {"Alpaca-7B": 1599, "Beaver": 1599}
    whole = (behind["density"] * (behind["right"] - behind["left"])).sum()
    assert whole == pytest.approx(2)  # each of the two is a density
    below = {name: (part["count"] * (part["right"] <= 0)).sum() / 1599 for (name,), part in behind.group_by("group")}
    assert below == pytest.approx({"Alpaca-7B": 0.442, "Beaver": 0.890}, abs=0.02)  # shares that were read off as well
    caption = str(plots.score_distributions(bins, behind, form="histogram").to_dict()["title"])
    assert "as published, BeaverTails Fig. 7, digitised" in caption


def test_few_scores_are_points_and_no_density(ds, scores):
    few = score_bins(scores.filter(kind="cost"), ds, split=False).with_columns(pl.lit(40).alias("n"))
    drawn = plots.score_distributions(few, form="density").to_dict()
    layers = drawn["concat"][0]["layer"]
    assert [layer["mark"]["type"] for layer in layers if "data" in layer and drawn["datasets"][layer["data"]["name"]]]
    rows = sum(len(drawn["datasets"][layer["data"]["name"]]) for layer in layers if layer["mark"]["type"] == "point")
    assert rows == few["count"].sum(), "a point for each score"
    lines = [layer for layer in layers if layer["mark"]["type"] in {"line", "area"}]
    assert not any(drawn["datasets"][layer["data"]["name"]] for layer in lines)
