"""Views of finished charts, tables and lines of words, and the clicks on them.

`alt.JupyterChart` reports clicks too, but it forgets a second click on the same mark, and after its
chart is replaced its handlers for the old one raise errors in the browser.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

import altair as alt
import anywidget
import traitlets
import vl_convert

from btviz.errors import StoreError
from btviz.store import Key, Store
from btviz.widgets import front


class ChartView(anywidget.AnyWidget):
    """Draw a chart, without a network, and call back when a mark is clicked."""

    _esm = front.script("chart")
    _css = front.style("chart")
    library = anywidget.WidgetTrait().tag(sync=True)
    spec = traitlets.Dict().tag(sync=True, to_json=lambda spec, _: _packed(spec))
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
        super().__init__(library=front.library("vega", drawing_library), spec=_spec(chart))
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
    # what a reader waits for is not checked again against the schema of Vega-Lite: the tests of the plots do that
    return {} if chart is None else chart.to_dict(validate=False)


def _packed(spec: dict[str, Any]) -> str:
    """A chart as it goes to the browser: a saved notebook would give each of its numbers a line."""
    return front.packed(json.dumps(spec)) if spec else ""


@cache
def drawing_library() -> str:
    """Module of the drawing library that vl-convert brings: bundled once, as that takes a second, and kept."""
    key = Key("drawing-library", (version("vl-convert-python"),), {"exports": "vegaEmbed"}, 1)

    def bundle() -> str:
        return str(vl_convert.javascript_bundle("export { vegaEmbed };"))

    try:
        return Store().build(key, lambda draft: draft.blob("bundle", bundle().encode())).blob("bundle").decode()
    except StoreError:  # a chart needs no disk
        return bundle()


class TableView(anywidget.AnyWidget):
    """Show a table; what stands in it is never taken for markup."""

    _esm = front.script("table")
    _css = front.style("table")
    content = traitlets.Dict().tag(sync=True)

    def show(self, columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]], *, caption: str) -> None:
        """Replace the table."""
        self.content = {
            "caption": caption,
            "columns": [list(column) for column in columns],
            "rows": [list(r) for r in rows],
        }

    def clear(self) -> None:
        """Show nothing."""
        self.content = {}


class ProgressLine(anywidget.AnyWidget):
    """Say what is being done, with a bar while it is."""

    _esm = front.script("progress")
    _css = front.style("progress")
    state = traitlets.Dict().tag(sync=True)

    def working(self, words: str, *, share: float | None) -> None:
        """Say what is being done; `share` is 0 .. 1, or None where unknown."""
        self.state = {"words": words, "share": share, "running": True}

    def said(self, words: str) -> None:
        """Say how it ended."""
        self.state = {"words": words, "share": None, "running": False}
