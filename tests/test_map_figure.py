"""The map in print: discs by their area, a PNG by its format, and names that keep clear of each other."""

from __future__ import annotations

import math
import struct
import zlib

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_topics import tree_of

from btviz import plots
from btviz.errors import UsageError
from btviz.plots.style.theme import text_width
from btviz.plots.topics.datamap import COLOURS, channels, folded, place_labels, png, rasterised

BLACK = np.zeros((1, 3))


def drawn(places, colours=BLACK, *, radius=3.0, opacity=1.0, shape=(40, 50)):
    return rasterised(np.array(places, float), np.array(colours, float), shape=shape, radius=radius, opacity=opacity)


@pytest.mark.parametrize("radius", [0.6, 1.5, 3.0, 6.2])
def test_an_opaque_disc_has_the_ink_of_its_area_but_for_rounded_edges(radius):
    picture = drawn([[25.2, 20.9]], radius=radius, opacity=1 - 1e-9)
    # a pixel that the disc covers by a share s is drawn with opacity 1 - (1e-9)^s: nearly all of those at the edge
    inner, outer = math.pi * max(radius - 0.75, 0) ** 2, math.pi * (radius + 1) ** 2
    assert inner < (255 - picture[..., 0].astype(int)).sum() / 255 < outer
    assert tuple(picture[20, 25]) == (0, 0, 0)
    assert (picture[:, :10] == 255).all()


def test_one_disc_of_half_opacity_is_half_grey():
    assert tuple(drawn([[25, 20]], opacity=0.5)[20, 25]) == (128, 128, 128)


def test_two_discs_on_each_other_mix_in_equal_parts():
    picture = drawn([[25, 20], [25, 20]], [[208, 0, 0], [0, 0, 208]], opacity=1.0)
    assert tuple(picture[20, 25]) == (104, 0, 104)


def test_order_is_nothing_and_points_outside_are_left_out():
    rng = np.random.default_rng(0)
    places, colours = rng.uniform(-5, 55, (300, 2)), rng.integers(0, 256, (300, 3))
    turned = rng.permutation(300)
    one, other = drawn(places, colours, opacity=0.4), drawn(places[turned], colours[turned], opacity=0.4)
    assert (one == other).all()
    assert (drawn([[-1, 5], [50, 5], [5, 40]], np.zeros((3, 3))) == 255).all()


def test_png_gives_the_picture_back():
    picture = np.random.default_rng(0).integers(0, 256, (7, 5, 3)).astype(np.uint8)
    data = png(picture)
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size : at + 12 + size]) == (zlib.crc32(kind + body),)
        chunks[kind], at = body, at + 12 + size
    assert list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    assert struct.unpack(">IIBBBBB", chunks[b"IHDR"]) == (5, 7, 8, 2, 0, 0, 0)
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(7, 16)
    assert (lines[:, 0] == 0).all()
    assert (lines[:, 1:].reshape(7, 5, 3) == picture).all()


def test_channels_of_a_colour():
    assert channels("#0b62a4") == (11, 98, 164)


PLACES = st.tuples(st.floats(-20, 320), st.floats(-20, 220))
NAMES = st.lists(st.sampled_from(["roses", "soil compost", "tulips"]), min_size=1, max_size=4).map(", ".join)


@settings(max_examples=60)
@given(st.lists(st.tuples(NAMES, PLACES), max_size=25), st.integers(0, 9))
def test_names_keep_clear_of_each_other_and_inside(named, seed):
    ink = np.random.default_rng(seed).random((200, 300)) < 0.3
    labels = place_labels([n for n, _ in named], [a for _, a in named], ink=ink, size=7, wide=60)
    assert len(labels) == len(named)
    shown = [label for label in labels if label is not None]
    for place, one in enumerate(shown):
        assert 0 <= one.left <= 300 - one.width
        assert 0 <= one.top <= 200 - one.height
        for other in shown[:place]:
            apart_across = one.left + one.width <= other.left or other.left + other.width <= one.left
            apart_down = one.top + one.height <= other.top or other.top + other.height <= one.top
            assert apart_across or apart_down


def test_a_name_stands_on_its_anchor_where_nothing_is_drawn_and_beside_it_else():
    ink = np.zeros((200, 300), bool)
    (free,) = place_labels(["roses"], [(150, 100)], ink=ink, size=7, wide=60)
    assert free.nearest == free.anchor
    ink[90:110, 140:160] = True
    (beside,) = place_labels(["roses"], [(150, 100)], ink=ink, size=7, wide=60)
    assert beside.nearest != beside.anchor
    assert not ink[int(beside.top) : int(beside.top + beside.height), int(beside.left) : int(beside.left + 5)].any()


def test_the_larger_topic_comes_first_and_a_name_without_room_is_left_out():
    ink = np.zeros((13, 40), bool)
    first, second = place_labels(["roses", "soil"], [(20, 6.5), (20, 6.5)], ink=ink, size=7, wide=60)
    assert first is not None
    assert second is None


def test_names_are_broken_at_commas_only():
    lines = folded("green roses, soil, compost", size=7, wide=text_width("green roses, soil", size=7))
    assert lines == ("green roses, soil,", "compost")
    assert folded("one long name without a comma", size=7, wide=10) == ("one long name without a comma",)


def table_of(topics, *, each=5):
    places = pl.DataFrame({"topic": [topic for topic in topics for _ in range(each)]})
    at = pl.int_range(pl.len())
    return places.with_columns(x=(at * 7 % 31).cast(pl.Float32), y=(at * 3 % 17).cast(pl.Float32))


def topics_of(n):
    return pl.DataFrame(
        {"topic": range(n), "name": [f"name {i}" for i in range(n)], "n_pairs": [99 - i for i in range(n)]}
    )


def shades(chart):
    """Colours of the bars beside the names."""
    found = chart.to_dict()
    tables = found["datasets"].values()
    return [row["colour"] for table in tables for row in table if "colour" in row]


@pytest.mark.slow
def test_seven_topics_have_colours_and_the_others_are_grey():
    chart = plots.topic_map(table_of(range(-1, 12)), topics_of(12), source="mine", text="prompt")
    coloured = set(shades(chart)) - {"#b3b3b3"}
    assert coloured == set(COLOURS)
    assert len(coloured) < 9
    assert shades(chart).count("#b3b3b3") == len(shades(chart)) - 7


@pytest.mark.slow
def test_what_is_counted_is_said():
    table = pl.concat([table_of([-1, 0, 1])] * 2)  # every place is that of two pairs
    subtitle = plots.topic_map(table, topics_of(2), source="mine", text="prompt").to_dict()["title"]["subtitle"]
    assert subtitle[0] == "mine · pairs · n = 30 · 15 places, one a prompt"
    assert "2 topics, 2 named" in subtitle[1]


@pytest.mark.slow
def test_a_map_without_topics_is_drawn():
    chart = plots.topic_map(table_of([-1]), topics_of(2).head(0))
    assert "No topic: all points are outliers" in chart.to_dict()["title"]["subtitle"]
    assert "Largest topics: none" in chart.description


@pytest.mark.slow
def test_points_travel_as_one_picture():
    chart = plots.topic_map(table_of(range(12), each=500), topics_of(12)).to_dict()
    assert sum(len(table) for table in chart["datasets"].values()) < 100
    assert chart["layer"][0]["mark"]["url"].startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    ("table", "topics", "said"),
    [
        (table_of([0]).drop("x"), topics_of(1), "no column 'x'"),
        (table_of([0]), topics_of(1).drop("name"), "no column 'name'"),
        (table_of([0]).head(0), topics_of(1), "no rows"),
        (table_of([0]).with_columns(x=float("nan")), topics_of(1), "without a place"),
        (table_of([0]).with_columns(y=pl.lit(None, pl.Float32)), topics_of(1), "without a place"),
    ],
)
def test_tables_that_cannot_be_drawn(table, topics, said):
    with pytest.raises(UsageError, match=said):
        plots.topic_map(table, topics)


TREE = tree_of(
    (1, ["a 1", "b 1"], [60, 40], [None, None]), (3, ["a 1", "b 1", "b 2", "c 1"], [35, 30, 20, 5], [0, 1, 0, 1])
)


def boxes(chart):
    """Boxes of a tree by scale and topic: name, from where to where, and whether the name is faint."""
    (data,) = [rows for rows in chart.to_dict()["datasets"].values() if len(rows) == TREE.height and "right" in rows[0]]
    return {(row["row"], row["col"]): (row["name"], row["top"], row["bottom"], row["faint"]) for row in data}


def test_a_tree_has_parts_inside_their_wholes_and_unstable_names_faint():
    stability = pl.DataFrame({"topic": [0, 1, 2, 3], "unstable": [False, True, False, False]})
    found = boxes(plots.topic_tree(TREE, stability=stability, scale=3))
    assert found == {
        ("1", "0"): ("a 1", 0, 60, False),
        ("1", "1"): ("b 1", 60, 100, False),
        ("3", "0"): ("a 1", 0, 35, False),
        ("3", "2"): ("b 2", 35, 55, False),
        ("3", "1"): ("b 1", 60, 90, True),
        ("3", "3"): ("c 1", 90, 95, False),
    }


def test_scales_between_may_be_left_out_of_a_tree():
    deep = tree_of(
        (1, ["a 1"], [9], [None]), (2, ["a 1", "b 1"], [5, 4], [0, 0]), (4, ["a 1", "b 1", "c 1"], [4, 3, 2], [1, 2, 2])
    )
    drawn = plots.topic_tree(deep, scales=(1, 4)).to_dict()
    (rows,) = [rows for rows in drawn["datasets"].values() if len(rows) == 4 and "right" in rows[0]]
    assert {row["col"]: (row["top"], row["bottom"]) for row in rows if row["row"] == "4"} == {
        "0": (0, 4),
        "1": (4, 7),
        "2": (7, 9),
    }
    with pytest.raises(UsageError, match="hierarchy"):
        plots.topic_tree(deep.drop("name"))


def test_names_of_unstable_topics_are_faint_on_the_map():
    placed = pl.DataFrame({"x": [0.0, 1.0, 5.0, 6.0], "y": [0.0, 1.0, 0.0, 1.0], "topic": [0, 0, 1, 1]})
    topics = pl.DataFrame({"topic": [0, 1], "name": ["a 1", "b 1"], "n_pairs": [2, 2], "unstable": [False, True]})
    drawn = plots.topic_map(placed, topics).to_dict()
    (rows,) = [rows for rows in drawn["datasets"].values() if "ink" in rows[0]]
    inks = {row["line"]: row["ink"] for row in rows}
    assert inks["a 1"] != inks["b 1"]
    assert "1 faintly" in " ".join(drawn["title"]["subtitle"])
