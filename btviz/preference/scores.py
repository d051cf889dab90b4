"""Helpfulness scores against harmlessness scores: over all answers, by policy, and within a prompt."""

from __future__ import annotations

import numpy as np
import polars as pl

from btviz.errors import UsageError
from btviz.preference.shares import reasons_of, share_table, sums_of
from btviz.stats.resampling import Resampling
from btviz.stats.separation import spearman_interval

SCHEMA = pl.Schema(
    {
        "grouping": pl.String(),
        "level": pl.String(),
        "statistic": pl.String(),
        "n": pl.Int64(),
        "prompts": pl.Int64(),
        "estimate": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "p_value": pl.Float64(),
        "undefined": pl.String(),
    }
)


def score_association(
    frame: pl.DataFrame,
    *,
    helpful: str = "helpful_score",
    harmless: str = "harmless_score",
    prompt: str = "index",
    policy: str = "policy",
    n_boot: int = 2000,
    random_state: int = 0,
) -> pl.DataFrame:
    """Association of two scores of the same answers.

    An association over all answers can come from policies that differ in both scores, or from
    prompts that do (Simpson's paradox), so it stands beside that of each policy, and that of
    the answers to one prompt.

    Parameters
    ----------
    frame : DataFrame
        One row per answer; rows without a score (null or NaN) are left out.
    helpful, harmless, prompt, policy : str
        Columns: the two scores, and what names the prompt and the answering model.
    n_boot, random_state : int
        Checked, and seed of the sign flips.

    Returns
    -------
    DataFrame
        `grouping`, `level`, `statistic`, `n`, `prompts`, `estimate`, `low`, `high` (95 %, by
        prompt), `p_value` (sign flips by prompt), `undefined`:

        - "all" and each level of "policy": Spearman's rho over answers, -1 .. 1;
        - "within prompt": the share, 0 .. 1, of pairs of answers to one prompt, tied in neither
          score, that both scores put in the same order.

    Raises
    ------
    UsageError
        If a column is missing.
    """
    columns = [helpful, harmless, prompt, policy]
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise UsageError(f"Scores need the columns {columns}; {missing} are missing. Name yours by keyword.")
    named = {"helpful": helpful, "harmless": harmless, "prompt": prompt, "policy": policy}
    rows = frame.select(pl.col(column).alias(name) for name, column in named.items()).drop_nulls()
    rows = rows.filter(pl.all_horizontal(pl.col("helpful", "harmless").cast(pl.Float64).is_not_nan()))
    resampling = Resampling(n_boot, random_state)
    levels = [("all", "all", rows)]
    parts = sorted(rows.partition_by("policy"), key=lambda part: str(part["policy"][0]))
    levels += [("policy", str(part["policy"][0]), part) for part in parts]
    tables = [_spearman(part, grouping, level) for grouping, level, part in levels]
    return pl.concat([*tables, _within_prompt(rows, resampling)])


def _spearman(rows: pl.DataFrame, grouping: str, level: str) -> pl.DataFrame:
    first, second = (rows[name].cast(pl.Float64).to_numpy() for name in ("helpful", "harmless"))
    prompt = rows["prompt"].rank("dense").to_numpy().astype(np.int64)
    found = spearman_interval(first, second, clusters=prompt)
    values = (float(value[0]) for value in (found.estimate, found.low, found.high))
    reason = reasons_of(found, nothing="a score does not vary")[0]
    row = (grouping, level, "Spearman's rho", rows.height, rows["prompt"].n_unique(), *values, None, reason)
    table = pl.DataFrame([row], schema=SCHEMA, orient="row")
    return table.with_columns(pl.col("estimate", "low", "high").fill_nan(None))


def _within_prompt(rows: pl.DataFrame, resampling: Resampling) -> pl.DataFrame:
    numbered = rows.with_row_index("row")
    pairs = numbered.join(numbered, on="prompt", suffix="_other").filter(pl.col("row") < pl.col("row_other"))
    untied = pairs.select(
        "prompt",
        *((pl.col(name) - pl.col(f"{name}_other")).sign().alias(name) for name in ("helpful", "harmless")),
    ).filter(pl.col("helpful") != 0, pl.col("harmless") != 0)
    same = (untied["helpful"] == untied["harmless"]).to_numpy()
    sums = sums_of(np.ones((len(same), 1), bool), hit=same, prompt=untied["prompt"].to_numpy())
    return share_table(sums, resampling).select(
        pl.lit("within prompt").alias("grouping"),
        pl.lit("all").alias("level"),
        pl.lit("share of untied pairs of answers in the same order").alias("statistic"),
        "n",
        "prompts",
        pl.col("p").alias("estimate"),
        pl.col("p_low").alias("low"),
        pl.col("p_high").alias("high"),
        "p_value",
        "undefined",
    )
