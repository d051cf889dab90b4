"""Which figures there are, of data and of scores: what computes each, what draws it, and where it does not apply.

A caption has two halves: where the data come from, which `Figure.draw` passes as `source`, and
what was counted, which the plot reads from its table (`btviz.plots.style.captions.population`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import polars as pl

from btviz import plots, preference
from btviz.data.dataset import Dataset
from btviz.errors import UsageError
from btviz.labels.agreement import annotator_agreement, pair_votes, vote_splits
from btviz.labels.associations import cooccurrence
from btviz.labels.counts import category_counts, label_sets, labels_per_item
from btviz.labels.noise import annotator_noise
from btviz.labels.population import usual_population, why_unlabelled
from btviz.labels.structure import category_structure
from btviz.reports.specifications import printed_couple, specification_curve
from btviz.scores.collection import ScoreCollection
from btviz.scores.differences import score_margins
from btviz.scores.distributions import margin_bins, plane_bins, policy_bins, score_bins
from btviz.scores.metrics import reliability_curve, roc_curve, score_metrics
from btviz.scores.plane import reward_and_cost, score_quadrants
from btviz.scores.policies import on_same_items, policy_scores
from btviz.scores.raters import HUMAN, moderator_agreement, no_verdicts, safety_verdicts

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
        table = self.table
        if where is None or not isinstance(table, DataTable) or self.key.endswith("_unsafe"):
            return self
        own = table.parameters

        def parameters(ds: Dataset) -> dict[str, Any]:
            return own(ds) | ({"where": where} if "where" in own(ds) else {})

        return replace(self, table=replace(table, parameters=parameters))

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


# -- of data --------------------------------------------------------------------------------------


def _all_of_it(ds: Dataset) -> Dataset:
    return ds


def _none(_: Dataset) -> dict[str, Any]:
    return {}


def _nothing(_: Dataset) -> None:
    return None


@dataclass(frozen=True, slots=True)
class DataTable:
    """A table that a public function computes from a data set, or from one number of it."""

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
        return ds.population if subject is ds else f"{ds.population} · observed p = {subject:.3f}"

    def facts(self, ds: Dataset) -> dict[str, Any]:
        """Data, function and parameters."""
        subject = self.subject(ds)
        parameters = ({} if subject is ds else {"subject": subject}) | self.parameters(ds)
        table = {"function": f"btviz.{self.function.__name__}", "part": self.part or None, "parameters": parameters}
        return {"data": origin(ds), "table": table}


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


_MATRIX = {"coefficient": "phi", "order": "similarity"}

_ORDERS = {"similarity": {"order": "similarity"}, "release": {"order": "release"}}

_CURVES = {name: {"form": name} for name in ("density", "histogram", "ecdf", "violin")}


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


# -- of scores ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ScoreTables:
    """Tables computed from scores in a few steps."""

    compute: Callable[[ScoreCollection], Tables]
    steps: tuple[Callable[..., Any], ...]
    population: str = ""

    def tables(self, scored: ScoreCollection, known: Known) -> Tables:  # noqa: ARG002 - no two figures share theirs
        """What the plot is given."""
        return self.compute(scored)

    def source(self, scored: ScoreCollection) -> str:
        """Name of the data, and what was scored."""
        return " · ".join(part for part in (scored.ds.population, self.population) if part)

    def facts(self, scored: ScoreCollection) -> dict[str, Any]:
        """Data, models and steps."""
        steps = [f"{step.__module__}.{step.__name__}" for step in self.steps]
        return {"data": origin(scored.ds), "scores": scored.facts(), "table": {"functions": steps}}


def _unlabelled(what: str, scored: ScoreCollection) -> UsageError:
    return UsageError(
        f"{what} was asked for; no scored answer of {scored.ds.name!r} has the label that it needs. Use data that "
        "people have labelled."
    )


def _agreement(scored: ScoreCollection) -> Tables:
    scores = scored.having("moderation", "cost")
    verdicts = safety_verdicts(scores, scored.ds)
    judging = [name for name, dtype in verdicts.schema.items() if dtype == pl.Boolean and verdicts[name].count()]
    if judging == [HUMAN] and (doubts := no_verdicts(scores)):
        raise UsageError(f"The agreement of moderators with people was asked for; {'; '.join(doubts)}.")
    if HUMAN not in judging:
        raise _unlabelled("The agreement of moderators with people", scored)
    return (moderator_agreement(verdicts),)


def _by_safety(scored: ScoreCollection) -> Tables:
    scores = scored.having("reward", "cost")
    if not scored.ds.pairs["is_safe"].count():
        raise _unlabelled("The distribution of safe and unsafe answers", scored)
    return (score_bins(scores, scored.ds),)


def _by_category(scored: ScoreCollection) -> Tables:
    return (score_bins(scored.having("reward", "cost"), scored.ds, by="category", split=False),)


def _by_policy(scored: ScoreCollection) -> Tables:
    return (policy_bins(on_same_items(policy_scores(scored.answers, scored.having("reward", "cost")))),)


def _plane(scored: ScoreCollection) -> Tables:
    for kind in ("reward", "cost"):
        names = scored.having(kind)["model"].unique().sort().to_list()
        if len(names) > 1:
            raise UsageError(
                f"The plane of reward and cost was asked for; it shows one {kind} model, and there are {names}. "
                "Choose one of them: --model NAME, together with a model of the other kind."
            )
    plane = reward_and_cost(scored.scores, scored.ds)
    return plane_bins(plane), score_quadrants(plane, scored.ds)


def _margins(scored: ScoreCollection) -> Tables:
    return (margin_bins(score_margins(scored.having("reward", "cost"), scored.ds)),)


def _roc(scored: ScoreCollection) -> Tables:
    scores = scored.having("reward", "cost")
    curve = roc_curve(scores, scored.ds)
    if curve.is_empty():
        raise _unlabelled("How scores tell unsafe answers from safe ones", scored)
    return curve, score_metrics(scores, scored.ds)


def _calibration(scored: ScoreCollection) -> Tables:
    curve = reliability_curve(scored.having("reward", "cost"), scored.ds)
    if curve.is_empty():
        raise _unlabelled("The calibration of scores", scored)
    return (curve,)


SCORE_FIGURES: dict[str, Figure[ScoreCollection]] = {
    figure.key: figure
    for figure in (
        Figure(
            "moderators",
            "Agreement of moderators and people",
            ScoreTables(_agreement, (safety_verdicts, moderator_agreement)),
            plots.moderators,
            after="BeaverTails Fig 5",
            names_categories=False,
        ),
        Figure(
            "scores_by_safety",
            "Reward and cost by safety",
            ScoreTables(_by_safety, (score_bins,), population="pairs, by split if they are in one only"),
            plots.score_distributions,
            after="BeaverTails Fig 6",
            forms=_CURVES,
            names_categories=False,
        ),
        Figure(
            "scores_by_policy",
            "Reward and cost by policy",
            ScoreTables(_by_policy, (policy_scores, on_same_items, policy_bins), population="answers"),
            plots.score_distributions,
            after="BeaverTails Fig 7",
            # training drives scores to the end of their range, where a density is one spike
            drawing={"title": "Scores of policies on the same prompts", "form": "ecdf"},
            forms=_CURVES,
            names_categories=False,
        ),
        Figure(
            "scores_by_category",
            "Reward and cost by harm category",
            ScoreTables(_by_category, (score_bins,)),
            plots.category_ridges,
        ),
        Figure(
            "reward_and_cost",
            "Reward against cost",
            ScoreTables(_plane, (reward_and_cost, plane_bins, score_quadrants)),
            plots.score_plane,
            names_categories=False,
        ),
        Figure(
            "margins",
            "Margins of chosen answers",
            ScoreTables(_margins, (score_margins, margin_bins)),
            plots.margins,
            forms=_CURVES,
            names_categories=False,
        ),
        Figure(
            "roc",
            "Unsafe answers told from safe ones",
            ScoreTables(_roc, (roc_curve, score_metrics)),
            plots.roc,
            names_categories=False,
        ),
        Figure(
            "calibration",
            "Calibration of scores",
            ScoreTables(_calibration, (reliability_curve,)),
            plots.calibration,
            names_categories=False,
        ),
    )
}
"""The figures of scores, by key."""
