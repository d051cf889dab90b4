"""Append-only tables for runs that can be resumed."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import filelock
import polars as pl

from btviz.errors import StoreError, UsageError
from btviz.store.disk import (
    await_lock,
    disk_errors,
    encode,
    make_folder,
    new_hash,
    place_file,
    set_aside,
    sweep_files,
    try_lock,
    write_file,
)
from btviz.store.keys import Key

_PART = re.compile(r"(\d{6,})-([0-9a-f]{64})\.parquet")


class Shards:
    """A growing table, one durable file per `append`.

    The first `append`, or `claim` before it, takes the only right to write, which `close`, leaving a ``with``
    block, or the end of the process gives back. Reading needs no right. One `Shards` is for
    one thread.

    Attributes
    ----------
    path : Path
        Folder of the parts; absent until the first `append`.
    key : Key
        What the run is a function of.

    Examples
    --------
    >>> with store.shards(key) as shards:  # doctest: +SKIP
    ...     done = shards.read()
    ...     for batch in batches_without(done):
    ...         shards.append(batch)
    """

    def __init__(self, path: Path, key: Key, *, lock: Path) -> None:
        self.path = path
        self.key = key
        self._lock_path = lock
        self._lock: filelock.BaseFileLock | None = None
        self._next = 0
        self._schema: pl.Schema | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give back the right to write; a later `append` takes it again."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def claim(self, *, wait: bool = False) -> None:
        """Take the right to write now, for who first reads what is there and then decides what to add.

        Parameters
        ----------
        wait : bool
            Wait until nobody else is writing, saying so after a while.

        Raises
        ------
        StoreError
            If another process, or another `Shards` here, is writing, and `wait` is False.
        UsageError
            If `wait` is True, and another `Shards` of this thread is writing.
        """
        if self._lock is None:
            self._resume(wait=wait)

    @property
    def names(self) -> list[str]:
        """File names of the parts, in the order they were appended."""
        files = self.path.iterdir() if self.path.is_dir() else ()
        parts = filter(None, (_PART.fullmatch(file.name) for file in files))
        return [part[0] for part in sorted(parts, key=lambda part: int(part[1]))]

    def __len__(self) -> int:
        return len(self.names)

    def append(self, frame: pl.DataFrame) -> int:
        """Add rows; they are on the disk when this returns.

        Parameters
        ----------
        frame : DataFrame
            With the columns and types of the parts before.

        Returns
        -------
        int
            Number of the new part, counted from 0.

        Raises
        ------
        StoreError
            If another process, or another `Shards` here, is writing; or if the disk is full:
            then nothing was added.
        UsageError
            If columns or types differ from those of the parts before.
        """
        self.claim()
        if self._schema is not None and frame.schema != self._schema:
            raise UsageError(
                f"Asked to append columns {dict(frame.schema)}; the parts before have {dict(self._schema)}. "
                "Give the same columns, or use a key with another version."
            )
        buffer = io.BytesIO()
        frame.write_parquet(buffer)
        data = buffer.getvalue()
        number = self._next
        place_file(self.path / f"{number:06d}-{new_hash(data).hexdigest()}.parquet", data)
        self._next, self._schema = number + 1, frame.schema
        return number

    def frames(self) -> Iterator[pl.DataFrame]:
        """Read the parts one by one, in order.

        A part whose content is not what was written is set aside with a `StoreWarning` and
        left out: its rows are as if they had never been appended.
        """
        for name in self.names:
            part = self.path / name
            with disk_errors(f"read {name}", self.path):
                try:
                    data = part.read_bytes()
                except FileNotFoundError:
                    continue  # another process has just set it aside
            if f"-{new_hash(data).hexdigest()}." in name:
                yield pl.read_parquet(io.BytesIO(data))
            else:
                set_aside(part, reason="its content has changed", advice="Its rows have to be computed again.")

    def read(self) -> pl.DataFrame:
        """All rows so far, in order; a frame without columns if there are none."""
        frames = list(self.frames())
        return pl.concat(frames) if frames else pl.DataFrame()

    def _resume(self, *, wait: bool) -> None:
        """Take the right to write, and find where to go on."""
        with disk_errors(f"append to {self.key}", self.path):
            self._lock = await_lock(self._lock_path, what=self.key.words) if wait else try_lock(self._lock_path)
            if self._lock is None:
                raise StoreError(
                    f"Asked to append to {self.path}; another process, or another open run in this one, is writing "
                    "there. Wait for it to end or stop it, then run this again: it resumes."
                )
            try:
                self._next = self._prepare()
                first = next(self.frames(), None)
            except BaseException:
                self.close()
                raise
        self._schema = None if first is None else first.schema

    def _prepare(self) -> int:
        make_folder(self.path)
        sweep_files(self.path, older_than=0)  # whoever wrote them held the lock and is gone
        if not (self.path / "key.json").exists():
            write_file(self.path / "key.json", encode(self.key.to_document(), what="key.json"))
        parts = (_PART.match(file.name) for file in self.path.iterdir())
        return max((int(part[1]) + 1 for part in parts if part), default=0)  # damaged ones keep their number
