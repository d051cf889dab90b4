"""Helpfulness scores against harmlessness scores: over all answers, by policy, and within a prompt."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.errors import UsageError
from btviz.preference.shares import FEWEST_PROMPTS, Floats, share_table, sums_of
from btviz.stats.association import ratio
from btviz.stats.resampling import Resampling, generator

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
_BLOCK = 2**22


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
        Bootstrap replicates, drawn over prompts, and seed.

    Returns
    -------
    DataFrame
        `grouping`, `level`, `statistic`, `n`, `prompts`, `estimate`, `low`, `high` (95 %,
        resampling prompts), `p_value` (sign flips by prompt), `undefined`:

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
    rows = frame.select(pl.col(own).alias(name) for name, own in named.items()).drop_nulls()
    rows = rows.filter(pl.all_horizontal(pl.col("helpful", "harmless").cast(pl.Float64).is_not_nan()))
    resampling = Resampling(n_boot, random_state)
    levels = [("all", "all", rows)]
    parts = sorted(rows.partition_by("policy"), key=lambda part: str(part["policy"][0]))
    levels += [("policy", str(part["policy"][0]), part) for part in parts]
    tables = [_spearman(part, grouping, level, resampling) for grouping, level, part in levels]
    return pl.concat([*tables, _within_prompt(rows, resampling)])


def spearman(first: Floats, second: Floats, *, weights: Floats) -> Floats:
    """Spearman's rho of weighted items, for many sets of weights.

    Parameters
    ----------
    first, second : array of float, shape (n,)
        The two scores.
    weights : array of float, shape (R, n)
        How often each item counts.

    Returns
    -------
    array of float, shape (R,)
        Correlation of mid-ranks, -1 .. 1: that of the items repeated as often as they count.
        NaN where a score does not vary.
    """
    one, two = (_mid_ranks(values, weights) for values in (first, second))
    total = weights.sum(axis=1, keepdims=True)
    one, two = (ranks - ratio((weights * ranks).sum(axis=1, keepdims=True), total) for ranks in (one, two))
    spread = (weights * one**2).sum(axis=1) * (weights * two**2).sum(axis=1)
    return ratio((weights * one * two).sum(axis=1), np.sqrt(spread))


def _mid_ranks(values: Floats, weights: Floats) -> Floats:
    kinds, place = np.unique(values, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(len(kinds)))
    by_kind = np.add.reduceat(weights[:, order], starts, axis=1)
    ranks: Floats = (np.cumsum(by_kind, axis=1) - by_kind / 2)[:, place]
    return ranks


def _spearman(rows: pl.DataFrame, grouping: str, level: str, resampling: Resampling) -> pl.DataFrame:
    prompts = rows["prompt"].n_unique()
    first, second = (rows[name].cast(pl.Float64).to_numpy() for name in ("helpful", "harmless"))
    found = float(spearman(first, second, weights=np.ones((1, rows.height)))[0]) if rows.height else float("nan")
    reason = None if np.isfinite(found) else "a score does not vary"
    low = high = None
    if reason is None and prompts < FEWEST_PROMPTS:
        reason = f"fewer than {FEWEST_PROMPTS} prompts, too few for an interval"
    if reason is None:
        code = rows["prompt"].rank("dense").to_numpy().astype(np.int64) - 1
        drawn = np.concatenate([spearman(first, second, weights=w) for w in _weights(code, prompts, resampling)])
        low, high = np.nanquantile(drawn, [0.025, 0.975]).tolist()
    row = (grouping, level, "Spearman's rho", rows.height, prompts, found, low, high, None, reason)
    return pl.DataFrame([row], schema=SCHEMA, orient="row").with_columns(pl.col("estimate").fill_nan(None))


def _weights(code: NDArray[np.int64], prompts: int, resampling: Resampling) -> list[Floats]:
    """Weights of the answers, by how often their prompts were drawn, in blocks of replicates."""
    rng = generator(resampling.random_state)
    block = max(1, _BLOCK // max(len(code), 1))
    sizes = [min(block, resampling.n_boot - first) for first in range(0, resampling.n_boot, block)]
    even = np.full(prompts, 1 / prompts)
    return [rng.multinomial(prompts, even, size=size)[:, code].astype(np.float64) for size in sizes]


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
