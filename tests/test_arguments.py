"""What is passed wrongly from Python: each call says what was asked, what was found, and what to do."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_embeddings import clustered, embeddings_of
from made_topics import made_topics
from topic_data import planted

import btviz
from btviz import plots
from btviz.arguments import expect_table, seed, whole_number
from btviz.errors import NotFoundError, UsageError
from btviz.session.content import ContentPolicy

DO = re.compile(r" (Use|Give|Embed|Choose) [^.]+\.")


def refused(call, *, said, kind=UsageError):
    """What the message of a call is; it has three beats, the last of which is what to do."""
    with pytest.raises(kind) as caught:
        call()
    message = str(caught.value)
    assert said in message
    assert DO.search(message)
    assert message.endswith((".", ")"))


WHOLE = [
    (-1, "below"),
    (2.5, "no whole number"),
    (3.0, "no whole number"),
    ("4", "no whole number"),
    (True, "no whole"),
]
SEEDS = [(-1, "below 0"), (2**32, "above 4294967295"), (0.5, "no whole number")]


@pytest.fixture(scope="module")
def emb():
    return embeddings_of(clustered(40))


@pytest.mark.parametrize(("value", "said"), WHOLE)
@pytest.mark.parametrize("name", ["n_neighbors", "landmarks"])
def test_sizes_of_a_map(name, value, said, emb):
    refused(lambda: btviz.fit_data_map(emb, **{name: value}), said=said)


@pytest.mark.parametrize(("value", "said"), WHOLE)
@pytest.mark.parametrize("name", ["n_neighbors", "n_threads"])
def test_sizes_of_the_graph(name, value, said, emb):
    refused(lambda: btviz.nearest_neighbors(emb, **{name: value}), said=f"{name}={value!r}")
    refused(lambda: btviz.nearest_neighbors(emb, **{name: value}), said=said)


@pytest.mark.parametrize(("value", "said"), WHOLE)
@pytest.mark.parametrize("name", ["n_neighbors", "max_texts"])
def test_sizes_of_the_quality_of_a_map(name, value, said, emb):
    points = emb.pairs.select("pair_id", x=pl.lit(0.0), y=pl.lit(0.0))
    refused(lambda: btviz.map_quality(points, emb, **{name: value}), said=said)


@pytest.mark.parametrize(("value", "said"), WHOLE)
@pytest.mark.parametrize("name", ["scale", "n_words"])
def test_sizes_of_topics(name, value, said, make_dataset):
    ds, emb, points, _ = planted(make_dataset, each=4)
    refused(lambda: btviz.fit_topics(ds, points, embeddings=emb, **{name: value}), said=said)


@pytest.mark.slow
@pytest.mark.parametrize(("value", "said"), SEEDS)
def test_seeds(value, said, make_dataset, emb):
    ds, own, points, _ = planted(make_dataset, each=4)
    topics = btviz.fit_topics(ds, points, embeddings=own)
    for call in (
        lambda: btviz.fit_data_map(emb, random_state=value),
        lambda: btviz.nearest_neighbors(emb, random_state=value),
        lambda: btviz.map_quality(points, own, random_state=value),
        lambda: btviz.fit_topics(ds, points, embeddings=own, random_state=value),
        lambda: btviz.topic_stability(ds, topics, embeddings=own, random_state=value),
    ):
        refused(call, said=said)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_seeds": 1.5}, "n_seeds=1.5"),
        ({"n_subsamples": -1}, "n_subsamples=-1"),
        ({"share": 1.0}, "1.0 of the prompts"),
        ({"n_subsamples": 0}, "n_subsamples=0"),
    ],
)
def test_runs_of_stability(options, said, make_dataset):
    ds, emb, points, _ = planted(make_dataset, each=4)
    topics = btviz.fit_topics(ds, points, embeddings=emb)
    refused(lambda: btviz.topic_stability(ds, topics, embeddings=emb, **options), said=said)


@pytest.mark.slow
def test_the_seed_after_the_largest_is_the_first(make_dataset):
    ds, emb, points, _ = planted(make_dataset, each=4)
    topics = btviz.fit_topics(ds, points, embeddings=emb, random_state=2**32 - 1)
    assert btviz.topic_stability(ds, topics, embeddings=emb, n_seeds=1, n_subsamples=1).height == topics.topics.height


@pytest.mark.parametrize(
    ("asked", "said", "kind"),
    [
        ({"text_ids": [-1]}, "an id of texts=-1", UsageError),
        ({"pair_ids": [17, -1]}, "an id of pairs=-1", UsageError),
        ({"pair_ids": pl.Series([-1])}, "an id of pairs=-1", UsageError),
        ({"text_ids": [2**64]}, "above 18446744073709551615", UsageError),
        ({"text_ids": [10.5]}, "10.5 was asked for; that is no whole number", UsageError),
        ({"text_ids": np.array([10.0])}, "no whole number", UsageError),
        ({"text_ids": pl.Series([10, None], dtype=pl.UInt64)}, "None", UsageError),
        ({"text_ids": ["10"]}, "'10'", UsageError),
        ({"text_ids": ["what a text of the data might say"]}, "a str was asked for", UsageError),
        ({"text_ids": 10}, "that is no list of texts", UsageError),
        ({"text_ids": "10"}, "'1' was asked for; that is no whole number", UsageError),
        (
            {"pair_ids": pl.DataFrame({"prompt": ["what a text of the data might say"]})},
            "a Series was asked",
            UsageError,
        ),
        ({"text_ids": [11, 10]}, "1 of them are not among the 40 embedded", NotFoundError),
        ({"text_ids": [10], "n": 2.5}, "n=2.5", UsageError),
    ],
)
def test_ids_to_be_like(asked, said, kind, emb):
    refused(lambda: btviz.more_like(emb, **asked), said=said, kind=kind)


@pytest.mark.parametrize("ids", [(10,), pl.Series([10]), pl.Series([10], dtype=pl.UInt64), np.array([10], np.int32)])
def test_ids_of_any_whole_type_are_taken(ids, emb):
    assert btviz.more_like(emb, ids, n=3).equals(btviz.more_like(emb, [10], n=3))


def test_the_largest_ids_are_compared_exactly(emb):
    refused(lambda: btviz.more_like(emb, [10, 2**64 - 1]), said="2 texts were asked for; 1 of them", kind=NotFoundError)


WRONG_POINTS = [
    (lambda points: points.drop("x"), "without ['x']"),
    (lambda points: points.drop("pair_id", "y"), "without ['pair_id', 'y']"),
    (lambda points: points.with_columns(pl.col("x").cast(pl.String)), "column 'x'"),
    (lambda points: points.with_columns(pl.col("pair_id").cast(pl.String)), "column 'pair_id'"),
    (lambda points: points.to_dicts(), "this is a list"),
]


@pytest.mark.parametrize(("spoil", "said"), WRONG_POINTS)
def test_tables_of_points(spoil, said, make_dataset):
    from btviz.widgets import TopicExplorer

    ds, emb, points, topics = made_topics(make_dataset)
    wrong = spoil(points)
    for call in (
        lambda: btviz.fit_topics(ds, wrong, embeddings=emb),
        lambda: btviz.map_quality(wrong, emb),
        lambda: TopicExplorer(ds, points=wrong, topics=topics, policy=ContentPolicy()),
    ):
        refused(call, said=said)


COUNTS = {"n_neighbors": [2], "n_texts": [5], "n_judged": [5]}


@pytest.mark.parametrize(
    ("quality", "said"),
    [
        (
            pl.DataFrame({"statistic": ["trustworthiness"]}),
            "without ['n_judged', 'n_neighbors', 'n_texts', 'texts', 'value']",
        ),
        (pl.DataFrame({**COUNTS, "statistic": [1], "texts": ["all"], "value": [0.5]}), "column 'statistic'"),
        (pl.DataFrame({**COUNTS, "statistic": ["a"], "texts": ["all"], "value": ["0.5"]}), "numbers in column 'value'"),
        (0.9, "this is a float"),
    ],
)
def test_tables_of_quality(quality, said, make_dataset):
    from btviz.widgets import TopicExplorer

    ds, _, points, topics = made_topics(make_dataset)
    refused(lambda: TopicExplorer(ds, points=points, topics=topics, quality=quality), said=said)
    placed = points.join(topics.assignments, on="pair_id")
    refused(lambda: plots.topic_map(placed, topics.topics, quality=quality), said=said)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [3.5, 2.0, "2", 0, None])
def test_scales_that_are_none(scale, make_dataset):
    from btviz.widgets import TopicExplorer

    ds, _, points, topics = made_topics(make_dataset)
    refused(lambda: topics.at(scale), said=f"scale={scale!r}")
    explorer = TopicExplorer(ds, points=points, topics=topics, policy=ContentPolicy())
    refused(lambda: explorer.scale(scale), said=f"scale={scale!r}")
    assert explorer.topics.scale == 2


def test_a_scale_that_was_not_fitted(make_dataset):
    ds, emb, points, _ = planted(make_dataset, each=4)
    topics = btviz.fit_topics(ds, points, embeddings=emb)
    refused(lambda: topics.at(4321), said="Topics at scale 4321 were asked for; there are [")
    assert topics.at(np.int64(topics.scale)) is topics


@pytest.mark.slow
@pytest.mark.parametrize(
    ("places", "said"),
    [
        ([10**6], "by 1 numbers; 1 of them are none of 0 to 12"),
        ([0, -1], "by 2 numbers; 1 of them"),
        ([0.5], "1 of them"),
        ([True], "1 of them"),
        (["0"], "1 of them"),
    ],
)
def test_points_that_a_map_has_not(places, said, make_dataset):
    from btviz.widgets import TopicExplorer

    ds, _, points, topics = made_topics(make_dataset)
    explorer = TopicExplorer(ds, points=points, topics=topics, policy=ContentPolicy())
    explorer.lasso([0])
    refused(lambda: explorer.lasso(places), said=said)
    assert explorer.selection.pair_ids is not None
    explorer.lasso([])
    assert explorer.selection.pair_ids is None


@pytest.mark.parametrize("workers", [-3, 0])
def test_workers_of_ray(workers, tiny):
    refused(lambda: btviz.embed(tiny, encoder="words", engine="ray", workers=workers), said=f"{workers}")
    refused(lambda: btviz.score(tiny, [], engine="ray", workers=workers), said=f"{workers} workers")


@given(st.integers(), st.integers(), st.integers(0, 10**9))
def test_a_whole_number_is_taken_if_and_only_if_it_lies_in_the_range(value, least, width):
    most = least + width
    if least <= value <= most:
        assert whole_number(value, name="n", least=least, most=most) == value
    else:
        refused(lambda: whole_number(value, name="n", least=least, most=most), said=f"n={value}")


@pytest.mark.parametrize("value", [np.int32(7), np.uint64(7), np.int64(7)])
def test_numbers_of_numpy_become_those_of_python(value):
    assert type(whole_number(value, name="n", least=0)) is int
    assert seed(value) == 7


def test_a_column_of_nulls_may_stand_for_any_type():
    expect_table(pl.DataFrame({"x": [None]}), {"x": "numbers"}, name="points", source="f()")
