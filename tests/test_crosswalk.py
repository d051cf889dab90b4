"""Correspondence of the two lists of categories: both ways, and named where there is none."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from btviz.errors import UsageError
from btviz.taxonomy.categories import BEAVERTAILS, PKU_SAFERLHF, Category, Link, Taxonomy
from btviz.taxonomy.crosswalk import REVIEWED, UNMATCHED, carried_over, counterparts, unmatched


def test_every_category_is_decided_on_and_the_reason_told() -> None:
    for source, target, slugs in (
        (BEAVERTAILS, PKU_SAFERLHF, {one.beavertails for one in REVIEWED}),
        (PKU_SAFERLHF, BEAVERTAILS, {one.saferlhf for one in REVIEWED}),
    ):
        assert sorted([*slugs, *UNMATCHED[source.name]]) == sorted(one.slug for one in source.categories)
        assert [one.slug for one in unmatched(source, target)] == list(UNMATCHED[source.name])
    assert len(set(REVIEWED)) == len(REVIEWED) == len({(one.beavertails, one.saferlhf) for one in REVIEWED})
    assert all(one.reason for one in REVIEWED)
    assert all(reason for reasons in UNMATCHED.values() for reason in reasons.values())


def test_the_two_directions_hold_the_same_couples() -> None:
    there, back = counterparts(BEAVERTAILS, PKU_SAFERLHF), counterparts(PKU_SAFERLHF, BEAVERTAILS)
    assert list(back) == list(PKU_SAFERLHF.keys)
    assert {(a, b) for a, found in there.items() for b in found} == {(a, b) for b, found in back.items() for a in found}
    assert there["financial_crime,property_crime,theft"] == ("Economic Crime", "White-Collar Crime")
    assert back["Physical Harm"] == ("self_harm", "violence,aiding_and_abetting,incitement")


def test_categories_without_a_counterpart_are_named() -> None:
    slugs = {category.slug for category in unmatched(PKU_SAFERLHF, BEAVERTAILS)}
    assert slugs == {"public-health", "copyright", "cybercrime", "environment", "psychological-harm"}
    assert len(unmatched(BEAVERTAILS, PKU_SAFERLHF)) == 3
    assert unmatched(BEAVERTAILS, BEAVERTAILS) == ()


def test_label_sets_are_carried_over() -> None:
    masks = [
        BEAVERTAILS.mask(names) for names in ([], ["violence"], ["self-harm", "drugs-weapons"], ["misinformation"])
    ]
    frame = pl.DataFrame({"labels": pl.Series([*masks, None], dtype=pl.UInt32)})
    found = frame.select(carried_over(BEAVERTAILS, PKU_SAFERLHF)).to_series().to_list()
    wanted = [[], ["violence", "physical-harm", "public-order"], ["physical-harm", "drugs"], []]
    assert found == [*(PKU_SAFERLHF.mask(names) for names in wanted), None]
    same = frame.select(carried_over(BEAVERTAILS, BEAVERTAILS)).to_series()
    assert same.to_list() == [*masks, None]


def test_riots_and_their_incitement_stand_together_and_terror_with_the_state() -> None:
    back = counterparts(PKU_SAFERLHF, BEAVERTAILS)
    assert back["Disrupting Public Order"] == ("violence,aiding_and_abetting,incitement",)
    assert back["Endangering National Security"] == back["Human Trafficking"] == ("terrorism,organized_crime",)
    assert back["Mental Manipulation"] == ("non_violent_unethical_behavior",)


def own(*links: Link) -> Taxonomy:
    categories = [Category(key, key, key.title(), "", "mine", bit) for bit, key in enumerate(("lies", "noise"))]
    return Taxonomy("mine", tuple(categories), links=links)


LIES = (
    Link("lies", "beavertails", "non_violent_unethical_behavior"),
    Link("lies", "beavertails", "misinformation_regarding_ethics,laws_and_safety"),
)


def test_an_own_taxonomy_corresponds_as_its_links_say() -> None:
    mine = own(*LIES)
    there, back = counterparts(mine, BEAVERTAILS), counterparts(BEAVERTAILS, mine)
    assert there == {"lies": (LIES[1].other, LIES[0].other), "noise": ()}
    assert {key: found for key, found in back.items() if found} == {link.other: ("lies",) for link in LIES}
    assert [category.slug for category in unmatched(mine, BEAVERTAILS)] == ["noise"]
    assert counterparts(mine, own()) == {"lies": ("lies",), "noise": ("noise",)}
    frame = pl.DataFrame({"labels": pl.Series([BEAVERTAILS.mask(["unethical", "violence"]), 0, None], dtype=pl.UInt32)})
    assert frame.select(carried_over(BEAVERTAILS, mine)).to_series().to_list() == [mine.mask(["lies"]), 0, None]


def test_what_no_link_joins_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'mine' .*no category.* 'pku-saferlhf'.* Add .*pku-saferlhf"):
        counterparts(PKU_SAFERLHF, own(*LIES))
    with pytest.raises(UsageError, match="neither is a released taxonomy"):
        counterparts(own(*LIES), replace(own(*LIES), name="other"))
