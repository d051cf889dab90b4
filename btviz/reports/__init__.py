"""What leaves the notebook: figures, published numbers against recomputed ones, results in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btviz.lazy import lazy_exports

if TYPE_CHECKING:
    from btviz.reports import figures, ledger, sentences
    from btviz.reports.corrections import CorrectionEffects, compare_corrections
    from btviz.reports.figures import save_figure, verify_all, write_all, write_paper, write_topic_map
    from btviz.reports.ledger import Ledger, check
    from btviz.reports.ledger.summary import summarise
    from btviz.reports.page import report
    from btviz.reports.review import ReviewResults, review_queue, review_results
    from btviz.reports.specifications import specification_curve
    from btviz.reports.tables import write_judgements, write_tables

__getattr__, __dir__, __all__ = lazy_exports(__name__)
