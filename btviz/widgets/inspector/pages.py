"""What one page of the pair inspector shows: labels, votes and counts, never a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from btviz.data.dataset import Dataset
from btviz.session.content import ContentPolicy
from btviz.session.selection import hex_id
from btviz.taxonomy.categories import Taxonomy
from btviz.widgets.inspector.index import PairIndex, Rows

_FACTS = ("split", "source", "severity", "prompt_words", "response_words")


def categories_of(taxonomy: Taxonomy, policy: ContentPolicy) -> list[dict[str, Any]]:
    """Categories in the order of their bits, with what hovering over one shows."""
    guarded = {category.slug for category in policy.guarded(taxonomy)}
    return [
        {
            "slug": category.slug,
            "title": category.title,
            "definition": category.definition,
            "guarded": category.slug in guarded,
        }
        for category in taxonomy.categories
    ]


def cards_of(rows: Rows, *, ds: Dataset, index: PairIndex) -> list[dict[str, Any]]:
    """Describe pairs for the front end."""
    columns = [name for name in _FACTS if name in ds.pairs.columns]
    facts = ds.pairs.select(columns)[rows].to_dicts()
    told = _told_by_comparisons(ds, index, rows)
    return [_card(ds, index, int(row), fact | {"told": row in told}) for row, fact in zip(rows, facts, strict=True)]


def _told_by_comparisons(ds: Dataset, index: PairIndex, rows: Rows) -> set[int]:
    """Rows without annotations of their own whose safety some comparison tells."""
    open_rows = rows[index.n_annotations[rows] == 0]
    ids = pl.Series(index.pair_ids[open_rows], dtype=pl.UInt64).implode()
    found = [
        ds.preferences.filter(pl.col(f"pair_id_{side}").is_in(ids), pl.col(f"is_safe_{side}").is_not_null())[
            f"pair_id_{side}"
        ]
        for side in (0, 1)
    ]
    return set(index.rows_of(pl.concat(found)).tolist())


def _card(ds: Dataset, index: PairIndex, row: int, facts: Mapping[str, Any]) -> dict[str, Any]:
    n = int(index.n_annotations[row])
    severity = facts.get("severity")
    levels: Sequence[str] = ds.taxonomy.severities
    return {
        "row": row,
        "pair": hex_id(int(index.pair_ids[row])),
        "safe": bool(index.is_safe[row]) if index.is_safe[row] or index.is_unsafe[row] else None,
        "labelled": n > 0 or facts["told"],
        "unsafe": int(index.n_unsafe[row]),
        "annotations": n,
        "disputed": bool(index.disputed[row]) if n > 1 else None,
        "votes": index.votes(row) or _released(index, row),
        "answers": int(np.count_nonzero(index.prompt_ids == index.prompt_ids[row])),
        "source": facts.get("source"),
        "severity": levels[severity] if severity is not None and severity < len(levels) else None,
        "words": [facts.get("prompt_words"), facts.get("response_words")],
    }


def _released(index: PairIndex, row: int) -> list[tuple[int, int]]:
    """Labels of a pair that has no annotations of its own: all that its comparisons give it."""
    return [(category.bit, 0) for category in index.taxonomy.members(int(index.any_labels[row]))]
