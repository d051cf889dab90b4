"""Nearest neighbours of texts, near duplicates, and more texts like some."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btviz.lazy import lazy_exports

if TYPE_CHECKING:
    from btviz.texts.neighbors.graph import Neighbors, nearest_neighbors
    from btviz.texts.neighbors.similar import more_like, near_duplicates, prompt_duplicates

__getattr__, __dir__, __all__ = lazy_exports(__name__)
