"""Pictures of btviz tables: each function turns a table into an Altair chart.

Charts display as SVG, without a network. Nothing here reads files, fits or shows.
"""

from btviz.errors import require

require("altair", extra="figures")  # else the modules below would fail without saying what to install

from btviz.plots.annotators import AGREEMENT, agreement
from btviz.plots.cells import quadrants
from btviz.plots.coefficients import COEFFICIENTS
from btviz.plots.coverage import simulated_intervals
from btviz.plots.curves import calibration, roc
from btviz.plots.datamap import topic_map
from btviz.plots.distributed import margins, score_distributions
from btviz.plots.forest import preference_forest
from btviz.plots.generalising import left_out
from btviz.plots.linked import explorer
from btviz.plots.linked_contrast import selection_contrast
from btviz.plots.matrix import association_matrix
from btviz.plots.null import null_distribution
from btviz.plots.planar import score_plane
from btviz.plots.raters import moderators
from btviz.plots.ridges import category_ridges
from btviz.plots.shares import category_shares
from btviz.plots.sizes import labels_per_item
from btviz.plots.surface import reliability_surface
from btviz.plots.upset import label_sets
from btviz.plots.votes import vote_splits

__all__ = [
    "AGREEMENT",
    "COEFFICIENTS",
    "agreement",
    "association_matrix",
    "calibration",
    "category_ridges",
    "category_shares",
    "explorer",
    "label_sets",
    "labels_per_item",
    "left_out",
    "margins",
    "moderators",
    "null_distribution",
    "preference_forest",
    "quadrants",
    "reliability_surface",
    "roc",
    "score_distributions",
    "score_plane",
    "selection_contrast",
    "simulated_intervals",
    "topic_map",
    "vote_splits",
]
