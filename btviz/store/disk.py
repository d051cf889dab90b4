"""Files that are whole whatever happens: durable writes, downloads, hashes, locks, and small shared JSON files."""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import logging
import os
import secrets
import shutil
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from btviz.errors import StoreError, UsageError

PATIENCE = 5.0
"""Seconds to wait for a lock before saying so."""

ABANDONED = 24 * 3600.0
"""Seconds after which a temporary file is taken for the leftover of a dead process."""

RESTLESS = 3.0
"""Seconds for which a changed file may change again and keep its times: FAT counts in steps of two."""

_LOG = logging.getLogger(__name__)

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}


class StoreWarning(UserWarning):
    """Something stored was damaged and has been set aside."""


class DamagedError(Exception):
    """Something stored is not what was written; the message completes "found it damaged: …"."""


@contextmanager
def disk_errors(asked: str, folder: Path) -> Iterator[None]:
    """Turn an `OSError` into a `StoreError` that says what was asked, found, and to be done."""
    try:
        yield
    except StoreError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        advice = "Check that folder and its disk"
        if error.errno in _NO_SPACE:
            advice = "Free some space or use another disk (BTVIZ_DATA_DIR moves the store)"
        elif error.errno in _NOT_ALLOWED:
            advice = "Make the folder writable or use another (BTVIZ_DATA_DIR moves the store)"
        raise StoreError(
            f"Asked to {asked} in {folder}; found: {reason}{_free(folder)}. {advice}; "
            "nothing half-written is left, and what was stored before is untouched."
        ) from error


def _free(folder: Path) -> str:
    try:
        return f" ({shutil.disk_usage(folder).free / 2**20:,.0f} MiB free there)"
    except OSError:
        return ""


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    if path.is_dir() and os.name == "nt":
        return  # Windows cannot open folders and writes their entries in order
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> Path:
    """Create a folder and its parents durably; return it."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync(path.parent)
    return path


def hash_file(path: Path) -> str:
    """BLAKE2b-256 of a file's content, as 64 hexadecimal characters."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, new_hash).hexdigest()


def new_hash(data: bytes = b"") -> hashlib.blake2b:
    """Return the hash that manifests and names of shards record."""
    return hashlib.blake2b(data, digest_size=32)


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file as it lies on disk.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    str
        64 digits.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def settle(path: Path, sealed: int) -> None:
    """Give a file the time of change (s) that says: not touched since it was hashed."""
    with suppress(OSError):  # where times cannot be set, files are hashed at every opening
        os.utime(path, ns=(sealed * 10**9, sealed * 10**9))


def write_file(path: Path, data: bytes) -> Path:
    """Write one file so that it holds all of `data`, or what it held before.

    Parameters
    ----------
    path : Path
        Where; missing folders are made.
    data : bytes
        The whole content.

    Returns
    -------
    Path
        `path`; its content is on the disk.

    Raises
    ------
    StoreError
        If the disk is full or the folder cannot be written.
    """
    path = Path(path)
    prepare_folder(path)
    return place_file(path, data)


def prepare_folder(path: Path) -> None:
    """Make the folder of a file that is to be written, and clear it of what killed processes left."""
    with disk_errors(f"write {path.name}", path.parent):
        make_folder(path.parent)
        sweep_files(path.parent, older_than=ABANDONED)


@contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """A name in the folder of a file, to write under; whatever happens, nothing of that name is left."""
    temporary = path.parent / f".btviz-{secrets.token_hex(8)}.tmp"
    try:
        yield temporary
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def place_file(path: Path, data: bytes) -> Path:
    """As `write_file`, in a folder that exists and that the caller sweeps: looking through it takes time."""
    with disk_errors(f"write {path.name}", path.parent), temporary_beside(path) as temporary:
        temporary.write_bytes(data)
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    return path


class Arrival:
    """The part of a file that has arrived, beside the place of the whole.

    Parameters
    ----------
    path : Path
        Where the whole file goes; missing folders are made.
    mark : str
        What the bytes belong to, such as a hash: a part with another mark is another file.

    Attributes
    ----------
    path, part : Path
        The whole file, and the part.
    """

    def __init__(self, path: Path, *, mark: str) -> None:
        self.path = Path(path)
        self.part = self.path.with_name(f".{self.path.name}.{mark}.part")

    def __len__(self) -> int:
        """Bytes that have arrived."""
        return self.part.stat().st_size if self.part.exists() else 0

    def extend(self, chunks: Iterable[bytes], *, start: int, arrived: Callable[[int], None]) -> None:
        """Append `chunks` from byte `start` on; what was there behind `start` is dropped.

        Whatever happens, a chunk that was written stays.

        Parameters
        ----------
        chunks : iterable of bytes
            May raise; its errors pass through.
        start : int
            Position of the first byte of `chunks`, 0 to ``len(self)``.
        arrived : callable
            Called with the number of bytes in the part after each chunk.

        Raises
        ------
        StoreError
            If the disk is full or the folder cannot be written.
        """
        with self._writing():
            make_folder(self.part.parent)
            sink = self.part.open("r+b" if start else "wb")
        with sink:
            sink.seek(start)
            sink.truncate()
            for chunk in chunks:
                with self._writing():
                    sink.write(chunk)
                    sink.flush()
                arrived(sink.tell())

    def finish(self) -> Path:
        """Give the part the name of the whole, durably; return it."""
        with self._writing():
            sync(self.part)
            self.part.replace(self.path)
            sync(self.path.parent)
        return self.path

    def discard(self) -> None:
        """Remove the part, and parts of the same file with other marks."""
        with self._writing():
            for leftover in self.path.parent.glob(f".{glob.escape(self.path.name)}.*.part"):
                leftover.unlink(missing_ok=True)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"Asked to write {self.path.name} in {self.path.parent}; found: {error.strerror or error}. "
                "Free some space or set BTVIZ_DATA_DIR to a folder that can be written, then run the same "
                "command again: what has arrived is kept."
            ) from error


def sweep_files(folder: Path, *, older_than: float) -> None:
    """Remove temporary files of `write_file` whose last change is `older_than` seconds ago."""
    limit = time.time() - older_than
    for leftover in folder.glob(".btviz-*.tmp"):
        with suppress(OSError):
            if leftover.stat().st_mtime <= limit:
                leftover.unlink()


def set_aside(path: Path, *, reason: str, advice: str) -> None:
    """Rename what is damaged to ``<name>.corrupt-<time>-<random>`` and warn.

    The bytes are kept, because they may be all that is left of something precious.
    """
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    aside = path.with_name(f"{path.name}.corrupt-{stamp}-{secrets.token_hex(2)}")
    with disk_errors(f"set the damaged {path.name} aside", path.parent):
        try:
            path.rename(aside)
        except FileNotFoundError:
            return  # another process has done so
        sync(path.parent)
    warnings.warn(
        f"Asked for {path}; found it damaged: {reason}. It was set aside as {aside.name}. {advice}",
        StoreWarning,
        stacklevel=4,
    )


@contextmanager
def locked(path: Path, *, what: str) -> Iterator[None]:
    """Hold an exclusive lock between processes and threads; wait for it, saying so after a while.

    The system drops the lock of a process that dies.

    Parameters
    ----------
    path : Path
        The lock file; it stays behind, empty.
    what : str
        What is locked, in words, for the message: "the data map".

    Yields
    ------
    None
        While the lock is held.

    Raises
    ------
    UsageError
        If this thread holds it already.
    StoreError
        If the lock file cannot be made.
    """
    with disk_errors(f"lock {what}", path.parent):
        make_folder(path.parent)
        lock = filelock.FileLock(path)
        _acquire(lock, what=what)
    try:
        yield
    finally:
        lock.release()


def _acquire(lock: filelock.BaseFileLock, *, what: str) -> None:
    try:
        lock.acquire(timeout=PATIENCE)
    except filelock.Timeout:
        _LOG.warning("Waiting for %s: another process is working on it. This goes on when that one ends.", what)
        _acquire_patiently(lock, what=what)


def _acquire_patiently(lock: filelock.BaseFileLock, *, what: str) -> None:
    try:
        lock.acquire()
    except RuntimeError as error:
        raise UsageError(
            f"Asked for {what} while it is being made here. Do not ask for it in its own making."
        ) from error


def try_lock(path: Path) -> filelock.BaseFileLock | None:
    """Return the held lock, which any thread may release, or None if somebody else holds it."""
    lock = _of_any_thread(path)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        return None
    return lock


def await_lock(path: Path, *, what: str) -> filelock.BaseFileLock:
    """Wait for a lock as `locked` does, and return it held; any thread may release it."""
    lock = _of_any_thread(path)
    _acquire(lock, what=what)
    return lock


def _of_any_thread(path: Path) -> filelock.BaseFileLock:
    make_folder(path.parent)
    return filelock.FileLock(path, thread_local=False)


def encode(value: object, *, what: str) -> bytes:
    """Encode a value as JSON for people to read."""
    try:
        return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"Asked to store {what}, which is not JSON: {error}. Use null for undefined values."
        ) from error
