"""Figures as files: which there are, and SVG, PDF and PNG with a record of where they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btviz.lazy import lazy_exports

if TYPE_CHECKING:
    from btviz.reports.figures.of_data import FIGURES
    from btviz.reports.figures.of_scores import SCORE_FIGURES
    from btviz.reports.figures.paper import write_paper
    from btviz.reports.figures.write import MANIFEST, save_figure, verify_all, write_all, write_topic_map

__getattr__, __dir__, __all__ = lazy_exports(__name__)
