"""The page: counts agree with clauses, one selection moves everything, and no text leaves unasked."""

from __future__ import annotations

import base64
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import made_topics
import nbformat
import numpy as np
import polars as pl
import polars.testing
import pytest
from click.testing import CliRunner
from fake_front import Front, state_of
from nbconvert import HTMLExporter
from notebook_runner import execute

import btviz
from btviz.cli.app import app
from btviz.cli.explore import document_of
from btviz.errors import UsageError
from btviz.labels.agreement import agreement_among, pair_votes, vote_counts
from btviz.session import ContentPolicy, hex_id
from btviz.session.clauses import Tables
from btviz.stats.agreement import coefficient_interval, rating_sums
from btviz.stats.resampling import cluster_sums
from btviz.taxonomy import BEAVERTAILS


@pytest.fixture(scope="module")
def sample():
    return btviz.load("sample")


@pytest.fixture(scope="module")
def made(sample):
    """A map, and scores of a reward and of a cost model."""
    ids = sample.items["pair_id"]
    draw = np.random.default_rng(0)
    points = pl.DataFrame({"pair_id": ids, "x": draw.normal(size=len(ids)), "y": draw.normal(size=len(ids))})
    scores = [
        pl.DataFrame({"pair_id": ids, "score": draw.normal(size=len(ids))}).select(
            "pair_id",
            pl.lit("made").alias("model"),
            pl.lit(kind).alias("kind"),
            pl.lit(None, pl.String).alias("target"),
            "score",
        )
        for kind in ("reward", "cost")
    ]
    return points, pl.concat(scores)


@pytest.fixture
def page(sample, made, tmp_path, monkeypatch):
    monkeypatch.setenv("BTVIZ_DATA_DIR", str(tmp_path))
    points, scores = made
    page = btviz.explore(sample, points=points, scores=scores, policy=ContentPolicy())
    yield page
    page.close()


def received(front, kind):
    """The last message of a kind."""
    return [message for message in front.received if message["kind"] == kind][-1]


def facet_of(front, name):
    [found] = [facet for facet in received(front, "facets")["facets"] if facet["name"] == name]
    return found


def test_every_bar_counts_what_a_click_on_it_chooses(page):
    front = Front(page)
    front.tell("ready")
    for facet in list(received(front, "facets")["facets"]):
        for number, total in enumerate(facet["totals"]):
            front.tell("facet", facet=facet["name"], low=number, high=number, how="replace")
            assert received(front, "bar")["n"] == total, (facet["name"], number)
            assert facet_of(front, facet["name"])["counts"][number] == total
            names = {"ds": page.ds, "pl": pl, "scores": page.tables["scores"]}
            assert page.ds.items.filter(eval(page.selection.expression, names)).height == total
            front.tell("undo")
    assert page.selection.pair_ids is None


def test_counts_of_a_selection_are_those_of_its_pairs(page, sample):
    front = Front(page)
    page.click("categories", "Privacy violation")
    page.click("safety", "unsafe")
    chosen = sample.items.filter(sample.taxonomy.has("privacy"), ~pl.col("is_safe"))
    front.tell("ready")
    assert received(front, "bar")["n"] == chosen.height
    violence = [c.title for c in sample.taxonomy.categories].index("Violence, aiding and abetting, incitement")
    counts = facet_of(front, "categories")["counts"]
    assert counts[violence] == chosen.filter(sample.taxonomy.has("violence")).height
    drawn = received(front, "canvas")
    assert drawn["heading"].startswith(f"{chosen.height:,} of {sample.items.height:,} pairs")


def test_a_click_replaces_what_its_own_facet_said_and_keeps_the_others(page, sample):
    page.click("safety", "unsafe")
    page.click("categories", "Privacy violation")
    page.click("categories", "Self-harm", how="add")
    assert page.selection.origin == "unsafe AND (Privacy violation or Self-harm)"
    page.click("categories", "Child abuse")
    assert page.selection.origin == "unsafe AND Child abuse"
    page.click("categories", "Child abuse")
    page.click("dispute", "disputed", how="exclude")
    assert page.selection.origin == "unsafe NOT disputed"
    unsafe = sample.items.filter(~pl.col("is_safe"), pl.col("n_unsafe") == pl.col("n_annotations"))
    assert page.selection.pair_ids.equals(unsafe["pair_id"])


def test_a_region_of_the_plane_is_a_range_on_both_scores(page, made):
    front = Front(page)
    front.tell("canvas", name="plane")
    assert received(front, "points")["n"] == page.ds.items.height
    front.tell("region", name="plane", corners=[0.0, 1.0, -0.5, 0.5])
    _, scores = made
    wide = scores.pivot("kind", index="pair_id", values="score")
    inside = wide.filter(pl.col("reward") >= 0, pl.col("reward") < 1, pl.col("cost") >= -0.5, pl.col("cost") < 0.5)
    assert page.selection.pair_ids.to_list() == inside["pair_id"].sort().to_list()
    assert len(page.selection.clauses) == 2
    assert page.selection.undo()
    assert page.selection.pair_ids is None


def test_the_map_lights_what_is_selected(page, made):
    sent = []
    page.send = lambda content, buffers=None: sent.append((content, buffers))
    page.show("map")
    page.click("safety", "unsafe")
    buffers = [buffers for content, buffers in sent if content["kind"] == "canvas"][-1]
    bits = np.unpackbits(np.frombuffer(buffers[0], np.uint8), bitorder="little")[: page.ds.items.height].astype(bool)
    assert made[0]["pair_id"].filter(pl.Series(bits)).to_list() == page.selection.pair_ids.to_list()


@pytest.mark.parametrize("order", ["+cost by made", "-reward by made", "longest", "dispute", "random"])
def test_the_list_is_sorted_as_asked(page, made, order):
    page.click("categories", "Privacy violation")
    front = Front(page)
    front.tell("sort", by=order)
    assert received(front, "reading")["sort"] == order
    rows = page.selected
    assert sorted(rows["pair_id"]) == page.selection.pair_ids.to_list()
    if "by" in order:
        scores = made[1].filter(pl.col("kind") == order[1:].split()[0])
        values = rows.join(scores, on="pair_id", maintain_order="left")["score"]
        assert values.is_sorted(descending=order[0] == "+")
    elif order == "longest":
        assert rows["response_words"].is_sorted(descending=True)
    elif order == "dispute":
        n = rows.filter(pl.col("n_unsafe") > 0, pl.col("n_unsafe") < pl.col("n_annotations")).height
        assert rows.head(n).filter(pl.col("n_unsafe").is_in([0, 3])).is_empty()


def test_all_answers_to_a_prompt_are_chosen_in_one_step(page, sample):
    front = Front(page)
    page.click("safety", "unsafe")
    pair = page.selection.pair_ids[0]
    front.tell("prompt", pair=hex_id(pair))
    prompt = sample.items.filter(pl.col("pair_id") == pair)["prompt_id"][0]
    assert page.selection.pair_ids.equals(sample.items.filter(pl.col("prompt_id") == prompt)["pair_id"])
    assert sample.items.filter(eval(page.selection.expression, {"pl": pl})).height == len(page.selection.pair_ids)


def test_topics_have_neutral_names_and_choose_their_pairs(sample, made, tmp_path, monkeypatch):
    monkeypatch.setenv("BTVIZ_DATA_DIR", str(tmp_path))
    embeddings = made_topics.embedded(sample) if hasattr(made_topics, "embedded") else None
    if embeddings is None:
        embeddings = btviz.embed(sample, text="prompt", encoder="words")
    topics = btviz.fit_topics(sample, embeddings=embeddings, random_state=0)
    page = btviz.explore(sample, topics=topics, policy=ContentPolicy())
    page.click("topics", 0)
    assert page.selection.pair_ids.to_list() == topics.assignments.filter(pl.col("topic") == 0)["pair_id"].to_list()
    assert page.selection.origin == topics.topics["name"][0]
    page.close()


def test_no_text_leaves_unless_it_is_asked_for(page, sample):
    front = Front(page)
    messages = [*front.tell("ready")]
    for step in (
        {"kind": "facet", "facet": "safety", "low": 0, "high": 0, "how": "replace"},
        {"kind": "search", "text": "how", "by": "words"},
        {"kind": "export"},
        {"kind": "save", "name": "kept"},
        {"kind": "canvas", "name": "contrast"},
    ):
        messages += front.tell(**step)
    said = json.dumps(messages) + state_of(page) + page.picture + repr(page)
    texts = sample.items.select(pl.concat([pl.col("prompt"), pl.col("response")])).to_series().unique()
    assert not [text for text in texts if len(text) > 12 and text in said]
    shown = front.texts(int(page.selection.pair_ids[0]))
    assert shown["prompt"]["text"] == sample.items.filter(pl.col("pair_id") == page.selection.pair_ids[0])["prompt"][0]


def test_the_picture_that_remains_is_small_and_has_no_script(page):
    page.click("categories", "Privacy violation")
    root = ET.fromstring(page.picture)
    assert len(page.picture) < 200_000
    assert {element.tag.split("}")[1] for element in root.iter()} == {"svg", "title", "rect", "text"}
    words = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert any(word.startswith("Selected: 233 of 5,000") for word in words)
    assert any("run the cell" in word.lower() for word in words)
    bundle = page._repr_mimebundle_()
    assert (bundle[0] if isinstance(bundle, tuple) else bundle)["image/svg+xml"] == page.picture


def test_a_kept_selection_is_continued(page, sample):
    front = Front(page)
    page.click("categories", "Self-harm")
    chosen = page.selection.pair_ids
    front.tell("save", name="yesterday")
    front.tell("clear")
    assert received(front, "bar")["saved"] == ["yesterday"]
    front.tell("load", name="yesterday")
    assert page.selection.pair_ids.equals(chosen)
    other = btviz.Selection(sample.items["pair_id"])
    other.open(page.selection.to_json(), tables=Tables(sample))
    assert other.pair_ids.equals(chosen)


def test_what_is_not_there_is_said(page):
    with pytest.raises(UsageError, match="facet"):
        page.click("colour", 0)
    with pytest.raises(UsageError, match="Privacy"):
        page.click("categories", "Privacy")
    with pytest.raises(UsageError, match="words"):
        page.search(" ")
    with pytest.raises(UsageError, match="meaning"):
        page.search("something", by="meaning")
    front = Front(page)
    front.tell("canvas", name="globe")
    assert "globe" in received(front, "say")["text"]
    front.tell("against", topic=3)
    assert "Topic 3 was to be compared with" in received(front, "say")["text"]


def test_the_command_writes_a_document_of_one_cell(tmp_path, monkeypatch):
    monkeypatch.setenv("BTVIZ_DATA_DIR", str(tmp_path))
    done = CliRunner().invoke(app, ["explore", "sample", "--write-only"])
    assert done.exit_code == 0, done.output
    [code] = [c for c in json.loads(Path(done.output.strip()).read_text())["cells"] if c["cell_type"] == "code"]
    names: dict = {}
    *lines, last = code["source"].splitlines()
    exec("\n".join(lines), names)
    page = eval(last, names)
    assert page.ds.items.height == 5000
    page.close()
    refused = CliRunner().invoke(app, ["explore", "no-such-data", "--write-only"])
    assert refused.exit_code == 3
    assert [path.name for path in (tmp_path / "pages").glob("*.ipynb")] == [Path(done.output.strip()).name]


def test_the_document_lays_out_the_texts_where_that_is_asked_for():
    code = document_of("a/b c.jsonl", with_map=True)["cells"][1]["source"]
    compile(code, "cell", "exec")
    assert "points=points, topics=topics" in code


@pytest.mark.notebook
@pytest.mark.slow
def test_the_first_notebook_shows_the_page_and_a_picture_remains_of_it(tmp_path, monkeypatch):
    monkeypatch.setenv("BTVIZ_DATA_DIR", str(tmp_path))
    notebook = nbformat.read(Path(__file__).parents[1] / "notebooks" / "00_start_here.ipynb", as_version=4)
    done = execute(notebook)
    [shown] = [out["data"] for cell in done.cells for out in cell.get("outputs", ()) if "data" in out]
    assert "application/vnd.jupyter.widget-view+json" in shown
    assert "of 5,000 pairs" in shown["image/svg+xml"]
    del done.metadata["widgets"]  # as JupyterLab saves a notebook, unless it is told to keep the state
    page, _ = HTMLExporter().from_notebook_node(done)
    [picture] = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)
    assert base64.b64decode(picture).decode() == shown["image/svg+xml"]


def test_a_selection_goes_to_somebody_else_and_back_as_json(page):
    front = Front(page)
    page.click("categories", "Self-harm")
    page.click("safety", "safe", how="exclude")
    front.tell("json")
    text, chosen = received(front, "copy")["text"], page.selection.pair_ids
    front.tell("clear")
    front.tell("open", text=text)
    assert page.selection.pair_ids.equals(chosen)
    for wrong in ("pl.lit(True)", "[]", "{}"):
        front.tell("open", text=wrong)
        assert "was to be opened" in received(front, "say")["text"]
    assert page.selection.pair_ids.equals(chosen)


def test_a_map_that_was_not_given_is_made_on_request(tmp_path, monkeypatch):
    monkeypatch.setenv("BTVIZ_DATA_DIR", str(tmp_path))
    page = btviz.explore(btviz.load("sample-saferlhf"), policy=ContentPolicy())
    front = Front(page)
    front.tell("canvas", name="map")
    assert received(front, "canvas")["encoders"][-1] == "words"
    front.tell("lay_out", encoder="words")
    assert received(front, "points")["n"] == page.ds.items.height
    assert "topics" in [facet["name"] for facet in received(front, "facets")["facets"]]
    front.tell("facet", facet="topics", low=0, high=0, how="replace")
    assert received(front, "bar")["n"] == facet_of(front, "topics")["totals"][0]
    page.close()


def test_all_that_is_selected_is_tagged_and_untagged_in_one_step(page):
    front = Front(page)
    front.tell("tag_all", tag="look again")
    assert "none is selected" in received(front, "say")["text"]
    page.click("categories", "Self-harm")
    front.tell("tag_all", tag="look again")
    assert page.notes.tagged("look again") == page.selection.pair_ids.to_list()
    assert facet_of(front, "tags")["totals"] == [len(page.selection.pair_ids)]
    assert page.notes.undo() == len(page.selection.pair_ids)


def test_prompts_without_answers_are_explored_like_pairs(tmp_path, monkeypatch):
    monkeypatch.setenv("BTVIZ_DATA_DIR", str(tmp_path))
    rows = [{"prompt": f"how to fold paper {k}", "category": BEAVERTAILS.keys[k % 3]} for k in range(12)]
    path = tmp_path / "asked.json"
    path.write_text(json.dumps(rows))
    page = btviz.explore(btviz.load(path), policy=ContentPolicy())
    front = Front(page)
    front.tell("ready")
    assert received(front, "bar")["item"] == "prompt"
    assert facet_of(front, "categories")["totals"] == [4, 4, 4]
    front.tell("facet", facet="categories", low=0, high=0, how="replace")
    assert received(front, "bar")["n"] == 4
    assert received(front, "reading")["listed"] == 4
    page.close()


def test_a_selection_that_others_share_moves_the_page_and_the_page_moves_them(sample, tmp_path, monkeypatch):
    monkeypatch.setenv("BTVIZ_DATA_DIR", str(tmp_path))
    selection = btviz.Selection()
    page = btviz.explore(sample, selection=selection, policy=ContentPolicy())
    front = Front(page)
    selection.set(sample.items["pair_id"][:7], origin="seven")
    assert received(front, "bar")["n"] == 7
    page.click("safety", "unsafe", how="exclude")
    assert selection.origin == "seven NOT unsafe"
    selection.clear()
    page.click("safety", "unsafe", how="exclude")  # of all pairs, which the page knows
    assert len(selection.pair_ids) == sample.items.filter("is_safe").height
    page.close()
    selection.clear()


@pytest.mark.slow
def test_agreement_of_a_selection_is_that_of_these_pairs_alone(page, sample):
    front = Front(page)
    front.tell("canvas", name="agreement")
    page.click("categories", "Privacy violation")
    drawn = received(front, "canvas")
    chosen = page.selection.pair_ids
    votes = pair_votes(sample)
    among = np.isin(votes.pair_id, chosen.to_numpy())
    by_prompt = cluster_sums(
        rating_sums(votes.n_raters[among], votes.n_positive[among]), clusters=votes.prompt_id[among]
    )
    for number, row in enumerate(drawn["rows"]):
        expected = coefficient_interval("agreement", by_prompt[:, number])
        found = [row[name] for name in ("p", "low", "high")]
        assert found == [pytest.approx(end[0]) for end in (expected.estimate, expected.low, expected.high)]
        alpha = coefficient_interval("krippendorff_alpha", by_prompt[:, number]).estimate[0]
        assert row["alpha"] == (None if np.isnan(alpha) else pytest.approx(alpha))
    everything = btviz.annotator_agreement(sample)
    columns = ("n_pairs", "n_prompts", "prevalence", "agreement", "agreement_low", "krippendorff_alpha")
    pl.testing.assert_frame_equal(agreement_among(vote_counts(sample)).select(columns), everything.select(columns))
    assert "in part what was chosen" in drawn["doubt"]
    page.selection.set(chosen, origin="read last week")
    assert "in part what was chosen" not in received(front, "canvas")["doubt"]


def test_lines_of_the_network_are_phi_of_the_selection(page, sample):
    front = Front(page)
    page.click("safety", "unsafe")
    front.tell("canvas", name="network")
    drawn = received(front, "canvas")
    chosen = sample.items.filter(~pl.col("is_safe")).select("pair_id", "labels", "is_safe")
    table = btviz.cooccurrence(chosen.lazy(), population="pairs", taxonomy=sample.taxonomy)
    known = {(a, b): (value, n) for a, b, value, n in table.select("row", "col", "phi", "n_both").rows()}
    keys = sample.taxonomy.keys
    large = {pair for pair, (value, _) in known.items() if value is not None and abs(value) >= 0.1}
    lines = {(keys[a], keys[b]): (value, low, high, n) for a, b, value, low, high, n in drawn["edges"]}
    assert {frozenset(pair) for pair in lines} == {frozenset(pair) for pair in large}
    for (a, b), (value, low, high, n) in lines.items():
        assert (value, n) == (pytest.approx(known.get((a, b), known.get((b, a)))[0]), known[a, b][1])
        assert low < value < high
    front.tell("cell", slugs=[drawn["keys"][5]], how="replace")
    assert page.selection.clauses[-1].words == drawn["labels"][5]


def test_a_topic_is_compared_with_another(sample, made, tmp_path, monkeypatch):
    monkeypatch.setenv("BTVIZ_DATA_DIR", str(tmp_path))
    topics = btviz.fit_topics(sample, embeddings=btviz.embed(sample, text="prompt", encoder="words"), random_state=0)
    page = btviz.explore(sample, topics=topics, policy=ContentPolicy())
    front = Front(page)
    page.click("topics", 0)
    front.tell("canvas", name="contrast")
    front.tell("against", topic=1)
    drawn = received(front, "canvas")
    one, other = (topics.assignments.filter(pl.col("topic") == k)["pair_id"] for k in (0, 1))
    table = btviz.category_contrast(sample, one, against=other)
    assert [row["ratio"] for row in drawn["rows"]] == table["ratio"].to_list()
    assert [row["rest"] for row in drawn["rows"]] == table["share_rest"].to_list()
    assert f"{topics.topics['name'][1]}: {table['n_rest'][0]:,} pairs" in drawn["heading"]
    page.close()


def test_comparisons_of_the_selection_are_read_in_the_same_pane(page, sample):
    front = Front(page)
    page.click("categories", "Self-harm")
    front.tell("list", what="comparisons")
    chosen = page.selection.pair_ids.implode()
    frame = sample.preferences.filter(pl.any_horizontal(pl.col("pair_id_0", "pair_id_1").is_in(chosen)))
    read = received(front, "reading")
    assert (read["what"], read["listed"]) == ("comparisons", frame.height)
    front.tell("sort", by="other")
    narrowed = received(front, "reading")
    assert narrowed["listed"] == frame.filter(pl.col("better") != pl.col("safer")).height
    assert {card["better"] == card["safer"] for card in narrowed["cards"]} <= {False}
    front.tell("clear")
    assert received(front, "reading")["listed"] == sample.preferences.filter(pl.col("better") != pl.col("safer")).height
    front.tell("list", what="pairs")
    assert received(front, "reading")["listed"] == sample.items.height


def test_what_was_read_in_this_session_is_counted(page, sample):
    front = Front(page)
    front.tell("ready")
    assert received(front, "read")["n"] == 0
    two = sample.items.filter(pl.col("labels") == 0)["pair_id"][:2]
    front.tell("reveal", pairs=[hex_id(pair) for pair in two])
    assert received(front, "read")["n"] == 2
    front.tell("reveal", pairs=[hex_id(two[0])])
    assert received(front, "read")["n"] == 2


def test_neighbours_of_a_pair_are_those_nearest_in_meaning(sample, tmp_path, monkeypatch):
    monkeypatch.setenv("BTVIZ_DATA_DIR", str(tmp_path))
    embeddings = btviz.embed(sample, text="prompt", encoder="words")
    page = btviz.explore(sample, embeddings=embeddings, policy=ContentPolicy())
    front = Front(page)
    pair = sample.items["pair_id"][0]
    front.tell("near", pair=hex_id(pair))
    near = btviz.more_like(embeddings, pair_ids=[pair], n=25)
    texts = embeddings.pairs.filter(pl.col("text_id").is_in(near["text_id"].implode()))["pair_id"]
    assert page.selection.pair_ids.equals(texts.sort())
    assert received(front, "reading")["value_of"] == "similarity"
    page.close()


def test_a_picture_of_counts_remains_of_each_explorer(sample, made):
    scores = made[1]
    views = [
        btviz.widgets.CategoryExplorer(sample, policy=ContentPolicy()),
        btviz.widgets.ScoreExplorer(sample, scores=scores, policy=ContentPolicy()),
        btviz.widgets.OrthogonalityLab(sample, policy=ContentPolicy()),
    ]
    views[0].selection.set(sample.items["pair_id"][:7], origin="seven")
    said = []
    for view in views:
        bundle = view._repr_mimebundle_()
        picture = (bundle[0] if isinstance(bundle, tuple) else bundle)["image/svg+xml"]
        root = ET.fromstring(picture)
        assert {element.tag.split("}")[1] for element in root.iter()} == {"svg", "title", "rect", "text"}
        said.append([element.text for element in root.iter() if element.tag.endswith("text")])
        assert any("run the cell" in words.lower() for words in said[-1])
        view.close()
    assert "Selected: 7 of 5,000 pairs" in said[0]
    assert f"Selected: {sample.preferences.height:,} of {sample.preferences.height:,} comparisons" in said[2]
