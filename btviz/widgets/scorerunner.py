"""Name a model, load it and score with it, while the kernel keeps answering."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import ipywidgets
import polars as pl

from btviz.errors import BtvizError
from btviz.scoring.protocol import ScoreModel
from btviz.widgets.background import Background, SupersededError
from btviz.widgets.plain import ProgressLine
from btviz.widgets.scorebook import ScoreBook
from btviz.widgets.scorecontrols import scoring_controls
from btviz.widgets.scorejob import ScoreJob, said_of

_STOPPED = "Stopped. What is scored so far is kept: score with the same model again to go on from there."


class ScoreRunner(ipywidgets.Box):  # type: ignore[misc]  # ipywidgets has no types
    """Fields that name a model, buttons that start and stop a run, and a line that says how far it is.

    Parameters
    ----------
    book : callable
        Returns the scores that a run adds to.
    on_news : callable
        Takes scores that hold those of the run so far; returns whether they were taken.
    on_scored : callable
        Takes scores that hold those of the run.
    on_end : callable
        Called when a run has ended, however it did.

    Attributes
    ----------
    fields : Mapping
        `model`, `kind`, `score`, `stop`.
    line : ProgressLine
        How far a run is, or how it ended.
    """

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

    def start(self, model: str | Path | ScoreModel, *, kind: str | None = None) -> None:
        """Load a model and score the answers with it."""
        self._job = ScoreJob(self._book(), model, kind=kind)
        self.line.working(self._job.words, share=None)
        self.fields["score"].disabled, self.fields["stop"].disabled = True, False
        self.runs.run(self._job.run, on_done=self._scored)

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

    def _scored(self, future: Future[pl.DataFrame]) -> None:
        try:
            table = future.result()
        except SupersededError:
            return
        except Exception as error:
            self._end(words_of(error, "This model could not be used"))
            if not isinstance(error, BtvizError):
                raise
        else:
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


def words_of(error: Exception, otherwise: str) -> str:
    """What to show of an error: its own words where it is one of btviz's, else only its kind."""
    if isinstance(error, BtvizError):
        return str(error)
    return f"{otherwise}: {type(error).__name__}. The kernel's log says where."
