"""Where the score explorer draws: a chart or a table, made beside the kernel, and words above it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future

import ipywidgets

from btviz.errors import BtvizError
from btviz.widgets.parts.background import Background, Report, SupersededError
from btviz.widgets.parts.chartview import ChartView, TableView
from btviz.widgets.scores.picture import COLUMNS, Picture
from btviz.widgets.scores.runner import words_of


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
        self.chart.layout, self.table.layout = {"max_width": "100%"}, {"max_width": "100%"}

    def ask(self, compute: Callable[[], Picture], *, doing: str, note: str = "") -> None:
        """Make and show a picture, beside the kernel."""
        self._doing, self._note = doing, note

        def job(report: Report) -> Picture:
            report(None)
            return compute()

        self.background.run(job, on_done=self._done)

    def forget_brush(self) -> None:
        """Draw anew even if nothing else has changed: a chart would keep what the hand drew on it."""
        self._drawings += 1

    def settled(self) -> Picture:
        """Wait for the picture that was asked for last; it is on view then."""
        picture: Picture = self.background.wait()
        if picture is not self.picture:
            self._show(picture)
        return picture

    def _done(self, future: Future[Picture]) -> None:
        self.chart.busy = {}
        try:
            picture = future.result()
        except SupersededError:
            return
        except Exception as error:
            self.picture = None
            self.chart.draw(None)
            self.table.clear()
            self.chart.said = words_of(error, "This could not be drawn")
            if not isinstance(error, BtvizError):
                raise
        else:
            self._show(picture)

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
