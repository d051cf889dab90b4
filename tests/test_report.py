"""The report: one page without texts and without a network, the same on every run."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from small_data import dataset_from_rows

import btviz
from btviz.cli import app
from btviz.data.dataset import Dataset
from btviz.reports import page
from btviz.taxonomy.words import WIDTH, folded, unfolded

MARKER = "zebracorn"

HOSTILE = "<img src=x onerror=alert(1)>\u202e\x1b[31m"


class Elements(HTMLParser):
    """Tags of a page with their attributes, and its ids."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    @property
    def ids(self) -> list[str]:
        return [str(attributes["id"]) for _, attributes in self.tags if "id" in attributes]


@pytest.fixture(scope="module")
def written(samples: dict[str, Dataset], tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BTVIZ_DATA_DIR", str(path.parent / "data"))
        btviz.report(samples["sample"], path)
    return path.read_text("utf-8")


@pytest.mark.slow
def test_the_page_answers_first_and_shows_every_section(written: str):
    titles = re.findall(r'<section id="(\w+)"', written)
    assert titles[0] == "verdicts"
    assert {"composition", "structure", "agreement", "orthogonality", "scores", "ledger", "provenance"} <= {*titles}
    assert "75.9 % [74.2, 77.6] of 3,705 comparisons" in written
    assert written.count("<figure") >= 15


@pytest.mark.slow
def test_the_page_asks_for_nothing_and_runs_its_own_script_alone(written: str):
    elements = Elements(written)
    policy = next(str(a["content"]) for tag, a in elements.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    script = re.search(r"<script>(.*?)</script>", written, re.DOTALL)
    assert script is not None
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy
    addresses = [a[name] for _, a in elements.tags for name in ("src", "href", "xlink:href", "action") if a.get(name)]
    assert [each for each in addresses if not str(each).startswith(("#", "data:"))] == []
    assert not re.search(r"url\((?!#|data:|\"data:)", written)


@pytest.mark.slow
def test_ids_of_the_page_are_unique(written: str):
    ids = Elements(written).ids
    assert len(ids) == len(set(ids))


@pytest.mark.slow
def test_the_data_of_a_figure_stand_beside_it(written: str, samples: dict[str, Dataset]):
    csv = re.search(r'<template data-name="category_shares.csv">(.*?)</template>', written, re.DOTALL)
    assert csv is not None
    shown = pl.read_csv(csv[1].encode())
    counted = btviz.category_counts(samples["sample"])
    assert shown["n_category"].to_list() == counted["n_category"].to_list()


def small(name: str) -> Dataset:
    rows = pl.DataFrame({"place": range(60)}).select(
        pl.format(f"{MARKER} asks {{}}", pl.col("place") % 20).alias("prompt"),
        pl.format(f"{MARKER} answers {{}}", "place").alias("response"),
        pl.lit("train").alias("split"),
        (pl.col("place") % 3 == 0).alias("is_safe"),
        pl.when(pl.col("place") % 3 > 0).then(1 + pl.col("place") % 2).otherwise(0).cast(pl.UInt32).alias("labels"),
    )
    return dataset_from_rows(rows, name=name)


@pytest.mark.slow
def test_no_text_of_the_data_is_in_the_page_and_names_stay_text(tmp_path: Path):
    ds = small(HOSTILE)
    assert MARKER in ds.pairs["prompt"][0]
    content = btviz.report(ds, tmp_path / "report.html", compare=small("other")).read_text("utf-8")
    assert "Beside other" in content
    assert MARKER not in content
    assert "<img" not in content
    assert not {"\u202e", "\x1b"} & {*content}
    assert "\\u{202e}" in content


@pytest.mark.slow
def test_what_does_not_apply_is_one_line_with_its_reason(tmp_path: Path):
    content = btviz.report(small("mine"), tmp_path / "report.html").read_text("utf-8")
    assert "no comparisons of two answers" in content
    assert "Not shown, with the reason" in content


def test_a_page_that_is_too_large_is_refused(
    samples: dict[str, Dataset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(page, "sections_of", lambda _: [])
    monkeypatch.setattr(page, "LARGEST", 1000)
    with pytest.raises(btviz.BtvizError, match="1,000 are the most"):
        btviz.report(samples["sample"], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_the_command_writes_the_page_and_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(page, "sections_of", lambda _: [])
    path = tmp_path / "out" / "mine.html"
    result = CliRunner().invoke(app, ["report", "sample", "-o", str(path)])
    assert result.exit_code == 0, result.output
    assert str(path) in result.stdout
    assert path.read_text("utf-8").startswith("<!doctype html>")


def test_folding_is_undone():
    texts = ["One word " * 30, "Shares of 12 % [10, 14] of 3,705 comparisons " * 7, "Short."]
    whole = [text.strip() for text in texts]
    assert unfolded("\n".join(map(folded, whole))) == whole
    assert max(len(line) for text in whole for line in folded(text).splitlines()) <= WIDTH
