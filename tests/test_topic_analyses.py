import itertools
import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.stats import binomtest
from topic_data import planted

import btviz
import btviz.texts.topics.stability as stability_module
from benchmarks.coherence import npmi_coherence
from btviz.errors import UsageError
from btviz.texts.topics.refits import matched_overlaps
from btviz.texts.topics.stability import subsamples
from btviz.texts.topics.tables import load_bertopic


@pytest.fixture(scope="module", autouse=True)
def quiet_bertopic():
    load_bertopic()


@pytest.fixture
def four(make_dataset):
    ds, emb, points, truth = planted(make_dataset, subjects=4, each=60, loose=8)  # fewer than a topic has
    return ds, emb, points, truth, btviz.fit_topics(ds, points, embeddings=emb, scale=1)


@pytest.mark.slow
def test_categories_are_counted_as_by_hand(four):
    ds, _, _, _, topics = four
    table = btviz.topic_categories(ds, topics)
    joined = ds.pairs.join(topics.assignments, on="pair_id")
    assert table.height == 14 * joined["topic"].n_unique()
    for row in table.iter_rows(named=True):
        inside = joined.filter(pl.col("topic") == row["topic"])
        has = ds.taxonomy.has(row["category"])
        assert row["n"] == inside.height
        assert row["n_category"] == inside.filter(has).height
        assert row["prompts"] == inside["prompt_id"].n_unique()
        assert row["share"] == pytest.approx(row["n_category"] / row["n"])
        everywhere = joined.filter(has).height / joined.height
        assert row["share_all"] == pytest.approx(everywhere)
        if everywhere:
            assert row["lift"] == pytest.approx(row["share"] / everywhere)
            few = row["prompts"] < 20
            assert (row["lift_low"] is None) == few
            assert row["undefined"] == (
                f"the effective number of its prompts is {row['prompts']}, and an interval needs 20" if few else None
            )
        else:
            assert (row["lift"], row["undefined"]) == (None, "no pair has this category")
    assert set(table["population"]) == {"pairs"}
    assert set(table["n_all"]) == {joined.height}
    assert table.filter(pl.col("topic") == -1)["name"].unique().to_list() == ["outliers"]


@pytest.mark.slow
def test_lift_intervals_hold_the_estimate_and_the_order_of_rows_does_not_matter(four):
    ds, _, _, _, topics = four
    table = btviz.topic_categories(ds, topics).drop_nulls("lift_low")
    own = table.filter(pl.col("lift") > 1)
    assert own.height == 4
    assert (own["lift_low"] > 1).all()
    assert ((table["lift_low"] <= table["lift"]) & (table["lift"] <= table["lift_high"])).all()
    assert btviz.topic_categories(ds, topics).drop_nulls("lift_low").equals(table)


@pytest.mark.slow
def test_few_prompts_are_said(four):
    ds, _, _, _, topics = four
    table = btviz.topic_categories(ds, topics)
    outliers = table.filter(topic=-1)
    assert outliers["few_prompts"].all()
    absent = table.filter(pl.col("n_category") == 0, pl.col("share_all") > 0, pl.col("topic") >= 0)
    assert absent["few_prompts"].all()
    planted = table.filter(pl.col("lift") > 1, pl.col("topic") >= 0)
    assert planted["few_prompts"].all()  # next to no pair of these categories lies elsewhere
    assert (planted["lift_low"] > 1).all()


@pytest.mark.slow
def test_a_category_that_a_topic_lacks_may_still_occur_in_it(four):
    ds, _, _, _, topics = four
    absent = btviz.topic_categories(ds, topics).filter(
        pl.col("n_category") == 0, pl.col("share_all") > 0, pl.col("topic") >= 0
    )
    assert absent.height == 12
    for row in absent.iter_rows(named=True):
        assert row["share_low"] == row["lift_low"] == 0
        assert row["share_high"] == pytest.approx(binomtest(0, row["prompts"]).proportion_ci().high, rel=0.01)
        assert row["lift_high"] > row["share_high"] / row["share_all"]


@pytest.mark.slow
def test_lifts_that_hold_together_have_wider_intervals(four):
    ds, _, _, _, topics = four
    table = btviz.topic_categories(ds, topics)
    known = table.drop_nulls("lift_low")
    assert table["family"].unique().to_list() == [known.height]
    assert (known["lift_low_joint"] <= known["lift_low"]).all()
    assert (known["lift_high_joint"] > known["lift_high"]).all()


@pytest.mark.slow
def test_categories_of_unsafe_pairs_only(four):
    ds, _, _, _, topics = four
    table = btviz.topic_categories(ds, topics, where="unsafe")
    assert table["n_all"].unique().to_list() == [ds.pairs.filter(~pl.col("is_safe")).height]
    own = table.filter(pl.col("n_category") > 0, pl.col("topic") >= 0)
    assert own["share"].to_list() == [1.0] * 4
    with pytest.raises(UsageError, match="subset"):
        btviz.topic_categories(ds, topics, where="safe")


@pytest.mark.slow
def test_agreement_is_that_of_scikit_learn_over_unsafe_pairs(four):
    from sklearn.metrics import adjusted_mutual_info_score

    ds, _, _, _, topics = four
    agreement = btviz.topic_agreement(ds, topics, n_boot=50)
    joined = ds.pairs.join(topics.assignments, on="pair_id").filter(~pl.col("is_safe"))
    inside = joined.filter(pl.col("topic") >= 0)
    assert agreement.n == joined.height
    assert agreement.ami == pytest.approx(adjusted_mutual_info_score(joined["labels"], joined["topic"]))
    assert agreement.intervals["ami_inside"] is None  # all halves agree perfectly
    assert agreement.ami_inside == pytest.approx(1)
    assert agreement.outlier_share == pytest.approx(1 - inside.height / joined.height)
    assert agreement.n_label_sets == agreement.n_topics == 4
    assert agreement.undefined is None
    assert agreement.categories["describes"].sum() == 4
    assert agreement.undescribed.is_empty()


@pytest.mark.slow
def test_agreement_with_shuffled_labels_is_chance(four):
    ds, _, _, _, topics = four
    mixed = ds.pairs.with_columns(pl.col("labels", "is_safe").shuffle(seed=1))
    other = replace(ds, _read={"pairs": mixed, "prompts": ds.prompts}.__getitem__)
    agreement = btviz.topic_agreement(other, topics, n_boot=200)
    joined = mixed.join(topics.assignments, on="pair_id").filter(~pl.col("is_safe"))
    assert abs(agreement.ami) < 0.1
    low, high = agreement.intervals["ami"]
    assert low < 0 < high
    assert low < agreement.ami < high
    assert len(agreement.undescribed) > 0
    for row in agreement.undescribed.iter_rows(named=True):
        inside = joined.filter(pl.col("topic") == row["topic"])
        assert row["n"] == inside.height
        counts = {key: inside.filter(ds.taxonomy.has(key)).height for key in ds.taxonomy.keys}
        assert row["share"] == pytest.approx(max(counts.values()) / inside.height)
        assert row["why"]


@pytest.mark.slow
def test_the_first_category_is_the_lowest_bit(four):
    from sklearn.metrics import adjusted_mutual_info_score

    ds, _, _, _, topics = four
    doubled = ds.pairs.with_columns(
        labels=pl.when(pl.col("pair_id") % 3 == 0).then(pl.col("labels") | 1 << 9).otherwise("labels")
    )
    other = replace(ds, _read={"pairs": doubled, "prompts": ds.prompts}.__getitem__)
    agreement = btviz.topic_agreement(other, topics, n_boot=40)
    joined = doubled.join(topics.assignments, on="pair_id").filter(~pl.col("is_safe"))
    first = [min(bit for bit in range(14) if mask >> bit & 1) if mask else None for mask in joined["labels"]]
    codes = [-1 if bit is None else bit for bit in first]
    assert agreement.ami_first == pytest.approx(adjusted_mutual_info_score(codes, joined["topic"]))
    assert agreement.ami < agreement.ami_first


# Coherence --------------------------------------------------------------------------------------


def test_coherence_by_hand():
    texts = ["ant bee", "ant bee", "ant cow", "dog", "dog eel", "eel"]
    p = {"ant": 3 / 6, "bee": 2 / 6, "cow": 1 / 6}
    joint = {("ant", "bee"): 2 / 6, ("ant", "cow"): 1 / 6, ("bee", "cow"): 0}
    by_hand = [
        math.log(joint[pair] / (p[pair[0]] * p[pair[1]])) / -math.log(joint[pair]) if joint[pair] else -1
        for pair in itertools.combinations(p, 2)
    ]
    found = npmi_coherence([["ant", "bee", "cow"], ["ant", "dog"], ["ant"], [], ["ant", "unknown"]], texts=texts)
    np.testing.assert_allclose(found, [np.mean(by_hand), -1, np.nan, np.nan, np.nan])
    assert npmi_coherence([["ant", "bee"]], texts=["ant bee", "bee ant"]).tolist() == [1]
    assert np.isnan(npmi_coherence([["ant"]], texts=[])).all()


# Stability --------------------------------------------------------------------------------------


def test_overlaps_by_hand():
    before = np.array([0, 0, 0, 0, 1, 1, 1, 2, -1, -1])
    again = np.array([1, 1, 1, -1, 0, 0, -1, -1, 0, -1])
    # topic 0 keeps 3 of 4 texts; topic 1 shares 2 of 4 with its match; topic 2 has none
    assert matched_overlaps(before, again, k=3).tolist() == [3 / 4, 2 / 4, 0]
    assert matched_overlaps(before, before, k=3).tolist() == [1, 1, 1]
    assert matched_overlaps(before, np.full(10, -1), k=3).tolist() == [0, 0, 0]
    assert matched_overlaps(np.array([0, 0]), np.array([0, 0]), k=2).tolist() == [1, 0]


def test_parts_keep_whole_prompts():
    prompts = np.repeat(np.arange(50), 3)
    parts = subsamples(prompts, n_parts=3, share=0.8, random_state=0)
    for rows in parts:
        kept = np.unique(prompts[rows])
        assert len(kept) == 40
        assert rows.tolist() == np.flatnonzero(np.isin(prompts, kept)).tolist()
    assert len({rows.tobytes() for rows in parts}) == 3


def test_planted_topics_come_back_and_a_made_up_one_is_marked(four, monkeypatch):
    ds, emb, _, _, topics = four
    runs = {"n_seeds": 2, "n_subsamples": 3}
    table = btviz.topic_stability(ds, topics, embeddings=emb, **runs)
    assert not table["unstable"].any()
    assert (table["stability"] > 0.9).all()
    assert (table["overlap_seed"] > 0.9).all()
    assert table["overlap_all"].unique().item() == pytest.approx(table["stability"].mean())
    beside = table.row(0, named=True)
    assert beside["overlap_null"] < beside["overlap_all"] - 0.2
    assert beside["overlap_kmeans"] > 0.6
    assert table["n_compared"].unique().to_list() == [len(emb)]
    # half of the first topic is put into the second
    moved = topics.assignments.with_columns(
        topic=pl.when((pl.col("topic") == 0) & (pl.col("pair_id") % 2 == 0)).then(1).otherwise("topic")
    )
    torn = replace(topics, assignments=moved, facts={**topics.facts, "made": "up"})
    marked = btviz.topic_stability(ds, torn, embeddings=emb, n_seeds=0, n_subsamples=2)
    assert marked.filter("unstable")["topic"].to_list() == [0]
    assert marked["overlap_seed"].null_count() == marked.height
    monkeypatch.setattr(stability_module, "_table", None)  # the second call reads the store
    assert btviz.topic_stability(ds, topics, embeddings=emb, **runs).equals(table)


def test_stability_refuses_what_it_cannot_answer(four):
    ds, emb, points, _, topics = four
    for options in ({"share": 1.0}, {"share": 0.0}, {"n_subsamples": 0}, {"n_seeds": -1}):
        with pytest.raises(UsageError, match=r"w(as|ere) asked for"):
            btviz.topic_stability(ds, topics, embeddings=emb, **options)
    given = btviz.fit_topics(ds, points, embeddings=emb, reassign_outliers=True)
    with pytest.raises(UsageError, match="reassigned outliers"):
        btviz.topic_stability(ds, given, embeddings=emb)
