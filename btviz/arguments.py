"""What a caller passes, checked before a library finds it wrong in its own words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Integral

import polars as pl

from btviz.errors import UsageError, a_type

LARGEST_SEED = 2**32 - 1
"""What NumPy's older generators take, which UMAP uses."""

_LONGEST = 24

TYPES: Mapping[str, Callable[[pl.DataType], bool]] = {
    "numbers": lambda found: found.is_numeric(),
    "whole numbers": lambda found: found.is_integer(),
    "text": lambda found: found == pl.String,
}
"""What a column may be asked to hold."""


def whole_number(value: object, *, name: str, least: int, most: int | None = None) -> int:
    """Return a whole number that lies in a range."""
    use = f"of at least {least}" if most is None else f"from {least} to {most}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        description = repr(value)
        if len(description) > _LONGEST:  # it may hold texts of the data
            description = a_type(value)
        raise UsageError(f"{name}={description} was asked for; that is no whole number. Use one {use}.")
    number = int(value)
    if number < least or (most is not None and number > most):
        side = f"below {least}" if number < least else f"above {most}"
        raise UsageError(f"{name}={number} was asked for; that is {side}. Use a whole number {use}.")
    return number


def seed(value: object) -> int:
    """Return a `random_state`, 0 .. 2^32 - 1."""
    return whole_number(value, name="random_state", least=0, most=LARGEST_SEED)


def expect_table(table: object, columns: Mapping[str, str], *, name: str, source: str) -> None:
    """Check that something is a table with some columns."""
    advice = f"Give what {source} returns."
    if not isinstance(table, pl.DataFrame):
        raise UsageError(f"A table was to be passed as {name}; this is {a_type(table)}. {advice}")
    missing = sorted(set(columns) - set(table.columns))
    if missing:
        raise UsageError(
            f"A table with {sorted(columns)} was to be passed as {name}; this one is without {missing}. {advice}"
        )
    for column, kind in columns.items():
        dtype = table.schema[column]
        if not TYPES[kind](dtype) and dtype != pl.Null:
            raise UsageError(
                f"A table with {kind} in column {column!r} was to be passed as {name}; there it has {dtype}. {advice}"
            )


def paired_texts(prompts: Sequence[str], responses: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return prompts and responses as lists of one length."""
    if isinstance(prompts, str) or isinstance(responses, str):
        raise UsageError("Prompts and responses were to be scored; a single text was given. Give a list of each.")
    pairs = list(prompts), list(responses)
    if len(pairs[0]) != len(pairs[1]):
        raise UsageError(
            f"Prompts and responses were to be scored; there are {len(pairs[0]):,} and {len(pairs[1]):,} of them. Give "
            "one prompt for each response."
        )
    for name, texts in zip(("prompt", "response"), pairs, strict=True):
        for number, text in enumerate(texts):
            if not isinstance(text, str) or not _is_whole(text):
                problem = "cut in a character" if isinstance(text, str) else a_type(text)
                raise UsageError(
                    f"Texts were to be scored; the {name} at place {number:,} is {problem}. Give whole texts."
                )
    return pairs


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
