"""Titles of pictures and the captions below them: what was counted, what is doubtful, in lines that fit the width."""

from __future__ import annotations

import altair as alt
import polars as pl

from btviz.errors import UsageError
from btviz.plots.style.theme import PADDING, TEXT_SIZE, points, text_width


def heading(title: str, *lines: str, width: str | float = "double", size: float = TEXT_SIZE) -> alt.TitleParams:
    """Title of a chart, with the lines below it broken at their dots, or else between words, to fit the width."""
    folded = [part for line in lines if line for part in _folded(line, room=points(width), size=size)]
    heads = _joined(title.split(" "), by=" ", room=points(width), size=size * _HEAD)
    return alt.TitleParams(text=title if len(heads) == 1 else heads, subtitle=folded)


_HEAD = 1.25 * 1.1
"""A title is larger than what is below it by a quarter, and bold, which is wider by a tenth."""


def _folded(line: str, *, room: float, size: float) -> list[str]:
    lines = _joined(line.split(" · "), by=" · ", room=room, size=size)
    return [short for long in lines for short in _joined(long.split(" "), by=" ", room=room, size=size)]


def _joined(parts: list[str], *, by: str, room: float, size: float) -> list[str]:
    """Lines of as many parts each as there is room for."""
    lines: list[str] = []
    for part in parts:
        longer = f"{lines[-1]}{by}{part}" if lines else part
        if lines and text_width(longer, size=size) <= room - 2 * PADDING:
            lines[-1] = longer
        else:
            lines.append(part)
    return lines


def doubts(table: pl.DataFrame) -> list[str]:
    """Lines that say what is doubtful about the numbers of a table, from its column `doubt` if it has one."""
    found = table["doubt"].drop_nulls().unique(maintain_order=True).to_list() if "doubt" in table.columns else []
    return [f"Doubtful: {doubt}" for doubt in found]


def population(table: pl.DataFrame, *, source: str | None, n: str = "n") -> str:
    """Line that says what was counted: ``beavertails-30k · annotations, all · n = 3,021``."""
    columns = [column for column in ("population", "where", n) if column in table.columns]
    populations = table.select(columns).unique()
    if populations.height != 1:
        raise UsageError(
            f"A picture shows one population; this table has {populations.height} combinations of {columns}. "
            "Filter it to one first."
        )
    row = populations.row(0, named=True)
    counted = ", ".join(str(row[c]) for c in ("population", "where") if row.get(c))
    size = f"n = {row[n]:,}" if row.get(n) is not None else ""
    return " · ".join(part for part in (source, counted, size) if part)
