"""Interactive views for JupyterLab; they need the extra `lab`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from btviz.errors import require

if TYPE_CHECKING:
    from btviz.widgets.explorer import CategoryExplorer
    from btviz.widgets.inspector import PairInspector
    from btviz.widgets.orthogonality import OrthogonalityLab
    from btviz.widgets.preferences import PreferenceInspector
    from btviz.widgets.scoreexplorer import ScoreExplorer
    from btviz.widgets.simulator import PreferenceSimulator
    from btviz.widgets.topicexplorer import TopicExplorer

__all__ = [
    "CategoryExplorer",
    "OrthogonalityLab",
    "PairInspector",
    "PreferenceInspector",
    "PreferenceSimulator",
    "ScoreExplorer",
    "TopicExplorer",
]

_HOMES = {
    "CategoryExplorer": "explorer",
    "OrthogonalityLab": "orthogonality",
    "PairInspector": "inspector",
    "PreferenceInspector": "preferences",
    "PreferenceSimulator": "simulator",
    "TopicExplorer": "topicexplorer",
    "ScoreExplorer": "scoreexplorer",
}


def __getattr__(name: str) -> Any:
    """Import a view when it is first asked for, so that its filters work without the extra."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    require("anywidget", extra="lab")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
