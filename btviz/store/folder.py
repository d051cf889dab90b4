"""The store: a folder of entries, each made once."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

from btviz.errors import StoreError
from btviz.paths import data_dir
from btviz.store.disk import DamagedError, disk_errors, locked, make_folder, set_aside, sync, try_lock
from btviz.store.draft import Draft, seal
from btviz.store.entry import Entry, open_entry
from btviz.store.keys import Key
from btviz.store.shards import Shards

_DRAFT = ".draft-"


class Store:
    """Entries by key, under one folder: ``<root>/<kind>/<digest>/``.

    Parameters
    ----------
    root : Path, optional
        Default: ``store`` in the data folder (see `btviz.paths.data_dir`).
    verify : {"changed", "full"}
        What is hashed when an entry is opened: files whose time of change has moved since
        they were hashed, or all. Manifest, presence and sizes are always checked.
    """

    def __init__(self, root: Path | None = None, *, verify: Literal["changed", "full"] = "changed") -> None:
        self.root = (data_dir() / "store" if root is None else Path(root)).absolute()
        self.verify = verify

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
            return open_entry(path, digest=key.digest, full=self.verify == "full")

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
