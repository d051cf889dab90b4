"""The name under which notebooks of 0.1 import `btviz.models` and `btviz.scores`."""

from __future__ import annotations

import sys
from typing import Any

from btviz import models, scores
from btviz.models import probes
from btviz.scores import conversations, differences, distributions, metrics, plane, policies, raters

for name, module in {
    "conversations": conversations,
    "distributions": distributions,
    "margins": differences,
    "metrics": metrics,
    "moderators": raters,
    "plane": plane,
    "policies": policies,
    "probes": probes,
}.items():
    sys.modules[f"{__name__}.{name}"] = globals()[name] = module


def __getattr__(name: str) -> Any:
    return getattr(models if name in models.__all__ else scores, name)
