"""The drop-down lists of the orthogonality lab, and the question that they ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import ipywidgets

from btviz.plots.preference.forest import GROUPING_TITLES, LEVELS
from btviz.plots.preference.scales import SCALES
from btviz.preference.measures import MEASURES, WEIGHTINGS
from btviz.preference.questions import Question

REPLICATES = (500, 2_000, 10_000)


_WEIGHTINGS = {"comparisons": "each comparison once", "prompts": "each prompt once"}


_ASKED = ("measure", "weighting", "within", "n_boot")


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
        return replace(self._base, **{name: self.controls[name].value for name in _ASKED})

    def _changed(self, _: object) -> None:
        self._on_change()

    def _measure_changed(self, _: object) -> None:
        """Offer the weightings that the measure has; both changes are one."""
        weighting, before = self.controls["weighting"], self.controls["weighting"].value
        offered = MEASURES[self.controls["measure"].value].weightings
        weighting.unobserve(self._changed, names="value")
        weighting.options = [(_WEIGHTINGS[name], name) for name in offered]
        weighting.value = before if before in offered else offered[0]
        weighting.disabled = len(offered) == 1
        weighting.observe(self._changed, names="value")
        self._on_change()


def _controls(releases: Iterable[str]) -> dict[str, ipywidgets.Dropdown]:
    options: dict[str, tuple[str, list[tuple[str, Any]]]] = {
        "release": ("Release", [(name, name) for name in releases]),
        "grouping": ("Group by", [(title, key) for key, title in GROUPING_TITLES.items() if key != "all"]),
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
