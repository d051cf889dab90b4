"""Probes: groups of prompts, folds, the losses against references, honest scores, and saving."""

from __future__ import annotations

import itertools
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from made_comparisons import ENCODER, TOPICS, WORDS, bag_of_words, comparisons, fitted
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_info, threadpool_limits

import btviz
from btviz.errors import DataError, NotFoundError, StoreError, UsageError
from btviz.machine.threads import one_core_each
from btviz.models.probes import load_probe, prompt_groups
from btviz.models.probes.examples import cost_examples
from btviz.models.probes.fit import PENALTIES, Sample, chosen_penalty, cross_fitted, grouped_folds
from btviz.models.probes.regression import fit_logistic
from btviz.models.protocol import SCORES, CrossFitted, ScoreModel
from btviz.texts.embedding import CallableEncoder


def prompts_of(texts):
    return pl.DataFrame(
        {"prompt_id": range(1, len(texts) + 1), "prompt": texts}, schema_overrides={"prompt_id": pl.UInt64}
    )


@pytest.mark.slow
@given(st.lists(st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join), min_size=1, max_size=12))
def test_groups_are_the_components_of_all_pairs_that_share_their_words(texts):
    sets = [set(text.split()) for text in texts]
    group = list(range(len(texts)))
    for _ in texts:
        for a, b in itertools.combinations(range(len(texts)), 2):
            if sets[a] and len(sets[a] & sets[b]) >= 0.8 * len(sets[a] | sets[b]):
                group[a] = group[b] = min(group[a], group[b])
    found = prompt_groups(prompts_of(texts))
    assert found["group"].to_list() == [number + 1 for number in group]


def test_case_and_punctuation_do_not_part_prompts():
    assert prompt_groups(prompts_of(["What is tea?", "what IS tea", "What is iron?"]))["group"].to_list() == [1, 1, 3]


@given(st.lists(st.integers(0, 20), min_size=1, max_size=80), st.integers(2, 5), st.randoms())
def test_folds_keep_groups_whole_and_do_not_see_the_order_of_rows(groups, n_folds, random):
    array = np.array(groups, np.uint64)
    fold = grouped_folds(array, n_folds=n_folds, random_state=0)
    assert all(len(set(fold[array == group])) == 1 for group in groups)
    order = list(range(len(groups)))
    random.shuffle(order)
    assert (grouped_folds(array[order], n_folds=n_folds, random_state=0) == fold[order]).all()


def test_one_vector_a_row_is_logistic_regression():
    draw = np.random.default_rng(0)
    vectors = draw.normal(size=(400, 6)).astype(np.float32)
    signs = np.where(draw.random((400, 2)) < expit(vectors[:, :2]), 1.0, -1.0)
    found = fit_logistic(vectors, scipy.sparse.eye_array(400, format="csr"), signs=signs, l2=0.01)
    for head in range(2):
        reference = LogisticRegression(C=1 / (0.01 * 400), fit_intercept=False, tol=1e-9, max_iter=1000)
        assert np.allclose(found[:, head], reference.fit(vectors, signs[:, head]).coef_[0], atol=2e-3)


def test_a_cost_minimises_the_two_terms_of_its_loss(make_dataset):
    ds = comparisons(make_dataset, noise=0.3)
    ids = ds.pairs["pair_id"]
    vectors = np.random.default_rng(0).normal(size=(len(ids), 3)).astype(np.float32)
    examples = cost_examples(ds, ids=ids)
    found = fit_logistic(vectors, examples.contrasts, signs=examples.signs, l2=0.05)[:, 0]

    def loss(weights):
        cost = dict(zip(ids, vectors @ weights, strict=True))
        terms = []
        for row in ds.preferences.iter_rows(named=True):
            safer, other = row["safer"], 1 - row["safer"]
            terms.append(cost[row[f"pair_id_{safer}"]] - cost[row[f"pair_id_{other}"]])
            terms += [(1 if row[f"is_safe_{side}"] else -1) * cost[row[f"pair_id_{side}"]] for side in (0, 1)]
        return np.log1p(np.exp(terms)).mean() + 0.05 * weights @ weights / 2

    assert np.allclose(found, minimize(loss, np.zeros(3), tol=1e-10).x, atol=1e-3)


@pytest.mark.parametrize(("kind", "word", "chosen"), [("cost", "loud", "safer"), ("reward", "ornate", "better")])
def test_what_was_planted_is_found_out_of_fold(make_dataset, kind, word, chosen):
    ds = comparisons(make_dataset)
    probe = fitted(ds, kind=kind)
    assert isinstance(probe, CrossFitted)
    assert isinstance(probe, ScoreModel)
    table = probe.out_of_fold
    assert table.schema == SCORES
    assert table["pair_id"].to_list() == ds.pairs["pair_id"].to_list()
    scores = dict(table.select("pair_id", "score").iter_rows())
    has = dict(ds.pairs.select("pair_id", pl.col("response").str.contains(word)).iter_rows())
    assert roc_auc_score([has[pair] for pair in scores], list(scores.values())) == 1
    for row in ds.preferences.iter_rows(named=True):
        margin = scores[row["pair_id_1"]] - scores[row["pair_id_0"]]
        assert (margin > 0) == ((row[chosen] == 1) == (kind == "reward"))


def test_the_zero_of_a_cost_parts_safe_from_unsafe_and_a_reward_is_standardised(make_dataset):
    ds = comparisons(make_dataset)
    cost = fitted(ds, kind="cost").out_of_fold.join(ds.pairs.select("pair_id", "is_safe"), on="pair_id")
    assert ((cost["score"] > 0) != cost["is_safe"]).all()
    reward = fitted(ds, kind="reward").out_of_fold["score"]
    assert abs(reward.mean()) < 0.1
    assert abs(reward.std() - 1) < 0.1


@pytest.mark.slow
def test_the_penalty_of_a_fold_does_not_see_what_is_held_out(make_dataset):
    ds = comparisons(make_dataset, noise=0.3)
    sample = Sample.of(ds, btviz.embed(ds, text="qa", encoder=ENCODER), kind="cost", n_folds=3, random_state=0)
    held_out = sample.fold == 0
    hidden = held_out[sample.examples.answer]
    signs = np.where(hidden[:, None], -1.0, sample.examples.signs)
    other = replace(sample, examples=replace(sample.examples, signs=signs))
    assert (signs != sample.examples.signs).any()
    first, again = (next(cross_fitted(each, n_folds=3, l2=None))[1] for each in (sample, other))
    assert (first.heads.weights == again.heads.weights).all()


@pytest.mark.slow
def test_labels_without_a_pattern_ask_for_the_strongest_penalty(make_dataset):
    chosen = []
    for noise in (0.0, 0.5):
        ds = comparisons(make_dataset, noise=noise)
        sample = Sample.of(ds, btviz.embed(ds, text="qa", encoder=ENCODER), kind="cost", n_folds=3, random_state=0)
        chosen.append(chosen_penalty(sample, rows=np.ones(len(sample.examples.signs), bool)))
    assert chosen == [PENALTIES[0], PENALTIES[-1]]


@pytest.mark.slow
def test_scores_are_the_same_on_any_number_of_cores(make_dataset):
    draws = np.random.default_rng(0).normal(size=(2, 1500, 384)).astype(np.float32)
    rows = [(f"ask {i}", f"say {i}", "train", bool(draw[0] > 0), 0) for i, draw in enumerate(draws[0])]
    columns = {"prompt": str, "response": str, "split": str, "is_safe": bool, "labels": pl.UInt32}
    ds = make_dataset(pl.DataFrame(rows, schema=columns, orient="row"))

    def drawn(texts):
        return draws[1, [int(text.split()[-1]) for text in texts]]

    emb = btviz.embed(ds, text="qa", encoder=CallableEncoder(drawn, name="drawn", version="1"))
    found = []
    for cores in (1, 2):
        with threadpool_limits(cores, user_api="blas"):
            found.append(btviz.fit_probe(ds, emb, kind="cost"))
    assert found[0].out_of_fold.equals(found[1].out_of_fold)
    assert (found[0].scorer.heads.weights == found[1].scorer.heads.weights).all()


def test_the_cores_are_given_back_however_threads_overlap():
    def cores():
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    def inside():
        with one_core_each(), one_core_each():
            time.sleep(0.01)
            return cores()

    before = cores()
    with ThreadPoolExecutor(4) as pool:
        assert [found.result() for found in [pool.submit(inside) for _ in range(12)]] == [{1}] * 12
    assert cores() == before


def test_labels_of_noise_are_not_predicted_out_of_fold(make_dataset):
    """Nothing of a prompt's own labels may reach its scores: with vectors that tell every prompt apart, AUC is 0.5."""
    ds = comparisons(make_dataset, n=120, noise=0.5)
    apart = CallableEncoder(
        lambda texts: np.array([np.random.default_rng(sum(map(ord, t)) * len(t)).normal(size=40) for t in texts]),
        name="random",
        version="1",
    )
    probe = btviz.fit_probe(ds, btviz.embed(ds, text="qa", encoder=apart), kind="cost", l2=1e-4)
    scores = probe.out_of_fold.join(ds.pairs.select("pair_id", "is_safe"), on="pair_id")
    assert abs(roc_auc_score(~scores["is_safe"], scores["score"]) - 0.5) < 0.12
    seen = probe.scorer.scores(btviz.embed(ds, text="qa", encoder=apart).of_pairs(ds.pairs["pair_id"]))
    assert roc_auc_score(~ds.pairs["is_safe"], seen) > 0.65  # the heads fitted on everything have learned the noise


def test_moderation_has_a_probability_a_category_and_null_with_a_reason_where_it_is_rare(make_dataset):
    ds = comparisons(make_dataset)
    probe = fitted(ds, kind="moderation")
    first, *others = (category.slug for category in ds.taxonomy.categories)
    assert probe.labels == (first, *others)
    assert set(probe.undefined) == set(others)
    assert "fewer than 10 groups" in probe.undefined[others[0]]
    by_target = probe.out_of_fold.partition_by("target", as_dict=True)
    assert by_target[first,]["score"].is_between(0, 1).all()
    assert by_target[others[0],]["score"].is_null().all()
    scores = probe.score(["moon rain"], ["loud plain moon"])
    assert scores.shape == (1, len(probe.labels))
    assert scores[0, 0] > 0.5
    assert np.isnan(scores[0, 1:]).all()


def test_severity_is_the_expected_level(make_dataset):
    draw = np.random.default_rng(0)
    rows = [
        {"prompt": topic, "response": f"{tone} {style} {topic}", "split": "train", "is_safe": tone == "calm",
         "labels": int(tone == "loud"), "severity": 0 if tone == "calm" else 1 + (style == "ornate")}
        for topic in TOPICS[:60] for tone in ("calm", "loud") for style in draw.permutation(["plain", "ornate"])
    ]  # fmt: skip
    ds = make_dataset(pl.DataFrame(rows, schema_overrides={"labels": pl.UInt32, "severity": pl.UInt8}))
    probe = fitted(ds, kind="moderation", l2=1e-3)
    assert probe.labels[-1] == "severity"
    found = probe.out_of_fold.filter(pl.col("target") == "severity").join(ds.pairs, on="pair_id")
    means = found.group_by("severity").agg(pl.col("score").mean()).sort("severity")["score"]
    assert np.allclose(means, [0, 1, 2], atol=0.25)


def test_the_same_rows_in_another_order_give_the_same_probe(make_dataset):
    ds = comparisons(make_dataset, noise=0.2)
    frames = [fitted(each, kind="cost").out_of_fold for each in (ds, comparisons(make_dataset, noise=0.2))]
    assert frames[0].equals(frames[1])


def test_a_saved_probe_scores_as_before_and_holds_no_text(make_dataset, tmp_path):
    ds = comparisons(make_dataset, noise=0.1)
    probe = fitted(ds, kind="cost", name="mine")
    folder = probe.save(tmp_path / "probe")
    saved = btviz.load_score_model(folder)
    assert saved.out_of_fold.equals(probe.out_of_fold)
    assert (saved.name, saved.kind, saved.fingerprint) == ("mine", "cost", probe.fingerprint)
    with pytest.raises(UsageError, match=r"with_encoder"):
        saved.score(["moon"], ["loud"])
    asked = (["moon rain", "tea"], ["loud plain moon", "calm"])
    assert np.array_equal(saved.with_encoder(ENCODER).score(*asked), probe.score(*asked))
    other = CallableEncoder(bag_of_words, name="bag of words", version="2")
    with pytest.raises(UsageError, match="version differ"):
        saved.with_encoder(other)
    written = b"".join(file.read_bytes() for file in folder.iterdir())
    assert not any(pair.encode() in written for pair in ds.pairs["response"])
    assert "60 comparisons, 120 answers" in (folder / "README.md").read_text()


def test_a_damaged_probe_is_refused(make_dataset, tmp_path):
    folder = fitted(comparisons(make_dataset), kind="cost").save(tmp_path / "probe")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8] + b"\0\0\0\0\0\0\0\1")
    with pytest.raises(StoreError, match="damaged"):
        load_probe(folder)
    with pytest.raises(NotFoundError):
        load_probe(tmp_path / "elsewhere")


def test_what_cannot_be_fitted_says_so(make_dataset, tiny):
    ds = comparisons(make_dataset)
    with pytest.raises(UsageError, match="vectors of prompts"):
        btviz.fit_probe(ds, btviz.embed(ds, text="prompt", encoder=ENCODER), kind="cost")
    with pytest.raises(UsageError, match="no vector"):
        btviz.fit_probe(ds, btviz.embed(tiny, text="qa", encoder=ENCODER), kind="cost")
    with pytest.raises(UsageError, match="fewer folds"):
        fitted(tiny, kind="moderation")
    with pytest.raises(DataError, match="which answer is better"):
        fitted(tiny, kind="reward", n_folds=2)
    for l2 in (0, -1.0, math.nan, math.inf):
        with pytest.raises(UsageError, match="positive penalty"):
            fitted(ds, l2=l2)
    for n_folds, says in ((1, "below 2"), (2.5, "no whole number")):
        with pytest.raises(UsageError, match=f"n_folds={n_folds} .*{says}"):
            fitted(ds, n_folds=n_folds)


@pytest.mark.parametrize("n", [8, 26])
def test_a_probe_of_too_few_prompts_has_no_score_and_is_saved_like_any(make_dataset, tmp_path, monkeypatch, n):
    """The eleven groups of 26 prompts suffice for the heads fitted on everything, but not for those of each fold."""
    probe = fitted(comparisons(make_dataset, n=n, noise=0.4), kind="cost")
    assert "fewer than 10 groups" in probe.undefined["cost"]
    monkeypatch.setenv("HOME", str(tmp_path))
    probe.save("~/probe")
    saved = btviz.load_score_model("~/probe").with_encoder(ENCODER)
    for each in (probe, saved):
        assert np.isnan(each.score(["moon"], ["loud"])).all()
        assert each.out_of_fold["score"].null_count() == 2 * n


@pytest.mark.slow
def test_no_text_has_no_score(make_dataset):
    ds = comparisons(make_dataset)
    vectors = btviz.embed(ds, text="qa", encoder="words")
    assert btviz.fit_probe(ds, vectors, kind="cost").score([], []).shape == (0,)
    probe = btviz.fit_probe(ds, vectors, kind="moderation")
    assert probe.score([], []).shape == (0, len(probe.labels))


def two_harms(make_dataset, *, second):
    """Safe answers are calm, those with the first harm loud; the second harm has words of its own."""
    words = {0: "plain calm", 1: "plain loud", 2: f"plain {second}"}
    rows = [
        {
            "prompt": topic,
            "response": f"{words[mask]} {topic}",
            "split": "train",
            "is_safe": mask == 0,
            "labels": mask,
        }
        for topic in TOPICS[:80]
        for mask in words
    ]
    return make_dataset(pl.DataFrame(rows, schema_overrides={"labels": pl.UInt32}))


@pytest.mark.slow
@pytest.mark.parametrize(("second", "recognised"), [("loud ornate", True), ("calm ornate", False)])
def test_an_unseen_category_is_recognised_where_it_shares_words_with_a_seen_one(make_dataset, second, recognised):
    ds = two_harms(make_dataset, second=second)
    table = btviz.leave_one_category_out(ds, btviz.embed(ds, text="qa", encoder=ENCODER), n_boot=50)
    assert (table["support"] == 80).all()
    keys = ds.taxonomy.keys[:2]
    by_row = {(row["category"], row["training"], row["metric"]): row for row in table.iter_rows(named=True)}
    metrics = ("recall", "false_positive_rate", "auc")
    assert set(by_row) == set(itertools.product(keys, ("all", "without"), metrics))
    assert by_row[keys[1], "all", "recall"]["estimate"] > 0.95
    unseen = by_row[keys[1], "without", "recall"]["estimate"]
    assert unseen > 0.95 if recognised else unseen < 0.05
    assert by_row[keys[1], "without", "false_positive_rate"]["estimate"] < 0.05


@pytest.mark.slow
def test_chosen_categories_are_left_out_as_all_are(make_dataset):
    ds = two_harms(make_dataset, second="calm ornate")
    emb = btviz.embed(ds, text="qa", encoder=ENCODER)
    key = ds.taxonomy.keys[1]
    everything = btviz.leave_one_category_out(ds, emb, n_boot=50)
    for name in (key, ds.taxonomy[key].slug):
        some = btviz.leave_one_category_out(ds, emb, categories=[name], n_boot=50)
        assert some.equals(everything.filter(category=key))
    with pytest.raises(DataError, match=f"has one of .*{ds.taxonomy.categories[5].slug}"):
        btviz.leave_one_category_out(ds, emb, categories=[ds.taxonomy.keys[5]], n_boot=50)


@pytest.mark.slow
def test_transfer_leaves_out_prompts_that_the_probe_has_seen(make_dataset):
    ds, other = comparisons(make_dataset, n=60), comparisons(make_dataset, n=90, seed=1)
    emb, to_emb = (btviz.embed(each, text="qa", encoder=ENCODER) for each in (ds, other))
    table = btviz.transfer_metrics(ds, emb, to=other, to_emb=to_emb, n_boot=50)
    new = prompt_groups(prompts_of(TOPICS[:90]))
    seen = set(new["group"][:60])
    expected = 2 * sum(group not in seen for group in new["group"])
    assert 0 < expected < 60
    overall = table.filter(pl.col("grouping") == "all", pl.col("metric") == "auc")
    assert overall["n"].to_list() == [expected]
    assert overall["estimate"].to_list() == [1.0]
    assert (table["left_out"] == other.pairs.height - expected).all()
    with pytest.raises(DataError, match="nearly repeats"):
        btviz.transfer_metrics(ds, emb, to=ds, to_emb=emb)
    with pytest.raises(UsageError, match="same way"):
        btviz.transfer_metrics(ds, emb, to=other, to_emb=btviz.embed(other, text="response", encoder=ENCODER))


def test_scores_by_another_encoder_of_vectors_made_by_hand_are_scores_of_another_model(make_dataset):
    ds = comparisons(make_dataset)
    vectors = replace(btviz.embed(ds, text="qa", encoder=ENCODER), source=None)
    probe = btviz.fit_probe(ds, vectors, kind="cost")
    turned = CallableEncoder(lambda texts: bag_of_words(texts)[:, ::-1], name="turned", version="1")
    others = make_dataset(pl.DataFrame({"prompt": ["moon"], "response": ["loud plain"]}))
    first, second = (
        btviz.score(others, probe.with_encoder(each), progress=lambda _: None)["score"].to_list()
        for each in (ENCODER, turned)
    )
    assert first != second


def test_a_probe_given_the_same_encoder_again_stays_the_same_model(make_dataset, tmp_path):
    """A run by it could not go on otherwise: its scores are kept by its fingerprint."""
    ds = comparisons(make_dataset)
    by_hand = btviz.fit_probe(ds, replace(btviz.embed(ds, text="qa", encoder=ENCODER), source=None), kind="cost")
    given = by_hand.with_encoder(ENCODER)
    assert given.fingerprint != by_hand.fingerprint
    assert given.with_encoder(ENCODER).fingerprint == given.fingerprint
    saved = btviz.load_score_model(given.save(tmp_path / "probe")).with_encoder(ENCODER)
    assert saved.fingerprint == given.fingerprint
    assert saved.score(["moon"], ["loud plain"]) == given.score(["moon"], ["loud plain"])
    other = CallableEncoder(bag_of_words, name="bag of words", version="2")
    with pytest.raises(UsageError, match=r"belongs to the encoder .* version differ"):
        given.with_encoder(other)
    assert by_hand.with_encoder(other).fingerprint not in {given.fingerprint, by_hand.fingerprint}
