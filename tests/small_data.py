"""Small data sets, in memory and written as released, and an encoder that loads nothing."""

from __future__ import annotations

import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from btviz.data.assemble import assemble
from btviz.data.dataset import Dataset
from btviz.data.fingerprint import fingerprint_of, identifying
from btviz.data.keys import keys_of
from btviz.data.tables import PROBLEMS
from btviz.taxonomy.categories import BEAVERTAILS, Taxonomy


def dataset_from_rows(
    rows: pl.DataFrame | None,
    *,
    taxonomy: Taxonomy = BEAVERTAILS,
    name: str = "tiny",
    comparisons: pl.DataFrame | None = None,
    prompts: pl.DataFrame | None = None,
) -> Dataset:
    """A data set in memory; rows: prompt, response, split, is_safe, labels[, severity]."""
    tables = assemble(taxonomy, annotations=rows, comparisons=comparisons, prompts=prompts)
    tables |= {"problems": PROBLEMS.to_frame(), "keys": keys_of(tables["origins"])}
    fingerprint = fingerprint_of(identifying(tables))
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


def unlabelled(prompts: list[str], responses: list[str]) -> Dataset:
    """Pairs about which nothing is labelled."""
    rows = pl.DataFrame({"prompt": prompts, "response": responses})
    labels = pl.lit(0, pl.UInt32)
    return dataset_from_rows(rows.with_columns(split=pl.lit("train"), is_safe=labels == 0, labels=labels))


def some_pairs(count: int) -> Dataset:
    """Pairs of which every two share a prompt."""
    return unlabelled(
        [f"question {i // 2} about tea" for i in range(count)],
        [f"answer {i % 5}" + " very long" * (i % 7) for i in range(count)],
    )


def write_answers(file: Path, *, n: int) -> Path:
    """Write a release of n benign answers, each released twice."""
    category = dict.fromkeys(BEAVERTAILS.keys, False)
    rows = [
        {"prompt": f"how do {i % 7} magnets work", "response": f"they attract iron {i} " * (i % 9), "is_safe": True}
        for i in range(n)
    ]
    file.write_text("".join(json.dumps(row | {"category": category}) + "\n" for row in rows * 2))
    return file
