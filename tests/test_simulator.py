"""The picture of simulated intervals, and the sliders that move it."""

from __future__ import annotations

import polars as pl
import pytest
from chart_contents import fields_of, rows_of, words
from fake_front import chart_of

from btviz import plots, sentences
from btviz.errors import UsageError
from btviz.plots.preference.coverage import MISSED, SHOWN
from btviz.preference import simulate_preferences
from btviz.widgets import PreferenceSimulator


@pytest.fixture(scope="module")
def found():
    return simulate_preferences(0.8, noise=0.1, cluster_size=10, correlation=0.5, n=600, repeats=80)


def drawn(found):
    return plots.simulated_intervals(found.samples, truth=found.planted.observable_p, planted=found.planted.p)


def test_both_panels_show_the_first_samples(found):
    chart = drawn(found)
    rows = [row for row in rows_of(chart) if "sample" in row]
    assert len(rows) == 2 * SHOWN
    first = found.samples.row(0, named=True)
    ends = [(row["low"], row["high"], row["covers"]) for row in rows if row["sample"] == 1]
    assert ends == [
        (first["low"], first["high"], first["covers"]),
        (first["naive_low"], first["naive_high"], first["naive_covers"]),
    ]
    assert MISSED in str(chart.to_dict()["hconcat"][0]["layer"][0])


def test_the_shares_over_the_panels_are_of_all_samples(found):
    said = words(drawn(found))
    assert f"{100 * found.coverage:.1f} % hold it" in said
    assert f"{100 * found.naive_coverage:.1f} % hold it" in said
    assert found.coverage != found.samples.head(SHOWN)["covers"].mean()
    assert f"{SHOWN} of {found.samples.height} samples" in said
    assert f"{100 * found.coverage:.1f} % hold {100 * found.planted.observable_p:.1f} %" in drawn(found).description


@pytest.mark.slow
def test_the_planted_value_is_drawn_where_errors_move_the_labels_away(found):
    def lines(chart):
        return {row["at"] for row in rows_of(chart) if "at" in row}

    assert lines(drawn(found)) == {found.planted.observable_p, 0.8}
    assert "dashed: 80.0 %, true value" in words(drawn(found))
    exact = simulate_preferences(0.8, repeats=5)
    assert lines(drawn(exact)) == {0.8}
    assert "dashed" not in words(drawn(exact))


def test_only_the_columns_drawn_are_in_the_picture(found):
    chart = drawn(found)
    assert {column for row in rows_of(chart) for column in row} <= fields_of(chart.to_dict())


def test_a_sample_without_an_interval_is_refused(found):
    with pytest.raises(UsageError, match="has no interval"):
        plots.simulated_intervals(found.samples.with_columns(low=pl.lit(None, pl.Float64)), truth=0.5)


@pytest.fixture(scope="module")
def simulator():
    return PreferenceSimulator()


@pytest.mark.parametrize(
    ("name", "value"), [("p", 0.5), ("noise", 0.2), ("cluster_size", 20), ("correlation", 0.9), ("n", 1800)]
)
def test_a_slider_moves_the_truth_the_picture_and_the_words(simulator, name, value):
    before, spec, said = simulator.result, chart_of(simulator).spec, chart_of(simulator).said
    simulator.controls[name].value = value
    planted = simulator.result.planted
    assert getattr(planted, name) == value
    assert not simulator.result.samples.equals(before.samples)
    assert chart_of(simulator).spec != spec
    assert chart_of(simulator).said == sentences.simulation(simulator.result).replace("\n", " ") != said


def test_drawing_again_keeps_the_truth(simulator):
    before = simulator.result
    simulator.children[0].children[-1].click()
    assert simulator.result.planted == before.planted
    assert not simulator.result.samples.equals(before.samples)
