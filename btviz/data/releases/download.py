"""Fetch a release from the hub: pinned, resumed, and checked by its hash before it gets its name."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from btviz.data.releases.registry import Release, ReleasedFile, release
from btviz.errors import FetchError
from btviz.machine import bar, is_watched
from btviz.store import Arrival, data_dir, locked, read_document, sha256, update_document

if TYPE_CHECKING:
    from btviz.data.releases.hub import Remote


RECORD = "fetched.json"
"""Name of the record beside the files: commit, and split, size and hash of each file."""

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")  # git's hash of a small file, or sha256


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened while a release was fetched.

    Attributes
    ----------
    file : str
        Path inside the hub repository; empty for a remark on the whole release.
    done : int
        Bytes that are here.
    total : int or None
        Bytes of the whole file, if announced.
    remark : str
        Something a person should read; empty for a mere step of the bar.
    """

    file: str
    done: int = 0
    total: int | None = None
    remark: str = ""


Report = Callable[[Step], None]


def fetch(name: str, *, force: bool = False, progress: Report | None = None) -> list[Path]:
    """Download a released data set, or check the copy that is here.

    Files go to ``downloads/<name>`` of the data folder, beside a record of the commit they are
    from. A file gets its name only after its hash was found right, against the published
    sha256 where there is one and against the hash that the hub announces. An interrupted
    download goes on where it stopped. No token is sent, and no telemetry.

    Parameters
    ----------
    name : str
        Name in the registry.
    force : bool
        Download again what is already here; ask again which commit an unpinned release is at.
    progress : callable, optional
        Called with every `Step`. By default a bar on a terminal, or lines, on standard error.

    Returns
    -------
    list of Path
        The files, in the order of the registry.

    Raises
    ------
    UsageError
        If no release has that name.
    FetchError
        If the hub cannot be reached or refuses, or a file has a wrong hash.
    StoreError
        If the disk is full or the folder cannot be written.
    """
    entry = release(name)
    folder = data_dir() / "downloads" / entry.name
    shower = shown() if progress is None else nullcontext(progress)
    with locked(folder / ".lock", what=f"the download of {name}"), shower as report:
        commit, files = _plan(entry, folder, force=force, report=report)
        job = _Job(entry, folder, commit, report)
        return [job.download(file) if force or not job.is_here(file) else job.place(file) for file in files]


def _plan(entry: Release, folder: Path, *, force: bool, report: Report) -> tuple[str, tuple[ReleasedFile, ...]]:
    """Commit and files: those of the registry, else of the first fetch, else of the hub today."""
    record = read_document(folder / RECORD)
    if entry.is_pinned and entry.files:
        commit, files = str(entry.revision), entry.files
    elif record and not force:
        commit, files = record["commit"], entry.files or _recorded(record)
    else:
        from btviz.data.releases import hub  # noqa: PLC0415 - costs 0.3 s and reads HF_ENDPOINT at import

        commit, files = hub.resolve(entry)
        report(Step("", remark=_remark(entry, commit)))
    if record.get("commit") != commit:
        listed = {file.path: {"split": file.split, "bytes": None, "sha256": None} for file in files}
        record = {"repository": entry.repo_id, "commit": commit, "files": listed}
        update_document(folder / RECORD, lambda _: record)
    seen = {path: known["sha256"] for path, known in record["files"].items()}
    return commit, tuple(replace(file, sha256=file.sha256 or seen.get(file.path)) for file in files)


def _recorded(record: dict[str, Any]) -> tuple[ReleasedFile, ...]:
    return tuple(ReleasedFile(path, known["split"]) for path, known in record["files"].items())


def _remark(entry: Release, commit: str) -> str:
    if entry.is_pinned:
        return f"{entry.name} is pinned to commit {commit}."
    if entry.revision and commit.startswith(entry.revision):
        return f"{entry.name} stands at commit {commit}, the one that published numbers refer to."
    why = f"published numbers refer to {entry.revision}" if entry.revision else entry.unknown["revision"]
    return f"{entry.name} stands at commit {commit}, which is recorded ({why})."


@dataclass(frozen=True)
class _Job:
    """One release being fetched into one folder."""

    entry: Release
    folder: Path
    commit: str
    report: Report

    def place(self, file: ReleasedFile) -> Path:
        """Where a file goes."""
        return self.folder.joinpath(*PurePosixPath(file.path).parts)

    def is_here(self, file: ReleasedFile) -> bool:
        """Whether the right file is here already."""
        target = self.place(file)
        if not target.exists() or file.sha256 is None:
            return False
        if sha256(target) == file.sha256:
            return True
        self.report(Step(file.path, remark="the copy here has another hash and is fetched again"))
        return False

    def download(self, file: ReleasedFile) -> Path:
        """Fetch one file, check it, and only then give it its name."""
        from btviz.data.releases import hub  # noqa: PLC0415 - costs 0.3 s and reads HF_ENDPOINT at import

        remote = hub.describe(self.entry, file, commit=self.commit)
        expected = self._expected(file, remote)
        arrival = Arrival(self.place(file), mark=remote.etag[:16] or self.commit[:16])
        self._step(file, len(arrival), remote)
        with hub.explained(self._asked(file), page=hub.page(self.entry)):
            hub.receive(remote, arrival, arrived=lambda done: self._step(file, done, remote))
        self._check(file, arrival, expected=expected, size=remote.size)
        known = {"split": file.split, "bytes": len(arrival), "sha256": sha256(arrival.part)}
        path = arrival.finish()
        arrival.discard()  # parts of other commits
        self._record(file.path, known)
        return path

    def _expected(self, file: ReleasedFile, remote: Remote) -> str | None:
        """Hash that the file must have; None where nobody states one."""
        announced = remote.etag if _HASH.fullmatch(remote.etag) else None
        if file.sha256 and announced and len(announced) == len(file.sha256) and announced != file.sha256:
            raise FetchError(
                f"Asked for {self._asked(file)}. The hub announces another file than the published one: "
                f"sha256 {announced}, not {file.sha256}. Nothing was downloaded. Check HF_ENDPOINT; "
                "if it is the real hub, report this."
            )
        if not (file.sha256 or announced):
            self.report(Step(file.path, remark="no hash is published or announced; only its size is checked"))
        return file.sha256 or announced

    def _check(self, file: ReleasedFile, arrival: Arrival, *, expected: str | None, size: int | None) -> None:
        """Discard what is not the file that was asked for."""
        if size is not None and len(arrival) < size:
            raise FetchError(
                f"Asked for {self._asked(file)}. The transfer broke off again and again: {len(arrival):,} of "
                f"{size:,} bytes are here. Run the same command again: what has arrived is kept."
            )
        content_hash = _git_hash(arrival.part) if expected and _is_git(expected) else sha256(arrival.part)
        if (size is None or len(arrival) == size) and content_hash == (expected or content_hash):
            return
        bytes_here = len(arrival)
        arrival.discard()
        raise FetchError(
            f"Asked for {self._asked(file)}. What arrived is another file: {bytes_here:,} bytes with hash "
            f"{content_hash}, not {expected or size}. Nothing of it was kept. Run the same command again; "
            "if it repeats, a proxy changes the download or the hub is damaged: report it."
        )

    def _asked(self, file: ReleasedFile) -> str:
        return f"{file.path} of {self.entry.name} at commit {self.commit[:7]}"

    def _step(self, file: ReleasedFile, done: int, remote: Remote) -> None:
        self.report(Step(file.path, done, remote.size))

    def _record(self, path: str, known: dict[str, Any]) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")

        def add(record: dict[str, Any]) -> dict[str, Any]:
            return {**record, "files": {**record["files"], path: {**known, "fetched": now}}}

        update_document(self.folder / RECORD, add)


def _is_git(digest: str) -> bool:
    return len(digest) == 40


def _git_hash(path: Path) -> str:
    """Hash that git gives a file, which the hub announces for files outside its large-file storage."""
    header = f"blob {path.stat().st_size}\0".encode()
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.sha1(header, usedforsecurity=False)).hexdigest()


@contextmanager
def shown() -> Iterator[Report]:
    """Report to standard error: remarks as lines; a bar for each file where somebody watches, else a line."""
    begun: dict[str, Callable[[int], None]] = {}
    with ExitStack() as running:

        def report(step: Step) -> None:
            if step.remark:
                running.close()  # a line would go through the bar
                sys.stderr.write(f"{step.file}: {step.remark}\n" if step.file else f"{step.remark}\n")
                return
            if step.file not in begun:
                running.close()  # the bar of the file before
                begun[step.file] = running.enter_context(bar(step.file, total=step.total, unit="bytes"))
                if not is_watched():
                    size = "size unknown" if step.total is None else f"{step.total:,} bytes"
                    sys.stderr.write(f"{step.file}: downloading, {size}, {step.done:,} already here\n")
            begun[step.file](step.done)

        yield report
