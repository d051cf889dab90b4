"""Score models, and runs that score the answers of a data set."""

from btviz.scoring.loading import load_score_model
from btviz.scoring.protocol import KINDS, SCORES, SCORES_ORDER, CrossFitted, ScoreModel, scores_table
from btviz.scoring.reporting import Progress
from btviz.scoring.runs import ScoreWarning, score

__all__ = [
    "KINDS",
    "SCORES",
    "SCORES_ORDER",
    "CrossFitted",
    "Progress",
    "ScoreModel",
    "ScoreWarning",
    "load_score_model",
    "score",
    "scores_table",
]
