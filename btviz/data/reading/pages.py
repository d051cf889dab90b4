"""What a Parquet file says of its own size, looked through before it is read.

The reader of Polars believes how many values a page has, and a process that asks for too much memory ends without a
word. So the footer and the head of each page, which are in Thrift's compact protocol, are held against each other.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import IO, Any

from btviz.data.reading.archives import FREE_BYTES, RATIO

_DEEPEST = 16

_HEAD = 1 << 16  # of a page; statistics in it may hold the first letters of texts

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12

_WHOLE = (4, 5, 6)

# Fields of the structures that are looked at
_ROW_GROUPS, _COLUMNS, _HEIGHT, _ABOUT = 4, 1, 3, 3
_VALUES, _DATA_AT, _DICTIONARY_AT = 5, 9, 11
_PAGE_UNPACKED, _PAGE_PACKED, _PAGE_HEADS = 2, 3, (5, 7, 8)
_DATA_PAGES, _DICTIONARY = (0, 3), 2

Fields = dict[int, Any]
"""A structure by the numbers of its fields; what is no number, structure or list is None."""


class PagesError(Exception):
    """A Parquet file contradicts itself."""


@dataclass
class _Thrift:
    """Structures, read from bytes one after the other."""

    data: bytes
    at: int = 0

    def structure(self, depth: int = 0) -> Fields:
        """The structure that begins here."""
        if depth > _DEEPEST:
            raise PagesError("its structures are nested too deeply")
        fields: Fields = {}
        number = 0
        while head := self._byte():
            kind, step = head & 15, head >> 4
            number = number + step if step else self._zigzag()
            fields[number] = self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (_TRUE, _FALSE):
            return kind == _TRUE
        if kind in _WHOLE:
            return self._zigzag()
        if kind == _STRUCT:
            return self.structure(depth + 1)
        if kind in (_LIST, _SET):
            return self._list(depth)
        if kind == _MAP:
            return self._map(depth)
        self._skip({_BYTE: 1, _DOUBLE: 8}.get(kind) or self._length(kind))
        return None

    def _length(self, kind: int) -> int:
        if kind != _BINARY:
            raise PagesError("it has a field of an unknown type")
        return self._varint()

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        size = head >> 4 if head >> 4 < 15 else self._varint()
        self._bound(size)
        return [self._item(head & 15, depth) for _ in range(size)]

    def _map(self, depth: int) -> None:
        size = self._varint()
        self._bound(size)
        kinds = self._byte() if size else 0
        for _ in range(size):
            self._item(kinds >> 4, depth)
            self._item(kinds & 15, depth)

    def _item(self, kind: int, depth: int) -> Any:
        return self._byte() if kind in (_TRUE, _FALSE) else self._value(kind, depth + 1)

    def _bound(self, size: int) -> None:
        if size > len(self.data) - self.at:
            raise PagesError("a list in it has more items than the file has bytes")

    def _skip(self, size: int) -> None:
        self._bound(size)
        self.at += size

    def _byte(self) -> int:
        if self.at >= len(self.data):
            raise PagesError("a structure in it does not end")
        self.at += 1
        return self.data[self.at - 1]

    def _varint(self) -> int:
        number = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
        raise PagesError("a number in it does not end")

    def _zigzag(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)


def heights_of(file: IO[bytes], size: int) -> list[int]:
    """Rows of each row group of a Parquet file whose pages are as large as it says.

    Raises
    ------
    PagesError
        If it is cut short, or contradicts itself.
    """
    footer = _footer(file, size)
    heights = []
    for group in _structures(footer, _ROW_GROUPS):
        height = _whole(group, _HEIGHT)
        for column in _structures(group, _COLUMNS):
            about = column.get(_ABOUT)
            if not isinstance(about, dict):
                raise PagesError("a column in it is not described")
            _check_pages(file, about, size)
        heights.append(height)
    return heights


def _footer(file: IO[bytes], size: int) -> Fields:
    file.seek(max(size - 8, 0))
    end = file.read(8)
    length = struct.unpack("<I", end[:4])[0] if end[4:] == b"PAR1" else size
    if length > size - 12:
        raise PagesError("it has no end")
    file.seek(size - 8 - length)
    return _Thrift(file.read(length)).structure()


def _structures(fields: Fields, number: int) -> list[Fields]:
    found = fields.get(number, [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise PagesError("a list in it is none")
    return found


def _whole(fields: Fields, number: int) -> int:
    value = fields.get(number, 0)
    if type(value) is not int or value < 0:
        raise PagesError("a number in it is none, or less than nothing")
    return value


def _check_pages(file: IO[bytes], column: Fields, size: int) -> None:
    """See that the pages of a column have as many values as the column, and no more bytes than such a file can hold."""
    data_at = _whole(column, _DATA_AT)
    at = min(_whole(column, _DICTIONARY_AT) or data_at, data_at)
    left = _whole(column, _VALUES)
    while left:
        file.seek(at)
        head = _Thrift(file.read(_HEAD))
        page = head.structure()
        counts = [_whole(page[number], 1) for number in _PAGE_HEADS if isinstance(page.get(number), dict)]
        unpacked = _whole(page, _PAGE_UNPACKED)
        at += head.at + _whole(page, _PAGE_PACKED)
        if len(counts) != 1 or at > size:
            raise PagesError("a page in it is of no known kind, or ends beyond the file")
        if unpacked > max(FREE_BYTES, RATIO * size) or (page.get(1) == _DICTIONARY and counts[0] > unpacked):
            raise PagesError("a page in it is larger than such a file can hold")
        if page.get(1) in _DATA_PAGES:
            if not 0 < counts[0] <= left:
                raise PagesError("a page in it has more values than its column, or none")
            left -= counts[0]
