"""Scores in bins: what pictures of 334,000 scores are drawn from.

Scored answers as a picture counts them: once each, once an annotation or once a prompt, in groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import UsageError, choice
from btviz.preference.comparisons import with_strata
from btviz.scores.labelled import ModelScores, by_model, judged_answers, splits_of
from btviz.stats.binning import counts_in, density_at, grid_of
from btviz.taxonomy.categories import Taxonomy

BIN_GROUPINGS = ("is_safe", "category", "severity", "source", "all")


SAFETY = {True: "safe", False: "unsafe"}


ALL = "all"


_COUNTED = ("panel", "group")


_COLUMNS = (
    *("model", "kind", "panel", "group", "left", "right"),
    *("count", "n", "prompts", "density", "smooth", "cumulative"),
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
        `smooth` (kernel density at its middle), `cumulative` (share at or below its right end).

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
        answers = _grouped(judged_answers(part, ds), by, ds.taxonomy)
        named = answers.with_columns(pl.lit(part.model).alias("model"), pl.lit(part.kind).alias("kind"))
        known = named.filter(pl.col("split").is_not_null())
        if split and known.height:
            tables.append(known.with_columns(pl.col("split").alias("panel")))
        else:
            tables.append(named.with_columns(pl.lit(ALL).alias("panel")))
    return binned(pl.concat(tables) if tables else None, bins=bins)


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
    columns = ("model", "kind", "prompt_id", "score", pl.col("policy").alias("group"), pl.lit(ALL).alias("panel"))
    return binned(table.select(*columns), bins=bins)


def margin_bins(margins: pl.DataFrame, *, bins: int = 80) -> pl.DataFrame:
    """Distribution of margins by stratum.

    Parameters
    ----------
    margins : DataFrame
        From `btviz.scores.margins.score_margins`.
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
    return binned(rows, bins=bins).join(labels, on=["model", "kind"], maintain_order="left")


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


def _grouped(answers: pl.DataFrame, by: str, taxonomy: Taxonomy) -> pl.DataFrame:
    """Answers with their `group`; those of several categories once for each."""
    columns = ("prompt_id", "score", "split", "group")
    if by == "category":
        parts = [answers.filter("is_safe").with_columns(pl.lit("safe").alias("group"))]
        parts += [
            answers.filter(~pl.col("is_safe"), taxonomy.has(key)).with_columns(pl.lit(key).alias("group"))
            for key in taxonomy.keys
        ]
        return pl.concat([part.select(columns) for part in parts])
    group = {
        "is_safe": pl.col("is_safe").replace_strict(SAFETY, default=None, return_dtype=pl.String),
        "severity": pl.col("severity").replace_strict(
            dict(enumerate(taxonomy.severities)) or {0: "safe"}, default=None, return_dtype=pl.String
        ),
        "source": pl.col("source"),
        "all": pl.lit(ALL),
    }[by]
    return answers.with_columns(group.alias("group")).drop_nulls("group").select(columns)


def binned(rows: pl.DataFrame | None, *, bins: int = 80) -> pl.DataFrame:
    """Count scores in bins, a model's all on one grid.

    Parameters
    ----------
    rows : DataFrame or None
        `model`, `kind`, `panel`, `group`, `prompt_id`, `score`: what is counted, a row each.
    bins : int
        Bins over the range of each model.

    Returns
    -------
    DataFrame
        Columns as in `score_bins`.

    Raises
    ------
    UsageError
        If there are no rows.
    """
    if rows is None or rows.is_empty():
        raise UsageError("A distribution was asked for; no answer has a score and a group. Choose another grouping.")
    return pl.concat(_each(rows, bins)).sort("model", "kind", *_COUNTED, "left", maintain_order=True)


def _each(rows: pl.DataFrame, bins: int) -> Iterator[pl.DataFrame]:
    for (model, kind), own in rows.group_by("model", "kind"):
        edges = grid_of(own["score"].to_numpy(), bins=bins)
        for (panel, group), part in own.group_by(*_COUNTED):
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
            yield pl.DataFrame(table).with_columns(stamp).select(_COLUMNS)


POPULATIONS = ("pairs", "annotations", "prompts")
"""Each answer once; once for each of its annotations, with that one's labels; each prompt once in a group."""


SCORE_GROUPINGS = ("is_safe", "split", "category", "severity", "stratum", "source", "topic", "all")


SAFE = "safe"


_ITEM = ("item", "pair_id", "prompt_id", "split", "group", "score")


def counted_items(
    part: ModelScores,
    ds: Dataset,
    *,
    by: str = "is_safe",
    population: str = "pairs",
    topics: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Arrange the scores of one model in groups.

    Parameters
    ----------
    part : ModelScores
        Scores of one model.
    ds : Dataset
        The data set that was scored.
    by : str
        One of `SCORE_GROUPINGS`. An answer is in each of its categories, with safe answers beside
        them, and in each stratum that it was compared in.
    population : {"pairs", "annotations", "prompts"}
        What counts once. Annotations bring their own labels and split; a prompt counts with the
        mean score of its answers in the group.
    topics : DataFrame, optional
        `pair_id`, `topic`; needed to group by topic.

    Returns
    -------
    DataFrame
        `item` (the same on rows of one answer or annotation that is in several groups), `pair_id`,
        `prompt_id`, `split`, `group`, `score` (of the answer), `value` (what is counted: of prompts
        a mean), `counts` (false on rows that only name a further answer of a prompt that is counted
        already).
    """
    choice(by, SCORE_GROUPINGS, what="grouping")
    choice(population, POPULATIONS, what="population")
    labelled = _labelled(ds, annotations=population == "annotations")
    scored = labelled.join(part.scores, on="pair_id", how="inner").with_row_index("item")
    items = _GROUPED[by](scored, ds, topics).drop_nulls("group").select(_ITEM)
    if population != "prompts":
        return items.with_columns(pl.col("score").alias("value"), pl.lit(value=True).alias("counts"))
    own = ("prompt_id", "group")
    return items.with_columns(
        pl.col("score").mean().over(own).alias("value"), pl.struct(own).is_first_distinct().alias("counts")
    )


def populations_of(ds: Dataset) -> list[str]:
    """What can be counted: a release of comparisons has no annotations of its own."""
    return [name for name in POPULATIONS if name != "annotations" or not ds.annotations.is_empty()]


def groupings_of(ds: Dataset, *, topics: pl.DataFrame | None = None) -> list[str]:
    """Groupings that the data tell something about."""
    pairs = ds.pairs.select("is_safe", "labels", "severity", "source")
    told = {
        "is_safe": pairs["is_safe"].count() > 0,
        "split": splits_of(ds)["split"].count() > 0,
        "category": pairs["labels"].count() > 0,
        "severity": len(ds.taxonomy.severities) > 0 and pairs["severity"].count() > 0,
        "stratum": with_strata(ds.preferences)["stratum"].count() > 0,
        "source": pairs["source"].count() > 0,
        "topic": topics is not None,
        "all": True,
    }
    return [name for name in SCORE_GROUPINGS if told[name]]


def _labelled(ds: Dataset, *, annotations: bool) -> pl.DataFrame:
    of_pairs = ds.pairs.select("pair_id", "prompt_id", "is_safe", "labels", "severity", "source")
    if not annotations:
        return of_pairs.join(splits_of(ds), on="pair_id", how="left")
    own = ds.annotations.select("pair_id", "prompt_id", "is_safe", "labels", "severity", "split")
    return own.join(of_pairs.select("pair_id", "source"), on="pair_id", how="left")


_Topics = pl.DataFrame | None


def _by_safety(scored: pl.DataFrame, _: Dataset, __: _Topics) -> pl.DataFrame:
    return scored.with_columns(
        pl.col("is_safe").replace_strict(SAFETY, default=None, return_dtype=pl.String).alias("group")
    )


def _by_category(scored: pl.DataFrame, ds: Dataset, _: _Topics) -> pl.DataFrame:
    taxonomy: Taxonomy = ds.taxonomy
    parts = [scored.filter("is_safe").with_columns(pl.lit(SAFE).alias("group"))]
    parts += [
        scored.filter(~pl.col("is_safe"), taxonomy.has(key)).with_columns(pl.lit(key).alias("group"))
        for key in taxonomy.keys
    ]
    return pl.concat(parts)


def _by_severity(scored: pl.DataFrame, ds: Dataset, _: _Topics) -> pl.DataFrame:
    names = dict(enumerate(ds.taxonomy.severities)) or {0: SAFE}
    return scored.with_columns(
        pl.col("severity").replace_strict(names, default=None, return_dtype=pl.String).alias("group")
    )


def _by_stratum(scored: pl.DataFrame, ds: Dataset, _: _Topics) -> pl.DataFrame:
    compared = with_strata(ds.preferences)
    sides = [compared.select(pl.col(f"pair_id_{side}").alias("pair_id"), "stratum") for side in (0, 1)]
    strata = pl.concat(sides).drop_nulls().unique().rename({"stratum": "group"})
    return scored.join(strata, on="pair_id", how="inner")


def _by_topic(scored: pl.DataFrame, _: Dataset, topics: _Topics) -> pl.DataFrame:
    if topics is None:
        return scored.with_columns(pl.lit(None, pl.String).alias("group"))
    named = topics.select("pair_id", pl.format("topic {}", "topic").alias("group"))
    return scored.join(named, on="pair_id", how="left")


def _by_column(column: str) -> Callable[[pl.DataFrame, Dataset, _Topics], pl.DataFrame]:
    return lambda scored, _, __: scored.with_columns(pl.col(column).alias("group"))


def _all(scored: pl.DataFrame, _: Dataset, __: _Topics) -> pl.DataFrame:
    return scored.with_columns(pl.lit("all").alias("group"))


_GROUPED: Mapping[str, Callable[[pl.DataFrame, Dataset, _Topics], pl.DataFrame]] = {
    "is_safe": _by_safety,
    "split": _by_column("split"),
    "category": _by_category,
    "severity": _by_severity,
    "stratum": _by_stratum,
    "source": _by_column("source"),
    "topic": _by_topic,
    "all": _all,
}
