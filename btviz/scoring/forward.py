"""One forward pass: padded token ids in, float32 logits out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from btviz.errors import require
from btviz.scoring.templates import Encoded


@dataclass(frozen=True)
class PaddedBatch:
    """Texts of one forward pass, padded on the right.

    Attributes
    ----------
    ids, mask : array of int64, shape (n, L)
        Token ids, and 1 where there is a token.
    segments : array of int64, shape (n, L), or None
        For networks that tell two texts apart by them.
    ends : array of int64, shape (n,)
        Position at which the score is read.
    """

    ids: npt.NDArray[np.int64]
    mask: npt.NDArray[np.int64]
    segments: npt.NDArray[np.int64] | None
    ends: npt.NDArray[np.int64]


def pad(rows: Sequence[Encoded], *, length: int, pad_id: int, skipped: int | None = None) -> PaddedBatch:
    """Pad token ids on the right to `length`.

    Parameters
    ----------
    rows : sequence of array
        Token ids (L,), or token ids and segments (2, L).
    length : int
        At least that of the longest row.
    pad_id : int
        What fills up.
    skipped : int, optional
        A token at which no score is read: the last other one is the end.
    """
    ids = np.full((len(rows), length), pad_id, np.int64)
    mask = np.zeros_like(ids)
    segments = np.zeros_like(ids) if any(row.ndim == 2 for row in rows) else None
    ends = np.empty(len(rows), np.int64)
    for i, row in enumerate(rows):
        tokens = row[0] if row.ndim == 2 else row
        ids[i, : len(tokens)] = tokens
        mask[i, : len(tokens)] = 1
        if segments is not None:
            segments[i, : len(tokens)] = row[1]
        read = np.arange(len(tokens)) if skipped is None else np.flatnonzero(tokens != skipped)
        ends[i] = read[-1] if read.size else 0
    return PaddedBatch(ids, mask, segments, ends)


def readable(rows: Sequence[Encoded], *, n_ids: int) -> tuple[list[Encoded], npt.NDArray[np.bool_]]:
    """Tell which texts a network can read, with another in place of those that it cannot.

    A text may be without a token, or hold one that a tokenizer has beyond the network's table (a filler
    that was added and written in the text): on a GPU a look-up of that ends all work in the process.

    Parameters
    ----------
    rows : sequence of array
        Token ids (L,), or token ids and segments (2, L).
    n_ids : int
        Tokens in the table of the network.

    Returns
    -------
    rows : list of array
        The same, with the first token alone where one cannot be read.
    is_readable : array of bool, shape (n,)
    """
    is_readable = np.array([row.size > 0 and int(np.atleast_2d(row)[0].max()) < n_ids for row in rows], bool)
    stand_ins = [np.zeros((*row.shape[:-1], 1), row.dtype) for row in rows]
    pairs = zip(rows, stand_ins, is_readable, strict=True)
    return [row if is_one else stand_in for row, stand_in, is_one in pairs], is_readable


class EndRead:
    """Score of a decoder: a linear head on the last hidden state at the end of each text.

    Parameters
    ----------
    backbone : torch.nn.Module
        Without a head of its own.
    head : torch.nn.Linear
        In the type of the backbone; its result is cast to float32.
    """

    def __init__(self, backbone: Any, head: Any) -> None:
        self.backbone = backbone
        self.head = head

    def __call__(self, batch: PaddedBatch) -> Any:
        """Logits, a float32 tensor (n, k)."""
        torch = require("torch", extra="models")
        device = self.head.weight.device
        ids, mask, ends = (torch.from_numpy(a).to(device) for a in (batch.ids, batch.mask, batch.ends))
        hidden = self.backbone(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        return self.head(hidden[torch.arange(len(ends), device=device), ends]).float()


class WholeRead:
    """Score of an encoder with a classifier of its own."""

    def __init__(self, classifier: Any) -> None:
        self.classifier = classifier

    def __call__(self, batch: PaddedBatch) -> Any:
        """Logits, a float32 tensor (n, k)."""
        torch = require("torch", extra="models")
        device = next(self.classifier.parameters()).device
        given = {"input_ids": batch.ids, "attention_mask": batch.mask, "token_type_ids": batch.segments}
        tensors = {name: torch.from_numpy(a).to(device) for name, a in given.items() if a is not None}
        return self.classifier(**tensors).logits.float()
