"""Rows as they were read: one as an object (or a `Finding` where there is none), many as the columns of a `Batch`."""

from __future__ import annotations

import enum
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import polars as pl


@dataclass(frozen=True)
class Finding:
    """Something odd about one row: what kind, a detail without any text, whether it rejects."""

    kind: str
    detail: str
    rejects: bool = False


class Record(dict[str, Any]):
    """A row in which some key, its own or of an object in it, was given twice: which, and whether values differed."""

    def __init__(self, members: Iterable[tuple[str, Any]] = (), *, repeated: Iterable[tuple[str, bool]] = ()) -> None:
        super().__init__()
        self.repeated = list(repeated)
        for key, value in members:
            if key in self:
                self.repeated.append((key, self[key] != value))
            self[key] = value

    def findings(self) -> list[Finding]:
        """One finding per repeated key; a repeat that differs leaves no honest value, and the row is lost but once."""
        first = next((place for place, (_, differs) in enumerate(self.repeated) if differs), None)
        return [
            Finding(
                "repeated key", f"{key!s:.60}, {'differing' if differs else 'equal'} values", rejects=place == first
            )
            for place, (key, differs) in enumerate(self.repeated)
        ]


Item = dict[str, Any] | Finding
"""A row, which is a `Record` where keys were repeated, or why there is none."""

Progress = Callable[[int], None]


class Absence(enum.Enum):
    """The type of `ABSENT`."""

    ABSENT = "absent"


ABSENT: Literal[Absence.ABSENT] = Absence.ABSENT
"""Stands in a list of values for a key that the row lacks, which a null does not."""

Cells = pl.Series | list[Any]
"""Values of one key: a series if all are of one type (a null is a null of the file), else Python's, and `ABSENT`."""


@dataclass(frozen=True, eq=False)
class Recurring:
    """Columns whose rows recur: each distinct row once, and which of them each row of a batch is."""

    places: pl.Series
    columns: dict[str, pl.Series]


@dataclass(frozen=True)
class Batch:
    """Rows as columns, before anything is known of their meaning.

    Attributes
    ----------
    lines : Series
        UInt64: the line of each row, or its number (from 1) where the form has no lines.
    columns : dict
        Values by key, each as long as `lines`, in the order of first occurrence; without those in `recurring`.
    findings : list
        What was found that belongs to a line (None: to the file). One that rejects counts for a row that is not
        among `lines`; the others speak of rows that are.
    canonical : dict
        Canonical columns that are made already, by whatever made the texts of the rows plain.
    recurring : Recurring, optional
        Further columns, each distinct row of which is read once.
    """

    lines: pl.Series
    columns: dict[str, Cells]
    findings: list[tuple[int | None, Finding]] = field(default_factory=list)
    canonical: dict[str, pl.Series] = field(default_factory=dict)
    recurring: Recurring | None = None

    def spread(self) -> Batch:
        """The same rows with all columns in `columns`."""
        if self.recurring is None:
            return self
        others = {key: column.gather(self.recurring.places) for key, column in self.recurring.columns.items()}
        return replace(self, columns={**self.columns, **others}, recurring=None)


_ROWS_AT_ONCE = 5_000

_LETTERS_AT_ONCE = 4 << 20
"""What Python makes of a text takes several times its length."""

_CELLS_AT_ONCE = 2_000_000

_MOST_KEYS = 10_000


def batched(items: Iterable[tuple[int | None, Item]], *, letters: Callable[[], int]) -> Iterator[Batch]:
    """Columns of rows that were read one at a time, as many as do not take much memory; at least one batch.

    `letters` counts what has been read so far.
    """
    batch = _Gathering()
    start = letters()
    yielded = False
    for line, item in items:
        batch.take(line, item)
        if batch.is_full or letters() - start >= _LETTERS_AT_ONCE:
            yield batch.finished()
            batch, start, yielded = _Gathering(), letters(), True
    if not yielded or batch.lines or batch.findings:
        yield batch.finished()


def batch_of(items: Iterable[tuple[int | None, Item]]) -> Batch:
    """Columns of a few rows that were read one at a time."""
    batch = _Gathering()
    for line, item in items:
        batch.take(line, item)
    return batch.finished()


class _Gathering:
    """Rows that become columns."""

    def __init__(self) -> None:
        self.lines: list[int | None] = []
        self.columns: dict[str, list[Any]] = {}
        self.findings: list[tuple[int | None, Finding]] = []

    @property
    def is_full(self) -> bool:
        """Whether it is time to deal with them."""
        rows = len(self.lines) + len(self.findings)
        return rows >= _ROWS_AT_ONCE or rows * len(self.columns) >= _CELLS_AT_ONCE

    def take(self, line: int | None, item: Item) -> None:
        """Take in a row, or what was found instead."""
        found = [item] if isinstance(item, Finding) else item.findings() if isinstance(item, Record) else []
        if isinstance(item, dict) and len(item) > _MOST_KEYS:
            found = [Finding("too many keys", f"{len(item):,}; at most {_MOST_KEYS:,} are read", rejects=True)]
        self.findings += [(line, finding) for finding in found]
        if isinstance(item, Finding) or any(finding.rejects for finding in found):
            return
        for key, value in item.items():
            cells = self.columns.setdefault(key, [])
            cells.extend(itertools.repeat(ABSENT, len(self.lines) - len(cells)))
            cells.append(value)
        self.lines.append(line)

    def finished(self) -> Batch:
        """What was taken in, as columns."""
        for cells in self.columns.values():
            cells.extend(itertools.repeat(ABSENT, len(self.lines) - len(cells)))
        columns = {key: cells_of(values) for key, values in self.columns.items()}
        return Batch(pl.Series("line", self.lines, pl.UInt64), columns, self.findings)


_LONGEST, _MOST = 40, 12
"""Letters of a name of a column, and names, that a message shows."""

_DTYPES: dict[type, pl.DataType] = {str: pl.String(), bool: pl.Boolean(), int: pl.Int64(), float: pl.Float64()}


def cells_of(values: list[Any]) -> Cells:
    """The values as a series, if that holds them as they are."""
    kinds = set(map(type, values)) - {type(None)}
    dtype = _DTYPES.get(next(iter(kinds))) if len(kinds) == 1 else None if kinds else pl.Null()
    if dtype is None:
        return values
    try:
        return pl.Series(values, dtype=dtype)
    except (OverflowError, UnicodeEncodeError, TypeError):  # a huge number, or half of a character that takes two
        return values


def is_sentence(key: str) -> bool:
    """Whether the name of a column may be a text of a row: then it shows in no message."""
    words = len(key.split())
    return (
        words >= _SENTENCE
        or len(key) > _LONGEST_NAME
        or (words >= _FEW and key.rstrip().endswith(("?", ".", "!")))
        or key.endswith(("\u3002", "\uff1f", "\uff01"))
    )


_SENTENCE, _FEW, _LONGEST_NAME = 5, 4, 60
"""Words that make a sentence, those that do with a mark at the end, and letters of the longest name."""


def shown_columns(names: Sequence[str]) -> str:
    """A dozen names of columns, as messages show them: without what may be a text.

    The first line of a file without a header is taken for names, and then a question or an answer is among them. Texts
    show only where somebody asks for them, so names that are long, of several lines, or values are left out, and beside
    such ones, or where no name is usual, all with a space.
    """
    shown = showable_columns(names)[:_MOST]
    more = f" and {len(names) - len(shown):,} more" if len(shown) < len(names) else ""
    texts = any(map(_is_content, names))
    doubt = " (some are long or of several lines, or numbers: of a CSV, the first line seems to be no header)"
    return f"{shown}{more}{doubt if texts else ''}"


def showable_columns(names: Sequence[str]) -> list[str]:
    """Names of columns that are no content of a row, as far as can be told; the others show in no message."""
    named = not any(map(_is_content, names)) and any(map(_USUAL.search, names))
    return [name for name in names if not _is_content(name) and (named or " " not in name.strip())]


def _is_content(name: str) -> bool:
    """Whether a name is what a row would hold: a text, a number, yes or no, or nothing."""
    return len(name) > _LONGEST or len(name.splitlines()) > 1 or bool(_VALUE.fullmatch(name.strip()))


_VALUE = re.compile(r"|[+-]?\d[\d.,]*(e[+-]?\d+)?|true|false|yes|no|nan|none|null", re.IGNORECASE)

_USUAL = re.compile(
    r"prompt|question|instruct|input|respon|answer|complet|output|chosen|reject|label|categor|safe|harm|toxic|score|"
    r"reward|cost|rating|model|judge|winner|text|messages|conversation|split|column|field|(^|[ _])id([ _]|$)",
    re.IGNORECASE,
)
"""Words of which a header of this field has one."""
