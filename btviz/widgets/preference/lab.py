"""The orthogonality lab: is the better answer the safer one, by group, measure and weighting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import ipywidgets
import polars as pl

from btviz.data.catalog import adopted, load
from btviz.data.dataset import Dataset, expect_dataset
from btviz.plots.preference.forest import forest_lab
from btviz.preference.questions import WEIGHTINGS, Answer, Question, answer_of, weightings_of
from btviz.reports.sentences.comparisons import findings
from btviz.session import ContentPolicy, Selection, session_policy
from btviz.stats.measures import MEASURES
from btviz.taxonomy.words import COMPARED, GROUPINGS, level_name
from btviz.widgets.inspector.comparisons import PreferenceInspector
from btviz.widgets.parts.background import Background, Report
from btviz.widgets.parts.chartview import ChartView
from btviz.widgets.parts.picture import picture_of
from btviz.widgets.parts.view import View

FEW_LEVELS = 4
"""Up to so many levels all have their null distribution drawn; else those that are chosen."""

Row = tuple[str, str]
"""A grouping and a level of it: one row of the forest plot."""

_ALL = ("all", "all")

_ANSWERING = 0.8  # share of the bar; the rest is for null distributions

REPLICATES = (500, 2_000, 10_000)

_OF_QUESTION = ("measure", "weighting", "within", "n_boot")

_WRAP = {"flex_flow": "row wrap"}


class OrthogonalityLab(View, ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Choose a release, a grouping, a measure and what counts once; click a row, read its comparisons.

    The forest plot has one row a level, the picture below it shows what chance alone would give.
    Above both stands the verdict in words, which is always about P(better = safer).

    Parameters
    ----------
    ds : Dataset
        Any data set; one without comparisons that have both labels says so.
    others : iterable of Dataset, optional
        More data sets to choose from. Names given to ``btviz data add`` or ``fetch`` are offered, too.
    selection : Selection, optional
        Shared with other views: a click chooses both answers of each comparison.
    policy : ContentPolicy, optional
        Decides which texts may be read; the one of this session by default.
    random_state : int
        Seed of bootstrap and permutations.
    margin : float
        Bound on |2p - 1| below which labels count as practically orthogonal, 0 .. 1.

    Attributes
    ----------
    controls : Mapping
        The drop-down lists `release`, `grouping`, `within`, `measure`, `weighting` and `n_boot`;
        setting their `value` from Python moves the pictures, too.
    chart : ChartView
        The pictures, and the verdict in words above them.

    Examples
    --------
    >>> lab = btviz.widgets.OrthogonalityLab(ds)
    >>> lab.controls["grouping"].value = "category"
    >>> lab.click("stratum", "both_unsafe")  # or with the mouse
    >>> lab.table, lab.inspector.selected
    """

    def __init__(
        self,
        ds: Dataset,
        *,
        others: Iterable[Dataset] = (),
        selection: Selection | None = None,
        policy: ContentPolicy | None = None,
        random_state: int = 0,
        margin: float = 0.1,
    ) -> None:
        base = Question(random_state=random_state, margin=margin)
        self.policy = policy or session_policy()
        self.selection = selection or Selection()
        self._results = Results(ds, others)
        self._choices = Choices(self._results.sources, base=base, on_change=self._ask)
        self.controls = self._choices.controls
        self._inspectors: dict[str, PreferenceInspector] = {}
        self._shown: Result | None = None
        self._clicked: Row | None = None
        self._listing = False
        self._pending: Row | None = None
        self._background = Background(self._show_progress)
        self.chart = ChartView(None, on_click=self._click_in_chart, on_hide=self.policy.hide_all)
        self.chart.layout.max_width = "100%"
        controls = ipywidgets.Box([*self.controls.values()], layout=_WRAP)
        self._views = ipywidgets.Box([self.chart], layout=_WRAP | {"align_items": "flex-start"})
        self._inspect(ds, release=self._choices.release)
        super().__init__([controls, self._views])
        self._until_closed(self.selection.observe(self._selection_moved), self._background.close)
        self._ask()

    @property
    def inspector(self) -> PreferenceInspector:
        """Lists the comparisons behind the last click, or all of them."""
        self._settled()
        return self._inspector

    @property
    def answer(self) -> Answer:
        """What the controls ask for, once it is computed."""
        return self._settled().answer

    @property
    def table(self) -> pl.DataFrame:
        """All levels of all groupings; see `btviz.preference.questions.Answer`."""
        return self.answer.table

    @property
    def said(self) -> str:
        """The verdict in words, as it stands above the pictures."""
        self._settled()
        return str(self.chart.said)

    def click(self, grouping: str, level: str) -> None:
        """Choose a level: its comparisons are listed, its verdict and null distribution shown.

        Raises
        ------
        NotFoundError
            If there is no such level.
        """
        self._settled().answer.rows(grouping, level=level)  # raises before anything is changed
        self._clicked = (grouping, level)
        self._list_comparisons()
        self._ask()

    @property
    def _of(self) -> str:
        return f" of {self._choices.release}"

    def _ask(self) -> None:
        """Compute what the controls ask for, beside the kernel, and show it when it is there."""
        release, question, grouping = self._choices.release, self._choices.question, self._choices.grouping
        chosen = self._clicked
        self._background.run(
            lambda report: self._results.result(release, question, grouping=grouping, chosen=chosen, report=report),
            on_done=self._done,
            on_error=self._fail,
        )

    def _done(self, shown: Result) -> None:
        self.chart.busy = {}
        if shown is not self._shown:
            self._show(shown)
        self._click_pending()

    def _fail(self, why: str) -> None:
        self.chart.busy = {}
        self._pending = None
        self.chart.said = why
        self.chart.draw(None)

    def _settled(self) -> Result:
        """What the controls ask for, waited for and shown."""
        shown: Result = self._background.wait()
        if shown is not self._shown:
            self._show(shown)
        return shown

    def _show_progress(self, share: float | None) -> None:
        doing = "Preparing" if share is None else "Resampling prompts of"
        self.chart.busy = {"words": f"{doing} {self._choices.release}", "share": share}

    def _show(self, shown: Result) -> None:
        before, self._shown = self._shown, shown
        table, question = shown.answer.table, shown.answer.question
        if before is None or before.ds is not shown.ds:
            self._inspect(shown.ds, release=shown.release)
        if before is not None and (before.ds is not shown.ds or before.answer.question.within != question.within):
            self._follow_levels(table)
        visible = table.filter(pl.col("grouping").is_in(["all", self._choices.grouping]))
        self.chart.said = findings(shown.ds, shown.answer, grouping=self._choices.grouping, level=self._clicked)
        self.chart.draw(self._drawn(visible, shown) if table["n"].max() else None)
        self._outline()

    def _drawn(self, visible: pl.DataFrame, shown: Result) -> Any:
        question = shown.answer.question
        source = [shown.ds.population, *([COMPARED[question.within]] if question.within != "all" else [])]
        return forest_lab(
            visible,
            shown.null,
            measure=question.measure,
            weighting=question.weighting,
            source=" · ".join(source),
            margin=question.margin,
            taxonomy=shown.ds.taxonomy,
        )

    def _follow_levels(self, table: pl.DataFrame) -> None:
        """List the comparisons of the chosen level anew, or drop it where there is none now."""
        if self._clicked is None:
            return
        if table.filter(grouping=self._clicked[0], level=self._clicked[1]).is_empty():
            self._clicked = None
            self.selection.clear()
        else:
            self._list_comparisons()

    def _list_comparisons(self) -> None:
        if self._shown is None or self._clicked is None:
            return
        grouping, level = self._clicked
        rows = self._shown.answer.rows(grouping, level=level)
        self._listing = True
        try:
            self._inspector.open_comparisons(rows, origin=_origin(self._shown, self._clicked, n=len(rows)))
        finally:
            self._listing = False

    def _selection_moved(self) -> None:
        """Drop the chosen level: what is listed now was chosen elsewhere."""
        if not self._listing and self._clicked is not None:
            self._clicked = None
            self._ask()

    def _click_in_chart(self, grouping: str, level: str) -> None:
        self._pending = (grouping, level)
        if not self._background.is_running:  # else the kernel would stand still until the work is done
            self._click_pending()

    def _click_pending(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None and pending in self.table.select("grouping", "level").rows():
            self.click(*pending)

    def _outline(self) -> None:
        grouping, level = self._clicked or ("", "")
        self.chart.chosen = {"chosen_grouping": grouping, "chosen_level": level}

    def _inspect(self, ds: Dataset, *, release: str) -> None:
        """Show the inspector of a data set beside the pictures."""
        if release not in self._inspectors:
            inspector = self._part(PreferenceInspector(ds, selection=self.selection, policy=self.policy))
            self._inspectors[release] = inspector
            inspector.layout.flex = "1 1 600px"  # beside the chart where there is room, else below
        self._inspector = self._inspectors[release]
        self._views.children = [self.chart, self._inspector]

    def _still(self) -> str:
        """Counts of the comparisons that are listed, of all; no text is among them."""
        ds, listed = self._inspector.ds, self._inspector.selected
        same = pl.col("better") == pl.col("safer")
        totals, counts = (
            list(frame.select(same.sum(), (~same).sum().alias("other"), same.is_null().sum().alias("unknown")).row(0))
            for frame in (ds.preferences, listed)
        )
        labels = ["the better is the safer", "the better is not the safer", "a label is missing"]
        bars = [("Comparisons", labels, {"totals": totals, "counts": counts})]
        heading = f"{listed.height:,} of {ds.preferences.height:,} comparisons"
        return picture_of(ds.population, bars, heading=heading)


def _origin(shown: Result, level: Row, *, n: int) -> str:
    within = shown.answer.question.within
    named = level_name(level[0], level=level[1], taxonomy=shown.ds.taxonomy)
    parts = [shown.ds.population, *([COMPARED[within]] if within != "all" else []), named]
    return f"{' · '.join(parts)}: {n:,} comparison{'s' * (n != 1)} with both labels"


class Choices:
    """What can be chosen, and what is."""

    def __init__(self, releases: Iterable[str], *, base: Question, on_change: Callable[[], None]) -> None:
        self._base, self._on_change = base, on_change
        self.controls: Mapping[str, ipywidgets.Dropdown] = MappingProxyType(_controls(releases))
        for name, control in self.controls.items():
            control.observe(self._measure_changed if name == "measure" else self._changed, names="value")

    @property
    def release(self) -> str:
        """Words of the chosen data set."""
        return str(self.controls["release"].value)

    @property
    def grouping(self) -> str:
        """What comparisons are grouped by."""
        return str(self.controls["grouping"].value)

    @property
    def question(self) -> Question:
        """What is asked of the chosen data set."""
        return replace(self._base, **{name: self.controls[name].value for name in _OF_QUESTION})

    def _changed(self, _: object) -> None:
        self._on_change()

    def _measure_changed(self, _: object) -> None:
        """Offer the weightings that the measure has; both changes are one."""
        weighting, before = self.controls["weighting"], self.controls["weighting"].value
        offered = weightings_of(self.controls["measure"].value)
        weighting.unobserve(self._changed, names="value")
        weighting.options = [(WEIGHTINGS[name], name) for name in offered]
        weighting.value = before if before in offered else offered[0]
        weighting.disabled = len(offered) == 1
        weighting.observe(self._changed, names="value")
        self._on_change()


def _controls(releases: Iterable[str]) -> dict[str, ipywidgets.Dropdown]:
    options: dict[str, tuple[str, list[tuple[str, Any]]]] = {
        "release": ("Release", [(name, name) for name in releases]),
        "grouping": ("Group by", [(title, key) for key, title in GROUPINGS.items() if key != "all"]),
        "within": ("Within", [(title, key) for key, title in COMPARED.items()]),
        "measure": ("Statistic", [(measure.title, name) for name, measure in MEASURES.items()]),
        "weighting": ("Count", [(words, name) for name, words in WEIGHTINGS.items()]),
        "n_boot": ("Permutations", [(f"{n:,}", n) for n in REPLICATES]),
    }
    lists = {
        name: ipywidgets.Dropdown(options=of, description=title, layout={"width": "max-content", "max_width": "100%"})
        for name, (title, of) in options.items()
    }
    lists["n_boot"].value = REPLICATES[1]
    return lists


@dataclass(frozen=True, eq=False)
class Result:
    """A data set, what a question found in it, and the null distributions to draw."""

    release: str
    ds: Dataset
    answer: Answer
    null: pl.DataFrame


class Results:
    """Data sets to choose from, and what was computed of them so far."""

    def __init__(self, ds: Dataset, others: Iterable[Dataset]) -> None:
        self.sources = _sources(ds, others)
        self._computed: dict[object, Any] = {}

    def result(self, release: str, question: Question, *, grouping: str, chosen: Row | None, report: Report) -> Result:
        """Answer a question, and draw the null distributions of a grouping."""
        ds = self._once(release, lambda: self._loaded(release))
        answer = self._answered(release, ds, question, report=report)
        levels = _with_null(answer, grouping, chosen=chosen)
        tables = []
        for done, level in enumerate(levels, 1):
            tables.append(self._once((release, question, level), partial(answer.null, [level])))
            report(_ANSWERING + (1 - _ANSWERING) * done / len(levels))
        return Result(release, ds, answer, pl.concat(tables))

    def _answered(self, release: str, ds: Dataset, question: Question, *, report: Report) -> Answer:
        """An answer; every measure rests on the shares of the same comparisons, which are drawn once."""
        of_p = replace(question, measure="p")
        missing = [key for key in dict.fromkeys((of_p, question)) if (release, key) not in self._computed]

        def stage(key: Question) -> Callable[[float], None]:
            return lambda share: report(_ANSWERING * (missing.index(key) + share) / len(missing))

        shares = self._once((release, of_p), lambda: answer_of(ds, of_p, progress=stage(of_p))).shares
        answer: Answer = self._once(
            (release, question), lambda: answer_of(ds, question, shares=shares, progress=stage(question))
        )
        return answer

    def _loaded(self, release: str) -> Dataset:
        source = self.sources[release]
        return load(source) if isinstance(source, str) else source

    def _once(self, key: object, make: Callable[[], Any]) -> Any:
        if key not in self._computed:
            self._computed[key] = make()
        return self._computed[key]


def _sources(ds: Dataset, others: Iterable[Dataset]) -> dict[str, Dataset | str]:
    sources: dict[str, Dataset | str] = {}
    for data_set in (ds, *others):
        expect_dataset(data_set)
        again = "" if data_set.population not in sources else f" ({data_set.fingerprint[:8]})"
        sources.setdefault(data_set.population + again, data_set)
    return sources | {name: name for name in adopted() if name not in sources}


def _with_null(answer: Answer, grouping: str, *, chosen: Row | None) -> list[Row]:
    """Levels whose null distribution is drawn: all comparisons, and a few of the grouping's."""
    levels = answer.table.select("grouping", "level").rows()
    of_grouping = [level for level in levels if level[0] == grouping]
    if len(of_grouping) > FEW_LEVELS:
        of_grouping = [level for level in of_grouping if level == chosen]
    return [_ALL, *of_grouping]
