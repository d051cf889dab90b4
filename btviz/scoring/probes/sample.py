"""A data set and its vectors, prepared for fitting: answers, groups of their prompts, folds, examples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.dataset import Dataset
from btviz.embedding import Embeddings
from btviz.errors import UsageError
from btviz.scoring.probes.calibrated import Scorer, scaled, targets
from btviz.scoring.probes.examples import EXAMPLES, Examples
from btviz.scoring.probes.folds import grouped_folds
from btviz.scoring.probes.groups import prompt_groups
from btviz.scoring.probes.linear import Vectors, fit_heads


@dataclass(frozen=True, eq=False)
class Sample:
    """What a probe is fitted on: m answers in the order of their ids.

    Attributes
    ----------
    kind : str
        "reward", "cost" or "moderation".
    ids : Series
        `pair_id` of each answer, ascending.
    vectors : ndarray of float32, shape (m, d)
    groups : ndarray of uint64, shape (m,)
        Group of near-duplicate prompts that an answer's prompt is in.
    fold : ndarray of int64, shape (m,)
        Fold that an answer is held out in.
    examples : Examples
        Rows to learn from.
    """

    kind: str
    ids: pl.Series
    vectors: Vectors
    groups: npt.NDArray[np.uint64]
    fold: npt.NDArray[np.int64]
    examples: Examples

    @property
    def labels(self) -> tuple[str, ...]:
        """Targets of moderation, else empty."""
        return targets(self.examples.heads) if self.kind == "moderation" else ()

    @classmethod
    def of(cls, ds: Dataset, emb: Embeddings, *, kind: str, n_folds: int, random_state: int) -> Sample:
        """Prepare a data set.

        Raises
        ------
        UsageError
            If there are fewer groups of prompts than folds.
        DataError
            If the data set has no label of this kind.
        """
        ids = ds.pairs["pair_id"]
        group = prompt_groups(ds.pairs.select("prompt_id", "prompt").unique("prompt_id"))
        groups = ds.pairs.select("prompt_id").join(group, on="prompt_id", maintain_order="left")["group"].to_numpy()
        if (found := len(np.unique(groups))) < n_folds:
            raise UsageError(
                f"{n_folds} folds were asked for; the prompts of {ds.name!r} form {found} groups of near-duplicates. "
                "Ask for fewer folds, or use more data."
            )
        fold = grouped_folds(groups, n_folds=n_folds, random_state=random_state)
        return cls(kind, ids, emb.of_pairs(ids), groups, fold, EXAMPLES[kind](ds, ids=ids))


def cross_fitted(
    sample: Sample, *, n_folds: int, l2: float, allowed: npt.NDArray[np.bool_] | None = None
) -> Iterator[tuple[npt.NDArray[np.bool_], Scorer]]:
    """Answers held out of each fold, shape (m,), and what was fitted without them.

    Parameters
    ----------
    sample : Sample
        What to fit on.
    n_folds : int
        As the sample was made for.
    l2 : float
        Ridge penalty.
    allowed : ndarray of bool, optional
        Rows of the examples that may be learned from at all; default: all.
    """
    rows = np.ones(len(sample.examples.signs), bool) if allowed is None else allowed
    for number in range(n_folds):
        held_out = sample.fold == number
        yield held_out, fit_rows(sample, rows=rows & ~held_out[sample.examples.answer], l2=l2)


def fit_rows(sample: Sample, *, rows: npt.NDArray[np.bool_], l2: float) -> Scorer:
    """Fit on some rows of the examples, and scale by their answers."""
    examples = sample.examples
    heads = fit_heads(sample.vectors, examples, rows=rows, groups=sample.groups, l2=l2)
    trained = sample.vectors[np.unique(examples.contrasts[rows].indices)]
    return scaled(heads, trained, kind=sample.kind, names=examples.heads)
