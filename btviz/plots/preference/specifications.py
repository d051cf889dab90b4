"""The specification curve: estimates in order with their intervals, and below each the choices that made it."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import polars as pl

from btviz.errors import UsageError
from btviz.plots.style.captions import folded, heading
from btviz.plots.style.intervals import HEADING, PERCENT, PLAIN, span
from btviz.plots.style.rendering import ConcatChart
from btviz.plots.style.rows import Rows, label_axis, rows_beside
from btviz.plots.style.theme import (
    ACCENT,
    FAINT,
    INK,
    MUTED,
    OTHERS,
    PADDING,
    TINY_SIZE,
    config,
    needed,
    points,
    text_width,
)
from btviz.taxonomy.categories import Taxonomy
from btviz.taxonomy.words import level_name, percent, titles

CURVE_HEIGHT = 150.0
COUNTS_HEIGHT = 34.0
ROW = 9.5
"""Height of one row of the choices, in points."""

OPTION_ROW = 12.0
"""Height of one row of options, where each is drawn at its estimates."""

MANY = 100
"""Specifications from which a dot for each choice of each would be a thicket, so that options are drawn instead."""

PRINTED = "#8b1a1a"

DIMENSIONS = {
    "data": "Data",
    "split": "Split",
    "counted": "What is counted",
    "subset": "Which of them",
    "duplicates": "Repeated rows",
    "ties": "Rows of one item pooled",
    "weighting": "Weights",
    "coefficient": "Coefficient",
}
"""Columns of the choices, and their headings."""

_WORDS = {
    "phi": "φ",
    "phi_over_extreme": "φ / most it could be",
    "tetrachoric": "tetrachoric",
    "yules_q": "Yule's Q",
    "p": "p",
    "phi in the released order": "(1 + φ) / 2, released order",
    "not mixed": "both safe or both unsafe",
    "items alike": "each item once",
    "prompts alike": "each prompt once",
}
_NUMBERS = ("place", "estimate", "low", "high", "n")


def specification_curve(
    table: pl.DataFrame,
    *,
    source: str | None = None,
    width: str | float = "double",
    taxonomy: Taxonomy | None = None,
) -> alt.ConcatChart:
    """Draw every specification of an estimate, and what was chosen in each.

    Parameters
    ----------
    table : DataFrame
        From `btviz.specification_curve`.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.
    taxonomy : Taxonomy, optional
        Where titles of categories come from; found by the keys if not given.

    Returns
    -------
    alt.ConcatChart
        One column a specification, by ascending estimate: above, the estimate and its 95 % interval by prompt, blue
        where that holds the printed value, which is a line; in the middle the items counted, on a logarithmic axis;
        below, a dot for each choice. Of more than 100 specifications the lower part has estimates on its axis: for
        each option a line at every estimate that took it, and a dot at their median. Choices that never vary are said
        in the caption instead.

    Raises
    ------
    UsageError
        If a column is missing, or no specification has an estimate.
    """
    needed(
        table,
        "of",
        "estimate",
        "low",
        "high",
        "n",
        "equal_choices",
        "printed",
        "holds_printed",
        *DIMENSIONS,
        call="specification_curve",
    )
    known = table.drop_nulls("estimate").with_row_index("place").with_columns(pl.col("place").cast(pl.Int64))
    if known.is_empty():
        raise UsageError(f"No specification has an estimate ({table['undefined'][0]}), so there is nothing to draw.")
    names = _choices(known)
    rows = rows_beside(names or {"": ""}, texts=[""], width=width)
    room = min(max(rows.room - 4, 90.0), points(width) - 2 * PADDING - text_width("100 %") - 30)
    across = alt.X("place:Q", axis=None, scale=alt.Scale(domain=[-0.7, known.height - 0.3], nice=False, zero=False))
    lines = _caption(known, source=source)
    quantity = _quantity(known, taxonomy=taxonomy)
    return ConcatChart(
        concat=[
            _curve(known, across, room=room),
            _counts(known, across, room=room),
            *([(_options if known.height > MANY else _matrix)(known, rows, across, room=room)] if names else []),
        ],
        columns=1,
        bounds="flush",
        spacing=8,
        title=heading(f"One question, {known.height} specifications", quantity, *lines, width=width),
        description=_description(known, quantity=quantity, caption=" ".join(lines)),
        config=config(),
    )


def _quantity(known: pl.DataFrame, *, taxonomy: Taxonomy | None) -> str:
    """What is estimated, in words."""
    if known["of"][0] == "p":
        return "P(better = safer)"
    names = titles([known["row"][0], known["col"][0]], taxonomy=taxonomy)
    return f"Association of {' × '.join(names.values())}"


def _choices(known: pl.DataFrame) -> dict[str, str]:
    """Rows of the matrix from top to bottom, headings among them; of choices that vary."""
    names: dict[str, str] = {}
    for column, title in DIMENSIONS.items():
        values = known[column].drop_nulls().unique(maintain_order=True).to_list()
        if len(values) + (known[column].null_count() > 0) < 2:
            continue
        names[HEADING + column] = title
        names.update({f"{column}/{value}": _word(column, value) for value in _ordered(values)})
    return names


_ORDER = (
    *("all", "annotations", "answers", "pairs", "prompts", "unsafe", "not mixed", "both_safe", "mixed", "both_unsafe"),
    *("as released", "each once", "half is enough", "more than half", "any vote", "every vote"),
    *("contradictions left out", "majority, ties left out", "majority, ties as half", "items alike", "prompts alike"),
    *("phi", "phi_over_extreme", "tetrachoric", "yules_q", "p", "phi in the released order"),
)


def _ordered(values: list[str]) -> list[str]:
    """Options of one choice: names of data and splits first, others as in `_ORDER`."""
    return sorted(values, key=lambda value: (_ORDER.index(value) if value in _ORDER else -1, value))


def _word(column: str, value: str) -> str:
    if column == "subset" and value in {"both_safe", "mixed", "both_unsafe"}:
        name = level_name("stratum", level=value)
        return name[0].lower() + name[1:]
    return _WORDS.get(value, value)


def _curve(known: pl.DataFrame, across: alt.X, *, room: float) -> alt.LayerChart:
    """Estimates and intervals, and the printed value as a line."""
    printed = known["printed"][0]
    share = known["of"][0] == "p"
    ends = _ends(known)
    axis = alt.Axis(grid=True, gridColor=FAINT, tickCount=5, labelExpr=PERCENT if share else PLAIN)
    drawn = known.select(*_NUMBERS, pl.col("holds_printed").fill_null(value=False).alias("holds"))
    base = alt.Chart(drawn).encode(x=across)
    colour = alt.when("datum.holds").then(alt.value(ACCENT)).otherwise(alt.value(OTHERS if printed else ACCENT))
    dark = alt.when("datum.holds").then(alt.value(ACCENT)).otherwise(alt.value(INK if printed else ACCENT))
    scale = alt.Scale(domain=list(ends), nice=False, zero=False)
    size = min(16.0, max(3.0, 0.5 * (room / known.height) ** 2))
    title = "p" if share else "Coefficient"
    layers = [
        base.transform_filter("datum.low !== null")
        .mark_rule(strokeWidth=min(1.4, max(0.5, 0.3 * room / known.height)))
        .encode(y=alt.Y("low:Q", scale=scale, axis=axis, title=title), y2=alt.Y2("high:Q"), stroke=colour),
        base.mark_point(size=size, filled=True, opacity=1).encode(y=alt.Y("estimate:Q", scale=scale), fill=dark),
    ]
    if printed is not None:
        line = alt.Chart(pl.DataFrame({"printed": [printed]}))
        layers.append(line.mark_rule(stroke=PRINTED, strokeDash=[4, 2]).encode(y=alt.Y("printed:Q", scale=scale)))
    return alt.LayerChart(layer=layers, width=room, height=CURVE_HEIGHT)


def _ends(known: pl.DataFrame) -> tuple[float, float]:
    reach = [value for value in (known["printed"][0], known["estimate"].min()) if isinstance(value, float)]
    return span(known, ["estimate", "low", "high"], within=(min(reach), max(reach)))


def _text(value: float, *, share: bool) -> str:
    return percent(value) if share else f"{value:.3f}"


def _counts(known: pl.DataFrame, across: alt.X, *, room: float) -> alt.LayerChart:
    """How many items each estimate rests on."""
    scale = alt.Scale(type="log", nice=False, domain=_decades(known["n"]))
    axis = alt.Axis(grid=True, gridColor=FAINT, tickCount=2, format="~s", labelFontSize=TINY_SIZE, labelOverlap=True)
    base = alt.Chart(known.select(*_NUMBERS)).encode(x=across)
    mark = base.mark_tick(orient="horizontal", size=max(1.5, 0.7 * room / known.height), thickness=1.6, fill=MUTED)
    ticks = mark.encode(y=alt.Y("n:Q", scale=scale, axis=axis, title="n"))
    return alt.LayerChart(layer=[ticks], width=room, height=COUNTS_HEIGHT)


def _decades(counts: pl.Series) -> list[float]:
    low, high = (counts.log(10).min(), counts.log(10).max())
    return [10.0 ** (int(float(str(low)) * 3) / 3 - 0.1), 10.0 ** (int(float(str(high)) * 3 + 1) / 3)]


def _options(known: pl.DataFrame, rows: Rows, _across: alt.X, *, room: float) -> alt.LayerChart:
    """For each option a line at the estimate of every specification that took it, and a dot at their median."""
    names = rows.names
    drawn = _chosen(known, names)
    share, printed = known["of"][0] == "p", known["printed"][0]
    labels = alt.Axis(
        grid=True, gridColor=FAINT, tickCount=6 if room > 150 else 3, labelExpr=PERCENT if share else PLAIN
    )
    title = folded("Estimates by option: a line each, a dot at their median", room=room)
    place = alt.X("estimate:Q", scale=alt.Scale(domain=list(_ends(known)), nice=False, zero=False), axis=labels)
    bold = {"condition": {"test": f"datum.value[0] === '{HEADING}'", "value": "bold"}, "value": "normal"}
    axis = label_axis(names)
    axis.labelFontWeight, axis.grid = bold, False
    down = alt.Y("key:N", scale=alt.Scale(domain=list(names)), title=None, axis=axis)
    dark = alt.when("datum.holds").then(alt.value(ACCENT)).otherwise(alt.value(MUTED))
    ticks = alt.Chart(drawn).mark_tick(thickness=0.7, size=0.62 * OPTION_ROW, opacity=0.75)
    middle = alt.Chart(drawn.group_by("key", maintain_order=True).agg(pl.col("estimate").median()))
    layers = [
        ticks.encode(x=place.title(title), y=down, color=dark),
        middle.mark_point(filled=True, size=26, opacity=1, fill=INK, stroke="white", strokeWidth=0.8).encode(
            x=alt.X("estimate:Q"), y=alt.Y("key:N")
        ),
    ]
    if printed is not None:
        line = alt.Chart(pl.DataFrame({"estimate": [printed]}))
        layers.insert(0, line.mark_rule(stroke=PRINTED, strokeDash=[4, 2]).encode(x=alt.X("estimate:Q")))
    return alt.LayerChart(layer=layers, width=room, height=max(OPTION_ROW, rows.height(1.0)) * len(names))


def _chosen(known: pl.DataFrame, names: Mapping[str, object]) -> pl.DataFrame:
    """A row for each choice of each specification, of choices that vary."""
    shown = [column for column in DIMENSIONS if HEADING + column in names]
    dots = known.unpivot(
        shown, index=["place", "estimate", "holds_printed"], variable_name="column", value_name="value"
    )
    return dots.drop_nulls("value").select(
        "place",
        "estimate",
        pl.concat_str("column", "value", separator="/").alias("key"),
        pl.col("holds_printed").fill_null(value=False).alias("holds"),
    )


def _matrix(known: pl.DataFrame, rows: Rows, across: alt.X, *, room: float) -> alt.LayerChart:
    """A dot for each choice of each specification."""
    names = rows.names
    drawn = _chosen(known, names).drop("estimate")
    bold = {"condition": {"test": f"datum.value[0] === '{HEADING}'", "value": "bold"}, "value": "normal"}
    axis = label_axis(names)
    axis.labelFontWeight, axis.grid, axis.gridColor = bold, True, FAINT
    dark = alt.when("datum.holds").then(alt.value(ACCENT)).otherwise(alt.value(INK))
    mark = alt.Chart(drawn).mark_point(
        shape="square", filled=True, opacity=1, size=min(14.0, max(2.5, (0.75 * room / known.height) ** 2))
    )
    down = alt.Y("key:N", scale=alt.Scale(domain=list(names)), title=None, axis=axis)
    return alt.LayerChart(
        layer=[mark.encode(x=across, y=down, fill=dark)], width=room, height=max(ROW, rows.height(1.0)) * len(names)
    )


def _caption(known: pl.DataFrame, *, source: str | None) -> list[str]:
    fixed = [
        _word(column, known[column][0])
        for column in DIMENSIONS
        if column not in {"data", "split"} and known[column].null_count() == 0 and known[column].n_unique() == 1
    ]
    low, high = known.select(pl.col("n").min().alias("low"), pl.col("n").max().alias("high")).row(0)
    parts = [source, *fixed, f"n = {low:,} to {high:,}" if low != high else f"n = {low:,}"]
    return [" · ".join(str(part) for part in parts if part), _held(known)]


def _held(known: pl.DataFrame) -> str:
    """What the colours mean, and how many combinations were drawn once."""
    printed, equal = known["printed"][0], known["equal_choices"].sum()
    again = f" · {equal:,} more combinations count the very same items" if equal else ""
    if printed is None:
        return f"Intervals: 95 % by prompt{again}"
    with_interval = known.drop_nulls("holds_printed")
    value = _text(printed, share=known["of"][0] == "p")
    if with_interval.is_empty():
        return f"Red line: printed {value} · no interval: too few prompts{again}"
    return (
        f"Red line: printed {value} · blue: the 95 % interval by prompt holds it, in "
        f"{with_interval['holds_printed'].sum()} of {with_interval.height}{again}"
    )


def _description(known: pl.DataFrame, *, quantity: str, caption: str) -> str:
    """Text for those who do not see the picture: both ends and the middle."""
    share = known["of"][0] == "p"
    ends = {"Lowest": 0, "Middle": known.height // 2, "Highest": -1}
    said = [
        f"{word}: {_text(known['estimate'][place], share=share)} ("
        + ", ".join(_word(column, known[column][place]) for column in DIMENSIONS if known[column][place])
        + ")."
        for word, place in ends.items()
    ]
    return f"Specification curve of {quantity} ({caption}). {' '.join(said)}"
