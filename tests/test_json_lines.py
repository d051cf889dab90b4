"""JSON lines: whatever is read in a quick way is what Python reads of each line alone."""

from __future__ import annotations

import json
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btviz.data.reading import files
from btviz.data.reading.files import Block, Digest
from btviz.data.reading.json_lines import LineReader, Tailed
from btviz.data.reading.parse import Parsed, parsed_batch, shape_of
from btviz.data.reading.record import batch_of
from btviz.store import sha256
from btviz.taxonomy.categories import BEAVERTAILS

SLOW = LineReader(None, is_dense=False, tailed=None)


def tail(*flags: str, **others: object) -> dict[str, object]:
    category = {key: BEAVERTAILS[key].slug in flags for key in BEAVERTAILS.keys}
    return {"is_safe": not flags, "category": category} | others


def sample(comma: str, colon: str) -> list[bytes]:
    """Most lines of a file: a few distinct tails, and all kinds of texts."""
    tails = [tail(), tail("privacy"), tail("violence", "hate-speech")]
    rows = [{"prompt": f"what is tea {i}?", "response": 'a "warm"\ndrink'} | tails[i % 3] for i in range(12)]
    return [json.dumps(row, separators=(comma, colon), ensure_ascii=i % 2 == 0).encode() for i, row in enumerate(rows)]


WRITINGS = [(",", ":"), (", ", ": ")]
READERS = [LineReader.of(Block(1, b"\n".join(sample(*writing)))) for writing in WRITINGS]
LAYOUT = shape_of(
    batch_of((i, json.loads(line)) for i, line in enumerate(sample(",", ":"))), taxonomy=None, columns=None
)[0]


def read(reader: LineReader, data: bytes) -> Parsed:
    assert LAYOUT is not None
    parts = [parsed_batch(LAYOUT, batch, file="a.jsonl") for batch in reader.read(Block(7, data))]
    return replace(
        parts[0],
        rows=pl.concat([part.rows for part in parts]).sort("line"),
        problems=pl.concat([part.problems for part in parts]).sort("line", maintain_order=True),
        rows_in=sum(part.rows_in for part in parts),
    )


PIECES = (
    "a", "tea ", "é", "\U0001f9d1", "\u2028", "\x7f", "\\n", '\\"', "\\\\", "\\/", "\\u00e9", "\\u0000", "null",
    "\\ud83d\\ude00", "\\ud83d", "\\ude00", "\\", "\t", "\r", "\x00", '"', "{", "}", "\\x", "\\u12", "}}\\n{",
    '","response":"', '\\","response":\\"', '", "response": "', '","is_safe":', '", "is_safe": ', '","prompt":"',
)  # fmt: skip
RAW = st.lists(st.sampled_from(PIECES), max_size=4).map("".join)
"""What stands between the quotes of a text, of JSON and of what only looks so."""

TAILS = st.sampled_from(
    [
        tail(), tail("privacy"), tail("violence"), tail(is_safe=None), tail(is_safe=1), tail(category=None),
        tail(category={}), tail(weather=1), tail(prompt="again"), tail(category=tail()["category"] | {"other": True}),
        {"is_safe": True}, {"category": tail()["category"], "is_safe": True},
    ]
)  # fmt: skip


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """A line of the file, or one that is nearly so."""
    comma, colon = draw(st.sampled_from(WRITINGS))
    end = json.dumps(draw(TAILS), separators=(comma, colon), ensure_ascii=False)[1:]
    line = f'{{"prompt"{colon}"{draw(RAW)}"{comma}"response"{colon}"{draw(RAW)}"{comma}{end}'
    change = draw(st.sampled_from(["none"] * 6 + ["cut", "space", "return", "twice", "byte"]))
    at = draw(st.integers(0, len(line)))
    match change:
        case "cut":
            line = line[:at]
        case "space":
            line = f" {line} "
        case "return":
            line = f"{line}\r"
        case "twice":
            line = line + line
    data = line.encode()
    return data[:at] + b"\xff" + data[at:] if change == "byte" else data


@pytest.mark.slow
@settings(max_examples=100)
@given(found=st.lists(lines(), min_size=1, max_size=8), which=st.integers(0, 1))
def test_lines_that_are_cut_at_marks_are_what_python_reads(found: list[bytes], which: int) -> None:
    data = b"\n".join([*found, *sample(*WRITINGS[which])])
    fast, slow = read(READERS[which], data), read(SLOW, data)
    assert fast.rows.equals(slow.rows)
    assert fast.problems.equals(slow.problems)
    assert fast.rows_in == slow.rows_in  # a line may hold two rows


@pytest.mark.parametrize("which", [0, 1])
def test_most_lines_of_a_file_are_cut_at_marks(which: int) -> None:
    reader = READERS[which]
    assert reader.tailed is not None
    rows = pl.Series([each.decode() for each in sample(*WRITINGS[which])])
    fits, batch = reader.tailed.read(rows, numbers=pl.Series(range(12), dtype=pl.UInt64), has_controls=False)
    assert fits.all()
    assert batch.columns["response"].to_list() == ['a "warm"\ndrink'] * 12
    assert batch.spread().columns["is_safe"].to_list() == [True, False, False] * 4


@settings(max_examples=40)
@given(
    found=st.lists(st.binary(max_size=12).map(lambda data: data.replace(b"\n", b"")), max_size=30),
    size=st.integers(1, 64),
    ending=st.booleans(),
)
def test_blocks_are_the_file_cut_at_line_ends(
    tmp_path_factory: pytest.TempPathFactory, found: list[bytes], size: int, *, ending: bool
) -> None:
    data = b"x" + b"\n".join(found) + b"\n" * ending
    path, digest = tmp_path_factory.mktemp("cut") / "a.jsonl", Digest()
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_NEAR", 8)
        patch.setattr(files, "_HASHED_AT_ONCE", 4)
        blocks = list(files.line_blocks(path, size=size, digest=digest))
    assert b"".join(block.data for block in blocks) == data
    assert all(block.data.endswith(b"\n") for block in blocks[:-1])
    assert [block.first_line for block in blocks] == [
        1 + sum(block.line_ends for block in blocks[:i]) for i in range(len(blocks))
    ]
    assert digest.sha256 == sha256(path)


def test_a_column_that_is_partly_among_texts_is_one_object() -> None:
    flags = {f"category.{key}": False for key in BEAVERTAILS.keys}
    first, *others = flags
    rows = [
        {first: str(i % 2 == 0), "prompt": f"tea {i}", "response": "a drink", "is_safe": False}
        | dict.fromkeys(others, i % 2 == 1)
        for i in range(12)
    ]
    data = b"\n".join(json.dumps(row).encode() for row in rows)
    layout, _ = shape_of(batch_of(enumerate(rows, 1)), taxonomy=None, columns=None)
    reader = LineReader.of(Block(1, data))
    assert layout is not None
    assert reader.tailed is not None
    (batch,) = reader.read(Block(1, data))
    assert batch.recurring is not None
    slow = [parsed_batch(layout, each, file="a") for each in SLOW.read(Block(1, data))]
    assert parsed_batch(layout, batch, file="a").rows.equals(slow[0].rows)
    assert slow[0].rows["labels"].to_list() == [1, 2**14 - 2] * 6


def test_a_block_without_such_lines_is_read_otherwise() -> None:
    data = b'{"prompt":"tea","response":"a drink","is_safe":true}\n{"prompt":1}'
    fast, slow = read(READERS[0], data), read(SLOW, data)
    assert fast.problems.equals(slow.problems)
    assert (fast.rows_in, fast.rows.height) == (2, 0)


def test_lines_that_have_a_tail_each_are_not_cut() -> None:
    rows = [{"prompt": "what is tea?", "response": "a drink", "id": i} for i in range(100)]
    block = Block(1, b"\n".join(json.dumps(row).encode() for row in rows))
    assert LineReader.of(block).tailed is None
    assert (
        Tailed.of([json.dumps(tail()).encode()] * 9, pl.Schema({"is_safe": pl.Boolean(), "category": pl.Struct({})}))
        is None
    )
