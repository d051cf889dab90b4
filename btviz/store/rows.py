"""A file of rows that only grows: JSON lines that several processes append to."""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btviz.store.disk import StoreWarning, disk_errors, locked, new_hash, place_file, prepare_folder, sync

Row = dict[str, Any]


@dataclass
class _Content:
    """What a file holds so far: `rows` is extended, and the same list, while the file only grows."""

    rows: list[Row]
    bad: list[bytes]
    length: int = 0
    digest: bytes = b""


class RowFile:
    """Rows as JSON lines, appended under a lock between processes and never changed.

    A line that is no row, torn by a killed process or spoilt by hand, is passed over by who reads, and set aside in a
    file of its own by the next who appends; the other rows stay.

    Parameters
    ----------
    path : Path
        The file; absent counts as empty. A lock file ``.<name>.lock`` stays beside it.
    is_row : callable
        Whether a JSON object is one of these rows.
    """

    def __init__(self, path: Path, *, is_row: Callable[[Row], bool]) -> None:
        self.path = path
        self._is_row = is_row
        self._known = _Content([], [])
        self._parsing = threading.Lock()

    def read(self) -> Sequence[Row]:
        """Every good row, in the order in which they were appended; a `StoreWarning` says if others are there.

        Only what was added since the last call is parsed; the list is the same one then, and longer.

        Raises
        ------
        StoreError
            If the file cannot be read.
        """
        content, torn = self._content()
        if content.bad:
            n = len(content.bad) + bool(torn)
            warnings.warn(
                f"Asked for {self.path}; {n:,} of its lines are no rows of it and are passed over, "
                f"{len(content.rows):,} are kept. The next row that is added sets them aside in a file beside it.",
                StoreWarning,
                stacklevel=3,
            )
        return content.rows

    def append(self, make: Callable[[Sequence[Row]], Iterable[Row]]) -> list[Row]:
        """Add rows at the end, all in one write, flushed to the disk.

        Parameters
        ----------
        make : callable
            Takes the rows that are there and gives those to be added, while the file is locked. If it raises, the file
            stays as it was.

        Returns
        -------
        list of dict
            The rows added.

        Raises
        ------
        StoreError
            If the disk is full or the folder cannot be written.
        """
        prepare_folder(self.path)
        with locked(self.path.with_name(f".{self.path.name}.lock"), what=self.path.name):
            content, torn = self._content()
            added = list(make(content.rows))
            if bad := [*content.bad, *([torn] if torn else [])]:
                self._set_aside(bad)
            if added:
                lines = b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in added)
                self._add(lines if self._ends_a_line() else b"\n" + lines)
        return added

    def _content(self) -> tuple[_Content, bytes]:
        """What the file holds, and the beginning of a last line that is being written or was torn."""
        with self._parsing:
            return self._parse(self._bytes())

    def _parse(self, data: bytes) -> tuple[_Content, bytes]:
        known = self._known
        if len(data) < known.length or new_hash(data[: known.length]).digest() != known.digest:
            known = self._known = _Content([], [])
        whole = data.rfind(b"\n") + 1
        for line in data[known.length : whole].split(b"\n"):
            self._take(line, known)
        if whole > known.length:
            known.length, known.digest = whole, new_hash(data[:whole]).digest()
        rest = data[whole:]
        row = _parsed(rest)
        if row is None or not self._is_row(row):
            return known, rest.strip()
        return _Content([*known.rows, row], known.bad), b""  # a last line whose end an editor left out

    def _bytes(self) -> bytes:
        with disk_errors(f"read {self.path.name}", self.path.parent):
            try:
                return self.path.read_bytes()
            except FileNotFoundError:
                return b""

    def _take(self, line: bytes, content: _Content) -> None:
        if not line.strip():
            return
        row = _parsed(line)
        if row is not None and self._is_row(row):
            content.rows.append(row)
        else:
            content.bad.append(line)

    def _set_aside(self, bad: Sequence[bytes]) -> None:
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        aside = self.path.with_name(f"{self.path.name}.corrupt-{stamp}-{secrets.token_hex(2)}")
        gone = {*bad}
        kept = [
            line
            for line in self._bytes().split(b"\n")
            if line.strip() and line.strip() not in gone and line not in gone
        ]
        place_file(aside, b"\n".join(bad) + b"\n")
        place_file(self.path, b"".join(line + b"\n" for line in kept))
        warnings.warn(
            f"Asked to add to {self.path}; {len(bad):,} of its lines were no rows of it. They were set aside "
            f"in {aside.name}, and {len(kept):,} rows are kept. Mend them there and import them, or delete it.",
            StoreWarning,
            stacklevel=4,
        )

    def _ends_a_line(self) -> bool:
        with disk_errors(f"read {self.path.name}", self.path.parent):
            if not self.path.exists() or not self.path.stat().st_size:
                return True
            with self.path.open("rb") as file:
                file.seek(-1, os.SEEK_END)
                return file.read() == b"\n"

    def _add(self, lines: bytes) -> None:
        with disk_errors(f"write {self.path.name}", self.path.parent):
            is_new = not self.path.exists()
            with self.path.open("ab") as file:
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())
            if is_new:
                sync(self.path.parent)


def _parsed(line: bytes) -> Row | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
