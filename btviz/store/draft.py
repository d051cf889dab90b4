"""The write side of an entry: a folder under a temporary name."""

from __future__ import annotations

import importlib.metadata
import io
import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.errors import UsageError, require
from btviz.store.disk import disk_errors, hash_file, settle, sync
from btviz.store.documents import encode
from btviz.store.keys import JSON, Key, check_name, fingerprint

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

    Raises
    ------
    UsageError
        If the draft holds anything but plain files with safe names.
    """
    sealed = (int(time.time()) - 2) // 2 * 2  # even: FAT counts in twos
    files: dict[str, JSON] = {}
    for file in sorted(draft.path.iterdir()):
        check_name(file.name, what="a file of an entry")
        if file.is_symlink() or not file.is_file():
            raise UsageError(f"An entry holds plain files; {file.name!r} is none. Write its files one by one.")
        files[file.name] = {"size": file.stat().st_size, "blake2b": hash_file(file)}
        settle(file, sealed)
        sync(file)
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
