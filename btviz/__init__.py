"""See what is in the BeaverTails family of safety-alignment data, and whether its claims hold.

Everything below is loaded when first used, so that ``import btviz`` stays light.
"""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from btviz import figures, plots, widgets
    from btviz.catalog import load
    from btviz.dataset import Dataset
    from btviz.errors import BtvizError
    from btviz.labels import category_counts, cooccurrence, label_sets, labels_per_item
    from btviz.repeats import prompt_overlap, response_repeats
    from btviz.scanning import scan
    from btviz.selection import Selection

__version__ = version("btviz")

_HOME = {
    "BtvizError": "errors",
    "Dataset": "dataset",
    "Selection": "selection",
    "category_counts": "labels",
    "cooccurrence": "labels",
    "label_sets": "labels",
    "labels_per_item": "labels",
    "load": "catalog",
    "prompt_overlap": "repeats",
    "response_repeats": "repeats",
    "scan": "scanning",
}
_MODULES = ("figures", "plots", "widgets")

__all__ = [
    "BtvizError",
    "Dataset",
    "Selection",
    "category_counts",
    "cooccurrence",
    "figures",
    "label_sets",
    "labels_per_item",
    "load",
    "plots",
    "prompt_overlap",
    "response_repeats",
    "scan",
    "widgets",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"btviz.{_HOME[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"btviz.{name}")
    raise AttributeError(f"module 'btviz' has no attribute {name!r}; it has {__all__}")


def __dir__() -> list[str]:
    return __all__
