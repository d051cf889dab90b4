"""The files of a data set: which ones a file, a folder or the hub's cache stands for, and what is passed over there."""

from __future__ import annotations

import io
import itertools
import os
import re
import stat
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO

import polars as pl

from btviz.data.corrections import CARD
from btviz.data.reading.files import format_of, split_of
from btviz.data.reading.formats import form_of
from btviz.data.reading.frames import Table, tables_of
from btviz.data.releases.hub_cache import cached_repository, cached_snapshot, repository_id, snapshot_in
from btviz.data.tables import PROBLEMS
from btviz.errors import DataError, StoreError, UsageError
from btviz.store import data_dir, expanded, keep_stream, remembered_sha256

Hashed = Callable[[Path], str]

STANDARD_INPUT = "-"
"""What stands for it among files."""

_CHUNK = 1 << 20

_ABOUT_DATA = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"}
"""Files that `datasets` writes beside data."""

_FILE = re.compile(
    r"\.(jsonl?|ndjson|csv|tsv|txt|parquet|arrow|feather|ipc|zip|tar|gz|xz|zst|bz2|pkl|pickle|xlsx?|html?)$",
    re.IGNORECASE,
)

# as the hub's cache writes them, and no others: a downloaded folder must not name any file of this machine
_LINK, _LONGEST_LINK = re.compile(rb"(?:\.\./)+blobs/[0-9A-Za-z]+\s*"), 1024

_SHOWN, _SHORT = 4, 80
"""Files that one line names, and letters of a reason that stands beside them."""


@dataclass(frozen=True)
class Source:
    """One file of a data set.

    Attributes
    ----------
    path : str
        Absolute. A link stands as it is: its name says what the file holds, that of its target may not.
    label : str
        Its name, or as much of the path as tells it from the others.
    split : str or None
        As it was given, or as the name says.
    sha256 : str
        Hash of its bytes.
    named : bool
        Whether somebody named it. One that was found in a folder and cannot be read is passed over.
    target : str or None
        Where the bytes are, if the file is a link that was written as text, as git does on systems without links.
    """

    path: str
    label: str
    split: str | None
    sha256: str
    named: bool = True
    target: str | None = None

    @classmethod
    def of(cls, path: Path, *, split: str | None, named: bool, hashed: Hashed | None = None) -> Source:
        """Describe a file; `hashed` as `remembered_sha256` takes it."""
        target = _written_link(path)
        digest = remembered_sha256(target or path, hashed=hashed)
        return cls(
            str(path),
            shown_path(path.name),
            split or split_of(path),
            digest,
            named,
            None if target is None else str(target),
        )

    @property
    def content(self) -> Path:
        """Where the bytes are."""
        return Path(self.target or self.path)


def _written_link(path: Path) -> Path | None:
    """The file that a link leads to which was written as text; None for anything else."""
    if path.stat().st_size > _LONGEST_LINK:
        return None
    text = path.read_bytes()
    if not _LINK.fullmatch(text):
        return None
    target = path.parent / text.decode().strip()
    return target if target.is_file() else None


@dataclass(frozen=True)
class PassedOver:
    """Something that was there and is not read, or not counted."""

    file: str
    kind: str
    detail: str


def shown_path(path: str) -> str:
    """A path as tables and messages can hold it: names on disk need be no UTF-8."""
    return os.fsencode(path).decode(errors="replace")


def is_there(path: Path) -> bool:
    """Whether a path leads to something; one that no system could have leads to nothing."""
    try:
        return path.exists()
    except OSError:  # it is too long
        return False


def problems_of(passed: Iterable[PassedOver]) -> pl.DataFrame:
    """What was passed over as rows of the table `problems`."""
    rows = [(item.file, None, item.kind, "passed over", item.detail) for item in passed]
    return pl.DataFrame(rows, schema=PROBLEMS, orient="row")


def summary_of(passed: Sequence[PassedOver]) -> str:
    """What was passed over in one line, the first few by name."""
    reasons = [item.detail.partition(". ")[0] for item in passed[:_SHOWN]]
    shown = [
        f"{item.file} ({reason if len(reason) < _SHORT else item.kind})"
        for item, reason in zip(passed, reasons, strict=False)
    ]
    more = [f"{len(passed) - _SHOWN:,} more"] if len(passed) > _SHOWN else []
    return ", ".join(shown + more)


@dataclass(frozen=True)
class Holding:
    """Data files, and what lies beside them; or tables in memory, by their hashes."""

    sources: tuple[Source, ...]
    passed: tuple[PassedOver, ...] = ()
    tables: Mapping[str, Table] = field(default_factory=dict)

    @classmethod
    def of_tables(cls, data: object) -> Holding:
        """Describe a table in memory, or a dict of them by split."""
        tables = tables_of(data)
        sources = (Source(table.name, table.name, table.split, table.sha256) for table in tables)
        return cls(tuple(sources), tables={table.sha256: table for table in tables})

    @classmethod
    def of_kept_tables(cls, data: object, *, split: str | None = None) -> Holding:
        """Keep tables in memory in the data folder, as names need them, which outlive what is in memory."""
        tables = tables_of(data)
        sources = [
            received(io.BytesIO(table.written()), label=table.name, split=split or table.split) for table in tables
        ]
        return cls(tuple(sources), tables={source.sha256: table for source, table in zip(sources, tables, strict=True)})


def holding_of(
    paths: Iterable[str | os.PathLike[str]], *, split: str | None = None, hashed: Hashed | None = None
) -> Holding:
    """Data files that paths stand for: files themselves, folders those below them.

    Files that are named are `hashed` by what `remembered_sha256` takes.

    Raises
    ------
    UsageError
        If a path is not there.
    DataError
        If a folder holds no data file, or a file cannot be read.
    """
    sources: list[Source] = []
    passed: list[PassedOver] = []
    for given in paths:
        if os.fspath(given) == STANDARD_INPUT:
            sources.append(received(standard_input(), split=split))
            continue
        path = expanded(given).absolute()
        if path.is_dir():
            below = _Walk(path)
            below.enter_all(split=split)
            sources += below.sources
            passed += below.passed
        elif path.is_file():
            sources.append(_named(path, split=split, hashed=hashed))
        elif path.is_fifo():  # what a shell makes of <(command)
            with path.open("rb") as stream:
                sources.append(received(stream, split=split))
        else:
            raise UsageError(f"Files were to be read; {str(path)!r} is not there. Check the spelling and the folder.")
    if not sources:
        raise UsageError("Files were to be read; none was named. Name one or more.")
    return Holding(tuple(sources), tuple(passed))


def standard_input() -> IO[bytes]:
    """Standard input, if something is sent to it."""
    if sys.stdin.isatty():
        raise UsageError(
            "Standard input was to be read, as a file called - means; nothing is sent to it. Send data: "
            "cat FILE | btviz data add NAME -"
        )
    return sys.stdin.buffer


def received(stream: IO[bytes], *, label: str = "standard input", split: str | None = None) -> Source:
    """What comes but once, kept in the data folder: a lost store is filled again from it."""
    chunks = iter(partial(stream.read, _CHUNK), b"")
    path = keep_stream(data_dir() / "received", chunks)
    return Source(str(path), label, split, path.name)


def is_received(source: Source) -> bool:
    """Whether a file is one that the data folder keeps of standard input, or of a table in memory."""
    return Path(source.path).parent == data_dir() / "received"


def _named(path: Path, *, split: str | None, hashed: Hashed | None) -> Source:
    try:
        return Source.of(path, split=split, named=True, hashed=hashed)
    except StoreError:
        raise
    except OSError as error:
        raise DataError(
            f"The file {path} was to be read; the system refuses it: {_reason(error)}. Make it readable, or copy it "
            "to a place that is."
        ) from error


def _is_saved_with_rows(document: Path) -> bool:
    """Whether a document lies where `datasets` saves it beside rows, of which it says nothing that rows do not."""
    places = (document.parent, *(document.parent.glob("*/") if document.name == "dataset_dict.json" else ()))
    return any((place / "state.json").is_file() and any(place.glob("*.arrow")) for place in places)


def means_path(argument: str) -> bool:
    """Whether an argument is meant as a path: it has a separator, or a suffix as files have; else it is a name.

    This is the one rule by which all commands tell the two apart.
    """
    separators = {"/", os.sep, os.altsep or "/"}
    return (
        any(separator in argument for separator in separators)
        or argument in {os.curdir, os.pardir}
        or argument.startswith("~")
        or _FILE.search(argument) is not None
    )


def name_of(path: Path) -> str:
    """Name of a data set that is a file or folder: of a snapshot in the hub's cache, the repository's."""
    repo_id = cached_repository(path.absolute())
    if repo_id is not None:
        return repo_id.rpartition("/")[2]
    name = path.name or path.resolve().name  # "." has none
    return name.split(".")[0] or name


def path_meant(argument: str | os.PathLike[str], *, is_name: Callable[[str], bool]) -> Path | None:
    """The path that an argument means, None for a name; what could be both is said.

    A name that somebody has given (`is_name`) wins unless the argument has a separator or the suffix of a file.
    """
    path = expanded(argument)
    if not isinstance(argument, str):
        return path if is_there(path) else None
    if not means_path(argument):
        if not is_there(path):
            return None
        if is_name(argument):
            _say(
                f"{argument!r} is taken for the data set of that name, not for the {kind_of(path)} here; ./{argument} "
                "would mean that."
            )
            return None
        _say(f"No data set is called {argument!r}: the {kind_of(path)} of that name is read.")
        return path
    repo_id = repository_id(argument)
    snapshot = None if repo_id is None else cached_snapshot(repo_id)
    if not is_there(path):
        return snapshot
    if snapshot is not None:
        _say(
            f"{argument!r} is taken for the {kind_of(path)} here, not for the data set of that name in the hub's cache."
        )
    return path


def kind_of(path: Path) -> str:
    """Whether a path is that of a folder or of a file, in a word."""
    return "folder" if path.is_dir() else "file"


def _say(message: str) -> None:
    warnings.warn(message, stacklevel=4)


def shown_name(argument: str, path: Path) -> str:
    """Name of the data at a path: as it was asked for where that is a repository of the hub."""
    asked = repository_id(argument)
    return asked if asked is not None and asked == cached_repository(path) else name_of(path)


class _Walk:
    """What is below a folder; every folder is entered once, so that links in a circle end."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.above = {_identity(folder.stat()) for folder in root.resolve().parents}
        self.entered: set[tuple[int, int]] = set()
        self.sources: list[Source] = []
        self.passed: list[PassedOver] = []

    def enter_all(self, *, split: str | None) -> None:
        """Find every data file, in the order of their paths."""
        files: list[Path] = []
        folders = [self.root]
        while folders:
            for path in self._paths_in(folders.pop()):
                (folders if path.is_dir() else files).append(path)
        for path in sorted(files):
            try:
                self.sources.append(Source.of(path, split=split, named=False))
            except StoreError:
                raise
            except OSError as error:
                self._pass_over(path, "unreadable file", _reason(error))
        self.passed.sort(key=lambda item: item.file)
        if not self.sources:
            beside = f", only {summary_of(self.passed)}" if self.passed else ""
            raise DataError(
                f"The folder {self.root} was to be read; it holds no file of JSON, CSV, Parquet or Arrow{beside}. Name "
                "the files themselves."
            )

    def _paths_in(self, folder: Path) -> list[Path]:
        """Folders and data files in a folder."""
        try:
            identity = _identity(folder.stat())
            if identity in self.above or identity in self.entered:
                self._pass_over(folder, "folder met before", "a link leads back to it")
                return []
            self.entered.add(identity)
            snapshot = snapshot_in(folder)
            if snapshot is not None:
                self._pass_over_revisions(snapshot)
                return [snapshot]
            paths = sorted(folder.iterdir())
        except OSError as error:
            self._pass_over(folder, "unreadable folder", _reason(error))
            return []
        return [path for path in paths if self._is_taken(path)]

    def _is_taken(self, path: Path) -> bool:
        """Whether something is a folder or a data file; what is not is passed over."""
        try:
            mode = path.stat().st_mode
        except OSError as error:
            self._pass_over(path, "broken link" if path.is_symlink() else "unreadable file", _reason(error))
            return False
        if path.name.startswith("."):
            self._pass_over(path, "hidden", "its name begins with a dot")
        elif stat.S_ISDIR(mode):
            return True
        elif not stat.S_ISREG(mode):
            self._pass_over(path, "no data", "it is no regular file")
        elif path.name == CARD:
            return False  # an export of corrected data writes it beside its rows
        elif path.name in _ABOUT_DATA:
            if not _is_saved_with_rows(path):
                self._pass_over(path, "no data", "it describes data")
        elif path.match("cache-*.arrow") and (path.parent / "state.json").is_file():
            self._pass_over(path, "no data", "`datasets` keeps there what it worked out")
        elif format_of(path) is None and not _holds_rows(path):
            self._pass_over(path, "no data", "neither its name nor its first bytes are those of data")
        else:
            return True
        return False

    def _pass_over_revisions(self, snapshot: Path) -> None:
        for other in snapshot.parent.iterdir():
            if other.name != snapshot.name:
                self._pass_over(other, "another revision", f"{snapshot.name[:7]} is read")

    def _pass_over(self, path: Path, kind: str, detail: str) -> None:
        self.passed.append(PassedOver(shown_path(str(path.relative_to(self.root))), kind, detail))


def _own_name(source: Source) -> str:
    if not is_received(source):
        return Path(source.path).name
    mark = source.sha256[:8]
    return source.label if source.label.endswith(mark) else f"{source.label} {mark}"


def _holds_rows(path: Path) -> bool:
    """Whether a file whose name does not say so holds rows without doubt; many a text could pass for CSV."""
    try:
        return form_of(path).kind != "csv"
    except DataError:
        return False


def _identity(state: os.stat_result) -> tuple[int, int]:
    return state.st_dev, state.st_ino


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


def labelled(sources: Sequence[Source]) -> list[Source]:
    """The sources, each with a label of its own: its name, or as much of its path as tells it from the others."""
    parts = [(*Path(source.path).parent.parts, _own_name(source)) for source in sources]
    # two files of one folder may differ in their suffixes alone; of two folders, these would not tell them apart
    stems = [(*part[:-1], part[-1].split(".")[0]) for part in parts]
    depth = next(n for n in itertools.count(1) if len({stem[-n:] for stem in stems}) == len(set(stems)))
    return [
        replace(source, label=shown_path("/".join(part[-depth:]))) for source, part in zip(sources, parts, strict=True)
    ]
