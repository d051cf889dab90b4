"""Whether two splits are exchangeable: label sets of the one against those of the other, given the prompts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.data.dataset import Dataset, expect_dataset
from btviz.errors import UsageError
from btviz.labels.population import answers, expect_labelled
from btviz.machine.progress import bar
from btviz.stats.association import Floats, Integers, ratio
from btviz.stats.clustered import FEWEST_EFFECTIVE, moved, share_interval
from btviz.stats.permutation import holm
from btviz.stats.resampling import check_repeats, cluster_sums, generator

NULL = "in which split an answer of a prompt is, and a prompt that is in one split only, tells nothing of the labels"
"""What `split_shift` tests."""

SHIFT = pl.Schema(
    {
        "what": pl.String(),
        "split_a": pl.String(),
        "split_b": pl.String(),
        "n_a": pl.Int64(),
        "n_b": pl.Int64(),
        "prompts_a": pl.Int64(),
        "prompts_b": pl.Int64(),
        "prompts_shared": pl.Int64(),
        "n_exchanged": pl.Int64(),
        "share_a": pl.Float64(),
        "share_b": pl.Float64(),
        "difference": pl.Float64(),
        "low": pl.Float64(),
        "high": pl.Float64(),
        "chi_squared": pl.Float64(),
        "label_sets": pl.Int64(),
        "p_value": pl.Float64(),
        "p_holm": pl.Float64(),
        "null": pl.String(),
        "undefined": pl.String(),
    }
)

LABEL_SETS, UNSAFE = "label sets", "is_unsafe"

_FEW = 5  # rows of a label set expected in the smaller split below which it is pooled with others

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class _Exchange:
    """What is exchanged: units of rows, each in one split, within groups."""

    unit: Integers
    group: Integers
    is_b: Bools

    def draw(self, rng: np.random.Generator) -> Bools:
        """Whether each unit is in the second split, drawn anew within its group."""
        drawn = np.empty_like(self.is_b)
        # one number sorts by group, and at random within it
        drawn[np.argsort(self.group + rng.random(len(self.group)))] = self._by_group
        return drawn

    @cached_property
    def _by_group(self) -> Bools:
        return self.is_b[np.argsort(self.group, kind="stable")]


def split_shift(
    ds: Dataset, splits: tuple[str, str] | None = None, *, n_permutations: int = 999, random_state: int = 0
) -> pl.DataFrame:
    """Test whether two splits hold the same labels, given their prompts.

    Parameters
    ----------
    ds : Dataset
        Its rows with known labels count: annotations, or both answers of each comparison where it has none.
    splits : tuple of two str, optional
        By default the two that there are.
    n_permutations : int
        Random exchanges; the smallest p-value is ``1 / (n_permutations + 1)`` of label sets, twice that of a category.
    random_state : int
        Seed.

    Returns
    -------
    DataFrame
        One row for "label sets" together, one for "is_unsafe", and one per category: `what`, `split_a`, `split_b`,
        `n_a`, `n_b` (rows), `prompts_a`, `prompts_b`, `prompts_shared` (in both), `n_exchanged` (rows that can come to
        lie in the other split), `share_a`, `share_b` (0 .. 1), `difference` (first less second), `low`, `high` (95 %,
        `btviz.stats.clustered.moved`), `chi_squared` and `label_sets` (of the first row: the statistic
        and the sets it is over, those of which fewer than 5 are expected in a split pooled), `p_value`, `p_holm`
        (of the rows but the first), `null` (what is tested, in words), `undefined`.

    Raises
    ------
    UsageError
        If the data have no labels, or not two splits.

    Notes
    -----
    Answers of prompts in both splits are exchanged within their prompt, all rows of an answer together, so that it
    plays no part which prompts a split has; prompts in one split only are exchanged whole. The statistic over label
    sets is Pearson's chi-square of sets by split, of a category the rows of the second split that have it. A
    classifier that tells splits by their texts would see more than labels; this one asks of labels alone.
    """
    expect_dataset(ds)
    check_repeats(n_permutations)
    rows, first, second = _rows(ds, splits)
    exchange = _exchange(rows, second=second)
    flags = np.column_stack([rows["unsafe"].to_numpy(), ds.taxonomy.flags(rows["labels"])])
    is_b = (rows["split"] == second).to_numpy()
    sets = _pooled_sets(rows, is_b)
    observed, null = _permuted(exchange, sets, flags=flags, n_permutations=n_permutations, random_state=random_state)
    p_values = _p_values(observed, null)
    counts = _counts(rows, exchange, first=first, second=second)
    table = [
        {"what": LABEL_SETS, **counts, "chi_squared": observed[0], "label_sets": int(sets.max(initial=0)) + 1}
        | {"p_value": p_values[0]}
    ]
    shares = _shares(flags, rows, is_b)
    adjusted = holm(p_values[1:])
    for place, what in enumerate((UNSAFE, *ds.taxonomy.keys)):
        own = {name: float(values[place]) for name, values in shares.items()}
        table.append({"what": what, **counts, **own, "p_value": p_values[1 + place], "p_holm": adjusted[place]})
    return _table(table, n_exchanged=counts["n_exchanged"])


def _rows(ds: Dataset, splits: tuple[str, str] | None) -> tuple[pl.DataFrame, str, str]:
    asked = f"The shift between splits of {ds.name!r} was asked for"
    expect_labelled(ds, what="Labels of two splits")
    source = ds.annotations if ds.annotations.height else answers(ds.preferences)
    known = source.drop_nulls(["is_safe", "split"]).with_columns(
        pl.col("labels").fill_null(0), (~pl.col("is_safe")).alias("unsafe")
    )
    present = known["split"].unique().sort().to_list()
    two = tuple(sorted(present, key=lambda split: split != "train")) if splits is None else splits
    if len(two) != 2 or two[0] == two[1] or not set(two) <= set(present):
        raise UsageError(
            f"{asked}; it compares two splits, and there are here: {', '.join(present) or 'none'}. Name two that the "
            "data have: splits=('train', 'test')."
        )
    rows = known.filter(pl.col("split").is_in(two)).sort("prompt_id", "pair_id", "split", "labels", "unsafe")
    return rows, two[0], two[1]


def _exchange(rows: pl.DataFrame, *, second: str) -> _Exchange:
    """Answers of prompts in both splits are units within their prompt; other prompts are units of one group."""
    shared = pl.col("split").n_unique().over("prompt_id") > 1
    answer = pl.struct("prompt_id", "pair_id", "split")
    alone = pl.struct(pl.col("prompt_id"), pl.lit(0, pl.UInt64).alias("pair_id"), pl.col("split"))
    units = rows.select(
        pl.when(shared).then(answer).otherwise(alone).rank("dense").cast(pl.Int64).alias("unit") - 1,
        pl.when(shared).then("prompt_id").otherwise(pl.lit(None, pl.UInt64)).alias("group"),
        "split",
    )
    each = units.unique("unit").sort("unit")
    group = each["group"].rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
    return _Exchange(units["unit"].to_numpy(), group, (each["split"] == second).to_numpy())


def _pooled_sets(rows: pl.DataFrame, is_b: Bools) -> Integers:
    """Number of the label set of each row; rare sets share the last number."""
    code = rows["labels"].cast(pl.Int64) * 2 + rows["unsafe"].cast(pl.Int64)
    _, place, counts = np.unique(code.to_numpy(), return_inverse=True, return_counts=True)
    least = min(float(is_b.mean()), 1 - float(is_b.mean()))
    rare = counts * least < _FEW
    number = np.where(rare, np.count_nonzero(~rare), np.cumsum(~rare) - 1)
    return number[place].astype(np.int64)


def _permuted(
    exchange: _Exchange, sets: Integers, *, flags: Bools, n_permutations: int, random_state: int
) -> tuple[Floats, Floats]:
    """Chi-square of label sets, and differences of shares: observed, and after exchanges, shape (repeats, 1 + k)."""
    size = np.bincount(exchange.unit)
    carried = cluster_sums(flags.astype(np.float64), clusters=exchange.unit)
    totals, every = np.bincount(sets), carried.sum(axis=0)
    pairs, times = np.unique(exchange.unit * len(totals) + sets, return_counts=True)
    unit, label_set = np.divmod(pairs, len(totals))

    def statistics(in_b: Bools) -> Floats:
        n_b = float(size[in_b].sum())
        n_a = len(sets) - n_b
        inside = in_b[unit]
        of_b = np.bincount(label_set[inside], times[inside], minlength=len(totals))
        expected = totals * n_b / len(sets)
        squares = ratio((of_b - expected) ** 2, expected) + ratio((of_b - expected) ** 2, totals - expected)
        hits = carried[in_b].sum(axis=0)
        return np.concatenate([[np.nansum(squares)], ratio(every - hits, n_a) - ratio(hits, n_b)])

    rng = generator(random_state)
    drawn = []
    with bar(f"Exchanging answers between splits {n_permutations:,} times", total=n_permutations) as update:
        for repeat in range(n_permutations):
            drawn.append(statistics(exchange.draw(rng)))
            update(repeat + 1)
    return statistics(exchange.is_b), np.array(drawn)


def _p_values(observed: Floats, null: Floats) -> Floats:
    """One-sided of the chi-square, two-sided of the differences; NaN where no exchange changes anything."""
    slack = 1e-12  # sums of floats, in another order
    above = (1 + (null >= observed - slack).sum(axis=0)) / (len(null) + 1)
    below = (1 + (null <= observed + slack).sum(axis=0)) / (len(null) + 1)
    p_values = np.minimum(2 * np.minimum(above, below), 1.0)
    p_values[0] = above[0]
    return np.where(np.ptp(null, axis=0) > slack, p_values, np.nan)


def _counts(rows: pl.DataFrame, exchange: _Exchange, *, first: str, second: str) -> dict[str, Any]:
    prompts = {split: set(rows.filter(split=split)["prompt_id"].unique()) for split in (first, second)}
    movable = np.bincount(exchange.group, exchange.is_b) % np.maximum(np.bincount(exchange.group), 1) > 0
    return {
        "split_a": first,
        "split_b": second,
        "n_a": rows.filter(split=first).height,
        "n_b": rows.filter(split=second).height,
        "prompts_a": len(prompts[first]),
        "prompts_b": len(prompts[second]),
        "prompts_shared": len(prompts[first] & prompts[second]),
        "n_exchanged": int(movable[exchange.group[exchange.unit]].sum()),
    }


def _shares(flags: Bools, rows: pl.DataFrame, is_b: Bools) -> dict[str, Floats]:
    """Shares in both splits, and their differences with intervals by prompt."""
    sides = []
    for side in (~is_b, is_b):
        sums = cluster_sums(
            np.column_stack([np.ones(side.sum()), flags[side]]), clusters=rows["prompt_id"].to_numpy()[side]
        )
        sides.append(share_interval(sums[:, 1:], np.repeat(sums[:, :1], flags.shape[1], axis=1)))
    low, high = moved(np.subtract, *sides)
    shares = {"share_a": sides[0].estimate, "share_b": sides[1].estimate}
    return shares | {"difference": sides[0].estimate - sides[1].estimate, "low": low, "high": high}


def _table(rows: list[dict[str, Any]], *, n_exchanged: int) -> pl.DataFrame:
    nothing = "no answer can lie in either split" if not n_exchanged else "no exchange changes it"
    why = pl.concat_str(
        pl.when(pl.col("p_value").is_null()).then(pl.lit(nothing)),
        pl.when(pl.col("low").is_null() & (pl.col("what") != LABEL_SETS)).then(
            pl.lit(f"a split has fewer than {FEWEST_EFFECTIVE} effective prompts")
        ),
        separator="; ",
        ignore_nulls=True,
    )
    table = pl.DataFrame(rows, schema=SHIFT).with_columns(pl.col(pl.Float64).fill_nan(None), pl.lit(NULL).alias("null"))
    return table.with_columns(pl.when(why != "").then(why).alias("undefined"))
