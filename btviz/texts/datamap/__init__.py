"""Data maps: texts in the plane, similar ones together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btviz.lazy import lazy_exports

if TYPE_CHECKING:
    from btviz.texts.datamap.fit import MapStage, fit_data_map
    from btviz.texts.datamap.quality import map_quality

__getattr__, __dir__, __all__ = lazy_exports(__name__)
