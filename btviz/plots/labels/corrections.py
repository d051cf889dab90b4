"""What corrections change: before and after by level, and the difference with its interval."""

from __future__ import annotations

import altair as alt
import polars as pl

from btviz.errors import UsageError
from btviz.plots.style.captions import heading
from btviz.plots.style.intervals import DOT, HEADING, row_chart, value_axis
from btviz.plots.style.rendering import HConcatChart
from btviz.plots.style.rows import NARROW, Rows, rows_beside
from btviz.plots.style.theme import ACCENT, BLACK, INK, MUTED, TEXT_SIZE, config, needed

MOST = 12
"""Rows drawn of each statistic unless asked otherwise: those that moved most."""

_SIDES = ("before", "after")

_NAMES = {
    "share": "Share of pairs",
    "phi": "φ of two categories",
    "krippendorff_alpha": "Agreement of annotators",
    "p": "P(better = safer)",
    "probe_accuracy": "Accuracy of a probe",
}


def correction_effects(
    table: pl.DataFrame,
    *,
    source: str | None = None,
    width: str | float = "double",
    most: int = MOST,
) -> alt.HConcatChart:
    """Draw what corrections change.

    Parameters
    ----------
    table : DataFrame
        ``btviz.compare_corrections(ds, corrections).table``.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.
    most : int
        Rows of each statistic: those that moved most.

    Returns
    -------
    alt.HConcatChart
        One row a level that moved: its value before and after, the difference with its 95 % interval by prompt beside
        a line at 0, and the number of prompts that are changed.

    Raises
    ------
    UsageError
        If a column is missing, or nothing moved.
    """
    needed(table, "statistic", "level", *_SIDES, "difference", "difference_low", "difference_high", "n_prompts_changed",
           call="compare_corrections")  # fmt: skip
    moved = table.drop_nulls("difference").filter(pl.col("n_prompts_changed") > 0)
    if moved.is_empty():
        raise UsageError(f"None of {table.height:,} statistics is other than before, so there is nothing to draw.")
    drawn = pl.concat(
        moved.filter(statistic=name)
        .sort(pl.col("level") != "unsafe", -pl.col("difference").abs(), maintain_order=True)
        .head(most)
        for name in _NAMES
    ).with_columns(pl.concat_str("statistic", pl.lit("/"), "level").alias("key"))
    names = _names(drawn)
    counts = [f"{n:,}" for n in drawn["n_prompts_changed"]]
    rows = rows_beside(names, texts=counts, width=width, least=NARROW + 8 * TEXT_SIZE)
    size, room = rows.size, rows.room
    numbers = 8 * size
    rest = max(room - numbers - 2.5 * size, 40.0)
    left_out = moved.height - drawn.height
    caption = [f"{moved.height:,} of {table.drop_nulls('difference').height:,} statistics moved"]
    caption += [f"{left_out:,} that moved less are not drawn"] if left_out else []
    lines = " · ".join(part for part in (source, *caption) if part)
    note = "Line: 95 % interval of the difference, by prompt · Right: prompts that are changed"
    return HConcatChart(
        hconcat=[_sides(drawn, rows, room=numbers), _difference(drawn, rows, room=rest)],
        spacing=2.5 * size,
        title=heading("What the corrections change", lines, note, width=width, size=size),
        description=_description(drawn, names, caption=lines),
        config=config(size=size),
    )


def _names(drawn: pl.DataFrame) -> dict[str, str]:
    """Rows from top to bottom by key, a heading above those of each statistic."""
    names: dict[str, str] = {}
    for statistic, key, level in drawn.select("statistic", "key", "level").rows():
        names.setdefault(HEADING + statistic, _NAMES[statistic])
        names[key] = level.replace(" + ", " × ")
    return names


def _sides(drawn: pl.DataFrame, rows: Rows, *, room: float) -> alt.LayerChart:
    """Both values as numbers: what corrections move is small beside what it moves."""
    frame = drawn.select("key", *(pl.col(side).round(3).map_elements("{:.3f}".format, pl.String) for side in _SIDES))
    base, size = row_chart(frame, rows.names), rows.size
    layers = [
        base.mark_text(align="right", fontSize=size, fill=MUTED).encode(x=alt.value(room / 2), text="before:N"),
        base.mark_text(align="right", fontSize=size, fill=INK).encode(x=alt.value(room), text="after:N"),
    ]
    return _panel(layers, "Before, after", rows, room=room)


def _difference(drawn: pl.DataFrame, rows: Rows, *, room: float) -> alt.LayerChart:
    columns = {"difference": "value", "difference_low": "low", "difference_high": "high"}
    frame = drawn.select("key", *(pl.col(old).alias(new) for old, new in columns.items()), "n_prompts_changed")
    size, down = rows.size, alt.Scale(domain=[*rows.names])
    base = row_chart(frame, rows.names).encode(y=alt.Y("key:N", scale=down, title=None, axis=None))
    scale = alt.Scale(zero=True, nice=True)
    x = alt.X("value:Q", scale=scale, axis=value_axis(room=room, percents=False), title=None)
    zero = alt.Chart(pl.DataFrame({"value": [0.0]})).mark_rule(stroke=BLACK, strokeWidth=0.8).encode(x=x)
    layers = [
        zero,
        base.transform_filter("datum.low !== null")
        .mark_rule(strokeWidth=1.8, stroke=ACCENT)
        .encode(x=alt.X("low:Q", scale=scale), x2=alt.X2("high:Q")),
        base.mark_point(size=DOT * (size / TEXT_SIZE) ** 2, opacity=1, fill=ACCENT, stroke=ACCENT).encode(x=x),
        base.mark_text(align="left", fontSize=size, fill=MUTED).encode(
            x=alt.value(room + 8), text=alt.Text("n_prompts_changed:Q", format=",")
        ),
    ]
    return _panel(layers, "Difference", rows, room=room)


def _panel(layers: list[alt.Chart], title: str, rows: Rows, *, room: float) -> alt.LayerChart:
    head = alt.TitleParams(title, fontSize=rows.size, fontWeight="bold", anchor="start", frame="group", offset=4)
    return alt.LayerChart(layer=layers, width=room, height=rows.height(1.9) * len(rows.names), title=head)


def _description(drawn: pl.DataFrame, names: dict[str, str], *, caption: str) -> str:
    """Text for those who do not see the picture."""
    said = [
        f"{_NAMES[row['statistic']]}, {names[row['key']]}: {row['before']:.3f} before, {row['after']:.3f} after"
        for row in drawn.to_dicts()
    ]
    return f"Statistics before and after corrections ({caption}). {'; '.join(said)}."
