import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from small_data import hashed_words, some_pairs

from btviz.store import Store
from btviz.texts.embedding import CallableEncoder, embed

pytest.importorskip("ray", reason="Ray is not installed")


class Mortal:
    """Kills the first worker that comes to a text, once, and notes how many threads it has."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, texts):
        (self.folder / f"threads-{os.environ['OMP_NUM_THREADS']}").touch()
        (self.folder / f"statistics-{os.environ['RAY_USAGE_STATS_ENABLED']}").touch()
        dead = self.folder / "dead"
        if not dead.exists():
            dead.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return hashed_words(texts)


def spread(folder):
    mortal = CallableEncoder(Mortal(folder), name="words", version="1")
    found = embed(some_pairs(1200), encoder=mortal, engine="ray", workers=2, store=Store(folder / "there"))
    assert found.facts["new"] == 600


@pytest.mark.slow
def test_ray_gives_the_same_bytes_though_a_worker_is_killed(tmp_path):
    # in a process of its own: Ray leaves its servers to the end of the process that started them
    paths = [os.environ.get("PYTHONPATH", ""), str(Path(__file__).parent)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    environment.pop("RAY_USAGE_STATS_ENABLED", None)
    program = f"import pathlib, test_embedding_ray as t; t.spread(pathlib.Path({str(tmp_path)!r}))"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    if "none could be joined or started" in done.stderr:
        pytest.skip("Ray gives a start half a minute, and this machine is too busy for that")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "dead").exists()
    assert [file.name for file in tmp_path.glob("threads-*")] == ["threads-1"]
    assert [file.name for file in tmp_path.glob("statistics-*")] == ["statistics-0"]
    words = CallableEncoder(hashed_words, name="words", version="1")
    there = embed(some_pairs(1200), encoder=words, store=Store(tmp_path / "there"))
    here = embed(some_pairs(1200), encoder=words, store=Store(tmp_path / "here"))
    assert there.facts["new"] == 0
    assert there.vectors.tobytes() == here.vectors.tobytes()
    assert there.fingerprint == here.fingerprint
