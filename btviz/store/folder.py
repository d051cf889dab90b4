"""The store, a folder of entries each made once; and single entries in folders that a user names, to keep or give."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from btviz.errors import NotFoundError, StoreError, UsageError
from btviz.store.disk import DamagedError, disk_errors, locked, make_folder, set_aside, sync, try_lock
from btviz.store.entry import MANIFEST, Draft, Entry, open_entry, read_manifest, seal
from btviz.store.keys import Key
from btviz.store.paths import data_dir, expanded
from btviz.store.shards import Shards

_DRAFT = ".draft-"


class Store:
    """Entries by key, under one folder: ``<root>/<kind>/<digest>/``.

    Parameters
    ----------
    root : Path, optional
        Default: ``store`` in the data folder (see `btviz.store.paths.data_dir`).
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = (data_dir() / "store" if root is None else Path(root)).absolute()

    def get(self, key: Key) -> Entry | None:
        """Open the entry of `key`, if there is one and it is what was written.

        A damaged entry is set aside with a `StoreWarning`, and counts as absent.

        Raises
        ------
        StoreError
            If the store cannot be read, or a damaged entry cannot be set aside.
        """
        try:
            return self._open(key)
        except DamagedError:
            with self._lock(key):
                return self._open_or_set_aside(key)

    def build(self, key: Key, make: Callable[[Draft], None]) -> Entry:
        """Open the entry of `key`, or make it.

        Of several processes or threads that ask at once, one makes it and the others wait.

        Parameters
        ----------
        key : Key
            What the entry is a function of.
        make : callable
            Fills the draft. If it raises, nothing remains of the draft.

        Returns
        -------
        Entry
            Verified, and on the disk.

        Raises
        ------
        StoreError
            If the disk is full or the store cannot be written.
        """
        if (entry := self.get(key)) is not None:
            return entry
        with self._lock(key):
            if (entry := self._open_or_set_aside(key)) is not None:
                return entry  # another process made it while this one waited
            self._sweep(key)
            self._make(key, make)
            if (entry := self._open_or_set_aside(key)) is None:
                raise StoreError(f"Made {key}; found it gone from {self.root}. Keep other programs away from there.")
            return entry

    def shards(self, key: Key) -> Shards:
        """Parts of a run that can be resumed; they live beside the entry of the same key."""
        folder = self.root / key.kind
        return Shards(folder / f"{key.digest}.shards", key, lock=folder / ".locks" / f"{key.digest}.shards.lock")

    def _path(self, key: Key) -> Path:
        return self.root / key.kind / key.digest

    def _lock(self, key: Key) -> AbstractContextManager[None]:
        return locked(self._lock_file(key.kind, key.digest), what=key.words)

    def _lock_file(self, kind: str, digest: str) -> Path:
        return self.root / kind / ".locks" / f"{digest}.lock"

    def _open(self, key: Key) -> Entry | None:
        path = self._path(key)
        with disk_errors(f"open {key}", self.root):
            if not path.exists():
                return None
            return open_entry(path, digest=key.digest, full=False)

    def _open_or_set_aside(self, key: Key) -> Entry | None:
        try:
            return self._open(key)
        except DamagedError as error:
            set_aside(self._path(key), reason=str(error), advice="It will be made anew when it is needed.")
            return None

    def _make(self, key: Key, make: Callable[[Draft], None]) -> None:
        path = self._path(key)
        temporary = path.with_name(f"{_DRAFT}{key.digest}-{secrets.token_hex(4)}")
        try:
            with disk_errors(f"store {key}", self.root):
                make_folder(path.parent)
                temporary.mkdir()
            draft = Draft(temporary)
            make(draft)
            with disk_errors(f"store {key}", self.root):
                seal(draft, key)
                temporary.rename(path)
                sync(path.parent)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise

    def _sweep(self, key: Key) -> None:
        """Remove drafts whose makers died: their locks are free. The caller holds that of `key`."""
        for leftover in self._path(key).parent.glob(f"{_DRAFT}*"):
            digest = leftover.name.removeprefix(_DRAFT).partition("-")[0]
            if digest == key.digest:
                shutil.rmtree(leftover, ignore_errors=True)
            elif (lock := try_lock(self._lock_file(key.kind, digest))) is not None:
                shutil.rmtree(leftover, ignore_errors=True)
                lock.release()


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
    folder = expanded(folder).absolute()
    recover_saved(folder, kind=key.kind)
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
            _swap(temporary, folder)
    except BaseException:
        recover_saved(folder, kind=key.kind)
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return open_saved(folder, kind=key.kind)


def _swap(temporary: Path, folder: Path) -> None:
    """Put a sealed folder in the place of another, which is whole under one of the two names at any moment."""
    before = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
    if folder.exists():
        folder.rename(before)
    temporary.rename(folder)
    sync(folder.parent)
    shutil.rmtree(before, ignore_errors=True)


def recover_saved(folder: Path | str, *, kind: str) -> None:
    """Put back what a process that was killed while it swapped folders has left without its name: the newest.

    Parameters
    ----------
    folder : path-like
        Where it was to be; nothing happens if something is there.
    kind : str
        The kind of its key.

    Raises
    ------
    StoreError
        If the folder cannot be written.
    """
    folder = expanded(folder).absolute()
    if folder.exists() or not folder.parent.is_dir():
        return
    hidden = re.compile(re.escape(f".{folder.name}-") + "[0-9a-f]{8}")
    left = [path for path in folder.parent.iterdir() if hidden.fullmatch(path.name) and (path / MANIFEST).is_file()]
    for path in sorted(left, key=lambda path: (path / MANIFEST).stat().st_mtime_ns, reverse=True):
        if _may_replace(path, kind=kind) and not folder.exists():
            with disk_errors(f"put back {folder.name}", folder.parent):
                path.rename(folder)
                sync(folder.parent)


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

    Returns
    -------
    Entry
        Verified in full.

    Raises
    ------
    NotFoundError
        If there is no such entry.
    StoreError
        If a file is not what was written.
    """
    folder = expanded(folder).absolute()
    recover_saved(folder, kind=kind)
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
