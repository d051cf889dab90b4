"""A file that arrives in pieces, perhaps over several runs, and takes its name only when whole."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from btviz.errors import StoreError
from btviz.store.disk import make_folder, sync


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
