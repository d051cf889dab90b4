"""Memory: how much a model takes, and what to do when a batch does not fit."""

from __future__ import annotations

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
_WORDS = ("out of memory", "can't allocate memory", "not enough memory", "failed to allocate")
_GB = 1e9

Row = TypeVar("Row")
Floats = npt.NDArray[np.float32]


class MemoryWarning(UserWarning):
    """A model needs more memory than is free."""


def announce_need(name: str, *, n_parameters: int, dtype: str, device: str) -> None:
    """Say on standard error how much memory a model needs; warn if that much is not free.

    Parameters
    ----------
    name : str
        Of the model.
    n_parameters : int
        Numbers in its tensors.
    dtype, device : str
        What they are loaded as, and where to.
    """
    needed, free = n_parameters * BYTES[dtype], free_bytes(device)
    left = "" if free is None else f"; {free / _GB:.1f} GB are free there"
    message = f"{name} takes {needed / _GB:.2g} GB of memory as {dtype} on {device}{left}."
    sys.stderr.write(f"{message}\n")
    if free is not None and needed > free:
        advice = "Use dtype='bfloat16', a smaller model, or a machine with more."
        warnings.warn(f"{message} {advice}", MemoryWarning, stacklevel=3)


def free_bytes(device: str) -> int | None:
    """Memory that is free on a device, or None where nobody says."""
    if device.startswith("cuda"):
        return int(require("torch", extra="models").cuda.mem_get_info(device)[0])
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


def sparing(score: Callable[[Sequence[Row]], Floats], rows: Sequence[Row], *, names: Sequence[str]) -> Floats:
    """Score rows at once, or where memory does not suffice in halves, and halves of these.

    Parameters
    ----------
    score : callable
        Takes rows, returns an array with one entry each.
    rows : sequence
        At least one.
    names : sequence of str
        What an error calls each row.

    Raises
    ------
    UsageError
        If not even a single row fits; it is named.
    """
    try:
        return score(rows)
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        if len(rows) == 1:
            raise UsageError(
                f"Asked to score {names[0]}; memory does not even suffice for it alone. Use dtype='bfloat16', a "
                "smaller model, or another device."
            ) from error
    _release()  # outside the handler, which keeps the frames of the failed pass alive
    half = len(rows) // 2
    first, second = slice(None, half), slice(half, None)
    return np.concatenate([sparing(score, rows[part], names=names[part]) for part in (first, second)])


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, StoreError):
        return False
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in _WORDS)


def _release() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
