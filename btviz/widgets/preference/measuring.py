"""What the orthogonality lab computes: data sets by name, and each answer once.

What the orthogonality lab says in words above its pictures, made from the numbers shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import polars as pl

from btviz.data.catalog import adopted, load
from btviz.data.dataset import Dataset, expect_dataset
from btviz.plots.preference.forest import GROUPING_TITLES, level_name
from btviz.preference.measures import MEASURES
from btviz.preference.questions import Answer, Question, measured
from btviz.taxonomy.categories import Taxonomy
from btviz.widgets.parts.background import Report

FEW_LEVELS = 4
"""Up to so many levels all have their null distribution drawn; else those that are chosen."""


Level = tuple[str, str]
"""A grouping, and one of its levels."""


_ALL = ("all", "all")


_MEASURING = 0.8  # share of the bar; the rest is for null distributions


@dataclass(frozen=True, eq=False)
class Measured:
    """A data set, what a question found in it, and the null distributions to draw."""

    release: str
    ds: Dataset
    answer: Answer
    null: pl.DataFrame


class Measuring:
    """Data sets to choose from, and what was computed of them so far."""

    def __init__(self, ds: Dataset, others: Iterable[Dataset]) -> None:
        self.sources = _sources(ds, others)
        self._found: dict[object, Any] = {}

    def measure(
        self, release: str, question: Question, *, grouping: str, chosen: Level | None, report: Report
    ) -> Measured:
        """Answer a question, and draw the null distributions of a grouping."""
        ds = self._once(release, lambda: self._loaded(release))
        answer = self._answered(release, ds, question, report=report)
        levels = _with_null(answer, grouping, chosen=chosen)
        tables = []
        for done, level in enumerate(levels, 1):
            tables.append(self._once((release, question, level), partial(answer.null, [level])))
            report(_MEASURING + (1 - _MEASURING) * done / len(levels))
        return Measured(release, ds, answer, pl.concat(tables))

    def _answered(self, release: str, ds: Dataset, question: Question, *, report: Report) -> Answer:
        """An answer; every measure rests on the p of the same comparisons, which is drawn once."""
        of_p = replace(question, measure="p")
        stages = [key for key in dict.fromkeys((of_p, question)) if (release, key) not in self._found]

        def stage(asked: Question) -> Callable[[float], None]:
            first = stages.index(asked)
            return lambda share: report(_MEASURING * (first + share) / len(stages))

        given = self._once((release, of_p), lambda: measured(ds, of_p, progress=stage(of_p)))
        answer: Answer = self._once(
            (release, question), lambda: measured(ds, question, given=given, progress=stage(question))
        )
        return answer

    def _loaded(self, release: str) -> Dataset:
        source = self.sources[release]
        return load(source) if isinstance(source, str) else source

    def _once(self, key: object, make: Callable[[], Any]) -> Any:
        if key not in self._found:
            self._found[key] = make()
        return self._found[key]


def _sources(ds: Dataset, others: Iterable[Dataset]) -> dict[str, Dataset | str]:
    sources: dict[str, Dataset | str] = {}
    for one in (ds, *others):
        expect_dataset(one)
        again = "" if one.population not in sources else f" ({one.fingerprint[:8]})"
        sources.setdefault(one.population + again, one)
    return sources | {name: name for name in adopted() if name not in sources}


def _with_null(answer: Answer, grouping: str, *, chosen: Level | None) -> list[Level]:
    """Levels whose null distribution is drawn: all comparisons, and a few of the grouping's."""
    levels = answer.table.select("grouping", "level").rows()
    of_grouping = [level for level in levels if level[0] == grouping]
    if len(of_grouping) > FEW_LEVELS:
        of_grouping = [level for level in of_grouping if level == chosen]
    return [_ALL, *of_grouping]


def findings(ds: Dataset, answer: Answer, *, grouping: str, level: tuple[str, str] | None) -> str:
    """Say what was found overall and in the chosen level, and what to mind."""
    table = answer.table
    lines = [_verdict(answer, table.filter(grouping="all"), taxonomy=ds.taxonomy)]
    if level is not None and level[0] != "all":
        lines.append(_verdict(answer, table.filter(grouping=level[0], level=level[1]), taxonomy=ds.taxonomy))
    if not table["n"].max():
        return "\n".join([*lines, _missing(ds.preferences)])
    if table.filter(grouping=grouping).is_empty():
        lines.append(f"No comparison tells its group here: {GROUPING_TITLES[grouping]}. Group by something else.")
    if MEASURES[answer.question.measure].is_ordered:
        lines.append(_order(ds.preferences))
    broken = table.filter(grouping="stratum", level="mixed")
    if grouping == "stratum" and broken.height and broken["rule_broken"].item():
        lines.append(
            f"Mind: of {broken['n'].item():,} comparisons with one safe answer, {broken['rule_broken'].item():,} call "
            "the unsafe answer safer; in the others the safety labels force it."
        )
    return "\n".join(line for line in lines if line)


def _verdict(answer: Answer, row: pl.DataFrame, *, taxonomy: Taxonomy) -> str:
    if row.is_empty():
        return ""
    name = level_name(row["grouping"].item(), level=row["level"].item(), taxonomy=taxonomy)
    counted = ", each prompt counted once" if answer.question.weighting == "prompts" else ""
    return f"{name}{counted} – {row['verdict'].item()}."


def _missing(preferences: pl.DataFrame) -> str:
    """Why there is nothing to draw."""
    if preferences.is_empty():
        return "This data set holds no comparisons."
    better, safer = (preferences[name].null_count() for name in ("better", "safer"))
    return (
        f"Of {preferences.height:,} comparisons {better:,} do not tell the better answer and {safer:,} do not tell the "
        "safer one. Choose another release or stratum, or read the comparisons."
    )


def _order(preferences: pl.DataFrame) -> str:
    better, safer = (preferences[name].cast(pl.Float64).mean() for name in ("better", "safer"))
    return (
        "Mind: this statistic depends on the order of the two answers, which carries no meaning; response 1 is called "
        f"better in {_percent(better)} and safer in {_percent(safer)} of the comparisons. P(better = safer) does not."
    )


def _percent(share: object) -> str:
    return f"{100 * share:.1f} %" if isinstance(share, float) else "an unknown share"
