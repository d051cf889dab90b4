"""What data are made of: shares against plain counts, and the published ones beside them."""

from __future__ import annotations

import polars as pl
import pytest

import btviz
from btviz import plots
from btviz.errors import DataError, UsageError
from btviz.stats.clustered import share_interval
from btviz.stats.resampling import cluster_sums


def test_shares_are_those_of_plain_counts(tiny):
    found = btviz.composition(tiny)
    rows = tiny.annotations
    unsafe = rows.filter(~pl.col("is_safe"))
    for level, n in (("safe", int(rows["is_safe"].sum())), ("unsafe", unsafe.height)):
        row = found.row(by_predicate=(pl.col("group") == "safety") & (pl.col("level") == level), named=True)
        assert (row["count"], row["n"], row["share"]) == (n, rows.height, pytest.approx(n / rows.height))
    sizes = [mask.bit_count() for mask in unsafe["labels"]]
    of_size = dict(found.filter(group="categories").select("level", "count").rows())
    assert of_size == {("4 or more" if k >= 4 else str(k)): sizes.count(k) for k in set(sizes)}


def test_intervals_are_by_prompt(samples):
    ds = samples["sample"]
    row = btviz.composition(ds).filter(group="safety", level="unsafe").row(0, named=True)
    rows = ds.annotations
    sums = cluster_sums(
        rows.select(pl.lit(1.0), (~pl.col("is_safe")).cast(pl.Float64)).to_numpy(),
        clusters=rows["prompt_id"].to_numpy(),
    )
    expected = share_interval(sums[:, 1:], sums[:, :1])
    assert (row["low"], row["high"]) == pytest.approx((expected.low[0], expected.high[0]))
    assert row["prompts"] == rows["prompt_id"].n_unique()


def test_published_shares_stand_beside_those_of_the_same_categories(samples):
    beaver = btviz.composition(samples["sample"]).drop_nulls("published_share")
    assert dict(beaver.select("level", "published_share").rows()) == pytest.approx({"safe": 0.4268, "unsafe": 0.5732})
    dual = btviz.composition(samples["sample-saferlhf"]).drop_nulls("published_share")
    shares = dict(dual.filter(group="severity").select("level", "published_share").rows())
    assert shares == pytest.approx({"0": 71689 / 147814, "1": 9104 / 147814, "2": 56537 / 147814, "3": 10484 / 147814})
    assert sum(shares.values()) == pytest.approx(1)
    assert set(dual["published_of"]) == {"PKU-SafeRLHF"}


def test_nothing_is_counted_of_answers_without_labels():
    with pytest.raises(DataError, match="no labels"):
        btviz.composition(btviz.load([{"prompt": "what is tea", "response": "a drink"}]))


def test_pictures_say_what_was_counted(samples):
    composition = plots.composition(btviz.composition(samples["sample"]), source="here").to_dict()
    assert "diamonds: as published of BeaverTails-30k" in str(composition["title"])
    overlap = btviz.prompt_overlap(samples["sample"])
    assert "letter" in str(plots.split_overlap(overlap).to_dict()["title"])
    with pytest.raises(UsageError, match="no rows"):
        plots.split_overlap(overlap.clear())
