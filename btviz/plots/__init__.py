"""Pictures of btviz tables: each function turns a table into an Altair chart.

Charts display as SVG, without a network. Nothing here reads files, fits or shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from btviz.errors import require
from btviz.lazy import lazy_exports, without_grammar

without_grammar()
require("altair", extra="figures")  # else the modules below would fail without saying what to install

if TYPE_CHECKING:
    from btviz.plots.interactive.categories import explorer, selection_contrast
    from btviz.plots.labels.annotators import AGREEMENT, agreement, vote_splits
    from btviz.plots.labels.bars import category_shares, labels_per_item
    from btviz.plots.labels.composition import composition, split_overlap
    from btviz.plots.labels.corrections import correction_effects
    from btviz.plots.labels.matrix import COEFFICIENTS, association_matrix
    from btviz.plots.labels.mix import category_mix
    from btviz.plots.labels.noise import annotator_noise
    from btviz.plots.labels.structure import category_dendrogram, category_network, factor_loadings, parallel_analysis
    from btviz.plots.labels.upset import label_sets
    from btviz.plots.preference.coverage import simulated_intervals
    from btviz.plots.preference.forest import preference_forest
    from btviz.plots.preference.grids import quadrants, reliability_surface
    from btviz.plots.preference.null import null_distribution
    from btviz.plots.preference.planning import power_curve
    from btviz.plots.preference.severity import severity_levels
    from btviz.plots.preference.specifications import specification_curve
    from btviz.plots.scores.accuracy import calibration, left_out, roc
    from btviz.plots.scores.artefacts import artefact_forest
    from btviz.plots.scores.distributions import margins, score_distributions
    from btviz.plots.scores.plane import score_plane
    from btviz.plots.scores.raters import moderators
    from btviz.plots.scores.ratings import policy_ratings
    from btviz.plots.scores.ridges import category_ridges
    from btviz.plots.topics.datamap import topic_map
    from btviz.plots.topics.tree import topic_tree

__getattr__, __dir__, __all__ = lazy_exports(__name__)
