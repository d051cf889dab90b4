"""Corrections: what reviewers say of fields of pairs, in which words, and which of it holds.

A correction is a row: a pair, a field of it, what was there, what is right, who says so, why and when.

=================  ===========================================  =========================================
field              what it is of                                `before` and `after`
=================  ===========================================  =========================================
``is_safe``        the answer                                   ``true``, ``false``
``labels``         all categories of the answer                 slugs joined by ``+``, or ``none``
a slug             one category: ``privacy``                    ``true`` (it has it), ``false``
``severity``       the answer                                   name or number of a level
``safer:ID``       the comparison with the answer ID            ``true`` (this answer is the safer one),
``better:ID``      (16 hexadecimal digits), all rows of it      ``false`` (ID is), ``undecided``
``overall:ID``
``review``         that a reviewer looked; changes nothing      ``confirmed``, ``relabelled``, ``unsure``,
                                                                ``skipped``
=================  ===========================================  =========================================

The word ``as released`` in `after` takes a reviewer's earlier correction of that field back. `before` is null where
nothing was known. Of one reviewer the latest row of a field holds; where reviewers differ, none does, and that is
said. A list of labels speaks of every category, so two lists that differ in one category agree on the others.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import polars as pl

from btviz.data.tables import ID, ORDERS, pair_ids_in
from btviz.errors import DataError, UsageError, a_type
from btviz.taxonomy.categories import Category, Taxonomy

CORRECTIONS = pl.Schema(
    {
        "pair_id": ID,
        "field": pl.String(),
        "before": pl.String(),
        "after": pl.String(),
        "reviewer": pl.String(),
        "why": pl.String(),
        "time": pl.Datetime("us", time_zone="UTC"),
        "undoes": pl.Datetime("us", time_zone="UTC"),
    }
)
"""Columns of the table of corrections. `undoes` is the time of the step that a row takes back, else null."""

AS_RELEASED = "as released"
"""`after` of a row that takes a correction back."""

NO_LABELS = "none"

UNDECIDED = "undecided"

REVIEW = "review"

REVIEWS = ("confirmed", "relabelled", "unsure", "skipped")
"""What a reviewer may say of a pair that was looked at."""

LONGEST_NAME = 100
"""Characters that a name of a category or field may have."""

CARD = "CORRECTIONS.md"
"""Name of the data card in a folder of corrected data; beside a single file it is the file's name and ``.md``."""

_TRUE, _FALSE = {"true", "yes", "1"}, {"false", "no", "0"}

_LABELS = {"labels", "category", "categories"}

Value = int | None
"""What a claim says: 0 or 1, a level, of comparisons also 2 (undecided); None takes an earlier one back."""


class KeptCorrections(Protocol):
    """What keeps corrections, such as `btviz.session.Corrections`."""

    @property
    def table(self) -> pl.DataFrame:
        """Rows with the columns of `CORRECTIONS`."""


def corrections_table(given: object) -> pl.DataFrame:
    """Bring corrections into one form.

    Parameters
    ----------
    given : DataFrame, iterable of mappings, or what keeps corrections
        With `pair_id`, `field` and `after`; other columns of `CORRECTIONS` may be missing. Values may be of their own
        types: true and false, lists of labels.

    Returns
    -------
    DataFrame
        With the columns of `CORRECTIONS`, a row for each row.

    Raises
    ------
    UsageError
        If it is no table, or has no such columns.
    DataError
        If a column of pair ids holds something else.
    """
    keeps = hasattr(type(given), "table")  # asked of the class, because the property reads a file
    frame = _frame(cast("KeptCorrections", given).table if keeps else given)
    missing = [name for name in ("pair_id", "field", "after") if name not in frame.columns]
    if missing and frame.height:
        raise UsageError(
            f"Corrections were to be read from a table; of its columns {frame.columns} none is {missing[0]!r}. "
            "Name pair_id, field and after; before, reviewer, why and time may be there, too."
        )
    columns = {name: _column(frame, name) for name in CORRECTIONS}
    return pl.DataFrame(columns, schema=CORRECTIONS)


def _frame(given: object) -> pl.DataFrame:
    if isinstance(given, pl.DataFrame):
        return given
    if isinstance(given, pl.LazyFrame):
        return given.collect()
    if hasattr(given, "__arrow_c_stream__"):  # pandas, Arrow, and others
        return pl.DataFrame(given)
    if isinstance(given, Mapping):  # columns
        sizes = {len(column) for column in given.values() if isinstance(column, Sequence | pl.Series)}
        if len(sizes) == 1 and all(isinstance(column, Sequence | pl.Series) for column in given.values()):
            return _frame_of([dict(zip(given, row, strict=True)) for row in zip(*given.values(), strict=True)])
    elif isinstance(given, Iterable) and not isinstance(given, str | bytes):
        rows = list(given)
        if all(isinstance(row, Mapping) for row in rows):
            return _frame_of(rows)
    raise UsageError(
        f"Corrections were to be read from {a_type(given)}; it is no table. Pass a table with pair_id, field and "
        "after, or btviz.session.Corrections(ds)."
    )


def _frame_of(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows as a table: ids and values as text, for they may be of several types."""
    names = [name for name in CORRECTIONS if any(name in row for row in rows)]
    times = {name for name, dtype in CORRECTIONS.items() if isinstance(dtype, pl.Datetime)}
    columns = {}
    for name in names:
        values = [row.get(name) for row in rows]
        is_time = name in times and not any(isinstance(value, str) for value in values)
        columns[name] = values if is_time else [value_text(value) for value in values]
    return pl.DataFrame(columns, strict=False)


def _column(frame: pl.DataFrame, name: str) -> pl.Series:
    dtype = CORRECTIONS[name]
    if name not in frame.columns:
        return pl.Series(name, [None] * frame.height, dtype)
    column = frame[name]
    if name == "pair_id":
        ids = column.cast(ID) if column.dtype.is_integer() else pair_ids_in(column)
        if ids.null_count():
            raise DataError(
                f"Corrections were to be read from a table; {ids.null_count():,} of its rows have no pair_id. "
                "Give each its pair, or match them by another id: btviz.session.Corrections(ds).read."
            )
        return ids
    if isinstance(dtype, pl.Datetime):
        return _times(column, dtype)
    return pl.Series(name, [value_text(value) for value in column], pl.String)


def _times(column: pl.Series, dtype: pl.Datetime) -> pl.Series:
    try:
        if column.dtype == pl.String:
            return column.str.to_datetime(time_unit="us", time_zone="UTC", strict=True)
        naive = isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone is None
        return column.dt.replace_time_zone("UTC").cast(dtype) if naive else column.cast(dtype)
    except pl.exceptions.PolarsError as error:
        raise DataError(
            f"Corrections were to be read from a table; its column {column.name!r} holds something else than times. "
            "Write them as 2026-01-31T12:00:00+00:00."
        ) from error


def value_text(value: Any) -> str | None:
    """A value of a field as text: true and false, a list of labels joined by ``+``.

    Parameters
    ----------
    value : any
        As somebody gave it.

    Returns
    -------
    str or None
        None stays None.
    """
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, Mapping):  # as released: whether each category holds
        return value_text([name for name, holds in value.items() if holds])
    if isinstance(value, Iterable):
        return "+".join(map(str, value)) or NO_LABELS
    return str(value)


@dataclass(frozen=True)
class Stated:
    """One correction in the words of `CORRECTIONS`, and what it claims.

    Attributes
    ----------
    pair_id : int
        Of a comparison, the smaller of both ids.
    field, after : str
        As they are kept.
    claims : tuple of (str, int or None)
        What it says of each target: ``is_safe``, ``severity``, ``#BIT`` of a category, ``safer:ID``.
    """

    pair_id: int
    field: str
    after: str
    claims: tuple[tuple[str, Value], ...]


def stated(pair_id: int, field: str, *, after: str, taxonomy: Taxonomy) -> Stated:
    """Read one correction.

    Parameters
    ----------
    pair_id : int
        The answer.
    field, after : str
        In any of the spellings that are understood.
    taxonomy : Taxonomy
        Of the data set.

    Returns
    -------
    Stated
        In the words that are kept.

    Raises
    ------
    UsageError
        If there is no such field or value.
    """
    word = after.strip()
    head, _, other = field.strip().partition(":")
    if head in ORDERS:
        return _of_comparison(pair_id, head, other.strip(), word=word)
    if field.strip() in _LABELS:
        return _of_labels(pair_id, word, taxonomy)
    if head == "is_safe":
        value = None if word == AS_RELEASED else _flag(head, {"safe": "true", "unsafe": "false"}.get(word, word))
        return Stated(pair_id, head, _flag_word(value), ((head, value),))
    if head == "severity":
        level = None if word == AS_RELEASED else _level(word, taxonomy)
        return Stated(pair_id, head, _level_word(level, taxonomy), ((head, level),))
    if head == REVIEW:
        if word not in (*REVIEWS, AS_RELEASED):
            raise _wrong(head, word, REVIEWS)
        return Stated(pair_id, head, word, ())
    category = _category(field.strip(), taxonomy)
    value = None if word == AS_RELEASED else _flag(category.slug, word)
    return Stated(pair_id, category.slug, _flag_word(value), ((f"#{category.bit}", value),))


def _of_labels(pair_id: int, word: str, taxonomy: Taxonomy) -> Stated:
    if word == AS_RELEASED:
        return Stated(pair_id, "labels", word, tuple((f"#{bit}", None) for bit in range(len(taxonomy))))
    names = _names_in(word)
    is_mask = word.isdecimal() and int(word) < 1 << len(taxonomy)
    mask = int(word) if is_mask else taxonomy.mask(_category(name, taxonomy).slug for name in names)
    claims = tuple((f"#{bit}", mask >> bit & 1) for bit in range(len(taxonomy)))
    return Stated(pair_id, "labels", labels_word(mask, taxonomy), claims)


def _names_in(word: str) -> list[str]:
    """Names of categories in one text: divided by ``+`` or ``|``, or a list in JSON, as CSV files hold them."""
    if word in (NO_LABELS, "[]"):
        return []
    if word.startswith("["):
        try:
            return [str(name) for name in json.loads(word)]
        except ValueError:
            pass
    return [name.strip() for name in word.replace("|", "+").split("+")]


def _category(name: str, taxonomy: Taxonomy) -> Category:
    if len(name) > LONGEST_NAME:  # a text that stands in the wrong column is not repeated
        raise UsageError(
            f"A correction names a category or a field; what it names has {len(name):,} characters. Write one of "
            f"{[category.slug for category in taxonomy.categories]}, is_safe or labels."
        )
    return taxonomy[name]


def _of_comparison(pair_id: int, head: str, other: str, *, word: str) -> Stated:
    digits = other.lower().removeprefix("0x")
    if len(digits) != 16 or not set(digits) <= set("0123456789abcdef"):
        raise UsageError(
            f"A correction of {head!r} was given; it names no other answer to compare with. "
            f"Write {head}:ID with the 16 hexadecimal digits of the other answer."
        )
    value: Value = {AS_RELEASED: None, UNDECIDED: 2, "tie": 2}.get(word, -1)
    if value == -1:
        value = _flag(f"{head}:ID", word)
    first, second = sorted((pair_id, int(digits, 16)))
    if first != pair_id and value in (0, 1):
        value = 1 - value
    text = UNDECIDED if value == 2 else _flag_word(value)
    return Stated(first, f"{head}:{second:016x}", text, ((f"{head}:{second:016x}", value),))


def _flag(field: str, word: str) -> int:
    if word.lower() not in _TRUE | _FALSE:
        raise _wrong(field, word, ("true", "false"))
    return int(word.lower() in _TRUE)


def _flag_word(value: Value) -> str:
    return AS_RELEASED if value is None else "true" if value else "false"


def _level(word: str, taxonomy: Taxonomy) -> int:
    if word in taxonomy.severities:
        return taxonomy.severities.index(word)
    if word.isdecimal() and int(word) < (len(taxonomy.severities) or 256):
        return int(word)
    raise _wrong("severity", word, taxonomy.severities or ("0", "1", "..."))


def _level_word(level: Value, taxonomy: Taxonomy) -> str:
    if level is None:
        return AS_RELEASED
    return taxonomy.severities[level] if level < len(taxonomy.severities) else str(level)


def labels_word(mask: int, taxonomy: Taxonomy) -> str:
    """A set of labels as it is kept: slugs in the order of the taxonomy."""
    return "+".join(category.slug for category in taxonomy.members(mask)) or NO_LABELS


def _wrong(field: str, word: str, known: Sequence[str]) -> UsageError:
    shown = repr(word) if len(word) <= 40 else f"a text of {len(word)} characters"
    return UsageError(
        f"A correction of {field!r} was to be {shown}; it may be {', '.join(known)}, or {AS_RELEASED!r}. "
        "Write one of these."
    )


def field_text(field: str, row: Mapping[str, Any], *, taxonomy: Taxonomy) -> str | None:
    """What a pair has in a field, in the words of corrections.

    Parameters
    ----------
    field : str
        As it is kept; not one of comparisons.
    row : mapping
        With `is_safe`, `labels`, `severity`.
    taxonomy : Taxonomy
        Of the data set.

    Returns
    -------
    str or None
        None where it is not known.
    """
    if field == REVIEW:
        return None
    if field in ("is_safe", "severity"):
        value = row[field]
        if value is None:
            return None
        return _flag_word(int(value)) if field == "is_safe" else _level_word(int(value), taxonomy)
    if row["labels"] is None:
        return None
    if field == "labels":
        return labels_word(row["labels"], taxonomy)
    return _flag_word(row["labels"] >> taxonomy[field].bit & 1)


@dataclass(frozen=True, eq=False)
class Claims:
    """What corrections say, brought down to one value for each target of a pair.

    Attributes
    ----------
    rows : DataFrame
        A row for each target that a correction speaks of: `row` (its number), `pair_id`, `target`, `value`, and
        whether it `holds` (it is its reviewer's latest) or is in `conflict` with another.
    settled : DataFrame
        `pair_id`, `target`, `value`: those that hold, agreed and not taken back.
    problems : dict of int to str
        Rows that cannot be read, and why.
    reviews : set of int
        Rows that change nothing by their kind.
    confirmed : DataFrame
        `pair_id`, `reviewer`: what reviewers said last of having looked is that the labels are right.
    """

    rows: pl.DataFrame
    settled: pl.DataFrame
    problems: dict[int, str]
    reviews: set[int]
    confirmed: pl.DataFrame


_CLAIMS = pl.Schema(
    {
        "row": pl.UInt32(),
        "pair_id": ID,
        "target": pl.String(),
        "value": pl.Int16(),
        "is_single": pl.Boolean(),
        "reviewer": pl.String(),
        "time": CORRECTIONS["time"],
    }
)


def claims_of(table: pl.DataFrame, taxonomy: Taxonomy) -> Claims:
    """Read corrections and settle what they say; the order of their rows makes no difference."""
    known: dict[tuple[int, str, str], Stated | str] = {}
    problems: dict[int, str] = {}
    reviews: set[int] = set()
    said: list[tuple[Any, ...]] = []
    for row, (pair, field, _, after, reviewer, _, time, _) in enumerate(table.select(CORRECTIONS.names()).iter_rows()):
        key = (pair, field or "", after or "")
        if key not in known:
            try:
                known[key] = stated(pair, field or "", after=after or "", taxonomy=taxonomy)
            except UsageError as error:
                known[key] = str(error)
        found = known[key]
        if isinstance(found, str):
            problems[row] = found
        elif not found.claims:
            reviews.add(row)
        else:
            single = found.field != "labels"
            said += (
                (row, found.pair_id, target, value, single, reviewer or "", time) for target, value in found.claims
            )
    rows = _settled(pl.DataFrame(said, schema=_CLAIMS, orient="row"))
    agreed = rows.filter("holds", ~pl.col("conflict"), pl.col("value").is_not_null())
    settled = agreed.select("pair_id", "target", "value").unique().sort("pair_id", "target")
    return Claims(rows, settled, problems, reviews, _confirmed(table))


def _confirmed(table: pl.DataFrame) -> pl.DataFrame:
    looks = table.filter(pl.col("field") == REVIEW).with_columns(pl.col("reviewer").fill_null(""))
    last = looks.sort("time", nulls_last=False).group_by("pair_id", "reviewer").agg(pl.col("after").last())
    return last.filter(pl.col("after") == REVIEWS[0]).select("pair_id", "reviewer")


def _settled(claims: pl.DataFrame) -> pl.DataFrame:
    """Add which claims hold, and which of these contradict each other."""
    own, about = ("pair_id", "target", "reviewer"), ("pair_id", "target")
    time = pl.col("time").cast(pl.Int64).fill_null(0)
    moment = 2 * time + pl.col("is_single").cast(pl.Int64)  # of one step, a list of labels counts first
    ranked = claims.with_columns(moment.alias("moment"))
    held = ranked.with_columns((pl.col("moment") == pl.col("moment").max().over(own)).alias("holds"))
    value = pl.when("holds").then(pl.col("value"))
    twofold = pl.when("holds").then(pl.col("value").fill_null(-1)).drop_nulls().n_unique().over(own) > 1
    return held.with_columns(
        ((value.drop_nulls().n_unique().over(about) > 1) | twofold.any().over(about)).alias("conflict")
    ).drop("moment")
