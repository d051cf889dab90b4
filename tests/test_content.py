from __future__ import annotations

import polars as pl
import pytest

from btviz.errors import UsageError
from btviz.session.content import ALWAYS_HIDDEN, ContentPolicy, notice, session_policy, topic_words
from btviz.taxonomy.categories import BEAVERTAILS, TAXONOMIES, Category, Taxonomy

HATE, SELF_HARM = BEAVERTAILS.mask(["hate-speech"]), BEAVERTAILS.mask(["self-harm"])


@pytest.fixture
def guarded(make_dataset):
    """Two answers to one prompt, the second flagged self-harm by one annotator of three; one more pair."""
    rows = [
        ("one prompt", "a plain answer", True, 0),
        *[("one prompt", "a flagged answer", mask == 0, mask) for mask in (SELF_HARM, 0, 0)],
        ("other prompt", "a rude answer", False, HATE),
    ]
    schema = {"prompt": pl.String, "response": pl.String, "is_safe": pl.Boolean, "labels": pl.UInt32}
    return make_dataset(pl.DataFrame(rows, schema=schema, orient="row").with_columns(split=pl.lit("train")))


def shown(policy, ds, *, asked):
    table = policy.texts(ds, ds.pairs["pair_id"], asked=asked)
    return {text for column in ("prompt", "response") for text in table[column].drop_nulls()}


def test_nothing_is_shown_unless_asked_for(guarded):
    assert shown(ContentPolicy(), guarded, asked=False) == set()
    assert shown(ContentPolicy(), guarded, asked=True) == {"a plain answer", "other prompt", "a rude answer"}


def test_one_vote_hides_an_answer_and_the_prompt_that_it_answers(guarded):
    policy = ContentPolicy(reveal_all=True)
    assert shown(policy, guarded, asked=True) == {"a plain answer", "other prompt", "a rude answer"}
    policy.name("self-harm")
    assert shown(policy, guarded, asked=False) == {*guarded.pairs["prompt"], *guarded.pairs["response"]}
    policy.unname("self-harm")
    assert "a flagged answer" not in shown(policy, guarded, asked=True)


def test_hiding_all_ends_the_opt_in_and_is_told():
    policy, seen = ContentPolicy(reveal_all=True), []
    policy.observe(lambda: seen.append((policy.reveal_all, policy.hidings)))
    policy.hide_all()
    policy.hide_all()
    assert seen == [(False, 1), (False, 2)]


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("reveal_all", [False, True])
def test_the_decision_table(asked, reveal_all):
    policy = ContentPolicy(reveal_all=reveal_all)
    assert policy.allows(HATE, BEAVERTAILS, asked=asked) is (asked or reveal_all)
    assert policy.allows(HATE | SELF_HARM, BEAVERTAILS, asked=asked) is False
    assert [c.slug for c in policy.withheld(HATE | SELF_HARM, BEAVERTAILS)] == ["self-harm"]


def test_every_default_names_categories_that_exist():
    assert set(ALWAYS_HIDDEN) == set(TAXONOMIES)
    for name, taxonomy in TAXONOMIES.items():
        assert {c.slug for c in ContentPolicy().guarded(taxonomy)} == set(ALWAYS_HIDDEN[name])


def test_a_list_of_ones_own_replaces_the_default_and_must_exist():
    policy = ContentPolicy(always_hidden={"beavertails": ["hate-speech"]})
    assert not policy.allows(HATE, BEAVERTAILS, asked=True)
    assert policy.allows(SELF_HARM, BEAVERTAILS, asked=True)
    with pytest.raises(UsageError, match="sexual"):  # a slip of the pen must not unlock a category
        ContentPolicy(always_hidden={"beavertails": ["sexul"]}).allows(0, BEAVERTAILS, asked=True)


def test_an_own_taxonomy_keeps_the_usual_categories_it_shares():
    own = Taxonomy("own", (Category("S", "sexual", "S", "d", "g", 0), Category("O", "other", "O", "d", "g", 1)))
    policy = ContentPolicy()
    assert (policy.allows(1, own, asked=True), policy.allows(2, own, asked=True)) == (False, True)


def test_views_without_a_policy_share_the_one_of_the_session():
    assert session_policy() is session_policy()


def test_unknown_ids_have_no_text(guarded):
    assert ContentPolicy(reveal_all=True).texts(guarded, [1, 2]).is_empty()


def test_data_without_category_labels_are_said_to_have_none(make_dataset, guarded):
    sides = {f"response_{i}": [f"r{i}"] for i in (0, 1)} | {"is_safe_0": [True], "is_safe_1": [False]}
    comparisons = pl.DataFrame({"prompt": ["p"], "split": ["train"], **sides})
    unlabelled = make_dataset(
        pl.DataFrame(schema={"prompt": pl.String, "response": pl.String}), comparisons=comparisons
    )
    assert "no pair in these data is labelled" in notice(unlabelled)
    assert "Set NAME" in notice(unlabelled)
    assert "no pair" not in notice(guarded)


@pytest.fixture
def topics():
    return pl.DataFrame(
        {
            "topic": [0, 1],
            "keywords": [["plain", "marker"], ["other", "plain"]],
            "top_category": ["privacy_violation", "self_harm"],
        }
    )


@pytest.fixture
def marked(make_dataset):
    """The word "marker" stands under four prompts labelled self-harm, and hardly anywhere else."""
    rows = [(f"prompt {k}", "a marker and a plain word", False, SELF_HARM) for k in range(4)]
    rows += [(f"prompt {k}", "a plain and other word", False, HATE) for k in range(4, 30)]
    schema = {"prompt": pl.String, "response": pl.String, "is_safe": pl.Boolean, "labels": pl.UInt32}
    return make_dataset(pl.DataFrame(rows, schema=schema, orient="row").with_columns(split=pl.lit("train")))


def test_words_of_topics_are_shown_as_far_as_their_texts(marked, topics):
    policy = ContentPolicy()
    assert topic_words(marked, topics, policy=policy)["keywords"].to_list() == [[], []]
    policy.reveal_words = True
    assert topic_words(marked, topics, policy=policy)["keywords"].to_list() == [["plain"], []]
    policy.name("self-harm")
    assert topic_words(marked, topics, policy=policy)["keywords"].to_list() == topics["keywords"].to_list()
    policy.hide_all()
    assert topic_words(marked, topics, policy=policy)["keywords"].to_list() == [[], []]
    policy.reveal_all = True
    assert topic_words(marked, topics, policy=policy)["keywords"].to_list() == topics["keywords"].to_list()


def test_pairs_that_were_read_are_counted_once(guarded):
    policy = ContentPolicy()
    shown(policy, guarded, asked=False)
    assert policy.n_read == 0
    shown(policy, guarded, asked=True)
    shown(policy, guarded, asked=True)
    assert policy.n_read == 2, "of the third both texts stay hidden"
