"""Which harm categories are associated given all others: pairs that halves of the prompts select, and their odds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.labels.population import LabelledItems
from btviz.stats import ising
from btviz.stats.association import Floats, Integers
from btviz.stats.clustered import FEW_FREEDOM, FEW_RARER, effective_number
from btviz.stats.quantiles import t_quantile
from btviz.stats.resampling import cluster_sums

SELECTED = 1 / 3
"""Share of all pairs that a half selects: room for as many as are real, at a small bound on those that are not."""

TOO_RARE = "a category of the pair is too rare to take part"
_NO_END = {
    "neither": "too few prompts tell of the pair for an interval",
    "low": "the two meet in so few items that nothing bounds the odds ratio from below",
    "high": "one without the other is so rare that nothing bounds the odds ratio from above",
}

Bools = NDArray[np.bool_]
Ends = tuple[Floats, Floats]


@dataclass(frozen=True, eq=False)
class CategoryNetwork:
    """Selection and refit of the pairs among the categories that take part; arrays in the order of `above`."""

    sets: ising.LabelSets
    stability: ising.Stability

    @property
    def above(self) -> tuple[Integers, Integers]:
        """Places of both categories of each pair."""
        return np.triu_indices(self.sets.masks.shape[1], 1)

    @property
    def is_stable(self) -> Bools:
        """Whether a pair is selected often enough."""
        stable: Bools = self.stability.share >= self.stability.threshold
        return stable

    @property
    def few_prompts(self) -> Bools:
        """Whether one of the four cells of a pair occurs in too few effective prompts for a variance."""
        (row, col), flags = self.above, self.sets.masks[self.sets.place]
        one, other = flags[:, row], flags[:, col]
        cells = (one & other, one & ~other, ~one & other, ~one & ~other)
        few: Bools = (
            np.min([effective_number(cluster_sums(cell, clusters=self.sets.cluster)) for cell in cells], axis=0)
            < FEW_RARER
        )
        return few

    def selection(self) -> pl.DataFrame:
        """The table `selection` of `btviz.category_structure`."""
        found = self.stability
        return pl.DataFrame(
            {
                "n_halves": [found.n_halves],
                "penalty": [found.penalty],
                "n_pairs": [len(found.share)],
                "n_selected": [found.n_selected],
                "threshold": [found.threshold],
                "n_stable": [int(self.is_stable.sum())],
                "expected_false": [found.expected_false],
                "expected_false_at_worst": [found.expected_false_at_worst],
            }
        )

    def columns(self) -> dict[str, Floats | Bools]:
        """Columns of the table `pairs`: what was selected, and odds ratios with the stable pairs alone and with all."""
        row, col = self.above
        everything = ising.refit(self.sets, (row, col))
        stable = np.flatnonzero(self.is_stable)
        alone = ising.refit(self.sets, (row[stable], col[stable]))
        few = self.few_prompts | (everything.freedom < FEW_FREEDOM)
        few[stable] |= alone.freedom < FEW_FREEDOM
        refitted = {"log_odds_ratio": self._spread(alone.log_odds_ratio, stable)}
        joint = 1 - 0.05 / max(len(row), 1)
        for suffix, confidence in (("", 0.95), ("_joint", joint)):
            low, high = self._ends(alone, few=few, of=stable, confidence=confidence)
            refitted |= {f"low{suffix}": self._spread(low, stable), f"high{suffix}": self._spread(high, stable)}
        low, high = self._ends(everything, few=few, of=np.arange(len(row)), confidence=0.95)
        return {
            "selected": self.stability.share,
            "is_stable": self.is_stable,
            **refitted,
            "partial": everything.log_odds_ratio,
            "partial_low": low,
            "partial_high": high,
            "few_prompts": few,
        }

    def _spread(self, values: Floats, stable: Integers) -> Floats:
        of_all = np.full(len(self.above[0]), np.nan)
        of_all[stable] = values
        return of_all

    def _ends(self, fit: ising.Refit, *, few: Bools, of: Integers, confidence: float) -> Ends:
        """Ends by the sandwich; of few prompts those within items with the same other categories."""
        reach = t_quantile(confidence, df=fit.freedom) * fit.error
        low, high = fit.log_odds_ratio - reach, fit.log_odds_ratio + reach
        rare = np.flatnonzero(few[of])
        row, col = self.above
        low[rare], high[rare] = ising.given_others(self.sets, (row[of[rare]], col[of[rare]]), confidence=confidence)
        return low, high


def category_network(
    items: LabelledItems,
    bits: Integers,
    *,
    where: str,
    max_false: float,
    random_state: int,
    progress: Callable[[int], None],
) -> CategoryNetwork:
    """Select the pairs among some categories, by their bits, in halves of the prompts."""
    sets = ising.label_sets(items.flags[:, bits], clusters=items.prompts, kept_for_any=where == "unsafe")
    found = ising.stability(
        sets,
        n_selected=math.comb(len(bits), 2) * SELECTED,
        most_false=max_false,
        random_state=random_state,
        progress=progress,
    )
    return CategoryNetwork(sets, found)


def no_interval(prefix: str = "") -> pl.Expr:
    """Why an interval of the table `pairs` lacks an end; null where it has both."""
    low, high = pl.col(f"{prefix}low").is_null(), pl.col(f"{prefix}high").is_null()
    return (
        pl.when(low & high)
        .then(pl.lit(_NO_END["neither"]))
        .when(low)
        .then(pl.lit(_NO_END["low"]))
        .when(high)
        .then(pl.lit(_NO_END["high"]))
    )
