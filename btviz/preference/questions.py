"""Better against safer by any measure, weighting and group: a question, and its answer for a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.data.dataset import Dataset
from btviz.errors import MissingExtraError, NotFoundError, choice
from btviz.preference.comparisons import STRATA, Comparisons, comparisons_of, levels_of
from btviz.preference.shares import (
    Sums,
    cells_by_prompt,
    level_sums,
    reasons_of,
    share_table,
)
from btviz.preference.verdicts import Margin, with_verdicts
from btviz.stats.association import ratio
from btviz.stats.measures import MEASURES, turned_around
from btviz.stats.permutation import sign_flip
from btviz.stats.resampling import Level, Resampling
from btviz.stats.shrinkage import shrunken_shares

WEIGHTINGS = {"comparisons": "each comparison once", "prompts": "each prompt once"}
"""What counts once, in words: a prompt that does shares its weight among its comparisons."""

EMPTY = "a margin or a cell is empty"


@dataclass(frozen=True)
class Question:
    """What to measure, and over which comparisons."""

    measure: str = "p"
    weighting: str = "comparisons"
    within: str = "all"
    n_boot: int = 2000
    random_state: int = 0
    margin: float = 0.1

    def __post_init__(self) -> None:
        choice(self.measure, MEASURES, what="measure")
        choice(self.weighting, weightings_of(self.measure), what=f"weighting for {self.measure!r}")
        choice(self.within, ("all", *STRATA), what="stratum")
        Margin(self.margin)
        Resampling(self.n_boot, self.random_state)


def weightings_of(measure: str) -> list[str]:
    """Weightings that are offered for a measure."""
    return list(WEIGHTINGS) if MEASURES[measure].of_p else ["comparisons"]


@dataclass(frozen=True, eq=False)
class Shares:
    """P(better = safer) of every level, which every answer and verdict rests on."""

    comparisons: Comparisons
    levels: Sequence[Level]
    sums: Sums
    table: pl.DataFrame


@dataclass(frozen=True, eq=False)
class Answer:
    """What a `Question` found in one data set."""

    question: Question
    table: pl.DataFrame
    shares: Shares = field(repr=False)

    def rows(self, grouping: str, *, level: str) -> NDArray[np.int64]:
        """Rows of ``ds.preferences`` that were counted in one level, ascending."""
        rows: NDArray[np.int64] = self.shares.comparisons.frame["row"].to_numpy()[self._level(grouping, level).member]
        return rows

    def null(self, levels: Iterable[tuple[str, str]]) -> pl.DataFrame:
        """What the measure would be if harmlessness were turned around in random prompts."""
        schema = {"grouping": pl.String, "level": pl.String, "value": pl.Float64, "observed": pl.Float64}
        tables = [self._null(self._level(*names)) for names in levels]
        return pl.concat([pl.DataFrame(schema=schema), *(table for table in tables if table is not None)])

    def _level(self, grouping: str, level: str) -> Level:
        for known in self.shares.levels:
            if (known.grouping, known.name) == (grouping, level):
                return known
        raise NotFoundError(
            f"The level {level!r} of {grouping!r} was asked for; there is none here. The table lists those there are."
        )

    def _null(self, level: Level) -> pl.DataFrame | None:
        question, measure = self.question, MEASURES[self.question.measure]
        cells = measure.distinct(cells_by_prompt(self.shares.comparisons, level, weighting=question.weighting))
        turned = turned_around(cells)
        gap = cells - turned
        if not gap.any():
            return None
        flips = sign_flip(gap, n_flips=question.n_boot, random_state=question.random_state)
        centre, scale = (cells + turned).sum(axis=0) / 2, np.sqrt(np.sum(gap**2, axis=0)) / 2
        drawn = centre + np.nan_to_num(flips.null) * scale
        values, observed = (measure.values(sums) for sums in (drawn, cells.sum(axis=0)[None]))
        if not np.isfinite(observed[0]):
            return None
        return pl.DataFrame({"value": values[np.isfinite(values)]}).select(
            pl.lit(level.grouping).alias("grouping"),
            pl.lit(level.name).alias("level"),
            "value",
            pl.lit(float(observed[0])).alias("observed"),
        )


def shares_of(ds: Dataset, question: Question, *, progress: Callable[[float], None] | None = None) -> Shares:
    """Shares, intervals, p-values and verdicts of every level, whatever the measure in question."""
    resampling = Resampling(question.n_boot, question.random_state, progress)
    comparisons = comparisons_of(ds, within=question.within)
    levels = list(levels_of(comparisons))
    sums = level_sums(comparisons, levels)
    estimates = _weighted(sums, resampling) if question.weighting == "prompts" else share_table(sums, resampling)
    estimates = estimates.with_columns(_shrunken(sums, levels))
    table = with_verdicts(estimates, comparisons, levels=levels, ds=ds, margin=Margin(question.margin))
    return Shares(comparisons, levels, sums, table)


def _shrunken(sums: Sums, levels: Sequence[Level]) -> list[pl.Series]:
    """Shares drawn towards those of the other levels of their grouping, or why there are none."""
    found = np.full((3, len(levels)), np.nan)
    reasons: list[str | None] = [None] * len(levels)
    groupings = np.array([level.grouping for level in levels])
    for grouping in dict.fromkeys(groupings.tolist()):
        places = np.flatnonzero(groupings == grouping)
        try:
            drawn = shrunken_shares(sums.hits[:, places], sums.n[:, places])
        except MissingExtraError as error:
            why: str | None = str(error)
        else:
            found[:, places] = drawn.estimate, drawn.low, drawn.high
            why = drawn.undefined
        for place in places:
            reasons[place] = why or (None if sums.n[:, place].any() else "no comparison has both labels")
    names = ("p_shrunken", "p_shrunken_low", "p_shrunken_high")
    values = [pl.Series(name, row).fill_nan(None) for name, row in zip(names, found, strict=True)]
    return [*values, pl.Series("undefined_shrunken", reasons, pl.String)]


def answer_of(
    ds: Dataset, question: Question, *, shares: Shares | None = None, progress: Callable[[float], None] | None = None
) -> Answer:
    """Measure how *better* goes with *safer*, overall and by group."""
    of_p = MEASURES[question.measure].of_p
    stages = (shares is None) + (of_p is None)

    def stage(place: int) -> Callable[[float], None] | None:
        return None if progress is None else lambda done: progress((place + done) / stages)

    shares = shares or shares_of(ds, question, progress=stage(0))
    values = _of_p(shares.table, *of_p) if of_p else _measured(shares, question, progress=stage(stages - 1))
    return Answer(question, _beside(shares.table, values), shares)


def _weighted(sums: Sums, resampling: Resampling) -> pl.DataFrame:
    """Shares in which each prompt counts once; naive intervals know nothing of prompts."""
    present = (sums.n > 0).astype(np.float64)
    table = share_table(Sums(present, np.nan_to_num(ratio(sums.hits, sums.n))), resampling)
    naive = [pl.lit(None, pl.Float64).alias(name) for name in ("naive_low", "naive_high", "naive_p_value")]
    return table.with_columns(pl.Series("n", sums.n.sum(axis=0).astype(np.int64)), *naive)


def _of_p(shares: pl.DataFrame, factor: int, shift: int) -> pl.DataFrame:
    names = {"p": "value", "p_low": "low", "p_high": "high", "naive_low": "naive_low", "naive_high": "naive_high"}
    return shares.select((factor * pl.col(column) + shift).alias(name) for column, name in names.items())


def _measured(shares: Shares, question: Question, *, progress: Callable[[float], None] | None) -> pl.DataFrame:
    """Values and intervals of a measure that is not a function of p."""
    measure, found = MEASURES[question.measure], []
    for place, level in enumerate(shares.levels):
        found.append(measure.interval(cells_by_prompt(shares.comparisons, level, weighting=question.weighting)))
        if progress is not None:
            progress((place + 1) / len(shares.levels))
    columns = {"value": "estimate", "low": "low", "high": "high"}
    sides = {name: [float(getattr(interval, side)[0]) for interval in found] for name, side in columns.items()}
    reasons = [reasons_of(interval, nothing=EMPTY)[0] for interval in found]
    return pl.DataFrame(sides, schema=dict.fromkeys(columns, pl.Float64)).with_columns(
        pl.all().fill_nan(None),
        *(pl.lit(None, pl.Float64).alias(name) for name in ("naive_low", "naive_high")),
        pl.Series("why", reasons, dtype=pl.String),
    )


def _beside(shares: pl.DataFrame, values: pl.DataFrame) -> pl.DataFrame:
    """Put the values beside the shares; what is said of a value is said of the measure that was asked for."""
    if "why" in values.columns:
        told = pl.when(pl.Series(shares["n"] > 0)).then(values["why"]).otherwise(shares["undefined"])
        shares, values = shares.with_columns(told.alias("undefined")), values.drop("why")
    table = pl.concat([shares.drop("naive_low", "naive_high"), values], how="horizontal")
    first = ("grouping", "level", "n", "prompts", *values.columns)
    return table.select(*first, pl.all().exclude(first))
