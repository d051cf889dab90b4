"""Noisy labels where people meet them: a tab of the explorer, and a command; no text in either."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from fake_front import control, inside, state_of
from made_embeddings import embeddings_of

from btviz.cli import app
from btviz.session.content import ContentPolicy
from btviz.session.ids import hex_id
from btviz.taxonomy.categories import BEAVERTAILS
from btviz.texts.embedding import Embeddings
from btviz.widgets import CategoryExplorer
from btviz.widgets.parts.chartview import ProgressLine

COLUMNS = {"prompt": pl.String, "response": pl.String, "split": pl.String, "is_safe": pl.Boolean, "labels": pl.UInt32}
LIE = BEAVERTAILS["misinformation"]
MARKER = "zebra crossing"


@pytest.fixture
def explorer(make_dataset) -> CategoryExplorer:
    """Sixty pairs around two directions, safe ones and liars, of which two safe ones are called liars."""
    group = np.arange(60) % 2
    masks = [(1 << LIE.bit) * int(g or n in {6, 8}) for n, g in enumerate(group)]
    rows = [(f"about {n}", f"{MARKER} {n}", "train", mask == 0, mask) for n, mask in enumerate(masks)]
    ds = make_dataset(pl.DataFrame(rows, schema=COLUMNS, orient="row"))
    made = embeddings_of(np.eye(2)[group] + np.random.default_rng(0).normal(scale=0.05, size=(60, 2)))
    number = pl.col("response").str.split(" ").list.last().cast(pl.UInt64)
    pairs = ds.pairs.sort("pair_id").select("pair_id", text_id=(number + 1) * 10)
    emb = Embeddings(made.text_ids, made.vectors, pairs, "response", "made", made.fingerprint)
    return CategoryExplorer(ds, embeddings=emb, policy=ContentPolicy())


def part(view, kind):
    [found] = [one for one in inside(view) if isinstance(one, kind)]
    return found


def test_the_tab_lists_candidates_and_a_choice_shows_their_pairs(explorer):
    assert explorer.noise.table is None
    control(explorer, "Find noisy labels").click()
    table = explorer.noise.table
    assert table.filter(target=LIE.key)["direction"].unique().to_list() == ["false alarm"]
    offered = dict(explorer.noise.candidates.options)
    words = f"{LIE.title}: false alarm, 2 pairs"
    explorer.noise.candidates.value = offered[words]
    assert explorer.selected.height == 2
    assert set(explorer.selected["pair_id"]) == set(table.filter(target=LIE.key)["pair_id"])
    ranked = table.filter(target=LIE.key).sort("rank")
    assert explorer.selected["pair_id"].to_list() == ranked["pair_id"].to_list()
    assert explorer.selection.pair_ids.is_sorted()
    says = "the likeliest to be wrong first"
    assert explorer.selection.origin == f"Noisy labels, {LIE.title}, false alarm: 2 pairs, {says}"
    shown = explorer.noise.ranking.content["rows"]
    assert [row[:2] for row in shown] == [[str(place + 1), hex_id(n)] for place, n in enumerate(ranked["pair_id"])]
    assert [row[4] for row in shown] == [f"{n}" for n in ranked["n_neighbors"]]
    assert explorer.selection.values["probability"].to_list() == ranked["probability"].to_list()
    assert "4 labels of 2 pairs are wrong with a probability" in part(explorer, ProgressLine).state["words"]


def test_quality_stands_beside_it_by_direction_and_no_text_is_saved(explorer):
    explorer.noise.find()
    content = explorer.noise.quality.content
    assert [name for name, _ in content["columns"]][:2] == ["label", "direction"]
    rows = {(row[0], row[1]): row[2:] for row in content["rows"]}
    number, precision, chance, _ = rows[LIE.title, "false alarm"]
    assert number == "2"
    assert "%" in precision
    assert "%" in chance
    assert MARKER not in state_of(explorer)


def test_what_cannot_be_found_is_said(tiny, monkeypatch):
    explorer = CategoryExplorer(tiny, policy=ContentPolicy())
    monkeypatch.setattr("btviz.widgets.categories.noise.ENCODER", "no such encoder")
    explorer.noise.find()
    assert "no such encoder" in part(explorer, ProgressLine).state["words"]
    assert control(explorer, "Find noisy labels").disabled is False


@pytest.mark.slow
def test_the_command_counts_and_says_how_good_the_ranking_is(tmp_path):
    rows = [
        {"prompt": f"about {n} {n % 2}", "response": f"{MARKER} " + ("tea leaves" if n % 2 else "iron rods"),
         "is_safe": n % 2 == 0, "category": {key: key == LIE.key and n % 2 == 1 for key in BEAVERTAILS.keys}}
        for n in range(40)
    ]  # fmt: skip
    path = tmp_path / "mine_test.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    result = CliRunner().invoke(app, ["stats", "noise", str(path), "--encoder", "words", "--text", "response"])
    assert result.exit_code == 0, result.output
    assert "missed harm" in result.stdout
    assert "no sign that few" in " ".join(result.stdout.split())
    assert MARKER not in result.output
