"""Files and folders that a user asked for by name: whole or not there, and never in the place of others unasked."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import polars as pl

from btviz.errors import UsageError
from btviz.store.disk import disk_errors, make_folder, prepare_folder, sync, temporary_beside

Chunks = Iterable[bytes]
"""The content of a file, in order; it is asked for once, while the file is written."""

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
"""What file systems say that know no second name of a file."""

_SHOWN = 3


def write_output(path: Path, chunks: Chunks, *, replace: bool = False) -> Path:
    """Write a file of any size as its content comes.

    Parameters
    ----------
    path : Path
        Where; missing folders are made.
    chunks : iterable of bytes
        The content. Errors that it raises pass through; then nothing is left.
    replace : bool
        Take the place of a file of that name.

    Returns
    -------
    Path
        `path`; its content is on the disk.

    Raises
    ------
    UsageError
        If there is a file of that name and `replace` is not set, or a folder.
    StoreError
        If the disk is full or the folder cannot be written.
    """
    _refuse_file(path, replace=replace)
    prepare_folder(path)
    with temporary_beside(path) as temporary:
        _write(temporary, chunks, name=path.name)
        with disk_errors(f"write {path.name}", path.parent):
            if replace:
                temporary.replace(path)
            else:
                _place(temporary, path)
            sync(path.parent)
    return path


def keep_stream(folder: Path, chunks: Chunks) -> Path:
    """Keep what comes but once, such as standard input, in a file that is named by what it holds.

    Parameters
    ----------
    folder : Path
        Where; it is made.
    chunks : iterable of bytes
        The content. Errors that it raises pass through; then nothing is left.

    Returns
    -------
    Path
        A file of that folder, named by its SHA-256; its content is on the disk.

    Raises
    ------
    StoreError
        If the disk is full or the folder cannot be written.
    """
    digest = hashlib.sha256()

    def hashed() -> Iterator[bytes]:
        for chunk in chunks:
            digest.update(chunk)
            yield chunk

    prepare_folder(folder / "what has arrived")
    with temporary_beside(folder / "what has arrived") as temporary:
        _write(temporary, hashed(), name="what has arrived")
        with disk_errors("keep what has arrived", folder):
            kept = temporary.replace(folder / digest.hexdigest())
            sync(folder)
    return kept


def discard(path: Path) -> None:
    """Remove what `keep_stream` kept, if it is there.

    Parameters
    ----------
    path : Path
        As `keep_stream` returned it.

    Raises
    ------
    StoreError
        If the folder cannot be written.
    """
    with disk_errors(f"remove {path.name}", path.parent):
        path.unlink(missing_ok=True)


def write_outputs(
    folder: Path, files: Mapping[str, Chunks], *, replace: bool = False, replaceable: Callable[[str], bool]
) -> Path:
    """Write a folder of files, all of them or none.

    Parameters
    ----------
    folder : Path
        Where; its parents are made. An empty folder may be there.
    files : mapping of str to iterable of bytes
        Content by path in the folder, with ``/`` where a file lies deeper.
    replace : bool
        Take the place of a folder that holds replaceable files and no other.
    replaceable : callable
        Whether a file of that path in the folder may be lost.

    Returns
    -------
    Path
        `folder`; all of it is on the disk.

    Raises
    ------
    UsageError
        If files are there and `replace` is not set, or some of them are not replaceable.
    StoreError
        If the disk is full or the folder cannot be written.
    """
    folder = folder.absolute()
    _refuse_folder(folder, replace=replace, replaceable=replaceable)
    draft = folder.parent / f".btviz-{secrets.token_hex(8)}.draft"
    try:
        with disk_errors(f"write {folder.name}", folder.parent):
            make_folder(folder.parent)
            draft.mkdir()
        for name, chunks in files.items():
            target = draft / name
            with disk_errors(f"write {name}", folder):
                make_folder(target.parent)
            _write(target, chunks, name=name)
        with disk_errors(f"write {folder.name}", folder.parent):
            for part in {(draft / name).parent for name in files}:
                sync(part)
            _swap(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def table_bytes_as(table: pl.DataFrame, form: Literal["parquet", "arrow"]) -> bytes:
    """Content of a file that holds a table.

    Parameters
    ----------
    table : DataFrame
        Any.
    form : {"parquet", "arrow"}
        A Parquet file, compressed by zstd; or an Arrow stream, which `datasets` maps into memory.

    Returns
    -------
    bytes
        The same for the same table.
    """
    buffer = io.BytesIO()  # Polars reports a full disk without its error number
    if form == "parquet":
        table.write_parquet(buffer)
    else:  # views of strings are younger than most readers
        table.write_ipc_stream(buffer, compat_level=pl.CompatLevel.oldest())
    return buffer.getvalue()


def _write(file: Path, chunks: Chunks, *, name: str) -> None:
    with disk_errors(f"write {name}", file.parent):
        sink = file.open("xb")
    with sink:
        for chunk in chunks:  # what making them raises is no matter of the disk
            with disk_errors(f"write {name}", file.parent):
                sink.write(chunk)
    with disk_errors(f"write {name}", file.parent):
        sync(file)


def _place(temporary: Path, path: Path) -> None:
    """Give a file its name unless another took that meanwhile, even in the same instant."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        _refuse_file(path, replace=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _refuse_file(path, replace=False)
        temporary.replace(path)


def _swap(draft: Path, folder: Path) -> None:
    """Put the draft where the folder is; if that fails, the folder is what it was."""
    former = draft.with_suffix(".former")
    if folder.exists():
        folder.rename(former)
    try:
        draft.rename(folder)
    except BaseException:
        if former.exists():
            former.rename(folder)
        raise
    shutil.rmtree(former, ignore_errors=True)
    sync(folder.parent)


def _refuse_file(path: Path, *, replace: bool) -> None:
    if path.is_dir():
        raise UsageError(f"A file was to be written to {path}; that is a folder. Name a file in it.")
    if not replace and os.path.lexists(path):
        raise UsageError(
            f"A file was to be written to {path}; there is one. Choose another name, or say that it may go: "
            "replace=True, --replace."
        )


def _refuse_folder(folder: Path, *, replace: bool, replaceable: Callable[[str], bool]) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"A folder was to be written to {folder}; something else is there. Choose another name.")
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    foreign = [name for name in found if not replaceable(name)]
    if found and not replace:
        raise UsageError(
            f"A folder was to be written to {folder}; it holds {_listed(found)}. Choose another name, or say that what "
            "is there may go: replace=True, --replace."
        )
    if foreign:
        raise UsageError(
            f"The folder {folder} was to be replaced; it holds {_listed(foreign)}, which no export wrote. Choose "
            "another name, or move those away."
        )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more files" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
