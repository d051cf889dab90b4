"""How each measure of preferences is drawn: its axis, its neutral value, its numbers as text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import altair as alt
import polars as pl

from btviz.plots.style.intervals import PERCENT, PLAIN, span
from btviz.plots.style.theme import FAINT, percent

LABEL_SIZE = 11.0
"""Size of labels on a screen."""


WIDTH = 620.0
"""Width of names, picture and numbers together, on a screen."""


KEY = pl.concat_str("grouping", "level", separator="/").alias("key")
"""Key of a level among those of all groupings."""


@dataclass(frozen=True)
class Scale:
    """How a measure is drawn."""

    title: str
    neutral: float
    within: tuple[float, float]
    kind: str
    per_margin: float = 0.0

    def text(self, value: float) -> str:
        """A value as text."""
        if self.kind == "share":
            return percent(value)
        return f"{value:.2f}".replace("-", "−") if self.kind == "coefficient" else f"{value:.3g}"

    def ends(self, table: pl.DataFrame, *columns: str) -> tuple[float, float]:
        """Ends of an axis that holds all values of some columns."""
        if self.kind != "odds":
            return span(table, columns, within=self.within)
        logs = table.select(pl.col(columns).log(2))
        low, high = span(logs, columns, within=(math.log2(self.within[0]), math.log2(self.within[1])))
        return 2 ** math.floor(low), 2 ** math.ceil(high)

    def axis(self, ends: tuple[float, float]) -> alt.Scale:
        """Scale between two ends."""
        return alt.Scale(type="log" if self.kind == "odds" else "linear", domain=list(ends), nice=False, zero=False)


SCALES: Mapping[str, Scale] = MappingProxyType(
    {
        "p": Scale("P(better = safer)", 0.5, (0.45, 0.55), "share", 0.5),
        "two_p_minus_1": Scale("2p − 1", 0.0, (-0.1, 0.1), "coefficient", 1.0),
        "phi_by_position": Scale("Phi by position", 0.0, (-0.1, 0.1), "coefficient"),
        "kappa_by_position": Scale("Cohen’s kappa by position", 0.0, (-0.1, 0.1), "coefficient"),
        "odds_ratio_mh": Scale("Mantel-Haenszel odds ratio", 1.0, (0.5, 2.0), "odds"),
        "odds_ratio_mh_by_position": Scale("Mantel-Haenszel odds ratio by position", 1.0, (0.5, 2.0), "odds"),
    }
)
"""How each measure of `btviz.preference.measures.MEASURES` is drawn."""


@dataclass(frozen=True)
class Frame:
    """What the pictures of one chart share."""

    names: Mapping[str, str]
    scale: Scale
    left: float
    room: float
    right: float


def value_channel(column: str, frame: Frame, *, across: alt.Scale) -> alt.X:
    """The horizontal channel of a measure, with its axis."""
    labels = PERCENT if frame.scale.kind == "share" else PLAIN
    axis = alt.Axis(grid=True, gridColor=FAINT, labelFlush=False, labelOverlap=True, tickCount=6, labelExpr=labels)
    return alt.X(f"{column}:Q", scale=across, axis=axis, title=frame.scale.title)
