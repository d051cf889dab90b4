"""The threshold of a moderation model, from its checkpoint to every verdict that is made of its scores."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
import score_checkpoints as made
from click.testing import CliRunner
from counting_model import PlainModel
from score_tables import scores

import btviz
from btviz import plots
from btviz.cli import app
from btviz.data.synthetic import generate
from btviz.errors import UsageError
from btviz.models.heads import BEAVER_THRESHOLD
from btviz.models.protocol import SCORES, scores_table, stacked_scores
from btviz.reports.sentences.models import moderation
from btviz.scores.answers import valid_scores
from btviz.scores.collection import ScoreCollection, kept_scores, replace_scores
from btviz.scores.metrics import score_metrics
from btviz.scores.raters import moderator_agreement, safety_verdicts
from btviz.taxonomy.categories import BEAVERTAILS, PKU_SAFERLHF
from btviz.widgets.scores.book import ScoreBook, ScoreQuery
from btviz.widgets.scores.picture import metric_rows

pytestmark = pytest.mark.usefixtures("kept_samples")

CATEGORY = PKU_SAFERLHF.categories[5]


class Guard(PlainModel):
    """A moderation model of one category that flags above 0.4."""

    name, labels, threshold = "guard", (CATEGORY.slug,), 0.4


@pytest.fixture(scope="module")
def ds(make_dataset):
    synthetic = generate("sample-saferlhf", n_pairs=300)
    return make_dataset(synthetic.rows, taxonomy=PKU_SAFERLHF, comparisons=synthetic.comparisons)


@pytest.fixture(scope="module")
def table(ds):
    values = np.random.default_rng(3).uniform(0.2, 0.7, (ds.pairs.height, 1))
    return scores_table(ds.pairs["pair_id"], values, model=Guard())


@pytest.mark.slow
def test_metrics_are_those_at_the_recorded_threshold(ds, table):
    own = score_metrics(table, ds, n_boot=40)
    at = {limit: score_metrics(table, ds, threshold=limit, n_boot=40) for limit in (0.4, 0.5)}
    values = pl.all().exclude("threshold_origin")
    assert own.select(values).equals(at[0.4].select(values))
    assert not own["estimate"].equals(at[0.5]["estimate"])
    assert own["threshold_origin"].unique().to_list() == ["recorded by the model"]
    assert at[0.5]["threshold"].unique().to_list() == [0.5]
    assert at[0.5]["threshold_origin"].unique().to_list() == ["as asked"]


@pytest.mark.slow
def test_scores_without_a_threshold_fall_back_and_say_so(ds, table):
    plain = table.drop("threshold")
    found = score_metrics(plain, ds, n_boot=40)
    assert found["estimate"].equals(score_metrics(table, ds, threshold=0.5, n_boot=40)["estimate"])
    assert found["threshold_origin"].unique().to_list() == ["the usual one; these scores record none"]
    assert "flagged above 0.5 (the usual one; these scores record none)" in moderation(found, ds)


def test_verdicts_and_agreement_take_and_name_the_threshold_of_each_model(ds, table):
    ids, values = ds.pairs["pair_id"], table.sort("pair_id")["score"]
    other = scores(ids, values, model="other", kind="moderation", target=CATEGORY.slug)
    cost = scores(ids, values - 0.45, model="cost")
    both = stacked_scores([table, other, cost])
    verdicts = safety_verdicts(both, ds)
    for model, limit in {"guard": 0.4, "other": 0.5, "cost": 0.45}.items():
        assert verdicts[model].to_list() == [value <= limit for value in values]
    assert safety_verdicts(both, ds, threshold=0.3)["guard"].to_list() == [value <= 0.3 for value in values]
    agreed = moderator_agreement(verdicts, by=None, n_boot=40)
    limits = dict(agreed.select("second", "threshold_second").rows())
    assert limits == {"guard": 0.4, "other": 0.5, "cost": 0.0}
    assert agreed.filter(first="Human")["threshold_first"].to_list() == [None] * 3
    drawn = json.dumps(plots.moderators(agreed).to_dict())
    assert "Unsafe above: " in drawn
    assert "guard 0.4" in drawn


@pytest.mark.slow
def test_the_threshold_is_kept_with_the_scores_and_reaches_figures_and_widgets(ds, table):
    replace_scores(ds, stacked_scores([table, scores(ds.pairs["pair_id"], np.zeros(ds.pairs.height))]))
    kept = kept_scores(ds)
    assert dict(kept.select("model", "threshold").unique().rows()) == {"guard": 0.4, "m": None}
    with pytest.warns(btviz.scores.signs.SignWarning):
        drawn = ScoreCollection.of(ds).scores
    assert drawn.filter(model="guard")["threshold"].unique().to_list() == [0.4]
    book = ScoreBook(ds, SCORES.to_frame()).with_scores(table)
    metrics = book.metrics(ScoreQuery((("guard", "moderation"),)))
    assert metrics["threshold"].unique().to_list() == [0.4]
    cells = metric_rows(metrics, taxonomy=ds.taxonomy)
    assert any(row[1] == f"F1 · {CATEGORY.title}, flagged above 0.4" for row in cells)
    assert not any("flagged" in row[1] for row in cells if row[1].startswith("AUC"))


@pytest.mark.slow
def test_scoring_with_the_layout_of_beaver_dam_and_the_command_line_flag_above_its_threshold(tmp_path):
    labels = [category.key for category in BEAVERTAILS.categories]
    model = btviz.load_score_model(made.classifier(tmp_path / "tiny-dam", labels=labels))
    ds = btviz.load("sample")
    few = ds.pairs["pair_id"].head(40)
    found = scores_table(few, np.full((40, 14), 0.45), model=model)
    assert model.threshold == BEAVER_THRESHOLD == 0.4
    assert found["threshold"].unique().to_list() == [0.4]
    replace_scores(ds, found)
    for arguments, limit, flagged in (([], 0.4, 1.0), (["--threshold", "0.5"], 0.5, 0.0)):
        run = CliRunner().invoke(app, ["stats", "scores", "sample", "--n-boot", "40", "--json", *arguments])
        assert run.exit_code == 0, run.stderr
        rows = [row for row in json.loads(run.stdout)["metrics"] if row["grouping"] == "all"]
        assert {row["threshold"] for row in rows} == {limit}
        (rate,) = [
            r["estimate"] for r in rows if r["metric"] == "false_positive_rate" and r["unit"] == "pair x category"
        ]
        assert rate == flagged


@pytest.mark.parametrize("bad", [[0.4, 0.5], [1.4, 1.4]])
def test_several_thresholds_of_one_model_and_impossible_ones_are_refused(ds, table, bad):
    wrong = table.with_columns(pl.Series("threshold", bad * (table.height // 2)))
    with pytest.raises(UsageError, match="flags above one probability"):
        valid_scores(wrong)
    with pytest.raises(UsageError, match="Asked for the threshold 40;"):
        score_metrics(table, ds, threshold=40)


def test_a_run_records_the_threshold_in_its_scores_and_again_from_the_store(ds):
    class TwoHeaded(PlainModel):
        threshold = 0.4

    first = btviz.score(ds, TwoHeaded())
    assert first["threshold"].unique().to_list() == [0.4]
    assert btviz.score(ds, TwoHeaded()).equals(first)
    plain = btviz.score(ds, PlainModel())
    assert plain["threshold"].null_count() == plain.height
    assert pl.concat([first, plain]).schema == SCORES  # tables of all models have one shape


@pytest.mark.parametrize("limit", [1.5, -0.1, True, "0.4", [0.4]])
def test_a_model_whose_threshold_is_no_probability_is_refused_before_its_scores_are_kept(ds, limit):
    class Odd(Guard):
        threshold = limit

    with pytest.raises(UsageError, match="flags above one probability"):
        scores_table(ds.pairs["pair_id"], np.zeros((ds.pairs.height, 1)), model=Odd())


@pytest.mark.parametrize("own", [[50.0, 60.0], ["low", "high"], [True, False]])
def test_a_column_of_that_name_means_nothing_beside_costs(ds, own):
    table = scores(ds.pairs["pair_id"][:2], [0.5, -0.5]).drop("threshold")
    assert valid_scores(table.with_columns(pl.Series("threshold", own)))["threshold"].to_list() == [None, None]


def test_tables_of_other_types_are_stacked(ds):
    table = scores(ds.pairs["pair_id"][:2], [0.5, -0.5])
    small = table.cast({"score": pl.Float32, "threshold": pl.Null})
    assert stacked_scores([small, table.drop("threshold")])["score"].to_list() == [0.5, 0.5, -0.5, -0.5]
