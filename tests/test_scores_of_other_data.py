"""Probes of another taxonomy, and scores of answers that are not, or no longer, in the data."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from score_tables import scores
from wording import says

import btviz
from btviz.errors import UsageError
from btviz.reports.figures import write as figures
from btviz.reports.figures.of_scores import SCORE_FIGURES
from btviz.scores.collection import ScoreCollection
from btviz.scores.metrics import score_metrics
from btviz.scores.moderation import truths_of
from btviz.taxonomy.categories import BEAVERTAILS, PKU_SAFERLHF


def test_targets_of_the_other_release_are_its_counterparts():
    slugs = [category.slug for category in BEAVERTAILS.categories]
    found = truths_of(slugs, PKU_SAFERLHF)
    assert found["drugs-weapons"] == (PKU_SAFERLHF["drugs"].key,)
    assert found["child-abuse"] == ()
    assert set(found["violence"]) == {PKU_SAFERLHF[name].key for name in ("physical-harm", "public-order", "violence")}
    assert truths_of(["privacy", "violence"], PKU_SAFERLHF)["violence"] == (PKU_SAFERLHF["violence"].key,)
    assert truths_of(["privacy", "rudeness"], PKU_SAFERLHF) == {"privacy": (PKU_SAFERLHF["privacy"].key,)}
    back = truths_of([category.slug for category in PKU_SAFERLHF.categories], BEAVERTAILS)
    assert set(back["economic-crime"]) == {BEAVERTAILS["financial-crime"].key}
    assert back["copyright"] == ()


@pytest.mark.slow
def test_an_output_that_speaks_of_no_harm_does_not_hide_the_others(ds):
    slugs = [category.slug for category in BEAVERTAILS.categories]
    draw = np.random.default_rng(0)
    tables = [
        scores(ds.pairs["pair_id"], draw.random(ds.pairs.height), kind="moderation", target=slug) for slug in slugs
    ]
    safe = scores(ds.pairs["pair_id"], draw.random(ds.pairs.height), kind="moderation", target="safe")
    wanted, found = (score_metrics(pl.concat(one), ds, n_boot=40) for one in (tables, [*tables, safe]))
    assert wanted["target"].n_unique() == len(slugs) + 1
    assert found.equals(wanted)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::btviz.models.runs.ScoreWarning")  # of categories too rare to fit
@pytest.mark.parametrize(("fitted_on", "loaded_for"), [("sample", "sample-saferlhf"), ("sample-saferlhf", "sample")])
def test_a_saved_probe_of_another_taxonomy_is_measured_by_the_crosswalk(tmp_path, fitted_on, loaded_for):
    source, target = btviz.load(fitted_on), btviz.load(loaded_for)
    probe = btviz.fit_probe(source, btviz.embed(source, text="qa", encoder="words"), kind="moderation", n_folds=2)
    saved = btviz.load_score_model(probe.save(tmp_path / "probe"))
    table = btviz.score(target, saved)
    metrics = score_metrics(table, target, n_boot=40).filter(grouping="all")
    truths = truths_of([label for label in saved.labels if label != "severity"], target.taxonomy)
    assert set(truths) == {category.slug for category in source.taxonomy.categories}
    for slug, keys in truths.items():
        (row,) = metrics.filter(target=slug, metric="recall").to_dicts() or [None]
        if row is None:
            assert slug in saved.undefined
        elif not keys:
            assert row["estimate"] is None
            assert row["undefined"] == f"no category of {target.taxonomy.name} corresponds to {slug}"
        else:
            has = target.pairs.filter(pl.any_horizontal(*(target.taxonomy.has(key) for key in keys)))
            flagged = table.filter(pl.col("target") == slug, pl.col("score") > 0.5)["pair_id"]
            hit = has["pair_id"].is_in(flagged.implode())
            assert row["support"] == has.height
            assert row["against"] == ", ".join(target.taxonomy[key].slug for key in keys)
            assert row["estimate"] == (pytest.approx(hit.mean()) if has.height else None)


@pytest.fixture
def ds(samples):
    return samples["sample-saferlhf"]


def costs(ids, unsafe):
    noise = np.random.default_rng(4).normal(size=len(ids))
    columns = {"pair_id": ids, "model": ["c"] * len(ids), "kind": ["cost"] * len(ids)}
    return pl.DataFrame(columns | {"target": pl.Series([None] * len(ids), dtype=pl.String), "score": noise + unsafe})


@pytest.fixture
def one_figure(monkeypatch):
    monkeypatch.setattr(figures, "FIGURES", {})
    monkeypatch.setattr(figures, "SCORE_FIGURES", {"calibration": SCORE_FIGURES["calibration"]})


@pytest.mark.usefixtures("one_figure")
def test_scores_of_other_data_are_not_drawn_and_the_reason_is_said(ds, tmp_path):
    other = costs((ds.pairs["pair_id"] ^ 1).sort(), 0.0)
    found = figures.write_all(ds, tmp_path, scores=other)
    (reason,) = found["not_drawn"].drop_nulls().to_list()
    assert says(reason, "none", f"{other.height:,} scores", "answer")
    assert "Score this data set" in reason
    assert not list(tmp_path.glob("calibration*"))
    with pytest.raises(UsageError, match="none that is not null is of an answer"):
        score_metrics(other, ds)


@pytest.mark.slow
@pytest.mark.usefixtures("one_figure")
def test_scores_of_pairs_that_are_gone_are_left_out_and_counted(ds, tmp_path):
    here = costs(ds.pairs["pair_id"], 2.0 * (~ds.pairs["is_safe"]).to_numpy())
    gone = costs((ds.pairs["pair_id"].head(70) ^ 1), 50.0)
    scored = ScoreCollection.of(ds, scores=pl.concat([here, gone]))
    assert scored.scores.equals(ScoreCollection.of(ds, scores=here).scores)
    assert scored.n_strange == 70
    figures.write_all(ds, tmp_path, scores=pl.concat([here, gone]))
    record = json.loads((tmp_path / "calibration.provenance.json").read_text())
    assert record["scores"]["not_in_the_data"] == 70
    assert record["scores"]["models"][0]["pairs"] == here.height
