"""Messages held against what matters in them: names, numbers and terms, in their order, whatever words join them."""

from __future__ import annotations

import re

WITHIN_A_SENTENCE = r"(?:(?![.!?] [A-Z]).)*?"


def says(text: str, *terms: str) -> bool:
    """Whether one sentence of a text holds these terms in this order; numbers and names only whole."""
    parts = [rf"(?<![\w.]){re.escape(term)}(?!\w|[.,]\d)" for term in terms]
    return re.search(WITHIN_A_SENTENCE.join(parts), " ".join(text.split())) is not None
