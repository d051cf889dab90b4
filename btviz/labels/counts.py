"""How often each category and each set of them occurs: in all items, and in some against the rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset
from btviz.labels.population import Group, label_histogram
from btviz.stats.association import Floats, joint_counts, ratio, wilson
from btviz.stats.clustered import FEWEST_EFFECTIVE, lift_interval, ratio_interval, share_interval
from btviz.stats.resampling import cluster_sums
from btviz.taxonomy.categories import Taxonomy

RULE = "a category holds for a pair if at least half of its annotations flag it (a tie counts)"


def category_counts(
    ds: Dataset | pl.LazyFrame,
    *,
    population: str | None = None,
    where: str = "all",
    by: str | None = None,
    taxonomy: Taxonomy | None = None,
) -> pl.DataFrame:
    """Items per harm category.

    Parameters
    ----------
    ds : Dataset or LazyFrame of annotations
        A lazy frame is streamed; `label_histogram` names the columns it needs.
    population : {"annotations", "pairs", "prompts"}, optional
        What is counted; `rule` says how an item comes by its labels. By default annotations; pairs of data without
        any, such as comparisons.
    where : {"all", "unsafe"}
        Count all items, or the unsafe ones only.
    by : {None, "split", "severity"}
        One block of rows for each value, named in the first column.
    taxonomy : Taxonomy, optional
        Default: the data set's own; BeaverTails for a lazy frame.

    Returns
    -------
    DataFrame
        One row per category, in the taxonomy's order: `category` (released key),
        `n_category`, `n` (items counted), `share` (0 .. 1), `share_low_naive` and
        `share_high_naive` (95 % Wilson interval that takes items for independent),
        `n_no_category` (unsafe items for which no category holds), `n_excluded` (items with
        unknown or contradictory labels), `population`, `where`, `rule`. Shares are null where
        nothing is counted.

    Raises
    ------
    UsageError
        If an option is unknown, or the data have not what it needs.
    DataError
        If they are prompts without answers.
    """
    histogram = label_histogram(ds, population=population, where=where, by=by, taxonomy=taxonomy)
    keys = histogram.taxonomy.keys

    def table(group: Group) -> pl.DataFrame:
        n = group.n.sum()
        counts = joint_counts(group.labels, weights=group.n, size=len(keys)).diagonal()
        low, high = wilson(counts, n=n)
        return pl.DataFrame({"category": keys, "n_category": counts}).with_columns(
            pl.lit(n, pl.Int64).alias("n"),
            pl.Series("share", ratio(counts, n)),
            pl.Series("share_low_naive", low),
            pl.Series("share_high_naive", high),
            pl.lit(group.n_no_category, pl.Int64).alias("n_no_category"),
        )

    return histogram.tabulate(table)


def label_sets(
    ds: Dataset | pl.LazyFrame,
    *,
    population: str | None = None,
    where: str = "all",
    by: str | None = None,
    taxonomy: Taxonomy | None = None,
) -> pl.DataFrame:
    """Items per exact combination of categories: the data of an UpSet plot.

    Parameters are those of `category_counts`.

    Returns
    -------
    DataFrame
        One row per combination that occurs, most frequent first: `labels` (mask),
        `categories` (list of released keys), `size` (number of categories), `n` (items with
        exactly these), `share` (of the items counted, 0 .. 1), `n_items` (items counted),
        `n_excluded`, `population`, `where`, `rule`.

    Raises
    ------
    UsageError
        If an option is unknown, or the data have not what it needs.
    DataError
        If they are prompts without answers.
    """
    histogram = label_histogram(ds, population=population, where=where, by=by, taxonomy=taxonomy)
    members = histogram.taxonomy.members

    def table(group: Group) -> pl.DataFrame:
        categories = [[category.key for category in members(int(mask))] for mask in group.labels]
        return (
            pl.DataFrame(
                {
                    "labels": pl.Series(group.labels).cast(pl.UInt32),
                    "categories": pl.Series(categories, dtype=pl.List(pl.String)),
                    "size": pl.Series([len(names) for names in categories], dtype=pl.Int64),
                    "n": group.n,
                    "share": ratio(group.n, group.n.sum()),
                }
            )
            .with_columns(pl.lit(group.n.sum(), pl.Int64).alias("n_items"))
            .sort("n", "labels", descending=[True, False])
        )

    return histogram.tabulate(table)


def labels_per_item(
    ds: Dataset | pl.LazyFrame,
    *,
    population: str | None = None,
    where: str = "all",
    by: str | None = None,
    taxonomy: Taxonomy | None = None,
) -> pl.DataFrame:
    """Items by their number of categories.

    Parameters are those of `category_counts`.

    Returns
    -------
    DataFrame
        One row per size from 0 to the largest that occurs in any group: `size`, `n`, `share`
        (of the items counted, 0 .. 1), `n_items` (items counted), `n_excluded`, `population`,
        `where`, `rule`.

    Raises
    ------
    UsageError
        If an option is unknown, or the data have not what it needs.
    DataError
        If they are prompts without answers.
    """
    histogram = label_histogram(ds, population=population, where=where, by=by, taxonomy=taxonomy)
    sizes = [np.bitwise_count(group.labels) for group in histogram.groups]
    length = max((int(size.max(initial=0)) for size in sizes), default=0) + 1

    def table(group: Group) -> pl.DataFrame:
        counts = np.zeros(length, np.int64)
        np.add.at(counts, np.bitwise_count(group.labels), group.n)
        return pl.DataFrame({"size": np.arange(length), "n": counts}).with_columns(
            pl.Series("share", ratio(counts, group.n.sum())), pl.lit(group.n.sum(), pl.Int64).alias("n_items")
        )

    return histogram.tabulate(table)


def category_contrast(
    ds: Dataset, pair_ids: pl.Series | Iterable[int], *, against: pl.Series | Iterable[int] | None = None
) -> pl.DataFrame:
    """Compare how often each category occurs among some pairs and among the rest, or among some others.

    Parameters
    ----------
    ds : Dataset
        Its pairs are counted, as far as their labels are known.
    pair_ids : Series or iterable of int
        The pairs chosen; ids that the data set does not hold are left out.
    against : Series or iterable of int, optional
        The pairs to compare with, all others by default; those that are chosen, too, count as chosen. Two topics are
        compared by giving the pairs of one and of the other.

    Returns
    -------
    DataFrame
        One row per category, in the taxonomy's order:

        - `category` (released key); `n_category`, `n`, `share` (0 .. 1): chosen pairs with the
          category, chosen pairs, and the first over the second;
        - `n_category_rest`, `n_rest`, `share_rest`: the same for the pairs to compare with;
        - `n_all`, `share_all`: for both together; `lift` = `share` / `share_all` (0 ..), and
          `ratio` = `share` / `share_rest` (0 ..);
        - `share_low`, `share_high`, `share_rest_low`, `share_rest_high`, `lift_low`, `lift_high`, `ratio_low`,
          `ratio_high`: 95 % intervals by prompt, null where fewer than 20 effective prompts are chosen, for `ratio`
          also where fewer are on the other side; `lift` and `ratio` have no upper end where nothing bounds it;
        - `n_excluded`: chosen pairs whose labels are unknown or contradict each other;
        - `undefined`: why a value is null; `population` ("pairs", or "prompts" where there are no answers), `rule`.

    Notes
    -----
    An interval says how far a value would move with other prompts of which pairs are chosen by the same rule, in each
    category alone. Where the rule names a category, its lift is what was chosen, and no finding. Sources of the
    formulas: `btviz.stats.clustered`.
    """
    ids = _pair_ids(pair_ids)
    pairs = ds.items.select("pair_id", "prompt_id", "labels", "is_safe")
    pairs = pairs.with_columns(pl.col("pair_id").is_in(ids.implode()).alias("chosen"))
    if against is not None:
        pairs = pairs.filter(pl.col("chosen") | pl.col("pair_id").is_in(_pair_ids(against).implode()))
    # of a prompt without an answer it is said what it asks for, whether or not somebody says that this is safe
    known = pairs.drop_nulls(["labels"] if ds.item == "prompt" else ["labels", "is_safe"])
    is_chosen = known["chosen"].to_numpy()
    flags = np.column_stack([ds.taxonomy.flags(known["labels"].to_numpy()), np.ones(known.height, np.bool_)])
    both_sides = np.column_stack([flags & is_chosen[:, None], flags & ~is_chosen[:, None]]).astype(np.int8)
    sums = cluster_sums(both_sides, clusters=known["prompt_id"].to_numpy())
    table = _contrast_table(ds, sums, n_excluded=int(pairs["chosen"].sum()) - int(is_chosen.sum()))
    why = (
        pl.when(pl.col("n") == 0)
        .then(pl.lit(f"no {ds.item} is chosen"))
        .when(pl.col("n_rest") == 0)
        .then(pl.lit(f"every {ds.item} is chosen, so there is no rest"))
        .when(pl.col("share_all") == 0)
        .then(pl.lit(f"no {ds.item} has this category"))
        .when(pl.col("share_low").is_null())
        .then(pl.lit(f"fewer than {FEWEST_EFFECTIVE} effective prompts are chosen, which an interval needs"))
        .when(pl.col("share_rest_low").is_null())
        .then(pl.lit(f"fewer than {FEWEST_EFFECTIVE} effective prompts to compare with, which an interval needs"))
        .when(pl.col("share_rest") == 0)
        .then(pl.lit(f"no {ds.item} to compare with has this category"))
    )
    return table.with_columns(
        why.alias("undefined"), pl.lit(f"{ds.item}s").alias("population"), pl.lit(RULE).alias("rule")
    )


def _pair_ids(given: pl.Series | Iterable[int]) -> pl.Series:
    ids = given if isinstance(given, pl.Series) else pl.Series(list(given), dtype=pl.UInt64)
    return ids.cast(pl.UInt64).unique()


def _contrast_table(ds: Dataset, sums: Floats, *, n_excluded: int) -> pl.DataFrame:
    """Shares and their ratios from sums by prompt: flags and number of chosen pairs, then those of the others."""
    size = len(ds.taxonomy) + 1
    ends = [size - 1, size, 2 * size - 1]
    hits, n, hits_rest, n_rest = (sums[:, part] for part in np.split(np.arange(2 * size), ends))
    share, share_rest = share_interval(hits, n), share_interval(hits_rest, n_rest)
    ratios = {
        "lift": lift_interval(hits, n, of=(hits + hits_rest, n + n_rest)),
        "ratio": ratio_interval(hits, n, over=(hits_rest, n_rest)),
    }
    counts = {"n_category": hits, "n": n, "n_category_rest": hits_rest, "n_rest": n_rest, "n_all": n + n_rest}
    totals = {name: np.broadcast_to(part.sum(axis=0), size - 1).astype(np.int64) for name, part in counts.items()}
    columns: dict[str, Any] = {"category": ds.taxonomy.keys, **totals}
    columns["share_all"] = ratio(totals["n_category"] + totals["n_category_rest"], totals["n_all"])
    for name, found in {"share": share, "share_rest": share_rest, **ratios}.items():
        columns |= {name: found.estimate, f"{name}_low": found.low, f"{name}_high": found.high}
    order = ["category", "n_category", "n", "share", "n_category_rest", "n_rest", "share_rest", "n_all", "share_all"]
    order += ["lift", "ratio"]
    table = pl.DataFrame(columns).select(*order, pl.exclude(order))
    return table.with_columns(pl.selectors.float().fill_nan(None), pl.lit(n_excluded, pl.Int64).alias("n_excluded"))
