"""What maps and topics are measured on: real pairs for quality, the full-size replica for time and memory."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.running import Skipped

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "beavertails" / "30k_test.jsonl"


@dataclass(frozen=True)
class Population:
    """Texts of a data set, and the encoder that makes their vectors: the same for every side."""

    name: str
    source: Path | str
    text: str
    encoder: str

    def dataset(self) -> Any:
        """The data set.

        Raises
        ------
        Skipped
            If it is not here.
        """
        import btviz

        if isinstance(self.source, Path) and not self.source.is_file():
            raise Skipped(f"{self.source.name} is not here")
        return btviz.load(self.source)

    def embeddings(self, ds: Any) -> Any:
        """Vectors, from a store of their own if they are there."""
        import btviz

        return btviz.embed(ds, text=self.text, encoder=btviz.load_encoder(self.encoder), store=self._store)

    def load(self) -> tuple[Any, Any]:
        """Data set and vectors."""
        ds = self.dataset()
        return ds, self.embeddings(ds)

    def forget_vectors(self) -> None:
        """Have `embeddings` start anew."""
        shutil.rmtree(self._store.root, ignore_errors=True)

    @property
    def _store(self) -> Any:
        from btviz.store import Store, data_dir

        return Store(data_dir() / f"vectors-{self.name}")


REAL_QA = Population("real", REAL, "qa", "minilm")
PROMPTS = Population("prompts", "replica", "prompt", "minilm")
"""The 16,851 distinct prompts of the replica's 110,822 pairs."""

REPLICA_QA = Population("qa", "replica", "qa", "static")
"""All 110,822 pairs of the replica, by the static model, because vectors of the full one take half an hour."""


def timed(work: Callable[[], Any]) -> float:
    """Seconds that one call takes."""
    start = perf_counter()
    work()
    return perf_counter() - start


def forget(folder: Path, *kinds: str) -> None:
    """Remove what the store holds of some kinds."""
    for kind in kinds:
        shutil.rmtree(folder / "store" / kind, ignore_errors=True)


def warm() -> None:
    """Compile what UMAP compiles at its first call, which is no work of either side."""
    import numpy as np
    import umap

    few = np.random.default_rng(0).normal(size=(100, 8)).astype(np.float32)
    for threads in ({"random_state": 0, "n_jobs": 1}, {}):
        umap.UMAP(metric="cosine", **threads).fit(few)
