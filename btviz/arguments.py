"""What a caller passes, checked before a library finds it wrong in its own words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral

import polars as pl

from btviz.errors import UsageError

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
    """Return a whole number that lies in a range.

    Parameters
    ----------
    value : object
        What was passed; numbers of NumPy will do, fractions, text and booleans will not.
    name : str
        Of the parameter, for the message.
    least, most : int
        Ends of the range, included; without `most` it has no upper one.

    Returns
    -------
    int
        `value`, as Python's own type.

    Raises
    ------
    UsageError
        If it is something else, or lies outside.
    """
    use = f"of at least {least}" if most is None else f"from {least} to {most}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        given = repr(value)
        if len(given) > _LONGEST:  # it may hold texts of the data
            given = f"a {type(value).__name__}"
        raise UsageError(f"{name}={given} was asked for; that is no whole number. Use one {use}.")
    number = int(value)
    if number < least or (most is not None and number > most):
        side = f"below {least}" if number < least else f"above {most}"
        raise UsageError(f"{name}={number} was asked for; that is {side}. Use a whole number {use}.")
    return number


def seed(value: object) -> int:
    """Return a `random_state`, 0 .. 2^32 - 1.

    Raises
    ------
    UsageError
        If it is something else.
    """
    return whole_number(value, name="random_state", least=0, most=LARGEST_SEED)


def expect_table(table: object, columns: Mapping[str, str], *, name: str, source: str) -> None:
    """Check that something is a table with some columns.

    Parameters
    ----------
    table : object
        What was passed.
    columns : Mapping
        Name of each column that is needed, and what it holds: a key of `TYPES`.
    name : str
        Of the parameter, for the message.
    source : str
        The call that makes such a table.

    Raises
    ------
    UsageError
        If it is no table of Polars, a column is missing, or one holds something else; nulls alone will do.
    """
    advice = f"Give what {source} returns."
    if not isinstance(table, pl.DataFrame):
        raise UsageError(f"A table was to be passed as {name}; this is a {type(table).__name__}. {advice}")
    missing = sorted(set(columns) - set(table.columns))
    if missing:
        raise UsageError(
            f"A table with {sorted(columns)} was to be passed as {name}; this one is without {missing}. {advice}"
        )
    for column, kind in columns.items():
        found = table.schema[column]
        if not TYPES[kind](found) and found != pl.Null:
            raise UsageError(
                f"A table with {kind} in column {column!r} was to be passed as {name}; there it has {found}. {advice}"
            )
