"""Rows of a picture: their labels, folded where they would leave too little room for what is drawn beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import altair as alt

from btviz.plots.style.captions import folded, least_room
from btviz.plots.style.theme import PADDING, TEXT_SIZE, TINY_SIZE, lookup, points, text_width

NARROW = 90.0
"""Shortest room for bars, in points, that labels on one line may leave."""

_LEAST = {1: NARROW, 2: 62.0, 3: 24.0}
"""Room in points that labels on so many lines have to leave, or they are folded on more."""

_SYMBOL = 22.0
"""What a legend takes for its symbol, beside the label."""


class Rows(NamedTuple):
    """Labels by key, the size of text in points, the room beside labels and numbers, and the most lines of a label."""

    names: dict[str, str | list[str]]
    size: float
    room: float
    lines: int

    def height(self, usual: float) -> float:
        """Height of a row in points: `usual` sizes of its text, or what its lines need."""
        return max(usual * self.size, self.lines * (self.size + 2) + 3 if self.lines > 1 else 0.0)


def rows_beside(
    names: Mapping[str, str], *, texts: Sequence[str], width: str | float, least: float | None = None, lines: int = 1
) -> Rows:
    """Fold labels of rows so that what is drawn finds room between them and the numbers to their right.

    Labels stay on one line where that leaves `least` points (`NARROW` if not given), unless `lines` asks for more.
    Only where three lines do not help is the text smaller.
    """
    beside = points(width) - 2 * PADDING - 12

    def laid(lines: int, size: float) -> Rows:
        widest = max(least_room(name, lines=lines, size=size) for name in names.values())
        shown = {key: folded(name, room=widest + 0.01, size=size) for key, name in names.items()}
        most = max(len(label) if isinstance(label, list) else 1 for label in shown.values())
        return Rows(shown, size, beside - widest - max(text_width(text, size=size) for text in texts), most)

    for most, needed in _LEAST.items():
        found = laid(most, TEXT_SIZE)
        if most >= lines and found.room >= (least or needed if most == 1 else needed):
            return found
    small = laid(len(_LEAST), TINY_SIZE)
    return small._replace(room=max(small.room, 20.0))


def label_axis(names: Mapping[str, str | list[str]]) -> alt.Axis:
    """Axis of rows with their labels, of which several lines stand around the middle of a row."""
    axis = alt.Axis(labelExpr=lookup(names))
    if any(isinstance(label, list) for label in names.values()):
        test = f"isArray({lookup(names)})"
        axis.labelBaseline = {"condition": {"test": test, "value": "bottom"}, "value": "middle"}
    return axis


def columns_of(labels: Sequence[str], *, room: float, most: int | None = None) -> int:
    """Columns of a legend that fit the room, each as wide as its longest label."""
    widest = max(text_width(label) for label in labels) + _SYMBOL
    return max(1, min(most or len(labels), int(room // widest)))


def folding(labels: Sequence[str], *, room: float) -> str | alt.UndefinedType:
    """Vega expression that folds the labels of a legend which is one column in `room` points; none where all fit."""
    shown = {label: folded(label, room=room - _SYMBOL) for label in labels}
    if not any(isinstance(lines, list) for lines in shown.values()):
        return alt.Undefined
    return f"({json.dumps(shown, ensure_ascii=False)})[datum.label]"
