"""A disk on which any step may fail, and an entry to write on it."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from btviz.store import Draft, Key

KEY = Key("entries", ("a",))
BLOB = b"the whole content" * 100


def fill(draft: Draft) -> None:
    """Write the parts of the entry."""
    draft.blob("blob", BLOB)
    draft.array("array", np.arange(1000))


class HalfWritten:
    """A file whose writes may be interrupted half-way."""

    def __init__(self, file: Any, step: Callable[[], bool], stop: Callable[[], object]) -> None:
        self.file, self.step, self.stop = file, step, stop

    def __enter__(self) -> HalfWritten:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, data: Any) -> int:
        if self.step():
            self.file.write(bytes(data)[: len(data) // 2])
            self.file.flush()
            self.stop()
        return int(self.file.write(data))


@contextmanager
def stopped_at(number: int, stop: Callable[[], object]) -> Iterator[list[str]]:
    """Call `stop` instead of the `number`-th call that changes the disk, or half-way through it."""
    calls: list[str] = []

    def step(name: str) -> bool:
        calls.append(name)
        return len(calls) == number

    def stopping(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if step(name):
                stop()
            return real(*args, **kwargs)

        return call

    def opening(file: Any, mode: str = "r", *args: Any, _real: Any = io.open, **kwargs: Any) -> Any:
        opened = _real(file, mode, *args, **kwargs)
        return HalfWritten(opened, lambda: step("write"), stop) if mode in {"wb", "xb"} else opened

    with pytest.MonkeyPatch.context() as patch:
        for name in ("fsync", "rename", "replace", "mkdir"):
            patch.setattr(os, name, stopping(name, getattr(os, name)))
        patch.setattr(io, "open", opening)
        yield calls
