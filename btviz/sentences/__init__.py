"""Results in plain sentences, made from the numbers: nothing is said that was not computed.

Each function takes a table that an analysis gave, and returns text: plain, to be printed.
"""

from __future__ import annotations

from btviz.sentences.ceilings import attainable
from btviz.sentences.comparisons import by_group, chance, data, position_bias, quadrants, strata
from btviz.sentences.confounders import adjusted, flags, orders, reliability, scores, trade_off
from btviz.sentences.context import agreement, published_counts, published_numbers, verdicts
from btviz.sentences.generalising import left_out, transferred
from btviz.sentences.models import accuracies, margins, middles, moderation, plane, policies, scored, signs, turns
from btviz.sentences.reasons import saying_why
from btviz.sentences.simulated import simulation

__all__ = [
    "accuracies",
    "adjusted",
    "agreement",
    "attainable",
    "by_group",
    "chance",
    "data",
    "flags",
    "left_out",
    "margins",
    "middles",
    "moderation",
    "orders",
    "plane",
    "policies",
    "position_bias",
    "published_counts",
    "published_numbers",
    "quadrants",
    "reliability",
    "saying_why",
    "scored",
    "scores",
    "signs",
    "simulation",
    "strata",
    "trade_off",
    "transferred",
    "turns",
    "verdicts",
]
