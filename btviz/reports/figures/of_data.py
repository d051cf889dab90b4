"""Figures of a data set: what computes each, what draws it, and where it does not apply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from btviz import plots, preference
from btviz.data.dataset import Dataset
from btviz.errors import UsageError
from btviz.labels.agreement import annotator_agreement, pair_votes, vote_splits
from btviz.labels.associations import cooccurrence
from btviz.labels.counts import category_counts, label_sets, labels_per_item
from btviz.labels.noise import annotator_noise
from btviz.labels.overlap import prompt_overlap
from btviz.labels.population import usual_population, why_unlabelled
from btviz.labels.shares import composition
from btviz.labels.structure import category_structure
from btviz.reports.figures.registry import Figure, Known, Tables, origin
from btviz.reports.specifications import printed_couple, specification_curve


def _all_of_it(ds: Dataset) -> Dataset:
    return ds


def _none(_: Dataset) -> dict[str, Any]:
    return {}


def _nothing(_: Dataset) -> None:
    return None


@dataclass(frozen=True, slots=True)
class DataTable:
    """A table that a public function computes from a data set, from one number of it, or from it beside a release."""

    function: Callable[..., Any]
    part: str = ""
    subject: Callable[[Dataset], Any] = _all_of_it
    parameters: Callable[[Dataset], dict[str, Any]] = _none
    lacks: Callable[[Dataset], str | None] = _nothing

    def tables(self, ds: Dataset, known: Known) -> Tables:
        """The table alone; what another figure has computed is not computed again."""
        if lack := self.lacks(ds):
            raise UsageError(
                f"A figure of {ds.name!r} was asked for that does not apply to it: {lack}. Use other data."
            )
        parameters = self.parameters(ds)
        place = (self.function, *parameters.items())
        if place not in known:
            known[place] = self.function(self.subject(ds), **parameters)
        return (getattr(known[place], self.part) if self.part else known[place],)

    def source(self, ds: Dataset) -> str:
        """Name of the data, and the number of them that stands for the rest."""
        subject = self.subject(ds)
        return f"{ds.population} · observed p = {subject:.3f}" if isinstance(subject, float) else ds.population

    def facts(self, ds: Dataset) -> dict[str, Any]:
        """Data, function and parameters."""
        subject = self.subject(ds)
        said = subject
        if isinstance(subject, list):
            said = [each if isinstance(each, str) else each.name for each in subject]
        parameters = ({} if subject is ds else {"subject": said}) | self.parameters(ds)
        table = {"function": f"btviz.{self.function.__name__}", "part": self.part or None, "parameters": parameters}
        return {"data": origin(ds), "table": table}

    def of_scope(self, where: str) -> DataTable:
        """The table of these rows, if it is of all or of unsafe ones."""
        own = self.parameters

        def parameters(ds: Dataset) -> dict[str, Any]:
            return own(ds) | ({"where": where} if "where" in own(ds) else {})

        return replace(self, parameters=parameters)


def _counting(where: str) -> Callable[[Dataset], dict[str, Any]]:
    """Annotations are counted or, where there are none, compared answers."""

    def parameters(ds: Dataset) -> dict[str, Any]:
        return {"population": usual_population(ds), "where": where}

    return parameters


def _with_intervals(where: str) -> Callable[[Dataset], dict[str, Any]]:
    """The same, and which associations may be none."""
    return lambda ds: _counting(where)(ds) | {"intervals": True}


def _labels(ds: Dataset) -> str | None:
    lack = why_unlabelled(ds)
    if lack is not None:
        return lack
    rows = ds.pairs if ds.annotations.is_empty() else ds.annotations
    return None if rows["labels"].count() else "no row of it names a category"


def _of(quantity: str) -> Callable[[Dataset], dict[str, Any]]:
    """The quantity that a specification curve is of."""
    return lambda _: {"of": quantity}


def _printed_phi(ds: Dataset) -> str | None:
    return _labels(ds) or (None if printed_couple(ds.taxonomy) else "no coefficient was printed of its categories")


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


def _severities(ds: Dataset) -> str | None:
    known = [*(ds.preferences[f"severity_{side}"] for side in (0, 1)), ds.annotations["severity"]]
    return None if any(column.count() for column in known) else "no row of it says how severe an answer is"


def _splits(ds: Dataset) -> str | None:
    rows = ds.preferences if ds.annotations.is_empty() else ds.annotations
    return None if rows["split"].drop_nulls().n_unique() > 1 else "it has one split, and two are compared"


_FIGURE_1 = {"beavertails": "beavertails-30k", "pku-saferlhf": "pku-saferlhf"}
"""Release of each taxonomy whose shares by category were published."""


def _printed_mix(ds: Dataset) -> str | None:
    if ds.taxonomy.name not in _FIGURE_1:
        return "no shares of its categories were published"
    return _labels(ds)


def _beside_published(ds: Dataset) -> list[Dataset | str]:
    """The data, and the release whose shares of unsafe rows were published, as Figure 1 has them."""
    known = ds.release if ds.release in ("beavertails-30k", "beavertails-330k", "pku-saferlhf") else None
    return [ds, known or _FIGURE_1[ds.taxonomy.name]]


def _unsafe(_: Dataset) -> dict[str, Any]:
    return {"where": "unsafe"}


_MATRIX = {"coefficient": "phi", "order": "similarity"}

_ORDERS = {"similarity": {"order": "similarity"}, "release": {"order": "release"}}

FIGURES: dict[str, Figure[Dataset]] = {
    figure.key: figure
    for figure in (
        Figure(
            "category_shares",
            "Category shares",
            DataTable(category_counts, parameters=_counting("all"), lacks=_labels),
            plots.category_shares,
            after="BeaverTails Fig 1",
        ),
        Figure(
            "composition",
            "What the data are made of",
            DataTable(composition, lacks=why_unlabelled),
            plots.composition,
            after="BeaverTails Fig 1",
        ),
        Figure(
            "category_mix",
            "Categories of unsafe rows, beside the published shares",
            DataTable(preference.category_mix, subject=_beside_published, parameters=_unsafe, lacks=_printed_mix),
            plots.category_mix,
            after="BeaverTails Fig 1",
        ),
        Figure(
            "severity",
            "Severity by harm category",
            DataTable(preference.severity_order, part="severity", lacks=_severities),
            plots.severity_levels,
        ),
        Figure(
            "split_overlap",
            "What the splits share",
            DataTable(prompt_overlap, lacks=_splits),
            plots.split_overlap,
            names_categories=False,
        ),
        Figure(
            "association",
            "Association of harm categories",
            DataTable(cooccurrence, parameters=_with_intervals("all"), lacks=_labels),
            plots.association_matrix,
            after="BeaverTails Fig 3",
            drawing=_MATRIX,
            forms=_ORDERS,
        ),
        Figure(
            "association_unsafe",
            "Association among unsafe items",
            DataTable(cooccurrence, parameters=_with_intervals("unsafe"), lacks=_labels),
            plots.association_matrix,
            after="BeaverTails Fig 3",
            drawing=_MATRIX,
            forms=_ORDERS,
        ),
        Figure(
            "category_network",
            "Categories given each other",
            DataTable(category_structure, part="pairs", lacks=_labels),
            plots.category_network,
        ),
        Figure(
            "category_groups",
            "Groups of categories",
            DataTable(category_structure, part="merges", lacks=_labels),
            plots.category_dendrogram,
        ),
        Figure(
            "category_factors",
            "Factors of categories",
            DataTable(category_structure, part="loadings", lacks=_labels),
            plots.factor_loadings,
        ),
        Figure(
            "parallel_analysis",
            "Factors beyond chance",
            DataTable(category_structure, part="eigenvalues", lacks=_labels),
            plots.parallel_analysis,
            names_categories=False,
        ),
        Figure(
            "label_sets",
            "Label sets",
            DataTable(label_sets, parameters=_counting("unsafe"), lacks=_labels),
            plots.label_sets,
            drawing={"top": 20},
        ),
        Figure(
            "labels_per_item",
            "Labels per item",
            DataTable(labels_per_item, parameters=_counting("all"), lacks=_labels),
            plots.labels_per_item,
            names_categories=False,
        ),
        Figure("agreement", "Agreement of annotators", DataTable(annotator_agreement, lacks=_votes), plots.agreement),
        Figure(
            "disputed",
            "Disputed pairs",
            DataTable(annotator_agreement, lacks=_votes),
            plots.agreement,
            drawing={"coefficient": "disputed"},
        ),
        Figure(
            "annotators",
            "Errors of annotators",
            DataTable(annotator_noise, part="table", lacks=_votes),
            plots.annotator_noise,
        ),
        Figure("votes", "Votes on a pair", DataTable(vote_splits, lacks=_votes), plots.vote_splits),
        Figure(
            "quadrants",
            "Better and worse, safe and unsafe",
            DataTable(preference.quadrants, lacks=_ranks),
            plots.quadrants,
            names_categories=False,
        ),
        Figure(
            "preferences",
            "Better and safer, by group",
            DataTable(preference.orthogonality, part="table", lacks=_both_labels),
            plots.preference_forest,
        ),
        Figure(
            "null_distribution",
            "Better and safer, by chance",
            DataTable(preference.orthogonality, part="null", lacks=_both_labels),
            plots.null_distribution,
            names_categories=False,
        ),
        Figure(
            "reliability",
            "Better and safer, without label errors",
            DataTable(preference.reliability_surface, subject=_observed, lacks=_both_labels),
            plots.reliability_surface,
            names_categories=False,
        ),
        Figure(
            "specifications_phi",
            "Specification curve of an association",
            DataTable(specification_curve, parameters=_of("phi"), lacks=_printed_phi),
            plots.specification_curve,
            after="BeaverTails Fig 3",
        ),
        Figure(
            "specifications_p",
            "Specification curve of better and safer",
            DataTable(specification_curve, parameters=_of("p"), lacks=_both_labels),
            plots.specification_curve,
        ),
    )
}
"""The figures of a data set, by key."""
