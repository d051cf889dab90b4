"""Topics of a data map: dense regions, their words, their categories, and whether they come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from btviz.lazy import lazy_exports

if TYPE_CHECKING:
    from btviz.texts.topics.categories import TopicAgreement, topic_agreement, topic_categories
    from btviz.texts.topics.result import Topics, fit_topics, load_topics
    from btviz.texts.topics.stability import STABLE, topic_stability

__getattr__, __dir__, __all__ = lazy_exports(__name__)
