"""Figures in one column of a paper: text of the size asked, and nothing beside the picture."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import polars as pl
import pytest

import btviz
from btviz import figures, plots
from btviz.plots.style.captions import folded, least_room
from btviz.plots.style.rows import columns_of, folding, label_axis, rows_beside
from btviz.plots.style.theme import TEXT_SIZE, TINY_SIZE, text_width

COLUMN = 3.25 * 72
"""Width of a column of a paper, in points."""


def made_scores(ds: btviz.Dataset) -> pl.DataFrame:
    unsafe = (~ds.pairs["is_safe"]).cast(pl.Float64) - 0.5
    noise = pl.Series(np.random.default_rng(0).normal(size=ds.pairs.height))
    kinds = {"reward": noise - unsafe, "cost": noise + unsafe, "moderation": 1 / (1 + (-noise - unsafe).exp())}
    return pl.concat(
        ds.pairs.select(
            "pair_id",
            pl.lit(f"{kind} probe").alias("model"),
            pl.lit(kind).alias("kind"),
            pl.lit("hate-speech" if kind == "moderation" else None, pl.String).alias("target"),
            score.alias("score"),
        )
        for kind, score in kinds.items()
    )


@pytest.fixture(scope="module")
def drawn(samples: dict[str, btviz.Dataset], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, float]]:
    """All figures of the sample and of scores of it, in a column, and the size of the text of each."""
    folder = tmp_path_factory.mktemp("narrow")
    ds = samples["sample"]
    figures.write_all(ds, folder, width=COLUMN, formats=("svg",), scores=made_scores(ds))
    rows = json.loads((folder / "manifest.json").read_text("utf-8"))["figures"]
    return folder, {row["figure"]: row["text_points"] for row in rows if row.get("text_points")}


@pytest.mark.slow
@pytest.mark.usefixtures("kept_samples")
def test_every_figure_has_text_of_the_size_asked_in_a_column(drawn: tuple[Path, dict[str, float]]):
    folder, sizes = drawn
    assert len(sizes) >= 25
    assert {name: size for name, size in sizes.items() if size < TEXT_SIZE} == {}
    for name in sizes:
        head = re.search(r'<svg .*?width="([\d.]+)"', (folder / f"{name}.svg").read_text("utf-8"), re.DOTALL)
        assert head is not None
        assert float(head[1]) == pytest.approx(COLUMN)


def label_sizes(chart: alt.TopLevelMixin) -> float:
    return float(chart.to_dict()["config"]["axis"]["labelFontSize"])


def counts(n: int, *, letters: int) -> pl.DataFrame:
    names = [f"{'long ' * letters}name {place}" for place in range(n)]
    shares = [(place + 1) / (n + 1) for place in range(n)]
    return pl.DataFrame({"category": names, "n_category": range(1, n + 1), "n": [n + 1] * n, "share": shares})


@pytest.mark.parametrize(("letters", "size"), [(0, TEXT_SIZE), (6, TEXT_SIZE), (40, TINY_SIZE)])
def test_text_is_small_only_where_three_lines_do_not_help(letters: int, size: float):
    assert label_sizes(plots.category_shares(counts(4, letters=letters), width=COLUMN)) == size


def test_rows_are_on_one_line_where_there_is_room_and_else_as_high_as_their_lines():
    names = {"a": "Short", "b": "A label of several words that takes half of a column"}
    wide, narrow = (rows_beside(names, texts=["100 %"], width=width) for width in ("double", COLUMN))
    assert (wide.names, wide.lines, wide.height(1.9)) == (names, 1, 1.9 * TEXT_SIZE)
    lines = narrow.names["b"]
    assert isinstance(lines, list)
    assert narrow.names["a"] == "Short"
    assert (" ".join(lines), len(lines)) == (names["b"], narrow.lines)
    assert narrow.height(1.9) >= narrow.lines * TEXT_SIZE
    assert narrow.room + max(map(text_width, lines)) + text_width("100 %") <= COLUMN
    assert "labelBaseline" not in label_axis(wide.names).to_dict()
    assert "isArray" in str(label_axis(narrow.names).to_dict()["labelBaseline"])


def test_a_number_is_not_parted_from_its_sign():
    text = "Some category, n = 1,234"
    for lines in (1, 2, 3):
        room = least_room(text, lines=lines)
        shown = folded(text, room=room + 0.01)
        parts = shown if isinstance(shown, list) else [shown]
        assert len(parts) <= lines
        assert any("n = 1,234" in part for part in parts)
        assert max(map(text_width, parts)) <= room + 0.01


def test_legends_take_as_many_columns_as_fit():
    labels = ["one", "two", "three and more"]
    widths: list[Any] = [columns_of(labels, room=room) for room in (40, 200, 400)]
    assert widths == [1, 2, 3]
    assert columns_of(labels, room=400, most=2) == 2
    assert folding(labels, room=400) is alt.Undefined
    assert '["three", "and", "more"]' in str(folding(labels, room=text_width("three") + 24))


def every(part: Any, key: str) -> Iterator[Any]:
    if isinstance(part, dict):
        yield from ([part[key]] if key in part else [])
        part = list(part.values())
    if isinstance(part, list):
        for member in part:
            yield from every(member, key)


def test_the_matrix_lists_its_names_below_where_they_leave_no_room_beside_it(samples: dict[str, btviz.Dataset]):
    table = btviz.cooccurrence(samples["sample"])
    wide, narrow = (plots.association_matrix(table, width=width).to_dict() for width in ("double", COLUMN))
    assert narrow["width"] == narrow["height"]
    assert narrow["width"] > 0.8 * COLUMN
    title = "Violence, aiding and abetting, incitement"
    listed = [rows for data in (wide, narrow) for rows in every(data, "name") if rows == title]
    assert len(listed) == 1


@pytest.mark.parametrize(("n", "angle"), [(1, 0), (6, -45)])
def test_names_of_groups_under_bars_are_slanted_where_they_would_touch(n: int, angle: int):
    groups = [f"answering model {place}" for place in range(n)]
    table = pl.DataFrame({"group": groups}).with_columns(
        pl.lit("Human").alias("first"),
        pl.lit("model").alias("second"),
        pl.lit(100).alias("n"),
        *(
            pl.lit(0.5).alias(name)
            for name in ("safe_first", "safe_second", "agreement", "kappa", "ac1", "low", "high")
        ),
    )
    chart = plots.moderators(table, width=COLUMN).to_dict()
    assert next(every(chart, "labelAngle")) == angle
