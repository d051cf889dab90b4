"""A view with a pair inspector, which it shares its selection with."""

from __future__ import annotations

import ipywidgets
import polars as pl

from btviz.data.dataset import Dataset
from btviz.session.content import ContentPolicy
from btviz.session.notes import Notes
from btviz.session.selection import Selection
from btviz.widgets.inspector.pairs import PairInspector


class InspectedView(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Base of the explorers: what is chosen on a picture is listed by an inspector.

    A subclass sets `ds` and `inspector` before it draws.
    """

    ds: Dataset
    inspector: PairInspector

    @property
    def selection(self) -> Selection:
        """Pair ids that were chosen, here or from Python; shared with other views."""
        return self.inspector.selection

    @property
    def policy(self) -> ContentPolicy:
        """Decides which texts may be read."""
        return self.inspector.policy

    @property
    def notes(self) -> Notes:
        """Tags and notes on the pairs."""
        return self.inspector.notes

    @property
    def selected(self) -> pl.DataFrame:
        """Rows of `ds.pairs`, without texts, that the inspector lists: selection and filter."""
        return self.inspector.selected

    def __repr__(self) -> str:
        # what a reopened notebook shows
        return f"<{type(self).__name__} of {self.ds.population}; run its cell to see it>"
