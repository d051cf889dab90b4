"""An encoder that only counts words: no model, no download, thousands of texts a second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from btviz.embedding.batches import unit
from btviz.errors import require
from btviz.store.keys import JSON

COLUMNS = 512


class WordEncoder:
    """Counts of words in hashed columns, with signs so that words that share a column cancel on average.

    Vectors know words and no meaning: enough for probes and for trying things out, not for a map.
    """

    name = "words"
    max_tokens = None

    @property
    def settings(self) -> Mapping[str, JSON]:
        """Columns, and the version of the counting."""
        return {"words": COLUMNS, "version": 1}

    def lengths(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Characters of each text: for sorting only."""
        return np.fromiter(map(len, texts), np.int64, len(texts))

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Unit vectors, shape (len(texts), 512); a text without a word has one, too."""
        return unit(self._counter.transform(texts).toarray())

    @property
    def _counter(self) -> Any:
        vectorizer = require("sklearn.feature_extraction.text", extra="topics").HashingVectorizer
        return vectorizer(n_features=COLUMNS, dtype=np.float32, norm=None)
