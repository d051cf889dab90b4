"""Whether the better answer is the safer one: all results in one record, and single labels beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl

from btviz.data import load
from btviz.data.dataset import Dataset, expect_dataset, not_a_dataset
from btviz.data.tables import PREFERENCES
from btviz.errors import NotFoundError
from btviz.preference.adjusted import adjusted_table, unadjusted
from btviz.preference.comparisons import STRATA, comparisons_of, with_strata
from btviz.preference.counts import (
    NO_PROMPTS,
    NO_ROWS,
    counted_safe_places,
    counts_known,
    counts_source,
    orthogonality_of_counts,
)
from btviz.preference.pooled import ORDERS, order_table, pooled_table, unpooled
from btviz.preference.questions import Question, Shares, shares_of
from btviz.preference.shares import flips, reasons_of, share_table, sums_of
from btviz.stats.association import wilson
from btviz.stats.clustered import share_interval
from btviz.stats.resampling import Resampling, cluster_sums


@dataclass(frozen=True, eq=False)
class Orthogonality:
    """Whether the better of two answers is the safer one.

    Attributes
    ----------
    table : DataFrame
        One row per level of each grouping (`btviz.taxonomy.words.GROUPINGS`):
        `grouping`, `level`, `n` (comparisons), `prompts`, `p` = P(better = safer) by
        comparison, `p_low` and `p_high` (95 % by prompt, `btviz.stats.clustered`), `p_value` (sign
        flips by prompt, of p = 1/2), `p_holm` (adjusted for all rows of the table: the chance that
        any of them is called other than 1/2 by error stays below the level), `p_studentised` (where
        prompt sizes tell of the outcome, `p_value` rejects too often and this one does not), `verdict` (sentence
        against the margin), `conclusion` (associated,
        practically orthogonal or undecided; null for synthetic data), `p_prompt_weighted`,
        `p_shrunken` with `_low`, `_high` (p drawn towards those of the other levels of its grouping, the more the fewer
        comparisons it has, `btviz.stats.shrinkage`; null where a grouping has fewer than 3 levels
        with comparisons, as `undefined_shrunken` says),
        `naive_low`, `naive_high`, `naive_p_value` (comparisons taken for independent),
        `effective_prompts` (effective number of prompts), `smallest_detectable` (least
        |2p - 1| that these prompts show with 80 % power, at a level of 5 %, two-sided), `rule_broken` (comparisons with
        one safe answer whose unsafe answer is called safer),
        `undefined` (why a value is null, or what to mind).
    bias : DataFrame
        Position bias; see `btviz.preference.report.bias_table`.
    pooled : DataFrame
        Phi, kappa, Mantel-Haenszel and homogeneity; see `btviz.preference.pooled.pooled_table`.
    null : DataFrame
        What p would be if harmlessness were turned around in random prompts: `grouping`,
        `level` (all, and each stratum), `p` (one row per turn) and `observed`.
    cycles : DataFrame
        Prompts with three or more compared answers; see `btviz.preference.pooled.order_table`.
    margin : float
        Bound on |2p - 1| that verdicts use.
    counted_from : str or None
        Where the counts come from that stand in for rows that are not here; None where rows were counted. Then
        `table` is that of `btviz.orthogonality_of_counts` with the columns above, `bias` holds what was published, and
        the others are empty or say why they have no value.
    """

    table: pl.DataFrame
    bias: pl.DataFrame
    pooled: pl.DataFrame
    null: pl.DataFrame
    cycles: pl.DataFrame
    margin: float
    _ds: Dataset | None = field(repr=False)
    counted_from: str | None = None

    @cached_property
    def adjusted(self) -> pl.DataFrame:
        """Regressions of better on safer; see `btviz.preference.adjusted.adjusted_table`."""
        if self._ds is None:
            return unadjusted(NO_ROWS, n=0, prompts=0)
        return adjusted_table(comparisons_of(self._ds), self._ds.pairs)


def orthogonality(
    ds: Dataset | str, *, n_boot: int = 2000, random_state: int = 0, margin: float = 0.1
) -> Orthogonality:
    """Measure how often the better of two answers is also the safer one.

    The unit is a comparison with both labels; strata and labels are those of its own row.

    Parameters
    ----------
    ds : Dataset or str
        Any data set; without comparisons that have both labels, values are null and say why. Or the name of a release
        about which counts were published, which is "pku-saferlhf": where its rows are not here, these answer as far as
        they can, see `Orthogonality.counted_from`.
    n_boot : int
        Checked, and of no influence: intervals are in closed form, and the tests draw as many as they need.
    random_state : int
        Seed of the sign flips and of the studentised test.
    margin : float
        Bound on |2p - 1| below which labels count as practically orthogonal, 0 .. 1.

    Returns
    -------
    Orthogonality
        Tables; the regressions are computed when `adjusted` is first read.

    Raises
    ------
    UsageError
        If `margin` is not between 0 and 1, `n_boot` is below 39, the seed is negative, or another name is passed.
    """
    if isinstance(ds, str) and counts_known(ds):
        try:
            rows = load(ds)
        except NotFoundError:
            return _of_counts(ds, margin=margin, resampling=Resampling(n_boot, random_state))
        return orthogonality(rows, n_boot=n_boot, random_state=random_state, margin=margin)
    if not isinstance(ds, Dataset):
        raise not_a_dataset(ds)
    shares = shares_of(ds, Question(n_boot=n_boot, random_state=random_state, margin=margin))
    resampling, orders = Resampling(n_boot, random_state), order_table(shares.comparisons)
    return Orthogonality(
        table=shares.table,
        bias=bias_table(ds.preferences, resampling),
        pooled=pooled_table(shares, orders=orders),
        null=_null(shares, resampling),
        cycles=orders,
        margin=margin,
        _ds=ds,
    )


_BY_PROMPT = ("p_holm", "p_prompt_weighted", "naive_p_value", "effective_prompts")


def _of_counts(release: str, *, margin: float, resampling: Resampling) -> Orthogonality:
    """What published counts tell; no sums by prompt, so neither intervals nor tests."""
    counts = orthogonality_of_counts(release, margin=margin).with_columns(
        pl.col("verdict").str.split(":").list.first().alias("conclusion"),
        *(pl.lit(None, pl.Float64).alias(name) for name in _BY_PROMPT),
        pl.lit(None, pl.Int64).alias("rule_broken"),
    )
    second, one_safe = counted_safe_places(release)
    low, high = wilson(np.array([second]), n=np.array([one_safe]))
    counted = {
        "n": one_safe,
        "prompts": None,
        "p": second / one_safe,
        "naive_low": low[0],
        "naive_high": high[0],
        "effective_prompts": None,
    }
    is_counted = pl.col("label") == "is_safe"
    bias = bias_table(PREFERENCES.to_frame(), resampling).with_columns(
        *(pl.when(is_counted).then(pl.lit(value)).otherwise(name).alias(name) for name, value in counted.items()),
        pl.when(is_counted).then(pl.lit(NO_PROMPTS)).otherwise(pl.lit(NO_ROWS)).alias("undefined"),
    )
    return Orthogonality(
        table=counts.select(pl.exclude("undefined"), "undefined"),
        bias=bias,
        pooled=unpooled(NO_ROWS),
        null=NULLS.to_frame(),
        cycles=ORDERS.to_frame(),
        margin=margin,
        _ds=None,
        counted_from=counts_source(release),
    )


NULLS = pl.Schema({"grouping": pl.String(), "level": pl.String(), "p": pl.Float64(), "observed": pl.Float64()})


def _null(shares: Shares, resampling: Resampling) -> pl.DataFrame:
    """What the sign flips behind the p-values drew, as shares: of all comparisons, and of each stratum."""
    tables = [NULLS.to_frame()]
    for place, level in enumerate(shares.levels):
        balance = shares.sums.signed(place)
        if level.grouping not in {"all", "stratum"} or not balance.any():
            continue
        scale = np.sqrt(np.sum(balance**2)) / shares.sums.n[:, place].sum()
        test = flips(shares.sums, place, resampling=resampling)
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


ORDERED = (
    "all comparisons name the same response, as where a file puts the chosen one first: its order then says nothing of "
    "what annotators saw"
)


def bias_table(preferences: pl.DataFrame, resampling: Resampling) -> pl.DataFrame:
    """How often each label names response_1.

    Where each comparison names the same response there is no test and no interval: files of chosen and rejected answers
    are written in the order of the label, which no annotator saw.
    """
    one_safe = pl.col("is_safe_0") != pl.col("is_safe_1")
    second = {
        "better": pl.col("better").cast(pl.Boolean),
        "safer": pl.col("safer").cast(pl.Boolean),
        "is_safe": pl.when(one_safe).then(pl.col("is_safe_1")),
    }
    labels = preferences.select("prompt_id", **second).filter(pl.any_horizontal(pl.col(LABELS).is_not_null()))
    table = share_table(
        sums_of(
            labels.select(pl.col(LABELS).is_not_null()).to_numpy(),
            hit=labels.select(pl.col(LABELS).fill_null(value=False)).to_numpy(),
            prompt=labels["prompt_id"].to_numpy(),
        ),
        resampling,
    )
    ordered = pl.col("p").is_in([0.0, 1.0])
    why = (
        pl.when(pl.col("n") == 0)
        .then(pl.lit("no comparison has this label"))
        .when(ordered)
        .then(pl.lit(ORDERED))
        .otherwise("undefined")
    )
    told = [pl.when(~ordered).then(name).alias(name) for name in ("p_low", "p_high", "p_value")]
    return table.with_columns(pl.Series("label", LABELS), *told, why.alias("undefined")).select(
        "label", pl.all().exclude("label", "undefined"), "undefined"
    )


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
        0 .. 1; null without comparisons), `share_low` and `share_high` (95 % by prompt), `n`
        (comparisons), `prompts`, `difference` (share of the better answers less that of the worse ones,
        with the same label, in the same comparisons), `difference_low`, `difference_high`, `undefined`
        (why a value or an interval is null, or what to mind).
    """
    expect_dataset(ds)
    known = ds.preferences.drop_nulls(["better", "is_safe_0", "is_safe_1"])
    first, second = (known[f"is_safe_{side}"].to_numpy() for side in (0, 1))
    chosen = known["better"].to_numpy() == 1
    safe = {RANKS[0]: np.where(chosen, second, first), RANKS[1]: np.where(chosen, first, second)}
    rows = [(rank, is_safe) for rank in RANKS for is_safe in (True, False)]
    is_so = np.column_stack([safe[rank] == is_safe for rank, is_safe in rows]).astype(np.float64)
    # a difference of -1 .. 1 as a share: 1 where only the better answer is so, 0 where only the worse is, else a half
    gaps = (1 + is_so[:, [0, 1, 0, 1]] - is_so[:, [2, 3, 2, 3]]) / 2
    sums = cluster_sums(np.column_stack([is_so, gaps, np.ones(known.height)]), clusters=known["prompt_id"].to_numpy())
    shares, halves = (share_interval(part, sums[:, -1:]) for part in (sums[:, :4], sums[:, 4:8]))
    named = {"rank": pl.String, "safe": pl.Boolean}
    return pl.DataFrame(rows, schema=named, orient="row").with_columns(
        pl.Series("n_answers", is_so.sum(axis=0), pl.Float64).cast(pl.Int64),
        pl.Series("share", shares.estimate).fill_nan(None),
        pl.Series("share_low", shares.low).fill_nan(None),
        pl.Series("share_high", shares.high).fill_nan(None),
        pl.lit(known.height, pl.Int64).alias("n"),
        pl.lit(known["prompt_id"].n_unique(), pl.Int64).alias("prompts"),
        pl.Series("difference", 2 * halves.estimate - 1).fill_nan(None),
        pl.Series("difference_low", 2 * halves.low - 1).fill_nan(None),
        pl.Series("difference_high", 2 * halves.high - 1).fill_nan(None),
        pl.Series("undefined", reasons_of(shares, nothing="no comparison tells these labels"), dtype=pl.String),
    )


WIDEST = 3
"""Differences of this many categories, and more, count as one level."""


def flags_against_safer(ds: Dataset, *, n_boot: int = 2000, random_state: int = 0) -> pl.DataFrame:
    """How often the safer of two answers carries fewer harm categories.

    Where categories tell nothing of harmlessness the share is 1/2 at every difference; where
    they do, it rises with the difference.

    Parameters
    ----------
    ds : Dataset
        A data set with comparisons; those count whose answers have different numbers of
        categories, as released in their own row.
    n_boot, random_state : int
        Checked, and seed of the sign flips; intervals are in closed form.

    Returns
    -------
    DataFrame
        `grouping` ("all", "stratum", "difference"), `level` (of the difference: "1", "2",
        "3 or more" categories), and the columns of `btviz.preference.shares.share_table`, where
        p is the share of comparisons whose safer answer carries fewer categories. In the mixed
        stratum the labels force it.
    """
    expect_dataset(ds)
    counts = (pl.col(f"labels_{side}").bitwise_count_ones().cast(pl.Int64) for side in (0, 1))
    rows = (
        with_strata(ds.preferences.drop_nulls(["safer", "labels_0", "labels_1"]))
        .with_columns(count.alias(f"count_{side}") for side, count in enumerate(counts))
        .with_columns((pl.col("count_0") - pl.col("count_1")).alias("difference"))
        .filter(pl.col("difference") != 0)
    )
    size = rows["difference"].abs().clip(upper_bound=WIDEST)
    levels = [("all", "all", np.ones(rows.height, bool))]
    levels += [("stratum", name, (rows["stratum"] == name).fill_null(value=False).to_numpy()) for name in STRATA[1:]]
    names = {n: f"{n} or more" if n == WIDEST else str(n) for n in range(1, WIDEST + 1)}
    levels += [("difference", name, (size == n).to_numpy()) for n, name in names.items()]
    fewer = ((rows["difference"] > 0) == (rows["safer"] == 1)).to_numpy()
    member = np.column_stack([inside for _, _, inside in levels])
    shares = share_table(sums_of(member, hit=fewer, prompt=rows["prompt"].to_numpy()), Resampling(n_boot, random_state))
    nothing = pl.when(pl.col("n") == 0).then(pl.lit("no such comparison")).otherwise("undefined")
    return shares.select(
        pl.Series("grouping", [grouping for grouping, _, _ in levels]),
        pl.Series("level", [name for _, name, _ in levels]),
        pl.all().exclude("undefined"),
        nothing.alias("undefined"),
    )
