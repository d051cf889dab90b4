"""Category statistics: how often each label, and each set of labels, occurs, and which meet."""

from __future__ import annotations

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset
from btviz.labels.histogram import Group, label_histogram
from btviz.stats.association import joint_counts, ratio, wilson
from btviz.taxonomy.categories import Taxonomy


def category_counts(
    ds: Dataset | pl.LazyFrame,
    *,
    population: str = "annotations",
    where: str = "all",
    by: str | None = None,
    taxonomy: Taxonomy | None = None,
) -> pl.DataFrame:
    """Items per harm category.

    Parameters
    ----------
    ds : Dataset or LazyFrame of annotations
        A lazy frame is streamed; `label_histogram` names the columns it needs.
    population : {"annotations", "pairs", "prompts"}
        What is counted; `rule` says how an item comes by its labels.
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
    population: str = "annotations",
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
    population: str = "annotations",
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
