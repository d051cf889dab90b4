"""Whether a score means the probability it stands for: logistic regression, reliability in bins."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from btviz.preference.shares import FEW_DECIDE
from btviz.scores.accuracy import COMPARISON, PAIR
from btviz.scores.answers import answer_levels, comparison_levels
from btviz.scores.intervals import METRICS, Bools, ratio_rows
from btviz.stats.association import Floats
from btviz.stats.clustered import FEWEST_EFFECTIVE, effective_number
from btviz.stats.quantiles import t_quantile
from btviz.stats.regression import errors_of, moves_of
from btviz.stats.resampling import Level
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
    shared = {
        "unit": predictions.unit,
        "grouping": level.grouping,
        "level": level.name,
        "n": int(inside.sum()),
        "support": int(outcome.sum()),
        "prompts": len(np.unique(prompt)),
        "undefined": fit.undefined,
    }
    rows = [
        shared | {"metric": metric, "estimate": value, "low": low, "high": high}
        for metric, value, low, high in zip(CALIBRATION, fit.coefficients, fit.low, fit.high, strict=True)
    ]
    schema = {name: METRICS[name] for name in rows[0]}
    return pl.DataFrame(rows, schema=schema).with_columns(pl.col(pl.Float64).fill_nan(None))


def reliability_rows(predictions: Predictions, *, bins: int) -> pl.DataFrame:
    """Share with the outcome in bins of equally many scores, beside what the score says."""
    logit = predictions.logit
    if not len(logit):
        return pl.DataFrame(schema=_RELIABILITY)
    edges = np.unique(np.quantile(logit, np.linspace(0, 1, bins + 1)[1:-1], method="lower"))
    place = np.searchsorted(edges, logit, side="right")
    kinds = np.unique(place)
    levels = [Level("bin", str(number), place == kind) for number, kind in enumerate(kinds)]
    rows = ratio_rows(predictions.outcome, of=np.ones(len(logit)), levels=levels, prompt=predictions.prompt)
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

_STEPS = 100
_PRECISION = 1e-10
_STEEPEST = 30.0
"""Standard deviations of score times slope beyond which two classes count as separated."""


@dataclass(frozen=True, eq=False)
class LogisticFit:
    """Fit of ``P(y) = 1 / (1 + exp(-(intercept + slope x)))``."""

    coefficients: Floats
    low: Floats
    high: Floats
    undefined: str | None


def expit(values: ArrayLike) -> Floats:
    """Logistic function, 0 .. 1, without overflow."""
    logits = np.asarray(values, np.float64)
    shrunk = np.exp(-np.abs(logits))
    return np.where(logits >= 0, 1 / (1 + shrunk), shrunk / (1 + shrunk))


def logistic_fit(x: ArrayLike, y: ArrayLike, *, clusters: ArrayLike) -> LogisticFit:
    """Regress a label on a score by maximum likelihood.

    Intervals are by the jackknife over clusters with Student's t (`btviz.stats.regression`), of the line through the
    mean score, and null where fewer than `FEWEST_EFFECTIVE` effective clusters have either label or few decide. There
    are no values where the label or the score does not vary, or where a threshold on the score separates the classes.
    """
    score, label, keys = np.asarray(x, np.float64), np.asarray(y, np.float64), np.asarray(clusters)
    spread = float(score.std()) if len(score) else 0.0
    if not len(label) or label.min() == label.max():
        return _absent("the label does not vary")
    if spread == 0 or not math.isfinite(spread):
        return _absent("the score does not vary")
    centre = float(score.mean())
    design = np.column_stack([np.ones_like(score), (score - centre) / spread])
    scaled_coefficients = _newton(design, label)
    if scaled_coefficients is None:
        return _absent("a threshold on the score separates the classes, so the slope has no end")
    turn = np.array([[1.0, -centre / spread], [0.0, 1 / spread]])
    coefficients = turn @ scaled_coefficients
    p = expit(design @ scaled_coefficients)
    moves = moves_of(design, weight=p * (1 - p), residual=label - p, clusters=keys)
    error, freedom = errors_of(moves, turn)
    number = np.unique(keys, return_inverse=True)[1]
    worth = min(float(effective_number(np.bincount(number, label == side))) for side in (0, 1))
    reason = None if np.isfinite(error).all() else FEW_DECIDE
    if worth < FEWEST_EFFECTIVE:
        error = np.full(2, np.nan)
        reason = TOO_FEW.format(int(worth), FEWEST_EFFECTIVE)
    half = t_quantile(0.95, df=freedom) * error
    return LogisticFit(coefficients, coefficients - half, coefficients + half, reason)


TOO_FEW = "the effective number of prompts of the rarer outcome is {}, and an interval needs {}"
"""Why a regression has no interval."""


def _newton(design: Floats, label: Floats) -> Floats | None:
    beta = np.zeros(2)
    for _ in range(_STEPS):
        p = expit(design @ beta)
        information = design.T @ (design * (p * (1 - p))[:, None])
        if np.linalg.cond(information) > 1 / np.finfo(float).eps or abs(beta[1]) > _STEEPEST:
            return None
        step = np.linalg.solve(information, design.T @ (label - p))
        step *= min(1.0, 5 / max(float(np.abs(step).max()), 1e-300))
        beta = beta + step
        if float(np.abs(step).max()) < _PRECISION:
            return beta
    return None


def _absent(reason: str) -> LogisticFit:
    nothing = np.full(2, np.nan)
    return LogisticFit(nothing, nothing, nothing, reason)
