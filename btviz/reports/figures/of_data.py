"""Which figures there are: what computes each, what draws it, and which data it does not apply to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from btviz import plots, preference
from btviz.data.dataset import Dataset
from btviz.errors import UsageError
from btviz.labels.agreement import annotator_agreement
from btviz.labels.associations import cooccurrence
from btviz.labels.counts import category_counts, label_sets, labels_per_item
from btviz.labels.votes import pair_votes, vote_splits

if TYPE_CHECKING:
    import altair as alt


def _all_of_it(ds: Dataset) -> Dataset:
    return ds


def _none(_: Dataset) -> dict[str, Any]:
    return {}


def _nothing(_: Dataset) -> None:
    return None


def _counting(where: str) -> Callable[[Dataset], dict[str, Any]]:
    """Annotations are counted or, where there are none, compared answers."""

    def parameters(ds: Dataset) -> dict[str, Any]:
        compared = ds.annotations.is_empty() and not ds.preferences.is_empty()
        return {"population": "pairs" if compared else "annotations", "where": where}

    return parameters


def _labels(ds: Dataset) -> str | None:
    if ds.annotations.is_empty() and ds.preferences.is_empty():
        return "it holds prompts without answers" if ds.pairs.is_empty() else "these data have no labels"
    return None


def _votes(ds: Dataset) -> str | None:
    return pair_votes(ds).undefined


def _both_labels(ds: Dataset) -> str | None:
    return _without(ds, "better", "safer", told="both the better and the safer answer")


def _ranks(ds: Dataset) -> str | None:
    return _without(ds, "better", "is_safe_0", "is_safe_1", told="the better answer and whether either is safe")


def _without(ds: Dataset, *columns: str, told: str) -> str | None:
    if ds.preferences.is_empty():
        return "these data hold no comparisons of two answers"
    return f"no comparison tells {told}" if ds.preferences.drop_nulls(columns).is_empty() else None


def _observed(ds: Dataset) -> float:
    """P(better = safer) over all comparisons."""
    known = ds.preferences.drop_nulls(["better", "safer"])
    return float((known["better"] == known["safer"]).mean())  # type: ignore[arg-type]  # of a boolean


def origin(ds: Dataset) -> dict[str, Any]:
    """Which data a figure shows."""
    return {"name": ds.name, "fingerprint": ds.fingerprint, "release": ds.release, "is_synthetic": ds.is_synthetic}


_MATRIX = {"coefficient": "phi", "order": "similarity"}


@dataclass(frozen=True, slots=True)
class Figure:
    """One entry of the registry: what computes, what part of it is drawn, and how."""

    key: str
    title: str
    compute: Callable[..., Any]
    plot: Callable[..., alt.TopLevelMixin]
    after: str = ""
    part: str = ""
    subject: Callable[[Dataset], Any] = _all_of_it
    parameters: Callable[[Dataset], dict[str, Any]] = _none
    lacks: Callable[[Dataset], str | None] = _nothing
    drawing: Mapping[str, str | int] = field(default_factory=dict)
    names_categories: bool = True

    def draw(self, ds: Dataset, *, known: dict[Any, Any] | None = None) -> alt.TopLevelMixin:
        """Compute and draw; the picture says "synthetic sample" where the data are one."""
        if lack := self.lacks(ds):
            raise UsageError(
                f"A figure of {ds.name!r} was asked for that does not apply to it: {lack}. Use other data."
            )
        known = {} if known is None else known
        parameters, subject = self.parameters(ds), self.subject(ds)
        place = (self.compute, *parameters.items())
        if place not in known:
            known[place] = self.compute(subject, **parameters)
        table = getattr(known[place], self.part) if self.part else known[place]
        taxonomy = {"taxonomy": ds.taxonomy} if self.names_categories else {}
        source = ds.population if subject is ds else f"{ds.population} · observed p = {subject:.3f}"
        return self.plot(table, source=source, **taxonomy, **self.drawing)

    def provenance(self, ds: Dataset) -> dict[str, Any]:
        """What a reader needs to make the figure again."""
        subject = self.subject(ds)
        given = {} if subject is ds else {"subject": subject}
        return {
            "figure": self.key,
            "title": self.title,
            "after": self.after,
            "data": origin(ds),
            "table": {
                "function": f"btviz.{self.compute.__name__}",
                "part": self.part or None,
                "parameters": given | self.parameters(ds),
            },
            "plot": {"function": f"btviz.plots.{self.plot.__name__}", "parameters": dict(self.drawing)},
        }


FIGURES = {
    figure.key: figure
    for figure in (
        Figure(
            "category_shares",
            "Category shares",
            category_counts,
            plots.category_shares,
            after="BeaverTails Fig 1",
            parameters=_counting("all"),
            lacks=_labels,
        ),
        Figure(
            "association",
            "Association of harm categories",
            cooccurrence,
            plots.association_matrix,
            after="BeaverTails Fig 3",
            parameters=_counting("all"),
            lacks=_labels,
            drawing=_MATRIX,
        ),
        Figure(
            "association_unsafe",
            "Association among unsafe items",
            cooccurrence,
            plots.association_matrix,
            after="BeaverTails Fig 3",
            parameters=_counting("unsafe"),
            lacks=_labels,
            drawing=_MATRIX,
        ),
        Figure(
            "label_sets",
            "Label sets",
            label_sets,
            plots.label_sets,
            parameters=_counting("unsafe"),
            lacks=_labels,
            drawing={"top": 20},
        ),
        Figure(
            "labels_per_item",
            "Labels per item",
            labels_per_item,
            plots.labels_per_item,
            parameters=_counting("all"),
            lacks=_labels,
            names_categories=False,
        ),
        Figure("agreement", "Agreement of annotators", annotator_agreement, plots.agreement, lacks=_votes),
        Figure(
            "disputed",
            "Disputed pairs",
            annotator_agreement,
            plots.agreement,
            lacks=_votes,
            drawing={"coefficient": "disputed"},
        ),
        Figure("votes", "Votes on a pair", vote_splits, plots.vote_splits, lacks=_votes),
        Figure(
            "quadrants",
            "Better and worse, safe and unsafe",
            preference.quadrants,
            plots.quadrants,
            lacks=_ranks,
            names_categories=False,
        ),
        Figure(
            "preferences",
            "Better and safer, by group",
            preference.orthogonality,
            plots.preference_forest,
            part="table",
            lacks=_both_labels,
        ),
        Figure(
            "null_distribution",
            "Better and safer, by chance",
            preference.orthogonality,
            plots.null_distribution,
            part="null",
            lacks=_both_labels,
            names_categories=False,
        ),
        Figure(
            "reliability",
            "Better and safer, without label errors",
            preference.reliability_surface,
            plots.reliability_surface,
            subject=_observed,
            lacks=_both_labels,
            names_categories=False,
        ),
    )
}
"""The figures of a data set, by key."""
