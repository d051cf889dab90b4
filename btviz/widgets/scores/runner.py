"""Name a model, load it and score with it, as a job beside the kernel, which keeps answering."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import ipywidgets
import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import DataError
from btviz.models.model import load_score_model
from btviz.models.protocol import ScoreModel, stacked_scores
from btviz.models.runs import Progress, score_answers
from btviz.widgets.parts.background import Background, Report
from btviz.widgets.parts.chartview import ProgressLine
from btviz.widgets.parts.view import View
from btviz.widgets.scores.book import ScoreBook
from btviz.widgets.scores.controls import scoring_controls

_STOPPED = "Stopped. What is scored so far is kept: score with the same model again to go on from there."


class ScoreRunner(View, ipywidgets.Box):  # type: ignore[misc]  # ipywidgets has no types
    """Fields that name a model, buttons that start and stop a run, and a line that says how far it is."""

    def __init__(
        self,
        book: Callable[[], ScoreBook],
        *,
        on_news: Callable[[ScoreBook], bool],
        on_scored: Callable[[ScoreBook], None],
        on_end: Callable[[], None],
    ) -> None:
        self._book, self._on_news, self._on_scored, self._on_end = book, on_news, on_scored, on_end
        self._job: ScoreJob | None = None
        self.runs = Background(self._show)
        self.fields, self.line = scoring_controls(), ProgressLine()
        self.fields["score"].on_click(self._clicked)
        self.fields["stop"].on_click(lambda _: self.stop())
        layout = {"flex_flow": "row wrap", "align_items": "center", "grid_gap": "4px 12px"}
        super().__init__([*self.fields.values(), self.line], layout=layout)
        self._until_closed(self.stop, self.runs.close)

    def start(self, model: str | Path | ScoreModel, *, kind: str | None = None) -> None:
        """Load a model and score the answers with it."""
        self._job = ScoreJob(self._book(), model, kind=kind)
        self.line.working(self._job.words, share=None)
        self.fields["score"].disabled, self.fields["stop"].disabled = True, False
        self.runs.run(self._job.run, on_done=self._scored, on_error=self._end, otherwise="This model could not be used")

    def stop(self) -> None:
        """End a run after the batch in work; what is scored is kept."""
        if self._job is not None:
            self.runs.cancel()
            self._end(_STOPPED)

    def finish(self) -> None:
        """Wait for a run under way, and take its scores."""
        table: pl.DataFrame | None = self.runs.wait() if self._job is not None else None
        if table is not None:
            self._take(table)

    def _clicked(self, _: object) -> None:
        name = self.fields["model"].value.strip()
        if name:
            self.start(name, kind=self.fields["kind"].value or None)
        else:
            self.line.said("Name a model: one of the hub, or the folder that holds one.")

    def _show(self, share: float | None) -> None:
        job = self._job
        if job is None:
            return
        self.line.working(job.words, share=share)
        if job.news is not None and self._on_news(job.news.book):
            job.news = None

    def _scored(self, table: pl.DataFrame) -> None:
        if self._job is not None:
            self._take(table)

    def _take(self, table: pl.DataFrame) -> None:
        self._job = None
        book = self._book()
        self._on_scored(book.with_scores(table))
        self._end(said_of(table, book.ds))

    def _end(self, words: str) -> None:
        self._job = None
        self.fields["score"].disabled, self.fields["stop"].disabled = False, True
        self.line.said(words)
        self._on_end()


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


_SCORING: dict[str, Lock] = {}  # by model; a model is loaded once at a time, and only one run may keep its scores


class ScoreJob:
    """Load a model and score a data set; `news` is what there is to show so far."""

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
        with self._turn(report):
            self.words = f"Loading {self.model}"
            report(None)
            model = self._loaded()
            self.words = f"Preparing the texts for {model.name}"
            report(None)
            return score_answers(self._book.ds, model, progress=self._listener(report))

    @contextmanager
    def _turn(self, report: Report) -> Iterator[None]:
        """Wait for another view that scores with the model: one that was closed ends after the batch in work."""
        lock = _SCORING.setdefault(str(self.model), Lock())
        while not lock.acquire(timeout=0.1):
            self.words = f"Waiting for another view that scores with {self.model}"
            report(None)
        try:
            yield
        finally:
            lock.release()

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
