"""Interactive views for JupyterLab; they need the extra `lab`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btviz.lazy import lazy_exports, without_grammar

if TYPE_CHECKING:
    from btviz.widgets.categories.explorer import CategoryExplorer
    from btviz.widgets.inspector.comparisons import PreferenceInspector
    from btviz.widgets.inspector.pairs import PairInspector
    from btviz.widgets.page.page import ExplorePage, explore
    from btviz.widgets.preference.lab import OrthogonalityLab
    from btviz.widgets.preference.planner import PowerPlanner
    from btviz.widgets.preference.simulator import PreferenceSimulator
    from btviz.widgets.review.queue import ReviewQueue
    from btviz.widgets.scores.explorer import ScoreExplorer
    from btviz.widgets.topics.explorer import TopicExplorer
    from btviz.widgets.topics.livemap import LiveMap

without_grammar()

__getattr__, __dir__, __all__ = lazy_exports(__name__, needs=("anywidget", "lab"))
