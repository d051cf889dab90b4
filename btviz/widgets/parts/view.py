"""What every view shares: closing it lets go of all it holds, and a cell that runs again closes what it made before."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakSet

import ipywidgets

Part = TypeVar("Part", bound="View")


class View(ipywidgets.DOMWidget):  # type: ignore[misc]  # ipywidgets has no types
    """Base of the views, before the class of ipywidgets that lays one out.

    ipywidgets keeps every widget until it is closed, whether a variable names it or not. So a view says
    what is to end with it, and when a cell runs again, the views of the same class that it made before
    are closed: else each run would leave one more behind, with its data, its threads and its observations.
    """

    _endings: tuple[Callable[[], object], ...] = ()
    _is_part = False
    _made_by: CellRun | None = None

    def open(self) -> None:
        """Let the browser know of the view, which takes the place of what earlier runs of its cell made."""
        super().open()
        self._made_by = running_cell()
        if self._made_by is not None:
            close_earlier(self, self._made_by)
            _OPEN_VIEWS.add(self)

    def close(self) -> None:
        """Take the view and its parts away, and end what runs or is observed for it; what it found stays readable."""
        endings, self._endings = self._endings, ()
        for end in endings:
            end()
        _close_parts(self)
        super().close()

    def __repr__(self) -> str:  # what a reopened notebook shows
        return f"<{type(self).__name__}{self._of}; run its cell to see it>"

    def _still(self) -> str:
        """What a saved notebook shows where no kernel answers: SVG without texts and scripts, or nothing."""
        return ""

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:  # as anywidget and IPython call it
        made = super()._repr_mimebundle_(**kwargs)
        data, still = made[0] if isinstance(made, tuple) else made, self._still()
        if data is not None and still:
            data["image/svg+xml"] = still
        return made

    @property
    def _of(self) -> str:
        ds = getattr(self, "ds", None)
        return "" if ds is None else f" of {ds.population}"

    def _until_closed(self, *endings: Callable[[], object]) -> None:
        """Do this when the view is closed."""
        self._endings += endings

    def _part(self, view: Part) -> Part:
        """Take a view as a part, which is closed with this one and not before."""
        view._is_part = True
        self._until_closed(view.close)
        return view


@dataclass(frozen=True)
class CellRun:
    """A cell of a notebook, and one execution of it."""

    cell: str
    execution: str


_OPEN_VIEWS: WeakSet[View] = WeakSet()


def close_earlier(view: View, run: CellRun) -> None:
    """Close the views of a class that earlier executions of a cell made; those of this execution stay."""
    kind = type(view).__name__  # anywidget makes a class of its own for each object
    alike = [other for other in _OPEN_VIEWS if type(other).__name__ == kind and not other._is_part]
    for other in alike:
        if other._made_by is not None and other._made_by.cell == run.cell and other._made_by != run:
            other.close()
            _OPEN_VIEWS.discard(other)


def running_cell() -> CellRun | None:
    """The cell that is being executed; None outside a kernel, and while a kernel answers a click.

    A front end that does not say which cell it is that runs is taken to run the same one where the code is the same.
    """
    ipython = sys.modules.get("IPython")
    kernel = None if ipython is None else getattr(ipython.get_ipython(), "kernel", None)
    parent: dict[str, Any] = {} if kernel is None else kernel.get_parent("shell")
    if parent.get("header", {}).get("msg_type") != "execute_request":
        return None
    cell = parent.get("metadata", {}).get("cellId") or parent["content"]["code"]
    return CellRun(cell, parent["header"]["msg_id"])


def _close_parts(widget: ipywidgets.Widget) -> None:
    for part in _parts(widget):
        if not isinstance(part, View):
            _close_parts(part)
        part.close()


def _parts(widget: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    """Widgets that a widget has for its own: children, layout, style."""
    for value in widget.trait_values(sync=True).values():
        for part in value if isinstance(value, list | tuple) else [value]:
            if isinstance(part, ipywidgets.Widget):
                yield part
