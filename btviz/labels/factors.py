"""Factors of the harm categories: tables of eigenvalues, loadings and fit, and how they depend on empty cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import polars as pl

from btviz.arguments import whole_number
from btviz.errors import UsageError, choice
from btviz.stats.association import Floats, Integers
from btviz.stats.factors import (
    EMPTY_CELLS,
    ROTATIONS,
    Tetrachoric,
    eigenvalues,
    factors,
    fit_of,
    most_factors,
    tetrachoric_matrix,
)

_DRAWS_BESIDE = 30  # draws for each other rule of empty cells
_RULES = (("replaced", 0.5), ("replaced", 0.1), ("replaced", 1.0), ("margins", 0.5), ("added", 0.5))
_QUANTILE = 0.95

Draw = Callable[[Callable[[int], None]], tuple[Integers, Integers]]
"""Joint counts and items of data without association."""


@dataclass(frozen=True)
class Factoring:
    """How factors are found; the defaults are those of psych in R but for the shuffling of whole prompts.

    Attributes
    ----------
    empty_cells : {"replaced", "margins", "added"}
        What becomes of a pair with an empty cell: only that cell gets `added` items, as in psych; the same, and the
        other cells give way so that the margins stay; or each of the four cells gets them.
    added : float
        Items put into an empty cell.
    shuffled : {"prompts", "items"}
        What moves as a whole in data without association: patterns of prompts, or single items as in psych, which
        takes items for independent.
    n_draws : int
        Data sets drawn for the parallel analysis.
    n_factors : int, optional
        Factors to extract; by default as many as exceed the 95 % quantile of chance.
    rotation : {"oblimin", "varimax", "none"}
        Turn of the factors.
    """

    empty_cells: str = "replaced"
    added: float = 0.5
    shuffled: str = "prompts"
    n_draws: int = 100
    n_factors: int | None = None
    rotation: str = "oblimin"

    def __post_init__(self) -> None:
        choice(self.empty_cells, tuple(EMPTY_CELLS), what="rule for empty cells")
        choice(self.shuffled, ("prompts", "items"), what="unit of shuffling")
        choice(self.rotation, ROTATIONS, what="rotation")
        whole_number(self.n_draws, name="n_draws", least=20)
        if self.n_factors is not None:
            whole_number(self.n_factors, name="n_factors", least=1)
        if not 0 < self.added <= 1:
            raise UsageError(f"added={self.added} was asked for; it lies above 0 and at most at 1. Use 0.5.")


@dataclass(frozen=True, eq=False)
class Scree:
    """What parallel analysis and extraction found."""

    matrix: Tetrachoric
    n_factors: int
    n_factors_by_mean: int
    n_components: int
    tables: Mapping[str, pl.DataFrame]


def draws_of(method: Factoring) -> int:
    """Data sets that are drawn and analysed, for a bar."""
    return method.n_draws + _DRAWS_BESIDE * len(_others(method))


def _others(method: Factoring) -> list[tuple[str, float]]:
    return [rule for rule in _RULES if rule != (method.empty_cells, method.added)]


def factor_tables(
    joint: Integers,
    n: int,
    *,
    keys: Sequence[str],
    method: Factoring,
    draw: Draw,
    progress: Callable[[int], None],
) -> Scree:
    """Parallel analysis, factors and fit of categories from their joint counts, shape (k, k), among n items."""
    null, kept = draw(progress)
    rules = [(method.empty_cells, method.added), *_others(method)]
    analysed = []
    for place, (rule, added) in enumerate(rules):
        drawn = slice(None) if place == 0 else slice(_DRAWS_BESIDE)
        chance = tetrachoric_matrix(null[drawn], kept[drawn], empty_cells=rule, added=added)
        seen = tetrachoric_matrix(joint, n, empty_cells=rule, added=added)
        analysed.append(_Parallel(seen, eigenvalues(seen.smoothed), eigenvalues(chance.smoothed)))
        progress(method.n_draws + place * _DRAWS_BESIDE)
    first = analysed[0]
    exceeding = first.leading(1)
    wanted = exceeding if method.n_factors is None else method.n_factors
    tables = {
        "eigenvalues": first.table(),
        "sensitivity": _sensitivity(rules, analysed),
        **_extracted(first.seen, n, keys=keys, n_factors=wanted, rotation=method.rotation),
    }
    return Scree(first.seen, exceeding, first.leading(1, by_mean=True), first.leading(0), tables)


@dataclass(frozen=True, eq=False)
class _Parallel:
    """Eigenvalues of components and of factors, observed and by chance."""

    seen: Tetrachoric
    observed: tuple[Floats, Floats]
    chance: tuple[Floats, Floats]

    def leading(self, kind: int, *, by_mean: bool = False) -> int:
        """How many eigenvalues from the first exceed chance: of components (0) or of factors (1)."""
        drawn = self.chance[kind]
        bar = drawn.mean(axis=0) if by_mean else np.quantile(drawn, _QUANTILE, axis=0)
        below = np.flatnonzero(self.observed[kind] <= bar)
        return int(below[0]) if len(below) else len(bar)

    def table(self) -> pl.DataFrame:
        columns: dict[str, object] = {"place": np.arange(1, len(self.observed[0]) + 1)}
        for name, observed, drawn in zip(("component", "factor"), self.observed, self.chance, strict=True):
            columns |= {
                name: observed,
                f"{name}_mean": drawn.mean(axis=0),
                f"{name}_high": np.quantile(drawn, _QUANTILE, axis=0),
            }
        return pl.DataFrame(columns).with_columns(pl.lit(len(self.chance[0])).alias("n_draws"))


def _sensitivity(rules: list[tuple[str, float]], analysed: list[_Parallel]) -> pl.DataFrame:
    rows = []
    for (rule, added), parallel in zip(rules, analysed, strict=True):
        seen = parallel.seen
        above = np.triu_indices(len(seen.raw), 1)
        filled = seen.raw[above][seen.has_empty[above]]
        rows.append(
            {
                "empty_cells": rule,
                "added": added,
                "n_empty": len(filled),
                "mean_filled": float(filled.mean()) if len(filled) else None,
                "least_eigenvalue": float(seen.least_eigenvalue),
                "largest_change": float(np.abs(seen.smoothed - seen.raw).max()),
                "n_factors": parallel.leading(1),
                "n_components": parallel.leading(0),
            }
        )
    return pl.DataFrame(rows, schema_overrides={"mean_filled": pl.Float64})


_NO_DETERMINANT = (
    "the tetrachoric matrix was no matrix of correlations before smoothing, so its determinant, on which chi-square, "
    "TLI, RMSEA and CFI rest, is what smoothing made it; they are printed as R's psych prints them, and rmsr does not "
    "rest on it"
)
_IMPROPER = "the factors imply a matrix that is not positive definite (Heywood cases), so that it has no likelihood"


def _extracted(
    seen: Tetrachoric, n: int, *, keys: Sequence[str], n_factors: int, rotation: str
) -> dict[str, pl.DataFrame]:
    most = most_factors(len(keys))
    m = min(n_factors, most)
    doubt, why = None, None if m == n_factors else f"{n_factors} factors leave no degree of freedom; at most {most} do"
    if m == 0:
        why = "no eigenvalue exceeds chance" if most else "so few categories leave no degree of freedom to any factor"
        fit = dict.fromkeys(("freedom", "rmsr", "chi_squared", "tli", "rmsea", "cfi"))
        loadings, between = np.zeros((len(keys), 0)), np.zeros((0, 0))
        communalities: Floats = np.zeros(len(keys))
    else:
        found = factors(seen.smoothed, m, rotation=rotation)
        loadings, between, communalities = found.loadings, found.correlations, found.communalities
        was_smoothed = bool(seen.least_eigenvalue < np.finfo(np.float64).eps)
        fit = asdict(fit_of(seen.smoothed, found, n=n))
        doubt = _NO_DETERMINANT if was_smoothed else None
        why = why or (_IMPROPER if np.isnan(fit["tli"]) else None)
    category, factor = (axis.ravel() for axis in np.indices(loadings.shape))
    one, other = np.triu_indices(m, 1)
    numbers = {name: pl.Int64 if name == "freedom" else pl.Float64 for name in fit}
    return {
        "loadings": pl.DataFrame(
            {
                "category": pl.Series([keys[place] for place in category.tolist()], dtype=pl.String),
                "factor": factor + 1,
                "loading": loadings.ravel(),
                "communality": communalities[category],
            }
        ).with_columns(pl.lit(rotation).alias("rotation")),
        "factor_correlations": pl.DataFrame(
            {"factor": one + 1, "other": other + 1, "correlation": between[one, other]}
        ),
        "fit": pl.DataFrame(
            [{"n_factors": m, **fit, "doubt": doubt, "undefined": why}],
            schema_overrides={**numbers, "doubt": pl.String, "undefined": pl.String},
        ),
    }
