"""The views without a browser: what they send, what they keep, how they follow the selection."""

from __future__ import annotations

import json

import polars as pl
import pytest
from fake_front import Front, chart_of, click, control, state_of, tell

import btviz
from btviz.errors import NotFoundError, UsageError
from btviz.session.content import ContentPolicy
from btviz.session.ids import hex_id
from btviz.session.selection import Selection
from btviz.widgets import CategoryExplorer, PairInspector

MARK = "zanzibar"


@pytest.fixture
def marked(make_dataset):
    """Twelve pairs over four prompts with a marker in every text; every third one guarded."""
    rows = [
        (
            f"{MARK} question {k % 4}",
            f"{MARK} answer {k}",
            "train",
            k % 3 > 0,
            0 if k % 3 else 1 << (10 if k == 3 else 6),
        )
        for k in range(12)
    ]
    columns = ["prompt", "response", "split", "is_safe", "labels"]
    types = [pl.String, pl.String, pl.String, pl.Boolean, pl.UInt32]
    return make_dataset(pl.DataFrame(rows, schema=dict(zip(columns, types, strict=True)), orient="row"))


@pytest.fixture
def inspector(marked):
    return PairInspector(marked, policy=ContentPolicy())


@pytest.fixture
def front(inspector):
    return Front(inspector)


def pair(ds, response):
    return ds.pairs.filter(pl.col("response") == response)["pair_id"].item()


def test_no_text_is_in_any_trait_before_or_after_it_was_revealed(marked, inspector, front):
    inspector.policy.name("self-harm")
    inspector.policy.reveal_all = True
    assert MARK in json.dumps([front.texts(pair) for pair in marked.pairs["pair_id"]])
    front.tell("filter", filters={"search": MARK})
    front.tell("prompt", pair=hex_id(marked.pairs["pair_id"][0]))
    assert inspector.view["listed"] == 12
    assert MARK not in state_of(inspector)
    assert MARK not in repr(inspector)


def test_only_the_asked_text_is_sent(marked, front):
    wanted = pair(marked, f"{MARK} answer 4")
    assert front.texts(wanted)["response"]["text"] == f"{MARK} answer 4"
    assert json.dumps(front.received).count(MARK) == 2  # its prompt and its response


def test_guarded_texts_stay_hidden_until_their_category_is_named(marked, front):
    guarded = pair(marked, f"{MARK} answer 3")
    texts = front.texts(guarded)
    assert texts["response"] == {"part": "response", "text": None, "cut": 0, "withheld": ["Self-harm"]}
    assert texts["prompt"]["text"] is None
    front.tell("name", slug="self-harm", on=True)
    assert front.texts(guarded)["response"]["text"] == f"{MARK} answer 3"
    front.tell("name", slug="self-harm", on=False)
    assert front.texts(guarded)["response"]["text"] is None


def test_a_sibling_does_not_show_the_prompt_of_a_guarded_pair(marked, front):
    sibling = front.texts(pair(marked, f"{MARK} answer 7"))  # question 3, as answer 3
    assert (sibling["prompt"]["text"], sibling["prompt"]["withheld"]) == (None, ["Self-harm"])
    assert sibling["response"]["text"] == f"{MARK} answer 7"


def test_hiding_all_reaches_every_view_of_the_policy(marked):
    policy = ContentPolicy(reveal_all=True)
    fronts = [Front(PairInspector(marked, policy=policy)) for _ in range(2)]
    fronts[0].tell("hide")
    assert [front.received[0] for front in fronts] == [{"kind": "hide"}] * 2
    assert policy.reveal_all is False


def test_a_long_text_is_cut_and_says_so(make_dataset):
    rows = {"prompt": ["p"], "response": ["x" * 30_000], "split": ["train"], "is_safe": [True], "labels": [0]}
    ds = make_dataset(pl.DataFrame(rows, schema_overrides={"labels": pl.UInt32}))
    texts = Front(PairInspector(ds, policy=ContentPolicy())).texts(ds.pairs["pair_id"][0])
    assert (len(texts["response"]["text"]), texts["response"]["cut"]) == (20_000, 10_000)


def test_pages_cover_the_list_once(inspector, front):
    seen, offset = [], 0
    while offset < inspector.view["listed"]:
        front.tell("turn", offset=offset, size=5)
        seen += [card["row"] for card in inspector.cards]
        offset += 5
    assert seen == list(range(12))
    front.tell("turn", offset=11, size=10)
    assert (inspector.view["offset"], len(inspector.cards)) == (10, 2)
    front.tell("turn", offset=999, size=5)
    assert inspector.view["offset"] == 10
    front.tell("turn", offset=-5, size=5)
    assert inspector.view["offset"] == 0


def test_ids_cross_as_text_and_counts_as_small_numbers(marked, inspector):
    def numbers(value):
        if isinstance(value, dict | list | tuple):
            return [n for part in (value.values() if isinstance(value, dict) else value) for n in numbers(part)]
        return [value] if isinstance(value, int) else []

    assert [card["pair"] for card in inspector.cards] == [hex_id(i) for i in marked.pairs["pair_id"][:5]]
    assert max(numbers([inspector.view, inspector.cards, inspector.categories])) < 2**53


def test_the_filter_narrows_what_is_selected(marked, inspector):
    inspector.selection.set(marked.pairs.filter(pl.col("is_safe")), origin="safe ones")
    assert inspector.selected.height == 8
    inspector.filter(search="ANSWER 1")
    assert set(inspector.selected["pair_id"]) == {pair(marked, f"{MARK} answer {k}") for k in (1, 10, 11)}
    assert (inspector.view["chosen"], inspector.view["listed"]) == (8, 3)
    inspector.filter()
    assert inspector.selected.height == 8
    assert not {"prompt", "response"} & set(inspector.selected.columns)


def test_a_refused_filter_changes_nothing(inspector, front):
    inspector.filter(safety="unsafe")
    with pytest.raises(UsageError):
        inspector.filter(any_of=["hate"])
    assert inspector.selected.height == 4
    assert front.tell("filter", filters={"votes": "many"})[0]["kind"] == "say"
    assert inspector.selected.height == 4


def test_ids_from_elsewhere_are_counted_not_dropped_silently(marked, inspector):
    inspector.selection.set([*marked.pairs["pair_id"][:2], 1, 2, 3])
    assert (inspector.view["chosen"], inspector.view["elsewhere"]) == (2, 3)


def test_a_pair_is_opened_by_its_id(marked, inspector, front):
    wanted = marked.pairs["pair_id"][7]
    front.tell("open", pair=hex_id(wanted).upper())
    assert (inspector.view["offset"], inspector.view["focus"]) == (5, hex_id(wanted))
    inspector.selection.set(marked.pairs["pair_id"][:2])
    inspector.open_pair(wanted)
    assert [card["pair"] for card in inspector.cards] == [hex_id(wanted)]
    with pytest.raises(NotFoundError, match="does not hold it"):
        inspector.open_pair(1)
    assert "does not hold it" in front.tell("open", pair="12")[0]["text"]
    assert "16 hexadecimal digits" in front.tell("open", pair="no id")[0]["text"]


def test_a_pair_is_opened_by_the_number_that_tables_show(marked, inspector, front):
    wanted = marked.pairs["pair_id"][3]
    front.tell("open", pair=f" {wanted} ")
    assert inspector.view["focus"] == hex_id(wanted)


def test_same_prompt_shows_all_its_answers_and_leads_back(marked, inspector, front):
    inspector.selection.set([pair(marked, f"{MARK} answer 5")])
    front.tell("prompt", pair=inspector.cards[0]["pair"])
    answers = {pair(marked, f"{MARK} answer {k}") for k in (1, 5, 9)}
    assert {card["pair"] for card in inspector.cards} == {hex_id(i) for i in answers}
    assert inspector.cards[0]["answers"] == 3
    front.tell("prompt", pair=None)
    assert len(inspector.cards) == 1


def test_tags_go_to_disk_and_back_as_messages_only(marked, inspector, front):
    card = inspector.cards[0]["pair"]
    words = front.tell("tag", pair=card, tag="odd", note=f"like {MARK}")[-1]
    assert [(note["pair"], note["tag"], note["note"]) for note in words["notes"]] == [(card, "odd", f"like {MARK}")]
    assert PairInspector(marked, policy=ContentPolicy()).notes.tags == ["odd"]
    assert MARK not in state_of(inspector)
    inspector.filter(tag="odd")
    assert [card["pair"] for card in inspector.cards] == [card]
    assert front.tell("untag", pair=card, tag="odd")[-1]["notes"] == []
    assert "one line" in front.tell("tag", pair=card, tag="", note="")[0]["text"]


def test_an_export_of_the_list_obeys_the_policy(marked, inspector, tmp_path):
    inspector.filter(safety="unsafe")
    inspector.notes.add(inspector.selected["pair_id"], tag="=seen")
    closed = inspector.export(tmp_path / "pairs.csv").read_text()
    assert (closed.count("\n"), MARK in closed) == (5, False)
    assert "hate_speech,offensive_language" in closed
    assert ",'=seen" in closed
    inspector.policy.reveal_all = True
    rows = [json.loads(line) for line in inspector.export(tmp_path / "pairs.jsonl").read_text().splitlines()]
    assert [row["response"] is None for row in rows] == [row["labels"] == ["self_harm"] for row in rows]


def test_the_explorer_answers_a_click_with_the_pairs_behind_it(tiny):
    explorer = CategoryExplorer(tiny, policy=ContentPolicy())
    explorer.click("hate-speech", "discrimination")
    assert explorer.selected["n_unsafe"].to_list() == [2]
    assert explorer.inspector.view["origin"] == explorer.selection.origin
    click(explorer, "non_violent_unethical_behavior")
    assert "4 annotations → 2 pairs" in explorer.selection.origin
    assert chart_of(explorer).chosen == {"chosen_row": "non_violent_unethical_behavior", "chosen_col": ""}
    assert chart_of(explorer).said == explorer.selection.origin
    control(explorer, "Count").value = "prompts"  # the click is counted anew, and the picture redrawn
    assert "1 prompt → 1 pair" in explorer.selection.origin
    assert "prompts" in json.dumps(chart_of(explorer).spec)


def test_the_key_that_hides_all_works_on_the_chart_too(tiny):
    explorer = CategoryExplorer(tiny, policy=ContentPolicy(reveal_all=True))
    tell(chart_of(explorer), "hide")
    assert (explorer.policy.reveal_all, explorer.policy.hidings) == (False, 1)


def test_setting_the_selection_from_python_moves_the_view(tiny):
    selection = Selection()
    explorer = CategoryExplorer(tiny, selection=selection, policy=ContentPolicy())
    explorer.click("unethical")
    selection.set(tiny.pairs["pair_id"][:1], origin="mine")
    assert (explorer.inspector.view["origin"], len(explorer.inspector.cards)) == ("mine", 1)
    assert chart_of(explorer).chosen == {"chosen_row": "", "chosen_col": ""}
    assert chart_of(explorer).said == "mine"
    control(explorer, "Which").value = "unsafe"
    assert selection.origin == "mine"  # nothing was clicked since, so nothing is counted anew


def test_two_explorers_of_one_selection_follow_each_other(tiny):
    selection = Selection()
    one, two = (CategoryExplorer(tiny, selection=selection, policy=ContentPolicy()) for _ in range(2))
    one.click("unethical")
    assert two.selected.equals(one.selected)
    two.click("hate-speech", "discrimination")
    assert chart_of(one).chosen == {"chosen_row": "", "chosen_col": ""}


@pytest.mark.slow
def test_what_independence_expects_is_offered_where_it_is_known(tiny):
    explorer = CategoryExplorer(tiny, policy=ContentPolicy())
    assert "phi_expected" not in dict(control(explorer, "Association").options).values()
    control(explorer, "Which").value = "unsafe"
    control(explorer, "Association").value = "phi_expected"
    control(explorer, "Count").value = "pairs"
    assert control(explorer, "Association").value == "phi_expected"
    control(explorer, "Which").value = "all"
    assert control(explorer, "Association").value == "phi"
    assert '"φ"' in json.dumps(chart_of(explorer).spec, ensure_ascii=False)


def test_a_reopened_notebook_says_what_stood_there(tiny):
    explorer = CategoryExplorer(tiny, policy=ContentPolicy())
    for view in (explorer, explorer.inspector):
        bundle = view._repr_mimebundle_()
        shown = bundle[0] if isinstance(bundle, tuple) else bundle
        assert f"of {tiny.population}; run its cell" in shown["text/plain"]


@pytest.mark.slow
def test_every_coefficient_and_population_can_be_drawn(tiny):
    explorer = CategoryExplorer(tiny, policy=ContentPolicy())
    for words in ("Count", "Which", "Association"):
        listed = control(explorer, words)
        for option in listed.options:
            listed.value = option[1] if isinstance(option, tuple) else option
            assert chart_of(explorer).spec["hconcat"]


@pytest.fixture
def compared(make_dataset):
    """Comparisons only: one answer safe, one hateful, one labelled self-harm in one row and not in another."""
    answers = {"fine": (True, 0), "rude": (False, 1 << 6), "torn": (True, 0), "torn again": (False, 1 << 10)}
    sides = [("fine", "rude"), ("torn", "fine"), ("torn again", "rude")]
    rows = [
        {"prompt": "p", "split": "train", "better": 1, "safer": 0}
        | {f"response_{i}": name.removesuffix(" again") for i, name in enumerate(pair)}
        | {f"is_safe_{i}": answers[name][0] for i, name in enumerate(pair)}
        | {f"labels_{i}": answers[name][1] for i, name in enumerate(pair)}
        for pair in sides
    ]
    comparisons = pl.DataFrame(rows, schema_overrides={"labels_0": pl.UInt32, "labels_1": pl.UInt32})
    return make_dataset(pl.DataFrame(schema={"prompt": pl.String, "response": pl.String}), comparisons=comparisons)


def test_comparisons_have_no_annotations_to_count(tiny, compared):
    annotated = CategoryExplorer(tiny, policy=ContentPolicy())
    assert control(annotated, "Count").options == ("annotations", "pairs", "prompts")
    explorer = CategoryExplorer(compared, policy=ContentPolicy())
    assert control(explorer, "Count").options == ("pairs", "prompts")
    for row in btviz.category_counts(compared, population="pairs").iter_rows(named=True):
        explorer.click(row["category"])
        assert explorer.selected.height == row["n_category"]
    explorer.click("hate-speech")
    assert explorer.selected.height == 1


def test_a_pair_with_contradictory_labels_is_named_as_such_and_hidden_by_any_of_them(compared):
    inspector = PairInspector(compared, policy=ContentPolicy())
    torn = pair(compared, "torn")
    card = next(card for card in inspector.cards if card["pair"] == hex_id(torn))
    assert (card["safe"], card["disputed"], card["votes"]) == (None, None, [(10, 0)])
    assert Front(inspector).texts(torn)["response"]["withheld"] == ["Self-harm"]


def test_an_empty_data_set_is_shown_as_empty(make_dataset):
    columns = {
        "prompt": pl.String,
        "response": pl.String,
        "split": pl.String,
        "is_safe": pl.Boolean,
        "labels": pl.UInt32,
    }
    explorer = CategoryExplorer(make_dataset(pl.DataFrame([], schema=columns)), policy=ContentPolicy())
    explorer.click("unethical")
    assert explorer.inspector.view["listed"] == 0
    assert explorer.inspector.cards == []


def test_the_scripts_never_interpret_text():
    source = PairInspector._esm
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "DOMParser"):
        assert way not in source


def test_every_listed_pair_is_tagged_and_untagged_in_one_step(tiny):
    inspector = PairInspector(tiny, policy=ContentPolicy())
    inspector.filter(safety="unsafe")
    front = Front(inspector)
    said = front.tell("tag_all", tag="look again", note="")[-1]["text"]
    n = inspector.selected.height
    assert f"Tagged {n} pairs" in said
    assert inspector.notes.tagged("look again") == inspector.selected["pair_id"].to_list()
    inspector.filter()
    assert inspector.selected.height > n
    front.tell("undo_tags")
    assert inspector.notes.table.is_empty()
    assert "No change" in front.tell("undo_tags")[-1]["text"]
