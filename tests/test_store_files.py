"""Shards, single files and documents."""

from __future__ import annotations

import json
import logging
import math
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import patience
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from btviz.errors import StoreError, UsageError
from btviz.store import Key, Store, StoreWarning, disk, read_document, update_document, write_file

KEY = Key("scores", ("a", "b"), {"split": "train", "n": 3})
FRAME = pl.DataFrame({"id": range(500), "word": [f"word {i % 7}" for i in range(500)]})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "odd [1] name a=2")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "flipped bit": lambda file: file.write_bytes(file.read_bytes()[:-20] + b"?" + file.read_bytes()[-19:]),
    "cut short": lambda file: os.truncate(file, file.stat().st_size // 2),
    "emptied": lambda file: file.write_bytes(b""),
}


def test_shards_grow_and_read_back_in_order(store: Store) -> None:
    shards = store.shards(KEY)
    assert len(shards) == 0
    assert shards.read().is_empty()
    assert not store.root.exists()  # looking writes nothing
    with shards:
        assert [shards.append(FRAME[i : i + 100]) for i in range(0, 500, 100)] == [0, 1, 2, 3, 4]
    with store.shards(KEY) as resumed:
        assert resumed.append(FRAME[:1]) == 5
        assert len(resumed) == 6
        assert [len(frame) for frame in resumed.frames()] == [100] * 5 + [1]
    assert_frame_equal(store.shards(KEY).read(), pl.concat([FRAME, FRAME[:1]]))
    assert store.shards(Key("datasets", ("other",))).read().is_empty()
    assert store.get(KEY) is None  # shards are no entry
    assert json.loads((shards.path / "key.json").read_text())["params"] == {"split": "train", "n": 3}


def test_order_survives_a_million_parts(store: Store) -> None:
    with store.shards(KEY) as shards:
        shards.append(FRAME[:1])
        name = shards.names[0]
        (shards.path / name).rename(shards.path / name.replace("000000-", "999999-"))
    with store.shards(KEY) as shards:
        assert shards.append(FRAME[1:2]) == 1_000_000
        assert_frame_equal(shards.read(), FRAME[:2])


def test_shards_hold_one_schema(store: Store) -> None:
    with store.shards(KEY) as shards:
        shards.append(FRAME[:2])
    with store.shards(KEY) as shards:
        for wrong in (FRAME.drop("word"), FRAME.cast({"id": pl.Int32}), FRAME.select("word", "id")):
            with pytest.raises(UsageError, match="same columns"):
                shards.append(wrong)
        shards.append(FRAME[2:3])
    assert_frame_equal(store.shards(KEY).read(), FRAME[:3])


def test_only_one_writes_shards_and_others_read(store: Store) -> None:
    with store.shards(KEY) as writer:
        writer.append(FRAME[:1])
        with pytest.raises(StoreError, match="is writing there"):
            store.shards(KEY).append(FRAME[1:2])
        assert len(store.shards(KEY).read()) == 1
        assert store.shards(Key("datasets", ("other",))).append(FRAME) == 0
    with store.shards(KEY) as writer:
        assert writer.append(FRAME[1:2]) == 1


def test_who_can_wait_for_the_right_to_write_waits_and_says_so(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(disk, "PATIENCE", 0.01)
    began, enough = threading.Event(), threading.Event()

    def hold() -> None:
        with store.shards(KEY) as first:
            first.append(FRAME[:1])
            began.set()
            enough.wait(patience.SECONDS)

    holder = threading.Thread(target=hold)
    holder.start()
    began.wait(patience.SECONDS)
    log = logging.getLogger(disk.__name__)
    monkeypatch.setattr(log, "warning", lambda *said: (enough.set(), log.error(*said)))
    with store.shards(KEY) as second:
        second.claim(wait=True)
        assert second.append(FRAME[1:2]) == 1
    holder.join()
    assert f"Waiting for {KEY.words}: another process is working on it" in caplog.text
    assert_frame_equal(store.shards(KEY).read(), FRAME[:2])


def test_nobody_waits_for_himself(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "PATIENCE", 0.01)
    with store.shards(KEY) as first:
        first.append(FRAME[:1])
        with pytest.raises(UsageError, match="in its own making"):
            store.shards(KEY).claim(wait=True)


def test_a_failed_resume_gives_the_right_to_write_back(store: Store) -> None:
    shards = store.shards(KEY)
    shards.path.parent.mkdir(parents=True)
    shards.path.write_bytes(b"a file where the folder should be")
    with pytest.raises(StoreError, match=r"Asked to append .* File exists"):
        shards.append(FRAME)
    shards.path.unlink()
    assert store.shards(KEY).append(FRAME) == 0


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_part_is_set_aside_and_its_number_stays_taken(store: Store, damage: str) -> None:
    with store.shards(KEY) as shards:
        for i in range(3):
            shards.append(FRAME[i : i + 1])
    DAMAGES[damage](shards.path / shards.names[2])
    with pytest.warns(StoreWarning, match="computed again"):
        assert_frame_equal(shards.read(), FRAME[:2])
    with store.shards(KEY) as resumed:
        assert resumed.append(FRAME[2:3]) == 3
        assert_frame_equal(resumed.read(), FRAME[:3])


def test_half_written_parts_are_ignored_and_swept(store: Store) -> None:
    with store.shards(KEY) as shards:
        shards.append(FRAME[:1])
    half = shards.path / ".btviz-0123456789abcdef.tmp"
    half.write_bytes(b"PAR1")
    (shards.path / "notes.txt").write_text("not ours")
    assert_frame_equal(store.shards(KEY).read(), FRAME[:1])
    with store.shards(KEY) as shards:
        shards.append(FRAME[1:2])
    assert not half.exists()
    assert (shards.path / "notes.txt").exists()


# Single files


def test_write_file_replaces_and_makes_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "figure.svg"
    assert write_file(path, b"old") == path
    write_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert [file.name for file in path.parent.iterdir()] == ["figure.svg"]


def test_write_file_leaves_the_old_file_to_those_who_read_it(tmp_path: Path) -> None:
    path = write_file(tmp_path / "f", b"old")
    with path.open("rb") as reader:
        write_file(path, b"new")
        assert reader.read() == b"old"


def test_what_another_process_set_aside_is_left_to_it(tmp_path: Path) -> None:
    disk.set_aside(tmp_path / "gone", reason="", advice="")
    assert not list(tmp_path.iterdir())


def test_write_file_obeys_the_umask(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    assert write_file(tmp_path / "f", b"").stat().st_mode == plain.stat().st_mode


def test_write_file_takes_the_longest_name(tmp_path: Path) -> None:
    assert write_file(tmp_path / ("x" * 255), b"1").read_bytes() == b"1"


def test_write_file_sweeps_only_old_leftovers(tmp_path: Path) -> None:
    old, young = (tmp_path / f".btviz-{name}.tmp" for name in ("old", "young"))
    for leftover in (old, young):
        leftover.write_bytes(b"half")
    os.utime(old, (0, time.time() - 2 * disk.ABANDONED))
    write_file(tmp_path / "f", b"")
    assert not old.exists()
    assert young.exists()


def test_write_file_says_why_it_could_not(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"Asked to write .*; found: .*\. .*"):
        write_file(tmp_path, b"a folder is there")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match=r"Not a directory|File exists"):
        write_file(tmp_path / "file" / "below", b"")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_documents_change_under_their_lock(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "hashes.json"
    assert read_document(path) == {}
    assert not path.parent.exists()
    assert update_document(path, lambda d: {**d, "a": 1}) == {"a": 1}
    update_document(path, lambda d: {**d, "b": "ü\ud800"})
    assert read_document(path) == {"a": 1, "b": "ü\ud800"}


def test_an_unchanged_document_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    update_document(path, lambda d: {"a": 1})
    before = path.stat()
    update_document(path, lambda d: d)
    assert path.stat().st_ino == before.st_ino
    update_document(path, lambda d: d.update(b=2) or d)  # changed in place
    assert read_document(path) == {"a": 1, "b": 2}


@pytest.mark.parametrize("returned", [None, [1], {"a": math.nan}, {"a": object()}])
def test_a_change_that_gives_no_document_changes_nothing(tmp_path: Path, returned: Any) -> None:
    path = tmp_path / "d.json"
    update_document(path, lambda d: {"a": 1})
    with pytest.raises(UsageError):
        update_document(path, lambda d: d.clear() or returned)
    with pytest.raises(ZeroDivisionError):
        update_document(path, lambda d: {"a": 1 / 0})
    assert read_document(path) == {"a": 1}


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x80"])
def test_a_damaged_document_is_set_aside(tmp_path: Path, text: str) -> None:
    path = tmp_path / "d.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(StoreError, match="damaged"):
        read_document(path)
    with pytest.warns(StoreWarning, match="set aside"):
        update_document(path, lambda d: {**d, "a": 1})
    assert read_document(path) == {"a": 1}
    aside = list(tmp_path.glob("d.json.corrupt-*"))
    assert [file.read_bytes() for file in aside] == [text.encode("latin-1")]


@pytest.mark.slow
@settings(max_examples=20)
@given(st.dictionaries(st.text(max_size=4), st.recursive(st.none() | st.integers() | st.text(), st.lists), max_size=4))
def test_any_json_document_returns(tmp_path_factory: pytest.TempPathFactory, document: dict[str, Any]) -> None:
    path = tmp_path_factory.mktemp("documents") / "d.json"
    update_document(path, lambda d: document)
    assert read_document(path) == document
