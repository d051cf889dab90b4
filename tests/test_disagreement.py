"""How votes fall on the pairs that anybody flags, and the picture of it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import polars as pl
import pytest

import btviz
from btviz import plots
from btviz.data.dataset import Dataset
from btviz.errors import UsageError
from btviz.labels.agreement import SPLITS, VOTE_SPLITS
from btviz.plots.labels.annotators import SHOWN
from btviz.plots.style.rendering import svg
from btviz.plots.style.theme import WIDTHS


@pytest.fixture
def voted(make_dataset: Callable[..., Dataset]) -> Dataset:
    """Six pairs: votes for bit 0 are 3 of 3, 2 of 3, 1 of 3, 1 of 2, 0 of 3, and 1 of 1."""
    votes = [(3, 3), (2, 3), (1, 3), (1, 2), (0, 3), (1, 1)]
    rows = [
        (f"what is {pair}", "a number", "train", annotator >= yes, int(annotator < yes))
        for pair, (yes, n) in enumerate(votes)
        for annotator in range(n)
    ]
    names = ["prompt", "response", "split", "is_safe", "labels"]
    return make_dataset(pl.DataFrame(rows, schema=names, schema_overrides={"labels": pl.UInt32}, orient="row"))


def test_votes_are_counted_by_hand(voted: Dataset) -> None:
    table = btviz.vote_splits(voted)
    assert table.schema == VOTE_SPLITS
    assert table.height == len(SPLITS) * 15
    for target in ("animal_abuse", "is_safe"):
        rows = table.filter(category=target)
        assert dict(rows.select("votes", "n").iter_rows()) == {"unanimous": 1, "majority": 1, "tie": 1, "minority": 1}
        assert rows["share"].to_list() == [0.25] * 4
        assert set(rows.select("n_flagged", "n_pairs").rows()) == {(4, 5)}
        third = -(math.log2(1 / 3) / 3 + 2 * math.log2(2 / 3) / 3)
        assert rows["mean_entropy"].to_list() == [pytest.approx((0 + third + third + 1) / 4)] * 4


def test_a_category_that_nobody_flags_has_no_shares(voted: Dataset) -> None:
    rows = btviz.vote_splits(voted).filter(category="privacy_violation")
    assert rows.select("n", "share", "n_flagged", "mean_entropy").rows() == [(0, None, 0, None)] * 4
    assert set(rows["undefined"]) == {"no pair is flagged"}


def test_data_without_several_votes_say_so(make_dataset: Callable[..., Dataset]) -> None:
    row = {"prompt": ["what is tea"], "response": ["a drink"], "split": ["test"], "is_safe": [False]}
    table = btviz.vote_splits(make_dataset(pl.DataFrame(row).with_columns(pl.lit(1, pl.UInt32).alias("labels"))))
    assert set(table["undefined"]) == {"one annotation per pair"}
    assert table.select("n", "share", "n_flagged", "n_pairs").null_count().row(0) == (table.height,) * 4
    with pytest.raises(UsageError, match="Reason: one annotation per pair"):
        plots.vote_splits(table)


def test_splits_agree_with_the_queue_of_disputed_pairs(voted: Dataset) -> None:
    table = btviz.vote_splits(voted).filter(category="is_safe")
    split = table.filter(pl.col("votes") != "unanimous")["n"].sum()
    assert split == btviz.disputed(voted).filter(pl.col("entropy_is_safe") > 0).height == 3


def parts(chart: object) -> dict[tuple[str, str], tuple[float, float]]:
    (rows,) = chart.to_dict()["datasets"].values()  # type: ignore[attr-defined]
    return {(row["key"], row["votes"]): (row["from"], row["to"]) for row in rows}


def test_bars_are_stacked_from_unanimous_to_minority(voted: Dataset) -> None:
    chart = plots.vote_splits(btviz.vote_splits(voted), source=voted.population)
    found = parts(chart)
    assert [found["animal_abuse", title] for title, _ in SHOWN.values()] == [
        (0, 0.25),
        (0.25, 0.5),
        (0.5, 0.75),
        (0.75, 1),
    ]
    assert {key for key, _ in found} == {"animal_abuse", "is_safe"}
    said = " ".join(re.findall(r">([^<]+)</t(?:ext|span)", svg(chart)))
    assert "tiny · pairs annotated twice or more · n = 5" in said
    assert "Unsafe: 25.0 % of 4" in chart.to_dict()["description"]


def test_only_what_occurs_is_in_the_legend(tiny: Dataset) -> None:
    said = svg(plots.vote_splits(btviz.vote_splits(tiny)))
    assert ">More than half<" in said
    assert ">Half<" not in said


@pytest.mark.parametrize("width", WIDTHS)
def test_picture_fits_the_column(voted: Dataset, width: str) -> None:
    image = svg(plots.vote_splits(btviz.vote_splits(voted), source="made up (synthetic sample)", width=width))
    assert float(re.search(r'width="([\d.]+)"', image)[1]) <= WIDTHS[width] + 4  # type: ignore[index]


def test_a_table_of_something_else_is_refused(tiny: Dataset) -> None:
    with pytest.raises(UsageError, match=r"no column 'votes'.*vote_splits\(\)"):
        plots.vote_splits(btviz.annotator_agreement(tiny, n_boot=10))
