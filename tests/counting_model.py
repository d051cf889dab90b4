"""A score model that writes down what it is given; its scores depend on the batch, so that another plan shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np


class CountingModel:
    """Score = last byte of the answer + length of the batch / 1024 + its rows / 2**20."""

    kind = "cost"
    labels: tuple[str, ...] = ()

    def __init__(
        self,
        *,
        name: str = "counting",
        fail: Callable[[int, int], None] | None = None,
        tokens_per_batch: int = 64,
    ) -> None:
        self.name = name
        self.tokens_per_batch = tokens_per_batch
        self.fingerprint = f"{name}-1"
        self.seen: list[tuple[int, int]] = []
        self.encoded: list[tuple[str, str]] = []
        self.fail = fail
        self.undefined: set[str] = set()

    def encode(self, prompts: Sequence[str], responses: Sequence[str]) -> list[np.ndarray]:
        self.encoded += zip(prompts, responses, strict=True)
        return [
            np.frombuffer(f"{p}|{r}".encode(), np.uint8).astype(np.int32)
            for p, r in zip(prompts, responses, strict=True)
        ]

    def score_encoded(self, rows: Sequence[np.ndarray], *, length: int | None = None) -> np.ndarray:
        width = max([length or 0, *map(len, rows)])
        if self.fail is not None:
            self.fail(len(rows), width)
        self.seen.append((len(rows), width))
        scores = [row[-1] + width / 1024 + len(rows) / 2**20 for row in rows]
        bad = [bytes(row.astype(np.uint8)).decode().partition("|")[2] in self.undefined for row in rows]
        return np.where(bad, np.nan, scores).astype(np.float32)

    def score(self, prompts: Sequence[str], responses: Sequence[str]) -> np.ndarray:
        return self.score_encoded(self.encode(prompts, responses))


class PlainModel:
    """A model of texts only, with two targets."""

    name, kind, fingerprint, labels = "plain", "moderation", "plain-1", ("rude", "off-topic")

    def score(self, prompts: Sequence[str], responses: Sequence[str]) -> np.ndarray:
        rows = [(len(p), len(r)) for p, r in zip(prompts, responses, strict=True)]
        return np.array(rows, np.float32).reshape(-1, 2)


class LethalModel(CountingModel):
    """Kills the process that scores the second batch, the first time that this happens."""

    def __init__(self, marks: Path) -> None:
        super().__init__(name="lethal")
        self.marks = marks

    def score_encoded(self, rows: Sequence[np.ndarray], *, length: int | None = None) -> np.ndarray:
        import os
        import signal

        killed = self.marks / "killed"
        if len(self.seen) == 1 and not killed.exists():
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().score_encoded(rows, length=length)
