"""Files and folders that a user names: whole or not there, and nothing of others is lost."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

import pytest
from broken_disk import stopped_at

from btviz.errors import StoreError, UsageError
from btviz.store import write_output, write_outputs

OLD, NEW = b"the old content" * 50, b"the new content" * 50
FILES = {"a.txt": [NEW[:99], NEW[99:]], "deep/b.txt": [NEW], "deep/c.txt": [b""]}


class KilledError(Exception):
    """Stands for the end of the process."""


def kill() -> None:
    raise KilledError


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_file_is_written_as_its_content_comes(tmp_path):
    write_output(tmp_path / "deep" / "a.txt", iter([NEW[:10], b"", NEW[10:]]))
    assert contents(tmp_path) == {"deep/a.txt": NEW}


def test_a_file_that_is_there_is_replaced_only_if_asked(tmp_path):
    target = tmp_path / "a.txt"
    target.write_bytes(OLD)
    with pytest.raises(UsageError, match="replace"):
        write_output(target, [NEW])
    assert contents(tmp_path) == {"a.txt": OLD}
    write_output(target, [NEW], replace=True)
    assert contents(tmp_path) == {"a.txt": NEW}


def test_a_file_that_appears_meanwhile_is_not_lost(tmp_path):
    target = tmp_path / "a.txt"

    def chunks():
        yield NEW
        target.write_bytes(OLD)

    with pytest.raises(UsageError, match="replace"):
        write_output(target, chunks())
    assert contents(tmp_path) == {"a.txt": OLD}


def test_a_disk_without_second_names_takes_files_too(tmp_path, monkeypatch):
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", no_links)
    write_output(tmp_path / "a.txt", [NEW])
    assert contents(tmp_path) == {"a.txt": NEW}


def test_a_fault_of_the_content_passes_through_and_leaves_nothing(tmp_path):
    def chunks():
        yield NEW
        raise KilledError

    for write in (
        lambda: write_output(tmp_path / "a.txt", chunks()),
        lambda: write_outputs(tmp_path / "a", {"b.txt": chunks()}, replaceable=bool),
    ):
        with pytest.raises(KilledError):
            write()
        assert list(tmp_path.iterdir()) == []


def test_a_folder_is_written_whole(tmp_path):
    write_outputs(tmp_path / "a", FILES, replaceable=bool)
    assert contents(tmp_path) == {"a/a.txt": NEW, "a/deep/b.txt": NEW, "a/deep/c.txt": b""}
    (tmp_path / "empty").mkdir()
    write_outputs(tmp_path / "empty", FILES, replaceable=bool)
    assert contents(tmp_path / "empty") == contents(tmp_path / "a")


def test_a_folder_is_replaced_only_if_all_in_it_may_go(tmp_path):
    folder = tmp_path / "a"
    write_outputs(folder, {"a.txt": [OLD], "deep/b.txt": [OLD]}, replaceable=bool)
    before = contents(folder)
    with pytest.raises(UsageError, match="replace"):
        write_outputs(folder, FILES, replaceable=lambda _: True)
    with pytest.raises(UsageError, match=r"deep/b\.txt"):
        write_outputs(folder, FILES, replace=True, replaceable=lambda name: name == "a.txt")
    assert contents(folder) == before
    write_outputs(folder, FILES, replace=True, replaceable=lambda _: True)
    assert contents(tmp_path) == {"a/a.txt": NEW, "a/deep/b.txt": NEW, "a/deep/c.txt": b""}


def test_a_link_is_not_taken_for_the_folder_it_names(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(UsageError, match="link"):
        write_outputs(tmp_path / "link", FILES, replace=True, replaceable=lambda _: True)


@pytest.mark.parametrize("number", range(1, 40))
@pytest.mark.parametrize("full", [True, False])
def test_a_full_disk_or_a_kill_at_any_step_leaves_old_or_new(number, full, tmp_path):
    def stop() -> None:
        if full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise KilledError

    (tmp_path / "a.txt").write_bytes(OLD)
    write_outputs(tmp_path / "a", {"a.txt": [OLD]}, replaceable=bool)
    old, new = {"a.txt": OLD}, {"a.txt": NEW, "deep/b.txt": NEW, "deep/c.txt": b""}
    with stopped_at(number, stop):
        for write in (
            lambda: write_output(tmp_path / "a.txt", [NEW], replace=True),
            lambda: write_outputs(tmp_path / "a", FILES, replace=True, replaceable=lambda _: True),
        ):
            with suppress(StoreError if full else KilledError):
                write()
    assert (tmp_path / "a.txt").read_bytes() in (OLD, NEW)
    assert contents(tmp_path / "a") in (old, new)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "a.txt"]


def test_more_steps_are_tried_than_there_are(tmp_path):
    with stopped_at(0, kill) as calls:
        write_output(tmp_path / "a.txt", [NEW], replace=True)
        write_outputs(tmp_path / "a", FILES, replaceable=bool)
        write_outputs(tmp_path / "a", FILES, replace=True, replaceable=lambda _: True)
    assert 20 < len(calls) < 40
