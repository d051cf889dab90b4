"""Files as they come from everyday tools: what they mean is read, or said; never a wrong number, never a text."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import btviz
from btviz.cli import app
from btviz.data.reading.class_labels import features_of
from btviz.errors import DataError
from btviz.taxonomy import BEAVERTAILS

MARKER = "zebra"
PRIVACY = BEAVERTAILS["privacy"].key


def rows_of(n: int) -> list[dict[str, Any]]:
    return [
        {
            "prompt": f"how do I fold a {MARKER} {i}",
            "response": f"along line {i}",
            "is_safe": i % 3 > 0,
            "category": [PRIVACY] * (i % 3 == 0),
        }
        for i in range(n)
    ]


def written(path: Path, rows: list[dict[str, Any]], **options: Any) -> Path:
    with path.open("w", newline="", encoding=options.pop("encoding", "utf-8")) as file:
        writer = csv.DictWriter(file, list(rows[0]), **options)
        writer.writeheader()
        writer.writerows(rows)
    return path


# Numbers for names --------------------------------------------------------------------------------


def class_labels(names: list[str], categories: list[str], *, of_lists: Any) -> pa.Table:
    """A table as `datasets` writes it: numbers, whose names are in the metadata."""
    rows = rows_of(6)
    columns = {
        "prompt": [row["prompt"] for row in rows],
        "response": [row["response"] for row in rows],
        "is_safe": [names.index("safe" if row["is_safe"] else "unsafe") for row in rows],
        "category": [[categories.index(name) for name in row["category"]] for row in rows],
    }
    labels = {"names": categories, "_type": "ClassLabel"}
    features = {"is_safe": {"names": names, "_type": "ClassLabel"}, "category": of_lists(labels)}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.table(columns).replace_schema_metadata(metadata)


def as_stream(table: pa.Table, path: Path) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


WRITERS = {
    "rows.parquet": pa.parquet.write_table,
    "rows.feather": lambda table, path: pa.feather.write_feather(table, str(path)),
    "rows.arrow": as_stream,
}


class Dataset:
    """As much of a Dataset of `datasets` as is read."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.features = self

    def to_polars(self) -> Any:
        return pl.from_arrow(self._table)

    def to_dict(self) -> Any:
        return features_of(self._table.schema.metadata[b"huggingface"])


@pytest.mark.parametrize("form", [*WRITERS, "arrow in memory", "datasets in memory"])
@pytest.mark.parametrize("names", [["safe", "unsafe"], ["unsafe", "safe"]])
def test_numbers_of_a_class_label_mean_their_names(tmp_path: Path, form: str, names: list[str]) -> None:
    table = class_labels(names, [PRIVACY, "self_harm"], of_lists=lambda one: {"feature": one, "_type": "Sequence"})
    data: Any = {"arrow in memory": table, "datasets in memory": Dataset(table)}.get(form, tmp_path / form)
    if form in WRITERS:
        WRITERS[form](table, data)
    assert btviz.load(data).fingerprint == btviz.load(rows_of(6)).fingerprint


def test_an_older_way_to_write_lists_and_strange_metadata(tmp_path: Path) -> None:
    table = class_labels(["unsafe", "safe"], ["self_harm", PRIVACY], of_lists=lambda one: [one])
    pa.parquet.write_table(table, tmp_path / "rows.parquet")
    assert btviz.load(tmp_path / "rows.parquet").fingerprint == btviz.load(rows_of(6)).fingerprint
    for metadata in (b"", b"{", b"[]", b'{"info": null}', b'{"info": {"features": [1]}}', b'{"info": 1}'):
        assert features_of(metadata) == {}


# Tables of other tools ----------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("WAHR", "FALSCH"), ("VRAI", "FAUX"), ("VERDADERO", "FALSO"), ("是", "否")])
def test_truth_as_a_spreadsheet_of_another_language_writes_it(tmp_path: Path, words: tuple[str, str]) -> None:
    rows = [{**row, "is_safe": words[not row["is_safe"]], "category": "; ".join(row["category"])} for row in rows_of(6)]
    path = written(tmp_path / "rows.csv", rows, delimiter=";", lineterminator="\r\n", encoding="utf-8-sig")
    assert btviz.load(path).fingerprint == btviz.load(rows_of(6)).fingerprint


def test_capitals_and_blanks_in_names_of_columns_are_no_matter_and_that_is_said(tmp_path: Path) -> None:
    names = {"prompt": "Prompt", "response": "RESPONSE", "is_safe": "Is Safe", "category": "category"}
    rows = [{names[key]: value for key, value in row.items()} for row in rows_of(6)]
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(rows))
    ds = btviz.load(path)
    assert ds.fingerprint == btviz.load(rows_of(6)).fingerprint
    assert "is_safe from 'Is Safe'" in ds.facts["files"][0]["said"][0]
    both = [row | {"prompt": "how is tea made"} for row in rows]  # two may be meant
    path.write_text(json.dumps(both))
    with pytest.raises(DataError, match="fit no known shape"):
        btviz.load(path)


def test_columns_in_chinese_are_proposed_and_their_words_read(tmp_path: Path) -> None:
    safe = {True: "安全", False: "不安全"}
    rows = [{"问题": row["prompt"], "回答": row["response"], "是否安全": safe[row["is_safe"]]} for row in rows_of(6)]
    path = written(tmp_path / "rows.csv", rows)
    proposal = btviz.inspect(path).proposal
    assert dict(proposal) == {"prompt": "问题", "response": "回答", "is_safe": "是否安全"}
    assert btviz.load(path, columns=proposal).annotations["is_safe"].sum() == 4
    written(tmp_path / "old.csv", rows, encoding="gb18030")
    with pytest.raises(DataError, match="iconv -f GB18030"):
        btviz.load(tmp_path / "old.csv")


def test_input_with_two_answers_is_the_question() -> None:
    ds = btviz.load([{"input": "how is tea made", "chosen": "with water", "rejected": "no idea"}])
    assert ds.preferences["overall"].to_list() == [0]


def test_an_early_release_whose_categories_are_numbers_is_refused_with_what_to_say() -> None:
    """The first Parquet files of PKU-SafeRLHF-QA: nobody says which number is which category."""
    rows = [
        {
            "prompt": f"how is tea made {i}",
            "response": f"with water {i}",
            "severity_category": i % 4,
            "safety_category": [i % 5 + 1] * (i % 4 > 0),
            "response_source": "a",
            "sha256": f"{i:064x}",
        }
        for i in range(40)
    ]
    looks = r"'severity_category' looks like severity.*'safety_category' looks like labels"
    with pytest.raises(DataError, match=looks):
        btviz.load(rows)


# Lists of prompts, and files without a header -------------------------------------------------------


def test_a_list_of_prompts_is_read_as_prompts(tmp_path: Path) -> None:
    prompts = [f'how do I fold a "{MARKER}", or {i} of them?' for i in range(5)]
    path = tmp_path / "asked.txt"
    path.write_text("\n\n".join(prompts) + "\n")
    ds = btviz.load(path)
    assert sorted(ds.prompts["prompt"]) == sorted(prompts)
    assert ds.problems["detail"].to_list() == ["each line is taken for a prompt"]
    assert btviz.load(prompts).fingerprint == ds.fingerprint
    (tmp_path / "data").mkdir()
    path.rename(tmp_path / "data" / "notes.txt")  # found beside data it is taken for none
    with pytest.raises(DataError, match="holds no file"):
        btviz.load(tmp_path / "data")


def test_a_table_named_txt_stays_a_table(tmp_path: Path) -> None:
    rows = [row | {"category": "; ".join(row["category"])} for row in rows_of(8)]
    for separator in (",", ";", "|"):
        path = written(tmp_path / "rows.txt", rows, delimiter=separator)
        assert btviz.load(path).fingerprint == btviz.load(rows_of(8)).fingerprint
    flags = [
        {key: value for key, value in row.items() if key != "category"}
        | {f"category.{key}": key in row["category"] for key in BEAVERTAILS.keys}
        for row in rows_of(8)
    ]
    assert btviz.load(written(tmp_path / "flat.txt", flags, delimiter=";")).annotations.height == 8


SENTENCE = st.lists(st.sampled_from(["how", "is", "tea", "made", "of,", "a", '"kite"']), min_size=4, max_size=12).map(
    lambda words: f"{MARKER} {' '.join(words)}?"
)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sentences=st.lists(SENTENCE, min_size=3, max_size=6), more=st.booleans())
def test_the_first_row_of_a_file_without_a_header_shows_nowhere(
    tmp_path: Path, sentences: list[str], more: bool
) -> None:
    path = tmp_path / "rows.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([sentence, *(["yes"] if more else [])] for sentence in sentences)
    for command in (["data", "show"], ["data", "inspect"], ["data", "inspect", "--json"]):
        result = CliRunner().invoke(app, [*command, str(path)])
        assert result.exit_code in (0, 4)
        assert MARKER not in result.output + result.stderr


def camel(key: str) -> str:
    first, *rest = key.replace(",", "_").split("_")
    return first + "".join(word.title() for word in rest)


@pytest.mark.parametrize("form", ["objects", "columns", "names", "bracketed"])
def test_categories_in_camel_case_are_those_in_snake_case(form, tmp_path):
    flags = [{key: i % 14 == bit for bit, key in enumerate(BEAVERTAILS.keys)} for i in range(20)]
    texts = [{"prompt": f"what is tea {i}", "response": f"drink {i}"} for i in range(20)]
    expected = btviz.load([row | {"category": f, "is_safe": False} for row, f in zip(texts, flags, strict=True)])
    made = {
        "objects": [{"category": {camel(key): flag for key, flag in f.items()}} for f in flags],
        "columns": [{camel(key): flag for key, flag in f.items()} for f in flags],
        "names": [{"category": [camel(key) for key, flag in f.items() if flag]} for f in flags],
        "bracketed": [{f"category[{key}]": flag for key, flag in f.items()} for f in flags],
    }[form]
    file = tmp_path / "camel.jsonl"
    rows = [row | labels | {"isSafe": False} for row, labels in zip(texts, made, strict=True)]
    file.write_text("\n".join(map(json.dumps, rows)))
    assert btviz.load(file).annotations.equals(expected.annotations)


def test_an_unknown_category_is_named_and_a_long_text_is_not(tmp_path):
    for name, shown in (("gardening", "'gardening'"), ("a text of more than a few words", "is a string")):
        rows = rows_of(9)
        rows[4]["category"] = name
        (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)))
        with pytest.warns(UserWarning, match="1 of 9 rows"):
            ds = btviz.load(tmp_path / "x.jsonl")
        detail = ds.problems.filter(kind="unknown category")["detail"][0]
        assert shown in detail


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("above", ["# made on a day\n", "# made, by; hand\n#\n\n"])
def test_comments_above_a_header_are_passed_over_and_reported(separator, above, tmp_path):
    rows = "\n".join(separator.join([f"tea {i}", f"cup {i}", str(i % 2)]) for i in range(9))
    (tmp_path / "x.csv").write_text(above + separator.join(["prompt", "response", "is_safe"]) + "\n" + rows)
    ds = btviz.load(tmp_path / "x.csv")
    assert ds.annotations.height == 9
    assert ds.problems["kind"].to_list() == ["comment"]


def test_categories_as_numbers_mean_the_same_in_a_table_of_text(tmp_path):
    rows = [{"prompt": f"tea {i}", "response": f"cup {i}", "category": i % 14, "is_safe": False} for i in range(20)]
    pl.DataFrame(rows).write_csv(tmp_path / "x.csv")
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)))
    typed, text = (btviz.load(tmp_path / name) for name in ("x.jsonl", "x.csv"))
    assert text.annotations.equals(typed.annotations)
    assert text.annotations["labels"].n_unique() == 14


def test_lists_of_texts_and_text_sequences_are_read(tmp_path):
    (tmp_path / "texts.json").write_text(json.dumps([f"what is tea {i}?" for i in range(9)]))
    assert btviz.load(tmp_path / "texts.json").prompts.height == 9
    (tmp_path / "rows.json").write_text("".join(f"\x1e{json.dumps(row)}\n" for row in rows_of(9)))
    assert btviz.load(tmp_path / "rows.json").annotations.equals(btviz.load(rows_of(9)).annotations)


@pytest.mark.parametrize(("line", "command"), [(json.dumps, "fromjson"), (lambda text: text, "ast.literal_eval")])
def test_rows_that_are_written_as_texts_are_refused_with_the_command_that_mends_them(line, command, tmp_path):
    rows = [line(json.dumps(row) if line is json.dumps else repr(row)) for row in rows_of(9)]
    (tmp_path / "x.jsonl").write_text("\n".join(rows))
    with pytest.raises(DataError, match=command) as told:
        btviz.load(tmp_path / "x.jsonl")
    assert MARKER not in str(told.value)


def test_whatever_stands_in_a_list_of_one_line_counts(tmp_path):
    (tmp_path / "x.json").write_text(json.dumps([*rows_of(3), "text", None, 5, [1]]))
    with pytest.warns(UserWarning, match="4 of 7 rows"):
        ds = btviz.load(tmp_path / "x.json")
    (file,) = ds.facts["files"]
    assert [file[name] for name in ("rows_in", "rows_kept", "rows_rejected")] == [7, 3, 4]


def test_red_team_attempts_are_chats_whose_ratings_are_of_the_whole(tmp_path):
    beside = {
        "min_harmlessness_score_transcript": -1.5, "num_params": "13B", "model_type": "rlhf", "rating": 2.0,
        "task_description": "asked of tea", "task_description_harmlessness_score": 0.5, "red_team_member_id": 1,
        "is_upworker": False, "tags": None,
    }  # fmt: skip
    talk = "\n\nHuman: what is tea {0}?\n\nAssistant: a drink\n\nHuman: and milk?\n\nAssistant: {0} cups\n\n"
    (tmp_path / "x.json").write_text(json.dumps([beside | {"transcript": talk.format(i)} for i in range(9)]))
    ds = btviz.load(tmp_path / "x.json")
    assert (ds.pairs.height, ds.conversations.height, ds.labels_not_kept) == (9, 18, ())
    (line,) = [said for said in ds.facts["files"][0]["said"] if "--columns" in said]
    assert "min_harmlessness_score_transcript>0" in line
    safety = {"prompt": "transcript", "is_safe": "min_harmlessness_score_transcript>0"}
    with pytest.warns(UserWarning, match="rating"):
        labelled = btviz.load(tmp_path / "x.json", columns=safety)
    assert labelled.annotations["is_safe"].to_list() == [False] * 9


def test_standard_input_is_shown_and_not_kept(tmp_path):
    sent = "\n".join(map(json.dumps, rows_of(9))).encode()
    shown = CliRunner().invoke(app, ["data", "show", "-"], input=sent)
    assert shown.exit_code == 0, shown.output
    assert "standard input" in shown.output
    strange = CliRunner().invoke(app, ["data", "show", "-"], input=b'{"prompt": "a?", "response": "b", "harmful": 1}\n')
    assert strange.exit_code == 4
    assert "btviz data add NAME - --columns" in strange.output
