"""Columns of JSON values, told apart by type: what the readers of columns are given.

A column that was read is a typed Series, a list of Python values that differ in type, or, where a file spreads an
object over several columns (``category.privacy``), the `Objects` these make up. `parts` divides any of them by JSON
type, so that a reader meets each type once, as a whole column of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from btviz.data.reading.record import ABSENT, Cells

Kind = Literal["absent", "null", "boolean", "number", "string", "broken string", "object", "list", "other"]

NAMES: Mapping[Kind, str] = {
    "absent": "missing",
    "null": "null",
    "boolean": "a boolean",
    "number": "a number",
    "string": "a string",
    "broken string": "a string",
    "object": "an object",
    "list": "a list",
    "other": "of no JSON type",
}
"""What messages call them."""

_WIDEST = 2**63


@dataclass(frozen=True, eq=False)
class Objects:
    """A column of objects by member: which rows have it (None: all), and its values there."""

    height: int
    members: Mapping[str, tuple[pl.Series | None, Cells]]

    @classmethod
    def of_rows(cls, rows: Sequence[Mapping[str, Any]]) -> Objects:
        """Members of objects, each only where it occurs: many objects may share few of their keys."""
        keys = list(rows[0]) if rows else []
        if all(isinstance(key, str) for key in keys) and all(list(row) == keys for row in rows):  # as in most files
            return cls(len(rows), {key: (None, [row[key] for row in rows]) for key in keys})
        places: dict[str, tuple[list[int], list[Any]]] = {}
        for place, row in enumerate(rows):
            for key, value in row.items():
                where, values = places.setdefault(str(key), ([], []))
                where.append(place)
                values.append(value)
        everywhere = len(rows)
        return cls(
            everywhere,
            {
                key: (None if len(where) == everywhere else pl.Series(where, dtype=pl.UInt32), values)
                for key, (where, values) in places.items()
            },
        )

    def member(self, name: str) -> Column | None:
        """One member as a column of all rows, absent where an object lacks it; None where all do."""
        if name not in self.members:
            return None
        rows, values = self.members[name]
        if rows is None:
            return values
        cells: list[Any] = [ABSENT] * self.height
        for row, value in zip(rows, values, strict=True):
            cells[row] = value
        return cells


@dataclass(frozen=True, eq=False)
class Lists:
    """A column of lists: the items of all of them, one after the other, and to which row each belongs."""

    height: int
    rows: pl.Series
    items: Cells


Column = Cells | Objects
"""What a reader of columns takes."""


@dataclass(frozen=True, eq=False)
class Part:
    """The cells of one JSON type: in which rows they are (None: in all), and their values without any null."""

    kind: Kind
    rows: pl.Series | None
    height: int
    values: pl.Series | None = None
    nested: Objects | Lists | None = None


def parts(column: Column) -> list[Part]:
    """Divide a column by JSON type; each row is in one part."""
    if isinstance(column, Objects):
        return [Part("object", None, column.height, nested=column)]
    return _of_series(column, None) if isinstance(column, pl.Series) else _of_list(column)


def everywhere(height: int) -> pl.Series:
    """A flag for every row."""
    return pl.Series([True]).new_from_index(0, height)


def length(column: Column) -> int:
    """Rows of a column."""
    return column.height if isinstance(column, Objects) else len(column)


def _of_series(series: pl.Series, rows: pl.Series | None) -> list[Part]:
    """Parts of a typed column whose values stand in `rows`."""
    if series.dtype.is_float():
        series = series.fill_nan(None)  # tables of numbers have no other null
    if not series.has_nulls():
        return [_part(series, rows)]
    null = series.is_null()
    at = _positions(null, rows)
    if len(at) == len(series):
        return [Part("null", rows, len(series))]
    return [Part("null", at, len(at)), _part(series.filter(~null), _positions(~null, rows))]


def _positions(flags: pl.Series, rows: pl.Series | None) -> pl.Series:
    return flags.arg_true() if rows is None else rows.filter(flags)


def _part(series: pl.Series, rows: pl.Series | None) -> Part:
    dtype, height = series.dtype, len(series)
    if isinstance(dtype, pl.Struct):
        members: dict[str, tuple[pl.Series | None, Cells]] = {
            column.name: (None, column) for column in series.struct.unnest()
        }
        return Part("object", rows, height, nested=Objects(height, members))
    if isinstance(dtype, (pl.List, pl.Array)):
        return Part("list", rows, height, nested=_lists(series.cast(pl.List(dtype.inner))))
    if dtype == pl.Boolean:
        return Part("boolean", rows, height, series)
    if dtype.is_numeric():
        return Part("number", rows, height, _of_one_width(series))
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return Part("string", rows, height, series.cast(pl.String))
    return Part("null" if dtype == pl.Null else "other", rows, height)


def _of_one_width(numbers: pl.Series) -> pl.Series:
    """Whole numbers of 64 bits where they fit, else floating ones, whatever a table holds them as."""
    if numbers.dtype.is_integer():
        for dtype in (pl.Int64(), pl.UInt64()):  # an id may need all bits
            whole = numbers.cast(dtype, strict=False)
            if not whole.has_nulls():
                return whole
    return numbers.cast(pl.Float64)


def _lists(lists: pl.Series) -> Lists:
    lengths = lists.list.len()
    owners = np.repeat(np.arange(len(lists), dtype=np.uint32), lengths.to_numpy())
    return Lists(len(lists), pl.Series(owners), lists.filter(lengths > 0).explode())


def _of_list(cells: list[Any]) -> list[Part]:
    places: dict[Kind, list[int]] = {}
    for place, value in enumerate(cells):
        places.setdefault(_KINDS.get(type(value)) or _kind(value), []).append(place)
    return [
        part
        for kind, where in places.items()
        for part in _of_kind(
            kind, cells if len(where) == len(cells) else [cells[i] for i in where], _rows(where, cells)
        )
    ]


def _rows(places: list[int], cells: list[Any]) -> pl.Series | None:
    return None if len(places) == len(cells) else pl.Series(places, dtype=pl.UInt32)


_KINDS: Mapping[type, Kind] = {
    type(None): "null",
    type(ABSENT): "absent",
    bool: "boolean",
    int: "number",
    float: "number",
    list: "list",
    tuple: "list",
}


def _kind(value: Any) -> Kind:
    """Kind of a value whose type alone does not tell it."""
    if isinstance(value, str):
        return "string" if is_whole(value) else "broken string"
    return "object" if isinstance(value, Mapping) else "other"


def is_whole(text: str) -> bool:
    """Whether no half of a character that takes two stands alone in a text."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _of_kind(kind: Kind, cells: list[Any], rows: pl.Series | None) -> list[Part]:
    match kind:
        case "boolean":
            return [Part(kind, rows, len(cells), pl.Series(cells, dtype=pl.Boolean))]
        case "string":
            return [Part(kind, rows, len(cells), pl.Series(cells, dtype=pl.String))]
        case "number":
            return _of_series(_numbers(cells), rows)
        case "object":
            return [Part(kind, rows, len(cells), nested=Objects.of_rows(cells))]
        case "list":
            owners = pl.Series([row for row, items in enumerate(cells) for _ in items], dtype=pl.UInt32)
            return [
                Part(kind, rows, len(cells), nested=Lists(len(cells), owners, [i for items in cells for i in items]))
            ]
    return [Part(kind, rows, len(cells))]


def _numbers(cells: Iterable[int | float]) -> pl.Series:
    values = list(cells)
    if all(isinstance(value, int) and -_WIDEST <= value < _WIDEST for value in values):
        return pl.Series(values, dtype=pl.Int64)
    if all(isinstance(value, int) and 0 <= value < 2 * _WIDEST for value in values):
        return pl.Series(values, dtype=pl.UInt64)
    return pl.Series([_float(value) for value in values], dtype=pl.Float64)


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # JSON's whole numbers have no bound
        return math.inf


def column_at(columns: Mapping[str, Cells], path: str) -> Column | None:
    """The column of a key; else the object spread over ``<key>.<member>``; else a member of an object.

    `path` is a key; keys joined by dots, as ``extra_info.score`` for the member `score` of the column `extra_info`; or
    a key with one ``*``, for the object whose members are named by what stands there in the keys of columns.
    """
    if path in columns:
        return columns[path]
    spread = {part: cells for key, cells in columns.items() if (part := takes_part(key, path)) is not None}
    if spread:
        height = len(next(iter(spread.values())))
        return Objects(height, {key: (None, cells) for key, cells in spread.items()})
    head, dot, rest = path.rpartition(".")
    owner = column_at(columns, head) if dot else None
    return None if owner is None else _member_of(owner, rest)


def takes_part(key: str, path: str) -> str | None:
    """Name of the member that the column `key` is of the object at `path`; None if it is none."""
    head, _, tail = path.partition("*") if path.count("*") == 1 else (f"{path}.", "", "")
    fits = key.startswith(head) and key.endswith(tail) and len(key) > len(head) + len(tail)
    return key[len(head) : len(key) - len(tail)] if fits else None


def _member_of(column: Column, name: str) -> Column | None:
    """A member of the objects in a column; absent where a row has no object there."""
    objects = [part for part in parts(column) if part.kind == "object"]
    for part in objects:
        member = part.nested.member(name) if isinstance(part.nested, Objects) else None
        if member is None:
            continue
        if part.rows is None:
            return member
        cells: list[Any] = [ABSENT] * length(column)
        for row, value in zip(part.rows, _listed(member), strict=True):
            cells[row] = value
        return cells
    return None


def _listed(column: Column) -> list[Any]:
    if isinstance(column, pl.Series):
        return column.to_list()
    if isinstance(column, list):
        return column
    members = {name: column.member(name) for name in column.members}
    rows = {name: _listed(member) for name, member in members.items() if member is not None}
    return [{n: values[i] for n, values in rows.items() if values[i] is not ABSENT} for i in range(column.height)]
