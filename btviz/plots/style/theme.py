"""How every btviz picture looks: colours, type and printed widths.

Sizes are in points: 1 unit of a chart is 1/72 inch in its PDF.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import polars as pl
from fontTools.ttLib import TTFont

from btviz.errors import UsageError, choice

FONT = "Btviz Sans"

FALLBACK = f"{FONT}, Open Sans, Arial, sans-serif"

TEXT_SIZE = 8.0

TINY_SIZE = 6.0

PADDING = 6

WIDTHS = {"single": 244.0, "double": 504.0}
"""Widths of one and of two columns of a paper, in points."""

BLACK = "#000000"

INK = "#1b1b1b"

MUTED = "#5c5c5c"

FAINT = "#e6e6e6"

PAPER = "#ffffff"

ACCENT = "#0b62a4"

OTHERS = "#b3b3b3"
"""Grey of what is shown but not meant, beside `ACCENT`."""

GROUPS = ("#0b62a4", "#f0b429", "#7a9a01", "#8b1a1a", "#56b4e9", "#cc79a7", "#2a1a5e", "#4d4d4d")
"""At most eight groups; told apart under the three common colour-vision deficiencies."""

DIVERGING = ("#6b3005", "#a8530a", "#d98a3a", "#f0cba3", "#f7f7f7", "#a6c8e4", "#5b9bcb", "#1f6fae", "#08396b")

SEQUENTIAL = ("#f7f7f7", "#d3e3f1", "#a6c8e4", "#5b9bcb", "#1f6fae", "#08396b")


def config(*, size: float = TEXT_SIZE) -> dict[str, Any]:
    """Vega-Lite configuration of the theme, for labels of `size` points."""
    label = {"labelFont": FALLBACK, "labelFontSize": size, "labelColor": INK}
    title = {"titleFont": FALLBACK, "titleFontSize": size, "titleColor": MUTED, "titleFontWeight": "normal"}
    axis = {"domain": False, "ticks": False, "grid": False, "labelLimit": 0, "titleLimit": 0, "labelPadding": 4}
    return {
        "font": FALLBACK,
        "background": PAPER,
        "padding": PADDING,
        "view": {"stroke": None},
        "mark": {"aria": False},
        "axis": {**label, **title, **axis},
        "legend": {**label, **title, "titleLimit": 0, "labelLimit": 0, "gradientThickness": 7, "offset": 8},
        "header": {**label, **title},
        "text": {"font": FALLBACK, "fontSize": size * 0.9, "color": INK},
        "bar": {"fill": ACCENT},
        "title": {
            "font": FALLBACK,
            "fontSize": size * 1.25,
            "fontWeight": "bold",
            "color": INK,
            "subtitleFont": FALLBACK,
            "subtitleFontSize": size,
            "subtitleColor": MUTED,
            "subtitlePadding": 4,
            "anchor": "start",
            "frame": "bounds",
            "offset": 10,
        },
    }


def points(width: str | float) -> float:
    """Width in points from ``"single"``, ``"double"`` or a number."""
    if isinstance(width, str):
        return WIDTHS[choice(width, WIDTHS, what="width")]
    return float(width)


@cache
def _advances() -> tuple[dict[int, float], float]:
    with TTFont(str(files("btviz") / "resources/fonts/BtvizSans-Regular.ttf")) as font:
        metrics = font["hmtx"]
        em = font["head"].unitsPerEm
        widths = {code: metrics[glyph][0] / em for code, glyph in font.getBestCmap().items()}
    return widths, widths[ord("n")]


def text_width(text: str, *, size: float = TEXT_SIZE) -> float:
    """Width of a line of text in points: in the theme's font, and about that for letters that it does not have."""
    widths, usual = _advances()
    return size * sum(widths.get(ord(letter), _guessed(letter, usual=usual)) for letter in text)


def _guessed(letter: str, *, usual: float) -> float:
    if unicodedata.category(letter) in {"Mn", "Me", "Cf"}:  # a mark on the letter before, or unseen
        return 0.0
    return 1.0 if unicodedata.east_asian_width(letter) in {"W", "F"} else usual


def without_glyph(text: str) -> set[str]:
    """Letters of a text that the theme's font does not have."""
    return {letter for letter in text if ord(letter) not in _advances()[0] and letter.isprintable()}


def needed(table: pl.DataFrame, *columns: str, call: str) -> None:
    """Raise unless `table` has `columns`; `call` names the function that makes such a table."""
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise UsageError(f"The table has no column {missing[0]!r}; it has {table.columns}. Build it with {call}().")
    if table.is_empty():
        raise UsageError(f"The table has no rows, so there is nothing to draw. Build it with {call}().")


def lookup(names: Mapping[str, str | list[str]]) -> str:
    """Vega expression that turns the key on an axis into its name, or the lines of it."""
    return f"({json.dumps(dict(names), ensure_ascii=False)})[datum.value]"
