"""Harm categories among some pairs against all the others."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset
from btviz.stats.association import joint_counts, ratio

RULE = "a category holds for a pair if at least half of its annotations flag it (a tie counts)"


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
        - `undefined`: why a value is null; `population` ("pairs"), `rule`.

    Notes
    -----
    There are no intervals: pairs chosen because of where they lie, or of what they say, are no
    sample of anything. `btviz.topic_categories` has intervals for topics.
    """
    ids = pair_ids if isinstance(pair_ids, pl.Series) else pl.Series(list(pair_ids), dtype=pl.UInt64)
    pairs = ds.pairs.select("pair_id", "labels", "is_safe")
    pairs = pairs.with_columns(pl.col("pair_id").is_in(ids.cast(pl.UInt64).unique().implode()).alias("chosen"))
    known = pairs.drop_nulls(["labels", "is_safe"])
    chosen, rest = (_counts(known.filter(pl.col("chosen") == side), len(ds.taxonomy)) for side in (True, False))
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
        .then(pl.lit("no pair is chosen"))
        .when(pl.col("n_rest") == 0)
        .then(pl.lit("every pair is chosen, so there is no rest"))
        .when(pl.col("share_all") == 0)
        .then(pl.lit("no pair has this category"))
    )
    floats = pl.selectors.float()
    return table.with_columns(
        floats.fill_nan(None), why.alias("undefined"), pl.lit("pairs").alias("population"), pl.lit(RULE).alias("rule")
    )


def _counts(pairs: pl.DataFrame, n_categories: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    sets = pairs.group_by("labels").len()
    masks, weights = sets["labels"].cast(pl.Int64).to_numpy(), sets["len"].cast(pl.Int64).to_numpy()
    counts: np.ndarray[tuple[int], np.dtype[np.int64]] = joint_counts(
        masks, weights=weights, size=n_categories
    ).diagonal()
    return counts
