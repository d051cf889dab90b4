"""What a selection is made of: tests of columns, kept as data, that find pairs and can be written as Polars code.

A clause that comes from a file or from somebody else is checked against the tables at hand and turned into an
expression here; no code is ever run that was not written here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import polars as pl

from btviz.data.dataset import Dataset
from btviz.data.tables import ID
from btviz.errors import UsageError, choice
from btviz.session.ids import FEW, from_hex, hex_id

Value: TypeAlias = str | float | bool | tuple[float | None, float | None] | tuple[str, ...] | None

CODE = {
    "items": "ds.items",
    "annotations": "ds.annotations",
    "votes": "ds.votes",
    "points": "points",
    "assignments": "topics.assignments",
    "scores": "scores",
    "notes": "notes.table",
}
"""Tables that a clause may test, and what they are called in the code to paste."""


@dataclass(frozen=True)
class Tables:
    """The tables that clauses are evaluated on.

    Parameters
    ----------
    ds : Dataset
        The pairs.
    others : Mapping
        By name: ``points``, ``assignments``, ``scores`` and ``notes``, as far as they are there, which have `pair_id`;
        and ``topics``, whose names are shown.
    """

    ds: Dataset
    others: Mapping[str, pl.DataFrame] = field(default_factory=dict)

    def __getitem__(self, name: str) -> pl.DataFrame:
        """Table of that name."""
        if name in self.others:
            return self.others[name]
        if name in ("items", "annotations", "votes"):
            table: pl.DataFrame = getattr(self.ds, name)
            return table
        choice(name, CODE, what="table")
        raise UsageError(
            f"A selection rests on the table {name!r}; it is not on this page. Pass it to btviz.explore, "
            "or take the clause away."
        )


@dataclass(frozen=True)
class Condition:
    """One column of a table, and what its value has to be.

    Attributes
    ----------
    column : str
        Its name.
    test : str
        "is" (a value; None for a missing one), "one_of" (several), "between" (low, high; the first counts, the second
        does not; None for open), "has" (a category, in a column of masks), "split" and "unanimous" (several votes on
        safety, which differ or not), "contains" (words in the prompt or the response, literally, upper or lower case).
    value : Value
        What is asked for.
    """

    column: str
    test: str
    value: Value = None

    def code(self) -> str:
        """The test as code, over the rows of its table."""
        return _TESTS[self.test][0](self)

    def expression(self, tables: Tables) -> pl.Expr:
        """The test, to be evaluated."""
        return _TESTS[self.test][1](self, tables)


def _column(test: Condition) -> str:
    return f'pl.col("{test.column}")'


def _is_code(test: Condition) -> str:
    if test.value is None:
        return f"{_column(test)}.is_null()"
    if isinstance(test.value, bool):
        return _column(test) if test.value else f"~{_column(test)}"
    return f"({_column(test)} == {test.value!r})"


def _is(test: Condition, _: Tables) -> pl.Expr:
    column = pl.col(test.column)
    if test.value is None:
        return column.is_null()
    return column == pl.lit(test.value)


def _ends(test: Condition) -> tuple[float | None, float | None]:
    ends: Any = test.value  # a pair of numbers, says _checked
    return ends[0], ends[1]


def _between_code(test: Condition) -> str:
    low, high = _ends(test)
    parts = [f"({_column(test)} >= {low!r})"] * (low is not None) + [f"({_column(test)} < {high!r})"] * (
        high is not None
    )
    return " & ".join(parts) or f"{_column(test)}.is_not_null()"


def _between(test: Condition, _: Tables) -> pl.Expr:
    low, high = _ends(test)
    column = pl.col(test.column)
    above = column.is_not_null() if low is None else column >= low
    return above if high is None else above & (column < high)


def _has(test: Condition, tables: Tables) -> pl.Expr:
    return tables.ds.taxonomy.has(str(test.value), labels=test.column)


def _has_code(test: Condition) -> str:
    labels = "" if test.column == "labels" else f', labels="{test.column}"'
    return f'ds.taxonomy.has("{test.value}"{labels})'


def _split(_: Condition, __: Tables) -> pl.Expr:
    return (pl.col("n_unsafe") > 0) & (pl.col("n_unsafe") < pl.col("n_annotations"))


def _unanimous(_: Condition, __: Tables) -> pl.Expr:
    return (pl.col("n_annotations") > 1) & ((pl.col("n_unsafe") == 0) | (pl.col("n_unsafe") == pl.col("n_annotations")))


_UNANIMOUS = (
    '((pl.col("n_annotations") > 1) & ((pl.col("n_unsafe") == 0) | (pl.col("n_unsafe") == pl.col("n_annotations"))))'
)


def _pattern(test: Condition) -> str:
    return "(?i)" + pl.escape_regex(str(test.value))


def _contains(test: Condition, _: Tables) -> pl.Expr:
    return pl.any_horizontal(pl.col("prompt", "response").str.contains(_pattern(test)).fill_null(value=False))


def _contains_code(test: Condition) -> str:
    return f'pl.any_horizontal(pl.col("prompt", "response").str.contains({_pattern(test)!r}).fill_null(False))'


_TESTS: dict[str, tuple[Callable[[Condition], str], Callable[[Condition, Tables], pl.Expr]]] = {
    "is": (_is_code, _is),
    "one_of": (
        lambda test: f"{_column(test)}.is_in({list(test.value)!r})",  # type: ignore[arg-type]  # checked: a tuple
        lambda test, _: pl.col(test.column).is_in(list(test.value)),  # type: ignore[arg-type]
    ),
    "between": (_between_code, _between),
    "has": (_has_code, _has),
    "split": (lambda _: '((pl.col("n_unsafe") > 0) & (pl.col("n_unsafe") < pl.col("n_annotations")))', _split),
    "unanimous": (lambda _: _UNANIMOUS, _unanimous),
    "contains": (_contains_code, _contains),
}


@dataclass(frozen=True, eq=False)
class Clause:
    """Pairs that one view chose: in words, as ids, and as what finds them again.

    Attributes
    ----------
    view : str
        Which view said it; clauses of one view are alternatives of each other.
    words : str
        What is chosen, in words.
    pair_ids : Series
        Ascending, UInt64.
    table : str
        Whose rows are tested; see `CODE`. "ids" where the pairs are listed.
    tests : tuple of Condition
        All hold of the same row.
    code : str
        A Polars expression over `ds.items` that gives the same pairs; "" for a list too long to be written out.
    ranked, values : Series, optional
        The ids in an order that tells something, and what they are ranked by.
    """

    view: str
    words: str
    pair_ids: pl.Series
    code: str
    table: str = "ids"
    tests: tuple[Condition, ...] = ()
    ranked: pl.Series | None = None
    values: pl.Series | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """By which a second click on the same is known."""
        return (self.view, self.table, self.tests) if self.tests else (self.view, self.words, self.code)

    def to_json(self) -> dict[str, Any]:
        """The clause as plain data, for `clause_from_json`."""
        said = {"view": self.view, "words": self.words}
        if not self.tests:
            return said | {"ids": [hex_id(pair) for pair in self.pair_ids]}
        return said | {
            "table": self.table,
            "tests": [{"column": test.column, "test": test.test, "value": test.value} for test in self.tests],
        }


def clause(tables: Tables, view: str, *, words: str, table: str, tests: Sequence[Condition]) -> Clause:
    """Find the pairs that have a row of a table for which all tests hold.

    Parameters
    ----------
    tables : Tables
        What is at hand.
    view : str
        Which view says it.
    words : str
        What is chosen, in words.
    table : str
        Whose rows are tested.
    tests : sequence of Condition
        At least one.

    Returns
    -------
    Clause
        With the ids that the data set holds.

    Raises
    ------
    UsageError
        If a table, a column or a kind of test is unknown, or a value does not fit.
    """
    frame = tables[table]
    checked = tuple(_checked(test, frame.schema, tables=tables) for test in tests)
    if not checked:
        raise UsageError("A clause was to be made without any test. Say what a column has to be.")
    rows = frame.lazy().filter(*(test.expression(tables) for test in checked))
    ids = rows.select("pair_id").unique().sort("pair_id").collect()["pair_id"]
    conditions = [test.code() for test in checked]
    if table == "items":
        code = " & ".join(conditions)
    else:
        ids = ids.filter(ids.is_in(tables.ds.items["pair_id"].implode()))
        code = f'pl.col("pair_id").is_in({CODE[table]}.filter({", ".join(conditions)})["pair_id"].implode())'
    return Clause(view, words, ids, code, table, checked)


def clause_from_json(document: Mapping[str, Any], tables: Tables) -> Clause:
    """Make a clause of plain data, evaluated anew on the tables at hand; nothing in it is ever run.

    Parameters
    ----------
    document : Mapping
        As `Clause.to_json` gives it.
    tables : Tables
        What is at hand.

    Returns
    -------
    Clause
        Of pairs that the data set holds.

    Raises
    ------
    UsageError
        If the document has another shape, or speaks of what is not there.
    """
    try:
        view, words = _line(document["view"]), _line(document["words"])
        if "ids" in document:
            return listed(view, [from_hex(text) for text in document["ids"]], words=words)
        tests = [Condition(str(t["column"]), str(t["test"]), _value(t["value"])) for t in document["tests"]]
        return clause(tables, view, words=words, table=str(document["table"]), tests=tests)
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            "A clause of a selection was to be read; it lacks a part, or has one of another kind. "
            "It has view, words, table and tests, or view, words and ids."
        ) from error


def listed(view: str, ids: Iterable[int], *, words: str) -> Clause:
    """Clause of pairs that are listed one by one."""
    series = pl.Series("pair_id", list(ids), dtype=ID).unique().sort()
    return Clause(view, words, series, code_of(series))


def code_of(ids: pl.Series) -> str:
    """Code of a short list of ids; "" for a longer one, which the selection itself has to hold."""
    return f'pl.col("pair_id").is_in({ids.to_list()})' if len(ids) <= FEW else ""


LONGEST_WORDS = 300


def _line(value: object) -> str:
    if not isinstance(value, str) or len(value) > LONGEST_WORDS:
        raise TypeError
    return value


def _value(value: object) -> Value:
    if isinstance(value, list):
        return tuple(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError


_NUMBERS = (int, float)


def _checked(test: Condition, schema: pl.Schema, *, tables: Tables) -> Condition:
    """The test, once its kind, column and value are known to fit each other."""
    choice(test.test, _TESTS, what="test")
    choice(test.column, schema.names(), what="column")
    dtype, value = schema[test.column], test.value
    fits = {
        "is": lambda: value is None or _fits(value, dtype),
        "one_of": lambda: isinstance(value, tuple) and all(_fits(one, dtype) for one in value),
        "between": lambda: dtype.is_numeric() and isinstance(value, tuple) and _is_range(value),
        "has": lambda: dtype == pl.UInt32 and isinstance(value, str) and bool(tables.ds.taxonomy[value]),
        "split": lambda: {"n_unsafe", "n_annotations"} <= {*schema.names()},
        "unanimous": lambda: {"n_unsafe", "n_annotations"} <= {*schema.names()},
        "contains": lambda: isinstance(value, str) and bool(value.strip()) and {"prompt", "response"} <= {*schema},
    }
    if not fits[test.test]():
        raise UsageError(
            f"Column {test.column!r} was to be tested by {test.test!r}; the value does not fit a column of {dtype}. "
            "Give a number for numbers, words for words, two ends for 'between'."
        )
    return test


def _fits(value: object, dtype: pl.DataType) -> bool:
    if isinstance(value, bool):
        return dtype == pl.Boolean
    if isinstance(value, _NUMBERS):
        return dtype.is_numeric() and math.isfinite(value) and (isinstance(value, float) or abs(value) < 2**64)
    return isinstance(value, str) and dtype in (pl.String, pl.Categorical, pl.Enum)


def _is_range(value: Sequence[object]) -> bool:
    return len(value) == 2 and all(  # a low and a high end
        end is None or (isinstance(end, _NUMBERS) and not isinstance(end, bool) and math.isfinite(end)) for end in value
    )
