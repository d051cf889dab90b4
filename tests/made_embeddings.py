"""Embeddings of no text at all: seeded vectors, so that tests need no encoder."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.store import fingerprint
from btviz.texts.embedding import Embeddings


def embeddings_of(vectors: npt.ArrayLike, *, pairs: pl.DataFrame | None = None) -> Embeddings:
    """Embeddings of the rows of `vectors`, made unit; text ids are 10, 20, 30, ...

    Without `pairs` each text has one pair, whose id is 7 above the text's.
    """
    rows = np.asarray(vectors, np.float64)
    unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    ids = np.arange(1, len(rows) + 1, dtype=np.uint64) * np.uint64(10)
    if pairs is None:
        pairs = pl.DataFrame(
            {"pair_id": ids + np.uint64(7), "text_id": ids}, schema={"pair_id": pl.UInt64, "text_id": pl.UInt64}
        )
    return Embeddings(
        text_ids=ids,
        vectors=unit,
        pairs=pairs,
        text="prompt",
        encoder="made",
        fingerprint=fingerprint(unit.tobytes(), len(rows), unit.shape[1]),
    )


def clustered(n: int, *, d: int = 16, groups: int = 6, spread: float = 0.5, seed: int = 0) -> npt.NDArray[np.float64]:
    """Vectors around a few seeded centres."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(groups, d))
    return centres[draw.integers(groups, size=n)] + spread * draw.normal(size=(n, d))
