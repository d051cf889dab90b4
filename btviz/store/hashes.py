"""Hashes of files, remembered while the files stay as they were."""

from __future__ import annotations

import hashlib
from pathlib import Path

from btviz.store import read_document, update_document
from btviz.store.paths import data_dir


def remembered_sha256(path: Path) -> str:
    """Hash of a file; asked again, read from memory while its size and time of change stay."""
    memory = data_dir() / "sources.json"
    state = path.stat()
    seen = {"size": state.st_size, "changed": state.st_mtime_ns}
    entry = read_document(memory).get(str(path), {})
    if {key: entry.get(key) for key in seen} == seen:
        return str(entry["sha256"])  # nothing is locked or written: the folder may be read-only
    digest = sha256(path)
    update_document(memory, lambda known: {**known, str(path): {**seen, "sha256": digest}})
    return digest


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file as it lies on disk."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
