from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from fake_front import Front, state_of
from small_data import dataset_from_rows, hashed_words

import btviz
from btviz.errors import UsageError
from btviz.reports.review import QUEUE, REASONS
from btviz.session import ContentPolicy, Corrections, Notes, guarded_words, hex_id, redacted
from btviz.stats.agreement import krippendorff_alpha, rating_sums
from btviz.taxonomy.categories import BEAVERTAILS
from btviz.texts.embedding import CallableEncoder
from btviz.widgets import ReviewQueue


@pytest.fixture
def ids(tiny):
    return dict(zip(tiny.pairs["response"], tiny.pairs["pair_id"], strict=True))


@pytest.fixture(scope="module")
def sample(samples):
    return samples["sample"]


@pytest.fixture(scope="module")
def queue(sample):
    return btviz.review_queue(sample, n=50, controls=0.3, random_state=4)


def test_a_queue_holds_what_is_disputed_with_controls_between(sample, queue):
    assert queue.schema == QUEUE
    assert queue["place"].to_list() == [*range(1, 51)]
    assert queue["pair_id"].n_unique() == 50
    assert dict(queue["reason"].value_counts().iter_rows()) == {"disputed": 35, "control": 15}
    ranked = btviz.disputed(sample).with_columns(strength=pl.sum_horizontal("entropy_is_safe", "entropy_labels"))
    strengths = dict(ranked.select("pair_id", "strength").iter_rows())
    found = queue.filter(reason="disputed")
    assert found["pair_id"].to_list() == ranked["pair_id"].head(35).to_list()
    assert found["strength"].to_list() == [strengths[pair] for pair in found["pair_id"]]
    assert all(not strengths[pair] for pair in queue.filter(reason="control")["pair_id"])
    places = queue.filter(reason="control")["place"]
    assert places.min() < 15, "they are not all at the end"
    assert places.max() > 35, "nor at the start"


def test_the_seed_decides_and_nothing_else(sample, queue):
    assert queue.equals(btviz.review_queue(sample, n=50, controls=0.3, random_state=4))
    other = btviz.review_queue(sample, n=50, controls=0.3, random_state=5)
    assert not other.equals(queue)
    assert other.filter(reason="disputed")["pair_id"].equals(queue.filter(reason="disputed")["pair_id"])


@pytest.mark.parametrize("options", [{"n": 0}, {"controls": 0.95}, {"controls": -0.1}, {"reasons": ["bored"]}])
def test_what_makes_no_sense_is_refused(tiny, options):
    with pytest.raises(UsageError):
        btviz.review_queue(tiny, **options)


@pytest.mark.slow
def test_labels_that_texts_and_a_probe_contradict_are_queued(sample):
    emb = btviz.embed(sample, encoder=CallableEncoder(hashed_words, name="hashed words", version="1"), text="qa")
    found = btviz.review_queue(sample, emb=emb, n=60, controls=0.2)
    assert {"noise", "disagreement", "disputed", "control"} <= set(found["reason"])
    noisy = btviz.noisy_labels(sample, emb, min_probability=0.0, n_draws=1)
    best = noisy.sort("probability", "pair_id", descending=[True, False]).row(0, named=True)
    first = found.filter(reason="noise").row(0, named=True)
    assert (first["pair_id"], first["strength"]) == (best["pair_id"], best["probability"])
    slugs = {category.slug for category in sample.taxonomy.categories} | {"is_safe"}
    assert set(found.filter(reason="noise")["target"]) <= slugs


def test_contradictory_rows_come_first():
    rows = [("a", "b", 0, True), ("b", "a", 0, False), ("a", "c", 1, True)]
    frame = pl.DataFrame(
        [{"prompt": "p", "response_0": x, "response_1": y, "safer": s, "is_safe_0": safe, "is_safe_1": True}
         for x, y, s, safe in rows], schema_overrides={"safer": pl.UInt8}
    )  # fmt: skip
    ds = dataset_from_rows(None, comparisons=frame)
    pair = {answer: ds.pairs.filter(response=answer)["pair_id"].item() for answer in "abc"}
    found = btviz.review_queue(ds, controls=0.0)
    first, second = sorted((pair["a"], pair["b"]))
    rest = [(pair["b"], "is_safe", None)] if second == pair["b"] else []
    assert found.select("pair_id", "target", "other").rows() == [(first, "safer", second), *rest]
    assert set(found["reason"]) == {"contradictory"}


def test_results_count_by_reason_and_compare_reviewers(sample, queue, tmp_path):
    first = Corrections(sample, reviewer="AB", folder=tmp_path)
    second = Corrections(sample, reviewer="CD", folder=tmp_path)
    labels = dict(sample.pairs.select("pair_id", "is_safe").iter_rows())
    votes = []
    for place, pair in enumerate(queue["pair_id"].head(40)):
        turned = [place % 3 == 0, place % 4 == 0]
        for kept, turn in zip((first, second), turned, strict=True):
            rows = [(pair, "is_safe", not labels[pair])] if turn else []
            kept.add_all([*rows, (pair, "review", "relabelled" if turn else "confirmed")])
        votes.append(sum(labels[pair] == turn for turn in turned))
    first.add(queue["pair_id"][40], field="review", after="unsure")
    first.add(queue["pair_id"][41], field="review", after="skipped")
    found = btviz.review_results(sample, queue, corrections=first)
    every = found.by_reason.filter(reason="all").row(0, named=True)
    assert (every["n"], every["n_reviewed"], every["n_relabelled"], every["n_unsure"]) == (50, 41, 20, 1)
    assert every["share"] == pytest.approx(20 / 41)
    assert set(found.by_reason["reason"]) == {"disputed", "control", "all"}
    agreement = found.agreement.filter(category="is_safe").row(0, named=True)
    sums = rating_sums(np.full(40, 2), np.array(votes)).sum(axis=0)
    assert (agreement["n_pairs"], agreement["n_reviewers"]) == (40, 2)
    assert agreement["krippendorff_alpha"] == pytest.approx(float(krippendorff_alpha(sums)))
    untouched = found.agreement.filter(pl.col("category") != "is_safe")
    assert untouched["agreement"].unique().to_list() == [1.0]


def test_results_of_nothing_say_so(sample, queue):
    found = btviz.review_results(sample, queue, corrections=[])
    assert found.by_reason["undefined"].unique().to_list() == ["none of them was reviewed"]
    assert found.agreement["undefined"].unique().to_list() == ["no pair was judged by two reviewers"]


# Worked through.


@pytest.fixture
def review(tiny, ids):
    pairs = pl.DataFrame({"pair_id": [*ids.values()], "reason": ["disputed"] * 4 + ["control"]})
    return ReviewQueue(tiny, pairs, reviewer="AB", policy=ContentPolicy(), break_after=2)


def test_what_is_said_is_kept_and_the_next_pair_comes(tiny, review):
    front, pairs = Front(review), review.queue["pair_id"].to_list()
    front.tell("confirm")
    front.tell("unsure")
    front.tell("skip")
    assert review.state["place"] == 4
    assert review.state["counts"] == {"confirmed": 1, "relabelled": 0, "unsure": 1, "skipped": 1}
    front.tell("relabel", safe=False, labels=["privacy"], order=None)
    assert one(tiny.corrected(review.corrections), pairs[3])["labels"] == BEAVERTAILS.mask(["privacy"])
    assert review.verdicts == dict(zip(pairs, ["confirmed", "unsure", "skipped", "relabelled"], strict=False))
    again = ReviewQueue(tiny, review.queue, reviewer="AB", policy=ContentPolicy())
    assert again.state["place"] == 5, "one goes on where one stopped"
    assert ReviewQueue(tiny, review.queue, reviewer="CD", policy=ContentPolicy()).state["place"] == 1


def one(ds, pair):
    return ds.pairs.filter(pair_id=pair).row(0, named=True)


def test_a_step_is_taken_back_whole_and_its_pair_is_shown(tiny, review):
    front = Front(review)
    now = one(tiny, review.queue["pair_id"][0])
    front.tell("relabel", safe=not now["is_safe"], labels=["sexual"], order=None)
    assert review.state["place"] == 2
    front.tell("undo")
    assert review.state["place"] == 1
    assert review.verdicts == {}
    assert tiny.corrected(review.corrections).fingerprint == tiny.fingerprint
    (heard,) = front.tell("undo")
    assert "none of yours is left" in heard["text"]


def test_a_relabelling_that_changes_nothing_is_asked_about(tiny, review):
    now = one(tiny, review.queue["pair_id"][0])
    labels = [category.slug for category in tiny.taxonomy.members(now["labels"])]
    (heard,) = Front(review).tell("relabel", safe=now["is_safe"], labels=labels, order=None)
    assert "confirm them" in heard["text"]
    assert review.corrections.table.is_empty()


def test_the_order_of_two_answers_is_corrected_where_it_is_in_doubt(ids, tiny):
    frame = pl.DataFrame(
        [{"prompt": "p", "response_0": "a", "response_1": "b", "safer": s} for s in (0, 1)],
        schema_overrides={"safer": pl.UInt8},
    )
    ds = dataset_from_rows(None, comparisons=frame.with_columns(is_safe_0=True, is_safe_1=True))
    review = ReviewQueue(ds, btviz.review_queue(ds, controls=0.0), reviewer="AB", policy=ContentPolicy())
    assert review.state["order"] == "safer"
    assert len(review.cards) == 2
    Front(review).tell("relabel", safe=True, labels=[], order="true", other_safe=False)
    done = ds.corrected(review.corrections)
    assert done.pairs.filter(pair_id=review.queue["other"][0])["is_safe"].to_list() == [False]
    assert not done.pairs["labels"].count(), "of categories nothing was said"
    first = review.queue["pair_id"][0]
    assert {row[f"pair_id_{row['safer']}"] for row in done.preferences.to_dicts()} == {first}


def test_texts_are_rationed_and_counted(review, ids):
    front, pairs = Front(review), review.queue["pair_id"].to_list()
    assert front.texts(pairs[0])["response"]["text"] is not None
    assert front.texts(pairs[1])["response"]["text"] is not None
    assert (review.state["read"], review.state["rests"]) == (2, False)
    assert front.texts(pairs[0])["response"]["text"] is not None, "what was read may be read again"
    assert front.tell("reveal", pairs=[hex_id(pairs[2])]) == []
    assert review.state["rests"]
    assert front.tell("reveal", pairs=[hex_id(pairs[0])]) == []
    front.tell("resume")
    assert front.texts(pairs[2])["response"]["text"] is not None
    assert review.policy.n_read == 3


def test_what_changes_is_said_when_asked(review):
    front = Front(review)
    front.tell("relabel", safe=False, labels=["privacy"], order=None)
    (message,) = front.tell("effects")
    assert message["kind"] == "effects"
    assert "privacy 0.0000 to 0.2000" in message["text"]


def test_why_a_pair_is_there_is_told_after_something_was_said(tiny, review):
    front = Front(review)
    assert review.state["reason"] is None
    front.tell("confirm")
    front.tell("go", by=-1)
    assert review.state["reason"] == REASONS["disputed"]
    seen = ReviewQueue(tiny, review.queue, reviewer="CD", policy=ContentPolicy(), blind=False)
    assert seen.state["reason"] == REASONS["disputed"]


def test_a_note_goes_to_the_notes_and_no_text_to_what_is_saved(tiny, review):
    front, pair = Front(review), review.queue["pair_id"][0]
    front.texts(pair)
    front.tell("note", text="ask a colleague")
    assert Notes(tiny).table.select("pair_id", "tag", "note").rows() == [(pair, "review", "ask a colleague")]
    kept = state_of(review)
    assert "ask a colleague" not in kept
    assert not [text for text in (*tiny.pairs["prompt"], *tiny.pairs["response"]) if text in kept]


def test_a_queue_of_other_data_is_refused(tiny):
    with pytest.raises(UsageError, match="none is pair_id"):
        ReviewQueue(tiny, pl.DataFrame({"x": [1]}))
    with pytest.raises(UsageError, match="holds none of them"):
        ReviewQueue(tiny, pl.DataFrame({"pair_id": [1]}, schema={"pair_id": pl.UInt64}))


@pytest.fixture(scope="module")
def marked():
    """A word that stands under prompts of a guarded category, and once elsewhere."""
    guarded = BEAVERTAILS.mask(["self-harm"])
    rows = [(f"question {k} here", "the marker word stands here", "train", False, guarded) for k in range(6)]
    rows += [(f"other {k} here", "nothing stands here", "train", True, 0) for k in range(40)]
    rows += [("last question here", "a Marker stands here", "train", True, 0)]
    columns = {"prompt": pl.String, "response": pl.String, "split": pl.String, "is_safe": pl.Boolean}
    return dataset_from_rows(pl.DataFrame(rows, schema=columns | {"labels": pl.UInt32}, orient="row"))


def test_words_of_guarded_categories_are_covered_until_asked_for(marked):
    assert guarded_words(marked, ContentPolicy()) == {"the", "marker", "word", "question"}
    assert guarded_words(marked, ContentPolicy(named=["self-harm"])) == frozenset()
    assert redacted("A Marker, not markers", frozenset({"marker"})) == "A ▇▇▇▇▇▇, not markers"
    pair = marked.pairs.filter(response="a Marker stands here")["pair_id"].item()
    review = ReviewQueue(marked, pl.DataFrame({"pair_id": [pair]}), policy=ContentPolicy())
    front = Front(review)
    assert front.texts(pair)["response"]["text"] == "a ▇▇▇▇▇▇ stands here"
    (message,) = front.tell("words", pairs=[hex_id(pair)])
    assert message["texts"][1]["text"] == "a Marker stands here"
    assert "arker" not in json.dumps(review.state)
