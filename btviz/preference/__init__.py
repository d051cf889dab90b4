"""Are helpfulness and harmlessness orthogonal? Shares, strata, regressions, verdicts."""

from __future__ import annotations

from btviz.preference.counts import orthogonality_of_counts
from btviz.preference.flagged import flags_against_safer
from btviz.preference.ranks import quadrants
from btviz.preference.reliability import agreement_correction, reliability_surface
from btviz.preference.result import Orthogonality, orthogonality
from btviz.preference.scores import score_association
from btviz.preference.simulated import simulate_preferences, simulate_scores
from btviz.preference.single import implied_trade_off
from btviz.preference.standardised import compare_categories, compare_releases

__all__ = [
    "Orthogonality",
    "agreement_correction",
    "compare_categories",
    "compare_releases",
    "flags_against_safer",
    "implied_trade_off",
    "orthogonality",
    "orthogonality_of_counts",
    "quadrants",
    "reliability_surface",
    "score_association",
    "simulate_preferences",
    "simulate_scores",
]
