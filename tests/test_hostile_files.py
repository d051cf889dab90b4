"""Files that are damaged, made to hurt, or no data: each is a clear error, or its other rows are read."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import pickle
import random
import resource
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import btviz
from btviz.data.reading import archives, files
from btviz.data.reading.flat_tables import read_frame
from btviz.data.reading.formats import batches, form_of
from btviz.data.reading.record import Batch, Finding
from btviz.errors import BtvizError, DataError, NotFoundError

ROWS: list[dict[str, Any]] = [{"prompt": f"tea {i}", "n": i, "c": {"a": True, "b": i}} for i in range(20)]


def read(path: Path) -> list[Batch]:
    return list(batches(path, form_of(path), then=Batch.spread))


def prompts_of(found: list[Batch]) -> list[Any]:
    return [prompt for batch in found for prompt in batch.columns.get("prompt", [])]


def findings_of(found: list[Batch]) -> list[Finding]:
    return [finding for batch in found for _, finding in batch.findings]


# What is no data ----------------------------------------------------------------------------------


def workbook(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "content")
    return out.getvalue()


def tape(content: bytes) -> bytes:
    import tarfile

    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("rows.jsonl")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def array() -> bytes:
    out = io.BytesIO()
    np.save(out, np.arange(3))
    return out.getvalue()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0f1e2d3c\nsize 12345\n"

STRANGE: dict[str, tuple[bytes, str]] = {
    "pointer.jsonl.gz": (POINTER, "Git LFS pointer.*git lfs pull"),
    "pointer.parquet": (POINTER, "Git LFS pointer.*git lfs pull"),
    "page.json": (b"\n<!DOCTYPE html><html><body>Sign in</body></html>", "page of the web.*Fetch the file again"),
    "page.csv": (b"<html>\n<head>", "page of the web"),
    "error.json": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML document.*Fetch"),
    "missing.jsonl": (b"Entry not found", "as servers send for an error"),
    "rows.pkl": (pickle.dumps(ROWS), "a pickle, which can run code.*JSON lines, CSV or Parquet"),
    "old.pickle": (pickle.dumps(ROWS, protocol=0), "a pickle"),
    "rows.pkl.gz": (gzip.compress(pickle.dumps(ROWS)), "a pickle"),
    "rows.json": (pickle.dumps({"prompt": "tea"}), "a pickle"),
    "model.pt": (workbook("archive/data.pkl", "archive/version"), "PyTorch, which holds a pickle"),
    "sheet.xlsx": (workbook("[Content_Types].xml", "xl/workbook.xml"), "Excel workbook.*save the sheet as CSV"),
    "sheet.csv": (workbook("[Content_Types].xml", "xl/workbook.xml"), "Excel workbook"),
    "old.xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "old kind.*CSV"),
    "array.npy": (array(), "NumPy array"),
    "rows.tar": (tape(b"{}"), "tar archive.*mkdir -p rows && tar -xf .* -C rows"),
    "rows.tar.gz": (gzip.compress(tape(b"{}")), "tar archive.*mkdir -p rows && tar -xf .* -C rows"),
    "twice.jsonl.gz": (gzip.compress(gzip.compress(b"{}")), "archive in an archive"),
    "two.zip": (workbook("a.csv", "b.csv"), "zip archive of 2 files.*unzip two.zip -d two"),
    "cut.zip": (workbook("a.csv")[:-30], "zip archive that is damaged"),
    "noise.jsonl.gz": (random.Random(0).randbytes(4000), "named .gz and is no gzip archive"),
    "noise.parquet": (random.Random(1).randbytes(4000), "of a kind unknown here.*JSON, CSV, Parquet or Arrow"),
    "zeros.jsonl": (bytes(5000), "of a kind unknown here"),
    "paper.pdf": (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
    "a link.jsonl.gz": (b"../../../../blobs/0f1e2d3c", "a link that was copied as text"),
    "README.md": (b"---\nlicense: mit\n---\n# A card\n", "YAML or Markdown"),
    "notes.txt": (b"This is a note, as people write it.\nIt has two lines.\n", "no table, and no JSON"),
    "old.feather": (b"FEA1" + bytes(50), "first version"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_is_no_data_is_named_for_what_it_is(tmp_path: Path, name: str) -> None:
    content, said = STRANGE[name]
    (tmp_path / name).write_bytes(content)
    for reader in (form_of, read_frame, btviz.load):
        with pytest.raises(DataError, match=rf"(?s){name} was to be read; .*{said}"):
            reader(tmp_path / name)


def test_a_database_is_named(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "rows.csv") as database:
        database.execute("create table rows (prompt text)")
    with pytest.raises(DataError, match=r"SQLite database.*sqlite3 -header -csv"):
        btviz.load(tmp_path / "rows.csv")


def test_a_file_that_is_not_there_or_a_folder_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="not there"):
        form_of(tmp_path / "no.jsonl")
    with pytest.raises(DataError, match="the system refuses"):
        form_of(tmp_path)


def test_an_older_encoding_is_said_with_the_way_out_and_one_odd_byte_is_not_taken_for_it(tmp_path: Path) -> None:
    text = "prompt;n\ncafé;1\nthé;2\nmilk;3\n"
    (tmp_path / "old.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"not UTF-8 .* iconv -f WINDOWS-1252 -t UTF-8 old\.csv"):
        btviz.load(tmp_path / "old.csv")
    rows = "".join(f'{{"prompt": "{row.partition(";")[0]}"}}\n' for row in text.splitlines()[1:])
    for name, content in (("old.jsonl", rows), ("old.json", f"[{rows.strip().replace(chr(10), ', ')}]")):
        (tmp_path / name).write_bytes(content.encode("cp1252"))
        with pytest.raises(DataError, match=rf"not UTF-8 .* iconv -f WINDOWS-1252 -t UTF-8 {name}"):
            btviz.load(tmp_path / name)
    (tmp_path / "odd.csv").write_bytes(text.encode().replace(b"milk", b"mi\xe9k"))
    found = read(tmp_path / "odd.csv")
    assert prompts_of(found) == ["café", "thé"]
    assert [finding.kind for finding in findings_of(found)] == ["invalid UTF-8"]


# Any content ----------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)

NAMES = st.sampled_from(["a.jsonl", "a.json", "a.csv", "a", "a.txt"])


def survives(path: Path) -> None:
    """Both readers of a file give rows, or an error that is meant."""
    for reader in (read, read_frame, btviz.load):
        try:
            reader(path)
        except BtvizError as error:
            assert str(error).count("; ") >= 1  # noqa: PT017  (that none is raised is right, too)


WHOLE = [
    "null", "true", "0", "-1.5e300", '"tea"', "[]", "{}", "[[]]", "[null]", "[[1, 2], [3, 4]]", "NaN", "[NaN]", "1e999",
    '"\\ud800"', '{"prompt": "\\ud800"}', "9" * 5000, '{"prompt": %s}' % ("9" * 5000), "[" * 5000, '{"a":' * 5000,
    "[" * 5000 + "]" * 5000, '{"prompt": "tea", "prompt": "milk"}', "", " \n\t ", "\ufeff", ",", "]", "}", ":", '"',
    "\\", '{"rows": [{"row": 1}]}', '{"rows": [{"row": null}, 3]}', '{"columns": ["a"], "data": [1, [2, 3], [4]]}',
    '{"a": {"0": 1}, "a": {"0": 2}}', '{"a": [], "b": []}', '{"data": []}', '{"a": {}}', '{"": {"": {}}}',
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*could not be kept")
@pytest.mark.parametrize("text", WHOLE, ids=range(len(WHOLE)))
def test_every_kind_of_value_as_a_whole_file_is_read_or_refused_in_words(tmp_path: Path, text: str) -> None:
    for name in ("a.json", "a.jsonl", "a.csv", "a"):
        (tmp_path / name).write_text(text)
        survives(tmp_path / name)


@pytest.mark.filterwarnings("ignore:.*could not be kept")
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(value=JSON, name=NAMES, indent=st.sampled_from([None, 1]))
def test_any_value_as_a_whole_file_is_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, value: Any, name: str, indent: int | None
) -> None:
    path = tmp_path_factory.mktemp("value") / name
    path.write_text(json.dumps(value, indent=indent))
    survives(path)


@pytest.mark.filterwarnings("ignore:.*could not be kept")
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode(errors="ignore")), name=NAMES)
def test_any_bytes_are_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, name: str
) -> None:
    path = tmp_path_factory.mktemp("bytes") / name
    path.write_bytes(content)
    survives(path)


# One row among others -------------------------------------------------------------------------------

JUNK = (
    st.text(max_size=8)
    | st.sampled_from(
        ["", "junk", "{", "[", "]", "}", '"', '{"prompt": "x', '{"prompt": "x}', '{"a": [1, {"b": 2]}', "]]", "}{"]
    )
    | JSON.map(json.dumps)
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    junk=JUNK,
    place=st.integers(0, len(ROWS)),
    between=st.sampled_from([", ", ",\n", "\n", " "]),
    ends=st.sampled_from(["[]", "[ \n]", "  "]),
)
def test_whatever_stands_between_the_rows_of_an_array_costs_none_of_them(
    tmp_path_factory: pytest.TempPathFactory, junk: str, place: int, between: str, ends: str
) -> None:
    rows = [json.dumps(row) for row in ROWS]
    path = tmp_path_factory.mktemp("array") / "rows.json"
    text = ends[0] + between.join([*rows[:place], junk, *rows[place:]]) + ends[1:]
    path.write_bytes(text.encode(errors="replace"))
    found = read(path)
    wanted = [row["prompt"] for row in ROWS]
    kept = [prompt for prompt in prompts_of(found) if prompt in wanted]
    assert kept == wanted or (place == 0 and kept == wanted[1:])  # before the first nobody knows how rows begin
    extra = sum(len(batch.lines) for batch in found) - len(ROWS)
    rejected = sum(finding.rejects for finding in findings_of(found))
    nothing = not junk.strip(" \t\r\n,[]\ufeff")
    assert extra + rejected >= 1 or nothing


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    junk=st.text(max_size=8) | st.sampled_from(['"', '"x', 'x"', '"x\n', '"x"y', ",,", '",",']),
    place=st.integers(1, len(ROWS)),
)
def test_whatever_stands_between_the_rows_of_a_csv_costs_none_of_them(
    tmp_path_factory: pytest.TempPathFactory, junk: str, place: int
) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows([["prompt", "n", "c"], *([r["prompt"], r["n"], "a"] for r in ROWS)])
    lines = out.getvalue().splitlines(keepends=True)
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    path.write_bytes("".join([*lines[:place], f"{junk}\n", *lines[place:]]).encode(errors="replace"))
    found = read(path)
    wanted = [row["prompt"] for row in ROWS]
    assert [prompt for prompt in prompts_of(found) if prompt in wanted] == wanted
    extra = sum(len(batch.lines) for batch in found) - len(ROWS)
    assert extra + sum(finding.rejects for finding in findings_of(found)) >= bool(junk.strip("\r\n"))


@pytest.mark.parametrize("suffix", ["", "]", "]}", "] junk", '] {"prompt": "late"}', "][1]", '], "x": 1}'])
def test_nothing_after_a_closing_bracket_vanishes(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "rows.json").write_text(json.dumps(ROWS) + suffix)
    found = read(tmp_path / "rows.json")
    extra = sum(len(batch.lines) for batch in found) - len(ROWS)
    assert extra + sum(finding.rejects for finding in findings_of(found)) >= bool(suffix)
    assert prompts_of(found)[: len(ROWS)] == [row["prompt"] for row in ROWS]


def test_a_broken_row_of_a_list_is_named_by_its_line(tmp_path: Path) -> None:
    lines = [json.dumps(row) for row in ROWS[:4]]
    lines[2] = lines[2].replace(": 2,", ": two,")
    (tmp_path / "rows.json").write_text("[\n" + ",\n".join(lines) + "\n]")
    with pytest.raises(DataError, match="line 4 is at fault: malformed JSON"):
        read_frame(tmp_path / "rows.json")


# Archives and tables that are damaged or cut short --------------------------------------------------

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "xz": lzma.compress,
    "bz2": bz2.compress,
    "zst": lambda data: zstandard.ZstdCompressor().compress(data),
}


def arrow(*, stream: bool, **options: Any) -> bytes:
    out = io.BytesIO()
    frame = pl.DataFrame(ROWS)
    frame.write_ipc_stream(out, **options) if stream else frame.write_ipc(out, **options)
    return out.getvalue()


def parquet(**options: Any) -> bytes:
    out = io.BytesIO()
    pl.DataFrame(ROWS).write_parquet(out, **options)
    return out.getvalue()


BINARY: dict[str, Callable[[], bytes]] = {
    "rows.parquet": parquet,
    "plain.parquet": lambda: parquet(compression="uncompressed"),
    "rows.arrow": lambda: arrow(stream=False),
    "packed.arrow": lambda: arrow(stream=False, compression="zstd"),
    "stream.arrow": lambda: arrow(stream=True),
    "packed stream.arrow": lambda: arrow(stream=True, compression="lz4"),
    **{
        f"rows.jsonl.{name}": lambda pack=pack: pack("\n".join(map(json.dumps, ROWS)).encode())
        for name, pack in PACK.items()
    },
}


@pytest.mark.parametrize("name", BINARY)
def test_a_file_that_is_cut_or_changed_anywhere_ends_no_process(tmp_path: Path, name: str) -> None:
    content = BINARY[name]()
    draw = random.Random(name)
    path = tmp_path / name
    for step in range(120):
        data = bytearray(content)
        if step % 3:
            for _ in range(draw.choice([1, 1, 3])):
                data[draw.randrange(len(data))] = draw.choice([0, 127, 128, 255, draw.randrange(256)])
        else:
            del data[draw.randrange(1, len(data)) :]
        path.write_bytes(data)
        try:
            found = read(path)
        except DataError as error:
            assert name in str(error)  # noqa: PT017  (that none is raised is right, too)
        else:
            assert len(prompts_of(found)) <= len(ROWS) or not name.endswith((".gz", ".xz", ".bz2", ".zst"))


def test_a_panic_of_the_reader_is_an_error_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rows.parquet").write_bytes(parquet())

    def panic(*_: Any, **__: Any) -> None:
        raise pl.exceptions.PanicException("as it is raised")

    monkeypatch.setattr(pl.LazyFrame, "collect", panic)
    with pytest.raises(DataError, match="damaged or no Parquet"):
        read(tmp_path / "rows.parquet")


# Memory -----------------------------------------------------------------------------------------------

PEAK = """
import resource, sys
from pathlib import Path
from btviz.data.reading.formats import batches, form_of
from btviz.errors import DataError
from btviz.data.reading.flat_tables import read_frame  # noqa: F401
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
path, before = Path(sys.argv[1]), peak()
try:
    rows = sum(batches(path, form_of(path), then=lambda batch: len(batch.lines)))
    print(rows, peak() - before)
except DataError as error:
    print(error)
    print(0, peak() - before)
"""

MIB = 1 << 20

LONG = {"prompt": "tea " * 200, "c": {"a": True, "b": False}}


def peak_of(path: Path) -> tuple[int, int, str]:
    """Rows of a file, MiB that reading it takes, and what is said of it."""
    done = subprocess.run([sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True)
    *said, last = done.stdout.splitlines()
    rows, growth = map(int, last.split())
    return rows, growth, " ".join(said)


@pytest.mark.slow
def test_an_archive_that_unpacks_to_very_much_is_refused(tmp_path: Path) -> None:
    """The largest of them took 4.3 GB."""
    for name, content in (("lines", json.dumps(LONG).encode() + b"\n"), ("zeros", bytes(MIB))):
        path = tmp_path / f"{name}.jsonl.zst"
        out = zstandard.ZstdCompressor(level=3).compressobj()
        with path.open("wb") as file:
            for _ in range(600):
                file.write(out.compress(content * (MIB // len(content))))
            file.write(out.flush())
        assert path.stat().st_size < MIB
        rows, growth, said = peak_of(path)
        assert rows == 0
        assert growth < 700
        assert "unpack it yourself" in said or "of a kind unknown" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["rows.json", "rows.csv", "open quote.csv", "columns.json", "one line.jsonl", "open.json"]
)
def test_reading_takes_little_memory_whatever_the_size(tmp_path: Path, name: str) -> None:
    n, path = 60_000 if name == "columns.json" else 120_000, tmp_path / name
    line = json.dumps(LONG)
    with path.open("w") as file:
        match name:
            case "rows.json":
                file.write("[" + f"{line}," * (n - 1) + f"{line}]")
            case "rows.csv" | "open quote.csv":
                file.write("prompt,n\n" + ('"never closed\n' if "open" in name else "") + f"{LONG['prompt']},1\n" * n)
            case "columns.json":
                column = ",".join(f'"{i}":"{LONG["prompt"]}"' for i in range(n))
                file.write('{"prompt":{' + column + '},"n":{' + ",".join(f'"{i}":1' for i in range(n)) + "}}")
            case "one line.jsonl":
                file.write(f'{line}\n{{"prompt":"{"a" * 150 * MIB}"}}\n{line}\n')
            case "open.json":
                file.write('{"prompt":"' + "a" * 150 * MIB)
    size = path.stat().st_size / MIB
    assert size > 45
    rows, growth, _ = peak_of(path)
    assert rows == {"one line.jsonl": 2, "open.json": 0}.get(name, n)
    assert growth < (2.5 * size if name == "columns.json" else 1.5 * size)


def test_a_row_that_is_too_long_is_reported_and_costs_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("files", "json_text", "json_lines", "csv_reader"):
        monkeypatch.setattr(f"btviz.data.reading.{module}.LONGEST_ROW", 1000)
    monkeypatch.setitem(files.line_blocks.__kwdefaults__, "size", 100)
    rows = [{"prompt": "tea"}, {"prompt": "x" * 3000}, {"prompt": "milk"}]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    for name in ("rows.jsonl", "rows.json"):
        found = read(tmp_path / name)
        assert [p for p in prompts_of(found) if len(p) < 1000] == ["tea", "milk"]
        assert {finding.kind for finding in findings_of(found)} <= {"row too long"}


def test_limits_are_those_that_are_stated() -> None:
    assert (archives.FREE_BYTES, archives.RATIO, files.LONGEST_ROW) == (256 * MIB, 500, 64 * MIB)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
