"""Range of scores, and models brought to a common scale before they are compared."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import UsageError, choice
from btviz.models.protocol import stacked_scores
from btviz.preference.scores import spearman
from btviz.preference.shares import FEWEST_PROMPTS
from btviz.scores.intervals import ALIKE, FEW, stamped
from btviz.scores.labelled import ModelScores, by_model, checked
from btviz.scores.margins import mean_interval
from btviz.stats.association import Floats

CONSTANT = "a score does not vary, so it has no rank correlation"


NO_SCORE = "no score of it is known"


ONE_SCORE = "one score has no spread"


QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)


def score_range(scores: pl.DataFrame) -> pl.DataFrame:
    """Range of each model's scores, and whether they pile up at an end.

    Parameters
    ----------
    scores : DataFrame
        A table of scores.

    Returns
    -------
    DataFrame
        `model`, `kind`, `target`, `n`, `n_missing` (null or NaN), `mean`, `sd`, `min`, `q01`,
        `q05`, `q25`, `q50`, `q75`, `q95`, `q99`, `max`, `n_distinct`, `share_at_max`,
        `share_at_min`, `share_positive`, `undefined` (why a value is null).
    """
    table = checked(scores).with_columns(pl.col("score").fill_nan(None))
    score = pl.col("score")
    names = ("min", *(f"q{round(100 * q):02d}" for q in QUANTILES[1:-1]), "max")
    return (
        table.group_by("model", "kind", "target")
        .agg(
            score.count().cast(pl.Int64).alias("n"),
            score.null_count().cast(pl.Int64).alias("n_missing"),
            score.mean().alias("mean"),
            score.std().alias("sd"),
            *(score.quantile(q, "linear").alias(name) for q, name in zip(QUANTILES, names, strict=True)),
            score.drop_nulls().n_unique().cast(pl.Int64).alias("n_distinct"),
            (score.drop_nulls() == score.max()).mean().alias("share_at_max"),
            (score.drop_nulls() == score.min()).mean().alias("share_at_min"),
            (score.drop_nulls() > 0).mean().alias("share_positive"),
            pl.when(score.count() == 0)
            .then(pl.lit(NO_SCORE))
            .when(score.count() == 1)
            .then(pl.lit(ONE_SCORE))
            .alias("undefined"),
        )
        .sort("model", "kind", "target")
    )


def quantile_matched(scores: pl.DataFrame, *, reference: str) -> pl.DataFrame:
    """Give each model's scores the distribution of a reference model's, rank by rank.

    Ranks stay, so AUC, pair accuracy and ROC are unchanged; the zero of a cost is not kept, so
    sign accuracy of matched scores means nothing.
    """
    table = checked(scores).with_columns(pl.col("score").fill_nan(None)).drop_nulls("score")
    choice(reference, table["model"].unique().sort().to_list(), what="model")
    kind = table.filter(model=reference)["kind"][0]
    own = table.filter(pl.col("kind") == kind)
    matched = []
    for part in by_model(own):
        base = own.filter(pl.col("model") == reference, pl.col("target").eq_missing(part.target))
        shared = part.scores.join(base.select("pair_id", pl.col("score").alias("base")), on="pair_id")
        if shared.is_empty():
            continue
        score = shared["score"] if part.model == reference else _on_scale_of(shared["base"], shared["score"])
        rows = pl.DataFrame({"pair_id": shared["pair_id"], "score": score.cast(pl.Float64)})
        matched.append(stamped(rows, {"model": part.model, "kind": part.kind, "target": part.target}))
    return stacked_scores(matched)


def score_drift(
    scores: pl.DataFrame, ds: Dataset, *, matched: bool = False, n_boot: int = 2000, random_state: int = 0
) -> pl.DataFrame:
    """How the scores of the same answers differ between models of one kind.

    Parameters
    ----------
    scores : DataFrame
        A table of scores with two models of a kind or more.
    ds : Dataset
        The data set that was scored.
    matched : bool
        Bring the second model to the scale of the first (`quantile_matched`) before taking
        differences; scales of different models have no common unit otherwise.
    n_boot, random_state : int
        Bootstrap replicates, drawn over prompts, and seed.

    Returns
    -------
    DataFrame
        `kind`, `target`, `first`, `second` (models), `matched`, `n` (answers scored by both),
        `prompts`, `mean_difference` (second - first), `low`, `high` (95 %, by prompt),
        `mean_absolute_difference`, `spearman` (-1 .. 1), `share_sign_changed` (the two lie on
        different sides of 0; null where matched), `undefined` (why the interval or the correlation is null).

    Raises
    ------
    UsageError
        If no two models of a kind scored the same answers.
    """
    prompts = ds.pairs.select("pair_id", "prompt_id")
    rows = []
    parts = list(by_model(scores))
    for one, two in combinations(parts, 2):
        if (one.kind, one.target) == (two.kind, two.target):
            both = _both(one, two, matched=matched).join(prompts, on="pair_id")
            if both.height:
                names = {"kind": one.kind, "target": one.target, "first": one.model, "second": two.model}
                rows.append(names | {"matched": matched} | _drift(both, matched, n_boot=n_boot, seed=random_state))
    if not rows:
        raise UsageError(
            "Drift between models was asked for; no two models of one kind scored the same answers. "
            "Score the data set with another reward, cost or moderation model."
        )
    types: dict[str, pl.DataType] = {"target": pl.String(), "undefined": pl.String()}
    types |= dict.fromkeys(("low", "high", "share_sign_changed"), pl.Float64())
    return pl.DataFrame(rows, schema_overrides=types).with_columns(pl.col(pl.Float64).fill_nan(None))


def _both(one: ModelScores, two: ModelScores, *, matched: bool) -> pl.DataFrame:
    both = one.scores.join(two.scores, on="pair_id", suffix="_second").sort("pair_id")
    if not matched or both.is_empty():
        return both
    return both.with_columns(_on_scale_of(both["score"], both["score_second"]).alias("score_second"))


def _on_scale_of(reference: pl.Series, scores: pl.Series) -> pl.Series:
    """The quantile of the reference at the mid-rank of each score."""
    rank = (scores.rank("average").to_numpy() - 0.5) / len(scores)
    return pl.Series(np.quantile(reference.to_numpy(), rank, method="hazen"))


def _drift(both: pl.DataFrame, matched: bool, *, n_boot: int, seed: int) -> dict[str, object]:
    first, second = both["score"].to_numpy(), both["score_second"].to_numpy()
    gap: Floats = second - first
    low, high, prompts = mean_interval(gap, both["prompt_id"].to_numpy(), n_boot=n_boot, random_state=seed)
    few = FEW if prompts < FEWEST_PROMPTS else ALIKE if low is None else None
    reasons = [reason for reason in (few, CONSTANT if 0 in (np.ptp(first), np.ptp(second)) else None) if reason]
    return {
        "n": both.height,
        "prompts": prompts,
        "mean_difference": float(gap.mean()),
        "low": low,
        "high": high,
        "mean_absolute_difference": float(np.abs(gap).mean()),
        "spearman": float(spearman(first, second, weights=np.ones((1, len(first))))[0]),
        "share_sign_changed": None if matched else float((np.sign(first) != np.sign(second)).mean()),
        "undefined": "; ".join(reasons) or None,
    }
