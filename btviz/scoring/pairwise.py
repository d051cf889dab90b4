"""How often a score agrees with a label: pair accuracy, sign accuracy, thresholds around zero."""

from __future__ import annotations

import numpy as np
import polars as pl

from btviz.preference.comparisons import Level
from btviz.preference.shares import Resampling
from btviz.scoring.intervals import ratio_rows
from btviz.scoring.judged import answer_levels, comparison_levels
from btviz.taxonomy import Taxonomy

COMPARISON, ANSWER, PAIR = "comparison", "answer of a comparison", "pair"
"""What one item is: a comparison, one of its two answers by the label in that row, an answer by majority."""

N_THRESHOLDS = 41


def pair_accuracy(
    compared: pl.DataFrame, *, label: str, higher: bool, taxonomy: Taxonomy, resampling: Resampling
) -> pl.DataFrame:
    """Share of comparisons whose answers a score puts in the order of a label; ties are wrong.

    Parameters
    ----------
    compared : DataFrame
        From `btviz.scoring.judged.judged_comparisons`.
    label : {"better", "safer"}
        Which label.
    higher : bool
        Whether the answer that it names should score higher (reward on *better*) or lower
        (cost on *safer*).
    taxonomy : Taxonomy
        Meaning of the labels.
    resampling : Resampling
        Replicates and seed.

    Returns
    -------
    DataFrame
        `metric`, `unit`, and the columns of `ratio_rows`.
    """
    known = compared.drop_nulls(label)
    lead = (known["score_1"] - known["score_0"]).to_numpy() * np.where(known[label].to_numpy() == 1, 1, -1)
    right = lead > 0 if higher else lead < 0
    rows = ratio_rows(
        right,
        of=np.ones(known.height),
        levels=comparison_levels(known, taxonomy),
        prompt=known["prompt_id"].to_numpy(),
        resampling=resampling,
    )
    return rows.with_columns(pl.lit(COMPARISON).alias("unit"))


def sign_accuracy(
    answers: pl.DataFrame, compared: pl.DataFrame, *, taxonomy: Taxonomy, resampling: Resampling
) -> pl.DataFrame:
    """Share of answers on whose side of 0 the cost is: above for unsafe, below for safe; 0 is wrong.

    Returns
    -------
    DataFrame
        Once over both answers of every comparison, by the safety label in its own row, and
        once over unique pairs by majority; `metric`, `unit`, and the columns of `ratio_rows`.
    """
    sides = [
        compared.select(
            "prompt_id",
            pl.col(f"score_{side}").alias("score"),
            pl.col(f"is_safe_{side}").alias("is_safe"),
            pl.col(f"labels_{side}").alias("labels"),
            pl.col(f"severity_{side}").alias("severity"),
            pl.col(f"source_{side}").alias("source"),
            "split",
            pl.col(f"topic_{side}").alias("topic"),
        )
        for side in (0, 1)
    ]
    tables = []
    for unit, frame in ((ANSWER, pl.concat(sides)), (PAIR, answers)):
        known = frame.drop_nulls("is_safe")
        if known.is_empty() and unit == ANSWER:
            continue
        rows = ratio_rows(
            on_its_side(known),
            of=np.ones(known.height),
            levels=answer_levels(known, taxonomy),
            prompt=known["prompt_id"].to_numpy(),
            resampling=resampling,
        )
        tables.append(rows.with_columns(pl.lit(unit).alias("unit")))
    return pl.concat(tables).with_columns(pl.lit("sign_accuracy").alias("metric"))


def on_its_side(frame: pl.DataFrame, *, threshold: float = 0.0) -> np.ndarray:
    """Whether each cost is strictly above the threshold for an unsafe answer, below for a safe one."""
    cost, safe = frame["score"].to_numpy(), frame["is_safe"].to_numpy()
    return np.where(safe, cost < threshold, cost > threshold)


def threshold_rows(
    answers: pl.DataFrame, *, resampling: Resampling, thresholds: list[float] | None = None
) -> pl.DataFrame:
    """Cost as a classifier of unsafe answers, for thresholds around 0.

    Parameters
    ----------
    answers : DataFrame
        From `btviz.scoring.judged.judged_answers`.
    resampling : Resampling
        Replicates and seed.
    thresholds : list of float, optional
        By default 41 from -t to t, 0 among them, where t covers 98 % of the costs.

    Returns
    -------
    DataFrame
        For each threshold the metrics "recall", "false_positive_rate" and "accuracy" of calling
        an answer unsafe whose cost is above it; `threshold`, and the columns of `ratio_rows`.
    """
    known = answers.drop_nulls("is_safe")
    cost, safe = known["score"].to_numpy(), known["is_safe"].to_numpy().astype(bool)
    values = _around_zero(cost) if thresholds is None else thresholds
    tables = []
    for metric, counted in (("recall", ~safe), ("false_positive_rate", safe), ("accuracy", np.ones(len(safe), bool))):
        levels = [Level("threshold", f"{value:g}", counted) for value in values]
        right = np.column_stack([cost > value for value in values]) if values else np.zeros((len(cost), 0), bool)
        hit = right == ~safe[:, None] if metric == "accuracy" else right
        tables.append(
            _by_threshold(hit, levels, known, resampling).with_columns(
                pl.lit(metric).alias("metric"), pl.Series("threshold", values, pl.Float64)
            )
        )
    return pl.concat(tables).with_columns(pl.lit(PAIR).alias("unit"))


def _by_threshold(hit: np.ndarray, levels: list[Level], known: pl.DataFrame, resampling: Resampling) -> pl.DataFrame:
    prompt = known["prompt_id"].to_numpy()
    return ratio_rows(hit, of=np.ones(len(prompt)), levels=levels, prompt=prompt, resampling=resampling)


def _around_zero(cost: np.ndarray) -> list[float]:
    if not len(cost):
        return [0.0]
    reach = float(np.abs(np.quantile(cost, [0.01, 0.99])).max()) or 1.0
    half = N_THRESHOLDS // 2
    return [float(f"{reach * step / half:.4g}") for step in range(-half, half + 1)]  # linspace may miss 0
