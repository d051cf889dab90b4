"""Probes: score models that are fitted here, on embeddings, and need no large weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btviz.lazy import lazy_exports

if TYPE_CHECKING:
    from btviz.models.probes.fit import fit_probe, prompt_groups
    from btviz.models.probes.probe import Probe, is_probe, load_probe, save_probe

__getattr__, __dir__, __all__ = lazy_exports(__name__)
