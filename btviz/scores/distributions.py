"""How scores are distributed: their range, and the bins that pictures of 334,000 scores are drawn from."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import UsageError, choice
from btviz.scores.answers import by_model, grouped_answers, judged_answers, valid_scores
from btviz.stats.binning import counts_in, density_at, grid_of

BIN_GROUPINGS = ("is_safe", "category", "severity", "source", "all")
ALL = "all"
_COUNTED = ("panel", "group")

_COLUMNS = (
    *("model", "kind", "panel", "group", "left", "right"),
    *("count", "n", "prompts", "density", "smooth", "cumulative", "no_boundary"),
)


def score_bins(
    scores: pl.DataFrame, ds: Dataset, *, by: str = "is_safe", split: bool = True, bins: int = 80
) -> pl.DataFrame:
    """Distribution of each reward and cost model's scores by group, as Figure 6 shows them.

    Parameters
    ----------
    scores : DataFrame
        A table of scores.
    ds : Dataset
        The data set that was scored.
    by : {"is_safe", "category", "severity", "source", "all"}
        What the groups are. An answer is in each of its categories; safe answers are a group
        beside them.
    split : bool
        A panel for each split, train and test; answers in both or none are left out, unless
        no split is known.
    bins : int
        Bins over the range of each model.

    Returns
    -------
    DataFrame
        `model`, `kind`, `panel` (split, or "all"), `group`, `left`, `right` (ends of the bin),
        `count`, `n` (answers of the group), `prompts`, `density` (per unit, of the bin),
        `smooth` (kernel density at its middle), `cumulative` (share at or below its right end), `no_boundary` (why a
        cost of 0 may part nothing; null where it does).

    Raises
    ------
    UsageError
        If no answer has a score and a group, or no answer a category that is to be grouped by.
    """
    choice(by, BIN_GROUPINGS, what="grouping")
    if by == "category" and not ds.pairs["labels"].count():
        raise UsageError(
            f"Scores by harm category were asked for, but no answer of {ds.name!r} is labelled by category. Use data "
            'that are, or group by "is_safe".'
        )
    tables = []
    for part in by_model(scores.filter(pl.col("kind").is_in(["reward", "cost"]))):
        answers = grouped_answers(judged_answers(part, ds), ds, by=by)
        named = answers.select("prompt_id", "score", "split", "group").with_columns(
            *(pl.lit(part.names[name]).alias(name) for name in ("model", "kind")),
            pl.lit(part.no_boundary, pl.String).alias("no_boundary"),
        )
        known = named.filter(pl.col("split").is_not_null())
        if split and known.height:
            tables.append(known.with_columns(pl.col("split").alias("panel")))
        else:
            tables.append(named.with_columns(pl.lit(ALL).alias("panel")))
    return bins_of(pl.concat(tables) if tables else None, bins=bins)


def policy_bins(table: pl.DataFrame, *, bins: int = 80) -> pl.DataFrame:
    """Distribution of each model's scores by policy, as Figure 7 shows them before and after.

    Parameters
    ----------
    table : DataFrame
        From `btviz.scores.policies.policy_scores`.
    bins : int
        Bins over the range of each model.

    Returns
    -------
    DataFrame
        Columns as in `score_bins`; `group` is the policy.
    """
    columns = ["model", "kind", "prompt_id", "score", *(["no_boundary"] if "no_boundary" in table.columns else [])]
    return bins_of(table.select(*columns, pl.col("policy").alias("group"), pl.lit(ALL).alias("panel")), bins=bins)


def published_policy_bins(table: pl.DataFrame) -> pl.DataFrame:
    """What Figure 7 of BeaverTails shows of the models of a table, if it shows any.

    Parameters
    ----------
    table : DataFrame
        From `policy_bins`.

    Returns
    -------
    DataFrame
        `model` (as in the table), `kind`, `group` ("Alpaca-7B" before, "Beaver" after training), `left`, `right`,
        `count`, `n` (1,599), `density`, of each of its models that is beaver-7b-v1.0-reward or -cost, whose scores
        alone stand on that scale; no rows for others. Digitised from the picture.
    """
    frames = [pl.DataFrame(schema=_PUBLISHED)]
    for model, kind in table.select("model", "kind").unique(maintain_order=True).rows():
        if f"beaver-7b-v1.0-{kind}" in str(model).lower():
            frames += [_printed(shown, str(model)) for shown in _figure_7() if shown["kind"] == kind]
    return pl.concat(frames)


_PUBLISHED = pl.Schema(
    {
        "model": pl.String(),
        "kind": pl.String(),
        "group": pl.String(),
        "left": pl.Float64(),
        "right": pl.Float64(),
        "count": pl.Int64(),
        "n": pl.Int64(),
        "density": pl.Float64(),
    }
)


@cache
def _figure_7() -> tuple[dict[str, Any], ...]:
    document = tomllib.loads((resources.files("btviz") / "resources" / "figure_7.toml").read_text("utf-8"))
    return tuple(document["histogram"])


def _printed(shown: dict[str, Any], model: str) -> pl.DataFrame:
    counts = np.array(shown["counts"], np.int64)
    middles = np.linspace(shown["first"], shown["last"], len(counts))
    half, n = (middles[1] - middles[0]) / 2, int(counts.sum())
    table = {
        "model": [model] * len(counts),
        "kind": [shown["kind"]] * len(counts),
        "group": [shown["group"]] * len(counts),
        "left": middles - half,
        "right": middles + half,
        "count": counts,
        "n": [n] * len(counts),
        "density": counts / n / (2 * half),
    }
    return pl.DataFrame(table, schema=_PUBLISHED)


def margin_bins(margins: pl.DataFrame, *, bins: int = 80) -> pl.DataFrame:
    """Distribution of margins by stratum.

    Parameters
    ----------
    margins : DataFrame
        From `btviz.scores.differences.score_margins`.
    bins : int
        Bins over the range of each model.

    Returns
    -------
    DataFrame
        Columns as in `score_bins` and `label`; `panel` is "all", `group` the stratum
        ("unlabelled" where no safety is known).
    """
    group = pl.col("stratum").fill_null("unlabelled").alias("group")
    rows = margins.select(
        "model", "kind", "prompt_id", pl.col("margin").alias("score"), group, pl.lit(ALL).alias("panel")
    )
    labels = margins.select("model", "kind", "label").unique()
    return bins_of(rows, bins=bins).join(labels, on=["model", "kind"], maintain_order="left")


def plane_bins(plane: pl.DataFrame, *, bins: int = 60) -> pl.DataFrame:
    """Answers in cells of reward and cost; empty cells are left out.

    Parameters
    ----------
    plane : DataFrame
        From `btviz.scores.plane.reward_and_cost`.
    bins : int
        Bins of either score.

    Returns
    -------
    DataFrame
        `reward_low`, `reward_high`, `cost_low`, `cost_high`, `count`, `n`, `prompts`.
    """
    if plane.is_empty():
        raise UsageError("The plane of reward and cost was asked for; no answer has both. Score it with both models.")
    edges = [grid_of(plane[name].to_numpy(), bins=bins) for name in ("reward", "cost")]
    counts = np.histogram2d(plane["reward"].to_numpy(), plane["cost"].to_numpy(), bins=edges)[0].astype(np.int64)
    across, up = np.nonzero(counts)
    return pl.DataFrame(
        {
            "reward_low": edges[0][across],
            "reward_high": edges[0][across + 1],
            "cost_low": edges[1][up],
            "cost_high": edges[1][up + 1],
            "count": counts[across, up],
        }
    ).with_columns(
        pl.lit(plane.height, pl.Int64).alias("n"), pl.lit(plane["prompt_id"].n_unique(), pl.Int64).alias("prompts")
    )


def bins_of(rows: pl.DataFrame | None, *, bins: int = 80) -> pl.DataFrame:
    """Count rows of `model`, `kind`, `panel`, `group`, `prompt_id`, `score` in bins, a model's all on one grid.

    A column `no_boundary` may say of a model why a cost of 0 parts nothing.
    """
    if rows is None or rows.is_empty():
        raise UsageError("A distribution was asked for; no answer has a score and a group. Choose another grouping.")
    return pl.concat(_each(rows, bins)).sort("model", "kind", *_COUNTED, "left", maintain_order=True)


def _each(rows: pl.DataFrame, bins: int) -> Iterator[pl.DataFrame]:
    for (model, kind), model_rows in rows.group_by("model", "kind"):
        edges = grid_of(model_rows["score"].to_numpy(), bins=bins)
        no_boundary = model_rows["no_boundary"][0] if "no_boundary" in model_rows.columns else None
        for (panel, group), part in model_rows.group_by(*_COUNTED):
            score = part["score"].to_numpy()
            count = counts_in(score, edges=edges)
            table = {
                "left": edges[:-1],
                "right": edges[1:],
                "count": count,
                "density": count / len(score) / np.diff(edges),
                "smooth": density_at(score, edges=edges),
                "cumulative": np.cumsum(count) / len(score),
            }
            named = {"model": model, "kind": kind, "panel": panel, "group": group}
            sizes = {"n": part.height, "prompts": part["prompt_id"].n_unique()}
            stamp = [pl.lit(value).alias(name) for name, value in (named | sizes).items()]
            stamp.append(pl.lit(no_boundary, pl.String).alias("no_boundary"))
            yield pl.DataFrame(table).with_columns(stamp).select(_COLUMNS)


_NO_SCORE = "no score of it is known"
_ONE_SCORE = "one score has no spread"
_QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)


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
    table = valid_scores(scores).with_columns(pl.col("score").fill_nan(None))
    score = pl.col("score")
    names = ("min", *(f"q{round(100 * q):02d}" for q in _QUANTILES[1:-1]), "max")
    return (
        table.group_by("model", "kind", "target")
        .agg(
            score.count().cast(pl.Int64).alias("n"),
            score.null_count().cast(pl.Int64).alias("n_missing"),
            score.mean().alias("mean"),
            score.std().alias("sd"),
            *(score.quantile(q, "linear").alias(name) for q, name in zip(_QUANTILES, names, strict=True)),
            score.drop_nulls().n_unique().cast(pl.Int64).alias("n_distinct"),
            (score.drop_nulls() == score.max()).mean().alias("share_at_max"),
            (score.drop_nulls() == score.min()).mean().alias("share_at_min"),
            (score.drop_nulls() > 0).mean().alias("share_positive"),
            pl.when(score.count() == 0)
            .then(pl.lit(_NO_SCORE))
            .when(score.count() == 1)
            .then(pl.lit(_ONE_SCORE))
            .alias("undefined"),
        )
        .sort("model", "kind", "target")
    )
