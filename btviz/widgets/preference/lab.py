"""The orthogonality lab: is the better answer the safer one, by group, measure and weighting."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

import ipywidgets
import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import BtvizError
from btviz.plots.interactive.preference import forest_lab
from btviz.plots.preference.forest import LEVELS, level_name
from btviz.preference.questions import Answer, Question
from btviz.session.content import ContentPolicy, session_policy
from btviz.session.selection import Selection
from btviz.widgets.inspector.comparisons import PreferenceInspector
from btviz.widgets.parts.background import Background, SupersededError
from btviz.widgets.parts.chartview import ChartView
from btviz.widgets.preference.controls import Choices
from btviz.widgets.preference.measuring import Level, Measured, Measuring, findings

_WRAP = {"flex_flow": "row wrap"}


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
        base = Question(random_state=random_state, margin=margin)
        self.policy = policy or session_policy()
        self.selection = selection or Selection()
        self._measuring = Measuring(ds, others)
        self._choices = Choices(self._measuring.sources, base=base, on_change=self._ask)
        self.controls = self._choices.controls
        self._inspectors: dict[str, PreferenceInspector] = {}
        self._shown: Measured | None = None
        self._clicked: Level | None = None
        self._listing = False
        self._pending: Level | None = None
        self._background = Background(self._show_progress)
        self._chart = ChartView(None, on_click=self._click_in_chart, on_hide=self.policy.hide_all)
        self._chart.layout = {"max_width": "100%"}
        controls = ipywidgets.Box([*self.controls.values()], layout=_WRAP)
        self._views = ipywidgets.Box([self._chart], layout=_WRAP | {"align_items": "flex-start"})
        self._inspect(ds, release=self._choices.release)
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
        """All levels of all groupings; see `btviz.preference.questions.Answer`."""
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
        name = self._choices.release
        return f"<OrthogonalityLab of {name}; run its cell to see it>"  # what a reopened notebook shows

    def _ask(self) -> None:
        """Compute what the controls ask for, beside the kernel, and show it when it is there."""
        release, question, grouping = self._choices.release, self._choices.question, self._choices.grouping
        chosen = self._clicked
        self._background.run(
            lambda report: self._measuring.measure(release, question, grouping=grouping, chosen=chosen, report=report),
            on_done=self._done,
        )

    def _done(self, future: Future[Measured]) -> None:
        self._chart.busy = {}
        try:
            shown = future.result()
        except SupersededError:
            return
        except BtvizError as error:
            self._fail(str(error))
        except Exception as error:
            self._fail(f"This could not be computed: {type(error).__name__}. The kernel's log says where.")
            raise
        else:
            if shown is not self._shown:
                self._show(shown)
            self._click_pending()

    def _fail(self, why: str) -> None:
        self._pending = None
        self._chart.said = why
        self._chart.draw(None)

    def _settled(self) -> Measured:
        """What the controls ask for, waited for and shown."""
        shown: Measured = self._background.wait()
        if shown is not self._shown:
            self._show(shown)
        return shown

    def _show_progress(self, share: float | None) -> None:
        doing = "Preparing" if share is None else "Resampling prompts of"
        self._chart.busy = {"words": f"{doing} {self._choices.release}", "share": share}

    def _show(self, shown: Measured) -> None:
        before, self._shown = self._shown, shown
        table, question = shown.answer.table, shown.answer.question
        if before is None or before.ds is not shown.ds:
            self._inspect(shown.ds, release=shown.release)
        if before is not None and (before.ds is not shown.ds or before.answer.question.within != question.within):
            self._follow_levels(table)
        visible = table.filter(pl.col("grouping").is_in(["all", self._choices.grouping]))
        self._chart.said = findings(shown.ds, shown.answer, grouping=self._choices.grouping, level=self._clicked)
        self._chart.draw(self._drawn(visible, shown) if table["n"].max() else None)
        self._outline()

    def _drawn(self, visible: pl.DataFrame, shown: Measured) -> Any:
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


def _origin(shown: Measured, level: Level, *, n: int) -> str:
    within = shown.answer.question.within
    named = level_name(level[0], level=level[1], taxonomy=shown.ds.taxonomy)
    parts = [shown.ds.population, *([LEVELS[within]] if within != "all" else []), named]
    return f"{' · '.join(parts)}: {n:,} comparison{'s' * (n != 1)} with both labels"
