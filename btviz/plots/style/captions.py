"""Titles of pictures and the captions below them: what was counted, what is doubtful, in lines that fit the width."""

from __future__ import annotations

import re

import altair as alt
import polars as pl

from btviz.errors import UsageError
from btviz.plots.style.theme import PADDING, TEXT_SIZE, points, text_width


def heading(title: str, *lines: str, width: str | float = "double", size: float = TEXT_SIZE) -> alt.TitleParams:
    """Title of a chart, with the lines below it broken at their dots, or else between words, to fit the width."""
    room = points(width) - 2 * PADDING
    below = [part for line in lines if line for part in _at_dots(line, room=room, size=size)]
    heads = _joined(_words(title), by=" ", room=room, size=size * _HEAD)
    return alt.TitleParams(text=title if len(heads) == 1 else heads, subtitle=below)


_HEAD = 1.25 * 1.1
"""A title is larger than what is below it by a quarter, and bold, which is wider by a tenth."""


def _at_dots(line: str, *, room: float, size: float) -> list[str]:
    lines = _joined(line.split(" · "), by=" · ", room=room, size=size)
    return [short for long in lines for short in _joined(_words(long), by=" ", room=room, size=size)]


def folded(text: str, *, room: float, size: float = TEXT_SIZE) -> str | list[str]:
    """A text as it is where it fits the room, else its lines, broken between words."""
    lines = _joined(_words(text), by=" ", room=room, size=size)
    return lines if len(lines) > 1 else text


def least_room(text: str, *, lines: int, size: float = TEXT_SIZE) -> float:
    """Width in points of a text that is folded on at most so many lines."""
    words = _words(text)
    ends = range(1, len(words) + 1)
    widths = {text_width(" ".join(words[start:end]), size=size) for end in ends for start in range(end)}
    longest = max(text_width(word, size=size) for word in words)
    fitting = (w for w in sorted(widths) if w >= longest and len(_joined(words, by=" ", room=w, size=size)) <= lines)
    return next(fitting)


def _words(text: str) -> list[str]:
    """What a line may be broken between: ``n = 57`` stays together."""
    return re.split(r"(?<!=) (?!=)", text)


def _joined(parts: list[str], *, by: str, room: float, size: float) -> list[str]:
    """Lines of as many parts each as there is room for."""
    lines: list[str] = []
    for part in parts:
        longer = f"{lines[-1]}{by}{part}" if lines else part
        if lines and text_width(longer, size=size) <= room:
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
