"""The chart of the orthogonality lab: what is drawn of a table, and what it says of itself."""

from __future__ import annotations

import polars as pl
import pytest

from btviz.errors import UsageError
from btviz.plots.preference.forest import forest_lab
from btviz.plots.style.rendering import svg
from btviz.stats.measures import MEASURES

ODD = "'\"]); window.ran = true; //<img src=x onerror=alert(1)>"
ROW = {
    "grouping": "stratum",
    "level": "mixed",
    "n": 40,
    "prompts": 30,
    "value": 0.6,
    "low": 0.55,
    "high": 0.66,
    "naive_low": 0.56,
    "naive_high": 0.64,
    "undefined": None,
}


def table_of(*changes):
    floats = dict.fromkeys(("value", "low", "high", "naive_low", "naive_high"), pl.Float64)
    first = ROW | {"grouping": "all", "level": "all", "n": 100, "prompts": 70}
    return pl.DataFrame(
        [first, *(ROW | change for change in changes)], schema_overrides=floats | {"undefined": pl.String}
    )


def null_of(*values, observed=0.6):
    rows = {"grouping": "all", "level": "all", "value": [float(v) for v in values], "observed": observed}
    return pl.DataFrame(rows)


NONE = null_of().clear()


def rows_of(chart, column):
    return [row for rows in chart.to_dict()["datasets"].values() for row in rows if column in row]


@pytest.mark.slow
@pytest.mark.parametrize("measure", MEASURES)
def test_a_row_a_level_and_a_null_distribution(measure):
    chart = forest_lab(table_of({}), null_of(0.5, 0.6, 0.7), measure=measure, source="toy data").to_dict()
    forest, null = chart["concat"]
    for part in (forest, null):
        caption = " ".join(part["title"]["subtitle"])
        assert "toy data" in caption
        assert "n = 100, of 70 prompts" in caption
    assert "3 permutations" in " ".join(null["title"]["subtitle"])
    assert svg(forest_lab(table_of({}), null_of(0.5, 0.6, 0.7), measure=measure)).startswith("<svg")


def test_without_a_null_distribution_there_is_one_picture():
    assert len(forest_lab(table_of({}), NONE).to_dict()["concat"]) == 1


def test_the_band_of_the_margin_is_on_the_scale_of_the_measure():
    for measure, band in (("p", (0.4, 0.6)), ("two_p_minus_1", (-0.2, 0.2)), ("phi_by_position", (0.0, 0.0))):
        (row,) = rows_of(forest_lab(table_of({}), NONE, measure=measure, margin=0.2), "at")
        assert (row["from"], row["to"]) == pytest.approx(band)


@pytest.mark.slow
def test_numbers_beside_the_rows():
    texts = {m: rows_of(forest_lab(table_of({"value": -0.25}), NONE, measure=m), "text")[1]["text"] for m in MEASURES}
    assert texts["two_p_minus_1"] == "−0.25 (n = 40)"
    assert rows_of(forest_lab(table_of({}), NONE), "text")[1]["text"] == "60.0 % of 40"
    weighted = rows_of(forest_lab(table_of({}), NONE, weighting="prompts"), "text")
    assert [row["text"] for row in weighted] == ["60.0 % of 70", "60.0 % of 30"]


def test_a_value_that_is_undefined_has_its_row_and_its_reason():
    lost = {"value": None, "low": None, "high": None, "naive_low": None, "naive_high": None, "undefined": "too few"}
    row = rows_of(forest_lab(table_of(lost), NONE), "text")[1]
    assert (row["text"], row["mind"], row["interval"], row["solid"]) == ("– of 40", "too few", "none", False)


def test_all_bars_hold_all_turns_and_odds_are_binned_on_their_axis():
    values = [0.4] * 3 + [0.5] * 5 + [0.6] * 2
    bars = rows_of(forest_lab(table_of({}), null_of(*values)), "top")
    heights = [round((bar["top"] - bar["foot"]) / 0.8 * 5) for bar in bars]
    assert heights == [3, 5, 2]
    odds = rows_of(forest_lab(table_of({}), null_of(0.5, 1.0, 2.0), measure="odds_ratio_mh"), "top")
    ratios = [bar["to"] / bar["from"] for bar in odds]
    assert ratios == pytest.approx([ratios[0]] * 3)


def test_a_name_from_the_data_is_only_a_name():
    level = {"grouping": "prompt_source", "level": ODD}
    chart = forest_lab(table_of(level), NONE)
    image = svg(chart)
    assert "<img" not in image
    assert "&lt;img" in image


def test_an_empty_table_is_refused():
    with pytest.raises(UsageError):
        forest_lab(table_of().clear(), NONE)
