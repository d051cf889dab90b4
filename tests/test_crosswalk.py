"""Correspondence of the two lists of categories: both ways, and named where there is none."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from btviz.crosswalk import BEAVERTAILS_TO_SAFERLHF, carried_over, counterparts, unmatched
from btviz.errors import UsageError
from btviz.taxonomy import BEAVERTAILS, PKU_SAFERLHF


def test_every_category_is_decided_on() -> None:
    assert list(BEAVERTAILS_TO_SAFERLHF) == [category.slug for category in BEAVERTAILS.categories]


def test_the_two_directions_hold_the_same_couples() -> None:
    there, back = counterparts(BEAVERTAILS, PKU_SAFERLHF), counterparts(PKU_SAFERLHF, BEAVERTAILS)
    assert list(back) == list(PKU_SAFERLHF.keys)
    assert {(a, b) for a, found in there.items() for b in found} == {(a, b) for b, found in back.items() for a in found}
    assert there["financial_crime,property_crime,theft"] == ("Economic Crime", "White-Collar Crime")
    assert back["Physical Harm"] == ("self_harm", "violence,aiding_and_abetting,incitement")


def test_categories_without_a_counterpart_are_named() -> None:
    slugs = {category.slug for category in unmatched(PKU_SAFERLHF, BEAVERTAILS)}
    assert slugs == {"public-health", "copyright", "manipulation", "cybercrime", "environment", "psychological-harm"}
    assert len(unmatched(BEAVERTAILS, PKU_SAFERLHF)) == 4
    assert unmatched(BEAVERTAILS, BEAVERTAILS) == ()


def test_label_sets_are_carried_over() -> None:
    masks = [
        BEAVERTAILS.mask(names) for names in ([], ["violence"], ["self-harm", "drugs-weapons"], ["misinformation"])
    ]
    frame = pl.DataFrame({"labels": pl.Series([*masks, None], dtype=pl.UInt32)})
    found = frame.select(carried_over(BEAVERTAILS, PKU_SAFERLHF)).to_series().to_list()
    wanted = [[], ["violence", "physical-harm"], ["physical-harm", "drugs"], []]
    assert found == [*(PKU_SAFERLHF.mask(names) for names in wanted), None]
    same = frame.select(carried_over(BEAVERTAILS, BEAVERTAILS)).to_series()
    assert same.to_list() == [*masks, None]


def test_other_taxonomies_have_no_correspondence() -> None:
    own = replace(BEAVERTAILS, name="mine")
    with pytest.raises(UsageError, match="a correspondence exists"):
        counterparts(own, PKU_SAFERLHF)
