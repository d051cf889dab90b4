"""Pictures of agreement and orthogonality: their rows, their words, what they leave out."""

import json
import re

import polars as pl
import pytest
from chart_contents import fields_of, rows_of, words
from wording import says

import btviz
from btviz import plots
from btviz.errors import UsageError
from btviz.plots.style.rendering import svg
from btviz.plots.style.theme import WIDTHS
from btviz.preference import quadrants, reliability_surface

SOURCE = "made up (synthetic sample)"


def forest_table():
    """A category without an interval, a source with a doubtful one, a stratum without comparisons."""
    schema = ["grouping", "level", "n", "prompts", "p", "p_low", "p_high", "naive_low", "naive_high", "undefined"]
    rows = [
        ("all", "all", 1200, 300, 0.70, 0.66, 0.74, 0.67, 0.73, None),
        ("stratum", "mixed", 200, 90, 0.52, 0.44, 0.60, 0.45, 0.59, None),
        ("stratum", "both_safe", 0, 0, None, None, None, None, None, "no comparison"),
        ("category", "self_harm", 30, 9, 0.60, None, None, 0.42, 0.75, "too few"),
        ("category", "animal_abuse", 150, 80, 0.80, 0.72, 0.87, 0.73, 0.86, None),
        ("source", "a | b", 150, 80, 0.31, 0.25, 0.37, 0.24, 0.38, "doubtful"),
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")


def agreement_table(**columns):
    """Three categories, of which the last has no value, and the meta-label."""
    low_high = {f"{name}_{end}": [*ends, None, 0.6] for name in ("krippendorff_alpha", "disputed")
                for end, ends in (("low", (0.1, 0.5)), ("high", (0.3, 0.9)))}  # fmt: skip
    return pl.DataFrame(
        {
            "category": ["animal_abuse", "self_harm", "child_abuse", "is_safe"],
            "n_pairs": [400, 400, 0, 410],
            "few_prompts": [False, True, True, False],
            "krippendorff_alpha": [0.2, 0.7, None, 0.6],
            "disputed": [0.2, 0.7, None, 0.6],
            **low_high,
            "published_disputed": [0.25, None, None, 0.277],
            "published_disputed_split": ["train", None, None, None],
            "undefined": [None, None, "nobody voted", None],
            **columns,
        }
    )


def null_table():
    """Ten turns of all comparisons, four of one stratum."""
    turns = [("all", "all", p, 0.71) for p in [0.505] * 5 + [0.495] * 4 + [0.445]]
    turns += [("stratum", "mixed", p, 0.31) for p in [0.4, 0.45, 0.55, 0.6]]
    return pl.DataFrame(turns, schema=["grouping", "level", "p", "observed"], orient="row")


@pytest.fixture
def compared(make_dataset):
    """Six comparisons: which answer is better, which safe; the last does not tell of safety."""
    rows = [(0, True, False), (0, True, True), (1, True, False), (1, False, False), (1, False, True), (0, None, True)]
    better, safe_0, safe_1 = zip(*rows, strict=True)
    frame = pl.DataFrame(
        {
            "prompt": [f"what is {place} and one" for place in range(len(rows))],
            "response_0": "a number",
            "response_1": "a sum",
            "split": "train",
            "better": pl.Series(better, dtype=pl.UInt8),
            "safer": pl.Series(better, dtype=pl.UInt8),
            "is_safe_0": safe_0,
            "is_safe_1": safe_1,
        }
    )
    nothing = {"prompt": pl.String, "response": pl.String, "split": pl.String, "is_safe": pl.Boolean}
    return make_dataset(pl.DataFrame(schema={**nothing, "labels": pl.UInt32}), comparisons=frame)


def quadrant_table(n=100):
    rows = [("better", True, 70), ("better", False, 30), ("worse", True, 1), ("worse", False, 99)]
    table = pl.DataFrame(rows, schema=["rank", "safe", "n_answers"], orient="row")
    return table.with_columns((pl.col("n_answers") / 100).alias("share"), pl.lit(n).alias("n"))


SURFACE = reliability_surface(0.75, accuracy_better=[0.6, 0.8, 0.9, 1.0], correlation=[-1.0, 0.0, 0.5])
"""At accuracy 1 nothing is corrected, and only there may errors correlate by -1."""


CHARTS = {
    "surface": lambda **options: plots.reliability_surface(SURFACE, **options),
    "quadrants": lambda **options: plots.quadrants(quadrant_table(), **options),
    "null": lambda **options: plots.null_distribution(null_table(), **options),
    "forest": lambda **options: plots.preference_forest(forest_table(), **options),
    "agreement": lambda **options: plots.agreement(agreement_table(), **options),
    "disputed": lambda **options: plots.agreement(agreement_table(), coefficient="disputed", **options),
}


@pytest.mark.parametrize("name", CHARTS)
def test_picture_names_its_data_and_describes_itself(name):
    chart = CHARTS[name](source=SOURCE)
    assert SOURCE in words(chart)
    assert SOURCE in chart.to_dict()["description"]
    assert 'role="img" aria-label="' in svg(chart)


@pytest.mark.parametrize("name", CHARTS)
def test_only_the_columns_drawn_are_in_the_data(name):
    chart = CHARTS[name]()
    assert {column for row in rows_of(chart) for column in row} <= fields_of(chart.to_dict())


@pytest.mark.parametrize("name", CHARTS)
@pytest.mark.parametrize("width", WIDTHS)
def test_picture_fits_the_column(name, width):
    image = svg(CHARTS[name](source=SOURCE, width=width))
    assert float(re.search(r'width="([\d.]+)"', image)[1]) <= WIDTHS[width] + 4


def layers_with(chart, field):
    return [layer for layer in chart.to_dict()["layer"] if field in json.dumps(layer.get("encoding", {}))]


def test_forest_has_the_rows_of_the_table_and_categories_by_share():
    chart = CHARTS["forest"](source=SOURCE)
    rows = {row["key"]: row for row in rows_of(chart) if "key" in row}
    assert list(rows) == ["all/all", "stratum/mixed", "category/animal_abuse", "category/self_harm", "source/a | b"]
    first = rows["all/all"]
    assert {name: first[name] for name in ("value", "low", "high", "naive_low", "naive_high")} == {
        "value": 0.70, "low": 0.66, "high": 0.74, "naive_low": 0.67, "naive_high": 0.73,
    }  # fmt: skip
    said = words(chart)
    assert "n = 1,200, of 300 prompts" in said
    for text in ("One safe, one not (safer is forced)", "Animal abuse", "Self-harm", "a | b", "70.0 % of 1,200"):
        assert text in said


def test_forest_marks_levels_without_an_interval():
    chart = CHARTS["forest"]()
    solid = {row["key"]: row["solid"] for row in rows_of(chart) if "key" in row}
    assert [key for key, filled in solid.items() if not filled] == ["category/self_harm", "source/a | b"]
    assert says(words(chart), "Hollow", "no interval", "2 of 5")
    complete = plots.preference_forest(forest_table().filter(pl.col("undefined").is_null()))
    assert "Hollow" not in words(complete)


@pytest.mark.parametrize(("margin", "ends"), [(0.1, (0.45, 0.55)), (0.3, (0.35, 0.65))])
def test_forest_shows_the_margin(margin, ends):
    chart = plots.preference_forest(forest_table(), margin=margin)
    (band,) = [row for row in rows_of(chart) if "at" in row]
    assert (band["from"], band["to"], band["at"]) == pytest.approx((*ends, 0.5))
    assert f"|2p − 1| &lt; {margin}" in words(chart)


def test_forest_says_what_is_at_its_ends():
    said = CHARTS["forest"](source=SOURCE).to_dict()["description"]
    assert "All: 70.0 %." in said
    assert says(said, "Lowest", "a | b", "31.0 %")
    assert says(said, "Highest", "Animal abuse", "80.0 %")


def test_forest_of_published_counts():
    table = btviz.orthogonality_of_counts()
    chart = plots.preference_forest(table)
    assert [row["value"] for row in rows_of(chart) if "key" in row] == table["p"].to_list()
    assert f"n = {table['n'][0]:,}" in words(chart)
    assert "prompts" not in chart.to_dict()["description"]


def test_nothing_compared_is_said(tiny):
    with pytest.raises(UsageError, match="nothing to draw"):
        plots.preference_forest(btviz.orthogonality(tiny, n_boot=40).table)


def test_agreement_is_sorted_below_the_meta_label():
    chart = CHARTS["agreement"](source=SOURCE)
    rows = {row["key"]: row for row in rows_of(chart)}
    assert list(rows) == ["is_safe", "self_harm", "animal_abuse", "child_abuse"]
    domain = chart.to_dict()["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert domain == list(rows)
    assert rows["animal_abuse"] == {
        "key": "animal_abuse", "value": 0.2, "low": 0.1, "high": 0.3, "solid": True, "text": "0.20",
    }  # fmt: skip
    assert rows["child_abuse"]["text"] == "undefined"
    said = words(chart)
    assert "Krippendorff's alpha" in said.replace("&#39;", "'").replace("&apos;", "'")
    assert "n = 0 to 410" in said
    assert says(said, "hollow", "too few prompts", "1 of 4")


def test_agreement_stands_beside_what_was_published():
    chart = CHARTS["disputed"]()
    assert {row["key"]: row["printed"] for row in rows_of(chart) if row["printed"]} == {
        "animal_abuse": 0.25,
        "is_safe": 0.277,
    }
    assert "Tick: published, train split" in words(chart)
    assert "20.0 %" in words(chart)
    unpublished = agreement_table(published_disputed=pl.Series([None] * 4, dtype=pl.Float64))
    assert "Tick" not in words(plots.agreement(unpublished, coefficient="disputed"))


def test_agreement_of_a_counted_table(tiny):
    table = btviz.annotator_agreement(tiny, n_boot=50)
    for coefficient, (column, _, _) in plots.AGREEMENT.items():
        rows = {row["key"]: row["value"] for row in rows_of(plots.agreement(table, coefficient=coefficient))}
        assert rows == dict(table.select("category", column).rows())


def test_null_counts_the_turns_of_each_level():
    bars = [row for row in rows_of(CHARTS["null"]()) if "from" in row]
    heights = {(round(row["from"], 4), row["foot"]): round(row["top"] - row["foot"], 4) for row in bars}
    tallest = 0.82
    assert heights == {
        (0.5, 0.0): tallest, (0.49, 0.0): round(tallest * 4 / 5, 4), (0.44, 0.0): round(tallest / 5, 4),
        (0.4, -1.0): tallest, (0.45, -1.0): tallest, (0.55, -1.0): tallest, (0.6, -1.0): tallest,
    }  # fmt: skip
    assert {round(row["to"] - row["from"], 6) for row in bars} == {0.01}


def test_null_shows_what_was_observed():
    chart = CHARTS["null"](source=SOURCE)
    seen = {row["text"]: row["observed"] for row in rows_of(chart) if "observed" in row}
    assert seen == {"71.0 %": 0.71, "31.0 %": 0.31}
    assert "n = 4 and 10 permutations a row" in words(chart)
    said = chart.to_dict()["description"]
    assert says(said, "All comparisons", "observed 71.0 %", "by chance 44.5 % to 50.5 %")
    only = plots.null_distribution(null_table().filter(grouping="all"))
    assert "n = 10 permutations a row" in words(only)


def test_quadrants_count_either_answer_of_a_comparison(compared):
    table = quadrants(compared)
    assert table.select("rank", "safe", "n_answers", "n").rows() == [
        ("better", True, 3, 5),
        ("better", False, 2, 5),
        ("worse", True, 2, 5),
        ("worse", False, 3, 5),
    ]
    assert table["share"].to_list() == pytest.approx([0.6, 0.4, 0.4, 0.6])


def test_quadrants_of_nothing_are_empty(tiny):
    table = quadrants(tiny)
    assert table.select("n_answers", "share", "n").rows() == [(0, None, 0)] * 4
    with pytest.raises(UsageError, match="nothing to draw"):
        plots.quadrants(table)


def test_quadrants_show_counts_and_shares():
    chart = CHARTS["quadrants"](source=SOURCE)
    cells = {(row["row"], row["col"]): (row["count"], row["text"], row["share"]) for row in rows_of(chart)}
    assert cells["Better", "Unsafe"] == ("30", "30.0 % of better", 0.3)
    assert cells["Worse", "Safe"] == ("1", "1.0 % of worse", 0.01)
    assert "n = 100" in words(chart)
    assert says(chart.to_dict()["description"], "Better and safe", "70", "70.0 % of better")


def test_surface_colours_what_is_possible():
    chart = CHARTS["surface"](source=SOURCE)
    cells = {(row["accuracy"], row["correlation"]): (row["value"], row["refuted"]) for row in rows_of(chart)}
    assert cells[1.0, 0.0] == (pytest.approx(0.5), False)
    assert cells[0.9, 0.0] == (pytest.approx(0.5 / (1 - 0.4 + 4 * 0.01)), False)
    assert cells[0.6, 0.0] == (None, True)
    assert cells[0.8, -1.0] == (None, False)
    refuted = [key for key, (_, is_refuted) in cells.items() if is_refuted]
    assert refuted == [(0.6, 0.0), (0.8, 0.0)]
    said = words(chart)
    assert says(said, "refuted", "2 of 12")
    assert "White: no value under these assumptions: 3" in said


def test_surface_marks_each_refuted_cell_with_a_cross():
    crosses = re.findall(r"M-?[\d.]+,-?[\d.]+L-?[\d.]+,-?[\d.]+M", svg(CHARTS["surface"]()))
    assert len(crosses) == SURFACE["refuted"].sum() == 2


def test_surface_has_room_for_two_assumptions():
    table = reliability_surface(0.75, accuracy_better=[0.8, 0.9], accuracy_safer=[0.9], correlation=[0.0])
    with pytest.raises(UsageError, match="different accuracies"):
        plots.reliability_surface(table)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.preference_forest(forest_table().drop("p_low")), r"no column 'p_low'.*orthogonality\(\)"),
        (lambda: plots.preference_forest(forest_table().clear()), "no rows"),
        (lambda: plots.preference_forest(forest_table(), width="triple"), "width 'triple'"),
        (lambda: plots.null_distribution(null_table().drop("p")), r"no column 'p'.*orthogonality\(\)"),
        (lambda: plots.quadrants(quadrant_table().drop("share")), "no column 'share'"),
        (lambda: plots.agreement(agreement_table(), coefficient="alfa"), "Did you mean 'alpha'"),
        (lambda: plots.agreement(agreement_table(), coefficient="ac1"), "no column 'gwet_ac1'"),
        (
            lambda: plots.agreement(
                agreement_table(krippendorff_alpha=pl.Series([None] * 4, dtype=pl.Float64), undefined="one annotation")
            ),
            "has no value in any row. Reason: one annotation",
        ),
    ],
)
def test_wrong_requests_are_answered(call, message):
    with pytest.raises(UsageError, match=message):
        call()
