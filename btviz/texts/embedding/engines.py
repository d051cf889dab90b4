"""Where texts are encoded: here, or by the workers of Ray. The vectors are the same."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.machine.cluster import LIVES, ray_cluster, room, shared_out
from btviz.texts.embedding.encoders import Encoder

Engine = Literal["local", "ray"]

Part: TypeAlias = "tuple[slice, npt.NDArray[np.float32]]"

_FIRST, _LARGEST = 32, 8192

_QUICK, _SLOW = 1.0, 4.0

_SLICE = 256


def encoded_here(encoder: Encoder, texts: pl.Series) -> Iterator[Part]:
    """Encode slices of texts, in order, each taking a second or a few."""
    start, size = 0, _FIRST
    while start < len(texts):
        part = slice(start, min(start + size, len(texts)))
        begun = time.monotonic()
        yield part, encoder.encode(texts[part].to_list())
        took = time.monotonic() - begun
        start = part.stop
        if took < _QUICK:
            size = min(2 * size, _LARGEST)
        elif took > _SLOW:
            size = max(size // 2, _FIRST)


def encoded_by_ray(encoder: Encoder, texts: pl.Series, *, workers: int | None = None) -> Iterator[Part]:
    """Encode slices of texts on the workers of Ray, one thread each, as they come back.

    A slice whose worker died is encoded again; see `btviz.machine.cluster.ray_cluster` for where.
    """
    parts = [slice(start, min(start + _SLICE, len(texts))) for start in range(0, len(texts), _SLICE)]
    with ray_cluster(workers=workers) as ray:
        hire = ray.remote(num_cpus=1, max_restarts=LIVES, max_task_retries=LIVES)(_Worker)
        crew = [hire.remote(encoder) for _ in range(min(workers or room(ray), max(1, len(parts))))]

        def submit(worker: Any, part: slice) -> Any:
            return worker.encode.remote(texts[part].to_list())

        yield from shared_out(ray, parts, crew=crew, submit=submit)


class _Worker:
    def __init__(self, encoder: Encoder) -> None:
        # Ray itself holds torch to one thread per processor it lends
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        self._encoder = encoder

    def ready(self) -> None:
        """Return; a call is answered once the process is there."""

    def encode(self, texts: list[str]) -> npt.NDArray[np.float32]:
        return self._encoder.encode(texts)
