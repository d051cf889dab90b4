"""Released data sets: what there is, how to get it from the hub, and what was published of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btviz.lazy import lazy_exports

if TYPE_CHECKING:
    from btviz.data.releases.download import Step, fetch
    from btviz.data.releases.neighbours import NEIGHBOURS, Neighbour
    from btviz.data.releases.registry import RELEASES, Release, ReleasedFile, release

__getattr__, __dir__, __all__ = lazy_exports(__name__)
