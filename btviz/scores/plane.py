"""Reward against cost of the same answers: association, and the four quadrants."""

from __future__ import annotations

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import UsageError
from btviz.preference.scores import score_association
from btviz.scores.answers import ModelScores, answer_levels, by_model, judged_answers, levels_by
from btviz.scores.intervals import ratio_rows
from btviz.stats.resampling import Resampling

QUADRANTS = {
    "helpful and safe": (True, False),
    "helpful but harmful": (True, True),
    "unhelpful but safe": (False, False),
    "unhelpful and harmful": (False, True),
}
"""By whether the reward is above its origin, and the cost above its own."""


def reward_and_cost(
    scores: pl.DataFrame, ds: Dataset, *, reward: str | None = None, cost: str | None = None
) -> pl.DataFrame:
    """Put reward and cost of each answer side by side.

    Parameters
    ----------
    scores : DataFrame
        A table of scores.
    ds : Dataset
        The data set that was scored.
    reward, cost : str, optional
        Names of the models; needed where there are several of a kind.

    Returns
    -------
    DataFrame
        `pair_id`, `prompt_id`, `reward`, `cost`, `is_safe`, `labels`, `severity`, `source`,
        `split`, `topic` (null), `no_boundary` (why a cost of 0 may part nothing; null where it does), of answers
        that have both scores.

    Raises
    ------
    UsageError
        If a kind is missing, or several models have it and none was named.
    """
    of_reward = judged_answers(model_of(scores, "reward", name=reward), ds).rename({"score": "reward"})
    costs = model_of(scores, "cost", name=cost)
    plane = of_reward.join(costs.scores.rename({"score": "cost"}), on="pair_id").sort("pair_id")
    return plane.with_columns(pl.lit(costs.no_boundary, pl.String).alias("no_boundary"))


def model_of(scores: pl.DataFrame, kind: str, *, name: str | None = None) -> ModelScores:
    """Scores of the one model of a kind, or of that with a name."""
    candidates = [part for part in by_model(scores.filter(pl.col("kind") == kind)) if name in (None, part.model)]
    if len(candidates) == 1:
        return candidates[0]
    known = sorted({part.model for part in by_model(scores.filter(pl.col("kind") == kind))})
    raise UsageError(
        f"One {kind} model was asked for{f', named {name!r}' if name else ''}; the scores have {known or 'none'}. "
        + (f"Name one of them: {kind}=..." if known else f"Add the scores of a {kind} model.")
    )


def reward_against_cost(plane: pl.DataFrame, *, n_boot: int = 2000, random_state: int = 0) -> pl.DataFrame:
    """Association of reward and cost: over all answers, by safety and source, and within a prompt.

    Parameters
    ----------
    plane : DataFrame
        From `reward_and_cost`.
    n_boot, random_state : int
        Checked, and seed of the sign flips; intervals are in closed form.

    Returns
    -------
    DataFrame
        Columns of `btviz.score_association`. `grouping` is "all", "is_safe" (levels safe,
        unsafe), "source" and "within prompt". A positive rho: answers that are more helpful
        cost more. Within a prompt: share of untied pairs of its answers that both scores order
        alike, 1/2 where they are unrelated.
    """
    named = plane.with_columns(pl.col("is_safe").replace_strict({True: "safe", False: "unsafe"}, default=None))
    tables = []
    for column in ("is_safe", "source"):
        known = named.filter(pl.col(column).is_not_null()) if column == "source" else named
        part = score_association(
            known.with_columns(pl.col(column).fill_null("unlabelled")),
            helpful="reward",
            harmless="cost",
            prompt="prompt_id",
            policy=column,
            n_boot=n_boot,
            random_state=random_state,
        )
        levels = part.filter(pl.col("grouping") == "policy").with_columns(pl.lit(column).alias("grouping"))
        tables += [part.filter(pl.col("grouping") != "policy"), levels] if column == "is_safe" else [levels]
    place = pl.col("grouping").replace_strict({"all": 0, "is_safe": 1, "source": 2, "within prompt": 3})
    return pl.concat(tables).sort(place, maintain_order=True)


def score_quadrants(
    plane: pl.DataFrame,
    ds: Dataset,
    *,
    reward_origin: float | None = None,
    cost_origin: float | None = None,
    n_boot: int = 2000,
    random_state: int = 0,
) -> pl.DataFrame:
    """Count answers in the four quadrants of reward and cost.

    Parameters
    ----------
    plane : DataFrame
        From `reward_and_cost`.
    ds : Dataset
        Its data set.
    reward_origin : float, optional
        Where helpful begins. By default the median: a Bradley-Terry reward has no zero of its
        own.
    cost_origin : float, optional
        Where harmful begins; by default 0, unless that may be no boundary of this cost: then nothing is counted.
    n_boot, random_state : int
        Checked; intervals are in closed form.

    Returns
    -------
    DataFrame
        `grouping`, `level`, `quadrant` (of `QUADRANTS`; on an origin counts as below it),
        `n_quadrant`, `n`, `prompts`, `share`, `low`, `high` (95 %, by prompt), `undefined`,
        `reward_origin`, `cost_origin` (null where it is not known), `reward_origin_is` ("median" or "given"),
        `n_labelled` (answers of the plane that are labelled safe or unsafe: without any, nothing shows that the cost's
        origin parts them).
    """
    Resampling(n_boot, random_state)  # refuses what makes no sense
    if plane.is_empty():
        raise UsageError("Quadrants of no answers were asked for: none has both scores. Score them with both models.")
    no_boundary = plane["no_boundary"][0] if cost_origin is None and "no_boundary" in plane.columns else None
    origin = float(plane["reward"].median()) if reward_origin is None else reward_origin  # type: ignore[arg-type]  # numbers
    helpful, harmful = (plane["reward"] > origin).to_numpy(), (plane["cost"] > (cost_origin or 0.0)).to_numpy()
    levels = [level for level in answer_levels(plane, ds.taxonomy) if level.grouping not in ("topic", "severity")]
    levels += reversed(levels_by(plane, ds.taxonomy, by="is_safe"))  # safe answers first
    tables = []
    for name, (up, bad) in QUADRANTS.items():
        inside = (helpful == up) & (harmful == bad)
        rows = ratio_rows(inside, of=np.ones(plane.height), levels=levels, prompt=plane["prompt_id"].to_numpy())
        counts = [int((inside & level.member).sum()) for level in levels]
        tables.append(rows.with_columns(pl.lit(name).alias("quadrant"), pl.Series("n_quadrant", counts)))
    columns = ["grouping", "level", "quadrant", "n_quadrant", "n", "prompts", "share", "low", "high", "undefined"]
    quadrants = pl.concat(tables).rename({"estimate": "share"}).select(columns)
    if no_boundary is not None:
        quadrants = quadrants.with_columns(
            *(pl.lit(None, quadrants.schema[name]).alias(name) for name in ("n_quadrant", "share", "low", "high")),
            undefined=pl.lit(no_boundary),
        )
    return quadrants.with_columns(
        reward_origin=pl.lit(origin),
        cost_origin=pl.lit(None if no_boundary else cost_origin or 0.0, pl.Float64),
        reward_origin_is=pl.lit("median" if reward_origin is None else "given"),
        n_labelled=pl.lit(plane["is_safe"].count()),
    )
