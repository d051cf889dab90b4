"""What scores say: accuracy, calibration, moderation, raters, policies, margins, drift; scores read and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btviz.lazy import lazy_exports

if TYPE_CHECKING:
    from btviz.scores.accuracy import score_ceilings
    from btviz.scores.answers import score_records
    from btviz.scores.artefacts import OUTCOMES, artefact_baselines
    from btviz.scores.collection import (
        ScoreCollection,
        forget_scores,
        forgetting,
        keep_dataset,
        kept_answers,
        kept_scores,
    )
    from btviz.scores.conversations import read_conversations, turn_drift, turn_scores
    from btviz.scores.differences import margin_summary, score_drift, score_margins
    from btviz.scores.distributions import margin_bins, plane_bins, policy_bins, score_bins, score_range
    from btviz.scores.files import ScoreFile, read_scores
    from btviz.scores.generalization import leave_one_category_out, transfer_metrics
    from btviz.scores.intervals import stamped
    from btviz.scores.judgement_files import read_judgements
    from btviz.scores.judgements import (
        judge_agreement,
        judge_position_bias,
        judgement_ratings,
        judgement_win_rates,
        swap_consistency,
    )
    from btviz.scores.metrics import reliability_curve, roc_curve, score_metrics
    from btviz.scores.moderation import threshold_of
    from btviz.scores.plane import reward_against_cost, reward_and_cost, score_quadrants
    from btviz.scores.policies import (
        compare_policies,
        on_same_items,
        policy_answers,
        policy_ratings,
        policy_scores,
        safe_rates,
    )
    from btviz.scores.raters import (
        HUMAN,
        joint_agreement,
        moderator_agreement,
        no_verdicts,
        printed_agreement,
        safety_verdicts,
    )
    from btviz.scores.runs import KeepWarning, KeptScores, keep_scores, score, score_and_keep
    from btviz.scores.signs import SignCheck, check_sign

__getattr__, __dir__, __all__ = lazy_exports(__name__)
