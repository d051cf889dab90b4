"""Column readers: from the cells of one key to a canonical column, and what is wrong with the others.

This is the one place where values are judged, wherever rows come from. A reader says what it makes of the cells of
one JSON type (`of_part`); `read` divides a column by type, has each part read, and puts the results together again.
Every spelling of a value that is accepted is accepted here, hence in every format; what categories may look like is in
`btviz.data.reading.label_column`.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import polars as pl

from btviz.data.keys import key_text
from btviz.data.reading.cells import NAMES, Column, Part, parts

FAULTS = pl.Schema({"row": pl.UInt32(), "kind": pl.String(), "detail": pl.String(), "lost": pl.Boolean()})
"""What is wrong: in which row, of what kind, a detail without any text, and whether the value is lost by it."""

NO_FAULTS = FAULTS.to_frame()
"""Made once: most columns of most batches have none."""

TRUE = (
    *("true", "yes", "t", "y", "1", "1.0"),
    *("wahr", "vrai", "verdadero", "vero", "verdadeiro", "waar", "истина", "是", "真"),  # as Excel writes it elsewhere
)
FALSE = (
    *("false", "no", "f", "n", "0", "0.0"),
    *("falsch", "faux", "falso", "onwaar", "ложь", "否", "假"),
)

_SPELLED = {word: word in TRUE for word in (*TRUE, *FALSE)}

SAFE = (
    "safe",
    "benign",
    "harmless",
    "unharmful",
    "not harmful",
    "non-harmful",
    "nontoxic",
    "non-toxic",
    "not toxic",
    "安全",
    "无害",
)
UNSAFE = ("unsafe", "harmful", "toxic", "malicious", "not safe", "不安全", "有害", "违规")

SHOWN = 40
"""Letters of a value that a message shows at most, where it may show any."""


@dataclass(frozen=True, eq=False)
class Reading:
    """A canonical column, null where there is no value, and what is wrong."""

    values: pl.Series
    faults: pl.DataFrame = field(default_factory=lambda: NO_FAULTS)

    def spread(self, places: pl.Series) -> Reading:
        """What comes of rows each of which is one of those that were read."""
        values = self.values.gather(places)
        if self.faults.is_empty():
            return Reading(values)
        rows = pl.DataFrame({"row": places, "at": pl.int_range(len(places), dtype=pl.UInt32, eager=True)})
        found = rows.join(self.faults, on="row", maintain_order="left_right")
        return Reading(values, found.with_columns(row="at").select(list(FAULTS)))


class Reader(Protocol):
    """What reads the cells of one key."""

    @property
    def dtype(self) -> pl.DataType:
        """Type of the canonical column."""
        ...

    @property
    def wants(self) -> str:
        """What it reads, in a few words."""
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
    return Reading(values.gather(rows.arg_sort()), pl.concat([NO_FAULTS, *faults]))


def _rows(part: Part) -> pl.Series:
    rows = pl.int_range(part.height, dtype=pl.UInt32, eager=True) if part.rows is None else part.rows
    return rows.cast(pl.UInt32)


def repeated(value: Any, height: int, *, dtype: pl.DataType) -> pl.Series:
    """A column of one value."""
    return pl.Series(values=[value], dtype=dtype).new_from_index(0, height)


def nothing(part: Part, dtype: pl.DataType, *, kind: str, detail: str) -> Reading:
    """All of these cells are faulty, and each in the same way."""
    rows = pl.int_range(part.height, dtype=pl.UInt32, eager=True).alias("row")
    faults = rows.to_frame().with_columns(kind=pl.lit(kind), detail=pl.lit(detail), lost=pl.lit(value=True))
    return Reading(repeated(None, part.height, dtype=dtype), faults)


def wrong_type(part: Part, dtype: pl.DataType, *, name: str) -> Reading:
    """None of these cells is of a type that has a meaning here."""
    kind = {"absent": "missing key", "broken string": "lone surrogate"}.get(part.kind, "wrong type")
    detail = name if part.kind == "absent" else f"{name} is {NAMES[part.kind]}"
    return nothing(part, dtype, kind=kind, detail=detail)


def faults_where(flags: pl.Series, *, kind: str, detail: str | pl.Series, lost: bool = True) -> pl.DataFrame:
    """One fault in each row that is flagged; `detail` is one for all, or a column."""
    rows = flags.arg_true()
    details = detail.gather(rows) if isinstance(detail, pl.Series) else repeated(detail, len(rows), dtype=pl.String())
    return pl.DataFrame(
        {
            "row": rows.cast(pl.UInt32),
            "kind": repeated(kind, len(rows), dtype=pl.String()),
            "detail": details,
            "lost": repeated(lost, len(rows), dtype=pl.Boolean()),
        }
    )


def printed(value: object) -> str:
    """A key or a value as it may be printed: short, and with nothing a terminal would act on."""
    return repr(str(value))[: SHOWN + 20]


@dataclass(frozen=True)
class Text:
    """A text.

    Where it is said `what` it is, an empty one is none: a table of text cannot tell the two apart. `may_miss` where a
    row without it is worth something.
    """

    what: str = ""
    may_miss: bool = False
    dtype: pl.DataType = field(default_factory=pl.String)
    wants = "a text"

    def of_part(self, part: Part, *, name: str) -> Reading:
        """Read strings."""
        if part.kind == "string" and part.values is not None:
            empty = part.values == ""
            if not self.what or not empty.any():
                return Reading(part.values)
            missing = faults_where(empty, kind=f"missing {self.what}", detail=name, lost=not self.may_miss)
            return Reading(part.values.set(empty, None), missing)
        if self.what and part.kind in {"null", "absent"}:
            none = nothing(part, self.dtype, kind=f"missing {self.what}", detail=name)
            return Reading(none.values, none.faults.with_columns(lost=pl.lit(not self.may_miss)))
        return wrong_type(part, self.dtype, name=name)


TEXT, PROMPT, ANSWER, NAME = Text(), Text("prompt"), Text("answer", may_miss=True), Text("name", may_miss=True)


_SIGNS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}


@dataclass(frozen=True)
class Cut:
    """Where a score becomes a flag: true beyond `value`, in the direction of `sign`."""

    sign: str
    value: float

    def of(self, scores: pl.Series) -> pl.Series:
        """Flags of scores."""
        beyond: Callable[[pl.Series, float], pl.Series] = _SIGNS[self.sign]
        return beyond(scores, self.value)

    def __str__(self) -> str:
        return f"{self.sign}{self.value:g}"


@dataclass(frozen=True)
class Flag:
    """True or false: as a boolean, as 0 or 1, as a word for either, or as a score with a cut.

    `inverted` where true stands for false; `yes` and `no` are words that say themselves what they mean, whichever way
    round the others are.
    """

    inverted: bool = False
    cut: Cut | None = None
    yes: tuple[str, ...] = ()
    no: tuple[str, ...] = ()
    dtype: pl.DataType = field(default_factory=pl.Boolean)

    @property
    def wants(self) -> str:
        """What it reads, in a few words."""
        if self.cut is not None:
            return "a number"
        return "true or false (or 1 and 0, yes and no" + ", safe and unsafe)" * bool(self.no) + ")" * (not self.no)

    def of_part(self, part: Part, *, name: str) -> Reading:
        r"""Read booleans, numbers and words; of several lines the first counts, as in ``unsafe\nS1``."""
        values = part.values
        if values is None or part.kind not in {"boolean", "number", "string"}:
            return wrong_type(part, self.dtype, name=name)
        if self.cut is not None and part.kind == "number":
            values = self.cut.of(values)
        elif part.kind == "string":
            values = self._of_words(values)
            return Reading(values, _unread(part, values, name=name))
        elif part.kind == "number":
            values = pl.select(
                pl.when(values == 1).then(pl.lit(value=True)).when(values == 0).then(pl.lit(value=False))
            ).to_series()
        elif self.cut is not None:
            return wrong_type(part, self.dtype, name=name)
        return Reading(~values if self.inverted else values, _unread(part, values, name=name))

    def _of_words(self, texts: pl.Series) -> pl.Series:
        words = _words(texts.str.strip_chars().str.extract(r"\A([^\r\n]*)"))
        said = {_plain(word): word in self.yes for word in (*self.yes, *self.no)}
        if self.cut is None:
            spelled = {word: flag != self.inverted for word, flag in _SPELLED.items()}
            return words.replace_strict(spelled | said, default=None, return_dtype=pl.Boolean)
        flags = self.cut.of(words.cast(pl.Float64, strict=False).fill_nan(None))
        other = (
            words.replace_strict(said, default=None, return_dtype=pl.Boolean)
            if said
            else repeated(None, len(words), dtype=pl.Boolean())
        )
        return pl.select(pl.coalesce(other, ~flags if self.inverted else flags)).to_series()


SAFETY = Flag(yes=SAFE, no=UNSAFE)
"""Whether an answer is safe, where true says so."""


@dataclass(frozen=True)
class Code:
    """One of a few whole numbers, or a word that stands for one; a file may write them `shift` higher than they are."""

    codes: tuple[int, ...]
    words: tuple[tuple[str, int], ...] = ()
    shift: int = 0
    dtype: pl.DataType = field(default_factory=pl.Int8)

    @property
    def wants(self) -> str:
        """What it reads, in a few words."""
        return "one of the numbers " + ", ".join(str(number) for number, code in self._written if code >= 0)

    def of_part(self, part: Part, *, name: str) -> Reading:
        """Read numbers, and strings of digits or of a word."""
        values = part.values
        if values is None or part.kind not in {"number", "string"}:
            return wrong_type(part, self.dtype, name=name)
        if part.kind == "string":
            names = {_plain(word): code for word, code in self.words}
            spelled = {text: code for n, code in self._written for text in (str(n), f"{n}.0")}
            values = _words(values).replace_strict(names | spelled, default=None, return_dtype=pl.Int64)
        else:
            unsigned = values.dtype.is_unsigned_integer()
            written = {_like(n, values.dtype): code for n, code in self._written if n >= 0 or not unsigned}
            values = values.replace_strict(written, default=None, return_dtype=pl.Int64)
        return Reading(values.cast(self.dtype), _unread(part, values, name=name))

    @property
    def _written(self) -> list[tuple[int, int]]:
        """Codes by the numbers that stand for them; a tie is below zero, wherever files begin to count."""
        return [(code + self.shift * (code >= 0), code) for code in self.codes]


@dataclass(frozen=True)
class KeyText:
    """An id as text, for the table of keys; what is no text and no number is none."""

    dtype: pl.DataType = field(default_factory=pl.String)
    wants = "an id"

    def of_part(self, part: Part, *, name: str) -> Reading:  # noqa: ARG002  (nothing is said of ids)
        """Read strings and numbers."""
        if part.values is None or part.kind not in {"string", "number"}:
            return Reading(repeated(None, part.height, dtype=self.dtype))
        return Reading(key_text(part.values))


@dataclass(frozen=True)
class Constant:
    """The same value in every row, whatever the file holds."""

    value: Any
    dtype: pl.DataType
    wants = "nothing"

    def of_part(self, part: Part, *, name: str) -> Reading:  # noqa: ARG002  (it is asked as the others are)
        """Read nothing."""
        return Reading(repeated(self.value, part.height, dtype=self.dtype))


def _like(code: int, dtype: pl.DataType) -> float:
    return float(code) if dtype.is_float() else code


def _plain(word: str) -> str:
    return re.sub(r"[\s_-]+", " ", word.strip().lower())


def _words(values: pl.Series) -> pl.Series:
    return values.str.strip_chars().str.to_lowercase().str.replace_all(r"[\s_]+|\b-", " ")


def _unread(part: Part, values: pl.Series, *, name: str) -> pl.DataFrame:
    """Faults of the cells that are of a right type, and mean nothing; a number may be shown, a string may be a text."""
    if not values.has_nulls() or part.values is None:
        return NO_FAULTS
    bad = values.is_null()
    if part.kind == "number":
        shown = name + " is " + part.values.cast(pl.String).str.strip_suffix(".0")
        return faults_where(bad, kind="out of range", detail=shown)
    empty = part.values.str.strip_chars() == ""
    return pl.concat(
        [
            faults_where(bad & empty, kind="wrong type", detail=f"{name} is empty"),
            faults_where(bad & ~empty, kind="wrong type", detail=f"{name} is a string"),
        ]
    )
