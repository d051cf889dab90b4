"""A file of rows that only grows: JSON lines that several processes append to."""

from __future__ import annotations

import json
import os
import secrets
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btviz.store.disk import StoreWarning, disk_errors, locked, place_file, prepare_folder, sync

Row = dict[str, Any]


@dataclass(frozen=True)
class _Content:
    rows: list[Row]
    good: list[bytes]
    bad: list[bytes]
    is_whole: bool


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

    def read(self) -> list[Row]:
        """Every good row, in the order in which they were appended; a `StoreWarning` says if others are there.

        Raises
        ------
        StoreError
            If the file cannot be read.
        """
        content = self._content()
        if content.bad and content.is_whole:  # else the last line is perhaps being written
            warnings.warn(
                f"Asked for {self.path}; {len(content.bad):,} of its lines are no rows of it and are passed over, "
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
            content = self._content()
            added = list(make(content.rows))
            if content.bad:
                self._set_aside(content)
            if added:
                lines = b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in added)
                self._add(lines if self._ends_a_line() else b"\n" + lines)
        return added

    def _content(self) -> _Content:
        with disk_errors(f"read {self.path.name}", self.path.parent):
            try:
                data = self.path.read_bytes()
            except FileNotFoundError:
                data = b""
        rows, good, bad = [], [], []
        for line in data.split(b"\n"):
            if not line.strip():
                continue
            row = _parsed(line)
            if row is not None and self._is_row(row):
                rows.append(row)
                good.append(line)
            else:
                bad.append(line)
        return _Content(rows, good, bad, data.endswith(b"\n") or len(bad) > 1)

    def _set_aside(self, content: _Content) -> None:
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        aside = self.path.with_name(f"{self.path.name}.corrupt-{stamp}-{secrets.token_hex(2)}")
        place_file(aside, b"\n".join(content.bad) + b"\n")
        place_file(self.path, b"".join(line + b"\n" for line in content.good))
        warnings.warn(
            f"Asked to add to {self.path}; {len(content.bad):,} of its lines were no rows of it. They were set aside "
            f"in {aside.name}, and {len(content.rows):,} rows are kept. Mend them there and import them, or delete it.",
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
