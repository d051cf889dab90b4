"""Maps of more texts than a layout can hold: lay out a sample, place the others beside it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.embedding import Embeddings
from btviz.neighbors.grid import Grid, blocks
from btviz.progress import bar
from btviz.store import fingerprint

_NEIGHBORS = 5  # landmarks that have a say in where a text goes
_PULL = 0.1
"""Of the way from the nearest landmark to the mean of all: farther puts texts between groups."""


def drawn(emb: Embeddings, n: int, *, random_state: int) -> npt.NDArray[np.int64]:
    """Rows of n texts, drawn without replacement; ascending. The order of a file plays no part."""
    rows = np.random.default_rng(random_state).choice(len(emb), n, replace=False)
    return np.asarray(np.sort(rows), np.int64)


def subset(emb: Embeddings, rows: npt.NDArray[np.int64]) -> Embeddings:
    """The embeddings of some texts, and of the pairs that have them."""
    ids = emb.text_ids[rows]
    return Embeddings(
        text_ids=ids,
        vectors=emb.vectors[rows],
        pairs=emb.pairs.filter(pl.col("text_id").is_in(pl.Series(ids).implode())),
        text=emb.text,
        encoder=emb.encoder,
        fingerprint=fingerprint(emb.fingerprint, "subset", rows.tobytes()),
    )


def place(
    vectors: npt.NDArray[np.float32], landmarks: npt.NDArray[np.float32], *, points: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Put each text beside the landmark nearest to it, a tenth of the way to the mean of five.

    The mean is weighted by ``exp(-(d - d1) / (m - d1))`` with the cosine distance d of a landmark,
    that of the nearest d1, and the mean m of the five; a text equal to a landmark falls on it.

    Parameters
    ----------
    vectors : ndarray of float32, shape (m, d)
        Read in blocks, so that they may exceed the memory.
    landmarks : ndarray of float32, shape (n, d)
    points : ndarray of float32, shape (n, 2)
        The landmarks in the plane.

    Returns
    -------
    ndarray of float32, shape (m, 2)
    """
    grid = Grid.of(landmarks)
    placed = np.empty((len(vectors), 2), np.float32)
    with bar(f"Placing {len(vectors):,} texts", total=len(vectors)) as update:
        for part in blocks(len(vectors), against=len(grid)):
            near, distances = grid.nearest(vectors[part], min(_NEIGHBORS, len(grid)))
            nearest, mean = points[near[:, 0]], np.einsum("ij,ijk->ik", _weights(distances), points[near])
            placed[part] = nearest + _PULL * (mean - nearest)
            update(part.stop)
    return placed


def _weights(distances: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    beyond = distances.astype(np.float64) - distances[:, :1]
    width = beyond.mean(axis=1, keepdims=True)
    weights = np.exp(-beyond / np.where(width > 0, width, 1.0))
    weights = np.where(distances[:, :1] == 0, distances == 0, weights)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
