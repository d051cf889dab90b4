"""Front doors: what a package offers, loaded when it is first asked for."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from btviz.errors import require


def lazy_exports(
    package: str, *, needs: tuple[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Make ``__getattr__``, ``__dir__`` and ``__all__`` of a package (PEP 562).

    What it offers is what its ``if TYPE_CHECKING:`` block imports, so that people, the type checker and
    the running program read one list.

    Parameters
    ----------
    package : str
        Its dotted name.
    needs : (str, str), optional
        A package that everything here needs, and the extra that brings it.

    Returns
    -------
    tuple
        The two functions and the list, to be bound under those names.
    """
    home_of = _imported_for_types(package)
    exported = sorted(home_of)

    def load(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}; it has {exported}")
        if needs is not None:
            require(needs[0], extra=needs[1])
        home = home_of[name]
        if home == package:
            return importlib.import_module(f"{home}.{name}")
        return getattr(importlib.import_module(home), name)

    return load, lambda: exported, exported


def _imported_for_types(package: str) -> dict[str, str]:
    """Names in the block that only the type checker runs, and where each is imported from."""
    spec = find_spec(package)
    source = spec.loader.get_source(package) if spec is not None else None  # type: ignore[union-attr]  # of files or a zip
    blocks = [node for node in ast.parse(source or "").body if isinstance(node, ast.If)]
    imports = [node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


_GRAMMAR = "rfc3987_syntax"


def without_grammar() -> None:
    """Import the package that checks charts without the grammar of web addresses, which it hardly ever asks for.

    Altair imports `jsonschema`, which imports `rfc3987_syntax` where it is installed (JupyterLab brings it), which
    takes a second to build its grammar. Until an address is checked, a function stands for it that loads it then.
    """
    if {"jsonschema", _GRAMMAR} & sys.modules.keys() or find_spec(_GRAMMAR) is None or find_spec("jsonschema") is None:
        return
    stand_in = ModuleType(_GRAMMAR)
    stand_in.is_valid_syntax = _is_valid_syntax  # type: ignore[attr-defined]  # a module made here has what it is given
    sys.modules[_GRAMMAR] = stand_in
    try:
        importlib.import_module("jsonschema")
    finally:
        del sys.modules[_GRAMMAR]


def _is_valid_syntax(term: str, value: str) -> Any:
    return importlib.import_module(_GRAMMAR).is_valid_syntax(term, value)
