"""Bars and matrix that follow a selection: its harm categories against the rest, and together."""

from __future__ import annotations

from concurrent.futures import Future

import altair as alt
import ipywidgets
import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import BtvizError
from btviz.labels.associations import cooccurrence
from btviz.labels.contrast import category_contrast
from btviz.plots import COEFFICIENTS
from btviz.plots.interactive.categories import selection_contrast
from btviz.session.content import ContentPolicy
from btviz.session.selection import Selection
from btviz.widgets.categories.behind import pairs_behind
from btviz.widgets.inspector.index import PairIndex
from btviz.widgets.parts.background import Background, SupersededError
from btviz.widgets.parts.chartview import ChartView

NOTHING = "No selected pair is labelled by harm category, so there is nothing to count."


class ContrastView(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Draw the categories of a selection, and choose pairs by a click on a bar or a cell.

    A click chooses, among all pairs, those that carry the category, or both, by majority.
    """

    def __init__(self, ds: Dataset, *, selection: Selection, index: PairIndex, policy: ContentPolicy) -> None:
        self._ds, self._selection, self._index = ds, selection, index
        self._tables: tuple[pl.DataFrame, pl.DataFrame] | None = None
        self._clicked = {"chosen_row": "", "chosen_col": ""}
        self._clicking = False
        self._background = Background(lambda _: None)
        options = [(one.title, key) for key, one in COEFFICIENTS.items() if key != "phi_expected"]
        self._coefficient = ipywidgets.Dropdown(options=options, description="Association")
        self._coefficient.observe(self._draw, names="value")
        self._chart = ChartView(None, on_click=self.click, on_hide=policy.hide_all)
        self._chart.layout = {"max_width": "100%"}
        super().__init__([self._coefficient, self._chart])
        selection.observe(self._follow)
        self._follow()

    @property
    def contrast(self) -> pl.DataFrame | None:
        """The table behind the bars; see `btviz.category_contrast`."""
        self._background.wait()
        return None if self._tables is None else self._tables[0]

    def click(self, row: str, col: str | None = None) -> None:
        """Choose the pairs that carry a category, or both of two."""
        categories = tuple(self._ds.taxonomy[name] for name in dict.fromkeys([row, col or row]))
        found = pairs_behind(self._index, categories, population="pairs", where="all")
        keys = [category.key for category in categories]
        self._clicked = {"chosen_row": keys[0], "chosen_col": keys[-1] if len(keys) > 1 else ""}
        self._clicking = True
        try:
            ids = self._ds.pairs["pair_id"][found.rows]
            self._selection.set(ids, origin=found.origin, expression=found.expression)
        finally:
            self._clicking = False

    def _follow(self) -> None:
        if not self._clicking:
            self._clicked = {"chosen_row": "", "chosen_col": ""}
        ids = self._selection.pair_ids
        # beside the kernel, because the list of pairs must not wait for a picture
        self._background.run(lambda _: _counted(self._ds, ids), on_done=self._counted)

    def _counted(self, future: Future[tuple[pl.DataFrame, pl.DataFrame]]) -> None:
        try:
            self._tables = future.result()
        except SupersededError:
            return
        except BtvizError as error:
            self._tables = None
            self._chart.said = str(error)
        self._draw()

    def _draw(self, _: object = None) -> None:
        if self._tables is not None:
            self._chart.said = "" if self._tables[0]["n"][0] else NOTHING
        self._chart.draw(self._drawn())
        self._chart.chosen = self._clicked

    def _drawn(self) -> alt.HConcatChart | None:
        if self._tables is None or not self._tables[0]["n"][0]:
            return None
        return selection_contrast(
            *self._tables,
            coefficient=self._coefficient.value,
            source=self._ds.population,
            taxonomy=self._ds.taxonomy,
        )


def _counted(ds: Dataset, ids: pl.Series | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    everything = ds.pairs.select("pair_id", "labels", "is_safe")
    ids = everything["pair_id"] if ids is None else ids
    chosen = everything.filter(pl.col("pair_id").is_in(ids.implode())).drop_nulls()
    return category_contrast(ds, ids), cooccurrence(chosen.lazy(), population="pairs", taxonomy=ds.taxonomy)
