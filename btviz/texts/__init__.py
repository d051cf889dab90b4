"""What the texts are about: embeddings, neighbours, data maps, topics, and labels their neighbours contradict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btviz.lazy import lazy_exports

if TYPE_CHECKING:
    from btviz.texts.datamap import MapStage, fit_data_map, map_quality
    from btviz.texts.embedding import CallableEncoder, Embeddings, Encoder, embed, load_encoder, text_id
    from btviz.texts.neighbors import Neighbors, more_like, near_duplicates, nearest_neighbors, prompt_duplicates
    from btviz.texts.topic_map import TopicMap, make_topic_map
    from btviz.texts.topics import (
        STABLE,
        TopicAgreement,
        Topics,
        fit_topics,
        load_topics,
        topic_agreement,
        topic_categories,
        topic_stability,
    )

__getattr__, __dir__, __all__ = lazy_exports(__name__)
