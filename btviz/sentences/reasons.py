"""Reasons instead of errors, so that the rest of a notebook still runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from btviz.errors import BtvizError
from btviz.sentences.phrases import lines


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
