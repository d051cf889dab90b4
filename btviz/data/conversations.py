"""The table `conversations`: the turns of rows that hold several, and of files with a row for each turn."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from btviz.data.tables import CONVERSATIONS, with_ids
from btviz.errors import DataError, UsageError

TURNS = pl.List(pl.Struct({"prompt": pl.String(), "response": pl.String()}))
"""Type of `turns`, `turns_0` and `turns_1` of canonical rows: all turns, the last included; null where there is one."""


def conversation_id(turns: Sequence[Mapping[str, str]]) -> str:
    """Identifier of a conversation, 16 hexadecimal digits: a function of its texts and their order alone."""
    digest = hashlib.blake2b(digest_size=8, person=b"btviz:talk")
    for text in (turn[side] for turn in turns for side in ("prompt", "response")):
        data = text.encode()
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def conversations_of(rows: pl.DataFrame, compared: pl.DataFrame) -> pl.DataFrame:
    """Every conversation of several turns once, by rows of answers and of comparisons."""
    whole = [
        frame[name] for frame, name in ((rows, "turns"), (compared, "turns_0"), (compared, "turns_1")) if name in frame
    ]
    turns = pl.concat([*_unfolded(whole), *_by_row(rows)] or [CONVERSATIONS.to_frame()])
    return turns.select(list(CONVERSATIONS)).unique().sort("conversation_id", "turn", "pair_id")


def _unfolded(columns: Sequence[pl.Series]) -> Iterator[pl.DataFrame]:
    """One row per turn of columns that hold whole conversations."""
    talks = {conversation_id(turns): turns for column in columns for turns in column.drop_nulls().to_list()}
    made = [(name, number, turn["prompt"], turn["response"]) for name, turns in talks.items()
            for number, turn in enumerate(turns, 1)]  # fmt: skip
    if made:
        yield with_ids(pl.DataFrame(made, schema=list(CONVERSATIONS)[:4], orient="row")).select(list(CONVERSATIONS))


def _by_row(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Turns of rows that name their conversation; numbered in the order of their numbers, or else of the rows."""
    if "conversation_id" not in rows.columns:
        return
    named = rows.filter(pl.col("conversation_id").is_not_null()).unique(
        [name for name in ("conversation_id", "turn", "pair_id") if name in rows.columns], maintain_order=True
    )
    order = pl.col("turn") if "turn" in rows.columns else pl.int_range(pl.len())
    number = order.rank("ordinal").over("conversation_id").cast(pl.Int64)
    yield named.with_columns(number.alias("turn")).select(list(CONVERSATIONS))


def conversations_table(frame: pl.DataFrame) -> pl.DataFrame:
    """Arrange turns as a table of conversations."""
    _check_columns(frame)
    rows = frame.with_columns(pl.col("conversation_id").cast(pl.String))
    if "turn" not in rows.columns:
        rows = rows.with_columns(pl.int_range(1, pl.len() + 1).over("conversation_id").alias("turn"))
    rows = _with_numbers(rows)
    _check_turns(rows)
    numbered = rows.with_columns(pl.col("turn").rank("ordinal").over("conversation_id").cast(pl.Int64))
    return with_ids(numbered).select(list(CONVERSATIONS)).sort("conversation_id", "turn")


def _check_columns(frame: pl.DataFrame) -> None:
    missing = [name for name in ("conversation_id", "prompt", "response") if name not in frame.columns]
    if missing:
        raise UsageError(
            f"Conversations have the columns conversation_id, turn, prompt, response; {missing} are missing. "
            "Rename yours."
        )
    nested = [name for name, dtype in frame.schema.items() if name in CONVERSATIONS and dtype.is_nested()]
    if nested:
        raise DataError(
            f"Conversations have one row per turn; the columns {nested} hold lists or objects. Unfold them."
        )


def _with_numbers(rows: pl.DataFrame) -> pl.DataFrame:
    numbers = rows["turn"].cast(pl.Float64, strict=False).fill_nan(None)
    if numbers.null_count() > rows["turn"].null_count():
        raise DataError("The column turn was to number the turns; some of its values are no numbers. Mend the table.")
    return rows.with_columns(numbers)


def _check_turns(rows: pl.DataFrame) -> None:
    texts = pl.col("conversation_id", "turn", "prompt", "response")
    empty = rows.select(pl.any_horizontal(texts.is_null()).sum()).item()
    twice = rows.select("conversation_id", "turn").is_duplicated().sum()
    if empty or twice:
        raise DataError(
            f"Each turn has an id, a number, a prompt and a response, and is there once; {empty} rows lack one and "
            f"{twice} share theirs with another. Mend the table."
        )
