"""Nothing we start or depend on calls out."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import notebook_runner
import patience
import pytest
from offline_spy import Spy
from ports import free_port

from btviz.cli.lab import NO_TELEMETRY, lab_arguments, lab_environment

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))
HEAVY = {
    "altair", "anywidget", "bertopic", "hdbscan", "huggingface_hub", "ipywidgets", "jupyterlab", "numba", "pandas",
    "pynndescent", "ray", "requests", "scipy", "sklearn", "torch", "transformers", "umap",
}  # fmt: skip


@pytest.fixture
def spy(tmp_path: Path) -> Iterator[Spy]:
    spy = Spy(tmp_path)
    yield spy
    spy.close()


def run(spy: Spy, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, env=spy.environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"exit code {done.returncode}: {done.stderr[-4000:]}")
    return done


CONNECT = "import socket; socket.create_connection(('192.0.2.1', 9), timeout=.01)"


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        (CONNECT, "socket.connect 192.0.2.1"),
        (f"import subprocess, sys; subprocess.check_call([sys.executable, '-c', {CONNECT!r}])", "socket.connect "),
        ("import socket; socket.getaddrinfo('somewhere.invalid', 80)", "socket.getaddrinfo somewhere.invalid"),
        ("import urllib.request as u; u.urlopen('http://a.invalid/x')", "proxy GET http://a.invalid/x"),
        ("import urllib.request as u; u.urlopen('https://a.invalid')", "proxy CONNECT a.invalid:443"),
    ],
)  # fmt: skip
def test_the_spy_sees_a_call_out(spy, code, seen):
    with pytest.raises(AssertionError, match="exit code 1"):
        run(spy, "-c", code)
    assert any(attempt.startswith(seen) for attempt in spy.attempts())


def test_the_spy_lets_loopback_be(spy):
    run(spy, "-c", "import socket; s = socket.create_server(('', 0)); socket.create_connection(s.getsockname())")
    assert spy.attempts() == []


def test_import_is_light(spy):
    loaded = run(spy, "-c", "import sys, json, btviz; print(json.dumps(sorted(sys.modules)))").stdout
    assert HEAVY & {name.partition(".")[0] for name in json.loads(loaded)} == set()
    assert spy.attempts() == []


def test_the_command_line_starts_light(spy):
    code = "import sys, json, btviz.cli; print(json.dumps(sorted(sys.modules)))"
    assert HEAVY & {name.partition(".")[0] for name in json.loads(run(spy, "-c", code).stdout)} == set()


@pytest.mark.slow
def test_the_demo_calls_nobody_and_ends_by_saying_what_it_made_and_how_to_open_it(spy, tmp_path):
    result = run(spy, "-m", "btviz", "demo", "--out", str(tmp_path / "figures"))
    assert spy.attempts() == []
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["pairs", "5,000"] in rows
    assert ["associations", "of", "two", "182"] in rows
    *_, picture, lab = result.stdout.splitlines()
    assert Path(picture.split()[-1]).is_file()
    assert "btviz lab" in lab
    assert "Drawing: Label sets" in result.stderr


def test_lab_environment_adds_to_what_is_there():
    environment = lab_environment({"JUPYTER_CONFIG_PATH": "/elsewhere", "PATH": "/bin", "DO_NOT_TRACK": "0"})
    assert NO_TELEMETRY.items() <= environment.items()
    ours, theirs = environment["JUPYTER_CONFIG_PATH"].split(":")
    assert (Path(ours) / "jupyter_lab_config.json").is_file()
    assert theirs == "/elsewhere"
    assert environment["PATH"] == "/bin"


@pytest.mark.notebook
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_calls_nobody(spy, path):
    run(spy, notebook_runner.__file__, str(path))
    assert spy.attempts() == []


@pytest.fixture
def lab(spy: Spy, tmp_path: Path) -> Iterator[str]:
    """Address of a JupyterLab that `btviz lab` has started."""
    command = [sys.executable, "-m", "btviz", "lab", "--no-browser", "--port", str(free_port())]
    with (tmp_path / "lab.log").open("w") as log:
        server = subprocess.Popen(command, env=spy.environment(), stdout=log, stderr=log)
    try:
        yield _address(server, tmp_path / "lab.log")
    finally:
        server.terminate()
        server.wait(timeout=patience.SECONDS)


def _address(server: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + patience.SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        found = re.search(r"http://127\.0\.0\.1:(\d+)/lab\?token=\w+", log.read_text())
        if found and _is_listening(int(found[1])):  # the address is printed before the port is bound
            return found[0]
        time.sleep(0.1)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()}")


def _is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.slow
def test_jupyterlab_starts_without_news_and_calls_nobody(lab, spy):
    page = urllib.request.urlopen(lab, timeout=patience.SECONDS).read().decode()
    config = json.loads(re.search(r'id="jupyter-config-data"[^>]*>(.*?)</script>', page, re.DOTALL)[1])
    assert "@jupyterlab/apputils-extension:announcements" in config["disabledExtensions"]
    assert config["news"] == {"disabled": True}
    update = urllib.request.urlopen(lab.replace("/lab?", "/lab/api/update?"), timeout=patience.SECONDS).read()
    assert json.loads(update) == {"notification": None}
    assert spy.attempts() == []


def test_lab_opens_on_the_notebooks():
    command = lab_arguments(browser=False, port=9999)
    assert f"--ServerApp.root_dir={NOTEBOOKS[0].parent}" in command
    assert command[-2:] == ["--no-browser", "--port=9999"]
