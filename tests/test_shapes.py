"""Files in the shapes of the field: which tables each becomes, with counts by hand, in several outer forms."""

import csv
import json

import made_shapes
import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_shapes import ANSWERED, ASKED, CHATS, CHOICES, DESIRED, NEIGHBOURS, WORSE

import btviz
from btviz.cli import app
from btviz.data.reading.parse import parse
from btviz.data.tables import pair_id
from btviz.errors import DataError, UsageError

pytestmark = pytest.mark.filterwarnings("ignore:.*could not be kept")


def as_lines(rows, file):
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def as_array(rows, file):
    file.write_text(json.dumps(rows, indent=1))


def as_parquet(rows, file):
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(file)


def as_table(rows, file):
    """As a table of text: lists and objects as JSON, nothing where there is nothing."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(keys)
        writer.writerows([[cell(row.get(key)) for key in keys] for row in rows])


def cell(value):
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


FORMS = {"lines.jsonl": as_lines, "array.json": as_array, "table.parquet": as_parquet, "table.csv": as_table}


@pytest.fixture(params=FORMS)
def loaded(request, tmp_path):
    """Load rows from a file of one form."""

    def load(rows):
        file = tmp_path / request.param
        FORMS[request.param](rows, file)
        return btviz.load(file)

    return load


def heights(ds):
    return {name: ds.table(name).height for name in ("annotations", "pairs", "preferences", "prompts", "conversations")}


NONE = dict.fromkeys(("annotations", "pairs", "preferences", "prompts", "conversations"), 0)


@pytest.mark.parametrize("rows", CHATS.values(), ids=CHATS)
def test_the_last_turn_of_a_chat_is_a_pair_and_one_of_several_turns_a_conversation(loaded, rows):
    ds = loaded(rows)
    assert heights(ds) == NONE | {"pairs": 2, "conversations": 2}
    assert set(ds.pairs["pair_id"]) == {pair_id(ASKED[i], ANSWERED[i]) for i in (0, 1)}
    assert ds.conversations.select("turn", "prompt", "response").rows() == [
        (1, ASKED[0], ANSWERED[0]),
        (2, ASKED[1], ANSWERED[1]),
    ]
    assert ds.pairs["is_safe"].null_count() == 2, "nothing is labelled"


@pytest.mark.parametrize("rows", CHOICES.values(), ids=CHOICES)
def test_what_was_chosen_is_one_order_of_an_unstated_kind(loaded, rows):
    ds = loaded(rows)
    assert heights(ds) == NONE | {"pairs": 2, "preferences": 1}
    row = ds.preferences.row(0, named=True)
    assert row["pair_id_0"] == pair_id(ASKED[0], ANSWERED[0])
    assert row["pair_id_1"] == pair_id(ASKED[0], WORSE)
    assert (row["better"], row["safer"], row["overall"]) == (None, None, 0)
    assert "--columns chosen=better" in " ".join(ds.facts["files"][0]["said"])


@pytest.mark.parametrize("rows", DESIRED.values(), ids=DESIRED)
def test_whether_an_answer_is_desired_is_not_taken_for_its_safety(loaded, rows):
    ds = loaded(rows)
    assert heights(ds) == NONE | {"pairs": 2}
    file = ds.facts["files"][0]
    (key,) = file["keys_not_kept"]
    assert key in {"label", "kto_tag"}
    assert f"--columns is_safe={key}" in " ".join(file["said"])


LABELS = {
    "aegis-2": {"annotations": 2, "pairs": 2, "prompts": 3},
    "wildguardmix": {"annotations": 2, "pairs": 2, "prompts": 3},
    "toxicchat": {"pairs": 2, "prompts": 2},
    "openai-moderation": {"prompts": 2},
    "xstest": {"prompts": 2},
    "do-not-answer": {"prompts": 2},
    "salad": {"prompts": 1},
    "harmbench": {"prompts": 1},
    "sorry-bench": {"prompts": 2},
    "beavertails-v": {"annotations": 2, "pairs": 2, "prompts": 2},
    "beavertails-v (comparisons)": {"pairs": 2, "preferences": 1, "prompts": 1},
    "labelled prompts": {"prompts": 2},
}


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_rows_of_a_neighbour_become_its_tables(loaded, name):
    ds = loaded(NEIGHBOURS[name])
    assert heights(ds) == NONE | LABELS[name]
    (file,) = ds.facts["files"]
    assert file["rows_in"] == file["rows_kept"] == len(NEIGHBOURS[name])
    assert ds.taxonomy.name == {"labelled prompts": "harmbench"}.get(name, name.split(" ")[0])


PROMPTS = {
    "aegis-2": {
        "Which saw?": (None, True),
        "Which axe?": (None, False),
        "Whose cake?": (["Needs Caution"], False),
    },
    "wildguardmix": {
        "Which saw?": ([], True),
        "Whose song?": (["copyright_violations"], False),
        "Whose diary?": (["private_information_individual"], False),
    },
    "toxicchat": {"Which saw?": ([], True), "You spoon.": (["toxicity"], False)},
    "openai-moderation": {"A quiet day.": ([], None), "You spoon.": (["H", "HR"], None)},
    "xstest": {"How do I kill time?": (["homonyms"], True), "Whose diary?": (["contrast_privacy"], False)},
    "salad": {"Whose cake?": (["O14: Illegal Activities"], None)},
    "harmbench": {"Copy a whole song.": (["copyright"], None)},
    "sorry-bench": {
        "You spoon?": (["Hate Speech Generation"], None),
        "Which pill?": (["Potentially Unqualified Advice"], None),
    },
    "beavertails-v": {
        "What is on the table?": (["animal_abuse"], None),
        "What is in the bag?": (["false_information"], None),
    },
}


@pytest.mark.parametrize("name", PROMPTS)
def test_what_is_labelled_of_a_prompt_goes_to_the_prompt(loaded, name):
    ds = loaded(NEIGHBOURS[name])
    rows = ds.named(ds.prompts).select("prompt", "labels", "is_safe").rows()
    assert {prompt: tuple(labels) for prompt, *labels in rows} == PROMPTS[name]


def test_what_is_labelled_of_an_answer_goes_to_the_pair(loaded):
    ds = loaded(NEIGHBOURS["aegis-2"])
    of_answers = ds.named(ds.annotations).select("is_safe", "labels").sort("is_safe").rows()
    assert of_answers == [(False, ["Guns and Illegal Weapons", "Fraud/Deception"]), (True, [])]
    ds = loaded(NEIGHBOURS["wildguardmix"])
    assert sorted(ds.annotations["is_safe"]) == [False, True]
    assert ds.annotations["labels"].null_count() == 2, "the subcategory is that of the prompt"
    ds = loaded(NEIGHBOURS["beavertails-v (comparisons)"])
    assert ds.preferences.select("better", "safer", "is_safe_0", "is_safe_1", "source_1").rows() == [
        (0, 1, True, False, "two")
    ]


@pytest.mark.parametrize("name", ["wildguardmix", "toxicchat", "xstest"])
def test_statistics_of_answers_say_where_categories_of_prompts_are_counted(tmp_path, name):
    as_lines(NEIGHBOURS[name], tmp_path / "rows.jsonl")
    with pytest.raises((UsageError, DataError), match="prompts have categories of their own"):
        btviz.category_counts(btviz.load(tmp_path / "rows.jsonl"))


def test_a_picture_is_left_out_and_that_is_said(tmp_path):
    rows = [row | {"image": {"bytes": "…", "path": None}} for row in NEIGHBOURS["beavertails-v"]]
    as_lines(rows, tmp_path / "v.jsonl")
    ds = btviz.load(tmp_path / "v.jsonl")
    assert "image" in ds.facts["files"][0]["keys_not_kept"]
    assert "Pictures are left out" in " ".join(ds.facts["files"][0]["said"])


def test_other_files_are_not_taken_for_a_neighbour(tmp_path):
    """Keys that many files have: only names of categories tell."""
    as_lines([{"prompt": "Which saw?", "type": "tools", "label": "safe"}], tmp_path / "t.jsonl")
    with pytest.raises(DataError):
        btviz.load(tmp_path / "t.jsonl")


def test_data_show_counts_the_orders_and_turns_and_says_what_chosen_means(tmp_path):
    file = tmp_path / "train.jsonl"
    as_lines([*CHOICES["texts"], *CHOICES["texts"]], file)
    shown = CliRunner().invoke(app, ["data", "show", str(file)]).stdout
    assert "order known, overall" in shown
    assert "chosen=better" in shown
    as_lines(CHATS["messages"], file)
    shown = CliRunner().invoke(app, ["data", "show", str(file)]).stdout
    assert "turns" in shown
    assert "conversations" in shown


def test_shapes_with_labels_beside_them_keep_the_labels(tmp_path):
    category = dict.fromkeys(btviz.load("sample").taxonomy.keys, False)
    rows = [row | {"is_safe": True, "category": category} for row in CHATS["messages"]]
    as_lines(rows, tmp_path / "chats.jsonl")
    ds = btviz.load(tmp_path / "chats.jsonl")
    assert heights(ds) == NONE | {"annotations": 2, "pairs": 2, "conversations": 2}
    assert ds.annotations.select("is_safe", "labels").rows() == [(True, 0)] * 2


@pytest.mark.parametrize("order", ["better", "safer", "overall"])
def test_what_choosing_means_can_be_said(tmp_path, order):
    as_lines(CHOICES["HH-RLHF"], tmp_path / "train.jsonl")
    rows = parse(tmp_path / "train.jsonl", columns={"chosen": order}).rows
    assert [name for name in ("better", "safer", "overall") if name in rows.columns] == [order]
    assert rows[order].to_list() == [0]


def test_a_key_that_is_mapped_is_left_to_the_user(tmp_path):
    as_lines(DESIRED["ShareGPT"], tmp_path / "kto.jsonl")
    assert parse(tmp_path / "kto.jsonl", columns={"is_safe": "kto_tag"}).rows["is_safe"].to_list() == [True, False]
    as_lines(CHOICES["UltraFeedback"], tmp_path / "uf.jsonl")
    kept = parse(tmp_path / "uf.jsonl", columns={"severity_0": "score_rejected"})
    assert kept.rows["overall"].to_list() == [0]
    assert kept.rows["severity_0"].to_list() == [3]


def test_prompts_under_another_key_go_with_chosen_answers(tmp_path):
    rows = [{"system": "Be brief.", "question": ASKED[0], "chosen": ANSWERED[0], "rejected": WORSE}]
    as_lines(rows, tmp_path / "known.jsonl")
    as_lines([{("asked" if k == "question" else k): v for k, v in row.items()} for row in rows], tmp_path / "own.jsonl")
    known = parse(tmp_path / "known.jsonl")
    own = parse(tmp_path / "own.jsonl", columns={"prompt": "asked", "chosen": "safer"})
    assert known.rows["prompt"].to_list() == own.rows["prompt"].to_list() == [ASKED[0]]
    assert own.rows["safer"].to_list() == [0]
    assert known.problems["detail"].to_list() == own.problems["detail"].to_list() == ["system message left out"]


def test_a_meaning_that_is_none_or_of_no_choice_is_refused(tmp_path):
    as_lines([COMPARED], tmp_path / "train.jsonl")
    with pytest.raises(UsageError, match="no chosen and rejected answers"):
        parse(tmp_path / "train.jsonl", columns={"chosen": "safer"})
    with pytest.raises(UsageError, match="better"):
        parse(tmp_path / "train.jsonl", columns={"chosen": "bettr"})


COMPARED = {
    "prompt": "How is tea?",
    "response_0": "Hot.",
    "response_1": "Cold.",
    "is_response_0_safe": True,
    "is_response_1_safe": False,
    "better_response_id": 1,
    "safer_response_id": 0,
    "response_0_severity_level": 0,
    "response_1_severity_level": 2,
}

REVISIONS = {
    "ids as floats": {"better_response_id": 1.0, "safer_response_id": 0.0},
    "ids as text": {"better_response_id": "1", "safer_response_id": "0"},
    "severity as a word": {"response_0_severity_level": "Safe", "response_1_severity_level": "moderate"},
    "with hashes": {"response_0_sha256": "a" * 64, "response_1_sha256": "b" * 64},
}


@pytest.mark.parametrize("change", REVISIONS.values(), ids=REVISIONS)
def test_every_revision_of_a_release_is_read_alike(loaded, change):
    ds = loaded([COMPARED | change])
    names = ("better", "safer", "is_safe_0", "is_safe_1", "severity_0", "severity_1")
    assert ds.preferences.select(names).rows() == [(1, 0, True, False, 0, 2)]


@pytest.mark.parametrize("missing", ["better_response_id", "safer_response_id"])
def test_a_comparison_that_lacks_one_order_keeps_the_other(loaded, missing):
    ds = loaded([{key: value for key, value in COMPARED.items() if key != missing}])
    name = missing.removesuffix("_response_id")
    row = ds.preferences.row(0, named=True)
    assert row[name] is None
    assert {row["better"], row["safer"]} == {None, row["safer" if name == "better" else "better"]}
    assert (row["is_safe_0"], row["is_safe_1"]) == (True, False)


def test_a_translation_is_read_as_what_it_translates(loaded):
    category = dict.fromkeys(btviz.load("sample").taxonomy.keys, False) | {"privacy_violation": True}
    rows = [{"prompt": "Dove è il tè?", "response": "Lì.", "category": category, "is_safe": False, "language": "it"}]
    ds = loaded(rows)
    assert ds.named(ds.annotations)["labels"].to_list() == [["privacy_violation"]]
    assert ds.release is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["role", "content"]), inner),
    max_leaves=4,
)

SHAPES = {**CHATS, **CHOICES, **DESIRED, **NEIGHBOURS}


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(data=st.data())
def test_any_value_in_any_key_costs_at_most_its_row(tmp_path, data):
    name = data.draw(st.sampled_from(sorted(SHAPES)))
    usual = SHAPES[name][0]
    key = data.draw(st.sampled_from(sorted(usual)))
    odd = usual | {key: data.draw(json_values)}
    file = tmp_path / "odd.jsonl"
    as_lines([usual] * 4 + [odd], file)
    ds = btviz.load(file)
    (account,) = ds.facts["files"]
    assert account["rows_in"] == 5
    assert account["rows_kept"] in (4, 5)
    rejected = ds.problems.filter(action="rejected")["line"].unique().to_list()
    assert rejected == ([5] if account["rows_kept"] == 4 else [])


def test_every_made_shape_has_a_test():
    assert set(made_shapes.NEIGHBOURS) == set(LABELS)


@pytest.mark.parametrize(
    ("folder", "order"), [("harmless-base", "safer"), ("helpful-online", "better"), ("helpful", "overall")]
)
def test_a_folder_of_hh_says_what_choosing_means(tmp_path, folder, order):
    rows = [
        {
            "chosen": f"\n\nHuman: {ASKED[0]} {i}\n\nAssistant: yes",
            "rejected": f"\n\nHuman: {ASKED[0]} {i}\n\nAssistant: no",
        }
        for i in range(3)
    ]
    for name in (folder, "elsewhere"):  # the same bytes: what is stored of one is not taken for the other
        (tmp_path / name).mkdir()
        as_lines(rows, tmp_path / name / "train.jsonl")
    for name, said in ((folder, order), ("elsewhere", "overall"), (folder, order)):
        ds = btviz.load(tmp_path / name / "train.jsonl")
        assert [kind for kind in ("better", "safer", "overall") if ds.preferences[kind].count() == 3] == [said]
        assert ("names the folder" in ds.facts["files"][0]["said"][0]) == (said != "overall")
    mine = btviz.load(tmp_path / folder / "train.jsonl", columns={"chosen": "overall"})
    assert mine.preferences["overall"].count() == 3
    as_lines([{"prompt": ASKED[0], "chosen": "yes", "rejected": "no"}], tmp_path / folder / "other.jsonl")
    assert btviz.load(tmp_path / folder / "other.jsonl").preferences["overall"].count() == 1


def test_prompts_for_a_trainer_are_read_and_what_is_of_no_answer_is_named(tmp_path):
    rows = [
        {
            "prompt": [{"role": "user", "content": f"{ASKED[0]} {i}"}],
            "data_source": "x",
            "reward_model": {"style": "rule", "ground_truth": ""},
            "extra_info": {"safer_response_id": i % 2, "index": i},
        }
        for i in range(4)
    ]
    as_parquet(rows, tmp_path / "train.parquet")
    with pytest.warns(UserWarning, match=r"named like labels: 'extra_info\.safer_response_id'"):
        ds = btviz.load(tmp_path / "train.parquet")
    assert sorted(ds.prompts["prompt"]) == [f"{ASKED[0]} {i}" for i in range(4)]
    as_parquet([row | {"extra_info": {"is_safe": True}} for row in rows], tmp_path / "judged.parquet")
    with pytest.raises(DataError, match=r"extra_info\.is_safe"):
        btviz.load(tmp_path / "judged.parquet")


def test_comments_on_a_post_are_a_comparison_of_an_unstated_kind(loaded):
    shared = {"post_id": "p", "domain": "gardens", "history": "How do I water a plant?", "human_ref_A": "With a can."}
    rows = [shared | {"human_ref_B": "With a hose.", "labels": label, "score_A": 3, "score_B": 9} for label in (1, 0)]
    ds = loaded(rows)
    assert heights(ds) == NONE | {"pairs": 2, "preferences": 2}
    assert sorted(ds.preferences["overall"]) == [0, 1], "a label of 1 says that human_ref_A was preferred"
    assert ds.preferences["better"].null_count() == 2
    assert ds.preferences["pair_id_0"][0] == pair_id("How do I water a plant?", "With a can.")
