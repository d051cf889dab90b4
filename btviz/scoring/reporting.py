"""How far a scoring run has come."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import polars as pl

from btviz.progress import bar
from btviz.scoring.batches import Batch


@dataclass(frozen=True)
class Progress:
    """State of a run after a batch.

    Attributes
    ----------
    model : str
        Which model is scoring.
    n_done, n_pairs : int
        Pairs scored so far, those of earlier runs included, and pairs in all.
    n_tokens : int
        Tokens of texts, without padding, scored in this run.
    tokens_per_second : float
        How many of them in a second.
    seconds_left : float
        At that speed.
    scores : DataFrame
        The `scores` table of the batch; empty before the first.
    """

    model: str
    n_done: int
    n_pairs: int
    n_tokens: int
    tokens_per_second: float
    seconds_left: float
    scores: pl.DataFrame = field(repr=False)


Listener = Callable[[Progress], None]


class Meter:
    """Counts tokens and pairs, and tells a listener.

    Parameters
    ----------
    model : str
        Name of the model.
    n_pairs : int
        Pairs in all.
    batches : sequence of Batch
        What this run is about to score.
    tell : callable
        Called with a `Progress` after each batch.
    """

    def __init__(self, model: str, *, n_pairs: int, batches: Sequence[Batch], tell: Listener) -> None:
        self._model = model
        self._n_pairs = n_pairs
        self._n_done = n_pairs - sum(len(batch.pair_ids) for batch in batches)
        self._total = sum(batch.tokens for batch in batches)
        self._tokens = 0
        self._tell = tell
        self._started = time.monotonic()

    def count(self, batch: Batch, scores: pl.DataFrame) -> None:
        """A batch has been scored and kept."""
        self._n_done += len(batch.pair_ids)
        self._tokens += batch.tokens
        speed = self._tokens / max(time.monotonic() - self._started, 1e-9)
        left = (self._total - self._tokens) / speed
        self._tell(Progress(self._model, self._n_done, self._n_pairs, self._tokens, speed, left, scores))


@contextmanager
def shown(model: str, *, batches: Sequence[Batch], listener: Listener | None) -> Iterator[Listener]:
    """Show a run on standard error, unless there is a listener who does it."""
    if listener is not None:
        yield listener
        return
    with bar(f"Scoring with {model}", total=sum(batch.tokens for batch in batches), unit="tokens") as update:
        yield lambda progress: update(progress.n_tokens)
