"""How far a score tells unsafe answers from safe ones."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.preference.comparisons import Level
from btviz.preference.shares import Resampling
from btviz.scoring.intervals import METRICS, Bools, reweighted_row
from btviz.scoring.judged import answer_levels
from btviz.scoring.pairwise import PAIR
from btviz.stats.ordering import Contrast, roc_points
from btviz.stats.reweighting import Weighted
from btviz.taxonomy import Taxonomy

SEPARATION = ("auc", "ks_distance")
AGAINST_SAFE = ("category", "severity")
"""Groupings whose levels hold unsafe answers only: these are told from all safe answers."""

MOST_POINTS = 400
NO_CONTRAST = "no safe or no unsafe answer here, so there is nothing to tell apart"


def separation_rows(answers: pl.DataFrame, *, taxonomy: Taxonomy, resampling: Resampling) -> pl.DataFrame:
    """AUC and Kolmogorov-Smirnov distance between unsafe and safe answers.

    Parameters
    ----------
    answers : DataFrame
        From `btviz.scoring.judged.judged_answers`; those with a safety label count.
    taxonomy : Taxonomy
        Meaning of the labels.
    resampling : Resampling
        Replicates and seed.

    Returns
    -------
    DataFrame
        `metric` ("auc": P(an unsafe answer scores higher than a safe one), ties half;
        "ks_distance", whose resamples, and so its interval, lie a little high), `unit`,
        `support` (unsafe answers), and the columns of `btviz.scoring.intervals.ratio_rows`.
        Levels of category and severity are their unsafe answers against all safe ones.
    """
    known = answers.drop_nulls("is_safe")
    unsafe = ~known["is_safe"].to_numpy().astype(bool)
    tables = [
        told_apart(known, unsafe, level=level, resampling=resampling)
        for level in _contrasts(answer_levels(known, taxonomy), unsafe)
    ]
    return pl.concat(tables).with_columns(pl.lit(PAIR).alias("unit"))


def told_apart(
    answers: pl.DataFrame, positive: Bools, *, level: Level, resampling: Resampling, missing: str = NO_CONTRAST
) -> pl.DataFrame:
    """Both measures of `SEPARATION` at one level, `positive` being the class that should score high."""
    score, member = answers["score"].to_numpy(), level.member

    def measured(number: NDArray[np.int64], prompts: int) -> Weighted:
        return Contrast.of(score[member], positive[member], clusters=number, n_clusters=prompts).separation

    prompt = answers["prompt_id"].to_numpy()
    rows = reweighted_row(measured, level=level, prompt=prompt, resampling=resampling, missing=missing)
    support = int((positive & level.member).sum())
    return rows.with_columns(pl.Series("metric", SEPARATION), pl.lit(support, METRICS["support"]).alias("support"))


def _contrasts(levels: list[Level], unsafe: Bools) -> list[Level]:
    made = []
    for level in levels:
        if level.grouping not in AGAINST_SAFE:
            made.append(level)
        elif (level.member & unsafe).any():
            made.append(Level(level.grouping, level.name, (level.member & unsafe) | ~unsafe))
    return made


def roc_rows(answers: pl.DataFrame) -> pl.DataFrame:
    """Corners of the ROC curve of a score against unsafe, thinned where there are many.

    Returns
    -------
    DataFrame
        `threshold` (null at the start), `false_positive_rate`, `true_positive_rate`, `n`,
        `support` (unsafe answers), `prompts`: at most 401 rows, spread evenly along the curve,
        so the drawn line lies within 1 / 400 of the curve. Empty where a class is.
    """
    known = answers.drop_nulls("is_safe")
    unsafe = ~known["is_safe"].to_numpy().astype(bool)
    threshold, false, true = roc_points(known["score"].to_numpy(), unsafe)
    if unsafe.all() or not unsafe.any():
        threshold, false, true = (np.zeros(0) for _ in range(3))
    length = np.floor((false + true) * MOST_POINTS / 2)
    kept = np.r_[True, np.diff(length) > 0] if len(length) else np.zeros(0, bool)
    kept[-1:] = True
    return pl.DataFrame(
        {
            "threshold": np.where(np.isfinite(threshold), threshold, np.nan)[kept],
            "false_positive_rate": false[kept],
            "true_positive_rate": true[kept],
        }
    ).with_columns(
        pl.col("threshold").fill_nan(None),
        pl.lit(known.height, pl.Int64).alias("n"),
        pl.lit(int(unsafe.sum()), pl.Int64).alias("support"),
        pl.lit(known["prompt_id"].n_unique(), pl.Int64).alias("prompts"),
    )
