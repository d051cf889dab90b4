"""Files as they lie on disk: which to read, their splits, and their bytes, decompressed, in blocks of whole lines."""

from __future__ import annotations

import codecs
import gzip
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import zstandard

NEWLINE = ord("\n")

BLOCK_BYTES = 16 << 20

COMPRESSED = (".gz", ".xz", ".zst")

FORMATS = (".jsonl", ".json", ".csv", ".parquet")

SPLIT = re.compile(r"(?<![a-z])(train|test|validation|dev)(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True)
class Block:
    """Whole lines of a file: their bytes and the number (from 1) of the first of them."""

    first_line: int
    data: bytes


class Truncated(Exception):  # noqa: N818  (it is raised for control flow and caught by `parse`)
    """The archive ends before its end; everything readable has been yielded before."""


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
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return suffixes[-1] if suffixes and suffixes[-1] in FORMATS else None


def split_of(path: Path) -> str | None:
    """Split that a file name speaks of, ``30k_test.jsonl.gz``, or else is the name of its folder."""
    match = SPLIT.search(path.name) or SPLIT.fullmatch(path.parent.name)  # a folder of tests is no split
    return match.group(1).lower() if match else None


def line_blocks(
    path: Path, *, size: int = BLOCK_BYTES, progress: Callable[[int], None] | None = None
) -> Iterator[Block]:
    """Yield the file in blocks of about `size` bytes that end at line ends.

    `progress` is called with the bytes of the file, as it lies on disk, read so far.
    """
    line, rest = 1, b""
    damage: Truncated | None = None
    try:
        for chunk in _gathered(_chunks(path, size=size, progress=progress), size=size):
            if line == 1 and not rest:
                chunk = chunk.removeprefix(codecs.BOM_UTF8)  # noqa: PLW2901  # Windows marks UTF-8 so; it is no text
            cut = chunk.rfind(b"\n") + 1
            if not cut:
                rest += chunk
                continue
            data = b"".join((rest, memoryview(chunk)[:cut]))
            rest = chunk[cut:]
            yield Block(line, data)
            # several times faster than bytes.count
            line += int(np.count_nonzero(np.frombuffer(data, np.uint8) == NEWLINE))
    except Truncated as error:
        damage = error
    if rest:
        yield Block(line, rest)
    if damage is not None:
        raise damage


def damage_of(path: Path) -> str | None:
    """What the decompressor says of a file that is cut short or damaged; None for a sound one."""
    try:
        for _ in line_blocks(path):
            pass
    except Truncated as error:
        return str(error)
    return None


def whole(path: Path, *, progress: Callable[[int], None] | None = None) -> tuple[bytes, str | None]:
    """All readable bytes of a file and, if it is cut short, what the decompressor said."""
    parts: list[bytes] = []
    try:
        parts.extend(block.data for block in line_blocks(path, progress=progress))
    except Truncated as error:
        return b"".join(parts), str(error)
    return b"".join(parts), None


def _gathered(chunks: Iterator[bytes], *, size: int) -> Iterator[bytes]:
    """Join small chunks to at least `size` bytes; what came before damage is still handed on."""
    parts: list[bytes] = []
    damage: Exception | None = None
    try:
        for chunk in chunks:
            parts.append(chunk)
            if sum(map(len, parts)) >= size:
                yield b"".join(parts)
                parts = []
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
        damage = error
    if parts:
        yield b"".join(parts)
    if damage is not None:
        raise Truncated(str(damage)) from damage


def _chunks(path: Path, *, size: int, progress: Callable[[int], None] | None) -> Iterator[bytes]:
    with path.open("rb") as raw:
        for chunk in _decompressed(raw, path.suffix.lower(), size=size):
            if progress:
                progress(raw.tell())
            yield chunk


def _decompressed(raw: IO[bytes], suffix: str, *, size: int) -> Iterator[bytes]:
    match suffix:
        case ".gz":
            with gzip.GzipFile(fileobj=raw) as stream:
                yield from _read1(stream, size=size)
        case ".xz":
            with lzma.LZMAFile(raw) as stream:
                yield from _read1(stream, size=size)
        case ".zst":
            yield from _unzstd(raw)
        case _:
            while chunk := raw.read(size):
                yield chunk


def _read1(stream: gzip.GzipFile | lzma.LZMAFile, *, size: int) -> Iterator[bytes]:
    # read1 hands over what a damaged archive still holds before it raises; read would not
    while chunk := stream.read1(size):
        yield chunk


def _unzstd(raw: IO[bytes]) -> Iterator[bytes]:
    # The stream reader of zstandard takes a cut-off file for a finished one, so frames are
    # decompressed by hand and the last must have ended.
    frame = None
    while compressed := raw.read(1 << 20):
        while compressed:
            frame = frame or zstandard.ZstdDecompressor().decompressobj()
            if out := frame.decompress(compressed):
                yield out
            compressed = frame.unused_data if frame.eof else b""
            if frame.eof:
                frame = None
    if frame is not None:
        raise EOFError("the zstd frame does not end")
