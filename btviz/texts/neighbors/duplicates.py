"""Groups of texts that say nearly the same."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.errors import UsageError
from btviz.texts.embedding import Embeddings
from btviz.texts.neighbors.graph import Neighbors, nearest_neighbors
from btviz.texts.neighbors.grid import Grid, blocks, cosine

Rows = npt.NDArray[np.int64]


def near_duplicates(emb: Embeddings, threshold: float = 0.05) -> pl.DataFrame:
    """Group texts that are linked, directly or through others, by small distances.

    Every two texts at most `threshold` apart are in one group; two texts of a group may be
    farther apart, joined by a chain. Above 20,000 texts the neighbour graph is approximate and
    a link may be missed.

    Parameters
    ----------
    emb : Embeddings
        From `btviz.embed`.
    threshold : float
        Largest cosine distance of two linked texts, 0 (equal vectors) .. 2.

    Returns
    -------
    DataFrame
        One row per text that has a near duplicate, largest groups first: `group` (from 1),
        `text_id`, `distance` (cosine, to the nearest other text), `n_texts` and `n_pairs` (of
        the group: its texts, and the pairs that have one of them).

    Raises
    ------
    UsageError
        If `threshold` is not between 0 and 2.
    """
    if not 0 <= threshold <= 2:
        raise UsageError(f"Near duplicates were asked for with threshold {threshold}; cosine distances are 0 to 2.")
    graph = nearest_neighbors(emb)
    linked = pl.DataFrame(
        {
            "root": _roots(emb, graph, threshold),
            "text_id": emb.text_ids,
            "distance": graph.distances[:, 0] if graph.indices.shape[1] else np.zeros(len(emb), np.float32),
        }
    )
    counts = emb.pairs.group_by("text_id").agg(pl.len().cast(pl.UInt32).alias("n_pairs"))
    members = linked.join(counts, on="text_id", how="left", maintain_order="left").with_columns(
        pl.len().over("root").alias("n_texts"), pl.col("n_pairs").fill_null(0).sum().over("root")
    )
    return (
        members.filter(pl.col("n_texts") > 1)
        .sort("n_texts", "root", "text_id", descending=[True, False, False])
        .select(pl.col("root").rle_id().add(1).alias("group"), "text_id", "distance", "n_texts", "n_pairs")
    )


def joined(root: Rows, first: Rows, *, second: Rows) -> Rows:
    """Join connected components along further edges."""
    root = root.copy()
    while (apart := root[first] != root[second]).any():
        first, second = root[first[apart]], root[second[apart]]
        np.minimum.at(root, np.maximum(first, second), np.minimum(first, second))
        while not np.array_equal(shorter := root[root], root):
            root = shorter
    return root


def _roots(emb: Embeddings, graph: Neighbors, threshold: float) -> Rows:
    close = graph.distances <= np.float32(threshold)
    row, place = np.nonzero(close)
    root = joined(np.arange(len(emb)), row, second=graph.indices[row, place].astype(np.int64))
    if close.shape[1] == len(emb) - 1:
        return root
    # A text whose neighbours in the graph are all close may have more that are.
    full = np.flatnonzero(close.all(axis=1))
    if len(full):
        grid = Grid.of(emb.vectors)
        for part in blocks(len(full), against=len(grid)):
            row, other = np.nonzero(cosine(grid.squared(emb.vectors[full[part]])) <= np.float32(threshold))
            root = joined(root, full[part][row], second=other)
    return root
