"""Schemas of the tables, stable identifiers, and the tables that follow from others.

Rows of `annotations` are what a release holds; `pairs` and `votes` are functions of them.
"""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl

from btviz.data.words import word_counts

ID = pl.UInt64()

ANNOTATIONS = pl.Schema(
    {
        "pair_id": ID,
        "prompt_id": ID,
        "split": pl.String(),
        "is_safe": pl.Boolean(),
        "labels": pl.UInt32(),
        "severity": pl.UInt8(),
    }
)

PAIRS = pl.Schema(
    {
        "pair_id": ID,
        "prompt_id": ID,
        "prompt": pl.String(),
        "response": pl.String(),
        "source": pl.String(),
        "n_annotations": pl.UInt32(),
        "n_unsafe": pl.UInt32(),
        "is_safe": pl.Boolean(),
        "labels": pl.UInt32(),
        "severity": pl.UInt8(),
        "prompt_words": pl.UInt32(),
        "response_words": pl.UInt32(),
    }
)

VOTES = pl.Schema({"pair_id": ID, "category": pl.String(), "votes": pl.UInt32(), "n_annotations": pl.UInt32()})

PREFERENCES = pl.Schema(
    {
        "prompt_id": ID,
        "pair_id_0": ID,
        "pair_id_1": ID,
        "split": pl.String(),
        "prompt_source": pl.String(),
        "better": pl.UInt8(),
        "safer": pl.UInt8(),
        "overall": pl.UInt8(),
        "is_safe_0": pl.Boolean(),
        "is_safe_1": pl.Boolean(),
        "labels_0": pl.UInt32(),
        "labels_1": pl.UInt32(),
        "severity_0": pl.UInt8(),
        "severity_1": pl.UInt8(),
        "source_0": pl.String(),
        "source_1": pl.String(),
    }
)

PROMPTS = pl.Schema(
    {"prompt_id": ID, "split": pl.String(), "prompt": pl.String(), "labels": pl.UInt32(), "is_safe": pl.Boolean()}
)
"""Prompts without an answer, and what is labelled of a prompt alone: safety and categories of what was asked."""

CONVERSATIONS = pl.Schema(
    {
        "conversation_id": pl.String(),
        "turn": pl.Int64(),
        "prompt": pl.String(),
        "response": pl.String(),
        "pair_id": ID,
    }
)
"""One row per turn; `turn` counts from 1, `pair_id` is that of the turn's own prompt and response."""

KEYS = pl.Schema({"pair_id": ID, "key": pl.String(), "value": pl.String()})
"""What pairs are called outside: see `btviz.data.keys`."""

PROBLEMS = pl.Schema(
    {
        "file": pl.String(),
        "line": pl.UInt64(),
        "kind": pl.String(),
        "action": pl.String(),
        "detail": pl.String(),
    }
)
"""What reading found odd."""

SCHEMAS = {
    "annotations": ANNOTATIONS,
    "pairs": PAIRS,
    "votes": VOTES,
    "preferences": PREFERENCES,
    "prompts": PROMPTS,
    "conversations": CONVERSATIONS,
    "keys": KEYS,
}
"""Column names and types of every table, by table name."""

ANNOTATION_ORDER = ("pair_id", "split", "labels", "severity", "is_safe")


_PROMPT = hashlib.blake2b(digest_size=8, person=b"btviz:prompt")
_PAIR = hashlib.blake2b(digest_size=8, person=b"btviz:pair")


def prompt_id(prompt: str) -> int:
    """64-bit identifier of a prompt: a function of its text alone, the same for ever."""
    return int.from_bytes(_digest(prompt.encode()), "little")


def pair_id(prompt: str, response: str) -> int:
    """64-bit identifier of a (prompt, response) pair; the length keeps the two texts apart."""
    return int.from_bytes(_digest(prompt.encode(), response.encode()), "little")


def _digest(prompt: bytes, *response: bytes) -> bytes:
    """Hash of a prompt or, with a response, of the pair."""
    state = (_PAIR if response else _PROMPT).copy()  # a third of the time of a new one
    state.update(b"".join((len(prompt).to_bytes(8, "little"), prompt, *response)) if response else prompt)
    return state.digest()


def with_ids(frame: pl.DataFrame, *, response: str = "response", suffix: str = "") -> pl.DataFrame:
    """Add `prompt_id` and ``pair_id<suffix>`` to a frame of texts.

    Each distinct text is hashed once, whatever the number of rows. Without an answer there is no pair, and its id is
    null: answers that are missing are not one and the same.
    """
    if "prompt_id" not in frame.columns:
        frame = _with_hash(frame, ["prompt"], name="prompt_id")
    return _with_hash(frame, ["prompt", response], name=f"pair_id{suffix}")


def _with_hash(frame: pl.DataFrame, texts: list[str], *, name: str) -> pl.DataFrame:
    # grouping and scattering is several times faster than a join on long texts
    groups = frame.select(texts).with_row_index("row").group_by(texts).agg("row")
    data = (groups[text].fill_null("").cast(pl.Binary).to_list() for text in texts)
    ids = np.frombuffer(b"".join(map(_digest, *data)), "<u8")
    hashed = np.empty(frame.height, np.uint64)
    hashed[groups["row"].explode().to_numpy()] = np.repeat(ids, groups["row"].list.len().to_numpy())
    column = pl.Series(name, hashed, ID)
    missing = frame.select(pl.any_horizontal(pl.col(texts).is_null()).alias("missing"))["missing"]
    return frame.with_columns(column.set(missing, None) if missing.any() else column)


def annotations_of(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of the table `annotations`: those that have an answer and say something of it."""
    said = [pl.col(name).is_not_null() for name in ("is_safe", "labels", "severity") if name in rows.columns]
    answered = [pl.col("response").is_not_null()] if "response" in rows.columns else []
    is_one = pl.all_horizontal(*answered, pl.any_horizontal(*said)) if said and answered else pl.lit(value=False)
    return conform(rows.filter(is_one), ANNOTATIONS)


def items_of(pairs: pl.DataFrame, prompts: pl.DataFrame) -> pl.DataFrame:
    """What is mapped and listed one by one: pairs or, where there are none, each prompt once, in the columns of pairs.

    A prompt's id stands for that of a pair, its answer is null, and its labels are those on which all its rows agree.
    """
    if pairs.height or prompts.is_empty():
        return pairs
    agreed = (pl.when(pl.col(n).n_unique() == 1).then(pl.col(n).first()).alias(n) for n in ("is_safe", "labels"))
    distinct = prompts.group_by("prompt_id").agg(pl.col("prompt").first(), *agreed)
    zero = (pl.lit(0, pl.UInt32).alias(n) for n in ("n_annotations", "n_unsafe"))
    items = distinct.with_columns(pl.col("prompt_id").alias("pair_id"), *zero, *word_counts("prompt"))
    return conform(items, PAIRS).sort("pair_id")


def conform(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """Give a frame exactly the columns of `schema`; absent ones become null."""
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in schema.items()
    )
