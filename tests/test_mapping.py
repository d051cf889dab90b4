"""What a user says of columns: every way to write labels and safety gives the same rows."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import btviz
from btviz.cli import app
from btviz.data import add
from btviz.data.reading import mapping
from btviz.data.reading.parse import parse
from btviz.errors import DataError, UsageError
from btviz.reports import summarise
from btviz.taxonomy import BEAVERTAILS, PKU_SAFERLHF, TAXONOMIES, Taxonomy
from btviz.taxonomy.spelling import bits_of

SETS = st.lists(st.sets(st.sampled_from(range(14)), max_size=4).map(sorted), min_size=1, max_size=8)


def rows(column: str, values: Sequence[Any], **others: Sequence[Any]) -> list[dict[str, Any]]:
    texts = [{"prompt": f"what is tea {i}", "response": f"a drink {i}"} for i in range(len(values))]
    return [text | {column: value} | {key: cells[i] for key, cells in others.items()}
            for i, (text, value) in enumerate(zip(texts, values, strict=True))]  # fmt: skip


def written(folder: Path, table: list[dict[str, Any]], *, name: str = "rows.jsonl") -> Path:
    path = folder / name
    if name.endswith(".csv"):
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(key for row in table for key in row)))
            writer.writeheader()
            writer.writerows(table)
    else:
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in table))
    return path


def masks(path: Path, columns: Mapping[str, str], *, taxonomy: Taxonomy = BEAVERTAILS) -> list[int | None]:
    return parse(path, taxonomy=taxonomy, columns=columns).rows["labels"].to_list()


KEYS, TITLES = BEAVERTAILS.keys, [c.title for c in BEAVERTAILS.categories]
SLUGS = [c.slug for c in BEAVERTAILS.categories]


def flags(bits: Sequence[int]) -> dict[str, Any]:
    return {key: bit in bits for bit, key in enumerate(KEYS)}


LABELS: dict[str, tuple[Callable[[Sequence[int]], Any], str]] = {
    "flags": (flags, "tags"),
    "flags of some": (lambda bits: {KEYS[bit]: True for bit in bits}, "tags:partial"),
    "0 and 1": (lambda bits: {key: int(flag) for key, flag in flags(bits).items()}, "tags"),
    "scores": (lambda bits: {key: 0.9 if flag else 0.2 for key, flag in flags(bits).items()}, "tags>0.5"),
    "scores that begin at the cut": (lambda bits: {k: 0.5 if f else 0.4 for k, f in flags(bits).items()}, "tags>=0.5"),
    "list of keys": (lambda bits: [KEYS[bit] for bit in bits], "tags"),
    "list of titles": (lambda bits: [TITLES[bit] for bit in bits], "tags"),
    "list of slugs in capitals": (lambda bits: [SLUGS[bit].upper() for bit in bits], "tags"),
    "list of numbers": (list, "tags:from=0"),
    "list of numbers from 1": (lambda bits: [bit + 1 for bit in bits], "tags:from=1"),
    "joined by commas": (lambda bits: ",".join(KEYS[bit] for bit in bits), "tags"),
    "joined by commas and blanks": (lambda bits: ", ".join(TITLES[bit] for bit in bits), "tags"),
    "joined by semicolons": (lambda bits: "; ".join(KEYS[bit] for bit in bits), "tags"),
    "joined by a mark that is named": (lambda bits: "+".join(KEYS[bit] for bit in bits), "tags:separator=plus"),
    "joined by a mark that is given": (lambda bits: "#".join(SLUGS[bit] for bit in bits), "tags:separator=#"),
    "numbers in one text": (lambda bits: " ".join(map(str, bits)), "tags:separator=blank:from=0"),
    "as Python prints a list": (lambda bits: str([KEYS[bit] for bit in bits]), "tags"),
    "as Python prints an object": (lambda bits: str(flags(bits)), "tags"),
    "as NumPy prints a list": (lambda bits: "[" + " ".join(repr(KEYS[bit]) for bit in bits) + "]", "tags"),
    "as JSON": (lambda bits: json.dumps(flags(bits)), "tags"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
@pytest.mark.parametrize("way", LABELS)
@settings(max_examples=10)
@given(sets=SETS)
def test_every_way_to_write_labels_gives_the_same_masks(
    tmp_path_factory: pytest.TempPathFactory, way: str, name: str, sets: list[list[int]]
) -> None:
    write, value = LABELS[way]
    # without a row that has some, a column of nothing but empty texts says nothing
    table = rows("tags", [write(bits) for bits in [*sets, [0, 3]]])
    path = written(tmp_path_factory.mktemp("rows"), table, name=name)
    assert masks(path, {"labels": value}) == [sum(1 << bit for bit in bits) for bits in [*sets, [0, 3]]]


@pytest.mark.parametrize("named", [KEYS, SLUGS, TITLES])
@pytest.mark.parametrize("value", [0.9, True, 1, "yes"])
def test_a_column_for_each_category(tmp_path: Path, named: Sequence[str], value: Any) -> None:
    other = {0.9: 0.1, True: False, "yes": "no"}[value] if value != 1 or value is True else 0
    cells = {f"is_{name}": [value if i == bit else other for i in range(14)] for bit, name in enumerate(named)}
    path = written(tmp_path, rows("note", list(range(14)), **cells))
    cut = ">0.5" if value == 0.9 else ""
    assert masks(path, {"labels": f"is_*{cut}"}) == [1 << bit for bit in range(14)]


def test_columns_named_by_their_categories_alone(tmp_path: Path) -> None:
    cells = {key: [i == bit for i in range(14)] for bit, key in enumerate(KEYS)}
    parsed = parse(written(tmp_path, rows("note", ["x"] * 14, **cells)), columns={"labels": "*"})
    assert parsed.rows["labels"].to_list() == [1 << bit for bit in range(14)]
    assert "note" in {detail.strip("'") for detail in parsed.problems["detail"]} | parsed.layout.not_kept


SAFETY: dict[str, tuple[Mapping[bool, Any], str]] = {
    "as it is": ({True: True, False: False}, "verdict"),
    "the other way round": ({True: False, False: True}, "verdict:unsafe"),
    "numbers": ({True: 1, False: 0}, "verdict"),
    "numbers the other way round": ({True: 0.0, False: 1.0}, "verdict:unsafe"),
    "yes and no": ({True: "NO", False: "Yes"}, "verdict:unsafe"),
    "words": ({True: "safe", False: "unsafe"}, "verdict"),
    "words whichever way round": ({True: "Safe", False: "HARMFUL"}, "verdict:unsafe"),
    "what a guard prints": ({True: "safe", False: "unsafe\nS1,S3"}, "verdict"),
    "words of one's own": ({True: "ok", False: "bad"}, "verdict:safe=ok|fine:unsafe=bad"),
    "a score": ({True: 0.2, False: 0.8}, "verdict>0.5:unsafe"),
    "a score the other way round": ({True: 0.8, False: 0.2}, "verdict > 0.5"),
    "below a cut": ({True: -2, False: 1.5}, "verdict<=0"),
}


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
@pytest.mark.parametrize("way", SAFETY)
def test_every_way_to_say_what_is_safe(tmp_path: Path, way: str, name: str) -> None:
    words, value = SAFETY[way]
    safe = [True, False, False, True, True]
    path = written(tmp_path, rows("verdict", [words[each] for each in safe]), name=name)
    parsed = parse(path, columns={"is_safe": value})
    assert parsed.rows["is_safe"].to_list() == safe
    assert parsed.problems.is_empty()


def test_safety_is_derived_from_labels_where_nothing_else_says_it(tmp_path: Path) -> None:
    path = written(tmp_path, rows("tags", [["privacy_violation"], []], is_safe=[True, True]))
    derived = parse(path, columns={"labels": "tags", "is_safe": ":from-labels"})
    assert derived.rows["is_safe"].to_list() == [False, True]
    assert any("derived" in sentence for sentence in derived.layout.said)
    assert parse(path, columns={"labels": "tags"}).rows["is_safe"].to_list() == [True, True]


@pytest.mark.parametrize(
    ("column", "values", "value", "wanted"),
    [
        ("better", [0, 1, -1], "n", [0, 1, -1]),
        ("better", [1, 2, 2], "n:from=1", [0, 1, 1]),
        ("safer", ["A", "b", "tie"], "n", [0, 1, -1]),
        ("safer", ["response_1", "response_0", "0.0"], "n", [1, 0, 0]),
        ("better", [None, None, None], ":1", [1, 1, 1]),
        ("severity_0", ["severe", "Safe", "2"], "n", [3, 0, 2]),
    ],
)
def test_orders_and_levels(tmp_path: Path, column: str, values: list[Any], value: str, wanted: list[int]) -> None:
    two = [{"prompt": f"p{i}", "response_0": "a", "response_1": "b", "n": n} for i, n in enumerate(values)]
    assert parse(written(tmp_path, two), columns={column: value}).rows[column].to_list() == wanted


def test_members_of_objects_are_columns_too(tmp_path: Path) -> None:
    nested = [{"talk": {"q": f"p{i}", "a": f"r{i}"}, "meta": {"judge": {"ok": i % 2 == 0}}} for i in range(4)]
    columns = {"prompt": "talk.q", "response": "talk.a", "is_safe": "meta.judge.ok"}
    parsed = parse(written(tmp_path, nested), columns=columns)
    assert parsed.rows["is_safe"].to_list() == [True, False, True, False]
    assert parsed.rows["response"].to_list() == ["r0", "r1", "r2", "r3"]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"prompts": "q"}, "Did you mean 'prompt'"),
        ({"prompt": "question"}, r"no such column.*'q'"),
        ({"prompt": ""}, "empty"),
        ({"prompt": 3}, "no text"),
        ({"prompt": "q", "is_safe": "n:unsave"}, r"no option \['unsave'\]"),
        ({"prompt": "q", "labels": "n:separator=ab"}, "is no mark"),
        ({"prompt": "q", "labels": "n:from=x"}, "no whole number"),
        ({"prompt": "q", "severity": "n>1"}, "a cut"),
        ({"prompt": "q", "is_safe": ":from-labels"}, "Map labels"),
        ({"response": "a"}, "Map prompt"),
        ({"prompt": "q", "response_0": "a"}, "Map the other"),
        (["prompt"], "Give a dict"),
    ],
)
def test_what_is_wrong_with_a_mapping_is_said(tmp_path: Path, columns: Any, said: str) -> None:
    path = written(tmp_path, [{"q": "p", "a": "r", "n": i} for i in range(3)])
    with pytest.raises(UsageError, match=said):
        parse(path, columns=columns)


def test_a_name_remembers_its_columns(tmp_path: Path) -> None:
    columns = {"prompt": "question", "is_safe": "harmful:unsafe"}
    table = [{"question": f"q{i}", "response": f"a{i}", "harmful": i % 2} for i in range(6)]
    path = written(tmp_path, table)
    add("mine", [path], columns=columns)
    assert btviz.load("mine").annotations["is_safe"].sum() == 3
    assert btviz.load("mine", columns=columns).fingerprint == btviz.load(path, columns=columns).fingerprint
    more = written(tmp_path, [row | {"question": "other " + row["question"]} for row in table], name="more.jsonl")
    assert add("mine", [more]).pairs.height == 12
    with pytest.raises(UsageError, match="has its own"):
        btviz.load("mine", columns={"prompt": "response"})
    with pytest.raises(UsageError, match="has its own"):
        btviz.load("sample", columns=columns)


def test_a_table_in_memory_is_mapped_as_a_file_is(tmp_path: Path) -> None:
    columns = {"prompt": "question", "is_safe": "harmful:unsafe"}
    frame = pl.DataFrame([{"question": f"q{i}", "response": f"a{i}", "harmful": i % 2} for i in range(6)])
    frame.write_csv(tmp_path / "rows.csv")
    assert (
        btviz.load(frame, columns=columns).fingerprint == btviz.load(tmp_path / "rows.csv", columns=columns).fingerprint
    )
    with pytest.raises(DataError, match=r"btviz\.load\(table, columns="):
        btviz.load(frame)


def test_the_file_from_the_field_is_proposed_and_read(shared_data: Path) -> None:
    path = shared_data / "found" / "18-question-harmful.csv"
    with pytest.raises(DataError, match=r"--columns prompt=question response=response is_safe=harmful:unsafe"):
        btviz.load(path)
    ds = btviz.load(path, columns={"prompt": "question", "is_safe": "harmful:unsafe"})
    assert (ds.annotations.height, ds.annotations["is_safe"].sum()) == (12, 8)
    assert ds.annotations["labels"].null_count() == 12  # nobody said anything of categories
    assert summarise(ds).quantities["category"].null_count() == summarise(ds).quantities.height


def test_the_docs_say_what_the_help_of_the_language_says() -> None:
    docs = (Path(__file__).parents[1] / "docs" / "columns.md").read_text()
    values = [re.findall(r"`([^`]+)`", line.split("|")[1]) for line in docs.splitlines() if line.startswith("| `")]
    assert mapping.__doc__ is not None
    said = [re.findall(r"``([^`]+)``", line[:39]) for line in mapping.__doc__.splitlines() if line.startswith("``")]
    assert values == said
    assert set(re.findall(r"`(\w+)`", docs.split("## Columns that may be mapped")[1].split("##")[0])) >= {
        column for column in mapping.COLUMNS if not column.endswith("_1")
    }


# Names of categories ----------------------------------------------------------------------------


@pytest.mark.parametrize("taxonomy", TAXONOMIES.values(), ids=lambda taxonomy: taxonomy.name)
@given(data=st.data())
def test_names_are_told_apart_whatever_divides_them(taxonomy: Taxonomy, data: st.DataObject) -> None:
    bits = data.draw(st.lists(st.sampled_from(range(len(taxonomy))), max_size=5))
    field = data.draw(st.sampled_from(["key", "slug", "title"]))
    mark = data.draw(st.sampled_from([",", ", ", ";", " | ", "\n", "/", "\t"]))
    change = data.draw(st.sampled_from([str, str.upper, lambda s: s.replace("_", " "), lambda s: s.replace(" ", "-")]))
    text = mark.join(change(getattr(taxonomy.categories[bit], field)) for bit in bits)
    assert bits_of(text, taxonomy) == set(bits)


@pytest.mark.parametrize(
    ("text", "slugs"),
    [
        ("Hate Speech, Offensive Language", ["hate-speech"]),
        ("Non-Violent Unethical Behavior; Terrorism, Organized Crime", ["unethical", "terrorism"]),
        ("Drug Abuse, Weapons, Banned Substance,Privacy Violation", ["drugs-weapons", "privacy"]),
        ("none", []),
        ("privacy_violation,", ["privacy"]),
    ],
)
def test_spellings_of_the_authors(text: str, slugs: list[str]) -> None:
    assert bits_of(text, BEAVERTAILS) == {BEAVERTAILS[slug].bit for slug in slugs}


def test_a_guards_numbers_are_those_of_the_paper() -> None:
    assert bits_of("S1,S19", PKU_SAFERLHF) == {0, 18}


@pytest.mark.parametrize("text", ["weather", "privacy_violation,weather", "hate", "privacy violation self harm"])
def test_what_is_no_name_is_none(text: str) -> None:
    assert bits_of(text, BEAVERTAILS) is None


# Recognised without a mapping -------------------------------------------------------------------


@pytest.mark.parametrize("key", ["labels", "categories", "harm_categories", "category"])
def test_labels_under_other_keys_are_recognised_by_their_names(tmp_path: Path, key: str) -> None:
    sets = [["privacy_violation"], [], ["self_harm", "Child Abuse"], []]
    parsed = parse(written(tmp_path, rows(key, sets, is_safe=[not names for names in sets])))
    assert parsed.rows["labels"].to_list() == [1 << 9, 0, 1 << 10 | 1 << 1, 0]
    assert parsed.rows["is_safe"].to_list() == [False, True, False, True]
    if key != "category":  # a released key is read as what it was released for, or its rows are refused
        other = parse(written(tmp_path, rows(key, [["red"], ["blue"]], is_safe=[True, False])))
        assert other.layout.labels_not_kept == [key]


@pytest.mark.parametrize("head", ["", "category_", "category/", "harm: ", "category."])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
def test_a_column_for_each_category_is_recognised(tmp_path: Path, head: str, name: str) -> None:
    cells = {f"{head}{key}": [int(i == bit) for i in range(14)] for bit, key in enumerate(KEYS)}
    parsed = parse(written(tmp_path, rows("is_safe", [0] * 14, **cells), name=name))
    assert parsed.rows["labels"].to_list() == [1 << bit for bit in range(14)]
    assert parsed.problems.is_empty()


def test_a_row_may_name_no_category_where_names_are_texts(tmp_path: Path) -> None:
    names = ["self_harm", "", None, "none", "child_abuse; self_harm"]
    parsed = parse(written(tmp_path, rows("category", names, is_safe=[False, True, True, True, False])))
    assert parsed.rows["labels"].to_list() == [1 << 10, 0, 0, 0, 1 << 10 | 1 << 1]
    assert any("empty" in sentence for sentence in parsed.layout.said)


def test_a_column_of_nulls_labels_nothing(tmp_path: Path) -> None:
    parsed = parse(written(tmp_path, rows("category", [None] * 4, is_safe=[True, False, True, True])))
    assert parsed.rows["labels"].null_count() == 4
    assert parsed.rows["is_safe"].to_list() == [True, False, True, True]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
def test_answers_without_labels_are_pairs(tmp_path: Path, name: str) -> None:
    ds = btviz.load(written(tmp_path, rows("colour", ["red"] * 4), name=name))
    assert (ds.annotations.height, ds.pairs.height, ds.pairs["is_safe"].null_count()) == (0, 4, 4)
    with pytest.raises(DataError, match=r"verdict.*look like labels"):
        btviz.load(written(tmp_path, rows("verdict", ["red"] * 4), name=name))


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
@pytest.mark.parametrize(("sets", "first"), [([[0], [], [9, 5]], 0), ([[14], [], [1]], 1), ([[9], [], [9, 5]], None)])
def test_numbers_are_read_where_they_tell_where_they_begin(
    tmp_path: Path, sets: list[list[int]], first: int | None, name: str
) -> None:
    path = written(tmp_path, rows("category", sets, is_safe=[not numbers for numbers in sets]), name=name)
    if first is None:  # never the rows alone that have no label
        with pytest.raises(DataError, match=r"from=0 or from=1: .*labels=category:from=0"):
            parse(path)
        return
    parsed = parse(path)
    assert parsed.rows["labels"].to_list() == [sum(1 << (n - first) for n in numbers) for numbers in sets]
    assert any(f"from {first} on" in sentence for sentence in parsed.layout.said)


def test_rows_without_a_category_are_not_kept_alone(tmp_path: Path) -> None:
    names = [["weather"], [], ["weather", "wind"], [], []]
    with pytest.raises(DataError, match=r"no label can be kept.*unknown category"):
        parse(written(tmp_path, rows("category", names, is_safe=[not each for each in names])))


@pytest.mark.parametrize("way", ["flags", "flags:partial"])
def test_objects_that_name_no_known_category_are_refused_with_a_line_that_works(tmp_path: Path, way: str) -> None:
    file = tmp_path / "mine.jsonl"
    rows = [
        {"prompt": f"Ask {i}", "response": f"Say {i}", "flags": {"apples": i % 3 == 0, "pears": i % 3 == 1}}
        for i in range(8)
    ]
    file.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    with pytest.raises(DataError, match="no label can be kept") as refused:
        btviz.load(file, columns={"labels": way})
    assert "flags:partial" not in str(refused.value)
    assert "btviz data taxonomy" in str(refused.value)
    drafted = CliRunner().invoke(app, ["data", "taxonomy", str(file)])
    assert drafted.exit_code == 0, drafted.output
    taxonomy = tmp_path / "mine.toml"
    taxonomy.write_text(drafted.stdout, "utf-8")
    added = CliRunner().invoke(
        app, ["data", "add", "fruit", str(file), "--columns", f"labels={way}", "--taxonomy", str(taxonomy)]
    )
    assert added.exit_code == 0, added.output
    ds = btviz.load("fruit")
    assert sorted(btviz.category_counts(ds)["n_category"]) == [3, 3]
    assert ds.annotations.filter(pl.col("labels") == 0).height == 2
