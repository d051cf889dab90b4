"""`btviz export`: what it writes, prints and refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result
from wording import says

import btviz
from btviz.cli import app
from btviz.session import hex_id

pytestmark = pytest.mark.usefixtures("kept_samples")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["export", *map(str, arguments)])


def test_it_writes_what_python_writes_and_says_what_it_left_out(tmp_path: Path) -> None:
    result = call("sample", tmp_path / "a.csv", "--population", "annotations", "--where", "unsafe", "--split", "test")
    assert result.exit_code == 0, result.stderr
    btviz.export(btviz.load("sample"), tmp_path / "b.csv", population="annotations", where="unsafe", split="test")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert says(result.stdout, "prompt", "response", "texts")
    assert says(result.stdout, "preferences", "not")
    assert "synthetic" in result.stdout


def test_json_is_one_document_with_every_count(tmp_path: Path) -> None:
    result = call("sample", tmp_path / "out", "--as", "dpo", "--order", "safer", "--texts", "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["form"] == "dpo"
    assert document["order"] == "safer"
    (row,) = [row for row in document["rows"] if row["table"] == "preferences"]
    assert row["written"] + row["skipped"] == row["selected"] == row["in_data"]
    assert sum(file["rows"] for file in document["files"]) == row["written"]
    assert all(Path(file["file"]).is_file() for file in document["files"])


def test_pairs_come_from_the_command_line_or_from_a_file(tmp_path: Path) -> None:
    ids = btviz.load("sample").pairs["pair_id"].sample(3, seed=1).sort()
    btviz.export(btviz.load("sample"), tmp_path / "some.csv", pairs=ids, population="pairs")
    typed = [text for number in ids for text in ("--pair", f"0x{hex_id(number)}")]
    for name, options in (("a.parquet", typed), ("b.parquet", ["--pairs", str(tmp_path / "some.csv")])):
        result = call("sample", tmp_path / name, "--population", "pairs", *options)
        assert result.exit_code == 0, result.stderr
        assert pl.read_parquet(tmp_path / name)["pair_id"].sort().to_list() == ids.to_list()


@pytest.mark.parametrize(
    ("options", "code", "terms"),
    [
        (["--as", "dpo"], 2, ("dpo", "texts")),
        (["--as", "exel"], 2, ("form", "exel")),
        (["--category", "privcy"], 2, ("privcy",)),
        (["--pair", "seven"], 2, ("hexadecimal",)),
        (["--pairs", "nowhere.csv"], 3, ("nowhere.csv",)),
    ],
)
def test_a_wrong_request_ends_with_its_code_and_writes_nothing(
    options: list[str], code: int, terms: tuple[str, ...], tmp_path: Path
) -> None:
    result = call("sample", tmp_path / "out", *options)
    assert result.exit_code == code
    assert says(result.stderr, *terms)
    assert not (tmp_path / "out").exists()


def test_what_is_there_stays_without_replace(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("mine")
    arguments = ("sample", tmp_path / "a.csv", "--population", "pairs")
    refused = call(*arguments)
    assert refused.exit_code == 2
    assert "--replace" in refused.stderr
    assert (tmp_path / "a.csv").read_text() == "mine"
    assert call(*arguments, "--replace").exit_code == 0


README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("line", [code for code in re.findall(r"`(btviz export [^`]+)`", README) if "NAME" in code])
def test_the_lines_of_the_readme_work_as_they_stand(line: str, tmp_path: Path) -> None:
    words = [{"NAME": "sample", "FOLDER": "folder"}.get(word, word) for word in line.split()[2:]]
    result = call(words[0], tmp_path / words[1], *words[2:])
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / words[1]).exists()
