"""Where batches are scored: here, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from btviz.scoring.batches import Batch, score_inputs
from btviz.scoring.memory import Room
from btviz.scoring.protocol import ScoreModel

ENGINES = ("local", "ray")

Scored = tuple[Batch, npt.NDArray[np.float32]]


class Engine(Protocol):
    """Scores batches, in any order, each exactly once."""

    def run(self, model: ScoreModel, batches: Sequence[Batch]) -> Iterator[Scored]:
        """Each batch with its scores, as soon as they are there."""
        ...


class LocalEngine:
    """Scores batches in this process, one after the other."""

    def run(self, model: ScoreModel, batches: Sequence[Batch]) -> Iterator[Scored]:
        """Each batch with its scores, in order."""
        room = Room()
        for batch in batches:
            yield batch, score_inputs(model, batch.inputs, length=batch.length, pair_ids=batch.pair_ids, room=room)
