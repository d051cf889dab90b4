"""Entries of the store: stored, read back, damaged, waited for."""

from __future__ import annotations

import errno
import logging
import math
import os
import random
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import patience
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from wording import says

from btviz.errors import NotFoundError, StoreError, UsageError
from btviz.store import Draft, Entry, Key, Store, StoreWarning, disk, entry, fingerprint, open_saved

KEY = Key("datasets", (fingerprint("rows"),), {"split": "train", "n": 3})
FRAME = pl.DataFrame({"id": range(500), "word": [f"word {i % 7}" for i in range(500)]})
VECTORS = np.arange(600, dtype=np.float32).reshape(200, 3)


def fill(draft: Draft) -> None:
    draft.table("pairs", FRAME)
    draft.array("vectors", VECTORS)
    draft.document("facts", {"rows": 500, "undefined": None, "nested": [1, 2.5, "three"]})
    draft.blob("chart.svg", b"<svg/>")


def refuse(draft: Draft) -> None:
    raise AssertionError("the entry was made although it is there")


def holds_all(found: Entry) -> None:
    assert_frame_equal(found.table("pairs"), FRAME)
    np.testing.assert_array_equal(found.array("vectors"), VECTORS)
    assert found.document("facts") == {"rows": 500, "undefined": None, "nested": [1, 2.5, "three"]}
    assert found.blob("chart.svg") == b"<svg/>"


def visible(root: Path) -> list[str]:
    """Every file of a store but its locks, as relative paths."""
    files = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(str(path) for path in files if ".locks" not in path.parts)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "odd [1] name a=2" / "störe"  # nothing in it may be taken for a pattern


@pytest.fixture
def store(root: Path) -> Store:
    return Store(root)


def test_entry_returns_what_was_stored_and_is_made_once(store: Store) -> None:
    assert store.get(KEY) is None
    holds_all(store.build(KEY, fill))
    holds_all(store.build(KEY, refuse))
    again = Store(store.root).get(KEY)
    assert again is not None
    holds_all(again)
    assert again.names == ["chart.svg", "facts.json", "pairs.parquet", "vectors.npy"]
    assert store.get(Key("datasets", KEY.inputs, KEY.params, version=2)) is None


def test_manifest_says_what_the_entry_is(store: Store) -> None:
    manifest = store.build(KEY, fill).manifest
    assert manifest["key"] == {
        "kind": "datasets",
        "inputs": list(KEY.inputs),
        "params": {"split": "train", "n": 3},
        "version": 1,
    }
    assert manifest["files"]["chart.svg"]["size"] == 6
    assert set(manifest) >= {"btviz", "created", "digest"}


def test_same_content_gives_the_same_files(tmp_path: Path) -> None:
    files = [Store(tmp_path / name).build(KEY, fill).manifest["files"] for name in "ab"]
    assert files[0] == files[1]


def test_tensors_return(store: Store) -> None:
    pytest.importorskip("safetensors", reason="needs btviz[models]")
    weights = {"w": VECTORS.T, "b": np.float64([1.5])}  # a transposed view, not contiguous
    found = store.build(KEY, lambda draft: draft.tensors("probe", weights)).tensors("probe")
    assert set(found) == {"w", "b"}
    np.testing.assert_array_equal(found["w"], VECTORS.T)
    np.testing.assert_array_equal(found["b"], [1.5])


@pytest.mark.parametrize("mmap", [True, False])
@pytest.mark.parametrize("array", [VECTORS, VECTORS.T, np.zeros((0, 3)), np.float32(3.0), np.array([True])])
def test_arrays_return_read_only(store: Store, array: Any, mmap: bool) -> None:
    array = np.asarray(array)
    found = store.build(KEY, lambda draft: draft.array("a", array)).array("a", mmap=mmap)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(found, array)
    assert not found.flags.writeable


def test_files_written_straight_into_the_draft_belong_to_the_entry(store: Store) -> None:
    found = store.build(KEY, lambda draft: FRAME.lazy().sink_parquet(draft.path / "big.parquet"))
    assert_frame_equal(found.table("big"), FRAME)


def twice(draft: Draft) -> None:
    draft.document("a", 1)
    draft.blob("A.json", b"")  # the same file for macOS and Windows


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda draft: draft.document("manifest", {}), "has it already"),
        (twice, "has it already"),
        (lambda draft: draft.array("a", np.array([object()])), "Python objects"),
        (lambda draft: draft.document("a", {"x": math.nan}), "null for undefined"),
        (lambda draft: draft.document("a", {"x": object()}), "not JSON"),
        (lambda draft: (draft.path / "folder").mkdir(), "plain files"),
        (lambda draft: (draft.path / "link").symlink_to("/etc/hostname"), "plain files"),
    ],
)
def test_what_an_entry_cannot_hold(store: Store, make: Callable[[Draft], None], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        store.build(KEY, make)
    assert visible(store.root) == []
    assert store.get(KEY) is None


def test_an_absent_file_is_named(store: Store) -> None:
    found = store.build(KEY, fill)
    with pytest.raises(NotFoundError, match=r"pair\.parquet.*pairs\.parquet"):
        found.table("pair")
    (found.path / "stray.json").write_text("{}")
    with pytest.raises(NotFoundError):
        found.document("stray")
    with pytest.raises(NotFoundError):
        found.blob("../../secret")


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), OSError(errno.EIO, "of the caller")])
def test_what_make_raises_passes_through_and_leaves_nothing(store: Store, error: BaseException) -> None:
    def fail(draft: Draft) -> None:
        fill(draft)
        raise error

    with pytest.raises(type(error)) as caught:
        store.build(KEY, fail)
    assert caught.value is error
    assert visible(store.root) == []
    holds_all(store.build(KEY, fill))


def test_an_entry_is_invisible_until_it_is_whole(store: Store) -> None:
    def look(draft: Draft) -> None:
        fill(draft)
        assert store.get(KEY) is None

    store.build(KEY, look)


def test_asking_for_an_entry_in_its_own_making_is_an_error(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "PATIENCE", 0.1)
    with pytest.raises(UsageError, match="in its own making"):
        store.build(KEY, lambda draft: store.build(KEY, fill) and None)
    assert visible(store.root) == []


def test_entries_may_be_made_of_others(store: Store) -> None:
    inner = Key("embeddings", ("i",))
    found = store.build(KEY, lambda draft: draft.blob("b", store.build(inner, fill).blob("chart.svg")))
    assert found.blob("b") == b"<svg/>"


def test_a_relative_root_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store(Path("here"))
    monkeypatch.chdir("/")
    assert store.build(KEY, fill).path.is_relative_to(tmp_path / "here")


def test_default_root_follows_the_environment(own_data_dir: Path) -> None:
    assert Store().root == own_data_dir / "store"


# Damage


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "flipped bit": flip,
    "cut short": lambda file: os.truncate(file, file.stat().st_size // 2),
    "emptied": lambda file: file.write_bytes(b""),
    "grown": lambda file: file.write_bytes(file.read_bytes() + b"\0"),
    "missing": lambda file: file.unlink(),
}
FILES = ["pairs.parquet", "vectors.npy", "facts.json", "chart.svg", "manifest.json"]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_entry_is_set_aside_and_made_anew(store: Store, file: str, damage: str) -> None:
    path = store.build(KEY, fill).path
    DAMAGES[damage](path / file)
    with pytest.warns(StoreWarning, match=r"Asked for .*found it damaged: .*set aside as .*made anew"):
        assert store.get(KEY) is None
    aside = list(path.parent.glob(f"{KEY.digest}.corrupt-*"))
    assert len(aside) == 1
    assert {f.name for f in aside[0].iterdir()} >= set(FILES) - {file}  # kept, in case it is precious
    holds_all(store.build(KEY, fill))


def test_build_makes_a_damaged_entry_anew(store: Store) -> None:
    flip(store.build(KEY, fill).path / "pairs.parquet")
    with pytest.warns(StoreWarning):
        holds_all(store.build(KEY, fill))


@pytest.mark.parametrize("text", ["", "null", "[]", '{"files": {}}', '{"seal": 1}', "\x80"])
def test_a_manifest_that_is_none_is_damage(store: Store, text: str) -> None:
    path = store.build(KEY, fill).path
    (path / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.warns(StoreWarning, match="manifest"):
        assert store.get(KEY) is None


def test_an_edited_manifest_is_damage(store: Store) -> None:
    manifest = store.build(KEY, fill).path / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"train"', '"tests"'))
    with pytest.warns(StoreWarning, match="manifest has changed"):
        assert store.get(KEY) is None


def test_an_entry_under_another_key_is_damage(store: Store) -> None:
    path = store.build(KEY, fill).path
    other = Key("datasets", ("other",))
    shutil.copytree(path, path.with_name(other.digest))
    with pytest.warns(StoreWarning, match="another key"):
        assert store.get(other) is None


def decay(file: Path) -> None:
    """Change the content as a failing disk does: size and times stay."""
    before = file.stat()
    data = file.read_bytes()
    file.write_bytes(data[:4] + bytes(len(data) - 8) + data[-4:])
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_full_verification_finds_what_left_no_trace(store: Store) -> None:
    path = store.build(KEY, fill).path
    decay(path / "vectors.npy")
    assert store.get(KEY) is not None  # the documented limit of the quick verification
    with pytest.raises(StoreError, match=r"content of vectors\.npy has changed"):
        open_saved(path, kind=KEY.kind)


READS: dict[str, Callable[[Entry], object]] = {
    "pairs.parquet": lambda found: found.table("pairs"),
    "facts.json": lambda found: found.document("facts"),
    "vectors.npy": lambda found: found.array("vectors"),
}


@pytest.mark.parametrize("file", READS)
def test_a_file_that_cannot_be_read_is_verified_in_full_next_time(store: Store, file: str) -> None:
    found = store.build(KEY, fill)
    decay(found.path / file)
    with pytest.raises(StoreError, match="Ask for it again"):
        READS[file](found)
    with pytest.warns(StoreWarning, match="has changed"):
        assert store.get(KEY) is None


def test_no_flipped_bit_of_a_table_goes_unnoticed(store: Store) -> None:
    file = store.build(KEY, fill).path / "pairs.parquet"
    whole, rng = file.read_bytes(), random.Random(0)
    for _ in range(50):
        data = bytearray(whole)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        file.write_bytes(data)
        with pytest.raises(disk.DamagedError):
            entry.open_entry(file.parent, digest=KEY.digest, full=False)


def test_a_touched_file_is_hashed_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    path = store.build(KEY, fill).path
    monkeypatch.setattr(entry, "hash_file", lambda file: hashed.append(file.name) or disk.hash_file(file))
    assert store.get(KEY) is not None
    assert hashed == []
    (path / "pairs.parquet").touch()
    for _ in range(2):
        assert store.get(KEY) is not None
    assert hashed == ["pairs.parquet"]
    assert open_saved(path, kind=KEY.kind).names == ["chart.svg", "facts.json", "pairs.parquet", "vectors.npy"]
    assert sorted(hashed[1:]) == ["chart.svg", "facts.json", "pairs.parquet", "vectors.npy"]


# Locks and leftovers


def test_a_waiting_thread_says_so_and_then_reads(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(disk, "PATIENCE", 0.05)
    started, go_on = threading.Event(), threading.Event()

    def slow(draft: Draft) -> None:
        started.set()
        assert go_on.wait(patience.SECONDS)
        fill(draft)

    maker = threading.Thread(target=store.build, args=(KEY, slow))
    maker.start()
    assert started.wait(patience.SECONDS)
    got: list[Entry] = []
    waiter = threading.Thread(target=lambda: got.append(Store(store.root).build(KEY, refuse)))
    with caplog.at_level(logging.WARNING):
        waiter.start()
        while not caplog.records:
            time.sleep(0.01)
        go_on.set()
        waiter.join(patience.SECONDS)
        maker.join(patience.SECONDS)
    (said,) = caplog.messages
    assert says(said, "Waiting for the data, read and checked", "another process")
    assert KEY.digest not in said
    holds_all(got[0])


def test_drafts_of_the_dead_are_swept_and_those_of_the_living_are_not(store: Store) -> None:
    folder = store.build(KEY, fill).path.parent
    dead, own = Key("datasets", ("dead",)), Key("datasets", ("own",))
    for key in (dead, own):
        (folder / f".draft-{key.digest}-0123").mkdir()
        (folder / f".draft-{key.digest}-0123" / "half.parquet").write_bytes(b"PAR1")

    def living(draft: Draft) -> None:
        fill(draft)
        store.build(own, fill)  # sweeps while this draft is alive
        assert draft.path.is_dir()

    store.build(Key("datasets", ("living",)), living)
    assert not list(folder.glob(".draft-*"))
