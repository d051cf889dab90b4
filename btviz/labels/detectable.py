"""Which association of two categories these prompts could have shown, whatever they show: phi, and odds ratios."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.labels.population import LabelledItems
from btviz.stats.association import Floats, Integers, TwoByTwo, odds_ratio_of_phi, ratio
from btviz.stats.clustered import effective_number
from btviz.stats.ising import label_sets
from btviz.stats.power import reaches, smallest_negative_phi, smallest_phi, worth_of_phi
from btviz.stats.resampling import cluster_sums
from btviz.stats.stratified import detectable_odds_ratios


def detectable_phi(items: LabelledItems, row: Integers, *, col: Integers) -> dict[str, Floats]:
    """Phi of each pair above and below 0, and the odds ratios of these; the joint counts play no part."""
    sums = cluster_sums(_counted(items.flags).astype(np.float64), clusters=items.prompts)
    n, of_row, of_col = sums[:, :1], sums[:, 1 + row], sums[:, 1 + col]
    shares = [ratio(label.sum(axis=0), n.sum()) for label in (of_row, of_col)]
    worth, freedom = worth_of_phi(of_row, of_col, n=n), effective_number(n) - 1
    above = smallest_phi(shares[0], shares[1], worth=worth, freedom=freedom)
    below = smallest_negative_phi(shares[0], shares[1], worth=worth, freedom=freedom)
    margins = items.flags.sum(axis=0)
    table = TwoByTwo(np.asarray(len(items.flags)), margins[row], margins[col], np.zeros(len(row), np.int64))
    return {
        "smallest_detectable": above,
        "smallest_detectable_negative": below,
        "odds_ratio_detectable_above": odds_ratio_of_phi(above, table),
        "odds_ratio_detectable_below": odds_ratio_of_phi(below, table),
    }


def detectable_ratios(
    items: LabelledItems, row: Integers, *, col: Integers, tested: NDArray[np.bool_]
) -> dict[str, Floats]:
    """Odds ratios of each tested pair given the other categories, among unsafe items that have another one."""
    sets = label_sets(items.flags, clusters=items.prompts, kept_for_any=True)
    ends = np.full((len(row), 2), np.nan)
    for place in np.flatnonzero(tested):
        pair = int(row[place]), int(col[place])
        tells, _, strata = sets.within_others(*pair)
        counted = tells[sets.place]
        sums = cluster_sums(_counted(items.flags[counted][:, pair]).astype(np.float64), clusters=sets.cluster[counted])
        n = sums[:, :1]
        worth = worth_of_phi(sums[:, 1:2], sums[:, 2:], n=n)
        for_level, for_power = reaches(effective_number(n) - 1)
        ends[place] = detectable_odds_ratios(
            strata,
            reach=(float(for_level[0]), float(for_power[0])),
            design_effects=(float(n.sum() / worth[0][0]), float(n.sum() / worth[1][0])),
        )
    return {"odds_ratio_detectable_below": ends[:, 0], "odds_ratio_detectable_above": ends[:, 1]}


def _counted(flags: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Flags with a column for the item itself before them."""
    return np.column_stack([np.ones(len(flags), np.bool_), flags])


def why_undetectable(where: str) -> pl.Expr:
    """Why something that these prompts could have shown is null."""
    above, below = (pl.col(f"odds_ratio_detectable_{side}").is_null() for side in ("above", "below"))
    reasons = pl.concat_str(
        pl.when(pl.lit(where == "unsafe")).then(
            pl.lit("no phi: the test given the other categories is of an odds ratio")
        ),
        pl.when(pl.col("p_value").is_null())
        .then(pl.lit("there is no test"))
        .otherwise(
            pl.concat_str(
                pl.when(above).then(pl.lit("no odds ratio above 1 that the margins allow would be found")),
                pl.when(below).then(pl.lit("so few have both by chance that none at all would not be found")),
                separator="; ",
                ignore_nulls=True,
            )
        ),
        separator="; ",
        ignore_nulls=True,
    )
    return pl.when(reasons != "").then(reasons)
