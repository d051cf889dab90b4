"""What annotators said: counts, co-occurrence, votes and agreement over harm categories.

Every statistic here is a function of the histogram of label sets, in `population`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from btviz.lazy import lazy_exports

if TYPE_CHECKING:
    from btviz.labels.agreement import annotator_agreement, disputed, safe_share_by_rule, vote_splits
    from btviz.labels.associations import cooccurrence, cooccurrence_tests
    from btviz.labels.counts import category_contrast, category_counts, label_sets, labels_per_item
    from btviz.labels.factors import Factoring
    from btviz.labels.noise import AnnotatorNoise, annotator_noise
    from btviz.labels.overlap import prompt_overlap, response_repeats
    from btviz.labels.population import expect_labelled
    from btviz.labels.shares import composition
    from btviz.labels.shift import split_shift
    from btviz.labels.structure import CategoryStructure, category_structure

__getattr__, __dir__, __all__ = lazy_exports(__name__)
