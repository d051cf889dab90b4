"""Labels told from parts of a pair: what each part can and cannot know, held-out predictions, their intervals."""

from __future__ import annotations

import json
import math

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from made_comparisons import ENCODER, TOPICS, comparisons
from sklearn.metrics import roc_auc_score
from wording import says

import btviz
from benchmarks.artefacts import null_misses
from btviz import plots, sentences
from btviz.cli.app import app
from btviz.errors import DataError, UsageError
from btviz.scores.artefacts import ARTEFACTS
from btviz.stats.separation import auc_difference


@pytest.fixture(scope="module")
def planted(make_dataset):
    """Pairs whose category follows the prompt, whose safety the length, and one in five answers refuses."""
    draw = np.random.default_rng(0)
    rows = []
    for place, topic in enumerate(TOPICS):
        of_category = place % 3 == 0
        for _ in range(2):
            unsafe = bool(draw.random() < 0.5)
            refuses = draw.random() < 0.2
            words = 4 + 6 * unsafe + int(draw.integers(9))
            answer = ("I am sorry. " if refuses else "") + " ".join(draw.choice(["tea", "iron", "moon"], words))
            prompt = f"{topic} {'lantern' if of_category else 'basket'}"
            rows.append((prompt, answer, "train", not unsafe, 2 * of_category))
    columns = {"prompt": pl.String, "response": pl.String, "split": pl.String, "is_safe": pl.Boolean}
    frame = pl.DataFrame(rows, schema={**columns, "labels": pl.UInt32}, orient="row")
    return make_dataset(frame)


@pytest.fixture(scope="module")
def found(planted):
    return btviz.artefact_baselines(planted)


def row(table, outcome, baseline):
    return table.filter(outcome=outcome, baseline=baseline).row(0, named=True)


def test_each_part_tells_what_was_planted_in_it_and_nothing_else(found, planted):
    category = planted.taxonomy.keys[1]
    assert found.schema == ARTEFACTS
    assert row(found, category, "prompt")["auc"] > 0.95
    assert row(found, "unsafe", "lengths")["low"] > 0.8
    for outcome, baseline in ((category, "lengths"), ("unsafe", "prompt"), ("unsafe", "refusal")):
        ends = row(found, outcome, baseline)
        assert ends["low"] < 0.5 < ends["high"], (outcome, baseline)
    assert found["low_joint"].drop_nulls().len() == found["family"][0]
    assert (found.drop_nulls("low").select(pl.col("low_joint") < pl.col("low")).to_series()).all()


def test_counts_and_gains_belong_to_the_outcome(found, planted):
    unsafe = row(found, "unsafe", "lengths")
    assert (unsafe["n"], unsafe["support"]) == (planted.pairs.height, int((~planted.pairs["is_safe"]).sum()))
    assert unsafe["base_rate"] == unsafe["support"] / unsafe["n"]
    assert unsafe["gain"] == pytest.approx(row(found, "unsafe", "qa")["auc"] - unsafe["auc"])
    assert row(found, "unsafe", "qa")["gain"] is None


def test_what_has_no_value_says_why(found, planted):
    assert says(row(found, "unsafe", "source")["undefined"], "no answering model is named")
    never = row(found, planted.taxonomy.keys[0], "prompt")
    assert never["auc"] is None
    assert says(never["undefined"], "fewer than 10 groups")


@pytest.mark.slow
def test_both_answers_share_the_prompt_so_it_tells_places_alone(make_dataset):
    ds = comparisons(make_dataset, n=120)
    table = btviz.artefact_baselines(ds, outcomes=["better", "safer"])
    better = row(table, "better", "prompt")
    assert better["low"] < 0.5 < better["high"]
    assert row(table, "better", "qa")["auc"] > 0.99  # "ornate" is better
    assert row(table, "better", "lengths")["auc"] is None  # all answers are of equal length
    assert says(row(table, "better", "lengths")["undefined"], "same in all items")
    assert table["unit"].unique().to_list() == ["comparison"]


def test_vectors_are_read_if_they_are_given_and_the_prompt_by_the_same_encoder(make_dataset):
    ds = comparisons(make_dataset, n=60)
    table = btviz.artefact_baselines(ds, btviz.embed(ds, text="qa", encoder=ENCODER), outcomes=["unsafe"])
    assert says(row(table, "unsafe", "prompt")["features"], "vectors by bag of words")
    assert says(row(table, "unsafe", "qa")["features"], "vectors by bag of words")
    with pytest.raises(UsageError, match="responses alone"):
        btviz.artefact_baselines(ds, btviz.embed(ds, text="response", encoder=ENCODER))


def test_labels_that_are_not_there_are_refused(planted):
    with pytest.raises(DataError, match="no pair and no comparison"):
        btviz.artefact_baselines(planted, outcomes=["better"])
    with pytest.raises(UsageError, match="outcome"):
        btviz.artefact_baselines(planted, outcomes=["beter"])


def test_a_difference_of_areas_is_that_of_delong():
    """Every answer a prompt of its own: DeLong's variance of a difference, from the placements of both scores."""
    rng = np.random.default_rng(1)
    label = np.arange(300) < 120
    scores = rng.normal(size=(2, 300)) + rng.normal(size=300) + np.outer([1.0, 0.5], label)
    found = auc_difference(*scores, positive=label, clusters=np.arange(300))
    assert found[0] == pytest.approx(roc_auc_score(label, scores[0]) - roc_auc_score(label, scores[1]))
    placements = [
        np.array([np.mean((x > other) + (x == other) / 2) for x in own])
        for score in scores
        for own, other in ((score[label], score[~label]), (score[~label], score[label]))
    ]
    # a larger score of a negative item lowers the area: its placement is one less
    gaps = placements[0] - placements[2], placements[1] - placements[3]
    error = math.sqrt(sum(gap.var(ddof=1) / len(gap) for gap in gaps))
    assert (found[2] - found[1]) / 2 == pytest.approx(1.96 * error, rel=0.02)


@pytest.mark.slow
def test_columns_that_tell_nothing_are_seldom_said_to_tell_something():
    """One Monte-Carlo standard error at 5 % and 120 draws is 2.0 points; fixed scores miss in about 16 %."""
    seen = null_misses(np.random.default_rng(2), draws=120, columns=3)
    assert (seen.above + seen.below) / 120 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 120)
    assert seen.fixed / 120 > 0.05 + 2 * math.sqrt(0.05 * 0.95 / 120)


def test_areas_are_said_with_intervals_and_drawn_in_a_panel_each(found, planted):
    said = sentences.artefacts(found, planted)
    lengths = row(found, "unsafe", "lengths")
    ends = f"[{lengths['low']:.2f}, {lengths['high']:.2f}]"
    assert says(said, f"from lengths alone {lengths['auc']:.2f} {ends}", f"{planted.pairs.height:,} pairs")
    assert says(said, "Of 1 categories" if "Of 1 categories" in said else "categor")
    nothing = found.filter(baseline="source")
    assert says(
        sentences.artefacts(nothing, planted), "nothing is told from parts of pairs: no answering model is named"
    )
    chart = plots.artefact_forest(found, source="made", taxonomy=planted.taxonomy)
    panels = [
        panel["title"]["text"] for panel in chart.to_dict()["hconcat" if "hconcat" in chart.to_dict() else "concat"]
    ]
    assert panels == ["Prompt", "Lengths", "Refusal"]
    with pytest.raises(UsageError, match="panels"):
        plots.artefact_forest(found, width=150)


@pytest.mark.slow
def test_the_command_prints_a_row_an_outcome_and_all_of_them_if_asked(planted, found, monkeypatch):
    monkeypatch.setattr(btviz, "load", lambda _: planted, raising=False)
    monkeypatch.setattr(btviz, "artefact_baselines", lambda *_, **__: found, raising=False)
    shown = CliRunner().invoke(app, ["stats", "artefacts", "mine"], catch_exceptions=False).output
    rows = [line.split() for line in shown.splitlines()]
    unsafe, lengths = next(cells for cells in rows if cells[:1] == ["unsafe"]), row(found, "unsafe", "lengths")
    whole = row(found, "unsafe", "qa")
    numbers = [f"{each[name]:.3f}" for each in (lengths, whole) for name in ("auc", "low", "high")]
    assert unsafe == ["unsafe", str(lengths["support"]), "lengths", *numbers, f"{lengths['gain']:.3f}"]
    assert says(shown, "– source: no answering model is named")
    slugs = [category.slug for category in planted.taxonomy.categories]
    never = next(part for part in " ".join(shown.split()).split(" – ") if "fewer than 10 groups" in part)
    assert never.startswith(f"{slugs[0]}, ")  # names the rows with dashes
    assert slugs[1] not in never
    assert len(shown.splitlines()) < 35
    everything = CliRunner().invoke(app, ["stats", "artefacts", "mine", "--all"], catch_exceptions=False).output
    assert len(everything.splitlines()) > 60
    document = json.loads(CliRunner().invoke(app, ["stats", "artefacts", "mine", "--json"]).stdout)
    assert len(document["artefacts"]) == found.height


@pytest.mark.slow
def test_the_command_reads_what_is_asked_for(kept_samples):
    document = json.loads(
        CliRunner().invoke(app, ["stats", "artefacts", "sample", "--outcome", "unsafe", "--json"]).stdout
    )
    assert [entry["baseline"] for entry in document["artefacts"]] == ["prompt", "lengths", "refusal", "source", "qa"]
