"""What a user says of the columns of a file: the language of ``columns=`` and ``--columns``.

Each entry names a canonical column and where it comes from: ``prompt=question``, ``is_safe=harmful:unsafe``. A value is
the name of a column, as it is in the file; for a score, a sign and a number after it; and options, each after a colon.

=====================================  ==============================================================================
value                                  what it means
=====================================  ==============================================================================
``question``                           the column of that name; ``meta.source`` is the member `source` of objects in
                                       `meta`, ``category`` the columns ``category.…``, too
``harmful:unsafe``                     is_safe: true, 1, yes say *unsafe*; without the option they say safe. Words such
                                       as safe, unsafe, harmful say themselves what they mean
``verdict:safe=ok:unsafe=bad``         is_safe: what these words mean; several are divided by ``|``
``toxicity>0.5:unsafe``                is_safe: a score with a cut (``>``, ``>=``, ``<``, ``<=``)
``:from-labels``                       is_safe: safe where no category is named
``categories``                         labels: objects of flags, lists of names, names in one text, one name
``names:separator=;``                  labels: what divides names in one text (a mark, or comma, semicolon, bar, slash,
                                       tab, newline, blank, plus); without it, the taxonomy finds out
``scores>0.5``                         labels: objects with a score for each category, with a cut
``class:from=0``                       labels: numbers of categories, the first of which is 0; severity, better, safer,
                                       overall: numbers that begin so
``flags:partial``                      labels: objects that name only what they have to say
``cat_*``                              labels: one column for each category, named so; ``*`` alone: named as they are
``:0``, ``:1``                         better, safer, overall: the same answer in every row
``better``, ``safer``, ``overall``     chosen: what it means that one of two answers was chosen and the other rejected
=====================================  ==============================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import polars as pl

from btviz.data.keys import PREFIX
from btviz.data.reading.cells import column_at
from btviz.data.reading.columns import ANSWER, NAME, PROMPT, SAFE, SAFETY, UNSAFE, Code, Constant, Cut, KeyText, Reader
from btviz.data.reading.known_layouts import ORDER_OR_TIE, SEVERITY
from btviz.data.reading.label_column import Labels, Unflagged
from btviz.data.reading.layouts import Field, Layout, Without
from btviz.data.reading.record import Batch, shown_columns
from btviz.errors import UsageError, a_type, choice

Order = Literal["better", "safer", "overall"]
"""What a comparison may say of its two answers."""

_SIDES = ("", "_0", "_1")

COLUMNS = (
    "prompt",
    "response",
    *(f"{name}{side}" for name in ("is_safe", "labels", "severity", "source") for side in _SIDES),
    "response_0",
    "response_1",
    "better",
    "safer",
    "overall",
    "prompt_source",
    "split",
    "key",
    "chosen",
)
"""Canonical columns that may be mapped."""

MARKS = {
    "comma": ",", "semicolon": ";", "bar": "|", "slash": "/", "tab": "\t", "newline": "\n", "blank": " ", "plus": "+",
}  # fmt: skip
"""Words for marks that a command line would take for its own."""

_CUT = re.compile(r"\s*(>=|<=|>|<)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*\Z")


@dataclass(frozen=True)
class Value:
    """One value of a mapping: the key it names (none: ""), the cut of a score, and options."""

    text: str
    key: str
    cut: Cut | None
    options: Mapping[str, str]


def mapped_fields(columns: Mapping[str, str], sample: Batch) -> dict[str, Field]:
    """Fields of a mapping, by canonical column; a UsageError says what is wrong with it."""
    check_mapping(columns)
    values = {column: _value_of(text, column=column, sample=sample) for column, text in columns.items()}
    return {field.column: field for column, value in values.items() for field in [_field(column, value)]}


def meaning_of_chosen(columns: Mapping[str, str]) -> tuple[Order | None, dict[str, str]]:
    """What a mapping says that choosing means, and the rest of the mapping."""
    check_mapping(columns)
    rest = {column: value for column, value in columns.items() if column != "chosen"}
    order: Any = columns.get("chosen")
    if order is not None:
        choice(order, get_args(Order), what="meaning of chosen")
    return order, rest


def used_keys(columns: Mapping[str, str], sample: Batch) -> set[str]:
    """Keys of a sample that a mapping gives another name."""
    check_mapping(columns)
    values = [_parted(text, sample) for column, text in columns.items() if column != text]
    return {value.key.split(".")[0] for value in values if value is not None}


def check_mapping(columns: Mapping[str, str]) -> None:
    """Raise a UsageError where a mapping is none, or has a column that does not exist here."""
    if not isinstance(columns, Mapping):
        raise UsageError(
            f'Columns were to be mapped; {a_type(columns)} was given. Give a dict, such as {{"prompt": "question"}}.'
        )
    for column, value in columns.items():
        choice(column, COLUMNS, what="column to map")
        if not isinstance(value, str) or not value:
            raise UsageError(
                f"The column {column} was to be mapped; its value is {'empty' if value == '' else 'no text'}. Name a "
                f'column of the file: {{"{column}": "..."}}.'
            )


def mapped_layout(mapped: Mapping[str, Field]) -> Layout:
    """The layout of a file that no known one fits: what the user says of it, and nothing else."""
    has = set(mapped)
    if "prompt" not in has:
        raise UsageError(
            f"The columns {sorted(has)} were mapped; no column holds the prompts, and the file fits no known shape. "
            "Map prompt, too."
        )
    if len(has & {"response_0", "response_1"}) == 1:
        raise UsageError("One of response_0 and response_1 was mapped; a comparison has both. Map the other, too.")
    produces = "preferences" if "response_0" in has else "annotations" if "response" in has else "prompts"
    return Layout("columns as mapped", produces, tuple(mapped.values()))  # type: ignore[arg-type]  # one of three literals


def _value_of(text: str, *, column: str, sample: Batch) -> Value:
    value = _parted(text, sample)
    if value is None:
        raise UsageError(
            f"The column {column} was to come from {text[:60]!r}; the file has no such column, but "
            f"{shown_columns(list(sample.columns))}. Name one of those."
        )
    return value


def _parted(text: str, sample: Batch) -> Value | None:
    """Take a value apart: the longest beginning that is a column of the file is its key; None if none is."""
    if column_at(sample.columns, text) is not None:
        return Value(text, text, None, {})
    pieces = re.split(r":(?=[a-z]|[01]\Z)", text)
    for count in range(len(pieces), 0, -1):
        head = ":".join(pieces[:count])
        options = {name: word for name, _, word in (piece.partition("=") for piece in pieces[count:])}
        if head == "" or column_at(sample.columns, head) is not None:
            return Value(text, head, None, options)
        match = _CUT.search(head)
        key = head[: match.start()] if match else ""
        if match and column_at(sample.columns, key) is not None:
            return Value(text, key, Cut(match.group(1), float(match.group(2))), options)
    return None


def _field(column: str, value: Value) -> Field:
    name = re.sub(r"_[01]\Z", "", column)
    reader, used = _READERS[name](value)
    odd = sorted(set(value.options) - used)
    if odd:
        raise _wrong(column, value, f"it has no option {odd}", f"Its options are {sorted(used) or 'none'}")
    if value.cut is not None and name not in {"is_safe", "labels"}:
        raise _wrong(column, value, "a cut makes flags of scores", "Leave it out")
    if not value.key and not isinstance(reader, Constant | Unflagged):
        raise _wrong(column, value, "it names no column", "Name one")
    target = f"{PREFIX}{value.key}" if name == "key" else column
    return Field(target, value.key, reader, _WITHOUT.get(name, "report"))


_WITHOUT: Mapping[str, Without] = {
    "prompt": "reject",
    "response": "reject",
    "source": "allow",
    "prompt_source": "allow",
    "split": "allow",
    "key": "allow",
}

_Read = tuple[Reader, set[str]]
"""A reader, and the options that its values have."""


def _safety(value: Value) -> _Read:
    options = value.options
    if "from-labels" in options:
        return Unflagged(Labels()), {"from-labels"}
    safe, unsafe = (tuple(w for w in options.get(n, "").split("|") if w) for n in ("safe", "unsafe"))
    inverted = "unsafe" in options and not unsafe
    yes = tuple(word for word in SAFE if word not in unsafe) + safe
    no = tuple(word for word in UNSAFE if word not in safe) + unsafe
    return replace(SAFETY, inverted=inverted, cut=value.cut, yes=yes, no=no), {"safe", "unsafe"}


def _labels(value: Value) -> tuple[Labels, set[str]]:
    options = value.options
    dividers = options.get("separator")
    labels = Labels(
        cut=value.cut,
        first=_number(value, "from") if "from" in options else None,
        is_partial="partial" in options,
        is_among_others="*" in value.key,
    )
    if dividers is not None:
        mark = MARKS.get(dividers, dividers)
        if len(mark) != 1:
            raise _wrong("labels", value, f"{dividers!r} is no mark", f"Give one character, or one of {sorted(MARKS)}")
        labels = replace(labels, dividers=mark)
    return labels, {"separator", "from", "partial"}


def _code(code: Code) -> Callable[[Value], _Read]:
    def of(value: Value) -> _Read:
        for constant in ("0", "1"):
            if value.options == {constant: ""} and not value.key and code is ORDER_OR_TIE:
                return Constant(int(constant), pl.Int8()), {constant}
        return replace(code, shift=_number(value, "from") if "from" in value.options else 0), {"from"}

    return of


def _text(reader: Reader) -> Callable[[Value], _Read]:
    return lambda _: (reader, set())


_READERS: Mapping[str, Callable[[Value], _Read]] = {
    "prompt": _text(PROMPT),
    "response": _text(ANSWER),
    "is_safe": _safety,
    "labels": _labels,
    "severity": _code(SEVERITY),
    "better": _code(ORDER_OR_TIE),
    "safer": _code(ORDER_OR_TIE),
    "overall": _code(ORDER_OR_TIE),
    "source": _text(NAME),
    "prompt_source": _text(NAME),
    "split": _text(NAME),
    "key": _text(KeyText()),
}


def _number(value: Value, option: str) -> int:
    try:
        return int(value.options[option])
    except ValueError:
        raise _wrong("a column", value, f"{option} is no whole number", f"Write {option}=0 or {option}=1") from None


def _wrong(column: str, value: Value, found: str, advice: str) -> UsageError:
    return UsageError(f"{column} was to come from {value.text[:60]!r}; {found}. {advice}.")
