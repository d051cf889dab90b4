"""How often each category and each set of them occurs: in all items, and in some against the rest."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset
from btviz.labels.population import Group, label_histogram
from btviz.stats.association import Integers, joint_counts, ratio, wilson
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


def category_contrast(ds: Dataset, pair_ids: pl.Series | Iterable[int]) -> pl.DataFrame:
    """Compare how often each category occurs among some pairs and among the rest.

    Parameters
    ----------
    ds : Dataset
        Its pairs are counted, as far as their labels are known.
    pair_ids : Series or iterable of int
        The pairs chosen; ids that the data set does not hold are left out.

    Returns
    -------
    DataFrame
        One row per category, in the taxonomy's order:

        - `category` (released key); `n_category`, `n`, `share` (0 .. 1): chosen pairs with the
          category, chosen pairs, and the first over the second;
        - `n_category_rest`, `n_rest`, `share_rest`: the same for the pairs not chosen;
        - `n_all`, `share_all`: for all pairs counted; `lift` = `share` / `share_all` (0 ..);
        - `n_excluded`: chosen pairs whose labels are unknown or contradict each other;
        - `undefined`: why a value is null; `population` ("pairs", or "prompts" where there are no answers), `rule`.

    Notes
    -----
    There are no intervals: pairs chosen because of where they lie, or of what they say, are no
    sample of anything. `btviz.topic_categories` has intervals for topics.
    """
    ids = pair_ids if isinstance(pair_ids, pl.Series) else pl.Series(list(pair_ids), dtype=pl.UInt64)
    pairs = ds.items.select("pair_id", "labels", "is_safe")
    pairs = pairs.with_columns(pl.col("pair_id").is_in(ids.cast(pl.UInt64).unique().implode()).alias("chosen"))
    # of a prompt without an answer it is said what it asks for, whether or not somebody says that this is safe
    known = pairs.drop_nulls(["labels"] if ds.item == "prompt" else ["labels", "is_safe"])
    chosen, rest = (
        _category_totals(known.filter(pl.col("chosen") == side), len(ds.taxonomy)) for side in (True, False)
    )
    n, n_rest = int(known["chosen"].sum()), int((~known["chosen"]).sum())
    share, share_all = ratio(chosen, n), ratio(chosen + rest, n + n_rest)
    table = pl.DataFrame(
        {
            "category": ds.taxonomy.keys,
            "n_category": chosen,
            "n": n,
            "share": share,
            "n_category_rest": rest,
            "n_rest": n_rest,
            "share_rest": ratio(rest, n_rest),
            "n_all": n + n_rest,
            "share_all": share_all,
            "lift": ratio(share, share_all),
            "n_excluded": int(pairs["chosen"].sum()) - n,
        },
        schema_overrides={"n": pl.Int64, "n_rest": pl.Int64, "n_all": pl.Int64, "n_excluded": pl.Int64},
    )
    why = (
        pl.when(pl.col("n") == 0)
        .then(pl.lit(f"no {ds.item} is chosen"))
        .when(pl.col("n_rest") == 0)
        .then(pl.lit(f"every {ds.item} is chosen, so there is no rest"))
        .when(pl.col("share_all") == 0)
        .then(pl.lit(f"no {ds.item} has this category"))
    )
    floats = pl.selectors.float()
    return table.with_columns(
        floats.fill_nan(None),
        why.alias("undefined"),
        pl.lit(f"{ds.item}s").alias("population"),
        pl.lit(RULE).alias("rule"),
    )


def _category_totals(pairs: pl.DataFrame, n_categories: int) -> Integers:
    sets = pairs.group_by("labels").len()
    masks, weights = sets["labels"].cast(pl.Int64).to_numpy(), sets["len"].cast(pl.Int64).to_numpy()
    return joint_counts(masks, weights=weights, size=n_categories).diagonal()
