"""The orthogonality lab: is the better answer the safer one, by group, measure and weighting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import ipywidgets
import polars as pl

from btviz.catalog import adopted, load
from btviz.content import ContentPolicy, session_policy
from btviz.dataset import Dataset
from btviz.errors import BtvizError
from btviz.plots.forest import GROUPINGS, LEVELS, level_name
from btviz.plots.linked_forest import forest_lab
from btviz.plots.scales import SCALES
from btviz.preference.answers import Answer, Question, measured
from btviz.preference.measures import MEASURES, WEIGHTINGS
from btviz.selection import Selection
from btviz.widgets.background import Background, Report, SupersededError
from btviz.widgets.chartview import ChartView
from btviz.widgets.findings import findings
from btviz.widgets.preferences import PreferenceInspector

REPLICATES = (500, 2_000, 10_000)
FEW_LEVELS = 4
"""Up to so many levels all have their null distribution drawn; else those that are chosen."""

_ALL = ("all", "all")
_WEIGHTINGS = {"comparisons": "each comparison once", "prompts": "each prompt once"}
_WRAP = {"flex_flow": "row wrap"}

_Level = tuple[str, str]


@dataclass(frozen=True, eq=False)
class _Shown:
    """What is on view: the data set, the answer, and its null distributions."""

    release: str
    ds: Dataset
    answer: Answer
    null: pl.DataFrame


class OrthogonalityLab(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
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
        Seed of bootstrap and random turns.
    margin : float
        Bound on |2p - 1| below which labels count as practically orthogonal, 0 .. 1.

    Attributes
    ----------
    controls : Mapping
        The drop-down lists `release`, `grouping`, `within`, `measure`, `weighting` and `n_boot`;
        setting their `value` from Python moves the pictures, too.

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
        self._base = Question(random_state=random_state, margin=margin)
        self.policy = policy or session_policy()
        self.selection = selection or Selection()
        self._sources = _sources(ds, others)
        self._found: dict[object, Any] = {}
        self._inspectors: dict[str, PreferenceInspector] = {}
        self._shown: _Shown | None = None
        self._clicked: _Level | None = None
        self._listing = False
        self._pending: _Level | None = None
        self._background = Background(self._show_progress)
        self.controls: Mapping[str, ipywidgets.Dropdown] = MappingProxyType(_controls(self._sources))
        self._chart = ChartView(None, on_click=self._click_in_chart, on_hide=self.policy.hide_all)
        self._chart.layout = {"max_width": "100%"}
        controls = ipywidgets.Box([*self.controls.values()], layout=_WRAP)
        self._views = ipywidgets.Box([self._chart], layout=_WRAP | {"align_items": "flex-start"})
        self._inspect(ds, release=self.controls["release"].value)
        for name, control in self.controls.items():
            control.observe(self._measure_changed if name == "measure" else self._ask, names="value")
        super().__init__([controls, self._views])
        self.selection.observe(self._selection_moved)
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
        """All levels of all groupings; see `btviz.preference.answers.Answer`."""
        return self.answer.table

    @property
    def said(self) -> str:
        """The verdict in words, as it stands above the pictures."""
        self._settled()
        return str(self._chart.said)

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

    def __repr__(self) -> str:
        name = self.controls["release"].label
        return f"<OrthogonalityLab of {name}; run its cell to see it>"  # what a reopened notebook shows

    def _question(self) -> Question:
        asked = {name: self.controls[name].value for name in ("measure", "weighting", "within", "n_boot")}
        return Question(**asked, random_state=self._base.random_state, margin=self._base.margin)

    def _measure_changed(self, _: object) -> None:
        weighting, before = self.controls["weighting"], self.controls["weighting"].value
        offered = MEASURES[self.controls["measure"].value].weightings
        weighting.unobserve(self._ask, names="value")
        weighting.options = [(_WEIGHTINGS[name], name) for name in offered]
        weighting.value = before if before in offered else offered[0]
        weighting.disabled = len(offered) == 1
        weighting.observe(self._ask, names="value")
        self._ask()

    def _ask(self, _: object = None) -> None:
        """Compute what the controls ask for, beside the kernel, and show it when it is there."""
        release, question = self.controls["release"].value, self._question()
        grouping, clicked = self.controls["grouping"].value, self._clicked

        def compute(report: Report) -> _Shown:
            ds = self._once(release, lambda: self._loaded(release))
            answer = self._once((release, question), lambda: measured(ds, question, progress=report))
            levels = _with_null(answer, grouping, clicked=clicked)
            null = pl.concat(self._once((release, question, level), partial(answer.null, [level])) for level in levels)
            return _Shown(release, ds, answer, null)

        self._background.run(compute, on_done=self._done)

    def _loaded(self, release: str) -> Dataset:
        source = self._sources[release]
        return load(source) if isinstance(source, str) else source

    def _once(self, key: object, make: Callable[[], Any]) -> Any:
        if key not in self._found:
            self._found[key] = make()
        return self._found[key]

    def _done(self, future: Future[_Shown]) -> None:
        self._chart.busy = {}
        try:
            shown = future.result()
        except SupersededError:
            return
        except BtvizError as error:
            self._chart.said = str(error)
            self._chart.draw(None)
        except Exception as error:
            self._chart.said = f"This could not be computed: {type(error).__name__}. The kernel's log says where."
            self._chart.draw(None)
            raise
        else:
            if shown is not self._shown:
                self._show(shown)
            self._click_pending()

    def _settled(self) -> _Shown:
        """What the controls ask for, waited for and shown."""
        shown: _Shown = self._background.wait()
        if shown is not self._shown:
            self._show(shown)
        return shown

    def _show_progress(self, share: float | None) -> None:
        self._chart.busy = {"words": f"Resampling prompts of {self.controls['release'].label}", "share": share}

    def _show(self, shown: _Shown) -> None:
        before, self._shown = self._shown, shown
        table, question = shown.answer.table, shown.answer.question
        if before is None or before.ds is not shown.ds:
            self._inspect(shown.ds, release=shown.release)
        if before is not None and (before.ds is not shown.ds or before.answer.question.within != question.within):
            self._follow_levels(table)
        visible = table.filter(pl.col("grouping").is_in(["all", self.controls["grouping"].value]))
        self._chart.said = findings(
            shown.ds, shown.answer, grouping=self.controls["grouping"].value, level=self._clicked
        )
        self._chart.draw(self._drawn(visible, shown) if table["n"].max() else None)
        self._outline()

    def _drawn(self, visible: pl.DataFrame, shown: _Shown) -> Any:
        question = shown.answer.question
        source = [shown.ds.population, *([LEVELS[question.within]] if question.within != "all" else [])]
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
        self._chart.chosen = {"chosen_grouping": grouping, "chosen_level": level}

    def _inspect(self, ds: Dataset, *, release: str) -> None:
        """Show the inspector of a data set beside the pictures."""
        if release not in self._inspectors:
            self._inspectors[release] = PreferenceInspector(ds, selection=self.selection, policy=self.policy)
            self._inspectors[release].layout = {"flex": "1 1 600px"}  # beside the chart where there is room, else below
        self._inspector = self._inspectors[release]
        self._views.children = [self._chart, self._inspector]


def _sources(ds: Dataset, others: Iterable[Dataset]) -> dict[str, Dataset | str]:
    """Data sets by the words that offer them, and names of the catalogue for those not loaded yet."""
    sources: dict[str, Dataset | str] = {}
    for one in (ds, *others):
        again = "" if one.population not in sources else f" ({one.fingerprint[:8]})"
        sources.setdefault(one.population + again, one)
    return sources | {name: name for name in adopted() if name not in sources}


def _controls(sources: Mapping[str, Dataset | str]) -> dict[str, ipywidgets.Dropdown]:
    options: dict[str, tuple[str, list[tuple[str, Any]]]] = {
        "release": ("Release", [(name, name) for name in sources]),
        "grouping": ("Group by", [(title, key) for key, title in GROUPINGS.items() if key != "all"]),
        "within": ("Within", [(title, key) for key, title in LEVELS.items()]),
        "measure": ("Statistic", [(SCALES[name].title, name) for name in MEASURES]),
        "weighting": ("Count", [(_WEIGHTINGS[name], name) for name in WEIGHTINGS]),
        "n_boot": ("Replicates", [(f"{n:,}", n) for n in REPLICATES]),
    }
    made = {
        name: ipywidgets.Dropdown(options=of, description=title, layout={"width": "max-content", "max_width": "100%"})
        for name, (title, of) in options.items()
    }
    made["n_boot"].value = REPLICATES[1]
    return made


def _with_null(answer: Answer, grouping: str, *, clicked: _Level | None) -> list[_Level]:
    """Levels whose null distribution is drawn: all comparisons, and a few of the grouping's."""
    levels = answer.table.select("grouping", "level").rows()
    of_grouping = [level for level in levels if level[0] == grouping]
    if len(of_grouping) > FEW_LEVELS:
        of_grouping = [level for level in of_grouping if level == clicked]
    return [_ALL, *of_grouping]


def _origin(shown: _Shown, level: _Level, *, n: int) -> str:
    within = shown.answer.question.within
    named = level_name(level[0], level=level[1], taxonomy=shown.ds.taxonomy)
    parts = [shown.ds.population, *([LEVELS[within]] if within != "all" else []), named]
    return f"{' · '.join(parts)}: {n:,} comparison{'s' * (n != 1)} with both labels"
