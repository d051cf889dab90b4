"""The store when processes are killed, disks are full, and several processes meet."""

from __future__ import annotations

import errno
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import patience
import polars as pl
import pytest
from broken_disk import BLOB, KEY, fill, stopped_at

from btviz.errors import StoreError
from btviz.store import Entry, Key, Store, open_saved, read_document, update_document, write_file


def visible(root: Path) -> list[str]:
    """Every file under a folder but locks, as relative paths."""
    files = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(str(path) for path in files if path.suffix != ".lock")


def whole(root: Path, key: Key) -> Entry | None:
    """The entry of a key, every byte of it verified; None if there is none."""
    folder = root / key.kind / key.digest
    return open_saved(folder, kind=key.kind) if folder.exists() else None


def start(script: str, *args: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PRELUDE + script, *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=patience.SECONDS)
    assert process.returncode == 0, err
    return out


PRELUDE = """
import os, signal, sys, time
from pathlib import Path
import numpy as np
import polars as pl
from btviz.errors import StoreError
from btviz.store import Key, Store, update_document, write_file
root = Path(sys.argv[1])
store = Store(root)
"""


# A disk that is full at any step


def no_space() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def fails_at(step: int, action: Callable[[], object]) -> bool:
    """Whether `action` has a `step`-th such call; checks that its failure is reported."""
    with stopped_at(step, no_space) as calls:
        try:
            action()
        except StoreError as error:
            message = str(error)
        else:
            return len(calls) >= step
    assert message.startswith("Asked to ")
    assert message.count("Asked to") == 1
    assert "found: No space left on device" in message
    assert "Free some space" in message
    return True


def test_a_build_leaves_all_or_nothing(tmp_path: Path) -> None:
    step, failed, root = 0, True, tmp_path
    while failed:
        step += 1
        root = tmp_path / str(step)
        failed = fails_at(step, lambda root=root: Store(root).build(KEY, fill))
        found = whole(root, KEY)
        assert len(visible(root)) == (3 if found else 0)
        assert Store(root).build(KEY, fill).blob("blob") == BLOB
    assert step > 10  # folders, files, manifest, draft, its new name, its parent


def append(root: Path, number: int) -> None:
    with Store(root).shards(KEY) as shards:
        shards.append(pl.DataFrame({"n": [number]}))


def appended(root: Path) -> list[int]:
    return [n for frame in Store(root).shards(KEY).frames() for n in frame["n"].to_list()]


WRITES: dict[str, tuple[Callable[[Path, int], object], Callable[[Path], object]]] = {
    "file": (
        lambda root, n: write_file(root / "a" / "f", b"01"[: n + 1]),
        lambda root: [*(root / "a" / "f").read_bytes().decode()] if (root / "a" / "f").exists() else [],
    ),
    "document": (
        lambda root, n: update_document(root / "a" / "f", lambda d: {**d, str(n): n}),
        lambda root: [*read_document(root / "a" / "f")],
    ),
    "shard": (append, lambda root: [str(n) for n in appended(root)]),
}


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("write", WRITES)
def test_a_write_leaves_the_old_or_the_new(tmp_path: Path, write: str, first: bool) -> None:
    once, state = WRITES[write]
    step, failed = 0, True
    while failed:
        step += 1
        root = tmp_path / str(step)
        root.mkdir()
        if not first:
            once(root, 0)
        failed = fails_at(step, lambda root=root: once(root, 0 if first else 1))
        assert state(root) in ([[], ["0"]] if first else [["0"], ["0", "1"]])
        assert not list(root.rglob(".btviz-*"))
    assert step > 2
    assert state(root) == (["0"] if first else ["0", "1"])


LIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))  # a write beyond fails as on a full disk
noise = np.random.default_rng(0).random(20_000)
frame = pl.DataFrame({"x": noise})
shards = store.shards(Key("entries", ("log",)))
path = root / "file"
tries = {
    "table": lambda: store.build(Key("entries", ("b",)), lambda d: d.table("t", frame)),
    "array": lambda: store.build(Key("entries", ("b",)), lambda d: d.array("t", noise)),
    "blob": lambda: store.build(Key("entries", ("b",)), lambda d: d.blob("t", noise.tobytes())),
    "document": lambda: store.build(Key("entries", ("b",)), lambda d: d.document("t", noise.tolist())),
    "shard": lambda: shards.append(frame),
    "file": lambda: write_file(path, noise.tobytes()),
    "update": lambda: update_document(root / "doc", lambda d: {"x": noise.tolist()}),
}
for name, action in tries.items():
    try:
        action()
    except StoreError as error:
        print(name, str(error).startswith("Asked to "), "File too large" in str(error), "Free some" in str(error))
"""


@pytest.mark.slow
def test_a_write_cut_short_by_the_system_leaves_nothing(tmp_path: Path) -> None:
    Store(tmp_path).build(KEY, fill)
    append(tmp_path, 0)
    with Store(tmp_path).shards(Key("entries", ("log",))) as shards:
        shards.append(pl.DataFrame({"x": [0.5]}))
    write_file(tmp_path / "file", b"old")
    update_document(tmp_path / "doc", lambda d: {"x": []})
    before = visible(tmp_path)
    out = finish(start(LIMITED, tmp_path))
    names = ["table", "array", "blob", "document", "shard", "file", "update"]
    assert out.splitlines() == [f"{name} True True True" for name in names]
    assert visible(tmp_path) == before
    found = whole(tmp_path, KEY)
    assert found is not None
    assert found.blob("blob") == BLOB
    assert (tmp_path / "file").read_bytes() == b"old"
    assert read_document(tmp_path / "doc") == {"x": []}


# Order of writing


@contextmanager
def recorded() -> Iterator[list[object]]:
    """Note the inode of all that is flushed, and "named" for every rename, in order."""
    events: list[object] = []
    sync, rename, replace = os.fsync, os.rename, os.replace
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda fd: events.append(os.fstat(fd).st_ino) or sync(fd))
        patch.setattr(os, "rename", lambda *args: events.append("named") or rename(*args))
        patch.setattr(os, "replace", lambda *args: events.append("named") or replace(*args))
        yield events


def test_all_is_flushed_before_it_is_named_and_then_its_folder(tmp_path: Path) -> None:
    with recorded() as events:
        path = Store(tmp_path / "new" / "store").build(KEY, fill).path
    named = events.index("named")
    assert {file.stat().st_ino for file in (path, *path.iterdir())} <= set(events[:named])
    assert path.parent.stat().st_ino in events[named:]
    new = (path.parent, path.parent.parent, path.parent.parent.parent)  # each made durable in its parent
    assert {folder.parent.stat().st_ino for folder in new} <= set(events[:named])


def test_a_file_is_flushed_before_it_is_named_and_then_its_folder(tmp_path: Path) -> None:
    with recorded() as events:
        path = write_file(tmp_path / "f", b"1")
    assert events == [path.stat().st_ino, "named", tmp_path.stat().st_ino]


# Killed


STEPS = """
sys.path.insert(0, sys.argv[2])
from broken_disk import fill, stopped_at

def build(root):
    Store(root).build(Key("entries", ("a",)), fill)

def document(root):
    update_document(root / "f", lambda d: {**d, "1": 1})

for action in (build, document):
    step, status = 0, 1
    while status:
        step += 1
        folder = root / action.__name__ / str(step)
        folder.mkdir(parents=True)
        if action is document:
            (folder / "f").write_text('{"0": 0}')
        if not (child := os.fork()):
            with stopped_at(step, lambda: os._exit(9)):  # as kill -9: nothing is cleaned up
                action(folder)
            os._exit(0)
        status = os.waitpid(child, 0)[1]
"""


@pytest.mark.slow
def test_killed_at_every_step(tmp_path: Path) -> None:
    finish(start(STEPS, tmp_path, Path(__file__).parent))
    builds, documents = (sorted((tmp_path / name).iterdir()) for name in ("build", "document"))
    assert len(builds) > 15
    assert len(documents) > 5
    outcomes = set()
    for root in builds:
        found = whole(root, KEY)
        outcomes.add(found is not None)
        assert (found or Store(root).build(KEY, fill)).blob("blob") == BLOB
        assert found or not list(root.rglob(".draft-*"))  # making it swept what the dead one left
    assert outcomes == {True, False}
    assert {tuple(read_document(root / "f")) for root in documents} == {("0",), ("0", "1")}


WORK = """
shards = store.shards(Key("log", ()))
number = len(shards)
while True:
    frame = pl.DataFrame({"n": [number] * 100})
    def fill(draft):
        draft.table("t", frame)
        draft.array("a", np.full(1000, number))
    store.build(Key("entries", (str(number),)), fill)
    update_document(root / "doc", lambda d: {"n": number})
    write_file(root / "file", str(number).encode() * 1000)
    shards.append(frame)
    print(number, flush=True)
    number += 1
"""


def check_all(root: Path, *, acknowledged: int) -> None:
    """Everything up to `acknowledged` is there; at most one more of each, and whole."""
    rows = Store(root).shards(Key("log", ())).read()["n"].to_list()
    parts = len(rows) // 100
    assert rows == [n for n in range(parts) for _ in range(100)]
    assert acknowledged + 1 <= parts <= acknowledged + 2
    for number in range(acknowledged + 3):
        found = whole(root, Key("entries", (str(number),)))
        if found is None:
            assert number > acknowledged
        else:
            assert found.table("t")["n"].to_list() == [number] * 100
            np.testing.assert_array_equal(found.array("a"), np.full(1000, number))
    assert read_document(root / "doc")["n"] in {acknowledged, acknowledged + 1}
    assert (root / "file").read_bytes() in {str(n).encode() * 1000 for n in (acknowledged, acknowledged + 1)}


@pytest.mark.slow
def test_killed_at_random_moments_and_resumed(tmp_path: Path) -> None:
    rng = random.Random(1)
    for _ in range(4):
        worker = start(WORK, tmp_path)
        assert worker.stdout is not None
        line = worker.stdout.readline()
        time.sleep(rng.uniform(0, 0.3))
        worker.kill()
        lines = [line, *worker.communicate()[0].splitlines()]
        whole = [int(line) for line in lines if line.strip()]
        check_all(tmp_path, acknowledged=whole[-1])
    assert whole[0] > 0  # the last round went on from the one before
    append_key = Key("log", ())
    with Store(tmp_path).shards(append_key) as shards:
        shards.append(pl.DataFrame({"n": [0]}))
    assert not list(shards.path.glob(".btviz-*"))


# Several processes


def run_two(script: str, root: Path) -> list[str]:
    """Run a script twice at once, let loose together; return what each printed after "ready"."""
    both = [start(script, root) for _ in range(2)]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return [finish(process) for process in both]


BUILD = """
def fill(draft):
    with (root / "made").open("a") as log:
        log.write("x")
    time.sleep(0.3)
    draft.blob("blob", b"1")
print("ready", flush=True)
input()
print(store.build(Key("entries", ("a",)), fill).blob("blob"))
"""


@pytest.mark.slow
def test_of_two_processes_one_makes_the_entry(tmp_path: Path) -> None:
    assert run_two(BUILD, tmp_path) == ["b'1'\n"] * 2
    assert (tmp_path / "made").read_text() == "x"


COUNT = """
print("ready", flush=True)
input()
for _ in range(100):
    update_document(root / "doc", lambda d: {"n": d.get("n", 0) + 1})
"""


@pytest.mark.slow
def test_two_processes_lose_no_update(tmp_path: Path) -> None:
    run_two(COUNT, tmp_path)
    assert read_document(tmp_path / "doc") == {"n": 200}


HOLD = """
store.shards(Key("entries", ("a",))).append(pl.DataFrame({"n": [0]}))
shards = store.shards(Key("entries", ("a",)))
shards.append(pl.DataFrame({"n": [1]}))
def fill(draft):
    draft.blob("half", b"1")
    print("held", flush=True)
    time.sleep(3600)
store.build(Key("entries", ("a",)), fill)
"""


def test_a_process_holds_its_locks_only_while_it_lives(tmp_path: Path) -> None:
    holder = start(HOLD, tmp_path)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(StoreError, match=r"another process.*is writing there\. Wait for it to end"):
        append(tmp_path, 2)
    assert appended(tmp_path) == [0, 1]
    assert Store(tmp_path).get(KEY) is None
    holder.kill()
    holder.communicate()
    append(tmp_path, 2)
    assert appended(tmp_path) == [0, 1, 2]
    assert Store(tmp_path).build(KEY, fill).blob("blob") == BLOB
    assert not list(tmp_path.rglob(".draft-*"))


READ = """
import btviz.store.entry
if os.geteuid() == 0:
    os.seteuid(65534)  # nobody: permissions do not bind the superuser
try:
    (root / "probe").touch()
except OSError:
    print("cannot write")
found = store.get(Key("entries", ("a",)))
print(len(found.blob("blob")), found.array("array").sum(), store.shards(Key("entries", ("a",))).read()["n"].to_list())
for action in (
    lambda: store.build(Key("entries", ("b",)), lambda draft: None),
    lambda: store.shards(Key("entries", ("a",))).append(pl.DataFrame({"n": [1]})),
    lambda: write_file(root / "file", b""),
):
    try:
        action()
    except StoreError as error:
        print("Permission denied" in str(error) and "Make the folder writable" in str(error))
print(store.build(Key("entries", ("a",)), None).names)
"""


def test_a_store_that_cannot_be_written_can_be_read() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to other users
        root = Path(name)
        found = Store(root).build(KEY, fill)
        append(root, 0)
        (found.path / "array.npy").touch()  # to be hashed, and not settled
        folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
        for folder in folders:
            folder.chmod(0o555)
        try:
            out = finish(start(READ, root))
        finally:
            for folder in folders:
                folder.chmod(0o755)
    assert out.splitlines() == ["cannot write", "1700 499500 [0]", "True", "True", "True", "['array.npy', 'blob']"]
