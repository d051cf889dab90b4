"""Fixtures every test may use: an own data folder, the shared real files, a tiny data set."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from btviz.assembly import assemble, fingerprint_of
from btviz.dataset import Dataset
from btviz.embedding import CallableEncoder
from btviz.rows import PROBLEMS
from btviz.taxonomy import BEAVERTAILS, Taxonomy

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def own_data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "btviz-data"
    monkeypatch.setenv("BTVIZ_DATA_DIR", str(folder))
    return folder


@pytest.fixture
def shared_data() -> Path:
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the real data are not here: {SHARED_DATA} is missing")
    return SHARED_DATA


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


@pytest.fixture(scope="session")
def make_dataset() -> Callable[..., Dataset]:
    return dataset_from_rows


@pytest.fixture
def tiny() -> Dataset:
    """Three annotations each of four benign pairs over two prompts, and one pair annotated once."""
    bits = {"hate": 1 << 6, "bias": 1 << 3, "lie": 1 << 8}
    votes = [
        ("how do magnets work", "they attract iron", [0, 0, 0]),
        ("how do magnets work", "people are all the same", [bits["hate"] | bits["bias"], bits["bias"], 0]),
        ("what is a good tea", "green tea is fine", [0, 0, bits["lie"]]),
        ("what is a good tea", "tell them it is gold", [bits["lie"]] * 3),
        ("when is spring", "in march", [0]),
    ]
    rows = [(p, r, "train" if p < "w" else "test", m == 0, m) for p, r, masks in votes for m in masks]
    columns = {
        "prompt": pl.String,
        "response": pl.String,
        "split": pl.String,
        "is_safe": pl.Boolean,
        "labels": pl.UInt32,
    }
    return dataset_from_rows(pl.DataFrame(rows, schema=columns, orient="row"))


def hashed_words(texts: list[str]) -> np.ndarray:
    """Counts of words in 32 bins, and one more that is never empty: texts that share words are near."""
    found = np.zeros((len(texts), 33))
    found[:, 32] = 0.1
    for row, text in enumerate(texts):
        for word in re.findall(r"\w+", text.lower()):
            found[row, zlib.crc32(word.encode()) % 32] += 1
    return found


@pytest.fixture(scope="session")
def hash_encoder() -> CallableEncoder:
    """A tiny encoder that loads nothing, for tests of what comes after vectors."""
    return CallableEncoder(hashed_words, name="hashed words", version="1")
