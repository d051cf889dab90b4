"""The read side of an entry, and how it is verified.

Verification, when an entry is opened: the manifest carries a hash of itself; every file it
lists must be there with its size; and a file whose time of change is not the one given to it
when it was hashed is hashed again. So a truncated, edited or copied-over file is found, and
opening 100 MB stays in the order of a millisecond. Decay of a disk that leaves times alone
is found by ``verify="full"``, which hashes everything.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.errors import BtvizError, NotFoundError, StoreError, require
from btviz.store.disk import DamagedError, hash_file, settle
from btviz.store.draft import MANIFEST
from btviz.store.keys import fingerprint


@dataclass(frozen=True, eq=False)
class Entry:
    """A finished entry. Nothing in it changes.

    Attributes
    ----------
    path : Path
        Its folder.
    manifest : Mapping
        `digest`, `key`, `btviz` (version that wrote it), `created` (UTC), `files` (sizes in
        bytes and BLAKE2b-256 by name).
    """

    path: Path
    manifest: Mapping[str, Any] = field(repr=False)

    @property
    def names(self) -> list[str]:
        """Names of its files, with their endings, in order."""
        return sorted(self.manifest["files"])

    def table(self, name: str) -> pl.DataFrame:
        """Read the table `name`."""
        with self._reading(f"{name}.parquet") as file:
            return pl.read_parquet(file, glob=False, hive_partitioning=False)

    def scan(self, name: str) -> pl.LazyFrame:
        """Scan the table `name` without reading it."""
        with self._reading(f"{name}.parquet") as file:
            return pl.scan_parquet(file, glob=False, hive_partitioning=False)

    def array(self, name: str, *, mmap: bool = True) -> npt.NDArray[Any]:
        """Open the array `name`, read-only: mapped from the disk, or read into memory."""
        with self._reading(f"{name}.npy") as file:
            array = np.load(file, mmap_mode="r" if mmap else None, allow_pickle=False)
            array.flags.writeable = False
            return cast("npt.NDArray[Any]", array)

    def tensors(self, name: str) -> dict[str, npt.NDArray[Any]]:
        """Read the named arrays `name`."""
        with self._reading(f"{name}.safetensors") as file:
            tensors = require("safetensors.numpy", extra="models").load_file(file)
            return cast("dict[str, npt.NDArray[Any]]", tensors)

    def document(self, name: str) -> Any:
        """Read the JSON value `name`."""
        with self._reading(f"{name}.json") as file:
            return json.loads(file.read_bytes())

    def blob(self, name: str) -> bytes:
        """Read the bytes of the file `name`."""
        with self._reading(name) as file:
            return file.read_bytes()

    @contextmanager
    def _reading(self, name: str) -> Iterator[Path]:
        if name not in self.manifest["files"]:
            raise NotFoundError(f"Asked for {name} of {self.path}; it has {self.names}. Ask for one of those.")
        file = self.path / name
        try:
            yield file
        except BtvizError:
            raise
        except (Exception, pl.exceptions.PanicException) as error:
            with suppress(OSError):
                os.utime(file)  # no longer the time it was sealed with, so that the next opening hashes it
            raise StoreError(
                f"Asked to read {name} of {self.path}; found: {error}. Ask for it again: it will be verified "
                "in full, and made anew if it is damaged."
            ) from error


def open_entry(path: Path, *, digest: str, full: bool) -> Entry:
    """Open and verify the entry in a folder.

    Parameters
    ----------
    path : Path
        The folder.
    digest : str
        Of the key it must have been made for.
    full : bool
        Hash every file, whatever its time of change.

    Raises
    ------
    DamagedError
        If anything is not as it was written.
    """
    manifest = read_manifest(path / MANIFEST)
    if manifest["digest"] != digest:
        raise DamagedError("its manifest belongs to another key")
    for name, expected in manifest["files"].items():
        _check(path / name, expected, sealed=manifest["sealed"], full=full)
    return Entry(path, manifest)


def read_manifest(file: Path) -> dict[str, Any]:
    """Manifest of an entry, less its seal.

    Raises
    ------
    DamagedError
        If it is missing, cannot be read or has changed.
    """
    try:
        manifest = json.loads(file.read_bytes())
        seal = manifest.pop("seal")
    except FileNotFoundError as error:
        raise DamagedError("its manifest is missing") from error
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise DamagedError(f"its manifest cannot be read ({error})") from error
    if seal != fingerprint(manifest):
        raise DamagedError("its manifest has changed")
    return cast("dict[str, Any]", manifest)


def _check(file: Path, expected: Mapping[str, Any], *, sealed: int, full: bool) -> None:
    try:
        stat = file.stat()
    except FileNotFoundError as error:
        raise DamagedError(f"{file.name} is missing") from error
    if stat.st_size != expected["size"]:
        raise DamagedError(f"{file.name} has {stat.st_size} bytes and not {expected['size']}")
    if stat.st_mtime_ns == sealed * 10**9 and not full:
        return
    if hash_file(file) != expected["blake2b"]:
        raise DamagedError(f"the content of {file.name} has changed")
    settle(file, sealed)
