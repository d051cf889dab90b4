"""Which layout a file has: voted by a sample of its rows, and completed by what a user says of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import polars as pl

from btviz.data.keys import PREFIX, is_key
from btviz.data.reading.cells import Column, Objects, column_at, everywhere, length, parts
from btviz.data.reading.columns import ANSWER, KeyText, Text
from btviz.data.reading.known_layouts import LAYOUTS, SPLIT
from btviz.data.reading.label_column import Labels, Unflagged, names_in, numbers_in
from btviz.data.reading.layouts import Field, Layout, looks_like_label
from btviz.data.reading.mapping import mapped_fields, mapped_layout
from btviz.data.reading.record import ABSENT, Batch, Cells
from btviz.data.reading.shapes.neighbours import NEIGHBOUR_LAYOUTS
from btviz.data.reading.summaries import KNOWN_TAXONOMIES
from btviz.errors import UsageError
from btviz.taxonomy.categories import BEAVERTAILS, PKU_SAFERLHF, Taxonomy
from btviz.taxonomy.spelling import DIVIDERS, best_taxonomy, bit_of, bits_of

EMPTY = "Categories are names in a text: where it is empty, none is named."

DERIVED = "is_safe is derived from the categories: safe where none is named."


def recognise(
    sample: Batch, *, taxonomy: Taxonomy | None = None, columns: Mapping[str, str] | None = None
) -> Layout | None:
    """The layout of a file by a sample of its rows; None if none fits.

    Parameters
    ----------
    sample : Batch
        First rows of the file.
    taxonomy : Taxonomy, optional
        Of the categories; by default the known one that has most of their names.
    columns : Mapping, optional
        What a user says of the columns; see `btviz.data.reading.mapping`.
    """
    mapped = mapped_fields(columns or {}, sample)
    layout = _voted(sample, mapped, other=other_labels(sample, taxonomy)) or (mapped_layout(mapped) if mapped else None)
    if layout is None:
        return None
    narrowed = _with_taxonomy(_with_numbers(layout.narrowed(sample.columns), sample, taxonomy), sample, taxonomy)
    return _with_rest(_with_answers(_with_safety(narrowed)), sample)


def _voted(sample: Batch, mapped: Mapping[str, Field], *, other: Field | None) -> Layout | None:
    """The layout that rows vote for, with fields as the user has them."""
    keys = keys_of(sample)
    neighbours = [layout for layout in NEIGHBOUR_LAYOUTS if not mapped or _is_released(layout, sample, keys=keys)]
    fitting = [layout for layout in (*neighbours, *LAYOUTS) if layout.fits is None or layout.fits(sample)]
    layouts = [_with_fields(layout, mapped, other) for layout in fitting]
    votes = {
        layout.name: _votes(layout, sample) for layout in layouts if _is_whole(layout, sample, mapped=mapped, keys=keys)
    }
    common = [layout for layout in layouts if votes.get(layout.name, 0) * 2 >= max(1, len(sample.lines))]
    best = common[0] if common else max(layouts, key=lambda layout: votes.get(layout.name, 0))
    return best if votes.get(best.name) else None


def _is_released(layout: Layout, sample: Batch, *, keys: Sequence[str]) -> bool:
    """Whether a file is one of a neighbour's, whatever a user says of it."""
    return _is_whole(layout, sample, mapped={}, keys=keys) and _votes(layout, sample) * 2 >= max(1, len(sample.lines))


def _with_fields(layout: Layout, mapped: Mapping[str, Field], other: Field | None) -> Layout:
    """The layout with fields as the user has them, and with labels found elsewhere if it may have any."""
    open_labels = other is not None and any(f.column == other.column and f.optional for f in layout.fields)
    known = (*layout.fields, SPLIT, *([other] if other is not None and open_labels else []))
    return replace(layout, fields=(*mapped.values(), *(field for field in known if field.column not in mapped)))


_LABEL_KEYS = ("labels", "categories", "harm_categories", "harm_labels", "violated_categories", "violations")


def other_labels(sample: Batch, taxonomy: Taxonomy | None) -> Field | None:
    """Labels under other keys than the released ones, where the names of a taxonomy leave no doubt.

    Either a key that is called so, and whose values name categories of one taxonomy; or a column for each category of
    one, whatever stands before its name.
    """
    known = KNOWN_TAXONOMIES if taxonomy is None else (taxonomy,)
    for key in _LABEL_KEYS:
        column = column_at(sample.columns, key)
        names = [] if column is None else names_in(column)
        if names and any(all(bits_of(name, t) is not None for name in names) for t in known):
            return Field("labels", key, Labels(), "report", optional=True)
    for candidate in known:
        if len(candidate) > 2:  # fewer names may stand in any file
            for pattern in _patterns(sample, candidate):
                return Field("labels", pattern, Labels(is_among_others=True), "report", optional=True)
    return None


def _patterns(sample: Batch, taxonomy: Taxonomy) -> Iterator[str]:
    """What stands before the names of all categories of a taxonomy in the keys of columns, with a star for the name."""
    heads: dict[str, set[int]] = {}
    for key in sample.columns:
        starts = [0, *(mark.end() for mark in re.finditer(r"[_.\-/: \[(]+|(?<=[a-z])(?=[A-Z])", key))]
        for start in starts:
            if (bit := bit_of(key[start:], taxonomy)) is not None:
                heads.setdefault(key[:start], set()).add(bit)
    yield from (f"{head}*" for head, bits in heads.items() if len(bits) == len(taxonomy))


def _is_whole(layout: Layout, sample: Batch, *, mapped: Mapping[str, Field], keys: Sequence[str]) -> bool:
    """Whether a layout may be taken for all that a file is.

    Texts alone are taken for a file of texts only if nothing else in it looks like an answer or a label, or if the
    user says so: else labels spelt in another way would be lost without a word.
    """
    if mapped:
        return all(_belongs(column, layout) for column in mapped)
    narrowed = layout.narrowed(sample.columns)
    named = {*(f.column for f in narrowed.fields), *sample.canonical}
    if named & LABELS and layout.produces != "prompts":
        return True
    rest = [key for key in keys if not narrowed.knows(key)]
    if layout.produces == "prompts" and any(key.lower().startswith(_ANSWERED) for key in rest):
        return False
    if layout.produces == "prompts":  # without an answer there is none that could be the better one
        rest = [key for key in rest if not _ORDER_WITHIN.search(key)]
    return narrowed.has_labels or not any(looks_like_label(key) for key in rest)


def _belongs(column: str, layout: Layout) -> bool:
    """Whether a canonical column is one of the table that a layout's rows become."""
    if column == SPLIT.column:
        return True
    if column.startswith(PREFIX):
        return layout.produces != "prompts"
    match layout.produces:
        case "prompts":
            return column in {"prompt", "prompt_source"} or (column == "labels" and layout.has_labels)
        case "preferences":
            return column in {"prompt", "prompt_source", "better", "safer", "overall"} or column[-2:] in {"_0", "_1"}
    return column in {"prompt", "prompt_source", "response", "is_safe", "labels", "severity", "source"}


LABELS = frozenset(
    {f"{name}{side}" for name in ("is_safe", "labels", "severity") for side in ("", "_0", "_1")}
    | {"better", "safer", "overall", "prompt_labels", "prompt_is_safe"}
)
"""Canonical columns of labels."""

_ORDER_WITHIN = re.compile(r"\.(?:(?:safer|better|overall|preferred|chosen)_)?response_(?:id|index)$")
"""Which of two answers, as a member of what else is known of a row."""

_ANSWERED = ("response", "answer", "output", "completion", "reply")


def keys_of(sample: Batch) -> list[str]:
    """Keys of a sample, and those of the objects in it, one level down, as paths."""
    keys = []
    for key, cells in sample.columns.items():
        keys.append(key)
        nested = [part.nested for part in parts(cells) if isinstance(part.nested, Objects)]
        keys += [f"{key}.{name}" for objects in nested for name in objects.members]
    return list(dict.fromkeys(keys))


def _votes(layout: Layout, sample: Batch) -> int:
    """How many rows of a sample have every required key of a layout."""
    there = everywhere(len(sample.lines))
    for required in layout.required:
        if required.key:
            column = column_at(sample.columns, required.key)
            if column is None:
                return 0
            there &= is_there(column)
            if required.column in LABELS:  # a column of nothing but nulls labels nothing
                there &= _is_filled(column)
    return int(there.sum())


def _is_filled(column: Column) -> pl.Series:
    """Which rows have a value."""
    empty = [part for part in parts(column) if part.kind in {"null", "absent"}]
    filled = everywhere(length(column))
    for part in empty:
        filled = ~filled if part.rows is None else filled.scatter(part.rows, values=False)
    return filled


def is_there(column: Column) -> pl.Series:
    """Which rows have a key."""
    if isinstance(column, list):
        return pl.Series([cell is not ABSENT for cell in column], dtype=pl.Boolean)
    return everywhere(length(column))


def _with_numbers(layout: Layout, sample: Batch, taxonomy: Taxonomy | None) -> Layout:
    """Where categories are numbers and nothing else, tell whether they begin at 0 or at 1, or that nobody can."""
    for each in layout.fields:
        column = column_at(sample.columns, each.key) if isinstance(each.reader, Labels) else None
        if not isinstance(each.reader, Labels) or column is None or each.reader.first is not None or _has_names(column):
            continue
        numbers = numbers_in(column)
        if not numbers:
            continue
        theirs = taxonomy or layout.taxonomy or (PKU_SAFERLHF if "harm" in each.key else BEAVERTAILS)
        first = 0 if min(numbers) == 0 else 1 if max(numbers) == len(theirs) else None
        if first is None:
            return replace(layout, doubt=each.key)
        fields = (replace(f, reader=replace(each.reader, first=first)) if f is each else f for f in layout.fields)
        said = f"Categories are numbers, taken for those of {theirs.name} from {first} on."
        return replace(layout, fields=tuple(fields), said=(*layout.said, said)).with_taxonomy(theirs)
    return layout


def _has_names(column: Column) -> bool:
    """Whether something in a column names a category: a table of text has its numbers as texts."""
    return any(not piece.strip().removesuffix(".0").isdecimal() for piece in names_in(column, dividers=DIVIDERS))


def _with_taxonomy(layout: Layout, sample: Batch, taxonomy: Taxonomy | None) -> Layout:
    """Bind the readers of categories: what names mean, and what an empty cell means."""
    if not layout.has_labels:
        return layout
    fields, names, empty = [], [], False
    for each in layout.fields:
        column = column_at(sample.columns, each.key) if isinstance(each.reader, Labels) else None
        if isinstance(each.reader, Labels) and column is not None:
            names += names_in(column)
            unsaid = each.reader.empty_is_none is None
            is_named = _holds_names(column) if unsaid else each.reader.empty_is_none
            empty |= bool(is_named) and unsaid and _has_empty(column)
            fields.append(replace(each, reader=replace(each.reader, empty_is_none=is_named)))
        else:
            fields.append(each)
    chosen = taxonomy or layout.taxonomy or best_taxonomy(names, KNOWN_TAXONOMIES) or BEAVERTAILS
    said = (*layout.said, *([EMPTY] if empty else []))
    if not any(bit_of(name, chosen) is not None for name in names):
        fields = [_of_whole_objects(each) for each in fields]
    bound = replace(layout, fields=tuple(fields), said=said).with_taxonomy(chosen)
    # a file that names no category says nothing of which there are
    return bound if names or taxonomy or layout.taxonomy else replace(bound, taxonomy=None)


def _of_whole_objects(field: Field) -> Field:
    """The field, where objects name no category that is known: what they leave unsaid of those is no answer either."""
    reader = field.reader
    return replace(field, reader=replace(reader, is_partial=False)) if isinstance(reader, Labels) else field


def _holds_names(column: Column) -> bool:
    """Whether categories are names in a text: then a row without any has an empty cell."""
    values = [part.values for part in parts(column) if part.kind == "string" and part.values is not None]
    texts: list[str] = [text for series in values for text in series if text.strip()]
    spelled = sum(text.lstrip().startswith(("{", "[", "(")) for text in texts)
    others = spelled + sum(part.height for part in parts(column) if part.kind in {"object", "list"})
    return len(texts) - spelled > others


def _has_empty(column: Column) -> bool:
    return any(
        part.kind == "null" or (part.values is not None and part.kind == "string" and (part.values == "").any())
        for part in parts(column)
    )


def _with_safety(layout: Layout) -> Layout:
    """Derive safety from the categories where nothing else says it."""
    has = {field.column: field for field in layout.fields}
    for suffix in ("", "_0", "_1"):
        column, labels, safety = f"is_safe{suffix}", has.get(f"labels{suffix}"), has.get(f"is_safe{suffix}")
        if safety is not None and not isinstance(safety.reader, Unflagged):
            continue
        if labels is not None and isinstance(labels.reader, Labels) and layout.produces != "prompts":
            has[column] = Field(column, labels.key, Unflagged(labels.reader), "allow")
        elif safety is not None:
            raise UsageError(
                f"{column} was to be derived from the categories; none are known of this file. Map labels{suffix}, too."
            )
    if len(has) == len(layout.fields) and not any(isinstance(f.reader, Unflagged) for f in has.values()):
        return layout
    return replace(layout, fields=tuple(has.values()), said=(*layout.said, DERIVED))


def _with_answers(layout: Layout) -> Layout:
    """Without any label, a row without an answer says nothing."""
    if layout.produces != "annotations" or any(field.column in LABELS for field in layout.fields):
        return layout
    fields = (replace(f, reader=Text("answer")) if f.reader == ANSWER else f for f in layout.fields)
    return replace(layout, fields=tuple(fields))


def _with_rest(layout: Layout, sample: Batch) -> Layout:
    """Say what becomes of the other keys: ids are kept as such; what most rows have is a key that is not kept."""
    common = [key for key, cells in sample.columns.items() if _is_common(cells) and not layout.knows(key)]
    ids = [Field(f"{PREFIX}{key}", key, KeyText(), "allow", optional=True) for key in common if is_key(key)]
    rest = frozenset(key for key in common if not is_key(key))
    within = {key for key in keys_of(sample) if key.partition(".")[0] in rest and looks_like_label(key)} - rest
    known = layout.not_kept & frozenset(sample.columns)
    return replace(layout, fields=(*layout.fields, *ids), not_kept=known | rest, unknown=rest | within)


def _is_common(cells: Cells) -> bool:
    return len(is_there(cells).arg_true()) * 2 >= len(cells)
