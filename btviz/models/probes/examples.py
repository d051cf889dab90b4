"""What a probe learns from: answers, contrasts between them, and the sign each contrast should have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from btviz.data.dataset import Dataset
from btviz.errors import DataError, require

SEVERITY = "severity"
"""Target of a moderation probe beside the categories: the expected level, from 0 on."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Examples:
    """Rows to learn from, as contrasts of answers."""

    contrasts: Any
    signs: Floats
    answer: npt.NDArray[np.int64]
    heads: tuple[str, ...]
    counts: Mapping[str, int] = field(default_factory=dict)


def reward_examples(ds: Dataset, *, ids: pl.Series) -> Examples:
    """Comparisons: the better answer less the other (Bradley-Terry)."""
    rows = _comparisons(ds, "better", ids=ids)
    if rows.is_empty():
        raise DataError(
            f"A reward probe learns from which answer is better; {ds.name!r} says so of no two different answers. "
            "Use a data set of preferences with that label, or fit a cost or moderation probe."
        )
    contrasts = contrasts_of(rows["high"], rows["low"], n_answers=len(ids))
    return Examples(
        contrasts, np.ones((rows.height, 1)), rows["high"].to_numpy(), ("reward",), {"comparisons": rows.height}
    )


def cost_examples(ds: Dataset, *, ids: pl.Series) -> Examples:
    """Comparisons, the less safe answer less the other, and every judged answer by its safety label.

    The two terms of Safe RLHF's cost loss (arXiv 2310.12773, equation 6), each row counting once. Safety
    is that released in the comparison's own row; where there are no comparisons, that of the annotations.
    """
    rows = _comparisons(ds, "safer", ids=ids).rename({"high": "low", "low": "high"})
    judged = _judged_answers(ds, ids=ids)
    if judged["is_safe"].n_unique() < 2 and rows.is_empty():
        raise DataError(
            f"A cost probe learns from safe and unsafe answers; {ds.name!r} has no comparison with a safer answer and "
            f"{judged['is_safe'].n_unique()} of the two safety labels. Use a data set with both."
        )
    answers = judged["answer"].to_numpy()
    contrasts = require("scipy.sparse", extra="models").vstack(
        [contrasts_of(rows["high"], rows["low"], n_answers=len(ids)), singles(answers, n_answers=len(ids))]
    )
    signs = np.concatenate([np.ones(rows.height), np.where(judged["is_safe"].to_numpy(), -1.0, 1.0)])
    counts = {
        "comparisons": rows.height,
        "answers": judged.height,
        "unsafe answers": int((~judged["is_safe"]).sum()),
    }
    owner = np.concatenate([rows["high"].to_numpy(), answers]).astype(np.int64)
    return Examples(contrasts.tocsr(), signs[:, None], owner, ("cost",), counts)


def moderation_examples(ds: Dataset, *, ids: pl.Series) -> Examples:
    """Pairs by the majority label of each category, and by each severity level from 1 on."""
    pairs = _numbered(ds.pairs, ids=ids).drop_nulls("labels")
    if pairs.is_empty() or not (pairs["labels"] > 0).any():
        raise DataError(
            f"A moderation probe learns from harm categories; {ds.name!r} gives no answer one. Use a data set with "
            "categories, or fit a cost probe, which needs safety labels only."
        )
    answers = pairs["answer"].to_numpy()
    flags = pairs.select(ds.taxonomy.has(key).alias(key) for key in ds.taxonomy.keys)
    labels = [column.to_numpy() for column in flags.iter_columns()]
    heads = [category.slug for category in ds.taxonomy.categories]
    if pairs["severity"].null_count() == 0:
        for level in range(1, int(pairs["severity"].to_numpy().max()) + 1):
            labels.append((pairs["severity"] >= level).to_numpy())
            heads.append(f"{SEVERITY}>={level}")
    signs = np.where(np.stack(labels, axis=1), 1.0, -1.0)
    counts = {"answers": pairs.height}
    return Examples(singles(answers, n_answers=len(ids)), signs, answers, tuple(heads), counts)


EXAMPLES = {"reward": reward_examples, "cost": cost_examples, "moderation": moderation_examples}


def _comparisons(ds: Dataset, label: str, *, ids: pl.Series) -> pl.DataFrame:
    """Rows of two different answers: `high` has the label, `low` has not; numbers of answers."""
    rows = ds.preferences.drop_nulls(label).filter(pl.col("pair_id_0") != pl.col("pair_id_1"))
    chosen, other = pl.col(label) == 1, pl.col(label) == 0
    sides = rows.select(
        pl.when(chosen).then("pair_id_1").otherwise("pair_id_0").alias("high"),
        pl.when(other).then("pair_id_1").otherwise("pair_id_0").alias("low"),
    )
    return sides.select(numbers_of(sides[side], ids=ids).alias(side) for side in ("high", "low"))


def _judged_answers(ds: Dataset, *, ids: pl.Series) -> pl.DataFrame:
    """`answer` and `is_safe`, once for each time that a row of the release judges it."""
    if ds.preferences.is_empty():
        return _numbered(ds.annotations, ids=ids).drop_nulls("is_safe").select("answer", "is_safe")
    sides = pl.concat(
        ds.preferences.select(pl.col(f"pair_id_{side}").alias("pair_id"), pl.col(f"is_safe_{side}").alias("is_safe"))
        for side in (0, 1)
    )
    return _numbered(sides, ids=ids).drop_nulls("is_safe").select("answer", "is_safe")


def _numbered(frame: pl.DataFrame, *, ids: pl.Series) -> pl.DataFrame:
    return frame.with_columns(numbers_of(frame["pair_id"], ids=ids).alias("answer"))


def numbers_of(pair_ids: pl.Series, *, ids: pl.Series) -> pl.Series:
    """Places of pairs among ascending ids, all of which are known."""
    return pl.Series(np.searchsorted(ids.to_numpy(), pair_ids.to_numpy()), dtype=pl.Int64)


def singles(answers: npt.NDArray[np.int64], *, n_answers: int) -> Any:
    """Sparse rows of one answer each, shape (rows, n_answers)."""
    n = len(answers)
    entries = (np.ones(n, np.float32), (np.arange(n), answers))
    return require("scipy.sparse", extra="models").csr_array(entries, shape=(n, n_answers))


def contrasts_of(high: pl.Series, low: pl.Series, *, n_answers: int) -> Any:
    """Sparse rows of one answer less another each, shape (rows, n_answers)."""
    return singles(high.to_numpy(), n_answers=n_answers) - singles(low.to_numpy(), n_answers=n_answers)
