"""Fixtures every test may use: an own data folder, the shared real files, a tiny data set."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

if sys.dont_write_bytecode:  # every process that a test starts would compile all that it imports anew
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).resolve().parents[1] / ".pytest_cache" / "bytecode")
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait leave the core to others

import hypothesis
import polars as pl
import pytest
from small_data import dataset_from_rows, hashed_words

import btviz
from btviz.data.dataset import Dataset
from btviz.texts.embedding import CallableEncoder

# Other work on the machine is no fault of a test.
UNTIMED = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("untimed", **UNTIMED)
hypothesis.settings.load_profile("untimed")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_finish() -> None:
    """Let no collection of garbage go through all tests and modules again: they stay to the end."""
    gc.collect()
    gc.freeze()


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


@pytest.fixture(scope="session")
def samples_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which both samples were made; for copies only."""
    folder = tmp_path_factory.mktemp("samples")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BTVIZ_DATA_DIR", str(folder))
        for name in ("sample", "sample-saferlhf"):
            btviz.load(name)
    return folder


@pytest.fixture(scope="session")
def samples(samples_folder: Path) -> dict[str, Dataset]:
    """Both embedded samples, every table read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BTVIZ_DATA_DIR", str(samples_folder))
        loaded = {name: btviz.load(name) for name in ("sample", "sample-saferlhf")}
        for ds in loaded.values():
            ds.annotations, ds.pairs, ds.prompts, ds.preferences, ds.votes  # noqa: B018  # read while the folder is set
    return loaded


@pytest.fixture
def kept_samples(samples_folder: Path, own_data_dir: Path) -> None:
    """Leave both samples in this test's data folder, as an earlier command would have."""
    shutil.copytree(samples_folder, own_data_dir)


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


@pytest.fixture(scope="session")
def hash_encoder() -> CallableEncoder:
    """A tiny encoder that loads nothing, for tests of what comes after vectors."""
    return CallableEncoder(hashed_words, name="hashed words", version="1")
