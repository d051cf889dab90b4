"""The preference inspector without a browser: what it sends, what it keeps, how it is narrowed."""

from __future__ import annotations

import json

import polars as pl
import pytest
from fake_front import Front
from hostile import MARK, PAYLOADS

from btviz.errors import UsageError
from btviz.session.content import ContentPolicy
from btviz.session.ids import hex_id
from btviz.session.selection import Selection
from btviz.taxonomy.categories import PKU_SAFERLHF
from btviz.widgets import PreferenceInspector

ODD = [*PAYLOADS, "\u202eright to left override\u202c", "עברית וגם english", "日本語の文", "= 1 + 1", ""]
VIOLENCE, GUARDED = (1 << PKU_SAFERLHF[name].bit for name in ("Violence", "physical-harm"))
COLUMNS = {
    "better": pl.UInt8,
    "safer": pl.UInt8,
    "is_safe_0": pl.Boolean,
    "is_safe_1": pl.Boolean,
    "labels_0": pl.UInt32,
    "labels_1": pl.UInt32,
    "severity_0": pl.UInt8,
    "severity_1": pl.UInt8,
}
FULL = {
    "better": 1,
    "safer": 0,
    "is_safe_0": True,
    "is_safe_1": False,
    "labels_0": 0,
    "labels_1": VIOLENCE,
    "severity_0": 0,
    "severity_1": 2,
}


@pytest.fixture
def make_compared(make_dataset):
    """A data set of comparisons, each given as what differs from `FULL`."""

    def make(*changes, texts=ODD):
        rows = [
            {
                "prompt": f"{MARK} question {k} {texts[k % len(texts)]}",
                "response_0": f"{MARK} one {k} {texts[k % len(texts)]}",
                "response_1": f"{MARK} other {k} {texts[(k + 1) % len(texts)]}",
                **FULL,
                **change,
            }
            for k, change in enumerate(changes)
        ]
        texts_only = {"prompt": pl.String, "response_0": pl.String, "response_1": pl.String}
        compared = pl.DataFrame(rows, schema=texts_only | COLUMNS)
        nothing = pl.DataFrame(schema={"prompt": pl.String, "response": pl.String})
        return make_dataset(nothing, comparisons=compared, taxonomy=PKU_SAFERLHF)

    return make


def inspector_of(ds, **options):
    return PreferenceInspector(ds, policy=ContentPolicy(), **options)


def test_a_card_tells_what_its_own_row_tells(make_compared):
    (card,) = inspector_of(make_compared({})).cards
    assert (card["better"], card["safer"], card["missing"]) == (1, 0, [])
    first, second = card["answers"]
    assert (first["safe"], first["bits"], first["severity"]) == (True, [], "safe")
    assert (second["safe"], second["bits"], second["severity"]) == (False, [PKU_SAFERLHF["Violence"].bit], "moderate")


def test_an_answer_that_two_rows_label_differently_is_shown_as_each_row_does(make_dataset):
    row = {"prompt": "q", "response_0": "a", "response_1": "b", **FULL}
    rows = [row, row | {"response_1": "c", "is_safe_0": False, "labels_0": VIOLENCE, "severity_0": 3}]
    texts = {"prompt": pl.String, "response_0": pl.String, "response_1": pl.String}
    nothing = pl.DataFrame(schema={"prompt": pl.String, "response": pl.String})
    ds = make_dataset(nothing, comparisons=pl.DataFrame(rows, schema=texts | COLUMNS), taxonomy=PKU_SAFERLHF)
    firsts = [card["answers"][0] for card in inspector_of(ds).cards]
    assert len({first["pair"] for first in firsts}) == 1
    assert sorted((first["safe"], first["severity"]) for first in firsts) == [(False, "severe"), (True, "safe")]


def test_what_a_row_does_not_tell_is_named(make_compared):
    (card,) = inspector_of(make_compared(dict.fromkeys(COLUMNS))).cards
    assert card["missing"] == ["better", "safer", "safety", "categories", "severity"]
    assert {(a["safe"], a["bits"], a["severity"]) for a in card["answers"]} == {(None, None, None)}


def test_severity_is_missed_only_where_the_taxonomy_has_levels(make_dataset):
    nothing = pl.DataFrame(schema={"prompt": pl.String, "response": pl.String})
    row = {"prompt": ["q"], "response_0": ["a"], "response_1": ["b"], "better": [0], "safer": [0]}
    (card,) = inspector_of(make_dataset(nothing, comparisons=pl.DataFrame(row))).cards
    assert card["missing"] == ["safety", "categories"]


def test_no_text_is_in_any_trait_before_or_after_it_was_revealed(make_compared):
    ds = make_compared(*[{}] * len(ODD))
    inspector = inspector_of(ds)
    inspector.policy.reveal_all = True
    front = Front(inspector)
    front.tell("turn", offset=0, size=50)
    pairs = [answer["pair"] for card in inspector.cards for answer in card["answers"]]
    sent = {message["pair"]: message["texts"] for message in front.tell("reveal", pairs=pairs)}
    assert len(sent) == 2 * len(ODD)
    by_id = {hex_id(pair): response for pair, response in ds.pairs.select("pair_id", "response").rows()}
    assert {pair: texts[1]["text"] for pair, texts in sent.items()} == by_id  # as released, to the letter
    state = json.dumps(inspector.get_state(), default=str)
    assert MARK not in state
    assert "onerror" not in state
    assert MARK not in repr(inspector)


def test_guarded_texts_stay_hidden_until_their_category_is_named(make_compared):
    ds = make_compared({"labels_1": GUARDED})
    inspector = inspector_of(ds)
    front = Front(inspector)
    pairs = [answer["pair"] for answer in inspector.cards[0]["answers"]]
    before = {message["pair"]: message["texts"] for message in front.tell("reveal", pairs=pairs)}
    assert before[pairs[0]][1]["text"] is not None
    assert (before[pairs[1]][1]["text"], before[pairs[0]][0]["text"]) == (None, None)  # its answer, and the prompt
    assert before[pairs[1]][1]["withheld"] == [PKU_SAFERLHF["physical-harm"].title]
    front.tell("name", slug="physical-harm", on=True)
    after = {message["pair"]: message["texts"] for message in front.tell("reveal", pairs=pairs)}
    assert None not in [text["text"] for texts in after.values() for text in texts]


def test_hiding_all_reaches_this_view_too(make_compared):
    inspector = inspector_of(make_compared({}))
    front = Front(inspector)
    front.tell("opt_in", on=True)
    assert inspector.policy_state["reveal_all"] is True
    assert {"kind": "hide"} in front.tell("hide")
    assert inspector.policy_state["reveal_all"] is False


def test_without_comparisons_the_list_is_empty(tiny, make_compared):
    inspector = inspector_of(tiny)
    assert (inspector.cards, inspector.view["all"], inspector.view["listed"]) == ([], 0, 0)
    Front(inspector).tell("turn", offset=5, size=5)
    assert inspector.view["offset"] == 0
    inspector.open_comparisons([], origin="none")
    assert inspector.selected.is_empty()


def test_pages(make_compared):
    inspector = inspector_of(make_compared(*[{}] * 12))
    front = Front(inspector)
    front.tell("turn", offset=7, size=5)
    assert (inspector.view["offset"], len(inspector.cards)) == (5, 5)
    front.tell("turn", offset=99, size=5)
    assert (inspector.view["offset"], len(inspector.cards)) == (10, 2)
    front.tell("turn", offset=10, size=25)
    assert (inspector.view["offset"], len(inspector.cards)) == (0, 12)


def test_the_list_is_narrowed_by_agreement(make_compared):
    ds = make_compared({}, {"safer": 1}, {"better": 0}, {"better": None}, {"safer": None})
    inspector = inspector_of(ds)
    front = Front(inspector)
    sizes = {}
    for kind in ("all", "same", "other", "unknown"):
        front.tell("agreement", agreement=kind)
        sizes[kind] = inspector.view["listed"]
        same = (inspector.selected["better"] == inspector.selected["safer"]).to_list()
        assert kind == "all" or set(same) == {{"same": True, "other": False, "unknown": None}[kind]}
    assert sizes == {"all": 5, "same": 2, "other": 1, "unknown": 2}
    (answer,) = front.tell("agreement", agreement="half")
    assert "half" in answer["text"]
    assert inspector.view["agreement"] == "unknown"


def test_opened_rows_are_listed_and_their_answers_selected(make_compared):
    selection = Selection()
    inspector = inspector_of(make_compared(*[{}] * 4), selection=selection)
    inspector.open_comparisons([2, 0], origin="mine")
    assert [card["row"] for card in inspector.cards] == [2, 0]
    assert (inspector.view["origin"], selection.origin) == ("mine", "mine")
    answers = inspector.selected
    assert set(selection.pair_ids) == {*answers["pair_id_0"], *answers["pair_id_1"]}
    with pytest.raises(UsageError, match="4 comparisons"):
        inspector.open_comparisons([4])


def test_pairs_chosen_elsewhere_bring_their_comparisons(make_compared):
    selection = Selection()
    ds = make_compared(*[{}] * 4)
    inspector = inspector_of(ds, selection=selection)
    selection.set([ds.preferences["pair_id_1"][3]], origin="one answer")
    assert [card["row"] for card in inspector.cards] == [3]
    selection.clear()
    assert inspector.view["listed"] == 4


def test_on_the_real_file_a_page_shows_what_it_releases(shared_data):
    import btviz

    ds = btviz.load(shared_data / "pku-saferlhf" / "one_safe_pairs.jsonl")
    inspector = inspector_of(ds)
    assert inspector.view["all"] == 4114
    assert {tuple(card["missing"]) for card in inspector.cards} == {("better", "categories")}
    assert {card["better"] for card in inspector.cards} == {None}
    assert {a["safe"] for card in inspector.cards for a in card["answers"]} == {True, False}
    inspector.filter(agreement="unknown")
    assert inspector.view["listed"] == 4114
