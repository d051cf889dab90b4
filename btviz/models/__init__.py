"""Models that score answers: reward, cost and moderation models that are loaded, and probes that are fitted here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btviz.lazy import lazy_exports

if TYPE_CHECKING:
    from btviz.models.heads import layouts
    from btviz.models.label_noise import noisy_labels, planted_flips
    from btviz.models.model import LoadedModel, load_score_model
    from btviz.models.probes import Probe, fit_probe, load_probe, save_probe
    from btviz.models.protocol import KINDS, SCORES, SCORES_ORDER, CrossFitted, ScoreModel, scores_table, stacked_scores
    from btviz.models.records import ScoreRecord
    from btviz.models.runs import Progress, ScoreWarning, scored_pairs
    from btviz.models.servers import ServedModel, connect_score_model

__getattr__, __dir__, __all__ = lazy_exports(__name__)
