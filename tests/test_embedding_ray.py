import os
import signal
from pathlib import Path

import numpy as np
import pytest
from conftest import hashed_words
from test_embedding import some

from btviz.embedding import CallableEncoder, embed
from btviz.store import Store

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


@pytest.mark.filterwarnings("ignore")  # Ray's own, of its start and end
def test_ray_gives_the_same_bytes_though_a_worker_is_killed(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(Path(__file__).parent)]))
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    ds = some(1200)
    here = embed(ds, encoder=CallableEncoder(hashed_words, name="words", version="1"), store=Store(tmp_path / "here"))
    mortal = CallableEncoder(Mortal(tmp_path), name="words", version="1")
    there = embed(ds, encoder=mortal, engine="ray", workers=2, store=Store(tmp_path / "there"))
    assert (tmp_path / "dead").exists()
    assert there.facts["new"] == 600
    assert there.vectors.tobytes() == here.vectors.tobytes()
    assert there.fingerprint == here.fingerprint
    np.testing.assert_array_equal(there.text_ids, here.text_ids)
    assert [file.name for file in tmp_path.glob("threads-*")] == ["threads-1"]
    assert [file.name for file in tmp_path.glob("statistics-*")] == ["statistics-0"]
