"""The distinct texts that were embedded, and where each lies on the map."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from btviz.dataset import Dataset
from btviz.embedding.result import Embeddings
from btviz.embedding.texts import TEXTS
from btviz.errors import UsageError


def texts_of(ds: Dataset, embeddings: Embeddings) -> list[str]:
    """Each distinct text, in the order of ``embeddings.text_ids``.

    Raises
    ------
    UsageError
        If the embeddings are of pairs that the data set has not.
    """
    one_pair = embeddings.pairs.group_by("text_id").agg(pl.col("pair_id").min())
    texts = ds.pairs.select("pair_id", TEXTS[embeddings.text].alias("text"))
    found = one_pair.join(texts, on="pair_id", how="inner").sort("text_id")
    if found.height != len(embeddings):
        raise UsageError(
            f"Topics of {ds.name!r} were asked for; of the {len(embeddings):,} texts embedded only {found.height:,} "
            "are texts of its pairs. Embed this data set."
        )
    return found["text"].to_list()


def places_of(points: pl.DataFrame, embeddings: Embeddings) -> NDArray[np.float32]:
    """Coordinates of each distinct text, shape (n, 2), in the order of ``embeddings.text_ids``.

    Raises
    ------
    UsageError
        If the map has no point for a text, or one that is not finite.
    """
    placed = embeddings.pairs.join(points.select("pair_id", "x", "y"), on="pair_id", how="left")
    first = placed.sort("text_id", "pair_id").group_by("text_id", maintain_order=True).agg(pl.col("x", "y").first())
    places = first.select(pl.col("x", "y").cast(pl.Float32)).to_numpy()
    lost = len(embeddings) - int(np.isfinite(places).all(axis=1).sum())
    if lost:
        raise UsageError(
            f"Topics were asked for on a map that has no place for {lost:,} of {len(embeddings):,} texts. Make the "
            "map from these embeddings: btviz.fit_data_map(embeddings)."
        )
    return places
