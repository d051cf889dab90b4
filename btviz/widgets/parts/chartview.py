"""An Altair chart in a notebook that reports clicks.

`alt.JupyterChart` does this too, but it forgets a second click on the same mark, and after its
chart is replaced its handlers for the old one raise errors in the browser.

Small views of words and numbers: a table, and a line that says how far something has come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import altair as alt
import anywidget
import traitlets
import vl_convert

from btviz.widgets.inspector.revealing import script

_FRONT = Path(__file__).parents[1] / "front"


class ChartView(anywidget.AnyWidget):
    """Draw a chart, without a network, and call back when a mark is clicked."""

    _esm = traitlets.Unicode().tag(sync=True)
    _css = (_FRONT / "chart.css").read_text(encoding="utf-8")
    spec = traitlets.Dict().tag(sync=True)
    chosen = traitlets.Dict().tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)
    busy = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        chart: alt.TopLevelMixin | None,
        *,
        on_click: Callable[..., None],
        on_hide: Callable[[], None],
        on_brush: Callable[[str, Mapping[str, list[float]]], None] | None = None,
    ) -> None:
        super().__init__(_esm=_bundle(), spec=_spec(chart))
        self._on_click, self._on_hide, self._on_brush = on_click, on_hide, on_brush
        self.on_msg(self._answer)

    def draw(self, chart: alt.TopLevelMixin | None) -> None:
        """Replace the chart."""
        self.spec = _spec(chart)

    def _answer(self, _: object, message: Mapping[str, Any], __: object) -> None:
        self.send({"kind": "heard"})
        if message["kind"] == "click":
            self._on_click(*message["keys"])
        elif message["kind"] == "brush" and self._on_brush is not None:
            self._on_brush(message["name"], message["ranges"])
        elif message["kind"] == "hide":
            self._on_hide()


def _spec(chart: alt.TopLevelMixin | None) -> dict[str, Any]:
    return {} if chart is None else chart.to_dict()


@cache
def _bundle() -> str:
    """Our scripts and the drawing library that vl-convert brings, as one module."""
    ours = "\n".join((_FRONT / name).read_text(encoding="utf-8") for name in ("dom.js", "chart.js"))
    return str(vl_convert.javascript_bundle(ours))


class TableView(anywidget.AnyWidget):
    """Show a table; what stands in it is never taken for markup."""

    _esm = script("dom.js", "table.js")
    _css = script("table.css")
    content = traitlets.Dict().tag(sync=True)

    def show(self, columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]], *, caption: str) -> None:
        """Replace the table."""
        self.content = {"caption": caption, "columns": [list(one) for one in columns], "rows": [list(r) for r in rows]}

    def clear(self) -> None:
        """Show nothing."""
        self.content = {}


class ProgressLine(anywidget.AnyWidget):
    """Say what is being done, with a bar while it is."""

    _esm = script("dom.js", "progress.js")
    _css = script("chart.css")
    state = traitlets.Dict().tag(sync=True)

    def working(self, words: str, *, share: float | None) -> None:
        """Say what is being done; `share` is 0 .. 1, or None where unknown."""
        self.state = {"words": words, "share": share, "running": True}

    def said(self, words: str) -> None:
        """Say how it ended."""
        self.state = {"words": words, "share": None, "running": False}
