"""Entries in a folder that the user names: to keep, to copy, to give to somebody."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from btviz.errors import NotFoundError, StoreError, UsageError
from btviz.store.disk import DamagedError, disk_errors, make_folder, sync
from btviz.store.draft import MANIFEST, Draft, seal
from btviz.store.entry import Entry, open_entry, read_manifest
from btviz.store.keys import Key


def save_entry(folder: Path, key: Key, *, make: Callable[[Draft], None]) -> Entry:
    """Write an entry to a folder of its own, all of it or nothing.

    Parameters
    ----------
    folder : Path
        Where; its parents are made. An entry of the same kind that is there is replaced.
    key : Key
        What the entry is a function of; kept in its manifest.
    make : callable
        Fills the draft. If it raises, everything stays as it was.

    Returns
    -------
    Entry
        Verified, and on the disk.

    Raises
    ------
    UsageError
        If the folder holds anything else.
    StoreError
        If the disk is full or the folder cannot be written.
    """
    folder = Path(folder).expanduser().absolute()
    if not _may_replace(folder, kind=key.kind):
        raise UsageError(f"Asked to save to {folder}; there is something else. Name a new folder.")
    temporary = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    try:
        with disk_errors(f"save to {folder.name}", folder.parent):
            make_folder(folder.parent)
            temporary.mkdir()
        draft = Draft(temporary)
        make(draft)
        with disk_errors(f"save to {folder.name}", folder.parent):
            seal(draft, key)
            if folder.exists():
                shutil.rmtree(folder)
            temporary.rename(folder)
            sync(folder.parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return open_saved(folder, kind=key.kind)


def _may_replace(folder: Path, *, kind: str) -> bool:
    """Whether nothing is there, or an entry of this kind, which may be damaged."""
    if not folder.exists():
        return True
    if not folder.is_dir():
        return False
    if not any(folder.iterdir()):
        return True
    try:
        return bool(read_manifest(folder / MANIFEST)["key"]["kind"] == kind)
    except (DamagedError, KeyError):
        return False


def open_saved(folder: Path, *, kind: str) -> Entry:
    """Open what `save_entry` wrote, every file of it verified.

    Parameters
    ----------
    folder : Path
        The folder.
    kind : str
        What must be in it: the kind of its key.

    Raises
    ------
    NotFoundError
        If there is no such entry.
    StoreError
        If a file is not what was written.
    """
    folder = Path(folder).expanduser().absolute()
    if not (folder / MANIFEST).is_file():
        raise NotFoundError(f"Asked for {kind} in {folder}; nothing was saved there. Check the path.")
    try:
        manifest = read_manifest(folder / MANIFEST)
        if manifest["key"]["kind"] != kind:
            raise NotFoundError(f"Asked for {kind} in {folder}; it holds {manifest['key']['kind']}. Check the path.")
        return open_entry(folder, digest=manifest["digest"], full=True)
    except DamagedError as error:
        raise StoreError(
            f"Asked to open {folder}; found it damaged: {error}. Save it anew, or copy it again."
        ) from error
