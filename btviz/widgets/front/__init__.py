"""The browser's side of the views: their bundled scripts, and the drawing libraries that they share.

The scripts are written in `src/`, one module a file, and bundled into the committed files of
`bundles/` (``make front``). Nothing but this module knows the folder.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import ipywidgets
import traitlets

_BUNDLES = Path(__file__).parent / "bundles"


def script(view: str) -> str:
    """Script of a view, as one module to the browser."""
    return (_BUNDLES / f"{view}.js").read_text(encoding="utf-8")


def style(view: str) -> str:
    """Styles of a view."""
    return (_BUNDLES / f"{view}.css").read_text(encoding="utf-8")


def packed(text: str) -> str:
    """What the browser unpacks: a long text, as a trait that weighs little in a saved notebook."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


class Library(ipywidgets.Widget):  # type: ignore[misc]  # ipywidgets has no types
    """A drawing library, held once by a kernel for all of its views.

    A view refers to it and carries no copy, so that its own script starts at once. As a model (a
    message would wait until the kernel is free) it is in the browser before the view is, and in a
    saved notebook, where views without a kernel find it, too.
    """

    digest = traitlets.Unicode(read_only=True).tag(sync=True)
    packed = traitlets.Unicode(read_only=True).tag(sync=True)

    def __init__(self, source: str) -> None:
        self.set_trait("digest", hashlib.sha256(source.encode()).hexdigest()[:16])
        self.set_trait("packed", packed(source))
        super().__init__()


_LIBRARIES: dict[str, Library] = {}


def library(name: str, source: Callable[[], str]) -> Library:
    """Give the library of that name; `source` writes its module where it isn't held yet, or was closed."""
    held = _LIBRARIES.get(name)
    if held is None or held.comm is None:
        held = _LIBRARIES[name] = Library(source())
    return held
