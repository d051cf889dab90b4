"""The score explorer: distributions of scores, reward against cost, and the answers behind a brush."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from types import MappingProxyType
from typing import Any

import ipywidgets
import polars as pl

from btviz.content import ContentPolicy
from btviz.dataset import Dataset
from btviz.errors import BtvizError, UsageError
from btviz.plots.linked_scores import PLANE, Range, brush_of
from btviz.scoring.protocol import SCORES, ScoreModel
from btviz.scoring.signcheck import SignCheck
from btviz.selection import Selection
from btviz.widgets.background import Background, Report, SupersededError
from btviz.widgets.chartview import ChartView
from btviz.widgets.inspector import PairInspector
from btviz.widgets.plain import ProgressLine, TableView
from btviz.widgets.scorebook import Asked, Model, ScoreBook
from btviz.widgets.scorecontrols import (
    controls_of,
    level_options,
    model_options,
    rows_for,
    scoring_controls,
    which_options,
)
from btviz.widgets.scorejob import ScoreJob, said_of
from btviz.widgets.scoretable import COLUMNS
from btviz.widgets.scoreview import Brush, Picture, origin_of, picture_of

_WRAP = {"flex_flow": "row wrap"}
_RUNNING = "Still scoring, the longest answers first: the picture shows those that have a score so far."
_STOPPED = "Stopped. What is scored so far is kept: score with the same model again to go on from there."


class ScoreExplorer(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """See how scores are distributed, brush a range of them, and read the answers there.

    The sign of every reward and cost model is checked against the labels before anything is drawn; a
    model whose scores point the other way is refused, with the figures, unless that is overridden.
    Models can be loaded and run from here: the picture follows while they score.

    Parameters
    ----------
    ds : Dataset
        Any data set.
    scores : DataFrame, optional
        A table of scores of its answers, of any number of models.
    topics : DataFrame, optional
        `pair_id`, `topic`: adds a grouping.
    selection : Selection, optional
        Shared with other views: a brush chooses the answers under it.
    policy : ContentPolicy, optional
        Decides which texts may be read; the one of this session by default.

    Attributes
    ----------
    controls : Mapping
        `view`, `models`, `grouping`, `level`, `form`, `population`, `which`; setting their `value`
        from Python moves the picture, too.
    inspector : PairInspector
        Lists the answers under the brush, or all.

    Examples
    --------
    >>> explorer = btviz.widgets.ScoreExplorer(ds, scores=scores)
    >>> explorer.brush("my-cost-model", within=(0.0, 1.5))  # or with the mouse
    >>> explorer.score_with("PKU-Alignment/beaver-7b-v1.0-cost")
    """

    def __init__(
        self,
        ds: Dataset,
        *,
        scores: pl.DataFrame | None = None,
        topics: pl.DataFrame | None = None,
        selection: Selection | None = None,
        policy: ContentPolicy | None = None,
    ) -> None:
        self.ds = ds
        self._book = ScoreBook(ds, SCORES.to_frame() if scores is None else scores, topics)
        self._live: ScoreBook | None = None
        self._job: ScoreJob | None = None
        self._brush: Brush | None = None
        self._brushing = False
        self._drawings = 0
        self._known: set[Model] = set()
        self._picture: Picture | None = None
        self.inspector = PairInspector(ds, selection=selection, policy=policy)
        self._background, self._runs = Background(self._show_busy), Background(self._show_run)
        self.controls: Mapping[str, Any] = MappingProxyType(controls_of(ds, list(self._book.parts), topics=topics))
        self._scoring = scoring_controls()
        self._override = ipywidgets.Checkbox(
            description="Draw although the sign is reversed", indent=False, layout={"display": "none", "width": "auto"}
        )
        hide = self.inspector.policy.hide_all
        self._chart = ChartView(None, on_click=_nothing, on_hide=hide, on_brush=self._brushed_in_chart)
        self._table, self._line = TableView(), ProgressLine()
        super().__init__(self._laid_out())
        self._listen()
        self._offer_groups()
        self._ask()

    def _laid_out(self) -> list[Any]:
        view, *rest = self.controls.values()
        self._chart.layout, self._table.layout = {"max_width": "100%"}, {"max_width": "100%"}
        self.inspector.layout = {"flex": "1 1 560px"}  # beside the picture where there is room, else below
        views = ipywidgets.Box([self._chart, self._table, self.inspector], layout=_WRAP | {"align_items": "flex-start"})
        scoring = ipywidgets.Box([*self._scoring.values(), self._line], layout=_WRAP | {"align_items": "center"})
        return [scoring, view, ipywidgets.Box([*rest, self._override], layout=_WRAP), views]

    def _listen(self) -> None:
        for name in ("view", "level", "form", "which"):
            self.controls[name].observe(self._ask, names="value")
        for name in ("models", "grouping", "population"):
            self.controls[name].observe(self._regrouped, names="value")
        self._override.observe(self._ask, names="value")
        self._scoring["score"].on_click(self._score_clicked)
        self._scoring["stop"].on_click(lambda _: self.stop())
        self.selection.observe(self._selection_moved)

    @property
    def selection(self) -> Selection:
        """Pair ids under the last brush, or set elsewhere; shared with other views."""
        return self.inspector.selection

    @property
    def scores(self) -> pl.DataFrame:
        """Table of the scores of all models, those loaded from here included; waits for a run under way."""
        self._finished()
        return self._book.scores

    @property
    def selected(self) -> pl.DataFrame:
        """Rows of `ds.pairs`, without texts, that the inspector lists."""
        return self.inspector.selected

    @property
    def checks(self) -> list[SignCheck]:
        """What the labels say of the direction of the models chosen."""
        return list(self._settled().checks)

    @property
    def said(self) -> str:
        """The words above the picture: the checks of the sign, and how to go on."""
        self._settled()
        return str(self._chart.said)

    def brush(self, model: str, *, within: Range, kind: str | None = None, panel: str = "all") -> None:
        """Choose the answers whose score lies in a range, ends included, as a brush on its picture does.

        Parameters
        ----------
        model : str
            Name of a model that is drawn.
        within : pair of float
            Ends of the range.
        kind : str, optional
            Where two models have one name.
        panel : str
            Where splits are drawn apart, which; else what "Which" says.

        Raises
        ------
        UsageError
            If there is no such picture.
        """
        picture = self._settled()
        for place in picture.panels:
            if place[0] == model and kind in (None, place[1]) and panel in ("all", place[2]):
                self._choose(Brush(place, _ordered(within), None))
                return
        drawn = [f"{name} ({panel})" for name, _, panel in picture.panels]
        raise UsageError(f"Scores of {model!r} were to be brushed; drawn are {drawn or 'none'}. Choose one of these.")

    def brush_plane(self, *, reward: Range, cost: Range) -> None:
        """Choose the answers whose reward and cost lie in two ranges, ends included.

        Raises
        ------
        UsageError
            If the plane is not on view.
        """
        if not self._settled().is_plane:
            raise UsageError(
                'A region of the plane was to be brushed; it is not drawn. Set controls["view"] to "plane".'
            )
        self._choose(Brush(None, _ordered(cost), _ordered(reward)))

    def score_with(self, model: str | Path | ScoreModel, *, kind: str | None = None) -> None:
        """Load a model, score the answers beside the kernel, and draw its scores while they come.

        Parameters
        ----------
        model : str, Path or score model
            Name on the hub, folder, or a loaded one.
        kind : {"reward", "cost", "moderation"}, optional
            Where the model does not say.
        """
        self._job = ScoreJob(self._book, model, kind=kind)
        self._line.working(self._job.words, share=None)
        self._scoring["stop"].disabled = False
        self._runs.run(self._job.run, on_done=self._scored)

    def stop(self) -> None:
        """End a run after the batch in work; what is scored is kept."""
        if self._job is not None:
            self._runs.cancel()
            self._end_run(_STOPPED)

    def __repr__(self) -> str:
        return f"<ScoreExplorer of {self.ds.population}; run its cell to see it>"  # what a reopened notebook shows

    # What is drawn.

    def _asked(self) -> Asked:
        value = {name: control.value for name, control in self.controls.items()}
        level = value["level"] or None  # a drop-down list shows nothing where its value is None
        return Asked(tuple(value["models"]), value["grouping"], level, value["population"], value["which"])

    def _ask(self, _: object = None) -> None:
        """Check, count and draw what the controls ask for, beside the kernel."""
        book, asked = self._live or self._book, self._asked()
        view, form, brush = self.controls["view"].value, self.controls["form"].value, self._brush
        override = self._override.value

        def compute(report: Report) -> Picture:
            report(None)
            return picture_of(book, asked, view=view, form=form, brush=brush, override=override)

        self._background.run(compute, on_done=self._done)

    def _done(self, future: Future[Picture]) -> None:
        self._chart.busy = {}
        try:
            picture = future.result()
        except SupersededError:
            return
        except Exception as error:
            self._picture = None
            self._chart.draw(None)
            self._table.clear()
            self._chart.said = _words(error, "This could not be drawn")
            if not isinstance(error, BtvizError):
                raise
        else:
            self._show(picture)

    def _show(self, picture: Picture) -> None:
        self._picture = picture
        running = "" if self._live is None else f"{_RUNNING}\n"
        self._chart.said = running + picture.said
        self._override.layout.display = "" if picture.refused or self._override.value else "none"
        self.controls["form"].disabled = not picture.has_forms
        if picture.chart is not None:
            picture.chart.usermeta = {"drawing": self._drawings}
        self._chart.draw(picture.chart)
        if picture.rows is None:
            self._table.clear()
        else:
            self._table.show(COLUMNS, picture.rows, caption=picture.caption)

    def _settled(self) -> Picture:
        picture: Picture = self._background.wait()
        if picture is not self._picture:
            self._show(picture)
        return picture

    def _show_busy(self, _: float | None) -> None:
        if self._live is not None:
            return  # the picture follows a run; dimming it for each step would make it flicker
        doing = "Measuring" if self.controls["view"].value == "metrics" else "Checking the sign, counting"
        self._chart.busy = {"words": doing, "share": None}

    def _regrouped(self, _: object) -> None:
        self._offer_groups()
        self._ask()

    def _offer_groups(self) -> None:
        book, asked = self._live or self._book, self._asked()
        groups: list[str] = []
        if asked.models:
            found = set(book.items(Asked(asked.models[:1], asked.grouping, population=asked.population))["group"])
            known = [key for key in self.ds.taxonomy.keys if key in found]
            groups = [*sorted(found - set(known)), *known]
        self._offer("level", level_options(groups, self.ds.taxonomy))

    def _offer(self, name: str, options: Sequence[tuple[str, Any]]) -> None:
        """Replace the options of a list; what was chosen stays chosen where it can."""
        control, before = self.controls[name], self.controls[name].value
        control.unobserve_all("value")
        control.options = options
        values = [value for _, value in options]
        if name == "models":
            control.rows = rows_for(options)
            control.value = tuple(value for value in values if value in before or value not in self._known)
        else:
            control.value = before if before in values else values[0]
        control.observe(self._regrouped if name == "models" else self._ask, names="value")

    # What is brushed.

    def _brushed_in_chart(self, name: str, ranges: Mapping[str, list[float]]) -> None:
        picture = self._picture
        if picture is None:
            return
        if not ranges:
            self._choose(None)
        elif name == PLANE and picture.is_plane:
            self._choose(Brush(None, _ordered(ranges["cost"]), _ordered(ranges["reward"])), drawn=True)
        else:
            place = {brush_of(place): panel for place, panel in enumerate(picture.panels)}.get(name)
            if place is not None:
                self._choose(Brush(place, _ordered(ranges["at"]), None), drawn=True)

    def _choose(self, brush: Brush | None, *, drawn: bool = False) -> None:
        self._brush, self._brushing = brush, True
        try:
            if brush is None:
                self.selection.clear()
            else:
                self._select(brush)
        finally:
            self._brushing = False
        if not drawn:
            self._ask()

    def _select(self, brush: Brush) -> None:
        book, asked = self._live or self._book, self._asked()
        found = brush.items(book, asked)
        self.selection.set(found["pair_id"].unique(), origin=origin_of(brush, found, asked=asked, ds=self.ds))

    def _selection_moved(self) -> None:
        if self._brushing:
            return
        had_brush, self._brush = self._brush is not None, None
        self._drawings += had_brush  # else a chart that is otherwise the same would keep what the hand drew on it
        chosen = self.selection.pair_ids
        self._book = self._book.with_chosen(chosen)
        self._offer("which", which_options(self.ds, has_chosen=chosen is not None))
        if had_brush or self.controls["which"].value == "chosen":
            self._ask()

    # Scoring.

    def _score_clicked(self, _: object) -> None:
        name = self._scoring["model"].value.strip()
        if name:
            self.score_with(name, kind=self._scoring["kind"].value or None)
        else:
            self._line.said("Name a model: one of the hub, or the folder that holds one.")

    def _show_run(self, share: float | None) -> None:
        job = self._job
        if job is None:
            return
        self._line.working(job.words, share=share)
        news = job.news
        if news is not None and not self._background.is_running:  # else no picture would ever be finished
            job.news = None
            self._turn_to(news.book, is_live=True)

    def _scored(self, future: Future[pl.DataFrame]) -> None:
        try:
            table = future.result()
        except SupersededError:
            return
        except Exception as error:
            self._end_run(_words(error, "This model could not be used"))
            if not isinstance(error, BtvizError):
                raise
        else:
            if self._job is not None:
                self._take(table)

    def _take(self, table: pl.DataFrame) -> None:
        self._job = None
        self._turn_to(self._book.with_scores(table), is_live=False)
        self._end_run(said_of(table, self.ds))

    def _turn_to(self, book: ScoreBook, *, is_live: bool) -> None:
        before = self._live or self._book
        self._known = set(before.parts)
        self._live, self._book = (book, self._book) if is_live else (None, book)
        self._offer("models", model_options(list(book.parts)))
        self._regrouped(None)

    def _end_run(self, words: str) -> None:
        self._job = None
        self._scoring["stop"].disabled = True
        self._line.said(words)
        if self._live is not None:
            self._turn_to(self._book, is_live=False)

    def _finished(self) -> None:
        table: pl.DataFrame | None = self._runs.wait() if self._job is not None else None
        if table is not None:
            self._take(table)


def _nothing(*_: str) -> None:
    """A mark stands for a bin, which a brush chooses."""


def _ordered(ends: Sequence[float]) -> Range:
    return min(ends), max(ends)


def _words(error: Exception, otherwise: str) -> str:
    if isinstance(error, BtvizError):
        return str(error)
    return f"{otherwise}: {type(error).__name__}. The kernel's log says where."
