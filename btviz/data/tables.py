"""Schemas of the tables, stable identifiers, and the tables that follow from others.

Rows of `annotations` are what a release holds; `pairs` and `votes` are functions of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import polars as pl

from btviz.taxonomy.categories import Taxonomy

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


def prompt_id(prompt: str) -> int:
    """64-bit identifier of a prompt: a function of its text alone, the same for ever."""
    return _digest(prompt.encode(), b"btviz:prompt")


def pair_id(prompt: str, response: str) -> int:
    """64-bit identifier of a (prompt, response) pair; the length keeps the two texts apart."""
    head = prompt.encode()
    return _digest(len(head).to_bytes(8, "little") + head + response.encode(), b"btviz:pair")


def _digest(data: bytes, purpose: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8, person=purpose).digest(), "little")


def with_ids(frame: pl.DataFrame, *, response: str = "response", suffix: str = "") -> pl.DataFrame:
    """Add `prompt_id` and ``pair_id<suffix>`` to a frame of texts.

    Each distinct text is hashed once, whatever the number of rows. Without an answer there is no pair, and its id is
    null: answers that are missing are not one and the same.
    """
    if "prompt_id" not in frame.columns:
        frame = _with_hash(frame, ["prompt"], name="prompt_id", of=prompt_id)
    return _with_hash(frame, ["prompt", response], name=f"pair_id{suffix}", of=pair_id)


def _with_hash(frame: pl.DataFrame, texts: list[str], *, name: str, of: Callable[..., int]) -> pl.DataFrame:
    # grouping and scattering is several times faster than a join on long texts
    groups = frame.select(texts).with_row_index("row").group_by(texts).agg("row")
    ids = np.fromiter(
        (0 if None in key else of(*key) for key in groups.select(texts).iter_rows()), np.uint64, groups.height
    )
    hashed = np.empty(frame.height, np.uint64)
    hashed[groups["row"].explode().to_numpy()] = np.repeat(ids, groups["row"].list.len().to_numpy())
    column = pl.Series(name, hashed, ID)
    missing = frame.select(pl.any_horizontal(pl.col(texts).is_null()).alias("missing"))["missing"]
    return frame.with_columns(column.set(missing, None) if missing.any() else column)


def majority(taxonomy: Taxonomy) -> list[pl.Expr]:
    """Aggregations that turn the annotations of one pair into its row of `pairs`.

    A category holds if at least half of the annotations flag it (a tie counts); `is_safe` is
    a majority of its own (a tie is unsafe); severity is the highest level that at least half
    of the annotations reach. Each counts among the annotations that speak of it, and is null
    where none does.
    """
    flags = [taxonomy.has(key).sum() * 2 >= pl.col("labels").count() for key in taxonomy.keys]
    unsafe = (~pl.col("is_safe")).sum()
    return [
        pl.len().cast(pl.UInt32).alias("n_annotations"),
        unsafe.cast(pl.UInt32).alias("n_unsafe"),
        pl.when(pl.col("is_safe").count() > 0).then(unsafe * 2 < pl.col("is_safe").count()).alias("is_safe"),
        pl.when(pl.col("labels").count() > 0)
        .then(pl.sum_horizontal(flag.cast(pl.UInt32) * (1 << bit) for bit, flag in enumerate(flags)))
        .cast(pl.UInt32)
        .alias("labels"),
        _severity().alias("severity"),
    ]


def _severity() -> pl.Expr:
    levels = pl.col("severity").drop_nulls().sort()
    return levels.get(levels.len() // 2, null_on_oob=True)


def votes_of(annotations: pl.DataFrame, taxonomy: Taxonomy) -> pl.DataFrame:
    """Votes per pair and category: one row per category flagged at least once."""
    sums = [taxonomy.has(key).sum().cast(pl.UInt32).alias(str(bit)) for bit, key in enumerate(taxonomy.keys)]
    names = dict(enumerate(taxonomy.keys))
    return (
        annotations.group_by("pair_id")
        .agg(pl.len().cast(pl.UInt32).alias("n_annotations"), *sums)
        .unpivot(index=["pair_id", "n_annotations"], variable_name="bit", value_name="votes")
        .filter(pl.col("votes") > 0)
        .with_columns(pl.col("bit").cast(pl.UInt8))
        .sort("pair_id", "bit")
        .with_columns(pl.col("bit").replace_strict(names, return_dtype=pl.String).alias("category"))
        .select(list(VOTES))
    )


def conform(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """Give a frame exactly the columns of `schema`; absent ones become null."""
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in schema.items()
    )
