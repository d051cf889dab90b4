"""Batches whose shape is a function of the length of a text, never of its neighbours in the batch.

Sums of floating-point numbers depend on the shape of the matrices they are taken in. A text is
therefore always computed in the same shape: its length rounded up, and as many rows as fit the
token budget at that length, with filler rows where there are not enough texts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

STEP = 16
"""Lengths of texts are rounded up to a multiple of so many tokens."""

BUDGET = 512
"""Tokens of a batch, padding included; a batch that stays in the processor's cache is the fastest."""


def columns_of(length: int, *, step: int = STEP) -> int:
    """Tokens a row has for a text of `length` tokens."""
    return max(step, -(-length // step) * step)


def rows_of(columns: int, *, budget: int = BUDGET) -> int:
    """Rows of every batch with so many columns: a power of two, at least 1."""
    return 1 << max(0, (budget // columns).bit_length() - 1)


def batches(lengths: npt.NDArray[np.int64], *, budget: int = BUDGET, step: int = STEP) -> list[npt.NDArray[np.int64]]:
    """Sort texts by length and cut them into batches of one shape each."""
    order = np.argsort(lengths, kind="stable")
    columns = np.maximum(step, -(-lengths[order] // step) * step)
    parts = []
    for group in np.split(order, np.flatnonzero(np.diff(columns)) + 1):
        if len(group):
            rows = rows_of(columns_of(int(lengths[group[0]]), step=step), budget=budget)
            parts += np.split(group, range(rows, len(group), rows))
    return parts


def padded(
    tokens: list[list[int]], *, filler: int, budget: int = BUDGET, step: int = STEP
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Tokens of the texts of one batch, and the mask of those that count, in the batch's full shape."""
    columns = columns_of(len(tokens[0]), step=step)
    ids = np.full((rows_of(columns, budget=budget), columns), filler, np.int64)
    mask = np.zeros_like(ids)
    mask[len(tokens) :, 0] = 1
    for row, text in enumerate(tokens):
        ids[row, : len(text)] = text
        mask[row, : len(text)] = 1
    return ids, mask


def unit(vectors: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Vectors of length 1 in float32; a vector of zeros, which has no direction, becomes the first axis."""
    exact: npt.NDArray[np.float64] = vectors.astype(np.float64)
    # rows are summed one at a time, so that a norm does not depend on how many there are
    norms = np.sqrt(np.einsum("ij,ij->i", exact, exact))
    exact[norms == 0, 0] = norms[norms == 0] = 1
    exact /= norms[:, None]
    return exact.astype(np.float32)
