"""See what is in the BeaverTails family of safety-alignment data, and whether its claims hold.

Everything below is loaded when first used, so that ``import btviz`` stays light.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from btviz.lazy import lazy_exports

if TYPE_CHECKING:
    from btviz import data, plots, widgets
    from btviz.data import Dataset, inspect, load, scan
    from btviz.errors import BtvizError
    from btviz.labels import (
        AnnotatorNoise,
        CategoryStructure,
        Factoring,
        annotator_agreement,
        annotator_noise,
        category_contrast,
        category_counts,
        category_structure,
        composition,
        cooccurrence,
        cooccurrence_tests,
        disputed,
        label_sets,
        labels_per_item,
        prompt_overlap,
        response_repeats,
        safe_share_by_rule,
        split_shift,
        vote_splits,
    )
    from btviz.models import (
        Probe,
        ScoreRecord,
        fit_probe,
        load_score_model,
        noisy_labels,
        planted_flips,
        stacked_scores,
    )
    from btviz.preference import (
        Orthogonality,
        agreement_correction,
        category_mix,
        compare_categories,
        compare_releases,
        flags_against_safer,
        implied_trade_off,
        orthogonality,
        orthogonality_of_counts,
        power_plan,
        quadrants,
        reliability_surface,
        score_association,
        severity_of_counts,
        severity_order,
    )
    from btviz.reports import (
        check,
        compare_corrections,
        figures,
        report,
        review_queue,
        review_results,
        sentences,
        specification_curve,
    )
    from btviz.scores import (
        artefact_baselines,
        check_sign,
        compare_policies,
        judge_agreement,
        judge_position_bias,
        judgement_ratings,
        judgement_win_rates,
        keep_scores,
        kept_scores,
        leave_one_category_out,
        read_judgements,
        read_scores,
        score,
        score_ceilings,
        score_metrics,
        score_records,
        swap_consistency,
        transfer_metrics,
    )
    from btviz.session import Export, Selection, export
    from btviz.texts import (
        CallableEncoder,
        Embeddings,
        MapStage,
        Neighbors,
        TopicAgreement,
        Topics,
        embed,
        fit_data_map,
        fit_topics,
        load_encoder,
        load_topics,
        map_quality,
        more_like,
        near_duplicates,
        nearest_neighbors,
        prompt_duplicates,
        topic_agreement,
        topic_categories,
        topic_stability,
    )
    from btviz.widgets import explore

__version__ = version("btviz")

__getattr__, __dir__, __all__ = lazy_exports(__name__)
