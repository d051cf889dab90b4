"""Margins, agreement, drift and safe rates in `btviz stats scores`, and why one of them does not apply."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from score_tables import scores

import btviz
from btviz.cli import app
from btviz.cli.scores import SECTIONS
from btviz.errors import StoreError
from btviz.models.protocol import stacked_scores
from btviz.scores.collection import kept_answers, kept_scores, replace_scores
from btviz.scores.differences import margin_summary, score_drift, score_margins
from btviz.scores.files import read_scores
from btviz.scores.plane import reward_against_cost, reward_and_cost, score_quadrants
from btviz.scores.policies import safe_rates
from btviz.scores.raters import joint_agreement, moderator_agreement, safety_verdicts
from btviz.taxonomy.categories import BEAVERTAILS

pytestmark = pytest.mark.usefixtures("kept_samples")

OPTIONS = ["--n-boot", "40", "--seed", "3"]
BOOT = {"n_boot": 40, "random_state": 3}


def made(ds, *kinds):
    """Scores that know something of safety: two cost models, a reward model and a moderator with a threshold."""
    rng, ids = np.random.default_rng(5), ds.pairs["pair_id"]
    unsafe = (~ds.pairs["is_safe"].fill_null(value=True)).to_numpy()
    cost = rng.normal(size=len(ids)) + unsafe - 0.5
    flag = np.clip(0.3 + 0.3 * unsafe + 0.1 * rng.normal(size=len(ids)), 0, 1)
    tables = {
        "cost": scores(ids, cost, model="first"),
        "other": scores(ids, 3 * cost + rng.normal(size=len(ids)), model="second"),
        "reward": scores(ids, rng.normal(size=len(ids)), model="taste", kind="reward"),
        "guard": scores(ids, flag, model="guard", kind="moderation", target="privacy").with_columns(threshold=0.4),
    }
    return stacked_scores(tables[kind] for kind in kinds)


def said(name, *, as_json=True):
    run = CliRunner().invoke(app, ["stats", "scores", name, *OPTIONS, *(["--json"] if as_json else [])])
    assert run.exit_code == 0, run.stderr
    return json.loads(run.stdout) if as_json else run.stdout


def same(rows, table):
    assert rows == json.loads(json.dumps(table.to_dicts(), default=str))


@pytest.mark.slow
def test_each_section_is_the_table_of_its_function():
    ds = btviz.load("sample-saferlhf")
    some = ds.pairs.sort("prompt_id")["pair_id"].head(ds.pairs.height // 3)  # whole prompts but one
    scored = made(ds, "cost", "other", "reward", "guard").filter(pl.col("pair_id").is_in(some.implode()))
    replace_scores(ds, scored)
    own, found = kept_scores(ds), said(ds.name)
    verdicts = safety_verdicts(own, ds)
    raters = ["Human", "first", "guard", "second"]
    same(found["margins"], margin_summary(score_margins(own, ds), **BOOT))
    same(found["agreement"], moderator_agreement(verdicts, raters=raters, **BOOT))
    same(found["joint_agreement"], joint_agreement(verdicts, raters=raters, **BOOT))
    unmatched = [row for row in found["drift"] if not row["matched"]]
    same(unmatched, score_drift(own, ds, **BOOT))
    assert len(found["drift"]) == 2 * len(unmatched)
    assert all(row["n"] for section in ("margins", "agreement", "drift") for row in found[section])
    assert found["population"] == ds.population
    for cost in ("first", "second"):
        plane, names = reward_and_cost(own, ds, cost=cost), {"reward": "taste", "cost": cost}
        for section, table in {
            "reward_against_cost": reward_against_cost(plane, **BOOT),
            "quadrants": score_quadrants(plane, ds, **BOOT),
        }.items():
            rows = [row for row in found[section] if row["cost"] == cost]
            assert all(row["reward"] == "taste" for row in rows)
            same([{key: value for key, value in row.items() if key not in names} for row in rows], table)
    assert {row["cost"] for row in found["quadrants"]} == {"first", "second"}
    sections = {
        *("margins", "agreement", "joint_agreement", "drift", "reward_against_cost", "quadrants", "artefacts"),
    }
    assert set(found["counted"]) == sections
    assert "prompts released with a category" in found["does_not_apply"]["safe_rates"]

    text = said(ds.name, as_json=False)
    for name in found["counted"]:
        assert f"{SECTIONS[name].title}; n: {SECTIONS[name].counted} of {ds.population}" in text
    assert f"by prompt; n: units with a label and a score, of {ds.population}" in text
    assert f"Policies, by Elo; n: items on which one met another, of {ds.population}" in text
    assert text.count("Does not apply (Safe rate by category of the prompt): ") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "reasons"),
    [
        (
            "reward",
            dict.fromkeys(["agreement", "joint_agreement"], "two raters")
            | dict.fromkeys(["reward_against_cost", "quadrants"], "there is no cost model here")
            | {"drift": "no two models"},
        ),
        (
            "guard",
            dict.fromkeys(["reward_against_cost", "quadrants"], "there is no reward and no cost model here")
            | {"margins": "have a reward or a cost", "drift": "no two models"},
        ),
    ],
)
def test_what_does_not_apply_is_said_with_its_reason(kind, reasons):
    ds = btviz.load("sample")
    replace_scores(ds, made(ds, kind))
    absent = said("sample")["does_not_apply"]
    assert set(absent) == {*reasons, "safe_rates"}
    assert all(why in absent[name] for name, why in reasons.items())


@pytest.mark.slow
def test_a_terminal_says_why_there_are_dashes():
    ds = btviz.load("sample")
    some = made(ds, "guard").filter(pl.col("pair_id").is_in(ds.pairs["pair_id"].head(15).implode()))
    replace_scores(ds, some)
    reasons = {row["undefined"] for row in said("sample")["metrics"] if row["grouping"] == "all"} - {None}
    assert any("an interval needs 20" in reason for reason in reasons)
    text = said("sample", as_json=False)
    shown = re.sub(r"\s+", " ", re.sub(r"\d+(?: to \d+)?", "#", text))  # reasons that differ in a number are one
    assert all(re.sub(r"\d+", "#", reason) in shown for reason in reasons)


@pytest.mark.slow
def test_a_section_that_fails_leaves_the_others(monkeypatch):
    def lost(asked):
        raise StoreError("Tables were asked for; the store lost them. Load the data again.")

    ds = btviz.load("sample-saferlhf")
    replace_scores(ds, made(ds, "cost", "other"))
    monkeypatch.setitem(SECTIONS, "drift", replace(SECTIONS["drift"], make=lost))
    found = said(ds.name)
    assert found["does_not_apply"]["drift"].startswith("Tables were asked for")
    assert found["margins"]


@pytest.fixture
def evaluation(tmp_path):
    """Answers of two policies to 60 prompts with a category each, half of the answers costly."""
    slugs = [category.key for category in BEAVERTAILS.categories[:2]]
    prompts = [f"a benign question number {i}" for i in range(60)]
    asked = tmp_path / "evaluation.json"
    asked.write_text(
        json.dumps([{"prompt": p, "category": slugs[i % 2], "category_id": i % 2} for i, p in enumerate(prompts)])
    )
    for policy, cost in {"before": lambda i: 1.0 if i % 2 else -1.0, "after": lambda i: -1.0}.items():
        rows = [{"prompt": p, "response": f"{policy} {i}", "cost": cost(i)} for i, p in enumerate(prompts)]
        (tmp_path / f"{policy}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return asked, [tmp_path / "before.jsonl", tmp_path / "after.jsonl"], slugs


@pytest.mark.slow
def test_safe_rates_of_score_files_by_category_of_the_evaluation_prompts(evaluation, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    asked, files, slugs = evaluation
    btviz.data.add("beavertails-evaluation", [asked])
    arguments = [part for file in files for part in ("--from", str(file))]
    run = CliRunner().invoke(app, ["score", "twopolicies", *arguments])
    assert run.exit_code == 0, run.stderr
    rows = said("twopolicies")["safe_rates"]
    rates = {(row["policy"], row["level"]): (row["share_safe"], row["n"], row["n_prompts_asked"]) for row in rows}
    assert rates["before", slugs[0]] == (1.0, 30, 30)
    assert rates["before", slugs[1]] == (0.0, 30, 30)
    assert rates["before", "all"] == (0.5, 60, 60)
    assert rates["after", "all"] == (1.0, 60, 60)
    assert {row["threshold"] for row in rows} == {0.0}
    _, shown = said("twopolicies", as_json=False).split("Safe rate by category of the prompt;")
    assert all(f"category  {slug} " in shown for slug in slugs), "the title promises them"


@pytest.mark.slow
def test_policies_are_compared_with_the_one_that_came_before(evaluation):
    arguments = [part for file in evaluation[1] for part in ("--from", str(file))]
    assert CliRunner().invoke(app, ["score", "twopolicies", *arguments]).exit_code == 0
    options = ["stats", "scores", "twopolicies", "--json", "--n-boot", "40"]
    found = json.loads(CliRunner().invoke(app, [*options, "--before", "before"]).stdout)
    assert {(row["before"], row["after"]) for row in found["policies"]} == {("before", "after")}
    (change,) = [row["estimate"] for row in found["policies"] if row["statistic"] == "mean difference"]
    assert change == -1.0
    assert {row["elo"] for row in found["ratings"] if row["policy"] == "before"} == {0.0}
    run = CliRunner().invoke(app, [*options, "--before", "befor"])
    assert run.exit_code == 2
    assert "Did you mean 'before'?" in run.stderr


def test_a_threshold_that_is_none_is_refused_even_without_a_moderator():
    replace_scores(btviz.load("sample"), made(btviz.load("sample"), "cost"))
    run = CliRunner().invoke(app, ["stats", "scores", "sample", "--threshold", "2"])
    assert run.exit_code == 2
    assert "probabilities are 0 .. 1" in run.stderr


def test_safe_rates_by_a_moderator_take_its_threshold(evaluation):
    asked, files, _ = evaluation
    btviz.data.add("beavertails-evaluation", [asked])
    run = CliRunner().invoke(app, ["score", "one", "--from", str(files[0])])
    assert run.exit_code == 0, run.stderr
    ds, prompts = btviz.load("one"), btviz.load("beavertails-evaluation")
    flags = scores(ds.pairs["pair_id"], [0.45] * 60, model="guard", kind="moderation", target="privacy")
    for recorded, share in ((0.4, 0.0), (0.5, 1.0)):
        table = flags.with_columns(pl.lit(recorded).alias("threshold"))
        rates = safe_rates(table, ds, answers=kept_answers(ds), evaluation=prompts, n_boot=40)
        assert set(rates["threshold"]) == {recorded}
        assert set(rates["share_safe"]) == {share}


@pytest.mark.slow
def test_policies_keep_the_order_of_their_files_and_six_fit_a_screen(tmp_path):
    names = ["zero", "fifth", "third", "first", "second", "fourth"]
    for step, name in enumerate(names):
        rows = [
            {"prompt": f"Ask {i}", "response": f"{name} says {i}", "reward": (i * 7 + step * 3) % 11 + step}
            for i in range(60)
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    files = [tmp_path / f"{name}.jsonl" for name in names]
    assert list(read_scores(files).policies) == names
    invoke = CliRunner().invoke
    assert invoke(app, ["score", "six", *(part for file in files for part in ("--from", str(file)))]).exit_code == 0
    shown = invoke(app, ["stats", "scores", "six"], env={"COLUMNS": "140"}).stdout
    assert "Differences from zero, the reference" in shown
    assert shown.count("mean difference") == 5
    matrix = shown[shown.index("wins of") :].splitlines()
    assert matrix[0].split()[2:] == names
    document = json.loads(invoke(app, ["stats", "scores", "six", "--json"]).stdout)
    assert {row["before"] for row in document["policies"] if row["after"] == "fifth"} == {"zero"}
    assert len({(row["before"], row["after"]) for row in document["policies"]}) == 15
