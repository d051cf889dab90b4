"""Scores beside the labels they are to be measured against: answers, and comparisons of two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import UsageError, choice
from btviz.models.protocol import KINDS, SCORES, THRESHOLD, as_scores
from btviz.preference.comparisons import Comparisons, Level, levels_of, with_strata
from btviz.taxonomy.categories import Taxonomy

TOPICS = ("pair_id", "topic")


@dataclass(frozen=True, eq=False)
class ModelScores:
    """Scores that one model gives for one target.

    Attributes
    ----------
    model, kind : str
        Name of the model, and "reward", "cost" or "moderation".
    target : str or None
        Slug of a category, or "severity", for moderation.
    scores : DataFrame
        `pair_id`, `score`, without nulls.
    threshold : float or None
        Probability above which the model flags, where it records one.
    """

    model: str
    kind: str
    target: str | None
    scores: pl.DataFrame
    threshold: float | None = None


def checked(scores: pl.DataFrame) -> pl.DataFrame:
    """Return a table that has the columns of `SCORES`, each pair once for a model and target, null if not finite.

    A table may lack thresholds; those of other models than moderators mean nothing, and become null.

    Raises
    ------
    UsageError
        If a column is missing, a kind is unknown, ids are no numbers, a score is there twice, or a moderation
        model records several thresholds, or one that is no probability.
    """
    needed = [name for name in SCORES if name != THRESHOLD]
    missing = [name for name in needed if name not in scores.columns]
    if missing:
        raise UsageError(
            f"A table of scores has the columns {needed}; {missing} are missing. "
            "Make one with btviz.score or btviz.read_scores."
        )
    for kind in scores["kind"].unique().sort().to_list():
        choice(kind, KINDS, what="kind of score")
    if scores.height and not (scores["pair_id"].dtype.is_integer() and _is_number(scores["score"].dtype)):
        raise UsageError(
            f"A table of scores has ids as integers and scores as numbers; these are {scores['pair_id'].dtype} and "
            f"{scores['score'].dtype}. Read files of scores with btviz.read_scores."
        )
    twice = scores.select("pair_id", "model", "kind", "target").is_duplicated().sum()
    if twice:
        raise UsageError(
            f"Each answer has one score of a model; {twice:,} rows of this table share theirs with another. "
            "Keep one row for each pair, model and target."
        )
    known = scores.with_columns(_thresholds(scores).alias(THRESHOLD))
    return as_scores(known).with_columns(pl.when(pl.col("score").is_finite()).then("score"))


def _thresholds(scores: pl.DataFrame) -> pl.Series:
    """What moderation models record; null for the others."""
    flagging = scores.filter(pl.col("kind") == "moderation")
    if THRESHOLD not in scores.columns or not flagging[THRESHOLD].count():
        return pl.Series([None] * scores.height, dtype=pl.Float64)
    stated = flagging.select("model", at=THRESHOLD).drop_nulls("at").unique()
    if (
        not _is_number(stated["at"].dtype)
        or stated["model"].is_duplicated().any()
        or not stated["at"].is_between(0, 1).all()
    ):
        raise UsageError(
            f"A moderation model flags above one probability; {stated['model'].unique().sort().to_list()} record "
            f"{stated['at'].unique().sort().to_list()}. Write one, 0 .. 1, into all rows of a model, or null."
        )
    return scores.select(pl.when(pl.col("kind") == "moderation").then(pl.col(THRESHOLD).cast(pl.Float64))).to_series()


def _is_number(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or dtype == pl.Null()


def by_model(scores: pl.DataFrame) -> Iterator[ModelScores]:
    """Yield the scores of each model, kind and target, in the order of their names."""
    table = checked(scores).drop_nulls("score")
    for (model, kind, target), part in sorted(
        table.group_by("model", "kind", "target"), key=lambda found: [str(name or "") for name in found[0]]
    ):
        recorded = part[THRESHOLD].drop_nulls().to_list()
        known = part.select("pair_id", "score").sort("pair_id")
        yield ModelScores(str(model), str(kind), target, known, recorded[0] if recorded else None)


def judged_answers(scored: ModelScores, ds: Dataset, *, topics: pl.DataFrame | None = None) -> pl.DataFrame:
    """Scored answers with their majority labels."""
    columns = ["pair_id", "prompt_id", "is_safe", "labels", "severity", "source"]
    frame = scored.scores.join(ds.pairs.select(columns), on="pair_id", how="inner")
    frame = frame.join(splits_of(ds), on="pair_id", how="left").join(_topics(topics), on="pair_id", how="left")
    return frame.sort("pair_id")


def splits_of(ds: Dataset) -> pl.DataFrame:
    """Split of each answer, `pair_id` and `split`; null where its rows are in several."""
    rows = [ds.annotations.select("pair_id", "split")]
    rows += [ds.preferences.select(pl.col(f"pair_id_{side}").alias("pair_id"), "split") for side in (0, 1)]
    one = pl.when(pl.col("split").n_unique() == 1).then(pl.col("split").first())
    return pl.concat(rows).group_by("pair_id").agg(one.alias("split"))


def judged_comparisons(scored: ModelScores, ds: Dataset, *, topics: pl.DataFrame | None = None) -> pl.DataFrame:
    """Comparisons of which both answers were scored."""
    frame = with_strata(ds.preferences)
    known = scored.scores.join(_topics(topics), on="pair_id", how="left")
    for side in (0, 1):
        own = known.rename({name: f"{name}_{side}" for name in known.columns})
        frame = frame.join(own, on=f"pair_id_{side}", how="left", maintain_order="left")
    return frame.drop_nulls(["score_0", "score_1"])


def _topics(topics: pl.DataFrame | None) -> pl.DataFrame:
    if topics is None:
        return pl.DataFrame(schema={"pair_id": pl.UInt64, "topic": pl.Int64})
    missing = [name for name in TOPICS if name not in topics.columns]
    if missing:
        raise UsageError(f"Topics of pairs have the columns {list(TOPICS)}; {missing} are missing. Pass assignments.")
    return topics.select("pair_id", "topic")


def answer_levels(frame: pl.DataFrame, taxonomy: Taxonomy) -> list[Level]:
    """Levels of answers: all, split, category (overlapping), severity, answering model, topic."""
    levels = [Level("all", "all", np.ones(frame.height, bool)), *_values(frame, "split")]
    for category in taxonomy.categories:
        member = frame.select(taxonomy.has(category.key).fill_null(value=False)).to_series().to_numpy()
        if member.any():
            levels.append(Level("category", category.key, member))
    names = dict(enumerate(taxonomy.severities))
    levels += _values(frame, "severity", names=names)
    return levels + _values(frame, "source") + _values(frame, "topic")


def comparison_levels(frame: pl.DataFrame, taxonomy: Taxonomy) -> list[Level]:
    """Levels of comparisons: those of `btviz.preference`, and split, and topic of either answer."""
    levels = list(levels_of(Comparisons(frame, taxonomy))) + _values(frame, "split")
    topics = pl.concat([frame["topic_0"], frame["topic_1"].alias("topic_0")]).drop_nulls().unique().sort()
    for topic in topics.to_list():
        either = (frame["topic_0"].eq_missing(topic) | frame["topic_1"].eq_missing(topic)).to_numpy()
        levels.append(Level("topic", str(topic), either))
    return levels


def _values(frame: pl.DataFrame, column: str, *, names: dict[int, str] | None = None) -> list[Level]:
    values = frame[column].drop_nulls().unique().sort().to_list()
    return [Level(column, (names or {}).get(v, str(v)), frame[column].eq_missing(v).to_numpy()) for v in values]
