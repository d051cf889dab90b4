"""What annotators said: counts, co-occurrence, votes and agreement over harm categories.

Every statistic here is a function of the histogram of label sets, in `histogram`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from btviz.lazy import lazy_exports

if TYPE_CHECKING:
    from btviz.labels.agreement import annotator_agreement, disputed, safe_share_by_rule
    from btviz.labels.associations import cooccurrence
    from btviz.labels.contrast import category_contrast
    from btviz.labels.counts import category_counts, label_sets, labels_per_item
    from btviz.labels.overlap import prompt_overlap, response_repeats
    from btviz.labels.significance import cooccurrence_tests
    from btviz.labels.votes import vote_splits

__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {
        "agreement": ["annotator_agreement", "disputed", "safe_share_by_rule"],
        "associations": ["cooccurrence"],
        "contrast": ["category_contrast"],
        "counts": ["category_counts", "label_sets", "labels_per_item"],
        "overlap": ["prompt_overlap", "response_repeats"],
        "significance": ["cooccurrence_tests"],
        "votes": ["vote_splits"],
    },
)
