"""Whether a score means the probability it stands for: reward margins of *better*, costs of unsafe."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from btviz.preference.comparisons import Level
from btviz.preference.shares import FEWEST_PROMPTS, Floats, Resampling
from btviz.scores.accuracy import COMPARISON, PAIR
from btviz.scores.intervals import FEW, METRICS, Bools, ratio_rows
from btviz.scores.labelled import answer_levels, comparison_levels
from btviz.stats.logistic import expit, logistic_fit
from btviz.taxonomy.categories import Taxonomy

CALIBRATION = ("calibration_intercept", "calibration_slope")


@dataclass(frozen=True, eq=False)
class Predictions:
    """A score in log odds, and what it predicts."""

    logit: Floats
    outcome: Bools
    prompt: np.ndarray
    levels: list[Level]
    unit: str


def margin_predicts_better(compared: pl.DataFrame, taxonomy: Taxonomy) -> Predictions:
    """Reward margins against *better*: a Bradley-Terry model says P = 1 / (1 + exp(-margin))."""
    known = compared.drop_nulls("better")
    return Predictions(
        (known["score_1"] - known["score_0"]).to_numpy(),
        (known["better"] == 1).to_numpy().astype(bool),
        known["prompt_id"].to_numpy(),
        comparison_levels(known, taxonomy),
        COMPARISON,
    )


def cost_predicts_unsafe(answers: pl.DataFrame, taxonomy: Taxonomy) -> Predictions:
    """Costs against unsafe: the two-term loss of Safe RLHF says P = 1 / (1 + exp(-cost))."""
    known = answers.drop_nulls("is_safe")
    levels = [level for level in answer_levels(known, taxonomy) if level.grouping not in ("category", "severity")]
    return Predictions(
        known["score"].to_numpy(),
        ~known["is_safe"].to_numpy().astype(bool),
        known["prompt_id"].to_numpy(),
        levels,
        PAIR,
    )


def calibration_rows(predictions: Predictions) -> pl.DataFrame:
    """Logistic regression of the outcome on the score; calibrated is intercept 0 and slope 1."""
    return pl.concat([_fitted(predictions, level) for level in predictions.levels])


def _fitted(predictions: Predictions, level: Level) -> pl.DataFrame:
    inside = level.member
    prompt, outcome = predictions.prompt[inside], predictions.outcome[inside]
    fit = logistic_fit(predictions.logit[inside], outcome, clusters=prompt)
    prompts = len(np.unique(prompt))
    few = prompts < FEWEST_PROMPTS
    shared = {
        "unit": predictions.unit,
        "grouping": level.grouping,
        "level": level.name,
        "n": int(inside.sum()),
        "support": int(outcome.sum()),
        "prompts": prompts,
        "undefined": fit.undefined or (FEW if few else None),
    }
    rows = [
        shared | {"metric": metric, "estimate": value, "low": None if few else low, "high": None if few else high}
        for metric, value, low, high in zip(CALIBRATION, fit.coefficients, fit.low, fit.high, strict=True)
    ]
    schema = {name: METRICS[name] for name in rows[0]}
    return pl.DataFrame(rows, schema=schema).with_columns(pl.col(pl.Float64).fill_nan(None))


def reliability_rows(predictions: Predictions, *, bins: int, resampling: Resampling) -> pl.DataFrame:
    """Share with the outcome in bins of equally many scores, beside what the score says."""
    logit = predictions.logit
    if not len(logit):
        return pl.DataFrame(schema=_RELIABILITY)
    edges = np.unique(np.quantile(logit, np.linspace(0, 1, bins + 1)[1:-1], method="lower"))
    place = np.searchsorted(edges, logit, side="right")
    kinds = np.unique(place)
    levels = [Level("bin", str(number), place == kind) for number, kind in enumerate(kinds)]
    rows = ratio_rows(
        predictions.outcome,
        of=np.ones(len(logit)),
        levels=levels,
        prompt=predictions.prompt,
        resampling=resampling,
    )
    inside = [logit[level.member] for level in levels]
    return rows.select(
        pl.lit(predictions.unit).alias("unit"),
        pl.col("level").cast(pl.Int64).alias("bin"),
        pl.Series("score_low", [float(part.min()) for part in inside]),
        pl.Series("score_high", [float(part.max()) for part in inside]),
        pl.Series("score", [float(part.mean()) for part in inside]),
        pl.Series("expected", [float(expit(part).mean()) for part in inside]),
        *("n", "prompts", "estimate", "low", "high", "undefined"),
    )


_RELIABILITY = pl.Schema(
    {"unit": pl.String(), "bin": pl.Int64()}
    | dict.fromkeys(("score_low", "score_high", "score", "expected"), pl.Float64())
    | {"n": pl.Int64(), "prompts": pl.Int64()}
    | dict.fromkeys(("estimate", "low", "high"), pl.Float64())
    | {"undefined": pl.String()}
)
