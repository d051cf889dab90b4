"""The QA pairs behind a cell of the association matrix or a bar of the category shares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from btviz.taxonomy.categories import Category
from btviz.widgets.inspector.index import PairIndex, Rows


@dataclass(frozen=True, eq=False)
class Behind:
    """What a click stands for."""

    rows: Rows
    n_items: int
    origin: str
    expression: str | None


def pairs_behind(index: PairIndex, categories: tuple[Category, ...], *, population: str, where: str) -> Behind:
    """Find the pairs that a count of one category, or of two together, rests on."""
    need = np.uint32(sum({1 << category.bit for category in categories}))
    rows, n_items = _COUNT[population](index, need, where == "unsafe")
    names = list(dict.fromkeys(category.title for category in categories))
    subject = "unsafe " * (where == "unsafe") + (population if n_items != 1 else population[:-1])
    return Behind(
        rows,
        n_items,
        f"{' × '.join(names)}: {n_items:,} {subject}{_then(population, len(rows), several=len(names) > 1)}",
        _expression([c.slug for c in categories], index, population=population, unsafe=where == "unsafe"),
    )


def _annotations(index: PairIndex, need: np.uint32, unsafe: bool) -> tuple[Rows, int]:
    hits = (index.annotation_labels & need) == need
    if unsafe:
        hits &= ~index.annotation_is_safe
    return np.unique(index.annotation_row[hits]), int(hits.sum())


def _pairs(index: PairIndex, need: np.uint32, unsafe: bool) -> tuple[Rows, int]:
    hits = (index.labels & need) == need
    rows = np.flatnonzero(hits & index.is_unsafe if unsafe else hits)
    return rows, len(rows)


def _prompts(index: PairIndex, need: np.uint32, unsafe: bool) -> tuple[Rows, int]:
    hits = (index.prompt_labels & need) == need
    if unsafe:
        hits &= index.prompt_is_unsafe
    return np.flatnonzero(hits[index.prompt_code] & ((index.labels & need) != 0)), int(hits.sum())


_COUNT = {"annotations": _annotations, "pairs": _pairs, "prompts": _prompts}


def _then(population: str, n_pairs: int, *, several: bool) -> str:
    if population == "pairs":
        return " by majority"
    noun = f"{n_pairs:,} pair{'s' * (n_pairs != 1)}"
    if population == "annotations":
        return f" → {noun} with at least one annotation carrying {'both' if several else 'it'}"
    return f" → {noun} of theirs carrying {'either' if several else 'it'}"


def _expression(slugs: list[str], index: PairIndex, *, population: str, unsafe: bool) -> str | None:
    has = [f'ds.taxonomy.has("{slug}")' for slug in dict.fromkeys(slugs)]
    safety = ['~pl.col("is_safe")'] if unsafe else []
    if population == "annotations":
        rows = f"ds.annotations.filter({' & '.join(has + safety)})"
        return f'pl.col("pair_id").is_in({rows}["pair_id"].implode())'
    if not (index.is_safe | index.is_unsafe).all():
        return None  # contradictory pairs take part in no count, which an expression would not know
    if population == "pairs":
        return " & ".join(has + safety)
    asked = [f'({part}).any().over("prompt_id")' for part in has + safety]
    return " & ".join([f"({' | '.join(has)})", *asked])
