"""Memory: how much a model takes, and what to do when a batch does not fit."""

from __future__ import annotations

import math
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from btviz.errors import StoreError, UsageError, require

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}

_WORDS = ("out of memory", "can't allocate memory", "not enough memory", "failed to allocate", "_status_alloc_failed")
"""The last is what cuBLAS and cuDNN say."""

_GB = 1e9

Row = TypeVar("Row")

Floats = npt.NDArray[np.float32]


class MemoryWarning(UserWarning):
    """A model needs more memory than is free."""


def announce_need(name: str, *, n_parameters: int, dtype: str, device: str) -> None:
    """Say on standard error how much memory the weights of a model need; warn if that much is not free.

    On their way to a GPU they pass through main memory.
    """
    needed = n_parameters * BYTES[dtype]
    free = {place: free_bytes(place) for place in dict.fromkeys([device, "cpu"])}
    there = free[device]
    left = "" if there is None else f"; {there / _GB:.1f} GB are free there"
    message = f"{name} takes {needed / _GB:.2g} GB of memory as {dtype} on {device}{left}."
    sys.stderr.write(f"{message}\n")
    short = [place for place, room in free.items() if room is not None and needed > room]
    if short:
        by_way = "" if device in short else " Its weights pass through main memory, where less is free."
        advice = "Use dtype='bfloat16', a smaller model, or a machine with more."
        warnings.warn(f"{message}{by_way} {advice}", MemoryWarning, stacklevel=3)


def free_bytes(device: str) -> int | None:
    """Memory that is free on a device, or None where nobody says."""
    if device.startswith("cuda"):
        cuda = require("torch", extra="models").cuda
        kept_by_torch = cuda.memory_reserved(device) - cuda.memory_allocated(device)
        return int(cuda.mem_get_info(device)[0] + kept_by_torch)
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return _free_pages()


def _free_pages() -> int | None:
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return None


class Room:
    """Memory that a run turns out to have: what did not fit once is not tried at that size again.

    Attributes
    ----------
    too_large : float
        Tokens, padding included, of the smallest batch that did not fit; infinite until one does not.
    """

    def __init__(self) -> None:
        self.too_large = math.inf

    def sparing(
        self, score: Callable[[Sequence[Row]], Floats], rows: Sequence[Row], *, length: int, names: Sequence[str]
    ) -> Floats:
        """Score rows at once, or where memory does not suffice in halves, and halves of these.

        Each row is padded to `length` tokens. UsageError if not even a single row fits; `names` say which.
        """
        if len(rows) == 1 or len(rows) * length < self.too_large:
            try:
                return score(rows)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                if len(rows) == 1:
                    raise UsageError(
                        f"Asked to score {names[0]}; memory does not even suffice for it alone. Use dtype='bfloat16', "
                        "a smaller model, or another device."
                    ) from error
            self.too_large = len(rows) * length
            release_cache()  # outside the handler, which keeps the frames of the failed pass alive
        half = len(rows) // 2
        first, second = slice(None, half), slice(half, None)
        halves = [self.sparing(score, rows[part], length=length, names=names[part]) for part in (first, second)]
        return np.concatenate(halves)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory did not suffice, on any device."""
    if isinstance(error, StoreError):
        return False
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in _WORDS)


def release_cache() -> None:
    """Give memory back that PyTorch keeps for later use on a GPU."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
