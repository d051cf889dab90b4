"""What the machine gives: cores, memory, a cluster, and a line that says how far something has come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btviz.lazy import lazy_exports

if TYPE_CHECKING:
    from btviz.machine.cluster import ray_cluster
    from btviz.machine.memory import MemoryWarning, Room
    from btviz.machine.progress import bar, is_watched
    from btviz.machine.threads import on_each_core, one_core_each

__getattr__, __dir__, __all__ = lazy_exports(__name__)
