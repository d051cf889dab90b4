"""Entries: an `Entry` is read and verified, a `Draft` is written and sealed.

Verification, when an entry is opened: the manifest carries a hash of itself; every file it
lists must be there with its size; and a file whose time of change is not the one given to it
when it was hashed is hashed again. So a truncated, edited or copied-over file is found, and
opening 100 MB stays in the order of a millisecond. What a user saved to a folder of their own
is hashed in full.
"""

from __future__ import annotations

import importlib.metadata
import io
import json
import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.errors import BtvizError, NotFoundError, StoreError, UsageError, require
from btviz.store.disk import DamagedError, disk_errors, encode, hash_file, settle, sync
from btviz.store.keys import JSON, Key, check_name, fingerprint


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
    """Open and verify the entry in a folder."""
    manifest = read_manifest(path / MANIFEST)
    if manifest["digest"] != digest:
        raise DamagedError("its manifest belongs to another key")
    for name, expected in manifest["files"].items():
        _check(path / name, expected, sealed=manifest["sealed"], full=full)
    return Entry(path, manifest)


def read_manifest(file: Path) -> dict[str, Any]:
    """Manifest of an entry, less its seal."""
    try:
        manifest = json.loads(file.read_bytes())
        seal = manifest.pop("seal")
    except FileNotFoundError as error:
        raise DamagedError("its manifest is missing") from error
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
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


MANIFEST = "manifest.json"


class Draft:
    """A folder that becomes an entry once everything in it has been written.

    Attributes
    ----------
    path : Path
        The folder. Files may also be written here directly, for instance by a streaming
        sink, whose errors then pass through as they are; folders may not.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def table(self, name: str, frame: pl.DataFrame) -> None:
        """Add a table as ``<name>.parquet`` (zstd)."""
        buffer = io.BytesIO()  # Polars reports a full disk without its error number
        frame.write_parquet(buffer)
        self._write(f"{name}.parquet", buffer.getbuffer())

    def array(self, name: str, array: npt.NDArray[np.generic]) -> None:
        """Add an array as ``<name>.npy``; arrays of Python objects are refused."""
        if array.dtype.hasobject:
            raise UsageError(f"Asked to store {name!r}, an array of Python objects. Convert it to numbers.")
        file = self._new(f"{name}.npy")
        with disk_errors(f"write {file.name}", self.path), file.open("xb") as stream:
            # NumPy forgets the error number when it knows the stream to be a file.
            np.lib.format.write_array(SimpleNamespace(write=stream.write), array, allow_pickle=False)

    def tensors(self, name: str, tensors: Mapping[str, npt.NDArray[np.generic]]) -> None:
        """Add named arrays as ``<name>.safetensors``."""
        safetensors = require("safetensors.numpy", extra="models")
        arrays = {key: np.ascontiguousarray(array) for key, array in tensors.items()}
        self._write(f"{name}.safetensors", safetensors.save(arrays))

    def document(self, name: str, value: JSON) -> None:
        """Add a JSON value as ``<name>.json``."""
        self._write(f"{name}.json", encode(value, what=f"{name}.json"))

    def blob(self, name: str, data: bytes) -> None:
        """Add bytes as the file `name`, taken as it is."""
        self._write(name, data)

    def _write(self, name: str, data: bytes | memoryview) -> None:
        file = self._new(name)
        with disk_errors(f"write {name}", self.path), file.open("xb") as stream:
            stream.write(data)

    def _new(self, name: str) -> Path:
        check_name(name, what="a file of an entry")
        # Some file systems take "A" and "a" for one name.
        if name.lower() in {MANIFEST, *(file.name.lower() for file in self.path.iterdir())}:
            raise UsageError(f"Asked to store {name!r} in an entry that has it already. Choose another name.")
        return self.path / name


def seal(draft: Draft, key: Key) -> None:
    """Hash and flush every file of a draft and write its manifest.

    All files get one time of change, some seconds in the past, that the manifest records:
    any later write moves it, whatever the resolution of the clock.
    """
    sealed = (int(time.time()) - 2) // 2 * 2  # even: FAT counts in twos
    found = sorted(draft.path.iterdir())
    with ThreadPoolExecutor() as pool:  # the disk takes its time for each file, whatever its size
        files: dict[str, JSON] = dict(
            zip((file.name for file in found), pool.map(partial(_sealed, sealed=sealed), found), strict=True)
        )
    manifest: dict[str, JSON] = {
        "digest": key.digest,
        "key": key.to_document(),
        "btviz": importlib.metadata.version("btviz"),
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "sealed": sealed,
        "files": files,
    }
    manifest["seal"] = fingerprint(manifest)
    target = draft.path / MANIFEST
    target.write_bytes(encode(manifest, what=MANIFEST))
    sync(target)
    sync(draft.path)


def _sealed(file: Path, *, sealed: int) -> JSON:
    """Flush a file of a draft and give it its time of change; what the manifest says of it."""
    check_name(file.name, what="a file of an entry")
    if file.is_symlink() or not file.is_file():
        raise UsageError(f"An entry holds plain files; {file.name!r} is none. Write its files one by one.")
    described: JSON = {"size": file.stat().st_size, "blake2b": hash_file(file)}
    settle(file, sealed)
    sync(file)
    return described
