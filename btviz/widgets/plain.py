"""Small views of words and numbers: a table, and a line that says how far something has come."""

from __future__ import annotations

from collections.abc import Sequence

import anywidget
import traitlets

from btviz.widgets.revealing import script


class TableView(anywidget.AnyWidget):
    """Show a table; what stands in it is never taken for markup."""

    _esm = script("dom.js", "table.js")
    _css = script("table.css")
    content = traitlets.Dict().tag(sync=True)

    def show(self, columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]], *, caption: str) -> None:
        """Replace the table.

        Parameters
        ----------
        columns : sequence of (name, kind)
            `kind` is "text" or "number".
        rows : sequence of sequence of str
            Cells.
        caption : str
            What was counted, and where.
        """
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
