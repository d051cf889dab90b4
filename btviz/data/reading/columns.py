"""Column readers: from the cells of one key to a canonical column, and what is wrong with the others.

This is the one place where values are judged, wherever rows come from. A reader says what it makes of the cells of
one JSON type (`of_part`); `read` divides a column by type, has each part read, and puts the results together again.
Every spelling of a value that is accepted is accepted here, hence in every format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import polars as pl

from btviz.data.reading.cells import NAMES, Column, Part, parts

FAULTS = pl.Schema({"row": pl.UInt32(), "kind": pl.String(), "detail": pl.String(), "lost": pl.Boolean()})
"""What is wrong: in which row, of what kind, a detail without any text, and whether the value is lost by it."""

TRUE = ("true", "yes", "t", "y", "1", "1.0")
FALSE = ("false", "no", "f", "n", "0", "0.0")

_SPELLED = {word: word in TRUE for word in (*TRUE, *FALSE)}

SHOWN = 40
"""Letters of a value that a message shows at most, where it may show any."""


@dataclass(frozen=True, eq=False)
class Reading:
    """A canonical column, null where there is no value, and what is wrong."""

    values: pl.Series
    faults: pl.DataFrame = field(default_factory=FAULTS.to_frame)


class Reader(Protocol):
    """What reads the cells of one key."""

    @property
    def dtype(self) -> pl.DataType:
        """Type of the canonical column."""
        ...

    def of_part(self, part: Part, *, name: str) -> Reading:
        """Read cells of one JSON type; rows of the result count from the first of them."""
        ...


def read(reader: Reader, column: Column, *, name: str) -> Reading:
    """Read a column; `name` is what messages call it."""
    readings = [(part, reader.of_part(part, name=name)) for part in parts(column)]
    if not readings:
        return Reading(pl.Series(dtype=reader.dtype))
    if len(readings) == 1 and readings[0][0].rows is None:
        return readings[0][1]
    values = pl.concat([reading.values.cast(reader.dtype) for _, reading in readings])
    rows = pl.concat([_rows(part) for part, _ in readings])
    faults = [
        reading.faults.with_columns(row=_rows(part).gather(reading.faults["row"]))
        for part, reading in readings
        if reading.faults.height
    ]
    return Reading(values.gather(rows.arg_sort()), pl.concat([FAULTS.to_frame(), *faults]))


def _rows(part: Part) -> pl.Series:
    rows = pl.int_range(part.height, dtype=pl.UInt32, eager=True) if part.rows is None else part.rows
    return rows.cast(pl.UInt32)


def nothing(part: Part, dtype: pl.DataType, *, kind: str, detail: str) -> Reading:
    """All of these cells are faulty, and each in the same way."""
    rows = pl.int_range(part.height, dtype=pl.UInt32, eager=True).alias("row")
    everywhere = {"kind": pl.lit(kind), "detail": pl.lit(detail), "lost": pl.lit(value=True)}
    return Reading(
        pl.Series(values=[None], dtype=dtype).new_from_index(0, part.height), rows.to_frame().with_columns(**everywhere)
    )


def wrong_type(part: Part, dtype: pl.DataType, *, name: str) -> Reading:
    """None of these cells is of a type that has a meaning here."""
    kind = {"absent": "missing key", "broken string": "lone surrogate"}.get(part.kind, "wrong type")
    detail = name if part.kind == "absent" else f"{name} is {NAMES[part.kind]}"
    return nothing(part, dtype, kind=kind, detail=detail)


def faults_where(flags: pl.Series, *, kind: str, detail: str | pl.Series, lost: bool = True) -> pl.DataFrame:
    """One fault in each row that is flagged; `detail` is one for all, or a column."""
    rows = flags.arg_true()
    return pl.DataFrame(
        {
            "row": rows.cast(pl.UInt32),
            "kind": pl.Series(values=[kind], dtype=pl.String).new_from_index(0, len(rows)),
            "detail": detail.gather(rows)
            if isinstance(detail, pl.Series)
            else pl.Series(values=[detail], dtype=pl.String).new_from_index(0, len(rows)),
            "lost": pl.Series(values=[lost], dtype=pl.Boolean).new_from_index(0, len(rows)),
        }
    )


def printed(value: object) -> str:
    """A key or a value as it may be printed: short, and with nothing a terminal would act on."""
    return repr(str(value))[: SHOWN + 20]


@dataclass(frozen=True)
class Text:
    """A text; an empty one is a text."""

    dtype: pl.DataType = field(default_factory=pl.String)

    def of_part(self, part: Part, *, name: str) -> Reading:
        """Read strings."""
        if part.kind == "string" and part.values is not None:
            return Reading(part.values)
        return wrong_type(part, self.dtype, name=name)


TEXT = Text()


@dataclass(frozen=True)
class Flag:
    """True or false: as a boolean, as 0 or 1, or as a word for either; `inverted` where true stands for false."""

    inverted: bool = False
    dtype: pl.DataType = field(default_factory=pl.Boolean)

    def of_part(self, part: Part, *, name: str) -> Reading:
        """Read booleans, numbers and words."""
        values = part.values
        if values is None or part.kind not in {"boolean", "number", "string"}:
            return wrong_type(part, self.dtype, name=name)
        if part.kind == "string":
            values = _words(values).replace_strict(_SPELLED, default=None, return_dtype=pl.Boolean)
        elif part.kind == "number":
            values = pl.select(
                pl.when(values == 1).then(pl.lit(value=True)).when(values == 0).then(pl.lit(value=False))
            ).to_series()
        faults = _unread(part, values, name=name)
        return Reading(~values if self.inverted else values, faults)


@dataclass(frozen=True)
class Code:
    """One of a few whole numbers, or a word that stands for one."""

    codes: tuple[int, ...]
    words: tuple[str, ...] = ()
    dtype: pl.DataType = field(default_factory=pl.Int8)

    def of_part(self, part: Part, *, name: str) -> Reading:
        """Read numbers, and strings of digits or of a word."""
        values = part.values
        if values is None or part.kind not in {"number", "string"}:
            return wrong_type(part, self.dtype, name=name)
        if part.kind == "string":
            names: Mapping[str, int] = {word.lower(): code for word, code in zip(self.words, self.codes, strict=False)}
            spelled = {text: code for code in self.codes for text in (str(code), f"{code}.0")}
            values = _words(values).replace_strict({**names, **spelled}, default=None, return_dtype=pl.Int64)
        else:
            values = values.replace_strict(
                {_like(code, values.dtype): code for code in self.codes}, default=None, return_dtype=pl.Int64
            )
        return Reading(values.cast(self.dtype), _unread(part, values, name=name))


def _like(code: int, dtype: pl.DataType) -> float:
    return float(code) if dtype.is_float() else code


def _words(values: pl.Series) -> pl.Series:
    return values.str.strip_chars().str.to_lowercase()


def _unread(part: Part, values: pl.Series, *, name: str) -> pl.DataFrame:
    """Faults of the cells that are of a right type, and mean nothing; a number may be shown, a string may be a text."""
    if not values.has_nulls() or part.values is None:
        return FAULTS.to_frame()
    bad = values.is_null()
    if part.kind == "number":
        shown = name + " is " + part.values.cast(pl.String).str.strip_suffix(".0")
        return faults_where(bad, kind="out of range", detail=shown)
    empty = _words(part.values) == ""
    return pl.concat(
        [
            faults_where(bad & empty, kind="wrong type", detail=f"{name} is empty"),
            faults_where(bad & ~empty, kind="wrong type", detail=f"{name} is a string"),
        ]
    )
