"""The topic explorer without a browser: one selection, in both directions, and no text in what is saved."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from fake_front import Front, chart_of, inside, state_of, tell
from hostile import readable
from hypothesis import given
from hypothesis import strategies as st
from made_topics import made_topics, tree_of
from wording import says

import btviz
from btviz.errors import NotFoundError, UsageError
from btviz.plots.style.theme import GROUPS
from btviz.plots.topics.datamap import QUALITY
from btviz.session.content import ContentPolicy
from btviz.session.ids import hex_id
from btviz.session.selection import Selection
from btviz.texts.embedding import CallableEncoder
from btviz.widgets import TopicExplorer
from btviz.widgets.inspector.index import index_pairs
from btviz.widgets.topics import mapview
from btviz.widgets.topics.colouring import GREY, UNKNOWN, by_category, by_score, by_topic
from btviz.widgets.topics.mapview import GRID, UNSELECTED
from btviz.widgets.topics.places import Places, places_of

UNMEASURED = pl.DataFrame({**{name: [None] for name in QUALITY}, "texts": ["all"]})
HOSTILE = "<img src=x onerror=alert(1)> $x^2$"


@pytest.fixture
def made(make_dataset):
    return made_topics(make_dataset)


@pytest.fixture
def explorer(made):
    ds, _, points, topics = made
    return TopicExplorer(ds, points=points, topics=topics, policy=ContentPolicy())


@pytest.fixture
def places(made):
    """Where the pairs are on the map."""
    ds, _, points, _ = made
    return places_of(points, index_pairs(ds))


@pytest.fixture
def front(explorer):
    return Front(explorer.map)


def chosen(explorer):
    return set(explorer.selection.pair_ids)


def pairs_of_topic(topics, topic):
    return set(topics.assignments.filter(pl.col("topic") == topic)["pair_id"])


def test_pairs_with_one_text_share_a_point_and_are_chosen_together(explorer, made):
    ds, emb, points, _ = made
    assert (explorer.map.state["points"], ds.pairs.height) == (len(emb), points.height)
    place = 3
    text = points.join(emb.pairs, on="pair_id").group_by("text_id", "x", "y").agg("pair_id")
    explorer.map.scatter.selection = np.array([place], np.uint32)  # as the lasso of the browser does
    assert chosen(explorer) in [set(ids) for ids in text["pair_id"]]
    assert len(chosen(explorer)) == 2
    assert explorer.selection.origin == "1 point of the map: 2 pairs"
    assert explorer.inspector.view["chosen"] == 2


def test_the_lasso_chooses_by_point_and_an_empty_one_drops_the_selection(explorer, places):
    rows = places.rows_at([0, 1, 2])
    explorer.map.scatter.selection = np.array([2, 0, 1], np.uint32)
    assert chosen(explorer) == set(explorer.ds.pairs["pair_id"][rows])
    explorer.map.scatter.selection = np.empty(0, np.uint32)
    assert explorer.selection.pair_ids is None
    assert explorer.map.state["chosen"] is None


def test_a_selection_from_python_marks_points_and_leaves_the_others_grey(explorer, places):
    ids = explorer.ds.pairs["pair_id"][[0, 5]]
    explorer.selection.set(ids, origin="mine")
    assert set(explorer.map.scatter.selection) == set(places.of_row[[0, 5]])
    assert explorer.map.state["origin"] == "mine"
    scatter = explorer.map.scatter
    assert len(scatter.color) == len(scatter.color_selected) == len(scatter.color_hover)  # else all look alike
    grey = int(UNSELECTED[1:3], 16) / 255
    assert scatter.color == [[grey, grey, grey, 1.0]] * len(scatter.color)
    assert scatter.color_selected[1][2] == int(GROUPS[0][5:7], 16) / 255
    explorer.selection.clear()
    assert scatter.color == scatter.color_selected
    assert len(scatter.selection) == 0


def test_a_topic_is_chosen_by_its_name_and_found_again_by_its_expression(explorer, front, made):
    ds, _, _, topics = made
    front.tell("topic", topic=1)
    assert chosen(explorer) == pairs_of_topic(topics, 1)
    assert explorer.map.state["topic"] == 1
    names = {"ds": ds, "pl": pl, "topics": topics}
    again = ds.pairs.filter(eval(explorer.selection.expression, names))
    assert set(again["pair_id"]) == chosen(explorer)
    explorer.selection.set([1])
    assert explorer.map.state["topic"] is None
    with pytest.raises(NotFoundError, match="0 to 2"):
        explorer.click(9)


def test_what_cannot_be_chosen_is_said_where_there_is_no_topic_and_no_outlier(make_dataset):
    ds, _, points, topics = made_topics(make_dataset, loose=0)
    with pytest.raises(NotFoundError, match="0 to 2, and no outliers"):
        TopicExplorer(ds, points=points, topics=topics).click(-1)
    none = replace(topics, topics=topics.topics.clear())
    with pytest.raises(NotFoundError, match="at scale 2 there is none"):
        TopicExplorer(ds, points=points, topics=none).click(9)


def test_the_scale_slides(explorer, front):
    assert explorer.map.state["n_topics"] == 3
    front.tell("scale", scale=5)
    assert explorer.topics.scale == explorer.map.state["scale"] == 5
    assert explorer.map.state["n_topics"] == 2
    assert [one["topic"] for one in front.received[-1]["labels"]] == [0, 1]
    said = front.tell("scale", scale=4)
    assert said[-1]["text"] == "no such scale"
    assert explorer.topics.scale == 5


@pytest.mark.slow
def test_search_finds_words_and_meaning(explorer, front, made):
    ds, emb, _, topics = made
    front.tell("words", text="ROSES")
    wanted = ds.pairs.filter(pl.col("prompt").str.contains("roses"))
    assert chosen(explorer) == set(wanted["pair_id"])
    first = emb.pairs.filter(pl.col("pair_id").is_in(list(pairs_of_topic(topics, 2))))
    explorer.selection.set(first["pair_id"][:1])
    explorer.more_like(n=3)
    assert chosen(explorer) == pairs_of_topic(topics, 2) - set(
        emb.pairs.filter(pl.col("text_id") == first["text_id"][0])["pair_id"]
    )
    near = explorer.selection.values
    assert near.columns == ["pair_id", "similarity"]
    assert near["similarity"].is_sorted(descending=True)
    vectors = emb.of_pairs(near["pair_id"])
    assert near["similarity"].to_numpy() == pytest.approx(vectors @ emb.of_pairs(first["pair_id"][:1])[0], abs=1e-6)
    cards = explorer.inspector.cards
    assert [card["value"] for card in cards] == near["similarity"].to_list()[: len(cards)]
    assert explorer.inspector.view["ranked_by"] == "similarity"
    assert explorer.inspector.exported()["similarity"].to_list() == near["similarity"].to_list()
    assert says(front.tell("meaning", text="planets")[-1]["text"], "search by meaning", "encoder")
    explorer.selection.clear()
    with pytest.raises(UsageError, match="no pair is selected"):
        explorer.more_like()


def test_search_by_meaning_asks_the_encoder(made):
    ds, emb, points, topics = made
    spot = emb.vectors[emb.rows[0]]
    source = CallableEncoder(lambda texts: np.stack([spot] * len(texts)), name="spot", version="1")
    known = type(emb)(emb.text_ids, emb.vectors, emb.pairs, emb.text, emb.encoder, emb.fingerprint, source=source)
    explorer = TopicExplorer(ds, points=points, topics=topics, embeddings=known)
    explorer.search_meaning("anything", n=1)
    assert chosen(explorer) == set(emb.pairs.filter(pl.col("text_id") == emb.pairs["text_id"][0])["pair_id"])


def test_bars_and_matrix_follow_and_choose(explorer):
    explorer.click(0)
    table = explorer.contrast.contrast
    assert table["n"][0] == len(chosen(explorer))
    assert table["n"][0] + table["n_rest"][0] == explorer.ds.pairs.height
    category = explorer.ds.taxonomy.categories[0]
    explorer.contrast.click(category.slug)
    carriers = explorer.ds.pairs.filter(explorer.ds.taxonomy.has(category.slug))
    assert chosen(explorer) == set(carriers["pair_id"])
    assert chart_of(explorer.contrast).chosen == {"chosen_row": category.key, "chosen_col": ""}
    explorer.selection.set([])
    assert chart_of(explorer.contrast).spec == {}
    assert "nothing to count" in chart_of(explorer.contrast).said


def test_one_selection_is_shared_with_other_views(made):
    ds, _, points, topics = made
    shared = Selection()
    other = btviz.widgets.PairInspector(ds, selection=shared)
    explorer = TopicExplorer(ds, points=points, topics=topics, selection=shared)
    explorer.click(0)
    assert other.view["chosen"] == topics.topics["n_pairs"][0]


@pytest.mark.slow
def test_nothing_that_is_saved_holds_a_text_or_what_was_searched(make_dataset):
    ds, _, points, topics = made_topics(make_dataset, name=f"{HOSTILE} {{subject}}")
    explorer = TopicExplorer(ds, points=points, topics=topics)
    explorer.policy.reveal_all = True
    explorer.click(0)
    explorer.search("roses")
    widgets = [*inside(explorer), explorer.map.scatter]
    for widget in widgets:
        state = {k: v for k, v in widget.get_state().items() if not k.startswith("_") and k != "points"}
        saved = readable(json.dumps(state, default=str))
        assert "onerror" not in saved
        assert "roses" not in saved
        assert not any(prompt in saved for prompt in ds.pairs["prompt"])
    explorer.policy.hide_all()


def test_topic_names_cross_as_messages_of_plain_text(make_dataset):
    ds, _, points, topics = made_topics(make_dataset, name=HOSTILE)
    explorer = TopicExplorer(ds, points=points, topics=topics)
    sent = Front(explorer.map).tell("ready")
    assert {one["name"] for one in sent[0]["labels"]} == {HOSTILE}
    script = explorer.map._esm
    assert not any(word in script for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write"))


def test_without_webgl_a_density_picture_takes_a_lasso(explorer, front):
    assert explorer.map.density == b""
    front.tell("no_webgl")
    assert len(explorer.map.density) == 2 * GRID * GRID
    assert not any(explorer.map.density[GRID * GRID :])
    front.tell("lasso", polygon=[[-2, -2], [2, -2], [2, 2], [-2, 2]])
    assert len(chosen(explorer)) == explorer.ds.pairs.height
    assert any(explorer.map.density[GRID * GRID :])
    front.tell("lasso", polygon=[])
    assert explorer.selection.pair_ids is None


def test_an_export_holds_topic_and_place_and_texts_only_by_the_policy(explorer, front, tmp_path):
    explorer.click(0)
    table = pl.read_csv(explorer.export(tmp_path / "out.csv"))
    assert table.height == len(chosen(explorer))
    assert set(table["topic"]) == {0}
    assert table["prompt"].null_count() == table.height
    assert table["pair_id"].to_list() == [f"0x{hex_id(pair)}" for pair in sorted(chosen(explorer))]
    assert front.tell("export")[-1]["text"].encode() == (tmp_path / "out.csv").read_bytes()
    explorer.policy.reveal_all = True
    assert pl.read_csv(explorer.export(tmp_path / "all.csv"))["prompt"].null_count() == 0
    explorer.policy.hide_all()


def test_colours_are_offered_as_far_as_the_data_have_them(explorer, front):
    offered = {name: why for name, _, _, why in explorer.map.state["colorings"]}
    assert "annotated once" in offered["disagreement"]
    assert offered["safety"] == ""
    assert "severity" in offered["severity"]
    assert "annotated once" in front.tell("color", name="disagreement")[-1]["text"]
    with pytest.raises(UsageError, match="colouring"):
        explorer.color_by("mood")
    explorer.color_by("category:animal-abuse")
    assert explorer.map.state["legend"][0] == (GREY, "no pair")
    explorer.color_by("topic")
    assert explorer.map.state["color"] == "topic"


def test_colours_by_category_and_score_are_means_over_the_pairs_of_a_point(made):
    ds, _, points, _ = made
    index = index_pairs(ds)
    places = places_of(points, index)
    first = ds.taxonomy.categories[0]
    codes = by_category(places, index, category=first).codes
    share = places.mean(index.labels >> np.uint32(first.bit) & 1)
    assert set(share) == {0.0, 0.5}  # one of two answers to each prompt of the first subject
    assert set(codes[share == 0]) == {1}
    assert set(codes[share == 0.5]) == {3}
    scores = pl.DataFrame({"pair_id": ds.pairs["pair_id"][:4], "score": [0.0, 1.0, 2.0, 3.0]})
    colouring = by_score(places, index, scores=scores, title="reward")
    assert colouring.colours[0] == UNKNOWN
    assert (colouring.codes == 0).sum() == len(places) - len(set(places.of_row[:4]))


def test_at_most_eight_topics_have_a_colour():
    topics = np.arange(-1, 12)
    colouring = by_topic(topics, shown=range(8))
    assert colouring.codes.tolist() == [0, *range(1, 9), 0, 0, 0, 0]
    assert len(colouring.colours) == 9


def test_scores_become_colours_one_for_each_model_and_target(made):
    ds, _, points, topics = made
    scores = ds.pairs.select("pair_id", score=pl.lit(0.5)).with_columns(
        pl.lit("probe").alias("model"), pl.lit("cost").alias("kind"), pl.lit(None, pl.String).alias("target")
    )
    explorer = TopicExplorer(ds, points=points, topics=topics, scores=scores)
    explorer.color_by("score:probe · cost")
    assert explorer.map.state["legend_title"] == "Mean probe · cost"
    with pytest.raises(UsageError, match="several"):
        TopicExplorer(ds, points=points, topics=topics, scores=pl.concat([scores, scores]))


def test_the_map_says_how_far_to_trust_it_and_what_it_shows(explorer, made):
    ds, emb, points, topics = made
    state = explorer.map.state
    assert (state["pairs"], state["points"], state["unplaced"]) == (ds.pairs.height, len(emb), 0)
    assert [row["statistic"] for row in state["quality"]] == ["trustworthiness", "continuity", "neighbor_recall"]
    fewer = TopicExplorer(ds, points=points[:6], topics=topics, quality=UNMEASURED)
    assert fewer.map.state["unplaced"] == ds.pairs.height - 6


def test_topics_that_do_not_come_back_are_marked_at_their_scale(made):
    ds, _, points, topics = made
    n = topics.topics.height
    shares = [0.59, *[0.6] * (n - 1)]
    found = topics.topics.select("topic", "name").with_columns(pl.Series("stability", shares))
    explorer = TopicExplorer(ds, points=points, topics=topics, quality=UNMEASURED, stability=found)
    assert [label["unstable"] for label in Front(explorer.map).tell("ready")[0]["labels"]] == [True, *[False] * (n - 1)]
    assert explorer.map.state["unstable"] == 1
    explorer.scale(next(scale for scale in topics.scales if scale != topics.scale))
    assert explorer.map.state["unstable"] == 0  # not known there
    with pytest.raises(UsageError, match="not that of these"):
        TopicExplorer(ds, points=points, topics=topics, stability=found.head(n - 1))
    with pytest.raises(UsageError, match="topic_stability"):
        TopicExplorer(ds, points=points, topics=topics, stability=points)  # another table altogether


def test_a_box_of_the_tree_shows_its_scale_and_chooses_its_pairs(make_dataset):
    tree = tree_of((2, ["a 1", "b 1", "c 1"], [8, 8, 8], [None] * 3), (5, ["a 1", "b 1"], [8, 8], [0, 1]))
    ds, _, points, topics = made_topics(make_dataset, hierarchy=tree)
    explorer = TopicExplorer(ds, points=points, topics=topics, quality=UNMEASURED)
    tell(explorer.tree, "click", keys=["5", "1"])
    assert explorer.topics.scale == 5
    assert chosen(explorer) == pairs_of_topic(topics.at(5), 1)
    assert explorer.tree.chosen == {"chosen_row": "5", "chosen_col": "1"}
    explorer.search("roses")
    assert explorer.tree.chosen == {"chosen_row": "", "chosen_col": ""}


def keywords_sent(explorer):
    """Words of each topic, as the browser has them once it is ready."""
    sent = Front(explorer.map).tell("ready")[0]["labels"]
    return [label["keywords"] for label in sent]


def test_words_of_topics_are_shown_after_a_reveal_for_this_session(made):
    ds, _, points, topics = made
    policy = ContentPolicy()
    explorer = TopicExplorer(ds, points=points, topics=topics, quality=UNMEASURED, policy=policy)
    assert keywords_sent(explorer) == [[], [], []]
    assert explorer.inspector.policy_state["words"] is False
    Front(explorer.inspector).tell("topic_words", on=True)
    assert all(keywords_sent(explorer))
    other = TopicExplorer(ds, points=points, topics=topics, quality=UNMEASURED, policy=policy)
    assert all(keywords_sent(other)), "every view of the session follows"
    Front(explorer.inspector).tell("hide")
    assert keywords_sent(explorer) == keywords_sent(other) == [[], [], []]
    asked = TopicExplorer(ds, points=points, topics=topics, quality=UNMEASURED, words=True, policy=ContentPolicy())
    assert all(keywords_sent(asked))


def test_a_reveal_reaches_a_map_that_is_on_view(made):
    ds, _, points, topics = made
    policy = ContentPolicy()
    explorer = TopicExplorer(ds, points=points, topics=topics, quality=UNMEASURED, policy=policy)
    front = Front(explorer.map)
    policy.reveal_words = True
    assert [message["kind"] for message in front.received] == ["labels"]
    assert all(label["keywords"] for label in front.received[0]["labels"])


def test_planted_words_are_nowhere_but_in_what_was_asked_for(made, tmp_path):
    """Not in what the browser keeps, in figures, lists, exports, representations, nor in what a search says."""
    ds, _, points, topics = made
    words = {word for keywords in topics.topics["keywords"] for word in keywords}
    policy = ContentPolicy()
    explorer = TopicExplorer(ds, points=points, topics=topics, quality=UNMEASURED, words=True, policy=policy)
    explorer.search(min(words))
    assert explorer.selection.pair_ids is not None
    assert len(explorer.selection.pair_ids)
    policy.hide_all()
    placed = points.join(topics.assignments.select("pair_id", "topic"), on="pair_id")
    figure = json.dumps(btviz.plots.topic_map(placed, topics.topics).to_dict())
    exported = explorer.export(tmp_path / "pairs.csv").read_text()
    said = [state_of(explorer), exported, repr(explorer), repr(topics), explorer.selection.origin, figure]
    found = {word for word in words for text in said if word in re.findall(r"\w+", text.lower())}
    assert found == set()


def test_a_map_of_other_data_is_refused(made):
    ds, _, points, topics = made
    with pytest.raises(UsageError, match="place none"):
        TopicExplorer(ds, points=points.with_columns(pl.col("pair_id") + 1), topics=topics)
    with pytest.raises(UsageError, match="without"):
        TopicExplorer(ds, points=points.drop("x"), topics=topics)


def test_points_inside_a_polygon_are_those_of_a_plain_test(made):
    ds, _, points, _ = made
    places = places_of(points, index_pairs(ds))
    band = [[-0.5, -9], [0.5, -9], [0.5, 9], [-0.5, 9]]
    assert places.inside(band).tolist() == np.flatnonzero(abs(places.xy[:, 0]) < 0.5).tolist()
    assert np.abs(places.xy).max() <= 1
    assert places.inside([]).tolist() == []


@given(seed=st.integers(0, 10_000), n_corners=st.integers(3, 12))
def test_a_lasso_encloses_what_the_even_odd_rule_says(seed, n_corners):
    draw = np.random.default_rng(seed)
    places = Places(draw.integers(-5, 6, (300, 2)).astype(np.float32), np.empty(0, np.intp))  # many at one height
    corners = draw.integers(-6, 7, (n_corners, 2)) / 2
    x, y = places.xy.T.astype(float)
    is_inside = np.zeros(len(places), bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y0 != y1:
            is_inside ^= ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    assert places.inside(corners).tolist() == np.flatnonzero(is_inside).tolist()


def test_an_overview_takes_every_lone_place_and_a_near_view_all_that_fit():
    draw = np.random.default_rng(0)
    lone = np.column_stack([np.linspace(-0.9, 0.9, 40), np.full(40, -0.9)])
    crowd = draw.normal(0.5, 0.05, (2_000, 2))
    places = Places(np.concatenate([lone, crowd]).astype(np.float32), np.empty(0, np.intp))
    overview = places.shown(500)
    assert len(overview) == len(set(overview)) == 500
    assert set(range(40)) <= set(overview)
    assert places.shown(5_000).tolist() == [*range(2_040)]
    box = (0.475, 0.525, 0.425, 0.475)
    x, y = places.xy.T
    near = np.flatnonzero((abs(x - 0.5) < 0.024) & (abs(y - 0.45) < 0.024))
    assert 0 < len(near) < 500
    assert set(near) <= set(places.shown(500, box=box))


@pytest.fixture
def part(made, monkeypatch):
    """An explorer that draws only some of its points."""
    monkeypatch.setattr(mapview, "MOST_DRAWN", 8)
    ds, _, points, topics = made
    explorer = TopicExplorer(ds, points=points, topics=topics, policy=ContentPolicy())
    assert len(explorer.panel.places) > 8
    return explorer


def around(places):
    """A closed line around some places."""
    (left, bottom), (right, top) = places.min(axis=0) - 1e-4, places.max(axis=0) + 1e-4
    return [[left, bottom], [right, bottom], [right, top], [left, top]]


def test_where_some_points_are_drawn_a_lasso_chooses_all_it_encloses(part):
    places, scatter = part.panel.places, part.map.scatter
    assert (part.map.state["drawn"], len(scatter.points)) == (8, 8)
    assert scatter.background_image.startswith("data:image/png")
    front = Front(part.map)
    scatter.selection = np.arange(3, dtype=np.uint32)  # what the page finds among the points drawn
    assert part.selection.pair_ids is None
    front.tell("lasso", polygon=[[-1, -1], [1, -1], [1, 1], [-1, 1]])
    assert chosen(part) == set(part.ds.pairs["pair_id"])
    assert len(scatter.selection) == 8
    inside = places.inside(corners := around(places.xy[:6]))
    assert len(inside) > len(np.intersect1d(inside, places.shown(8)))
    front.tell("lasso", polygon=corners, leaves=True)
    outside = np.setdiff1d(np.arange(len(places)), inside)
    assert chosen(part) == set(part.ds.pairs["pair_id"][places.rows_at(outside)])
    front.tell("lasso", polygon=corners, joins=True)
    assert chosen(part) == set(part.ds.pairs["pair_id"])


def test_points_in_sight_are_drawn_and_a_click_finds_its_place(part):
    places, scatter = part.panel.places, part.map.scatter
    part.click(0)
    x, y = places.xy[np.setdiff1d(np.arange(len(places)), places.shown(8))[0]]
    box = [float(x) - 0.01, float(x) + 0.01, float(y) - 0.01, float(y) + 0.01]
    Front(part.map).tell("sight", box=box)
    [number] = np.flatnonzero((scatter.points[:, 0] == x) & (scatter.points[:, 1] == y))
    marked = {tuple(scatter.points[k, :2]) for k in scatter.selection}
    of_topic = places.xy[places.at_rows(index_pairs(part.ds).rows_of(part.selection.pair_ids))]
    assert marked == {tuple(place) for place in of_topic} & {tuple(place) for place in scatter.points[:, :2]}
    scatter.selection = np.array([number], np.uint32)
    [place] = np.flatnonzero((places.xy == [x, y]).all(axis=1))
    assert chosen(part) == set(part.ds.pairs["pair_id"][places.rows_at([place])])
