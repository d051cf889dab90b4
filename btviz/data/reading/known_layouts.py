"""Layouts of the files that were released, and which of them a file has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import polars as pl

from btviz.data.reading.cells import Column, Objects, column_at, everywhere, parts
from btviz.data.reading.columns import Code, Flag
from btviz.data.reading.label_column import Labels
from btviz.data.reading.layouts import Field, Layout
from btviz.data.reading.record import ABSENT, Batch
from btviz.taxonomy.categories import BEAVERTAILS, PKU_SAFERLHF, TAXONOMIES, Taxonomy

_ANSWERED = ("response", "answer", "output", "completion", "is_", "category", "harm")

SEVERITY = Code((0, 1, 2, 3), PKU_SAFERLHF.severities)


def _annotations(name: str, taxonomy: Taxonomy, *fields: Field, not_kept: Iterable[str] = ()) -> Layout:
    texts = (Field("prompt", "prompt"), Field("response", "response"), Field("is_safe", "is_safe", Flag()))
    layout = Layout(name, "annotations", (*texts, *fields), None, frozenset(not_kept))
    return layout.with_taxonomy(taxonomy)


def _answer_fields(i: int) -> list[Field]:
    head = f"response_{i}"
    return [
        Field(head, head),
        Field(f"is_safe_{i}", f"is_response_{i}_safe", Flag(), "report", optional=True),
        Field(f"labels_{i}", f"{head}_harm_category", Labels(), "report", optional=True),
        Field(f"severity_{i}", f"{head}_severity_level", SEVERITY, "report", optional=True),
        Field(f"source_{i}", f"{head}_source", without="allow", optional=True),
    ]


LAYOUTS = (
    _annotations("beavertails", BEAVERTAILS, Field("labels", "category", Labels())),
    _annotations(
        "saferlhf-qa",
        PKU_SAFERLHF,
        Field("labels", "harm_category", Labels()),
        Field("severity", "severity_level", SEVERITY, "report"),
        Field("source", "response_source", without="allow", optional=True),
        not_kept=("prompt_source", "sha256"),
    ),
    Layout(
        "preferences",
        "preferences",
        (
            Field("prompt", "prompt"),
            *_answer_fields(0),
            *_answer_fields(1),
            Field("better", "better_response_id", Code((0, 1)), "report", optional=True),
            Field("safer", "safer_response_id", Code((0, 1)), "report"),
            Field("prompt_source", "prompt_source", without="allow", optional=True),
        ),
        None,
        frozenset({"response_0_sha256", "response_1_sha256"}),
    ),
    Layout(
        "single-preferences",
        "preferences",
        (
            Field("prompt", "prompt"),
            *_answer_fields(0),
            *_answer_fields(1),
            Field("better", "better_response_id", Code((-1, 0, 1)), "report"),
            Field("prompt_source", "prompt_source", without="allow", optional=True),
        ),
        None,
        frozenset({"response_0_sha256", "response_1_sha256"}),
    ),
    Layout(
        "evaluation",
        "prompts",
        (Field("prompt", "prompt"), Field("labels", "category", Labels(single=True))),
        None,
        frozenset({"category_id"}),
    ).with_taxonomy(BEAVERTAILS),
    Layout("prompts", "prompts", (Field("prompt", "prompt"),)),
)
"""Every layout that is recognised: the first that at least half of a sample's rows fit, else that which most fit."""

SPLIT = Field("split", "split", without="allow", optional=True)
"""A file of any layout may say in each row which split it is of."""


def recognise(sample: Batch, *, taxonomy: Taxonomy | None = None) -> Layout | None:
    """The layout of a file by a sample of its rows, narrowed to the optional keys that these have; None if none fits.

    Its categories are those of `taxonomy` or, if that is not given, of the release they belong to.
    """
    keys = list(sample.columns)
    votes = {layout.name: _votes(layout, sample) for layout in LAYOUTS}
    votes["prompts"] *= not any(key.startswith(_ANSWERED) for key in keys)  # answers misspelt are not prompts alone
    common = [layout for layout in LAYOUTS if votes[layout.name] * 2 >= len(sample.lines)]
    best = common[0] if common else max(LAYOUTS, key=lambda layout: votes[layout.name])
    if not votes[best.name]:
        return None
    fields = tuple(f for f in (*best.fields, SPLIT) if not f.optional or column_at(sample.columns, f.key) is not None)
    narrowed = replace(best, fields=fields, not_kept=best.not_kept & frozenset(keys))
    if best.name == "prompts":  # nothing else is needed of them, so nothing else is odd
        return replace(narrowed, not_kept=frozenset(keys) - {"prompt"})
    return _with_taxonomy(narrowed, sample, taxonomy)


def _votes(layout: Layout, sample: Batch) -> int:
    """How many rows of a sample have every required key of a layout."""
    there = everywhere(len(sample.lines))
    for field in layout.required:
        column = column_at(sample.columns, field.key)
        if column is None:
            return 0
        there &= _is_there(column)
    return int(there.sum())


def _is_there(column: Column) -> pl.Series:
    if isinstance(column, list):
        return pl.Series([cell is not ABSENT for cell in column], dtype=pl.Boolean)
    height = column.height if isinstance(column, Objects) else len(column)
    return everywhere(height)


def _with_taxonomy(layout: Layout, sample: Batch, taxonomy: Taxonomy | None) -> Layout:
    members = {name for f in layout.fields if isinstance(f.reader, Labels) for name in _members(sample, f)}
    if taxonomy is not None:
        return layout.with_taxonomy(taxonomy) if layout.has_labels else layout
    if layout.taxonomy is not None or not members:
        return layout
    overlap = {name: len(set(t.keys) & members) for name, t in TAXONOMIES.items()}
    return layout.with_taxonomy(TAXONOMIES[max(overlap, key=lambda name: overlap[name])])


def _members(sample: Batch, field: Field) -> set[str]:
    column = column_at(sample.columns, field.key)
    found = [] if column is None else parts(column)
    return {name for part in found if isinstance(part.nested, Objects) for name in part.nested.members}
