"""The preference inspector: two answers side by side, and what was said of either."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import polars as pl
import traitlets

from btviz.content import ContentPolicy
from btviz.dataset import Dataset
from btviz.errors import UsageError
from btviz.selection import Selection
from btviz.widgets.comparing import Comparing
from btviz.widgets.revealing import Message, Revealing, script


class PreferenceInspector(Revealing):
    """List comparisons, without their texts until those are asked for.

    Each shows its two answers side by side, with the words that differ marked, which of them was
    called better and which safer, and the safety, harm categories and severity of each as
    released in the comparison's own row.

    Parameters
    ----------
    ds : Dataset
        The comparisons; a data set without any shows an empty list.
    selection : Selection, optional
        Shared with other views; when they choose pairs, the comparisons are listed in which one
        of those takes part.
    policy : ContentPolicy, optional
        Decides which texts may be read; the one of this session by default.

    Notes
    -----
    Traits that the browser shares (and a saved notebook keeps) hold counts, labels and
    hexadecimal ids. A text crosses only as a message that answers "reveal".

    Examples
    --------
    >>> inspector = PreferenceInspector(ds)
    >>> inspector.filter(agreement="other")  # the better answer is not the safer one
    >>> inspector.selected["pair_id_0"]
    """

    _esm = script("dom.js", "reading.js", "pager.js", "card.js", "tools.js", "difference.js", "preferences.js")
    _css = script("inspector.css", "preferences.css")

    view = traitlets.Dict(read_only=True).tag(sync=True)
    cards = traitlets.List[Any](read_only=True).tag(sync=True)

    def __init__(self, ds: Dataset, *, selection: Selection | None = None, policy: ContentPolicy | None = None) -> None:
        super().__init__(ds, policy=policy)
        self.selection = selection or Selection()
        self._comparing = Comparing(ds)
        self._choosing = False
        self.selection.observe(self._selection_changed)
        self._selection_changed()

    @property
    def selected(self) -> pl.DataFrame:
        """Rows of ``ds.preferences`` that are listed, narrowed by the filter."""
        return self.ds.preferences[self._comparing.rows]

    def open_comparisons(self, rows: Iterable[int], *, origin: str = "Chosen in Python") -> None:
        """List some comparisons, and choose their answers in the selection.

        Parameters
        ----------
        rows : iterable of int
            Row numbers of ``ds.preferences``, in the order to list them.
        origin : str
            Where they came from, in words.

        Raises
        ------
        UsageError
            If a number is none of a row.
        """
        numbers = np.fromiter(rows, np.int64)
        n = self.ds.preferences.height
        if len(numbers) and not (numbers.min() >= 0 and numbers.max() < n):
            raise UsageError(
                f"Rows {numbers.min():,} to {numbers.max():,} were to be listed; {self.ds.name} has {n:,} comparisons, "
                "counted from 0. Pass row numbers of ds.preferences."
            )
        self._comparing.list_rows(numbers, origin=origin)
        answers = self.ds.preferences[numbers]
        self._choosing = True
        try:
            self.selection.set(pl.concat([answers["pair_id_0"], answers["pair_id_1"]]), origin=origin)
        finally:
            self._choosing = False
        self._show()

    def filter(self, *, agreement: str = "all") -> None:
        """Narrow the list by whether the better answer is the safer one.

        Parameters
        ----------
        agreement : {"all", "same", "other", "unknown"}
            All, those where it is, those where it is not, those where a label is missing.

        Raises
        ------
        UsageError
            If the option is unknown.
        """
        self._comparing.set_agreement(agreement)
        self._show()

    def _show(self) -> None:
        with self.hold_sync():
            self.set_trait("view", self._comparing.describe())
            self.set_trait("cards", self._comparing.cards)

    def _selection_changed(self) -> None:
        if self._choosing:
            return
        chosen = self.selection.pair_ids
        if chosen is None:
            self._comparing.list_all()
        else:
            self._comparing.list_rows(self._comparing.rows_with(chosen), origin=self.selection.origin)
        self._show()

    def _answers(self) -> dict[str, Callable[[Message], None]]:
        return super()._answers() | {
            "turn": self._turn,
            "agreement": lambda asked: self.filter(agreement=asked["agreement"]),
            "clear": lambda _: self.selection.clear(),
        }

    def _turn(self, asked: Message) -> None:
        self._comparing.turn_to(asked["offset"], size=asked["size"])
        self._show()
