"""Saving over what is there: killed at any moment, one of the two is whole and is found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from btviz.store import Key, open_saved, recover_saved
from btviz.store.folder import save_entry

KIND = "things"

SCRIPT = """
import os, sys
from pathlib import Path
from btviz.store import Key
from btviz.store.folder import save_entry

folder, content, steps = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])

def counted(function):
    def call(*arguments, **options):
        global steps
        if steps == 0:
            os._exit(9)
        steps -= 1
        return function(*arguments, **options)
    return call

for owner, name in ((Path, "rename"), (os, "replace"), (os, "rename"), (os, "fsync"), (os, "rmdir"), (os, "unlink")):
    setattr(owner, name, counted(getattr(owner, name)))
save_entry(folder, Key("things", (content,)), make=lambda draft: draft.blob("what", content.encode()))
"""


def saved(folder: Path) -> bytes:
    return open_saved(folder, kind=KIND).blob("what")


@pytest.mark.slow
def test_a_process_killed_at_any_step_leaves_the_old_or_the_new(tmp_path: Path):
    folder, found = tmp_path / "mine", []
    save_entry(folder, Key(KIND, ("old",)), make=lambda draft: draft.blob("what", b"old"))
    for steps in range(40):
        command = [sys.executable, "-c", SCRIPT, str(folder), "new" if steps % 2 == 0 else "old", str(steps)]
        ended = subprocess.run(command, check=False, capture_output=True, text=True)
        assert ended.returncode in {0, 9}, ended.stderr
        found.append(saved(folder))
        assert found[-1] in {b"old", b"new"}
        if ended.returncode == 0:
            break
    assert ended.returncode == 0, "it is done after some steps"
    assert len({path.name for path in tmp_path.iterdir()}) <= 1 + steps
    assert len(set(found)) == 2


def test_what_a_swap_left_is_put_back_and_nothing_else(tmp_path: Path):
    folder = tmp_path / "mine"
    save_entry(folder, Key(KIND, ("old",)), make=lambda draft: draft.blob("what", b"old"))
    folder.rename(tmp_path / ".mine-0123abcd")
    (tmp_path / ".mine-notes").mkdir()
    recover_saved(folder, kind="others")
    assert not folder.exists()
    assert saved(folder) == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mine-notes", "mine"]
