"""The turns before a pair, where it is the end of a conversation, and how those are written down."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from btviz.data.conversations import TURNS
from btviz.data.dataset import Dataset

MESSAGES = pl.List(pl.Struct({"role": pl.String(), "content": pl.String()}))
"""Type of a chat as a list of messages."""

HUMAN, ASSISTANT = "\n\nHuman: ", "\n\nAssistant: "
"""What begins each turn in the one string of HH-RLHF."""

_MARKS = {HUMAN: "prompt", ASSISTANT: "response"}

_TURN = r"(^|\n\n)(Human|Assistant):"


def with_history(ds: Dataset, rows: pl.DataFrame, *, ends: Sequence[str] = ("",)) -> pl.DataFrame:
    """Add the turns before the last (`history`, null where there are none), and whether they cannot be known.

    `ends` are those of the columns of pair ids, of which each row has one: two for comparisons.
    """
    known = _histories(ds)
    if known.is_empty():
        return rows.with_columns(pl.lit(None, TURNS).alias("history"), pl.lit(value=False).alias("is_ambiguous"))
    whole = rows
    for end in ends:
        here = known.rename({name: f"{name}{end}" for name in known.columns}) if end else known
        whole = whole.join(here, on=f"pair_id{end}", how="left", maintain_order="left")
    first = f"history{ends[0]}"
    several = pl.any_horizontal(pl.col(f"ways{end}").fill_null(1) > 1 for end in ends)
    unlike = pl.any_horizontal(pl.col(f"history{end}").ne_missing(pl.col(first)) for end in ends)
    added = [f"{name}{end}" for name in ("history", "ways") for end in ends]
    told = pl.when(~(several | unlike)).then(pl.col(first)).alias("history")
    return whole.with_columns((several | unlike).alias("is_ambiguous"), told).drop(
        name for name in added if name != "history"
    )


def _histories(ds: Dataset) -> pl.DataFrame:
    """By pair: the turns before it (null where it begins), and in how many ways a conversation comes to it."""
    turns = ds.conversations.sort("conversation_id", "turn")
    before = turns.with_columns(
        pl.struct("prompt", "response").over("conversation_id", mapping_strategy="join").alias("talk"),
        pl.int_range(pl.len()).over("conversation_id").alias("number"),
    ).select("pair_id", pl.when(pl.col("number") > 0).then(pl.col("talk").list.head("number")).alias("history"))
    ways = before.join(ds.pairs.select("pair_id"), on="pair_id", how="semi").unique()
    return ways.group_by("pair_id").agg(pl.col("history").first(), pl.len().alias("ways"))


def asked_in_messages(history: pl.Series, prompts: pl.Series) -> pl.Series:
    """Chats that end in a question."""
    talks = [
        [*_said(turns or ()), {"role": "user", "content": prompt}]
        for turns, prompt in zip(history.to_list(), prompts.to_list(), strict=True)
    ]
    return pl.Series(prompts.name, talks, MESSAGES)


def answered_in_messages(asked: pl.Series, answers: pl.Series) -> pl.Series:
    """Those chats with an answer at the end."""
    ends = in_messages(answers)
    return pl.Series("messages", [[*talk, *end] for talk, end in zip(asked, ends, strict=True)], MESSAGES)


def in_messages(answers: pl.Series) -> pl.Series:
    """Answers as chats of one message."""
    return pl.Series(answers.name, [[{"role": "assistant", "content": text}] for text in answers], MESSAGES)


def _said(turns: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    sides = (("user", "prompt"), ("assistant", "response"))
    return [{"role": role, "content": turn[side]} for turn in turns for role, side in sides]


def in_one_string(answer: str) -> pl.Expr:
    """A whole conversation as HH-RLHF writes it, of the columns `history`, `prompt` and that of an answer."""
    parts = [part for mark, side in _MARKS.items() for part in (pl.lit(mark), pl.element().struct.field(side))]
    before = pl.col("history").list.eval(pl.concat_str(*parts)).list.join("").fill_null("")
    return pl.concat_str(before, pl.lit(HUMAN), "prompt", pl.lit(ASSISTANT), answer)


def begins_a_turn(*texts: str) -> pl.Expr:
    """Whether one of some columns of texts, or of the turns before, holds what would begin another turn."""
    before = pl.col("history").list.eval(
        pl.any_horizontal(pl.element().struct.field(side).str.contains(_TURN) for side in _MARKS.values())
    )
    return pl.any_horizontal(pl.col(name).str.contains(_TURN) for name in texts) | before.list.any().fill_null(
        value=False
    )
