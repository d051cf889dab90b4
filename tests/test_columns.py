"""Readers of columns: a value is judged the same wherever it comes from, and what means nothing is never kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from btviz.data.reading import json_lines
from btviz.data.reading.cells import ABSENT
from btviz.data.reading.columns import ANSWER, TEXT, Flag, read
from btviz.data.reading.known_layouts import ORDER_OR_TIE, SEVERITY
from btviz.data.reading.label_column import Labels
from btviz.data.reading.literals import literal
from btviz.data.reading.parse import Parsed, parse
from btviz.taxonomy.categories import BEAVERTAILS, PKU_SAFERLHF

# What a row may hold where a value must be -------------------------------------------------------

FLAGS = st.sampled_from([True, False, True, False, None, 0, 1, 2, 1.0, 0.5, "TRUE", "no", "", "perhaps", [], {}])
CODES = st.sampled_from([0, 1, 0, 1, None, -1, 3, 7, 300, 5, 1.0, 0.5, 10**30, "1", "0.0", "", "minor", True, [1], {}])
TEXTS = st.sampled_from(["tea", "é ☕", "", " ", "\0", None, 7, True])


def categories(keys: tuple[str, ...]) -> st.SearchStrategy[Any]:
    whole = st.fixed_dictionaries(dict.fromkeys(keys, st.booleans()))
    one_odd = st.tuples(whole, st.sampled_from(keys), FLAGS).map(lambda t: t[0] | {t[1]: t[2]})
    one_less = st.tuples(whole, st.sampled_from(keys)).map(lambda t: {k: v for k, v in t[0].items() if k != t[1]})
    one_more = st.tuples(whole, FLAGS).map(lambda t: t[0] | {"weather": t[1]})
    return st.one_of(whole, whole, whole, one_odd, one_less, one_more, st.sampled_from([None, 7, "x", True]))


ANNOTATION = {"prompt": TEXTS, "response": TEXTS, "category": categories(BEAVERTAILS.keys), "is_safe": FLAGS}
SEVERE = {
    "prompt": TEXTS,
    "response": TEXTS,
    "is_safe": FLAGS,
    "harm_category": categories(PKU_SAFERLHF.keys),
    "severity_level": CODES,
}
COMPARISON = {
    "prompt": TEXTS,
    "response_0": TEXTS,
    "response_1": TEXTS,
    "is_response_0_safe": FLAGS,
    "is_response_1_safe": FLAGS,
    "better_response_id": CODES,
    "safer_response_id": CODES,
}
EVALUATION = {"prompt": TEXTS, "category": st.sampled_from([*BEAVERTAILS.keys, "weather", "", None, 3, True])}

ONE = dict.fromkeys(BEAVERTAILS.keys, False) | {"self_harm": True}
TEXT_AND_ANSWER = {"prompt": "what is tea", "response": "a drink", "is_safe": False}
GOOD: list[dict[str, Any]] = [
    {**TEXT_AND_ANSWER, "category": ONE},
    {
        **TEXT_AND_ANSWER,
        "harm_category": dict.fromkeys(PKU_SAFERLHF.keys, False) | {"Drugs": True},
        "severity_level": 1,
    },
    {"prompt": "p", "response_0": "a", "response_1": "b", "is_response_0_safe": True, "is_response_1_safe": True}
    | {"better_response_id": 0, "safer_response_id": 0},
    {"prompt": "p", "category": BEAVERTAILS.keys[0]},
]

ROWS = st.one_of(
    st.lists(st.fixed_dictionaries(shape), min_size=1, max_size=12).map(lambda rows, good=good: [*rows, good])
    for shape, good in zip((ANNOTATION, SEVERE, COMPARISON, EVALUATION), GOOD, strict=True)
)


def by_lines(folder: Path, rows: list[dict[str, Any]], *, compact: bool = True) -> Parsed:
    marks = (",", ":") if compact else (", ", ": ")
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row, separators=marks, ensure_ascii=False) + "\n" for row in rows))
    return parse(path)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(rows=ROWS)
def test_columns_and_rows_are_read_alike(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]) -> None:
    folder = tmp_path_factory.mktemp("rows")
    fast = by_lines(folder, rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_lines.Grammar, "of", lambda _: None)
        slow = by_lines(folder, rows, compact=False)
    assert fast.rows.equals(slow.rows)
    order = ("line", "kind", "detail")
    assert fast.problems.sort(order).equals(slow.problems.sort(order))


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(rows=ROWS)
def test_every_value_that_is_kept_means_something(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]]
) -> None:
    parsed = by_lines(tmp_path_factory.mktemp("rows"), rows)
    kept = parsed.rows
    assert parsed.rows_in == len(rows) == kept.height + parsed.problems.filter(action="rejected")["line"].n_unique()
    for field in parsed.layout.fields:
        if field.without == "reject":
            assert field.reader == ANSWER or not kept[field.column].has_nulls()
    for column in ("better", "safer", "severity"):
        if column in kept.columns:
            assert kept[column].drop_nulls().is_between(-1, 3).all()
            empty = kept.filter(pl.col(column).is_null())["line"]
            assert set(empty) <= set(parsed.problems["line"])  # a null is there because something was said of it


@pytest.mark.slow
@given(cells=st.lists(st.one_of(FLAGS, CODES, TEXTS, st.just(ABSENT)), max_size=12))
def test_a_value_is_read_the_same_in_a_column_of_its_type_and_among_others(cells: list[Any]) -> None:
    for reader in (TEXT, ANSWER, Flag(), SEVERITY, ORDER_OR_TIE, Labels(), Labels(first=1), Labels(empty_is_none=True)):
        together = read(reader, cells, name="x")
        alone = [read(reader, [cell], name="x") for cell in cells]
        assert together.values.to_list() == [value for reading in alone for value in reading.values]
        rows = together.faults.sort("row", "kind", "detail").select("row", "kind", "detail", "lost").rows()
        singly = [(i, *fault[1:]) for i, reading in enumerate(alone) for fault in reading.faults.rows()]
        assert rows == sorted(singly)


SPELLINGS = {
    True: [True, 1, 1.0, "true", "TRUE", " True ", "yes", "1", "1.0", "Y"],
    False: [False, 0, 0.0, "false", "FALSE", "no", "0", "0.0", "n"],
    None: [2, -1, 0.5, "perhaps", "", None, [], {}, 10**30],
}


@pytest.mark.parametrize("value", SPELLINGS)
def test_spellings_of_a_flag(value: bool | None) -> None:
    reading = read(Flag(), SPELLINGS[value], name="is_safe")
    assert reading.values.to_list() == [value] * len(SPELLINGS[value])
    assert reading.faults.height == (0 if value is not None else len(SPELLINGS[value]))
    if value is not None:
        assert read(Flag(inverted=True), SPELLINGS[value], name="x").values.to_list() == [not value] * len(
            SPELLINGS[value]
        )


@pytest.mark.parametrize("dtype", [pl.Int8, pl.UInt8, pl.UInt64, pl.Float32, pl.Decimal(10, 2), pl.Int128])
def test_numbers_of_any_width_are_read_alike(dtype: pl.DataType) -> None:
    numbers = pl.Series([0, 1, 2, 7, None], dtype=dtype)
    assert read(SEVERITY, numbers, name="x").values.to_list() == [0, 1, 2, None, None]
    assert read(ORDER_OR_TIE, numbers, name="x").values.to_list() == [0, 1, None, None, None]
    assert read(Flag(), numbers, name="x").values.to_list() == [False, True, None, None, None]
    assert read(Labels(first=1), numbers, name="x").values.to_list() == [None, 1, 2, 64, None]
    assert "x is 7" in read(SEVERITY, numbers, name="x").faults["detail"].to_list()


def test_spellings_of_a_severity() -> None:
    reader = SEVERITY
    assert read(reader, [2, 2.0, "2", "2.0", "Moderate"], name="x").values.to_list() == [2] * 5
    assert read(reader, [2.5, 4, True, "fairly", None], name="x").values.null_count() == 5


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=8,
    ).filter(lambda value: isinstance(value, (list, dict)))
)
def test_what_python_prints_is_read_as_json_is(value: Any) -> None:
    assert literal(str(value)) == value
    assert literal(json.dumps(value)) == value


def test_numpy_prints_no_commas() -> None:
    assert literal("['a' 'b']") == ["a", "b"]


@pytest.mark.parametrize(
    "text", ["", "tea", "{", "['a'", "{'a': f()}", "[1] + [2]", "{[1]: 2}", "[" * 100_000, "{1 2}"]
)
def test_what_is_no_literal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        literal(text)
