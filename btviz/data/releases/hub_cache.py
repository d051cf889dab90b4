"""What the hub's own client has downloaded: its cache, found without importing that client, which takes 0.3 s.

The cache of a data set is a folder ``datasets--OWNER--NAME`` that holds ``snapshots/<revision>/…``, whose files are
links to ``blobs/<hash>``: names are in the links, content in the blobs.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from btviz.data.releases.registry import RELEASES, Release
from btviz.store import expanded

_ADDRESS = re.compile(
    r"(?:(?:hf://|https?://(?:www\.)?huggingface\.co/)?datasets/|hf://)?"
    r"(?P<repo>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*?)/?"
)

_KIND = "datasets--"


def repository_id(text: str) -> str | None:
    """OWNER/NAME if a text can be that of a data set on the hub, or its address; else None."""
    address = _ADDRESS.fullmatch(text)
    return address["repo"] if address else None


def cache_folder() -> Path:
    """Folder of the cache, by the environment variables that the hub's client reads."""
    env = os.environ
    if chosen := env.get("HF_HUB_CACHE") or env.get("HUGGINGFACE_HUB_CACHE"):
        return _expanded(chosen)
    home = env.get("HF_HOME") or Path(env.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return _expanded(home) / "hub"


def _expanded(path: str | Path) -> Path:
    return expanded(os.path.expandvars(path))


def cached_snapshot(repo_id: str) -> Path | None:
    """The snapshot that is in the cache of a data set, None if there is none."""
    return snapshot_in(cache_folder() / f"{_KIND}{repo_id.replace('/', '--')}")


def cached_release(release: Release) -> Path | None:
    """Find files of a release in the cache of the hub's client.

    Parameters
    ----------
    release : Release
        As in `RELEASES`.

    Returns
    -------
    Path or None
        Folder of the snapshot that holds some: that of the pinned revision, else of ``main``, else the newest.
    """
    snapshot = cached_snapshot(release.repo_id)
    if snapshot is None or (release.files and not any((snapshot / file.path).exists() for file in release.files)):
        return None
    return snapshot


def cached_repository(path: Path) -> str | None:
    """OWNER/NAME of the data set whose folder in the cache a path is, or a snapshot in it; else None."""
    folders = (path, *path.parents[:2])
    folder = next((folder for folder in folders if folder.name.startswith(_KIND)), None)
    if folder is None or path.parent not in {folder.parent, folder, folder / "snapshots"}:
        return None
    return folder.name.removeprefix(_KIND).replace("--", "/", 1)


def snapshot_in(path: Path) -> Path | None:
    """Snapshot to read of a data set's folder in the cache: the pinned revision, else ``main``, else the newest."""
    repo_id = cached_repository(path)
    folder = path.parent if path.name == "snapshots" else path
    if repo_id is None or not folder.name.startswith(_KIND) or not (folder / "snapshots").is_dir():
        return None
    snapshots = {path.name: path for path in (folder / "snapshots").iterdir() if path.is_dir()}
    main = ""
    with suppress(OSError):
        main = (folder / "refs" / "main").read_text().strip()
    releases = [release for release in RELEASES.values() if release.repo_id == repo_id]
    pinned = [str(release.revision) for release in releases if release.is_pinned]
    newest = sorted(snapshots, key=lambda revision: (snapshots[revision].stat().st_mtime_ns, revision), reverse=True)
    return next((snapshots[revision] for revision in (*pinned, main, *newest) if revision in snapshots), None)
