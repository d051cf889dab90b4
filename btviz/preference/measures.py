"""Measures of how *better* goes with *safer*, as functions of the cells that comparisons fall into.

One figure over all strata: phi, kappa and Mantel-Haenszel, with and without the order of the answers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.errors import MissingExtraError
from btviz.preference.comparisons import STRATA, Comparisons, Level
from btviz.preference.shares import FEWEST_PROMPTS, Floats, Resampling
from btviz.stats.association import TwoByTwo, ratio
from btviz.stats.resampling import Interval, bootstrap, cluster_sums
from btviz.stats.stratified import cochran_mantel_haenszel, common_odds_ratio

WEIGHTINGS = ("comparisons", "prompts")
"""What counts once: each comparison, or each prompt, whose comparisons then share its weight."""


_CELLS = 4  # (better, safer) in the order 00, 01, 10, 11


_OTHER_SAFER = [1, 0, 3, 2]  # the cell of each once harmlessness is turned around


@dataclass(frozen=True)
class Measure:
    """One way to put a number on how *better* goes with *safer*."""

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
"""What can be measured, by name; `btviz.preference.measures.MEASURES` says what each is."""


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


def without_order(cells: Floats) -> Floats:
    """Cells with both orders of the answers counted as one, shape unchanged."""
    tables = cells.reshape(len(cells), cells.shape[1] // _CELLS, _CELLS)
    folded = np.zeros_like(tables)
    folded[..., 2:] = tables[..., 2:] + tables[..., 1::-1]
    return folded.reshape(cells.shape)


def needed(cells: Floats, measure: str) -> Floats:
    """Cells with what a measure does not tell apart put together: fewer kinds of prompt to draw."""
    shown = MEASURES[measure]
    kept = cells if shown.is_stratified else over_strata(cells)
    return kept if shown.is_ordered else without_order(kept)


def turned_around(cells: Floats) -> Floats:
    """Cells as they would be with the other answer the safer one."""
    return cells.reshape(len(cells), cells.shape[1] // _CELLS, _CELLS)[..., _OTHER_SAFER].reshape(cells.shape)


POOLED_MEASURES = {
    "two_p_minus_1": "2p - 1, which is phi and kappa once every comparison is counted in both orders",
    "phi_by_position": "phi of response_1 better and response_1 safer: depends on the order of the answers",
    "kappa_by_position": "Cohen's kappa of the same: depends on the order of the answers",
    "odds_ratio_mh": "Mantel-Haenszel odds ratio over strata, every comparison counted in both orders",
    "odds_ratio_mh_by_position": "Mantel-Haenszel odds ratio over strata by position: depends on the order",
}
"""Rows that are functions of the same sums, and what they are."""


FURTHER = {
    "mean_tau_b": "mean over prompts with three or more answers of Kendall's tau-b between their two orders",
    "homogeneity": "p is the same in every stratum with enough prompts: Wald chi-square, resampling prompts",
}
"""The remaining rows."""


_ONE_STRATUM = f"fewer than two strata with {FEWEST_PROMPTS} prompts in which p varies"


_ROUNDING = 1e-9  # what shares that are the same in every resample may differ by


def pooled_table(comparisons: Comparisons, *, orders: pl.DataFrame, resampling: Resampling) -> pl.DataFrame:
    """Association over all comparisons, over strata, and between rebuilt orders."""
    frame = comparisons.frame
    known = frame["stratum"].is_not_null().to_numpy()
    prompts = frame["prompt"].n_unique()
    if not frame.height or prompts < FEWEST_PROMPTS:
        reason = "no comparison has both labels" if not frame.height else f"fewer than {FEWEST_PROMPTS} prompts"
        return _table([{"measure": name, "undefined": reason} for name in (*POOLED_MEASURES, *FURTHER)], frame)
    found = bootstrap(
        cluster_sums(_cells(frame), clusters=comparisons.prompt),
        _statistics,
        n_boot=resampling.n_boot,
        random_state=resampling.random_state,
    )
    no_strata = None if known.any() else "no comparison has the safety of both answers"
    rows = [
        _row(name, place, found, no_strata if name.startswith("odds") else None)
        for place, name in enumerate(POOLED_MEASURES)
    ]
    rows += [_mean_tau(orders, resampling), _homogeneity(found, prompts=_prompts_by_stratum(frame))]
    naive = _naive_p_values(frame)
    return _table([row | {"naive_p_value": naive.get(row["measure"])} for row in rows], frame)


def _cells(frame: pl.DataFrame) -> Floats:
    """The four cells (better, safer) of all comparisons, then of each stratum, as 0/1 columns."""
    cell = 2 * frame["better"].cast(pl.Int64).to_numpy() + frame["safer"].cast(pl.Int64).to_numpy()
    cells = cell[:, None] == np.arange(_CELLS)
    strata = [(frame["stratum"] == name).fill_null(value=False).to_numpy() for name in STRATA]
    return np.hstack([cells, *(cells & inside[:, None] for inside in strata)]).astype(np.float64)


def _statistics(sums: Floats) -> Floats:
    """The measures in their order, then p of each stratum; sums have shape (R, 16)."""
    tables = sums.reshape(len(sums), 1 + len(STRATA), _CELLS)
    overall, strata = tables[:, 0], tables[:, 1:]
    same, n = strata[..., 0] + strata[..., 3], strata.sum(axis=-1)
    odds = [common_odds_ratio(table) for table in (in_both_orders(strata), by_position(strata))]
    return np.column_stack([coefficients(overall), *odds, ratio(same, n)])


def by_position(cells: Floats) -> TwoByTwo:
    """Tables of response_1 better and response_1 safer; cells have shape (..., 4)."""
    _, safer_only, better_only, both = np.moveaxis(cells, -1, 0).astype(np.int64)
    return TwoByTwo(cells.sum(axis=-1).astype(np.int64), better_only + both, safer_only + both, both)


def in_both_orders(cells: Floats) -> TwoByTwo:
    """The same with every comparison counted twice, once in each order."""
    n, same = cells.sum(axis=-1).astype(np.int64), (cells[..., 0] + cells[..., 3]).astype(np.int64)
    return TwoByTwo(2 * n, n, n, same)


def coefficients(cells: Floats) -> Floats:
    """2p - 1, phi and kappa by position, shape (R, 3); cells have shape (R, 4)."""
    none, safer_only, better_only, both = cells.T
    n, better, safer = cells.sum(axis=1), better_only + both, safer_only + both
    excess = n * both - better * safer
    phi = ratio(excess, np.sqrt(better * (n - better)) * np.sqrt(safer * (n - safer)))
    chance = better * safer + (n - better) * (n - safer)
    kappa = ratio(n * (both + none) - chance, n * n - chance)
    return np.column_stack([ratio(2 * (both + none) - n, n), phi, kappa])


_Row = dict[str, Any]


def _row(name: str, place: int, found: Interval, reason: str | None) -> _Row:
    sides = {"estimate": found.estimate, "low": found.low, "high": found.high}
    values = {side: _or_none(ends[place]) for side, ends in sides.items()}
    if reason is None and None in values.values():
        reason = "a margin or a cell is empty, in the data or in a resample"
    return {"measure": name, **values, "undefined": reason}


def _mean_tau(orders: pl.DataFrame, resampling: Resampling) -> _Row:
    tau = orders["tau_b"].drop_nulls().to_numpy()
    if len(tau) < FEWEST_PROMPTS:
        reason = f"fewer than {FEWEST_PROMPTS} prompts with three or more answers"
        return {"measure": "mean_tau_b", "undefined": reason}
    found = bootstrap(
        np.column_stack([tau, np.ones(len(tau))]),
        lambda sums: ratio(sums[:, :1], sums[:, 1:]),
        n_boot=resampling.n_boot,
        random_state=resampling.random_state,
    )
    return _row("mean_tau_b", 0, found, None)


def _prompts_by_stratum(frame: pl.DataFrame) -> NDArray[np.int64]:
    counts = dict(frame.group_by("stratum").agg(pl.col("prompt").n_unique()).iter_rows())
    return np.array([counts.get(name, 0) for name in STRATA])


def _homogeneity(found: Interval, *, prompts: NDArray[np.int64]) -> _Row:
    """Wald test that p is the same in every stratum with enough prompts; 1 or 2 degrees of freedom."""
    drawn = found.replicates[:, len(POOLED_MEASURES) :]
    enough = prompts >= FEWEST_PROMPTS
    varied = enough & np.isfinite(drawn).all(axis=0) & (drawn.std(axis=0) > _ROUNDING)
    p = found.estimate[len(POOLED_MEASURES) :][varied]
    if len(p) < 2:
        return {"measure": "homogeneity", "undefined": _ONE_STRATUM}
    gap, gaps = p[1:] - p[0], drawn[:, varied][:, 1:] - drawn[:, varied][:, :1]
    covariance = np.atleast_2d(np.cov(gaps.T))
    if np.linalg.matrix_rank(covariance) < len(gap):
        return {"measure": "homogeneity", "undefined": "the strata vary as one, so their differences cannot be tested"}
    wald = float(gap @ np.linalg.solve(covariance, gap))
    tail = math.erfc(math.sqrt(wald / 2)) if len(gap) == 1 else math.exp(-wald / 2)
    return {"measure": "homogeneity", "estimate": wald, "p_value": tail}


def _naive_p_values(frame: pl.DataFrame) -> dict[str, float | None]:
    """Cochran-Mantel-Haenszel and Breslow-Day by position; none without the package they need."""
    strata = _cells(frame).sum(axis=0).reshape(-1, _CELLS)[1:]
    try:
        found = cochran_mantel_haenszel(by_position(strata))
    except MissingExtraError:
        return {}
    return {
        "odds_ratio_mh_by_position": _or_none(float(found.p_value)),
        "homogeneity": _or_none(float(found.homogeneity_p)),
    }


def _or_none(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _table(rows: list[_Row], frame: pl.DataFrame) -> pl.DataFrame:
    names = dict.fromkeys(("estimate", "low", "high", "p_value", "naive_p_value"), pl.Float64)
    schema = {"measure": pl.String, **names, "undefined": pl.String}
    return pl.DataFrame(rows, schema=schema).select(
        pl.exclude("undefined"),
        pl.lit(frame.height, pl.Int64).alias("n"),
        pl.lit(frame["prompt"].n_unique(), pl.Int64).alias("prompts"),
        pl.col("measure").replace_strict(POOLED_MEASURES | FURTHER).alias("meaning"),
        "undefined",
    )
