"""How well a score could do at all, in sentences."""

from __future__ import annotations

from typing import Any

import polars as pl

from btviz.dataset import Dataset
from btviz.preference.verdicts import name_of
from btviz.sentences.phrases import lines, percent

_ITEMS = {"comparison": "comparisons", "answer of a comparison": "answers"}
_LABELS = {"better": "which answer is better", "safer": "which answer is safer", "is_safe": "whether an answer is safe"}


def attainable(table: pl.DataFrame, ds: Dataset) -> str:
    """Say where labels contradict each other, and what accuracy that leaves.

    Parameters
    ----------
    table : DataFrame
        From `btviz.score_ceilings`.
    ds : Dataset
        The data set with the labels.

    Returns
    -------
    str
        A line a label that is known.
    """
    said = [_line(row) for row in table.drop_nulls("ceiling").to_dicts()]
    if not said:
        return f"In {name_of(ds)} no comparison has a label."
    return lines(f"In {name_of(ds)}:", *said)


def _line(row: dict[str, Any]) -> str:
    items = _ITEMS[row["unit"]]
    about = _LABELS[row["label"]]
    if not row["n_contradictory"]:
        return f"no two labels contradict each other on {about}, over {row['n_distinct']:,} distinct {items}."
    return (
        f"labels contradict each other on {about} in {row['n_contradictory']:,} of {row['n_distinct']:,} distinct "
        f"{items}, so that no score can agree with more than {percent(row['ceiling'])} of {row['n']:,} labels."
    )
