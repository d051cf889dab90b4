"""The few kinds of error a caller may want to tell apart.

Every message has three beats: what was asked, what was found, what to do.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from types import ModuleType


class BtvizError(Exception):
    """Base of every error btviz raises on purpose.

    Attributes
    ----------
    exit_code : int
        What the command line exits with: 2 for a wrong request, 3 for data that are not
        here, 4 for bad data, 5 for a store or disk that failed, 6 for a failed download.
    """

    exit_code = 1


class UsageError(BtvizError, ValueError):
    """The request itself is wrong: an unknown option, column or population."""

    exit_code = 2


class NotFoundError(BtvizError, LookupError):
    """What was asked for is not on this machine."""

    exit_code = 3


class DataError(BtvizError, ValueError):
    """A file holds something that its release does not allow."""

    exit_code = 4


class StoreError(BtvizError, OSError):
    """The store could not be read or written."""

    exit_code = 5


class FetchError(BtvizError, OSError):
    """A download failed or did not match its published hash."""

    exit_code = 6


class MissingExtraError(BtvizError, ImportError):
    """A capability was asked for whose packages are not installed."""

    exit_code = 2


def require(module: str, /, *, extra: str) -> ModuleType:
    """Import an optional package, or say which command installs it.

    Parameters
    ----------
    module : str
        Dotted name of the module, for example ``"altair"``.
    extra : str
        The btviz extra that brings it.

    Returns
    -------
    ModuleType
        The imported module.

    Raises
    ------
    MissingExtraError
        If the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise  # an installed package is broken inside: its own message is the better one
        raise MissingExtraError(
            f"This needs the package {package!r}, which is not installed. Install it with: pip install 'btviz[{extra}]'"
        ) from error


def choice(value: str, options: Iterable[str], *, what: str) -> str:
    """Return `value` if it is one of `options`, else raise with the nearest match.

    Parameters
    ----------
    value : str
        What was asked for.
    options : iterable of str
        What there is.
    what : str
        Name of the thing, for the message: "population", "coefficient".

    Returns
    -------
    str
        `value`, unchanged.

    Raises
    ------
    UsageError
        If `value` is not among `options`.
    """
    known = list(options)
    if value in known:
        return value
    near = difflib.get_close_matches(str(value), known, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else "Use one of those."
    raise UsageError(f"There is no {what} {value!r}; there are {known}. {hint}")


def a_type(value: object) -> str:
    """What a value is, as a message says it: "an int", "a list"."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
