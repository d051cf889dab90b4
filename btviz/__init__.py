"""See what is in the BeaverTails family of safety-alignment data, and whether its claims hold.

Everything below is loaded when first used, so that ``import btviz`` stays light.
"""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from btviz import figures, plots, sentences, widgets
    from btviz.agreement import annotator_agreement, disputed, safe_share_by_rule
    from btviz.catalog import load
    from btviz.contrast import category_contrast
    from btviz.datamap import fit_data_map, map_quality
    from btviz.dataset import Dataset
    from btviz.disagreement import vote_splits
    from btviz.embedding import CallableEncoder, Embeddings, embed, load_encoder
    from btviz.errors import BtvizError
    from btviz.label_noise import noisy_labels, planted_flips
    from btviz.labels import category_counts, cooccurrence, label_sets, labels_per_item
    from btviz.ledger import check
    from btviz.neighbors import Neighbors, more_like, near_duplicates, nearest_neighbors
    from btviz.preference import (
        Orthogonality,
        agreement_correction,
        compare_categories,
        compare_releases,
        flags_against_safer,
        implied_trade_off,
        orthogonality,
        orthogonality_of_counts,
        quadrants,
        reliability_surface,
        score_association,
    )
    from btviz.repeats import prompt_overlap, response_repeats
    from btviz.scanning import scan
    from btviz.scoring import load_score_model, score
    from btviz.scoring.ceilings import score_ceilings
    from btviz.scoring.imported import read_scores
    from btviz.scoring.metrics import score_metrics
    from btviz.scoring.policies import compare_policies
    from btviz.scoring.probes import Probe, fit_probe, leave_one_category_out, transfer_metrics
    from btviz.scoring.signcheck import check_sign
    from btviz.selection import Selection
    from btviz.significance import cooccurrence_tests
    from btviz.topics import (
        TopicAgreement,
        Topics,
        fit_topics,
        load_topics,
        topic_agreement,
        topic_categories,
        topic_stability,
    )

__version__ = version("btviz")

_HOME = {
    "BtvizError": "errors",
    "CallableEncoder": "embedding",
    "Dataset": "dataset",
    "Embeddings": "embedding",
    "Neighbors": "neighbors",
    "Orthogonality": "preference",
    "Probe": "scoring.probes",
    "Selection": "selection",
    "TopicAgreement": "topics",
    "Topics": "topics",
    "agreement_correction": "preference",
    "annotator_agreement": "agreement",
    "category_contrast": "contrast",
    "category_counts": "labels",
    "check": "ledger",
    "check_sign": "scoring.signcheck",
    "compare_categories": "preference",
    "compare_policies": "scoring.policies",
    "compare_releases": "preference",
    "cooccurrence": "labels",
    "cooccurrence_tests": "significance",
    "disputed": "agreement",
    "embed": "embedding",
    "fit_probe": "scoring.probes",
    "fit_topics": "topics",
    "fit_data_map": "datamap",
    "flags_against_safer": "preference",
    "implied_trade_off": "preference",
    "label_sets": "labels",
    "labels_per_item": "labels",
    "leave_one_category_out": "scoring.probes",
    "load": "catalog",
    "load_encoder": "embedding",
    "load_score_model": "scoring",
    "load_topics": "topics",
    "map_quality": "datamap",
    "more_like": "neighbors",
    "near_duplicates": "neighbors",
    "nearest_neighbors": "neighbors",
    "noisy_labels": "label_noise",
    "orthogonality": "preference",
    "orthogonality_of_counts": "preference",
    "planted_flips": "label_noise",
    "prompt_overlap": "repeats",
    "quadrants": "preference",
    "read_scores": "scoring.imported",
    "reliability_surface": "preference",
    "response_repeats": "repeats",
    "safe_share_by_rule": "agreement",
    "scan": "scanning",
    "score": "scoring",
    "score_association": "preference",
    "score_ceilings": "scoring.ceilings",
    "score_metrics": "scoring.metrics",
    "topic_agreement": "topics",
    "topic_categories": "topics",
    "topic_stability": "topics",
    "transfer_metrics": "scoring.probes",
    "vote_splits": "disagreement",
}
_MODULES = ("figures", "plots", "sentences", "widgets")

__all__ = [
    "BtvizError",
    "CallableEncoder",
    "Dataset",
    "Embeddings",
    "Neighbors",
    "Orthogonality",
    "Probe",
    "Selection",
    "TopicAgreement",
    "Topics",
    "agreement_correction",
    "annotator_agreement",
    "category_contrast",
    "category_counts",
    "check",
    "check_sign",
    "compare_categories",
    "compare_policies",
    "compare_releases",
    "cooccurrence",
    "cooccurrence_tests",
    "disputed",
    "embed",
    "figures",
    "fit_data_map",
    "fit_probe",
    "fit_topics",
    "flags_against_safer",
    "implied_trade_off",
    "label_sets",
    "labels_per_item",
    "leave_one_category_out",
    "load",
    "load_encoder",
    "load_score_model",
    "load_topics",
    "map_quality",
    "more_like",
    "near_duplicates",
    "nearest_neighbors",
    "noisy_labels",
    "orthogonality",
    "orthogonality_of_counts",
    "planted_flips",
    "plots",
    "prompt_overlap",
    "quadrants",
    "read_scores",
    "reliability_surface",
    "response_repeats",
    "safe_share_by_rule",
    "scan",
    "score",
    "score_association",
    "score_ceilings",
    "score_metrics",
    "sentences",
    "topic_agreement",
    "topic_categories",
    "topic_stability",
    "transfer_metrics",
    "vote_splits",
    "widgets",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"btviz.{_HOME[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"btviz.{name}")
    raise AttributeError(f"module 'btviz' has no attribute {name!r}; it has {__all__}")


def __dir__() -> list[str]:
    return __all__
