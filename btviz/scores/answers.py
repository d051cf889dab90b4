"""Scored answers and comparisons beside their labels, and the groups they fall into."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import UsageError, a_type, choice
from btviz.models.protocol import BOUNDARY, KINDS, OPTIONAL, RECORD, SCORES, THRESHOLD, as_scores
from btviz.models.records import BOUNDARIES, OTHER, PRESUMED, UNKNOWN, VERDICT, ScoreRecord
from btviz.preference.comparisons import Comparisons, levels_of, with_strata
from btviz.stats.resampling import Level
from btviz.taxonomy.categories import Taxonomy

SAFE = "safe"
SAFETY = {True: SAFE, False: "unsafe"}
TOPICS = ("pair_id", "topic")


@dataclass(frozen=True, eq=False)
class ModelScores:
    """Scores that one model gives for one target.

    Attributes
    ----------
    model, kind, target : str
        `target` is None but for moderation.
    scores : DataFrame
        `pair_id`, `score`.
    record : ScoreRecord
        What is known of them.
    no_boundary : str or None
        Why nobody can say that a cost of 0 parts safe answers from harmful ones; None where it does.
    """

    model: str
    kind: str
    target: str | None
    scores: pl.DataFrame
    record: ScoreRecord
    no_boundary: str | None = None

    @property
    def threshold(self) -> float | None:
        """What a moderation model records."""
        return self.record.threshold

    @property
    def no_probability(self) -> str | None:
        """Why 1 / (1 + exp(-score)), of rewards of their difference, is no probability; None where it may be one."""
        if self.record.scale == OTHER:
            between = "" if self.record.low is None else f" between {self.record.low:g} and {self.record.high:g}"
            return _NO_LOG_ODDS.format(named=named_scores(self.model, self.kind), between=between)
        return self.no_order

    @property
    def no_order(self) -> str | None:
        """Why answers are not ranked by these scores; None where they are."""
        return _NO_ORDER.format(model=self.model) if self.record.scale == VERDICT else None

    @property
    def names(self) -> dict[str, str | None]:
        """What all rows of its tables begin with."""
        return {"model": self.model, "kind": self.kind, "target": self.target}


def named_scores(model: str, kind: str) -> str:
    """What sentences call the scores of a model: the cost of a model, and cost alone where that is its name."""
    return kind if model == kind else f"{kind} of {model}"


def valid_scores(scores: pl.DataFrame) -> pl.DataFrame:
    """Return a table that has the columns of `SCORES`, each pair once for a model and target, null if not finite.

    A table may lack thresholds, boundaries and records. Thresholds of other models than moderators, and boundaries of
    other than costs, mean nothing, and become null.
    """
    if not isinstance(scores, pl.DataFrame):
        raise UsageError(
            f"A table of scores was to be passed, and this is {a_type(scores)}. "
            "Pass a Polars DataFrame, as btviz.score and btviz.kept_scores give."
        )
    needed = [name for name in SCORES if name not in OPTIONAL]
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
    known = scores.with_columns(
        _thresholds(scores).alias(THRESHOLD), _boundaries(scores).alias(BOUNDARY), _records(scores).alias(RECORD)
    )
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


def _boundaries(scores: pl.DataFrame) -> pl.Series:
    """What is known of the boundary of costs; null for the others."""
    if BOUNDARY not in scores.columns:
        return pl.Series([None] * scores.height, dtype=pl.String)
    stated = scores.select(pl.when(pl.col("kind") == "cost").then(BOUNDARY)).to_series()
    for value in stated.unique().drop_nulls().sort().to_list():
        choice(value, [name for name in BOUNDARIES if name], what="boundary of a cost")
    return stated


def _records(scores: pl.DataFrame) -> pl.Series:
    """What else is known of the scores, each record seen to be one."""
    if RECORD not in scores.columns:
        return pl.Series([None] * scores.height, dtype=pl.String)
    for kind, text in scores.select("kind", RECORD).unique().drop_nulls().rows():
        ScoreRecord.of(kind, records=[text])
    return scores[RECORD]


def _is_number(dtype: pl.DataType) -> bool:
    return dtype.is_numeric() or dtype == pl.Null()


def by_model(scores: pl.DataFrame) -> Iterator[ModelScores]:
    """Yield the scores of each model, kind and target, in the order of their names."""
    limit = pl.col(THRESHOLD).drop_nulls().first().over("model", "kind")  # one for all targets of a model
    table = valid_scores(scores).drop_nulls("score").with_columns(limit.alias(THRESHOLD))
    for (model, kind, target), part in sorted(
        table.group_by("model", "kind", "target"), key=lambda found: [str(name or "") for name in found[0]]
    ):
        known = part.select("pair_id", "score").sort("pair_id")
        yield ModelScores(str(model), str(kind), target, known, _record(part, str(kind)), _doubt(part))


def _record(part: pl.DataFrame, kind: str) -> ScoreRecord:
    limits, boundaries = part[THRESHOLD].drop_nulls().unique(), set(part[BOUNDARY].unique())
    boundary = next((name for name in (UNKNOWN, PRESUMED) if name in boundaries), None)
    texts = part[RECORD].unique().sort().to_list()
    return ScoreRecord.of(kind, records=texts, threshold=limits[0] if len(limits) else None, boundary=boundary)


_RECORDED = pl.Schema(
    {name: pl.String() for name in ("model", "kind", "target", "direction", "zero", "scale")}
    | {"n": pl.Int64(), "low": pl.Float64(), "high": pl.Float64(), "threshold": pl.Float64()}
    | {"threshold_source": pl.String(), "turned": pl.Boolean()}
    | {name: pl.String() for name in ("direction_source", "rescaled", "revision", "template")}
    | {"max_tokens": pl.Int64(), "maker": pl.String(), "no_boundary": pl.String(), "no_probability": pl.String()}
)


def score_records(scores: pl.DataFrame) -> pl.DataFrame:
    """Say what is known of the scores of each model beside their numbers.

    Parameters
    ----------
    scores : DataFrame
        A table of scores.

    Returns
    -------
    DataFrame
        `model`, `kind`, `target`, `direction` (what a higher score says), `zero` (what 0 means: "boundary", "presumed
        boundary", "unknown", "nothing"), `scale` ("log-odds", "probability", "verdict", "other", null where nobody
        said), `n` (scores), `low`, `high` (what they range over by their making), `threshold` (a moderator flags
        above it), `threshold_source`, `turned`, `direction_source` (who says what a higher score means),
        `rescaled`, `revision`, `template`, `max_tokens` (a text is cut off after so many), `maker`; `no_boundary`,
        `no_probability` (why 0 parts nothing, and why a score speaks of no probability; null where there is nothing
        to say). See `btviz.models.ScoreRecord`.

    Raises
    ------
    UsageError
        If this is no table of scores.
    """
    rows = []
    for part in by_model(scores):
        known = {name: getattr(part.record, name) for name in _RECORDED if hasattr(part.record, name)}
        doubts = {"n": part.scores.height, "no_boundary": part.no_boundary, "no_probability": part.no_probability}
        rows.append(known | part.names | doubts)
    return pl.DataFrame(rows, schema=_RECORDED)


_TURNED = "the sign of {model} was turned when it was read, so a cost of 0 need not part safe from harmful"
_ONE_SIDED = "no {named} lies {side} 0, so harm may begin elsewhere"
_NO_LOG_ODDS = (
    "the {named} ranges{between} where it was made, so 1 / (1 + exp(-score)) is no probability that it states"
)
_NO_ORDER = "{model} gives verdicts, which put no answer before another of the same verdict"
_STATE_IT = "{reason}; say where it begins when the file is read: --column COLUMN={sign}cost@NUMBER"


def _doubt(part: pl.DataFrame) -> str | None:
    """Why 0 may be no boundary of the costs of one model."""
    model, boundaries, score = part["model"][0], set(part[BOUNDARY]), part["score"]
    if UNKNOWN in boundaries:
        return _STATE_IT.format(reason=_TURNED.format(model=model), sign="-")
    if PRESUMED in boundaries and not ((score < 0).any() and (score > 0).any()):
        side = "above" if (score < 0).any() else "below"
        return _STATE_IT.format(reason=_ONE_SIDED.format(named=named_scores(model, "cost"), side=side), sign="")
    return None


def judged_answers(
    scored: ModelScores, ds: Dataset, *, topics: pl.DataFrame | None = None, annotations: bool = False
) -> pl.DataFrame:
    """Scored answers with their majority labels, or once for each annotation with that one's labels and split.

    Of answers that count once, `contradicts_is_safe` and `contradicts_labels` tell where such a label is null because
    comparisons of the answer say opposite things of it.
    """
    pairs = ds.pairs.select("pair_id", "prompt_id", "is_safe", "labels", "severity", "source")
    if annotations:
        annotated = ds.annotations.select("pair_id", "prompt_id", "is_safe", "labels", "severity", "split")
        labelled = annotated.join(pairs.select("pair_id", "source"), on="pair_id", how="left", maintain_order="left")
    else:
        known = pairs.join(_contradicted(ds.preferences), on="pair_id", how="left", maintain_order="left")
        known = known.with_columns(
            (pl.col(name).is_null() & pl.col(f"contradicts_{name}").fill_null(value=False)).alias(f"contradicts_{name}")
            for name in _OF_ANSWERS
        )
        labelled = known.join(splits_of(ds), on="pair_id", how="left", maintain_order="left")
    frame = labelled.join(scored.scores, on="pair_id", how="inner", maintain_order="left")
    frame = frame.select("pair_id", "score", pl.exclude("pair_id", "score", "split"), "split")
    return frame.join(_topics(topics), on="pair_id", how="left", maintain_order="left")


_OF_ANSWERS = ("is_safe", "labels")
_OF_COMPARISONS = ("better", "safer")


def _contradicted(comparisons: pl.DataFrame) -> pl.DataFrame:
    """Whether rows of an answer differ in its safety, or in its categories."""
    rows = both_answers(comparisons, "pair_id", *_OF_ANSWERS).group_by("pair_id")
    return rows.agg((pl.col(name).drop_nulls().n_unique() > 1).alias(f"contradicts_{name}") for name in _OF_ANSWERS)


def splits_of(ds: Dataset) -> pl.DataFrame:
    """Split of each answer, `pair_id` and `split`; null where its rows are in several."""
    rows = [ds.annotations.select("pair_id", "split"), both_answers(ds.preferences, "pair_id", "split")]
    single_split = pl.when(pl.col("split").n_unique() == 1).then(pl.col("split").first())
    return pl.concat(rows).group_by("pair_id").agg(single_split.alias("split"))


def both_answers(comparisons: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """First answers of comparisons, then second ones, by columns of the answer or else of the comparison."""
    known = set(comparisons.columns)
    named = [[(f"{name}_{side}" if f"{name}_{side}" in known else name, name) for name in columns] for side in (0, 1)]
    return pl.concat(comparisons.select(pl.col(old).alias(new) for old, new in names) for names in named)


def judged_comparisons(scored: ModelScores, ds: Dataset, *, topics: pl.DataFrame | None = None) -> pl.DataFrame:
    """Comparisons of which both answers were scored, with the orders on which all rows of the two answers agree.

    `better` and `safer` are null where rows of the same two answers, in either place, name opposite ones;
    `contradicts_better` and `contradicts_safer` tell that this is why.
    """
    frame = _agreed(with_strata(ds.preferences))
    known = scored.scores.join(_topics(topics), on="pair_id", how="left")
    for side in (0, 1):
        side_scores = known.rename({name: f"{name}_{side}" for name in known.columns})
        frame = frame.join(side_scores, on=f"pair_id_{side}", how="left", maintain_order="left")
    return frame.drop_nulls(["score_0", "score_1"])


def _agreed(comparisons: pl.DataFrame) -> pl.DataFrame:
    first, second = pl.col("pair_id_0"), pl.col("pair_id_1")
    both = (pl.min_horizontal(first, second), pl.max_horizontal(first, second))
    named = {
        name: pl.when(pl.col(name) == 0).then(first).when(pl.col(name) == 1).then(second) for name in _OF_COMPARISONS
    }
    opposite = [
        (pl.col(name).is_not_null() & (answer.drop_nulls().n_unique().over(*both) > 1)).alias(f"contradicts_{name}")
        for name, answer in named.items()
    ]
    return comparisons.with_columns(opposite).with_columns(
        pl.when(~pl.col(f"contradicts_{name}")).then(name).alias(name) for name in _OF_COMPARISONS
    )


def _topics(topics: pl.DataFrame | None) -> pl.DataFrame:
    if topics is None:
        return pl.DataFrame(schema={"pair_id": pl.UInt64, "topic": pl.Int64})
    missing = [name for name in TOPICS if name not in topics.columns]
    if missing:
        raise UsageError(f"Topics of pairs have the columns {list(TOPICS)}; {missing} are missing. Pass assignments.")
    return topics.select("pair_id", "topic")


def everything(frame: pl.DataFrame) -> Level:
    """The level that all rows belong to."""
    return Level("all", "all", np.ones(frame.height, bool))


def levels_by(frame: pl.DataFrame, taxonomy: Taxonomy, *, by: str) -> list[Level]:
    """Levels of one grouping of answers; those of a category overlap."""
    if by == "all":
        return [everything(frame)]
    if by == "category":
        flags = frame.select(taxonomy.has(key).fill_null(value=False).alias(key) for key in taxonomy.keys)
        return [Level(by, flag.name, flag.to_numpy()) for flag in flags.iter_columns() if flag.any()]
    titles: dict[str, Mapping[Any, str]] = {"is_safe": SAFETY, "severity": dict(enumerate(taxonomy.severities))}
    names = titles.get(by, {})
    values = frame[by].drop_nulls().unique().sort().to_list()
    return [Level(by, names.get(value, str(value)), frame[by].eq_missing(value).to_numpy()) for value in values]


def answer_levels(frame: pl.DataFrame, taxonomy: Taxonomy) -> list[Level]:
    """Levels of answers that are measured: all, split, category, severity, answering model, topic."""
    groupings = ("all", "split", "category", "severity", "source", "topic")
    return [level for by in groupings for level in levels_by(frame, taxonomy, by=by)]


def comparison_levels(frame: pl.DataFrame, taxonomy: Taxonomy) -> list[Level]:
    """Levels of comparisons: those of `btviz.preference`, and split, and topic of either answer."""
    levels = [*levels_of(Comparisons(frame, taxonomy)), *levels_by(frame, taxonomy, by="split")]
    topics = pl.concat([frame["topic_0"], frame["topic_1"].alias("topic_0")]).drop_nulls().unique().sort()
    for topic in topics.to_list():
        either = (frame["topic_0"].eq_missing(topic) | frame["topic_1"].eq_missing(topic)).to_numpy()
        levels.append(Level("topic", str(topic), either))
    return levels


def picture_groups(answers: pl.DataFrame, ds: Dataset, *, by: str) -> list[Level]:
    """Groups of a picture: unsafe answers by category beside the safe ones, or the strata they were compared in."""
    if by == "stratum":
        compared = both_answers(with_strata(ds.preferences), "pair_id", "stratum").drop_nulls().unique()
        parts = compared.partition_by("stratum", as_dict=True)
        ids = answers["pair_id"]
        return [
            Level(by, str(name), ids.is_in(part["pair_id"].implode()).to_numpy()) for (name,), part in parts.items()
        ]
    levels = levels_by(answers, ds.taxonomy, by=by)
    if by == "category":
        safe, unsafe = (answers["is_safe"].eq_missing(value).to_numpy() for value in (True, False))
        return [Level(by, SAFE, safe), *(replace(level, member=level.member & unsafe) for level in levels)]
    if by == "severity":  # of a taxonomy that names no levels only the lowest has a meaning
        names = {name: name for name in ds.taxonomy.severities} or {"0": SAFE}
        return [replace(level, name=names[level.name]) for level in levels if level.name in names]
    return [replace(level, name=f"topic {level.name}") for level in levels] if by == "topic" else levels


def grouped_answers(answers: pl.DataFrame, ds: Dataset, *, by: str) -> pl.DataFrame:
    """Answers with the name of their `group`, once for each that they are in."""
    groups = [(answers.filter(pl.Series(group.member)), group.name) for group in picture_groups(answers, ds, by=by)]
    named = [inside.with_columns(pl.lit(name).alias("group")) for inside, name in groups]
    return pl.concat([answers.clear().with_columns(pl.lit(None, pl.String).alias("group")), *named])


POPULATIONS = ("pairs", "annotations", "prompts")
"""Each answer once; once for each of its annotations, with that one's labels; each prompt once in a group."""

SCORE_GROUPINGS = ("is_safe", "split", "category", "severity", "stratum", "source", "topic", "all")
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

    An answer is in each of its categories, with safe answers beside them, and in each stratum that it was compared
    in. Annotations bring their own labels and split; a prompt counts with the mean score of its answers in the group.

    Columns: `item` (the same on rows of one answer or annotation that is in several groups), `pair_id`, `prompt_id`,
    `split`, `group`, `score` (of the answer), `value` (what is counted: of prompts a mean), `counts` (false on rows
    that only name a further answer of a prompt that is counted already).
    """
    choice(by, SCORE_GROUPINGS, what="grouping")
    choice(population, POPULATIONS, what="population")
    answers = judged_answers(part, ds, topics=topics, annotations=population == "annotations").with_row_index("item")
    items = grouped_answers(answers, ds, by=by).select(_ITEM)
    if population != "prompts":
        return items.with_columns(pl.col("score").alias("value"), pl.lit(value=True).alias("counts"))
    keys = ("prompt_id", "group")
    return items.with_columns(
        pl.col("score").mean().over(keys).alias("value"), pl.struct(keys).is_first_distinct().alias("counts")
    )


def populations_of(ds: Dataset) -> list[str]:
    """What can be counted: a release of comparisons has no annotations of its own."""
    return [name for name in POPULATIONS if name != "annotations" or not ds.annotations.is_empty()]


def groupings_of(ds: Dataset, *, topics: pl.DataFrame | None = None) -> list[str]:
    """Groupings that the data tell something about."""
    pairs = ds.pairs.select("is_safe", "labels", "severity", "source")
    availability = {
        "is_safe": pairs["is_safe"].count() > 0,
        "split": splits_of(ds)["split"].count() > 0,
        "category": pairs["labels"].count() > 0,
        "severity": len(ds.taxonomy.severities) > 0 and pairs["severity"].count() > 0,
        "stratum": with_strata(ds.preferences)["stratum"].count() > 0,
        "source": pairs["source"].count() > 0,
        "topic": topics is not None,
        "all": True,
    }
    return [name for name in SCORE_GROUPINGS if availability[name]]
