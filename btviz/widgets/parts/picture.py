"""What remains of the page where no kernel answers: counts as a picture, without texts and without scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

WIDTH, ROW, BARS, GAP = 760, 20, 300, 12
LABELS = 264
INK, GROUND, REST, CHOSEN = "#1f2328", "#ffffff", "#c8ccd1", "#0b62a4"
BOLD = ' font-weight="600"'

Bars = tuple[str, Sequence[str], Mapping[str, Any]]
"""Title, labels, and counts as `Facet.describe` gives them."""


def picture_of(population: str, bars: Sequence[Bars], *, heading: str) -> str:
    """An SVG of bars: all pairs in grey, those selected in blue, both numbers beside them.

    Parameters
    ----------
    population : str
        The data.
    bars : sequence of Bars
        One block of bars each.
    heading : str
        What is selected, in numbers.

    Returns
    -------
    str
        A few kilobytes.
    """
    lines = [_text(12, 24, population, size=16, more=BOLD), _text(12, 46, f"Selected: {heading}", size=13)]
    y = 62
    for title, labels, counts in bars:
        y += GAP + ROW
        lines.append(_text(12, y - 6, title, size=13, more=BOLD))
        most = max([1, *counts["totals"]])
        for label, total, chosen in zip(labels, counts["totals"], counts["counts"], strict=True):
            lines += _bar(y, label, total=total, chosen=chosen, most=most)
            y += ROW
    y += GAP + ROW
    lines.append(_text(12, y - 4, "Saved picture: run the cell above it to explore, select and read.", size=12))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 8}" viewBox="0 0 {WIDTH} {y + 8}" '
        f'role="img" font-family="system-ui, sans-serif"><title>{escape(population)}: {escape(heading)}</title>'
        f'<rect width="{WIDTH}" height="{y + 8}" fill="{GROUND}"/>{"".join(lines)}</svg>'
    )


def _text(x: float, y: float, words: str, *, size: int, more: str = "") -> str:
    return f'<text x="{x}" y="{y}" font-size="{size}" fill="{INK}"{more}>{escape(words)}</text>'


def _bar(y: float, label: str, *, total: int, chosen: int, most: int) -> list[str]:
    wide, narrow = BARS * total / most, BARS * chosen / most
    return [
        _text(LABELS, y + 14, label, size=12, more=' text-anchor="end"'),
        f'<rect x="{LABELS + 8}" y="{y + 3}" width="{wide:.1f}" height="{ROW - 6}" fill="{REST}"/>',
        f'<rect x="{LABELS + 8}" y="{y + 3}" width="{narrow:.1f}" height="{ROW - 6}" fill="{CHOSEN}"/>',
        _text(LABELS + BARS + 16, y + 14, f"{chosen:,} of {total:,}", size=12),
    ]
