"""Figures of scores: what computes each, and what draws it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

from btviz import plots
from btviz.errors import UsageError
from btviz.reports.figures.registry import Figure, Known, Tables, origin
from btviz.scores.collection import ScoreCollection
from btviz.scores.differences import score_margins
from btviz.scores.distributions import margin_bins, plane_bins, policy_bins, published_policy_bins, score_bins
from btviz.scores.metrics import reliability_curve, roc_curve, score_metrics
from btviz.scores.plane import reward_and_cost, score_quadrants
from btviz.scores.policies import on_same_items, policy_ratings, policy_scores
from btviz.scores.raters import HUMAN, moderator_agreement, no_verdicts, safety_verdicts


@dataclass(frozen=True, slots=True)
class ScoreTables:
    """Tables computed from scores in a few steps."""

    compute: Callable[[ScoreCollection], Tables]
    steps: tuple[Callable[..., Any], ...]
    population: str = ""

    def tables(self, scored: ScoreCollection, known: Known) -> Tables:
        """What the plot is given; what another figure has computed is not computed again."""
        if self.compute not in known:
            known[self.compute] = self.compute(scored)
        found: Tables = known[self.compute]
        return found

    def source(self, scored: ScoreCollection) -> str:
        """Name of the data, and what was scored."""
        return " · ".join(part for part in (scored.ds.population, self.population) if part)

    def facts(self, scored: ScoreCollection) -> dict[str, Any]:
        """Data, models and steps."""
        steps = [f"{step.__module__}.{step.__name__}" for step in self.steps]
        return {"data": origin(scored.ds), "scores": scored.facts(), "table": {"functions": steps}}

    def of_scope(self, where: str) -> ScoreTables:  # noqa: ARG002 - scores are of all answers
        """The same tables."""
        return self


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


def _by_policy_published(scored: ScoreCollection) -> Tables:
    table = on_same_items(policy_scores(scored.answers, scored.having("reward", "cost")))
    bins = policy_bins(table, bins=50)  # as many as the published picture has
    return bins, published_policy_bins(bins)


def _ratings(scored: ScoreCollection) -> Tables:
    """Ratings of all policies over the one whose file came first."""
    table = on_same_items(policy_scores(scored.answers, scored.having("reward", "cost")))
    first = next(iter(scored.ds.facts.get("policies", [])), None)
    return (policy_ratings(table, reference=first if first in set(table["policy"]) else None),)


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


_CURVES = {name: {"form": name} for name in ("density", "histogram", "ecdf", "violin")}


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
            "scores_by_safety_violins",
            "Reward and cost by safety, as published",
            ScoreTables(_by_safety, (score_bins,), population="pairs, by split if they are in one only"),
            plots.score_distributions,
            after="BeaverTails Fig 6",
            drawing={"form": "violin"},
            names_categories=False,
        ),
        Figure(
            "scores_by_policy_histograms",
            "Reward and cost by policy, as published",
            ScoreTables(
                _by_policy_published,
                (policy_scores, on_same_items, policy_bins, published_policy_bins),
                population="answers",
            ),
            plots.score_distributions,
            after="BeaverTails Fig 7",
            drawing={"title": "Scores of policies on the same prompts", "form": "histogram"},
            names_categories=False,
        ),
        Figure(
            "policy_ratings",
            "Ratings of policies",
            ScoreTables(_ratings, (policy_scores, on_same_items, policy_ratings), population="answers"),
            plots.policy_ratings,
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
