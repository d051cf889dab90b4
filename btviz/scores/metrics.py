"""What scores say about labels: one table of metrics, and the curves behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import polars as pl

from btviz.data.dataset import Dataset
from btviz.data.tables import conform
from btviz.errors import UsageError
from btviz.scores.accuracy import (
    AT_BOUNDARY,
    pair_accuracy,
    roc_rows,
    separation_rows,
    sign_accuracy,
    threshold_rows,
    unknown_rows,
)
from btviz.scores.answers import (
    ModelScores,
    answer_levels,
    by_model,
    comparison_levels,
    judged_answers,
    judged_comparisons,
)
from btviz.scores.calibration import (
    CALIBRATION,
    Predictions,
    calibration_rows,
    cost_predicts_unsafe,
    margin_predicts_better,
    reliability_rows,
)
from btviz.scores.intervals import METRICS, stamped, with_contradictory, without_values
from btviz.scores.moderation import VERDICTS, flagging, moderation_rows, threshold_of
from btviz.stats.resampling import Resampling

_LABELS = {"reward": ("better", "safer"), "cost": ("safer", "better")}
"""Label that a kind of score is made for, and the other."""


def score_metrics(
    scores: pl.DataFrame,
    ds: Dataset,
    *,
    threshold: float | None = None,
    topics: pl.DataFrame | None = None,
    n_boot: int = 1000,
    random_state: int = 0,
) -> pl.DataFrame:
    """Measure scores against the labels of a data set.

    Parameters
    ----------
    scores : DataFrame
        A table of scores, of any number of models; nulls are left out.
    ds : Dataset
        The data set that was scored.
    threshold : float, optional
        Probability above which a moderation model flags a category. Default: what the model records
        (column `threshold` of its scores), else 0.5.
    topics : DataFrame, optional
        `pair_id`, `topic`: adds rows by topic.
    n_boot, random_state : int
        Bootstrap replicates of the Kolmogorov-Smirnov distance, drawn over prompts, and seed.

    Returns
    -------
    DataFrame
        One row for each `model`, `kind`, `target`, `metric`, `unit` (what is counted),
        `grouping` and `level` (all, split, stratum, category, severity, source, topic,
        threshold): `threshold`, `n`, `support` (positives), `prompts`, `estimate`, `low`, `high`
        (95 %, by prompt; of `ks_distance` conservative), `p_value` (of `ks_distance` over all answers: that the score
        tells nothing of safety, by permutation, see `btviz.stats.separation`), `undefined` (why a value is
        null, or what to mind), `threshold_origin` (of moderation: whether the threshold is as asked, recorded by the
        model, or the usual one), `against` (slugs of
        the categories that a target is measured against; those of another taxonomy are translated,
        see `btviz.scores.moderation.truths_of`), `low_joint` and `high_joint` (ends that hold for all levels of the
        grouping at once, by Bonferroni: read these where levels are compared; null where a metric has none), `family`
        (how many levels that are), `n_contradictory` (what has a score and was left out of `n` because its rows
        contradict each other; null of `severity` and of all categories together). Metrics by kind:

        - reward: `pair_accuracy` (better scores higher), `lower_for_safer`, `auc`,
          `ks_distance` (unsafe against safe), `calibration_intercept`, `calibration_slope` (of
          the margin against better);
        - cost: `pair_accuracy` (safer scores lower), `higher_for_better`, `sign_accuracy`,
          `auc`, `ks_distance`, calibration (against unsafe), and for thresholds around 0
          `recall`, `false_positive_rate`, `accuracy`;
        - moderation: `precision`, `recall`, `f1`, `false_positive_rate`, `auc`.

        Labels that contradict each other are no truth: what has them is left out of every metric, and counted in
        `n_contradictory`. An answer has the majority of its annotations (a tie is unsafe); one that was only compared
        has the label on which all its comparisons agree. Two answers have the order on which all rows that compare
        them agree. What is compared repeatedly counts repeatedly where `unit` is a comparison or an answer of one.
        Printed accuracies take each row by its own label: `btviz.score_ceilings` says how much of these any score
        can reach.

        All are strict: equal scores, and a cost of exactly 0, count as wrong. Of a cost that may have its boundary
        elsewhere than at 0 (column `boundary` of its scores), what presumes that is null, and `undefined` says so; so
        is calibration of scores that are known to be no log-odds, and the area under the curve of verdicts.

    Raises
    ------
    UsageError
        If a column is missing, or no scored answer is in the data set.
    """
    resampling = Resampling(n_boot, random_state)
    parts = _belonging(scores, ds)
    tables = [
        stamped(_scalar_rows(part, ds, topics=topics, resampling=resampling), part.names)
        for part in parts
        if part.kind != "moderation"
    ]
    moderators = sorted({part.model for part in parts if part.kind == "moderation"})
    for model in moderators:
        model_parts = [part for part in parts if part.model == model and part.kind == "moderation"]
        limit = threshold_of(model_parts[0].threshold, asked=threshold, source=_source(model_parts))
        rows = moderation_rows(model_parts, ds, threshold=limit.value, topics=topics)
        rows = _without_order(conform(rows, METRICS), model_parts)
        named = {"model": model, "kind": "moderation", "threshold_origin": limit.origin}
        tables.append(rows.with_columns(pl.lit(value).alias(name) for name, value in named.items()))
    return pl.concat([conform(table, METRICS) for table in tables])


def _source(parts: Sequence[ModelScores]) -> str | None:
    """Who says above which probability a moderator flags, or why nobody has to."""
    stated = [part.record.threshold_source for part in parts if part.record.threshold_source is not None]
    return stated[0] if stated else VERDICTS if all(part.no_order for part in parts) else None


def _without_order(rows: pl.DataFrame, parts: Sequence[ModelScores]) -> pl.DataFrame:
    """Rows of a moderator, without the area under the curve of what it gives verdicts of."""
    reasons = {part.target: part.no_order for part in parts if part.no_order is not None}
    if not reasons:
        return rows
    every = len(reasons) == len(flagging([part.target for part in parts]))
    targets = pl.col("target").is_in(list(reasons)) | (pl.col("target").is_null() & every)
    affected = (pl.col("metric") == "auc") & targets
    reason = next(iter(reasons.values()))
    return pl.concat([rows.filter(~affected), without_values(rows.filter(affected), reason=reason)])


def roc_curve(scores: pl.DataFrame, ds: Dataset) -> pl.DataFrame:
    """ROC curve of each reward and cost model against unsafe answers.

    Parameters
    ----------
    scores : DataFrame
        A table of scores; moderation models are left out.
    ds : Dataset
        The data set that was scored.

    Returns
    -------
    DataFrame
        `model`, `kind`, `target` (null), `threshold`, `false_positive_rate`, `true_positive_rate` (corners of the
        curve, thinned where there are many), `n`, `support` (unsafe answers), `prompts`, `no_boundary` (why a cost
        of 0 may part nothing; null where it does).
    """

    def curve(part: ModelScores) -> pl.DataFrame:
        return stamped(roc_rows(judged_answers(part, ds)), {"no_boundary": part.no_boundary})

    return _curves(scores, ds, curve)


def reliability_curve(
    scores: pl.DataFrame, ds: Dataset, *, bins: int = 10, n_boot: int = 1000, random_state: int = 0
) -> pl.DataFrame:
    """Share of better (reward) or unsafe (cost) in bins of the score, beside what it says.

    Parameters
    ----------
    scores : DataFrame
        A table of scores; moderation models are left out.
    ds : Dataset
        The data set that was scored.
    bins : int
        Bins of equally many items.
    n_boot, random_state : int
        Checked; intervals are in closed form.

    Returns
    -------
    DataFrame
        `model`, `kind`, `target` (null), `unit` (what is counted), `bin`, `score_low`, `score_high`, `score` (ends and
        mean of the bin), `expected` (1 / (1 + exp(-score)), mean; null of a cost that may have its boundary elsewhere
        than at 0, and of scores that speak of no probability), `n`, `prompts`, `estimate`, `low`, `high` (95 %, by
        prompt), `undefined`, `no_boundary` and `no_probability` (why; null where there is none to give).
    """
    Resampling(n_boot, random_state)  # refuses what makes no sense

    def curve(part: ModelScores) -> pl.DataFrame:
        rows = reliability_rows(_predictions(part, ds), bins=bins)
        stated = part.no_boundary is None and part.no_probability is None
        expected = pl.col("expected") if stated else pl.lit(None, pl.Float64).alias("expected")
        reasons = {"no_boundary": part.no_boundary, "no_probability": part.no_probability}
        return rows.with_columns(expected, *(pl.lit(v, pl.String).alias(k) for k, v in reasons.items()))

    return _curves(scores, ds, curve)


def _belonging(scores: pl.DataFrame, ds: Dataset) -> list[ModelScores]:
    parts = list(by_model(scores))
    known = sum(part.scores.join(ds.pairs.select("pair_id"), on="pair_id").height for part in parts)
    if scores.is_empty():
        raise UsageError(
            f"Scores were to be measured on {ds.name}; there are none. Score it with a model first (btviz.score); "
            "a probe can be fitted where answers are labelled."
        )
    if not known:
        raise UsageError(
            f"Scores were to be measured on {ds.name}; of {scores.height:,} none that is not null is of an answer in "
            "it. Pass the data set that was scored."
        )
    return parts


def _scalar_rows(
    part: ModelScores, ds: Dataset, *, topics: pl.DataFrame | None, resampling: Resampling
) -> pl.DataFrame:
    answers = judged_answers(part, ds, topics=topics)
    compared = judged_comparisons(part, ds, topics=topics)
    main_label, other_label = _LABELS[part.kind]
    higher = part.kind == "reward"
    accuracy = {
        "pair_accuracy": (main_label, higher),
        "lower_for_safer" if higher else "higher_for_better": (other_label, not higher),
    }
    tables = [
        pair_accuracy(compared, label=label, higher=up, taxonomy=ds.taxonomy).with_columns(
            pl.lit(metric).alias("metric")
        )
        for metric, (label, up) in accuracy.items()
    ]
    if higher:
        predictions, left_out = margin_predicts_better(compared, ds.taxonomy), compared.filter("contradicts_better")
        levels = comparison_levels(left_out, ds.taxonomy)
    else:
        predictions, left_out = cost_predicts_unsafe(answers, ds.taxonomy), answers.filter("contradicts_is_safe")
        levels = answer_levels(left_out, ds.taxonomy)
    calibration = with_contradictory(calibration_rows(predictions), left_out, levels=levels)
    if part.no_probability is not None:
        calibration = without_values(calibration.filter(grouping="all"), reason=part.no_probability)
    if part.no_boundary is not None:
        intercept = pl.col("metric") == CALIBRATION[0]
        tables.append(unknown_rows(answers, (*AT_BOUNDARY, CALIBRATION[0]), reason=part.no_boundary))
        calibration = calibration.filter(~intercept)
    elif part.kind == "cost":
        tables.append(sign_accuracy(answers, compared, taxonomy=ds.taxonomy))
        tables.append(threshold_rows(answers))
    tables.append(separation_rows(answers, taxonomy=ds.taxonomy, resampling=resampling))
    tables.append(calibration)
    return pl.concat(tables, how="diagonal_relaxed")


def _predictions(part: ModelScores, ds: Dataset) -> Predictions:
    if part.kind == "reward":
        return margin_predicts_better(judged_comparisons(part, ds), ds.taxonomy)
    return cost_predicts_unsafe(judged_answers(part, ds), ds.taxonomy)


def _curves(scores: pl.DataFrame, ds: Dataset, make: Callable[[ModelScores], pl.DataFrame]) -> pl.DataFrame:
    def tables() -> Iterator[pl.DataFrame]:
        for part in _belonging(scores, ds):
            if part.kind != "moderation":
                yield stamped(make(part), part.names)

    curves = list(tables())
    if not curves:
        raise UsageError("This curve is of reward and cost models; the table of scores has neither. Score with one.")
    return pl.concat(curves)
