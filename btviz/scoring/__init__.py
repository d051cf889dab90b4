"""Score models, and runs that score the answers of a data set."""

from btviz.scoring.loading import load_score_model
from btviz.scoring.protocol import KINDS, SCORES, SCORES_ORDER, CrossFitted, ScoreModel, scores_table

__all__ = ["KINDS", "SCORES", "SCORES_ORDER", "CrossFitted", "ScoreModel", "load_score_model", "scores_table"]
