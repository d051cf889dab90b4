"""Loading a score model and scoring with it, as a job beside the kernel."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from btviz.dataset import Dataset
from btviz.errors import DataError
from btviz.scoring import load_score_model, score
from btviz.scoring.protocol import ScoreModel, stacked_scores
from btviz.scoring.reporting import Progress
from btviz.widgets.background import Report
from btviz.widgets.scorebook import ScoreBook

EVERY_SECONDS = 1.0
"""How often the picture follows a run, at most."""

SHARE_OF_PICTURES = 0.05
"""Of the time of a run, what goes into pictures of it, at most: sums over many answers take their time."""


@dataclass(frozen=True, eq=False)
class Live:
    """A run under way: how far it has come, in words, and the book with what is scored so far."""

    words: str
    share: float
    book: ScoreBook


class ScoreJob:
    """Load a model and score a data set; `news` is what there is to show so far.

    Parameters
    ----------
    book : ScoreBook
        Takes the scores.
    name : str or Path or score model
        What to score with.
    kind : str or None
        "reward", "cost" or "moderation", where the model does not say.
    """

    def __init__(self, book: ScoreBook, name: str | Path | ScoreModel, *, kind: str | None) -> None:
        self._book, self._name, self._kind = book, name, kind
        self._tables: list[pl.DataFrame] = []
        self._next = 0.0
        self.model = name if isinstance(name, str | Path) else name.name
        self.words = f"Loading {self.model}"
        self.news: Live | None = None

    def run(self, report: Report) -> pl.DataFrame:
        """Score, reporting after each batch; returns the table of scores."""
        report(None)
        if self._book.ds.pairs.is_empty():
            raise DataError("There is no answer to score here. Choose data with prompts and responses.")
        model = self._loaded()
        self.words = f"Preparing the texts for {model.name}"
        report(None)
        return score(self._book.ds, model, progress=self._listener(report))

    def _loaded(self) -> ScoreModel:
        if not isinstance(self._name, str | Path):
            return self._name
        return load_score_model(self._name, kind=self._kind)

    def _listener(self, report: Report) -> Callable[[Progress], None]:
        def listen(progress: Progress) -> None:
            self._tables.append(progress.scores)
            self.words = _told(progress)
            share = progress.n_done / max(progress.n_pairs, 1)
            if (started := time.monotonic()) > self._next:
                self.news = Live(self.words, share, self._so_far())
                took = time.monotonic() - started
                self._next = started + took + max(EVERY_SECONDS, took / SHARE_OF_PICTURES)
            report(share)

        return listen

    def _so_far(self) -> ScoreBook:
        """The book with what is scored, its sign checked while still beside the kernel."""
        book = self._book.with_scores(stacked_scores(self._tables))
        for model in {(name, kind) for name, kind in self._tables[-1].select("model", "kind").unique().rows()}:
            book.sign(model)
        return book


def said_of(table: pl.DataFrame, ds: Dataset) -> str:
    """Sentence about finished scores: of which model, how many, and how many are no number."""
    model, kind = table.select("model", "kind").row(0)
    n, missing = table["pair_id"].n_unique(), table.filter(pl.col("score").is_null())["pair_id"].n_unique()
    lacking = f" {missing:,} of them have no finite score." if missing else ""
    return f"Scored {n:,} pairs of {ds.population} with {model} ({kind}).{lacking}"


def _told(progress: Progress) -> str:
    seconds = progress.seconds_left
    left = f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
    return (
        f"{progress.model}: {progress.n_done:,} of {progress.n_pairs:,} pairs · "
        f"{progress.tokens_per_second:,.0f} tokens/s · {left} left"
    )
