"""Small JSON documents that processes share: read within bounds, checked entry by entry, changed under a lock."""

from __future__ import annotations

import json
import stat
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btviz.errors import StoreError, UsageError
from btviz.store.disk import (
    RESTLESS,
    DamagedError,
    StoreWarning,
    disk_errors,
    encode,
    locked,
    new_hash,
    set_aside,
    sha256,
    write_file,
)
from btviz.store.paths import data_dir

LARGEST = 1 << 30
"""Bytes beyond which a file is no document."""


@dataclass(frozen=True)
class Shape:
    """What the entries of a document look like.

    Attributes
    ----------
    valid : callable
        Takes the names that lead to an entry, and the entry; whether it is as btviz writes it. Raising counts as no.
    depth : int
        How many names lead to an entry: 2 where a document is a mapping of mappings.
    """

    valid: Callable[[tuple[str, ...], Any], bool]
    depth: int = 1

    def sift(self, document: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Entries that are as they should be, and the others, each as a document."""
        return self._sift(document, ())

    def _sift(self, document: Mapping[str, Any], above: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
        good: dict[str, Any] = {}
        bad: dict[str, Any] = {}
        for name, entry in document.items():
            names = (*above, name)
            if len(names) < self.depth and isinstance(entry, dict):
                inside, others = self._sift(entry, names)
                good |= {name: inside} if inside or not others else {}
                bad |= {name: others} if others else {}
            else:
                (good if len(names) == self.depth and self._holds(names, entry) else bad)[name] = entry
        return good, bad

    def _holds(self, names: tuple[str, ...], entry: object) -> bool:
        try:
            return self.valid(names, entry)
        except Exception:  # noqa: BLE001 - whatever a stranger wrote there, it is not what is wanted
            return False


def read_document(path: Path, *, shape: Shape | None = None) -> dict[str, Any]:
    """Read a JSON object without a lock; an absent file is an empty one.

    Parameters
    ----------
    path : Path
        The file.
    shape : Shape, optional
        Entries that are not of it are left out, with a `StoreWarning`.

    Returns
    -------
    dict
        What it holds.

    Raises
    ------
    StoreError
        If the file cannot be read or holds no JSON object.
    """
    path = Path(path)
    try:
        document = _read(path)
    except DamagedError as error:
        raise StoreError(
            f"Asked to read {path}; found it damaged: {error}. Repair it, or rename it to begin anew."
        ) from error
    good, bad = (document, {}) if shape is None else shape.sift(document)
    if bad:
        warnings.warn(
            f"Asked to read {path}; {len(bad)} of its entries, such as {next(iter(bad))[:60]!a}, are not as btviz "
            "writes them. They are passed over; the next change sets them aside.",
            StoreWarning,
            stacklevel=3,
        )
    return good


def update_document(
    path: Path, change: Callable[[dict[str, Any]], dict[str, Any]], *, shape: Shape | None = None
) -> dict[str, Any]:
    """Read, change and write one small JSON file, under a lock between processes.

    Parameters
    ----------
    path : Path
        The file; absent counts as ``{}``. A damaged one is set aside with a `StoreWarning`
        and also counts as ``{}``. A lock file ``.<name>.lock`` stays beside it.
    change : callable
        Takes the document and returns the new one. If it raises, the file stays as it was.
    shape : Shape, optional
        Entries that are not of it are kept in a file ``<name>.corrupt-<hash>`` beside it, with a `StoreWarning`.

    Returns
    -------
    dict
        The new document, as it is on the disk.

    Raises
    ------
    UsageError
        If `change` returns no dict, or one that is not JSON.
    StoreError
        If the disk is full or the folder cannot be written.
    """
    path = Path(path)
    with locked(path.with_name(f".{path.name}.lock"), what=path.name):
        try:
            document = _read(path)
        except DamagedError as error:
            set_aside(path, reason=str(error), advice="An empty document takes its place.")
            document = {}
        before = encode(document, what=path.name)
        good, bad = (document, {}) if shape is None else shape.sift(document)
        changed = change(good)
        if not isinstance(changed, dict):
            raise UsageError(f"A change of {path.name} returned {changed!r}. Return the changed dict.")
        data = encode(changed, what=path.name)
        if bad:
            _keep_aside(path, bad)
        if data != before or not path.exists():
            write_file(path, data)
    return changed


def _keep_aside(path: Path, bad: Mapping[str, Any]) -> None:
    content = encode(bad, what=path.name)
    aside = path.with_name(f"{path.name}.corrupt-{new_hash(content).hexdigest()[:12]}")
    write_file(aside, content)
    warnings.warn(
        f"Asked to change {path}; {len(bad)} of its entries, such as {next(iter(bad))[:60]!a}, are not as btviz writes "
        f"them. They were set aside in {aside.name}; the others stay.",
        StoreWarning,
        stacklevel=4,
    )


def remembered_sha256(path: Path, *, hashed: Callable[[Path], str] | None = None) -> str:
    """Hash of a file; asked again, read from memory while nothing says that the file has changed.

    A file that was written within a few seconds of its hashing may have been written once more with the same times,
    as clocks of disks are coarse: it is hashed again until it has rested.

    Parameters
    ----------
    path : Path
        The file, which is there. A link counts as what it points to.
    hashed : callable, optional
        Hashes a file that rests and of which nothing is known, and may do more with its bytes on the way. What it
        gives is taken if the file did not change meanwhile.

    Returns
    -------
    str
        As `sha256` gives it.
    """
    memory = data_dir() / "sources.json"
    now, state = time.time_ns(), _state(path)
    entry = read_document(memory, shape=_HASHES).get(str(path), {})
    if entry.get("state") == state and entry.get("rested"):
        return str(entry["sha256"])  # nothing is locked or written: the folder may be read-only
    is_calm = now - max(state["changed"], state["renamed"]) > RESTLESS * 1e9
    digest = hashed(path) if hashed and is_calm and entry.get("state") != state else None
    if digest is None or _state(path) != state:
        digest = sha256(path)
    rested = is_calm and _state(path) == state
    record = {"state": state, "rested": rested, "sha256": digest}
    if record != entry:
        with suppress(StoreError):  # a memory that cannot be written costs time and nothing else
            update_document(memory, lambda known: {**known, str(path): record}, shape=_HASHES)
    return digest


_HASHES = Shape(lambda _, entry: isinstance(entry["state"], dict) and len(entry["sha256"]) == 64)


def _state(path: Path) -> dict[str, int]:
    """What differs once a file was written, or another put in its place; its size and time alone can be set back."""
    state = path.stat()
    return {
        "size": state.st_size,
        "changed": state.st_mtime_ns,
        "renamed": state.st_ctime_ns,
        "inode": state.st_ino,
    }


def _read(path: Path) -> dict[str, Any]:
    with disk_errors(f"read {path.name}", path.parent):
        try:
            state = path.stat()
            if not stat.S_ISREG(state.st_mode) or state.st_size > LARGEST:  # a device never ends
                raise DamagedError("it is no file of the size of a document")
            data = path.read_bytes()
        except FileNotFoundError:
            return {}
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"it is not JSON ({error})") from error
    if not isinstance(document, dict):
        raise DamagedError("it holds no JSON object")
    return document
