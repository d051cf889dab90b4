"""Parts of sentences: p-values, lists; and reasons in place of errors, so that a notebook runs on."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from btviz.errors import BtvizError
from btviz.taxonomy.words import folded

HALF = 0.5


def p_value(value: float) -> str:
    """A p-value as text: ``p = 0.03``, ``p < 0.001``."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def listed(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def lines(*parts: str | None) -> str:
    """Sentences below each other, folded; those that are None or empty are left out."""
    return "\n".join(folded(part) for part in parts if part)


@contextmanager
def saying_why() -> Iterator[None]:
    """Print why something cannot be shown, where the data do not hold what it needs.

    Errors that are not btviz's own are raised as ever.

    Yields
    ------
    None
        The block runs up to where the error occurred.

    Examples
    --------
    >>> with saying_why():
    ...     raise BtvizError("Nothing was compared.")
    Nothing was compared.
    """
    try:
        yield
    except BtvizError as error:
        sys.stdout.write(f"{lines(str(error))}\n")
