"""Batches of texts of similar length, within a budget of tokens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.tables import ID

PLAN = pl.Schema({"batch": pl.UInt32(), "pair_id": ID, "tokens": pl.UInt32(), "length": pl.UInt32()})
"""One row per pair: its batch, its own tokens, and the length that its batch is padded to."""

Rows = npt.NDArray[np.int64]


def by_length(lengths: npt.ArrayLike, *, budget: int) -> list[Rows]:
    """Group texts by length such that each group, padded, has at most `budget` tokens.

    Parameters
    ----------
    lengths : array_like of int, shape (n,)
        Tokens of each text.
    budget : int
        Tokens of a batch, padding included; a longer text is a batch of its own.

    Returns
    -------
    list of array of int64
        Row numbers of each batch, the longest texts first: what does not fit memory shows at once.

    Examples
    --------
    >>> [rows.tolist() for rows in by_length([3, 9, 4, 8], budget=18)]
    [[1, 3], [2, 0]]
    """
    sizes = np.asarray(lengths, np.int64)
    order = np.argsort(-sizes, kind="stable")
    batches, start = [], 0
    while start < len(order):
        longest = max(int(sizes[order[start]]), 1)
        end = start + max(1, budget // longest)
        batches.append(order[start:end])
        start = end
    return batches


def plan_batches(
    pair_ids: Sequence[int] | pl.Series, lengths: npt.ArrayLike, *, budget: int, first: int
) -> pl.DataFrame:
    """Plan which pairs are scored together.

    Parameters
    ----------
    pair_ids : sequence of int, or Series
        Unique ids; among texts of one length they decide the order, so that the plan is a function of the set.
    lengths : array_like of int
        Tokens of each pair.
    budget : int
        Tokens of a batch, padding included.
    first : int
        Number of the first batch.

    Returns
    -------
    DataFrame
        `batch`, `pair_id`, `tokens`, `length`; in the order of scoring.
    """
    sizes = pl.DataFrame({"pair_id": pl.Series(pair_ids, dtype=ID), "tokens": np.asarray(lengths, np.uint32)})
    sizes = sizes.sort("pair_id")
    groups = by_length(sizes["tokens"].to_numpy(), budget=budget)
    numbers = np.repeat(np.arange(first, first + len(groups)), [len(group) for group in groups])
    rows = sizes.gather(np.concatenate(groups)) if groups else sizes
    batch = pl.Series("batch", numbers, pl.UInt32)
    return rows.with_columns(batch, pl.col("tokens").max().over(batch).alias("length")).select(list(PLAN))
