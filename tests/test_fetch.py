"""`fetch` against a small hub, each time in a process of its own: the client reads HF_ENDPOINT at import."""

import hashlib
import io
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import patience
import pytest
from hub_server import COMMIT, REPOSITORY, Hub

from btviz.data.releases.download import Step, shown

CONTENT = random.Random(1).randbytes(3_000_000)  # incompressible, a dozen chunks
OTHER = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
PATH = "data/train.jsonl.gz"
SCRIPT = """
import json, sys
from btviz.errors import BtvizError
from btviz.data.releases import RELEASES, Release, ReleasedFile, fetch
asked = json.loads(sys.argv[1])
files = tuple(ReleasedFile(**file) for file in asked["files"])
RELEASES["toy"] = Release("toy", "Toy", asked["repo"], asked["revision"], files, "beavertails", "annotations",
                          None, "A toy.", "https://example.org", unknown={"revision": "it is a toy"})
answers = []
for _ in range(asked["times"]):
    try:
        paths = fetch("toy", force=asked["force"])
        answers.append({"paths": [str(path) for path in paths], "code": 0})
    except BtvizError as error:
        answers.append({"error": type(error).__name__, "message": str(error), "code": error.exit_code})
print(json.dumps(answers))
"""


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def command(*, revision=COMMIT, files=({"path": PATH, "split": "train"},), force=False, times=1):
    asked = {"repo": REPOSITORY, "revision": revision, "files": list(files), "force": force, "times": times}
    return [sys.executable, "-c", SCRIPT, json.dumps(asked)]


@pytest.fixture
def environment(own_data_dir, tmp_path):
    def make(endpoint, **more):
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
        return {
            **inherited,
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_TOKEN": "hf_not_to_be_sent",
            "NO_PROXY": "127.0.0.1",
            **more,
        }

    return make


@pytest.fixture
def run(environment):
    def call(endpoint, *, env=None, **asked):
        done = subprocess.run(
            command(**asked),
            env=environment(endpoint, **(env or {})),
            capture_output=True,
            text=True,
            timeout=patience.SECONDS,
            check=False,
        )
        assert done.stdout, done.stderr
        answers = json.loads(done.stdout)
        return {**answers[-1], "answers": answers, "stderr": done.stderr}

    return call


@pytest.fixture
def folder(own_data_dir):
    return own_data_dir / "downloads" / "toy"


def kept(folder):
    """Files that a fetch left, but for its lock files and its record."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith("lock") and path.name != "fetched.json"
    )


def parts(folder):
    return list((folder / "data").glob(".*.part"))


@pytest.mark.slow
def test_a_file_comes_through_the_redirect_and_is_not_fetched_twice(run, folder):
    published = {"path": PATH, "split": "train", "sha256": sha256(CONTENT)}
    with Hub({PATH: CONTENT}) as hub:
        first = run(hub.endpoint, files=[published])
        assert first == {**first, "paths": [str(folder / PATH)], "code": 0}
        assert (folder / PATH).read_bytes() == CONTENT
        assert kept(folder) == [PATH]
        assert "3,000,000 bytes" in first["stderr"]
        record = json.loads((folder / "fetched.json").read_text())
        assert record["commit"] == COMMIT
        assert record["files"][PATH] == {
            "split": "train",
            "bytes": len(CONTENT),
            "sha256": sha256(CONTENT),
            "fetched": record["files"][PATH]["fetched"],
        }
        asked = len(hub.requests)
        assert run(hub.endpoint, files=[published])["code"] == 0
        assert len(hub.requests) == asked, "a copy with the right hash needs no network"
        for _, path, headers in hub.requests:
            assert "authorization" not in headers
            assert "torch" not in headers["user-agent"]
            assert "/agent" not in path


@pytest.mark.slow
def test_a_damaged_copy_is_fetched_again(run, folder):
    with Hub({PATH: CONTENT}) as hub:
        run(hub.endpoint)
        (folder / PATH).write_bytes(OTHER)
        answer = run(hub.endpoint)
        assert answer["code"] == 0
        assert "another hash" in answer["stderr"]
        assert (folder / PATH).read_bytes() == CONTENT


@pytest.mark.slow
@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_transfer_goes_on_by_itself(run, folder, ranges):
    with Hub({PATH: CONTENT}, cuts=[1_000_000], ranges=ranges) as hub:
        assert run(hub.endpoint)["code"] == 0
        assert (folder / PATH).read_bytes() == CONTENT
        first, second = hub.ranges_asked()
        assert first is None
        assert 500_000 < int(second.removeprefix("bytes=").rstrip("-")) <= 1_000_000


@pytest.mark.slow
@pytest.mark.parametrize("published", [None, sha256(CONTENT)], ids=["announced", "published"])
def test_a_wrong_hash_of_the_right_length_is_refused(run, folder, published):
    file = {"path": PATH, "split": "train", "sha256": published}
    with Hub({PATH: CONTENT}, served={PATH: OTHER}) as hub:
        answer = run(hub.endpoint, files=[file])
    assert (answer["error"], answer["code"]) == ("FetchError", 6)
    assert sha256(OTHER) in answer["message"]
    assert sha256(CONTENT) in answer["message"]
    assert "Nothing of it was kept" in answer["message"]
    assert kept(folder) == []


def test_another_file_than_the_published_one_is_not_even_downloaded(run, folder):
    with Hub({PATH: OTHER}) as hub:
        answer = run(hub.endpoint, files=[{"path": PATH, "split": "train", "sha256": sha256(CONTENT)}])
        assert hub.ranges_asked() == []
    assert answer["error"] == "FetchError"
    assert "another file than the published one" in answer["message"]
    assert kept(folder) == []


@pytest.mark.slow
def test_a_small_file_outside_large_storage_is_checked_by_its_git_hash(run, folder):
    with Hub({PATH: b"small\n"}, in_git=True) as hub:
        assert run(hub.endpoint)["code"] == 0
        assert (folder / PATH).read_bytes() == b"small\n"
        hub.served = {PATH: b"smell\n"}
        assert "another file" in run(hub.endpoint, force=True)["message"]
        assert (folder / PATH).read_bytes() == b"small\n", "the good copy stays"


@pytest.mark.slow
def test_too_many_requests_are_waited_for(run, folder):
    with Hub({PATH: CONTENT}, statuses=[429], storage_statuses=[429]) as hub:
        assert run(hub.endpoint)["code"] == 0
    assert (folder / PATH).read_bytes() == CONTENT


@pytest.mark.slow
def test_too_many_requests_for_ever_say_so(run):
    with Hub({PATH: CONTENT}, statuses=[429] * 20) as hub:
        answer = run(hub.endpoint)
    assert (answer["error"], answer["code"]) == ("FetchError", 6)
    assert "429" in answer["message"]
    assert "Wait some minutes" in answer["message"]


def test_no_network(run, folder):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        answer = run(f"http://127.0.0.1:{closed.getsockname()[1]}")
    assert (answer["error"], answer["code"]) == ("FetchError", 6)
    assert "could not be reached" in answer["message"]
    assert "btviz data add" in answer["message"]
    assert kept(folder) == []


@pytest.mark.slow
def test_offline_mode_is_respected(run):
    with Hub({PATH: CONTENT}) as hub:
        answer = run(hub.endpoint, env={"HF_HUB_OFFLINE": "1"})
        assert hub.requests == []
    assert "HF_HUB_OFFLINE is set" in answer["message"]


def test_refusals_say_what_to_do(run):
    with Hub({PATH: CONTENT}, statuses=[401, 404, 418]) as hub:
        gated, missing, odd = (answer["message"] for answer in run(hub.endpoint, times=3)["answers"])
        page = f"{hub.endpoint}/datasets/{REPOSITORY}"
    assert "refuses access (401)" in gated
    assert page in gated
    assert "no such file or revision (404)" in missing
    assert page in missing
    assert "answers 418" in odd


@pytest.mark.slow
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_download_goes_on_where_it_stopped(environment, run, folder, blow):
    with Hub({PATH: CONTENT}, stops=threading.Event()) as hub:
        victim = subprocess.Popen(command(), env=environment(hub.endpoint), stderr=subprocess.DEVNULL)
        while not any(part.stat().st_size for part in parts(folder)):
            assert victim.poll() is None
            time.sleep(0.01)
        victim.send_signal(blow)
        victim.wait()
        [part] = parts(folder)
        arrived = part.stat().st_size
        assert 0 < arrived < len(CONTENT)
        assert not (folder / PATH).exists()
        hub.stops.set()
        assert run(hub.endpoint)["code"] == 0
        assert hub.ranges_asked() == [None, f"bytes={arrived}-"]
    assert (folder / PATH).read_bytes() == CONTENT
    assert kept(folder) == [PATH]


@pytest.mark.slow
@pytest.mark.parametrize("revision", [None, COMMIT[:7], "abcdef0"])
def test_an_unpinned_release_stays_at_the_commit_first_seen(run, folder, revision):
    with Hub({PATH: CONTENT, "data/test.jsonl": b"{}\n"}) as hub:
        answer = run(hub.endpoint, revision=revision, files=[])
        assert [Path(path).name for path in answer["paths"]] == ["train.jsonl.gz", "test.jsonl"]
        assert COMMIT in answer["stderr"]
        assert ("the one that published numbers refer to" in answer["stderr"]) == (revision == COMMIT[:7])
        assert json.loads((folder / "fetched.json").read_text())["files"]["data/test.jsonl"]["split"] == "test"
        asked = len(hub.requests)
        assert run(hub.endpoint, revision=revision, files=[])["paths"] == answer["paths"]
        assert len(hub.requests) == asked
    assert not list(folder.parent.rglob("evil*"))


def test_a_disk_that_cannot_hold_it_is_named(run, folder):
    with Hub({PATH: CONTENT}) as hub:
        folder.mkdir(parents=True)
        (folder / "data").write_text("a file where a folder should be")
        answer = run(hub.endpoint)
    assert (answer["error"], answer["code"]) == ("StoreError", 5)
    assert str(folder / "data") in answer["message"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_each_file_has_a_bar_that_shows_bytes(monkeypatch):
    monkeypatch.setattr("btviz.machine.progress.PATIENCE_SECONDS", -1.0)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with shown() as report:
        report(Step("", remark="stands at a commit"))
        for done in (0, 400_000, 1_000_000):
            report(Step("a.jsonl", done, 1_000_000))
        report(Step("b.jsonl", remark="has another hash"))
        report(Step("b.jsonl", 300_000, None))
    drawn = terminal.getvalue()
    for words in ("stands at a commit\n", "a.jsonl", "1.0/1.0 MB", "b.jsonl: has another hash\n", "300.0/? kB"):
        assert words in drawn, words
    assert "downloading" not in drawn


def test_quick_downloads_draw_nothing_on_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with shown() as report:
        report(Step("a.jsonl", 0, 10))
        report(Step("a.jsonl", 10, 10))
    assert terminal.getvalue() == ""
