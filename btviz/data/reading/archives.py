"""Archives, unpacked piece by piece and within limits: gzip, xz, bzip2, zstd, and zip with one member."""

from __future__ import annotations

import bz2
import lzma
import re
import shlex
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Literal, Protocol

import zstandard

from btviz.errors import DataError

Packing = Literal["gzip", "xz", "bzip2", "zstd", "zip"]

SUFFIXES: dict[str, Packing] = {".gz": "gzip", ".xz": "xz", ".bz2": "bzip2", ".zst": "zstd", ".zip": "zip"}

FREE_BYTES = 256 << 20
"""What any archive may hold, however small it is."""

RATIO = 500
"""How many times its own size an archive may hold beyond that; texts reach 20, and tables of nothing but flags 200."""

_MEMORY = 128 << 20  # what an archive may ask its unpacker for; both tools ask for 65 MB at their highest level

_MAGIC: tuple[tuple[bytes, Packing], ...] = (
    (rb"\x1f\x8b", "gzip"),
    (rb"\xfd7zXZ\0", "xz"),
    (rb"BZh[1-9]", "bzip2"),
    (rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", "zstd"),
    (rb"PK(?:\x03\x04|\x05\x06)", "zip"),
)

_PIECE = 1 << 16  # what is lost before damage

_ZSTD_PIECE = 1 << 10  # four bytes of a zstd frame may become 128 KiB, and its decompressor takes no bound


class Truncated(Exception):  # noqa: N818  (it is raised for control flow, and caught where rows are read)
    """A file ends before its end, or is damaged; what could be read was yielded before."""


class Raw(Protocol):
    """A file as it lies on disk."""

    file: IO[bytes]

    def read(self, size: int, /) -> bytes:
        """The next bytes."""
        ...

    def tell(self) -> int:
        """How many were read."""
        ...


def packing_of(head: bytes) -> Packing | None:
    """What an archive's first bytes say it is packed with; None for what is no archive."""
    return next((packing for magic, packing in _MAGIC if re.match(magic, head)), None)


def unpacked(raw: Raw, packing: Packing, *, size: int, name: str) -> Iterator[bytes]:
    """What an archive holds, in pieces of at most about `size` bytes; a damaged one is `Truncated` where it breaks."""
    held = 0
    try:
        for piece in _unpack(raw, packing, size=size, name=name):
            held += len(piece)
            if held > FREE_BYTES and held > RATIO * raw.tell():
                raise DataError(
                    f"{name} was to be read; it unpacks to more than {RATIO} times its size and more than "
                    f"{FREE_BYTES >> 20} MiB, as no archive of texts does. If it is meant so, unpack it yourself and "
                    "read what comes out."
                )
            yield piece
    except (EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
        raise Truncated(_reason(error, packing)) from error


def _reason(error: Exception, packing: Packing) -> str:
    """What a decompressor says, but nothing of what it quotes."""
    return re.sub(r" ?\(b'.*", "", str(error), flags=re.DOTALL) or f"the {packing} stream is damaged"


def _unpack(raw: Raw, packing: Packing, *, size: int, name: str) -> Iterator[bytes]:
    match packing:
        case "gzip":
            yield from _ungzip(raw, size=size)
        case "xz":
            yield from _streams(raw, lambda: lzma.LZMADecompressor(memlimit=_MEMORY), size=size)
        case "bzip2":
            yield from _streams(raw, bz2.BZ2Decompressor, size=size)
        case "zstd":
            yield from _unzstd(raw)
        case "zip":
            yield from _unzip(raw, size=size, name=name)


def _ungzip(raw: Raw, *, size: int) -> Iterator[bytes]:
    packed = raw.read(_PIECE)
    while packed:
        stream = zlib.decompressobj(wbits=31)  # with the header and the check sum of gzip
        while not stream.eof:
            piece = stream.decompress(packed, size)
            packed = stream.unconsumed_tail
            if piece:
                yield piece
            elif not stream.eof and not packed and not (packed := raw.read(_PIECE)):
                raise EOFError("the archive ends before its end")
        packed = stream.unused_data.lstrip(b"\0") or raw.read(_PIECE).lstrip(b"\0")  # tapes are padded


def _streams(
    raw: Raw, decoder: Callable[[], lzma.LZMADecompressor | bz2.BZ2Decompressor], *, size: int
) -> Iterator[bytes]:
    packed = raw.read(_PIECE)
    while packed:
        stream = decoder()
        while not stream.eof:
            if stream.needs_input and not packed and not (packed := raw.read(_PIECE)):
                raise EOFError("the archive ends before its end")
            try:
                piece = stream.decompress(packed, max_length=size)
            except OSError as error:  # bzip2 has no error of its own
                raise EOFError("the archive is damaged") from error
            packed = b""
            if piece:
                yield piece
        packed = stream.unused_data.lstrip(b"\0") or raw.read(_PIECE).lstrip(b"\0")  # streams may be padded


def _unzstd(raw: Raw) -> Iterator[bytes]:
    # The stream reader of zstandard takes a cut-off file for a finished one, so frames are
    # decompressed by hand and the last must have ended.
    frame = None
    while packed := raw.read(_ZSTD_PIECE):
        while packed:
            frame = frame or zstandard.ZstdDecompressor(max_window_size=_MEMORY).decompressobj()
            if piece := frame.decompress(packed):
                yield piece
            packed = frame.unused_data if frame.eof else b""
            if frame.eof:
                frame = None
    if frame is not None:
        raise EOFError("the zstd frame does not end")


def _unzip(raw: Raw, *, size: int, name: str) -> Iterator[bytes]:
    with zipfile.ZipFile(raw.file) as archive:  # which is read from its end
        members = members_of(archive)
        if len(members) != 1:
            raise DataError(
                f"{name} was to be read; it is a zip archive of {len(members)} files. In its folder, unpack it: "
                + unpacking(name, "unzip {0} -d {1}")
            )
        try:
            with archive.open(members[0]) as stream:
                while piece := stream.read(size):
                    yield piece
        except (RuntimeError, NotImplementedError) as error:  # no more is said of a password, or of an unknown method
            raise DataError(
                f"{name} was to be read; the file in this zip archive has a password, or is packed in a way unknown "
                "here. Unpack it, and name the file that was in it."
            ) from error


def unpacking(name: str, command: str) -> str:
    """Commands that unpack an archive beside itself and show what was in it; `command` takes its name and a folder."""
    folder = re.sub(r"(?:\.(?:zip|tar|tgz|txz|tbz2?|gz|xz|bz2|zst|7z|rar))+$", "", name, flags=re.IGNORECASE)
    folder = folder if folder not in {name, ""} else f"{name}-files"
    archive, into = (shlex.quote(f"./{text}" if text.startswith("-") else text) for text in (name, folder))
    return f"{command.format(archive, into)} && btviz data show {shlex.quote(f'{folder}/')}"


def members_of(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """Files in a zip archive, without what the Finder adds."""
    return [
        member
        for member in archive.infolist()
        if not member.is_dir() and not member.filename.startswith("__MACOSX/") and ".DS_Store" not in member.filename
    ]
