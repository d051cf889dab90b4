"""Which figures of scores there are: what is computed from them, and what draws it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from btviz import plots
from btviz.errors import UsageError
from btviz.reports.figures.of_data import origin
from btviz.scores.distributions import margin_bins, plane_bins, policy_bins, score_bins
from btviz.scores.margins import score_margins
from btviz.scores.metrics import reliability_curve, roc_curve, score_metrics
from btviz.scores.plane import reward_and_cost, score_quadrants
from btviz.scores.policies import on_same_items, policy_scores
from btviz.scores.raters import moderator_agreement, safety_verdicts
from btviz.scores.scored import Scored

if TYPE_CHECKING:
    import altair as alt


Tables = tuple[pl.DataFrame, ...]


def _unlabelled(what: str, scored: Scored) -> UsageError:
    return UsageError(
        f"{what} was asked for; no scored answer of {scored.ds.name!r} has the label that it needs. Use data that "
        "people have labelled."
    )


def _agreement(scored: Scored) -> Tables:
    verdicts = safety_verdicts(scored.having("moderation", "cost"), scored.ds)
    if not verdicts["Human"].count():
        raise _unlabelled("The agreement of moderators with people", scored)
    return (moderator_agreement(verdicts),)


def _by_safety(scored: Scored) -> Tables:
    scores = scored.having("reward", "cost")
    if not scored.ds.pairs["is_safe"].count():
        raise _unlabelled("The distribution of safe and unsafe answers", scored)
    return (score_bins(scores, scored.ds),)


def _by_category(scored: Scored) -> Tables:
    return (score_bins(scored.having("reward", "cost"), scored.ds, by="category", split=False),)


def _by_policy(scored: Scored) -> Tables:
    return (policy_bins(on_same_items(policy_scores(scored.answers, scored.having("reward", "cost")))),)


def _plane(scored: Scored) -> Tables:
    for kind in ("reward", "cost"):
        names = scored.having(kind)["model"].unique().sort().to_list()
        if len(names) > 1:
            raise UsageError(
                f"The plane of reward and cost was asked for; it shows one {kind} model, and there are {names}. "
                "Choose one of them: --model NAME, together with a model of the other kind."
            )
    plane = reward_and_cost(scored.scores, scored.ds)
    return plane_bins(plane), score_quadrants(plane, scored.ds)


def _margins(scored: Scored) -> Tables:
    return (margin_bins(score_margins(scored.having("reward", "cost"), scored.ds)),)


def _roc(scored: Scored) -> Tables:
    scores = scored.having("reward", "cost")
    curve = roc_curve(scores, scored.ds)
    if curve.is_empty():
        raise _unlabelled("How scores tell unsafe answers from safe ones", scored)
    return curve, score_metrics(scores, scored.ds)


def _calibration(scored: Scored) -> Tables:
    curve = reliability_curve(scored.having("reward", "cost"), scored.ds)
    if curve.is_empty():
        raise _unlabelled("The calibration of scores", scored)
    return (curve,)


@dataclass(frozen=True, slots=True)
class ScoreFigure:
    """One figure of scores."""

    key: str
    title: str
    compute: Callable[[Scored], Tables]
    steps: tuple[Callable[..., Any], ...]
    plot: Callable[..., alt.TopLevelMixin]
    after: str = ""
    population: str = ""
    drawing: Mapping[str, str] = field(default_factory=dict)
    names_categories: bool = False

    def draw(self, scored: Scored) -> alt.TopLevelMixin:
        """Compute and draw."""
        taxonomy = {"taxonomy": scored.ds.taxonomy} if self.names_categories else {}
        source = " · ".join(part for part in (scored.ds.population, self.population) if part)
        return self.plot(*self.compute(scored), source=source, **taxonomy, **self.drawing)

    def provenance(self, scored: Scored) -> dict[str, Any]:
        """What a reader needs to make the figure again."""
        return {
            "figure": self.key,
            "title": self.title,
            "after": self.after,
            "data": origin(scored.ds),
            "scores": scored.facts(),
            "table": {"functions": [f"{step.__module__}.{step.__name__}" for step in self.steps]},
            "plot": {"function": f"btviz.plots.{self.plot.__name__}", "parameters": dict(self.drawing)},
        }


SCORE_FIGURES = {
    figure.key: figure
    for figure in (
        ScoreFigure(
            "moderators",
            "Agreement of moderators and people",
            _agreement,
            (safety_verdicts, moderator_agreement),
            plots.moderators,
            after="BeaverTails Fig 5",
        ),
        ScoreFigure(
            "scores_by_safety",
            "Reward and cost by safety",
            _by_safety,
            (score_bins,),
            plots.score_distributions,
            after="BeaverTails Fig 6",
            population="pairs, by split if they are in one only",
        ),
        ScoreFigure(
            "scores_by_policy",
            "Reward and cost by policy",
            _by_policy,
            (policy_scores, on_same_items, policy_bins),
            plots.score_distributions,
            after="BeaverTails Fig 7",
            population="answers",
            # training drives scores to the end of their range, where a density is one spike
            drawing={"title": "Scores of policies on the same prompts", "form": "ecdf"},
        ),
        ScoreFigure(
            "scores_by_category",
            "Reward and cost by harm category",
            _by_category,
            (score_bins,),
            plots.category_ridges,
            names_categories=True,
        ),
        ScoreFigure(
            "reward_and_cost",
            "Reward against cost",
            _plane,
            (reward_and_cost, plane_bins, score_quadrants),
            plots.score_plane,
        ),
        ScoreFigure("margins", "Margins of chosen answers", _margins, (score_margins, margin_bins), plots.margins),
        ScoreFigure("roc", "Unsafe answers told from safe ones", _roc, (roc_curve, score_metrics), plots.roc),
        ScoreFigure("calibration", "Calibration of scores", _calibration, (reliability_curve,), plots.calibration),
    )
}
"""The figures of scores, by key."""
