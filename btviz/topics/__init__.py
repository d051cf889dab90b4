"""Topics of a data map: dense regions, their words, their categories, and whether they come back."""

from btviz.topics.agreement import TopicAgreement, topic_agreement
from btviz.topics.coherence import npmi_coherence
from btviz.topics.fit import fit_topics
from btviz.topics.profile import topic_categories
from btviz.topics.result import Topics, load_topics
from btviz.topics.stability import topic_stability

__all__ = [
    "TopicAgreement",
    "Topics",
    "fit_topics",
    "load_topics",
    "npmi_coherence",
    "topic_agreement",
    "topic_categories",
    "topic_stability",
]
