"""What similar texts say of a label: pairs near each pair, and how many of them have the other label.

Pairs are compared with neighbours from other prompts only, because answers to one prompt share
its labels for its own sake. A neighbour is one text under one prompt; where that has several
pairs, their mean label counts. What else speaks against a label, and the ranking, is in
`btviz.models.label_noise`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from btviz.data.dataset import Dataset
from btviz.errors import UsageError
from btviz.texts.embedding import Embeddings
from btviz.texts.neighbors import nearest_neighbors

Values = npt.NDArray[np.float64]

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Neighborhoods:
    """Who is whose neighbour. A unit is one text under one prompt.

    `near` holds the texts of each text's neighbourhood, itself first; `same`, for each of its
    columns, the units that have a unit of their own prompt there, and that unit.
    """

    pair_id: npt.NDArray[np.uint64]
    prompt_of_pair: Rows
    unit_of_pair: Rows
    text_of_unit: Rows
    near: Rows
    same: list[tuple[Rows, Rows]]


def neighborhoods(ds: Dataset, emb: Embeddings) -> Neighborhoods:
    """Find the texts near each pair's; raises where a pair has no vector."""
    pairs = ds.items.sort("pair_id")
    joined = pairs.select("pair_id", "prompt_id").join(emb.pairs, on="pair_id", how="left", maintain_order="left")
    if missing := joined["text_id"].null_count():
        raise UsageError(f"Labels of {pairs.height:,} pairs were to be judged; {missing:,} have no vector. Embed them.")
    text = np.searchsorted(emb.text_ids, joined["text_id"].to_numpy()).astype(np.int64)
    prompts, prompt = np.unique(joined["prompt_id"].to_numpy(), return_inverse=True)
    units, unit_of_pair = np.unique(text * len(prompts) + prompt, return_inverse=True)
    text_of_unit, prompt_of_unit = np.divmod(units, max(len(prompts), 1))
    near = np.hstack([np.arange(len(emb))[:, None], nearest_neighbors(emb).indices]).astype(np.int64)
    same = []
    for column in near.T:
        there = column[text_of_unit] * len(prompts) + prompt_of_unit
        place = np.minimum(np.searchsorted(units, there), max(len(units) - 1, 0))
        rows = np.flatnonzero(units[place] == there)
        same.append((rows, place[rows]))
    return Neighborhoods(joined["pair_id"].to_numpy(), prompt.astype(np.int64), unit_of_pair, text_of_unit, near, same)


def contradiction(near: Neighborhoods, label: Values) -> tuple[Values, Values]:
    """Share of neighbours with the other label (nan where there are none), and their number; by pair."""
    n_units, n_texts = len(near.text_of_unit), len(near.near)
    known = ~np.isnan(label)
    n_known = np.bincount(near.unit_of_pair, known, minlength=n_units)
    positive = np.bincount(near.unit_of_pair, np.where(known, label, 0.0), minlength=n_units)
    count = (n_known > 0).astype(np.float64)
    mean = positive / np.maximum(n_known, 1)
    sums = np.zeros((2, n_units))
    for column, (rows, same_prompt) in zip(near.near.T, near.same, strict=True):
        for row, of_unit in enumerate((mean, count)):
            of_text = np.bincount(near.text_of_unit, of_unit, minlength=n_texts)
            sums[row] += of_text[column][near.text_of_unit]
            sums[row, rows] -= of_unit[same_prompt]
    number = sums[1][near.unit_of_pair]
    share = np.divide(sums[0][near.unit_of_pair], number, out=np.full(len(label), np.nan), where=number > 0)
    return np.where(label == 1, 1 - share, share), np.where(known, number, 0.0)
