"""The score explorer: distributions of scores, reward against cost, and the answers behind a brush."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ipywidgets
import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import UsageError
from btviz.models.protocol import SCORES, ScoreModel
from btviz.plots.interactive.scores import Range
from btviz.scores.signs import SignCheck
from btviz.session import ContentPolicy, Selection
from btviz.widgets.inspector.pairs import InspectedView, PairInspector
from btviz.widgets.parts.background import Background, Report
from btviz.widgets.parts.chartview import ChartView, TableView
from btviz.widgets.scores.book import ScoreBook, ScoreQuery
from btviz.widgets.scores.controls import ScoreControls
from btviz.widgets.scores.picture import COLUMNS, Brush, Picture, brush_on, origin_of, picture_of
from btviz.widgets.scores.runner import ScoreRunner

_WRAP = {"flex_flow": "row wrap"}
_RUNNING = "Still scoring, the longest answers first: the picture shows those that have a score so far."


class ScoreExplorer(InspectedView):
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
    chart, table : ChartView, TableView
        The picture, or the table of metrics: `chart.spec` is what is drawn, `chart.said` the words above it.
    runner : ScoreRunner
        The fields that name a model and start a run, and the line that says how far it is.
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
        self._brush: Brush | None = None
        self._brushed: tuple[ScoreBook, ScoreQuery] | None = None
        self._brushing = False
        self.inspector = self._part(PairInspector(ds, selection=selection, policy=policy))
        self._choices = ScoreControls(ds, topics=topics, book=lambda: self._on_view, on_change=self._ask)
        self.controls: Mapping[str, Any] = self._choices.named
        self._canvas = ScoreCanvas(on_brush=self._brushed_in_chart, on_hide=self.policy.hide_all, on_shown=self._shown)
        self.chart, self.table = self._canvas.chart, self._canvas.table
        self.runner = self._part(
            ScoreRunner(lambda: self._book, on_news=self._news, on_scored=self._turn_to, on_end=self._run_ended)
        )
        super().__init__(self._laid_out())
        self._canvas.override.observe(lambda _: self._ask(), names="value")
        self._until_closed(self.selection.observe(self._selection_moved), self._canvas.background.close)
        self._choices.regroup()

    def _laid_out(self) -> list[Any]:
        view, *rest = self.controls.values()
        canvas = self._canvas
        self.inspector.layout.flex = "1 1 560px"  # beside the picture where there is room, else below
        views = [canvas.chart, canvas.table, self.inspector]
        return [
            self.runner,
            view,
            ipywidgets.Box([*rest, canvas.override], layout=_WRAP),
            ipywidgets.Box(views, layout=_WRAP | {"align_items": "flex-start"}),
        ]

    @property
    def scores(self) -> pl.DataFrame:
        """Table of the scores of all models, those loaded from here included; waits for a run under way."""
        self.runner.finish()
        return self._book.scores

    @property
    def checks(self) -> list[SignCheck]:
        """What the labels say of the direction of the models chosen."""
        return list(self._canvas.settled().checks)

    @property
    def said(self) -> str:
        """The words above the picture: the checks of the sign, and how to go on."""
        self._canvas.settled()
        return str(self._canvas.chart.said)

    @property
    def brushed(self) -> Mapping[str, Range]:
        """What the brush holds: a range of `score`, or one of `reward` and one of `cost`; nothing without a brush."""
        brush = self._brush
        if brush is None:
            return {}
        return {"score": brush.within} if brush.reward is None else {"reward": brush.reward, "cost": brush.within}

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
        picture = self._canvas.settled()
        self._choose(Brush.over(picture.panel_of(model, kind=kind, panel=panel), within), picture)

    def brush_plane(self, *, reward: Range, cost: Range) -> None:
        """Choose the answers whose reward and cost lie in two ranges, ends included.

        Raises
        ------
        UsageError
            If the plane is not on view.
        """
        picture = self._canvas.settled()
        if not picture.is_plane:
            raise UsageError(
                'A region of the plane was to be brushed; it is not drawn. Set controls["view"] to "plane".'
            )
        self._choose(Brush.over(None, cost, reward=reward), picture)

    def score_with(self, model: str | Path | ScoreModel, *, kind: str | None = None) -> None:
        """Load a model, score the answers beside the kernel, and draw its scores while they come.

        Parameters
        ----------
        model : str, Path or score model
            Name on the hub, folder, or a loaded one.
        kind : {"reward", "cost", "moderation"}, optional
            Where the model does not say.
        """
        self.runner.start(model, kind=kind)

    def stop(self) -> None:
        """End a run after the batch in work; what is scored is kept."""
        self.runner.stop()

    @property
    def _on_view(self) -> ScoreBook:
        """Scores that are drawn: those of a run so far, too."""
        return self._live or self._book

    def _ask(self) -> None:
        """Check, count and draw what the controls ask for, beside the kernel."""
        book, query, brush = self._on_view, self._choices.query, self._brush
        view, form, override = (
            self.controls["view"].value, self.controls["form"].value, self._canvas.override.value
        )  # fmt: skip
        self._canvas.ask(
            lambda: picture_of(book, query, view=view, form=form, brush=brush, override=override),
            doing="Measuring" if view == "metrics" else "Checking the sign, counting",
            note="" if self._live is None else _RUNNING,
        )

    def _shown(self, picture: Picture) -> None:
        self.controls["form"].disabled = not picture.has_forms
        if self._brush is not None and self._brush.is_on(picture) and (picture.book, picture.query) != self._brushed:
            self._list(self._brush, picture)  # what lies under it now

    def _brushed_in_chart(self, name: str, ranges: Mapping[str, list[float]]) -> None:
        picture = self._canvas.picture
        if picture is None:
            return
        brush = brush_on(picture, name, ranges=ranges) if ranges else None
        if brush is not None or not ranges:
            self._choose(brush, picture, drawn=bool(ranges))

    def _choose(self, brush: Brush | None, picture: Picture, *, drawn: bool = False) -> None:
        self._list(brush, picture)
        if not drawn:
            self._ask()

    def _list(self, brush: Brush | None, picture: Picture) -> None:
        """Choose the answers under a brush on a picture; none lists all."""
        self._brush, self._brushed, self._brushing = brush, (picture.book, picture.query), True
        try:
            if brush is None:
                self.selection.clear()
            else:
                items = brush.items(picture)
                ids, origin = items["pair_id"].unique().sort(), origin_of(brush, items, query=picture.query, ds=self.ds)
                known = self.selection.pair_ids
                # set again, the list would turn back to its first page with each picture of a run
                if known is None or not ids.equals(known) or origin != self.selection.origin:
                    self.selection.set(ids, origin=origin)
        finally:
            self._brushing = False

    def _selection_moved(self) -> None:
        if self._brushing:
            return
        had_brush, self._brush = self._brush is not None, None
        if had_brush:
            self._canvas.forget_brush()
        chosen = self.selection.pair_ids
        self._book = self._book.with_chosen(chosen)
        self._choices.offer_which(has_chosen=chosen is not None)
        if had_brush or self.controls["which"].value == "chosen":
            self._ask()

    def _news(self, book: ScoreBook) -> bool:
        if self._canvas.background.is_running:  # else no picture would ever be finished
            return False
        self._turn_to(book, is_live=True)
        return True

    def _run_ended(self) -> None:
        if self._live is not None:
            self._turn_to(self._book)

    def _turn_to(self, book: ScoreBook, *, is_live: bool = False) -> None:
        known = list(self._on_view.parts)
        self._live, self._book = (book, self._book) if is_live else (None, book)
        self._choices.offer_models(known=known)
        self._choices.regroup()


class ScoreCanvas:
    """Shows the newest picture that was asked for."""

    def __init__(
        self,
        *,
        on_brush: Callable[[str, Mapping[str, list[float]]], None],
        on_hide: Callable[[], None],
        on_shown: Callable[[Picture], None],
    ) -> None:
        self._on_shown = on_shown
        self._drawings = 0
        self._doing, self._note = "", ""
        self.picture: Picture | None = None
        self.background = Background(self._show_busy)
        self.override = ipywidgets.Checkbox(
            description="Draw although the sign is reversed", indent=False, layout={"display": "none", "width": "auto"}
        )
        self.chart = ChartView(None, on_click=_nothing, on_hide=on_hide, on_brush=on_brush)
        self.table = TableView()
        self.chart.layout.max_width = self.table.layout.max_width = "100%"

    def ask(self, compute: Callable[[], Picture], *, doing: str, note: str = "") -> None:
        """Make and show a picture, beside the kernel."""
        self._doing, self._note = doing, note

        def job(report: Report) -> Picture:
            report(None)
            return compute()

        self.background.run(job, on_done=self._done, on_error=self._fail, otherwise="This could not be drawn")

    def forget_brush(self) -> None:
        """Draw anew even if nothing else has changed: a chart would keep what the hand drew on it."""
        self._drawings += 1

    def settled(self) -> Picture:
        """Wait for the picture that was asked for last; it is on view then."""
        picture: Picture = self.background.wait()
        if picture is not self.picture:
            self._show(picture)
        return picture

    def _done(self, picture: Picture) -> None:
        self.chart.busy = {}
        self._show(picture)

    def _fail(self, why: str) -> None:
        self.chart.busy = {}
        self.picture = None
        self.chart.draw(None)
        self.table.clear()
        self.chart.said = why

    def _show(self, picture: Picture) -> None:
        self.picture = picture
        self.chart.said = "\n".join(part for part in (self._note, picture.said) if part)
        self.override.layout.display = "" if picture.refused or self.override.value else "none"
        self._on_shown(picture)
        if picture.chart is not None:
            picture.chart.usermeta = {"drawing": self._drawings}
        self.chart.draw(picture.chart)
        if picture.rows is None:
            self.table.clear()
        else:
            self.table.show(COLUMNS, picture.rows, caption=picture.caption)

    def _show_busy(self, _: float | None) -> None:
        if not self._note:
            self.chart.busy = {"words": self._doing, "share": None}


def _nothing(*_: str) -> None:
    """A mark stands for a bin, which a brush chooses."""
