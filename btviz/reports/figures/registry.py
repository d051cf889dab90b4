"""What a figure is: what computes its tables, what draws them, and what a reader needs to make it again.

A caption has two halves: where the data come from, which `Figure.draw` passes as `source`, and
what was counted, which the plot reads from its table (`btviz.plots.style.captions.population`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from btviz.data.dataset import Dataset
from btviz.scores.collection import ScoreCollection

if TYPE_CHECKING:
    import altair as alt

Subject = TypeVar("Subject", Dataset, ScoreCollection)
"""What is drawn: a data set, or its scores."""

Subject_contra = TypeVar("Subject_contra", contravariant=True)
Tables = tuple[Any, ...]
Known = dict[Any, Any]
"""What was computed for other figures, by the function and its parameters."""


class Computation(Protocol[Subject_contra]):
    """How the tables of a figure come about."""

    def tables(self, subject: Subject_contra, known: Known) -> Tables:
        """What the plot is given; UsageError where the subject has not what it needs."""
        ...

    def source(self, subject: Subject_contra) -> str:
        """What the caption says of where the tables come from."""
        ...

    def facts(self, subject: Subject_contra) -> dict[str, Any]:
        """What a reader needs to make the tables again."""
        ...

    def of_scope(self, where: str) -> Computation[Subject_contra]:
        """The same of all or of unsafe rows, where it is of either."""
        ...


@dataclass(frozen=True, slots=True)
class Figure(Generic[Subject]):
    """One entry of the registry: what computes its tables, and how they are drawn."""

    key: str
    title: str
    table: Computation[Subject]
    plot: Callable[..., alt.TopLevelMixin]
    after: str = ""
    drawing: Mapping[str, str | int] = field(default_factory=dict)
    names_categories: bool = True
    forms: Mapping[str, Mapping[str, str | int]] = field(default_factory=dict)
    """Other forms than the usual one: what the plot is told for each."""

    @property
    def number(self) -> str:
        """What the published figure is called for short, such as "fig3"; empty where there is none."""
        return "".join(self.after.lower().split()[-2:]) if self.after else ""

    def form(self, name: str | None) -> Mapping[str, str | int]:
        """What the plot is told for a form; nothing where this figure has the usual one only."""
        return self.forms.get(name, {}) if name is not None else {}

    def of_scope(self, where: str | None) -> Figure[Subject]:
        """The figure of all or of unsafe rows, where it is of either; one that is named after its rows stays."""
        if where is None or self.key.endswith("_unsafe"):
            return self
        return replace(self, table=self.table.of_scope(where))

    def draw(self, subject: Subject, *, known: Known | None = None) -> alt.TopLevelMixin:
        """Compute and draw; the picture says "synthetic sample" where the data are one."""
        return self.drawn(subject, known=known)[0]

    def drawn(self, subject: Subject, *, known: Known | None = None) -> tuple[alt.TopLevelMixin, Tables]:
        """The picture, and the tables that it shows."""
        tables = self.table.tables(subject, {} if known is None else known)
        return self.plotted(subject)(*tables, **self.drawing), tables

    def plotted(self, subject: Subject) -> Callable[..., alt.TopLevelMixin]:
        """The plot, told what its tables are of: a function of these and of its options."""
        ds = subject if isinstance(subject, Dataset) else subject.ds
        taxonomy = {"taxonomy": ds.taxonomy} if self.names_categories else {}
        return partial(self.plot, source=self.table.source(subject), **taxonomy)

    def provenance(self, subject: Subject) -> dict[str, Any]:
        """What a reader needs to make the figure again."""
        return {
            "figure": self.key,
            "title": self.title,
            "after": self.after,
            **self.table.facts(subject),
            "plot": {"function": f"btviz.plots.{self.plot.__name__}", "parameters": dict(self.drawing)},
        }


def origin(ds: Dataset) -> dict[str, Any]:
    """Which data a figure shows."""
    return {
        "name": ds.name,
        "population": ds.population,
        "fingerprint": ds.fingerprint,
        "release": ds.release,
        "is_synthetic": ds.is_synthetic,
    }
