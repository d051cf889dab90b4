"""Results in plain sentences, made from the numbers: nothing is said that was not computed.

Each function takes a table that an analysis gave, and returns text: plain, to be printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from btviz.lazy import lazy_exports

if TYPE_CHECKING:
    from btviz.reports.sentences.categories import structure
    from btviz.reports.sentences.comparisons import (
        by_group,
        chance,
        data,
        plan,
        position_bias,
        quadrants,
        simulation,
        strata,
    )
    from btviz.reports.sentences.confounders import adjusted, flags, orders, reliability, scores, severity, trade_off
    from btviz.reports.sentences.context import (
        agreement,
        mix,
        published_counts,
        published_numbers,
        shift,
        specifications,
        verdicts,
    )
    from btviz.reports.sentences.models import (
        accuracies,
        margins,
        middles,
        moderation,
        plane,
        policies,
        scored,
        signs,
        turns,
    )
    from btviz.reports.sentences.phrases import saying_why
    from btviz.reports.sentences.probes import artefacts, attainable, left_out, transferred

__getattr__, __dir__, __all__ = lazy_exports(__name__)
