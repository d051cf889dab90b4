"""Prompts without answers: mapped, listed and read like pairs; what is of answers says that there are none."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner, Result
from fake_front import Front
from topic_data import SUBJECTS

import btviz
from btviz.cli import app
from btviz.errors import DataError
from btviz.session import ContentPolicy, Notes, Selection
from btviz.taxonomy import BEAVERTAILS
from btviz.texts.embedding import run

EACH = 30


def rows_of_subjects(*, safety: bool = False) -> list[dict[str, Any]]:
    """Thirty prompts about each subject, as an evaluation set is released: one category each."""
    draw = random.Random(1)
    return [
        {"prompt": f"{' '.join(draw.sample(words.split(), 6))} {number}", "category": BEAVERTAILS.keys[place]}
        | ({"is_safe": place > 2} if safety else {})
        for place, words in enumerate(SUBJECTS.values())
        for number in range(EACH)
    ]


def written(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "asked.json"
    path.write_text(json.dumps(rows))
    return path


def call(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, list(map(str, arguments)))


def test_items_are_prompts_where_there_are_no_pairs(tmp_path: Path) -> None:
    rows = rows_of_subjects()
    ds = btviz.load(written(tmp_path, [*rows, rows[0], rows[1] | {"category": BEAVERTAILS.keys[9]}]))
    assert (ds.item, ds.pairs.height, ds.items.height) == ("prompt", 0, len(rows))
    assert ds.items.schema == ds.pairs.schema
    assert ds.items["pair_id"].equals(ds.items["prompt_id"].rename("pair_id"))
    assert ds.items["response"].null_count() == len(rows)
    labels = dict(ds.items.select("prompt", "labels").iter_rows())
    assert labels[rows[0]["prompt"]] == 1
    assert labels[rows[1]["prompt"]] is None  # two rows, two categories
    assert btviz.load("sample").items.equals(btviz.load("sample").pairs)


def test_prompts_are_embedded_each_once_and_other_texts_refused(tmp_path: Path, hash_encoder: Any) -> None:
    rows = rows_of_subjects()
    ds = btviz.load(written(tmp_path, [*rows, rows[0]]))
    emb = btviz.embed(ds, encoder=hash_encoder)
    assert emb.pairs["pair_id"].to_list() == ds.items["prompt_id"].to_list()
    assert f"{len(rows)} prompts" in repr(emb)
    for text in ("qa", "response"):
        with pytest.raises(DataError, match="prompts without answers"):
            btviz.embed(ds, text=text, encoder=hash_encoder)
    near = btviz.more_like(emb, pair_ids=[ds.items["pair_id"][0]], n=3)
    assert near.height == 3


def test_labels_that_neighbours_contradict_are_found_among_prompts(tmp_path: Path, hash_encoder: Any) -> None:
    rows = rows_of_subjects(safety=True)
    rows[3]["is_safe"] = True
    ds = btviz.load(written(tmp_path, rows))
    noisy = btviz.noisy_labels(ds, btviz.embed(ds, encoder=hash_encoder), targets=["is_safe"])
    odd = ds.items.filter(pl.col("prompt") == rows[3]["prompt"])["pair_id"][0]
    assert noisy["pair_id"][0] == odd


@pytest.mark.parametrize("options", [["--probes"], ["--model", "nowhere"], ["--from", "scores.csv"]])
def test_scores_of_prompts_are_refused(tmp_path: Path, options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scores.csv").write_text("prompt,response,reward\nhow,so,1.0\n")
    path = written(tmp_path, rows_of_subjects())
    result = call("score", path, *options)
    assert result.exit_code == 4
    assert "180 prompts without answers" in result.stderr
    assert "btviz map" in result.stderr


def test_a_prompt_is_listed_and_read_only_when_asked_for(tmp_path: Path) -> None:
    rows = rows_of_subjects()
    hidden = BEAVERTAILS["sexual"].key
    ds = btviz.load(written(tmp_path, [*rows[:2], rows[2] | {"category": hidden}]))
    selection = Selection()
    inspector = btviz.widgets.PairInspector(ds, policy=ContentPolicy(), selection=selection)
    front = Front(inspector)
    assert inspector.view["item"] == "prompt"
    assert [card["alone"] for card in inspector.cards] == [True] * 3
    assert rows[0]["prompt"] not in json.dumps([inspector.view, inspector.cards])
    ids = dict(ds.items.select("prompt", "pair_id").iter_rows())
    for row, shown in ((rows[0], rows[0]["prompt"]), (rows[2], None)):
        texts = front.texts(ids[row["prompt"]])
        assert [(part, text["text"], bool(text["withheld"])) for part, text in texts.items()] == [
            ("prompt", shown, shown is None)
        ]
    inspector.filter(any_of=["sexual"])
    assert inspector.selected["pair_id"].to_list() == [ids[rows[2]["prompt"]]]
    Notes(ds).add(inspector.selected["pair_id"], tag="read")
    assert Notes(ds).table["tag"].to_list() == ["read"]


@pytest.mark.slow
def test_prompts_are_mapped_and_their_topics_chosen(
    tmp_path: Path, hash_encoder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "load_encoder", lambda *_, **__: hash_encoder)
    path = written(tmp_path, rows_of_subjects())
    result = call("map", path, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert re.search(r"prompts +unsafe +name", result.stdout)
    assert "prompts · n = 180" in (tmp_path / "out" / "topic_map_prompt.svg").read_text()
    ds = btviz.load(path)
    emb = btviz.embed(ds)
    points = btviz.fit_data_map(emb)
    assert points["pair_id"].to_list() == ds.items["prompt_id"].to_list()
    topics = btviz.fit_topics(ds, points, embeddings=emb)
    assert topics.topics["n_pairs"].sum() + (topics.assignments["topic"] == -1).sum() == 6 * EACH
    table = btviz.topic_categories(ds, topics)
    assert set(table["population"]) == {"prompts"}
    assert set(topics.topics["top_category"]) <= {*BEAVERTAILS.keys[:6]}
    explorer = btviz.widgets.TopicExplorer(ds, points=points, topics=topics)
    explorer.click(0)
    assert explorer.selected.height == topics.topics["n_pairs"][0]
    assert explorer.selection.origin.endswith("prompts")
    explorer.color_by("category:animal-abuse")
    explorer.search("telescope")
    assert 0 < explorer.selected.height <= EACH
