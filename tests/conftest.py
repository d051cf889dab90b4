"""Fixtures every test may use: an own data folder, the shared real files, a tiny data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl
import pytest

from btviz.dataset import Dataset
from btviz.tables import (
    ANNOTATION_ORDER,
    ANNOTATIONS,
    PAIRS,
    SCHEMAS,
    WORD,
    conform,
    majority,
    votes_of,
    with_ids,
)
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


def dataset_from_rows(rows: pl.DataFrame, *, taxonomy: Taxonomy = BEAVERTAILS, name: str = "tiny") -> Dataset:
    """A data set in memory; rows: prompt, response, split, is_safe, labels[, severity]."""
    rows = with_ids(rows)
    annotations = conform(rows, ANNOTATIONS).sort(ANNOTATION_ORDER)
    texts = rows.select("pair_id", "prompt_id", "prompt", "response").unique("pair_id")
    pairs = conform(
        texts.join(annotations.group_by("pair_id").agg(majority(taxonomy)), on="pair_id").with_columns(
            pl.col("prompt").str.count_matches(WORD).alias("prompt_words"),
            pl.col("response").str.count_matches(WORD).alias("response_words"),
        ),
        PAIRS,
    ).sort("pair_id")
    frames: Mapping[str, pl.DataFrame] = {
        "annotations": annotations,
        "pairs": pairs,
        "votes": votes_of(annotations, taxonomy),
    }
    empty = {table: schema.to_frame() for table, schema in SCHEMAS.items()}
    return Dataset(name, taxonomy, "0" * 32, False, None, {}, {**empty, **frames}.__getitem__)


@pytest.fixture
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
