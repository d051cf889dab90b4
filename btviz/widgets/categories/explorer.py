"""The category explorer: association matrix, category shares, and the pairs behind them."""

from __future__ import annotations

import altair as alt
import ipywidgets
import polars as pl

from btviz.data.dataset import Dataset
from btviz.labels.associations import cooccurrence
from btviz.labels.counts import category_counts
from btviz.plots import COEFFICIENTS, explorer
from btviz.session.content import ContentPolicy
from btviz.session.selection import Selection
from btviz.taxonomy.categories import Category
from btviz.widgets.categories.behind import pairs_behind
from btviz.widgets.inspector.index import index_pairs
from btviz.widgets.inspector.pairs import PairInspector
from btviz.widgets.parts.chartview import ChartView
from btviz.widgets.parts.inspected import InspectedView

_WHERE = [("all", "all"), ("unsafe only", "unsafe")]


_INVITATION = "Click a cell or a bar to list the pairs behind it."


_WRAP = {"flex_flow": "row wrap"}


class CategoryExplorer(InspectedView):
    """See how harm categories occur together, click, and read the pairs behind a number.

    A click on a cell of the matrix chooses the pairs behind it: over annotations, those with at
    least one annotation that carries both categories; over pairs, those that carry both by
    majority; over prompts, the pairs that give such prompts either of the two. A bar does the
    same for one category.

    Parameters
    ----------
    ds : Dataset
        Any data set.
    selection : Selection, optional
        Shared with other views; setting it from Python moves this one.
    policy : ContentPolicy, optional
        Decides which texts may be read; the one of this session by default.

    Examples
    --------
    >>> explorer = btviz.widgets.CategoryExplorer(ds)
    >>> explorer.click("hate-speech", "discrimination")  # or with the mouse
    >>> explorer.selected["n_unsafe"].mean()
    """

    def __init__(self, ds: Dataset, *, selection: Selection | None = None, policy: ContentPolicy | None = None) -> None:
        self.ds = ds
        self._index = index_pairs(ds)
        self.inspector = PairInspector(ds, selection=selection, policy=policy, index=self._index)
        self._tables: dict[tuple[str, str], tuple[pl.DataFrame, pl.DataFrame]] = {}
        self._clicked: tuple[Category, ...] = ()
        self._clicking = False
        self._population = ipywidgets.Dropdown(options=_populations(ds), description="Count")
        self._where = ipywidgets.Dropdown(options=_WHERE, description="Which")
        self._coefficient = ipywidgets.Dropdown(options=_coefficients("all"), description="Association")
        self._chart = ChartView(self._drawn(), on_click=self.click, on_hide=self.policy.hide_all)
        for control in (self._population, self._where):
            control.observe(self._recount, names="value")
        self._coefficient.observe(self._redraw, names="value")
        self.selection.observe(self._selection_moved)
        self._selection_moved()
        controls = ipywidgets.Box([self._population, self._where, self._coefficient], layout=_WRAP)
        self._chart.layout = {"max_width": "100%"}
        self.inspector.layout = {"flex": "1 1 600px"}  # beside the chart where there is room, else below
        views = ipywidgets.Box([self._chart, self.inspector], layout=_WRAP | {"align_items": "flex-start"})
        super().__init__([controls, views])

    def click(self, row: str, col: str | None = None) -> None:
        """Choose the pairs behind a cell or, with one category, behind a bar.

        Parameters
        ----------
        row, col : str
            Categories by key, slug or title.

        Raises
        ------
        UsageError
            If a category is unknown.
        """
        names = [row] if col in (None, row) else [row, str(col)]
        self._clicked = tuple(self.ds.taxonomy[name] for name in names)
        found = pairs_behind(self._index, self._clicked, population=self._population.value, where=self._where.value)
        self._clicking = True
        try:
            self.selection.set(self.ds.pairs["pair_id"][found.rows], origin=found.origin, expression=found.expression)
        finally:
            self._clicking = False
        self._outline()

    def _drawn(self) -> alt.HConcatChart:
        asked = (self._population.value, self._where.value)
        if asked not in self._tables:
            population, where = asked
            self._tables[asked] = (
                cooccurrence(self.ds, population=population, where=where),
                category_counts(self.ds, population=population, where=where),
            )
        return explorer(
            *self._tables[asked],
            coefficient=self._coefficient.value,
            source=self.ds.population,
            taxonomy=self.ds.taxonomy,
        )

    def _redraw(self, _: object = None) -> None:
        self._chart.draw(self._drawn())

    def _recount(self, _: object) -> None:
        self._offer_coefficients()
        self._redraw()
        if self._clicked:
            self.click(*(category.key for category in self._clicked))

    def _offer_coefficients(self) -> None:
        before = self._coefficient.value
        self._coefficient.unobserve(self._redraw, names="value")
        self._coefficient.options = offered = _coefficients(self._where.value)
        self._coefficient.value = before if before in dict(offered).values() else "phi"
        self._coefficient.observe(self._redraw, names="value")

    def _outline(self) -> None:
        row, col = ([category.key for category in self._clicked] + ["", ""])[:2]
        self._chart.chosen = {"chosen_row": row, "chosen_col": col}

    def _selection_moved(self) -> None:
        if not self._clicking:
            self._clicked = ()
            self._outline()
        self._chart.said = _INVITATION if self.selection.pair_ids is None else self.selection.origin


def _populations(ds: Dataset) -> list[str]:
    """Populations that can be counted: a release of comparisons has no annotations of its own."""
    only_comparisons = ds.annotations.is_empty() and not ds.preferences.is_empty()
    return ["pairs", "prompts"] if only_comparisons else ["annotations", "pairs", "prompts"]


def _coefficients(where: str) -> list[tuple[str, str]]:
    """Titles and columns; what independence would give is known only where every item has a label."""
    return [(c.title, key) for key, c in COEFFICIENTS.items() if where == "unsafe" or key != "phi_expected"]
