"""The score explorer beside a live map of topics: one selection, moved from either side."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from fake_front import chart_of
from made_topics import made_topics

from btviz.session.content import ContentPolicy
from btviz.session.selection import Selection
from btviz.widgets import ScoreExplorer, TopicExplorer
from btviz.widgets.inspector.index import index_pairs
from btviz.widgets.topics.places import places_of


@pytest.fixture
def made(make_dataset):
    return made_topics(make_dataset)


@pytest.fixture
def beside(made):
    """Both views of the same pairs, and the table of their costs."""
    ds, _, points, topics = made
    rng = np.random.default_rng(0)
    costs = ds.pairs.select(
        "pair_id",
        pl.lit("made").alias("model"),
        pl.lit("cost").alias("kind"),
        pl.lit(None, pl.String).alias("target"),
        (~pl.col("is_safe") * 2.0 - 1 + pl.Series(rng.normal(scale=0.4, size=ds.pairs.height))).alias("score"),
    )
    policy, shared = ContentPolicy(), Selection()
    of_pairs = topics.assignments.select("pair_id", "topic")
    scores = ScoreExplorer(ds, scores=costs, topics=of_pairs, selection=shared, policy=policy)
    return scores, TopicExplorer(ds, points=points, topics=topics, scores=costs, selection=shared, policy=policy), costs


@pytest.fixture
def on_map(made):
    """Give the places on the map of some pairs."""
    ds, _, points, _ = made
    places = places_of(points, index_pairs(ds)).of_row

    def of(ids):
        rows = ds.pairs.with_row_index("row").filter(pl.col("pair_id").is_in(ids.implode()))["row"]
        return set(places[rows.to_numpy()])

    return of


def test_a_brush_on_scores_marks_its_answers_on_the_map(beside, on_map):
    scores, topics, costs = beside
    before = len(topics.map.scatter.selection)
    scores.brush("made", within=(0.0, 9.0))
    under = costs.filter(pl.col("score") >= 0)["pair_id"]
    assert 0 < len(under) < costs.height
    assert set(topics.map.scatter.selection) == on_map(under)
    assert len(topics.map.scatter.selection) > before
    assert topics.map.state["origin"] == scores.selection.origin
    assert "cost by made, 0.00 to 9.00" in topics.map.state["origin"]
    assert set(topics.inspector.selected["pair_id"]) == set(under)


@pytest.mark.slow
def test_a_topic_on_the_map_is_listed_and_drawn_beside_the_scores(beside):
    scores, topics, _ = beside
    scores.brush("made", within=(0.0, 9.0))
    topics.click(1)
    ids = topics.topics.assignments.filter(topic=1)["pair_id"]
    assert set(scores.selected["pair_id"]) == set(ids)
    assert scores.brushed == {}
    assert all("value" not in param for param in chart_of(scores).spec["params"])
    scores.controls["which"].value = "chosen"
    assert f"n = {len(ids) // 2}" in str(chart_of(scores).spec)  # one safe and one unsafe answer a prompt
    assert scores.selection.origin == topics.map.state["origin"]  # a brush that stayed would list its answers again
    scores.brush("made", within=(-99.0, 99.0), panel="chosen")
    assert set(scores.selected["pair_id"]) == set(ids)  # all that is drawn


@pytest.mark.slow
def test_dropping_the_selection_in_one_drops_it_in_both(beside):
    scores, topics, costs = beside
    topics.lasso([0, 1])
    assert 0 < scores.selected.height < costs.height
    topics.lasso([])
    assert scores.selected.height == costs.height
    scores.brush("made", within=(0.0, 9.0))
    scores.selection.clear()
    assert topics.map.state["chosen"] is None
    assert len(topics.map.scatter.selection) == 0


def test_scores_are_grouped_by_the_topics_of_the_map(beside):
    scores, topics, _ = beside
    scores.controls["grouping"].value = "topic"
    groups = {group for _, group in scores.controls["level"].options}
    expected = topics.topics.assignments["topic"].unique().to_list()
    assert {f"topic {topic}" for topic in expected if topic >= 0} <= groups
