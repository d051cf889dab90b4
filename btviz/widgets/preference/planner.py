"""The planner: how many prompts an effect takes, with a hand on the effect."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import altair as alt
import ipywidgets
import polars as pl

from btviz.data import Dataset
from btviz.plots import power_curve
from btviz.plots.preference.forest import LABEL_SIZE
from btviz.preference import lacking, power_plan
from btviz.reports import sentences
from btviz.widgets.parts.chartview import ChartView
from btviz.widgets.parts.view import View

WIDTH = 640.0
"""Width of the picture on a screen."""

EFFECTS = tuple(round(0.02 + 0.01 * step, 2) for step in range(49))
"""Effects that are planned for, 0.02 to 0.5."""

_STYLE: Mapping[str, Any] = {"style": {"description_width": "150px"}, "layout": {"width": "420px"}}


class PowerPlanner(View, ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Slide the effect that is to be shown; see how many prompts it takes.

    Parameters
    ----------
    ds : Dataset, optional
        Comparisons whose prompts are held against those needed, and from which comparisons a prompt and design effect
        are taken; without any that have both labels, two more sliders set these.

    Attributes
    ----------
    controls : Mapping
        Controls by the name of the parameter of `power_plan` that they set, and `effect`.
    chart : ChartView
        The picture, and what it shows in words.
    """

    def __init__(self, ds: Dataset | None = None) -> None:
        self._ds = None if ds is None or lacking(ds) else ds
        self.controls: Mapping[str, Any] = MappingProxyType(_controls(alone=self._ds is None))
        self._plan = self._planned()
        self.chart = ChartView(self._drawn(), on_click=_nothing_to_choose, on_hide=_nothing_to_hide)
        self.chart.layout.max_width = "100%"
        for control in self.controls.values():
            control.observe(self._redraw, names="value")
        self._tell()
        sliders = ipywidgets.Box([*self.controls.values()], layout={"flex_flow": "row wrap"})
        super().__init__([sliders, self.chart])

    @property
    def plan(self) -> pl.DataFrame:
        """The plan of the chosen effect, one row of `btviz.power_plan`."""
        return self._plan.filter((pl.col("effect") - self.controls["effect"].value).abs() < 1e-9)

    def _planned(self) -> pl.DataFrame:
        values = {name: control.value for name, control in self.controls.items() if name != "effect"}
        return power_plan(
            self._ds,
            effects=EFFECTS,
            claim=values["claim"],
            power=values["power"],
            per_prompt=values.get("per_prompt", 1),
            correlation=values.get("correlation", 0),
        )

    def _drawn(self) -> alt.LayerChart:
        source = None if self._ds is None else self._ds.population
        effect = self.controls["effect"].value
        return power_curve(self._plan, chosen=effect, source=source, width=WIDTH, size=LABEL_SIZE)

    def _tell(self) -> None:
        self.chart.said = sentences.plan(self.plan).replace("\n", " ")

    def _redraw(self, _: object = None) -> None:
        self._plan = self._planned()
        self.chart.draw(self._drawn())
        self._tell()


def _controls(*, alone: bool) -> dict[str, Any]:
    """Controls by name; without data also those of what data would tell."""
    controls: dict[str, Any] = {
        "effect": ipywidgets.SelectionSlider(description="Effect |2p − 1|", options=EFFECTS, value=0.1, **_STYLE),
        "power": ipywidgets.FloatSlider(description="Power", min=0.5, max=0.99, step=0.01, value=0.8, **_STYLE),
        "claim": ipywidgets.Dropdown(
            description="To show that p",
            options=[("differs from one half", "different"), ("is as near to one half as that", "orthogonal")],
            **_STYLE,
        ),
    }
    if alone:
        controls["per_prompt"] = ipywidgets.IntSlider(
            description="Comparisons a prompt", min=1, max=20, value=6, **_STYLE
        )
        controls["correlation"] = ipywidgets.FloatSlider(
            description="Intra-prompt correlation", min=0.0, max=0.9, step=0.05, value=0.2, **_STYLE
        )
    return controls


def _nothing_to_choose(*_: str) -> None:
    """Effects stand for nothing else, so a click on one does nothing."""


def _nothing_to_hide() -> None:
    """There is no text here that the key for hiding could hide."""
