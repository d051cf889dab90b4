"""Measures of how *better* goes with *safer*, as functions of the cells that comparisons fall into."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.preference.comparisons import STRATA, Comparisons, Level
from btviz.preference.pooled import by_position, coefficients, in_both_orders
from btviz.preference.shares import Floats
from btviz.stats.association import ratio
from btviz.stats.resampling import cluster_sums
from btviz.stats.stratified import common_odds_ratio

WEIGHTINGS = ("comparisons", "prompts")
"""What counts once: each comparison, or each prompt, whose comparisons then share its weight."""

_CELLS = 4  # (better, safer) in the order 00, 01, 10, 11
_OTHER_SAFER = [1, 0, 3, 2]  # the cell of each once harmlessness is turned around


@dataclass(frozen=True)
class Measure:
    """One way to put a number on how *better* goes with *safer*.

    Attributes
    ----------
    value : callable
        From cells (better, safer) by stratum, shape (R, strata, 4), to its values, shape (R,).
    is_ordered : bool
        Whether it depends on the order of the two answers, which carries no meaning.
    is_stratified : bool
        Whether it is pooled over the strata of safety, and so leaves out comparisons without one.
    weightings : tuple of str
        Those of `WEIGHTINGS` for which it is offered.
    """

    value: Callable[[Floats], Floats] = field(repr=False)
    is_ordered: bool = False
    is_stratified: bool = False
    weightings: tuple[str, ...] = WEIGHTINGS[:1]


def _coefficient(place: int) -> Callable[[Floats], Floats]:
    return lambda cells: coefficients(cells.sum(axis=1))[:, place]


_TWO_P = _coefficient(0)

MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        "p": Measure(lambda cells: (1 + _TWO_P(cells)) / 2, weightings=WEIGHTINGS),
        "two_p_minus_1": Measure(_TWO_P, weightings=WEIGHTINGS),
        "phi_by_position": Measure(_coefficient(1), is_ordered=True),
        "kappa_by_position": Measure(_coefficient(2), is_ordered=True),
        "odds_ratio_mh": Measure(lambda cells: common_odds_ratio(in_both_orders(cells)), is_stratified=True),
        "odds_ratio_mh_by_position": Measure(
            lambda cells: common_odds_ratio(by_position(cells)), is_ordered=True, is_stratified=True
        ),
    }
)
"""What can be measured, by name; `btviz.preference.pooled.MEASURES` says what each is."""


def cells_by_prompt(
    comparisons: Comparisons, level: Level, *, weighting: str, clusters: NDArray[np.int64] | None = None
) -> Floats:
    """Comparisons of a level by stratum and cell, one row per prompt, shape (prompts, strata x 4).

    The strata are those of safety and, last, of unknown safety; a prompt weighs 1 in all, or as
    many as it has comparisons.
    """
    frame = comparisons.frame.filter(level.member)
    cell = 2 * frame["better"].cast(pl.Int64) + frame["safer"].cast(pl.Int64)
    stratum = frame["stratum"].replace_strict({name: i for i, name in enumerate(STRATA)}, default=len(STRATA))
    place = _CELLS * stratum.cast(pl.Int64).to_numpy() + cell.to_numpy()
    one_hot = place[:, None] == np.arange(_CELLS * (len(STRATA) + 1))
    prompt = frame["prompt"].to_numpy()
    sums = cluster_sums(one_hot.astype(np.float64), clusters=prompt)
    if weighting == "prompts":
        sums = ratio(sums, sums.sum(axis=1, keepdims=True))
    if clusters is None:
        return sums
    everyone = np.zeros((len(clusters), sums.shape[1]))
    everyone[np.searchsorted(clusters, np.unique(prompt))] = sums
    return everyone


def values_of(cells: Floats, measure: str) -> Floats:
    """Values of a measure from sums of cells, shape (R, strata x 4); NaN where undefined."""
    shown = MEASURES[measure]
    tables = cells.reshape(len(cells), -1, _CELLS)
    return shown.value(tables[:, : len(STRATA)] if shown.is_stratified else tables)


def over_strata(cells: Floats) -> Floats:
    """Cells summed over the strata, shape (R, 4)."""
    totals: Floats = cells.reshape(len(cells), cells.shape[1] // _CELLS, _CELLS).sum(axis=1)
    return totals


def turned_around(cells: Floats) -> Floats:
    """Cells as they would be with the other answer the safer one."""
    return cells.reshape(len(cells), cells.shape[1] // _CELLS, _CELLS)[..., _OTHER_SAFER].reshape(cells.shape)
