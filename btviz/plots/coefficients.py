"""The columns of a co-occurrence table that a matrix can show, and the colour scale of each."""

from __future__ import annotations

import math
from dataclasses import dataclass

import altair as alt
import polars as pl

from btviz.plots.theme import DIVERGING, SEQUENTIAL

DARK_DIVERGING, DARK_SEQUENTIAL = 0.69, 0.75
"""Where on a scale white text becomes easier to read than black."""


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
        found = values.filter(self.on_scale(values))
        if self.kind == "ratio":
            end = 2.0 ** max(1, math.ceil(_number(found.log(2.0).abs().max())))
            return 1 / end, end
        if self.kind == "count":
            return 0.0, max(1.0, _number(found.max()))
        end = max(0.1, math.ceil(_number(found.abs().max()) * 10 - 1e-9) / 10)
        return (-end, end) if self.kind == "signed" else (0.0, end)

    def on_scale(self, values: pl.Series) -> pl.Series:
        """Which values have a colour: finite ones, and for ratios not 0, whose logarithm has no end."""
        finite = values.cast(pl.Float64).is_finite().fill_null(value=False)
        return finite & (values != 0).fill_null(value=False) if self.kind == "ratio" else finite

    def scale(self, limits: tuple[float, float]) -> alt.Scale:
        """Colour scale of this coefficient between `limits`."""
        low, high = limits
        colours = DIVERGING if self.kind in ("signed", "ratio") else SEQUENTIAL
        steps = [place / (len(colours) - 1) for place in range(len(colours))]
        if self.kind == "ratio":
            stops = [low * (high / low) ** step for step in steps]
            return alt.Scale(type="log", base=2, domain=stops, range=list(colours))
        return alt.Scale(domain=[low + (high - low) * step for step in steps], range=list(colours))

    def legend(self, limits: tuple[float, float], *, length: float) -> alt.Legend:
        """Legend that names both ends of the scale, its middle and what lies between."""
        low, high = limits
        if self.kind == "ratio":
            between = 2.0 ** (math.log2(high) // 2)
            values = [low, 1 / between, 1.0, between, high] if between > 1 else [low, 1.0, high]
        else:
            values = [low + (high - low) * step / 4 for step in ((0, 1, 2, 3, 4) if low < 0 else (0, 2, 4))]
        fraction = "datum.value < 1 ? '1/' + format(1 / datum.value, '.0f') : format(datum.value, '.0f')"
        return alt.Legend(
            title=self.title,
            orient="top",
            direction="horizontal",
            gradientLength=length,
            values=values,
            format=",.0f" if self.kind == "count" else ".3~f",
            labelExpr=fraction if self.kind == "ratio" else alt.Undefined,
        )

    def is_dark(self, value: pl.Expr, *, limits: tuple[float, float]) -> pl.Expr:
        """Whether the colour of a value is so dark that its number must be white."""
        _, high = limits
        if self.kind == "ratio":
            return (value > 0) & (value.log(2.0).abs() / math.log2(high) > DARK_DIVERGING)
        return value.abs() / high > (DARK_DIVERGING if self.kind == "signed" else DARK_SEQUENTIAL)

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
