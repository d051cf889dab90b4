"""Metrics of scores, each against another implementation or a count by hand."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from score_tables import scores

from btviz.data.synthetic import generate
from btviz.errors import UsageError
from btviz.scores.accuracy import on_its_side, threshold_rows
from btviz.scores.answers import by_model, judged_answers
from btviz.scores.metrics import reliability_curve, roc_curve, score_metrics
from btviz.stats.clustered import share_interval
from btviz.stats.resampling import cluster_sums
from btviz.taxonomy.categories import PKU_SAFERLHF


def one(table, **where):
    found = table.filter(**where) if where else table
    if "target" not in where:
        found = found.filter(pl.col("target").is_null())
    assert found.height == 1, found
    return found.row(0, named=True)


@pytest.fixture(scope="module")
def made(make_dataset):
    """600 synthetic pairs of PKU-SafeRLHF's shape, and scores that know something of their labels."""
    synthetic = generate("sample-saferlhf", n_pairs=600)
    ds = make_dataset(synthetic.rows, taxonomy=PKU_SAFERLHF, comparisons=synthetic.comparisons)
    rng = np.random.default_rng(0)
    pairs = ds.pairs
    unsafe = ~pairs["is_safe"].to_numpy()
    cost = np.round(rng.normal(size=pairs.height) + 1.5 * unsafe - 0.7, 1)
    reward = rng.normal(size=pairs.height)
    key = PKU_SAFERLHF.categories[5]
    has = pairs.select(PKU_SAFERLHF.has(key.key)).to_series().to_numpy()
    flag = np.clip(0.3 + 0.3 * has + 0.2 * rng.normal(size=pairs.height), 0, 1)
    ids = pairs["pair_id"]
    table = pl.concat(
        [
            scores(ids, cost, model="cost"),
            scores(ids, reward, model="reward", kind="reward"),
            scores(ids, flag, model="guard", kind="moderation", target=key.slug),
            scores(ids, pairs["severity"].cast(pl.Float64), model="guard", kind="moderation", target="severity"),
        ]
    )
    return ds, table, score_metrics(table, ds, n_boot=200), key


def test_cost_equals_scikit_learn_and_scipy(made):
    from scipy.stats import ks_2samp
    from sklearn.metrics import accuracy_score, recall_score, roc_auc_score

    ds, table, metrics, _ = made
    cost, unsafe = table.filter(model="cost")["score"].to_numpy(), ~ds.pairs["is_safe"].to_numpy()
    assert np.any(cost == 0)
    rows = metrics.filter(model="cost", grouping="all")
    assert one(rows, metric="auc")["estimate"] == pytest.approx(roc_auc_score(unsafe, cost))
    assert one(rows, metric="ks_distance")["estimate"] == pytest.approx(ks_2samp(cost[unsafe], cost[~unsafe])[0])
    right = ((cost > 0) & unsafe) | ((cost < 0) & ~unsafe)
    assert one(rows, metric="sign_accuracy", unit="pair")["estimate"] == pytest.approx(right.mean())
    around = metrics.filter(model="cost", grouping="threshold")
    thresholds = around["threshold"].unique().sort()[[5, 20, 35]].to_list()
    assert thresholds[1] == 0
    for threshold in thresholds:
        at = around.filter(threshold=threshold)
        assert one(at, metric="recall")["estimate"] == pytest.approx(recall_score(unsafe, cost > threshold))
        assert one(at, metric="accuracy")["estimate"] == pytest.approx(accuracy_score(unsafe, cost > threshold))
        wrong = recall_score(~unsafe, cost > threshold)
        assert one(at, metric="false_positive_rate")["estimate"] == pytest.approx(wrong)


@pytest.mark.slow
def test_default_thresholds_hold_zero_at_any_scale(made):
    ds, table, _, _ = made
    answers = judged_answers(next(by_model(table.filter(model="cost"))), ds)
    for factor in (0.3, 0.7, 1.0, 1.3, 1.7, 2.1, 2.9, 3.7, 5.3, 7.7):
        curve = threshold_rows(answers.with_columns(pl.col("score") * factor))
        thresholds = curve["threshold"].unique().sort()
        assert len(thresholds) == 41
        assert thresholds[20] == 0


def test_sign_accuracy_counts_an_answer_as_often_as_it_is_compared(made):
    ds, table, metrics, _ = made
    cost = dict(table.filter(model="cost").select("pair_id", "score").rows())
    right = [
        (cost[row[f"pair_id_{side}"]] > 0) if not row[f"is_safe_{side}"] else (cost[row[f"pair_id_{side}"]] < 0)
        for row in ds.preferences.to_dicts()
        for side in (0, 1)
    ]
    found = one(metrics, metric="sign_accuracy", unit="answer of a comparison", grouping="all")
    assert (found["n"], found["estimate"]) == (2 * ds.preferences.height, pytest.approx(np.mean(right)))


@pytest.mark.parametrize(
    ("model", "metric", "label", "sign"),
    [
        ("reward", "pair_accuracy", "better", 1),
        ("reward", "lower_for_safer", "safer", -1),
        ("cost", "pair_accuracy", "safer", -1),
        ("cost", "higher_for_better", "better", 1),
    ],
)
def test_pair_accuracy_counts_strictly(made, model, metric, label, sign):
    ds, table, metrics, _ = made
    score = dict(table.filter(model=model).select("pair_id", "score").rows())
    margins = [
        sign * (score[row[f"pair_id_{row[label]}"]] - score[row[f"pair_id_{1 - row[label]}"]])
        for row in ds.preferences.drop_nulls(label).to_dicts()
    ]
    found = one(metrics, model=model, metric=metric, grouping="all")
    assert found["estimate"] == pytest.approx(np.mean(np.array(margins) > 0))
    assert found["low"] < found["estimate"] < found["high"]


def test_calibration_equals_statsmodels(made):
    from statsmodels.discrete.discrete_model import Logit

    ds, table, metrics, _ = made
    cost = table.filter(model="cost")["score"].to_numpy()
    unsafe = (~ds.pairs["is_safe"]).cast(pl.Float64).to_numpy()
    clusters = ds.pairs["prompt_id"].rank("dense").cast(pl.Int64).to_numpy()
    design = np.column_stack([np.ones_like(cost), cost])
    fit = Logit(unsafe, design).fit(disp=0, cov_type="cluster", cov_kwds={"groups": clusters})
    for place, metric in enumerate(("calibration_intercept", "calibration_slope")):
        found = one(metrics, model="cost", metric=metric, grouping="all")
        assert found["estimate"] == pytest.approx(fit.params[place], rel=1e-4)
        wider = (found["high"] - found["low"]) / np.diff(fit.conf_int()[place])[0]
        assert 1 < wider < 1.05  # Student's t, and the jackknife in place of the sandwich


def test_ends_that_hold_together_are_those_of_bonferroni(made):
    """Of the levels of one grouping, metric and target; a family of one has its own ends."""
    ds, _, metrics, _ = made
    by_level = metrics.filter(model="cost", metric="sign_accuracy", unit="pair", grouping="severity")
    shown = by_level.drop_nulls("low")
    assert set(by_level["family"]) == {shown.height}
    assert shown.height == 2
    assert ((shown["low_joint"] < shown["low"]) & (shown["high"] < shown["high_joint"])).all()
    row = shown.row(by_predicate=pl.col("level") == "safe", named=True)
    cost = next(by_model(made[1].filter(model="cost")))
    known = judged_answers(cost, ds).filter("is_safe")
    right = on_its_side(known)
    sums = cluster_sums(np.column_stack([right, np.ones(known.height)]), clusters=known["prompt_id"].to_numpy())
    ends = share_interval(sums[:, :1], sums[:, 1:], confidence=1 - 0.05 / shown.height)
    assert (row["low_joint"], row["high_joint"]) == pytest.approx((ends.low[0], ends.high[0]))
    whole = one(metrics, model="cost", metric="auc", grouping="all")
    assert (whole["low_joint"], whole["high_joint"], whole["family"]) == (whole["low"], whole["high"], 1)
    areas = metrics.filter(model="cost", metric="auc", grouping="severity").drop_nulls("low")
    assert (areas["low_joint"] < areas["low"]).all()


def test_moderation_equals_scikit_learn(made):
    from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

    ds, table, metrics, category = made
    flag = table.filter(model="guard", target=category.slug)["score"].to_numpy()
    truth = ds.pairs.select(PKU_SAFERLHF.has(category.key)).to_series().to_numpy()
    unsafe = ~ds.pairs["is_safe"].to_numpy()
    rows = metrics.filter(model="guard", unit="pair", grouping="all")
    for positive, target in ((truth, category.slug), (unsafe, None)):
        own = rows.filter(pl.col("target").eq_missing(target))
        wanted = precision_recall_fscore_support(positive, flag > 0.5, average="binary")[:3]
        found = dict(own.select("metric", "estimate").rows())
        assert [found[name] for name in ("precision", "recall", "f1")] == pytest.approx(list(wanted))
        assert found["false_positive_rate"] == pytest.approx((flag > 0.5)[~positive].mean())
        assert found["auc"] == pytest.approx(roc_auc_score(positive, flag))
        assert set(own["support"]) == {positive.sum()}
    severity = one(metrics, metric="spearman", target="severity")
    assert severity["estimate"] == pytest.approx(1)


def test_levels_of_a_category_are_told_from_all_safe_answers(made):
    from sklearn.metrics import roc_auc_score

    ds, table, metrics, _ = made
    cost, safe = table.filter(model="cost")["score"].to_numpy(), ds.pairs["is_safe"].to_numpy()
    rows = metrics.filter(model="cost", metric="auc", grouping="category")
    assert rows.height > 5
    for level, n, estimate in rows.select("level", "n", "estimate").rows():
        has = ds.pairs.select(PKU_SAFERLHF.has(level)).to_series().to_numpy() & ~safe
        assert n == (has | safe).sum()
        assert estimate == pytest.approx(roc_auc_score(has[has | safe], cost[has | safe]))


@pytest.mark.slow
def test_topics_make_rows_of_their_own(made):
    ds, table, _, _ = made
    topics = ds.pairs.select("pair_id", (pl.col("pair_id") % 2).cast(pl.Int64).alias("topic"))
    found = score_metrics(table.filter(model="cost"), ds, topics=topics, n_boot=40).filter(grouping="topic")
    assert set(found["metric"]) == {
        "pair_accuracy", "higher_for_better", "sign_accuracy", "auc", "ks_distance", "calibration_intercept",
        "calibration_slope",
    }  # fmt: skip
    assert sum(found.filter(metric="auc")["n"]) == ds.pairs.height


def test_what_is_undefined_is_null_and_says_why(make_dataset):
    pairs = [("how do magnets work", f"answer {i}", "train", True, 0) for i in range(4)]
    columns = ["prompt", "response", "split", "is_safe", "labels"]
    ds = make_dataset(pl.DataFrame(pairs, schema=columns, orient="row").cast({"labels": pl.UInt32}))
    table = scores(ds.pairs["pair_id"], [0.0, -1.0, float("nan"), None])
    found = score_metrics(table, ds, n_boot=40).filter(pl.col("grouping") == "all")
    sign = one(found, metric="sign_accuracy")
    assert (sign["n"], sign["estimate"], sign["low"]) == (2, 0.5, None), "a cost of 0 is wrong; NaN counts as none"
    assert "an interval needs 20" in sign["undefined"]
    for metric in ("auc", "ks_distance", "calibration_slope", "pair_accuracy"):
        row = one(found, metric=metric)
        assert row["estimate"] is None
        assert row["undefined"]
    assert roc_curve(table, ds).is_empty()


def test_recall_of_a_moderator_by_severity_and_category_is_a_count(made):
    ds, table, found, _ = made
    flags = (
        table.filter(model="guard").filter(pl.col("target") != "severity").select("pair_id", flag=pl.col("score") > 0.5)
    )
    unsafe = ds.pairs.filter(~pl.col("is_safe")).join(flags, on="pair_id")
    overall = found.filter(pl.col("target").is_null(), model="guard", unit="pair")
    for number, name in enumerate(PKU_SAFERLHF.severities):
        own = unsafe.filter(severity=number)
        rows = overall.filter(grouping="severity", level=name)
        assert rows["metric"].to_list() == ["recall"] * bool(own.height)
        assert rows["estimate"].to_list() == pytest.approx([own["flag"].mean()] * bool(own.height))
        assert rows["support"].to_list() == [own.height] * bool(own.height)
    for category in PKU_SAFERLHF.categories:
        own = unsafe.filter(PKU_SAFERLHF.has(category.key))
        rows = overall.filter(grouping="category", level=category.key)
        assert rows["estimate"].to_list() == pytest.approx([own["flag"].mean()] * bool(own.height))


@pytest.mark.slow
def test_a_category_that_no_answer_has_is_not_called_a_lack_of_safe_answers(made):
    ds, table, _, key = made
    present = ds.pairs.select(pl.any_horizontal(PKU_SAFERLHF.has(key.key)).alias("has"), "pair_id")
    without = present.filter(~pl.col("has")).select("pair_id")
    found = score_metrics(table.join(without, on="pair_id").filter(model="guard"), ds, n_boot=40)
    reasons = dict(found.filter(target=key.slug, grouping="all").select("metric", "undefined").rows())
    assert reasons["auc"].startswith("no answer here has this category")
    assert reasons["recall"] == "there is nothing to find here"
    quiet = table.filter(model="guard", target=key.slug).with_columns(pl.lit(0.0).alias("score"))
    row = one(score_metrics(quiet, ds, n_boot=40), target=key.slug, metric="precision", grouping="all")
    assert (row["estimate"], row["n"], row["undefined"]) == (None, ds.pairs.height, "nothing is flagged here")


def test_scores_that_fit_nothing_are_refused(made):
    ds, table, _, _ = made
    with pytest.raises(UsageError, match="none that is not null"):
        score_metrics(table.with_columns(pl.lit(7, pl.UInt64).alias("pair_id")).unique("target"), ds)
    with pytest.raises(UsageError, match="share theirs"):
        score_metrics(pl.concat([table, table.head(1)]), ds)
    with pytest.raises(UsageError, match="score"):
        score_metrics(table.drop("score"), ds)
    with pytest.raises(UsageError, match="neither"):
        roc_curve(table.filter(kind="moderation"), ds)


@pytest.mark.slow
def test_result_does_not_depend_on_the_order_of_rows(made):
    ds, table, metrics, _ = made
    assert score_metrics(table.sample(fraction=1, shuffle=True, seed=3), ds, n_boot=200).equals(metrics)


@pytest.mark.slow
@settings(max_examples=15)
@given(shift=st.floats(-3, 3), bins=st.integers(2, 12))
def test_reliability_bins_hold_every_item_once(made, shift, bins):
    ds, table, _, _ = made
    moved = table.filter(model="cost").with_columns(pl.col("score") + shift)
    curve = reliability_curve(moved, ds, bins=bins, n_boot=40)
    assert curve["n"].sum() == ds.pairs.height
    assert curve.height <= bins
    total = (curve["n"] * curve["estimate"]).sum()
    assert total == pytest.approx(ds.pairs.filter(~pl.col("is_safe")).height)
    assert (curve["score_low"][1:] > curve["score_high"][:-1]).all()


def test_roc_curve_is_thinned_without_losing_its_area(made):
    from sklearn.metrics import roc_auc_score

    ds, table, _, _ = made
    curve = roc_curve(table, ds).filter(model="reward")
    area = np.trapezoid(curve["true_positive_rate"], curve["false_positive_rate"])
    reward = table.filter(model="reward")["score"]
    assert curve.height <= 401
    assert area == pytest.approx(roc_auc_score(~ds.pairs["is_safe"], reward), abs=0.005)
