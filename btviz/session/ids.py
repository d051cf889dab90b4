"""Ids of pairs and prompts as text: the form in which they cross to JavaScript, and how they are typed."""

from __future__ import annotations

from btviz.errors import UsageError

FEW = 20
"""Up to so many ids are written out in the expression of a selection made by hand."""


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
