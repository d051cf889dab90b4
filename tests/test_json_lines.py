"""JSON lines: whatever is read in a quick way is what Python reads of each line alone."""

from __future__ import annotations

import json
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btviz.data.reading.files import Block
from btviz.data.reading.json_lines import LineReader, Tailed
from btviz.data.reading.parse import Parsed, parsed_batch, shape_of
from btviz.data.reading.record import batch_of
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
    fits, columns = reader.tailed.read(
        pl.Series([each.decode() for each in sample(*WRITINGS[which])]), has_controls=False
    )
    assert fits.all()
    assert columns["response"].to_list() == ['a "warm"\ndrink'] * 12


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
