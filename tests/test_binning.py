"""Bars of a histogram: every value in one, edges where they are said to be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btviz.stats.binning import bar_width, histogram


def test_values_on_an_edge_count_to_the_bar_above() -> None:
    left, counts = histogram([0.5, 0.505, 0.51 - 1e-16, 0.51, 0.5099], step=0.01)
    assert left == pytest.approx([0.50, 0.51])
    assert counts.tolist() == [3, 2]


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=50), st.sampled_from([0.0025, 0.1, 3.0]))
def test_bars_hold_every_value_once(values: list[float], step: float) -> None:
    left, counts = histogram(values, step=step)
    assert counts.sum() == len(values)
    assert counts.min() >= 1
    assert (np.diff(left) > 0).all()
    inside = [((np.array(values) >= low - 1e-6) & (np.array(values) < low + step + 1e-6)).any() for low in left]
    assert all(inside)


def test_the_narrowest_bars_that_are_not_too_many() -> None:
    assert bar_width(0.4, 0.6, widths=(0.0025, 0.005, 0.01), most=50) == 0.005
    assert bar_width(0.0, 1.0, widths=(0.0025, 0.005, 0.01), most=50) == 0.01
