"""Forms of files: whatever a file is written in, its rows come as the same columns, and none is lost."""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from btviz.data.reading.files import Digest
from btviz.data.reading.flat_tables import read_frame
from btviz.data.reading.formats import batches, form_of, sample_of
from btviz.data.reading.record import ABSENT, Batch, Finding, Record, batch_of, cells_of
from btviz.errors import DataError
from btviz.store import sha256

Row = dict[str, Any]
Rows = list[Row]


def read(path: Path) -> list[Batch]:
    return list(batches(path, form_of(path), then=Batch.spread))


def rows_in(batch: Batch) -> Rows:
    columns = {key: list(cells) if isinstance(cells, list) else cells.to_list() for key, cells in batch.columns.items()}
    rows = ({key: cells[i] for key, cells in columns.items()} for i in range(len(batch.lines)))
    return [{key: value for key, value in row.items() if value is not ABSENT} for row in rows]


def rows_of(found: list[Batch]) -> Rows:
    numbered = [pair for batch in found for pair in zip(batch.lines, rows_in(batch), strict=True)]
    return [row for _, row in sorted(numbered, key=lambda pair: pair[0])]


def findings_of(found: list[Batch]) -> list[tuple[int | None, str]]:
    return [(line, finding.kind) for batch in found for line, finding in batch.findings]


# Batches ----------------------------------------------------------------------------------------


def test_columns_of_one_type_are_series_and_others_lists() -> None:
    rows: Rows = [{"a": 1, "b": "x"}, {"a": None, "b": 2}, {"c": True}]
    batch = batch_of(enumerate(rows, start=1))
    assert list(batch.columns) == ["a", "b", "c"]
    assert batch.columns["a"] == [1, None, ABSENT]
    assert batch.columns["b"] == ["x", 2, ABSENT]
    assert batch.columns["c"] == [ABSENT, ABSENT, True]
    assert batch.lines.to_list() == [1, 2, 3]


@pytest.mark.parametrize("values", [["a", None], [True, False], [1, None, 3], [0.5, 1.0], [None, None]])
def test_values_of_one_type_are_a_series(values: list[Any]) -> None:
    cells = cells_of(values)
    assert isinstance(cells, pl.Series)
    assert cells.to_list() == values


@pytest.mark.parametrize("values", [["a", 1], [True, 1], [2**70], ["\ud800"], [{"a": 1}], [[1]], [ABSENT, "a"]])
def test_values_that_no_series_holds_as_they_are_stay_pythons(values: list[Any]) -> None:
    assert cells_of(values) is values


def test_a_key_given_twice_with_two_values_makes_no_row() -> None:
    batch = batch_of([(1, Record([("a", 1), ("a", 2)])), (2, Record([("a", 1), ("a", 1)]))])
    assert batch.lines.to_list() == [2]
    assert batch.findings == [
        (1, Finding("repeated key", "a, differing values", rejects=True)),
        (2, Finding("repeated key", "a, equal values")),
    ]


def test_a_line_that_another_type_holds_comes_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows: Rows = [{"a": f"x{i}", "b": {"c": True}} for i in range(5)]
    rows[2:2] = [{"a": 3, "b": {"c": True}}, {"a": "x", "b": {"c": None}}, {"a": "x", "b": {"c": True, "d": 1}}]
    path.write_text("\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n[1]\n")
    found = read(path)
    assert rows_of(found) == rows
    assert findings_of(found) == [(9, "not an object")]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["prompt", "n", "flags"])


def spelled(value: object) -> str:
    """JSON in which equal numbers are spelled alike: a list of -3 and 0.5 holds -3.0, which is the same number."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, list):
        return f"[{','.join(map(spelled, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key!r}:{spelled(value[key])}' for key in sorted(value))}}}"
    return json.dumps(value)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.lists(st.dictionaries(KEYS, VALUES), min_size=1, max_size=4), ascii_only=st.booleans(), dense=st.booleans()
)
def test_lines_hold_what_python_reads_in_them(
    tmp_path_factory: pytest.TempPathFactory, rows: Rows, ascii_only: bool, dense: bool
) -> None:
    """Often enough for the fast reader, which must give each value back as it is."""
    path = tmp_path_factory.mktemp("any") / "rows.jsonl"
    separators = (",", ":") if dense else (", ", ": ")
    lines = [json.dumps(row, ensure_ascii=ascii_only, separators=separators) for row in rows * 70]
    path.write_bytes("\n".join(lines).encode(errors="surrogatepass"))
    found = read(path)
    expected = [json.loads(line) for line in lines]
    assert [spelled(row) for row in rows_of(found)] == [spelled(row) for row in expected]
    assert findings_of(found) == []


@pytest.mark.slow
def test_most_lines_of_a_file_are_read_as_columns(tmp_path: Path) -> None:
    """Also those of a second shape, and beside odd ones."""
    rows = [{"prompt": f"tea {i}", "n": i, "c": {"x": True}} for i in range(200)]
    rows += [{"prompt": f"tea {i}", "l": ["a", None], "f": 0.5} for i in range(200)]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in [*rows, {"n": "odd"}]))
    found = read(path)
    assert rows_of(found) == [*rows, {"n": "odd"}]
    typed = [batch for batch in found if all(isinstance(cells, pl.Series) for cells in batch.columns.values())]
    assert sorted(len(batch.lines) for batch in typed)[-2:] == [200, 200]


# One data set in every form -----------------------------------------------------------------------

ROWS: Rows = [
    {"prompt": "tea", "n": 1, "c": {"a": True}},
    {"prompt": 'a, "b"\n;c\t|', "n": 2, "c": {"a": False}},
    {"prompt": "é ☕ \U0001f9d1 \u2028", "n": 3, "c": {"a": True}},
]


def lines_of(rows: Rows, *, end: str = "\n") -> str:
    return end.join(json.dumps(row, ensure_ascii=False) for row in rows)


def columns_of(rows: Rows) -> dict[str, list[Any]]:
    return {key: [row[key] for row in rows] for key in rows[0]}


def labelled_columns(rows: Rows) -> dict[str, dict[str, Any]]:
    return {key: {str(i): value for i, value in enumerate(values)} for key, values in columns_of(rows).items()}


def viewer_page(rows: Rows) -> str:
    listed = [{"row_idx": i, "row": row, "truncated_cells": []} for i, row in enumerate(rows)]
    about = [{"feature_idx": 0, "name": "prompt", "type": {"dtype": "string"}}]
    return json.dumps({"features": about, "rows": listed, "num_rows_total": len(rows), "partial": False})


def table(rows: Rows) -> str:
    listed = [list(row.values()) for row in rows]
    return json.dumps({"columns": list(rows[0]), "index": list(range(len(rows))), "data": listed})


def arrow_file(rows: Rows, **options: Any) -> bytes:
    out = io.BytesIO()
    pl.DataFrame(rows).write_ipc(out, **options)
    return out.getvalue()


def arrow_stream(rows: Rows, **options: Any) -> bytes:
    out = io.BytesIO()
    pl.DataFrame(rows).write_ipc_stream(out, **options)
    return out.getvalue()


def parquet(rows: Rows) -> bytes:
    out = io.BytesIO()
    pl.DataFrame(rows).write_parquet(out)
    return out.getvalue()


def zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/rows.json", content)
        archive.writestr("__MACOSX/folder/._rows.json", b"\0\5\x16")
    return out.getvalue()


FORMS: dict[str, Callable[[Rows], str | bytes]] = {
    "lines.jsonl": lines_of,
    "lines.json": lines_of,
    "no suffix": lines_of,
    "cr.jsonl": lambda rows: lines_of(rows, end="\r"),
    "crlf.jsonl": lambda rows: lines_of(rows, end="\r\n"),
    "bom.jsonl": lambda rows: codecs.BOM_UTF8 + lines_of(rows).encode(),
    "utf-16.jsonl": lambda rows: lines_of(rows).encode("utf-16"),
    "utf-16-be.jsonl": lambda rows: codecs.BOM_UTF16_BE + lines_of(rows, end="\r\n").encode("utf-16-be"),
    "utf-16 without a mark": lambda rows: lines_of(rows).encode("utf-16-le"),
    "utf-32.json": lambda rows: json.dumps(rows).encode("utf-32"),
    "commas.jsonl": lambda rows: lines_of(rows, end=",\n") + ",\n",
    "one line.jsonl": lambda rows: lines_of(rows, end=""),
    "array.json": json.dumps,
    "pretty.json": lambda rows: json.dumps(rows, indent=2),
    "pretty rows": lambda rows: "\n".join(json.dumps(row, indent=2) for row in rows),
    "no commas.json": lambda rows: f"[{lines_of(rows)}]",
    "arrays.json": lambda rows: "\n".join(json.dumps([row]) for row in rows),
    "after the bracket.json": lambda rows: json.dumps(rows[:1]) + lines_of(rows[1:]),
    "wrapped.json": lambda rows: json.dumps({"version": "1", "data": rows}, indent=1),
    "splits.json": lambda rows: json.dumps({"train": rows[:1], "test": rows[1:]}),
    "columns.json": lambda rows: json.dumps(labelled_columns(rows)),
    "lists.json": lambda rows: json.dumps(columns_of(rows)),
    "rows by name.json": lambda rows: json.dumps({str(i): row for i, row in enumerate(rows)}),
    "table.json": table,
    "viewer.json": viewer_page,
    "rows.parquet": parquet,
    "parquet without a suffix": parquet,
    "rows.parquet.gz": lambda rows: gzip.compress(parquet(rows)),
    "rows.arrow": arrow_file,
    "rows.feather": lambda rows: arrow_file(rows, compression="lz4"),
    "packed.arrow": lambda rows: arrow_file(rows, compression="zstd"),
    "stream.arrow": arrow_stream,
    "stream.arrow.gz": lambda rows: gzip.compress(arrow_stream(rows, compression="zstd")),
    "file.arrow.gz": lambda rows: gzip.compress(arrow_file(rows)),
    "gzip.jsonl.gz": lambda rows: gzip.compress(lines_of(rows).encode()),
    "blob of gzip": lambda rows: gzip.compress(lines_of(rows).encode()),
    "gzip.jsonl": lambda rows: gzip.compress(lines_of(rows).encode()),
    "xz.json.xz": lambda rows: lzma.compress(json.dumps(rows).encode()),
    "bzip2.json.bz2": lambda rows: bz2.compress(json.dumps(rows).encode()),
    "zstd.json.zst": lambda rows: zstandard.ZstdCompressor().compress(json.dumps(rows).encode()),
    "utf-16.json.xz": lambda rows: lzma.compress(json.dumps(rows).encode("utf-16")),
    "rows.zip": lambda rows: zipped(json.dumps(rows).encode()),
}


@pytest.mark.parametrize("name", FORMS)
def test_rows_are_the_same_in_every_form(tmp_path: Path, name: str) -> None:
    content = FORMS[name](ROWS)
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    found = read(tmp_path / name)
    assert rows_of(found) == ROWS
    assert findings_of(found) == []
    assert read_frame(tmp_path / name)["prompt"].to_list() == [row["prompt"] for row in ROWS]
    for rows in (2, 100):
        sample = sample_of(tmp_path / name, form_of(tmp_path / name), rows=rows)
        assert list(sample.columns["prompt"]) == [row["prompt"] for row in ROWS[:rows]]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(name=st.sampled_from(sorted(FORMS)), texts=st.lists(TEXTS, min_size=2, max_size=4))
def test_any_texts_are_the_same_in_any_form(
    tmp_path_factory: pytest.TempPathFactory, name: str, texts: list[str]
) -> None:
    rows = [{"prompt": text, "n": i, "c": {"a": bool(i % 2)}} for i, text in enumerate(texts)]
    path = tmp_path_factory.mktemp("forms") / name
    content = FORMS[name](rows)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    assert rows_of(read(path)) == rows


@pytest.mark.parametrize("name", FORMS)
def test_the_hash_is_that_of_the_whole_file(tmp_path: Path, name: str) -> None:
    content = FORMS[name](ROWS)
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    digest = Digest()
    found = batches(path, form_of(path), then=lambda batch: batch, digest=digest)
    assert digest.sha256 is None
    assert list(found)
    assert digest.sha256 == sha256(path)


# CSV ----------------------------------------------------------------------------------------------

TABLE = [["prompt", "n", "c.a"], ["tea", "1", "True"], ['a, "b"\n;c', "2", "False"], ["é|\t", "", "True"]]


def written(rows: list[list[str]], **options: Any) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, **options).writerows(rows)
    return out.getvalue()


SHEETS: dict[str, str | bytes] = {
    **{f"{ord(mark)}.csv": written(TABLE, delimiter=mark) for mark in ",;\t|^~:\x01#!"},
    "semicolons": written(TABLE, delimiter=";"),
    "rows.tsv": written(TABLE, delimiter="\t"),
    "cr.csv": written(TABLE, lineterminator="\r"),
    "excel.csv": codecs.BOM_UTF8 + written(TABLE, delimiter=";").encode(),
    "excel says.csv": "sep=;\r\n" + written(TABLE, delimiter=";"),
    "utf-16.csv": written(TABLE, delimiter="\t").encode("utf-16"),
    "quoted.csv": written(TABLE, quoting=csv.QUOTE_ALL),
    "escaped.csv": written(TABLE, doublequote=False, escapechar="\\"),
    "spaced.csv": 'prompt, n, c.a\ntea, 1, True\n"a, ""b""\n;c", 2, False\né|\t, , True\n',
    "packed.csv.gz": gzip.compress(written(TABLE).encode()),
    "packed.zip": zipped(written(TABLE).encode()),
}


@pytest.mark.parametrize("name", SHEETS)
def test_cells_are_the_same_whatever_divides_them(tmp_path: Path, name: str) -> None:
    content = SHEETS[name]
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    found = read(tmp_path / name)
    assert [list(row.values()) for row in rows_of(found)] == TABLE[1:]
    assert list(found[0].columns) == TABLE[0]
    assert findings_of(found) == []


@settings(max_examples=60)
@given(
    rows=st.lists(st.lists(TEXTS, min_size=3, max_size=3), min_size=1, max_size=5),
    mark=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_any_cells_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], mark: str, end: str
) -> None:
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    content = written([TABLE[0], *rows], delimiter=mark, lineterminator=end, quoting=csv.QUOTE_ALL)
    path.write_bytes(content.encode())
    assert [list(row.values()) for row in rows_of(read(path))] == rows


def test_one_column_is_a_table_where_the_name_says_so(tmp_path: Path) -> None:
    for name in ("rows.csv", "rows.txt"):
        (tmp_path / name).write_text("prompt\ntea\ncoffee\n")
    assert read_frame(tmp_path / "rows.csv")["prompt"].to_list() == ["tea", "coffee"]
    with pytest.raises(DataError, match="no table, and no JSON"):
        read(tmp_path / "rows.txt")


def test_a_table_whose_fields_are_not_quoted_holds_quotes_as_text(tmp_path: Path) -> None:
    rows = [["prompt", "n"], ['"tea', "1"], ['a "b" c', "2"], ['"x" y', "3"]]
    (tmp_path / "rows.tsv").write_text("\n".join("\t".join(row) for row in rows))
    assert [list(row.values()) for row in rows_of(read(tmp_path / "rows.tsv"))] == rows[1:]


def test_a_file_is_read_by_what_it_holds_though_its_name_says_otherwise(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl.gz").write_text(lines_of(ROWS))
    found = read(tmp_path / "rows.jsonl.gz")
    assert rows_of(found) == ROWS
    assert findings_of(found) == [(None, "misnamed file")]
    (tmp_path / "rows.csv").write_text(lines_of(ROWS))
    assert rows_of(read(tmp_path / "rows.csv")) == ROWS
    (tmp_path / "rows.json").write_text("prompt;n\ntea;1\ncoffee;2\n")
    assert [list(row.values()) for row in rows_of(read(tmp_path / "rows.json"))] == [["tea", "1"], ["coffee", "2"]]


def test_names_of_rows_bring_columns_together(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text('{"prompt": {"0": "tea", "1": "milk"}, "n": {"1": 5, "0": 4, "2": 6}}')
    assert rows_of(read(tmp_path / "rows.json")) == [{"prompt": "tea", "n": 4}, {"prompt": "milk", "n": 5}, {"n": 6}]


def test_an_object_is_a_row_where_nothing_says_otherwise(tmp_path: Path) -> None:
    for row in (
        ROWS[0],
        {"messages": [{"role": "user", "content": "tea"}], "n": 1},
        {"prompt": "tea", "answers": [{"text": "a drink"}, {"text": "a plant"}]},
        {},
        {"c": {"a": 1}},
    ):
        (tmp_path / "row.json").write_text(json.dumps(row, indent=1))
        assert rows_of(read(tmp_path / "row.json")) == [row]


def test_values_that_the_viewer_cut_are_said(tmp_path: Path) -> None:
    page = json.loads(viewer_page(ROWS))
    page["rows"][1]["truncated_cells"] = ["prompt"]
    (tmp_path / "rows.json").write_text(json.dumps(page))
    found = read(tmp_path / "rows.json")
    assert rows_of(found) == ROWS
    assert [kind for _, kind in findings_of(found)] == ["cut by the viewer"]


def test_a_name_is_a_name_and_no_pattern(tmp_path: Path) -> None:
    for name in ("a[1].parquet", "a?.parquet", "*.parquet", "day=1.parquet"):
        path = tmp_path / name
        path.write_bytes(parquet([{"prompt": name}]))
    (tmp_path / "a1.parquet").write_bytes(parquet([{"prompt": "a neighbour"}] * 2))
    for name in ("a[1].parquet", "a?.parquet", "*.parquet", "day=1.parquet"):
        assert rows_of(read(tmp_path / name)) == [{"prompt": name}]
        assert read_frame(tmp_path / name).to_dicts() == [{"prompt": name}]
