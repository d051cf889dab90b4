"""Groups of prompts that say almost the same, so that none is in training and test at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.data.tables import WORD
from btviz.errors import require

SIMILARITY = 0.8
"""Least share of common words (Jaccard index of the two sets) at which two prompts are near-duplicates."""


def prompt_groups(prompts: pl.DataFrame, *, similarity: float = SIMILARITY) -> pl.DataFrame:
    """Put prompts that share nearly all of their words into one group.

    All pairs are found, not a sample of them: sets that overlap by `similarity` have a word in
    common among the rarest few of each (prefix filtering, Chaudhuri, Ganti & Kaushik 2006), so
    only pairs with such a word are compared. Chains join: a group may hold two prompts that are
    less alike than `similarity`.

    Parameters
    ----------
    prompts : DataFrame
        `prompt_id` (unique) and `prompt`.
    similarity : float, optional
        Jaccard index of the sets of lower-case words, in (0, 1].

    Returns
    -------
    DataFrame
        `prompt_id`, `group` (the smallest `prompt_id` of its group); sorted by `prompt_id`.
    """
    ids = prompts.select("prompt_id").sort("prompt_id")
    words = _words(prompts)
    alike = _alike(words, similarity=similarity)
    numbers = ids.with_row_index("row")
    edges = [
        alike.join(numbers, left_on=side, right_on="prompt_id", how="left", maintain_order="left")["row"].to_numpy()
        for side in ("left", "right")
    ]
    return ids.with_columns(pl.Series("group", ids["prompt_id"].to_numpy()[_first_of_component(*edges, n=ids.height)]))


def _words(prompts: pl.DataFrame) -> pl.DataFrame:
    """Distinct words of each prompt, rarest first: `prompt_id`, `word` (a number), `size`, `place`."""
    found = prompts.select(
        "prompt_id", pl.col("prompt").str.to_lowercase().str.extract_all(WORD).list.unique().alias("word")
    )
    rows = found.explode("word", empty_as_null=False).drop_nulls()
    rarity = rows.group_by("word").len().sort("len", "word").with_row_index("rank").select("word", "rank")
    numbered = rows.join(rarity, on="word").select("prompt_id", pl.col("rank").alias("word"))
    return numbered.sort("prompt_id", "word").with_columns(
        pl.len().over("prompt_id").alias("size"), pl.int_range(pl.len()).over("prompt_id").alias("place")
    )


def _alike(words: pl.DataFrame, *, similarity: float) -> pl.DataFrame:
    """Pairs of prompts whose Jaccard index reaches `similarity`: `left` < `right`."""
    # two sets of overlap o >= similarity * size leave at most size - o words of each outside it
    slack = 1e-9
    prefix = words.filter(pl.col("place") <= pl.col("size") - (similarity * pl.col("size") - slack).ceil())
    columns = {"prompt_id": "left", "size": "left_size"}
    left = prefix.select("word", *(pl.col(old).alias(new) for old, new in columns.items()))
    right = prefix.select("word", pl.col("prompt_id").alias("right"), pl.col("size").alias("right_size"))
    candidates = (
        left.join(right, on="word")
        .filter(pl.col("left") < pl.col("right"), pl.col("right_size") >= similarity * pl.col("left_size") - slack)
        .filter(pl.col("left_size") >= similarity * pl.col("right_size") - slack)
        .drop("word")
        .unique()
    )
    sets = words.group_by("prompt_id").agg("word")
    both = candidates.join(sets, left_on="left", right_on="prompt_id").join(
        sets, left_on="right", right_on="prompt_id", suffix="_right"
    )
    common = pl.col("word").list.set_intersection("word_right").list.len()
    union = pl.col("left_size") + pl.col("right_size") - common
    return both.filter(common >= similarity * union - slack).select("left", "right").sort("left", "right")


def _first_of_component(left: npt.NDArray[np.int64], right: npt.NDArray[np.int64], *, n: int) -> npt.NDArray[np.int64]:
    """First row of the connected component of each of n rows."""
    sparse = require("scipy.sparse", extra="models")
    graph = sparse.coo_array((np.ones(len(left), np.int8), (left, right)), shape=(n, n))
    _, component = require("scipy.sparse.csgraph", extra="models").connected_components(graph, directed=False)
    first = np.full(component.max(initial=-1) + 1, n, np.int64)
    np.minimum.at(first, component, np.arange(n))
    return np.asarray(first[component])
