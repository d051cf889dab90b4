"""Rows as trainers take them: chosen against rejected (DPO, HH-RLHF), and single answers with a verdict (KTO)."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from btviz.data.dataset import Dataset
from btviz.data.tables import ORDERS
from btviz.data.writing.released import SIDES, compared_texts
from btviz.data.writing.turns import asked_in_messages, begins_a_turn, in_messages, in_one_string, with_history
from btviz.errors import UsageError, choice

UNKNOWN_ORDER = "neither answer is preferred: a tie, or the order is not known"
SAME_ANSWER = "both answers are the same"
UNKNOWN_SAFETY = "whether the answer is safe is not known"
UNKNOWN_HISTORY = "the turns before are not known: several conversations end so, or the two answers end different ones"
BEGINS_A_TURN = 'a text holds "Human:" or "Assistant:" where that would begin another turn'


@dataclass(frozen=True)
class Examples:
    """Rows for a trainer, and what was skipped: the number of rows by reason."""

    rows: pl.DataFrame
    skipped: dict[str, int]


def dpo_examples(ds: Dataset, comparisons: pl.DataFrame, *, order: str) -> Examples:
    """Prompt, chosen and rejected answer of each comparison with a known order.

    Texts are strings; where some comparison goes back several turns, all are lists of messages.
    """
    found = _chosen(ds, comparisons, order=order)
    rows = found.rows
    if rows["history"].count():
        asked = asked_in_messages(rows["history"], rows["prompt"])
        rows = rows.with_columns(asked, in_messages(rows["chosen"]), in_messages(rows["rejected"]))
    return Examples(rows.select("prompt", "chosen", "rejected", *_IDS, "split"), found.skipped)


def hh_examples(ds: Dataset, comparisons: pl.DataFrame, *, order: str) -> Examples:
    """Both conversations of each comparison with a known order, each as the one string of HH-RLHF."""
    found = _chosen(ds, comparisons, order=order)
    rows, skipped = _sifted(found.rows, {BEGINS_A_TURN: begins_a_turn("prompt", "chosen", "rejected")})
    talks = rows.with_columns(in_one_string(name).alias(name) for name in ("chosen", "rejected"))
    return Examples(talks.select("chosen", "rejected", *_IDS, "split"), found.skipped | skipped)


def kto_examples(ds: Dataset, rows: pl.DataFrame, *, order: str | None) -> Examples:
    """Prompt, answer and verdict: of answers whether they are safe, of comparisons which was chosen."""
    if order is not None:
        found = _unpaired(_chosen(ds, rows, order=order))
    else:
        texts = ds.pairs.select("pair_id", "prompt", pl.col("response").alias("completion"))
        whole = with_history(ds, rows.join(texts, on="pair_id", how="left", maintain_order="left"))
        kept, skipped = _sifted(
            whole, {UNKNOWN_SAFETY: pl.col("is_safe").is_null(), UNKNOWN_HISTORY: pl.col("is_ambiguous")}
        )
        found = Examples(kept.with_columns(pl.col("is_safe").alias("label")), skipped)
    judged = found.rows
    if judged["history"].count():
        asked = asked_in_messages(judged["history"], judged["prompt"])
        judged = judged.with_columns(asked, in_messages(judged["completion"]))
    split = ["split"] if "split" in judged.columns else []
    return Examples(judged.select("prompt", "completion", "label", "pair_id", *split), found.skipped)


_IDS = ("pair_id_chosen", "pair_id_rejected")


def _unpaired(found: Examples) -> Examples:
    """One row for each answer, the chosen one, which is good, before the rejected one of the same comparison."""
    halves = [
        found.rows.select(
            "prompt",
            "history",
            "split",
            pl.col(name).alias("completion"),
            pl.lit(name == "chosen").alias("label"),
            pl.col(f"pair_id_{name}").alias("pair_id"),
        ).with_row_index("comparison")
        for name in ("chosen", "rejected")
    ]
    together = pl.concat(halves).sort("comparison", maintain_order=True)
    return Examples(together.drop("comparison"), found.skipped)


def _chosen(ds: Dataset, comparisons: pl.DataFrame, *, order: str) -> Examples:
    """Comparisons with a known order: the chosen and the rejected answer, and the turns before."""
    _expect_order(ds, comparisons, order=order)
    rows, skipped = _sifted(
        with_history(ds, compared_texts(ds, comparisons), ends=[f"_{side}" for side in SIDES]),
        {
            UNKNOWN_ORDER: pl.col(order).is_null(),
            SAME_ANSWER: pl.col("pair_id_0") == pl.col("pair_id_1"),
            UNKNOWN_HISTORY: pl.col("is_ambiguous"),
        },
    )
    is_first = pl.col(order) == 0
    sides = [
        pl.when(is_first == (name == "chosen")).then(f"{column}_0").otherwise(f"{column}_1").alias(new)
        for name in ("chosen", "rejected")
        for column, new in (("response", name), ("pair_id", f"pair_id_{name}"))
    ]
    return Examples(rows.select("prompt", "history", "split", *sides), skipped)


def _expect_order(ds: Dataset, comparisons: pl.DataFrame, *, order: str) -> None:
    choice(order, ORDERS, what="order")
    if comparisons.is_empty() or comparisons[order].count():
        return
    known = {name: n for name in ORDERS if (n := comparisons[name].count())}
    others = " and ".join(f"{n:,} by {name!r}" for name, n in known.items())
    found = f"none of the {comparisons.height:,} comparisons has that order{f', but {others}' if known else ''}"
    advice = f"Say order={next(iter(known))!r}" if known else "Use data that say which answer was preferred"
    raise UsageError(f"Chosen and rejected answers of {ds.name} were asked for by {order!r}; {found}. {advice}.")


def _sifted(rows: pl.DataFrame, reasons: dict[str, pl.Expr]) -> tuple[pl.DataFrame, dict[str, int]]:
    """Rows that no reason speaks against, and how many fall to each, the first that holds."""
    skipped = {}
    for reason, holds in reasons.items():
        kept = rows.filter(~holds)
        if kept.height < rows.height:
            skipped[reason] = rows.height - kept.height
        rows = kept
    return rows, skipped
