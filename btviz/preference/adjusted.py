"""Regression of the better label on the safer one, with what might stand behind both held equal."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.errors import MissingExtraError, require
from btviz.preference.comparisons import STRATA, Comparisons
from btviz.preference.shares import FEW_DECIDE
from btviz.stats.clustered import FEWEST_EFFECTIVE, effective_number
from btviz.stats.quantiles import t_quantile, two_sided_t_p
from btviz.stats.regression import errors_of, moves_of, worth_of

REFUSAL = (
    r"(?i)\b(?:i(?:'m| am) (?:really |very |so )?sorry|i apologi[sz]e|(?:i|we) (?:can(?:no|')t|can not|won't|will not"
    r"|am (?:not able|unable)|am not comfortable)|as an ai)\b"
)
"""A marker of refusal: an apology, or saying that one cannot or will not; of English answers only."""

SCHEMA = pl.Schema(
    {
        "specification": pl.String(),
        "model": pl.String(),
        "term": pl.String(),
        "estimate": pl.Float64(),
        "std_error": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "p_value": pl.Float64(),
        "n": pl.Int64(),
        "prompts": pl.Int64(),
        "undefined": pl.String(),
    }
)

AVERAGE_EFFECT = "average marginal effect of safer"
SEPARATED = 1e-6
"""Largest residual below which a logistic fit has only found that the labels are separated."""

LONG_TAIL = (
    "this regressor has a long tail: if the relation is no straight line, the line through all prompts rests on rarer "
    "values than are here, and a 95 % interval may hold its slope in 87 % only"
)
"""Doubt of a least squares slope; no interval mends it (docs/statistics.md)."""

_OF_A_TAIL = 1 / 4
"""Effective prompts by what they tell of a slope, over those by their items; a third and more of a normal regressor."""

_MANY_VALUES = 10

MODELS = ("logistic", "linear probability")

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Design:
    """One regression: its columns, and those that multiply `safer`."""

    name: str
    frame: pl.DataFrame
    terms: tuple[str, ...]
    moderators: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        return ["intercept", "safer", *self.terms, *(f"safer x {name}" for name in self.moderators)]

    def matrix(self, safer: float | None = None) -> Floats:
        """Regressors, shape (n, k); `safer` may be set to one value for all rows."""
        coded = pl.col("safer") if safer is None else pl.lit(safer)
        return self.frame.select(
            pl.lit(1.0).alias("intercept"),
            coded.alias("safer"),
            *self.terms,
            *((coded * pl.col(name)).alias(f"safer x {name}") for name in self.moderators),
        ).to_numpy()


def adjusted_table(comparisons: Comparisons, pairs: pl.DataFrame) -> pl.DataFrame:
    """Regress "response_1 is better" on "response_1 is safer", coded +1 and -1.

    Length (logarithm of the words, plus one), English refusal markers and answering models enter as
    differences, response_1 less response_0, so the intercept is the position bias of *better*.
    """
    n, prompts = comparisons.frame.height, comparisons.frame["prompt"].n_unique()
    worth = float(effective_number(comparisons.frame.group_by("prompt").len()["len"].to_numpy()))
    if worth < FEWEST_EFFECTIVE:
        reason = (
            f"{prompts} prompts with both labels have an effective number of {int(worth)}; errors by prompt need "
            f"{FEWEST_EFFECTIVE}"
        )
        return unadjusted(reason, n=n, prompts=prompts)
    try:
        models = SimpleNamespace(
            Logit=require("statsmodels.discrete.discrete_model", extra="stats").Logit,
            OLS=require("statsmodels.regression.linear_model", extra="stats").OLS,
            Separation=require("statsmodels.tools.sm_exceptions", extra="stats").PerfectSeparationWarning,
        )
    except MissingExtraError as error:
        return unadjusted(str(error), n=n, prompts=prompts)
    frame = _regressors(comparisons, pairs)
    tables = [_fitted(design, model, models) for design in _designs(frame, comparisons) for model in MODELS]
    return pl.concat(tables).with_columns(pl.col(pl.Float64).fill_nan(None))


def unadjusted(reason: str, *, n: int, prompts: int) -> pl.DataFrame:
    """The table of regressions where there is none, and why."""
    row = {"specification": "adjusted", "n": n, "prompts": prompts, "undefined": reason}
    return pl.DataFrame([row], schema=SCHEMA)


def _regressors(comparisons: Comparisons, pairs: pl.DataFrame) -> pl.DataFrame:
    known = pairs.select(
        "pair_id",
        (pl.col("response_words") + 1).log().alias("length"),
        pl.col("response").str.contains(REFUSAL).cast(pl.Float64).alias("refusal"),
    )
    frame = comparisons.frame
    for side in (0, 1):
        of_side = known.rename({name: f"{name}_{side}" for name in known.columns})
        frame = frame.join(of_side, on=f"pair_id_{side}", how="left", maintain_order="left")
    sources = sorted(set(frame["source_0"].drop_nulls()) | set(frame["source_1"].drop_nulls()))
    return frame.with_columns(
        (2.0 * pl.col("safer") - 1).alias("safer"),
        *((pl.col(f"{name}_1") - pl.col(f"{name}_0")).alias(name) for name in ("length", "refusal")),
        *(_difference(source).alias(f"model {source}") for source in sources[1:]),
        *(
            comparisons.taxonomy.has(key).fill_null(value=False).cast(pl.Float64).alias(key)
            for key in comparisons.taxonomy.keys
        ),
        *((pl.col("stratum") == name).cast(pl.Float64).alias(name) for name in STRATA),
    )


def _difference(source: str) -> pl.Expr:
    return (pl.col("source_1") == source).cast(pl.Float64) - (pl.col("source_0") == source).cast(pl.Float64)


def _designs(frame: pl.DataFrame, comparisons: Comparisons) -> Iterator[_Design]:
    yield _Design("safer alone", frame, ())
    models = [name for name in frame.columns if name.startswith("model ")]
    terms = tuple(name for name in ("length", "refusal", *models) if _varies(frame, name))
    complete = frame.drop_nulls(terms)
    if terms:
        yield _Design("adjusted", complete, terms)
    known = complete.drop_nulls("stratum")
    strata = tuple(name for name in STRATA[1:] if _varies(known, name))
    if strata:
        yield _Design("stratum", known, terms, strata)
    labelled = complete.drop_nulls("labels")
    categories = tuple(key for key in comparisons.taxonomy.keys if _enough(labelled, key))
    if categories:
        yield _Design("category", labelled, terms, categories)
    graded = complete.drop_nulls("severity").with_columns(pl.col("severity").cast(pl.Float64))
    if graded.height and _varies(graded, "severity"):
        yield _Design("severity", graded, terms, ("severity",))


def _varies(frame: pl.DataFrame, name: str) -> bool:
    return frame[name].drop_nulls().n_unique() > 1


def _enough(frame: pl.DataFrame, name: str) -> bool:
    """Whether a category is present, and absent, in enough effective prompts for a coefficient of its own."""
    by_prompt = frame.group_by("prompt").agg((pl.col(name) > 0).sum().alias("has"), pl.len().alias("n"))
    has, n = by_prompt["has"].to_numpy(), by_prompt["n"].to_numpy()
    return min(float(effective_number(part)) for part in (has, n - has)) >= FEWEST_EFFECTIVE


def _fitted(design: _Design, model: str, models: SimpleNamespace) -> pl.DataFrame:
    y, x = design.frame["better"].to_numpy().astype(np.float64), design.matrix()
    clusters = design.frame["prompt"].to_numpy()
    shared = {"specification": design.name, "model": model, "n": len(y), "prompts": len(np.unique(clusters))}
    if np.linalg.matrix_rank(x) < x.shape[1]:
        return pl.DataFrame([shared | {"undefined": "the regressors are collinear"}], schema=SCHEMA)
    if model == "logistic":
        with warnings.catch_warnings(action="ignore", category=models.Separation):  # told as `undefined` below
            fit = models.Logit(y, x, check_rank=False).fit(disp=0, warn_convergence=False)
        if not fit.mle_retvals["converged"] or np.abs(fit.predict() - y).max() < SEPARATED:
            reason = "the regressors separate the labels, so that no coefficient is finite, or the fit did not converge"
            return pl.DataFrame([shared | {"undefined": reason}], schema=SCHEMA)
    else:
        fit = models.OLS(y, x).fit()
    coefficients, fitted = np.asarray(fit.params), np.asarray(fit.predict())
    weight = fitted * (1 - fitted) if model == "logistic" else np.ones(len(y))
    moves = moves_of(x, weight=weight, residual=y - fitted, clusters=clusters)
    effect, gradient = _average_effect(design, model, coefficients)
    errors, freedom = errors_of(moves, np.vstack([gradient, np.eye(x.shape[1])]))
    doubts = [None, *(LONG_TAIL if is_long and model != "logistic" else None for is_long in _long_tails(x, clusters))]
    estimates = [effect, *coefficients.tolist()]
    values = zip([AVERAGE_EFFECT, *design.names], estimates, errors, freedom, doubts, strict=True)
    return pl.DataFrame([shared | _term(*value) for value in values], schema=SCHEMA)


def _average_effect(design: _Design, model: str, coefficients: Floats) -> tuple[float, Floats]:
    """Mean change of P(y = 1) as safer goes from -1 to +1, and its gradient in the coefficients."""
    high, low = design.matrix(1.0), design.matrix(-1.0)
    if model != "logistic":
        gradient = (high - low).mean(axis=0)
        return float(gradient @ coefficients), gradient
    p = [1 / (1 + np.exp(-(x @ coefficients))) for x in (high, low)]
    slopes = [(share * (1 - share))[:, None] * x for share, x in zip(p, (high, low), strict=True)]
    return float(np.mean(p[0] - p[1])), np.asarray((slopes[0] - slopes[1]).mean(axis=0))


def _long_tails(x: Floats, clusters: NDArray[np.int64]) -> list[bool]:
    """Whether what varies in each of many-valued regressors lies in few of the prompts."""
    worth = worth_of(x, clusters=clusters) / effective_number(np.unique(clusters, return_counts=True)[1])
    many = [len(np.unique(column)) > _MANY_VALUES for column in x.T]
    return [bool(share < _OF_A_TAIL) and is_many for share, is_many in zip(worth, many, strict=True)]


def _term(name: str, estimate: float, error: float, freedom: float, doubt: str | None) -> dict[str, str | float | None]:
    half = float(t_quantile(0.95, df=freedom)) * error
    return {
        "term": name,
        "estimate": estimate,
        "std_error": error,
        "low": estimate - half,
        "high": estimate + half,
        "p_value": float(two_sided_t_p(estimate / error, df=freedom)) if error > 0 else math.nan,
        "undefined": doubt if error > 0 else FEW_DECIDE,
    }
