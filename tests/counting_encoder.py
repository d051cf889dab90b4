"""An encoder that writes down what it is given."""

from __future__ import annotations

from small_data import hashed_words

from btviz.texts.embedding import CallableEncoder


class CountingEncoder:
    """Counts the texts it was asked for, and may stop after some."""

    def __init__(self, *, stop_after=None):
        self.seen = []
        self.stop_after = stop_after

    def __call__(self, texts):
        if self.stop_after is not None and len(self.seen) >= self.stop_after:
            raise KeyboardInterrupt
        self.seen += texts
        return hashed_words(texts)

    @property
    def encoder(self):
        return CallableEncoder(self, name="counting", version="1")
