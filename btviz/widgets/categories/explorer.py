"""The category explorer: association matrix and category shares, and the pairs behind a click on a cell or a bar.

`ContrastView` draws both of a selection; `pairs_behind` finds the pairs that a count rests on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import altair as alt
import ipywidgets
import numpy as np
import polars as pl

from btviz.data.dataset import Dataset
from btviz.labels.associations import cooccurrence
from btviz.labels.counts import category_contrast, category_counts
from btviz.plots import COEFFICIENTS, explorer
from btviz.plots.interactive.categories import selection_contrast
from btviz.session import ContentPolicy, Selection
from btviz.taxonomy.categories import Category
from btviz.texts import Embeddings
from btviz.widgets.categories.noise import NoiseView
from btviz.widgets.inspector.index import PairIndex, Rows, index_pairs
from btviz.widgets.inspector.pairs import InspectedView, PairInspector
from btviz.widgets.parts.background import Background
from btviz.widgets.parts.chartview import ChartView
from btviz.widgets.parts.view import View

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
    embeddings : Embeddings, optional
        Of pairs (``text="qa"``) or responses, for the tab of noisy labels; made there by default.

    Attributes
    ----------
    noise : NoiseView
        The tab of noisy labels: `find()` looks for labels that similar texts contradict, `table` holds them, and a
        choice among its `candidates` becomes the selection.
    controls : Mapping
        The drop-down lists `population`, `where` and `coefficient`; setting their `value` from Python
        moves the picture, too.
    chart : ChartView
        The picture: `spec` is what is drawn, `said` the words above it, `chosen` what is outlined.
    inspector : PairInspector
        Lists the pairs behind the last click, or all.

    Examples
    --------
    >>> explorer = btviz.widgets.CategoryExplorer(ds)
    >>> explorer.click("hate-speech", "discrimination")  # or with the mouse
    >>> explorer.selected["n_unsafe"].mean()
    """

    def __init__(
        self,
        ds: Dataset,
        *,
        selection: Selection | None = None,
        policy: ContentPolicy | None = None,
        embeddings: Embeddings | None = None,
    ) -> None:
        self.ds = ds
        self._index = index_pairs(ds)
        self.inspector = self._part(PairInspector(ds, selection=selection, policy=policy, index=self._index))
        self._tables: dict[tuple[str, str], tuple[pl.DataFrame, pl.DataFrame]] = {}
        self._struck: set[tuple[str, str]] = set()
        self._background = Background(lambda _: None)
        self._clicked: tuple[Category, ...] = ()
        self._clicking = False
        self.controls: Mapping[str, ipywidgets.Dropdown] = MappingProxyType(
            {
                "population": ipywidgets.Dropdown(options=_populations(ds), description="Count"),
                "where": ipywidgets.Dropdown(options=_WHERE, description="Which"),
                "coefficient": ipywidgets.Dropdown(options=_coefficients("all"), description="Association"),
            }
        )
        self.chart = ChartView(self._drawn(), on_click=self.click, on_hide=self.policy.hide_all)
        for name in ("population", "where"):
            self.controls[name].observe(self._recount, names="value")
        self.controls["coefficient"].observe(self._redraw, names="value")
        self._until_closed(self.selection.observe(self._selection_moved), self._background.close)
        self._selection_moved()
        self._strike()
        controls = ipywidgets.Box([*self.controls.values()], layout=_WRAP)
        self.chart.layout.max_width = "100%"
        self.inspector.layout.flex = "1 1 600px"  # beside the chart where there is room, else below
        self.noise = self._part(NoiseView(ds, selection=self.selection, embeddings=embeddings))
        tabs = ipywidgets.Tab(
            [ipywidgets.VBox([controls, self.chart]), self.noise], titles=["Categories", "Noisy labels"]
        )
        tabs.layout.max_width = "100%"
        views = ipywidgets.Box([tabs, self.inspector], layout=_WRAP | {"align_items": "flex-start"})
        super().__init__([views])

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
        behind = pairs_behind(
            self._index, self._clicked, population=self._chosen("population"), where=self._chosen("where")
        )
        self._clicking = True
        try:
            ids = self.ds.pairs["pair_id"][behind.rows]
            self.selection.set(ids, origin=behind.origin, expression=behind.expression)
        finally:
            self._clicking = False
        self._outline()

    def _chosen(self, name: str) -> str:
        return str(self.controls[name].value)

    def _drawn(self) -> alt.HConcatChart:
        population, where = self._chosen("population"), self._chosen("where")
        if (population, where) not in self._tables:
            self._tables[population, where] = (
                cooccurrence(self.ds, population=population, where=where),
                category_counts(self.ds, population=population, where=where),
            )
        return explorer(
            *self._tables[population, where],
            coefficient=self._chosen("coefficient"),
            source=self.ds.population,
            taxonomy=self.ds.taxonomy,
        )

    def _strike(self) -> None:
        """Strike through what may be 0, once that is known: a second's work, for which no picture waits."""
        chosen = (self._chosen("population"), self._chosen("where"))
        if chosen not in self._struck:
            self._background.run(
                lambda _: cooccurrence(self.ds, population=chosen[0], where=chosen[1], intervals=True),
                on_done=partial(self._draw_struck, chosen),
                on_error=self._say,
            )

    def _draw_struck(self, chosen: tuple[str, str], table: pl.DataFrame) -> None:
        self._struck.add(chosen)
        self._tables[chosen] = (table, self._tables[chosen][1])
        self._redraw()

    def _say(self, why: str) -> None:
        self.chart.said = why

    def _redraw(self, _: object = None) -> None:
        self.chart.draw(self._drawn())

    def _recount(self, _: object) -> None:
        self._offer_coefficients()
        self._redraw()
        self._strike()
        if self._clicked:
            self.click(*(category.key for category in self._clicked))

    def _offer_coefficients(self) -> None:
        control, before = self.controls["coefficient"], self._chosen("coefficient")
        control.unobserve(self._redraw, names="value")
        control.options = offered = _coefficients(self._chosen("where"))
        control.value = before if before in dict(offered).values() else "phi"
        control.observe(self._redraw, names="value")

    def _outline(self) -> None:
        row, col = ([category.key for category in self._clicked] + ["", ""])[:2]
        self.chart.chosen = {"chosen_row": row, "chosen_col": col}

    def _selection_moved(self) -> None:
        if not self._clicking:
            self._clicked = ()
            self._outline()
        self.chart.said = _INVITATION if self.selection.pair_ids is None else self.selection.origin


def _populations(ds: Dataset) -> list[str]:
    """Populations that can be counted: a release of comparisons has no annotations of its own."""
    only_comparisons = ds.annotations.is_empty() and not ds.preferences.is_empty()
    return ["pairs", "prompts"] if only_comparisons else ["annotations", "pairs", "prompts"]


def _coefficients(where: str) -> list[tuple[str, str]]:
    """Titles and columns; what independence would give is known only where every item has a label."""
    return [(c.title, key) for key, c in COEFFICIENTS.items() if where == "unsafe" or key != "phi_expected"]


NOTHING = "No selected pair is labelled by harm category, so there is nothing to count."


class ContrastView(View, ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Draw the categories of a selection, and choose pairs by a click on a bar or a cell.

    A click chooses, among all pairs, those that carry the category, or both, by majority.
    """

    def __init__(self, ds: Dataset, *, selection: Selection, index: PairIndex, policy: ContentPolicy) -> None:
        self._ds, self._selection, self._index = ds, selection, index
        self._tables: tuple[pl.DataFrame, pl.DataFrame] | None = None
        self._clicked = {"chosen_row": "", "chosen_col": ""}
        self._clicking = False
        self._background = Background(lambda _: None)
        self.coefficient = ipywidgets.Dropdown(options=_coefficients("all"), description="Association")
        self.coefficient.observe(self._draw, names="value")
        self.chart = ChartView(None, on_click=self.click, on_hide=policy.hide_all)
        self.chart.layout.max_width = "100%"
        super().__init__([self.coefficient, self.chart])
        self._until_closed(selection.observe(self._follow), self._background.close)
        self._follow()

    @property
    def contrast(self) -> pl.DataFrame | None:
        """The table behind the bars; see `btviz.category_contrast`."""
        self._background.wait()
        return None if self._tables is None else self._tables[0]

    def click(self, row: str, col: str | None = None) -> None:
        """Choose the pairs that carry a category, or both of two."""
        categories = tuple(self._ds.taxonomy[name] for name in dict.fromkeys([row, col or row]))
        behind = pairs_behind(self._index, categories, population="pairs", where="all")
        keys = [category.key for category in categories]
        self._clicked = {"chosen_row": keys[0], "chosen_col": keys[-1] if len(keys) > 1 else ""}
        self._clicking = True
        try:
            ids = self._ds.pairs["pair_id"][behind.rows]
            self._selection.set(ids, origin=behind.origin, expression=behind.expression)
        finally:
            self._clicking = False

    def _follow(self) -> None:
        if not self._clicking:
            self._clicked = {"chosen_row": "", "chosen_col": ""}
        ids = self._selection.pair_ids
        # beside the kernel, because the list of pairs must not wait for a picture
        self._background.run(lambda _: _counted(self._ds, ids), on_done=self._counted, on_error=self._fail)

    def _counted(self, tables: tuple[pl.DataFrame, pl.DataFrame]) -> None:
        self._tables = tables
        self._draw()

    def _fail(self, why: str) -> None:
        self._tables = None
        self.chart.said = why
        self._draw()

    def _draw(self, _: object = None) -> None:
        if self._tables is not None:
            self.chart.said = "" if self._tables[0]["n"][0] else NOTHING
        self.chart.draw(self._drawn())
        self.chart.chosen = self._clicked

    def _drawn(self) -> alt.HConcatChart | None:
        if self._tables is None or not self._tables[0]["n"][0]:
            return None
        return selection_contrast(
            *self._tables,
            coefficient=self.coefficient.value,
            source=self._ds.population,
            taxonomy=self._ds.taxonomy,
        )


def _counted(ds: Dataset, ids: pl.Series | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    everything = ds.pairs.select("pair_id", "labels", "is_safe")
    ids = everything["pair_id"] if ids is None else ids
    chosen = everything.filter(pl.col("pair_id").is_in(ids.implode())).drop_nulls()
    return category_contrast(ds, ids), cooccurrence(chosen.lazy(), population="pairs", taxonomy=ds.taxonomy)


@dataclass(frozen=True, eq=False)
class Behind:
    """What a click stands for."""

    rows: Rows
    n_items: int
    origin: str
    expression: str | None


def pairs_behind(index: PairIndex, categories: tuple[Category, ...], *, population: str, where: str) -> Behind:
    """Find the pairs that a count of one category, or of two together, rests on."""
    need = np.uint32(sum({1 << category.bit for category in categories}))
    rows, n_items = _COUNT[population](index, need, where == "unsafe")
    names = list(dict.fromkeys(category.title for category in categories))
    subject = "unsafe " * (where == "unsafe") + (population if n_items != 1 else population[:-1])
    return Behind(
        rows,
        n_items,
        f"{' × '.join(names)}: {n_items:,} {subject}{_then(population, len(rows), several=len(names) > 1)}",
        _expression([c.slug for c in categories], index, population=population, unsafe=where == "unsafe"),
    )


def _annotations(index: PairIndex, need: np.uint32, unsafe: bool) -> tuple[Rows, int]:
    hits = (index.annotation_labels & need) == need
    if unsafe:
        hits &= ~index.annotation_is_safe
    return np.unique(index.annotation_row[hits]), int(hits.sum())


def _pairs(index: PairIndex, need: np.uint32, unsafe: bool) -> tuple[Rows, int]:
    hits = (index.labels & need) == need
    rows = np.flatnonzero(hits & index.is_unsafe if unsafe else hits)
    return rows, len(rows)


def _prompts(index: PairIndex, need: np.uint32, unsafe: bool) -> tuple[Rows, int]:
    hits = (index.prompt_labels & need) == need
    if unsafe:
        hits &= index.prompt_is_unsafe
    return np.flatnonzero(hits[index.prompt_code] & ((index.labels & need) != 0)), int(hits.sum())


_COUNT = {"annotations": _annotations, "pairs": _pairs, "prompts": _prompts}


def _then(population: str, n_pairs: int, *, several: bool) -> str:
    if population == "pairs":
        return " by majority"
    noun = f"{n_pairs:,} pair{'s' * (n_pairs != 1)}"
    if population == "annotations":
        return f" → {noun} with at least one annotation carrying {'both' if several else 'it'}"
    return f" → {noun} of theirs carrying {'either' if several else 'it'}"


def _expression(slugs: list[str], index: PairIndex, *, population: str, unsafe: bool) -> str | None:
    has = [f'ds.taxonomy.has("{slug}")' for slug in dict.fromkeys(slugs)]
    safety = ['~pl.col("is_safe")'] if unsafe else []
    if population == "annotations":
        rows = f"ds.annotations.filter({' & '.join(has + safety)})"
        return f'pl.col("pair_id").is_in({rows}["pair_id"].implode())'
    if not (index.is_safe | index.is_unsafe).all():
        return None  # contradictory pairs take part in no count, which an expression would not know
    if population == "pairs":
        return " & ".join(has + safety)
    of_prompt = [f'({part}).any().over("prompt_id")' for part in has + safety]
    return " & ".join([f"({' | '.join(has)})", *of_prompt])
