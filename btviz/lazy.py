"""Front doors: what a package offers, loaded when it is first asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from btviz.errors import require


def lazy_exports(
    package: str,
    homes: Mapping[str, Sequence[str]],
    *,
    modules: Sequence[str] = (),
    needs: tuple[str, str] | None = None,
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Make ``__getattr__``, ``__dir__`` and ``__all__`` of a package (PEP 562).

    Parameters
    ----------
    package : str
        Its dotted name.
    homes : mapping of str to sequence of str
        Module below the package, and the names it gives to the outside.
    modules : sequence of str
        Modules below the package that are offered themselves.
    needs : (str, str), optional
        A package that everything here needs, and the extra that brings it.

    Returns
    -------
    tuple
        The two functions and the list, to be bound under those names.
    """
    home_of = {name: home for home, names in homes.items() for name in names}
    exported = sorted([*home_of, *modules])

    def load(name: str) -> Any:
        if name not in exported:
            raise AttributeError(f"module {package!r} has no attribute {name!r}; it has {exported}")
        if needs is not None:
            require(needs[0], extra=needs[1])
        if name in modules:
            return importlib.import_module(f"{package}.{name}")
        return getattr(importlib.import_module(f"{package}.{home_of[name]}"), name)

    return load, lambda: exported, exported
