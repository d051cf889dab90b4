"""Rows as trainers take them: chosen against rejected (DPO, HH-RLHF), and single answers with a verdict (KTO)."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from btviz.data.assemble import ORDERS
from btviz.data.conversations import TURNS
from btviz.data.dataset import Dataset
from btviz.data.writing.released import SIDES
from btviz.errors import UsageError, choice

HUMAN, ASSISTANT = "\n\nHuman: ", "\n\nAssistant: "

_MARKS = {HUMAN: "prompt", ASSISTANT: "response"}
"""What begins each turn in the one string of HH-RLHF."""

UNKNOWN_ORDER = "neither answer is preferred: a tie, or the order is not known"
SAME_ANSWER = "both answers are the same"
UNKNOWN_SAFETY = "whether the answer is safe is not known"
NO_ANSWER = "an answer is missing"
SEVERAL_HISTORIES = "its answer ends several conversations, so the turns before it are not known"
SPEAKS_ITSELF = 'a text holds "Human:" or "Assistant:" after an empty line, which would begin a turn'


@dataclass(frozen=True)
class Examples:
    """Rows for a trainer, and what was skipped: the number of rows by reason."""

    rows: pl.DataFrame
    skipped: dict[str, int]


def dpo_examples(ds: Dataset, comparisons: pl.DataFrame, *, order: str) -> Examples:
    """Prompt, chosen and rejected answer of each comparison with a known order.

    Texts are strings; where some comparison goes back several turns, all are lists of messages.
    """
    sorted_out = _chosen(ds, comparisons, order=order)
    rows = sorted_out.rows
    if rows["history"].count():
        rows = rows.with_columns(
            _messages(rows["history"], rows["prompt"]),
            *(_message(rows[name]) for name in ("chosen", "rejected")),
        )
    return Examples(rows.select("prompt", "chosen", "rejected", *_IDS, "split"), sorted_out.skipped)


def hh_examples(ds: Dataset, comparisons: pl.DataFrame, *, order: str) -> Examples:
    """Both conversations of each comparison with a known order, each as the one string of HH-RLHF."""
    sorted_out = _chosen(ds, comparisons, order=order)
    speaks = pl.any_horizontal(_speaks(name) for name in ("prompt", "chosen", "rejected")) | pl.col(
        "history"
    ).list.eval(pl.any_horizontal(_speaks_in(name) for name in ("prompt", "response"))).list.any().fill_null(
        value=False
    )
    rows, skipped = _sifted(sorted_out.rows, {SPEAKS_ITSELF: speaks})
    before = pl.col("history").list.eval(
        pl.concat_str(
            *(part for mark, side in _MARKS.items() for part in (pl.lit(mark), pl.element().struct.field(side)))
        )
    )
    before = before.list.join("").fill_null("")
    talks = (
        pl.concat_str(before, pl.lit(HUMAN), "prompt", pl.lit(ASSISTANT), name).alias(name)
        for name in ("chosen", "rejected")
    )
    return Examples(
        rows.with_columns(*talks).select("chosen", "rejected", *_IDS, "split"), sorted_out.skipped | skipped
    )


def kto_examples(ds: Dataset, rows: pl.DataFrame, *, order: str | None) -> Examples:
    """Prompt, answer and verdict: of answers whether they are safe, of comparisons which was chosen."""
    if order is not None:
        return _unpaired(ds, rows, order=order)
    texts = ds.pairs.select("pair_id", "prompt", pl.col("response").alias("completion"))
    whole = _with_history(ds, rows.join(texts, on="pair_id", how="left", maintain_order="left"), ends=("",))
    kept, skipped = _sifted(
        whole,
        {
            UNKNOWN_SAFETY: pl.col("is_safe").is_null(),
            NO_ANSWER: pl.col("completion").is_null(),
            SEVERAL_HISTORIES: pl.col("is_ambiguous"),
        },
    )
    split = ["split"] if "split" in kept.columns else []
    return _judged(
        kept.select("prompt", "completion", "history", pl.col("is_safe").alias("label"), "pair_id", *split), skipped
    )


def _unpaired(ds: Dataset, comparisons: pl.DataFrame, *, order: str) -> Examples:
    sorted_out = _chosen(ds, comparisons, order=order)
    halves = [
        sorted_out.rows.select(
            "prompt",
            pl.col(name).alias("completion"),
            "history",
            pl.lit(name == "chosen").alias("label"),
            pl.col(f"pair_id_{name}").alias("pair_id"),
            "split",
        )
        for name in ("chosen", "rejected")
    ]
    return _judged(pl.concat(halves), sorted_out.skipped)


def _judged(rows: pl.DataFrame, skipped: dict[str, int]) -> Examples:
    if rows["history"].count():
        rows = rows.with_columns(_messages(rows["history"], rows["prompt"]), _message(rows["completion"]))
    return Examples(rows.drop("history"), skipped)


_IDS = ("pair_id_chosen", "pair_id_rejected")


def _chosen(ds: Dataset, comparisons: pl.DataFrame, *, order: str) -> Examples:
    choice(order, ORDERS, what="order")
    if comparisons.height and not comparisons[order].count():
        known = {name: n for name in ORDERS if (n := comparisons[name].count())}
        advice = f"Say order={next(iter(known))!r}" if known else "Use data that say which answer was preferred"
        raise UsageError(
            f"Pairs of a chosen and a rejected answer were asked for by {order!r}; {ds.name} says of no comparison "
            f"which answer that is{f', but of {known}' if known else ''}. {advice}."
        )
    answers = ds.pairs.select("pair_id", "prompt", "response")
    whole = comparisons
    for side in SIDES:
        whole = whole.join(
            answers.rename({"pair_id": f"pair_id_{side}", "response": f"response_{side}"}).drop(
                "prompt" if side == "1" else []
            ),
            on=f"pair_id_{side}",
            how="left",
            maintain_order="left",
        )
    rows, skipped = _sifted(
        _with_history(ds, whole, ends=("_0", "_1")),
        {
            UNKNOWN_ORDER: pl.col(order).is_null(),
            SAME_ANSWER: pl.col("pair_id_0") == pl.col("pair_id_1"),
            NO_ANSWER: pl.col("response_0").is_null() | pl.col("response_1").is_null(),
            SEVERAL_HISTORIES: pl.col("is_ambiguous"),
        },
    )
    first = pl.col(order) == 0
    sides = [
        pl.when(first == (name == "chosen")).then(f"{column}_0").otherwise(f"{column}_1").alias(new)
        for name in ("chosen", "rejected")
        for column, new in (("response", name), ("pair_id", f"pair_id_{name}"))
    ]
    return Examples(rows.select("prompt", "history", "split", *sides), skipped)


def _sifted(rows: pl.DataFrame, reasons: dict[str, pl.Expr]) -> tuple[pl.DataFrame, dict[str, int]]:
    """Rows that no reason speaks against, and how many fall to each, the first that holds."""
    skipped = {}
    for reason, holds in reasons.items():
        kept = rows.filter(~holds)
        if kept.height < rows.height:
            skipped[reason] = rows.height - kept.height
        rows = kept
    return rows, skipped


def _with_history(ds: Dataset, rows: pl.DataFrame, *, ends: tuple[str, ...]) -> pl.DataFrame:
    """Add the turns before the last (`history`, null where there are none) and whether they are ambiguous."""
    known = _histories(ds)
    if known.is_empty():
        return rows.with_columns(pl.lit(None, TURNS).alias("history"), pl.lit(value=False).alias("is_ambiguous"))
    whole = rows
    for end in ends:
        whole = whole.join(
            known.select(pl.all().name.suffix(end) if end else pl.all()),
            on=f"pair_id{end}",
            how="left",
            maintain_order="left",
        )
    several = pl.any_horizontal(pl.col(f"talks{end}").fill_null(1) > 1 for end in ends)
    unlike = pl.any_horizontal(pl.col(f"history{end}").ne_missing(pl.col(f"history{ends[0]}")) for end in ends)
    return whole.with_columns(pl.col(f"history{ends[0]}").alias("history"), (several | unlike).alias("is_ambiguous"))


def _histories(ds: Dataset) -> pl.DataFrame:
    """By pair: the turns before it (null where it begins), and in how many ways a conversation comes to it."""
    turns = ds.conversations.sort("conversation_id", "turn")
    before = turns.with_columns(
        pl.struct("prompt", "response").over("conversation_id", mapping_strategy="join").alias("talk"),
        pl.int_range(pl.len()).over("conversation_id").alias("number"),
    ).select("pair_id", pl.when(pl.col("number") > 0).then(pl.col("talk").list.head("number")).alias("history"))
    ways = before.join(ds.pairs.select("pair_id"), on="pair_id", how="semi").unique()
    return ways.group_by("pair_id").agg(pl.col("history").first(), pl.len().alias("talks"))


def _messages(history: pl.Series, prompts: pl.Series) -> pl.Series:
    talks = [
        [
            *(_said(role, turn[side]) for turn in turns or () for role, side in _ROLES.items()),
            _said("user", prompt),
        ]
        for turns, prompt in zip(history.to_list(), prompts.to_list(), strict=True)
    ]
    return pl.Series(prompts.name, talks, _MESSAGES)


def _message(texts: pl.Series) -> pl.Series:
    return pl.Series(texts.name, [[_said("assistant", text)] for text in texts], _MESSAGES)


_ROLES = {"user": "prompt", "assistant": "response"}

_MESSAGES = pl.List(pl.Struct({"role": pl.String(), "content": pl.String()}))


def _said(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


_TURN = r"\n\n(Human|Assistant):"


def _speaks(column: str) -> pl.Expr:
    return pl.col(column).str.contains(_TURN)


def _speaks_in(field: str) -> pl.Expr:
    return pl.element().struct.field(field).str.contains(_TURN)
