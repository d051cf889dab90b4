"""The association matrix of every two harm categories, after BeaverTails Fig 3, and the colours of each coefficient."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import altair as alt
import polars as pl

from btviz.errors import choice
from btviz.plots.style.captions import heading, population
from btviz.plots.style.rendering import LayerChart
from btviz.plots.style.theme import (
    BLACK,
    DIVERGING,
    FAINT,
    MUTED,
    OTHERS,
    PADDING,
    PAPER,
    SEQUENTIAL,
    TEXT_SIZE,
    config,
    lookup,
    needed,
    points,
    text_width,
)
from btviz.stats import association
from btviz.taxonomy.categories import Taxonomy
from btviz.taxonomy.findings import NUMBER, Finding, extremes
from btviz.taxonomy.words import titles

CROSS = "M-1,-1L1,1M-1,1L1,-1"

SLASH = "M-1,1L1,-1"

WIDEST = 44.0
"""Widest cell, in points: a few categories need not fill a page."""

NUMBERED = 10.0
"""Narrowest cell, in points, below which the number of a column can stand."""

LEGIBLE = 17.0
"""Narrowest cell, in points, in which a number can be read."""

ORDERS = ("similarity", "release")


def association_matrix(
    table: pl.DataFrame,
    coefficient: str = "phi",
    *,
    order: str = "similarity",
    source: str | None = None,
    width: str | float = "double",
    taxonomy: Taxonomy | None = None,
) -> alt.LayerChart:
    """Draw the association of every two harm categories as a coloured matrix.

    Parameters
    ----------
    table : DataFrame
        From `cooccurrence`: `row`, `col`, `row_order`, `col_order`, `n` and the coefficient; with `holds_zero`, from
        ``cooccurrence(ds, intervals=True)``, pairs whose interval holds 0 are struck through.
    coefficient : str, default "phi"
        Column to draw, one of `COEFFICIENTS`.
    order : {"similarity", "release"}
        Similar categories side by side, or the order of the release.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points. Cells too narrow for a number show none.
    taxonomy : Taxonomy, optional
        Where titles come from; found by the keys if not given.

    Returns
    -------
    alt.LayerChart
        Colour and number in each cell; a stroke through it where 0 lies in the interval; a cross where the
        coefficient is undefined; grey on the diagonal.

    Raises
    ------
    UsageError
        If a column is missing, the coefficient or order is unknown, or the table holds more
        than one population.
    """
    drawn = cells(table, coefficient)
    shown = COEFFICIENTS[coefficient]
    caption = population(table, source=source)
    names = titles(in_order(table, order=order), taxonomy=taxonomy)
    side, numbers = _laid(names, width=width)
    return LayerChart(
        layer=[
            *layers(drawn, shown, names=names, side=side, numbers=numbers),
            *(_list(names, top=side * len(names)) if numbers == "listed" else []),
        ],
        width=side * len(names),
        height=side * len(names),
        view={"fill": FAINT},
        title=heading("Which harm categories occur together", caption, *notes(drawn), width=width),
        description=describe(table, coefficient, names=names, caption=caption),
        config=config(),
    )


Numbers = Literal["none", "beside", "listed"]
"""Where numbers stand for columns: nowhere, beside the names of rows too, or for both, and names in a list below."""


def _laid(names: Mapping[str, str], *, width: str | float) -> tuple[float, Numbers]:
    """Side of a cell that fills the width, or is as wide as a few cells need, and where numbers stand for names."""
    room = points(width) - 2 * PADDING - 4
    widest = max(map(text_width, names.values()))
    sides: dict[Numbers, float] = {
        "none": (room - widest) / len(names),
        "beside": (room - widest - text_width(" 00")) / len(names),
        "listed": (room - text_width("00") - 4) / len(names),
    }
    numbers: Numbers = "none" if sides["none"] >= LEGIBLE else "beside" if sides["beside"] >= NUMBERED else "listed"
    return min(sides[numbers], WIDEST), numbers


def _list(names: Mapping[str, str], *, top: float) -> list[alt.Chart]:
    """What the numbers of rows and columns stand for, a line each below the matrix."""
    step = 1.4 * TEXT_SIZE
    charts = []
    for place, name in enumerate(names.values(), start=1):
        at = alt.value(top + 2 * TEXT_SIZE + step * place)
        texts = alt.Chart(pl.DataFrame({"number": [str(place)], "name": [name]})).encode(y=at)
        charts += [
            texts.mark_text(align="right", fontSize=TEXT_SIZE).encode(x=alt.value(-4), text=alt.Text("number:N")),
            texts.mark_text(align="left", fontSize=TEXT_SIZE).encode(x=alt.value(2), text=alt.Text("name:N")),
        ]
    return charts


def in_order(table: pl.DataFrame, *, order: str) -> list[str]:
    """Category keys in the order of rows and columns."""
    choice(order, ORDERS, what="order")
    places = table.select("row", "row_order").unique("row", maintain_order=True)
    if order == "similarity":
        places = places.sort("row_order")
    return places["row"].to_list()


def cells(table: pl.DataFrame, coefficient: str) -> pl.DataFrame:
    """Cells off the diagonal: `row`, `col`, `value`, its `text`, whether it is `coloured`, `dark` and `holds_zero`."""
    shown = COEFFICIENTS[choice(coefficient, COEFFICIENTS, what="coefficient")]
    needed(table, "row", "col", "row_order", "n", coefficient, call="cooccurrence")
    number = pl.col(coefficient).cast(pl.Float64)
    value = pl.when(number.is_finite()).then(number)
    undecided = pl.col("holds_zero") if "holds_zero" in table.columns else pl.lit(value=False)
    off_diagonal = table.filter(pl.col("row") != pl.col("col"))
    limits = shown.limits(off_diagonal[coefficient])
    return off_diagonal.select(
        "row",
        "col",
        shown.on_scale(off_diagonal[coefficient]).alias("coloured"),
        value.alias("value"),
        value.map_elements(shown.text, return_dtype=pl.String).fill_null("").alias("text"),
        shown.is_dark(value, limits=limits).fill_null(value=False).alias("dark"),
        undecided.fill_null(value=False).alias("holds_zero"),
    )


def layers(
    drawn: pl.DataFrame, shown: ColourScale, *, names: Mapping[str, str], side: float, numbers: Numbers = "none"
) -> list[alt.Chart]:
    """Coloured cells, their numbers where they can be read, and crosses."""
    base = grid(drawn, names=names, numbers=numbers)
    limits = shown.limits(drawn["value"])
    legend = shown.legend(limits, length=min(180, side * len(names)))
    edge = min(1, side / 12)
    fill = alt.Color("value:Q").scale(shown.scale(limits)).legend(legend)
    unknown = base.transform_filter("datum.value === null")
    charts = [
        base.mark_rect(stroke=PAPER, strokeWidth=edge, fill=PAPER),
        base.transform_filter("datum.coloured").mark_rect(stroke=PAPER, strokeWidth=edge).encode(color=fill),
        base.transform_filter("datum.holds_zero && datum.value !== null").mark_point(
            shape=SLASH, opacity=1, size=side * side * 0.7, stroke=OTHERS, strokeWidth=max(side / 40, 0.5)
        ),
        unknown.mark_point(shape=CROSS, opacity=1, size=side * side * 0.04, stroke=MUTED, strokeWidth=side / 30),
    ]
    if side >= LEGIBLE:
        ink = alt.when(alt.datum.dark).then(alt.value(PAPER)).otherwise(alt.value(BLACK))
        charts.append(base.mark_text(fontSize=min(side * 0.34, 9)).encode(text=alt.Text("text:N"), color=ink))
    return charts


def grid(drawn: pl.DataFrame, *, names: Mapping[str, str], numbers: Numbers = "none") -> alt.Chart:
    """Chart of `row` by `col`, in the order of `names` and labelled by them.

    Columns too narrow for a slanted label have `numbers`, and so have the rows then.
    """
    places = list(names)
    figures = {key: str(place) for place, key in enumerate(names, start=1)}
    beside = {key: f"{name}  {figures[key]}" for key, name in names.items()}
    rows = {"none": names, "beside": beside, "listed": figures}[numbers]
    slanted = alt.Axis(labelExpr=lookup(names), labelAngle=-45)
    across = slanted if numbers == "none" else alt.Axis(labelExpr=lookup(figures), labelAngle=0)
    return alt.Chart(drawn).encode(
        x=alt.X("col:N", scale=alt.Scale(domain=places), title=None, axis=across),
        y=alt.Y("row:N", scale=alt.Scale(domain=places), title=None, axis=alt.Axis(labelExpr=lookup(rows))),
    )


def notes(drawn: pl.DataFrame) -> list[str]:
    """Lines that explain the cells without colour, where there are any."""
    missing = drawn["value"].null_count()
    zeros = drawn.filter(~pl.col("coloured"), pl.col("value") == 0).height
    undecided = drawn.filter(pl.col("holds_zero"), pl.col("value").is_not_null()).height
    struck = f"/ 0 in the 95 % interval of φ by prompt, all pairs at once: {undecided // 2}"
    return [
        struck if undecided else "",
        f"× undefined: {missing} of {drawn.height} cells" if missing else "",
        "0 has no colour: it lies off the log scale" if zeros else "",
    ]


def describe(table: pl.DataFrame, coefficient: str, *, names: Mapping[str, str], caption: str) -> str:
    """Text for those who do not see the picture: a coefficient with intervals has its ends named, and no other."""
    range_of = ""
    if f"{coefficient}_low" in table.columns:
        once = table.filter(pl.col("row") < pl.col("col"))
        found = [
            (
                f"{names[row['row']]} with {names[row['col']]}",
                Finding.of(row, coefficient, items=row.get("population") or "items", unit=NUMBER),
            )
            for row in once.iter_rows(named=True)
        ]
        ends = extremes(found, what="pairs")
        range_of = f" It goes {ends}." if ends else ""
    return f"Matrix of {COEFFICIENTS[coefficient].title} between {len(names)} harm categories ({caption}).{range_of}"


DARK_DIVERGING, DARK_SEQUENTIAL = 0.69, 0.75
"""Where on a scale white text becomes easier to read than black."""


@dataclass(frozen=True, slots=True)
class ColourScale:
    """How one coefficient is drawn: its name, and what its colours mean."""

    title: str
    kind: str

    def limits(self, values: pl.Series) -> tuple[float, float]:
        """Ends of the colour scale: rounded outwards, and symmetric where there is a middle."""
        values_on_scale = values.filter(self.on_scale(values))
        if self.kind == "ratio":
            end = 2.0 ** max(1, math.ceil(_number(values_on_scale.log(2.0).abs().max())))
            return 1 / end, end
        if self.kind == "count":
            return 0.0, max(1.0, _number(values_on_scale.max()))
        end = max(0.1, math.ceil(_number(values_on_scale.abs().max()) * 10 - 1e-9) / 10)
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
    coefficient.key: ColourScale(coefficient.title, coefficient.scale) for coefficient in association.COEFFICIENTS
}
"""What a matrix can show: the coefficients of `cooccurrence` by column."""


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _short(value: float) -> str:
    """Two digits, at most three characters for what is common: ``0.04``, ``1.8``, ``25``, ``1k``."""
    if value == 0:
        return "0"
    if value >= 999.5:
        return f"{value / 1000:.0f}k"
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.095 else f"{value:.2f}"
