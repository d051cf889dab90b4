"""One order for the objects of a PDF: the converter writes fonts and groups in another order each time."""

from __future__ import annotations

import re

from btviz.errors import DataError

_START = re.compile(rb"startxref\s+(\d+)\s+%%EOF\s*$")
_TABLE = re.compile(rb"xref\s+0 (\d+)\s+")
_ENTRY = 20
"""Length of a line of the cross-reference table, fixed by the format (ISO 32000-1, 7.5.4)."""
_REFERENCE = re.compile(rb"\b(\d+) 0 R\b")
_RESOURCES = re.compile(rb"/[a-z]+\d+ \d+ 0 R(?:\s+/[a-z]+\d+ \d+ 0 R)+")
_RESOURCE = re.compile(rb"/([a-z]+)(\d+) \d+ 0 R")
_STREAM = re.compile(rb"\bstream\r?\n")


def renumbered(document: bytes) -> bytes:
    """Number and order the objects of a PDF as one meets them on the way from its root.

    Parameters
    ----------
    document : bytes
        A PDF with one plain cross-reference table and no older versions, as svg2pdf writes it.

    Returns
    -------
    bytes
        The same objects, in the same bytes whatever numbers they had before.

    Raises
    ------
    DataError
        If the document has no such table.
    """
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
