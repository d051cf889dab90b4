"""The bytes of a file: hashed as they are read, unpacked, as UTF-8, in whole lines; and what its name says."""

from __future__ import annotations

import codecs
import hashlib
import re
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from btviz.data.reading.archives import SUFFIXES, Truncated, packing_of, unpacked
from btviz.errors import DataError, NotFoundError

NEWLINE = ord("\n")

BLOCK_BYTES = 8 << 20

_LINES_AT_ONCE = 12 << 20
"""Bytes of lines that are read together: what each block costs besides is as much as some megabytes of it."""

LONGEST_ROW = 64 << 20
"""Bytes of the longest row that is read; with what becomes of it, it must fit into memory several times."""

FORMATS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".arrow", ".feather", ".ipc")

_HASHED_AT_ONCE = 1 << 20

_HASHES_AHEAD = 4

_COUNTED_AT_ONCE = 1 << 17

_NEAR = 1 << 14
"""Bytes before the end of a piece in which a line may end."""

SPLIT = re.compile(r"(?<![a-z])(train|test|validation|dev)(?![a-z])", re.IGNORECASE)

_FOLDER = re.compile(rf"(?:\d+k[_-])?{SPLIT.pattern}", re.IGNORECASE)
"""Names of folders that are those of a split, alone or after the size of a release."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_UNMARKED = ((re.compile(rb"[ -~]\0[ -~\t\r\n]\0"), "utf-16-le"), (re.compile(rb"\0[ -~]\0[ -~\t\r\n]"), "utf-16-be"))


class Digest:
    """The SHA-256 of a file as it was read, computed in a second thread.

    Give one to `formats.batches`. Once that has come to its end, `sha256` is the hash of the very bytes whose rows it
    gave, as `store.sha256` gives it of the file; it stays None where reading stopped before.

    Attributes
    ----------
    sha256 : str or None
        64 hexadecimal digits.
    """

    def __init__(self) -> None:
        self.sha256: str | None = None
        self._hash = hashlib.sha256()
        self._pool: ThreadPoolExecutor | None = None
        self._pending: deque[Future[None]] = deque()

    def update(self, data: bytes) -> None:
        """Take the next bytes of the file."""
        self._pool = self._pool or ThreadPoolExecutor(1)
        self._pending.append(self._pool.submit(self._hash.update, data))
        if len(self._pending) > _HASHES_AHEAD:
            self._pending.popleft().result()

    def finish(self) -> None:
        """Say that these were all bytes of the file."""
        if self._pool is not None:
            self._pool.shutdown()
        self.sha256 = self._hash.hexdigest()


class RawFile:
    """A file as it lies on disk, which hashes what is read of it."""

    def __init__(self, file: IO[bytes], digest: Digest | None) -> None:
        self.file = file
        self._digest = digest
        self._held = memoryview(b"")
        self._loaded = 0

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; none at the end."""
        if not self._held:
            self._load(max(size, _HASHED_AT_ONCE))
        data, self._held = self._held[:size], self._held[size:]
        whole = data.obj
        return whole if isinstance(whole, bytes) and len(whole) == len(data) else bytes(data)  # copied if it must be

    def peek(self, size: int) -> bytes:
        """Return the first bytes, which will be read again."""
        self._load(max(size, _HASHED_AT_ONCE))
        return bytes(self._held[:size])

    def reach(self, size: int) -> int:
        """About so many bytes, at the end of which a line ends if one does near it: then nothing is cut and joined."""
        if self._held:
            return size
        self.file.seek(self._loaded + max(size - _NEAR, 0))
        near = self.file.read(min(size, _NEAR))
        self.file.seek(self._loaded)
        return size - len(near) + near.rfind(b"\n") + 1 if len(near) == _NEAR and b"\n" in near else size

    def tell(self) -> int:
        """Bytes read so far."""
        return self._loaded - len(self._held)

    def finish(self) -> None:
        """Hash what was not read, such as what follows an archive."""
        self.file.seek(self._loaded)  # a zip archive is read here and there
        while self._digest and self._load(BLOCK_BYTES):
            pass
        if self._digest:
            self._digest.finish()

    def _load(self, size: int) -> bool:
        data = self.file.read(size)
        self._held = memoryview(data)
        self._loaded += len(data)
        if self._digest and data:
            self._digest.update(data)
        return bool(data)


@contextmanager
def opened(path: Path, *, digest: Digest | None = None) -> Iterator[RawFile]:
    """Open a file; what the system refuses is an error of the data."""
    try:
        with path.open("rb") as file:
            yield RawFile(file, digest)
    except FileNotFoundError as error:
        raise NotFoundError(f"The file {path} was to be read; it is not there. Check the spelling.") from error
    except OSError as error:
        raise DataError(
            f"{path.name} was to be read; the system refuses: {error.strerror}. Copy it to where it can be read."
        ) from error


@dataclass(frozen=True)
class Head:
    """The beginning of a file: as it lies on disk, and as text."""

    raw: bytes
    text: bytes
    whole: bool
    """Whether `text` is all there is."""
    damage: str | None


def head_of(path: Path, size: int) -> Head:
    """Read the beginning of a file, unpacked; an archive may be damaged there already."""
    with opened(path) as file:
        raw = file.peek(size)[:size]
    text, damage = b"", None
    pieces = pieces_of(path, size=size)
    try:
        text = next(pieces, b"")
        whole = next(pieces, None) is None
    except Truncated as error:
        whole, damage = True, str(error)
    return Head(raw, text, whole, damage)


def pieces_of(
    path: Path,
    *,
    size: int = BLOCK_BYTES,
    progress: Callable[[int], None] | None = None,
    digest: Digest | None = None,
    as_text: bool = True,
    newline: str = "\n",
) -> Iterator[bytes]:
    r"""Yield a file, unpacked, in pieces of `size` bytes or somewhat more; the last may have less.

    `progress` is called with the bytes of the file, as it lies on disk, read so far. Text comes as UTF-8 without a
    byte-order mark; line ends that are `newline` ``"\r"`` become ``"\n"``.
    """
    with opened(path, digest=digest) as raw:
        packing = packing_of(raw.peek(16))
        pieces = iter(lambda: raw.read(raw.reach(size)), b"")
        if packing is not None:
            pieces = _gathered(unpacked(raw, packing, size=size, name=path.name), size=size)
        try:
            for piece in _as_utf8(pieces, newline=newline) if as_text else pieces:
                if progress:
                    progress(raw.tell())
                yield piece
        except Truncated:
            raw.finish()
            raise
        raw.finish()


def _gathered(pieces: Iterator[bytes], *, size: int) -> Iterator[bytes]:
    """Join small pieces to at least `size` bytes; what came before damage is still handed on."""
    parts: list[bytes] = []
    held = 0
    damage: Truncated | None = None
    try:
        for piece in pieces:
            parts.append(piece)
            held += len(piece)
            if held >= size:
                yield b"".join(parts)
                parts, held = [], 0
    except Truncated as error:
        damage = error
    if parts:
        yield b"".join(parts)
    if damage is not None:
        raise damage


def encoding_of(start: bytes) -> tuple[str, int]:
    """How a text is encoded, and the bytes of the mark that says so: UTF-16 is told without one, too."""
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding, len(mark)
    return next((encoding for pattern, encoding in _UNMARKED if pattern.match(start)), "utf-8"), 0


def _as_utf8(pieces: Iterator[bytes], *, newline: str) -> Iterator[bytes]:
    first = next(pieces, b"")
    encoding, mark = encoding_of(first)
    pieces = _chained(first[mark:], pieces)
    if encoding != "utf-8":
        pieces = _recoded(pieces, encoding)
    for piece in pieces:
        yield piece.replace(b"\r", b"\n") if newline == "\r" else piece


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _recoded(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    # half of a character that takes two becomes bytes that are no UTF-8, which costs its row only
    decoder = codecs.getincrementaldecoder(encoding)(errors="surrogatepass")
    try:
        for piece in pieces:
            yield decoder.decode(piece).encode(errors="surrogatepass")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise Truncated(f"what follows is no {encoding.upper()}") from error


@dataclass(frozen=True)
class Block:
    """Whole lines of a file: their bytes and the number (from 1) of the first of them."""

    first_line: int
    data: bytes
    skipped: int = 0
    """Bytes of the one line of this block, if it is too long to be read."""

    @cached_property
    def line_ends(self) -> int:
        """How many lines end in it."""
        return count_bytes(self.data, lambda codes: codes == NEWLINE)


def line_blocks(
    path: Path,
    *,
    size: int = _LINES_AT_ONCE,
    progress: Callable[[int], None] | None = None,
    digest: Digest | None = None,
    newline: str = "\n",
) -> Iterator[Block]:
    """Yield the text of a file in blocks of about `size` bytes that end at line ends."""
    cutter = _Cutter()
    try:
        for piece in pieces_of(path, size=size, progress=progress, digest=digest, newline=newline):
            yield from cutter.blocks(piece)
    except Truncated:
        yield from cutter.rest()
        raise
    yield from cutter.rest()


class _Cutter:
    """Cuts pieces of a file at line ends."""

    def __init__(self) -> None:
        self._line = 1
        self._parts: list[bytes] = []
        self._held = 0

    def blocks(self, piece: bytes) -> Iterator[Block]:
        if self._held > LONGEST_ROW // 2:  # a long line is a block of its own
            end = piece.find(b"\n") + 1
            self._hold(piece[: end or None])
            if not end:
                return
            yield from self.rest()
            piece = piece[end:]
        cut = piece.rfind(b"\n") + 1
        if cut:
            is_whole = cut == len(piece) and not self._parts
            yield self._block(piece if is_whole else b"".join((*self._parts, memoryview(piece)[:cut])))
            self._parts, self._held = [], 0
        self._hold(piece[cut:])

    def rest(self) -> Iterator[Block]:
        if self._held > LONGEST_ROW:
            yield Block(self._line, b"", skipped=self._held)
            self._line += 1
        elif self._held:
            yield self._block(b"".join(self._parts))
        self._parts, self._held = [], 0

    def _hold(self, data: bytes) -> None:
        self._held += len(data)
        self._parts = [*self._parts, data] if self._held <= LONGEST_ROW else []

    def _block(self, data: bytes) -> Block:
        block = Block(self._line, data)
        self._line += block.line_ends
        return block


def count_bytes(data: bytes, test: Callable[[NDArray[np.uint8]], NDArray[np.bool_]]) -> int:
    """How many bytes pass a test; several times faster than ``bytes.count``.

    Some are tested at a time: flags of all would take memory that is new each time, which costs more than the test.
    """
    codes = np.frombuffer(data, np.uint8)
    starts = range(0, len(codes), _COUNTED_AT_ONCE)
    return sum(int(np.count_nonzero(test(codes[start : start + _COUNTED_AT_ONCE]))) for start in starts)


def damage_of(path: Path) -> str | None:
    """What the decompressor says of a file that is cut short or damaged; None for a sound one."""
    try:
        for _ in pieces_of(path):
            pass
    except Truncated as error:
        return str(error)
    return None


# Names --------------------------------------------------------------------------------------------


def format_of(path: Path) -> str | None:
    """Return the format a name speaks of, whatever the compression, or None for another.

    Parameters
    ----------
    path : Path
        It need not be there.

    Returns
    -------
    str or None
        One of `FORMATS`: ".csv" for ``rows.CSV.gz``.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in SUFFIXES:
        suffixes.pop()
    return suffixes[-1] if suffixes and suffixes[-1] in FORMATS else None


def split_of(path: Path) -> str | None:
    """Split that a file name speaks of, ``30k_test.jsonl.gz``, or else the name of its folder, ``30k_test``."""
    # a folder of tests is no split
    return split_named(path.name) or (split_named(path.parent.name) if _FOLDER.fullmatch(path.parent.name) else None)


def split_named(name: str) -> str | None:
    """Split that a name speaks of: "test" of ``30k_test``."""
    match = SPLIT.search(name)
    return match.group(1).lower() if match else None
