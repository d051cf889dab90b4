"""Where names stand on a map: beside what they name, and not on each other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from btviz.plots.style.theme import text_width

_RINGS = (0.0, 10.0, 18.0, 28.0, 40.0, 54.0, 70.0)
"""Distances that are tried, in points."""


_DIRECTIONS = 16


_DENSE = 60.0
"""Points of distance that are as bad as a box full of ink."""


_MARGIN = 1.5


LEADING = 1.15
"""Height of a line, as a multiple of its type size."""


@dataclass(frozen=True)
class Label:
    """A name and its place, in points from the upper left corner."""

    lines: tuple[str, ...]
    anchor: tuple[float, float]
    left: float
    top: float
    width: float
    height: float

    @property
    def nearest(self) -> tuple[float, float]:
        """Point of the box that is nearest to what it names."""
        x, y = self.anchor
        return min(max(x, self.left), self.left + self.width), min(max(y, self.top), self.top + self.height)

    def meets(self, other: Label) -> bool:
        """Whether two boxes overlap, or nearly so."""
        across = abs(2 * (self.left - other.left) + self.width - other.width) < self.width + other.width + 2 * _MARGIN
        down = abs(2 * (self.top - other.top) + self.height - other.height) < self.height + other.height + 2 * _MARGIN
        return across and down


def place_labels(
    names: Sequence[str],
    anchors: Sequence[tuple[float, float]],
    *,
    ink: npt.NDArray[np.bool_],
    size: float,
    wide: float,
) -> list[Label | None]:
    """Place names, the first ones first, each near its anchor and on little ink, as those before leave room."""
    tall, room = ink.shape
    covered = np.pad(ink.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    placed: list[Label] = []
    labels: list[Label | None] = []
    for name, anchor in zip(names, anchors, strict=True):
        free = (
            (ring + _DENSE * _covers(label, covered), label)
            for ring, label in _candidates(folded(name, size=size, wide=wide), anchor, size=size)
            if _MARGIN <= label.left <= room - label.width - _MARGIN
            and _MARGIN <= label.top <= tall - label.height - _MARGIN
            and not any(label.meets(other) for other in placed)
        )
        _, label = min(free, key=lambda found: found[0], default=(0.0, None))
        labels.append(label)
        placed += [label] if label else []
    return labels


def folded(name: str, *, size: float, wide: float) -> tuple[str, ...]:
    """A name as lines that are as wide as `wide` allows, broken at its commas."""
    lines: list[str] = []
    for word in name.split(", "):
        longer = f"{lines[-1]}, {word}" if lines else word
        if lines and text_width(longer, size=size) <= wide:
            lines[-1] = longer
        else:
            lines[-1:] = [f"{lines[-1]},", word] if lines else [word]
    return tuple(lines)


def _covers(label: Label, covered: npt.NDArray[np.int64]) -> float:
    """Share of a box that has ink below, from the sums over all boxes that begin in the corner."""
    left, top = int(label.left), int(label.top)
    right, bottom = math.ceil(label.left + label.width), math.ceil(label.top + label.height)
    inside = covered[bottom, right] - covered[top, right] - covered[bottom, left] + covered[top, left]
    return float(inside / ((right - left) * (bottom - top)))


def _candidates(lines: tuple[str, ...], anchor: tuple[float, float], *, size: float) -> Iterator[tuple[float, Label]]:
    """Boxes around an anchor, and how far each is from it, in points."""
    width = max(text_width(line, size=size) for line in lines) + 5  # for the bar of its colour
    height = LEADING * size * len(lines) + 1
    for ring in _RINGS:
        for turn in range(_DIRECTIONS if ring else 1):
            angle = 2 * math.pi * turn / _DIRECTIONS
            # a box that moves sideways has to clear its width, one that moves up only its height
            x = anchor[0] + (ring + width / 2 * bool(ring)) * math.cos(angle)
            y = anchor[1] - (ring + height / 2 * bool(ring)) * math.sin(angle)
            yield ring, Label(lines, anchor, x - width / 2, y - height / 2, width, height)
