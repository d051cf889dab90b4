"""What scores say: accuracy, calibration, moderation, raters, policies, margins, drift; scores kept and read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btviz.lazy import lazy_exports

if TYPE_CHECKING:
    from btviz.scores.ceilings import score_ceilings
    from btviz.scores.conversations import read_conversations, turn_drift, turn_scores
    from btviz.scores.distributions import margin_bins, plane_bins, policy_bins, score_bins
    from btviz.scores.evaluation import safe_rates
    from btviz.scores.files import ScoreFile, read_scores
    from btviz.scores.generalization import leave_one_category_out, transfer_metrics
    from btviz.scores.intervals import stamped
    from btviz.scores.margins import margin_summary, score_margins
    from btviz.scores.metrics import reliability_curve, roc_curve, score_metrics
    from btviz.scores.moderation import threshold_of
    from btviz.scores.plane import reward_against_cost, reward_and_cost, score_quadrants
    from btviz.scores.policies import compare_policies, on_same_items, policy_answers, policy_ratings, policy_scores
    from btviz.scores.raters import HUMAN, joint_agreement, moderator_agreement, safety_verdicts
    from btviz.scores.saved import (
        add_scores,
        forget_scores,
        forgetting,
        is_taken,
        keep_dataset,
        keep_scores,
        kept_answers,
        kept_scores,
    )
    from btviz.scores.scale import score_drift, score_range
    from btviz.scores.signs import SignCheck, check_sign

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "ceilings": ["score_ceilings"],
        "conversations": ["read_conversations", "turn_drift", "turn_scores"],
        "distributions": ["margin_bins", "plane_bins", "policy_bins", "score_bins"],
        "evaluation": ["safe_rates"],
        "files": ["ScoreFile", "read_scores"],
        "generalization": ["leave_one_category_out", "transfer_metrics"],
        "intervals": ["stamped"],
        "margins": ["margin_summary", "score_margins"],
        "metrics": ["reliability_curve", "roc_curve", "score_metrics"],
        "moderation": ["threshold_of"],
        "plane": ["reward_against_cost", "reward_and_cost", "score_quadrants"],
        "policies": ["compare_policies", "on_same_items", "policy_answers", "policy_ratings", "policy_scores"],
        "raters": ["HUMAN", "joint_agreement", "moderator_agreement", "safety_verdicts"],
        "saved": [
            "add_scores",
            "forget_scores",
            "forgetting",
            "is_taken",
            "keep_dataset",
            "keep_scores",
            "kept_answers",
            "kept_scores",
        ],
        "scale": ["score_drift", "score_range"],
        "signs": ["SignCheck", "check_sign"],
    },
)
