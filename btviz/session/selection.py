"""The QA pairs an analyst is looking at, shared by every view of one data set.

A view takes a `Selection`, sets it when something is clicked and observes it to follow the
others. It knows no widget, so a script can drive a view with it and a test can read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import polars as pl

from btviz.data.tables import ID
from btviz.errors import UsageError

FEW = 20
"""Up to so many ids are written out in the expression of a selection made by hand."""


class Observable:
    """Base of the objects that views share: the selection and the content policy."""

    def __init__(self) -> None:
        self._callbacks: list[Callable[[], None]] = []

    def observe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` after every change.

        Parameters
        ----------
        callback : callable
            Takes nothing; it reads the new state from the object it observes.

        Returns
        -------
        callable
            Ends the observation; calling it again does nothing.
        """
        self._callbacks.append(callback)

        def stop() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return stop

    def _changed(self) -> None:
        for callback in tuple(self._callbacks):  # a callback may end its own observation
            callback()


@dataclass(frozen=True)
class Choice:
    """One state of a `Selection`."""

    pair_ids: pl.Series | None = None
    origin: str = "All pairs"
    expression: str = "pl.lit(True)"
    ranked: pl.Series | None = None
    values: pl.Series | None = None
    """What `ranked` is ranked by, called after it."""


class Selection(Observable):
    """Pair ids, where they came from, and an expression that finds them again.

    Examples
    --------
    >>> from btviz import Selection
    >>> selection = Selection()
    >>> selection.set([7, 3, 7], origin="read last week")
    >>> selection.pair_ids.to_list(), selection.expression
    ([3, 7], 'pl.col("pair_id").is_in([3, 7])')
    """

    def __init__(self) -> None:
        super().__init__()
        self._choice = Choice()

    @property
    def choice(self) -> Choice:
        """The present state; it never changes, a new choice replaces it."""
        return self._choice

    @property
    def pair_ids(self) -> pl.Series | None:
        """Unique ids, ascending, UInt64; None where nothing has been chosen."""
        return self._choice.pair_ids

    @property
    def ranked(self) -> pl.Series | None:
        """The same ids in the order that they were given in; None where that tells nothing."""
        return self._choice.ranked

    @property
    def values(self) -> pl.DataFrame | None:
        """What the pairs are ranked by: `pair_id` and one column, as `ranked`; None where that is unknown."""
        now = self._choice
        return None if now.ranked is None or now.values is None else pl.DataFrame([now.ranked, now.values])

    @property
    def origin(self) -> str:
        """Where the pairs came from, in words."""
        return self._choice.origin

    @property
    def expression(self) -> str:
        """Polars expression over `pairs` that selects the same pairs, as code to paste."""
        return self._choice.expression

    def set(
        self,
        pair_ids: pl.Series | pl.DataFrame | Iterable[int],
        *,
        origin: str = "Chosen in Python",
        expression: str | None = None,
        in_order: bool = False,
        value: str | None = None,
    ) -> None:
        """Choose pairs and tell every view that observes.

        Parameters
        ----------
        pair_ids : Series, iterable of int, or DataFrame with a column `pair_id`
            In any order; repeats are dropped.
        origin : str
            Where they came from, in words; views show it.
        expression : str, optional
            Code of a Polars expression over `pairs` that gives the same pairs. Without it the
            ids are written out, or, if there are more than 20, taken from ``selection.pair_ids``.
        in_order : bool
            List them in the order given, a ranking; else in that of the data.
        value : str, optional
            Column of the table given by which it is ranked, "similarity" say: views show it beside each
            pair. It means `in_order`.

        Raises
        ------
        UsageError
            If the ids are not 64-bit unsigned numbers, or the table has no such column of numbers.
        """
        given = _ids(pair_ids)
        ids = given.sort()
        values = None if value is None else _values(pair_ids, value)
        ranked = given if in_order or values is not None else None
        self._choice = Choice(ids, origin, expression or _listed(ids), ranked, values)
        self._changed()

    def clear(self) -> None:
        """Choose nothing: every view shows all its pairs again."""
        self._choice = Choice()
        self._changed()

    def of(self, table: pl.DataFrame) -> pl.DataFrame:
        """Rows of a table with a `pair_id` column that belong to the chosen pairs."""
        if self.pair_ids is None:
            return table
        return table.filter(pl.col("pair_id").is_in(self.pair_ids.implode()))

    def __repr__(self) -> str:
        count = "all pairs" if self.pair_ids is None else f"{len(self.pair_ids)} pairs"
        return f"<Selection: {count}; {self.origin}>"


def hex_id(identifier: int) -> str:
    """16 hexadecimal digits, the only form in which an id crosses to JavaScript.

    Parameters
    ----------
    identifier : int
        Of a pair or a prompt.

    Returns
    -------
    str
        Without ``0x``.
    """
    return f"{identifier:016x}"


def from_hex(text: str) -> int:
    """Id from its 16 hexadecimal digits.

    Parameters
    ----------
    text : str
        With or without ``0x``.

    Returns
    -------
    int
        Of a pair or a prompt.

    Raises
    ------
    UsageError
        If `text` is anything else.
    """
    digits = text.strip().lower().removeprefix("0x")
    if len(digits) != 16 or not set(digits) <= set("0123456789abcdef"):
        raise UsageError(
            f"A pair id has 16 hexadecimal digits; this has {len(digits)} characters or others among them. "
            "Copy one from the head of a pair."
        )
    return int(digits, 16)


def possible_ids(text: str) -> list[int]:
    """Ids that digits may stand for: 16 hexadecimal ones, as views show them, or the number in a table.

    Parameters
    ----------
    text : str
        As somebody typed or pasted it.

    Returns
    -------
    list of int
        Two where 16 decimal digits may be meant either way.

    Raises
    ------
    UsageError
        If `text` is neither.
    """
    digits = text.strip()
    number = [int(digits)] if digits.isascii() and digits.isdecimal() and len(digits) <= 20 else []
    number = [value for value in number if value < 2**64]
    return number if number and len(digits) != 16 else [from_hex(digits), *number]


def _ids(pair_ids: pl.Series | pl.DataFrame | Iterable[int]) -> pl.Series:
    values = pair_ids["pair_id"] if isinstance(pair_ids, pl.DataFrame) else pair_ids
    try:
        series = pl.Series("pair_id", values).cast(ID) if isinstance(values, pl.Series) else _series(values)
    except (pl.exceptions.PolarsError, TypeError, OverflowError) as error:
        raise UsageError(
            "A selection takes pair ids, which are 64-bit unsigned numbers; something else was given. "
            "Pass a table with a column 'pair_id', or its column."
        ) from error
    if series.null_count():
        raise UsageError("A selection takes pair ids; some of those given are null. Drop them first.")
    return series.unique(maintain_order=True)


def _values(table: object, name: str) -> pl.Series:
    """Numbers of a ranking, of each pair the first, as `_ids` keeps them."""
    if not isinstance(table, pl.DataFrame) or name not in table.columns or not table[name].dtype.is_numeric():
        raise UsageError(
            f"Pairs were to be ranked by {name!r}; what was given has no such column of numbers. "
            "Pass a table with it and a column 'pair_id'."
        )
    return table.unique("pair_id", keep="first", maintain_order=True)[name].cast(pl.Float64)


def _series(values: Iterable[int]) -> pl.Series:
    return pl.Series("pair_id", list(values), dtype=ID)


def _listed(ids: pl.Series) -> str:
    if len(ids) > FEW:
        return 'pl.col("pair_id").is_in(selection.pair_ids.implode())'
    return f'pl.col("pair_id").is_in({ids.to_list()})'
