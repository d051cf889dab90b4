"""What a terminal does to the command: closed and full streams, narrow encodings, strange names; no exit 70."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from btviz.cli import app

ROWS = [{"prompt": f"what is {k}", "response": "a number"} for k in range(3)]

STEERING_NAME = "esc\x1b[31mred\u202egpj\u200b\u061c\ufff9\U000e0041.jsonl"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of benign rows under several names."""
    place = tmp_path_factory.mktemp("terminal")
    for name in (b"rows.jsonl", STEERING_NAME.encode(), b"no\xffutf.jsonl"):
        (place / os.fsdecode(name)).write_text("\n".join(map(json.dumps, ROWS)))
    (place / "digits.toml").write_text(f'name = "x"\nn = {"9" * 5000}\n')
    (place / "deep.toml").write_text(f'name = "x"\nn = {"[" * 5000}\n')
    return place


def called(folder: Path, *arguments: str, **extra: object) -> subprocess.CompletedProcess[bytes]:
    """`btviz` in a process of its own, with a store of its own."""
    command = [sys.executable, "-m", "btviz", *arguments]
    streams: dict[str, object] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment(folder)}
    return subprocess.run(command, cwd=folder, check=False, **(streams | extra))  # type: ignore[call-overload, no-any-return]


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "BTVIZ_DATA_DIR": str(folder / "data"), "COLUMNS": "100", **more}


@pytest.mark.slow
def test_nobody_need_read_what_is_printed(folder: Path):
    closed = subprocess.run(
        ["/bin/sh", "-c", f'exec "{sys.executable}" -m btviz data show rows.jsonl >&-'],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        check=False,
    )
    assert (closed.returncode, closed.stderr) == (0, b"")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_full_output_is_said_to_be_full(folder: Path):
    with Path("/dev/full").open("wb") as full:
        refused = called(folder, "data", "show", "rows.jsonl", stdout=full)
    assert refused.returncode == 5
    assert b"could not be written" in refused.stderr
    assert b"Traceback" not in refused.stderr


@pytest.mark.slow
def test_a_terminal_of_ascii_gets_escapes(folder: Path):
    narrow = environment(folder, LC_ALL="POSIX", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0")
    shown = called(folder, "data", "show", "rows.jsonl", env=narrow)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.isascii()
    assert b"rows: your own file" in shown.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["data", "show", "~nosuchuser/x.jsonl"], 3),
        (["data", "add", "z", "~nosuchuser/x.jsonl"], 2),
        (["data", "add", "z", "rows.jsonl", "--taxonomy", "digits.toml"], 4),
        (["data", "add", "z", "rows.jsonl", "--taxonomy", "deep.toml"], 4),
        (["data", "show", os.fsdecode(b"no\xffutf.jsonl")], 0),
    ],
    ids=["user", "user added", "digits", "brackets", "bytes"],
)
def test_what_is_strange_has_a_clear_end(folder: Path, arguments: list[str], code: int):
    ended = called(folder, *arguments)
    assert ended.returncode == code, ended.stderr
    assert b"unforeseen" not in ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize("option", [[], ["--json"]])
def test_names_that_would_steer_a_terminal_are_escaped(folder: Path, option: list[str]):
    shown = called(folder, "data", "show", STEERING_NAME, *option)
    assert shown.returncode == 0, shown.stderr
    for sign in ("\x1b", "\u202e", "\u200b", "\u061c", "\ufff9", "\U000e0041"):
        assert sign.encode() not in shown.stdout + shown.stderr
    if option:
        document = json.loads(shown.stdout)
        assert document["name"] == Path(STEERING_NAME).stem
        assert document["near_duplicates"][0]["prompts"] == len(ROWS)  # rows without labels are prompts, too


HEADERLESS = {
    "short fields": "planted words,another one,5\nfoo,bar,6\n",
    "no number": "planted words,another one\nfoo,bar\n",
    "yes or no": "planted words,true\nfoo,false\n",
    "tabs": "planted words\t1\nfoo\t0\n",
}


COMMANDS = ("data show", "data add mine", "data inspect", "score sample --from", "stats judgements")


@pytest.mark.parametrize("content", HEADERLESS.values(), ids=HEADERLESS)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_table_without_a_header_shows_nothing_of_its_rows(tmp_path: Path, command: str, content: str):
    (tmp_path / "table.csv").write_text(content)
    ended = CliRunner().invoke(app, [*command.split(), str(tmp_path / "table.csv")])
    assert "planted" not in ended.output
    assert ended.exit_code in {0, 2, 4}, ended.output
