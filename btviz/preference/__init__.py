"""Are helpfulness and harmlessness orthogonal? Shares, strata, regressions, verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btviz.lazy import lazy_exports

if TYPE_CHECKING:
    from btviz.preference.comparisons import lacking
    from btviz.preference.counts import counts_known, orthogonality_of_counts
    from btviz.preference.mix import category_mix
    from btviz.preference.planning import power_plan
    from btviz.preference.releases import compare_categories, compare_releases, implied_trade_off
    from btviz.preference.reliability import agreement_correction, reliability_surface
    from btviz.preference.report import Orthogonality, flags_against_safer, orthogonality, quadrants
    from btviz.preference.scores import score_association
    from btviz.preference.severity import SeverityOrder, severity_of_counts, severity_order
    from btviz.preference.simulated import simulate_preferences, simulate_scores

__getattr__, __dir__, __all__ = lazy_exports(__name__)
