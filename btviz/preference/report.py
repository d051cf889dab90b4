"""`orthogonality`: whether the better answer is the safer one, and how often by chance alone.

Position bias: whether the labels favour the second of the two answers.

Answers by their rank in a comparison and by their own safety label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset, expect_dataset
from btviz.preference.adjusted import adjusted_table
from btviz.preference.comparisons import Comparisons, Level, comparisons_of, levels_of
from btviz.preference.measures import pooled_table
from btviz.preference.orders import order_table
from btviz.preference.shares import Resampling, Sums, flips, level_sums, share_table, sums_of
from btviz.preference.verdicts import Margin, Share, name_of, planted_in, verdict

_CONTRACT = ("grouping", "level", "n", "prompts", "p", "p_low", "p_high", "p_value", "verdict")


@dataclass(frozen=True, eq=False)
class Orthogonality:
    """Whether the better of two answers is the safer one.

    Attributes
    ----------
    table : DataFrame
        One row per level of each grouping (`btviz.preference.comparisons.GROUPINGS`):
        `grouping`, `level`, `n` (comparisons), `prompts`, `p` = P(better = safer) by
        comparison, `p_low` and `p_high` (95 %, resampling prompts), `p_value` (sign flips by
        prompt, of p = 1/2), `verdict` (sentence against the margin), `conclusion` (associated,
        practically orthogonal or undecided; null for synthetic data), `p_prompt_weighted`,
        `naive_low`, `naive_high`, `naive_p_value` (comparisons taken for independent),
        `rule_broken` (comparisons with one safe answer whose unsafe answer is called safer),
        `undefined` (why a value is null, or what to mind).
    bias : DataFrame
        Position bias; see `btviz.preference.report.bias_table`.
    pooled : DataFrame
        Phi, kappa, Mantel-Haenszel and homogeneity; see `btviz.preference.measures.pooled_table`.
    null : DataFrame
        What p would be if harmlessness were turned around in random prompts: `grouping`,
        `level` (all, and each stratum), `p` (one row per turn) and `observed`.
    cycles : DataFrame
        Prompts with three or more compared answers; see `btviz.preference.orders.order_table`.
    margin : float
        Bound on |2p - 1| that verdicts use.
    """

    table: pl.DataFrame
    bias: pl.DataFrame
    pooled: pl.DataFrame
    null: pl.DataFrame
    cycles: pl.DataFrame
    margin: float
    _ds: Dataset = field(repr=False)

    @cached_property
    def adjusted(self) -> pl.DataFrame:
        """Regressions of better on safer; see `btviz.preference.adjusted.adjusted_table`."""
        return adjusted_table(comparisons_of(self._ds), self._ds.pairs)


def orthogonality(ds: Dataset, *, n_boot: int = 2000, random_state: int = 0, margin: float = 0.1) -> Orthogonality:
    """Measure how often the better of two answers is also the safer one.

    The unit is a comparison with both labels; strata and labels are those of its own row.

    Parameters
    ----------
    ds : Dataset
        Any data set; without comparisons that have both labels, values are null and say why.
    n_boot : int
        Bootstrap replicates, drawn over prompts.
    random_state : int
        Seed of bootstrap and sign flips.
    margin : float
        Bound on |2p - 1| below which labels count as practically orthogonal, 0 .. 1.

    Returns
    -------
    Orthogonality
        Tables; the regressions are computed when `adjusted` is first read.

    Raises
    ------
    UsageError
        If `margin` is not between 0 and 1, `n_boot` is below 39 or the seed is negative.
    """
    bounds, resampling = Margin(margin), Resampling(n_boot, random_state)
    comparisons = comparisons_of(ds)
    levels = list(levels_of(comparisons))
    sums = level_sums(comparisons, levels)
    shares, orders = share_table(sums, resampling), order_table(comparisons)
    return Orthogonality(
        table=worded(shares, comparisons, levels=levels, ds=ds, margin=bounds),
        bias=bias_table(ds.preferences, resampling),
        pooled=pooled_table(comparisons, orders=orders, resampling=resampling),
        null=_null(sums, levels, resampling),
        cycles=orders,
        margin=margin,
        _ds=ds,
    )


def worded(
    shares: pl.DataFrame, comparisons: Comparisons, *, levels: Sequence[Level], ds: Dataset, margin: Margin
) -> pl.DataFrame:
    """Name the levels, count what breaks the rule, and put the numbers in words."""
    planted, named = planted_in(ds), name_of(ds)
    broken = comparisons.frame["broken"].fill_null(value=False).to_numpy()
    strata = comparisons.frame["stratum"]
    rows = []
    for level, row in zip(levels, shares.iter_rows(named=True), strict=True):
        share = Share(row["p"], row["p_low"], row["p_high"], row["undefined"])
        if ds.is_synthetic:
            mix = strata.filter(pl.Series(level.member)).fill_null("unknown").value_counts()
            is_planted = level.grouping in {"all", "stratum"}
            words, kind = planted.verdict(share, mix=dict(mix.iter_rows()), is_planted=is_planted), None
        else:
            words = verdict(share, level=level.name, named=named, margin=margin)
            kind = margin.kind(share.low, share.high)
        rows.append((level.grouping, level.name, words, kind, int(broken[level.member].sum())))
    names = ["grouping", "level", "verdict", "conclusion", "rule_broken"]
    worded = pl.DataFrame(rows, schema={**dict.fromkeys(names[:4], pl.String), "rule_broken": pl.Int64}, orient="row")
    table = pl.concat([worded, shares], how="horizontal")
    rest = [name for name in ("conclusion", *shares.columns, "rule_broken") if name not in _CONTRACT]
    return table.select(*_CONTRACT, *[n for n in rest if n != "undefined"], "undefined")


def _null(sums: Sums, levels: Sequence[Level], resampling: Resampling) -> pl.DataFrame:
    schema = {"grouping": pl.String, "level": pl.String, "p": pl.Float64, "observed": pl.Float64}
    tables = [pl.DataFrame(schema=schema)]
    for place, level in enumerate(levels):
        balance = sums.signed(place)
        if level.grouping not in {"all", "stratum"} or not balance.any():
            continue
        scale = np.sqrt(np.sum(balance**2)) / sums.n[:, place].sum()
        test = flips(sums, place, resampling=resampling)
        tables.append(
            pl.DataFrame({"p": (1 + test.null * scale) / 2}).select(
                pl.lit(level.grouping).alias("grouping"),
                pl.lit(level.name).alias("level"),
                "p",
                pl.lit((1 + float(test.statistic) * scale) / 2).alias("observed"),
            )
        )
    return pl.concat(tables)


LABELS = ("better", "safer", "is_safe")
"""Labels whose bias is reported; for `is_safe` among comparisons with exactly one safe answer."""


def bias_table(preferences: pl.DataFrame, resampling: Resampling) -> pl.DataFrame:
    """How often each label names response_1."""
    one_safe = pl.col("is_safe_0") != pl.col("is_safe_1")
    second = {
        "better": pl.col("better").cast(pl.Boolean),
        "safer": pl.col("safer").cast(pl.Boolean),
        "is_safe": pl.when(one_safe).then(pl.col("is_safe_1")),
    }
    found = preferences.select("prompt_id", **second).filter(pl.any_horizontal(pl.col(LABELS).is_not_null()))
    table = share_table(
        sums_of(
            found.select(pl.col(LABELS).is_not_null()).to_numpy(),
            hit=found.select(pl.col(LABELS).fill_null(value=False)).to_numpy(),
            prompt=found["prompt_id"].to_numpy(),
        ),
        resampling,
    )
    nothing = pl.when(pl.col("n") == 0).then(pl.lit("no comparison has this label")).otherwise("undefined")
    return table.select(pl.Series("label", LABELS), pl.all().exclude("undefined"), nothing.alias("undefined"))


RANKS = ("better", "worse")


def quadrants(ds: Dataset) -> pl.DataFrame:
    """Count answers that are better or worse, and safe or unsafe.

    Each comparison counts twice, once with either answer; an answer that is compared several
    times counts as often.

    Parameters
    ----------
    ds : Dataset
        Any data set; those comparisons count that tell the better answer and whether both are
        safe, as released in their own row.

    Returns
    -------
    DataFrame
        Four rows, better before worse and safe before unsafe: `rank` ("better", "worse"),
        `safe` (the answer's own label), `n_answers`, `share` (of the answers of that rank,
        0 .. 1; null without comparisons), `n` (comparisons).
    """
    expect_dataset(ds)
    known = ds.preferences.drop_nulls(["better", "is_safe_0", "is_safe_1"])
    first, second = pl.col("is_safe_0"), pl.col("is_safe_1")
    by_rank = known.select(
        pl.when(pl.col("better") == 1).then(second).otherwise(first).alias(RANKS[0]),
        pl.when(pl.col("better") == 1).then(first).otherwise(second).alias(RANKS[1]),
    )
    rows = [(rank, safe, int((by_rank[rank] == safe).sum())) for rank in RANKS for safe in (True, False)]
    counts = pl.DataFrame(rows, schema={"rank": pl.String, "safe": pl.Boolean, "n_answers": pl.Int64}, orient="row")
    counted = counts.with_columns(pl.lit(known.height, pl.Int64).alias("n"))
    share = pl.when(pl.col("n") > 0).then(pl.col("n_answers") / pl.col("n"))
    return counted.select("rank", "safe", "n_answers", share.alias("share"), "n")
