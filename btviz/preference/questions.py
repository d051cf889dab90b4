"""Better against safer by any measure, weighting and group: what an interactive view asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.data.dataset import Dataset, expect_dataset
from btviz.errors import NotFoundError, choice
from btviz.preference.comparisons import STRATA, Comparisons, Level, levels_of, with_strata
from btviz.preference.measures import MEASURES, cells_by_prompt, needed, turned_around, values_of
from btviz.preference.report import worded
from btviz.preference.shares import FEWEST_PROMPTS, Floats, Resampling, Sums, level_sums, share_table
from btviz.preference.verdicts import Margin
from btviz.stats.association import ratio
from btviz.stats.permutation import sign_flip
from btviz.stats.resampling import bootstrap

_EMPTY = "a margin or a cell is empty, in the data or in a resample"


_OF_P = {"p": (1, 0), "two_p_minus_1": (2, -1)}  # measures that are p times a factor, plus a shift


@dataclass(frozen=True)
class Question:
    """What to measure, and over which comparisons.

    Attributes
    ----------
    measure : str
        One of `MEASURES`.
    weighting : {"comparisons", "prompts"}
        What counts once.
    within : {"all", "both_safe", "mixed", "both_unsafe"}
        Stratum of safety that the comparisons are of.
    n_boot : int
        Bootstrap replicates, and random turns of harmlessness.
    random_state : int
        Seed of both.
    margin : float
        Bound on |2p - 1| below which labels count as practically orthogonal.

    Raises
    ------
    UsageError
        If a name is unknown, the weighting is not offered for the measure, the margin is outside
        0 .. 1, the replicates are too few or the seed is negative.
    """

    measure: str = "p"
    weighting: str = "comparisons"
    within: str = "all"
    n_boot: int = 2000
    random_state: int = 0
    margin: float = 0.1

    def __post_init__(self) -> None:
        offered = MEASURES[choice(self.measure, MEASURES, what="measure")].weightings
        choice(self.weighting, offered, what=f"weighting for {self.measure!r}")
        choice(self.within, ("all", *STRATA), what="stratum")
        Margin(self.margin)
        Resampling(self.n_boot, self.random_state)


@dataclass(frozen=True, eq=False)
class Answer:
    """What a `Question` found in one data set.

    Attributes
    ----------
    question : Question
        What was asked.
    table : DataFrame
        One row per level of each grouping, as in `Orthogonality.table`: `grouping`, `level`, `n`
        (comparisons), `prompts`, `value` of the measure, `low`, `high` (95 %, resampling
        prompts), `naive_low`, `naive_high` (comparisons taken for independent; null where no
        such interval is at hand), `p`, `p_low`, `p_high`, `p_value`, `verdict` and `conclusion`
        (all of P(better = safer), weighted as asked), `rule_broken`, `undefined`.
    """

    question: Question
    table: pl.DataFrame
    _comparisons: Comparisons = field(repr=False)
    _levels: Sequence[Level] = field(repr=False)
    _shares: pl.DataFrame = field(repr=False)

    def rows(self, grouping: str, *, level: str) -> NDArray[np.int64]:
        """Rows of ``ds.preferences`` that were counted in one level, ascending.

        Raises
        ------
        NotFoundError
            If there is no such level.
        """
        rows: NDArray[np.int64] = self._comparisons.frame["row"].to_numpy()[self._level(grouping, level).member]
        return rows

    def null(self, levels: Iterable[tuple[str, str]]) -> pl.DataFrame:
        """What the measure would be if harmlessness were turned around in random prompts.

        Parameters
        ----------
        levels : iterable of (str, str)
            Groupings and levels.

        Returns
        -------
        DataFrame
            `grouping`, `level`, `value` (one row per turn) and `observed`; levels in which a
            turn changes nothing, or nothing is observed, are left out.
        """
        schema = {"grouping": pl.String, "level": pl.String, "value": pl.Float64, "observed": pl.Float64}
        found = [self._null(self._level(*names)) for names in levels]
        return pl.concat([pl.DataFrame(schema=schema), *(one for one in found if one is not None)])

    def _level(self, grouping: str, level: str) -> Level:
        for one in self._levels:
            if (one.grouping, one.name) == (grouping, level):
                return one
        raise NotFoundError(
            f"The level {level!r} of {grouping!r} was asked for; there is none here. The table lists those there are."
        )

    def _null(self, level: Level) -> pl.DataFrame | None:
        question = self.question
        cells = needed(cells_by_prompt(self._comparisons, level, weighting=question.weighting), question.measure)
        turned = turned_around(cells)
        gap = cells - turned
        if not gap.any():
            return None
        flips = sign_flip(gap, n_flips=question.n_boot, random_state=question.random_state)
        centre, scale = (cells + turned).sum(axis=0) / 2, np.sqrt(np.sum(gap**2, axis=0)) / 2
        drawn = centre + np.nan_to_num(flips.null) * scale
        values, observed = (values_of(sums, question.measure) for sums in (drawn, cells.sum(axis=0)[None]))
        if not np.isfinite(observed[0]):
            return None
        return pl.DataFrame({"value": values[np.isfinite(values)]}).select(
            pl.lit(level.grouping).alias("grouping"),
            pl.lit(level.name).alias("level"),
            "value",
            pl.lit(float(observed[0])).alias("observed"),
        )


def measured(
    ds: Dataset, question: Question, *, given: Answer | None = None, progress: Callable[[float], None] | None = None
) -> Answer:
    """Measure how *better* goes with *safer*, overall and by group.

    Parameters
    ----------
    ds : Dataset
        Any data set; without comparisons that have both labels, values are null and say why.
    question : Question
        What to measure, and over which comparisons.
    given : Answer, optional
        Answer of the same data set to the same question but for the measure: spares drawing p,
        on which every verdict rests, again.
    progress : callable, optional
        Called with the share that is done, 0 .. 1; what it raises ends the work.

    Returns
    -------
    Answer
        With the defaults, the numbers of ``orthogonality(ds)``.
    """
    stages = (given is None) + (question.measure not in _OF_P)

    def resampling(stage: int) -> Resampling:
        report = None if progress is None else lambda done: progress((stage + done) / stages)
        return Resampling(question.n_boot, question.random_state, report)

    if given is None:
        comparisons = _numbered(ds, question.within)
        levels: Sequence[Level] = list(levels_of(comparisons))
        shares = _shares(level_sums(comparisons, levels), weighting=question.weighting, resampling=resampling(0))
    else:
        comparisons, levels, shares = given._comparisons, given._levels, given._shares
    if question.measure in _OF_P:
        values = _of_p(shares, *_OF_P[question.measure])
    else:
        values = _resampled(comparisons, levels, question=question, resampling=resampling(stages - 1))
    table = worded(shares, comparisons, levels=levels, ds=ds, margin=Margin(question.margin)).drop(
        "naive_low", "naive_high"
    )
    return Answer(question, _table(table, values), comparisons, levels, shares)


def _numbered(ds: Dataset, within: str) -> Comparisons:
    """Comparisons with both labels, with their `row` in ``ds.preferences``."""
    expect_dataset(ds)
    frame = with_strata(ds.preferences.with_row_index("row").drop_nulls(["better", "safer"]))
    frame = frame.with_columns(pl.col("row").cast(pl.Int64))
    return Comparisons(frame if within == "all" else frame.filter(stratum=within), ds.taxonomy)


def _shares(sums: Sums, *, weighting: str, resampling: Resampling) -> pl.DataFrame:
    if weighting == "comparisons":
        return share_table(sums, resampling)
    present = (sums.n > 0).astype(np.float64)
    table = share_table(Sums(present, np.nan_to_num(ratio(sums.hits, sums.n))), resampling)
    naive = [pl.lit(None, pl.Float64).alias(name) for name in ("naive_low", "naive_high", "naive_p_value")]
    return table.with_columns(pl.Series("n", sums.n.sum(axis=0).astype(np.int64)), *naive)


def _of_p(shares: pl.DataFrame, factor: int, shift: int) -> pl.DataFrame:
    names = {"p": "value", "p_low": "low", "p_high": "high", "naive_low": "naive_low", "naive_high": "naive_high"}
    return shares.select((factor * pl.col(column) + shift).alias(name) for column, name in names.items())


def _resampled(
    comparisons: Comparisons, levels: Sequence[Level], *, question: Question, resampling: Resampling
) -> pl.DataFrame:
    """Values and intervals of a measure that is not a function of p."""
    clusters = np.unique(comparisons.prompt)
    cells = (cells_by_prompt(comparisons, level, weighting=question.weighting, clusters=clusters) for level in levels)
    sums = np.hstack([needed(of_level, question.measure) for of_level in cells])

    def statistic(drawn: Floats) -> Floats:
        return np.column_stack([values_of(part, question.measure) for part in np.hsplit(drawn, len(levels))])

    found = bootstrap(
        sums,
        statistic,
        n_boot=resampling.n_boot,
        random_state=resampling.random_state,
        progress=lambda done: resampling.report(done / resampling.n_boot),
    )
    few = level_sums(comparisons, levels).prompts < FEWEST_PROMPTS
    sides = {
        "value": found.estimate,
        "low": np.where(few, np.nan, found.low),
        "high": np.where(few, np.nan, found.high),
    }
    return pl.DataFrame(sides).with_columns(
        pl.all().fill_nan(None), *(pl.lit(None, pl.Float64).alias(name) for name in ("naive_low", "naive_high"))
    )


def _table(shares: pl.DataFrame, values: pl.DataFrame) -> pl.DataFrame:
    """Put the values beside the shares; a value that is undefined says why."""
    table = pl.concat([shares, values], how="horizontal")
    lost = (pl.col("value").is_null() | (pl.col("low").is_null() & pl.col("p_low").is_not_null())) & (pl.col("n") > 0)
    why = pl.when(pl.col("undefined").is_null() & lost).then(pl.lit(_EMPTY)).otherwise("undefined").alias("undefined")
    first = ("grouping", "level", "n", "prompts", *values.columns)
    return table.with_columns(why).select(*first, pl.all().exclude(first))
