"""Charts to SVG, PDF and PNG: the bundled font, and the same bytes on every run.

The converter writes the fonts and groups of a PDF in another order each time, so they are put into one.
"""

from __future__ import annotations

import base64
import html
import io
import re
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import as_file, files
from typing import Any

import altair as alt
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

from btviz.errors import DataError, choice, require
from btviz.plots.style.theme import FONT, PAPER, TEXT_SIZE, without_glyph
from btviz.taxonomy import STEERING

FORMATS = ("svg", "pdf", "png")

PNG_INCH = 300
"""Pixels to the inch."""

SCREEN_SCALE = 1.3
"""Printed sizes are small on a screen, so a notebook shows them this much larger."""

_STYLES = {"normal": "Regular", "bold": "Bold"}

_ID = re.compile(r'(?<=\bid=")[^"]+(?=")')

_SIZE = re.compile(r'(?<=<svg )(.*?)width="([\d.]+)" height="([\d.]+)"', re.DOTALL)


class GlyphWarning(UserWarning):
    """No font here has a letter of a figure."""


class _DrawnAsSvg:
    """Displays as SVG, which needs no network, where the user has chosen no other renderer."""

    def _repr_mimebundle_(self, *args: Any, **kwds: Any) -> Any:
        if alt.renderers.active != "default":
            return super()._repr_mimebundle_(*args, **kwds)  # type: ignore[misc]
        image = svg(self, scale=SCREEN_SCALE)  # type: ignore[arg-type]
        return {"image/svg+xml": image, "text/plain": self.description}  # type: ignore[attr-defined]


class LayerChart(_DrawnAsSvg, alt.LayerChart):
    """`alt.LayerChart` that draws without a network."""


class HConcatChart(_DrawnAsSvg, alt.HConcatChart):
    """`alt.HConcatChart` that draws without a network."""


class ConcatChart(_DrawnAsSvg, alt.ConcatChart):
    """`alt.ConcatChart` that draws without a network."""


@cache
def _converter() -> Any:
    """The converter, once it knows our font: without it a PDF holds no text, and says nothing."""
    converter = require("vl_convert", extra="figures")
    with as_file(files("btviz") / "resources" / "fonts") as folder:
        converter.register_font_directory(str(folder))
    return converter


def svg(chart: alt.TopLevelMixin, *, scale: float = 1.0) -> str:
    """Draw a chart as SVG that carries the glyphs it uses."""
    return _finished(_bare(chart), chart, scale=scale)


def render(chart: alt.TopLevelMixin, *, format: str) -> bytes:  # noqa: A002 - the word for it
    """Draw a chart in one of `FORMATS`; PNG has 300 pixels to the inch.

    Letters that the font does not have are drawn by fonts of this machine, or as boxes with a `GlyphWarning`.
    """
    return rendered(chart, formats=[format])[format]


def rendered(chart: alt.TopLevelMixin, *, formats: Sequence[str]) -> dict[str, bytes]:
    """Draw a chart once, and give that in some of `FORMATS`, as `render` does in one."""
    for name in formats:
        choice(name, FORMATS, what="figure format")
    bare = _bare(chart)
    if set(formats) - {"svg"}:
        announce_boxes(undrawn(_texts(bare)))
    return _in_formats(bare, chart, formats=formats)


def _in_formats(bare: str, chart: alt.TopLevelMixin, *, formats: Sequence[str]) -> dict[str, bytes]:
    written: dict[str, Callable[[], bytes]] = {
        "svg": lambda: _finished(bare, chart).encode(),
        "pdf": lambda: renumbered(_converter().svg_to_pdf(bare)),
        "png": lambda: bytes(_converter().svg_to_png(bare, ppi=PNG_INCH)),
    }
    return {name: written[name]() for name in formats}


def rendered_to_width(
    draw: Callable[[float], alt.TopLevelMixin], *, width: float, size: float, formats: Sequence[str]
) -> tuple[dict[str, bytes], alt.TopLevelMixin, float]:
    """Draw a picture exactly `width` points wide, with text of `size` points.

    `draw` makes the chart for a width in points at the theme's own text size. What comes out narrower is centred; what
    cannot be drawn so narrow is made smaller as a whole, text included.

    Returns
    -------
    tuple
        The picture in each format, the chart, and the size of its text in points.
    """
    room = width * TEXT_SIZE / size
    asked = room
    for _ in range(_TRIES):
        chart = draw(asked)
        bare = _bare(chart)
        natural = _width_of(bare)
        if natural <= room + 0.01 or asked <= room * _NARROWEST:
            break
        asked = max(asked - (natural - room), room * _NARROWEST)
    fitted = _in_frame(bare, width=width, room=max(room, natural))
    if set(formats) - {"svg"}:
        announce_boxes(undrawn(_texts(bare)))
    return _in_formats(fitted, chart, formats=formats), chart, _label_size(chart) * width / max(room, natural)


def _label_size(chart: alt.TopLevelMixin) -> float:
    """Size of the labels of a chart in points: a chart may take small ones where there is little room."""
    axis = chart.to_dict().get("config", {}).get("axis", {})
    return float(axis.get("labelFontSize", TEXT_SIZE))


_TRIES = 5

_NARROWEST = 0.75
"""Share of a width below which a chart is not asked to be: where titles and legends are wide, scales would be tiny."""


def _width_of(bare: str) -> float:
    match = _SIZE.search(bare)
    return float(match[2]) if match else 0.0


def _in_frame(bare: str, *, width: float, room: float) -> str:
    """The drawing in the middle of a frame of `room` units, which is shown `width` points wide."""

    def frame(match: re.Match[str]) -> str:
        natural, height = float(match[2]), float(match[3])
        left = f"{(natural - room) / 2:g}"
        ground = f'<rect x="{left}" y="0" width="{room:g}" height="{height:g}" fill="{PAPER}"/>'
        size = f'width="{width:g}" height="{height * width / room:g}" viewBox="{left} 0 {room:g} {height:g}">'
        return f"{match[1]}{size}{ground}"

    return _FRAME.sub(frame, bare, count=1)


_FRAME = re.compile(r'(?<=<svg )(.*?)width="([\d.]+)" height="([\d.]+)" viewBox="[^"]*">', re.DOTALL)


def _bare(chart: alt.TopLevelMixin) -> str:
    return _with_steady_ids(_converter().vegalite_to_svg(_drawable(chart.to_dict())))


_UNDRAWABLE = re.compile(rf"{STEERING}|[\ud800-\udfff\ufffe\uffff]")
"""Characters that no font draws, or that turn the direction of all that follows. The converter, which is compiled, ends
the process at some of them, and a kernel with it."""


def _drawable(part: Any) -> Any:
    """A specification whose texts can be drawn: what cannot is the sign for that, U+FFFD."""
    if isinstance(part, str):
        return _UNDRAWABLE.sub("\ufffd", part)
    if isinstance(part, dict):
        return {_drawable(name): _drawable(member) for name, member in part.items()}
    return [_drawable(item) for item in part] if isinstance(part, list) else part


def _finished(bare: str, chart: alt.TopLevelMixin, *, scale: float = 1.0) -> str:
    start = bare.index(">", bare.index("<svg")) + 1
    return _scaled(_told(bare[:start], chart), scale) + _style(bare) + bare[start:]


def _with_steady_ids(image: str) -> str:
    """Number the ids of one drawing from 0: the converter counts on from chart to chart."""
    steady = {name: f"b{place}" for place, name in enumerate(dict.fromkeys(_ID.findall(image)))}
    if not steady:
        return image
    names = "|".join(re.escape(name) for name in sorted(steady, key=len, reverse=True))
    reference = re.compile(rf'(\bid="|url\(#|href="#)({names})(?=["\)])')
    return reference.sub(lambda match: match[1] + steady[match[2]], image)


def _told(head: str, chart: alt.TopLevelMixin) -> str:
    """Add the text description, which the converter leaves out."""
    description = getattr(chart, "description", alt.Undefined)
    if not isinstance(description, str):
        return head
    return head.replace("<svg ", f'<svg role="img" aria-label="{html.escape(_drawable(description))}" ', 1)


def _scaled(head: str, scale: float) -> str:
    if scale == 1.0:
        return head
    return _SIZE.sub(lambda m: f'{m[1]}width="{float(m[2]) * scale:g}" height="{float(m[3]) * scale:g}"', head, count=1)


def _texts(image: str) -> str:
    return html.unescape("".join(re.findall(r">([^<]+)</", image)))


def undrawn(text: str) -> str:
    """Letters of a text for which no font of this machine has a glyph, once each."""
    return "".join(letter for letter in sorted(without_glyph(text)) if drawn_alone(letter) == drawn_alone(_NOBODYS))


_NOBODYS = "\U0010ffff"
"""No font has it, so it is drawn as the box that stands for all that is missing."""


@cache
def drawn_alone(letter: str) -> bytes:
    """A picture of one letter, by which it is told whether any font has it."""
    text = f'<text x="9" y="30" font-size="20" font-family="{FONT}">{html.escape(letter)}</text>'
    image = f'<svg xmlns="http://www.w3.org/2000/svg" width="60" height="40">{text}</svg>'
    return bytes(_converter().svg_to_png(image))


def announce_boxes(letters: str) -> None:
    """Warn that letters are drawn as boxes; the message names their scripts and no text."""
    if not letters:
        return
    firsts = {unicodedata.name(letter, "unnamed").split()[0] for letter in letters}
    scripts = sorted("Han" if first == "CJK" else first.capitalize() for first in firsts)
    warnings.warn(
        f"A figure was to be drawn as PNG or PDF; no font on this machine has {len(letters):,} of its letters "
        f"({', '.join(scripts)}), so boxes stand for them. Install a font that has them, such as Noto Sans "
        "(Debian: fonts-noto-core, fonts-noto-cjk), and draw again; or take the SVG, which its reader's fonts draw.",
        GlyphWarning,
        stacklevel=2,
    )


def _style(image: str) -> str:
    """Style element with the glyphs that the texts of `image` use."""
    characters = "".join(sorted(set(_texts(image))))
    weights = [weight for weight in _STYLES if weight == "normal" or f'font-weight="{weight}"' in image]
    faces = "".join(
        f"@font-face{{font-family:'{FONT}';font-weight:{weight};"
        f"src:url(data:font/woff;base64,{_subset(_STYLES[weight], characters)})}}"
        for weight in weights
    )
    return f"<style>{faces}</style>"


@cache
def _subset(style: str, characters: str) -> str:
    source = files("btviz") / "resources" / "fonts" / f"BtvizSans-{style}.ttf"
    with TTFont(io.BytesIO(source.read_bytes()), recalcTimestamp=False) as font:
        subsetter = Subsetter(Options(hinting=False, name_IDs=[1, 2, 13, 14], glyph_names=False))
        subsetter.populate(text=characters)
        subsetter.subset(font)
        font.flavor = "woff"
        out = io.BytesIO()
        font.save(out)
    return base64.b64encode(out.getvalue()).decode()


_START = re.compile(rb"startxref\s+(\d+)\s+%%EOF\s*$")

_TABLE = re.compile(rb"xref\s+0 (\d+)\s+")

_ENTRY = 20
"""Length of a line of the cross-reference table, fixed by the format (ISO 32000-1, 7.5.4)."""

_REFERENCE = re.compile(rb"\b(\d+) 0 R\b")

_RESOURCES = re.compile(rb"/[a-z]+\d+ \d+ 0 R(?:\s+/[a-z]+\d+ \d+ 0 R)+")

_RESOURCE = re.compile(rb"/([a-z]+)(\d+) \d+ 0 R")

_STREAM = re.compile(rb"\bstream\r?\n")


def renumbered(document: bytes) -> bytes:
    """Number and order the objects of a PDF as one meets them on the way from its root."""
    start = _START.search(document)
    table = _TABLE.match(document, int(start[1])) if start else None
    if start is None or table is None:
        raise DataError("A PDF with a cross-reference table was expected; this one has none. Report it.")
    count, first = int(table[1]), table.end()
    entries = [document[first + _ENTRY * place : first + _ENTRY * (place + 1)] for place in range(count)]
    offsets = {number: int(entry[:10]) for number, entry in enumerate(entries) if entry[17:18] == b"n"}
    places = sorted(offsets.values())
    ends = dict(zip(places, [*places[1:], int(start[1])], strict=True))
    bodies = {number: _body(document[offset : ends[offset]]) for number, offset in offsets.items()}
    trailer = document[first + _ENTRY * count : start.start()]
    return _written(document[: places[0]], bodies, trailer=trailer)


def _body(text: bytes) -> tuple[bytes, bytes]:
    """An object without its number: what may hold references, and its stream or end."""
    text = text.partition(b" 0 obj")[2]
    stream = _STREAM.search(text)
    cut = stream.start() if stream else len(text)
    return _RESOURCES.sub(_by_name, text[:cut]), text[cut:]


def _by_name(resources: re.Match[bytes]) -> bytes:
    """Entries of a dictionary of fonts or groups, whose names count their first uses on the page."""
    entries = sorted(_RESOURCE.finditer(resources[0]), key=lambda entry: (entry[1], int(entry[2])))
    return b" ".join(entry[0] for entry in entries)


def _met_from(trailer: bytes, bodies: dict[int, tuple[bytes, bytes]]) -> dict[int, int]:
    """New number of each object: the order in which a depth-first walk meets them."""
    numbers: dict[int, int] = {}
    ahead = [int(n) for n in reversed(_REFERENCE.findall(trailer))]
    while ahead:
        number = ahead.pop()
        if number not in numbers:
            numbers[number] = len(numbers) + 1
            ahead += [int(n) for n in reversed(_REFERENCE.findall(bodies[number][0]))]
    return numbers


def _written(head: bytes, bodies: dict[int, tuple[bytes, bytes]], *, trailer: bytes) -> bytes:
    numbers = _met_from(trailer, bodies)

    def renamed(text: bytes) -> bytes:
        return _REFERENCE.sub(lambda match: b"%d 0 R" % numbers[int(match[1])], text)

    out, places = bytearray(head), []
    for old, new in numbers.items():
        places.append(len(out))
        out += b"%d 0 obj" % new + renamed(bodies[old][0]) + bodies[old][1]
    size = len(numbers) + 1
    table = b"".join([b"0000000000 65535 f\r\n", *(b"%010d 00000 n\r\n" % place for place in places)])
    end = re.sub(rb"/Size \d+", b"/Size %d" % size, renamed(trailer))
    return bytes(out) + b"xref\n0 %d\n" % size + table + end + b"startxref\n%d\n%%%%EOF\n" % len(out)
