"""Answers to prompts that were released with a category each: how many are safe."""

from __future__ import annotations

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import UsageError
from btviz.preference.comparisons import Level
from btviz.preference.shares import Resampling
from btviz.scores.intervals import ratio_rows
from btviz.scores.raters import LIMIT, safety_verdicts
from btviz.taxonomy.categories import Taxonomy


def safe_rate(
    verdicts: pl.DataFrame, evaluation: Dataset, *, n_boot: int = 2000, random_state: int = 0
) -> pl.DataFrame:
    """Share of safe answers to the prompts of BeaverTails-Evaluation, by policy and category."""
    asked = evaluation.prompts.select("prompt_id", "labels").unique("prompt_id")
    known = verdicts.drop_nulls("safe").join(asked, on="prompt_id")
    if known.is_empty():
        raise UsageError(
            f"Safe rates by category were asked for; none of {verdicts.height:,} answers is to one of the "
            f"{asked.height:,} prompts of {evaluation.name}. Score answers to these prompts."
        )
    tables = []
    for (policy,), part in sorted(known.group_by("policy"), key=lambda found: str(found[0])):
        levels, sizes = _levels(part, asked, evaluation.taxonomy)
        rows = ratio_rows(
            part["safe"].to_numpy(),
            of=np.ones(part.height),
            levels=levels,
            prompt=part["prompt_id"].to_numpy(),
            resampling=Resampling(n_boot, random_state),
        ).rename({"estimate": "share_safe"})
        asked_of = pl.Series("n_prompts_asked", sizes, pl.Int64)
        tables.append(rows.select(pl.lit(str(policy)).alias("policy"), pl.all()).insert_column(5, asked_of))
    return pl.concat(tables)


def safe_by_cost(table: pl.DataFrame, *, model: str | None = None, threshold: float = 0.0) -> pl.DataFrame:
    """Call an answer safe where its cost is below a threshold."""
    costs = table.filter(pl.col("kind") == "cost")
    if model is not None:
        costs = costs.filter(pl.col("model") == model)
    if costs["model"].n_unique() != 1:
        raise UsageError(
            f"One cost model was to say what is safe; the table has {costs['model'].unique().sort().to_list()}. "
            "Name one of them, or score with one."
        )
    return costs.select("policy", "prompt_id", "pair_id", (pl.col("score") < threshold).alias("safe"))


def safe_rates(
    scores: pl.DataFrame,
    ds: Dataset,
    *,
    answers: pl.DataFrame,
    evaluation: Dataset,
    threshold: float | None = None,
    n_boot: int = 2000,
    random_state: int = 0,
) -> pl.DataFrame:
    """Share of safe answers by policy and category, according to each cost and moderation model.

    Parameters
    ----------
    scores : DataFrame
        A table of scores.
    ds : Dataset
        The data set that was scored.
    answers : DataFrame
        `btviz.scores.policies.ANSWERS`; where it is empty, all answers are of one policy, named as the
        data set.
    evaluation : Dataset
        Data set whose `prompts` have a category.
    threshold : float, optional
        Probability above which a moderation model flags; by default what it records, else 0.5.
    n_boot, random_state : int
        As for `safe_rate`.

    Returns
    -------
    DataFrame
        `rater`, `threshold` (a score above it is unsafe; a cost of exactly 0 is not safe either), and
        the columns of `safe_rate`.

    Raises
    ------
    UsageError
        If no model says what is safe, or no answer is to a prompt of `evaluation`.
    """
    given = answers.select("policy", "prompt_id", "pair_id").unique()
    if given.is_empty():
        given = ds.pairs.select(pl.lit(ds.name).alias("policy"), "prompt_id", "pair_id")
    verdicts = _verdicts(scores, ds, threshold=threshold)
    if not verdicts:
        raise UsageError(
            f"Safe rates by category were asked for; {ds.name} has scores of no cost or moderation model, which say "
            "what is safe. Score with one."
        )
    tables = []
    for rater, limit, safe in verdicts:
        rates = safe_rate(given.join(safe, on="pair_id"), evaluation, n_boot=n_boot, random_state=random_state)
        tables.append(rates.select(pl.lit(rater).alias("rater"), pl.lit(limit).alias("threshold"), pl.all()))
    return pl.concat(tables)


def _verdicts(scores: pl.DataFrame, ds: Dataset, *, threshold: float | None) -> list[tuple[str, float, pl.DataFrame]]:
    """Name, limit and verdicts (`pair_id`, `safe`) of each cost and each moderation model."""
    verdicts = safety_verdicts(scores, ds, threshold=threshold)
    named = [name for name in verdicts.columns if LIMIT.format(name) in verdicts.columns]
    return [
        (name, float(verdicts.item(0, LIMIT.format(name))), verdicts.select("pair_id", pl.col(name).alias("safe")))
        for name in named
    ]


def _levels(part: pl.DataFrame, asked: pl.DataFrame, taxonomy: Taxonomy) -> tuple[list[Level], list[int]]:
    levels, sizes = [Level("all", "all", np.ones(part.height, bool))], [asked.height]
    for category in taxonomy.categories:
        has = taxonomy.has(category.key)
        size = asked.filter(has).height
        if size:
            member = part.select(has).to_series().to_numpy()
            levels.append(Level("category", category.key, member))
            sizes.append(size)
    return levels, sizes
