"""Arrow, as a file (Feather) and as a stream: some rows at a time, and never more than its bytes can hold.

The readers of Polars believe what a message says of its size, and a process that asks for too much memory ends
without a word. So messages are looked through first.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from btviz.data.reading.archives import FREE_BYTES, RATIO, Truncated
from btviz.data.reading.class_labels import METADATA, Features, features_of, named
from btviz.data.reading.columnar import ROWS_AT_ONCE, batch_of_table, check_height, sound, unchanged, whole_of
from btviz.data.reading.files import BLOCK_BYTES, Digest, pieces_of
from btviz.data.reading.pages import PagesError
from btviz.data.reading.record import Batch, Finding, Progress, batch_of
from btviz.errors import DataError

FILE = b"ARROW1\0\0"

STREAM = b"\xff\xff\xff\xff"
"""Begins each message."""

_END = STREAM + bytes(4)

_SCHEMA, _DICTIONARY, _ROWS = 1, 2, 3


@dataclass(frozen=True)
class _Table:
    """A table of a flatbuffer: fields by number."""

    data: bytes
    at: int

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, _number("<I", data, 0))

    def place(self, field: int) -> int | None:
        """Where a field stands; None if it has its default."""
        fields = self.at - _number("<i", self.data, self.at)
        entry = 4 + 2 * field
        offset = _number("<H", self.data, fields + entry) if entry < _number("<H", self.data, fields) else 0
        return self.at + offset if offset else None

    def number(self, field: int, code: str) -> int:
        at = self.place(field)
        return 0 if at is None else _number(code, self.data, at)

    def table(self, field: int) -> _Table | None:
        at = self.place(field)
        return None if at is None else _Table(self.data, at + _number("<I", self.data, at))

    def text(self, field: int) -> bytes:
        at = self.place(field)
        if at is None:
            return b""
        start = at + _number("<I", self.data, at)
        return self.data[start + 4 : start + 4 + _number("<I", self.data, start)]

    def tables(self, field: int) -> list[_Table]:
        at = self.place(field)
        start = 0 if at is None else at + _number("<I", self.data, at)
        places = [] if at is None else range(start + 4, start + 4 + 4 * _number("<I", self.data, start), 4)
        return [_Table(self.data, place + _number("<I", self.data, place)) for place in places]

    def structs(self, field: int, code: str) -> list[tuple[int, ...]]:
        at = self.place(field)
        if at is None:
            return []
        start = at + _number("<I", self.data, at)
        size = struct.calcsize(code)
        count = _number("<I", self.data, start)
        if start + 4 + count * size > len(self.data):
            raise PagesError("a list in it has more items than the file has bytes")
        return list(struct.iter_unpack(code, self.data[start + 4 : start + 4 + count * size]))


def _number(code: str, data: bytes, at: int) -> int:
    if not 0 <= at <= len(data) - struct.calcsize(code):
        raise PagesError("a place in it is beyond its end")
    number: int = struct.unpack_from(code, data, at)[0]
    return number


def _length(code: str, data: bytes, at: int) -> int:
    """A number that counts bytes or rows."""
    number = _number(code, data, at)
    if number < 0:
        raise PagesError("a length in it is less than nothing")
    return number


def _features(schema: _Table | None) -> Features:
    """What `datasets` says of the columns, in the metadata of a schema."""
    pairs = [] if schema is None else schema.tables(2)
    return features_of(next((pair.text(1) for pair in pairs if pair.text(0) == METADATA.encode()), None))


@dataclass(frozen=True)
class _Message:
    """What a message says of itself."""

    kind: int
    rows: int
    body: int
    """Bytes that follow it."""
    buffers: tuple[tuple[int, int], ...]
    """Where each of them begins, and its length."""
    packed: bool

    @classmethod
    def of(cls, data: bytes) -> _Message:
        message = _Table.root(data)
        kind, body = message.number(1, "<B"), message.number(3, "<q")
        header = message.table(2)
        rows = header.table(1) if header and kind == _DICTIONARY else header
        if kind not in (_DICTIONARY, _ROWS) or rows is None:
            return cls(kind, 0, body, (), packed=False)
        buffers = tuple((start, size) for start, size in rows.structs(2, "<qq"))
        height = rows.number(0, "<q")
        if height < 0:
            raise PagesError("a length in it is less than nothing")
        return cls(kind, height, body, buffers, packed=rows.place(3) is not None)

    def unpacked(self, body: memoryview) -> int:
        """Bytes that the body says it unpacks to."""
        if any(start < 0 or size < 0 or start + size > len(body) for start, size in self.buffers):
            raise PagesError("a buffer beyond the message")
        if not self.packed:
            return len(body)
        sizes = [struct.unpack_from("<q", body, start)[0] for start, size in self.buffers if size >= 8]
        if any(size < -1 for size in sizes):
            raise PagesError("a length in it is less than nothing")
        return int(sum(sizes)) + len(body)


class _Bound:
    """The memory that what a file holds may take."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._most = max(FREE_BYTES, RATIO * path.stat().st_size)

    def check(self, size: int) -> None:
        """Raise if a part of the file would take more, or less than nothing."""
        if size < 0:
            raise PagesError("a length in it is less than nothing")
        if size > self._most:
            raise DataError(
                f"{self._path.name} was to be read as Arrow; a part of it says that it unpacks to {size:,} bytes, "
                f"more than {RATIO} times the file. It is damaged, or no table of texts. Fetch it again."
            )


def file_batches(path: Path, *, packed: bool, rows: int | None = None, digest: Digest | None = None) -> Iterator[Batch]:
    """Rows of an Arrow file, or the first of them; a line is the number of a row."""
    with unchanged(path, digest=digest):
        source = whole_of(path, "Arrow") if packed else path
        with sound(path, "Arrow"):
            heights, features = _heights(source, _Bound(path))
            check_height(path, sum(heights), size=len(source) if isinstance(source, bytes) else path.stat().st_size)
            table = pl.scan_ipc(source, glob=False)
            empty = table.head(0).collect()
        if not heights:
            yield batch_of_table(named(empty, features), 0)
        start = 0
        for height in heights:
            with sound(path, "Arrow"):
                part = table.slice(start, height if rows is None else min(height, rows - start)).collect()
            for at in range(0, max(part.height, 1), ROWS_AT_ONCE):
                yield batch_of_table(named(part.slice(at, ROWS_AT_ONCE), features), start + at)
            start += height
            if rows is not None and start >= rows:
                return


def _heights(source: Path | bytes, bound: _Bound) -> tuple[list[int], Features]:
    """Rows of each part of an Arrow file, whose sizes are looked at; and what is said of its columns."""
    heights = []
    with source.open("rb") if isinstance(source, Path) else io.BytesIO(source) as file:
        file.seek(-10, io.SEEK_END)
        end = file.tell() + 10
        size = _length("<i", file.read(10), 0)
        if size > end - 10:
            raise PagesError("it has no end")
        file.seek(end - 10 - size)
        footer = _Table.root(file.read(size))
        for field in (2, 3):
            for place, head, _, body in footer.structs(field, "<qiiq"):
                if min(place, head, body) < 0 or place + head + body > end:
                    raise PagesError("a part of it is beyond its end")
                file.seek(place)
                message = _Message.of(_unframed(file.read(head)))
                bound.check(body)
                file.seek(place + head)
                bound.check(message.unpacked(memoryview(file.read(body))))
                heights += [message.rows] if field == 3 else []
    return heights, _features(footer.table(1))


def _unframed(data: bytes) -> bytes:
    """A message without its length, and without the mark that newer writers put before that."""
    return data[8:] if data.startswith(STREAM) else data[4:]


class _Stream:
    """Messages of an Arrow stream, one after the other."""

    def __init__(self, pieces: Iterator[bytes], bound: _Bound) -> None:
        self._pieces = pieces
        self._bound = bound
        self._held = bytearray()

    def message(self) -> tuple[_Message, bytes] | None:
        """The next one, with all its bytes; None at the end."""
        start = self._peek(8)
        if len(start) < 8 or start == _END:
            return None
        frame = 8 if start.startswith(STREAM) else 4
        size = _number("<i", start, frame - 4)
        if size <= 0:
            return None
        self._bound.check(size)
        message = _Message.of(self._peek(frame + size)[frame:])
        self._bound.check(message.body)
        data = self._take(frame + size + message.body)
        self._bound.check(message.unpacked(memoryview(data)[frame + size :]))
        return message, data

    def _peek(self, size: int) -> bytes:
        while len(self._held) < size and (piece := next(self._pieces, b"")):
            self._held += piece
        return bytes(self._held[:size])

    def _take(self, size: int) -> bytes:
        data = self._peek(size)
        if len(data) < size:
            raise Truncated("the Arrow stream does not end")
        del self._held[:size]
        return data


def stream_batches(path: Path, *, digest: Digest | None = None, progress: Progress | None = None) -> Iterator[Batch]:
    """Rows of an Arrow stream; a line is the number of a row."""
    pieces = pieces_of(path, size=BLOCK_BYTES, digest=digest, progress=progress, as_text=False)
    stream = _Stream(pieces, _Bound(path))
    known: list[bytes] = []  # the schema, and what codes of words stand for
    group: list[bytes] = []
    start, held = 0, 0
    features: Features = {}
    damage: str | None = None
    while True:
        try:
            with sound(path, "Arrow"):
                found = stream.message()
        except Truncated as error:
            found, damage = None, str(error)
        if group and (found is None or found[0].kind != _ROWS or held > BLOCK_BYTES):
            with sound(path, "Arrow"):
                frame = pl.read_ipc_stream(io.BytesIO(b"".join((*known, *group, _END))))
            yield batch_of_table(named(frame, features), start)
            start += frame.height
            group, held = [], 0
        if found is None:
            break
        if found[0].kind == _SCHEMA:
            with sound(path, "Arrow"):
                features = _features(_Table.root(_unframed(found[1])).table(2))
        (group if found[0].kind == _ROWS else known).append(found[1])
        held += len(found[1])
    for _ in pieces:  # what follows counts for the hash
        pass
    if not start:
        with sound(path, "Arrow"):
            yield batch_of_table(pl.read_ipc_stream(io.BytesIO(b"".join((*known, _END)))), 0)
    if damage:
        yield batch_of([(None, Finding("truncated archive", damage))])
