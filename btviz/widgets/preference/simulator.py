"""The preference simulator: plant a truth, watch what estimates and intervals make of it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import altair as alt
import ipywidgets

from btviz.plots import simulated_intervals
from btviz.plots.preference.forest import LABEL_SIZE
from btviz.preference import simulate_preferences
from btviz.preference.simulated import SimulatedPreferences
from btviz.reports import sentences
from btviz.widgets.parts.chartview import ChartView
from btviz.widgets.parts.view import View

REPEATS, N_BOOT = 400, 500
"""Fewer than the defaults of `simulate_preferences`, so that the picture keeps up with a hand on a slider."""

MARGIN = 0.1
"""Bound on |2p - 1| below which labels count as practically orthogonal, as `btviz.orthogonality` takes it."""

WIDTH = 820.0
"""Width of both panels on a screen."""

_SLIDERS: Mapping[str, tuple[Any, str, dict[str, Any]]] = {
    "p": (ipywidgets.FloatSlider, "True p", {"min": 0.3, "max": 0.95, "step": 0.01, "value": 0.6}),
    "noise": (ipywidgets.FloatSlider, "Labels wrong", {"min": 0.0, "max": 0.4, "step": 0.01, "value": 0.0}),
    "cluster_size": (ipywidgets.IntSlider, "Comparisons a prompt", {"min": 1, "max": 20, "value": 6}),
    "correlation": (
        ipywidgets.FloatSlider,
        "Intra-prompt correlation",
        {"min": 0.0, "max": 0.9, "step": 0.05, "value": 0.3},
    ),
    "n": (ipywidgets.IntSlider, "Comparisons in all", {"min": 60, "max": 9600, "step": 60, "value": 600}),
}

_WIDE = {"description_width": "150px"}


class PreferenceSimulator(View, ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Slide the true p, label noise, cluster size and sample size; see estimates and intervals.

    Everything shown is drawn from what is planted; no data set plays a part.

    Attributes
    ----------
    controls : Mapping
        The sliders, by the name of the parameter of `simulate_preferences` they set; setting
        their `value` from Python moves the picture, too.
    chart : ChartView
        The picture, and what it shows in words.

    Examples
    --------
    >>> simulator = btviz.widgets.PreferenceSimulator()
    >>> simulator.controls["cluster_size"].value = 20
    >>> simulator.result.naive_coverage
    """

    def __init__(self) -> None:
        self.controls: Mapping[str, Any] = MappingProxyType(
            {
                name: slider(description=title, style=_WIDE, layout={"width": "420px"}, **options)
                for name, (slider, title, options) in _SLIDERS.items()
            }
        )
        self._draws = 0
        self._result = self._simulated()
        self.chart = ChartView(self._drawn(), on_click=_nothing_to_choose, on_hide=_nothing_to_hide)
        self.chart.layout.max_width = "100%"
        again = ipywidgets.Button(description="Draw again", tooltip="The same truth, other samples")
        again.on_click(self._draw_again)
        for control in self.controls.values():
            control.observe(self._redraw, names="value")
        self._tell()
        sliders = ipywidgets.Box([*self.controls.values(), again], layout={"flex_flow": "row wrap"})
        super().__init__([sliders, self.chart])

    @property
    def result(self) -> SimulatedPreferences:
        """What is shown: the truth, and every sample."""
        return self._result

    def _simulated(self) -> SimulatedPreferences:
        planted = {name: control.value for name, control in self.controls.items()}
        return simulate_preferences(
            planted["p"],
            noise=planted["noise"],
            cluster_size=planted["cluster_size"],
            correlation=planted["correlation"],
            n=planted["n"],
            repeats=REPEATS,
            n_boot=N_BOOT,
            random_state=self._draws,
        )

    def _drawn(self) -> alt.HConcatChart:
        planted = self._result.planted
        return simulated_intervals(
            self._result.samples,
            truth=planted.observable_p,
            planted=planted.p,
            margin=MARGIN,
            ends=(0.0, 1.0),  # so that one sees intervals move and shrink, and none lies outside
            width=WIDTH,
            size=LABEL_SIZE,
        )

    def _tell(self) -> None:
        self.chart.said = sentences.simulation(self._result).replace("\n", " ")

    def _redraw(self, _: object = None) -> None:
        self._result = self._simulated()
        self.chart.draw(self._drawn())
        self._tell()

    def _draw_again(self, _: object) -> None:
        self._draws += 1
        self._redraw()


def _nothing_to_choose(*_: str) -> None:
    """Samples stand for nothing else, so a click on one does nothing."""


def _nothing_to_hide() -> None:
    """There is no text here that the key for hiding could hide."""
