"""Labels that are likely to be wrong, and how well a ranking finds labels flipped on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btviz.lazy import lazy_exports

if TYPE_CHECKING:
    from btviz.models.label_noise.candidates import noisy_labels
    from btviz.models.label_noise.flips import planted_flips

__getattr__, __dir__, __all__ = lazy_exports(__name__)
