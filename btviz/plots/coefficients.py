"""The columns of a co-occurrence table that a matrix can show, and the colour scale of each."""

from __future__ import annotations

import math
from dataclasses import dataclass

import altair as alt
import polars as pl

from btviz.plots.theme import DIVERGING, SEQUENTIAL


@dataclass(frozen=True, slots=True)
class Coefficient:
    """How one column is drawn.

    Attributes
    ----------
    title : str
        Name in legends.
    kind : {"signed", "unit", "ratio", "count"}
        -1 .. 1 with 0 in the middle; 0 .. 1; 0 .. with 1 in the middle, on a log scale;
        a number of items.
    """

    title: str
    kind: str

    def limits(self, values: pl.Series) -> tuple[float, float]:
        """Ends of the colour scale: rounded outwards, and symmetric where there is a middle."""
        found = values.filter(values.is_finite()) if values.dtype.is_float() else values
        if self.kind == "ratio":
            logs = found.filter(found > 0).log(2.0).abs().max()
            end = 2.0 ** max(1, math.ceil(_number(logs)))
            return 1 / end, end
        if self.kind == "count":
            return 0.0, max(1.0, _number(found.max()))
        end = max(0.1, math.ceil(_number(found.abs().max()) * 10 - 1e-9) / 10)
        return (-end, end) if self.kind == "signed" else (0.0, end)

    def scale(self, limits: tuple[float, float]) -> alt.Scale:
        """Colour scale of this coefficient between `limits`."""
        low, high = limits
        colours = DIVERGING if self.kind in ("signed", "ratio") else SEQUENTIAL
        steps = [place / (len(colours) - 1) for place in range(len(colours))]
        if self.kind == "ratio":
            stops = [low * (high / low) ** step for step in steps]
            return alt.Scale(type="log", base=2, domain=stops, range=list(colours), clamp=True)
        return alt.Scale(domain=[low + (high - low) * s for s in steps], range=list(colours), clamp=True)

    def ticks(self, limits: tuple[float, float]) -> list[float]:
        """Values named in the legend: both ends, and what lies between."""
        low, high = limits
        if self.kind == "ratio":
            return [low, low**0.5, 1.0, high**0.5, high]
        return [low + (high - low) * step / 4 for step in range(5)]

    def strength(self, value: pl.Expr, *, limits: tuple[float, float]) -> pl.Expr:
        """How dark the cell of a value is, 0 .. 1: decides the colour of its number."""
        _, high = limits
        if self.kind == "ratio":
            return (value.log(2.0).abs() / math.log2(high)).clip(0, 1)
        return (value.abs() / high).clip(0, 1)

    def text(self, value: float | None) -> str:
        """A value as the cells show it: ``.49``, ``−.03``, ``0``, ``12``, ``1.8``."""
        if value is None or not math.isfinite(value):
            return ""
        if self.kind == "count":
            return f"{value:,.0f}"
        if self.kind == "ratio":
            return _short(value)
        rounded = f"{value:.2f}"
        if float(rounded) == 0:
            return "0"
        return rounded.replace("0.", ".", 1).replace("-", "−").replace("1.00", "1")


COEFFICIENTS = {
    "phi": Coefficient("φ", "signed"),
    "phi_over_extreme": Coefficient("φ as a share of the most it could be", "signed"),
    "phi_expected": Coefficient("φ expected of independent labels", "signed"),
    "tetrachoric": Coefficient("Tetrachoric correlation", "signed"),
    "jaccard": Coefficient("Jaccard index", "unit"),
    "p_col_given_row": Coefficient("P(column | row)", "unit"),
    "lift": Coefficient("Lift", "ratio"),
    "odds_ratio": Coefficient("Odds ratio", "ratio"),
    "odds_ratio_haldane": Coefficient("Odds ratio, 0.5 added to each cell", "ratio"),
    "n_both": Coefficient("Items with both", "count"),
}
"""Coefficients by column of the table of `cooccurrence`."""


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _short(value: float) -> str:
    """Two digits, at most three characters for what is common: ``0.04``, ``1.8``, ``25``, ``1k``."""
    if value == 0:
        return "0"
    if value >= 999.5:
        return f"{value / 1000:.0f}k"
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.095 else f"{value:.2f}"
