"""Colours are told apart by readers with the three common colour-vision deficiencies."""

import warnings
from itertools import combinations, pairwise

import numpy as np
import pytest

from btviz.plots.labels.annotators import SHOWN
from btviz.plots.labels.matrix import COEFFICIENTS, DARK_DIVERGING, DARK_SEQUENTIAL
from btviz.plots.labels.mix import MOST, SHAPES
from btviz.plots.scores.distributions import DASHES
from btviz.plots.style.theme import ACCENT, BLACK, DIVERGING, FAINT, GROUPS, INK, MUTED, OTHERS, PAPER, SEQUENTIAL

with warnings.catch_warnings():  # its own docstrings warn when they are compiled
    warnings.simplefilter("ignore")
    from colorspacious import cspace_convert

DEFICIENCIES = [None, "deuteranomaly", "protanomaly", "tritanomaly"]
APART = 10.0
"""Distance in CAM02-UCS: 1 is just noticeable side by side, 10 is plain in separate marks."""


def rgb(colour):
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def seen(colour, deficiency):
    if deficiency is None:
        return rgb(colour)
    space = {"name": "sRGB1+CVD", "cvd_type": deficiency, "severity": 100}
    return np.clip(cspace_convert(rgb(colour), space, "sRGB1"), 0, 1)


def distance(one, other, deficiency):
    ends = [cspace_convert(seen(colour, deficiency), "sRGB1", "CAM02-UCS") for colour in (one, other)]
    return float(np.linalg.norm(ends[0] - ends[1]))


def nearest(colours, deficiency):
    return min(distance(one, other, deficiency) for one, other in combinations(colours, 2))


def lightness(colour, deficiency=None):
    return float(cspace_convert(seen(colour, deficiency), "sRGB1", "CAM02-UCS")[0])


def contrast(one, other):
    """Contrast ratio of WCAG 2.2."""

    def luminance(colour):
        linear = np.where(rgb(colour) <= 0.04045, rgb(colour) / 12.92, ((rgb(colour) + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_groups_are_told_apart(deficiency):
    assert len(GROUPS) <= 8
    assert nearest(GROUPS, deficiency) >= APART
    assert min(distance(colour, PAPER, deficiency) for colour in GROUPS) >= 2 * APART


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_one_stands_out_against_grey(deficiency):
    assert distance(ACCENT, OTHERS, deficiency) >= 2 * APART
    assert distance(ACCENT, FAINT, deficiency) >= 2 * APART


def test_a_bad_palette_is_seen():
    red_green = ("#d62728", "#8c564b", "#2ca02c")
    assert nearest(red_green, None) >= APART
    assert nearest(red_green, "deuteranomaly") < APART


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_diverging_arms_grow_darker_and_differ(deficiency):
    middle = len(DIVERGING) // 2
    for arm in (DIVERGING[middle:], DIVERGING[middle::-1], SEQUENTIAL):
        light = [lightness(colour, deficiency) for colour in arm]
        assert all(next_one < one - 4 for one, next_one in pairwise(light))
    for step in range(1, middle + 1):
        assert distance(DIVERGING[middle - step], DIVERGING[middle + step], deficiency) >= APART


@pytest.mark.parametrize("step", range(1, len(DIVERGING) // 2 + 1))
def test_diverging_arms_weigh_the_same(step):
    middle = len(DIVERGING) // 2
    assert abs(lightness(DIVERGING[middle - step]) - lightness(DIVERGING[middle + step])) < 8


def blended(colours, place):
    at = place * (len(colours) - 1)
    low = min(int(at), len(colours) - 2)
    mixed = rgb(colours[low]) + (at - low) * (rgb(colours[low + 1]) - rgb(colours[low]))
    return "#" + "".join(f"{round(255 * part):02x}" for part in mixed)


@pytest.mark.parametrize("strength", np.linspace(0, 1, 41))
@pytest.mark.parametrize("scale", ["negative", "positive", "sequential"])
def test_numbers_can_be_read_on_every_shade(strength, scale):
    place = {"negative": (1 - strength) / 2, "positive": (1 + strength) / 2, "sequential": strength}[scale]
    fill = blended(SEQUENTIAL if scale == "sequential" else DIVERGING, place)
    dark = DARK_SEQUENTIAL if scale == "sequential" else DARK_DIVERGING
    assert contrast(fill, PAPER if strength > dark else BLACK) >= 4.5


@pytest.mark.parametrize("text", [INK, MUTED])
def test_text_can_be_read_on_paper(text):
    assert contrast(text, PAPER) >= 4.5


def test_every_coefficient_has_a_known_kind():
    assert {one.kind for one in COEFFICIENTS.values()} == {"signed", "unit", "ratio", "count"}


def test_groups_drawn_together_are_told_apart_in_grey():
    """By lightness where they are areas; by dashes or shapes where they are lines or marks."""
    assert nearest_in_grey([colour for _, colour in SHOWN.values()]) >= APART
    assert nearest_in_grey(GROUPS[:3]) >= APART  # bars of moderators: people and two models
    assert len(set(DASHES)) >= len(GROUPS)
    assert len(set(SHAPES)) >= MOST


def nearest_in_grey(colours):
    return min(abs(lightness(one) - lightness(other)) for one, other in combinations(colours, 2))
