"""Batches of texts of similar length within a budget of tokens, and what a model is given of one: ids, or texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.data.tables import ID
from btviz.errors import UsageError, a_type
from btviz.machine.memory import Room
from btviz.models.protocol import ScoreModel
from btviz.models.templates import Encoded

TEXT_BUDGET = 65_536
"""Estimated tokens of a batch of texts, for models that make batches of their own."""

LETTERS_PER_TOKEN = 4
Floats = npt.NDArray[np.float32]


@runtime_checkable
class TokenModel(ScoreModel, Protocol):
    """A score model that takes token ids, so that texts are tokenised once and shipped small."""

    tokens_per_batch: int

    def encode(self, prompts: Sequence[str], responses: Sequence[str]) -> list[Encoded]:
        """Token ids of each pair."""
        ...

    def score_encoded(self, rows: Sequence[Encoded], *, length: int | None = None) -> Floats:
        """Scores of token ids, padded to `length`, in one pass."""
        ...


@dataclass(frozen=True, eq=False)
class Batch:
    """Pairs that are scored together."""

    number: int
    pair_ids: list[int]
    inputs: list[Any]
    length: int
    tokens: int


def budget_of(model: ScoreModel) -> int:
    """Tokens of a batch that suit a model."""
    return int(getattr(model, "tokens_per_batch", TEXT_BUDGET))


def inputs_of(model: ScoreModel, prompts: Sequence[str], *, responses: Sequence[str]) -> list[Any]:
    """What the model is given of each pair."""
    if isinstance(model, TokenModel):
        return list(model.encode(prompts, responses))
    return list(zip(prompts, responses, strict=True))


def lengths_of(inputs: Sequence[Any]) -> npt.NDArray[np.int64]:
    """Tokens of each input, at least one, estimated where it is text."""
    return np.fromiter(map(_length, inputs), np.int64, len(inputs))


def _length(row: Any) -> int:
    return max(row.shape[-1], 1) if isinstance(row, np.ndarray) else 1 + sum(map(len, row)) // LETTERS_PER_TOKEN


def score_inputs(
    model: ScoreModel, inputs: Sequence[Any], *, length: int, pair_ids: Sequence[int], room: Room
) -> Floats:
    """Score a batch; where memory does not suffice, in halves."""

    def at_once(rows: Sequence[Any]) -> Floats:
        if isinstance(model, TokenModel):
            scores = model.score_encoded(rows, length=length)
        else:
            scores = model.score([prompt for prompt, _ in rows], [response for _, response in rows])
        return _as_scores(scores, model, n_rows=len(rows))

    sizes = lengths_of(inputs)
    names = [f"the pair {pair_id:016x} of {size:,} tokens" for pair_id, size in zip(pair_ids, sizes, strict=True)]
    return room.sparing(at_once, inputs, length=length, names=names)


def _as_scores(output: object, model: ScoreModel, *, n_rows: int) -> Floats:
    expected = (n_rows, len(model.labels)) if model.kind == "moderation" else (n_rows,)
    try:
        scores = np.asarray(output, np.float32)
    except (TypeError, ValueError, RuntimeError) as error:  # the last is PyTorch's of a tensor that records its past
        raise UsageError(
            f"Asked {model.name!r} for {n_rows:,} scores; it gave {a_type(output)} that holds something else. "
            f"Its score has to give float32 of shape {expected}."
        ) from error
    if model.kind != "moderation" and scores.shape == (n_rows, 1):
        return scores[:, 0]
    if scores.shape != expected:
        raise UsageError(
            f"Asked {model.name!r} for {n_rows:,} scores; it gave an array of shape {scores.shape}. A {model.kind} "
            f"model has to give one of shape {expected}."
        )
    return scores


PLAN = pl.Schema({"batch": pl.UInt32(), "pair_id": ID, "tokens": pl.UInt32(), "length": pl.UInt32()})
"""One row per pair: its batch, its own tokens, and the length that its batch is padded to."""

Rows = npt.NDArray[np.int64]


def by_length(lengths: npt.ArrayLike, *, budget: int) -> list[Rows]:
    """Group texts by length such that each group, padded, has at most `budget` tokens."""
    sizes = np.asarray(lengths, np.int64)
    order = np.argsort(-sizes, kind="stable")
    batches, start = [], 0
    while start < len(order):
        longest = max(int(sizes[order[start]]), 1)
        end = start + max(1, budget // longest)
        batches.append(order[start:end])
        start = end
    return batches


def plan_batches(
    pair_ids: Sequence[int] | pl.Series, lengths: npt.ArrayLike, *, budget: int, first: int
) -> pl.DataFrame:
    """Plan which pairs are scored together."""
    sizes = pl.DataFrame({"pair_id": pl.Series(pair_ids, dtype=ID), "tokens": np.asarray(lengths, np.uint32)})
    sizes = sizes.sort("pair_id")
    groups = by_length(sizes["tokens"].to_numpy(), budget=budget)
    numbers = np.repeat(np.arange(first, first + len(groups)), [len(group) for group in groups])
    rows = sizes.gather(np.concatenate(groups)) if groups else sizes
    batch = pl.Series("batch", numbers, pl.UInt32)
    return rows.with_columns(batch, pl.col("tokens").max().over(batch).alias("length")).select(list(PLAN))
