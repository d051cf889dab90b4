"""Sections of `btviz stats scores`: what each computes, of what, and how a terminal shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product
from typing import TYPE_CHECKING

import click

from btviz.cli.report import print_reasons, print_table
from btviz.errors import BtvizError, UsageError

if TYPE_CHECKING:
    import polars as pl

    from btviz.data import Dataset

EVALUATION = "beavertails-evaluation"


@dataclass(frozen=True)
class Asked:
    """Scores to report, and how."""

    ds: Dataset
    scores: pl.DataFrame
    answers: pl.DataFrame
    threshold: float | None
    n_boot: int
    seed: int

    @cached_property
    def verdicts(self) -> pl.DataFrame:
        """Of moderation and cost models, and of people."""
        from btviz.scores import safety_verdicts

        return safety_verdicts(self.scores, self.ds, threshold=self.threshold)


@dataclass(frozen=True)
class Section:
    """One table."""

    title: str
    counted: str
    columns: tuple[str, ...]
    make: Callable[[Asked], pl.DataFrame]


def made_sections(asked: Asked) -> tuple[dict[str, pl.DataFrame], dict[str, str]]:
    """Make every section that these scores have something for; of the others, why they have not."""
    found: dict[str, pl.DataFrame] = {}
    absent: dict[str, str] = {}
    for name, section in SECTIONS.items():
        try:
            found[name] = section.make(asked)
        except BtvizError as error:  # one section that fails must not lose the others
            absent[name] = str(error)
    return found, absent


def print_sections(found: Mapping[str, pl.DataFrame], absent: Mapping[str, str], *, ds: Dataset) -> None:
    """Print the sections, over all answers where they have groups, then a line for each that is missing."""
    import polars as pl

    for name, table in found.items():
        section = SECTIONS[name]
        shown = table.filter(pl.col("group").is_null()) if "group" in table.columns else table
        if "grouping" in table.columns and "grouping" not in section.columns:
            shown = shown.filter(pl.col("grouping") == "all")
        click.echo("")
        title = f"{section.title}; n: {section.counted} of {ds.population}"
        print_table(shown.select(section.columns).rows(), section.columns, title=title)
        print_reasons(shown)
    if absent:
        click.echo("")
    for name, reason in absent.items():
        click.echo(f"Does not apply ({SECTIONS[name].title}): {reason}")


def _margins(asked: Asked) -> pl.DataFrame:
    from btviz.scores import margin_summary, score_margins

    margins = score_margins(asked.scores, asked.ds)
    return margin_summary(margins, n_boot=asked.n_boot, random_state=asked.seed)


def _planes(asked: Asked) -> Iterator[tuple[pl.DataFrame, dict[str, str]]]:
    """Reward and cost of the same answers, by each reward model with each cost model."""
    from btviz.scores import reward_and_cost

    kinds = asked.scores.select("model", "kind").unique().sort("model")
    names = {kind: kinds.filter(kind=kind)["model"].to_list() for kind in ("reward", "cost")}
    if not all(names.values()):
        missing = " and no ".join(kind for kind, found in names.items() if not found)
        raise UsageError(
            f"Reward against cost needs a model of each; there is no {missing} model here. Score with one."
        )
    for reward, cost in product(*names.values()):
        plane = reward_and_cost(asked.scores, asked.ds, reward=reward, cost=cost)
        if plane.height:
            yield plane, {"reward": reward, "cost": cost}


def _reward_against_cost(asked: Asked) -> pl.DataFrame:
    from btviz.scores import reward_against_cost, stamped

    return _together(
        stamped(reward_against_cost(plane, n_boot=asked.n_boot, random_state=asked.seed), names)
        for plane, names in _planes(asked)
    )


def _quadrants(asked: Asked) -> pl.DataFrame:
    from btviz.scores import score_quadrants, stamped

    return _together(
        stamped(score_quadrants(plane, asked.ds, n_boot=asked.n_boot, random_state=asked.seed), names)
        for plane, names in _planes(asked)
    )


def _together(tables: Iterable[pl.DataFrame]) -> pl.DataFrame:
    import polars as pl

    found = list(tables)
    if not found:
        raise UsageError("Reward against cost needs answers with both; no answer here has. Score the same answers.")
    return pl.concat(found)


def _verdicts(asked: Asked) -> tuple[pl.DataFrame, list[str]]:
    """Verdicts of models, and of people where there are any."""
    from btviz.scores import HUMAN

    verdicts = asked.verdicts
    raters = [name for name, dtype in verdicts.schema.items() if str(dtype) == "Boolean"]
    raters = [name for name in raters if name != HUMAN or verdicts[HUMAN].count()]
    if len(raters) < 2:
        raise UsageError(
            f"Agreement on safety needs two raters; these scores and labels have {raters or 'none'}. Score with a "
            "moderation or cost model, on data with safety labels or together with another one."
        )
    return verdicts, raters


def _agreement(asked: Asked, *, jointly: bool) -> pl.DataFrame:
    from btviz.scores import joint_agreement, moderator_agreement

    verdicts, raters = _verdicts(asked)
    measure = joint_agreement if jointly else moderator_agreement
    return measure(verdicts, raters=raters, n_boot=asked.n_boot, random_state=asked.seed)


def _drift(asked: Asked) -> pl.DataFrame:
    import polars as pl

    from btviz.scores import score_drift

    make = partial(score_drift, asked.scores, asked.ds, n_boot=asked.n_boot, random_state=asked.seed)
    return pl.concat([make(matched=matched) for matched in (False, True)], how="diagonal_relaxed")


def _safe_rates(asked: Asked) -> pl.DataFrame:
    from btviz import load
    from btviz.data import adopted
    from btviz.scores import safe_rates

    evaluation = asked.ds
    if evaluation.prompts.is_empty():
        if EVALUATION not in adopted():
            raise UsageError(
                f"Safe rates by category need prompts released with a category; {asked.ds.name} has none, and "
                f"{EVALUATION} is not here. Get it: btviz data fetch {EVALUATION}."
            )
        evaluation = load(EVALUATION)
    return safe_rates(
        asked.scores,
        asked.ds,
        answers=asked.answers,
        evaluation=evaluation,
        threshold=asked.threshold,
        n_boot=asked.n_boot,
        random_state=asked.seed,
    )


_PAIRED = (
    *("first", "second", "threshold_first", "threshold_second", "n", "prompts"),
    *("safe_first", "safe_second", "agreement", "low", "high", "kappa", "ac1"),
)
_RATES = (
    *("rater", "threshold", "policy", "grouping", "level"),
    *("n", "prompts", "n_prompts_asked", "share_safe", "low", "high"),
)
SECTIONS: Mapping[str, Section] = {
    "reward_against_cost": Section(
        "Reward against cost",
        "answers with both scores",
        ("reward", "cost", "grouping", "level", "statistic", "n", "prompts", "estimate", "low", "high"),
        _reward_against_cost,
    ),
    "quadrants": Section(
        "Quadrants of reward and cost",
        "answers with both scores",
        ("reward", "cost", "quadrant", "n_quadrant", "n", "prompts", "share", "low", "high"),
        _quadrants,
    ),
    "margins": Section(
        "Margins, chosen less rejected",
        "comparisons with a label and two scores",
        ("model", "kind", "label", "level", "n", "prompts", "mean", "low", "high", "q50", "share_positive"),
        _margins,
    ),
    "agreement": Section(
        "Agreement on safety of moderators with each other and with the labels",
        "answers that both judged",
        _PAIRED,
        partial(_agreement, jointly=False),
    ),
    "joint_agreement": Section(
        "Agreement on safety of all of them together (Krippendorff's alpha, Fleiss' kappa)",
        "answers with two verdicts or more",
        ("raters", "n", "prompts", "share_safe", "agreement", "alpha", "alpha_low", "alpha_high", "fleiss_kappa"),
        partial(_agreement, jointly=True),
    ),
    "drift": Section(
        "Drift between models of a kind, as they are and quantile-matched",
        "answers that both scored",
        ("kind", "target", "first", "second", "matched", "n", "prompts", "mean_difference", "low", "high", "spearman"),
        _drift,
    ),
    "safe_rates": Section(
        "Safe rate by category of the prompt",
        "answers to prompts with a category",
        _RATES,
        _safe_rates,
    ),
}
"""Sections by their name in the JSON document."""
