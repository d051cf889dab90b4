"""Looking at a file before it is loaded: columns and labels are shown, texts never; and refusals that teach."""

from __future__ import annotations

import csv
import io
import json
import tomllib
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import btviz
from btviz.cli import app
from btviz.data import add, draft_taxonomy
from btviz.errors import BtvizError, DataError
from btviz.taxonomy import BEAVERTAILS
from btviz.taxonomy.taxonomy_file import taxonomy_of

pytestmark = pytest.mark.filterwarnings("ignore:.*(not kept|could not be kept)")

MARKER = "zebra"


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def of_columns(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


TWELVE = {
    "question": [f"how is a {MARKER} {i}" for i in range(12)],
    "reply": [f"striped {MARKER} {i}" for i in range(12)],
}

LIKE: dict[str, tuple[dict[str, list[Any]], dict[str, str]]] = {
    "0 and 1": ({"harmful": [0, 1] * 6}, {"is_safe": "harmful:unsafe"}),
    "true for safe": ({"is_ok_safe": [True, False] * 6}, {"is_safe": "is_ok_safe"}),
    "words": ({"label": ["safe", "unsafe"] * 6}, {"is_safe": "label"}),
    "a score": ({"toxicity": [i / 12 for i in range(12)]}, {"is_safe": "toxicity>0.5:unsafe"}),
    "names": ({"tags": [["privacy_violation"], []] * 6}, {"labels": "tags"}),
    "scores": ({"categories": [{"self_harm": 0.2, "child_abuse": 0.9}] * 12}, {"labels": "categories>0.5"}),
    "numbers": ({"class": [1, 2, 3] * 4}, {"labels": "class:from=1"}),
    "levels": ({"level": [1, 2, 3, 0] * 3}, {"severity": "level"}),
    "ids": ({"uid": list(range(12))}, {}),
}


@pytest.mark.parametrize("way", LIKE)
@pytest.mark.parametrize("form", ["rows.jsonl", "rows.csv"])
def test_what_columns_look_like_is_proposed(tmp_path: Path, way: str, form: str) -> None:
    extra, wanted = LIKE[way]
    path = written(tmp_path / form, of_columns(TWELVE | extra))
    seen = btviz.inspect(path)
    assert seen.layout is None
    assert seen.proposal == {"prompt": "question", "response": "reply"} | wanted
    assert btviz.inspect(path, columns=seen.proposal).kept == 12
    with pytest.raises(DataError) as refusal:
        btviz.load(path)
    assert seen.command in str(refusal.value)
    assert seen.call in str(refusal.value)
    assert MARKER not in str(refusal.value) + repr(seen) + json.dumps(seen.to_dict())


@pytest.mark.parametrize(
    ("first", "second"),
    [("answer_a", "answer_b"), ("output_1", "output_2"), ("response_0", "response_1"), ("modelA", "modelB")],
)
def test_two_answers_are_told_by_their_names(tmp_path: Path, first: str, second: str) -> None:
    columns = {"query": TWELVE["question"], first: TWELVE["reply"], second: [f"{t}!" for t in TWELVE["reply"]]}
    path = written(tmp_path / "rows.csv", of_columns(columns | {"winner": [1, 2] * 6}))
    seen = btviz.inspect(path)
    wanted = {"prompt": "query", "response_0": first, "response_1": second, "better": "winner:from=1"}
    assert seen.proposal == wanted
    assert btviz.load(path, columns=seen.proposal).preferences["better"].to_list().count(1) == 6


@pytest.mark.parametrize("key", ["conv", "messages", "trajectory"])
@pytest.mark.parametrize("beside", ["prompt", "note", "q"])
def test_a_chat_is_proposed_as_a_whole(tmp_path: Path, key: str, beside: str) -> None:
    """Its last question and answer are what a row holds, whatever texts stand beside it."""
    answers = [f"Striped, {i} times." for i in range(12)]
    first = [{"from": "human", "value": "A first?"}, {"from": "gpt", "value": "Yes."}]
    chats = [[*first, {"from": "human", "value": "How?"}, {"from": "gpt", "value": answer}] for answer in answers]
    columns = {key: chats, "verdict": ["safe", "unsafe"] * 6, beside: TWELVE["question"]}
    path = written(tmp_path / "rows.jsonl", of_columns(columns))
    seen = btviz.inspect(path)
    assert (seen.layout, seen.proposal) == (None, {"prompt": key, "is_safe": "verdict"})
    ds = btviz.load(path, columns=seen.proposal)
    assert set(ds.pairs["prompt"]) == {"How?"}
    assert sorted(ds.pairs.filter("is_safe")["response"]) == sorted(answers[::2])
    assert ds.conversations["turn"].value_counts(sort=True)["count"].to_list() == [12, 12]


def test_an_answer_that_is_messages_is_no_whole_chat(tmp_path: Path) -> None:
    answer = [{"role": "assistant", "content": "Striped."}]
    columns = {"question": TWELVE["question"], "answer": [answer] * 12, "verdict": ["safe", "unsafe"] * 6}
    path = written(tmp_path / "rows.jsonl", of_columns(columns))
    seen = btviz.inspect(path)
    assert seen.proposal == {"prompt": "question", "response": "answer", "is_safe": "verdict"}
    assert set(btviz.load(path, columns=seen.proposal).pairs["response"]) == {"Striped."}


def test_a_line_that_was_proposed_can_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shlex

    monkeypatch.chdir(tmp_path)
    written(
        tmp_path / "my rows.csv",
        of_columns(TWELVE | {"is it bad?": [0, 1] * 6, "toxicity": [i / 12 for i in range(12)]}),
    )
    command = btviz.inspect("my rows.csv").command.replace("NAME", "mine")
    result = call(*shlex.split(command)[1:])
    assert result.exit_code == 0, result.stderr
    assert btviz.load("mine").pairs.height == 12


def test_what_would_be_kept_is_counted(tmp_path: Path) -> None:
    flags = dict.fromkeys(BEAVERTAILS.keys, False)
    rows: list[dict[str, Any]] = [
        {"prompt": f"p{i}", "response": "r", "category": flags, "is_safe": True} for i in range(9)
    ]
    path = written(tmp_path / "rows.jsonl", [*rows, rows[0] | {"is_safe": None}, rows[0] | {"is_safe": 3}])
    seen = btviz.inspect(path)
    assert (seen.layout, seen.table, seen.taxonomy) == ("beavertails", "annotations", "beavertails")
    assert (seen.kept, seen.rejected, seen.problems) == (9, 2, {"out of range": 1, "wrong type": 1})
    assert seen.sources == {"prompt": "prompt", "response": "response", "is_safe": "is_safe", "labels": "category"}


def test_labels_that_are_not_kept_are_named(tmp_path: Path) -> None:
    flags = dict.fromkeys(BEAVERTAILS.keys, False)
    row = {"prompt": "p", "response": "r", "category": flags, "is_safe": True, "label": 1, "colour": "red"}
    path = written(tmp_path / "rows.jsonl", [row] * 3)
    assert btviz.inspect(path).labels_not_kept == ("label",)
    ds = btviz.load(path)
    assert ds.labels_not_kept == ("label",)
    assert set(ds.problems["detail"]) == {"'colour'", "'label'"}
    assert "label" in call("data", "show", path).output.splitlines()[0]


def test_a_table_in_memory_is_inspected(tmp_path: Path) -> None:
    seen = btviz.inspect(pl.DataFrame(TWELVE | {"harmful": [0, 1] * 6}), rows=6)
    assert (seen.form, seen.n_rows, seen.command) == ("table in memory", 6, "")
    assert seen.call.startswith("btviz.load(table, columns=")


@pytest.mark.parametrize(("missing", "code"), [("nowhere.csv", 3), (".", 4), ("sample", 2)])
def test_what_has_no_files_is_not_inspected(tmp_path: Path, missing: str, code: int) -> None:
    given = missing if missing == "sample" else tmp_path / missing
    with pytest.raises(BtvizError, match=r"was asked for|was to be read|were to be inspected"):
        btviz.inspect(given)
    assert call("data", "inspect", given).exit_code == code


def test_a_folder_shows_each_shape_once(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("a.csv", "b.csv", "c.csv"):
        written(folder / name, of_columns(TWELVE))
    written(folder / "other.jsonl", of_columns({"prompt": TWELVE["question"], "response": TWELVE["reply"]}))
    (folder / "page.jsonl").write_text("<!doctype html>")
    seen = btviz.inspect(folder)
    assert [(shape.files, shape.layout) for shape in seen.shapes] == [
        (("a.csv", "b.csv", "c.csv"), None),
        (("other.jsonl",), "answers"),
    ]
    assert list(seen.passed_over) == ["page.jsonl"]
    result = call("data", "inspect", folder)
    assert "and 2 files of the same shape (b.csv, c.csv)" in result.output
    assert "other.jsonl" in result.output
    assert "Passed over: page.jsonl" in result.output
    document = json.loads(call("data", "inspect", folder, "--json").output)
    assert document["others"][0] == json.loads(json.dumps(seen.to_dict()))["others"][0]


def test_a_name_is_inspected_with_what_it_remembers(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", of_columns(TWELVE | {"harmful": [0, 1] * 6}))
    mapping = {"prompt": "question", "response": "reply", "is_safe": "harmful:unsafe"}
    add("mine", path, columns=mapping)
    seen = btviz.inspect("mine")
    assert (seen.kept, seen.sources["is_safe"]) == (12, "harmful")


def test_standard_input_is_inspected_and_not_kept(own_data_dir: Path, tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", of_columns(TWELVE))
    result = CliRunner().invoke(app, ["data", "inspect", "-"], input=path.read_bytes())
    assert result.exit_code == 0
    assert "btviz data add NAME - --columns prompt=question" in result.output
    assert "btviz.load" not in result.output
    assert list((own_data_dir / "received").iterdir()) == []


TEXT = st.text(st.sampled_from("ab ,;:'\"{}[]()\n?.é☕"), min_size=1, max_size=30).map(lambda text: f"{MARKER} {text}")


@pytest.mark.slow
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(TEXT, min_size=1, max_size=4),
    key=st.sampled_from(["prompt", "label", "category", "is_safe", "tags", "x"]),
    times=st.integers(1, 12),
    nested=st.sampled_from(
        [lambda t: t, lambda t: [t], lambda t: {"text": t}, lambda t: [{"role": "user", "content": t}]]
    ),
)
def test_no_text_of_a_row_is_shown(tmp_path: Path, texts: list[str], key: str, times: int, nested: Any) -> None:
    """Whatever a column is called: what may be a sentence is none of its labels."""
    sentences = [f"{text} and more words of it." for text in texts]
    rows = [{key: nested(text), "other": nested(text)} for text in sentences * times]
    path = written(tmp_path / "rows.jsonl", rows)
    for arguments in (["data", "inspect", path], ["data", "inspect", path, "--json"], ["data", "show", path]):
        result = call(*arguments)
        assert result.exit_code in (0, 4), result.output
        assert MARKER not in result.output + result.stderr


# Taxonomies -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cell",
    [["Deceit", "rude, loud"], {"Deceit": True, "rude, loud": False}, "Deceit; rude, loud", "['Deceit', 'rude, loud']"],
)
def test_a_taxonomy_is_drafted_and_used(tmp_path: Path, cell: Any) -> None:
    others = {list: ["Deceit"], dict: {"Deceit": False, "rude, loud": True}, str: "rude, loud"}[type(cell)]
    rows = of_columns(TWELVE | {"tags": [cell, others] * 6})
    path = written(tmp_path / "talks.jsonl", [*rows, rows[0] | {"tags": "Deceit" if isinstance(cell, str) else cell}])
    draft = draft_taxonomy(path)
    taxonomy = taxonomy_of(tomllib.loads(draft), file="draft")
    assert (taxonomy.name, set(taxonomy.keys)) == ("talks", {"Deceit", "rude, loud"})
    mapping = {"prompt": "question", "response": "reply", "labels": "tags"}
    ds = btviz.load(path, taxonomy=taxonomy, columns=mapping)
    (tmp_path / "mine.toml").write_text(draft)
    assert btviz.inspect(path, taxonomy=tmp_path / "mine.toml", columns=mapping).taxonomy == "talks"
    assert ds.annotations["labels"].null_count() == 0
    assert json.loads(call("data", "taxonomy", path, "--json").output)["category"] == tomllib.loads(draft)["category"]


def test_names_that_are_known_are_linked_in_a_draft(shared_data: Path) -> None:
    draft = tomllib.loads(draft_taxonomy(shared_data / "found" / "02a-category-list.jsonl", name="mine"))
    assert draft["name"] == "mine"
    assert {c["key"]: c["beavertails"] for c in draft["category"]} == {
        "privacy_violation": ["privacy"],
        "hate_speech,offensive_language": ["hate-speech"],
    }


@pytest.mark.parametrize(
    "tags", [[f"name {i}" for i in range(12)] * 3, [f"a long sentence, {MARKER}, number {i}" for i in range(36)]]
)
def test_too_many_names_are_no_taxonomy(tmp_path: Path, tags: list[str]) -> None:
    rows = [{"prompt": "p", "tags": [tag, f"{tag} {i}"]} for i, tag in enumerate(tags)]
    path = written(tmp_path / "rows.jsonl", rows)
    with pytest.raises(DataError, match="names") as refusal:
        draft_taxonomy(path, columns={"labels": "tags"})
    assert MARKER not in str(refusal.value)


# Nothing kept -----------------------------------------------------------------------------------

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "scores": ({"category": dict.fromkeys(BEAVERTAILS.keys, 0.3)}, r"is 0\.3.*labels=category>0\.5"),
    "other names": ({"category": ["weather"]}, r"unknown category.*data taxonomy"),
    "some missing": ({"category": {"self_harm": True}}, r"missing category.*data taxonomy"),
    "words": ({"is_safe": "perhaps"}, r"is_safe is a string.*true or false"),
    "no texts": ({"prompt": 3}, r"prompt is a number.*a text"),
}


@pytest.mark.parametrize("way", WRONG)
def test_a_file_of_which_nothing_can_be_kept_is_refused_with_advice(tmp_path: Path, way: str) -> None:
    change, said = WRONG[way]
    good = {"prompt": "p", "response": "r", "category": dict.fromkeys(BEAVERTAILS.keys, False), "is_safe": True}
    path = written(tmp_path / "rows.jsonl", [good | change] * 4)
    with pytest.raises(DataError, match=f"(?s)4 rows none can be kept.*{said}"):
        btviz.load(path)
    for arguments in (
        ["data", "show", path],
        ["stats", "categories", path],
        ["figures", path, "--out", tmp_path / "out"],
    ):
        assert call(*arguments).exit_code == 4


def test_labels_that_mean_nothing_do_not_leave_texts_alone(tmp_path: Path) -> None:
    path = written(
        tmp_path / "rows.jsonl", [{"prompt": f"p{i}", "response": "r", "is_safe": "perhaps"} for i in range(4)]
    )
    with pytest.raises(DataError, match=r"4 rows no label can be kept.*is_safe is a string"):
        btviz.load(path)


# Anything ---------------------------------------------------------------------------------------

VALUE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.sampled_from(["", "a", "1", "safe", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "a.b", ""]), inner, max_size=3)
    ),
    max_leaves=5,
)
KEYS = [
    *("prompt", "response", "is_safe", "category", "harm_category", "severity_level", "response_0", "response_1"),
    *("is_response_0_safe", "better_response_id", "safer_response_id", "chosen", "rejected", "messages"),
    *("question", "label", "id", "split"),
]
OBJECT = st.dictionaries(st.sampled_from(KEYS), VALUE, max_size=6)


def shown(path: Path, content: str) -> None:
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    for command in ("show", "inspect", "taxonomy"):
        result = call("data", command, path)
        assert result.exit_code in (0, 2, 4), (command, content, result.output + result.stderr)


@pytest.mark.slow
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(OBJECT, min_size=1, max_size=5))
def test_any_value_in_any_field_is_reported_or_refused(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    shown(tmp_path / "rows.jsonl", "\n".join(map(json.dumps, rows)))
    shown(tmp_path / "rows.json", json.dumps(rows))
    cells = [
        {key: value if isinstance(value, str) else json.dumps(value) for key, value in row.items()} for row in rows
    ]
    names = list(dict.fromkeys(key for row in cells for key in row))
    out = io.StringIO(newline="")
    csv.writer(out).writerows([names, *([row.get(name, "") for name in names] for row in cells)])
    shown(tmp_path / "rows.csv", out.getvalue())


@pytest.mark.slow
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=VALUE | OBJECT)
def test_any_value_as_a_file_is_read_or_refused(tmp_path: Path, value: Any) -> None:
    shown(tmp_path / "rows.json", json.dumps(value))


@pytest.mark.slow
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(OBJECT, min_size=1, max_size=4),
    columns=st.dictionaries(st.sampled_from(KEYS[:3]), st.sampled_from(KEYS)),
)
def test_any_mapping_of_any_rows_is_read_or_refused(
    tmp_path: Path, rows: list[dict[str, Any]], columns: dict[str, str]
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    pairs = [f"{column}={value}" for column, value in columns.items()]
    result = call("data", "show", path, *(["--columns", *pairs] if pairs else []))
    assert result.exit_code in (0, 2, 4), result.output + result.stderr


def test_answers_in_chats_under_names_of_their_own_are_proposed_with_their_order(tmp_path: Path) -> None:
    chats = {key: [[{"role": "assistant", "content": f"{key} {i}"}] for i in range(3)] for key in ("first", "second")}
    named = {"question": list("abc"), "preferred": chats["first"], "dispreferred": chats["second"]}
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(dict(zip(named, row, strict=True))) + "\n" for row in zip(*named.values())))  # noqa: B905  # of one length
    seen = btviz.inspect(path)
    answers = {"response_0": "preferred", "response_1": "dispreferred"}
    assert seen.proposal == {"prompt": "question", **answers, "overall": ":0"}
    ds = btviz.load(path, columns=seen.proposal)
    assert ds.preferences["overall"].to_list() == [0, 0, 0]
    assert sorted(ds.pairs["response"]) == [f"{side} {i}" for side in ("first", "second") for i in range(3)]


def test_what_a_chat_becomes_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"prompt": "q", "chosen": "a", "rejected": "b", "score_chosen": 2, "score_rejected": 1}))
    made = ("prompt", "response_0", "response_1", "overall")
    assert btviz.inspect(path).unfolded == {"chosen": made, "rejected": made}
    words = call("data", "inspect", path).stdout.split()
    assert " ".join(words).count("prompt, response_0, response_1, overall") == 2


def test_several_answers_in_a_row_are_refused_with_a_line_that_reads_them(tmp_path: Path) -> None:
    answers = [{"model": name, "response": f"with a {name}", "overall_score": 2.0} for name in ("can", "hose")]
    rows = [{"instruction": f"How is plant {i} watered?", "completions": answers} for i in range(3)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    seen = btviz.inspect(path)
    assert (seen.layout, seen.command, seen.call) == (None, "", "")
    with pytest.raises(DataError, match="'completions' holds several answers in one row") as refusal:
        btviz.load(path)
    line = str(refusal.value).partition("of an answer: ")[2]
    assert line in seen.said[0]
    ds = eval(line, {"btviz": btviz, "pl": pl})  # the line that people copy
    assert ds.pairs.height == 6
