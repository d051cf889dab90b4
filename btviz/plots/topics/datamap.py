"""The map of texts in print: points as one small picture, axes and names as type, and where names stand."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.arguments import expect_table
from btviz.errors import UsageError
from btviz.plots.style.captions import heading
from btviz.plots.style.rendering import LayerChart
from btviz.plots.style.theme import FAINT, GROUPS, INK, MUTED, PADDING, PAPER, config, needed, points, text_width
from btviz.plots.style.theme import OTHERS as GREY

COLOURS = GROUPS[:7]
"""Of the largest topics; the eighth group is a grey, which here means all others."""

OUTLIER = "#d9d9d9"

NAMES = 30
"""Names that are tried at most."""

NAME_SIZE = 6.5

NAME_WIDTH = 78.0

BESIDE = 26.0
"""Room that the axis takes, in points."""

PIXELS = 3.0
"""To the point: 216 to the inch."""

QUALITY = {
    "statistic": "text",
    "texts": "text",
    "value": "numbers",
    "n_neighbors": "whole numbers",
    "n_texts": "whole numbers",
    "n_judged": "whole numbers",
}
"""Columns of `btviz.map_quality` that say how far a map can be trusted."""


@dataclass(frozen=True)
class _Frame:
    """Which part of the plane is shown, at one scale across and down."""

    left: float
    top: float
    unit: float
    room: float
    tall: float

    @classmethod
    def around(cls, table: pl.DataFrame, *, room: float) -> _Frame:
        """Show all points, with a little room around them."""
        (left, right), (low, high) = ((float(table[c].min()), float(table[c].max())) for c in "xy")  # type: ignore[arg-type]  # of numbers
        across, down = (max(end - start, 1e-3) * 1.06 for start, end in ((left, right), (low, high)))
        tall = room * min(max(down / across, 0.6), 0.85)
        unit = max(across / room, down / tall)
        return cls((left + right - unit * room) / 2, (low + high + unit * tall) / 2, unit, room, tall)

    def scales(self) -> tuple[alt.Scale, alt.Scale]:
        """Across and up."""
        ends = [self.left, self.left + self.unit * self.room], [self.top - self.unit * self.tall, self.top]
        across, up = (alt.Scale(domain=list(end), nice=False, zero=False) for end in ends)
        return across, up

    def in_points(self, x: Any, y: Any) -> tuple[Any, Any]:
        """A place on the map, or arrays of them, in points from the upper left corner."""
        return (x - self.left) / self.unit, (self.top - y) / self.unit

    def ink(self, table: pl.DataFrame) -> npt.NDArray[np.bool_]:
        """Cells, a point wide, with a place of a table in or near them; shape (tall, room), rounded up."""
        shape = math.ceil(self.tall), math.ceil(self.room)
        column, row = self.in_points(*(table[c].to_numpy().astype(float) for c in "xy"))
        drawn = np.zeros(shape, bool)
        for down, across in np.ndindex(5, 5):  # as wide as a point is, and a little air
            below, beside = (row + down - 2).astype(int), (column + across - 2).astype(int)
            drawn[below.clip(0, shape[0] - 1), beside.clip(0, shape[1] - 1)] = True
        return drawn

    def on_map(self, x: float, y: float) -> tuple[float, float]:
        """The other way."""
        return self.left + x * self.unit, self.top - y * self.unit


def topic_map(
    placed: pl.DataFrame,
    topics: pl.DataFrame,
    *,
    quality: pl.DataFrame | None = None,
    source: str | None = None,
    text: str = "text",
    item: str = "pair",
    width: str | float = "double",
) -> alt.LayerChart:
    """Draw a data map with the names of its topics, for print.

    Parameters
    ----------
    placed : DataFrame
        One row per pair: `x`, `y` of `fit_data_map`, and `topic` of `fit_topics`, -1 for outliers.
    topics : DataFrame
        One row per topic: `topic`, `name`, `n_pairs`; names of topics whose `unstable` is true, if there
        is such a column, are faint.
    quality : DataFrame, optional
        From `map_quality`; said below the title.
    source : str, optional
        Name of the data for the caption: ``ds.population``.
    text : str
        What a point is: "prompt", "response", "qa".
    item : str
        What a row is: ``ds.item``.
    width : {"double", "single"} or float
        Columns of a paper to fill, or points.

    Returns
    -------
    alt.LayerChart
        Points as a picture, however many they are: the seven largest topics in colours, other
        topics grey, outliers in a lighter grey. Axes and names stay type. A name that has no
        room without touching another is left out, the largest topics come first.

    Raises
    ------
    UsageError
        If a column is missing, of `quality` too, there are no points, or one has no place.
    """
    needed(placed, "x", "y", "topic", call="fit_data_map")
    missing = {"topic", "name", "n_pairs"} - set(topics.columns)
    if missing:
        raise UsageError(f"The table of topics has no column {min(missing)!r}. Give the `topics` of fit_topics().")
    if not placed.select(pl.col("x", "y").is_finite().fill_null(value=False).all()).row(0) == (True, True):
        raise UsageError("A map was to be drawn that has points without a place. Leave these pairs out.")
    frame = _Frame.around(placed, room=points(width) - 2 * PADDING - BESIDE)
    largest = topics.sort("n_pairs", descending=True, maintain_order=True)
    labels = _labels(placed, largest.head(NAMES), frame)
    colours = dict(zip(largest["topic"], COLOURS, strict=False))
    lines = [
        _caption(placed, source=source, text=text, item=item),
        _legend(topics.height, n_names=len(labels), n_faint=len(_unstable(topics) & set(labels))),
        _trust(quality),
    ]
    return LayerChart(
        layer=[_underlay(placed, colours, frame), *_names(labels, colours, frame, faint=_unstable(topics))],
        width=frame.room,
        height=frame.tall,
        title=heading(f"Topics of {_PLURALS.get(text, text)}", *lines, width=width),
        description=_description(largest, caption=lines[0], item=item),
        config=config(),
    )


_PLURALS = {"prompt": "prompts", "response": "responses", "qa": "questions with their answers", "text": "texts"}


def _underlay(placed: pl.DataFrame, colours: dict[int, str], frame: _Frame) -> alt.Chart:
    """All points as a picture, and the axes around it."""
    spots = placed.select("x", "y", "topic").unique().sort("x", "y", "topic")
    shape = round(frame.tall * PIXELS), round(frame.room * PIXELS)
    column, row = frame.in_points(*(spots[c].to_numpy().astype(float) for c in "xy"))
    shades = {topic: channels(colours.get(topic, GREY if topic >= 0 else OUTLIER)) for topic in spots["topic"].unique()}
    n = spots.height
    picture = rasterised(
        np.column_stack([column, row]) * PIXELS,
        np.array([shades[topic] for topic in spots["topic"]], float),
        shape=shape,
        radius=PIXELS * min(max(30 / n**0.4, 0.5), 2.2),
        opacity=min(max(6 / n**0.25, 0.25), 0.8),
    )
    across, up = frame.scales()
    axis = alt.Axis(domain=True, domainColor=FAINT, ticks=True, tickColor=FAINT, labelColor=MUTED, tickCount=5)
    ends = pl.DataFrame({"x": [frame.left], "y": [frame.top]})
    drawn: alt.Chart = (
        alt.Chart(ends)
        .mark_image(
            url="data:image/png;base64," + base64.b64encode(png(picture)).decode(),
            width=frame.room,
            height=frame.tall,
            align="left",
            baseline="top",
            aspect=False,
        )
        .encode(
            x=alt.X("x:Q", scale=across, axis=axis, title="x, without unit"),
            y=alt.Y("y:Q", scale=up, axis=axis, title="y, without unit"),
        )
    )
    return drawn


def _labels(placed: pl.DataFrame, topics: pl.DataFrame, frame: _Frame) -> dict[int, Label]:
    """Label by topic, of those that have room for one."""
    middles = placed.group_by("topic").agg(pl.col("x", "y").median())
    placed_topics = topics.join(middles, on="topic", how="left", maintain_order="left").drop_nulls("x")
    anchors = [frame.in_points(x, y) for x, y in placed_topics.select("x", "y").rows()]
    ink = frame.ink(placed.filter(pl.col("topic") >= 0))
    labels = place_labels(placed_topics["name"].to_list(), anchors, ink=ink, size=NAME_SIZE, wide=NAME_WIDTH)
    return {topic: label for topic, label in zip(placed_topics["topic"], labels, strict=True) if label is not None}


def _unstable(topics: pl.DataFrame) -> set[int]:
    return set(topics.filter("unstable")["topic"]) if "unstable" in topics.columns else set()


def _names(labels: dict[int, Label], colours: dict[int, str], frame: _Frame, *, faint: set[int]) -> list[alt.Chart]:
    """Lines from names to what they name, light boxes, bars of the topics' colours, and the names."""
    boxes, lines, words = [], [], []
    for topic, label in labels.items():
        left, top = frame.on_map(label.left, label.top)
        right, bottom = frame.on_map(label.left + label.width, label.top + label.height)
        bar = frame.on_map(label.left + 2, 0)[0]
        boxes.append((left, top, right, bottom, bar, colours.get(topic, GREY)))
        if label.nearest != label.anchor:
            lines.append((*frame.on_map(*label.anchor), *frame.on_map(*label.nearest)))
        for place, line in enumerate(label.lines):
            middle = label.top + 0.5 + (place + 0.5) * LEADING * NAME_SIZE
            words.append((*frame.on_map(label.left + 3.5, middle), line, MUTED if topic in faint else INK))
    if not boxes:
        return []
    box = alt.Chart(pl.DataFrame(boxes, ["left", "top", "right", "bottom", "bar", "colour"], orient="row"))
    drawn = [
        box.mark_rect(fill=PAPER, opacity=0.82).encode(
            x=alt.X("left:Q"), x2=alt.X2("right:Q"), y=alt.Y("top:Q"), y2=alt.Y2("bottom:Q")
        ),
        box.mark_rect().encode(
            x=alt.X("left:Q"),
            x2=alt.X2("bar:Q"),
            y=alt.Y("top:Q"),
            y2=alt.Y2("bottom:Q"),
            fill=alt.Fill("colour:N", scale=None, legend=None),
        ),
        alt.Chart(pl.DataFrame(words, ["left", "middle", "line", "ink"], orient="row"))
        .mark_text(align="left", baseline="middle", fontSize=NAME_SIZE)
        .encode(
            x=alt.X("left:Q"),
            y=alt.Y("middle:Q"),
            text=alt.Text("line:N"),
            fill=alt.Fill("ink:N", scale=None, legend=None),
        ),
    ]
    if lines:
        leader = alt.Chart(pl.DataFrame(lines, ["x", "y", "to_x", "to_y"], orient="row"))
        drawn.insert(
            0,
            leader.mark_rule(stroke=MUTED, strokeWidth=0.5).encode(
                x=alt.X("x:Q"), y=alt.Y("y:Q"), x2=alt.X2("to_x:Q"), y2=alt.Y2("to_y:Q")
            ),
        )
    return drawn


def _caption(placed: pl.DataFrame, *, source: str | None, text: str, item: str) -> str:
    spots = placed.select("x", "y").unique().height
    counted = f"{item}s · n = {placed.height:,}"
    return " · ".join(part for part in (source, counted, f"{spots:,} places, one a {text}") if part)


def _legend(n_topics: int, *, n_names: int, n_faint: int) -> str:
    if not n_topics:
        return "No topic: all points are outliers"
    coloured = min(len(COLOURS), n_topics)
    return " · ".join(
        [
            f"{n_topics} topics, {n_names} named"
            + (f", {n_faint} faintly: seldom found again in fits to parts of the prompts" if n_faint else ""),
            f"the {coloured} largest in colours, others grey, outliers light grey",
        ]
    )


def _trust(quality: pl.DataFrame | None) -> str:
    if quality is None:
        return ""
    expect_table(quality, QUALITY, name="quality", source="btviz.map_quality(points, embeddings)")
    known = quality.filter(texts="all").drop_nulls("value")
    measures = [f"{name.replace('_', ' ')} {value:.2f}" for name, value in known.select("statistic", "value").rows()]
    return f"Map of {known['n_neighbors'][0]} neighbours: {', '.join(measures)}" if measures else ""


def _description(topics: pl.DataFrame, *, caption: str, item: str) -> str:
    """Text for those who do not see the picture."""
    said = [f"{name} ({n:,} {item}s)" for name, n in topics.head(10).select("name", "n_pairs").rows()]
    return f"Map of texts in which similar ones lie together ({caption}). Largest topics: {'; '.join(said) or 'none'}."


_STEP = 8
"""Levels of a colour are rounded to multiples of this: unseen, and half the size of the file."""

_SAMPLES = 8
"""Along each side of a pixel, for the edge of a disc."""

Colours = npt.NDArray[np.float64]


def channels(colour: str) -> tuple[int, int, int]:
    """Red, green and blue, 0 .. 255, of ``#rrggbb``."""
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue


def rasterised(
    places: npt.NDArray[np.float64], colours: Colours, *, shape: tuple[int, int], radius: float, opacity: float
) -> npt.NDArray[np.uint8]:
    """Draw discs, and mix the colours of those that overlap in equal parts."""
    rows, columns = shape
    column, row = np.floor(places).astype(np.int64).T
    inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
    pixel = (row * columns + column)[inside]
    weights = np.column_stack([np.ones(len(pixel)), colours[inside]])
    planes = [
        np.bincount(pixel, weights=each, minlength=rows * columns).astype(float).reshape(shape) for each in weights.T
    ]
    covered, *mixed = (_spread(plane, _disc(radius)) for plane in planes)
    clear = ((1 - opacity) ** covered)[..., None]
    mean = np.stack(mixed, axis=2) / np.maximum(covered, 1e-9)[..., None]
    drawn = clear * channels(PAPER) + (1 - clear) * mean
    return np.asarray(np.minimum(np.rint(drawn / _STEP) * _STEP, 255), np.uint8)


def _disc(radius: float) -> npt.NDArray[np.float64]:
    """Share of each pixel that a disc covers; it stands on the middle of the middle one."""
    reach = int(np.ceil(radius - 0.5))
    fine = (np.arange((2 * reach + 1) * _SAMPLES) + 0.5) / _SAMPLES - reach - 0.5
    inside = (fine[:, None] ** 2 + fine[None, :] ** 2 <= radius**2).astype(np.float64)
    side = 2 * reach + 1
    return np.asarray(inside.reshape(side, _SAMPLES, side, _SAMPLES).mean(axis=(1, 3)))


def _spread(plane: npt.NDArray[np.float64], disc: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """What each pixel gets of the discs around it."""
    reach = len(disc) // 2
    rows, columns = plane.shape
    padded = np.pad(plane, reach)
    total = np.zeros_like(plane)
    for down, across in np.argwhere(disc > 0):
        total += disc[down, across] * padded[down : down + rows, across : across + columns]
    return total


def png(picture: npt.NDArray[np.uint8]) -> bytes:
    """A picture of shape (rows, columns, 3) as PNG (ISO/IEC 15948), without any time or name in it."""
    rows, columns, _ = picture.shape
    lines = np.zeros((rows, 1 + 3 * columns), np.uint8)  # a line begins with 0: no filter
    lines[:, 1:] = picture.reshape(rows, -1)
    header = struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)  # 8 bits, red green blue
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


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
