"""Stands for the browser: finds what a view shows, does what a hand does there, keeps what comes back.

A view is what its browser gets: the widgets inside it, their traits and its messages. Whatever a test asks of a
view it asks here, or of the view's own public names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from btviz.session.ids import hex_id
from btviz.widgets.parts.chartview import ChartView


def tell(view: Any, kind: str, **message: Any) -> None:
    """Send a view a message, as its page does.

    Its comm would do, too, but that logs what a handler raises, where here it is raised.
    """
    view._handle_custom_msg({"kind": kind, **message}, [])


class Front:
    """One view in a browser of its own: sends it what a hand does, and keeps what comes back."""

    def __init__(self, view: Any) -> None:
        self._view = view
        self.received: list[dict[str, Any]] = []
        view.send = lambda content, buffers=None: self.received.append(content)

    def tell(self, kind: str, **message: Any) -> list[dict[str, Any]]:
        """Send a message; what comes back."""
        self.received.clear()
        tell(self._view, kind, **message)
        assert self.received.pop(0) == {"kind": "heard"}  # by which the browser knows that the kernel lives
        return self.received

    def texts(self, *pairs: int) -> dict[str, dict[str, Any]]:
        """Reveal pairs; their last texts, by part."""
        messages = self.tell("reveal", pairs=[hex_id(pair) for pair in pairs])
        return {part["part"]: part for message in messages if message["kind"] == "text" for part in message["texts"]}


def inside(view: Any) -> Iterator[Any]:
    """A widget and all that is shown inside it, in the order of the page."""
    yield view
    for child in getattr(view, "children", ()):
        yield from inside(child)


def chart_of(view: Any) -> ChartView:
    """The one chart of a view: what is drawn (`spec`), outlined (`chosen`) and said above it (`said`)."""
    [chart] = [part for part in inside(view) if isinstance(part, ChartView)]
    return chart


def click(view: Any, *keys: str) -> None:
    """Click a mark of the chart of a view."""
    Front(chart_of(view)).tell("click", keys=list(keys))


def rows_drawn(view: Any) -> list[dict[str, Any]]:
    """Every row of data in the chart of a view."""
    return [row for rows in chart_of(view).spec["datasets"].values() for row in rows]


def control(view: Any, words: str) -> Any:
    """The field, list or button of a view with these words before it or on it."""
    [found] = [part for part in inside(view) if getattr(part, "description", None) == words]
    return found


def state_of(view: Any) -> str:
    """Everything that the browser shares and a saved notebook keeps, of a view and all inside it."""
    specs = {part.model_id: part.spec for part in inside(view) if isinstance(part, ChartView)}  # they go packed
    return json.dumps(specs) + "".join(json.dumps(part.get_state(), default=str) for part in inside(view))
