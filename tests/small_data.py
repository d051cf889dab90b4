"""Data sets made in memory, and an encoder that loads nothing."""

from __future__ import annotations

import re
import zlib
from typing import Any

import numpy as np
import polars as pl

from btviz.data.assemble import assemble, fingerprint_of
from btviz.data.dataset import Dataset
from btviz.data.reading.parse import PROBLEMS
from btviz.taxonomy.categories import BEAVERTAILS, Taxonomy


def dataset_from_rows(
    rows: pl.DataFrame, *, taxonomy: Taxonomy = BEAVERTAILS, name: str = "tiny", comparisons: pl.DataFrame | None = None
) -> Dataset:
    """A data set in memory; rows: prompt, response, split, is_safe, labels[, severity]."""
    tables = assemble(taxonomy, annotations=rows, comparisons=comparisons) | {"problems": PROBLEMS.to_frame()}
    order = ("annotations", "preferences", "prompts")
    fingerprint = fingerprint_of(tables[table] for table in order)
    facts: dict[str, Any] = {"files": [], "assumptions": {}}
    return Dataset(
        name=name,
        taxonomy=taxonomy,
        fingerprint=fingerprint,
        is_synthetic=False,
        release=None,
        facts=facts,
        _read=tables.__getitem__,
    )


def hashed_words(texts: list[str]) -> np.ndarray:
    """Counts of words in 32 bins, and one more that is never empty: texts that share words are near."""
    found = np.zeros((len(texts), 33))
    found[:, 32] = 0.1
    for row, text in enumerate(texts):
        for word in re.findall(r"\w+", text.lower()):
            found[row, zlib.crc32(word.encode()) % 32] += 1
    return found
