"""Small JSON files that several processes read and change."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from btviz.errors import StoreError, UsageError
from btviz.store.disk import DamagedError, disk_errors, locked, set_aside, write_file


def read_document(path: Path) -> dict[str, Any]:
    """Read a JSON object without a lock; an absent file is an empty one.

    Raises
    ------
    StoreError
        If the file cannot be read or holds no JSON object.
    """
    path = Path(path)
    try:
        return _read(path)
    except DamagedError as error:
        raise StoreError(
            f"Asked to read {path}; found it damaged: {error}. Repair it, or rename it to begin anew."
        ) from error


def update_document(path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """Read, change and write one small JSON file, under a lock between processes.

    Parameters
    ----------
    path : Path
        The file; absent counts as ``{}``. A damaged one is set aside with a `StoreWarning`
        and also counts as ``{}``. A lock file ``.<name>.lock`` stays beside it.
    change : callable
        Takes the document and returns the new one. If it raises, the file stays as it was.

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
        changed = change(document)
        if not isinstance(changed, dict):
            raise UsageError(f"A change of {path.name} returned {changed!r}. Return the changed dict.")
        data = encode(changed, what=path.name)
        if data != before or not path.exists():
            write_file(path, data)
    return changed


def _read(path: Path) -> dict[str, Any]:
    with disk_errors(f"read {path.name}", path.parent):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return {}
    try:
        document = json.loads(data)
    except ValueError as error:
        raise DamagedError(f"it is not JSON ({error})") from error
    if not isinstance(document, dict):
        raise DamagedError("it holds no JSON object")
    return document


def encode(value: object, *, what: str) -> bytes:
    """Encode a value as JSON for people to read.

    Raises
    ------
    UsageError
        If it holds NaN, an infinity, or anything else that is not JSON.
    """
    try:
        return (json.dumps(value, indent=1, allow_nan=False) + "\n").encode()
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"Asked to store {what}, which is not JSON: {error}. Use null for undefined values."
        ) from error
