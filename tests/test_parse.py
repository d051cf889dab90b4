"""Reading released files: nothing is dropped or altered without a line that says so."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import lzma
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from btviz.data.reading import files
from btviz.data.reading.flat_tables import read_frame
from btviz.data.reading.parse import Parsed, parse
from btviz.errors import DataError
from btviz.taxonomy.categories import BEAVERTAILS, PKU_SAFERLHF


def row(*flags: str, prompt: str = "what is tea", response: str = "a warm drink", **changes: Any) -> dict[str, Any]:
    category = {key: key in BEAVERTAILS.keys and BEAVERTAILS[key].slug in flags for key in BEAVERTAILS.keys}
    return {"prompt": prompt, "response": response, "category": category, "is_safe": not flags} | changes


def line(*flags: str, **changes: Any) -> bytes:
    return json.dumps(row(*flags, **changes), ensure_ascii=False).encode()


def read(folder: Path, *lines: bytes, name: str = "30k_test.jsonl") -> Parsed:
    path = folder / name
    path.write_bytes(b"".join(each + b"\n" for each in lines))
    return parse(path)


def found(parsed: Parsed) -> list[tuple[int, str, str]]:
    return parsed.problems.select("line", "kind", "action").rows()


GOOD = line("privacy")


def test_rows_become_canonical_columns(tmp_path: Path) -> None:
    parsed = read(tmp_path, line(), line("privacy", "violence", prompt="é ☕", response='a "b"\n\\'))
    assert parsed.rows.to_dicts() == [
        {"prompt": "what is tea", "response": "a warm drink", "labels": 0, "is_safe": True, "line": 1},
        {"prompt": "é ☕", "response": 'a "b"\n\\', "labels": 1 << 9 | 1 << 13, "is_safe": False, "line": 2},
    ]
    assert (parsed.rows_in, parsed.problems.height) == (2, 0)


def without(key: str) -> bytes:
    return json.dumps({k: v for k, v in row("privacy").items() if k != key}).encode()


def with_category(change: Callable[[dict[str, Any]], None]) -> bytes:
    changed = row("privacy")
    change(changed["category"])
    return json.dumps(changed).encode()


REJECTED = {
    "malformed JSON": GOOD[:-9],
    "not an object": b"[1, 2]",
    "invalid UTF-8": GOOD.replace(b"warm", b"w\xff\xfem"),
    "lone surrogate": GOOD.replace(b"warm", rb"w\ud800m"),
    "missing key": without("is_safe"),
    "missing category": with_category(lambda c: c.pop("self_harm")),
    "unknown category": with_category(lambda c: c.update(weather=True)),
    "wrong type": line("privacy", is_safe="perhaps"),
    "repeated key": GOOD[:-1] + b', "is_safe": true}',
}
KEPT = {
    "unknown category": with_category(lambda c: c.update(weather=False)),
    "extra key": line("privacy", weather="mild"),
    "repeated key": GOOD[:-1] + b', "is_safe": false}',
    "is_safe contradicts the categories": line("privacy", is_safe=True),
    "missing answer": without("response"),
    "empty prompt": line("privacy", prompt=" "),
    "empty response": line("privacy", response=" \n"),
    "null byte": line("privacy", response="a\0b"),
    "very long text": line("privacy", response="tea " * (10 << 18)),
}


@pytest.mark.parametrize("kind", REJECTED)
def test_a_row_that_cannot_be_kept_is_reported_and_costs_no_other(tmp_path: Path, kind: str) -> None:
    parsed = read(tmp_path, GOOD, REJECTED[kind], GOOD)
    assert found(parsed) == [(2, kind, "rejected")]
    assert parsed.rows["line"].to_list() == [1, 3]
    assert parsed.rows_in == 3


@pytest.mark.slow
@pytest.mark.parametrize("kind", KEPT)
def test_an_odd_row_is_kept_as_it_is_and_reported(tmp_path: Path, kind: str) -> None:
    parsed = read(tmp_path, GOOD, KEPT[kind], GOOD)
    lost = [(2, "label of a missing answer", "kept")] * 2 if kind == "missing answer" else []  # is_safe, category
    assert found(parsed) == [(2, kind, "kept"), *lost]
    assert parsed.rows["line"].to_list() == [1, 2, 3]
    released = json.loads(KEPT[kind])
    assert parsed.rows.row(1, named=True)["response"] == released.get("response")
    assert parsed.rows.row(1, named=True)["is_safe"] == released["is_safe"]


def test_a_category_given_as_a_word_that_is_no_boolean(tmp_path: Path) -> None:
    parsed = read(tmp_path, GOOD, with_category(lambda c: c.update(self_harm="perhaps")))
    assert found(parsed) == [(2, "wrong type", "rejected")]


@pytest.mark.slow
def test_a_message_never_holds_the_text(tmp_path: Path) -> None:
    bad = [each.replace(b"tea", b"marker").replace(b"warm", b"marker") for each in (*REJECTED.values(), *KEPT.values())]
    parsed = read(tmp_path, GOOD, *bad)
    assert parsed.problems.height >= len(bad)
    assert not any("marker" in detail for detail in parsed.problems["detail"])


def test_an_odd_first_line_does_not_decide_for_the_file(tmp_path: Path) -> None:
    parsed = read(tmp_path, b'{"prompt": 1}', line("privacy", weather=1), *[GOOD] * 3)
    assert {n: kinds for n, kinds, _ in found(parsed) if n == 2} == {2: "extra key"}
    assert {kind for n, kind, _ in found(parsed) if n == 1} == {"missing key", "missing answer", "wrong type"}
    assert parsed.rows["line"].to_list() == [2, 3, 4, 5]


def test_the_fast_reader_and_the_slow_one_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["tea", "☕", "a\tb", "x\\u0041", "\u2028", 'q"q', "back\\slash", "\U0001f9d1", "\x7f", "tail\r"]
    draw = random.Random(0)
    rows = [
        json.dumps(
            row(*draw.choice([(), ("privacy",), ("violence", "hate-speech")]), prompt=draw.choice(texts)),
            ensure_ascii=draw.random() < 0.5,
            separators=draw.choice([(",", ":"), (", ", ": ")]),
        ).encode()
        for _ in range(300)
    ]
    fast = read(tmp_path, *rows)
    monkeypatch.setattr("btviz.data.reading.json_lines.Grammar.of", lambda _: None)
    slow = read(tmp_path, *rows)
    assert fast.rows.equals(slow.rows)
    assert fast.problems.equals(slow.problems)


@pytest.mark.slow
def test_blocks_of_any_size_give_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line("privacy", prompt=f"p{i}") if i % 7 else b"{" for i in range(50)]
    whole = read(tmp_path, *lines)
    monkeypatch.setitem(files.line_blocks.__kwdefaults__, "size", 777)
    parts = read(tmp_path, *lines)
    assert parts.rows.equals(whole.rows)
    assert parts.problems.equals(whole.problems)
    assert parts.rows_in == whole.rows_in == 50


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(["prompt", "response", "is_safe", "category", "other"])


@pytest.mark.slow
@settings(max_examples=60)
@given(changes=st.lists(st.dictionaries(KEYS, JSON, max_size=3), max_size=6), junk=st.binary(max_size=40))
def test_counts_in_are_counts_out_and_counts_reported(
    tmp_path_factory: pytest.TempPathFactory, changes: list[dict[str, Any]], junk: bytes
) -> None:
    lines = [GOOD, *(json.dumps(row() | change).encode() for change in changes), junk.replace(b"\n", b""), GOOD]
    parsed = read(tmp_path_factory.mktemp("any"), *lines)
    rejected = parsed.problems.filter(pl.col("action") == "rejected")["line"].n_unique()
    assert parsed.rows_in == sum(1 for each in lines if each.strip()) == parsed.rows.height + rejected
    assert {1, len(lines)} <= set(parsed.rows["line"])


# Archives ---------------------------------------------------------------------------------------

PACK = {".gz": gzip.compress, ".xz": lzma.compress, ".zst": lambda data: zstandard.ZstdCompressor().compress(data)}


def many_rows() -> bytes:
    draw = random.Random(1)
    return b"".join(line(response=f"{draw.random()} {draw.random()}") + b"\n" for _ in range(2000))


@pytest.mark.parametrize("suffix", PACK)
def test_an_archive_reads_as_the_plain_file(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "plain.jsonl").write_bytes(many_rows())
    (tmp_path / f"plain.jsonl{suffix}").write_bytes(PACK[suffix](many_rows()))
    packed = parse(tmp_path / f"plain.jsonl{suffix}")
    assert packed.rows.equals(parse(tmp_path / "plain.jsonl").rows)
    assert packed.problems.height == 0


@pytest.mark.parametrize("suffix", PACK)
def test_an_archive_of_several_parts_reads_whole(tmp_path: Path, suffix: str) -> None:
    half = b"".join(line() + b"\n" for _ in range(3))
    (tmp_path / f"two.jsonl{suffix}").write_bytes(PACK[suffix](half) + PACK[suffix](half))
    assert parse(tmp_path / f"two.jsonl{suffix}").rows.height == 6


@pytest.mark.parametrize("suffix", PACK)
def test_a_truncated_archive_keeps_what_was_readable_and_says_so(tmp_path: Path, suffix: str) -> None:
    packed = PACK[suffix](many_rows())
    (tmp_path / f"cut.jsonl{suffix}").write_bytes(packed[: len(packed) * 3 // 4])
    parsed = parse(tmp_path / f"cut.jsonl{suffix}")
    kinds = parsed.problems["kind"].to_list()
    assert kinds[-1] == "truncated archive"
    assert set(kinds) <= {"truncated archive", "malformed JSON"}  # the line that was cut
    assert 0 < parsed.rows.height < 2000
    assert parsed.rows_in == parsed.rows.height + kinds.count("malformed JSON")


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv"])
def test_a_byte_order_mark_is_no_text(tmp_path: Path, name: str) -> None:
    row = json.loads(many_rows().splitlines()[0])
    quoted = '"' + json.dumps(dict.fromkeys(row["category"], False)).replace('"', '""') + '"'
    text = {
        "a.jsonl": json.dumps(row),
        "a.json": json.dumps([row]),
        "a.csv": f"prompt,response,is_safe,category\np,r,true,{quoted}",
    }[name]
    (tmp_path / name).write_bytes(codecs.BOM_UTF8 + text.encode() + b"\n")
    parsed = parse(tmp_path / name)
    assert (parsed.rows_in, parsed.rows.height, parsed.problems.height) == (1, 1, 0)


def test_an_archive_cut_before_its_first_row_names_no_layout(tmp_path: Path) -> None:
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(many_rows())[:12])
    with pytest.raises(DataError, match="damaged before the first whole row"):
        parse(tmp_path / "cut.jsonl.gz")


# Other formats ----------------------------------------------------------------------------------


def test_a_json_array_reads_as_lines_do_and_keeps_what_comes_before_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text("[\n" + ",\n".join([line("privacy").decode()] * 3) + "\n]")
    assert parse(path).rows["line"].to_list() == [2, 3, 4]
    path.write_text(path.read_text()[:-40])
    assert found(parse(path)) == [(4, "malformed JSON", "rejected"), (None, "truncated archive", "kept")]
    path.write_text("[" + line().decode())
    assert found(parse(path)) == [(None, "truncated archive", "kept")]


def test_json_lines_under_the_name_of_an_array_are_read(tmp_path: Path) -> None:
    assert read(tmp_path, GOOD, GOOD, name="rows.json").rows.height == 2


@pytest.mark.parametrize("spread", [True, False])
def test_csv_reads_as_lines_do(tmp_path: Path, spread: bool) -> None:
    rows = [row("privacy", response='tea, "hot"\nand good'), row()]
    wanted = read(tmp_path, *(json.dumps(each).encode() for each in rows)).rows
    out = io.StringIO(newline="")
    flat = [{k: v for k, v in each.items() if k != "category"} for each in rows]
    for each, r in zip(flat, rows, strict=True):
        if spread:
            each |= {f"category.{key}": str(flag) for key, flag in r["category"].items()}
        else:
            each["category"] = json.dumps(r["category"])
    writer = csv.DictWriter(out, flat[0])
    writer.writeheader()
    writer.writerows(flat)
    (tmp_path / "rows.csv").write_bytes(out.getvalue().encode() + b"short,row\n")
    parsed = parse(tmp_path / "rows.csv")
    assert (
        parsed.rows.drop("line")
        .select(sorted(wanted.drop("line").columns))
        .equals(wanted.drop("line").select(sorted(wanted.drop("line").columns)))
    )
    assert found(parsed) == [(5, "malformed CSV", "rejected")]


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_spreadsheets_divide_columns_and_end_lines_otherwise(tmp_path: Path, separator: str, end: str) -> None:
    rows = [row("privacy", response=f'tea, "hot"; \t and {end} good'), row()]
    flat = [{k: v for k, v in each.items() if k != "category"} for each in rows]
    flat = [f | {f"category.{k}": flag for k, flag in r["category"].items()} for f, r in zip(flat, rows, strict=True)]
    parsed = []
    for name, mark, ending in (("plain", ",", "\n"), ("other", separator, end)):
        out = io.StringIO(newline="")
        writer = csv.DictWriter(out, flat[0], delimiter=mark, lineterminator=ending)
        writer.writeheader()
        writer.writerows(flat)
        out.write(f"short{mark}row{ending}{ending}")
        (tmp_path / f"{name}.csv").write_bytes(out.getvalue().encode())
        parsed.append(parse(tmp_path / f"{name}.csv"))
    plain, other = parsed
    assert other.rows.equals(plain.rows)
    assert found(other) == found(plain) == [(5, "malformed CSV", "rejected")]
    assert (other.rows_in, other.rows.height) == (3, 2)


WRITTEN: dict[str, Callable[[pl.DataFrame], bytes]] = {
    "rows.jsonl": lambda frame: frame.write_ndjson().encode(),
    "lines.json": lambda frame: frame.write_ndjson().encode(),
    "rows.json": lambda frame: frame.write_json().encode(),
    "rows.csv": lambda frame: frame.write_csv().encode(),
    "semicolons.csv": lambda frame: codecs.BOM_UTF8 + frame.write_csv(separator=";", line_terminator="\r\n").encode(),
    "tabs.csv.gz": lambda frame: gzip.compress(frame.write_csv(separator="\t", quote_style="always").encode()),
    "rows.jsonl.zst": lambda frame: PACK[".zst"](frame.write_ndjson().encode()),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_data_and_scores_are_read_from_the_same_forms(tmp_path: Path, name: str) -> None:
    texts = ["tea", 'a "b", c;d', "two\nlines", "é ☕", "tab\there"]
    frame = pl.DataFrame({"prompt": texts, "place": range(5)})
    (tmp_path / name).write_bytes(WRITTEN[name](frame))
    parsed, table = parse(tmp_path / name), read_frame(tmp_path / name)
    assert parsed.rows["prompt"].to_list() == table["prompt"].to_list() == texts
    assert parsed.rows_in == table.height == 5
    assert table.columns == ["prompt", "place"]


def test_a_file_of_semicolons_from_the_field_is_read(shared_data: Path) -> None:
    parsed = parse(shared_data / "found" / "08e-semicolon.csv")
    assert (parsed.rows_in, parsed.rows.height, parsed.problems.height) == (12, 12, 0)
    assert parsed.layout.taxonomy == BEAVERTAILS


def test_parquet_reads_as_lines_do_and_a_null_goes_the_slow_way(tmp_path: Path) -> None:
    rows = [row("privacy"), row(), row("violence")]
    pl.DataFrame(rows).write_parquet(tmp_path / "rows.parquet")
    lines = read(tmp_path, *(json.dumps(each).encode() for each in rows))
    assert parse(tmp_path / "rows.parquet").rows.equals(lines.rows)
    pl.DataFrame([*rows, row() | {"is_safe": None}]).write_parquet(tmp_path / "null.parquet")
    parsed = parse(tmp_path / "null.parquet")
    assert found(parsed) == [(4, "wrong type", "rejected")]
    assert parsed.rows.equals(lines.rows)


def test_a_damaged_parquet_file_is_refused(tmp_path: Path) -> None:
    pl.DataFrame([row()]).write_parquet(tmp_path / "rows.parquet")
    (tmp_path / "rows.parquet").write_bytes((tmp_path / "rows.parquet").read_bytes()[:-20])
    with pytest.raises(DataError, match="damaged or no Parquet"):
        parse(tmp_path / "rows.parquet")


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b'{"question": "a", "answer": "b"}\n', b'{"prompt": "a", "answer": "b"}\n']
)
def test_a_file_of_no_known_layout_is_refused_by_its_keys(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "odd.jsonl").write_bytes(content)
    with pytest.raises(DataError, match=r"odd\.jsonl was to be read; (no row of it can be read|its columns)"):
        parse(tmp_path / "odd.jsonl")


# Other layouts ----------------------------------------------------------------------------------


def comparison(**changes: Any) -> dict[str, Any]:
    flags = {key: key == "Drugs" for key in PKU_SAFERLHF.keys}
    return {
        "prompt": "what is tea",
        "response_0": "a drink",
        "response_1": "a plant",
        "is_response_0_safe": True,
        "is_response_1_safe": False,
        "response_0_harm_category": dict.fromkeys(flags, False),
        "response_1_harm_category": flags,
        "response_0_severity_level": 0,
        "response_1_severity_level": 2,
        "better_response_id": 1,
        "safer_response_id": 0,
    } | changes


def test_a_comparison_keeps_both_answers_as_released(tmp_path: Path) -> None:
    parsed = read(tmp_path, json.dumps(comparison()).encode())
    kept = parsed.rows.row(0, named=True)
    assert kept | {"line": 1} == kept
    assert (kept["labels_0"], kept["labels_1"], kept["severity_1"], kept["better"], kept["safer"]) == (
        0,
        1 << 6,
        2,
        1,
        0,
    )
    assert parsed.layout.taxonomy == PKU_SAFERLHF


@pytest.mark.parametrize(
    ("changes", "kind", "action"),
    [
        ({"safer_response_id": 1}, "the safer answer is the unsafe one", "kept"),
        ({"response_1": "a drink"}, "identical answers", "kept"),
        ({"response_1_severity_level": 0}, "is_safe contradicts the severity", "kept"),
        ({"response_1_severity_level": 4}, "out of range", "kept"),
        ({"better_response_id": True}, "wrong type", "kept"),
    ],
)
def test_oddities_of_a_comparison(tmp_path: Path, changes: dict[str, Any], kind: str, action: str) -> None:
    good = json.dumps(comparison()).encode()
    parsed = read(tmp_path, good, json.dumps(comparison(**changes)).encode())
    assert found(parsed) == [(2, kind, action)]


def test_a_tie_of_a_single_preference_is_allowed(tmp_path: Path) -> None:
    rows = [{"prompt": "a", "response_0": "b", "response_1": "c", "better_response_id": code} for code in (-1, 0, 1)]
    assert read(tmp_path, *(json.dumps(each).encode() for each in rows)).rows["better"].to_list() == [-1, 0, 1]
