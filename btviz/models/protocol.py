"""What a score model is, and the table that its scores make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from numbers import Real
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.data.tables import ID
from btviz.errors import UsageError
from btviz.models.records import DIRECTIONS, PROBABILITY, ScoreRecord

KINDS = tuple(DIRECTIONS)
"""Reward: high is more helpful. Cost: high is more harmful, 0 the boundary. Moderation: probabilities."""

SCORES = pl.Schema(
    {
        "pair_id": ID,
        "model": pl.String(),
        "kind": pl.String(),
        "target": pl.String(),
        "score": pl.Float64(),
        "threshold": pl.Float64(),
        "boundary": pl.String(),
        "record": pl.String(),
    }
)
"""Columns of `scores`; `target` is a category's slug or "severity" for moderation, else null; `threshold` is the
probability above which a moderation model flags, null where it records none; `boundary` says of a cost whether
0 parts safe from harmful, one of `btviz.models.records.BOUNDARIES`; `record` holds all else that is known of the
scores of a model, see `btviz.models.records.ScoreRecord`."""

SEVERITY = "severity"
"""Target of a moderator that is an expected level, and no probability."""

THRESHOLD = "threshold"
BOUNDARY = "boundary"
RECORD = "record"

OPTIONAL = (THRESHOLD, BOUNDARY, RECORD)
"""Columns that a table of a user's own may lack."""

SCORES_ORDER = ("pair_id", "model", "target")


@runtime_checkable
class ScoreModel(Protocol):
    """Anything that gives answers scores.

    Attributes
    ----------
    name : str
        How tables and pictures call it.
    kind : str
        "reward", "cost" or "moderation".
    fingerprint : str
        Of weights and of every setting that scores depend on.
    labels : tuple of str
        Targets of a moderation model, as slugs; empty for the others.

    A moderation model may also have a `threshold`, the probability above which it flags, and any a `record`, a
    `btviz.models.ScoreRecord` of what is known of its scores.
    """

    @property
    def name(self) -> str:
        """How tables and pictures call it."""
        ...

    @property
    def kind(self) -> str:
        """Say whether it gives a reward, a cost or moderation."""
        ...

    @property
    def fingerprint(self) -> str:
        """Of weights and of every setting that scores depend on."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """Targets of a moderation model; else empty."""
        ...

    def score(self, prompts: Sequence[str], responses: Sequence[str]) -> npt.NDArray[np.float32]:
        """Score answers: float32 of shape (n,), or (n, len(labels)) for moderation; NaN where undefined."""
        ...


@runtime_checkable
class CrossFitted(ScoreModel, Protocol):
    """A score model trained on some pairs, which has scores out of fold for these."""

    @property
    def out_of_fold(self) -> pl.DataFrame:
        """A `scores` table of the pairs it was trained on."""
        ...


def scores_table(pair_ids: Sequence[int] | pl.Series, values: npt.ArrayLike, *, model: ScoreModel) -> pl.DataFrame:
    """Arrange scores as a table.

    Parameters
    ----------
    pair_ids : sequence of int, or Series
        Unique ids of the n pairs.
    values : array_like
        Shape (n,), or (n, len(model.labels)) for moderation. NaN becomes null.
    model : ScoreModel
        Whose scores they are.

    Returns
    -------
    DataFrame
        The columns of `SCORES`, sorted by pair, model and target.

    Raises
    ------
    UsageError
        If the shape of `values` is another, or the model's threshold is no probability.
    """
    array = np.asarray(values, np.float64)
    targets: list[str | None] = list(model.labels) if model.kind == "moderation" else [None]
    expected = (len(pair_ids), len(targets)) if model.kind == "moderation" else (len(pair_ids),)
    if array.shape != expected:
        raise UsageError(
            f"Scores of {model.name!r} were given in shape {array.shape}; a {model.kind} model has {expected} for "
            f"{len(pair_ids)} pairs. Give one row a pair."
        )
    n = len(pair_ids)
    table = pl.DataFrame(
        {
            "pair_id": pl.Series(pair_ids, dtype=ID).gather(np.repeat(np.arange(n), len(targets))),
            "target": pl.Series(targets * n, dtype=pl.String),
            "score": pl.Series(array.ravel(), dtype=pl.Float64).fill_nan(None),
        }
    )
    named = table.with_columns(pl.lit(model.name).alias("model"), pl.lit(model.kind).alias("kind"))
    record = _record_of(model)
    columns = {name: pl.lit(value, SCORES[name]) for name, value in record.columns().items()}
    level = pl.lit(replace(record, scale=None, low=None, high=None).columns()[RECORD], pl.String)
    columns[RECORD] = pl.when(pl.col("target") == SEVERITY).then(level).otherwise(columns[RECORD])
    return as_scores(named.with_columns(**columns)).sort(*SCORES_ORDER)


def _record_of(model: ScoreModel) -> ScoreRecord:
    """What a model says of its scores; of a moderation model they are probabilities in any case."""
    stated = getattr(model, "record", None)
    record = stated if isinstance(stated, ScoreRecord) else ScoreRecord(model.kind)
    if model.kind != "moderation":
        return record
    limit = recorded_threshold(getattr(model, "threshold", None))
    return replace(record, threshold=limit, scale=record.scale or PROBABILITY)


def recorded_threshold(value: object) -> float | None:
    """Return what a moderation model records as its threshold."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= 1:
        raise UsageError(f"A moderation model flags above one probability; {value!r} is none. Give it one, 0 .. 1.")
    return float(value)


def as_scores(table: pl.DataFrame) -> pl.DataFrame:
    """Arrange columns as `SCORES` has them, with null for those of `OPTIONAL` that are not there."""
    absent = [name for name in OPTIONAL if name not in table.columns]
    return (
        table.with_columns(pl.lit(None, SCORES[name]).alias(name) for name in absent).select(list(SCORES)).cast(SCORES)
    )


def stacked_scores(tables: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Put tables of scores into one.

    Parameters
    ----------
    tables : iterable of DataFrame
        Tables of scores, with or without the columns of `OPTIONAL`.

    Returns
    -------
    DataFrame
        The columns of `SCORES`, sorted by pair, model and target; empty without tables.
    """
    return pl.concat([SCORES.to_frame(), *map(as_scores, tables)]).sort(*SCORES_ORDER)
