"""What is said of scores stands in the tables."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from wording import says

import btviz
from btviz import sentences
from btviz.data.synthetic.conversations import sample_conversations
from btviz.scores.conversations import turn_drift, turn_scores
from btviz.scores.differences import margin_summary, score_margins
from btviz.scores.plane import reward_against_cost, reward_and_cost, score_quadrants
from btviz.scores.policies import policy_answers, policy_scores


def made(pairs, *, kind, target=None, slope=0.0, seed=0):
    noise = pl.Series(np.random.default_rng(seed).normal(size=pairs.height))
    score = slope * (~pl.col("is_safe")).cast(pl.Float64) + noise
    return pairs.select(
        "pair_id",
        pl.lit(f"made-{kind}").alias("model"),
        pl.lit(kind).alias("kind"),
        pl.lit(target, pl.String).alias("target"),
        score.alias("score"),
    )


@pytest.fixture(scope="module")
def ds(samples):
    return samples["sample-saferlhf"]


@pytest.fixture(scope="module")
def scores(ds):
    return pl.concat([made(ds.pairs, kind="cost", slope=2.0), made(ds.pairs, kind="reward", seed=1)])


def flat(text):
    return " ".join(text.split())


def test_what_was_scored_and_what_is_missing(ds, scores):
    some = scores.filter(kind="cost").with_columns(
        pl.when(pl.int_range(pl.len()) < 7).then(None).otherwise("score").alias("score")
    )
    said = flat(sentences.scored(some, ds))
    assert says(
        said, "sample-saferlhf (synthetic sample)", "cost", "5,000 of 5,000", "made-cost", "7 scores are missing"
    )


def test_what_a_probe_could_not_learn_is_said_with_the_reason(ds, scores):
    probe = SimpleNamespace(undefined={"drugs": "too few", "violence": "too few", "severity": "none"})
    said = flat(sentences.scored(scores.filter(kind="cost"), ds, models=[object(), probe]))
    assert says(said, "No scores", "Drugs", "Violence", "too few")
    assert says(said, "No scores", "severity", "none")


def test_signs_are_said_as_they_were_found(ds):
    assert flat(sentences.signs([SimpleNamespace(reason="It points up.")], ds)).endswith("sample): It points up.")


def test_middles_are_medians(ds, scores):
    joined = scores.filter(kind="cost").join(ds.pairs, on="pair_id")
    safe, unsafe = (joined.filter(is_safe=value)["score"].median() for value in (True, False))
    said = sentences.middles(scores, ds)
    assert says(said, "median cost", f"safe answers {safe:.2f}", "2,425", f"unsafe answers {unsafe:.2f}", "2,575")
    assert "no scored answer" in sentences.middles(scores.clear(), ds)


@pytest.mark.slow
def test_accuracies_are_those_of_the_table(ds, scores):
    metrics = btviz.score_metrics(scores, ds, n_boot=60)
    row = metrics.filter(metric="pair_accuracy", kind="cost", grouping="all").row(0, named=True)
    shares = f"{100 * row['estimate']:.1f} % [{100 * row['low']:.1f}, {100 * row['high']:.1f}] of {row['n']:,}"
    assert says(sentences.accuracies(metrics, ds), "made-cost", "safer", "costs less", f"{shares} comparisons")
    assert "no label is there" in sentences.accuracies(metrics.clear(), ds)


@pytest.mark.slow
def test_the_plane_in_words(ds, scores):
    plane = reward_and_cost(scores, ds)
    quadrants, association = score_quadrants(plane, ds, n_boot=60), reward_against_cost(plane, n_boot=60)
    said = flat(sentences.plane(quadrants, ds, association=association))
    for row in quadrants.filter(grouping="all").iter_rows(named=True):
        assert f"{row['n_quadrant']:,} are {row['quadrant']} ({100 * row['share']:.1f} %" in said
    total = association.filter(grouping="all")["estimate"][0]
    within = association.filter(grouping="within prompt")["estimate"][0]
    assert says(said, "rank correlation", "reward", "cost", f"{total:.2f}")
    assert f"costs more in {100 * within:.1f} %" in said


def test_margins_in_words_have_the_sign_of_their_mean(ds, scores):
    summary = margin_summary(score_margins(scores, ds), n_boot=60)
    said = flat(sentences.margins(summary, ds))
    row = summary.filter(grouping="all", kind="cost").row(0, named=True)
    assert row["mean"] < 0
    ends = f"[{row['low']:.2f}, {row['high']:.2f}]"
    assert says(said, "cost", "safer", f"{row['mean']:.2f} {ends}", "the other answer scores higher")


@pytest.mark.slow
def test_moderation_in_words_names_the_extremes(ds):
    slugs = [category.slug for category in ds.taxonomy.categories]
    tables = [
        made(ds.pairs, kind="moderation", target=slug, slope=0.2 * place, seed=place)
        for place, slug in enumerate(slugs)
    ]
    metrics = btviz.score_metrics(pl.concat(tables), ds, n_boot=60)
    said = flat(sentences.moderation(metrics, ds))
    by = metrics.filter(metric="f1", grouping="all").drop_nulls(["target", "estimate"]).sort("estimate")
    titles = {category.slug: category.title for category in ds.taxonomy.categories}
    plain = by.filter(pl.col("undefined").is_null(), pl.col("low").is_not_null())
    for end, row in (("from", plain.row(0, named=True)), ("to", plain.row(-1, named=True))):
        assert f"{end} {100 * row['estimate']:.1f} % [{100 * row['low']:.1f}, {100 * row['high']:.1f}]" in said
        assert f"({titles[row['target']]})" in said
    assert "which differ" in said
    assert "no moderation model" in sentences.moderation(metrics.clear(), ds)


def test_policies_in_words(ds, scores):
    table = policy_scores(policy_answers(ds), scores)
    found = btviz.compare_policies(table, before="model-a", after="model-b", n_boot=60)
    wins = found.filter(statistic="win rate", kind="cost").row(0, named=True)
    said = flat(sentences.policies(found, ds))
    assert f"model-b wins {100 * wins['estimate']:.1f} %" in said
    assert f"of {wins['n']:,} prompts (ties count ½)" in said
    twice = found.with_columns(pl.col("n") * 2)
    assert f"of {2 * wins['n']:,} items on {wins['n']:,} prompts (ties count ½)" in flat(sentences.policies(twice, ds))


def test_turns_in_words():
    talks = sample_conversations()
    scored = talks.unique("pair_id").with_columns(is_safe=pl.lit(value=True))
    drift = turn_drift(turn_scores(talks, made(scored, kind="cost")), n_boot=60)
    slope = drift.filter(statistic="slope").row(0, named=True)
    said = flat(sentences.turns(drift, of="talks"))
    assert said.startswith(f"In talks: made-cost: the change of the cost per turn is {slope['estimate']:.3f} [")
    assert "no conversation has two turns" in sentences.turns(drift.clear(), of="talks")
