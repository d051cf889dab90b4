"""What the columns of a file hold, for people: types, counts, and examples of labels, never of texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

from btviz.data.reading.cells import NAMES, Column, Lists, Objects, Part, column_at, parts
from btviz.data.reading.columns import FALSE, SAFE, TRUE, UNSAFE
from btviz.data.reading.literals import literal
from btviz.data.reading.record import Batch
from btviz.taxonomy.categories import TAXONOMIES
from btviz.taxonomy.neighbours import NEIGHBOUR_TAXONOMIES
from btviz.taxonomy.spelling import bit_of, bits_of, plain_name

Holds = Literal["flags", "words", "codes", "scores", "texts", "names", "flags by name", "scores by name", "messages",
                "objects", "lists", "nothing", "other"]  # fmt: skip

IN_WORDS: Mapping[Holds, str] = {
    "flags": "true or false",
    "words": "one of a few words",
    "codes": "whole numbers",
    "scores": "numbers",
    "texts": "texts",
    "names": "lists of names",
    "flags by name": "objects of flags",
    "scores by name": "objects of numbers",
    "messages": "messages of a chat",
    "objects": "objects",
    "lists": "lists",
    "nothing": "nothing",
    "other": "values of several types",
}

KNOWN_TAXONOMIES = (*TAXONOMIES.values(), *NEIGHBOUR_TAXONOMIES.values())

_MOST_WORDS, _LONGEST, _LONGEST_NAME, _FEW = 40, 40, 80, 4
"""Different words of a column of labels; letters of one, and of the name of a category; blanks in it."""


@dataclass(frozen=True)
class Summary:
    """What one column of a file holds.

    Attributes
    ----------
    key : str
        Its name, or the path of a member of objects.
    types : dict of str to int
        Rows by type of value, as JSON has them; "missing" where a row lacks the key.
    holds : str
        What that is taken for.
    n_values : int
        Rows with a value.
    n_distinct : int
        Different values, or names.
    labels : dict of str to int
        Of a column of labels, how often each stands in it; empty where values may be texts.
    low, high : float or None
        Range of numbers.
    """

    key: str
    types: Mapping[str, int]
    holds: Holds
    n_values: int
    n_distinct: int
    labels: Mapping[str, int] = field(default_factory=dict)
    low: float | None = None
    high: float | None = None

    @property
    def words(self) -> str:
        """What it holds, with counts, in a few words."""
        if self.holds == "flags":
            return ", ".join(f"{label} in {count:,} rows" for label, count in self.labels.items())
        if self.holds in {"codes", "scores"}:
            return f"{self.n_values:,} numbers from {self.low:g} to {self.high:g}"
        if self.holds in {"texts", "words"}:
            return f"{self.n_values:,} {'texts' if self.holds == 'texts' else 'words'}, {self.n_distinct:,} different"
        if self.n_distinct and self.holds in {"names", "flags by name", "scores by name"}:
            return f"{self.n_values:,} {IN_WORDS[self.holds].replace('of names', f'of {self.n_distinct:,} names')}"
        return f"{self.n_values:,} {IN_WORDS[self.holds]}"


def summaries(sample: Batch) -> list[Summary]:
    """What each column of a sample holds; of objects that are no labels, each member."""
    found: list[Summary] = []
    for key in _keys(sample):
        column = column_at(sample.columns, key)
        if column is not None:
            summary = summary_of(key, column)
            found.append(summary)
            if summary.holds == "objects":
                members = (f"{key}.{member}" for member in _members(column))
                inner = ((path, column_at(sample.columns, path)) for path in members)
                found += [summary_of(path, cells) for path, cells in inner if cells is not None]
    return found


def _keys(sample: Batch) -> Iterator[str]:
    """Keys of columns; those that make up one object by that object's."""
    heads = Counter(key.partition(".")[0] for key in sample.columns if "." in key)
    whole = {head for head, count in heads.items() if count > 1 and head not in sample.columns}
    yield from dict.fromkeys(key.partition(".")[0] if key.partition(".")[0] in whole else key for key in sample.columns)


def _members(column: Column) -> list[str]:
    return list(dict.fromkeys(name for part in parts(column) if isinstance(part.nested, Objects)
                              for name in part.nested.members))  # fmt: skip


def summary_of(key: str, column: Column) -> Summary:
    """What one column holds."""
    found = [part for part in parts(column) if part.height]  # a table may have columns and no rows
    types: dict[str, int] = {}
    for part in found:
        name = NAMES[part.kind].removeprefix("a ").removeprefix("an ")
        types[name] = types.get(name, 0) + part.height
    values = [part for part in found if part.kind not in {"null", "absent"}]
    kinds = {part.kind for part in values}
    n_values = sum(part.height for part in values)
    if len(kinds) != 1:
        return Summary(key, types, "other" if kinds else "nothing", n_values, 0)
    (part,) = values
    holds, labels, (low, high) = _taken_for(part)
    n_distinct = _distinct(part) if holds in {"texts", "words", "codes", "scores"} else len(labels)
    return Summary(key, types, holds, n_values, n_distinct, labels, low, high)


_Taken = tuple[Holds, Mapping[str, int], tuple[float | None, float | None]]

_NO_RANGE = (None, None)


def _taken_for(part: Part) -> _Taken:
    match part.kind:
        case "boolean" | "number" | "string" if part.values is not None:
            return _of_scalars(part.values)
        case "object" if isinstance(part.nested, Objects):
            return _of_objects(part.nested)
        case "list" if isinstance(part.nested, Lists):
            return _of_lists(part.nested)
    return "other", {}, _NO_RANGE


def _of_scalars(values: pl.Series) -> _Taken:
    if values.dtype == pl.String:
        return _of_strings(values)
    if values.dtype == pl.Boolean:
        return "flags", _counts("true" if value else "false" for value in values), _NO_RANGE
    low, high = float(values.min()), float(values.max())  # type: ignore[arg-type]  # numbers
    whole = bool((values == values.floor()).all()) if values.dtype.is_float() else True
    few = values.n_unique() <= min(_MOST_WORDS, len(values) // 2)  # numbers that are all different are no labels
    labels = _counts(f"{value:g}" for value in values) if whole and few else {}
    if whole and {low, high} <= {0.0, 1.0}:
        labels = _counts(f"{value:g}" for value in values)
        return "flags", labels, (low, high)
    return ("codes" if labels else "scores"), labels, (low, high)


def _of_strings(values: pl.Series) -> _Taken:
    texts = values.str.strip_chars()
    texts = texts.filter(texts != "")
    if texts.is_empty():
        return "nothing", {}, _NO_RANGE
    numbers = texts.cast(pl.Float64, strict=False)
    if not numbers.has_nulls():
        return _of_scalars(numbers)
    if set(texts.str.to_lowercase().unique()) <= {*TRUE, *FALSE}:
        return "flags", _counts(texts.str.to_lowercase()), _NO_RANGE
    nested = [cell for cell in map(_literal, texts) if cell is not None]
    if nested and len(nested) == len(texts):
        found = [part for part in parts(nested) if part.kind not in {"null", "absent"}]
        return _taken_for(found[0]) if len(found) == 1 else ("other", {}, _NO_RANGE)
    if _are_labels(texts):
        return "words", _counts(texts), _NO_RANGE
    return "texts", {}, _NO_RANGE


def _literal(text: str) -> Any:
    try:
        return literal(text)
    except ValueError:
        return None


def _are_labels(texts: pl.Series) -> bool:
    """Whether texts are labels: few and short, each several times; or words for safe and unsafe; or categories."""
    distinct = texts.unique().to_list()
    if len(distinct) > _MOST_WORDS:
        return False
    if {plain_name(text.partition("\n")[0]) for text in distinct} <= {plain_name(word) for word in (*SAFE, *UNSAFE)}:
        return True
    if any(all(bits_of(text, taxonomy) is not None for text in distinct) for taxonomy in KNOWN_TAXONOMIES):
        return True
    short = all(len(text) <= _LONGEST and text.count(" ") < _FEW and text[-1] not in "?.!" for text in distinct)
    return short and len(distinct) * 3 <= len(texts)


def _of_objects(objects: Objects) -> _Taken:
    if {"role", "content"} <= set(objects.members) or {"from", "value"} <= set(objects.members):
        return "messages", {}, _NO_RANGE
    members = {name: objects.member(name) for name in objects.members}
    taken = {name: summary_of(name, column) for name, column in members.items() if column is not None}
    held = {summary.holds for summary in taken.values()} - {"nothing"}
    short = all(len(name) <= _LONGEST_NAME for name in taken)
    short &= len(taken) > 1 or any(bit_of(name, t) is not None for name in taken for t in KNOWN_TAXONOMIES)
    if held and short and held <= {"flags"}:
        return "flags by name", {name: _true(summary) for name, summary in taken.items()}, _NO_RANGE
    if held and short and held <= {"flags", "codes", "scores"}:
        lows, highs = (
            [s for s in side if s is not None] for side in zip(*((t.low, t.high) for t in taken.values()), strict=True)
        )
        return "scores by name", {name: summary.n_values for name, summary in taken.items()}, (min(lows), max(highs))
    return "objects", {}, _NO_RANGE


def _true(summary: Summary) -> int:
    return sum(count for label, count in summary.labels.items() if label in TRUE)


def _of_lists(lists: Lists) -> _Taken:
    found = [part for part in parts(lists.items) if part.kind not in {"null", "absent"}]
    if not found and lists.height:
        return "names", {}, _NO_RANGE
    if len(found) != 1:
        return "lists", {}, _NO_RANGE
    holds, labels, span = _taken_for(found[0])
    if holds == "messages":
        return holds, {}, _NO_RANGE
    values = found[0].values
    if holds == "texts" and values is not None and all(len(name) <= _LONGEST_NAME for name in values):
        return "names", {}, _NO_RANGE  # short, but perhaps no labels: none is shown
    return ("names", labels, span) if holds in {"words", "codes"} else ("lists", {}, _NO_RANGE)


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())


def _distinct(part: Part) -> int:
    return 0 if part.values is None else part.values.n_unique()
